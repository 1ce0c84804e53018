"""The merit order, and what an action means in MW."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import EnvConfig, GridBatch
from envs.actions import ActionMap, MeritOrder
from grid import Grid, Inputs, Prices, Setpoint
from grid.physics.step import initial_state, limits
from strategies import CHECKED, grids


def slow_merit(need, units):
    """Cheapest first, pro rata within a cost; units are (cost, lo, hi)."""
    output = [lo for _, lo, _ in units]
    rest = need - sum(output)
    for cost in sorted({cost for cost, _, _ in units}):
        tier = [i for i, unit in enumerate(units) if unit[0] == cost]
        room = sum(units[i][2] - units[i][1] for i in tier)
        share = min(max(rest / room, 0.0), 1.0) if room > 0 else 0.0
        for i in tier:
            output[i] += share * (units[i][2] - units[i][1])
        rest -= share * room
    return output


@given(st.integers(0, 10**6), st.integers(1, 6))
@CHECKED
def test_dispatch_equals_a_loop_over_units(seed, count):
    rng = np.random.default_rng(seed)
    grid = Grid()
    grid.add_consumer("c", load_max_mw=1.0)
    for i in range(count):
        grid.add_source(f"s{i}", gen_max_mw=1.0, gen_cost_per_mwh=float(rng.integers(0, 3)))
        grid.add_line("c", f"s{i}")
    arrays = grid.compile()
    lo = rng.uniform(0, 1, (1, count + 1)) * arrays.is_source
    hi = (lo + rng.uniform(0, 1, lo.shape)) * arrays.is_source
    need = np.zeros_like(lo)
    need[0, 0] = rng.uniform(-0.5, count)
    fast = MeritOrder.of(arrays, Prices()).dispatch(need, lo, hi)[0, 1:]
    units = list(zip(arrays.gen_cost_per_mwh[1:], lo[0, 1:], hi[0, 1:], strict=True))
    np.testing.assert_allclose(fast, slow_merit(need[0, 0], units), atol=1e-12)


@given(grids(), st.integers(0, 10**6))
@CHECKED
def test_the_merit_order_meets_demand_in_every_part_where_it_can(grid, seed):
    arrays = grid.compile()
    rng = np.random.default_rng(seed)
    lo = arrays.gen_min_mw * np.ones((3, 1))
    hi = np.maximum(arrays.most_mw * rng.uniform(0, 1, (3, len(arrays.node_names))), lo)
    need = arrays.load_max_mw * rng.uniform(0, 1, lo.shape)
    gen = MeritOrder.of(arrays, Prices()).dispatch(need, lo, hi)
    assert (gen >= lo - 1e-9).all()
    assert (gen <= hi + 1e-9).all()
    wanted, least, most, got = (x @ arrays.part_matrix for x in (need, lo, hi, gen))
    np.testing.assert_allclose(got, np.clip(wanted, least, most), atol=1e-8)


def two_units(action):
    grid = Grid()
    grid.add_source("s", gen_max_mw=100.0, gen_min_mw=10.0, gen_cost_per_mwh=20.0)
    grid.add_storage("b", store_max_mwh=100.0, charge_max_mw=20.0, discharge_max_mw=40.0, discharge_eff_frac=1.0)
    grid.add_consumer("c", load_max_mw=60.0)
    grid.add_line("s", "c")
    grid.add_line("b", "c")
    arrays = grid.compile()
    inputs = Inputs(np.ones((1, 3)), np.array([[0.0, 0.0, 60.0]]), 1.0)
    now = limits(arrays, initial_state(arrays, 1), inputs)
    return ActionMap.of(arrays, Prices(), action), now, inputs


@pytest.mark.parametrize(
    ("action", "given_action", "gen_mw", "store_mw"),
    [
        ("residual", [0.0, 0.0], 60.0, 0.0),
        ("residual", [0.0, 0.5], 40.0, 20.0),  # the source makes what the store leaves over
        ("residual", [0.0, -1.0], 80.0, -20.0),
        ("residual", [1.0, 0.0], 100.0, 0.0),
        ("residual", [-1.0, 0.0], 10.0, 0.0),
        ("residual", [0.5, 0.0], 80.0, 0.0),
        ("residual", [-0.5, 0.0], 35.0, 0.0),
        ("absolute", [-1.0, 0.0], 10.0, 0.0),
        ("absolute", [0.0, 0.25], 55.0, 10.0),
        ("absolute", [1.0, -0.5], 100.0, -10.0),
    ],
)
def test_what_an_action_means(action, given_action, gen_mw, store_mw):
    action_map, now, inputs = two_units(action)
    setpoint = action_map.setpoint(np.array([given_action]), now, inputs)
    np.testing.assert_allclose(setpoint.gen_mw[0], [gen_mw, 0, 0], atol=1e-9)
    np.testing.assert_allclose(setpoint.store_mw[0], [0, store_mw, 0], atol=1e-9)


def test_equal_costs_share_so_that_the_order_of_nodes_does_not_matter():
    batch = GridBatch(EnvConfig(topology="case14"), 4, seed=3)
    batch.reset()
    arrays, merit = batch.arrays, batch.action_map.merit
    free = np.flatnonzero(arrays.is_source & (arrays.gen_cost_per_mwh == 0))
    assert len(free) > 1
    low = batch.inputs.load_mw * 0.0
    gen = merit.dispatch(batch.inputs.load_mw * 0.05, low, arrays.gen_max_mw + low)
    share = gen[:, free] / arrays.gen_max_mw[free]
    np.testing.assert_allclose(share, share[:, :1].repeat(len(free), 1), rtol=1e-12)


@pytest.mark.parametrize("action", ["residual", "absolute"])
def test_a_feasible_setpoint_becomes_actions_and_comes_back(action):
    batch = GridBatch(EnvConfig(topology="case14", action=action), 16, seed=0)
    batch.reset()
    rng = np.random.default_rng(0)
    for _ in range(20):
        now, inputs = batch.limits, batch.inputs
        asked = Setpoint(rng.uniform(now.gen_lo_mw, now.gen_hi_mw), rng.uniform(now.store_lo_mw, now.store_hi_mw))
        actions = batch.action_map.actions(asked, now, inputs)
        assert (np.abs(actions) <= 1).all()
        again = batch.setpoint(actions)
        np.testing.assert_allclose(again.gen_mw, asked.gen_mw, atol=1e-5)
        np.testing.assert_allclose(again.store_mw, asked.store_mw, atol=1e-5)
        batch.step(actions)
