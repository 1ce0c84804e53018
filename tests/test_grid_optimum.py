"""No policy beats the optimum, its schedule reaches it, and other ways of computing it agree."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid import Episode, Grid, GridArrays, GridError, Inputs, Prices, Setpoint
from grid.costs import settlement, step_costs, store_value_per_mwh
from grid.flow import flows
from grid.optimum import Optimum, optimum, replay
from grid.programme import Programme
from grid.step import initial_state, step
from oracles import remaining, slow_optimum
from strategies import CHECKED, SEEDS, failing, grids, random_inputs, random_setpoint, scale, with_outages

PRICES = st.builds(
    Prices,
    wear_per_mwh=st.sampled_from([1.0, 0.0]),
    spill_per_mwh=st.sampled_from([10.0, 0.0]),
    co2_per_t=st.sampled_from([0.0, 25.0]),
)

SITUATIONS = ("congestion", "shortage", "surplus", "full store", "empty store")


def run(arrays: GridArrays, inputs: Inputs, prices: Prices, ask, rows: int) -> tuple[np.ndarray, dict[str, bool]]:
    """(rows,) costs of episodes in which ``ask(t)`` gives the setpoints, and what happened in every fourth of them."""
    state = initial_state(arrays, rows)
    start_mwh, cost, seen = state.store_mwh, np.zeros(rows), dict.fromkeys(SITUATIONS, False)
    stores = arrays.is_store & (arrays.store_max_mwh > arrays.store_min_mwh)
    for t in range(len(inputs.load_mw)):
        here = [np.tile(each[t], (rows, 1)) for each in (inputs.gen_avail_frac, inputs.load_mw)]
        lines = None if inputs.in_service is None else np.tile(inputs.in_service[t], (rows, 1))
        state, outcome = step(arrays, state, ask(t), Inputs(*here, inputs.dt_h, lines))
        cost += sum(step_costs(arrays, prices, outcome, inputs.dt_h).values())
        seen["congestion"] |= bool((np.abs(outcome.flow_mw) > arrays.capacity_mw + 1e-6)[::4].any())
        seen["shortage"] |= bool((outcome.shed_mw > 1e-6)[::4].any())
        seen["surplus"] |= bool((outcome.spill_mw > 1e-6)[::4].any())
        seen["full store"] |= bool((state.store_mwh > arrays.store_max_mwh - 1e-6)[::4, stores].any())
        seen["empty store"] |= bool((state.store_mwh < arrays.store_min_mwh + 1e-6)[::4, stores].any())
    return cost + settlement(store_value_per_mwh(arrays, prices), start_mwh, state.store_mwh), seen


def askers(arrays: GridArrays, best: Optimum, rng: np.random.Generator, rows: int):
    """In turn: anything, anything with planned shed and spill, the optimum nearly, and the optimum roughly."""
    kind = (np.arange(rows) % 4)[:, None]
    noise = np.choose(kind, [0.0, 0.0, 0.01, 0.2])

    def ask(t: int) -> Setpoint:
        wild = random_setpoint(arrays, rng, rows, planned=True)
        far = wild.gen_mw, wild.store_mw, wild.shed_mw * (kind == 1), wild.spill_mw * (kind == 1)
        near = (getattr(best, f"{name}_mw")[t] for name in ("gen", "store", "shed", "spill"))
        return Setpoint(
            *(
                np.where(kind < 2, there, here * (1 + noise * rng.normal(size=there.shape)))
                for here, there in zip(near, far, strict=True)
            )
        )

    return ask


def test_no_policy_beats_the_optimum_and_the_cases_cover_every_kind_of_trouble():
    tally: list[dict[str, bool]] = []

    @settings(CHECKED, max_examples=150)
    @given(grids(), PRICES, SEEDS, st.integers(1, 8), st.booleans())
    def check(grid, prices, seed, steps, fails):
        arrays, rng = grid.compile(), np.random.default_rng(seed)
        inputs = random_inputs(arrays, rng, steps, float(rng.choice([0.25, 1.0, 2.0])))
        inputs = with_outages(arrays, failing(inputs, rng) if fails else inputs, rng)
        best = optimum(arrays, inputs, prices)
        cost, seen = run(arrays, inputs, prices, askers(arrays, best, rng, 24), 24)
        assert cost.min() >= best.cost - 1e-6 * scale(best, inputs)
        tally.append(seen)

    check()
    for situation in SITUATIONS:
        assert np.mean([seen[situation] for seen in tally]) >= 0.2, situation


def test_the_schedule_replayed_through_the_step_costs_what_the_optimum_says():
    exact: list[bool] = []

    @settings(CHECKED, max_examples=100)
    @given(grids(), PRICES, SEEDS, st.integers(1, 8), st.booleans())
    def check(grid, prices, seed, steps, fails):
        arrays, rng = grid.compile(), np.random.default_rng(seed)
        inputs = random_inputs(arrays, rng, steps, float(rng.choice([0.25, 1.0, 2.0])))
        inputs = with_outages(arrays, failing(inputs, rng) if fails else inputs, rng)
        best = optimum(arrays, inputs, prices)
        episode = replay(arrays, best, inputs, prices)
        margin = 1e-6 * scale(best, inputs)
        assert sum(best.cost_terms.values()) == pytest.approx(best.cost, abs=margin)
        assert episode.cost >= best.cost - margin
        exact.append(best.exact)
        if best.exact:
            assert episode.cost == pytest.approx(best.cost, abs=margin)
            for name in ("gen_mw", "charge_mw", "discharge_mw", "shed_mw", "spill_mw", "store_mwh", "flow_mw"):
                assert np.allclose(getattr(episode, name), getattr(best, name), atol=1e-4), name

    check()
    assert np.mean(exact) > 0.7


@given(grids(), PRICES, SEEDS)
@CHECKED
def test_with_available_sources_the_plan_is_exact_unless_a_store_burns_energy(grid, prices, seed):
    arrays = grid.compile()
    best = optimum(arrays, random_inputs(arrays, np.random.default_rng(seed), 5, 1.0), prices)
    burning = bool((np.minimum(best.charge_mw, best.discharge_mw) > 1e-6).any())
    assert best.exact is not burning


@given(grids(), SEEDS)
@CHECKED
def test_flows_and_balance_of_the_plan_are_those_of_the_step(grid, seed):
    arrays = grid.compile()
    inputs = random_inputs(arrays, np.random.default_rng(seed), 3, 1.0)
    best = optimum(arrays, inputs)
    served = inputs.load_mw - best.shed_mw
    injection = best.gen_mw - best.spill_mw + best.discharge_mw - best.charge_mw - served
    assert np.abs(injection @ arrays.part_matrix).max() < 1e-7
    assert np.allclose(best.flow_mw, flows(arrays, injection), atol=1e-6)


@given(grids(), PRICES, SEEDS)
@settings(CHECKED, max_examples=40)
def test_a_formulation_by_flow_sensitivities_gives_the_same_cost(grid, prices, seed):
    arrays = replace(grid.compile(), gen_cost_per_mw2h=np.zeros(len(grid.graph)))
    inputs = random_inputs(arrays, np.random.default_rng(seed), 3, (1.0, 0.5)[seed % 2])
    best = optimum(arrays, inputs, prices)
    assert best.cost == pytest.approx(slow_optimum(arrays, inputs, prices), abs=1e-6 * scale(best, inputs))


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=60)
def test_with_lines_out_of_service_a_formulation_by_parts_gives_the_same_cost(grid, seed):
    arrays, rng = replace(grid.compile(), gen_cost_per_mw2h=np.zeros(len(grid.graph))), np.random.default_rng(seed)
    inputs = random_inputs(arrays, rng, 3, 1.0)
    in_service = rng.random((3, len(arrays.line_names))) > rng.choice([0.1, 0.5])
    best = optimum(arrays, replace(inputs, in_service=in_service))
    margin = 1e-6 * scale(best, inputs)
    assert best.cost == pytest.approx(slow_optimum(arrays, inputs, Prices(), in_service), abs=margin)
    assert sum(best.cost_terms.values()) == pytest.approx(best.cost, abs=margin)
    assert (best.flow_mw[~in_service] == 0).all()
    for t, on in enumerate(in_service):
        matrix, offset, part = remaining(arrays, on)
        served = inputs.load_mw[t] - best.shed_mw[t]
        injection = best.gen_mw[t] - best.spill_mw[t] + best.discharge_mw[t] - best.charge_mw[t] - served
        assert np.abs(np.bincount(part, injection)).max() < 1e-7
        assert best.flow_mw[t] == pytest.approx(matrix @ injection + offset, abs=1e-5)


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=30)
def test_lines_that_come_back_leave_no_trace(grid, seed):
    arrays, rng = grid.compile(), np.random.default_rng(seed)
    inputs = random_inputs(arrays, rng, 3, 1.0)
    programme = Programme(arrays, 3, 1.0)
    for _ in range(3):
        out = rng.random((3, len(arrays.line_names))) > 0.5
        for in_service in (out, None):
            given_inputs = replace(inputs, in_service=in_service)
            programme.set_inputs(given_inputs)
            fresh = optimum(arrays, given_inputs)
            assert programme.solve().cost == pytest.approx(fresh.cost, abs=1e-6 * scale(fresh, inputs))


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


@pytest.mark.parametrize(
    ("in_service", "message"),
    [
        (
            np.ones((1, 2), dtype=bool),
            "inputs.in_service: found shape (1, 2); allowed: shape (1, 1); give one row a step and",
        ),
        (
            np.ones((1, 1)),
            "inputs.in_service: found values of type float64; allowed: True or False; say which lines are",
        ),
    ],
)
def test_outages_of_another_form_are_refused(in_service, message):
    with pytest.raises(GridError) as caught:
        optimum(pair().compile(), replace(inputs_at(2, 1, (80.0,)), in_service=in_service))
    assert message in str(caught.value)


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=40)
def test_the_rents_of_lines_are_what_consumers_pay_above_what_is_earned(grid, seed):
    arrays = replace(grid.compile(), gen_cost_per_mw2h=np.zeros(len(grid.graph)))
    lines = len(arrays.line_names)
    arrays = replace(arrays, shift_deg=np.zeros(lines))
    inputs = random_inputs(arrays, np.random.default_rng(seed), 3, (1.0, 0.5)[seed % 2])
    best = optimum(arrays, inputs)
    served = inputs.load_mw - best.shed_mw
    injection = best.gen_mw - best.spill_mw + best.discharge_mw - best.charge_mw - served
    surplus = -(injection * best.nodal_price_per_mwh).sum(axis=1) * inputs.dt_h
    assert best.line_rent.sum(axis=1) == pytest.approx(surplus, abs=1e-6 * scale(best, inputs))
    full = np.abs(best.flow_mw) > arrays.capacity_mw - 1e-6
    assert best.line_rent[~full] == pytest.approx(0, abs=1e-6)
    assert (best.line_rent > -1e-6).all()


def test_nodal_prices_are_the_slope_of_the_cost_in_the_demand():
    tried, smooth = 0, 0
    for seed in range(8):
        arrays, rng = meshed(seed), np.random.default_rng(seed)
        inputs = random_inputs(arrays, rng, 4, (1.0, 0.5)[seed % 2])
        inputs = replace(inputs, load_mw=np.maximum(inputs.load_mw, 0.1 * arrays.load_max_mw))
        programme = Programme(arrays, 4, inputs.dt_h)

        def solve(load_mw, programme=programme, inputs=inputs):
            programme.set_inputs(replace(inputs, load_mw=load_mw))
            return programme.solve()

        here = solve(inputs.load_mw)
        for t in range(4):
            for node in np.flatnonzero(arrays.load_max_mw > 0):
                if here.shed_mw[t, node] > inputs.load_mw[t, node] - 1e-3:
                    continue  # nothing is served there: more demand costs its shed price, not the nodal price
                step_mw = np.zeros_like(inputs.load_mw)
                step_mw[t, node] = 1e-3
                up = (solve(inputs.load_mw + step_mw).cost - here.cost) / (1e-3 * inputs.dt_h)
                down = (here.cost - solve(inputs.load_mw - step_mw).cost) / (1e-3 * inputs.dt_h)
                tried += 1
                if abs(up - down) < 1e-4:
                    smooth += 1
                    assert here.nodal_price_per_mwh[t, node] == pytest.approx(up, abs=1e-3)
                else:
                    assert min(up, down) - 1e-3 <= here.nodal_price_per_mwh[t, node] <= max(up, down) + 1e-3
    assert smooth > 0.6 * tried


def meshed(seed: int) -> GridArrays:
    """Six nodes in a ring with a chord, tight lines, two sources, wind, a store and demand at five nodes."""
    rng = np.random.default_rng(seed)
    grid = Grid("meshed")
    grid.add_source("coal", gen_max_mw=90, gen_min_mw=10, gen_cost_per_mwh=30, gen_ramp_mw_per_h=30, load_max_mw=11)
    grid.add_source("gas", gen_max_mw=80, gen_cost_per_mwh=61, load_max_mw=13)
    grid.add_source("wind", gen_max_mw=60, gen_profile="wind", load_max_mw=7)
    grid.add_storage("lake", store_max_mwh=60, charge_max_mw=25, discharge_max_mw=25, store_loss_frac_per_h=0.01)
    grid.add_consumer("town", load_max_mw=70)
    grid.add_consumer("mill", load_max_mw=40, shed_cost_per_mwh=400)
    ring = ["coal", "town", "gas", "mill", "wind", "lake", "coal"]
    for start, end in [*pairwise(ring), ("town", "wind")]:
        grid.add_line(start, end, reactance_pu=float(rng.uniform(0.05, 0.4)), capacity_mw=float(rng.uniform(15, 45)))
    grid.graph["town"]["wind"][0]["shift_deg"] = 2.0
    return grid.compile()


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


def test_the_same_question_gets_the_same_schedule_also_from_threads():
    arrays = meshed(0)
    inputs = random_inputs(arrays, np.random.default_rng(0), 12, 1.0)
    alone = optimum(arrays, inputs)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: optimum(arrays, inputs), range(8)))
    for other in together:
        assert other.cost == alone.cost
        assert np.array_equal(other.gen_mw, alone.gen_mw)
        assert np.array_equal(other.store_mwh, alone.store_mwh)


def test_it_works_where_the_solver_already_runs_on_other_threads():
    """HiGHS keeps one thread pool a process and refuses to run on one of another size."""
    code = """
