"""The agents that come with the program: what they promise, on grids that they were not trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from envs import EnvConfig
from grid import Grid
from policies import load_agent, run_episodes
from policies.evaluation import evaluate
from policies.runs import SHIPPED
from slow_cases import slow


@pytest.mark.parametrize("topology", ["gen:9:71000", "case14", *slow("gen:14:71003", "gen:35:71011")])
def test_it_runs_grids_that_it_has_never_seen(topology):
    agent = load_agent("universal")
    assert topology not in {grid.name for grid in agent.grids}
    rows = evaluate(["redispatch", "plan", agent], EnvConfig(topology=topology), episodes=6, seed=1).rows
    scores = {row.name: row.score.mean for row in rows}
    assert scores["agent"] >= 97
    assert scores["agent"] > scores["plan"] - 1
    assert scores["agent"] > scores["redispatch"] + 20


def test_it_decides_by_bids_on_what_the_plan_shows():
    config = load_agent("universal").env_config
    assert (config.action, config.observation) == ("bids", "graph")


STORE = {"store_max_mwh": 16.0, "charge_max_mw": 4.0, "discharge_max_mw": 4.0}


def town(store=STORE, plant_mw=12.0, capacity_mw=10.0):
    """A few units around a town."""
    grid = Grid("town")
    grid.add_source("plant", gen_max_mw=plant_mw, gen_cost_per_mwh=30)
    grid.add_source("peak", gen_max_mw=8, gen_cost_per_mwh=80)
    grid.add_source("sun", gen_max_mw=8, gen_profile="pv_south")
    grid.add_storage("battery", **STORE | store)
    grid.add_consumer("town", load_max_mw=12, load_profile="household")
    for name in ("plant", "peak", "sun", "battery"):
        grid.add_line(name, "town", capacity_mw=capacity_mw)
    return grid


@pytest.mark.parametrize(
    "grid",
    [
        town({"store_max_mwh": 1e5}),
        town({"store_max_mwh": 1e4, "store_init_mwh": 8}),
        town({"discharge_max_mw": 1e-3}),
        *slow(
            town({"store_loss_frac_per_h": 0.1}),
            town(plant_mw=1e4),
            town(capacity_mw=1e5),
            town({"charge_max_mw": 0.0, "store_init_mwh": 16}),
            town({"discharge_max_mw": 0.0}),
        ),
    ],
)
def test_it_runs_grids_whose_sizes_are_far_from_those_that_it_was_trained_on(grid):
    rows = evaluate(["mpc", load_agent("universal")], EnvConfig(topology=grid), episodes=4).rows
    scores = {row.name: row.score.mean for row in rows if row.score}
    assert scores["agent"] > scores["mpc"] - 1


def test_a_plant_that_hardly_ramps_begins_where_it_is_to_stay():
    """Its first output is free, and all that follow hang on it; a flat price would have it begin at 0 or at the top."""
    grid = Grid("slow")
    grid.add_source("coal", gen_max_mw=20, gen_cost_per_mwh=30, gen_ramp_mw_per_h=0.3)
    grid.add_source("gas", gen_max_mw=20, gen_cost_per_mwh=90)
    grid.add_source("sun", gen_max_mw=20, gen_profile="sun")
    grid.add_consumer("town", load_max_mw=15, load_profile="industry")
    for name in ("coal", "gas", "sun"):
        grid.add_line(name, "town")
    rows = evaluate([load_agent("universal")], EnvConfig(topology=grid), episodes=6).rows
    assert next(row for row in rows if row.name == "agent").gap_frac.mean < 0.01


def must_run(load_max_mw):
    """A plant that cannot produce less, and a store behind a line that is too small for the rest."""
    grid = Grid("must run")
    grid.add_source("plant", gen_max_mw=10, gen_min_mw=10, gen_cost_per_mwh=20)
    grid.add_storage("store", store_max_mwh=200, charge_max_mw=8, discharge_max_mw=8, store_init_mwh=0)
    grid.add_consumer("town", load_max_mw=load_max_mw)
    grid.add_line("plant", "town")
    grid.add_line("plant", "store", capacity_mw=3)
    return grid


@pytest.mark.parametrize("load_max_mw", [2, 6, 9.5])
def test_what_must_run_and_nobody_needs_is_stored_as_far_as_lines_allow_and_else_spilt(load_max_mw):
    rows = evaluate([load_agent("universal")], EnvConfig(topology=must_run(load_max_mw), horizon=12), episodes=2).rows
    costs = {row.name: row.cost.mean for row in rows}
    assert costs["agent"] == pytest.approx(costs["optimum"], rel=1e-3)


@pytest.mark.parametrize("dt_h", [0.5, 2.0])
def test_a_store_may_lose_everything_in_an_hour(dt_h):
    config = EnvConfig(topology=town({"store_loss_frac_per_h": 1.0}), horizon=12, dt_h=dt_h)
    rows = evaluate(["mpc", load_agent("universal")], config, episodes=2).rows
    gaps = {row.name: row.gap_frac.mean for row in rows}
    assert gaps["agent"] < gaps["mpc"] + 0.01


@pytest.mark.slow
def test_the_table_of_unseen_grids():
    from run_universal_table import LEAST_GAP_FRAC, measure, unseen

    tables = [measure(grid, "universal", 6, 0.05).rows for _, grid in unseen()]
    rows = [{row.name: row for row in table} for table in tables]
    scores = [row["agent"].score.mean for row in rows if row["merit"].gap_frac.mean > LEAST_GAP_FRAC]
    assert len(scores) >= 25
    assert np.mean(scores) > 98
    assert min(scores) > 95


def test_where_the_gate_closes_an_hour_ahead_the_one_of_that_world_gains_on_plan_and_mpc_on_grids_it_never_saw():
    agent = load_agent("universal-weather")
    assert agent.env_config.gate_h == 1
    gains = []
    for topology in ("gen:16:71004", "case14"):
        assert topology not in {grid.name for grid in agent.grids}
        rows = evaluate(["plan", "mpc", agent], replace(agent.env_config, topology=topology), episodes=8, seed=1).rows
        scores = {row.name: row.score.mean for row in rows}
        gains.append(scores["agent"] - max(scores["plan"], scores["mpc"]))
    assert min(gains) > 0
    assert np.mean(gains) > 2


def test_the_one_of_storms_keeps_more_energy_than_the_plan_on_grids_it_never_saw():
    agent = load_agent("universal-storm")
    for topology in ("gen:16:71004", "case14"):
        assert topology not in {grid.name for grid in agent.grids}
        config = replace(agent.env_config, topology=topology)
        kept_mwh = [
            np.mean([episode.store_mwh[12:25].sum(1).mean() for episode in run_episodes(policy, config, 16, seed=1)])
            for policy in (agent, "plan")
        ]
        assert kept_mwh[0] > 1.05 * kept_mwh[1]


@pytest.mark.parametrize(
    ("name", "trained_by", "grids"),
    [
        ("universal", "load-balancer train gen:6..40x400:100000", 400),
        ("universal-weather", "load-balancer train gen-weather-v1", 200),
        ("universal-storm", "load-balancer train gen-storm-v1", 200),
    ],
)
def test_it_is_small_and_says_where_it_comes_from(name, trained_by, grids):
    folder = Path(SHIPPED) / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    assert trained_by in (folder / "README.md").read_text("utf-8")
    assert len(load_agent(name).grids) == grids
