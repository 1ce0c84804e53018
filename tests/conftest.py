"""Fixtures that tests of the command line share."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when numpy and torch are imported
    os.environ.setdefault(name, "1")  # the workers share the cores: threads of their own only make them wait

import pytest  # noqa: E402 - after the threads are set

from command_line import CommandLine  # noqa: E402 - likewise
from scripts.cli import main  # noqa: E402 - likewise

READERS = "test_topologies"
WITH_STEPS = tuple(f"{READERS}_{name}" for name in ("ac", "bundled", "grid2op"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what the imports made out of garbage collection: to look through torch and its like takes half a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # when those that are marked slow are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the readers into the middle, where the second of two workers begins: they plan no day.

    So the first one alone compiles the step, the plan and AC power flow, for the pages of the documentation; else both
    would.
    """
    readers = [item for item in items if item.path.name.startswith(READERS)]
    readers.sort(key=lambda item: item.path.name.startswith(WITH_STEPS))
    others = [item for item in items if not item.path.name.startswith(READERS)]
    half = min(len(items) // 2, len(others))
    items[:] = [*others[:half], *readers, *others[half:]]


def pytest_collection_finish() -> None:
    """Let trainings judge their network on a few episodes: nothing that tests say depends on how many."""
    if "policies.learning.validation" in sys.modules:
        sys.modules["policies.learning.validation"].EPISODES = 16


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in an empty folder, without a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return CommandLine(capsys)


@pytest.fixture(scope="session")
def first_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few hundred steps on the triangle."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    words = "train triangle --policy mlp --steps 300 --set n_envs=4 --out"
    assert main([*words.split(), str(folder)]) == 0
    return folder


@pytest.fixture
def trained(first_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it, for one test."""
    return shutil.copytree(first_trained, tmp_path_factory.mktemp("runs") / "small")
