"""The reward is what the step cost less than the copper-plate merit order would have."""

import numpy as np
import pytest

from envs import EnvConfig, GridBatch, LoadBalancer
from grid import Grid, GridError, Prices


def lone_source(gen_max_mw=100.0, gen_min_mw=0.0):
    grid = Grid()
    grid.add_source(
        "s",
        gen_max_mw=gen_max_mw,
        gen_min_mw=gen_min_mw,
        gen_cost_per_mwh=20.0,
        gen_cost_per_mw2h=0.1,
        co2_t_per_mwh=0.5,
    )
    grid.add_consumer("c", load_max_mw=50.0, shed_cost_per_mwh=400.0)
    grid.add_line("s", "c")
    return grid


def test_reference_by_hand():
    batch = GridBatch(EnvConfig(topology=lone_source(), horizon=2, dt_h=0.5, prices=Prices(co2_per_t=10.0)), 1)
    batch.reset()
    # 50 MW for half an hour: linear 20 + CO2 0.5 t x 10, and 0.1 x 50² for the quadratic term
    per_step = (50 * 25 + 0.1 * 2500) * 0.5
    np.testing.assert_allclose(batch.reference_cost, [2 * per_step])
    assert batch.problem.reward_scale == pytest.approx(per_step)


def test_reference_counts_what_cannot_be_served():
    batch = GridBatch(EnvConfig(topology=lone_source(gen_max_mw=30.0), horizon=1), 1)
    batch.reset()
    np.testing.assert_allclose(batch.reference_cost, [30 * 20 + 0.1 * 900 + 20 * 400])


def test_reference_counts_what_is_thrown_away():
    batch = GridBatch(EnvConfig(topology=lone_source(gen_min_mw=60.0), horizon=1), 1)
    batch.reset()
    np.testing.assert_allclose(batch.reference_cost, [60 * 20 + 0.1 * 3600 + 10 * 10])


def test_scale_has_a_floor_where_energy_is_free():
    grid = Grid()
    grid.add_source("s", gen_max_mw=100.0)
    grid.add_consumer("c", load_max_mw=50.0, shed_cost_per_mwh=400.0)
    grid.add_line("s", "c")
    assert GridBatch(EnvConfig(topology=grid), 1).problem.reward_scale == pytest.approx(0.01 * 50 * 400)


def test_reward_is_reference_minus_cost_over_scale_and_sums_to_the_episode():
    batch = GridBatch(EnvConfig(topology="classic", horizon=6), 3, seed=1)
    batch.reset()
    rng = np.random.default_rng(0)
    reference, rewards, total = batch.reference_cost, 0.0, 0.0
    for _ in range(6):
        _, reward, _ = batch.step(rng.uniform(-1, 1, (3, *batch.action_space.shape)))
        cost = sum(batch.last.costs.values())
        np.testing.assert_allclose(reward, (batch.last.reference - cost) / batch.problem.reward_scale)
        rewards, total = rewards + reward, total + cost
    np.testing.assert_allclose(rewards, (reference - total) / batch.problem.reward_scale)
    np.testing.assert_allclose(batch.metrics["cost"], total)
    np.testing.assert_allclose(batch.metrics["reference"], reference)


def test_reference_does_not_depend_on_actions():
    batch = GridBatch(EnvConfig(topology="case14"), 2, seed=5)
    seen = []
    for action in (-1.0, 1.0):
        batch.reset(seed=5)
        rows = []
        for _ in range(48):
            batch.step(np.full((2, *batch.action_space.shape), action))
            rows.append(batch.last.reference)
        seen.append(rows)
    np.testing.assert_array_equal(seen[0], seen[1])


def test_stored_energy_is_settled_at_the_end_alone():
    env = LoadBalancer(topology="triangle", horizon=3)
    env.reset(seed=0)
    arrays = env.unwrapped.arrays
    store = int(np.flatnonzero(arrays.is_store)[0])
    drain = np.where(arrays.is_store[arrays.controllable], 1.0, 0.0)
    infos = [env.step(drain)[4] for _ in range(3)]
    assert [info["settlement"] for info in infos[:2]] == [0.0, 0.0]
    taken = arrays.store_init_mwh[store] - env.batch.last.next_state.store_mwh[0, store]
    assert taken > 0
    assert infos[2]["settlement"] == pytest.approx(taken * env.batch.problem.store_value_per_mwh[store])


def test_stored_energy_cannot_be_worth_more_than_it_saves():
    with pytest.raises(GridError, match=r"prices.store_value_per_mwh: found 1000; allowed: at most"):
        GridBatch(EnvConfig(topology="triangle", prices=Prices(store_value_per_mwh=1000.0)), 1)
