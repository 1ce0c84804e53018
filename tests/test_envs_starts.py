"""Envs whose plants start and stop: what actions and bids ask for, what is observed, recorded and read from files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import EnvConfig, GridBatch, Recorder
from grid import Episode, Grid, GridError
from grid.physics import committed, is_asked
from policies.baselines import BASELINES
from strategies import SEEDS, examples, with_starts
from topologies import expand, load


def island() -> Grid:
    """Two plants that may stop, and a store, at one town."""
    grid = Grid("island")
    grid.add_source(
        "cheap", gen_max_mw=60, gen_min_mw=24, gen_cost_per_mwh=20, start_cost=300, no_load_cost_per_h=40, min_up_h=2,
        min_down_h=2,
    )  # fmt: skip
    grid.add_source("dear", gen_max_mw=50, gen_min_mw=20, gen_cost_per_mwh=60, start_cost=200)
    grid.add_storage("store", store_max_mwh=30, charge_max_mw=10, discharge_max_mw=10)
    grid.add_consumer("town", load_max_mw=70, load_profile="household")
    for node in ("cheap", "dear", "store"):
        grid.add_line(node, "town", capacity_mw=80)
    return grid


def batch_of(action: str, **config) -> GridBatch:
    batch = GridBatch(EnvConfig(island(), horizon=12, action=action, **config), 3, 0)
    batch.reset(0)
    return batch


def test_bids_have_an_entry_for_each_plant_that_stops():
    assert batch_of("bids").action_names == ["cheap", "dear", "store", "cheap", "dear"]
    assert batch_of("bids").action_space.shape == (5,)
    for action, config in (("residual", {}), ("absolute", {}), ("plan", {}), ("bids", {"observation": "graph"})):
        assert batch_of(action, **config).action_names == ["cheap", "dear", "store"]


@pytest.mark.parametrize(("action", "rule"), [("plan", "plan"), ("residual", "merit")])
def test_an_action_of_0_keeps_on_what_the_rule_keeps_on_at_0_mw(action, rule):
    grid = Grid("idle")
    grid.add_source("base", gen_max_mw=10, gen_cost_per_mwh=20)
    grid.add_source("peak", gen_max_mw=12, gen_cost_per_mwh=60, start_cost=2000, min_down_h=6)
    grid.add_consumer("town", load_max_mw=18, load_profile="household")
    for node in ("base", "peak"):
        grid.add_line(node, "town")
    costs = []
    for act in (BASELINES[rule]().act, lambda batch: batch.setpoint(np.zeros((3, 2)))):
        batch = GridBatch(EnvConfig(grid, action=action, redispatch_moves=0), 3, 0)
        batch.reset(0)
        for _ in range(batch.horizon):
            batch.step_setpoint(act(batch))
        costs.append(batch.metrics["cost"])
    np.testing.assert_allclose(costs[0], costs[1], rtol=1e-9)
    batch.reset(0)
    for _ in range(batch.horizon):
        idle, less, least = (batch.setpoint(np.full((3, 2), asked)).on[:, 1] for asked in (0.0, -0.4, -1.0))
        assert (less >= idle).all()
        assert not least.any()
        batch.step(np.zeros((3, 2)))


def test_bids_of_0_are_the_plan_and_others_start_and_stop():
    batch, other = batch_of("bids"), batch_of("bids")
    for _ in range(3):
        planned = BASELINES["plan"]().act(batch)
        asked = other.setpoint(np.zeros((3, 5)))
        np.testing.assert_array_equal(asked.gen_mw, planned.gen_mw)
        batch.step_setpoint(planned)
        other.step_setpoint(asked)
    now = other.limits.choice
    for bid in (1.0, -1.0):
        bids = np.zeros((3, 5))
        bids[:, 4] = bid
        is_on = is_asked(other.arrays, other.setpoint(bids))[:, 1]
        np.testing.assert_array_equal(is_on, now.may_be_on[:, 1] if bid > 0 else ~now.may_be_off[:, 1])


def test_bids_that_ask_for_a_schedule_start_and_stop_as_it_does():
    batch = batch_of("bids")
    wanted = BASELINES["economic"]().act(batch)
    bids = batch.action_map.actions(wanted, batch.limits, batch.inputs, batch.day)
    assert bids.shape == (3, 5)
    plants = batch.arrays.stoppable
    asked = is_asked(batch.arrays, batch.setpoint(bids))[:, plants]
    np.testing.assert_array_equal(asked, is_asked(batch.arrays, wanted)[:, plants])


@pytest.mark.parametrize("action", ["residual", "absolute", "plan"])
def test_the_lowest_action_stops_a_plant_and_the_highest_runs_it(action):
    batch = batch_of(action)
    for value, on in ((-1.0, 0), (1.0, 0), (1.0, 1)):  # two hours off
        actions = np.zeros((3, 3))
        actions[:, 0] = value
        batch.step(actions)
        assert batch.last.outcome.on[:, 0].tolist() == [on] * 3


def test_hours_on_are_observed_in_days():
    batch = batch_of("absolute")
    names = [name for name in batch.encoder.names if name.startswith("days on")]
    assert names == ["days on, below 0 off: cheap", "days on, below 0 off: dear"]
    first = batch.encoder.names.index(names[0])
    assert batch.observation[0, first : first + 2].tolist() == [7.0, 7.0]
    batch.step(np.tile([1.0, -1.0, 0.0], (3, 1)))
    assert batch.observation[0, first + 1] == pytest.approx(-1 / 24)
    assert batch.observation_space.contains(batch.observation[0])


def test_the_rules_stay_within_what_may_be_on():
    for name in ("random", "merit", "redispatch", "economic", "plan"):
        batch = batch_of("residual")
        policy = BASELINES[name]()
        policy.reset(batch)
        for _ in range(6):
            setpoint = policy.act(batch)
            now = committed(batch.limits, is_asked(batch.arrays, setpoint))
            if name != "random":
                assert (setpoint.gen_mw <= now.gen_hi_mw + 1e-6).all(), name
                assert (setpoint.gen_mw >= now.gen_lo_mw - 1e-6).all(), name
            batch.step_setpoint(setpoint)


def test_the_same_seed_gives_the_same_trajectory():
    one, other = batch_of("bids"), batch_of("bids")
    rng = np.random.default_rng(0)
    for _ in range(12):
        actions = rng.uniform(-1, 1, (3, 5))
        _, reward, _ = one.step(actions)
        np.testing.assert_array_equal(reward, other.step(actions)[1])


def test_what_is_on_is_recorded_and_survives_the_file(tmp_path):
    batch = batch_of("absolute")
    recorder = Recorder(batch, "mine")
    for value in (1.0, -1.0, 1.0, 1.0):
        batch.step(np.tile([1.0, value, 0.0], (3, 1)))
        recorder.add()
    episode = recorder.episode(0)
    assert episode.on[:, 1].tolist() == [1, 0, 1, 1]
    assert episode.on[:, 3].tolist() == [1] * 4
    assert episode.starts == 1
    assert episode.costs["start"].tolist() == [0, 0, 200, 0]
    again = Episode.load(episode.save(tmp_path / "e.npz"))
    np.testing.assert_array_equal(again.on, episode.on)


def test_scenario_mpc_says_that_it_plans_no_starts():
    batch = batch_of("residual")
    with pytest.raises(GridError) as error:
        BASELINES["smpc"]().reset(batch)
    assert str(error.value) == (
        "smpc: found 2 plants that start and stop; allowed: plants that are always on; use mpc or plan, which decide "
        "on starts"
    )


def test_thermal_grids_are_those_grids_with_plants_that_stop():
    plain, thermal = load("case14"), load("thermal:case14")
    assert len(thermal.compile().stoppable) == 3
    assert "thermal fleet: 3 plants start and stop, with typical costs and minimum times" in thermal.notes
    assert expand("thermal:gen:10x2") == ["thermal:gen:10:0", "thermal:gen:10:1"]
    for name, columns in plain.graph.nodes(data=True):
        assert columns.items() <= thermal.graph.nodes[name].items()


@pytest.mark.filterwarnings("ignore")
def test_pypsa_files_keep_what_starts_and_stops(tmp_path):
    pypsa = pytest.importorskip("pypsa")
    from topologies.formats import WRITERS

    grid = island()
    grid.graph.nodes["dear"]["initial_on_h"] = -3
    WRITERS[".nc"](grid, tmp_path / "grid.nc")
    assert load(tmp_path / "grid.nc").compile().stoppable.shape == (2,)
    for name in ("cheap", "dear"):
        theirs, ours = load(tmp_path / "grid.nc").graph.nodes[name], grid.graph.nodes[name]
        for column in ("start_cost", "no_load_cost_per_h", "min_up_h", "min_down_h", "initial_on_h", "gen_min_mw"):
            assert theirs.get(column, ours.get(column)) == ours.get(column, theirs.get(column)), (name, column)
    network = pypsa.Network()
    network.add("Bus", "b", v_nom=1.0)
    network.set_snapshots(range(3))
    network.add(
        "Generator", "g", bus="b", p_nom=100, p_min_pu=0.4, committable=True, start_up_cost=500, shut_down_cost=100,
        stand_by_cost=30, min_up_time=3, min_down_time=2, up_time_before=0, down_time_before=4, ramp_limit_start_up=0.5,
    )  # fmt: skip
    network.add("Load", "l", bus="b", p_set=[50, 60, 70])
    network.export_to_csv_folder(tmp_path / "csv")
    read = load(tmp_path / "csv")
    (row,) = (data for _, data in read.graph.nodes(data=True) if data.get("gen_max_mw"))
    wanted = {
        "gen_min_mw": 40, "start_cost": 600, "no_load_cost_per_h": 30, "min_up_h": 3, "min_down_h": 2,
        "initial_on_h": -4, "start_ramp_mw": 50,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == pytest.approx(wanted)
    assert "cost of a stop added to that of a start: generator g" in read.notes


WORLDS = {
    "calm": {},
    "gate": {"gate_h": 1, "node_error_frac": 0.05},
    "outages": {"outage_rate_per_h": 0.1},
    "trips": {"outage_rate_per_h": 0.05, "overload": "trip", "emergency_shedding": True, "gate_h": 1},
    "ac": {"flow": "ac", "gate_h": 1},
    "quarters": {"dt_h": 0.25},
}


@settings(derandomize=True, deadline=None, max_examples=examples(24))
@given(
    st.sampled_from(list(WORLDS)),
    st.sampled_from(["absolute", "residual", "bids", "plan", "store-values", "secure-values"]),
    SEEDS,
)
def test_every_world_and_action_keeps_minimum_times_and_the_ledger(world, action, seed):
    grid = with_starts(load("case14"), np.random.default_rng(seed))
    config = EnvConfig(grid, horizon=5, action=action, **WORLDS[world])
    batches = GridBatch(config, 2, 0), GridBatch(config, 2, 0), GridBatch(config, 1, 0)
    for batch in batches:
        batch.reset(seed)
    rng, first = np.random.default_rng(seed), batches[0]
    plants = first.arrays.stoppable
    for _ in range(5):
        actions = rng.uniform(-1, 1, (2, *first.action_space.shape))
        before_h = first.state.on_h[:, plants]
        (seen, reward, _), again, alone = (b.step(actions[: b.batch_size]) for b in batches)
        np.testing.assert_array_equal(reward, again[1])
        if action in ("absolute", "residual"):  # eight rows of plans are worked out together, to a few digits
            np.testing.assert_allclose(alone[1][0], reward[0], rtol=1e-9, atol=1e-9)
        assert np.isfinite(seen).all()
        was, now = before_h > 0, first.state.on_h[:, plants] > 0
        assert (before_h >= first.arrays.min_up_h[plants] - 1e-9)[was & ~now].all()
        assert (-before_h >= first.arrays.min_down_h[plants] - 1e-9)[~was & now].all()
        o, last = first.last.outcome, first.last
        assert (o.gen_mw[:, plants][~now] == 0).all()
        met = o.served_mw + o.shed_mw + o.curtailed_mw
        np.testing.assert_allclose(met, last.inputs.load_mw, rtol=0, atol=1e-6)
        cost = sum(last.costs.values())
        np.testing.assert_allclose((last.reference - cost) / first.problem.reward_scale, reward, rtol=1e-9, atol=1e-12)
