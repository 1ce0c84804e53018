"""A step in AC: who carries the losses, the ledger with them, islands, trips and collapse."""

from __future__ import annotations

import dataclasses

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from grid import Grid, Inputs, Prices, Setpoint, step_costs
from grid.physics import Protection, ac_flow, initial_state, step
from strategies import SEEDS, examples, grids, walk

pytest.importorskip("numba")
FEW = settings(derandomize=True, deadline=None, max_examples=examples(40))
LEDGER_MWH = 1e-6


def with_ac_columns(grid: Grid, seed: int) -> Grid:
    """The grid with random resistances, charging, reactive demand, shunts, set voltages and reactive limits."""
    rng = np.random.default_rng(seed)
    holds = rng.random() < 0.7
    for _, data in grid.graph.nodes(data=True):
        if data.get("load_max_mw"):
            data["load_max_mvar"] = float(rng.uniform(-0.2, 0.6)) * data["load_max_mw"]
            data["shunt_mw"] = float(rng.choice([0, 0.1])) * data["load_max_mw"]
        if rng.random() < 0.2:
            data["shunt_mvar"] = float(rng.uniform(-5, 10))
        if holds and (data.get("gen_max_mw") or rng.random() < 0.1):
            data["voltage_set_pu"] = float(rng.uniform(0.98, 1.05))
            if rng.random() < 0.6:
                data |= {"gen_min_mvar": float(rng.uniform(-20, 0)), "gen_max_mvar": float(rng.uniform(0, 20))}
    for _, _, data in grid.graph.edges(data=True):
        if data.get("reactance_pu", 0.1) != 0:
            data["resistance_pu"] = float(rng.uniform(0, 0.5)) * data.get("reactance_pu", 0.1)
            data["charging_pu"] = float(rng.choice([0, 0.05]))
    joined = nx.Graph([(u, v) for u, v, data in grid.graph.edges(data=True) if data.get("reactance_pu") == 0])
    for bus in nx.connected_components(joined):  # whose nodes hold one voltage
        set_pu = float(rng.uniform(0.98, 1.05))
        for node in bus & {node for node, data in grid.graph.nodes(data=True) if "voltage_set_pu" in data}:
            grid.graph.nodes[node]["voltage_set_pu"] = set_pu
    return grid


def energy_off_mwh(step_now) -> np.ndarray:
    """(B,) what goes in less what comes out, losses included."""
    o = step_now.outcome
    net = o.gen_mw - o.spill_mw + o.discharge_mw - o.charge_mw - o.served_mw
    return (net.sum(1) - o.loss_mw) * step_now.inputs.dt_h


@FEW
@given(grids(), SEEDS)
def test_nothing_appears_and_nothing_is_lost(grid, seed):
    arrays = with_ac_columns(grid, seed).compile()
    ac = ac_flow(arrays)
    for protection in (None, Protection(heat_limit=0.2)):
        for now in walk(arrays, seed, outages=True, protection=protection, ac=ac):
            outcome = now.outcome
            for name, values in vars(outcome).items():
                assert values is None or np.isfinite(values).all(), name
            assert np.abs(energy_off_mwh(now)).max() < LEDGER_MWH
            dark = outcome.voltage_pu == 0
            for name in ("gen_mw", "charge_mw", "discharge_mw", "served_mw"):
                values = getattr(outcome, name) - (outcome.spill_mw if name == "gen_mw" else 0.0)
                assert np.abs(values[dark]).max(initial=0.0) < 1e-9, name
            assert np.array_equal(outcome.served_mw + outcome.shed_mw + outcome.curtailed_mw, now.inputs.load_mw) or (
                np.abs(outcome.served_mw + outcome.shed_mw + outcome.curtailed_mw - now.inputs.load_mw).max() < 1e-9
            )
            assert (outcome.shed_mw >= -1e-9).all()
            standing = ~outcome.collapsed[:, None] & (outcome.gen_mw > 0)
            assert (outcome.gen_mw <= now.limits.gen_hi_mw + 1e-9).all()
            assert (outcome.gen_mw >= now.limits.gen_lo_mw - 1e-9)[standing].all()
            assert (np.abs(outcome.flow_mw) <= outcome.line_mva + 1e-9).all()
            assert (
                not outcome.line_mva[~(outcome.in_service if outcome.in_service is not None else True)].any()
                if (outcome.in_service is not None)
                else True
            )
            assert (outcome.voltage_off_pu >= 0).all()


