"""AC power flow: the voltages and flows of pandapower, hand calculations, islands and collapse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ac_grids import CASES, case_of
from grid import Grid, GridError
from grid.physics import Outages, ac_flow
from slow_cases import slow

pytest.importorskip("numba")
VOLTAGE_PU, FLOW_MVA = 1e-6, 1e-4
VM, FLOWS = 7, (13, 14, 15, 16)


def apart(case, solver, arrays, out):
    """The largest difference from pandapower in voltage, and in flow at either end."""
    injection_mw, load_mvar = case.given()
    order = [int(name) for name in arrays.line_names]
    status = np.array([[number not in out for number in order]])
    flow = solver.solve(injection_mw, load_mvar, Outages.of(arrays, status))
    assert flow.solved.all()
    bus, branch = np.real(case.net._ppc["bus"]), case.branches[order]
    ours = (flow.from_mw, flow.from_mvar, flow.to_mw, flow.to_mvar)
    flows = [np.abs(branch[:, column] - mine[0]).max() for column, mine in zip(FLOWS, ours, strict=True)]
    return np.abs(bus[:, VM] - flow.voltage_pu[0]).max(), max(flows)


def keeping_together(arrays, rng, count):
    """Numbers of branches, so many at a time, without which the grid is still one part."""
    while True:
        out = rng.choice(len(arrays.line_names), count, replace=False)
        outages = Outages.of(arrays, ~np.isin(np.arange(len(arrays.line_names)), out)[None])
        if outages is not None and outages.islands is None:
            return [int(arrays.line_names[line]) for line in out]


def compared(name, singles, pairs):
    case = case_of(name)
    arrays = case.grid.compile()
    solver, rng = ac_flow(arrays), np.random.default_rng(1)
    for count, wanted in ((0, 1), (1, singles), (2, pairs)):
        done = 0
        while done < wanted:
            out = keeping_together(arrays, rng, count) if count else []
            solved = case.without(out)
            if solved is not None:
                voltage_pu, flow_mva = apart(solved, solver, arrays, out)
                assert voltage_pu < VOLTAGE_PU, out
                assert flow_mva < FLOW_MVA, out
                done += 1


@pytest.mark.parametrize("name", [case if case == "case14" else slow(case)[0] for case in CASES])
def test_voltages_and_flows_are_those_of_pandapower(name):
    compared(name, 2, 2)


def test_at_light_load_the_solution_of_pandapower_is_found():
    """A quarter of the load of case39: least reactive outputs lift voltages to 1.8 pu."""
    case = case_of("case39", 0.25)
    voltage_pu, flow_mva = apart(case, ac_flow(arrays := case.grid.compile()), arrays, [])
    assert case.net.res_bus.vm_pu.max() > 1.5
    assert voltage_pu < VOLTAGE_PU
    assert flow_mva < FLOW_MVA


def test_a_reduced_grid_with_negative_resistances_and_shunts_is_solved_as_pandapower_does():
    case = case_of("case145")
    arrays = case.grid.compile()
    object.__setattr__(arrays, "shunt_mw", np.real(case.net._ppc["bus"])[:, 4].copy())  # columns hold none below 0
    voltage_pu, flow_mva = apart(case, ac_flow(arrays), arrays, [])
    assert voltage_pu < VOLTAGE_PU
    assert flow_mva < FLOW_MVA


@pytest.mark.slow
def test_a_european_grid_of_2869_buses_is_solved_as_pandapower_does():
    compared("case2869pegase", 2, 2)


def two_buses(**line):
    """A source that holds 1 pu and a load of 50 MW and 20 Mvar behind one line."""
    grid = Grid("two", base_mva=100)
    grid.add_source("a", gen_max_mw=200, voltage_set_pu=1.0)
    grid.add_consumer("b", load_max_mw=50, load_max_mvar=20)
    grid.add_line("a", "b", **{"resistance_pu": 0.02, "reactance_pu": 0.1} | line)
    return grid


def test_two_buses_by_hand():
    arrays = two_buses().compile()
    flow = ac_flow(arrays).solve(np.array([[50.0, -50.0]]), np.array([[0.0, 20.0]]))
    # v⁴ + v²·(2(rp + xq) − 1) + (r² + x²)(p² + q²) = 0 with p = 0.5, q = 0.2
    b = 2 * (0.02 * 0.5 + 0.1 * 0.2) - 1
    square = (-b + math.sqrt(b * b - 4 * (0.02**2 + 0.1**2) * (0.5**2 + 0.2**2))) / 2
    assert flow.voltage_pu[0] == pytest.approx([1.0, math.sqrt(square)], abs=1e-9)
    loss_mw = 100 * 0.02 * (0.5**2 + 0.2**2) / square
    assert flow.loss_mw[0] == pytest.approx(loss_mw, abs=1e-6)
    assert flow.slack_mw[0] == pytest.approx([loss_mw, loss_mw], abs=1e-6)
    assert flow.to_mw[0, 0] == pytest.approx(-50, abs=1e-6)
    assert flow.to_mvar[0, 0] == pytest.approx(-20, abs=1e-6)
    assert flow.line_mva[0, 0] == pytest.approx(math.hypot(flow.from_mw[0, 0], flow.from_mvar[0, 0]))


def test_more_than_the_line_can_carry_has_no_solution_and_no_nan():
    arrays = two_buses().compile()
    flow = ac_flow(arrays).solve(np.array([[900.0, -900.0], [50.0, -50.0]]), np.array([[0.0, 20.0]] * 2))
    assert flow.solved.tolist() == [[False, False], [True, True]]
    for name, values in flow._asdict().items():
        assert np.isfinite(values).all(), name
    assert not flow.voltage_pu[0].any()
    assert flow.loss_mw[0] == flow.line_mva[0, 0] == flow.voltage_off_pu[0] == 0


def test_a_shunt_draws_with_the_square_of_the_voltage():
    grid = two_buses()
    grid.graph.nodes["b"].update(load_max_mw=60.0, shunt_mw=10.0, shunt_mvar=30.0)
    arrays = grid.compile()
    flow = ac_flow(arrays).solve(np.array([[60.0, -60.0]]), np.array([[0.0, 20.0]]))
    square = flow.voltage_pu[0, 1] ** 2
    assert flow.to_mw[0, 0] == pytest.approx(-50 - 10 * square, abs=1e-6)
    assert flow.to_mvar[0, 0] == pytest.approx(-20 + 30 * square, abs=1e-6)
    series_mw = flow.from_mw[0, 0] + flow.to_mw[0, 0]
    assert flow.loss_mw[0] == pytest.approx(series_mw + 10 * (square - 1), abs=1e-6)


def test_at_its_reactive_limit_a_bus_holds_its_voltage_no_longer():
    grid = two_buses()
    grid.add_source("c", gen_max_mw=10, voltage_set_pu=1.0, gen_min_mvar=-5, gen_max_mvar=5)
    grid.add_line("b", "c", reactance_pu=0.05)
    arrays = grid.compile()
    flow = ac_flow(arrays).solve(np.array([[50.0, -50.0, 0.0]]), np.array([[0.0, 20.0, 0.0]]))
    assert flow.voltage_pu[0, 2] < 1 - 1e-3
    assert flow.to_mvar[0, 1] == pytest.approx(5, abs=1e-6)  # into the line b-c at c
    free = grid.compile()
    object.__setattr__(free, "gen_max_mvar", np.full(3, np.inf))
    assert ac_flow(free).solve(np.array([[50.0, -50.0, 0.0]]), np.array([[0.0, 20.0, 0.0]])).voltage_pu[0, 2] == 1


def test_without_any_set_voltage_every_source_holds_1_pu():
    grid = two_buses()
    del grid.graph.nodes["a"]["voltage_set_pu"]
    grid.add_source("c", gen_max_mw=10)
    grid.add_line("b", "c", reactance_pu=0.05)
    flow = ac_flow(grid.compile()).solve(np.array([[50.0, -50.0, 0.0]]), np.array([[0.0, 20.0, 0.0]]))
    assert flow.voltage_pu[0, [0, 2]] == pytest.approx([1, 1], abs=1e-12)


def test_an_ideal_connector_makes_one_bus_and_carries_the_balance_of_its_side():
    grid = two_buses()
    grid.add_consumer("d", load_max_mw=20, load_max_mvar=7)
    grid.add_line("b", "d", reactance_pu=0)
    arrays = grid.compile()
    injection_mw, load_mvar = np.array([[70.0, -50.0, -20.0]]), np.array([[0.0, 20.0, 7.0]])
    flow = ac_flow(arrays).solve(injection_mw, load_mvar)
    assert flow.voltage_pu[0, 1] == flow.voltage_pu[0, 2]
    assert (flow.from_mw[0, 1], flow.to_mw[0, 1]) == pytest.approx((20, -20), abs=1e-9)
    assert (flow.from_mvar[0, 1], flow.to_mvar[0, 1]) == pytest.approx((7, -7), abs=1e-9)
    whole = two_buses()
    whole.graph.nodes["b"].update(load_max_mw=70.0, load_max_mvar=27.0)
    one = ac_flow(whole.compile()).solve(np.array([[70.0, -70.0]]), np.array([[0.0, 27.0]]))
    assert flow.from_mw[0, 0] == pytest.approx(one.from_mw[0, 0], abs=1e-9)
    # out of service, it splits the bus
    status = np.array([[True, False], [True, True]])
    split = ac_flow(arrays).solve(
        np.array([[50.0, -50.0, 0.0], [70.0, -50.0, -20.0]]),
        np.array([[0.0, 20.0, 0.0], [0.0, 20.0, 7.0]]),
        Outages.of(arrays, status),
        dark=np.array([[False, False, True], [False, False, False]]),
    )
    assert split.voltage_pu[0, 2] == 0
    assert split.voltage_pu[1] == pytest.approx(flow.voltage_pu[0], abs=1e-12)
    assert split.from_mw[0, 1] == 0


def test_islands_are_solved_by_themselves():
    grid = two_buses()
    grid.add_source("c", gen_max_mw=100, voltage_set_pu=1.02)
    grid.add_consumer("d", load_max_mw=30)
    grid.add_line("c", "d", reactance_pu=0.1, resistance_pu=0.01)
    grid.add_line("b", "d", reactance_pu=0.1)
    arrays = grid.compile()
    given = np.array([[50.0, -50.0, 30.0, -30.0]]), np.array([[0.0, 20.0, 0.0, 0.0]])
    lines = list(arrays.line_names)
    status = np.array([[name != "b-d" for name in lines]])
    flow = ac_flow(arrays).solve(*given, Outages.of(arrays, status))
    alone = ac_flow(two_buses().compile()).solve(given[0][:, :2], given[1][:, :2])
    assert flow.voltage_pu[0, :2] == pytest.approx(alone.voltage_pu[0], abs=1e-9)
    assert flow.slack_mw[0, 0] == pytest.approx(alone.loss_mw[0], abs=1e-6)
    assert flow.slack_mw[0, 0] + flow.slack_mw[0, 2] == pytest.approx(flow.loss_mw[0], abs=1e-6)
    # what one island lacks does not touch the other
    given[0][0, 3] = -900
    given[0][0, 2] = 900
    broken = ac_flow(arrays).solve(*given, Outages.of(arrays, status))
    assert broken.solved[0].tolist() == [True, True, False, False]
    assert broken.voltage_pu[0, :2] == pytest.approx(alone.voltage_pu[0], abs=1e-9)


def test_without_its_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    for name in ("grid.physics.ac", "grid.physics.ac_model", "grid.physics.newton", "grid.jit", "grid.simd"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    with pytest.raises(GridError) as caught:
        ac_flow(two_buses().compile())
    assert str(caught.value) == (
        "numba: found no such package; allowed: an installation that can solve AC power flow; "
        "pip install load-balancer[ac]"
    )
