"""``train``: an agent for a grid."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from scripts import console as words
from scripts.console import Console, Report
from scripts.options import Common, Lines, MaybeCount, MaybePath, MaybeSeconds, Seed, default, one_of

Network = Literal["mlp", "extractor"]
INTERRUPTED = 130
STOPPED = "stopped"
COST = "validation_cost_frac"
RUN_FILES = {
    "config.json",
    "grid.json",
    "grid_profiles.csv",
    "weights.safetensors",
    "resume.pt",
    "progress.csv",
    "stages.csv",
    "tensorboard",
}


@dataclass(frozen=True, kw_only=True)
class Train(Common, Lines):
    """Train an agent; untrained, it is the merit order with a few redispatch moves.

    Stages: optimum imitates solved schedules, gradient follows that of the cost, ppo is PPO.

    Ctrl-C stops early and keeps the best agent so far.
    """

    grid: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="GRID", help_behavior_hint="(required, but for --resume)"),
    ] = None
    """bundled name or path of a grid file"""
    policy: Annotated[Network, one_of(Network)] = "mlp"
    """network: plain, or message passing over the lines of the grid"""
    stages: Annotated[str, tyro.conf.arg(metavar="STAGES"), default("optimum,gradient")] = ""
    """ways of learning, in turn: any of optimum, gradient and ppo, joined by commas"""
    steps: Annotated[MaybeCount, default("no limit")] = None
    """env-steps to train for; with --seconds too, until either is used up"""
    seconds: Annotated[MaybeSeconds, default("120, or no limit if --steps is given")] = None
    """time to train for in seconds, start-up included"""
    seed: Seed = 0
    """of everything random"""
    out: Annotated[MaybePath, default("runs/GRID-POLICY")] = None
    """folder of the run"""
    resume: Annotated[MaybePath, default("start a new run")] = None
    """go on with the run in this folder; --steps or --seconds then say how much more"""
    overwrite: bool = False
    """replace the run that is in the folder"""

    def run(self, console: Console) -> int:
        """Train and say how to go on."""
        started_s = time.perf_counter()
        if self.resume is not None:
            run, stopped = self._go_on(self.resume, console, started_s)
        else:
            run, stopped = self._start(console, started_s)
        from policies.training import read_curve, what_stages_reached

        header = ("stage", "steps", "time", "cost / reference")
        reached = [
            (stage["stage"], f"{stage['steps']:,.0f}", words.duration(stage["elapsed_s"]), f"{stage[COST]:.4f}")
            for stage in what_stages_reached(read_curve(run))
        ]
        console.say("least cost on validation episodes by the end of each stage", "", *words.table(header, reached), "")
        console.say(
            f"{'stopped early' if stopped else 'finished'} after {words.duration(time.perf_counter() - started_s)}",
            f"compare  load-balancer evaluate {run}",
            f"watch    load-balancer render {run} --out grid_state.gif",
            f"go on    load-balancer train --resume {run} --seconds 60",
        )
        console.result([f"run: {run}"])
        return INTERRUPTED if stopped else 0

    def _start(self, console: Console, started_s: float) -> tuple[Path, bool]:
        from envs import EnvConfig
        from grid import GridError
        from topologies import load

        if self.grid is None:
            raise GridError("train", "no grid", "a grid, or --resume with a run", "name the grid")
        env_config = self.with_lines(EnvConfig(topology=load(self.grid)))
        from policies import TrainConfig, train  # before an older run is removed, as torch may be missing

        stages = tuple(filter(None, self.stages.split(",")))
        config = TrainConfig(self.policy, stages, self.steps, self.seconds, self.seed)
        run = self.out or Path("runs") / f"{Path(self.grid).stem}-{self.policy}"
        make_room(run, self.overwrite)
        with console.progress(f"training {run}", 1.0) as report:
            watch = Watch(report)
            train(env_config, config, run, watch, started_s)
        return run, watch.stopped

    def _go_on(self, run: Path, console: Console, started_s: float) -> tuple[Path, bool]:
        from grid import GridError
        from policies import resume

        if self.grid is not None or self.out is not None:
            mend = "leave out the grid and --out; they are those of the run"
            raise GridError("train --resume", "a grid or --out beside it", "the run alone", mend)
        if self.overload is not None or self.outages:
            mend = "leave out --overload and --outages; they are those of the run"
            raise GridError("train --resume", "--overload or --outages beside it", "the run alone", mend)
        with console.progress(f"training {run}", 1.0) as report:
            watch = Watch(report)
            resume(run, self.steps, self.seconds, watch, started_s)
        return run, watch.stopped


class Watch:
    """Passes reports on and remembers whether the training was stopped."""

    def __init__(self, report: Report) -> None:
        self._report, self.stopped = report, False

    def __call__(self, done: float, what: str) -> None:
        """Take one report."""
        self.stopped = self.stopped or what == STOPPED
        self._report(done, what)


def make_room(run: Path, overwrite: bool) -> None:
    """Make room for a run: a folder that is new or empty passes, an older run goes only if the user says so.

    Raises:
        GridError: the folder holds a run and ``overwrite`` is off, or it holds anything else.
    """
    from grid import GridError

    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        return
    if not run.is_dir():
        raise GridError(str(run), "a file", "a folder for the run", "choose another --out")
    strangers = sorted({path.name for path in run.iterdir()} - RUN_FILES)
    if strangers or not (run / "config.json").is_file():
        found = f"a folder with other files ({', '.join(strangers[:3]) or 'no config.json'})"
        raise GridError(str(run), found, "a new or empty folder", "choose another --out")
    if not overwrite:
        mend = "choose another --out, go on with it by --resume, or replace it by --overwrite"
        raise GridError(str(run), "a run that exists", "a new or empty folder", mend)
    shutil.rmtree(run)
