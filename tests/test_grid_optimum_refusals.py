"""What the optimum refuses, and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grid import GridError, Inputs, Prices
from grid.planning.optimum import optimum
from test_grid_optimum_by_hand import inputs_at, pair, shop


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
