"""Optima of grids so small that they can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grid import Grid, GridArrays, Inputs, Prices
from grid.planning.optimum import optimum
from grid.planning.programme import Programme
from schedules import replay


def pair(**line: float) -> Grid:
    """A cheap source at one end of a line; a dear one and 80 MW of demand at the other."""
    grid = Grid("pair")
    grid.add_source("cheap", gen_max_mw=100, gen_cost_per_mwh=10)
    grid.add_source("dear", gen_max_mw=100, gen_cost_per_mwh=50, load_max_mw=80)
    grid.add_line("cheap", "dear", **line)
    return grid


def inputs_at(nodes: int, node: int, loads_mw: tuple[float, ...], dt_h: float = 1.0) -> Inputs:
    """Full availability, and demand at one node only."""
    load = np.zeros((len(loads_mw), nodes))
    load[:, node] = loads_mw
    return Inputs(np.ones_like(load), load, dt_h)


def test_a_full_line_splits_the_prices_of_its_ends():
    """60 of the 80 MW come over the line at 10, 20 from the dear source at 50: 600 + 1000 an hour."""
    best = optimum(pair(capacity_mw=60).compile(), inputs_at(2, 1, (80.0, 80.0), 0.5))
    assert best.cost == pytest.approx(1600)
    assert best.flow_mw == pytest.approx(np.full((2, 1), 60))
    assert best.nodal_price_per_mwh == pytest.approx(np.array([[10, 50]] * 2))
    assert best.exact
    assert best.status == "optimal"


def test_an_overload_is_planned_where_it_is_cheaper_than_the_alternative():
    """At 30 per MWh of overload, 10 + 30 beats 50: all 80 MW come over the line, 20 above its capacity."""
    best = optimum(pair(capacity_mw=60).compile(), inputs_at(2, 1, (80.0,)), Prices(overload_per_mwh=30))
    assert best.cost_terms == pytest.approx({**dict.fromkeys(best.cost_terms, 0), "generation": 800, "overload": 600})
    assert best.nodal_price_per_mwh == pytest.approx(np.array([[10, 40]]))


def shop(**columns: float) -> GridArrays:
    """Demand beside 40 MW at 10/MWh, a reserve at 100/MWh and a store with efficiencies 0.8 and 0.5."""
    grid = Grid("shop")
    grid.add_source("cheap", gen_max_mw=40, gen_cost_per_mwh=10, **{k: v for k, v in columns.items() if k[0] == "g"})
    grid.add_consumer("town", load_max_mw=100)
    grid.add_source("reserve", gen_max_mw=100, gen_cost_per_mwh=100)
    store = {"store_max_mwh": 100, "store_init_mwh": 0, "charge_max_mw": 15, "discharge_max_mw": 50}
    store |= {"charge_eff_frac": 0.8, "discharge_eff_frac": 0.5} | {k: v for k, v in columns.items() if k[0] == "s"}
    grid.add_storage("store", **store)
    for node in ("cheap", "reserve", "store"):
        grid.add_line(node, "town")
    return grid.compile()


def test_a_store_buys_cheap_and_sells_dear_through_its_efficiencies():
    """20 MW, then 60 MW. A MWh sold takes 2 from the store, bought as 2.5 at 10, and 1 of wear: 26 against 100.

    The charger's 15 MW fill 12 MWh, which give 6: 35 · 10 + 40 · 10 + 14 · 100 + 6 · 1 = 2156; nothing is left over.
    """
    best = optimum(shop(), inputs_at(4, 1, (20.0, 60.0)))
    assert best.cost == pytest.approx(2156)
    assert best.cost_terms["wear"] == pytest.approx(6)
    assert best.store_mwh[:, 3] == pytest.approx([0, 12, 0])
    assert best.store_mw[:, 3] == pytest.approx([-15, 6])
    assert best.nodal_price_per_mwh[:, 1] == pytest.approx([10, 100])


def test_a_store_loses_what_it_holds_above_its_minimum():
    """As above with a tenth lost an hour and 5 MWh that stay: of 12 MWh 10.8 are left, which give 5.4."""
    arrays = shop(store_loss_frac_per_h=0.1, store_min_mwh=5, store_init_mwh=5)
    best = optimum(arrays, inputs_at(4, 1, (20.0, 60.0)))
    assert best.cost == pytest.approx(350 + 400 + 100 * (20 - 5.4) + 5.4)
    assert best.store_mwh[:, 3] == pytest.approx([5, 17, 5])


def test_energy_left_at_the_end_is_settled_at_its_value():
    """The start may be chosen: 10 MWh are worth 10 · 0.5 each and save 100 · 0.5: they are used, and owed: 50."""
    start = np.array([0.0, 0.0, 0.0, 10.0])
    best = optimum(shop(), inputs_at(4, 1, (60.0,)), store_start_mwh=start)
    assert best.cost_terms["settlement"] == pytest.approx(50)
    assert best.cost == pytest.approx(400 + 15 * 100 + 5 * 1 + 50)
    assert replay(shop(), best, inputs_at(4, 1, (60.0,))).cost == pytest.approx(best.cost)


def test_a_source_runs_ahead_and_spills_to_be_up_in_time():
    """10 MW, then 40 MW at 10 MW an hour: to be 1 MW higher costs 10 + 10 of spill and saves 100 − 10."""
    best = optimum(shop(gen_ramp_mw_per_h=10, store_max_mwh=0), inputs_at(4, 1, (10.0, 40.0)))
    assert best.gen_mw[:, 0] == pytest.approx([30, 40])
    assert best.cost == pytest.approx(300 + 20 * 10 + 400)


@pytest.mark.parametrize(("before_mw", "load_mw", "gen_mw"), [(5.0, 40.0, 15.0), (30.0, 1.0, 20.0)])
def test_a_plan_that_goes_on_from_an_output_keeps_the_ramp_from_it(before_mw, load_mw, gen_mw):
    programme = Programme(shop(gen_ramp_mw_per_h=10, store_max_mwh=0), 1, 1.0)
    before = np.array([before_mw, 0.0, 0.0, 0.0])
    programme.set_inputs(inputs_at(4, 1, (load_mw,)), gen_before_mw=before)
    assert programme.solve().gen_mw[0, 0] == pytest.approx(gen_mw)


def test_a_surplus_burnt_in_a_store_is_reported_as_a_mere_bound():
    """30 MW must run for 10 MW of demand. The full store takes 10 and gives 4: 6 MW less to spill, for 4 of wear."""
    grid = shop(gen_min_mw=30, store_init_mwh=100)
    inputs = inputs_at(4, 1, (10.0,))
    best = optimum(grid, inputs, Prices(store_value_per_mwh=0))
    burnt = 15 * (1 - 0.8 * 0.5)
    assert best.cost == pytest.approx(300 + (20 - burnt) * 10 + 6)
    assert not best.exact
    assert replay(grid, best, inputs, Prices(store_value_per_mwh=0)).cost == pytest.approx(300 + 200)


@pytest.mark.parametrize("prices", [Prices(spill_per_mwh=0, wear_per_mwh=0), Prices(spill_per_mwh=0)])
def test_a_surplus_that_costs_nothing_is_not_burnt(prices):
    grid = shop(gen_min_mw=30, store_init_mwh=100)
    best = optimum(grid, inputs_at(4, 1, (10.0, 5.0)), prices)
    assert best.exact
    assert best.discharge_mw.max() == 0


def test_quadratic_costs_meet_at_one_marginal_price():
    """10 + 0.2 a = 20 + 0.1 b with a + b = 100: a = 200/3, b = 100/3, cost 5500/3 at a price of 70/3."""
    grid = Grid("curves")
    grid.add_source("a", gen_max_mw=100, gen_cost_per_mwh=10, gen_cost_per_mw2h=0.1)
    grid.add_source("b", gen_max_mw=100, gen_cost_per_mwh=20, gen_cost_per_mw2h=0.05, load_max_mw=100)
    grid.add_line("a", "b")
    best = optimum(grid.compile(), inputs_at(2, 1, (100.0,)))
    assert best.cost == pytest.approx(5500 / 3, rel=1e-7)
    assert best.cost <= 5500 / 3
    assert best.gen_mw[0] == pytest.approx([200 / 3, 100 / 3], rel=2e-3)
    assert best.nodal_price_per_mwh[0] == pytest.approx([70 / 3] * 2, rel=2e-3)


def test_a_free_store_levels_output_at_quadratic_cost():
    """10 and 30 MW of demand; a store without losses: 20 MW in both hours, 2 · (20 + 0.3 · 20²)."""
    grid = Grid("level")
    grid.add_source("a", gen_max_mw=100, gen_cost_per_mwh=1, gen_cost_per_mw2h=0.3)
    grid.add_consumer("town", load_max_mw=30)
    free = {"charge_eff_frac": 1.0, "discharge_eff_frac": 1.0, "store_init_mwh": 0.0}
    grid.add_storage("s", store_max_mwh=50, charge_max_mw=50, discharge_max_mw=50, **free)
    grid.add_line("a", "town")
    grid.add_line("s", "town")
    prices = Prices(wear_per_mwh=0, store_value_per_mwh=0)
    best = optimum(grid.compile(), inputs_at(3, 1, (10.0, 30.0)), prices)
    assert best.cost == pytest.approx(2 * (20 + 0.3 * 400), rel=1e-6)
    assert best.gen_mw[:, 0] == pytest.approx([20, 20], abs=0.1)


def test_parts_without_a_line_between_them_are_planned_side_by_side():
    grid = pair()
    grid.add_source("island", gen_max_mw=5, gen_cost_per_mwh=7, load_max_mw=6)
    grid.add_junction("nowhere")
    best = optimum(grid.compile(), Inputs(np.ones((1, 4)), np.array([[0.0, 80.0, 6.0, 0.0]]), 1.0))
    assert best.cost == pytest.approx(800 + 35 + 1000)
    assert best.nodal_price_per_mwh[0, :3] == pytest.approx([10, 10, 1000])


def test_an_outage_of_one_of_two_lines_and_then_of_both():
    """80 MW of demand, 40 MW beside it, 30 MW lines: 60 come over, then 40, of which 10 for 300, then 40 are shed."""
    grid = pair(capacity_mw=30)
    grid.add_line("cheap", "dear", capacity_mw=30)
    grid.graph.nodes["dear"]["gen_max_mw"] = 40
    in_service = np.array([[True, True], [True, False], [False, False]])
    best = optimum(grid.compile(), replace(inputs_at(2, 1, (80.0,) * 3), in_service=in_service))
    assert best.flow_mw == pytest.approx(np.array([[30, 30], [40, 0], [0, 0]]))
    assert best.gen_mw[:, 1] == pytest.approx([20, 40, 40])
    assert best.shed_mw[:, 1] == pytest.approx([0, 0, 40])
    assert best.cost == pytest.approx(600 + 1000 + 400 + 3000 + 2000 + 2000 + 40_000)
    assert best.nodal_price_per_mwh[:2] == pytest.approx(np.array([[10, 50], [10, 310]]))
    assert best.nodal_price_per_mwh[2, 1] == pytest.approx(1000)
    assert best.line_rent.sum(axis=1) == pytest.approx([60 * 40, 40 * 300, 0])
