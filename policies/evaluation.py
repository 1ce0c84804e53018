"""Policies side by side on the same episodes, with intervals and their distance from the provable optimum."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Literal

import numpy as np

from envs import TEST_SEED, EnvConfig, GridBatch, Problem, Recorder, Task, find_task, scale_floor
from grid import Episode, GridError, nearest, overload_mw
from grid.planning import optima
from policies.baselines import BASELINES, Merit, Policy
from policies.rollout import SEEN, as_seen, rollout
from policies.table import Bootstrap, Evaluation, Row, percent

OPTIMUM = "optimum"
PLANNERS = ("mpc", "smpc", "plan")
"""Baselines that know what an agent knows: what it scores above them is what was learned."""

SUMS = ("unserved_mwh", "curtailed_mwh", "overload_mwh", "loss_mwh", "voltage_pu_h", "collapsed_steps")
"""Metrics of an episode that a row gives the means of; the last three are 0 in DC."""

TAIL_FRAC = 0.1  # of the episodes, the worst, whose mean gap is the conditional value at risk
SCORE_FLOOR_FRAC = 1e-3
"""Below this share of the reference between merit and optimum, a score means nothing and is None."""

LEAST_SAID_FRAC = 1e-4
"""Share of the demand from which the table says how much the optimum sheds or spills where no policy can."""

Report = Callable[[float, str], None]
"""Called with the share of the work that is done, in [0, 1], and what is being done."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What one policy did on each of E episodes."""

    name: str
    cost: np.ndarray  # (E,) settlement included
    reference: np.ndarray  # (E,) cost of the merit order on a copper plate; where their mean is too low, a floor
    unserved_mwh: np.ndarray  # (E,)
    curtailed_mwh: np.ndarray  # (E,)
    overload_mwh: np.ndarray  # (E,) in AC, MVAh
    loss_mwh: np.ndarray  # (E,)
    voltage_pu_h: np.ndarray  # (E,) outside the band of voltages
    collapsed_steps: np.ndarray  # (E,)
    spill_mwh: np.ndarray  # (E,), 0 where it is free
    decision_s: float  # time a decision of one episode took


def evaluate(
    policies: Sequence[str | Policy],
    config: EnvConfig | Problem,
    episodes: int = 20,
    seed: int = 0,
    progress: Report | None = None,
    split: Literal["train", "test"] = "test",
) -> Evaluation:
    """Run every policy on the same episodes and compare it with their optimum.

    Args:
        policies: names of baselines, or anything that decides (a loaded agent, say).
        config: of the env, or the compiled problem; an agent sees it through its own observation and action.
        episodes: how many; the same seed gives the same ones.
        seed: of the episodes and of the bootstrap.
        progress: called with the share that is done.
        split: part of the series that the episodes come from.

    Raises:
        GridError: unknown policy, no episode, or an agent that does not fit the grid.
    """
    if episodes < 1:
        raise GridError("episodes", repr(episodes), "a whole number >= 1", "correct the value")
    if isinstance(policies, str):
        raise GridError("policies", repr(policies), "a list of names and agents", f"write [{policies!r}]")
    deciders = [_decider(policy) for policy in policies]
    report = progress or (lambda done, what: None)
    config = config.replace(split=split) if isinstance(config, Problem) else dataclasses.replace(config, split=split)
    batch = GridBatch(config, episodes, seed)
    runs, merit, best, exact = _measure(deciders, batch, seed, report)
    rows = compare([*runs, best], merit, best, Bootstrap(episodes, seed))
    notes = _reference_notes(batch.config)
    demand_mwh = float(batch.outlook.load_mw[: batch.horizon].sum()) * batch.config.dt_h / episodes
    notes += _out_of_reach(merit, best, LEAST_SAID_FRAC * demand_mwh)
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
    deciders, found = [_decider(policy) for policy in policies], []
    for number, name in enumerate(task.test):
        batch = GridBatch(task.config(name, split), each, seed)
        told = partial(lambda start, done, what: report((start + done) / parts, what), number)
        runs, merit, best, _ = _measure(deciders, batch, seed, told)
        found.append([_share(some, merit.reference.mean()) for some in (*runs, merit, best)])
    *pooled, merit, best = (_joined(some) for some in zip(*found, strict=True))
    total = len(merit.cost)
    rows = compare([*pooled, best], merit, best, Bootstrap(total, seed))
    whole = _evaluation(f"{parts} grids", total, seed, batch.config, rows, _reference_notes(batch.config))
    return dataclasses.replace(whole, task=task.name)


