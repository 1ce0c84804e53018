"""Folders of the form of RTS-GMLC: a tiny one, its values by hand, and its faults."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import csv
import re
from datetime import datetime
from pathlib import Path

import pytest

from envs import EnvConfig, LoadBalancer
from grid import GridError
from rts_folder import write_rts
from topologies import load
from topologies.formats import rts_gmlc, rts_gmlc_tables
from topologies.series import TimedSeries

TABLES = ("bus.csv", "branch.csv", "gen.csv", "dc_branch.csv", "storage.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_rts(tmp_path / "tiny")
    return tmp_path / "tiny"


def change(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_plant_has_the_costs_of_its_heat_curve(folder: Path) -> None:
    """400 million BTU an hour at 40 MW, 160 + 180 + 200 more up to 100 MW: 9 a MWh, and 40 at 0 MW; fuel costs 2."""
    plant = dict(load(folder).graph.nodes["1_STEAM_1"])
    assert plant == {
        "kind": "source",
        "gen_max_mw": 100.0,
        "gen_min_mw": 40.0,
        "gen_ramp_mw_per_h": 120.0,
        "gen_cost_per_mwh": pytest.approx(2 * 9 + 1.5),
        "no_load_cost_per_h": pytest.approx(2 * 40),
        "start_cost": 2 * 300 + 7 + 3,
        "min_up_h": 4.0,
        "min_down_h": 8.0,
        "co2_t_per_mwh": pytest.approx(210 * 9.4 * 0.45359237 / 1000),
        "voltage_set_pu": 1.02,  # the reference bus: its reactive limits are not kept
        "base_kv": 138.0,
    }


def test_demand_wind_store_condenser_and_lines(folder: Path) -> None:
    grid = load(folder)
    nodes = dict(grid.graph.nodes(data=True))
    assert (grid.name, nodes["1"]["kind"], nodes["1"]["x"], nodes["1"]["y"]) == ("tiny", "junction", -113.8, 33.5)
    demand = {name: nodes[name]["load_max_mw"] for name in ("2:load", "3", "4:load", "4:shunt", "DC1:from")}
    assert demand == {"2:load": 30, "3": 90, "4:load": 40, "4:shunt": 2, "DC1:from": 10}
    assert nodes["4:shunt"]["shunt_mw"] == 2
    assert nodes["DC1:to"]["gen_max_mw"] == nodes["DC1:to"]["gen_min_mw"] == pytest.approx(10 - 10**2 * 5 / 500**2)
    held = {key: nodes["3"][key] for key in ("voltage_set_pu", "gen_min_mvar", "gen_max_mvar", "shunt_mvar")}
    assert held == {"voltage_set_pu": 1.04, "gen_min_mvar": -30, "gen_max_mvar": 60, "shunt_mvar": -10}
    store = {"store_max_mwh": 150, "store_init_mwh": 30, "charge_max_mw": 25, "discharge_max_mw": 20}
    efficiency = dict.fromkeys(("charge_eff_frac", "discharge_eff_frac"), pytest.approx(0.9))
    assert nodes["2_STORAGE_1"] == {"kind": "storage", "base_kv": 138, **store, **efficiency}
    assert nodes["2_WIND_1"] == {"kind": "source", "base_kv": 138, "gen_max_mw": 50, "gen_cost_per_mwh": 0, "gen_profile": "2_WIND_1"}  # fmt: skip
    lines = {name: (start, end, data) for name, start, end, data in grid.lines() if name in ("A1", "A2", "B1")}
    columns = {"reactance_pu": 0.014, "resistance_pu": 0.003, "charging_pu": 0.461, "capacity_mw": 175}
    assert lines["A1"] == ("1", "2", {"line_from": "1", **columns})
    assert lines["B1"][2]["tap"] == 1.015


def test_the_series_of_the_day_ahead_are_shares_with_dates(folder: Path) -> None:
    series = load(folder).series
    assert isinstance(series, TimedSeries)
    assert (series.dt_h, series.start, series.start_hour) == (1, datetime(2020, 2, 29, 22), 5 * 24 + 22)
    shares = dict(zip(series.columns, series.values_frac.T.tolist(), strict=True))
    assert shares == {"area 1": [0.5, 1, 0.25, 0.5], "area 2": [0.25, 0.5, 1, 1.1], "2_WIND_1": [0.2, 1, 1, 0]}


def test_it_runs_and_source_data_itself_stands_for_it(folder: Path) -> None:
    grid = load(folder / "SourceData")
    assert grid.name == "tiny"
    env = LoadBalancer(EnvConfig(topology=grid, horizon=2, split="all", forecast_h=(1,)))
    env.reset(seed=0)
    env.step(env.action_space.sample())


def test_every_column_is_read_or_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell is set to something, so what is neither read nor a label must be said; so must a column of one's own."""
    for file in TABLES:
        header, *rows = list(csv.reader((folder / "SourceData" / file).read_text().splitlines()))
        rows = [[*(cell if cell not in ("0", "NA", "") else "0.5" for cell in row), "0.7"] for row in rows]
        lines = [",".join(row) for row in ([*header, "my column"], *rows)]
        (folder / "SourceData" / file).write_text("\n".join(lines))
    kept, note = [], rts_gmlc.note_unread
    monkeypatch.setattr(rts_gmlc, "note_unread", lambda reading: (note(reading), kept.append(reading)))
    load(folder)
    noted = kept[0].buses.noted
    said = {*noted, *(f"{whom} not read" for names in noted.values() for whom in names)}
    for file in TABLES:
        row = kept[0].tables[file][0]
        assert f"{file}.my column not read" in noted
        columns = {column for column in row.sheet.names if not rts_gmlc_tables.LABELS.fullmatch(column)} - row.read
        assert not {column for column in columns if f"{file}.{column} not read" not in said}


