"""The training loop: budget, validation, checkpoints and learning curves."""

from __future__ import annotations

import csv
import pickle
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from math import ceil, inf, isnan, nan
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from envs import GridBatch
from envs.rewards import scale_floor
from grid import GridError
from grid.files import atomic_path
from policies.bundle import write_weights
from policies.config import TrainConfig
from policies.gradient import GradientLearner
from policies.sb3_vec_env import GridVecEnv

RESUME, CURVE, BOARD = "resume.pt", "progress.csv", "tensorboard"
VALIDATION_EPISODES = 64
UPDATE_STREAM, VALIDATION_STREAM = 0, 1  # of random numbers
CHECKPOINT_FRAC = 0.05  # of the budget between two checkpoints,
CHECKPOINT_UPDATES = 50  # but no more updates
CHECKPOINT_S = 60.0  # and no more time than this

COLUMNS = ("steps", "elapsed_s", "reward", "validation_cost_frac", "learning_rate", "std")
"""Of the learning curve: the reward is the mean of an update's episodes, with exploration."""

Report = Callable[[float, str], None]
"""Told the share of the work that is done, in [0, 1], and how it stands."""


def stream_seed(seed: int, stream: int, steps: int = 0) -> int:
    """A seed below 2^32 for each stream of random numbers of a run, and for each point of it."""
    return int(np.random.SeedSequence([seed, stream, steps]).generate_state(1)[0])


def batch_of(model: PPO) -> GridBatch:
    """The batch behind the envs of a model."""
    return cast(GridVecEnv, model.get_env()).batch


class Budget:
    """What training may use: steps, time, or whichever is used up first."""

    def __init__(self, config: TrainConfig, started_s: float | None = None, spent_s: float = 0.0) -> None:
        self.steps, self.seconds = config.steps or inf, config.seconds or inf
        self.started_s = (time.perf_counter() if started_s is None else started_s) - spent_s
        self.reserve_s = 0.0  # time to keep for what comes after the last update
        self._rates = {"ppo": config.learning_rate, "gradient": config.gradient_learning_rate}
        self._stages = config.plan
        self.rate = self._rates[config.plan[0]]  # of the running update

    @property
    def elapsed_s(self) -> float:
        """Time used, that of earlier parts of a resumed run included."""
        return time.perf_counter() - self.started_s

    def done_frac(self, steps: int) -> float:
        """Share used after so many steps, in [0, 1]."""
        time_frac = self.elapsed_s / max(self.seconds - self.reserve_s, 1e-9)
        return min(1.0, max(steps / self.steps, time_frac))

    def is_spent(self, steps: int, next_s: float = 0.0) -> bool:
        """Whether an update of ``next_s`` seconds no longer fits."""
        return steps >= self.steps or self.elapsed_s + next_s + self.reserve_s >= self.seconds

    def start_update(self, steps: int) -> str:
        """Fix the stage and the learning rate of the coming update; the rate falls to 0 over each stage's share."""
        done = self.done_frac(steps) * len(self._stages)
        index = min(int(done), len(self._stages) - 1)
        self.rate = self._rates[self._stages[index]] * (1.0 - (done - index))
        return self._stages[index]

    def learning_rate(self, _left: float) -> float:
        """The rate of the running update; SB3's own idea of what is left is not used."""
        return self.rate


class Learner(Protocol):
    """A way of learning."""

    def update(self, learning_rate: float) -> float:
        """Run one episode in every env, learn from all of them, and return their mean reward."""


class PPOLearner:
    """stable-baselines3's PPO."""

    def __init__(self, model: PPO) -> None:
        self.model = model

    def update(self, learning_rate: float) -> float:
        """Collect and learn; the rate is read through the model's own schedule."""
        model = self.model
        model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)
        return float(model.rollout_buffer.rewards.sum()) / model.n_envs


