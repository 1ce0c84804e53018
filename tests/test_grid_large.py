"""Grids of thousands of nodes: nothing is formed densely, and the answers are those of the dense way."""

from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given

from envs import EnvConfig, GridBatch
from envs.contingency import contingencies
from grid import Grid, Inputs, optimum
from grid.arrays import DENSE_NODES
from grid.physics import outages
from grid.physics.flow import flows
from grid.physics.outages import Outages
from grid.physics.step import initial_state, step
from ledger import ledger
from schedules import replay
from slow_step import slow_flows
from strategies import CHECKED, SEEDS, grids, random_inputs, random_setpoint, random_status
from topologies import load


def sparse(grid: Grid):
    """The grid compiled as if it were large."""
    with mock.patch("grid.graph.DENSE_NODES", 0):
        return grid.compile()


@pytest.fixture(scope="module")
def large() -> Grid:
    return load("gen:2000:1")


@CHECKED
@given(grids(), SEEDS)
def test_solved_flows_equal_multiplied_ones_with_any_lines_out(grid, seed):
    dense, solved = grid.compile(), sparse(grid)
    assert solved.flow_matrix is None
    rng = np.random.default_rng(seed)
    power = rng.normal(0, 50, (5, len(dense.node_names)))
    np.testing.assert_allclose(flows(solved, power), flows(dense, power), rtol=0, atol=1e-8)
    np.testing.assert_allclose(solved.with_flow_matrix().flow_matrix, dense.flow_matrix, rtol=0, atol=1e-9)
    status = random_status(dense, rng, 5)
    if status is None:
        return
    inputs = Inputs(np.ones_like(power), dense.load_max_mw * rng.random(power.shape), 1.0, status)
    setpoint = random_setpoint(dense, rng, 5)
    ours, wanted = (step(arrays, initial_state(arrays, 5), setpoint, inputs)[1] for arrays in (solved, dense))
    np.testing.assert_allclose(ours.flow_mw, wanted.flow_mw, rtol=0, atol=1e-7)
    np.testing.assert_allclose(ours.shed_mw, wanted.shed_mw, rtol=0, atol=1e-9)


def test_two_thousand_nodes_step_with_outages_in_less_memory_than_one_dense_matrix(large):
    batch = GridBatch(EnvConfig(topology=large, horizon=4, forecast_h=(), split="test"), 3, 0)
    arrays, rng = batch.arrays, np.random.default_rng(0)
    assert len(arrays.node_names) == 2000 > DENSE_NODES
    state, (steps, lines) = initial_state(arrays, 3), (4, len(arrays.line_names))
    ends = np.zeros((3, 2000))
    split = 0
    tracemalloc.start()
    for t in range(steps):
        batch.reset()
        inputs = batch.outlook.inputs(t)
        status = rng.random((3, lines)) >= np.array([[1.5 / lines], [4 / lines], [40 / lines]])
        inputs = Inputs(inputs.gen_avail_frac, inputs.load_mw, 1.0, status)
        after, outcome = step(arrays, state, random_setpoint(arrays, rng, 3), inputs)
        ends = -outcome.injection_mw
        for line in (arrays.line_from, 1), (arrays.line_to, -1):
            np.add.at(ends, (slice(None), line[0]), line[1] * outcome.flow_mw)
        np.testing.assert_allclose(ends, 0, atol=1e-7)
        books = ledger(arrays, state, outcome, after, 1.0)
        assert abs(books.network_imbalance_mwh).max() <= 1e-9 * arrays.peak_load_mw
        assert abs(books.store_imbalance_mwh).max() <= 1e-9
        split += len(Outages.of(arrays, status).islands.rows)
        state = after
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert split > 0
    assert peak < 8 * 2000 * lines


def test_flows_of_two_thousand_nodes_equal_a_plain_solve(large):
    arrays = large.compile()
    power = np.random.default_rng(1).normal(0, 5, len(arrays.node_names))
    power -= power.mean()
    np.testing.assert_allclose(flows(arrays, power[None])[0], slow_flows(arrays, power.tolist()), rtol=0, atol=1e-6)


