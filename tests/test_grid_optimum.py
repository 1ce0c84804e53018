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

from grid import Episode, Grid, GridArrays, Inputs, Prices, Setpoint
from grid.costs import settlement, step_costs, store_value_per_mwh
from grid.physics.flow import flows
from grid.physics.step import initial_state, step
from grid.planning.optimum import Optimum, optimum
from grid.planning.programme import Programme
from oracles import remaining, slow_optimum
from schedules import replay
from strategies import CHECKED, SEEDS, examples, failing, grids, random_inputs, random_setpoint, scale, with_outages
from test_grid_optimum_by_hand import inputs_at, shop

PRICES = st.builds(
    Prices,
    wear_per_mwh=st.sampled_from([1.0, 0.0]),
    spill_per_mwh=st.sampled_from([10.0, 0.0]),
    co2_per_t=st.sampled_from([0.0, 25.0]),
)

POWERS = ("gen_mw", "charge_mw", "discharge_mw", "shed_mw", "curtailed_mw", "spill_mw")
SITUATIONS = ("congestion", "shortage", "surplus", "cut", "full store", "empty store")


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
        seen["cut"] |= bool((outcome.curtailed_mw > 1e-6)[::4].any())
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
        near = (best.gen_mw[t] + best.curtailed_mw[t], best.store_mw[t], best.shed_mw[t], best.spill_mw[t])
        return Setpoint(
            *(
                np.where(kind < 2, there, here * (1 + noise * rng.normal(size=there.shape)))
                for here, there in zip(near, far, strict=True)
            )
        )

    return ask


@pytest.mark.hypothesis
def test_no_policy_beats_the_optimum_and_the_cases_cover_every_kind_of_trouble():
    tally: list[dict[str, bool]] = []

    @settings(CHECKED, max_examples=examples(150))
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


@pytest.mark.hypothesis
def test_the_schedule_replayed_through_the_step_costs_what_the_optimum_says():
    exact: list[bool] = []

    @settings(CHECKED, max_examples=examples(100))
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
            for name in (*POWERS, "store_mwh", "flow_mw"):
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
    served = inputs.load_mw - best.shed_mw - best.curtailed_mw
    injection = best.gen_mw - best.spill_mw + best.discharge_mw - best.charge_mw - served
    assert np.abs(injection @ arrays.part_matrix).max() < 1e-7
    assert np.allclose(best.flow_mw, flows(arrays, injection), atol=1e-6)


@given(grids(), PRICES, SEEDS)
@settings(CHECKED, max_examples=examples(40))
def test_a_formulation_by_flow_sensitivities_gives_the_same_cost(grid, prices, seed):
    arrays = replace(grid.compile(), gen_cost_per_mw2h=np.zeros(len(grid.graph)))
    inputs = random_inputs(arrays, np.random.default_rng(seed), 3, (1.0, 0.5)[seed % 2])
    best = optimum(arrays, inputs, prices)
    assert best.cost == pytest.approx(slow_optimum(arrays, inputs, prices), abs=1e-6 * scale(best, inputs))


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(60))
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
        served = inputs.load_mw[t] - best.shed_mw[t] - best.curtailed_mw[t]
        injection = best.gen_mw[t] - best.spill_mw[t] + best.discharge_mw[t] - best.charge_mw[t] - served
        assert np.abs(np.bincount(part, injection)).max() < 1e-7
        assert best.flow_mw[t] == pytest.approx(matrix @ injection + offset, abs=1e-5)


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(30))
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


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(40))
def test_the_rents_of_lines_are_what_consumers_pay_above_what_is_earned(grid, seed):
    arrays = replace(grid.compile(), gen_cost_per_mw2h=np.zeros(len(grid.graph)))
    lines = len(arrays.line_names)
    arrays = replace(arrays, shift_deg=np.zeros(lines))
    inputs = random_inputs(arrays, np.random.default_rng(seed), 3, (1.0, 0.5)[seed % 2])
    best = optimum(arrays, inputs)
    served = inputs.load_mw - best.shed_mw - best.curtailed_mw
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
from test_grid_optimum_by_hand import inputs_at, pair
from grid.planning.optimum import optimum
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