def _evaluation(
    grid: str, episodes: int, seed: int, config: EnvConfig, rows: tuple[Row, ...], notes: list[str]
) -> Evaluation:
    hours, trips = config.horizon * config.dt_h, config.overload == "trip"
    about = (config.split, hours, config.flow, trips, config.outages)
    return Evaluation(grid, episodes, seed, *about, None, rows, tuple(notes))


def _reference_notes(config: EnvConfig) -> list[str]:
    """Why the optimum is no bound, if it is none."""
    trips = ["overloaded lines trip: the optimum is a reference for lines that hold, not a bound"]
    ac = ["AC: the optimum is a linear plan corrected at its own AC solution: a reference, not a bound"]
    return trips * (config.overload == "trip") + ac * (config.flow == "ac")


def _measure(
    deciders: Sequence[Policy], batch: GridBatch, seed: int, report: Report
) -> tuple[list[Runs], Runs, Runs, int]:
    """The runs of the policies, of the merit order and of the optimum, and how many optima the step can follow."""
    parts, merit, runs = len(deciders) + 2, run(Merit(), batch, seed), []
    for k, policy in enumerate(deciders):
        report((k + 1) / parts, policy.name)
        count_step = _step_counter(report, k + 1, parts, policy.name, batch.horizon)
        is_run = isinstance(policy, Merit)
        runs.append(merit if is_run else run(policy, _seen_by(policy, batch, seed), seed, count_step))
    best, exact = _optima(batch, seed, lambda done: report((parts - 1 + done) / parts, OPTIMUM))
    return runs, merit, best, exact


def _share(runs: Runs, reference: float) -> Runs:
    """Costs as shares of a reference cost."""
    return dataclasses.replace(runs, cost=runs.cost / reference, reference=runs.reference / reference)


def _joined(runs: Sequence[Runs]) -> Runs:
    """The episodes of several grids."""
    names = ("cost", "reference", *SUMS, "spill_mwh")
    joined = {name: np.concatenate([getattr(each, name) for each in runs]) for name in names}
    return Runs(name=runs[0].name, **joined, decision_s=float(np.mean([each.decision_s for each in runs])))


def run_episodes(policy: str | Policy, config: EnvConfig | Problem, episodes: int = 1, seed: int = 0) -> list[Episode]:
    """Run a policy and record everything.

    Args:
        policy: the name of a baseline, or anything that decides.
        config: of the env, or the compiled problem; the episodes come from its split.
        episodes: how many.
        seed: of the episodes.

    Raises:
        GridError: unknown policy, or an agent that does not fit the grid.
    """
    decider = _decider(policy)
    batch = _seen_by(decider, GridBatch(config, episodes, seed), seed)
    recorder = Recorder(batch, decider.name)
    batch.seed(seed)
    rollout(batch, decider, recorder.add)
    return recorder.episodes()


def run(policy: Policy, batch: GridBatch, seed: int, after_step: Callable[[], None] = lambda: None) -> Runs:
    """Let a policy run the episodes of the seed, one for each env of the batch."""
    batch.seed(seed)
    decided_s = rollout(batch, policy, after_step)
    reference, least = batch.reference_cost, scale_floor(batch.arrays, batch.config.dt_h) * batch.horizon
    if reference.mean() < least:
        reference = np.full_like(reference, least)
    decision_s = decided_s / (batch.horizon * batch.batch_size)
    cost = batch.metrics["cost"]
    sums = {name: batch.metrics.get(name, np.zeros_like(cost)) for name in SUMS}
    price = batch.prices.spill_per_mwh
    spill_mwh = batch.metrics["spill"] / price if price else np.zeros_like(cost)
    return Runs(policy.name, cost, reference, **sums, spill_mwh=spill_mwh, decision_s=decision_s)


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