import highspy
highs = highspy.Highs()
highs.setOptionValue("output_flag", False)
highs.setOptionValue("threads", 3)
highs.addVar(0, 1)
highs.run()
from test_grid_optimum import inputs_at, pair
from grid.optimum import optimum
print(round(optimum(pair().compile(), inputs_at(2, 1, (80.0,))).cost, 6))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == "800.0"


def environment() -> dict[str, str]:
    here = Path(__file__).parent
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}


def test_a_replayed_schedule_is_an_episode_that_can_be_saved(tmp_path):
    arrays, inputs = shop(), inputs_at(4, 1, (20.0, 60.0), 0.5)
    episode = replay(arrays, optimum(arrays, inputs), inputs, start_hour=7.0)
    assert episode.policy == "optimum"
    assert episode.start_hour == 7.0
    assert episode.reward.sum() == pytest.approx(-episode.cost)
    assert Episode.load(episode.save(tmp_path / "best.npz")).cost == pytest.approx(episode.cost)


def broken(field: str, at: tuple[int, ...] | None, value: object) -> dict[str, object]:
    load, avail = np.full((2, 4), 0.0), np.ones((2, 4))
    arrays = {"load_mw": load, "gen_avail_frac": avail, "store_start_mwh": np.zeros(4)}
    if at is None:
        arrays[field] = np.asarray(value)
    else:
        arrays[field][at] = value
    return arrays


