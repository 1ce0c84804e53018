"""The grid with lines out of service, against hand numbers, a slow oracle, pandapower and PyPSA."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid import Grid, GridArrays, Inputs, Setpoint
from grid.physics.flow import flows
from grid.physics.outages import Outages
from grid.physics.protection import Protection
from grid.physics.step import initial_state, limits, step
from ledger import ledger
from other_programs import pandapower_without, parts_without, pypsa_without, solved
from slow_step import parts_of, slow_flows, slow_walk
from strategies import CHECKED, SEEDS, grids, random_status, walk
from topologies import load

TOLERANCE = 1e-9


def incidence(arrays: GridArrays) -> np.ndarray:
    """(E, N) +1 at the from end, −1 at the to end."""
    matrix = np.zeros((len(arrays.line_names), len(arrays.node_names)))
    np.add.at(matrix, (np.arange(len(matrix)), arrays.line_from), 1.0)
    np.add.at(matrix, (np.arange(len(matrix)), arrays.line_to), -1.0)
    return matrix


def out_of(status: np.ndarray) -> set[int]:
    return set(np.flatnonzero(~status).tolist())


def triangle(**columns: float) -> GridArrays:
    """A source a, a consumer b and a junction c; every line with the same reactance."""
    grid = Grid("triangle")
    grid.add_source("a", gen_max_mw=100, **columns)
    grid.add_consumer("b", load_max_mw=50)
    grid.add_junction("c")
    for ends in ("ab", "bc", "ac"):
        grid.add_line(*ends, key=ends)
    return grid.compile()


def run(arrays: GridArrays, gen_mw: float, load_mw: float, out: str):
    """One step of the triangle with the named lines out."""
    status = np.array([[name not in out.split() for name in arrays.line_names]])
    inputs = Inputs(np.ones((1, 3)), np.array([[0.0, load_mw, 0.0]]), 1.0, status)
    setpoint = Setpoint(np.array([[gen_mw, 0.0, 0.0]]), np.zeros((1, 3)))
    return step(arrays, initial_state(arrays, 1), setpoint, inputs)[1]


def test_the_other_way_carries_what_an_outaged_line_carried():
    arrays = triangle()
    assert arrays.line_names == ("ab", "ac", "bc")
    assert run(arrays, 30, 30, "").flow_mw[0] == pytest.approx([20, 10, -10])
    assert run(arrays, 30, 30, "ab").flow_mw[0] == pytest.approx([0, 30, -30])
    assert run(arrays, 30, 30, "bc").flow_mw[0] == pytest.approx([30, 0, 0])


def test_a_consumer_that_is_cut_off_is_not_served_and_the_source_backs_down():
    outcome = run(triangle(), 30, 30, "ab ac")
    assert outcome.shed_mw[0] == pytest.approx([0, 30, 0])
    assert outcome.gen_mw[0] == pytest.approx([0, 0, 0])
    assert outcome.flow_mw[0] == pytest.approx([0, 0, 0])


def test_a_source_alone_on_an_island_spills_what_it_must_produce():
    outcome = run(triangle(gen_min_mw=12), 30, 30, "ab ac bc")
    assert (outcome.gen_mw[0, 0], outcome.spill_mw[0, 0]) == pytest.approx((12, 12))
    assert outcome.shed_mw[0] == pytest.approx([0, 30, 0])


def test_all_lines_out_without_demand_is_a_quiet_grid():
    outcome = run(triangle(), 0, 0, "ab ac bc")
    for name in ("gen_mw", "spill_mw", "shed_mw", "flow_mw", "injection_mw"):
        assert (getattr(outcome, name) == 0).all(), name


def test_one_of_two_parallel_lines_leaves_all_to_the_other():
    grid = Grid("parallel")
    grid.add_source("a", gen_max_mw=100)
    grid.add_consumer("b", load_max_mw=50)
    grid.add_line("a", "b", reactance_pu=0.1)
    grid.add_line("a", "b", reactance_pu=0.3)
    arrays = grid.compile()
    power = np.array([[40.0, -40.0]])
    assert flows(arrays, power)[0] == pytest.approx([30, 10])
    assert flows(arrays, power, Outages.of(arrays, np.array([[False, True]])))[0] == pytest.approx([0, 40])


def test_a_line_status_without_outages_is_no_outage():
    arrays = triangle()
    assert Outages.of(arrays, np.ones((4, 3), dtype=bool)) is None


@CHECKED
@given(grids(), SEEDS)
def test_flows_equal_a_plain_solve_of_what_is_left(grid, seed):
    arrays = grid.compile()
    rng = np.random.default_rng(seed)
    status = random_status(arrays, rng, 6)
    if status is None:
        return
    power = rng.normal(0, 50, (6, len(arrays.node_names)))
    for row in range(6):
        for nodes in parts_of(arrays, out=out_of(status[row])):
            power[row, nodes] -= power[row, nodes].mean()
    ours = flows(arrays, power, Outages.of(arrays, status))
    for row in range(6):
        wanted = slow_flows(arrays, power[row].tolist(), out_of(status[row]))
        scale = max(1.0, np.abs(wanted).max(initial=0))
        np.testing.assert_allclose(ours[row], wanted, rtol=0, atol=1e-8 * scale)


@CHECKED
@given(grids(), SEEDS)
def test_a_step_with_outages_equals_the_slow_oracle(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed, batch=3, outages=True):
        for i in range(3):
            store, gen, outcome, _ = slow_walk(
                arrays, w, i, out=set() if w.inputs.in_service is None else out_of(w.inputs.in_service[i])
            )
            for name, value in vars(outcome).items():
                atol = 1e-7 if name == "flow_mw" else TOLERANCE
                np.testing.assert_allclose(getattr(w.outcome, name)[i], value, rtol=0, atol=atol, err_msg=name)
            np.testing.assert_allclose(w.after.store_mwh[i], store, rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(w.after.gen_mw[i], gen, rtol=0, atol=TOLERANCE)


@CHECKED
@given(grids(), SEEDS, st.sampled_from([None, Protection(), Protection.grid2op(1.0)]))
def test_every_island_is_balanced_flows_close_and_energy_is_kept(grid, seed, protection):
    arrays = grid.compile()
    ends = incidence(arrays)
    for w in walk(arrays, seed, outages=True, protection=protection):
        o = w.outcome
        np.testing.assert_allclose(o.flow_mw @ ends, o.injection_mw, rtol=0, atol=1e-7)
        if o.in_service is not None:
            assert (o.flow_mw[~o.in_service] == 0).all()
            for row, status in enumerate(o.in_service):
                for nodes in parts_of(arrays, out=out_of(status)):
                    assert abs(o.injection_mw[row, nodes].sum()) <= TOLERANCE
        books = ledger(arrays, w.before, o, w.after, w.inputs.dt_h)
        assert abs(books.network_imbalance_mwh).max() <= TOLERANCE
        assert abs(books.store_imbalance_mwh).max() <= TOLERANCE


@CHECKED
@given(grids(), SEEDS)
def test_an_env_does_not_depend_on_its_neighbours_outages(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed, outages=True):
        if w.inputs.in_service is None:
            continue
        for i in range(4):
            one = slice(i, i + 1)
            alone, now = (
                Outages.of(arrays, w.inputs.in_service[one]),
                limits(arrays, w.before, w.inputs).outages,
            )
            power = w.outcome.injection_mw
            np.testing.assert_allclose(
                flows(arrays, power[one], alone)[0], flows(arrays, power, now)[i], rtol=1e-12, atol=1e-9
            )


QUICK = {("case14", 3), ("case118", 1)}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param(name, count, marks=[pytest.mark.slow] * ((name, count) not in QUICK))
        for name in ("case14", "case30", "case118", "case300")
        for count in (1, 2, 3)
    ],
)
def test_flows_without_some_lines_equal_pandapower_and_pypsa(name, count):
    case = solved(name)
    rng = np.random.default_rng(count)
    islands = 0
    for draw in range(2):
        out = set(rng.choice(len(case.arrays.line_names), count, replace=False).tolist())
        if draw % 2:  # the grid splits
            out = {int(rng.choice(case.splitting)), *list(out)[1:]}
        status = np.array([[line not in out for line in range(len(case.arrays.line_names))]])
        injection_mw, wanted_mw = pandapower_without(case, out)
        ours_mw = flows(case.arrays, injection_mw[None], Outages.of(case.arrays, status))[0]
        np.testing.assert_allclose(ours_mw, wanted_mw, rtol=0, atol=1e-6)
        np.testing.assert_allclose(ours_mw, pypsa_without(case.arrays, injection_mw, out), rtol=0, atol=1e-6)
        islands += len(parts_without(case.arrays, out)) > 1
    assert islands >= 1


def test_threads_that_ask_at_once_get_what_one_gets():
    interval_s = sys.getswitchinterval()
    rng = np.random.default_rng(0)
    grid = load("case118")
    lines = len(grid.compile().line_names)
    statuses = [rng.random((20, lines)) > 3 / lines for _ in range(16)]
    alone = grid.compile()
    wanted = [Outages.of(alone, status).intact_weights(np.ones(status.shape)) for status in statuses]
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(2):
            arrays = grid.compile()
            with ThreadPoolExecutor(8) as pool:
                got = list(pool.map(partial(Outages.of, arrays), statuses))
            for outages, status, right in zip(got, statuses, wanted, strict=True):
                np.testing.assert_allclose(outages.intact_weights(np.ones(status.shape)), right, rtol=0, atol=1e-12)
    finally:
        sys.setswitchinterval(interval_s)
