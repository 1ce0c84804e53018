"""Training a stable-baselines3 model through the stages: build, train, resume."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stable_baselines3 import PPO

from envs import EnvConfig, GridBatch
from grid import GridError, remove_leftovers
from policies.agent import Agent, check_fingerprints, check_seen, load_agent, read_config, read_weights, write_config
from policies.config import TrainConfig
from policies.learning.budget import Budget
from policies.learning.loop import RESUME, Report, Training, is_begun, read_resume, stream_seed, write_tables
from policies.learning.stages import hand_over
from policies.many_grids import Rotation, TrainingGrids
from policies.networks import KINDS, observed, policy_kwargs, start_from_merit, torch_threads
from policies.runs import OWN_RUNS, find_own_run, find_run
from policies.side_by_side import SideBySide
from policies.vec_env import GridVecEnv


def training_grids(config: TrainConfig, env_configs: Sequence[EnvConfig]) -> TrainingGrids:
    """The grids of the envs, with the observation that the policy reads.

    Raises:
        GridError: a bad grid, envs that differ in more than their grid, or several for a policy of one.
    """
    if len(env_configs) > 1 and config.policy != "graph":
        mend = "train with the policy 'graph', or on one grid"
        raise GridError("train.policy", f"{config.policy!r} for {len(env_configs)} grids", "'graph'", mend)
    return TrainingGrids([observed(each, config) for each in env_configs])


def build(config: TrainConfig, grids: TrainingGrids, learning_rate: Callable[[float], float] | None = None) -> PPO:
    """An untrained PPO with its envs; but for the policy graph, its first action is 0: the merit order, redispatched.

    Args:
        config: how to train.
        grids: with the observation that the policy reads.
        learning_rate: by the remaining progress, from 1 to 0; by default it falls in a straight line.

    Raises:
        GridError: one env of one step.
    """
    env = GridVecEnv(_envs(config, grids))
    horizon = env.batch.horizon
    if horizon * env.num_envs < 2:
        raise GridError("train.n_envs", "one step an update", "at least two", "take more envs or a longer horizon")
    model = PPO(
        KINDS[config.policy],
        env,
        n_steps=horizon,
        batch_size=_divisor_near(horizon * env.num_envs, config.batch_size),
        n_epochs=config.n_epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        learning_rate=learning_rate or (lambda left: config.learning_rate * left),
        policy_kwargs=policy_kwargs(config, [arrays for arrays, _ in grids.compiled]),
        seed=stream_seed(config.seed, 0),
        stats_window_size=env.num_envs,
        device="cpu",
    )
    start_from_merit(model.policy, env.batch.config)
    return model


def _envs(config: TrainConfig, grids: TrainingGrids) -> GridBatch | SideBySide:
    """The envs that a policy trains in: those of its one grid, or a few grids at a time side by side."""
    seed, at_once = stream_seed(config.seed, 0), min(config.grids_per_update, len(grids))
    if config.policy != "graph":
        return grids.batch(0, config.n_envs, seed)
    if len(grids) == 1:
        return grids.weighed(0, config.n_envs, seed)
    each = max(1, config.n_envs // at_once)
    return SideBySide(grids, Rotation(len(grids), at_once, seed), each * at_once, is_weighed=True)


def train(
    env_config: EnvConfig | Sequence[EnvConfig],
    config: TrainConfig,
    out: str | Path,
    progress: Report | None = None,
    started_s: float | None = None,
) -> Agent:
    """Train an agent and keep the best one on validation episodes of the train part; Ctrl-C stops early and keeps it.

    Args:
        env_config: the env, or several that differ in their grid alone, which is given by name or path.
        config: how to train; ``seconds`` covers everything from ``started_s`` to the last file. With ``start``, the
            policy and its network are those of that agent.
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
    env_configs = [env_config] if isinstance(env_config, EnvConfig) else env_config
    with torch_threads(config.threads):
        if config.start is not None:
            config = continued(config, config.start, env_configs[0])
        grids = training_grids(config, env_configs)
        model = build(config, grids, budget.learning_rate)
        take_start(model, config)
        write_config(run, grids, config)
        return _finish(Training(model, grids, config, budget, run, progress))


def continued(config: TrainConfig, start: str, env_config: EnvConfig) -> TrainConfig:
    """The settings of a training that starts from a trained agent: its network is that of the agent.

    Raises:
        GridError: no such agent, one whose weights belong to one grid, or an env that it would misread.
    """
    settings = read_config(find_run(start) or Path(start))
    if settings.train.policy != "graph":
        mend = "start from an agent of the policy 'graph'; the weights of the others belong to one grid"
        raise GridError(f"train.start: {start}", f"the policy {settings.train.policy!r}", "'graph'", mend)
    check_seen(f"train.start: {start}", settings.env, observed(env_config, settings.train))
    width, layers = settings.train.graph_width, settings.train.graph_layers
    return dataclasses.replace(config, graph_width=width, graph_layers=layers)


def take_start(model: PPO, config: TrainConfig) -> None:
    """Give a new model the weights that its training starts from, if there are any.

    Raises:
        GridError: they are missing, or of another network.
    """
    if config.start is not None:
        read_weights(find_run(config.start) or Path(config.start), model.policy)
        hand_over(model, config.plan[0], config)


def resume(
    run: str | Path,
    steps: int | None = None,
    seconds: float | None = None,
    progress: Report | None = None,
    started_s: float | None = None,
) -> Agent:
    """Go on with a run from its last checkpoint, or from the start if it was stopped before the first.

    Args:
        run: its folder, or its name in ``runs/``.
        steps: how many more; without steps and seconds, up to what the run was first meant to take.
        seconds: how many more.
        progress: told how far the training is.
        started_s: ``time.perf_counter()`` when the work began, if that was before this call.

    Raises:
        GridError: anything that keeps the run from being loaded, or a run that has nothing left to do.
    """
    folder = find_own_run(run)
    if folder is None and not Path(run).exists():  # reading what is there says what is wrong with it
        mend = "name a run that `load-balancer train` wrote; to go on from a shipped agent, --start"
        raise GridError(str(run), "no such run", OWN_RUNS, mend)
    folder = folder or Path(run)
    settings = read_config(folder, OWN_RUNS)
    config = settings.train
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
        if seconds is not None:
            found, mend = f"no time left after the start-up ({seconds:g} s in all)", "give it more seconds"
            raise GridError(str(folder), found, "time for an update", mend)
        raise GridError(str(folder), f"a run that is finished ({done})", "an unfinished run", "ask for more steps")
    with torch_threads(config.threads):
        grids = training_grids(config, settings.env_configs())
        check_fingerprints(str(folder), [arrays.fingerprint for arrays, _ in grids.compiled], settings.grids)
        model = build(config, grids, budget.learning_rate)
        training = Training(model, grids, config, budget, folder, progress)
        if state:
            _restore(training, state)
        else:
            take_start(model, config)
        write_config(folder, grids, config)
        return _finish(training)


def _restore(training: Training, state: dict[str, Any]) -> None:
    try:
        training.restore(state)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        where, found = str(training.run / RESUME), f"a checkpoint of another network ({type(error).__name__})"
        mend = "put back the file that belongs to the run, or train again"
        raise GridError(where, found, "one of this run", mend) from error


def _finish(training: Training) -> Agent:
    try:
        training.loop()
        if training.is_stopped:
            training.report("stopped")
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
