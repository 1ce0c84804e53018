"""The grid that plans go by: where lines trip and the gate is closed, it has room for errors of forecasts."""

import numpy as np
import pytest

from envs import EnvConfig, Problem
from envs.forecasts import flow_error_mw
from envs.problem import LEAST_CAPACITY, SAFE_SIGMAS
from grid.physics import flows

ERRORS = {"forecast_error_frac": 0.08, "weather_error_frac": 0.2, "node_error_frac": 0.05}


@pytest.mark.parametrize("topology", ["classic", "case14"])
def test_flows_miss_their_forecast_by_as_much_as_is_said(topology):
    """Errors drawn at full demand and output, each taken up by the sources in proportion to their reserve."""
    config = EnvConfig(topology=topology, gate_h=2.0, **ERRORS)
    arrays, rng, rows = Problem.of(config).arrays, np.random.default_rng(0), 4000
    weather_mw = arrays.gen_max_mw * [name is not None for name in arrays.gen_profile]
    miss_mw = np.zeros((rows, len(arrays.node_names)))
    for frac, size_mw in ((0.08, arrays.load_max_mw), (0.2, weather_mw)):
        common = frac * np.sqrt(2.0 / 24.0) * rng.standard_normal((rows, 1))
        miss_mw += size_mw * (common + 0.05 * rng.standard_normal(miss_mw.shape))
    reserve = arrays.gen_max_mw * arrays.gen_reserve_frac
    balanced_mw = miss_mw - miss_mw.sum(1, keepdims=True) * reserve / reserve.sum()
    found_mw = (flows(arrays, balanced_mw) - arrays.flow_offset_mw).std(0)
    np.testing.assert_allclose(flow_error_mw(arrays, config), found_mw, rtol=0.06, atol=1e-6)


def test_only_lines_that_trip_after_a_closed_gate_keep_room():
    fields = {"topology": "case14", **ERRORS}
    for config in (EnvConfig(**fields), EnvConfig(gate_h=1.0, **fields), EnvConfig(overload="trip", **fields)):
        problem = Problem.of(config)
        assert problem.planning_arrays is problem.arrays
    problem = Problem.of(EnvConfig(gate_h=1.0, overload="trip", **fields))
    limited = np.isfinite(problem.arrays.capacity_mw)
    room_mw = problem.arrays.capacity_mw[limited] - problem.planning_arrays.capacity_mw[limited]
    most_mw = (1 - LEAST_CAPACITY) * problem.arrays.capacity_mw[limited]
    wanted_mw = SAFE_SIGMAS * flow_error_mw(problem.arrays, problem.config)[limited]
    np.testing.assert_allclose(room_mw, np.minimum(wanted_mw, most_mw))
    assert (room_mw > 0).all()
    assert np.isinf(problem.planning_arrays.capacity_mw[~limited]).all()
    assert problem.planner.arrays is problem.planning_arrays
    dear = {"prices": {"overload_per_mwh": 9e4}}
    for fields in ({"gate_h": 0.0}, {"forecast_error_frac": 0.2}, dear, {"action": "bids"}):
        other = problem.replace(**fields)
        assert (other.planner is problem.planner) == ("action" in fields)
        assert np.array_equal(other.planner.arrays.capacity_mw, other.planning_arrays.capacity_mw)
