"""A plant that a schedule has on stays on, also where it gives nothing or others spill."""

from __future__ import annotations

import numpy as np
import pytest

from envs import EnvConfig, GridBatch
from grid import Grid, Inputs, Prices, Setpoint, step_costs
from grid.physics import initial_state, is_asked, step
from grid.planning import optimum
from policies.baselines import BASELINES
from policies.mpc import Mpc
from policies.rollout import rollout
from scripts.running import Schedule


def hot_and_wind(least_mw: float) -> Grid:
    grid = Grid("hot")
    grid.add_source("hot", gen_max_mw=50, gen_min_mw=least_mw, gen_cost_per_mwh=20, start_cost=5000)
    grid.add_source("wind", gen_max_mw=100, gen_cost_per_mwh=0, gen_profile="wind")
    grid.add_consumer("town", load_max_mw=60, load_profile="household")
    for node in ("hot", "wind"):
        grid.add_line(node, "town")
    return grid


def windy(steps: int) -> Inputs:
    """Wind enough in the middle."""
    avail, load = np.ones((steps, 3)), np.zeros((steps, 3))
    avail[[0, -1], 1] = 0.1
    load[:, 2] = 40.0
    return Inputs(avail, load, 1.0)


def test_what_is_on_is_said_or_read_from_the_output():
    arrays, none = hot_and_wind(20.0).compile(), np.zeros((1, 3))
    for on in ([[True, True, True]], [[False, True, True]]):
        assert is_asked(arrays, Setpoint(none, none, on=np.array(on))).tolist() == on
    for asked_mw, on in ((9.9, False), (10.0, True)):
        assert is_asked(arrays, Setpoint(np.array([[asked_mw, 0.0, 0.0]]), none))[0, 0] == on


def test_a_schedule_costs_what_it_says_where_a_plant_idles_at_0():
    arrays, inputs = hot_and_wind(0.0).compile(), windy(4)
    best = optimum(arrays, inputs, gap=0.0)
    assert best.on[:, 0].all()
    assert best.gen_mw[1:3, 0].max() < 1e-9
    state, cost = initial_state(arrays, 1), 0.0
    for t in range(4):
        now = Inputs(inputs.gen_avail_frac[t : t + 1], inputs.load_mw[t : t + 1], 1.0)
        state, outcome = step(
            arrays, state, Setpoint(best.gen_mw[t : t + 1], best.store_mw[t : t + 1], on=best.on[t : t + 1]), now
        )
        cost += sum(float(term[0]) for term in step_costs(arrays, Prices(), outcome, 1.0).values())
    assert best.exact
    assert cost == pytest.approx(best.cost, rel=1e-6)


def test_a_schedule_that_is_run_starts_no_plant_that_idles_at_0():
    grid = hot_and_wind(0.0)
    grid.graph.nodes["wind"].pop("gen_profile")
    grid.graph.nodes["wind"]["gen_max_mw"] = 25
    batch = GridBatch(EnvConfig(grid, horizon=24, split="test"), 1, 0)
    batch.reset(0)
    best = optimum(batch.arrays, batch.episode_inputs(0), batch.prices)
    assert (best.gen_mw[:, 0] < 1e-9).any()
    batch.seed(0)
    rollout(batch, Schedule([best]))
    assert batch.metrics["cost"] == pytest.approx([best.cost], rel=1e-6)


def test_mpc_keeps_a_plant_on_whose_least_output_is_more_than_twice_the_demand():
    grid = Grid("large")
    grid.add_source("hot", gen_max_mw=50, gen_min_mw=20, gen_cost_per_mwh=20, start_cost=100)
    grid.add_consumer("town", load_max_mw=8)
    grid.add_line("hot", "town")
    batch = GridBatch(EnvConfig(grid, horizon=3), 1, 0)
    batch.reset(0)
    rollout(batch, Mpc(window_h=3))
    assert batch.metrics["unserved_mwh"][0] == 0


@pytest.mark.parametrize("policy", ["merit", "redispatch", "economic", "plan"])
def test_a_plant_that_a_rule_decides_on_stays_on_at_no_output(policy):
    batch = GridBatch(EnvConfig(hot_and_wind(0.0), horizon=3), 1, 0)
    batch.reset(0)
    decider = BASELINES[policy]()
    decider.reset(batch)
    asked = decider.act(batch)
    np.testing.assert_array_equal(is_asked(batch.arrays, asked), asked.on)
    batch.step_setpoint(Setpoint(np.zeros_like(asked.gen_mw), asked.store_mw, on=np.ones_like(asked.on)))
    assert batch.last.outcome.on[0, 0] == 1
