"""MPC: never below the optimum, at it when it sees all, and far ahead of rules that leave stores idle."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from envs import EnvConfig, GridBatch
from envs.outages import Outage
from grid.planning.optimum import optimum
from policies.baselines import Merit
from policies.evaluation import evaluate
from policies.measuring import run
from policies.mpc import Mpc
from strategies import CHECKED, SEEDS, examples, grids

BUNDLED = ("classic", "case14")
PROFILES = {"load_profile": "household", "gen_profile": "wind"}  # for made-up grids, whose own name no series


def optima(batch, seed):
    batch.reset(seed)
    return [optimum(batch.arrays, batch.episode_inputs(i), batch.prices) for i in range(batch.batch_size)]


@pytest.mark.parametrize("topology", BUNDLED)
def test_with_perfect_forecasts_of_the_whole_episode_it_is_the_optimum(topology):
    batch = GridBatch(EnvConfig(topology=topology, horizon=24, forecast_error_frac=0.0, split="test"), 2)
    best = optima(batch, 2)
    planned = [max(plan.shed_mw.max(), plan.spill_mw.max()) for plan in best]
    assert max(planned) < 1e-9  # no action reaches these
    cost = run(Mpc(window_h=24), batch, 2).cost
    np.testing.assert_allclose(cost, [plan.cost for plan in best], rtol=1e-6)


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(30))
def test_it_never_beats_the_optimum_on_any_grid(grid, seed):
    for _, columns in grid.graph.nodes(data=True):
        columns |= {name: profile for name, profile in PROFILES.items() if columns.get(name)}
    batch = GridBatch(EnvConfig(topology=grid, horizon=5, forecast_error_frac=0.3), 2)
    best = np.array([plan.cost for plan in optima(batch, seed)])
    cost, merit = (run(policy, batch, seed).cost for policy in (Mpc(window_h=3), Merit()))
    assert (cost >= best - 1e-6 * np.maximum(np.abs(best), np.abs(merit)) - 1e-6).all()


@pytest.mark.parametrize("topology", BUNDLED)
def test_idle_stores_bring_redispatch_part_of_the_way_and_mpc_goes_almost_all(topology):
    found = evaluate(["redispatch", "mpc"], EnvConfig(topology=topology), 6)
    assert 25 < found["redispatch"].score.mean < 60
    assert found["mpc"].score.low > found["redispatch"].score.high
    assert 92 < found["mpc"].score.mean < 100


def test_worse_forecasts_and_shorter_windows_cost_more():
    costs = {}
    for error, window_h in ((0.0, 24), (0.3, 24), (0.0, 2)):
        batch = GridBatch(EnvConfig(topology="classic", forecast_error_frac=error), 4)
        costs[error, window_h] = run(Mpc(window_h), batch, 0).cost.mean()
    assert costs[0.0, 24] < costs[0.3, 24]
    assert costs[0.0, 24] < costs[0.0, 2]


def test_windows_are_hours_whatever_the_step_and_end_with_the_episode():
    policy, batch = Mpc(), GridBatch(EnvConfig(topology="triangle", dt_h=0.5, horizon=60), 1)
    batch.reset(0)
    policy.reset(batch)
    asked = []
    expected = batch.outlook.expected

    def watched(t, leads):
        asked.append((t, leads[0], leads[-1]))
        return expected(t, leads)

    object.__setattr__(batch.outlook, "expected", watched)
    for _ in range(60):
        batch.step_setpoint(policy.act(batch))
    assert asked == [(t, 0, min(47, 59 - t)) for t in range(60)]


def test_with_perfect_forecasts_it_is_the_optimum_around_planned_outages_too():
    outages = (Outage("6-11", start_h=5, duration_h=6), Outage("10-11", start_h=13, duration_h=3))
    config = EnvConfig(topology="case14", horizon=20, forecast_error_frac=0.0, split="test")
    batch = GridBatch(replace(config, outages=outages), 2)
    best = optima(batch, 2)
    out = batch.arrays.line_names.index("6-11")
    assert not any(plan.flow_mw[5:11, out].any() for plan in best)
    intact = optima(GridBatch(config, 2), 2)
    assert all(plan.cost > other.cost for plan, other in zip(best, intact, strict=True))
    np.testing.assert_allclose(run(Mpc(window_h=20), batch, 2).cost, [plan.cost for plan in best], rtol=1e-6)