@FEW
@given(grids(), SEEDS)
def test_a_row_does_not_depend_on_the_others(grid, seed):
    arrays = with_ac_columns(grid, seed).compile()
    ac = ac_flow(arrays)
    for now in walk(arrays, seed, batch=11, steps=1, outages=True, ac=ac):
        for i in (0, 9):

            def row(record, i=i):
                fields = {
                    name: None if v is None or np.isscalar(v) else v[i : i + 1] for name, v in vars(record).items()
                }
                return dataclasses.replace(record, **{k: v for k, v in fields.items() if v is not None})

            _, alone = step(arrays, row(now.before), row(now.setpoint), row(now.inputs), ac=ac)
            for name, values in vars(alone).items():
                if values is not None and getattr(now.outcome, name) is not None:
                    np.testing.assert_allclose(values[0], getattr(now.outcome, name)[i], atol=1e-9, err_msg=name)


def line_of_two(**demand) -> Grid:
    """Two sources and a store at one end of a lossy line, demand at the other."""
    grid = Grid("line", base_mva=100)
    grid.add_source("near", gen_max_mw=100, voltage_set_pu=1.0, gen_cost_per_mwh=10)
    grid.add_source("far", gen_max_mw=80, gen_reserve_frac=0.5, gen_cost_per_mwh=20)
    grid.add_storage("store", store_max_mwh=50, charge_max_mw=20, discharge_max_mw=20)
    grid.add_consumer("town", load_max_mw=100, **({"load_max_mvar": 30} | demand))
    grid.add_line("near", "town", resistance_pu=0.02, reactance_pu=0.08, capacity_mw=60)
    grid.add_line("far", "near", resistance_pu=0.01, reactance_pu=0.05)
    grid.add_line("store", "near", reactance_pu=0)
    return grid


def one_step(grid, gen_mw, store_mw=0.0, load_mw=60.0, status=None, rows=1, **options):
    arrays = grid.compile()
    zeros = np.zeros((rows, len(arrays.node_names)))
    gen, store, load = zeros.copy(), zeros.copy(), zeros.copy()
    gen[:, :2], store[:, 2], load[:, 3] = gen_mw, store_mw, load_mw
    inputs = Inputs(zeros + 1.0, load, 1.0, None if status is None else np.array([status] * rows))
    before = initial_state(arrays, rows, options.get("protection"))
    after, outcome = step(arrays, before, Setpoint(gen, store), inputs, ac=ac_flow(arrays), **options)
    return arrays, after, outcome


def test_losses_are_carried_in_proportion_to_headroom_times_reserve():
    _, _, outcome = one_step(line_of_two(), [40.0, 20.0])
    near, far = outcome.gen_mw[0, :2] - [40.0, 20.0]
    assert near + far == pytest.approx(outcome.loss_mw[0], abs=1e-7)
    assert near / far == pytest.approx((100 - 40) / (0.5 * (80 - 20)), rel=1e-9)
    assert outcome.loss_mw[0] > 0.5
    assert outcome.balancing_mw[0] == pytest.approx(outcome.loss_mw[0], abs=1e-7)


def test_a_plan_that_covers_the_losses_is_left_as_it_is():
    _, _, first = one_step(line_of_two(), [40.0, 20.0])
    _, _, again = one_step(line_of_two(), first.gen_mw[:, :2])
    assert again.gen_mw[0, :2] == pytest.approx(first.gen_mw[0, :2], abs=1e-7)
    assert again.balancing_mw[0] == pytest.approx(0, abs=1e-7)