@CHECKED
@given(grids(), SEEDS)
def test_limits_that_come_when_they_are_needed_give_the_same_optimum(grid, seed):
    dense, solved = grid.compile(), sparse(grid)
    rng = np.random.default_rng(seed)
    inputs = random_inputs(dense, rng, 3, 1.0)
    inputs = replace(inputs, in_service=random_status(dense, rng, 3))
    with mock.patch("grid.planning.programme.MANY_NODES", 0):
        ours = optimum(solved, inputs)
    wanted = optimum(dense, inputs)
    scale = max(abs(wanted.cost), float((inputs.load_mw @ dense.shed_cost_per_mwh).sum()), 1.0)
    assert ours.cost == pytest.approx(wanted.cost, abs=2e-7 * scale)
    assert sum(ours.cost_terms.values()) == pytest.approx(ours.cost, abs=2e-6 * scale)
    if ours.exact:
        np.testing.assert_allclose(replay(solved, ours, inputs).flow_mw, ours.flow_mw, rtol=0, atol=1e-5)
    injection = ours.gen_mw - ours.spill_mw + ours.store_mw - (inputs.load_mw - ours.shed_mw - ours.curtailed_mw)
    earned = (injection * ours.nodal_price_per_mwh).sum()
    if not dense.shift_deg.any():
        assert -earned == pytest.approx(ours.line_rent.sum(), abs=2e-6 * scale)
    full = np.abs(ours.flow_mw) > dense.capacity_mw - 1e-5
    assert abs(ours.line_rent[~full]).max(initial=0.0) <= 1e-6 * scale


def test_contingencies_of_a_large_grid_equal_those_of_a_small_one():
    config = EnvConfig(topology=load("case14"), split="test")
    wanted = contingencies(config, hour=18)
    with mock.patch("grid.graph.DENSE_NODES", 0):
        ours = contingencies(config, hour=18)
    for one, other in zip((wanted[0], *wanted[1]), (ours[0], *ours[1]), strict=True):
        assert (one.line, one.worst_line, one.islands) == (other.line, other.worst_line, other.islands)
        assert other.worst_loading_frac == pytest.approx(one.worst_loading_frac, rel=1e-9)


def test_what_is_kept_of_outages_is_bounded_and_changes_nothing():
    grid, rng = load("case118"), np.random.default_rng(0)
    few, all_kept = grid.compile(), grid.compile()
    lines, nodes = len(few.line_names), len(few.node_names)
    for _ in range(40):
        status, power = rng.random((4, lines)) >= 3 / lines, rng.normal(0, 50, (4, nodes))
        wanted = flows(all_kept, power, Outages.of(all_kept, status))
        with mock.patch.object(outages, "KEPT_BYTES", 30 * 8 * lines):
            assert (flows(few, power, Outages.of(few, status)) == wanted).all()
        bounded, free = outages._kept(few), outages._kept(all_kept)
        assert bounded.used <= 30
        assert len(bounded.solutions) <= 4
    assert free.used > 100
    assert len(free.solutions) > 20


def test_a_large_grid_goes_to_another_process():
    arrays = sparse(load("case14"))
    copy = pickle.loads(pickle.dumps(arrays))  # noqa: S301 # what this process has just written
    power = np.random.default_rng(0).normal(0, 5, (2, len(arrays.node_names)))
    assert (flows(copy, power) == flows(arrays, power)).all()


def test_gradients_of_a_large_grid_equal_those_of_a_small_one():
    torch = pytest.importorskip("torch")
    results = []
    for dense in (0, DENSE_NODES):
        with mock.patch("grid.graph.DENSE_NODES", dense):
            batch = GridBatch(EnvConfig(topology=load("case14"), horizon=3, forecast_h=()), 4, 0)
        batch.reset()
        action_map = batch.action_map.convert(lambda array: torch.as_tensor(np.array(array)))
        power = torch.ones((4, len(batch.arrays.node_names)), dtype=torch.float64, requires_grad=True)
        (flows(action_map.arrays, power) ** 2).sum().backward()
        results.append(power.grad.numpy())
    np.testing.assert_allclose(*results, rtol=0, atol=1e-9)
