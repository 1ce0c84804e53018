"""The training loop: budget, validation, checkpoints and learning curves."""

from __future__ import annotations

import csv
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from math import ceil, inf, isnan, nan
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from grid import GridError, atomic_path
from policies.agent import read_weights, write_weights
from policies.config import TrainConfig
from policies.learning.budget import Budget
from policies.learning.ppo import PPOLearner
from policies.learning.ranks import Start, Tell, followers
from policies.learning.stages import Learner, hand_over, make_learner
from policies.learning.start import build, start_episodes, stream_seed
from policies.learning.validation import Validation
from policies.many_grids import TrainingGrids
from policies.measuring import Report

RESUME, CURVE, STAGES, BOARD = "resume.pt", "progress.csv", "stages.csv", "tensorboard"
UPDATE_STREAM, VALIDATION_STREAM = 0, 1  # of random numbers
CHECKPOINT_FRAC = 0.05  # of the budget between two checkpoints,
CHECKPOINT_UPDATES = 50  # but no more updates
CHECKPOINT_S = 60.0  # and no more time than this,
CHECKPOINT_TIMES = 10.0  # unless it takes longer to write one than a tenth of what lies between

COLUMNS = ("stage", "steps", "elapsed_s", "reward", "validation_cost_frac", "learning_rate", "std")
"""Of the learning curve: the reward is the mean of an update's episodes, with exploration (of the stage optimum: of
the schedules that are imitated)."""

STAGE_COLUMNS = ("stage", "steps", "elapsed_s", "validation_cost_frac")
"""Of what each stage reached: when it ended, and the least cost on the validation episodes until then."""

UNTRAINED, START = "untrained", "start"
RESUMED: dict[str, type] = {
    "policy": dict,
    "optimizer": dict,
    "stage": str,
    "steps": int,
    "elapsed_s": float,
    "best": float,
    "rows": list,
}
"""What a checkpoint holds."""


class Training:
    """A policy on its way: updates it until the budget is used up, and keeps the best one.

    After every checkpoint all random streams start anew from seeds of the run and the step count, and so do the
    episodes and the learner; a run that is resumed there goes on exactly as if it had never stopped.
    """

    def __init__(
        self, config: TrainConfig, grids: TrainingGrids, budget: Budget, run: Path, progress: Report | None
    ) -> None:
        self.config, self.grids, self.budget, self.run = config, grids, budget, run
        self.policy, self._envs = build(config, grids)
        self._progress = progress
        self._validation = Validation(grids, stream_seed(config.seed, VALIDATION_STREAM))
        shares = config.ranks if len(grids) == 1 else 1
        self._update_steps = self._envs.horizon * self._envs.batch_size * shares
        self._tell: Tell = lambda order: None  # the other ranks, once they are there
        self._learner: Learner | None = None  # made when its first update begins
        self._stage = self.budget.start_update(0)
        self._rows: list[dict[str, Any]] = []
        self._steps, self._best, self._update_s, self._checkpoint_s = 0, inf, 0.0, 0.0
        self.is_stopped = False  # by Ctrl-C

    @cached_property
    def _logger(self) -> Logger:
        """Made when the first figure is written, so that a training that is refused leaves no file."""
        return Logger(str(self.run), [TensorBoardOutputFormat(str(self.run / BOARD))])

    def loop(self) -> None:
        """Update until the budget is used up, or Ctrl-C asks to stop after the running update."""
        with stopped_by_interrupt(self.stop), followers(self.config, self.grids) as self._tell:
            self._validation.decide_once(self.policy)  # compiling is no part of the time that a checkpoint takes
            if not self._rows:
                self._checkpoint()
                self.budget.begin()
            else:
                self._start_streams()
            self._run_updates()

    def stop(self) -> None:
        """End after the running update."""
        self.is_stopped = True
        self.report("stopping after this update; Ctrl-C again stops at once")

    def _run_updates(self) -> None:
        updates, last_s = 0, self.budget.elapsed_s
        while not (self.is_stopped or self.budget.is_spent(self._steps, self._update_s)):
            stage = self.budget.start_update(self._steps)
            if stage != self._stage:
                self._checkpoint(stage)
                updates, last_s = 0, self.budget.elapsed_s
            self._update()
            updates += 1
            if self._is_due(updates, self.budget.elapsed_s - last_s):
                self._checkpoint()
                updates, last_s = 0, self.budget.elapsed_s
        if updates:
            self._checkpoint()

    def report(self, text: str) -> None:
        """Tell whoever watches how far the training is."""
        if self._progress is not None:
            self._progress(self.budget.done_frac(self._steps), text)

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.policy.load_state_dict(state["policy"])
        self.policy.optimizer.load_state_dict(state["optimizer"])
        self._steps, self._best = state["steps"], state["best"]
        self._stage = state["stage"]
        self._rows = state["rows"]
        self.budget.go_on_with(self._stage, state["steps"])

    def close(self) -> None:
        """Close the files that are held open."""
        if "_logger" in vars(self):
            self._logger.close()

    def _update(self) -> None:
        """Run one episode in every env and learn from all of them."""
        started_s = time.perf_counter()
        if self._learner is None:
            self._learner = self._make_learner()
        self._tell(self.budget.rate)
        reward = self._learner.update(self.budget.rate)
        self._steps += self._update_steps
        self._update_s = time.perf_counter() - started_s
        self._add_row(self._stage, reward)
        self.report(f"{self._steps:,} steps, reward {reward:.3f}, cost {self._best:.4f} of the reference")

    def _make_learner(self) -> Learner:
        if self._stage == "ppo":
            return PPOLearner(self.policy, self._envs, self.config, self._seed, self._steps, self._logger)
        return make_learner(self._stage, self.policy, self._envs, self.config, self._has_time)

    def _has_time(self) -> bool:
        return self.budget.stage_lasts() and not self.is_stopped

    @property
    def _seed(self) -> int:
        """Of what is random from the last checkpoint to the next."""
        return stream_seed(self.config.seed, UPDATE_STREAM, self._steps)

    def _add_row(self, stage: str, reward: float) -> None:
        policy = self.policy
        values = (
            stage,
            self._steps,
            self.budget.elapsed_s,
            reward,
            nan,
            policy.optimizer.param_groups[0]["lr"],
            float(policy.log_std.detach().exp().mean()),
        )
        self._rows.append(dict(zip(COLUMNS, values, strict=True)))

    def _is_due(self, updates: int, since_s: float) -> bool:
        """Whether to write a checkpoint; without a limit on time, only the number of updates decides."""
        most = ceil(min(CHECKPOINT_UPDATES, CHECKPOINT_FRAC * self.budget.steps / self._update_steps))
        least_s = max(min(CHECKPOINT_FRAC * self.budget.seconds, CHECKPOINT_S), CHECKPOINT_TIMES * self._checkpoint_s)
        return updates >= most or (self.budget.seconds < inf and since_s >= least_s)

    def _checkpoint(self, next_stage: str | None = None) -> None:
        """Validate, keep the network if it is the best so far, hand the best to the next stage, write everything.

        Whenever the process is killed, RESUME is whole and enough to go on: the weights are written before it, the
        tables, which only show what it holds, after it.
        """
        started_s = time.perf_counter()
        policy = self.policy
        cost_frac = self._validation.cost_frac(policy)
        if not self._rows:
            self._add_row(UNTRAINED if self.config.start is None else START, nan)
        self._rows[-1]["validation_cost_frac"] = cost_frac
        if cost_frac < self._best:
            self._best = cost_frac
            write_weights(self.run, policy.state_dict())
        if next_stage is not None:
            read_weights(self.run, policy)
            hand_over(policy, next_stage, self.config)
            self._stage = next_stage
        state = {
            "policy": policy.state_dict(),
            "optimizer": policy.optimizer.state_dict(),
            "stage": self._stage,
            "steps": self._steps,
            "elapsed_s": self.budget.elapsed_s,
            "best": self._best,
            "rows": self._rows,
        }
        content = BytesIO()
        torch.save(state, content)
        with atomic_path(self.run / RESUME) as temporary:  # written here, a full disk is reported as one
            temporary.write_bytes(content.getbuffer())
        write_tables(self.run, self._rows)
        self._logger.record("validation/cost_frac", cost_frac)
        self._logger.dump(self._steps)
        self._start_streams()
        self._checkpoint_s = time.perf_counter() - started_s
        self.budget.reserve_s = max(self.budget.reserve_s, 2.0 * self._checkpoint_s)

    def _start_streams(self) -> None:
        """Start all random streams, the episodes and the learner anew."""
        about = self._seed, self._steps // self._update_steps
        self._tell(Start(*about, self.policy.state_dict(), self.policy.optimizer.state_dict()))
        start_episodes(self._envs, *about)
        self._learner = None


