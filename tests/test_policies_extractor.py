"""GraphExtractor: it plugs into SB3, it reads what it is given, and the batch layout changes nothing."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO, SAC
from torch_geometric.nn import GINEConv

from congested import congested_grid
from envs import EnvConfig, GridBatch
from grid import Grid, GridError
from policies import GraphExtractor, make_vec_env
from policies.networks.layers import Hear, MessageLayer

CONFIG = EnvConfig(topology=congested_grid(), horizon=6, observation="graph")


def observe(batch_size=5, config=CONFIG):
    batch = GridBatch(config, batch_size, seed=1)
    batch.reset()
    for _ in range(3):
        seen, *_ = batch.step(np.full((batch_size, *batch.action_space.shape), 0.3))
    return batch, {name: torch.as_tensor(value) for name, value in seen.items()}


def extractor(batch, **kwargs):
    torch.manual_seed(0)
    return GraphExtractor(batch.observation_space, batch.arrays, **kwargs)


def with_change(seen, name, index, by=0.5):
    changed = {key: value.clone() for key, value in seen.items()}
    changed[name][index] += by
    return changed


def test_the_output_has_one_block_for_each_unit_two_for_all_and_the_globals():
    batch, seen = observe()
    net = extractor(batch, width=16)
    globals_ = seen["globals"]
    assert net(seen).shape == (5, (6 + 2) * 16 + globals_.shape[1])
    assert net.features_dim == (6 + 2) * 16 + globals_.shape[1]
    assert torch.equal(net(seen)[:, (6 + 2) * 16 :], globals_)


@pytest.mark.parametrize("action", ["residual", "bids"])
@pytest.mark.parametrize("topology", ["classic", "case14"])
def test_features_are_of_the_size_of_1_so_that_one_update_cannot_throw_the_actions_about(topology, action):
    model = PPO(
        "MultiInputPolicy",
        make_vec_env(topology=topology, observation="graph", action=action, n_envs=32),
        policy_kwargs={
            "features_extractor_class": GraphExtractor,
            "features_extractor_kwargs": {"arrays": GridBatch(EnvConfig(topology=topology)).arrays},
        },
        device="cpu",
        seed=0,
    )
    seen = {name: torch.as_tensor(value) for name, value in model.get_env().reset().items()}
    with torch.no_grad():
        size = float(model.policy.extract_features(seen).square().mean().sqrt())
    assert 0.3 < size < 3


def test_an_episode_does_not_depend_on_the_others_in_the_batch():
    batch, seen = observe()
    net = extractor(batch)
    together = net(seen)
    order = torch.tensor([3, 0])
    apart = net({name: value[order] for name, value in seen.items()})
    torch.testing.assert_close(apart, together[order])
    moved = net(with_change(seen, "nodes", 4))
    torch.testing.assert_close(moved[:4], together[:4])
    assert not torch.allclose(moved[4], together[4])


def test_every_feature_of_every_node_line_and_of_the_grid_matters():
    batch, seen = observe()
    net = extractor(batch)
    inputs = {name: value.clone().requires_grad_() for name, value in seen.items()}
    net(inputs).square().sum().backward()
    for name, value in inputs.items():
        felt = value.grad.abs().amax(0)
        assert (felt > 0).float().mean() > 0.99, name


def test_gradients_reach_every_weight():
    batch, seen = observe()
    net = extractor(batch)
    net(seen).square().sum().backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_each_block_belongs_to_its_unit():
    """Without message passing a change at one node changes its own block alone, in the order of the actions."""
    batch, seen = observe()
    net = extractor(batch, width=8, layers=0)
    before = net(seen)[:, : 6 * 8].reshape(5, 6, 8)
    for unit, node in enumerate(batch.arrays.controllable):
        after = net(with_change(seen, "nodes", (slice(None), node)))[:, : 6 * 8].reshape(5, 6, 8)
        changed = (after != before).any(-1).any(0)
        assert changed.tolist() == [k == unit for k in range(6)]


def test_a_round_of_messages_reaches_the_neighbours_and_the_mean_reaches_all():
    arrays = congested_grid().compile()
    ends = torch.as_tensor(np.stack([arrays.line_from, arrays.line_to]))
    torch.manual_seed(0)
    layer, nodes, lines = MessageLayer(8), torch.randn(10, 3, 8), torch.randn(ends.shape[1], 3, 16)
    with torch.no_grad():
        layer.hear_all.weight.zero_()
        moved = nodes.clone()
        town = arrays.node_names.index("town")
        moved[town] = torch.randn(3, 8)  # no shift of all features, which layer norm takes out again
        changed = (layer(moved, ends, lines) != layer(nodes, ends, lines)).any(-1).any(-1)
        heard = {arrays.node_names[i] for i in changed.nonzero().ravel().tolist()}
        assert heard == {"town", "coal", "gas", "sun", "lake"}
        layer.hear_all.weight.normal_()
        changed = (layer(moved, ends, lines) != layer(nodes, ends, lines)).any(-1).any(-1)
        assert changed.all()


@pytest.mark.parametrize("batch", [1, 16, 37])
def test_messages_and_their_gradients_are_those_of_one_big_graph(batch):
    arrays = congested_grid().compile()
    ends = torch.as_tensor(np.stack([arrays.line_from, arrays.line_to]))
    size, width = len(arrays.node_names), 8
    torch.manual_seed(0)
    nodes, lines, weight = torch.randn(size, batch, width), torch.randn(ends.shape[1], batch, 2 * width), Hear(width)
    joined = GINEConv(weight.nn, aggr="mean")
    big_index = torch.cat([torch.cat([ends, ends.flip(0)], 1) + k * size for k in range(batch)], dim=1)

    def one_big_graph(nodes, lines):
        both = torch.cat(lines.chunk(2, dim=-1))
        big = joined(nodes.transpose(0, 1).flatten(0, 1), big_index, both.transpose(0, 1).flatten(0, 1))
        return big.view(batch, size, width).transpose(0, 1)

    def beside(nodes, lines):
        return weight(nodes, ends, lines)

    answers = []
    for way, kind in ((one_big_graph, torch.float32), (beside, torch.float32), (beside, torch.float64)):
        weight.to(kind)  # compiled loops, and those of torch-geometric
        given = nodes.to(kind, copy=True).requires_grad_(), lines.to(kind, copy=True).requires_grad_()
        out = way(*given)
        out.sin().sum().backward()
        answers.append((out.detach(), given[0].grad, given[1].grad))
    for answer in answers[1:]:
        for found, expected in zip(answer, answers[0], strict=True):
            torch.testing.assert_close(found.float(), expected, rtol=1e-5, atol=1e-5)


def test_the_direction_of_a_line_matters():
    batch, seen = observe()
    net = extractor(batch)
    flipped = {**seen, "lines": -seen["lines"]}
    assert not torch.allclose(net(flipped), net(seen))


def test_constants_of_the_grid_are_used_but_not_saved():
    grid = congested_grid()
    grid.graph.nodes["gas"]["gen_cost_per_mwh"] = 90
    batch, seen = observe()
    other = GridBatch(EnvConfig(topology=grid, horizon=6, observation="graph"), 1)
    assert not torch.allclose(extractor(batch)(seen), extractor(other)(seen))
    saved = extractor(batch).state_dict()
    assert not set(saved) & {"ends", "controllable", "node_constants", "line_constants"}
    assert not any({10, 22} & set(value.shape) for value in saved.values())  # nodes, directed lines


@pytest.mark.parametrize("lines", [0, 1])
def test_grids_with_hardly_any_line_work(lines):
    grid = Grid("pair")
    grid.add_source("gas", gen_max_mw=10)
    grid.add_consumer("town", load_max_mw=5)
    if lines:
        grid.add_line("gas", "town")
    if not lines:
        grid.graph.remove_node("town")
    batch, seen = observe(2, EnvConfig(topology=grid, horizon=6, observation="graph"))
    assert torch.isfinite(extractor(batch)(seen)).all()


def test_observations_of_another_kind_or_grid_are_refused():
    batch, _ = observe()
    flat = GridBatch(EnvConfig(topology=congested_grid()), 1)
    with pytest.raises(GridError, match="observation='graph' on the grid 'congested'"):
        GraphExtractor(flat.observation_space, flat.arrays)
    grid = congested_grid("larger")
    grid.add_junction("more")
    grid.add_line("more", "gas")
    with pytest.raises(GridError, match="found 10 nodes, while arrays has 11"):
        GraphExtractor(batch.observation_space, grid.compile())


@pytest.mark.parametrize(("algorithm", "settings"), [(PPO, {"n_steps": 6, "batch_size": 12}), (SAC, {"batch_size": 9})])
def test_stock_algorithms_learn_with_it(algorithm, settings):
    env = make_vec_env(CONFIG, 4, seed=0)
    settings = {**settings, "policy_kwargs": {"net_arch": [16]}}
    settings["policy_kwargs"] |= {
        "features_extractor_class": GraphExtractor,
        "features_extractor_kwargs": {"arrays": env.unwrapped.arrays, "width": 8},
    }
    model = algorithm("MultiInputPolicy", env, seed=0, device="cpu", **settings)
    net = model.policy.features_extractor if algorithm is PPO else model.policy.actor.features_extractor
    before = {name: value.clone() for name, value in net.state_dict().items()}
    model.learn(150)
    assert all(not torch.equal(before[name], value) for name, value in net.state_dict().items() if "eps" not in name)
