"""Folders of Grid2Op: a tiny environment of that form, by hand, and its faults."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import bz2
from datetime import datetime
from math import isfinite, sqrt
from pathlib import Path

import pytest

from envs import EnvConfig, LoadBalancer
from grid import GridError
from grid2op_folder import CONFIG, GENERATORS, write_environment
from topologies import load
from topologies.series import TimedSeries

pytest.importorskip("pandapower")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_environment(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_units_costs_ramps_limits_and_a_scenario_are_read(folder: Path) -> None:
    grid = load(folder)
    nodes = dict(grid.graph.nodes(data=True))
    wanted = {"kind": "source", "gen_max_mw": 50.0, "gen_min_mw": 5.0, "gen_cost_per_mwh": 70.0, "voltage_set_pu": 1.02, "base_kv": 110.0, "gen_ramp_mw_per_h": pytest.approx(24.0), "start_cost": 3.0, "min_up_h": pytest.approx(1 / 3), "min_down_h": pytest.approx(1 / 3)}  # fmt: skip
    assert nodes["0"] == wanted
    wind = {"kind": "source", "gen_max_mw": 20.0, "gen_cost_per_mwh": 0.0, "voltage_set_pu": 1.01, "gen_min_mvar": -4.0, "gen_max_mvar": 6.0, "base_kv": 110.0, "gen_profile": "gen_1_1"}  # fmt: skip
    assert nodes["gen_1_1"] == wind
    store = {"store_max_mwh": 15.0, "store_min_mwh": 1.0, "charge_max_mw": 4.0, "discharge_max_mw": 5.0, "charge_eff_frac": 0.95, "discharge_eff_frac": 0.9}  # fmt: skip
    assert nodes["storage_1_0"] == {"kind": "storage", "base_kv": 110.0, **store}
    assert {key: nodes["load_1_0"][key] for key in ("load_max_mw", "load_max_mvar")} == {"load_max_mw": 40.0, "load_max_mvar": 4.0}  # fmt: skip
    assert nodes["2"]["shunt_mvar"] == 3.0
    assert nodes["2"]["load_profile"] == "load_2_1"
    limits = {name: data["capacity_mw"] for name, _, _, data in grid.lines() if "capacity_mw" in data}
    assert limits == {"line 0": pytest.approx(sqrt(3) * 110 * 0.2), "line 1": pytest.approx(sqrt(3) * 110 * 0.3)}
    assert isinstance(grid.series, TimedSeries)
    assert (grid.series.dt_h, grid.series.start) == (pytest.approx(1 / 12), datetime(2019, 1, 5, 23, 55))
    assert grid.series.start_hour == pytest.approx(5 * 24 + 23 + 55 / 60)
    shares = dict(zip(grid.series.columns, grid.series.values_frac.T.tolist(), strict=True))
    assert shares == {"load_1_0": [0.25, 0.5, 1.0], "load_2_1": [0.8, 1.0, 0.5], "gen_1_1": [0.25, 0.5, 1.0], "gen_1_2": [1.0, 0.5, 0.0]}  # fmt: skip


def test_what_is_not_read_is_listed(folder: Path) -> None:
    notes = load(folder).notes
    for note in (
        "may stop and start, as its costs or minimum times say: gen_0_0",
        "prod_p not read, as it is dispatched here: gen_0_0",
        "the smaller of its two ramps taken both ways: gen_0_0",
        "prod_p above Pmax or below 0 cut off: gen_1_1",
        "no ramp, so Grid2Op does not redispatch it: prod_p taken as the most that it can give: gen_1_2",
        "power_loss of a store left out, as the model has no place for it: storage_1_0",
        "marginal_cost of a store left out, as the model has no place for it: storage_1_0",
        "thermal limits of config.py, in A, taken as MW at nominal voltage; nothing else of config.py is read",
        "files not read: hazards.csv.bz2",
        "one of 2 scenarios: 0; the path of another one gives that",
    ):
        assert note in notes


def test_a_scenario_is_given_by_its_path_and_runs(folder: Path) -> None:
    grid = load(folder / "chronics" / "1")
    assert (grid.name, grid.origin) == ("tiny", "Grid2Op environment tiny, scenario 1")
    env = LoadBalancer(EnvConfig(topology=grid, horizon=2, dt_h=1 / 12, split="all", forecast_h=(1 / 12,)))
    env.reset(seed=0)
    _, reward, *_ = env.step(env.action_space.sample())
    assert isfinite(reward)


def test_demand_below_zero_is_infeed(folder: Path) -> None:
    path = folder / "chronics" / "0" / "load_p.csv.bz2"
    path.write_bytes(bz2.compress(b"load_1_0;load_2_1\n10.0;-4\n-20.0;-5\n-5;0\n"))
    grid = load(folder)
    nodes, series = grid.graph.nodes, grid.series
    assert series is not None
    shares = dict(zip(series.columns, series.values_frac.T.tolist(), strict=True))
    assert (nodes["load_1_0"]["load_max_mw"], shares["load_1_0"]) == (10.0, [1.0, 0.0, 0.0])
    assert (nodes["load_1_0:infeed"]["gen_max_mw"], shares["load_1_0:infeed"]) == (20.0, [0.0, 1.0, 0.25])
    assert (nodes["2"]["kind"], nodes["2"]["gen_max_mw"], shares["load_2_1:infeed"]) == ("source", 5.0, [0.8, 1.0, 0.0])
    whom = "load_1_0, load_2_1"
    assert f"demand below 0 taken as a source free of cost, which may be curtailed: {whom}" in grid.notes
    assert "no demand, as it never draws power: load_2_1" in grid.notes


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("prods_charac.csv", GENERATORS.replace("gen_1_1", "gen_9"), "prods_charac.csv: found no row for 'gen_1_1'; allowed: each generator; has gen_0_0, gen_9, gen_1_2"),
        ("prods_charac.csv", GENERATORS.replace("50,5", "many,5"), "prods_charac.csv, line 2, column 'Pmax': found 'many'; allowed: a number; correct the value"),
        ("config.py", CONFIG.replace("[200.0, 300.0]", "open('x')"), "config.py: found code that is not read; allowed: thermal_limits as a list or dictionary of numbers; write the numbers out"),
        ("config.py", CONFIG.replace(", 300.0", ""), "config.py: thermal_limits: found 1 limits that do not fit the lines; allowed: one for each of 2 lines, in A; correct them"),
        ("chronics/0/time_interval.info", "soon", "chronics/0/time_interval.info: found 'soon'; allowed: hours and minutes, as 00:05; correct it"),
        ("chronics/0/start_datetime.info", "soon", "chronics/0/start_datetime.info: found 'soon'; allowed: a time as 2019-01-05 23:55; correct it"),
        ("chronics/0/prod_p.csv.bz2", "gen_1_1\n1\n2\n", "chronics/0: found tables of 2 to 3 rows; allowed: tables of one length; give all tables of a scenario the same rows"),
        ("chronics/0/load_p.csv.bz2", "load_1_0\n", "chronics/0/load_p.csv.bz2: found no table of numbers (no rows); allowed: a header and rows, with ';' between the cells; write it anew"),
        ("config.py", "#" * 1_000_001, "config.py: found code that is not read; allowed: thermal_limits as a list or dictionary of numbers; write the numbers out"),
        ("chronics/0/load_p.csv.bz2", "load_1_0\n1\n2\nnan\n", "chronics/0/load_p.csv.bz2, line 4, column 'load_1_0': found nan; allowed: a number of at most 1e9 in size; correct the value"),
        ("chronics/0/load_p.csv.bz2", "load_1_0;a\n1\n2\n", "chronics/0/load_p.csv.bz2: found 2 different names for rows of 1 numbers, 2 rows; allowed: a name a column, and 2 rows or more; write it anew"),
    ],
)  # fmt: skip
def test_faults_name_their_file(folder: Path, file: str, text: str, fault: str) -> None:
    (folder / file).write_bytes(bz2.compress(text.encode()) if file.endswith(".bz2") else text.encode())
    with pytest.raises(GridError) as error:
        load(folder)
    assert str(error.value) == f"{folder}/{fault}"


def test_a_bomb_and_a_broken_archive_are_refused(folder: Path) -> None:
    path = folder / "chronics" / "0" / "load_p.csv.bz2"
    path.write_bytes(bz2.compress(bytes(200_000_001)))
    with pytest.raises(
        GridError, match=r"load_p.csv.bz2: found more than 200 MB when unpacked; allowed: at most 200 MB"
    ):
        load(folder)
    path.write_bytes(b"no archive")
    with pytest.raises(GridError, match=r"load_p.csv.bz2: found no table of numbers \(Invalid data stream\); allowed"):
        load(folder)
