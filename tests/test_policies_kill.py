"""A training that is killed by SIGKILL goes on from a good checkpoint, to the very weights it was going for."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from command_line import COMMAND, ROOT, separate
from grid.files import remove_leftovers
from policies import PAGE, RUN_FILES, load_agent
from policies.learning.loop import read_curve, read_resume

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

KILLS = 20
SETTINGS = "--stages optimum,gradient,ppo --steps 250000 --seed 3"

AT_EVERY_RENAME = '''
import os, shutil, signal
from pathlib import Path
from congested import congested_grid
from envs import EnvConfig
from grid import GridError
from policies import TrainConfig, load_agent, resume, train
from policies.learning import validation
from policies.networks import build
CONFIG = EnvConfig(topology=congested_grid(), horizon=3)
STAGES = ("optimum", "gradient", "ppo")
TRAIN = TrainConfig(policy="mlp", steps=18, stages=STAGES, n_envs=2, batch_size=6, width=8, threads=1)
validation.EPISODES = build.STANDARD_EPISODES = 4
rename = Path.replace

def killed(before, run):
    """Train; true where it was killed before its so many-th file was put in place, false where it had fewer."""
    child = os.fork()
    if not child:
        count = [0]
        def replace(self, target):
            count[0] += 1
            if count[0] == before:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(self, target)
        Path.replace = replace
        train(CONFIG, TRAIN, run)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

train(CONFIG, TRAIN, Path("whole"))
files = 0
while killed(files + 1, Path("killed")):
    files += 1
    run = Path("killed")
    if (run / "config.json").exists():
        shutil.copytree(run, f"resumed-{files}")
        try:
            resume(f"resumed-{files}")
        except GridError as error:
            assert "a run that is finished" in str(error)
        load_agent(f"resumed-{files}")
    shutil.rmtree(run)
'''


def assert_same_end(run: Path, whole: Path) -> None:
    one, other = read_resume(run), read_resume(whole)
    assert (one["steps"], one["best"]) == (other["steps"], other["best"])
    assert all(torch.equal(value, one["policy"][name]) for name, value in other["policy"].items())
    rows = [[{**row, "elapsed_s": 0} for row in read_curve(each)] for each in (run, whole)]
    assert repr(rows[0]) == repr(rows[1])
    assert (run / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    names = [{path.name for path in each.iterdir()} - {PAGE} for each in (run, whole)]
    assert names[0] == names[1]


@pytest.mark.slow
def test_killed_at_any_file_it_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    done = separate(AT_EVERY_RENAME, tmp_path, PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    assert done.returncode == 0, done.stderr
    resumed = sorted(tmp_path.glob("resumed-*"))
    assert len(resumed) >= 14  # grid, config, and three or four files for each of four checkpoints
    for run in resumed:
        assert_same_end(run, tmp_path / "whole")


@contextmanager
def command(words: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command line in a process of its own; what it says goes to the file ``said``."""
    line = [*COMMAND, *words.split()]
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(
            line, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=said, stderr=said, text=True
        ) as process,
    ):
        yield process


def until(process: subprocess.Popen[str], run: Path, steps: float) -> None:
    """Wait for a checkpoint after so many steps, or for the end."""
    while process.poll() is None and (not (run / "resume.pt").exists() or read_resume(run)["steps"] <= steps):
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_training_that_is_told_to_stop_leaves_a_usable_run(tmp_path: Path, sent: signal.Signals) -> None:
    run = tmp_path / "run"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may begin without
    with command("train triangle --policy mlp --seconds 600 --set n_envs=4 --out run", tmp_path) as process:
        until(process, run, -1)
        process.send_signal(sent)
    said = (tmp_path / "said").read_text("utf-8")
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "run: run"
    assert "stopped early after" in said
    load_agent(run)
    assert {path.name for path in run.iterdir()} <= set(RUN_FILES)


@pytest.mark.slow
def test_killed_twenty_times_at_any_moment_it_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    draw, run = random.Random(0), tmp_path / "run"
    with command(f"train triangle {SETTINGS} --out whole", tmp_path) as process:
        assert process.wait() == 0
    last = read_resume(tmp_path / "whole")["steps"]
    kills, stages = 0, set()
    while kills < KILLS:
        shutil.rmtree(run, ignore_errors=True)
        words, seen = f"train triangle {SETTINGS} --out run", -1.0
        while seen < last:
            with command(words, tmp_path) as process:
                until(process, run, seen)
                time.sleep(draw.uniform(0, 1))
                process.kill()
            assert process.returncode in (0, -signal.SIGKILL), (tmp_path / "said").read_text("utf-8")
            kills += process.returncode != 0
            state = read_resume(run)
            assert state["steps"] > seen
            seen = state["steps"]
            stages.add(state["stage"])
            load_agent(run)
            words = "train --resume run"
        with command(words, tmp_path) as process:  # nothing is left to do, but the tables may be
            process.wait()
        remove_leftovers(run)
        assert_same_end(run, tmp_path / "whole")
    assert stages == {"optimum", "gradient", "ppo"}