def test_what_is_left_out_is_listed(folder: Path) -> None:
    notes = load(folder).notes
    for note in (
        "heat curve replaced by the straight line between its ends: 1_STEAM_1",
        "may stop and start, as its costs or minimum times say: 1_STEAM_1",
        "time series not read, as those of another simulation are: REAL_TIME beside DAY_AHEAD",
        "least output over time not read: 2_WIND_1",
        "reserves are not held: Flex_Up",
        "time series above PMax MW cut off: 2_WIND_1",
        "second reservoir of a store left out: TAIL",
        "a line of direct current taken as constant demand at one end and infeed at the other: DC1",
        "left out: ratings for hours and minutes: branch.csv.LTE Rating, branch.csv.STE Rating",
        "storage.csv.Inflow Limit GWh not read: HEAD",
        "files not read: reserves.csv",
    ):
        assert note in notes


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("SourceData/bus.csv", "Bus ID,", "BUS_ID,", "bus.csv: found no column 'Bus ID'; allowed: the columns Bus ID, MW Load, Area; take the present form of RTS-GMLC"),
        ("SourceData/bus.csv", "2,Adams", "1,Adams", "bus.csv, line 3, column 'Bus ID': found '1'; allowed: each bus once, by its ID; rename one of them"),
        ("SourceData/gen.csv", "1_STEAM_1,1", "1_STEAM_1,9", "gen.csv, line 2, column 'Bus ID': found '9'; allowed: the Bus ID of a row of bus.csv; correct it or add the bus"),
        ("SourceData/gen.csv", "1.02,100", "1.02,many", "gen.csv, line 2, column 'PMax MW': found 'many'; allowed: a number of at most 1e12 in size; correct the value"),
        ("SourceData/branch.csv", "A2,2,3", "A1,2,1", "branch.csv, line 3, column 'UID': found 'A1'; allowed: each UID once between two buses; rename one of them"),
        ("SourceData/timeseries_pointers.csv", "../series/wind.csv", "../../secret.csv", "timeseries_pointers.csv, line 2, column 'Data File': found '../../secret.csv'; allowed: a path inside the folder that holds SourceData; put the file there"),
        ("SourceData/timeseries_pointers.csv", "DAY_AHEAD,Area,2", "DAY_AHEAD,Area,7", "timeseries_pointers.csv, line 6, column 'Object': found '7'; allowed: a column of load.csv; correct it or add the column"),
        ("series/load.csv", "2020,3,1,2", "2020,3,1,3", "load.csv: found uneven times; allowed: equal steps of a day's periods, the same in all files; correct the rows, or leave the file out of the pointers"),
        ("series/load.csv", "2020,2,29,23,60,10\n", "", "load.csv: found other times than in the file before; allowed: equal steps of a day's periods, the same in all files; correct the rows, or leave the file out of the pointers"),
        ("series/load.csv", '"Period"', '"Hour"', "load.csv: found no columns Year, Month, Day and Period; allowed: equal steps of a day's periods, the same in all files; correct the rows, or leave the file out of the pointers"),
    ],
)  # fmt: skip
def test_faults_name_their_place(folder: Path, file: str, old: str, new: str, message: str) -> None:
    change(folder, file, old, new)
    with pytest.raises(GridError) as caught:
        load(folder)
    assert re.sub(r"\S*/", "", str(caught.value).splitlines()[0], count=1) == message
