"""``train`` and ``resume``: from a grid, or from a run, to an agent."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from envs import EnvConfig, Problem
from grid import Grid, GridError, atomic_path, remove_leftovers
from policies.agent import FORMAT, GRID, Agent, TrainedOn, read_config, read_weights
from policies.config import TrainConfig
from policies.learning.budget import Budget
from policies.learning.loop import RESUME, Training, is_begun, read_resume, write_tables
from policies.learning.start import continued, take_start, training_grids
from policies.many_grids import TrainingGrids
from policies.measuring import Report
from policies.networks import torch_threads
from policies.runs import CONFIG, OWN_RUNS, check_room, find_own_run, make_room
from policies.settings import SETTINGS, write_settings
from topologies import names
from topologies.formats import WRITERS


def train(
    env: EnvConfig | Problem | Sequence[EnvConfig | Problem],
    config: TrainConfig,
    out: str | Path,
    progress: Report | None = None,
    started_s: float | None = None,
    overwrite: bool = False,
) -> Agent:
    """Train an agent and keep the best one on validation episodes of the train part; Ctrl-C stops early and keeps it.

    Args:
        env: the config of the env, or its compiled problem; or several that differ in their grid alone, which is given
            by name or path.
        config: how to train; ``seconds`` covers everything from ``started_s`` to the last file. With ``start``, the
            network is that of the agent which it names.
        out: folder of the run, new or empty.
        progress: called with the share that is done.
        started_s: ``time.perf_counter()`` when the work began, if that was before this call.
        overwrite: an older run in the folder is replaced, once nothing is left to be refused.

    Returns:
        The agent, as ``load_agent`` loads it from the run; ``stopped_early`` tells whether it was Ctrl-C that ended it.

    Raises:
        GridError: bad grid, or a folder that is not empty or cannot be written.
    """
    budget = Budget(config, started_s=started_s)
    run = Path(out)
    check_room(run, overwrite)
    begun = None if config.start is None else find_own_run(config.start)
    if begun is not None and run.exists() and run.samefile(begun):
        allowed = "another run than the one that is replaced"
        raise GridError("train.start", repr(config.start), allowed, "choose another --out")
    envs = [env] if isinstance(env, EnvConfig | Problem) else env
    with torch_threads(config.threads):
        if config.start is not None:
            first = envs[0] if isinstance(envs[0], EnvConfig) else envs[0].config
            config = continued(config, config.start, first)
        grids = training_grids(config, envs)
        trained_on(grids)  # refused before anything is written
        training = Training(config, grids, budget, run, progress)
        take_start(training.policy, config)
        make_room(run)
        write_config(run, training.grids, config)
        return _finish(training)


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
        progress: called with the share that is done.
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
        grids = training_grids(config, settings.problems(folder))
        training = Training(config, grids, budget, folder, progress)
        if state:
            _restore(training, state)
        else:
            take_start(training.policy, config)
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
    """Run the training to its end, and make the agent of its best network."""
    run, grids, policy = training.run, training.grids, training.policy
    try:
        training.loop()
    except KeyboardInterrupt:
        if not is_begun(run):
            raise
        training.is_stopped = True
        write_tables(run, read_resume(run)["rows"])  # it may have been on its way to them
    finally:
        training.close()
    read_weights(run, policy.to("cpu"))
    known, first = trained_on(grids), grids.problems[0]
    env_config = dataclasses.replace(first.config, topology=first.grid if len(known) == 1 else known[0].name)
    return Agent("agent", policy, env_config, known, training.is_stopped, run)


def trained_on(grids: TrainingGrids) -> tuple[TrainedOn, ...]:
    """The grids of a training as its run names them.

    Raises:
        GridError: several grids, of which one has no name to load it by.
    """
    problems = grids.problems
    names = [_source(each.config.topology) for each in problems] if len(grids) > 1 else [problems[0].arrays.name]
    return tuple(TrainedOn(name, each.arrays.fingerprint) for name, each in zip(names, problems, strict=True))


def write_config(run: Path, grids: TrainingGrids, config: TrainConfig) -> None:
    """Write what defines a run: its settings, and its grid or, of several, their names.

    Raises:
        GridError: several grids, of which one has no name to load it by.
    """
    known, first = trained_on(grids), grids.problems[0]
    if len(grids) == 1:
        WRITERS[".json"](first.grid, run / GRID)
    env = dataclasses.replace(first.config, topology=GRID if len(grids) == 1 else known[0].name)
    content = {
        "format": FORMAT,
        "grids": [each._asdict() for each in known],
        "env": dataclasses.asdict(env),
        "train": dataclasses.asdict(config),
        "versions": _versions(),
    }
    with atomic_path(run / CONFIG) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_settings(run / SETTINGS, [GRID] if len(grids) == 1 else [each.name for each in known], env, config)


def _source(topology: object) -> str:
    """What a grid is loaded by, from any folder."""
    if isinstance(topology, Grid):
        mend = "write it to a file, and hand over the path"
        raise GridError(f"grid {topology.name!r}", "a Grid among several", "the name or path of each grid", mend)
    is_path = str(topology) not in names() and Path(str(topology)).exists()
    return str(Path(str(topology)).resolve()) if is_path else str(topology)


def _versions() -> dict[str, str]:
    """Versions of what shapes the numbers."""
    found = {"python": platform.python_version()}
    for package in ("load-balancer", "numpy", "stable-baselines3", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
