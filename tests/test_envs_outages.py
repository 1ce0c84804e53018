"""Planned and random outages, and lines that trip, in the env: drawn by seed, run, and observed."""

from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs import EnvConfig, GridBatch
from envs.outages import LineOutages, Outage
from envs.recording import Recorder
from grid import Grid, GridError
from grid.episode import IN_SERVICE, OUT, TRIPPED
from grid.physics.protection import Protection
from topologies import load


def two_ways(**columns: float) -> Grid:
    """A source and a consumer, joined by a narrow and a wide line."""
    grid = Grid("two ways")
    grid.add_source("s", gen_max_mw=100)
    grid.add_consumer("c", load_max_mw=60, load_profile="constant")
    grid.add_storage("b", store_max_mwh=10, charge_max_mw=5, discharge_max_mw=5)
    grid.add_line("s", "c", key="narrow", capacity_mw=25, **columns)
    grid.add_line("s", "c", key="wide", capacity_mw=80)
    grid.add_line("c", "b", key="store")
    return grid


def batch_of(grid: Grid, size: int = 1, seed: int = 0, horizon: int = 8, **fields: object) -> GridBatch:
    config = EnvConfig.from_fields({"topology": grid, "horizon": horizon, "forecast_h": (1, 2), **fields})
    batch = GridBatch(config, size, seed)
    batch.reset()
    return batch


def run(batch: GridBatch) -> Recorder:
    recorder = Recorder(batch, "idle")
    idle = np.zeros((batch.batch_size, *batch.action_space.shape))
    for _ in range(batch.horizon):
        batch.step(idle)
        recorder.add()
    return recorder


def test_a_planned_outage_lasts_its_time_and_the_other_line_takes_over():
    batch = batch_of(two_ways(), outages=[{"line": "narrow", "start_h": 2, "duration_h": 3}])
    episode = run(batch).episode(0)
    narrow, wide = (episode.line_names.index(name) for name in ("narrow", "wide"))
    assert episode.line_status[:, narrow].tolist() == [1, 1, 0, 0, 0, 1, 1, 1]
    assert episode.flow_mw[:, wide] == pytest.approx([30, 30, 60, 60, 60, 30, 30, 30])


def test_an_outage_takes_every_step_that_it_overlaps_with():
    batch = batch_of(two_ways(), outages=[Outage("narrow", 0.75, 1.5)], dt_h=0.5)
    assert run(batch).episode(0).line_status[:, 0].tolist() == [1, 0, 0, 0, 0, 1, 1, 1]


def test_planned_outages_are_known_ahead_and_failures_until_they_are_repaired():
    batch = batch_of(two_ways(), outages=[Outage("narrow", 2, 2)])
    lines = batch.outlook.lines
    leads = np.arange(6)
    assert lines.expected(0, leads, 1.0)[:, 0, 0].tolist() == [True, True, False, False, True, True]
    grid = two_ways(outage_rate_per_h=50.0, repair_h=3.0)
    lines = batch_of(grid).outlook.lines
    assert lines.back_h[0, 0, 0] == 3
    assert lines.expected(0, leads, 1.0)[:, 0, 0].tolist() == [False, False, False, True, True, True]


def test_a_line_that_is_out_by_plan_does_not_fail():
    arrays = two_ways(outage_rate_per_h=50.0, repair_h=24.0).compile()
    lines = LineOutages.draw(arrays, (Outage("narrow", 0, 3),), [np.random.default_rng(0)], 5, 5, 1.0)
    assert lines.back_h[:, 0, 0].tolist() == [3, 2, 1, 24, 23]


def test_failures_come_at_their_rate_and_last_their_repair():
    arrays = two_ways(outage_rate_per_h=0.02, repair_h=5.0).compile()
    rngs = [np.random.default_rng(i) for i in range(400)]
    lines = LineOutages.draw(arrays, (), rngs, 200, 200, 1.0)
    out = lines.back_h[:, :, 0] > 0
    starts = (lines.back_h[:, :, 0] == 5).sum()
    assert starts / (~out).sum() == pytest.approx(0.0202, rel=0.05)
    assert (lines.back_h[:, :, 1:] == 0).all()
    ends = lines.back_h[:-1, :, 0] - lines.back_h[1:, :, 0]
    assert set(np.unique(ends[out[:-1]])) <= {1.0, -4.0}


def test_outages_leave_demand_as_it_was_and_do_not_depend_on_the_batch():
    grid = load("case14")
    plain = batch_of(grid, 3, seed=5)
    for *_, columns in grid.graph.edges(keys=True, data=True):
        columns.update(outage_rate_per_h=0.05, repair_h=6.0)
    three, one = batch_of(grid, 3, seed=5), batch_of(grid, 1, seed=5)
    assert (plain.outlook.load_mw == three.outlook.load_mw).all()
    assert (three.outlook.lines.back_h[:, :1] == one.outlook.lines.back_h).all()
    assert three.outlook.lines.back_h.any()
    assert (run(three).episode(0).line_status == run(one).episode(0).line_status).all()


def test_a_tripped_line_is_recorded_as_such():
    protection = {"heat_rule": "count", "heat_limit": 1.0, "lockout_h": 2.0}
    batch = batch_of(two_ways(), overload="trip", protection=protection)
    episode = run(batch).episode(0)
    assert episode.line_status[:, 0].tolist() == [1, 2, 2, 2, 1, 2, 2, 2]
    assert {IN_SERVICE, OUT, TRIPPED} == {0, 1, 2}


