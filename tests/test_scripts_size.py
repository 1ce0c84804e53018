"""How large files get, and how much memory drawing takes; what a terminal shows meanwhile."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import COMMAND, ROOT, CommandLine
from topologies import names

MOST_MEMORY_MB = 400


def render(folder: Path, *words: str) -> None:
    line = [*COMMAND, "render", *words]
    subprocess.run(line, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("grid", [*names(), "gen:300:1"])
def test_an_animation_for_a_readme_is_small_and_takes_little_memory(tmp_path: Path, grid: str) -> None:
    render(tmp_path, grid, "--policy", "redispatch", "--out", "a.gif")
    assert (tmp_path / "a.gif").stat().st_size <= 1.5e6
    most_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of any child so far; bytes on macOS
    assert most_kb / (1024 if sys.platform == "linux" else 1024**2) < MOST_MEMORY_MB


@pytest.mark.parametrize("words", [("--policy", "random"), ("--policy", "redispatch", "--versus", "optimum")])
def test_a_replay_of_118_buses_is_small(run: CommandLine, tmp_path: Path, words: tuple[str, ...]) -> None:
    run.ok("render", "case118", *words, "--out", "a.html")
    assert (tmp_path / "a.html").stat().st_size <= 205_000


def on_a_terminal(folder: Path, words: str, **env: str) -> str:
    """What a command line shows on a terminal."""
    import pty

    shown, terminal = pty.openpty()
    line = [*COMMAND, *words.split()]
    with subprocess.Popen(
        line, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, stdout=terminal, stderr=terminal
    ):
        os.close(terminal)
        text = b""
        try:
            while part := os.read(shown, 4096):
                text += part
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(shown)
    return text.decode()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs terminals")
def test_a_terminal_shows_a_bar_with_the_time_left_and_then_the_result_alone(tmp_path: Path) -> None:
    text = on_a_terminal(tmp_path, "render triangle --horizon 12 --out a.gif")
    *bars, result = text.split("\r\033[K")
    assert result == "a.gif\r\n"
    bars = [bar for bar in bars if bar]
    assert all(bar.startswith("drawing a.gif [") for bar in bars)
    assert any(re.search(r"\d%  \d:\d\d left", bar) for bar in bars)
    assert text.count("\n") == 1


def test_errors_are_red_on_a_terminal_unless_colour_is_refused(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for refused in ("", "1"):
        monkeypatch.setenv("NO_COLOR", refused)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        run("render", "nowhere")
        said.append(run.err)
    assert said[0].startswith("\033[31merror:\033[0m nowhere: found")
    assert said[1].startswith("error: nowhere: found")