def test_charging_stops_before_demand_is_shed_with_its_reactive_share():
    arrays, _, outcome = one_step(line_of_two(), [100.0, 80.0], store_mw=-20.0, load_mw=100.0)
    surplus = outcome.spill_mw.sum() + outcome.charge_mw.sum()
    assert surplus == pytest.approx(180 - 100 - outcome.loss_mw[0] - (180 - outcome.gen_mw.sum()), abs=1e-6)
    weak = line_of_two()
    weak.graph.nodes["near"]["gen_max_mw"] = 50
    weak.graph.nodes["far"]["gen_max_mw"] = 10
    arrays, _, outcome = one_step(weak, [50.0, 10.0], store_mw=-2.0, load_mw=60.0)
    assert outcome.charge_mw.sum() == pytest.approx(0, abs=1e-9)
    assert outcome.shed_mw[0, 3] == pytest.approx(outcome.loss_mw[0], abs=1e-7)
    served = outcome.served_mw[0, 3]
    flow = ac_flow(arrays).solve(outcome.injection_mw, np.array([[0, 0, 0, 0.3 * served]]))
    assert flow.line_mva[0] == pytest.approx(outcome.line_mva[0], abs=1e-5)


def test_loading_is_apparent_power_in_costs_and_trips():
    arrays, _, outcome = one_step(line_of_two(), [40.0, 20.0], load_mw=58.0)
    assert outcome.flow_mw[0, 0] < arrays.capacity_mw[0] < outcome.line_mva[0, 0]
    costs = step_costs(arrays, Prices(), outcome, 1.0)
    assert costs["overload"][0] == pytest.approx(300 * (outcome.line_mva[0, 0] - 60))
    _, _, tripped = one_step(line_of_two(), [40.0, 20.0], load_mw=58.0, protection=Protection(heat_limit=0.0))
    assert tripped.tripped[0].tolist() == [True, False, False]
    assert tripped.shed_mw[0, 3] == 58
    assert tripped.voltage_pu[0, 3] == 0
    assert not tripped.collapsed[0]  # it is dark


def test_voltage_outside_its_band_is_charged_once_for_each_bus():
    grid = line_of_two()
    grid.graph.nodes["town"]["voltage_min_pu"] = 0.99
    grid.graph.nodes["store"]["voltage_max_pu"] = 0.98  # the tightest band of the bus
    arrays, _, outcome = one_step(grid, [40.0, 20.0])
    off = (0.99 - outcome.voltage_pu[0, 3]) + (1.0 - 0.98)
    assert outcome.voltage_off_pu[0] == pytest.approx(off, abs=1e-9)
    assert step_costs(arrays, Prices(), outcome, 0.5)["voltage"][0] == pytest.approx(10000 * off * 0.5)


def test_without_a_solution_the_part_collapses_and_the_other_goes_on():
    grid = line_of_two()
    grid.graph.nodes["town"]["load_max_mw"] = 900
    grid.graph.nodes["near"]["gen_max_mw"] = 1000
    grid.add_source("own", gen_max_mw=50, voltage_set_pu=1.0)
    grid.add_consumer("village", load_max_mw=20)
    grid.add_line("own", "village", resistance_pu=0.01, reactance_pu=0.1)
    arrays = grid.compile()
    zeros = np.zeros((2, 6))
    load = np.array([[0, 0, 0, 900.0, 0, 20], [0, 0, 0, 50, 0, 20]])
    gen = np.array([[1000.0, 0, 0, 0, 20, 0], [50.0, 0, 0, 0, 20, 0]])
    inputs = Inputs(zeros + 1.0, load, 1.0)
    after, outcome = step(arrays, initial_state(arrays, 2), Setpoint(gen, zeros - 5.0), inputs, ac=ac_flow(arrays))
    assert outcome.collapsed.tolist() == [True, False]
    assert outcome.shed_mw[0].tolist() == [0, 0, 0, 900, 0, 0]
    assert not outcome.gen_mw[0, :4].any()
    assert not outcome.charge_mw[0].any()
    assert outcome.voltage_pu[0, :4].tolist() == [0, 0, 0, 0]
    assert outcome.gen_mw[0, 4] == pytest.approx(20 + outcome.loss_mw[0], abs=1e-7)
    assert after.gen_mw[0, 0] == 0
    assert step_costs(arrays, Prices(), outcome, 1.0)["shed"][0] == 900_000
    assert outcome.served_mw[1].sum() == 70
