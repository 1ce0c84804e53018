"""Folders that a PyPSA network is written to: what is replaced, what is refused, and what an error leaves behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from grid import GridError
from topologies import load
from topologies.formats.pypsa_write import write_folder

pytest.importorskip("pypsa")


@pytest.fixture
def old(tmp_path) -> Path:
    """A network with a table that the next one does not have."""
    path = tmp_path / "net"
    write_folder(load("classic"), path)
    (path / "loads-p_set.csv").write_text("snapshot,town\n", encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(item.relative_to(folder)): item.read_bytes() for item in folder.rglob("*") if item.is_file()}


def test_a_network_is_replaced_with_all_its_tables(tmp_path, old):
    write_folder(load("triangle"), old)
    assert load(old).name == "triangle"
    assert not (old / "loads-p_set.csv").exists()
    assert [item.name for item in tmp_path.iterdir()] == ["net"]


def test_the_folder_that_a_link_names_is_replaced_and_the_link_stays(tmp_path, old):
    link = tmp_path / "link"
    link.symlink_to(old)
    write_folder(load("triangle"), link)
    assert link.is_symlink()
    assert load(old).name == "triangle"


FOREIGN = {
    "a file": (["results.txt"], "results.txt"),
    "a table": (["hydro.csv", "loads.csv.bak"], "hydro.csv, loads.csv.bak"),
    "a folder": (["loads.csv/mine.txt"], "loads.csv"),
    "a hidden folder": ([".git/HEAD"], ".git"),
    "many": ([f"{i}.txt" for i in range(7)], "0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_folder_with_other_files_is_left_as_it_is(tmp_path, old, case):
    names, said = FOREIGN[case]
    for name in names:
        (old / "loads.csv").unlink(missing_ok=True)
        (old / name).parent.mkdir(exist_ok=True)
        (old / name).write_text("mine", encoding="utf-8")
    before = tree(old)
    with pytest.raises(GridError) as error:
        write_folder(load("triangle"), old)
    assert str(error.value) == (
        f"{old}: found a folder that holds {said}; allowed: a new folder, or one with files of PyPSA only; "
        "choose another name"
    )
    assert tree(old) == before
    assert [item.name for item in tmp_path.iterdir()] == ["net"]


def test_a_folder_without_buses_and_a_file_are_no_network(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "network.csv").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(GridError, match=r"found a folder that holds network\.csv; allowed: a new folder"):
        write_folder(load("triangle"), tmp_path / "tables")
    with pytest.raises(GridError) as error:
        write_folder(load("triangle"), tmp_path / "file")
    assert str(error.value) == (
        f"{tmp_path / 'file'}: found a file of that name; allowed: a new folder or one of PyPSA; choose another name"
    )
    assert tree(tmp_path) == {"tables/network.csv": b"mine", "file": b"mine"}


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_the_folder_that_one_is_in_is_not_pulled_away(tmp_path, monkeypatch, target):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(GridError) as error:
        write_folder(load("triangle"), target)
    assert str(error.value) == (
        f"{target}: found the folder that this runs in, or one around it; allowed: another folder; "
        "give the name of a new one"
    )
    assert tree(tmp_path) == {}


def test_an_error_in_the_midst_of_the_exchange_brings_the_old_one_back(tmp_path, old, monkeypatch):
    before, rename = tree(old), Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        write_folder(load("triangle"), old)
    assert tree(old) == before
    assert [item.name for item in tmp_path.iterdir()] == ["net"]


@pytest.mark.skipif(os.name != "posix", reason="rights as on Unix")
def test_the_new_folder_has_the_rights_of_any_new_folder(tmp_path):
    (tmp_path / "like").mkdir()
    write_folder(load("triangle"), tmp_path / "out")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("like", "out")]
    assert modes[0] == modes[1]