def compare(runs: Sequence[Runs], merit: Runs, best: Runs, bootstrap: Bootstrap) -> tuple[Row, ...]:
    """Rows for the runs, measured against the merit order and the optimum of the same episodes."""
    reference = merit.reference
    apart = merit.cost.sum() - best.cost.sum() >= SCORE_FLOOR_FRAC * reference.sum()
    rows = []
    for row in runs:
        gap = row.cost - best.cost
        worst = int(np.argmax(gap))
        is_own = row.name not in (*BASELINES, OPTIMUM)
        planners = [other for other in runs if is_own and apart and other.name in PLANNERS]
        tail = np.sort(gap)[-max(1, round(TAIL_FRAC * len(gap))) :]
        rows.append(
            Row(
                name=row.name,
                cost=bootstrap.mean(row.cost),
                gap_frac=bootstrap.ratio(gap, reference),
                score=percent(bootstrap.ratio(merit.cost - row.cost, merit.cost - best.cost)) if apart else None,
                **{name: float(getattr(row, name).mean()) for name in SUMS},
                decision_s=row.decision_s,
                worst_episode=worst,
                worst_gap_frac=float(gap[worst] / reference.mean()),
                cvar_gap_frac=float(tail.mean() / reference.mean()),
                episode_cost=tuple(row.cost.tolist()),
                above={
                    each.name: percent(bootstrap.ratio(each.cost - row.cost, merit.cost - best.cost))
                    for each in planners
                },
            )
        )
    return tuple(rows)


def _decider(policy: str | Policy) -> Policy:
    if not isinstance(policy, str):
        lacks = [f"`{part}`" for part in ("name", "reset", "act") if not hasattr(policy, part)]
        if lacks:
            mend = "the tutorial on stable-baselines3 wraps a model of SB3"
            raise GridError("policy", f"a {type(policy).__name__} without {' and '.join(lacks)}", "a Policy", mend)
        return policy
    if policy not in BASELINES:
        raise GridError("policy", repr(policy), "a baseline or a loaded agent", nearest(policy, BASELINES))
    return BASELINES[policy]()


def _step_counter(report: Report, part: int, parts: int, name: str, horizon: int) -> Callable[[], None]:
    """To be called after each step of a policy's run, which is one of the parts of the work."""
    steps = count(1)
    return lambda: report((part + next(steps) / horizon) / parts, name)


def _seen_by(policy: Policy, batch: GridBatch, seed: int) -> GridBatch:
    """The batch as the policy observes it and acts on it; baselines take it as it is.

    Trips and outages that a policy does not know are refused where it acts.
    """
    own: EnvConfig | None = getattr(policy, "env_config", None)
    if own is None or all(getattr(own, name) == getattr(batch.config, name) for name in (*SEEN, "gate_h", "flow")):
        return batch
    seen = GridBatch(as_seen(batch.problem, own), batch.batch_size, seed)
    batch.reset(seed)
    seen.reset(seed)
    if not np.array_equal(seen.reference_cost, batch.reference_cost):
        mend = "evaluate with the env_config of the policy"
        raise GridError(f"policy {policy.name!r}", "other episodes", "the same episodes for all policies", mend)
    return seen


def _optima(batch: GridBatch, seed: int, report: Callable[[float], None]) -> tuple[Runs, int]:
    """The optimum of each episode, and how many of them the step can follow."""
    batch.reset(seed)
    count, started_s = batch.batch_size, time.perf_counter()
    inputs = [batch.episode_inputs(i) for i in range(count)]
    starts_mwh = batch.state.store_mwh
    given = batch.arrays, inputs, batch.prices, starts_mwh
    solved = list(optima(*given, flow=batch.config.flow, progress=lambda done: report(done / count)))
    outcomes = [best.outcome for best in solved]
    carried = [best.flow_mw if best.outcome is None else best.outcome.carried for best in solved]
    dt_h, steps = batch.config.dt_h, batch.horizon * batch.batch_size
    best = Runs(
        name=OPTIMUM,
        cost=np.array([best.cost for best in solved]),
        reference=batch.reference_cost,
        unserved_mwh=np.array([best.shed_mw.sum() * dt_h for best in solved]),
        curtailed_mwh=np.array([best.curtailed_mw.sum() * dt_h for best in solved]),
        overload_mwh=np.array([overload_mw(batch.arrays, mw).sum() * dt_h for mw in carried]),
        loss_mwh=np.array([0.0 if each is None else each.loss_mw.sum() * dt_h for each in outcomes]),
        voltage_pu_h=np.array([0.0 if each is None else each.voltage_off_pu.sum() * dt_h for each in outcomes]),
        collapsed_steps=np.array([0.0 if each is None else each.collapsed.sum() for each in outcomes]),
        spill_mwh=np.array([best.spill_mw.sum() * dt_h for best in solved]) * bool(batch.prices.spill_per_mwh),
        decision_s=(time.perf_counter() - started_s) / steps,
    )
    return best, sum(each.exact for each in solved)