class Training:
    """A model on its way: updates it until the budget is used up, and keeps the best one.

    After every checkpoint all random streams start anew from seeds of the run and the step count, and so do the
    episodes; a run that is resumed there goes on exactly as if it had never stopped.
    """

    def __init__(self, model: PPO, config: TrainConfig, budget: Budget, run: Path, progress: Report | None) -> None:
        self.model, self.config, self.budget, self.run = model, config, budget, run
        self._progress = progress
        batch = batch_of(model)
        self._seed = stream_seed(config.seed, VALIDATION_STREAM)
        self._validation = GridBatch(replace(batch.config, split="train"), VALIDATION_EPISODES, self._seed)
        self._validation.reset(self._seed)
        floor = scale_floor(batch.arrays, batch.config.dt_h) * batch.horizon
        self._reference = max(float(self._validation.reference_cost.sum()), floor * VALIDATION_EPISODES)
        self._update_steps = batch.horizon * batch.batch_size
        self._learners: dict[str, Learner] = {
            "ppo": PPOLearner(model),
            "gradient": GradientLearner(model.policy, batch, config.gamma),
        }
        self._stage = self.budget.start_update(0)
        self._rows: list[dict[str, float]] = []
        self._best, self._update_s = inf, 0.0
        model.set_logger(Logger(str(run), [TensorBoardOutputFormat(str(run / BOARD))]))

    def loop(self) -> None:
        """Update until the budget is used up."""
        if not self._rows:
            self._checkpoint()
        updates, last_s = 0, self.budget.elapsed_s
        while not self.budget.is_spent(self.model.num_timesteps, self._update_s):
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
            self._progress(self.budget.done_frac(self.model.num_timesteps), text)

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        self.model.policy.load_state_dict(state["policy"])
        self.model.policy.optimizer.load_state_dict(state["optimizer"])
        self.model.num_timesteps, self._best = state["steps"], state["best"]
        self._stage = self.budget.start_update(state["steps"])
        with (self.run / CURVE).open(encoding="utf-8", newline="") as file:
            rows = [{name: float(cell or "nan") for name, cell in row.items()} for row in csv.DictReader(file)]
        self._rows = [row for row in rows if row["steps"] <= state["steps"]]
        self._start_streams()

    def close(self) -> None:
        """Close the files that are held open."""
        self.model.logger.close()

    def _update(self) -> None:
        """Run one episode in every env and learn from all of them."""
        model, started_s = self.model, time.perf_counter()
        stage = self.budget.start_update(model.num_timesteps)
        if stage != self._stage:  # what the optimizer knows is of another objective
            model.policy.optimizer.state.clear()
            self._stage = stage
        steps = model.num_timesteps + self._update_steps
        reward = self._learners[stage].update(self.budget.rate)
        model.num_timesteps = steps
        self._update_s = time.perf_counter() - started_s
        self._add_row(reward)
        self.report(f"{model.num_timesteps:,} steps, reward {reward:.3f}, cost {self._best:.4f} of the reference")

    def _add_row(self, reward: float) -> None:
        policy = self.model.policy
        values = (
            self.model.num_timesteps,
            self.budget.elapsed_s,
            reward,
            nan,
            policy.optimizer.param_groups[0]["lr"],
            float(policy.log_std.detach().exp().mean()),
        )
        self._rows.append(dict(zip(COLUMNS, values, strict=True)))

    def _is_due(self, updates: int, since_s: float) -> bool:
        """Whether to write a checkpoint; without a limit on time, the clock has no say in it."""
        most = ceil(min(CHECKPOINT_UPDATES, CHECKPOINT_FRAC * self.budget.steps / self._update_steps))
        return updates >= most or since_s >= min(CHECKPOINT_FRAC * self.budget.seconds, CHECKPOINT_S) < CHECKPOINT_S

    def _checkpoint(self) -> None:
        """Validate, keep the network if it is the best so far, and write everything."""
        started_s = time.perf_counter()
        model, policy = self.model, self.model.policy
        cost_frac = self._validate()
        if not self._rows:
            self._add_row(nan)
        self._rows[-1]["validation_cost_frac"] = cost_frac
        if cost_frac < self._best:
            self._best = cost_frac
            write_weights(self.run, policy.state_dict())
        state = {
            "policy": policy.state_dict(),
            "optimizer": policy.optimizer.state_dict(),
            "steps": model.num_timesteps,
            "elapsed_s": self.budget.elapsed_s,
            "best": self._best,
        }
        with atomic_path(self.run / RESUME) as temporary:
            torch.save(state, temporary)
        with atomic_path(self.run / CURVE) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(["" if isnan(cell) else f"{cell:.9g}" for cell in row.values()] for row in self._rows)
        model.logger.record("validation/cost_frac", cost_frac)
        model.logger.dump(model.num_timesteps)
        self._start_streams()
        self.budget.reserve_s = max(self.budget.reserve_s, 2.0 * (time.perf_counter() - started_s))

    def _start_streams(self) -> None:
        """Start all random streams and the episodes anew."""
        seed = stream_seed(self.config.seed, UPDATE_STREAM, self.model.num_timesteps)
        self.model.set_random_seed(seed)
        batch_of(self.model).reset(seed)
        self.model._last_obs = None  # makes SB3 reset the envs

    def _validate(self) -> float:
        """Cost of the policy without exploration on the validation episodes, as a share of their reference."""
        batch, policy = self._validation, self.model.policy
        policy.set_training_mode(False)
        observation = batch.reset(self._seed)
        for _ in range(batch.horizon):
            observation, *_ = batch.step(policy.predict(observation, deterministic=True)[0])
        return float(batch.metrics["cost"].sum()) / self._reference


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
        if not {"policy", "optimizer", "steps", "elapsed_s", "best"} <= set(state):
            raise ValueError("parts are missing")
    except (OSError, EOFError, RuntimeError, ValueError, TypeError, pickle.UnpicklingError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else "a file that is cut off or of another kind"
        raise GridError(str(path), found, "a checkpoint", mend) from error
    return state
