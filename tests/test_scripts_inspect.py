"""Listing, describing and converting grids from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import CommandLine
from grid import Grid, GridError, Series
from topologies import load, names
from topologies.formats import WRITERS


def test_topologies_lists_every_bundled_grid(run: CommandLine) -> None:
    header, *rows = run.ok("topologies").split("\n\n")[0].splitlines()
    assert header.split() == ["name", "nodes", "lines", "sources", "storages", "consumers"]
    assert [row.split()[0] for row in rows] == names()
    listed = run.json("topologies")["topologies"]
    assert [row["name"] for row in listed] == names()
    for row in listed:
        grid = load(row["name"])
        arrays, joins = grid.compile(), len(grid.connectors())
        assert (row["nodes"], row["lines"]) == (len(arrays.node_names), len(arrays.line_names) - joins)
        assert row["storages"] == arrays.is_store.sum()
        assert row["origin"]
        assert row["licence"]


def test_inspect_describes_a_grid(run: CommandLine) -> None:
    arrays = load("classic").compile()
    facts = run.json("inspect", "classic")
    assert (facts["nodes"], facts["lines"], facts["parts"]) == (len(arrays.node_names), len(arrays.line_names), 1)
    assert facts["gen_max_mw"] == pytest.approx(arrays.gen_max_mw.sum())
    assert facts["load_max_mw"] == pytest.approx(arrays.peak_load_mw)
    assert facts["capacity_least_mw"] == arrays.capacity_mw.min()
    assert (facts["assumed"], facts["faults"]) == ([], [])
    text = run.ok("inspect", "classic")
    ratio = arrays.gen_max_mw.sum() / arrays.peak_load_mw
    assert f"{ratio:.2f} times the peak demand" in text
    assert "faults           none" in text


def barbell(folder: Path, **line: float) -> None:
    """Two triangles joined by one line, with a town at the end of a line of its own; parallel lines in one triangle."""
    grid = Grid("barbell")
    grid.add_source("plant", gen_max_mw=60, gen_cost_per_mwh=20)
    grid.add_source("spare", gen_max_mw=60, gen_cost_per_mwh=90)
    for name, load_max_mw in (("a", 5), ("b", 7), ("c", 11), ("d", 13), ("end", 3)):
        grid.add_consumer(name, load_max_mw=load_max_mw)
    for start, end in (("plant", "a"), ("a", "b"), ("b", "plant"), ("b", "plant"), ("c", "d"), ("d", "spare")):
        grid.add_line(start, end, capacity_mw=50)
    grid.add_line("spare", "c", capacity_mw=50)
    grid.add_line("b", "c", "tie", **line)
    grid.add_line("d", "end", capacity_mw=50)
    WRITERS[".json"](grid, folder / "barbell.json")


def test_inspect_names_bridges_by_what_goes_unserved_without_them(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=50)
    facts = run.json("inspect", "barbell.json")
    assert facts["bridges"] == [{"line": "d-end", "unserved_mw": 3.0}, {"line": "tie", "unserved_mw": 0.0}]
    assert "bridges          d-end (else up to 3 MW unserved), tie" in run.ok("inspect", "barbell.json")
    lone = Grid("lone")
    lone.add_source("plant", gen_max_mw=9)
    for name in ("a", "b"):
        lone.add_consumer(name, load_max_mw=4)
    for start, end in (("plant", "a"), ("a", "b")):
        lone.add_line(start, end)
    WRITERS[".json"](lone, tmp_path / "lone.json")
    found = run.json("inspect", "lone.json")["bridges"]
    assert found == [{"line": "plant-a", "unserved_mw": 8.0}, {"line": "a-b", "unserved_mw": 4.0}]
    lone.add_source("wind", gen_max_mw=9, gen_profile="wind")
    lone.add_line("wind", "b")
    WRITERS[".json"](lone, tmp_path / "windy.json")
    found = {row["line"]: row["unserved_mw"] for row in run.json("inspect", "windy.json")["bridges"]}
    assert found == {"plant-a": 8.0, "a-b": 4.0, "wind-b": 0.0}  # in a calm hour, the wind gives nothing
    assert run.json("inspect", "triangle")["bridges"] == []
    assert len(run.json("inspect", "gen:30:0")["bridges"]) == load("gen:30:0").graph.number_of_edges() == 29


def two_towns(folder: Path, rows: list[tuple[float, ...]]) -> None:
    """Two towns with plants of their own, joined by one line; a[t], b[t] and the sun over b."""
    grid = Grid("two")
    grid.add_source("plant", gen_max_mw=20)
    grid.add_source("sun", gen_max_mw=40, gen_profile="sun")
    grid.add_consumer("a", load_max_mw=30, load_profile="a")
    grid.add_consumer("b", load_max_mw=30, load_profile="b")
    for start, end in (("plant", "a"), ("a", "b"), ("b", "sun")):
        grid.add_line(start, end)
    grid.series = Series(("a", "b", "sun"), 1.0, np.array(rows))
    WRITERS[".json"](grid, folder / "two.json")


def test_peak_demand_and_bridges_are_of_the_worst_hour_of_the_series(run: CommandLine, tmp_path: Path) -> None:
    two_towns(tmp_path, [(1.5, 0.2, 1.0), (0.1, 1.2, 0.0), (0.5, 0.5, 0.5)])
    facts = run.json("inspect", "two.json")
    assert facts["load_max_mw"] == pytest.approx(30 * 1.7)  # not 30 * 2.7, of peaks in different hours
    bridges = {row["line"]: row["unserved_mw"] for row in facts["bridges"]}
    assert bridges["a-b"] == pytest.approx(36)  # at night: all of b; at noon 45 - 20
    assert bridges["b-sun"] == pytest.approx(51 - 20)
    assert bridges["plant-a"] == pytest.approx(39)  # at night nothing is left


def test_inspect_warns_of_units_that_no_line_joins_to_demand(run: CommandLine, tmp_path: Path) -> None:
    grid = Grid("cut")
    for name in ("plant", "lost"):
        grid.add_source(name, gen_max_mw=9)
    grid.add_storage("lake", store_max_mwh=4, charge_max_mw=1, discharge_max_mw=1)
    grid.add_consumer("town", load_max_mw=4)
    grid.add_line("plant", "town")
    grid.add_line("lost", "lake")
    WRITERS[".json"](grid, tmp_path / "cut.json")
    assert run.json("inspect", "cut.json")["cut_off"] == ["lost", "lake"]
    assert "cut off          no line leads to demand from lost, lake" in run.ok("inspect", "cut.json")
    assert run.json("inspect", "triangle")["cut_off"] == []
    assert "cut off" not in run.ok("inspect", "triangle")


def test_inspect_names_lines_too_small_for_the_merit_order(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=18)
    facts = run.json("inspect", "barbell.json")
    worst = facts["loaded"][0]
    assert (worst["line"], worst["overloaded_frac"]) == ("tie", 1.0)
    assert worst["loading_most_frac"] == pytest.approx((11 + 13 + 3) / 18)
    assert [row["overloaded_frac"] for row in facts["loaded"][1:]] == [0.0] * 8
    assert facts["tightest"] == {"load_mw": 39.0, "supply_mw": 120.0}
    text = " ".join(run.ok("inspect", "barbell.json").split())
    assert "overloaded by the merit order, in DC: tie (up to 150% of capacity, 100.0% of the hours) peak" in text
    assert "tightest hour demand 39 MW, sources could give 120 MW" in text


def test_inspect_says_when_nothing_is_overloaded_or_the_series_end_too_soon(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=50)
    assert "overloaded       by the merit order, in DC: none" in run.ok("inspect", "barbell.json")
    graph = json.loads((tmp_path / "barbell.json").read_text("utf-8"))
    graph["graph"]["profiles"] = "short.csv"
    graph["nodes"][2]["load_profile"] = "street"
    (tmp_path / "barbell.json").write_text(json.dumps(graph), encoding="utf-8")
    (tmp_path / "short.csv").write_text("time_h,street [share]\n0,1\n1,0.5\n2,0.7\n", encoding="utf-8")
    facts = run.json("inspect", "barbell.json")
    assert (facts["loaded"], facts["tightest"]) == (None, None)
    said = run.ok("inspect", "barbell.json")
    assert "overloaded       unknown: the series are too short for a day" in said
    assert "the series are too short for a day" in said
    assert "too short" in said
    assert "give a series of about" in said


def test_inspect_hides_no_error_but_that_of_short_series(
    run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise GridError("solver", "no answer", "one", "ask again")

    barbell(tmp_path, capacity_mw=50)
    monkeypatch.setattr("scripts.weak_spots.rollout", fail)
    assert "solver: found no answer" in run.fault("inspect", "barbell.json")


def test_inspect_takes_the_peak_from_the_series(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=50)
    graph = json.loads((tmp_path / "barbell.json").read_text("utf-8"))
    before = run.json("inspect", "barbell.json")["load_max_mw"]
    graph["graph"]["profiles"] = "high.csv"
    graph["nodes"][2]["load_profile"] = "street"
    (tmp_path / "barbell.json").write_text(json.dumps(graph), encoding="utf-8")
    for scale, more in ((1.0, 1.0), (0.25, -0.5), (0.0, -1.0)):
        rows = "".join(f"{hour},{scale * (1 + hour % 24 / 23)}\n" for hour in range(24 * 40))
        (tmp_path / "high.csv").write_text(f"time_h,street [share]\n{rows}", encoding="utf-8")
        peak_mw = run.json("inspect", "barbell.json")["load_max_mw"]
        assert peak_mw == pytest.approx(before + more * graph["nodes"][2]["load_max_mw"])


def test_inspect_tells_what_it_assumes(run: CommandLine, tmp_path: Path) -> None:
    graph = json.loads((Path(load.__code__.co_filename).parent / "data" / "triangle.json").read_text("utf-8"))
    graph["edges"][0].pop("capacity_mw")
    (tmp_path / "open.json").write_text(json.dumps(graph), encoding="utf-8")
    facts = run.json("inspect", "open.json")
    assert any("unlimited capacity for 1 of 3 lines" in note for note in facts["assumed"])
    assert facts["limited_lines"] == 2
    for row in graph["nodes"] + graph["edges"]:
        for name in ("load_max_mvar", "voltage_set_pu", "resistance_pu"):
            row.pop(name, None)
    (tmp_path / "open.json").write_text(json.dumps(graph), encoding="utf-8")
    assert "assumed          no data for AC power flow: no reactive demand, no res" in run.ok("inspect", "open.json")


def test_inspect_lists_faults_as_json_too(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"nodes": [], "edges": []}', encoding="utf-8")
    assert run("inspect", "bad.json", "--json") == 2
    value = json.loads(run.out)
    assert value["nodes"] is None
    assert [f"error: {fault}" for fault in value["faults"]] == run.err.splitlines()


def test_inspect_draws_the_grid(run: CommandLine, tmp_path: Path) -> None:
    assert "picture: grid.png" in run.ok("inspect", "triangle", "--picture", "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert min(picture.size) > 300
    assert "grid.bmp: found the suffix '.bmp'" in run.fault("inspect", "nowhere", "--picture", "grid.bmp")


def test_convert_keeps_the_grid(run: CommandLine, tmp_path: Path) -> None:
    assert run.ok("convert", "classic", "copy.json") == "copy.json\n"
    assert load(tmp_path / "copy.json").compile().fingerprint == load("classic").compile().fingerprint


def test_convert_refuses_a_format_it_cannot_write(run: CommandLine, tmp_path: Path) -> None:
    assert "copy.jsn: found the suffix '.jsn'" in run.fault("convert", "classic", "copy.jsn")
    assert not list(tmp_path.iterdir())


def test_convert_replaces_no_file_that_it_was_not_told_of(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine_profiles.csv").write_text("time_h,town [MW]\n" + "".join(f"{hour},5\n" for hour in range(400)))
    nodes = [
        {"id": "plant", "kind": "source", "gen_max_mw": 20},
        {"id": "town", "kind": "consumer", "load_max_mw": 10, "load_profile": "town"},
    ]
    about = {"format": "load-balancer/1", "name": "mine", "profiles": "mine_profiles.csv"}
    edges = [{"source": "plant", "target": "town"}]
    (tmp_path / "mine.json").write_text(json.dumps({"graph": about, "nodes": nodes, "edges": edges}))
    before = (tmp_path / "mine_profiles.csv").read_text()
    fault = run.fault("convert", "mine.json", "mine.graphml")
    assert "mine.graphml: found mine_profiles.csv, which the series would replace; allowed: a name whose" in fault
    assert (tmp_path / "mine_profiles.csv").read_text() == before
    assert run.ok("convert", "mine.json", "other.graphml").split()[-2:] == ["other.graphml", "other_profiles.csv"]
    run.ok("convert", "mine.json", "other.graphml")  # now both are known to be its own


def test_convert_writes_no_network_over_the_folder_that_it_runs_in(run: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("pypsa")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert run.fault("convert", "triangle", ".").startswith(".: found the folder that this runs in, or one around it")
    assert run.fault("convert", "triangle", tmp_path).startswith(f"{tmp_path}: found the folder that this runs in")
    assert [item.name for item in tmp_path.iterdir()] == ["notes.txt"]
