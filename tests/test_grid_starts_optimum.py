"""The best schedule of plants that start and stop: by hand, by enumeration, by PyPSA; no policy is below its bound."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

from envs import EnvConfig, GridBatch
from grid import Grid, Inputs, Prices, Setpoint, settlement, step_costs, store_value_per_mwh
from grid.planning import optima, optimum, programme_of
from grid.planning.starts import StartsProgramme
from policies.baselines import BASELINES
from policies.rollout import rollout
from slow_cases import slow
from strategies import CHECKED, SEEDS, grids, scale, walk, with_starts
from topologies import load

EXACT = {"gap": 0.0, "time_s": 60.0}


def three_plants() -> Grid:
    grid = Grid("three")
    grid.add_source("big", gen_max_mw=100, gen_min_mw=20, gen_cost_per_mwh=10, start_cost=1000, no_load_cost_per_h=50)
    grid.add_source(
        "middle", gen_max_mw=60, gen_min_mw=30, gen_cost_per_mwh=20, start_cost=200, no_load_cost_per_h=20, min_up_h=3,
        min_down_h=2, initial_on_h=-10,
    )  # fmt: skip
    grid.add_source(
        "small",
        gen_max_mw=40,
        gen_min_mw=10,
        gen_cost_per_mwh=40,
        start_cost=30,
        no_load_cost_per_h=5,
        initial_on_h=-10,
    )
    grid.add_consumer("town", load_max_mw=200)
    for node in ("big", "middle", "small"):
        grid.add_line(node, "town")
    return grid


def inputs_of(load_mw: list[float], nodes: int = 4) -> Inputs:
    load = np.zeros((len(load_mw), nodes))
    load[:, -1] = load_mw
    return Inputs(np.ones_like(load), load, 1.0)


def test_three_plants_over_eight_hours_as_worked_out_by_hand():
    """The middle plant runs from hour 2 to 5: two hours need it, and it is cheaper beside them than the small one.

    Alone, big costs 50 + 10 x 60 = 650 in each of four hours. At 120 MW: 50 + 900 + 20 + 600 = 1570, twice. At 150 MW:
    50 + 1000 + 20 + 1000 = 2070, twice. The start: 200. With small in hour 2 or 5 instead of middle: 1570 becomes
    50 + 1000 + 5 + 800 + 30 = 1885.
    """
    best = optimum(three_plants().compile(), inputs_of([60, 60, 120, 150, 150, 120, 60, 60]), **EXACT)
    assert best.cost == pytest.approx(4 * 650 + 2 * 1570 + 2 * 2070 + 200, rel=1e-9)
    assert best.bound == pytest.approx(best.cost, rel=1e-6)
    assert best.on[:, :3].astype(int).tolist() == [[1, t in (2, 3, 4, 5), 0] for t in range(8)]
    assert best.cost_terms["start"] == 200
    assert best.cost_terms["no_load"] == 8 * 50 + 4 * 20
    assert best.exact


def test_a_minimum_time_keeps_a_plant_on():
    grid = three_plants()
    inputs = inputs_of([60, 60, 150, 60, 60, 60])
    short = optimum(grid.compile(), inputs, **EXACT)
    grid.graph.nodes["middle"]["min_up_h"] = 1
    free = optimum(grid.compile(), inputs, **EXACT)
    assert short.on[:, 1].tolist() == [False, True, True, True, False, False] or short.on[:, 1].sum() == 3
    assert free.on[:, 1].tolist() == [False, False, True, False, False, False]
    assert short.cost > free.cost


def by_enumeration(arrays, load_mw: np.ndarray) -> float:
    """The least cost over all ways to have two plants on, in plain loops: no lines, no stores, no ramps."""
    steps, best = len(load_mw), np.inf
    for ways in product(*(product([False, True], repeat=steps) for _ in range(2))):
        total, fits = 0.0, True
        for k, way in enumerate(ways):
            lasted, was_on = abs(arrays.initial_on_h[k]), arrays.initial_on_h[k] > 0
            for on in way:
                if on != was_on:
                    least = arrays.min_down_h[k] if on else arrays.min_up_h[k]
                    fits &= lasted >= least - 1e-9
                    total += arrays.start_cost[k] if on else 0.0
                    lasted, was_on = 0, on
                lasted += 1
                total += arrays.no_load_cost_per_h[k] * on
        if not fits:
            continue
        for t in range(steps):
            left = load_mw[t]
            gen = [arrays.gen_min_mw[k] if ways[k][t] else 0.0 for k in range(2)]
            left -= sum(gen)
            for k in np.argsort(arrays.gen_cost_per_mwh[:2]):
                more = min(max(left, 0.0), arrays.gen_max_mw[k] - gen[k]) if ways[k][t] else 0.0
                gen[k], left = gen[k] + more, left - more
            total += sum(arrays.gen_cost_per_mwh[k] * gen[k] for k in range(2))
            total += 1000 * max(left, 0.0) + 10 * max(-left, 0.0)
        best = min(best, total)
    return best


@pytest.mark.parametrize("seed", range(8))
def test_tiny_grids_by_enumeration(seed):
    rng = np.random.default_rng(seed)
    grid = Grid("tiny")
    for k in range(2):
        most = float(rng.uniform(40, 100))
        grid.add_source(
            f"p{k}", gen_max_mw=most, gen_min_mw=float(rng.uniform(0.2, 0.6)) * most,
            gen_cost_per_mwh=float(rng.uniform(10, 60)), start_cost=float(rng.choice([0, 300, 2000])),
            no_load_cost_per_h=float(rng.uniform(0, 100)), min_up_h=float(rng.integers(0, 4)),
            min_down_h=float(rng.integers(0, 4)), initial_on_h=float(rng.choice([-4, -1, 1, 4])),
        )  # fmt: skip
    grid.add_consumer("town", load_max_mw=200)
    for k in range(2):
        grid.add_line(f"p{k}", "town")
    load = rng.uniform(0, 150, 5)
    best = optimum(grid.compile(), inputs_of(load.tolist(), 3), **EXACT)
    assert best.cost == pytest.approx(by_enumeration(grid.compile(), load), rel=1e-6)


def test_what_the_step_does_with_a_schedule_costs_what_it_says():
    grid = load("thermal:triangle")
    batch = GridBatch(EnvConfig(topology=grid, horizon=24, split="test"), 1, 3)
    batch.reset()
    best = optimum(batch.arrays, batch.episode_inputs(0), batch.prices)
    assert best.exact
    for t in range(24):
        gen = best.gen_mw[t : t + 1] + best.curtailed_mw[t : t + 1]
        batch.step_setpoint(Setpoint(gen, best.store_mw[t : t + 1]))
    assert batch.metrics["cost"][0] == pytest.approx(best.cost, rel=1e-5)


@pytest.mark.parametrize(
    ("topology", "seed"), [("thermal:triangle", 0), *slow(("thermal:gen:12:5", 2), ("thermal:classic", 1))]
)
def test_pypsa_agrees(topology, seed):
    pytest.importorskip("pypsa")
    from scripts.benchmarks.peers import pypsa_cost

    grid = load(topology)
    for number, (_, columns) in enumerate(grid.graph.nodes(data=True)):
        columns.pop("gen_cost_per_mw2h", None)  # its solver takes no squares beside whole numbers
        if columns.get("start_cost") is not None:
            columns["initial_on_h"] = [5.0, -3.0][number % 2]
    batch = GridBatch(EnvConfig(topology=grid, horizon=18, split="test"), 1, seed)
    batch.reset()
    inputs = batch.episode_inputs(0)
    best = optimum(batch.arrays, inputs, Prices(overload_per_mwh=1e5, spill_per_mwh=1e4), **EXACT)
    assert max(best.cost_terms["overload"], best.cost_terms["spill"]) < 1e-6  # it is given neither
    assert best.cost == pytest.approx(pypsa_cost(batch.arrays, inputs, batch.prices), rel=1e-6)
    assert best.bound == pytest.approx(best.cost, rel=1e-6)


@settings(CHECKED, max_examples=20)
@given(grids(), SEEDS)
def test_whatever_the_step_does_costs_at_least_the_bound(grid, seed):
    arrays = with_starts(grid, np.random.default_rng(seed)).compile()
    prices, steps = Prices(), list(walk(arrays, seed, batch=1, steps=5))
    inputs = Inputs(
        np.concatenate([w.inputs.gen_avail_frac for w in steps]),
        np.concatenate([w.inputs.load_mw for w in steps]),
        steps[0].inputs.dt_h,
    )
    cost = sum(float(sum(step_costs(arrays, prices, w.outcome, inputs.dt_h).values())[0]) for w in steps)
    value = store_value_per_mwh(arrays, prices)
    cost += float(settlement(value, arrays.store_init_mwh, steps[-1].after.store_mwh[0]))
    best = optimum(arrays, inputs, prices, gap=1e-4, time_s=5.0)
    assert best.bound <= best.cost
    assert cost >= best.bound - 1e-6 * scale(best, inputs)


def test_every_policy_costs_at_least_the_bound_of_its_episode():
    batch = GridBatch(EnvConfig(topology="thermal:triangle", horizon=24, split="test"), 2, 5)
    batch.reset(5)
    best = list(optima(batch.arrays, [batch.episode_inputs(i) for i in range(2)], batch.prices, processes=1))
    for name, policy in BASELINES.items():
        if name == "smpc":
            continue
        batch.seed(5)
        rollout(batch, policy())
        for i in range(2):
            assert batch.metrics["cost"][i] >= best[i].bound - 1e-6 * best[i].cost, name


@pytest.mark.slow
def test_processes_find_the_same_schedules():
    batch = GridBatch(EnvConfig(topology="thermal:triangle", horizon=12, split="test"), 9, 5)
    batch.reset(5)
    inputs = [batch.episode_inputs(i) for i in range(9)]
    alone, shared = (list(optima(batch.arrays, inputs, batch.prices, processes=p)) for p in (1, 2))
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(one.on, other.on)


@pytest.mark.parametrize("name", ["triangle", "thermal:triangle"])
def test_the_programme_is_mixed_integer_only_where_plants_stop(name):
    made = programme_of(load(name).compile(), 4, 1.0)
    assert isinstance(made, StartsProgramme) == name.startswith("thermal")
