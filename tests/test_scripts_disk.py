"""What every command that writes a file does where it cannot: one line that names the path, and nothing left behind."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_line import CommandLine

WRITING = {
    "run": "train triangle --policy mlp --steps 1 --set n_envs=1 --out {}",
    "a.gif": "render triangle --horizon 4 --out {}",
    "c.png": "render triangle --horizon 4 --out {}",
    "d.html": "render triangle --horizon 4 --out {}",
    "e.npz": "render triangle --horizon 4 --out {}",
    "sim_results.png": "render triangle --horizon 4 --out {}",
    "sim_results.svg": "render triangle --horizon 4 --out {}",
    "f.npz": "optimum triangle --out {}",
    "g.json": "convert case14 {}",
    "h.png": "inspect triangle --picture {}",
    "i.pdf": "evaluate merit --grid triangle --episodes 1 --plot {}",
    "j.png": "contingency triangle --picture {}",
    "k.png": "profiles --picture {}",
}
"""A command for each file that the program can write."""


@contextmanager
def small_files() -> Iterator[None]:
    """Larger ones fail as they do on a full disk. No module is compiled to a file: Python keeps what is cut short."""
    import resource

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1400, usual[1]))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@contextmanager
def nobody() -> Iterator[None]:
    """Root may write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    "line",
    [
        "render triangle --out",
        "evaluate merit --grid triangle --plot",
        "contingency triangle --picture",
        "optimum triangle --out",
        "benchmark triangle --scale --plot",
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("envs.batch.GridBatch.__init__", work)
    monkeypatch.setattr("scripts.benchmarks.scale.scale", work)
    (tmp_path / "file").touch()
    path = f"file/a.{'npz' if line.startswith('optimum') else 'png'}"
    assert run.fault(*line.split(), path).startswith(f"{path}: found Not a directory; allowed: a path that can be wri")


@pytest.mark.skipif(os.name != "posix", reason="needs limits on files, and permissions of folders")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # matplotlib leaves a .pdf open
def test_where_nothing_can_be_written_one_line_names_the_file(run: CommandLine, tmp_path: Path) -> None:
    for name in ("imageio_ffmpeg", "matplotlib.font_manager"):  # they may write to a cache of their own
        importlib.import_module(name)
    tmp_path.chmod(0o755)
    for name in ("full", "locked", "hidden"):
        (tmp_path / name).mkdir()

    def told(folder: str) -> dict[str, tuple[int, str]]:
        return {name: (run(*line.format(f"{folder}/{name}").split()), run.err) for name, line in WRITING.items()}

    with small_files():
        full = told("full")
    (tmp_path / "locked").chmod(0o555)
    (tmp_path / "hidden").chmod(0)
    with nobody():
        locked, hidden = told("locked"), told("hidden")
    for name, (code, said) in full.items():
        inside = "/config.json" if name == "run" else ""
        assert (code, said.count("\n")) == (2, 1), said
        assert said.startswith(f"error: full/{name}{inside}: found "), said
        assert "free some space or choose another folder" in said
    for name, (code, said) in locked.items():
        inside = "/grid.json" if name == "run" else ""
        allowed = "found Permission denied; allowed: a path that can be written"
        assert (code, said.count("\n")) == (2, 1), said
        assert said.startswith(f"error: locked/{name}{inside}: {allowed}"), said
    for name, (code, said) in hidden.items():
        assert (code, said.count("\n")) == (2, 1), said
        assert said.startswith(f"error: hidden/{name}"), said
        assert "found Permission denied; allowed: a path that can be " in said
    (tmp_path / "hidden").chmod(0o700)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "full" / "run").iterdir()] == ["grid.json"]
    assert not list((tmp_path / "locked").iterdir())
