"""Fixtures that tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from scripts.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in an empty folder, without a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return CommandLine(capsys)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few hundred steps on the triangle."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert main(["train", "triangle", "--policy", "mlp", "--steps", "300", "--out", str(folder)]) == 0
    return folder
