"""A real window on a virtual display; without one, or without a toolkit, a sentence that says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from command_line import separate

XVFB = shutil.which("Xvfb")

SHOW = """
import numpy as np
from envs import LoadBalancer
from matplotlib import pyplot
env = LoadBalancer(topology="triangle", render_mode="human", horizon=4)
env.reset(seed=0)
env.step(np.zeros(2))
figure, = (pyplot.figure(number) for number in pyplot.get_fignums())
window = figure.canvas.manager.window
print(window.winfo_viewable(), window.title(), window.winfo_width() > 600)
picture = lambda: np.array(figure.axes[0].images[0].get_array())
first = picture()
env.step(np.zeros(2))
print((picture() != first).any(), env.unwrapped.episode.steps)
pyplot.close(figure)  # as its reader does
env.step(np.zeros(2))
env.step(np.zeros(2))
env.close()
print(pyplot.get_fignums())
"""
LINES = """
import numpy as np
from envs import LoadBalancer
env = LoadBalancer(topology="triangle", render_mode="human", horizon=2)
env.reset(seed=0)
env.step(np.zeros(2))
"""


@pytest.fixture(scope="module")
def display(tmp_path_factory):
    pytest.importorskip("tkinter")
    folder = tmp_path_factory.mktemp("display")
    read, write = os.pipe()
    with subprocess.Popen(
        [str(XVFB), "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[write], cwd=folder, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        os.close(write)
        with os.fdopen(read) as number:
            name = number.readline().strip()
        yield f":{name}"
        server.terminate()


@pytest.mark.skipif(XVFB is None, reason="needs Xvfb, to be found on the PATH")
def test_human_opens_a_window_that_follows_the_episode_until_it_is_closed(display: str, tmp_path: Path) -> None:
    done = separate(SHOW, tmp_path, DISPLAY=display, MPLBACKEND="TkAgg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1 load_balancer True", "True 2", "[]"]


@pytest.mark.slow
def test_without_a_toolkit_a_sentence_says_what_opens_windows(tmp_path: Path) -> None:
    done = separate(LINES, tmp_path, DISPLAY=":0", MPLBACKEND="agg")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == (
        "matplotlib opens no windows here (its backend is agg; tkinter or PyQt6 can open them): "
        "showing one line a step instead of a window."
    )
    assert second.startswith("step 1/2")
