"""Redispatch moves save money, keep every limit, and end at the exact optimum of the step."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from congested import congested_grid
from envs import EnvConfig, GridBatch
from grid import Grid, Inputs, Prices, Setpoint, State
from grid.costs import step_costs
from grid.dispatch import MeritOrder, Redispatch
from grid.physics.step import Limits, initial_state, limits, step
from grid.planning.optimum import optimum
from policies.baselines import MOVES, Merit
from policies.baselines import Redispatch as Redispatching
from strategies import CHECKED, grids, random_status


def cost_of(arrays, gen, inputs, prices):
    state = initial_state(arrays, len(gen))
    outcome = step(arrays, state, Setpoint(gen, np.zeros_like(gen)), inputs)[1]
    return sum(step_costs(arrays, prices, outcome, inputs.dt_h).values())


@given(grids(), st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([1, 2, 64]))
@CHECKED
def test_moves_are_never_dearer_and_keep_limits_and_balance(grid, seed, count, most):
    arrays, prices = grid.compile(), Prices()
    rng = np.random.default_rng(seed)
    load = arrays.load_max_mw * rng.uniform(0, 1, (4, len(arrays.node_names)))
    inputs = Inputs(np.ones_like(load), load, 1.0, random_status(arrays, rng, 4))
    now = limits(arrays, initial_state(arrays, 4), inputs)
    before = MeritOrder.of(arrays, prices).dispatch(load, now.gen_lo_mw, now.gen_hi_mw)
    with mock.patch("grid.dispatch.redispatch.MOST_SOURCES", most):
        after = Redispatch(arrays, prices).moves(before, -load, now, count)
    assert (after >= now.gen_lo_mw - 1e-9).all()
    assert (after <= now.gen_hi_mw + 1e-9).all()
    np.testing.assert_allclose(after @ arrays.part_matrix, before @ arrays.part_matrix, atol=1e-6)
    served = np.abs((before - load) @ arrays.part_matrix).max(1) < 1e-9  # elsewhere balancing moves things again
    saved = cost_of(arrays, before, inputs, prices) - cost_of(arrays, after, inputs, prices)
    assert (saved[served] >= -1e-6 * np.abs(cost_of(arrays, before, inputs, prices)[served]) - 1e-6).all()


def test_two_parallel_lines_by_hand():
    grid = Grid()
    grid.add_source("cheap", gen_max_mw=100.0, gen_cost_per_mwh=10.0)
    grid.add_source("dear", gen_max_mw=100.0, gen_cost_per_mwh=50.0)
    grid.add_consumer("town", load_max_mw=80.0)
    grid.add_line("cheap", "town", capacity_mw=30.0)
    grid.add_line("dear", "town")
    arrays = grid.compile()
    load = arrays.load_max_mw[None]
    now = limits(arrays, initial_state(arrays, 1), Inputs(np.ones_like(load), load, 1.0))
    moved = Redispatch(arrays, Prices()).moves(np.array([[80.0, 0.0, 0.0]]), -load, now, 5)
    np.testing.assert_allclose(moved, [[30.0, 50.0, 0.0]])  # 50 MW at 40 more beat 50 MW of overload at 300


def test_moves_see_the_flows_that_outages_leave():
    """Without the wide line all 80 MW go over the narrow one, which may carry 30; with it, nothing is to be done."""
    grid = Grid()
    grid.add_source("cheap", gen_max_mw=100.0, gen_cost_per_mwh=10.0)
    grid.add_source("dear", gen_max_mw=100.0, gen_cost_per_mwh=50.0)
    grid.add_consumer("town", load_max_mw=80.0)
    grid.add_line("cheap", "town", key="narrow", capacity_mw=30.0)
    grid.add_line("cheap", "town", key="wide", capacity_mw=80.0, reactance_pu=0.05)
    grid.add_line("dear", "town", key="own")
    arrays = grid.compile()
    load = np.repeat(arrays.load_max_mw[None], 3, axis=0)
    status = np.array([[name not in out for name in arrays.line_names] for out in ("", "wide", "wide narrow")])
    now = limits(arrays, initial_state(arrays, 3), Inputs(np.ones_like(load), load, 1.0, status))
    before = np.tile([80.0, 0.0, 0.0], (3, 1))
    moved = Redispatch(arrays, Prices()).moves(before, -load, now, 5)
    np.testing.assert_allclose(moved, [[80, 0, 0], [30, 50, 0], [80, 0, 0]])  # the grid has split in the third


def test_quadratic_costs_meet_at_equal_marginal_cost():
    grid = Grid()
    grid.add_source("a", gen_max_mw=100.0, gen_cost_per_mwh=10.0, gen_cost_per_mw2h=0.5)
    grid.add_source("b", gen_max_mw=100.0, gen_cost_per_mwh=20.0, gen_cost_per_mw2h=0.25)
    grid.add_consumer("town", load_max_mw=60.0)
    grid.add_line("a", "town")
    grid.add_line("b", "town")
    arrays = grid.compile()
    load = arrays.load_max_mw[None]
    now = limits(arrays, initial_state(arrays, 1), Inputs(np.ones_like(load), load, 1.0))
    moved = Redispatch(arrays, Prices()).moves(np.array([[60.0, 0.0, 0.0]]), -load, now, 5)
    gen = 80.0 / 3.0  # 10 + p = 20 + 0.5 (60 − p)
    np.testing.assert_allclose(moved, [[gen, 60.0 - gen, 0.0]])


@pytest.mark.parametrize("topology", ["classic", "case14"])
def test_many_moves_come_near_the_exact_optimum_of_one_step(topology):
    batch = GridBatch(EnvConfig(topology=topology, horizon=1, split="test"), 40, seed=0)
    batch.reset()
    arrays, prices = batch.arrays, batch.prices
    idle = dataclasses.replace(
        arrays, charge_max_mw=np.zeros_like(arrays.charge_max_mw), discharge_max_mw=np.zeros_like(arrays.x)
    )
    best = sum(optimum(idle, batch.episode_inputs(i), prices).cost for i in range(40))
    setpoint = batch.action_map.merit_setpoint(batch.limits, batch.inputs)
    costs = []
    for count in (0, 60):
        gen = Redispatch(arrays, prices).moves(setpoint.gen_mw, -batch.inputs.load_mw, batch.limits, count)
        costs.append(cost_of(arrays, gen, batch.inputs, prices).sum())
    assert best - 1e-6 <= costs[1] <= best + 0.03 * (costs[0] - best)


def steered(batch, stores, asarray):
    """Cost of the coming step (B,) by actions that set the stores (B, A) and leave the sources at their zero point."""
    action_map = batch.action_map.convert(asarray)
    given = {name: value for name, value in vars(batch.limits).items() if value is not None}
    now = Limits(**{name: asarray(value) for name, value in given.items()})
    inputs = Inputs(asarray(batch.inputs.gen_avail_frac), asarray(batch.inputs.load_mw), batch.inputs.dt_h)
    state = State(asarray(batch.state.store_mwh), asarray(batch.state.gen_mw), asarray(batch.state.t))
    setpoint = action_map.setpoint(stores, now, inputs)
    outcome = step(action_map.arrays, state, setpoint, inputs, now)[1]
    return setpoint.gen_mw, sum(step_costs(action_map.arrays, batch.prices, outcome, inputs.dt_h).values())


@pytest.mark.parametrize("topology", ["classic", "case14", congested_grid()])
def test_torch_makes_the_same_moves_and_their_gradient_equals_finite_differences(topology):
    torch = pytest.importorskip("torch")
    batch = GridBatch(EnvConfig(topology=topology, redispatch_moves=4), 300, seed=1)
    batch.reset()
    rng = np.random.default_rng(0)
    is_store = batch.arrays.is_store[batch.arrays.controllable]
    stores = rng.uniform(-0.9, 0.9, (300, len(is_store))) * is_store
    asked = torch.tensor(stores, requires_grad=True)
    theirs, cost = steered(batch, asked, lambda a: torch.tensor(np.array(a)))
    ours, _ = steered(batch, stores, np.asarray)
    np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=0, atol=1e-9)
    plain = dataclasses.replace(batch.action_map, redispatch_moves=0).setpoint(stores, batch.limits, batch.inputs)
    moved = np.abs(ours - plain.gen_mw).max(1) > 1.0
    assert moved.sum() > 5
    cost.sum().backward()
    h, compared = 1e-5, 0
    middle = steered(batch, stores, np.asarray)[1]
    for unit in np.flatnonzero(is_store):
        nudge = h * np.eye(len(is_store))[unit]
        right = (steered(batch, stores + nudge, np.asarray)[1] - middle) / h
        left = (middle - steered(batch, stores - nudge, np.asarray)[1]) / h
        smooth = np.abs(right - left) < 1e-3 * np.maximum(1.0, np.abs(right))
        np.testing.assert_allclose(asked.grad[smooth, unit], ((left + right) / 2)[smooth], rtol=1e-4, atol=1e-2)
        compared += (smooth & moved).sum()
    assert compared > 5


def test_the_zero_point_with_moves_is_the_redispatch_rule():
    for moves, policy in ((0, Merit()), (MOVES, Redispatching())):
        batch = GridBatch(EnvConfig(topology="case14", redispatch_moves=moves), 30, seed=2)
        batch.reset()
        zero = batch.setpoint(np.zeros((30, *batch.action_space.shape)))
        np.testing.assert_allclose(zero.gen_mw, policy.act(batch).gen_mw, rtol=0, atol=1e-9)
