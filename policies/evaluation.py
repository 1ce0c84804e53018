"""Policies side by side on the same episodes, with intervals and their distance from the provable optimum."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from envs import TEST_SEED, EnvConfig, GridBatch, Problem, Task, find_task
from grid import Episode, GridError, nearest
from policies.baselines import Merit, Policy
from policies.comparison import OPTIMUM, Runs, compare
from policies.measuring import Report, decider_of, measure
from policies.table import Bootstrap, Evaluation, Row

LEAST_SAID_FRAC = 1e-4
"""Share of the demand from which the table says how much the optimum sheds or spills where no policy can."""

BELOW = "a gap below 0: the policy found a cheaper schedule than that plan, which the corrections do not make optimal"

Split = Literal["train", "test", "all"]


def evaluate(
    policies: Sequence[str | Policy],
    config: EnvConfig | Problem,
    episodes: int = 20,
    seed: int = 0,
    progress: Report | None = None,
    split: Split = "test",
    against: Sequence[str] = (),
    keep: Callable[[list[Episode]], None] | None = None,
) -> Evaluation:
    """Run every policy on the same episodes and compare it with their optimum.

    Args:
        policies: names of baselines, or anything that decides (a loaded agent, say).
        config: of the env, or the compiled problem; an agent sees it through its own observation and action.
        episodes: how many; the same seed gives the same ones.
        seed: of the episodes and of the bootstrap.
        progress: called with the share that is done.
        split: part of the series that the episodes come from.
        against: names of policies among them, beside the merit order, that savings are measured on.
        keep: called with the recorded episodes of each policy, if they are wanted; not with those of the optimum.

    Raises:
        GridError: unknown policy, no episode, or an agent that does not fit the grid.
    """
    if episodes < 1:
        raise GridError("episodes", repr(episodes), "a whole number >= 1", "correct the value")
    if isinstance(policies, str):
        raise GridError("policies", repr(policies), "a list of names and agents", f"write [{policies!r}]")
    deciders = [decider_of(policy) for policy in policies]
    names = dict.fromkeys([*(decider.name for decider in deciders), OPTIMUM, Merit.name])
    for name in against:
        if name not in names:
            raise GridError("against", repr(name), ", ".join(names), nearest(name, names))
    report = progress or (lambda done, what: None)
    config = config.replace(split=split) if isinstance(config, Problem) else dataclasses.replace(config, split=split)
    batch = GridBatch(config, episodes, seed)
    runs, merit, best, exact = measure(policies, batch, seed, report, keep)
    days = batch.horizon * batch.config.dt_h / 24
    rows = compare([*runs, best], merit, best, Bootstrap(episodes, seed), days, against)
    notes = _reference_notes(batch.config)
    notes += [BELOW] * (batch.config.flow == "ac" and min(row.gap_frac.mean for row in rows) < 0)
    demand_mwh = float(batch.outlook.load_mw[: batch.horizon].sum()) * batch.config.dt_h / episodes
    notes += _out_of_reach(merit, best, LEAST_SAID_FRAC * demand_mwh)
    if batch.config.start_time is not None and any(hasattr(decider, "env_config") for decider in deciders):
        notes.append("the days were chosen: an agent may have been trained on them")
    if best.bound_gap_frac:
        above = f"at most {100 * best.bound_gap_frac:.2g} % above what no policy stays below"
        notes.append(f"the optimum is the best schedule found, on average {above}")
    if exact < episodes:
        notes.append(f"in {episodes - exact} of {episodes} episodes no schedule is as cheap as the optimum")
    return _evaluation(batch.arrays.name, episodes, seed, batch.config, rows, notes)


def evaluate_task(
    policies: Sequence[str | Policy],
    task: str | Task,
    seed: int = TEST_SEED,
    progress: Report | None = None,
    split: Literal["train", "test"] = "test",
    episodes: int | None = None,
) -> Evaluation:
    """Compare policies on a task: on its test grids and as many episodes as it has.

    On several grids, costs are shares of each grid's mean reference cost, so that all grids count alike.

    Args:
        policies: as ``evaluate`` takes them.
        task: the task or its name; see ``envs.tasks``.
        seed: of the episodes; results are published for TEST_SEED.
        progress: called with the share that is done.
        split: part of the series that the episodes come from.
        episodes: on each grid; None: as many as the task has, which is what is published.

    Raises:
        GridError: unknown task or policy, or an agent that does not fit a grid.
    """
    task = task if isinstance(task, Task) else find_task(task)
    report, parts = progress or (lambda done, what: None), len(task.test)
    each = task.episodes if episodes is None else episodes
    if parts == 1:
        whole = evaluate(policies, task.config(), each, seed, progress, split)
        return dataclasses.replace(whole, task=task.name)
    found = []
    for number, name in enumerate(task.test):
        batch = GridBatch(task.config(name, split), each, seed)
        told = partial(lambda start, done, what: report((start + done) / parts, what), number)
        runs, merit, best, _ = measure(policies, batch, seed, told)
        found.append([some.share_of(merit.reference.mean()) for some in (*runs, merit, best)])
    *pooled, merit, best = (Runs.joined(some) for some in zip(*found, strict=True))
    total, days = len(merit.cost), batch.horizon * batch.config.dt_h / 24
    rows = compare([*pooled, best], merit, best, Bootstrap(total, seed), days)
    whole = _evaluation(f"{parts} grids", total, seed, batch.config, rows, _reference_notes(batch.config))
    return dataclasses.replace(whole, task=task.name)


def _evaluation(
    grid: str, episodes: int, seed: int, config: EnvConfig, rows: tuple[Row, ...], notes: list[str]
) -> Evaluation:
    hours, trips = config.horizon * config.dt_h, config.overload == "trip"
    about = (config.split, config.start_time, hours, config.flow, config.gate_h, trips, config.outages)
    return Evaluation(grid, episodes, seed, *about, None, rows, tuple(notes))


def _reference_notes(config: EnvConfig) -> list[str]:
    """Why the optimum is no bound, if it is none."""
    trips = ["overloaded lines trip: the optimum is a reference for lines that hold, not a bound"]
    ac = ["AC: the optimum is a linear plan corrected at its own AC solution: a reference, not a bound"]
    return trips * (config.overload == "trip") + ac * (config.flow == "ac")


def _out_of_reach(merit: Runs, best: Runs, least_mwh: float) -> list[str]:
    """What the optimum sheds and spills beyond what the merit order does; no action of a policy can ask for it."""
    shed_mwh, spill_mwh = (
        float((getattr(best, name) - getattr(merit, name)).mean()) for name in ("unserved_mwh", "spill_mwh")
    )
    if max(shed_mwh, spill_mwh) <= least_mwh:
        return []
    found = " and ".join(
        f"{does} {mwh:.1f} MWh" for does, mwh in (("sheds", shed_mwh), ("spills", spill_mwh)) if mwh > least_mwh
    )
    return [f"the optimum {found} an episode without need, which no policy can ask for"]
