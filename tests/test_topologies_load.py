"""load() and names(): bundled grids, files by suffix, series beside them, and what is said when there is nothing."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import topologies
from grid import GridError
from topologies import load, names
from topologies.formats import FOLDER, READERS, WRITERS

BUNDLED = "a bundled grid (case118, case14, classic, triangle), a generated one (gen:NODES:SEED, such as gen:40:7), a network of pandapower (pandapower:case39), or the path of a file (.json, .graphml, .m, .nc, .csv, .xlsx, .zip, .xml, .uct, .raw, .rawx, .txt, .xiidm, .iidm, .jiidm, .biidm, .dgs) or of a folder of tables"
DATA = Path(topologies.__file__).parent / "data"


def with_profiles(folder: Path, csv: str, **graph) -> Path:
    """A grid with one wind source and one consumer that follow a series."""
    data = {
        "graph": {"profiles": "series/my.csv", **graph},
        "nodes": [
            {"id": "w", "kind": "source", "gen_max_mw": 5, "gen_profile": "roof"},
            {"id": "c", "kind": "consumer", "load_max_mw": 3, "load_profile": "street"},
        ],
        "edges": [{"source": "w", "target": "c"}],
    }
    (folder / "series").mkdir()
    (folder / "series" / "my.csv").write_text(csv)
    path = folder / "grid.json"
    path.write_text(json.dumps(data))
    return path


def test_bundled_names_are_sorted_and_load():
    assert names() == ["case118", "case14", "classic", "triangle"]
    assert [load(name).name for name in names()] == names()


def test_each_load_gives_a_grid_of_its_own():
    load("triangle").graph.remove_node("town")
    assert "town" in load("triangle").graph


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_are_read_by_suffix(tmp_path, kind):
    path = tmp_path / "Mine.JSON"
    shutil.copy(DATA / "triangle.json", path)
    assert load(kind(path)).compile().fingerprint == load("triangle").compile().fingerprint


def test_a_bundled_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "classic").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("classic").name == "classic"


def test_every_writer_has_a_reader():
    assert set(WRITERS) <= set(READERS)


@pytest.mark.parametrize("suffix", [suffix for suffix in WRITERS if suffix not in (".nc", ".csv", ".xlsx", FOLDER)])
def test_every_writer_is_read_back(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    WRITERS[suffix](load("case14"), path)
    assert load(path).compile().fingerprint == load("case14").compile().fingerprint


def test_the_series_of_a_file_come_with_it_whatever_the_working_directory(tmp_path, monkeypatch):
    path = with_profiles(tmp_path, "time_h,street [share],roof [share]\n0,1.5,0.25\n1,2,0.5\n")
    monkeypatch.chdir("/")
    series = load(path).series
    assert (series.columns, series.dt_h) == (("street", "roof"), 1.0)
    assert series.values_frac.tolist() == [[1.5, 0.25], [2, 0.5]]


def test_shares_of_generation_are_checked_where_they_are_used(tmp_path):
    path = with_profiles(tmp_path, "time_h,street [share],roof [share]\n0,1.5,0.25\n1,2,1.5\n")
    with pytest.raises(GridError) as error:
        load(path)
    csv = tmp_path / "series" / "my.csv"
    message = f"{csv}, line 3, column 'roof': found 1.5; allowed: a share in [0, 1] of gen_max_mw; correct the value"
    assert str(error.value) == message


def test_a_column_that_is_missing_is_named_with_its_nearest(tmp_path):
    path = with_profiles(tmp_path, "time_h,strett [share],roof [share]\n0,1.5,0.25\n1,2,0.5\n")
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: node 'c': found load_profile 'street'; allowed: household, commerce, industry, classic, "
        "h0_household, g0_business, g1_office, g2_evening, g3_continuous, g4_shop, l0_farm, constant, or a column of the "
        "grid's file of profiles; did you mean 'strett'?"
    )


def test_a_file_of_series_that_is_missing_is_named(tmp_path):
    path = with_profiles(tmp_path, "", profiles="nowhere.csv")
    with pytest.raises(GridError) as error:
        load(path)
    csv = tmp_path / "nowhere.csv"
    assert str(error.value) == f"{csv}: found no such file; allowed: a CSV file of profiles; check the path"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clasic", f"clasic: found no such grid; allowed: {BUNDLED}; did you mean 'classic'?"),
        ("zebra", f"zebra: found no such grid; allowed: {BUNDLED}; use one of: case118, case14, classic, triangle"),
        ("", f": found no such grid; allowed: {BUNDLED}; use one of: case118, case14, classic, triangle"),
        ("case41.m", f"case41.m: found no such file; allowed: {BUNDLED}; did you mean 'case14'?"),
        (Path("no") / "grid.json", f"no/grid.json: found no such file; allowed: {BUNDLED}; use one of: case118, case14, classic, triangle"),
        ("x" * 5000, f"{'x' * 5000}: found no such grid; allowed: {BUNDLED}; use one of: case118, case14, classic, triangle"),
    ],
    ids=range(6),
)  # fmt: skip
def test_what_does_not_exist_is_said_with_the_nearest_name(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GridError) as error:
        load(name)
    assert str(error.value) == message


def test_other_formats_and_folders_are_refused(tmp_path):
    other, folder = tmp_path / "grid.yaml", tmp_path / "folder.json"
    other.write_text("<grid/>")
    folder.mkdir()
    with pytest.raises(GridError) as error:
        load(other)
    assert str(error.value) == (
        f"{other}: found the suffix '.yaml'; allowed: a file that ends in .json, .graphml, .m, .nc, .csv, .xlsx, .zip, .xml, .uct, .raw, .rawx, .txt, .xiidm, .iidm, .jiidm, .biidm, .dgs; give a file in one of these formats"
    )
    with pytest.raises(
        GridError, match=r"folder\.json: found a folder without a grid; allowed: one with buses\.csv or nodes\.csv"
    ):
        load(folder)


def test_links_are_followed_and_pipes_and_devices_are_not_waited_for(tmp_path):
    link, pipe, device, nowhere = (tmp_path / f"{name}.json" for name in ("link", "pipe", "device", "nowhere"))
    link.symlink_to(DATA / "triangle.json")
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    nowhere.symlink_to(tmp_path / "gone.json")
    assert load(link).name == "triangle"
    for path, found in ((pipe, "a pipe"), (device, "a device")):
        with pytest.raises(GridError) as error:
            load(path)
        assert str(error.value) == f"{path}: found {found}; allowed: a regular file: a grid in JSON; check the path"
    with pytest.raises(GridError) as error:
        load(nowhere)
    assert str(error.value) == f"{nowhere}: found no such file; allowed: a grid in JSON; check the path"


def test_a_path_with_a_nul_is_refused():
    with pytest.raises(GridError, match="found no such file"):
        load("a\0b.json")


def test_what_is_neither_a_name_nor_a_path_is_refused():
    with pytest.raises(GridError) as caught:
        load(5)
    assert str(caught.value).startswith("load: found 5; allowed: a name or a path; a Grid is loaded already")
