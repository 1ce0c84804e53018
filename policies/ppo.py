"""Training a stable-baselines3 model through the stages: build, train, resume."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from stable_baselines3 import PPO

from envs import EnvConfig
from grid import GridError
from grid.files import remove_leftovers
from policies.budget import Budget
from policies.bundle import Agent, load_agent, read_config, write_config
from policies.config import TrainConfig
from policies.networks import ALIASES, observed, policy_kwargs, start_from_merit, torch_threads
from policies.sb3_vec_env import make_vec_env
from policies.stages import batch_of
from policies.training import Report, Training, is_begun, read_resume, stream_seed, write_tables


def build(config: TrainConfig, env_config: EnvConfig, learning_rate: Callable[[float], float] | None = None) -> PPO:
    """An untrained PPO with its envs; its first action is 0: the merit order and the env's redispatch moves.

    Args:
        config: how to train.
        env_config: the env; its observation is replaced by the one that the policy reads.
        learning_rate: by the remaining progress, from 1 to 0; by default it falls in a straight line.

    Raises:
        GridError: bad grid.
    """
    env = make_vec_env(observed(env_config, config), config.n_envs, stream_seed(config.seed, 0))
    model = PPO(
        ALIASES[config.policy],
        env,
        n_steps=env_config.horizon,
        batch_size=_divisor_near(env_config.horizon * config.n_envs, config.batch_size),
        n_epochs=config.n_epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        learning_rate=learning_rate or (lambda left: config.learning_rate * left),
        policy_kwargs=policy_kwargs(config, env.arrays),
        seed=stream_seed(config.seed, 0),
        device="cpu",
    )
    start_from_merit(model.policy, env.batch.config)
    return model


def train(
    env_config: EnvConfig,
    config: TrainConfig,
    out: str | Path,
    progress: Report | None = None,
    started_s: float | None = None,
) -> Agent:
    """Train an agent and keep the best one on validation episodes of the train part; Ctrl-C stops early and keeps it.

    Args:
        env_config: the env.
        config: how to train; ``seconds`` covers everything from ``started_s`` to the last file.
        out: folder of the run, which must not hold anything yet.
        progress: told how far the training is.
        started_s: ``time.perf_counter()`` when the work began, if that was before this call.

    Returns:
        The agent, loaded from the run.

    Raises:
        GridError: bad grid, or a folder that is not empty or cannot be written.
    """
    budget = Budget(config, started_s=started_s)
    run = Path(out)
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        mend = "choose another folder, or resume the run that is there"
        raise GridError(str(run), "a file" if run.is_file() else "files in it", "a new or empty folder", mend)
    with torch_threads(config.threads):
        model = build(config, env_config, budget.learning_rate)
        write_config(run, batch_of(model), config)
        return _finish(Training(model, config, budget, run, progress))


def resume(
    run: str | Path,
    steps: int | None = None,
    seconds: float | None = None,
    progress: Report | None = None,
    started_s: float | None = None,
) -> Agent:
    """Go on with a run from its last checkpoint, or from the start if it was stopped before the first.

    Args:
        run: its folder.
        steps: how many more; without steps and seconds, up to what the run was first meant to take.
        seconds: how many more.
        progress: told how far the training is.
        started_s: ``time.perf_counter()`` when the work began, if that was before this call.

    Raises:
        GridError: anything that keeps the run from being loaded, or a run that has nothing left to do.
    """
    folder = Path(run)
    env_config, config, _ = read_config(folder)
    remove_leftovers(folder)
    state = read_resume(folder) if is_begun(folder) else None
    steps_done, spent_s = 0, 0.0
    if state:
        steps_done, spent_s = state["steps"], state["elapsed_s"]
        write_tables(folder, state["rows"])
    if steps is not None or seconds is not None:
        config = dataclasses.replace(
            config,
            steps=None if steps is None else steps_done + steps,
            seconds=None if seconds is None else spent_s + seconds,
        )
    budget = Budget(config, started_s=started_s, spent_s=spent_s)
    if state and budget.is_spent(steps_done):
        done = f"{steps_done} steps in {spent_s:.0f} s"
        raise GridError(str(folder), f"a run that is finished ({done})", "an unfinished run", "ask for more steps")
    with torch_threads(config.threads):
        model = build(config, env_config, budget.learning_rate)
        write_config(folder, batch_of(model), config)
        training = Training(model, config, budget, folder, progress)
        if state:
            training.restore(state)
        return _finish(training)


def _finish(training: Training) -> Agent:
    try:
        training.loop()
    except KeyboardInterrupt:
        if not is_begun(training.run):
            raise
        write_tables(training.run, read_resume(training.run)["rows"])  # it may have been on its way to them
        training.report("stopped")
    finally:
        training.close()
    return load_agent(training.run)


def _divisor_near(total: int, wanted: int) -> int:
    """The divisor of the total nearest to what is wanted, so that no batch is smaller than the others."""
    return min((d for d in range(2, total + 1) if total % d == 0), key=lambda d: abs(d - wanted))
