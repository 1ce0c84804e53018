"""The choice of plants for a day: beside stores a plant runs for a few hours at full output, and fills them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from grid import Grid, Inputs, Prices
from grid.planning import programme_of
from grid.planning.commitment.decommitment import _best_move, _best_moves
from strategies import SEEDS, examples


def plant_and_store(seed: int | None = None) -> Grid:
    """A plant that is dear to keep on, and a store; with a seed others like them."""
    rng = np.random.default_rng(seed)
    grid = Grid("store")
    grid.add_source("base", gen_max_mw=20, gen_cost_per_mwh=20)
    times = {} if seed is None else {"min_up_h": int(rng.integers(0, 4)), "min_down_h": int(rng.integers(0, 4))}
    for k in range(1 if seed is None else 2):
        least, start = (30, 100) if seed is None else (float(rng.uniform(10, 40)), float(rng.uniform(0, 2000)))
        grid.add_source(
            f"plant {k}", gen_max_mw=80, gen_min_mw=least, gen_cost_per_mwh=50 + 5 * k, no_load_cost_per_h=600,
            start_cost=start, **times,
        )  # fmt: skip
    grid.add_storage("store", store_max_mwh=300, charge_max_mw=60, discharge_max_mw=60, store_init_mwh=0)
    grid.add_consumer("town", load_max_mw=120)
    for node in [name for name in grid.graph.nodes if name != "town"]:
        grid.add_line(node, "town")
    return grid


def first_and_best(grid: Grid, load_mw: np.ndarray):
    """The best schedule with the plants on that are chosen, which ones (T, K), and the best of all."""
    arrays, steps = grid.compile(), len(load_mw)
    load = np.zeros((steps, len(arrays.node_names)))
    load[:, -1] = load_mw
    programme = programme_of(arrays, steps, 1.0, Prices(), gap=0.0, time_s=20.0)
    programme.set_inputs(Inputs(np.ones_like(load), load, 1.0))
    return programme._with(programme._first), programme._first, programme.solve()


def test_a_plant_runs_at_full_output_and_stores_serve_the_other_hours():
    """20 MW more than the base for 12 hours: 240 MWh, about 253 with losses: 4 hours at up to 80 MW, not 12 at 30."""
    first, on, best = first_and_best(plant_and_store(), np.full(12, 40.0))
    assert on.sum() == best.on[:, 1].sum() == 4
    assert first.cost == pytest.approx(best.cost, rel=0.025)


@settings(derandomize=True, deadline=None, max_examples=examples(24))
@given(SEEDS)
def test_the_choice_is_near_the_best(seed):
    rng = np.random.default_rng(seed)
    first, _, best = first_and_best(plant_and_store(seed), rng.uniform(10, 120, 10))
    assert best.cost <= first.cost + 1e-6 * abs(best.cost)
    assert first.cost <= 1.08 * best.cost


@pytest.mark.parametrize("seed", range(20))
def test_moves_from_all_levels_at_once_are_those_from_each(seed):
    rng = np.random.default_rng(seed)
    levels, count = int(rng.integers(1, 9)), 12
    moves = np.concatenate([rng.integers(-9, 10, count), rng.uniform(-3, 3, count), [1 - 1e-12, -1e-12]])
    costs, to_go = rng.choice([np.inf, 0.0, 1.0, 2.5], len(moves)), rng.normal(size=levels)
    each = [_best_move(moves, costs, to_go, float(level))[0] for level in range(levels)]
    together = np.empty(levels)
    _best_moves(moves, costs, to_go, together)
    np.testing.assert_allclose(together, each, atol=1e-9)
