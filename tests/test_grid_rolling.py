"""Windows in turn give a schedule that can be run, and a bound that the optimum of all steps does not stay below."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid import Grid, GridArrays, Inputs
from grid.planning import optimum, rolling
from strategies import CHECKED, SEEDS, failing, grids, random_inputs, scale, with_outages


@CHECKED
@given(grids(), SEEDS, st.integers(1, 5), st.integers(0, 3), st.sampled_from([1.0, 0.5]))
def test_the_bound_is_no_more_and_the_schedule_no_less_than_the_optimum(
    grid: Grid, seed: int, kept: int, ahead: int, dt_h: float
) -> None:
    arrays, rng = grid.compile(), np.random.default_rng(seed)
    inputs = with_outages(arrays, random_inputs(arrays, rng, 9, dt_h), rng)
    inputs = failing(inputs, rng) if rng.random() < 0.5 else inputs
    best = optimum(arrays, inputs)
    found = rolling(arrays, inputs, kept_h=kept * dt_h, ahead_h=ahead * dt_h)
    near = 1e-6 * scale(best, inputs)
    assert found.bound <= best.cost + near
    assert best.cost <= found.cost + near
    assert found.cost == pytest.approx(sum(found.cost_terms.values()))


def evening() -> GridArrays:
    """Sun by day, demand by night, and a store between them that loses nothing."""
    grid = Grid("evening")
    grid.add_source("sun", gen_max_mw=20, gen_profile="sun")
    grid.add_source("plant", gen_max_mw=20, gen_cost_per_mwh=50)
    grid.add_storage(
        "store", store_max_mwh=40, store_init_mwh=0, charge_max_mw=20, discharge_max_mw=20, charge_eff_frac=1,
        discharge_eff_frac=1,
    )  # fmt: skip
    grid.add_consumer("town", load_max_mw=10)
    for name in ("sun", "plant", "store"):
        grid.add_line(name, "town", capacity_mw=100)
    return grid.compile()


def test_windows_that_look_ahead_find_the_optimum_and_the_bound_proves_it() -> None:
    arrays = evening()
    sun = np.zeros((12, 4))
    sun[:, 1:] = 1.0
    sun[[0, 1, 2, 6, 7, 8], arrays.node_names.index("sun")] = 1.0
    inputs = Inputs(sun, np.tile(arrays.load_max_mw, (12, 1)), 1.0)
    best = optimum(arrays, inputs)
    found = rolling(arrays, inputs, kept_h=4, ahead_h=4)
    assert found.cost == pytest.approx(best.cost, abs=1e-6)
    assert found.bound == pytest.approx(best.cost, abs=1e-6)
    assert found.exact
    blind = rolling(arrays, inputs, kept_h=1, ahead_h=0)
    assert blind.bound < best.cost - 1 or blind.cost > best.cost + 1  # one of them shows that it saw too little