@pytest.mark.parametrize(
    ("field", "at", "value", "message"),
    [
        ("load_mw", None, np.zeros((2, 3)), "inputs.load_mw: found shape (2, 3); allowed: shape (2, 4); give one row"),
        ("load_mw", (1, 1), -1.0, "inputs.load_mw: step 1, node 'town': found -1; allowed: a number from 0 to"),
        ("load_mw", (0, 1), np.nan, "inputs.load_mw: step 0, node 'town': found nan; allowed: a number from 0 to"),
        ("load_mw", (0, 2), 5.0, "node 'reserve': found 5; allowed: a number from 0 to 0; give the node a load_max_mw"),
        ("gen_avail_frac", (1, 0), 1.5, "inputs.gen_avail_frac: step 1, node 'cheap': found 1.5; allowed: a number"),
        ("gen_avail_frac", None, np.ones((3, 4)), "inputs.gen_avail_frac: found shape (3, 4); allowed: shape (2, 4)"),
        ("store_start_mwh", (3,), 101.0, "store_start_mwh: node 'store': found 101; allowed: a number from "),
        ("store_start_mwh", None, np.zeros(2), "store_start_mwh: found shape (2,); allowed: shape (4,)"),
        ("load_mw", None, np.zeros((0, 4)), "inputs: found 0 steps of 1 h; allowed: at least one step"),
    ],
)
def test_inputs_that_no_step_could_have_are_refused(field, at, value, message):
    given_arrays = broken(field, at, value)
    start = given_arrays.pop("store_start_mwh")
    with pytest.raises(GridError) as caught:
        optimum(shop(), Inputs(**given_arrays, dt_h=1.0), store_start_mwh=start)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_value_above_what_energy_can_save_is_refused():
    with pytest.raises(GridError, match=r"prices\.store_value_per_mwh: found 50; allowed: at most 5"):
        optimum(shop(), inputs_at(4, 1, (1.0,)), Prices(store_value_per_mwh=50))


def test_numbers_too_extreme_for_the_solver_are_an_error():
    with pytest.raises(GridError, match=r"optimum: found solver status 'model refused'; allowed: 'Optimal'; look for"):
        optimum(shop(), inputs_at(4, 1, (1.0,), dt_h=1e16))
