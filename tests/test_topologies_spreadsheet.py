"""Grids as tables: read as spreadsheet programs write them, written exactly, all faults with file, row and column."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine, separate
from grid import COLUMNS, LINE_COLUMNS, NODE_COLUMNS, Grid, GridError
from topologies import load
from topologies.formats import WRITERS
from topologies.series import TimedSeries

NODES = "id,kind,gen_max_mw,load_max_mw\nplant,source,50,\ntown,consumer,,40\n"
LINES = "from,to,capacity_mw\nplant,town,45\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


def tables(folder: Path, nodes: str = NODES, lines: str = LINES, **more: str) -> Path:
    for name, text in {"nodes": nodes, "lines": lines, **more}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def faults(path: Path) -> list[str]:
    with pytest.raises(GridError) as error:
        load(path)
    return [line.replace(f"{path}/", "") for line in str(error.value).splitlines()]


def rich() -> Grid:
    """Every column set somewhere, parallel lines with and without names, and a series."""
    grid = Grid("rich", origin="made up", licence="CC0", base_mva=50.0)
    about = {"x": 1.5, "y": -2.25, "base_kv": 110.0, "voltage_min_pu": 0.95, "voltage_max_pu": 1.05}
    voltage = {"gen_min_mvar": -10.0, "gen_max_mvar": 20.0, "voltage_set_pu": 1.02}
    costs = {"gen_cost_per_mwh": 1 / 3, "gen_cost_per_mw2h": 0.01, "co2_t_per_mwh": 0.4, "gen_reserve_frac": 0.5}
    times = {"min_up_h": 2.0, "min_down_h": 3.0, "initial_on_h": -4.0}
    starts = {"start_cost": 90.0, "no_load_cost_per_h": 5.0, "start_ramp_mw": 8.0, **times}
    grid.add_source("1", gen_max_mw=50.0, gen_min_mw=5.0, gen_ramp_mw_per_h=10.0, **starts, **costs, **voltage, **about)
    grid.add_source("=sun, roof", gen_max_mw=7.0, gen_profile="roof")
    demand = {"load_profile": "street", "shed_cost_per_mwh": 500.0, "flex_max_frac": 0.2, "flex_cost_per_mwh": 90.0}
    grid.add_consumer("town", load_max_mw=30.0, load_max_mvar=5.0, shunt_mw=1.0, shunt_mvar=-2.0, **demand)
    effs = {"charge_eff_frac": 0.9, "discharge_eff_frac": 0.8, "store_loss_frac_per_h": 0.001}
    energy = {"store_max_mwh": 9.0, "store_min_mwh": 1.0, "store_init_mwh": 2.0}
    grid.add_storage("pond", charge_max_mw=2.0, discharge_max_mw=3.0, **energy, **effs)
    shunts = {"charging_pu": 0.01, "conductance_pu": 0.001}
    lines = {"resistance_pu": 0.02, **shunts, "outage_rate_per_h": 1e-4, "repair_h": 8.0}
    grid.add_line("1", "town", "north", capacity_mw=40.0, reactance_pu=0.1, tap=0.97, shift_deg=-5.0, **lines)
    grid.add_line("1", "town", reactance_pu=0.2)
    grid.add_line("town", "1", reactance_pu=0.3)
    grid.add_line("=sun, roof", "town")
    grid.add_line("pond", "town", reactance_pu=0.0)
    hours = np.arange(48)
    grid.series = TimedSeries(("roof", "street"), 1.0, np.stack([hours % 24 / 24, hours % 5 / 7], axis=1), 6.0)
    return grid


@pytest.mark.parametrize("name", ["mine/nodes.csv", "mine.xlsx"])
def test_what_is_written_is_read_back_to_the_bit(tmp_path: Path, name: str) -> None:
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl")
    path, grid = tmp_path / name, rich()
    given = {column for _, row in grid.graph.nodes(data=True) for column in row}
    given |= {column for *_, row in grid.lines() for column in row}
    assert given >= COLUMNS.keys()
    WRITERS[path.suffix](grid, path)
    back = load(path if name.endswith(".xlsx") else path.parent)
    assert (back.name, back.origin, back.licence, back.base_mva) == ("rich", "made up", "CC0", 50.0)
    assert dict(back.graph.nodes(data=True)) == dict(grid.graph.nodes(data=True))
    assert back.lines() == grid.lines()
    assert back.compile().fingerprint == grid.compile().fingerprint
    assert isinstance(back.series, TimedSeries)
    assert isinstance(grid.series, TimedSeries)
    assert (back.series.columns, back.series.start_hour) == (grid.series.columns, 6.0)
    assert (back.series.values_frac == grid.series.values_frac).all()


@pytest.mark.parametrize("name", ["classic", "case14", "case118"])
def test_bundled_grids_come_through_tables_unchanged(tmp_path: Path, name: str) -> None:
    WRITERS[".csv"](load(name), tmp_path / "nodes.csv")
    assert load(tmp_path).compile().fingerprint == load(name).compile().fingerprint


def test_semicolons_decimal_commas_remarks_and_blank_rows(tmp_path: Path) -> None:
    nodes = "\ufeff# remark, with a comma\n;;;;\nid;kind;gen_max_mw;load_max_mw;# source\nplant;source;1.050,5;;a book\n# left out;source;;;\ntown;consumer;;40;\n"
    grid = load(tables(tmp_path, nodes=nodes, lines='from\tto\tcapacity_mw\nplant\ttown\t"4,5e1"\n'))
    assert dict(grid.graph.nodes(data=True)) == {
        "plant": {"kind": "source", "gen_max_mw": 1050.5},
        "town": {"kind": "consumer", "load_max_mw": 40},
    }
    assert grid.lines()[0][3]["capacity_mw"] == 45
    assert grid.notes == [
        "nodes.csv: semicolons between the cells",
        "nodes.csv: decimal commas",
        "lines.csv: tabs between the cells",
        "lines.csv: decimal commas",
    ]
    assert grid.name == tmp_path.name


def test_profiles_of_the_folder_are_found_by_their_names(tmp_path: Path) -> None:
    nodes = "id,kind,gen_max_mw,load_max_mw,load_profile\nplant,source,50,,\ntown,consumer,,40,street\n"
    profiles = "time,street [MW]\n2030-01-01T00:00,10\n2030-01-01T01:00,20\n"
    grid = load(tables(tmp_path, nodes=nodes, profiles=profiles))
    assert grid.series is not None
    assert grid.series.values_frac.tolist() == [[0.25], [0.5]]
    (tmp_path / "profiles.csv").unlink()
    assert "node 'town' with load_profile 'street'" in faults(tmp_path)[0]


def test_all_faults_of_all_tables_come_at_once_with_file_row_and_column(tmp_path: Path) -> None:
    nodes = "id,kind,gen_max_mw,load_max_mw,gen_cost\nplant,source,fifty,,3\ntown,consumer,,,\nplant,source,1,,\nlake,pond,,,\nsea,junction,,,,7\n"
    lines = "from,to,capacity_mw\nplant,twon,45\nplant,town,-1\ntown,town,5\nplant,town,-2\n"
    assert faults(tables(tmp_path, nodes=nodes, lines=lines)) == [
        "nodes.csv, line 6: found '7' in no column; allowed: cells below the header; give the column a name, or one that begins with # for a remark; quote texts that hold a separator",
        "nodes.csv: found the unknown column 'gen_cost'; allowed: what `load-balancer columns` lists; did you mean 'gen_cost_per_mwh'?; names of remarks begin with #",
        "nodes.csv, line 4, column 'id': found 'plant' twice; allowed: ids that differ as text; rename one of them",
        "lines.csv, line 2, column 'to': found 'twon'; allowed: the id of a node; did you mean 'town'?",
        "nodes.csv, line 2, column 'gen_max_mw': found node 'plant' with gen_max_mw 'fifty'; allowed: a number >= 0; write a number, without quotes",
        "nodes.csv, line 3, column 'load_max_mw': found node 'town' with no load_max_mw; allowed: load_max_mw for every consumer; add load_max_mw",
        "nodes.csv, line 5, column 'kind': found node 'lake' with kind 'pond'; allowed: a kind out of source, storage, consumer, junction; use one of: consumer, junction, source, storage",
        "lines.csv, line 3, column 'capacity_mw': found line 'plant-town' with capacity_mw -1.0; allowed: a number > 0; correct the value",
        "lines.csv, line 5, column 'capacity_mw': found line 'plant-town#2' with capacity_mw -2.0; allowed: a number > 0; correct the value",
        "lines.csv, line 4: found line 'town-town': both ends at 'town'; allowed: two different nodes; remove the line",
    ]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"nodes": ""}, "nodes.csv: found no header; allowed: a header and one row each; write the header first"),
        ({"lines": "from,capacity_mw\n"}, "lines.csv: found no column 'to'; allowed: from, to; add the column"),
        ({"lines": "from,to,to\nplant,town,\n"}, "lines.csv, line 1: found the column 'to' twice; allowed: each column once; remove one"),
        ({"lines": 'from,to\n"plant,town\n'}, "lines.csv, line 2: found no CSV (unexpected end of data); allowed: one row of the table a line; correct the line"),
        ({"nodes": NODES.replace(",", ";").replace("50", "1.050").replace("40", "40,5")}, "nodes.csv, line 2, column 'gen_max_mw': found '1.050'; allowed: a number read in one way; write it with a decimal comma, as the others"),
        ({"about": "field,value\nbase_mva,many\n"}, "about.csv, line 2, column 'value': found 'many'; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)"),
        ({"about": "field,value\nnmae,a\n"}, "about.csv, line 2, column 'value': found the unknown field 'nmae'; allowed: format, name, origin, licence, base_mva, profiles, prices; did you mean 'name'?"),
        ({"about": "field,value\nname,a\nname,b\n"}, "about.csv, line 3: found the field 'name' twice; allowed: each field once; remove one"),
    ],
)  # fmt: skip
def test_each_fault_of_a_table_is_said(tmp_path: Path, given: dict[str, str], fault: str) -> None:
    assert fault in faults(tables(tmp_path, **given))


def test_a_table_that_is_missing_and_another_name_are_said(tmp_path: Path) -> None:
    tables(tmp_path)
    (tmp_path / "lines.csv").unlink()
    assert faults(tmp_path) == ["lines.csv: found no such file; allowed: a table of lines; check the path"]
    (tmp_path / "nodes.csv").rename(tmp_path / "grid.csv")
    for act in (load, lambda path: WRITERS[".csv"](load("triangle"), path)):
        with pytest.raises(
            GridError, match=r"grid.csv: found the name 'grid.csv'; allowed: nodes.csv in a folder of its"
        ):
            act(tmp_path / "grid.csv")


def test_an_id_that_would_be_a_remark_is_not_written(tmp_path: Path) -> None:
    grid = Grid()
    grid.add_source("#1", gen_max_mw=1)
    with pytest.raises(GridError, match="node '#1': found an id that a table cannot hold; allowed: one without #"):
        WRITERS[".csv"](grid, tmp_path / "nodes.csv")
    assert not list(tmp_path.iterdir())


def test_new_writes_a_grid_that_names_every_column(run: CommandLine, tmp_path: Path) -> None:
    run.ok("new", tmp_path / "mine")
    text = (tmp_path / "mine" / "nodes.csv").read_text("utf-8")
    assert all(f"# {column.name}: {column.meaning}" in text for column in NODE_COLUMNS)
    text = (tmp_path / "mine" / "lines.csv").read_text("utf-8")
    assert all(f"# {column.name}: {column.meaning}" in text for column in LINE_COLUMNS)
    assert "5: 2 sources, 1 storage, 1 consumer, 1 junction" in run.ok("inspect", tmp_path / "mine")
    fault = run.fault("new", tmp_path / "mine")
    assert fault == f"{tmp_path}/mine/nodes.csv: found a file of that name; allowed: a new one; choose another name"
    assert (tmp_path / "mine" / "lines.csv").read_text("utf-8") == text


def test_convert_writes_the_series_beside_the_tables(run: CommandLine, tmp_path: Path) -> None:
    WRITERS[".json"](rich(), tmp_path / "rich.json")
    said = run.ok("convert", tmp_path / "rich.json", tmp_path / "out" / "nodes.csv", "--quiet").splitlines()
    assert said == [f"{tmp_path}/out/nodes.csv", f"{tmp_path}/out/profiles.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["about.csv", "lines.csv", "nodes.csv", "profiles.csv"]  # fmt: skip


def test_a_workbook_as_a_user_fills_it_in(run: CommandLine, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "grid.xlsx"
    run.ok("new", path)
    assert load(path).compile().fingerprint is not None
    book = openpyxl.Workbook()
    book.active.title = "nodes"
    for row in (["id", "kind", "gen_max_mw"], [1, "source", 50], [2, "consumer", "=1+1"], [3, "source", True]):
        book.active.append(row)
    book.save(path)
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).splitlines() == [
        f"{path}, sheet 'nodes', row 3: found a formula without a value; allowed: numbers and texts; open the file in a spreadsheet program and save it",
        f"{path}: found no sheet 'lines'; allowed: sheets named nodes and lines; did you mean 'nodes'?",
    ]
    lines = book.create_sheet("lines")
    for row in (["from", "to"], [1, 2]):
        lines.append(row)
    book["nodes"]["C3"], book["nodes"]["D1"], book["nodes"]["D3"] = None, "load_max_mw", "4,5"
    book.save(path)
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).splitlines() == [
        f"{path}, sheet 'nodes', row 3, column 'load_max_mw': found node '2' with load_max_mw '4,5'; allowed: a number >= 0; write a number, without quotes and with a decimal point",
        f"{path}, sheet 'nodes', row 4, column 'gen_max_mw': found node '3' with gen_max_mw 'True'; allowed: a number >= 0; write a number, without quotes",
    ]


def test_hostile_workbooks_get_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "grid.xlsx"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(GridError, match=r"grid.xlsx: found no workbook \(.*\); allowed: an .xlsx file; save it again"):
        load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/a.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
    with pytest.raises(GridError, match="found a document type in its XML; allowed: none; save it again"):
        load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/a.bin", bytes(401_000_000))
    with pytest.raises(GridError, match="found 401 MB when unpacked; allowed: at most 400 MB; give a smaller file"):
        load(path)


def test_without_openpyxl_the_extra_is_named(tmp_path: Path) -> None:
    code = "from topologies import load; from topologies.formats import WRITERS\nfor act in (lambda: load('a.xlsx'), lambda: WRITERS['.xlsx'](load('triangle'), 'b.xlsx')):\n    try: act()\n    except ValueError as error: print(error)"
    (tmp_path / "a.xlsx").touch()
    mend = "pip install load-balancer[tables]"
    assert separate(code, tmp_path, ("openpyxl",)).stdout.splitlines() == [
        f"openpyxl: found no such package; allowed: nodes.csv and lines.csv in a folder; {mend}",
        f"openpyxl: found no such package; allowed: FOLDER/nodes.csv; {mend}",
    ]
