"""What policies and the optimum do on given episodes: here, or shared out to others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from envs import EnvConfig, GridBatch, PortableProblem, Problem, Recorder, scale_floor
from grid import REPORTED, TERMS, Array, Episode, GridError, is_shared, nearest, overload_mw, reported, usable_mwh
from grid import run as share_out
from grid.planning import optima
from policies.baselines import BASELINES, Merit, Policy
from policies.comparison import OPTIMUM, SUMS, Runs
from policies.portable import PortablePolicy
from policies.rollout import SEEN, as_seen, rollout

CHUNK = 20  # episodes that a policy runs side by side, wherever it runs them: so results never depend on who does

Report = Callable[[float, str], None]
"""Called with the share of the work that is done, in [0, 1], and what is being done."""


def measure(
    policies: Sequence[str | Policy],
    batch: GridBatch,
    seed: int,
    report: Report,
    keep: Callable[[list[Episode]], None] | None = None,
) -> tuple[list[Runs], Runs, Runs, int]:
    """The runs of the policies, of the merit order and of the optimum, and how many optima the step can follow."""
    parts, episodes, records, done = len(policies) + 2, batch.batch_size, keep is not None, 0.0
    pieces = [(first, min(CHUNK, episodes - first)) for first in range(0, episodes, CHUNK)]
    is_merit = [not records and (policy == Merit.name or isinstance(policy, Merit)) for policy in policies]
    to_run = [Merit.name, *(policy for policy, known in zip(policies, is_merit, strict=True) if not known)]
    packed = [PortablePolicy.of(policy) if is_shared() else None for policy in to_run]
    given = PortableProblem.of(batch.problem)
    by_others = [(policy, piece) for policy in packed if policy is not None for piece in pieces]
    played = share_out(partial(_play_packed, given, seed, records), by_others)

    def tell(name: str, share: float) -> None:
        nonlocal done
        done += share
        report(done / parts, name)

    runs: list[Runs] = []
    for policy, goods in zip(to_run, packed, strict=True):
        decider, found = decider_of(policy), []
        tell(decider.name, 0.0)
        for piece in pieces:
            if goods is None:
                after = partial(tell, decider.name, 1 / len(pieces) / batch.horizon)
                found.append(_play(decider, batch.problem, seed, piece, records, after))
            else:
                found.append(next(played))
                tell(decider.name, 1 / len(pieces))
        if keep is not None and runs:  # the first is merit for comparison
            keep([episode for one in found for episode in one.recorded])
        runs.append(floored(Runs.joined([one.runs for one in found]), batch))
    merit, *others = runs
    rest = iter(others)
    best, exact = _optima(batch, seed, lambda share: report((parts - 1 + share) / parts, OPTIMUM))
    return [merit if known else next(rest) for known in is_merit], merit, best, exact


@dataclass(frozen=True, eq=False)
class _Played:
    """What a policy did on some episodes."""

    runs: Runs
    recorded: list[Episode]  # empty, unless they are wanted


def _play(
    policy: Policy,
    problem: Problem,
    seed: int,
    piece: tuple[int, int],
    records: bool,
    after_step: Callable[[], None] = lambda: None,
) -> _Played:
    """Run some of the episodes of the seed: from this number on, so many."""
    first, count = piece
    batch = _seen_by(policy, GridBatch(problem, count, seed), seed)
    if not records:
        return _Played(run(policy, batch, seed, after_step, first), [])
    recorder = Recorder(batch, policy.name)
    runs = run(policy, batch, seed, partial(_call_both, recorder.add, after_step), first)
    return _Played(runs, recorder.episodes())


def _play_packed(
    problem: PortableProblem, seed: int, records: bool, item: tuple[PortablePolicy, tuple[int, int]]
) -> Iterator[_Played]:
    policy, piece = item
    yield _play(policy.policy(), problem.problem(), seed, piece, records)


def run_episodes(
    policy: str | Policy, config: EnvConfig | Problem, episodes: int = 1, seed: int = 0, first: int = 0
) -> list[Episode]:
    """Run a policy and record everything.

    Args:
        policy: the name of a baseline, or anything that decides.
        config: of the env, or the compiled problem; the episodes come from its split.
        episodes: how many.
        seed: of the episodes.
        first: number of the first one.

    Raises:
        GridError: unknown policy, or an agent that does not fit the grid.
    """
    decider = decider_of(policy)
    batch = _seen_by(decider, GridBatch(config, episodes, seed), seed)
    recorder = Recorder(batch, decider.name)
    batch.seed(seed, first)
    rollout(batch, decider, recorder.add)
    return recorder.episodes()


def run(
    policy: Policy, batch: GridBatch, seed: int, after_step: Callable[[], None] = lambda: None, first: int = 0
) -> Runs:
    """Let a policy run the episodes of the seed from this number on, one for each env of the batch."""
    batch.seed(seed, first)
    steps: list[dict[str, Array]] = []

    def count_step() -> None:
        steps.append(_reported(batch))
        after_step()

    decided_s = rollout(batch, policy, count_step)
    reference = batch.reference_cost
    decision_s = decided_s / (batch.horizon * batch.batch_size)
    cost = batch.metrics["cost"]
    sums = {name: batch.metrics.get(name, np.zeros_like(cost)) for name in SUMS}
    price = batch.prices.spill_per_mwh
    spill_mwh = batch.metrics["spill"] / price if price else np.zeros_like(cost)
    return Runs(
        policy.name,
        cost,
        reference,
        **sums,
        spill_mwh=spill_mwh,
        decision_s=decision_s,
        terms={name: batch.metrics[name] for name in TERMS if name in batch.metrics},
        reported=_with_cycles({name: sum(step[name] for step in steps) for name in REPORTED}, batch),
    )


def floored(runs: Runs, batch: GridBatch) -> Runs:
    """The same with a floor for the reference cost, where its mean over all episodes is too low."""
    least = scale_floor(batch.arrays, batch.config.dt_h) * batch.horizon
    if runs.reference.mean() >= least:
        return runs
    return dataclasses.replace(runs, reference=np.full_like(runs.reference, least))


def _reported(batch: GridBatch) -> dict[str, Array]:
    """(B,) each of the step that ended last, keys as ``grid.REPORTED``."""
    last = batch.last
    if last is None:
        return {}
    change_mwh = last.next_state.store_mwh - last.state.store_mwh
    return reported(batch.arrays, last.outcome, last.inputs.gen_avail_frac, change_mwh, batch.config.dt_h)


def _with_cycles(sums: dict[str, Array], batch: GridBatch) -> dict[str, Array]:
    """The same with how often what was taken out of the stores would have emptied them; NaN where there is none."""
    usable = usable_mwh(batch.arrays)
    return {**sums, "cycles": sums["taken_mwh"] / usable if usable else np.full_like(sums["taken_mwh"], np.nan)}


def decider_of(policy: str | Policy) -> Policy:
    """The policy, or the baseline of this name.

    Raises:
        GridError: there is none, or it lacks what a policy has.
    """
    if not isinstance(policy, str):
        lacks = [f"`{part}`" for part in ("name", "reset", "act") if not hasattr(policy, part)]
        if lacks:
            mend = "the tutorial on stable-baselines3 wraps a model of SB3"
            raise GridError("policy", f"a {type(policy).__name__} without {' and '.join(lacks)}", "a Policy", mend)
        return policy
    if policy not in BASELINES:
        raise GridError("policy", repr(policy), "a baseline or a loaded agent", nearest(policy, BASELINES))
    return BASELINES[policy]()


def _call_both(one: Callable[[], None], other: Callable[[], None]) -> None:
    one()
    other()


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
    given_frac = [each.gen_avail_frac for each in inputs]
    done = [
        reported(batch.arrays, each.outcome or each, avail_frac, np.diff(each.store_mwh, axis=0), batch.config.dt_h)
        for each, avail_frac in zip(solved, given_frac, strict=True)
    ]
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
        terms={name: np.array([best.cost_terms[name] for best in solved]) for name in solved[0].cost_terms},
        reported=_with_cycles({name: np.array([each[name].sum() for each in done]) for name in REPORTED}, batch),
        bound_gap_frac=float(np.mean([each.gap_frac for each in solved])),
    )
    return best, sum(each.exact for each in solved)
