"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from grid import GridError
from grid.files import atomic_path, check_writable


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_whole_and_nothing_else_stays(tmp_path):
    target = tmp_path / "deep" / "er" / "file.json"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".json"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(target.parent) == ["file.json"]


def test_an_existing_file_is_replaced_only_on_success(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with target.open() as reader:
        with atomic_path(str(target)) as temporary:
            temporary.write_text("new")
            assert target.read_text() == "old"
        assert target.read_text() == "new"
        assert reader.read() == "old"  # renamed over, not written into: who reads the old one keeps it whole


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, ValueError])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, kind):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_what_cannot_be_written_is_refused_before_any_work_and_nothing_stays(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    check_writable(tmp_path / "deep" / "er" / "a.png")
    refused = {"file/a.png": errno.ENOTDIR, "folder.png": errno.EISDIR, f"{'a' * 300}.png": errno.ENAMETOOLONG}
    for name, code in refused.items():
        with pytest.raises(GridError) as caught:
            check_writable(tmp_path / name)
        found = f"found {os.strerror(code)}; allowed: a path that can be written"
        assert str(caught.value) == f"{tmp_path / name}: {found}; free some space or choose another folder"
    assert names(tmp_path) == ["file", "folder.png"]


def test_a_full_disk_is_one_clear_line(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(GridError) as caught:
        write()
    assert str(caught.value) == (
        f"{target}: found No space left on device; allowed: a path that can be written; "
        "free some space or choose another folder"
    )
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("file/in.txt", r"(File exists|Not a directory)"),
        ("folder", "Is a directory"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_named(tmp_path, inside, found):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    target = tmp_path / inside

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("new")

    with pytest.raises(GridError, match=found) as caught:
        write()
    assert str(caught.value).startswith(f"{target}: found ")
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_file_has_the_usual_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    with atomic_path(tmp_path / "file") as temporary:
        temporary.write_text("")
    assert (tmp_path / "file").stat().st_mode == plain.stat().st_mode