def test_the_graph_shows_status_heat_and_days_until_a_line_is_back():
    protection = Protection(heat_rule="count", heat_limit=2.0, lockout_h=12.0)
    outages = [Outage("store", 1, 6)]
    batch = batch_of(two_ways(), observation="graph", overload="trip", protection=protection, outages=outages)
    idle = np.zeros((1, *batch.action_space.shape))
    order = [batch.arrays.line_names.index(name) for name in ("narrow", "store")]
    seen = []
    for _ in range(4):
        seen.append(batch.observation["lines"][0, order, 2:].tolist())
        batch.step(idle)
    narrow, store = zip(*seen, strict=True)
    assert list(narrow) == [[0, 0, 0], [0, 0.5, 0], [0, 1, 0], [1, 0, 0.5]]
    assert np.allclose(store, [[0, 0, 0], [1, 0, 6 / 24], [1, 0, 5 / 24], [1, 0, 4 / 24]])


@pytest.mark.parametrize("observation", ["flat", "graph"])
def test_the_env_keeps_its_contracts_with_outages_and_trips(observation):
    grid = load("case14")
    for *_, columns in grid.graph.edges(keys=True, data=True):
        columns.update(outage_rate_per_h=0.02, repair_h=3.0)
    fields = {"overload": "trip", "outages": [Outage(grid.compile().line_names[0], 3, 4)], "observation": observation}
    env = gym.make("envs:LoadBalancer-v0", topology=grid, horizon=30, **fields).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)
        observation, _ = env.reset(seed=3)
        out = 0
        for _ in range(30):
            observation, reward, *_ = env.step(env.action_space.sample())
            assert env.observation_space.contains(observation)
            assert np.isfinite(reward)
            in_service = env.batch.last.outcome.in_service
            out += 0 if in_service is None else (~in_service).sum()
    assert out > 0


@pytest.mark.parametrize(
    ("outages", "message"),
    [
        (["narrow"], "config.outages: found 'narrow'; allowed: an Outage, or its fields by name; give line and times"),
        ([{"line": "narrow"}], "config.outages: found no start_h; allowed: line, start_h and duration_h; add it"),
        (
            [{"line": 5, "start_h": 0, "duration_h": 1}],
            "config.outages: line: found 5; allowed: the name of a line, a text; correct the value",
        ),
        (
            [{"line": "narrow", "start_h": -1, "duration_h": 1}],
            "config.outages: line 'narrow': start_h: found -1; allowed: a number of hours >= 0; correct the value",
        ),
        (
            [{"line": "narrow", "start_h": 1, "duration_h": "long"}],
            "config.outages: line 'narrow': duration_h: found 'long'; allowed: a number of hours > 0; "
            "correct the value",
        ),
        (
            [{"line": "narow", "start_h": 1, "duration_h": 1}],
            "config.outages: found line 'narow'; allowed: the name of a line of the grid; did you mean 'narrow'?",
        ),
        (
            [{"line": "narrow", "start_h": 1, "duration_h": 1, "end_h": 2}],
            "config.outages: end_h: found an unknown field; allowed: the fields of the config; "
            "use one of: announced, duration_h, line, start_h",
        ),
        (
            [{"line": "narrow", "start_h": 1, "duration_h": 1, "announced": 1}],
            "config.outages: line 'narrow': announced: found 1; allowed: true or false; correct the value",
        ),
    ],
)
def test_a_bad_outage_is_one_clear_line(outages, message):
    with pytest.raises(GridError) as caught:
        batch_of(two_ways(), outages=outages)
    assert str(caught.value) == message


def test_nobody_knows_of_an_outage_that_is_not_announced_before_it_begins():
    about = {"line": "narrow", "start_h": 3, "duration_h": 2}
    known, sudden = (batch_of(two_ways(), outages=[about | {"announced": told}]) for told in (True, False))
    line, leads = known.arrays.line_names.index("narrow"), np.arange(6)
    for t in range(6):
        ahead = [batch.expected(leads).in_service[:, 0, line].tolist() for batch in (known, sudden)]
        assert ahead[0] == [not 3 <= t + lead < 5 for lead in leads]
        assert ahead[1] == [not (3 <= t < 5 and t + lead < 5) for lead in leads]
        for batch in (known, sudden):
            batch.step(np.zeros((1, len(batch.arrays.controllable))))
            assert batch.last.inputs.in_service[0, line] == (not 3 <= t < 5)


@pytest.mark.parametrize("topology", ["case14", "gen:40:3"])
def test_the_same_seed_gives_the_same_trajectory_with_outages_trips_and_actions(topology):
    grid = load(topology)
    for *_, columns in grid.graph.edges(keys=True, data=True):
        columns.update(outage_rate_per_h=0.03, repair_h=4.0)
    runs = []
    for _ in range(2):
        batch = batch_of(grid, 3, seed=7, horizon=20, overload="trip")
        actions = np.random.default_rng(1).uniform(-1, 1, (20, 3, *batch.action_space.shape))
        seen = []
        for action in actions:
            batch.step(action)
            o, after = batch.last.outcome, batch.last.next_state
            seen += [o.flow_mw, o.shed_mw, o.tripped, batch.last.reward, after.heat, after.lockout_h, after.store_mwh]
        runs.append(seen)
    assert all(np.array_equal(one, other) for one, other in zip(*runs, strict=True))
    assert sum(seen.sum() for seen in runs[0][2::7]) > 0  # lines have tripped
