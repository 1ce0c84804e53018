"""Limits of sources and stores, and what a step makes of them, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from grid import Grid, GridArrays, Inputs, Setpoint, State
from grid.physics.step import initial_state, limits, step


def store_grid(**columns: float) -> GridArrays:
    """One large source, one consumer and one store; no line limits."""
    grid = Grid("store")
    grid.add_source("s", gen_max_mw=1000)
    grid.add_consumer("c", load_max_mw=100)
    grid.add_storage("b", **{"store_max_mwh": 100, "charge_max_mw": 30, "discharge_max_mw": 40, **columns})
    grid.add_line("s", "c")
    grid.add_line("c", "b")
    return grid.compile()


def run_store(arrays: GridArrays, ask_mw: list[float], dt_h: float = 1.0) -> SimpleNamespace:
    """Ask the store in store_grid for the given powers; the source covers the rest. Arrays over time."""
    state = initial_state(arrays, 1)
    energy, charge, discharge = [state.store_mwh[0, 2]], [], []
    for power in ask_mw:
        inputs = Inputs(np.ones((1, 3)), np.array([[0.0, 50.0, 0.0]]), dt_h)
        setpoint = Setpoint(np.array([[50.0 - power, 0.0, 0.0]]), np.array([[0.0, 0.0, power]]))
        state, outcome = step(arrays, state, setpoint, inputs)
        energy.append(state.store_mwh[0, 2])
        charge.append(outcome.charge_mw[0, 2])
        discharge.append(outcome.discharge_mw[0, 2])
    return SimpleNamespace(energy=energy, charge=charge, discharge=discharge)


def one_source(**columns) -> GridArrays:
    grid = Grid("one")
    grid.add_source("s", gen_max_mw=100, **columns)
    return grid.compile()


def source_limits(arrays: GridArrays, previous_mw: float, t: int, avail: float = 1.0, dt_h: float = 1.0):
    state = State(np.zeros((1, 1)), np.array([[previous_mw]]), np.array([t]))
    lim = limits(arrays, state, Inputs(np.array([[avail]]), np.zeros((1, 1)), dt_h))
    return float(lim.gen_lo_mw[0, 0]), float(lim.gen_hi_mw[0, 0])


@pytest.mark.parametrize(
    ("columns", "previous_mw", "t", "avail", "dt_h", "wanted"),
    [
        pytest.param({}, 0, 0, 1.0, 1.0, (0, 100), id="plain"),
        pytest.param({"gen_min_mw": 30}, 0, 0, 1.0, 1.0, (30, 100), id="minimum"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 0, 1.0, 1.0, (0, 100), id="no ramp on the first step"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 1, 1.0, 1.0, (30, 50), id="ramp"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 1, 1.0, 0.25, (37.5, 42.5), id="ramp over a quarter hour"),
        pytest.param({"gen_ramp_mw_per_h": 10, "gen_min_mw": 35}, 40, 1, 1.0, 1.0, (35, 50), id="minimum above ramp"),
        pytest.param({"gen_ramp_mw_per_h": 10, "gen_min_mw": 30}, 5, 1, 1.0, 1.0, (15, 15), id="ramp wins upwards"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 1, 0.2, 1.0, (20, 20), id="availability wins over ramp"),
        pytest.param({"gen_min_mw": 30}, 40, 1, 0.1, 1.0, (10, 10), id="availability wins over minimum"),
        pytest.param({"gen_ramp_mw_per_h": 10, "gen_profile": "sun"}, 40, 3, 1.0, 1.0, (0, 50), id="profile falls"),
        pytest.param({"gen_profile": "sun"}, 40, 3, 0.0, 1.0, (0, 0), id="no sun"),
    ],
)
def test_source_limits_by_hand(columns, previous_mw, t, avail, dt_h, wanted):
    assert source_limits(one_source(**columns), previous_mw, t, avail, dt_h) == pytest.approx(wanted, abs=1e-12)


def test_only_the_first_step_of_each_env_has_no_ramp():
    arrays = one_source(gen_ramp_mw_per_h=10)
    state = State(np.zeros((2, 1)), np.array([[40.0], [40.0]]), np.array([0, 1]))
    lim = limits(arrays, state, Inputs(np.ones((2, 1)), np.zeros((2, 1)), 1.0))
    np.testing.assert_array_equal(lim.gen_lo_mw.ravel(), [0, 30])
    np.testing.assert_array_equal(lim.gen_hi_mw.ravel(), [100, 50])


def test_a_store_fills_to_the_brim_and_empties_to_its_minimum():
    arrays = store_grid(store_min_mwh=10, store_init_mwh=50, charge_eff_frac=0.8, discharge_eff_frac=0.5)
    seen = run_store(arrays, [1000.0] + [-1000.0] * 5 + [1000.0] * 6)
    # discharge: (50 − 10)·0.5 = 20 MW is all there is above the minimum
    assert seen.discharge[0] == pytest.approx(20)
    assert seen.energy[1] == pytest.approx(10)
    # charge: 30 MW stores 24 MWh an hour; 90 MWh of room: three full hours, then (90 − 72)/0.8 = 22.5 MW, then none
    assert seen.charge[1:6] == pytest.approx([30, 30, 30, 22.5, 0])
    assert seen.energy[2:7] == pytest.approx([34, 58, 82, 100, 100])
    # discharge: 40 MW takes 80 MWh an hour; then (20 − 10)·0.5 = 5 MW, then none
    assert seen.discharge[6:] == pytest.approx([40, 5, 0, 0, 0, 0])
    assert seen.energy[7:] == pytest.approx([20, 10, 10, 10, 10, 10])


def test_the_limits_of_a_store_scale_with_the_length_of_a_step():
    arrays = store_grid(store_init_mwh=100, charge_eff_frac=1, discharge_eff_frac=1)
    seen = run_store(arrays, [1000.0, -1000.0], dt_h=4.0)
    assert seen.discharge[0] == pytest.approx(25)  # 100 MWh over 4 h
    assert seen.charge[1] == pytest.approx(25)
    assert seen.energy == pytest.approx([100, 0, 100])


def test_loss_comes_first_and_takes_only_what_is_above_the_minimum():
    arrays = store_grid(store_min_mwh=20, store_init_mwh=100, store_loss_frac_per_h=0.5, charge_eff_frac=1)
    idle = run_store(arrays, [0.0, 0.0])
    assert idle.energy == pytest.approx([100, 60, 40])  # 20 + 80/2, 20 + 40/2
    full = run_store(arrays, [-1000.0])
    assert full.charge == pytest.approx([30])  # a full store has room again after its loss
    assert full.energy == pytest.approx([100, 90])
    half_hour = run_store(arrays, [0.0], dt_h=0.5)
    assert half_hour.energy[1] == pytest.approx(20 + 80 * 0.5**0.5)


def test_a_store_that_loses_everything_still_keeps_its_minimum():
    arrays = store_grid(store_min_mwh=20, store_init_mwh=100, store_loss_frac_per_h=1.0)
    assert run_store(arrays, [0.0, 1000.0]).energy == pytest.approx([100, 20, 20])


def test_a_round_trip_gives_back_the_product_of_the_efficiencies():
    arrays = store_grid(store_init_mwh=0, charge_eff_frac=0.9, discharge_eff_frac=0.8)
    seen = run_store(arrays, [-10.0, 1000.0])
    assert seen.energy == pytest.approx([0, 9, 0], abs=1e-12)
    assert seen.discharge[1] == pytest.approx(10 * 0.9 * 0.8)


def test_clipped_is_asked_minus_feasible_in_order_of_controllable():
    arrays = store_grid(store_init_mwh=0)
    assert arrays.controllable.tolist() == [0, 2]
    inputs = Inputs(np.ones((1, 3)), np.zeros((1, 3)), 1.0)
    _, high = step(
        arrays, initial_state(arrays, 1), Setpoint(np.array([[1200.0, 7, 0]]), np.full((1, 3), 15.0)), inputs
    )
    np.testing.assert_allclose(high.clipped_mw, [[215, 15]])  # 200 above the maximum and 15 from a store it has not
    _, low = step(arrays, initial_state(arrays, 1), Setpoint(np.zeros((1, 3)), np.array([[0, 0, -50.0]])), inputs)
    np.testing.assert_allclose(low.clipped_mw, [[0, -20]])


def test_the_initial_state_has_the_stores_as_given_and_no_past():
    arrays = store_grid(store_min_mwh=10)
    state = initial_state(arrays, 3)
    np.testing.assert_array_equal(state.store_mwh, np.tile([0, 0, 55.0], (3, 1)))  # midway where nothing is given
    assert (state.gen_mw == 0).all()
    assert (state.t == 0).all()
