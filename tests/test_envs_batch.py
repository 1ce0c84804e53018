"""GridBatch and its shells: one trajectory, whatever way it is stepped."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from envs import EnvConfig, GridBatch, LoadBalancer, LoadBalancerVector
from envs.recording import Recorder
from grid import Grid, GridError
from grid.costs import TERMS
from ledger import ledger
from topologies import names

OBSERVATIONS = ("flat", "graph")


def leaves(observation):
    return list(observation.values()) if isinstance(observation, dict) else [observation]


def run(batch, actions):
    rows = [leaves(batch.reset())]
    rewards = []
    for action in actions:
        observation, reward, done = batch.step(action)
        rows.append(leaves(batch.reset() if done else observation))
        rewards.append(reward)
    return rows, np.array(rewards)


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("action", ["residual", "absolute", "bids"])
@pytest.mark.parametrize("topology", names())
def test_observations_are_inside_finite_bounds_and_fresh(topology, observation, action):
    config = EnvConfig(topology=topology, observation=observation, action=action, horizon=12)
    batch = GridBatch(config, 3, seed=0)
    rng = np.random.default_rng(1)
    for space in leaves(batch.observation_space.spaces if observation == "graph" else batch.observation_space):
        assert np.isfinite(space.low).all()
        assert np.isfinite(space.high).all()
        assert (space.low < space.high).all()
    before = batch.reset()
    for _ in range(12):
        now, reward, _ = batch.step(rng.uniform(-1, 1, (3, *batch.action_space.shape)))
        assert np.isfinite(reward).all()
        for i in range(3):
            single = {k: v[i] for k, v in now.items()} if isinstance(now, dict) else now[i]
            assert batch.observation_space.contains(single)
        assert not any(np.shares_memory(a, b) for a, b in zip(leaves(before), leaves(now), strict=True))
        before = now


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_no_part_of_the_flat_vector_or_of_the_globals_is_constant(observation):
    batch = GridBatch(EnvConfig(topology="case14", observation=observation), 8, seed=0)
    rng = np.random.default_rng(0)
    seen = [batch.reset()]
    seen += [batch.step(rng.uniform(-1, 1, (8, *batch.action_space.shape)))[0] for _ in range(47)]
    vectors = np.concatenate([s["globals"] if isinstance(s, dict) else s for s in seen])
    assert (np.ptp(vectors, axis=0) > 0).all()


def test_observation_holds_the_inputs_of_the_coming_step():
    batch = GridBatch(EnvConfig(topology="case14", observation="graph"), 2, seed=0)
    seen = batch.reset()
    unit_mw = batch.arrays.peak_load_mw / len(batch.arrays.controllable)
    batch.step(np.zeros((2, *batch.action_space.shape)))
    np.testing.assert_allclose(seen["nodes"][..., 0] * unit_mw, batch.last.inputs.load_mw, rtol=1e-5)


def test_forecasts_are_right_without_error_and_worse_with_longer_leads():
    exact = GridBatch(EnvConfig(topology="case14", forecast_error_frac=0.0), 4, seed=0)
    exact.reset()
    outlook, leads = exact.outlook, np.array(exact.config.lead_steps)
    np.testing.assert_array_equal(outlook.expected(5, leads).load_mw, outlook.load_mw[5 + leads])
    np.testing.assert_allclose(outlook.expected(5, leads).gen_avail_frac, outlook.avail_frac[5 + leads])
    rough = GridBatch(EnvConfig(topology="case14", forecast_error_frac=0.1), 256, seed=0)
    rough.reset()
    first = rough.outlook.expected(0, leads)
    error = first.load_mw.sum(-1) / rough.outlook.load_mw[leads].sum(-1) - 1
    spread = error.std(axis=1)
    assert (np.diff(spread) > 0).all()
    assert spread[-1] == pytest.approx(0.1, rel=0.15)
    assert (first.gen_avail_frac[:, :, ~rough.outlook.profiled] == 1.0).all()


@pytest.mark.parametrize("dt_h", [1.0, 0.5])
def test_forecasts_at_the_agents_leads_are_what_it_observes(dt_h):
    config = EnvConfig(topology="case14", observation="graph", dt_h=dt_h, forecast_error_frac=0.2)
    batch = GridBatch(config, 3, seed=1)
    unit_mw = batch.arrays.peak_load_mw / len(batch.arrays.controllable)
    leads = np.array(config.lead_steps)
    batch.reset()
    for t in range(30):
        seen, expected = batch.observation["nodes"], batch.outlook.expected(t, leads)
        offered_mw = expected.gen_avail_frac * batch.arrays.gen_max_mw
        ahead = np.concatenate([expected.load_mw, offered_mw]).transpose(1, 2, 0) / unit_mw
        np.testing.assert_allclose(seen[..., -2 * len(leads) :], ahead, rtol=1e-6)
        batch.step(np.zeros((3, *batch.action_space.shape)))


def test_forecasts_start_from_the_truth_and_err_more_with_every_step():
    batch = GridBatch(EnvConfig(topology="case14", forecast_error_frac=0.1), 256, seed=0)
    batch.reset()
    leads = np.arange(25)
    expected, truth = batch.outlook.expected(3, leads), batch.outlook.load_mw[3 + leads]
    np.testing.assert_array_equal(expected.load_mw[0], batch.outlook.inputs(3).load_mw)
    np.testing.assert_array_equal(expected.gen_avail_frac[0], batch.outlook.inputs(3).gen_avail_frac)
    spread = (expected.load_mw.sum(-1) / truth.sum(-1) - 1).std(axis=1)
    np.testing.assert_allclose(spread, 0.1 * np.sqrt(leads / 24), rtol=0.15)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_env_i_does_not_depend_on_the_batch_size(observation):
    config = EnvConfig(topology="case14", observation=observation, horizon=6)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (14, 5, *GridBatch(config, 1).action_space.shape))
    wide, wide_reward = run(GridBatch(config, 5, seed=7), actions)
    again, again_reward = run(GridBatch(config, 5, seed=7), actions)
    narrow, narrow_reward = run(GridBatch(config, 2, seed=7), actions[:, :2])
    np.testing.assert_array_equal(wide_reward, again_reward)
    np.testing.assert_allclose(wide_reward[:, :2], narrow_reward, rtol=1e-12, atol=1e-12)
    for a, b, c in zip(wide, again, narrow, strict=True):
        for x, y, z in zip(a, b, c, strict=True):
            np.testing.assert_array_equal(x, y)
            np.testing.assert_allclose(x[:2], z, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_all_shells_agree(observation):
    config = EnvConfig(topology="classic", observation=observation, horizon=5)
    batch = GridBatch(config, 2, seed=11)
    vector = LoadBalancerVector(2, config)
    single = LoadBalancer(config)
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 2, *batch.action_space.shape))
    first = leaves(batch.reset())
    for a, b in zip(first, leaves(vector.reset(seed=11)[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(first, leaves(single.reset(seed=11)[0]), strict=True):
        np.testing.assert_allclose(a[0], b, rtol=1e-6)
    for t, action in enumerate(actions):
        seen, reward, done = batch.step(action)
        seen_v, reward_v, ended, cut, info = vector.step(action)
        seen_1, reward_1, ended_1, cut_1, info_1 = single.step(action[0])
        np.testing.assert_array_equal(reward, reward_v)
        assert reward_1 == pytest.approx(reward[0], rel=1e-12)
        assert done == (t == 4) == ended.all() == ended.any() == ended_1
        assert not cut.any()
        assert not cut_1
        for a, b in zip(leaves(batch.reset() if done else seen), leaves(seen_v), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(leaves(seen), leaves(seen_1), strict=True):
            np.testing.assert_allclose(a[0], b, rtol=1e-6, atol=1e-6)
    for i in range(2):
        for a, b in zip(leaves(seen), leaves(info["final_obs"][i]), strict=True):
            np.testing.assert_array_equal(a[i], b)
    metrics = info["final_info"]["episode_metrics"]
    assert metrics["cost"][0] == pytest.approx(info_1["episode_metrics"]["cost"])


def test_a_seed_gives_the_same_trajectory_in_another_process():
    code = (
        "from envs import EnvConfig, GridBatch; import numpy as np;"
        "b = GridBatch(EnvConfig(topology='case14'), 2, seed=3); b.reset();"
        "print(sum(b.step(np.full((2, *b.action_space.shape), .3))[1].sum() for _ in range(48)).hex())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert len(runs) == 1


def test_train_and_test_episodes_differ_and_seeds_differ():
    loads = []
    for split in ("train", "test"):
        for seed in (0, 1):
            batch = GridBatch(EnvConfig(topology="case14", split=split), 1, seed=seed)
            batch.reset()
            loads.append(batch.outlook.load_mw)
    for i, a in enumerate(loads):
        assert not any(np.array_equal(a, b) for b in loads[i + 1 :])


@pytest.mark.parametrize("topology", names())
def test_energy_is_conserved_and_recorded(topology):
    batch = GridBatch(EnvConfig(topology=topology, horizon=24), 8, seed=0)
    batch.reset()
    recorder = Recorder(batch, "random")
    rng = np.random.default_rng(0)
    for _ in range(24):
        batch.step(rng.uniform(-1, 1, (8, *batch.action_space.shape)))
        recorder.add()
        last = batch.last
        account = ledger(batch.arrays, last.state, last.outcome, last.next_state, 1.0)
        assert np.abs(account.network_imbalance_mwh).max() <= 1e-9
        assert np.abs(account.store_imbalance_mwh).max() <= 1e-9
    for i, episode in enumerate(recorder.episodes()):
        assert episode.steps == 24
        assert episode.cost == pytest.approx(batch.metrics["cost"][i])
        assert episode.unserved_mwh == pytest.approx(batch.metrics["unserved_mwh"][i], abs=1e-9)
        assert episode.overload_mwh == pytest.approx(batch.metrics["overload_mwh"][i], abs=1e-9)
        np.testing.assert_array_equal(episode.store_mwh[0], batch.arrays.store_init_mwh)
        assert set(episode.costs) == TERMS.keys() - {"voltage", "start", "no_load"}


@pytest.mark.parametrize(
    ("action", "found"),
    [
        (np.zeros((2, 1)), "shape (2, 1)"),
        (np.full((2, 2), np.nan), "a value that is not finite"),
        ([["up", "down"]] * 2, "what is no array of real numbers"),
        (np.full((2, 2), 1j), "what is no array of real numbers"),
        ([[0.0, 1.0], [0.0]], "what is no array of real numbers"),
    ],
)
def test_bad_actions_are_refused(action, found):
    batch = GridBatch(EnvConfig(topology="triangle"), 2, seed=0)
    batch.reset()
    with pytest.raises(GridError) as caught:
        batch.step(action)
    assert str(caught.value) == (
        f"action: found {found}; allowed: finite numbers of shape (2, 2); "
        "give one action for each source and storage, in the order of arrays.controllable"
    )


def test_a_vector_may_be_seeded_env_by_env():
    vector = LoadBalancerVector(2, topology="classic")
    single = LoadBalancer(topology="classic")
    seen, _ = vector.reset(seed=[4, 9])
    for i, seed in enumerate((4, 9)):
        np.testing.assert_allclose(seen[i], single.reset(seed=seed)[0], rtol=1e-6)
    np.testing.assert_array_equal(vector.reset(seed=np.array([4, 9]))[0], seen)
    drawn = vector.reset(seed=[None, 9])[0]
    np.testing.assert_array_equal(drawn[1], seen[1])
    assert (drawn[0] != seen[0]).any()


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        ([1, 2], "seeds: found 2 of them; allowed: 3, one for each episode; give one seed, or one for each episode"),
        (-1, "seed: found -1; allowed: a whole number >= 0, or None; correct the value"),
        ([1, 2.5, 3], "seed: found 2.5; allowed: a whole number >= 0, or None; correct the value"),
    ],
)
def test_bad_seeds_are_refused(seed, message):
    with pytest.raises(GridError) as caught:
        GridBatch(EnvConfig(topology="triangle"), 3).reset(seed)
    assert str(caught.value) == message


def test_overloads_are_counted_where_they_cost_nothing():
    batch = GridBatch(EnvConfig(topology="triangle", prices={"overload_per_mwh": 0.0}, horizon=24), 8)
    batch.reset(0)
    over_mwh = np.zeros(8)
    for _ in range(24):
        batch.step(np.zeros((8, *batch.action_space.shape)))
        over_mwh += np.maximum(np.abs(batch.last.outcome.flow_mw) - batch.arrays.capacity_mw, 0).sum(1)
    np.testing.assert_allclose(batch.metrics["overload_mwh"], over_mwh)
    assert over_mwh.sum() > 1


def test_a_store_alone_is_an_env():
    grid = Grid("store")
    grid.add_storage("store", store_max_mwh=8, charge_max_mw=2, discharge_max_mw=2)
    batch = GridBatch(EnvConfig(topology=grid, horizon=4), 2)
    batch.reset(0)
    rewards = [batch.step(np.ones((2, 1)))[1] for _ in range(4)]
    assert np.abs(rewards).max() < 1e3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_envs": 0}, "num_envs: found 0; allowed: a whole number >= 1; correct the value"),
        ({"num_envs": 2.5}, "num_envs: found 2.5; allowed: a whole number >= 1; correct the value"),
        ({"num_envs": "2"}, "num_envs: found '2'; allowed: a whole number >= 1; correct the value"),
        ({"num_envs": True}, "num_envs: found True; allowed: a whole number >= 1; correct the value"),
        (
            {"num_envs": 2, "render_mode": "ansi"},
            "render_mode: found 'ansi'; allowed: None in a vector env; render a single LoadBalancer",
        ),
    ],
)
def test_bad_vectors_are_refused(fields, message):
    with pytest.raises(GridError) as caught:
        LoadBalancerVector(**fields, topology="triangle")
    assert str(caught.value) == message


def test_gymnasium_makes_both():
    vector = gym.make_vec("envs:LoadBalancer-v0", num_envs=np.int64(3), topology="triangle")
    assert vector.reset(seed=0)[0].shape[0] == 3
    assert vector.step(vector.action_space.sample())[1].shape == (3,)
