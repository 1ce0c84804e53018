"""Batches in the middle of episodes, and their plans, for the tests of the day planner."""

import dataclasses

import numpy as np

from envs import EnvConfig, GridBatch
from grid.planning.day import HOURS, DayPlanner
from topologies import load


def batch_of(topology, steps=0, size=6, **fields):
    """A batch after so many steps of actions that are 0."""
    batch = GridBatch(EnvConfig(topology=topology, **fields), size, seed=5)
    batch.reset()
    for _ in range(steps):
        batch.step(np.zeros((size, *batch.action_space.shape)))
    return batch


def plan_of(batch, planner=None, now=None):
    """The day of a batch as the planner has it, by default its own; its stores may hold other energy now."""
    planner, left_h = planner or batch.problem.planner, (batch.horizon - batch.t) * batch.config.dt_h
    ahead = batch.expected(planner.leads())
    return planner.plan(ahead, now or batch.limits, batch.state.gen_mw, batch.t == 0, left_h)


def stored_more(batch, node, by_mwh):
    """The limits of the batch with so much more energy at a node."""
    store_mwh = batch.limits.store_mwh.copy()
    store_mwh[:, node] += by_mwh
    return dataclasses.replace(batch.limits, store_mwh=store_mwh)


class ChangedConstants:
    """The constants of a grid, each changed in the same way."""

    def __init__(self, kept, change):
        self.kept, self.change, self.changed = kept, change, {}

    def without(self, out):
        return self.changed.setdefault(out, self.change(self.kept.without(out)))


def changed_planner(batch, change):
    """A planner of the batch whose constants are changed."""
    planner = DayPlanner(batch.arrays, batch.prices, batch.config.dt_h)
    planner.constants = ChangedConstants(planner.constants, change)
    return planner


def with_swing(value):
    """Every line may fill up in a first plan (infinite), or none (minus infinite)."""
    return lambda c: dataclasses.replace(c, swing=np.full_like(c.swing, value))


def hourly(monkeypatch, tolerance):
    """From now on plans have periods of an hour, each worked out to so much."""
    monkeypatch.setattr("grid.planning.day.planner.SPANS_H", np.ones(HOURS, np.int64))
    monkeypatch.setattr("grid.planning.day.planner.TOLERANCE", np.full(HOURS, tolerance))


def exact_plan(batch, monkeypatch, tolerance=1e-7, now=None):
    """Hour by hour, worked out to so much, with all lines from the first."""
    hourly(monkeypatch, tolerance)
    return plan_of(batch, changed_planner(batch, with_swing(np.inf)), now)


def steep(topology):
    """The grid with costs that rise by 30 per MWh over each source's range, so that few bids lie near each other."""
    grid = load(topology)
    for node in grid.graph.nodes.values():
        if node["kind"] == "source":
            node["gen_cost_per_mw2h"] = 15 / node["gen_max_mw"]
    return grid
