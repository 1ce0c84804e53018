"""One network for every grid: names and order of nodes and lines do not matter, nor does padding, nor the grid."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from torch import nn

from envs import EnvConfig, GridBatch, LoadBalancer
from grid import Grid, GridError
from policies import GraphActorCriticPolicy, make_vec_env
from policies.baselines import Plan
from policies.networks.graph_policy import MaskedGaussian

TOPOLOGIES = ("triangle", "case14", "gen:12:3")


def config(topology, **fields):
    return EnvConfig(topology=topology, observation="graph", action="bids", horizon=6, **fields)


def policy_of(batch, grids=None):
    """A policy whose weights are all drawn at random, so that no output is 0 by its start."""
    torch.manual_seed(0)
    own = [batch.arrays] if grids is None else grids
    policy = GraphActorCriticPolicy(batch.observation_space, batch.action_space, lambda _: 1e-3, own, 16, 2)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return policy


def tensors(observation):
    return {name: torch.as_tensor(value) for name, value in observation.items()}


def seen_after(batch, steps=3):
    """An observation in the middle of an episode, when lines are loaded and stores are neither full nor empty."""
    observation = batch.reset()
    for _ in range(steps):
        actions = np.random.default_rng(0).uniform(-1, 1, (batch.batch_size, *batch.action_space.shape))
        observation, *_ = batch.step(actions)
    return observation


def reordered(grid, seed):
    """The grid with its nodes and lines in another order, and that order."""
    rng = np.random.default_rng(seed)
    nodes, lines = list(grid.graph.nodes(data=True)), list(grid.graph.edges(keys=True, data=True))
    node_order, line_order = rng.permutation(len(nodes)), rng.permutation(len(lines))
    other = type(grid.graph)()
    other.add_nodes_from(nodes[i] for i in node_order)
    other.add_edges_from(lines[i] for i in line_order)
    return Grid.from_networkx(other)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_another_order_of_nodes_and_lines_permutes_the_actions(topology):
    batch = GridBatch(config(topology), 5, seed=1)
    other = reordered(batch.grid, seed=2).compile()
    nodes = [batch.arrays.node_names.index(name) for name in other.node_names]
    lines = [batch.arrays.line_names.index(name) for name in other.line_names]
    assert nodes != sorted(nodes)
    seen = seen_after(batch)
    moved = {"nodes": seen["nodes"][:, nodes], "lines": seen["lines"][:, lines], "globals": seen["globals"]}
    policy = policy_of(batch)
    mean, value = policy.get_distribution(tensors(seen)).distribution.mean, policy.predict_values(tensors(seen))
    assert mean.std() > 1e-3
    policy.rewire([other])
    again, same = policy.get_distribution(tensors(moved)).distribution.mean, policy.predict_values(tensors(moved))
    names = [batch.arrays.node_names[i] for i in batch.arrays.controllable]
    order = [names.index(other.node_names[i]) for i in other.controllable]
    np.testing.assert_allclose(again.detach(), mean.detach()[:, order], atol=1e-5)
    np.testing.assert_allclose(same.detach(), value.detach(), atol=1e-5)


@pytest.fixture(scope="module")
def padded():
    """Observations of three grids, padded, with those of each grid as it is, and a policy that knows all three."""
    env = make_vec_env([config(topology) for topology in TOPOLOGIES], 6, seed=4)
    env.reset()
    for _ in range(3):
        observation, *_ = env.step(np.random.default_rng(0).uniform(-1, 1, (6, *env.action_space.shape)))
    parts = [(batch, batch.observation) for batch in env.batch.batches]
    positions = observation["grid"][::2, 0].astype(int)
    policy = policy_of(env.batch, [problem.arrays for problem in env.batch.grids.problems])
    return tensors(observation), positions, parts, policy


def test_padded_rows_are_decided_as_if_unpadded(padded):
    observation, positions, parts, policy = padded
    torch.manual_seed(0)
    whole = policy.get_distribution(observation)
    actions = whole.sample()
    log_prob, entropy, values = whole.log_prob(actions), whole.entropy(), policy.predict_values(observation)
    assert sorted(positions) == [0, 1, 2]
    for k, (position, (batch, seen)) in enumerate(zip(positions, parts, strict=True)):
        rows, units = slice(2 * k, 2 * k + 2), len(batch.arrays.controllable)
        policy.turn_to(position)
        alone = policy.get_distribution(tensors(seen))
        pairs = (
            (whole.mode()[rows, :units], alone.mode()),
            (log_prob[rows], alone.log_prob(actions[rows, :units])),
            (entropy[rows], alone.entropy()),
            (values[rows], policy.predict_values(tensors(seen))),
        )
        for found, expected in pairs:
            np.testing.assert_allclose(found.detach(), expected.detach(), rtol=1e-5, atol=1e-5)
        assert (whole.mode()[rows, units:] == 0).all()
        assert (actions[rows, units:] == 0).all()


def test_the_order_of_the_rows_does_not_matter(padded):
    observation, _, _, policy = padded
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = {name: value[order] for name, value in observation.items()}
    for of in (policy.predict_values, lambda seen: policy.get_distribution(seen).mode()):
        np.testing.assert_allclose(of(shuffled).detach(), of(observation).detach()[order], atol=1e-5)


def test_what_is_padded_has_no_say(padded):
    observation, _, parts, policy = padded
    changed = {name: value.clone() for name, value in observation.items()}
    for k, (batch, _) in enumerate(parts):
        changed["nodes"][2 * k : 2 * k + 2, len(batch.arrays.node_names) :] = 9.0
        changed["lines"][2 * k : 2 * k + 2, len(batch.arrays.line_names) :] = 9.0
    assert not torch.equal(changed["nodes"], observation["nodes"])
    assert torch.equal(policy.get_distribution(changed).mode(), policy.get_distribution(observation).mode())
    assert torch.equal(policy.predict_values(changed), policy.predict_values(observation))


def test_masked_entries_count_in_no_sum():
    mean, std = torch.tensor([[0.3, 7.0], [0.1, 0.2]]), torch.tensor([0.5, 0.7])
    masked = MaskedGaussian(mean, std, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    plain = MaskedGaussian(mean, std)
    actions = torch.tensor([[0.4, 3.0], [-0.2, 0.9]])
    one = torch.distributions.Normal(0.3, 0.5)
    assert masked.log_prob(actions)[0] == pytest.approx(float(one.log_prob(torch.tensor(0.4))))
    assert masked.entropy()[0] == pytest.approx(float(one.entropy()))
    assert masked.log_prob(actions)[1] == plain.log_prob(actions)[1]
    assert masked.mode().tolist() == [[pytest.approx(0.3), 0.0], [pytest.approx(0.1), pytest.approx(0.2)]]
    assert masked.sample()[0, 1] == 0


def test_no_parameter_depends_on_the_grid_and_no_constants_of_one_are_saved():
    small, large = (policy_of(GridBatch(config(topology), 1)) for topology in ("triangle", "case118"))
    shapes = [{name: value.shape for name, value in policy.state_dict().items()} for policy in (small, large)]
    assert shapes[0] == shapes[1]
    assert not any(name.startswith("grids") for name in shapes[0])
    large.load_state_dict(small.state_dict(), strict=True)
    batch = GridBatch(config("case118"), 2, seed=0)
    assert large.predict(batch.reset(), deterministic=True)[0].shape == (2, len(batch.arrays.controllable))


def test_each_kind_of_unit_has_a_spread_of_its_own():
    batch = GridBatch(config("case14"), 2)
    policy = policy_of(batch)
    with torch.no_grad():
        policy.log_std.copy_(torch.tensor([-1.0, -2.0]))
    stddev = policy.get_distribution(tensors(batch.reset())).distribution.stddev
    is_store = torch.as_tensor(batch.arrays.is_store[batch.arrays.controllable])
    np.testing.assert_allclose(stddev.detach(), torch.where(is_store, -2.0, -1.0).exp().expand(2, -1), rtol=1e-6)


def test_predictions_stay_in_bounds_alone_and_in_a_batch():
    batch = GridBatch(config("case14"), 3)
    policy = policy_of(batch)
    nn.init.constant_(policy.log_std, 2.0)
    seen = batch.reset()
    actions, _ = policy.predict(seen)
    assert np.abs(actions).max() == 1
    steady = policy.predict(seen, deterministic=True)[0]
    alone = policy.predict({name: value[1] for name, value in seen.items()}, deterministic=True)[0]
    np.testing.assert_allclose(alone, steady[1], atol=1e-5)


def test_stock_ppo_trains_it_on_one_grid_and_on_several(tmp_path):
    one = make_vec_env(config("triangle"), 4)
    several = make_vec_env([config(topology) for topology in TOPOLOGIES], 6)
    for env, grids in ((one, [one.arrays]), (several, [problem.arrays for problem in several.batch.grids.problems])):
        model = PPO(
            GraphActorCriticPolicy, env, n_steps=3, batch_size=6, n_epochs=2, policy_kwargs={"grids": grids, "width": 8}
        )
        before = {name: value.clone() for name, value in model.policy.state_dict().items()}
        model.learn(3 * env.num_envs)
        after = model.policy.state_dict()
        assert all(torch.isfinite(value).all() for value in after.values())
        assert any(not torch.equal(before[name], value) for name, value in after.items())
        assert not torch.equal(before["log_std"], after["log_std"])
    model.policy.save(tmp_path / "policy")
    again = GraphActorCriticPolicy.load(tmp_path / "policy")
    seen = several.reset()
    assert np.array_equal(again.predict(seen, deterministic=True)[0], model.predict(seen, deterministic=True)[0])


def test_what_it_cannot_do_is_refused():
    flat = LoadBalancer(topology="triangle")
    grids = [flat.arrays]
    with pytest.raises(GridError, match="observation_space: found Box; allowed: the space of envs with observation"):
        GraphActorCriticPolicy(flat.observation_space, flat.action_space, lambda _: 1e-3, grids)
    batch = GridBatch(config("triangle"), 1)
    with pytest.raises(GridError, match="use_sde: found True; allowed: False"):
        GraphActorCriticPolicy(batch.observation_space, batch.action_space, lambda _: 1e-3, grids, use_sde=True)
    policy = policy_of(batch)
    policy.turn_to(3)
    with pytest.raises(GridError, match="policy: found an observation of grid 3; allowed: one of 1 grids; rewire"):
        policy.predict(batch.reset())
    policy.rewire([])
    with pytest.raises(GridError, match="policy: found an observation of grid 0; allowed: a policy that knows a grid"):
        policy.predict(batch.reset())


def test_a_grid_without_lines_is_decided_too():
    grid = Grid("island")
    grid.add_source("gas", gen_max_mw=10, gen_cost_per_mwh=5)
    batch = GridBatch(config(grid), 2)
    assert policy_of(batch).predict(batch.reset())[0].shape == (2, 1)


@pytest.mark.parametrize("topology", [*TOPOLOGIES, "gen:40:90006"])
def test_untrained_it_decides_what_the_plan_decides(topology):
    """With the exploration left out: every mean action is 0, whatever is seen."""
    batch = GridBatch(config(topology), 3, seed=2)
    policy = GraphActorCriticPolicy(
        batch.observation_space, batch.action_space, lambda _: 1e-3, grids=[batch.arrays], width=8
    )
    seen, plan = batch.reset(), Plan()
    plan.reset(batch)
    for _ in range(batch.horizon):
        actions = policy.predict(seen, deterministic=True)[0]
        assert (actions == 0).all()
        planned, asked = plan.act(batch), batch.setpoint(actions)
        np.testing.assert_array_equal(asked.gen_mw, planned.gen_mw)
        np.testing.assert_array_equal(asked.store_mw, planned.store_mw)
        seen, *_ = batch.step(actions)


@pytest.mark.parametrize("action", ["residual", "absolute"])
def test_it_decides_on_other_actions_too(action):
    """It is a plain network on the observation: what its actions mean is the env's affair."""
    batch = GridBatch(EnvConfig(topology="case14", observation="graph", action=action, horizon=6), 2)
    actions, _ = policy_of(batch).predict(batch.reset(), deterministic=True)
    assert actions.shape == (2, len(batch.arrays.controllable))
    assert np.abs(actions).max() > 0
