"""Forecasts that are revised, and decisions before the gate closes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from envs import EnvConfig, GridBatch, Problem
from envs.forecasts import MEMORY_H, Common
from grid import Grid, GridError
from policies import load_agent, run_episodes
from policies.rollout import as_seen

WEATHER = {"gate_h": 1.0, "forecast_error_frac": 0.15, "weather_error_frac": 0.3, "horizon": 6}


def errors_of(batch: GridBatch) -> tuple[np.ndarray, np.ndarray]:
    """(K, B) errors of forecasts of one step at leads 1 to K: of demand and of availability."""
    leads = np.arange(1, 25)
    step = np.full_like(leads, 6)
    return batch.outlook.errors.load(step, leads), batch.outlook.errors.avail(step, leads)


@pytest.fixture(scope="module")
def many() -> GridBatch:
    batch = GridBatch(EnvConfig(**WEATHER), 4000)
    batch.reset(1)
    return batch


def test_errors_grow_with_the_root_of_the_lead_by_their_own_shares(many: GridBatch) -> None:
    for errors, share in zip(errors_of(many), (0.15, 0.3), strict=True):
        spread = errors.std(axis=1) / np.sqrt(np.arange(1, 25) / 24)
        assert spread == pytest.approx(share, rel=0.06)  # errors are cut at three standard deviations


def test_the_latest_forecast_says_all_that_is_known(many: GridBatch) -> None:
    """An earlier forecast of the same step adds nothing: what lies between them is independent of what is to come."""
    demand, _ = errors_of(many)
    revisions = np.diff(demand, axis=0)
    for later in (1, 5, 12):
        assert abs(np.corrcoef(demand[later - 1], revisions[later - 1])[0, 1]) < 0.06
    assert not np.allclose(demand[3] * 2, demand[15])  # with one error for all leads, two forecasts gave the truth away


def test_one_revision_concerns_hours_close_together_alike(many: GridBatch) -> None:
    errors = many.outlook.errors
    at, leads = 2, np.arange(3, 20)  # forecasts of step 2 and of step 3 at those leads before
    revision = errors.load(at + leads, leads) - errors.load(at + leads, leads - 1)  # (leads, B) made in the same hour
    found = [np.corrcoef(revision[0], revision[apart])[0, 1] for apart in (1, 7)]
    assert found == pytest.approx([np.exp(-1 / MEMORY_H), np.exp(-1)], abs=0.06)


def test_episodes_do_not_depend_on_how_many_run() -> None:
    few, more = (GridBatch(EnvConfig(**WEATHER, node_error_frac=0.1), size, 5) for size in (2, 7))
    few.reset(5), more.reset(5)
    for name in ("load_error", "avail_error", "node_load", "node_avail"):
        one, other = (getattr(batch.outlook.errors, name) for batch in (few, more))
        np.testing.assert_array_equal(one, other[:, :2] if "node" in name else other[..., :2])


def test_worlds_without_these_fields_have_the_forecasts_of_before() -> None:
    batch = GridBatch(EnvConfig(horizon=5))
    batch.reset(0)
    assert isinstance(batch.outlook.errors, Common)
    assert batch.outlook.gate == 0
    np.testing.assert_array_equal(batch.inputs.load_mw, batch.outlook.load_mw[0])


def test_a_step_is_decided_on_its_forecast_and_run_with_the_truth() -> None:
    batch = GridBatch(EnvConfig("case14", **WEATHER), 3)
    batch.reset(2)
    while batch.t < batch.horizon:
        t = batch.t
        forecast = batch.outlook.expected(t, np.array([0]))
        np.testing.assert_array_equal(batch.inputs.load_mw, forecast.load_mw[0])
        assert not np.allclose(batch.inputs.load_mw, batch.outlook.load_mw[t])
        setpoint = batch.action_map.merit_setpoint(batch.limits, batch.inputs)
        planned_mw = setpoint.gen_mw.sum(1)
        assert planned_mw == pytest.approx(batch.inputs.load_mw.sum(1), rel=1e-9)
        batch.step_setpoint(setpoint)
        last = batch.last
        assert last is not None
        np.testing.assert_array_equal(last.inputs.load_mw, batch.outlook.load_mw[t])
        assert last.outcome.served_mw.sum(1) == pytest.approx(last.inputs.load_mw.sum(1))  # the balance mends it
        assert (last.outcome.balancing_mw > 0).all()


def test_the_longer_the_gate_the_worse_the_forecast() -> None:
    errors = []
    for gate_h in (1, 3, 6):
        batch = GridBatch(EnvConfig(**{**WEATHER, "gate_h": gate_h}), 200)
        batch.reset(0)
        errors.append(np.abs(batch.inputs.load_mw.sum(1) / batch.outlook.load_mw[0].sum(1) - 1).mean())
    assert errors == sorted(errors)
    assert errors[0] > 0


def two_lines(rate_per_h: float) -> Grid:
    grid = Grid()
    grid.add_source("plant", gen_max_mw=10)
    grid.add_consumer("town", load_max_mw=5)
    grid.add_line("plant", "town", outage_rate_per_h=rate_per_h, repair_h=2)
    grid.add_line("plant", "town")
    return grid


def test_an_outage_after_the_gate_is_not_known() -> None:
    config = EnvConfig(two_lines(0.3), horizon=40, gate_h=1.0, weather_error_frac=0.0, forecast_error_frac=0.0)
    batch = GridBatch(config, 4)
    batch.reset(3)
    surprises = 0
    while batch.t < batch.horizon:
        t, lines = batch.t, batch.outlook.lines
        assert lines is not None
        assert batch.inputs.in_service is not None
        known, true = batch.inputs.in_service, lines.in_service(t)
        before = lines.back_h[t - 1] if t else np.zeros_like(lines.back_h[0])
        np.testing.assert_array_equal(known, before <= 1.0)  # out for longer than the hour that has begun
        surprises += int((known & ~true).sum())
        assert batch.limits.outages is None or not (batch.limits.outages.in_service & ~known).any()
        batch.step_setpoint(batch.action_map.merit_setpoint(batch.limits, batch.inputs))
        assert batch.last is not None
        np.testing.assert_array_equal(batch.last.inputs.in_service, true)
        assert ((batch.last.outcome.flow_mw != 0) <= true).all()
    assert surprises > 5


def test_observations_hold_the_forecast_and_what_was_true_before() -> None:
    for kind in ("flat", "graph"):
        batch = GridBatch(EnvConfig("case14", observation=kind, node_error_frac=0.05, **WEATHER), 2)
        batch.reset(4)
        batch.step(np.zeros((2, len(batch.arrays.controllable))))
        if kind == "flat":
            names = batch.encoder.names
            assert batch.observation.shape[1] == len(names)
            loads = [k for k, name in enumerate(names) if name.startswith("demand_frac")]
            past = [k for k, name in enumerate(names) if name.startswith("last demand_frac")]
            nodes = np.flatnonzero(batch.arrays.load_max_mw)
            now, last = batch.observation[:, loads], batch.observation[:, past]
            most = batch.arrays.load_max_mw[nodes]
            true = batch.outlook.load_mw[:, :, nodes] / most
        else:
            names = batch.encoder.names["nodes"]
            now, last = (batch.observation["nodes"][..., names.index(name)] for name in ("demand_pu", "last demand_pu"))
            true = batch.outlook.load_mw / batch.arrays.unit_mw
        forecast = (
            batch.inputs.load_mw[:, nodes] / most if kind == "flat" else batch.inputs.load_mw / batch.arrays.unit_mw
        )
        np.testing.assert_allclose(now, forecast, rtol=1e-5)
        np.testing.assert_allclose(last, true[0], rtol=1e-5)
        assert not np.allclose(now, true[1])


def test_an_agent_of_a_world_without_a_gate_runs_where_there_is_one() -> None:
    agent = load_agent("universal")
    problem = as_seen(Problem.of(EnvConfig("classic", **WEATHER)), agent.env_config)
    assert "last demand_pu" not in GridBatch(problem).encoder.names["nodes"]
    (episode,) = run_episodes(agent, dataclasses.replace(problem.config, observation="flat", action="residual"))
    assert len(episode.reward) == 6


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("gate_h", -1.0, "a number of hours in [0, 24]"),
        ("gate_h", 48, "a number of hours in [0, 24]"),
        ("weather_error_frac", 1.5, "a share in [0, 1]"),
        ("node_error_frac", None, "a share in [0, 1]"),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: object, allowed: str) -> None:
    with pytest.raises(GridError) as error:
        EnvConfig(**{field: value})
    assert f"config.{field}" in str(error.value)
    assert allowed in str(error.value)
