"""One loop in which a policy runs episodes: for evaluation, validation, recording and live pictures alike."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

from envs import EnvConfig, GridBatch, Problem
from policies.baselines import Policy

SEEN = ("observation", "action", "redispatch_moves", "forecast_h")
"""Fields of EnvConfig that say what a policy observes and what its actions mean."""


def rollout(batch: GridBatch, policy: Policy, after_step: Callable[[], None] = lambda: None) -> float:
    """Run the next episode of every env of a batch.

    Args:
        batch: the envs; ``batch.seed`` beforehand chooses the episodes, ``batch.metrics`` holds their costs afterwards.
        policy: decides before each step.
        after_step: called after each step.

    Returns:
        Time that the decisions took, in seconds.
    """
    steps = stepwise(batch, policy)
    decided_s = next(steps)
    for step_s in steps:
        decided_s += step_s
        after_step()
    return decided_s


def stepwise(batch: GridBatch, policy: Policy) -> Iterator[float]:
    """The same step by step: yields before the first step, and after each the time that its decision took."""
    batch.reset()
    policy.reset(batch)
    yield 0.0
    for _ in range(batch.horizon):
        started_s = time.perf_counter()
        setpoint = policy.act(batch)
        decided_s = time.perf_counter() - started_s
        batch.step_setpoint(setpoint)
        yield decided_s


def as_seen(problem: Problem, config: EnvConfig) -> Problem:
    """The same problem with the observation and the actions of a config; what it does not know of is not observed."""
    own = {name: getattr(config, name) for name in SEEN}
    if not (config.observation == "graph" and config.plans):  # else it is a network for any set of units
        own["emergency_shedding"] = config.emergency_shedding
    seen = problem.replace(**own)
    known = {name: getattr(config, name) for name in ("gate_h", "flow", "overload", "outages")}
    return dataclasses.replace(seen, layout=dataclasses.replace(seen.config, **known))