@contextmanager
def stopped_by_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C ask to stop, and the second one interrupt, where Ctrl-C would interrupt."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def asked(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def read_curve(run: Path) -> list[dict[str, Any]]:
    """The learning curve of a run, a row for each update; keys as COLUMNS, empty cells as NaN."""
    with (run / CURVE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row[name] if name == "stage" else float(row[name] or "nan") for name in COLUMNS} for row in rows]


def what_stages_reached(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each stage of a learning curve, the untrained policy first; keys as STAGE_COLUMNS."""
    last: dict[str, dict[str, Any]] = {}
    best = inf
    for row in curve:
        best = min(best, row["validation_cost_frac"])  # a NaN, never less, changes nothing
        last[row["stage"]] = {**{name: row[name] for name in STAGE_COLUMNS}, "validation_cost_frac": best}
    return list(last.values())


def write_tables(run: Path, curve: list[dict[str, Any]]) -> None:
    """Write the learning curve of a run, and what its stages reached."""
    _write_table(run / CURVE, COLUMNS, curve)
    _write_table(run / STAGES, STAGE_COLUMNS, what_stages_reached(curve))


def _write_table(path: Path, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row[name]) for name in columns] for row in rows)


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else "" if isnan(value) else f"{value:.9g}"


def is_begun(run: Path) -> bool:
    """Whether a run has got as far as its first checkpoint; no table is written before that."""
    return (run / RESUME).exists() or (run / CURVE).exists()


def read_resume(run: Path) -> dict[str, Any]:
    """The last checkpoint of a run, read without running code from the file.

    Raises:
        GridError: the file is missing, cut off or of another kind.
    """
    path, mend = run / RESUME, "train again; without this file a run can be used, but not resumed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch suspects of foreign files; the error below says enough
            state = torch.load(path, map_location="cpu", weights_only=True)
        if not all(isinstance(state[name], kind) for name, kind in RESUMED.items()):
            raise TypeError("a part is of another kind")
    except Exception as error:  # whatever the reader of torch makes of a file that is none of ours
        found = "no such file" if isinstance(error, FileNotFoundError) else "a file that is cut off or of another kind"
        raise GridError(str(path), found, "a checkpoint", mend) from error
    return state
