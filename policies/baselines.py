"""Baselines: rules that act in MW, so that their cost does not depend on how actions or observations are encoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from envs import GridBatch
from grid import Setpoint
from grid.physics import committed, is_asked
from policies.mpc import Mpc, SecureMpc
from policies.smpc import Smpc

if TYPE_CHECKING:
    from grid.planning.day import Day

MOVES = 16  # of redispatch a step; on the bundled grids 64 are at most half a point of score better


class Policy(Protocol):
    """Whoever decides: asked for a Setpoint (B, N) before each step of a batch."""

    name: str

    def reset(self, batch: GridBatch) -> None:
        """Prepare for the episodes that the batch is about to run; a rule without memory has nothing to prepare."""
        return

    def act(self, batch: GridBatch) -> Setpoint:
        """Decide the coming step of all B episodes from what can be observed before it."""


class Random:
    """Every unit anywhere within its limits, evenly; the same seed decides the same."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def reset(self, batch: GridBatch) -> None:
        """Start the stream of random numbers anew."""
        self._rng = np.random.default_rng([self.seed, batch.first])

    def act(self, batch: GridBatch) -> Setpoint:
        """Draw the output of every source and store."""
        now = batch.limits
        gen_mw = self._rng.uniform(now.gen_lo_mw, now.gen_hi_mw)
        return Setpoint(gen_mw, self._rng.uniform(now.store_lo_mw, now.store_hi_mw))


class Merit(Policy):
    """Cheapest sources first, stores idle, lines ignored."""

    name = "merit"

    def act(self, batch: GridBatch) -> Setpoint:
        """Dispatch the demand of the coming step."""
        return batch.action_map.merit_setpoint(batch.limits, batch.inputs)


class Redispatch(Policy):
    """The merit order, and then moves of output between sources that relieve lines; stores idle."""

    name = "redispatch"

    def act(self, batch: GridBatch) -> Setpoint:
        """Dispatch the demand of the coming step and mend the dispatch."""
        correction, inputs, extra_mw = batch.correction, batch.inputs, None
        if correction is not None:
            inputs, extra_mw = correction.inputs(inputs), correction.extra_mw
        idle = batch.action_map.merit_setpoint(batch.limits, inputs)
        limits = committed(batch.limits, is_asked(batch.arrays, idle))
        gen_mw = batch.action_map.redispatch.moves(idle.gen_mw, -inputs.load_mw, limits, MOVES, extra_mw)
        return Setpoint(gen_mw, idle.store_mw, on=idle.on)


class Plan:
    """The plan of the day ahead from the forecasts, and the coming step cleared by it: what action 0 of bids does."""

    name = "plan"

    def reset(self, batch: GridBatch) -> None:
        """Plan once, so that the compilation at the first use does not count as time of a decision."""
        self.act(batch)

    def act(self, batch: GridBatch) -> Setpoint:
        """Clear the coming step at the prices of the plan."""
        from grid.planning.day import clear  # needs numba, of the extra train

        unshifted = np.zeros((batch.batch_size, len(batch.arrays.controllable)))
        return clear(self.plan(batch), unshifted, batch.limits, batch.inputs)

    def plan(self, batch: GridBatch) -> Day:
        """The plan of the coming day."""
        return batch.day


class Economic(Plan):
    """The plan of the day ahead with plants by a priority list of their average costs; redispatch where none stops."""

    name = "economic"

    def act(self, batch: GridBatch) -> Setpoint:
        """Decide on plants, then clear the coming step."""
        return Redispatch().act(batch) if batch.action_map.commitment is None else super().act(batch)

    def plan(self, batch: GridBatch) -> Day:
        """The plan of the coming day."""
        return batch.plan_day(by_list=True)


BASELINES: dict[str, Callable[[], Policy]] = {
    "random": Random,
    "merit": Merit,
    "redispatch": Redispatch,
    "economic": Economic,
    "mpc": Mpc,
    "mpc-n1": SecureMpc,
    "smpc": Smpc,
    "plan": Plan,
}
"""Each baseline by its name, in the order in which a table lists them."""

QUICK = tuple(name for name in BASELINES if name not in (Economic.name, SecureMpc.name, Smpc.name))
"""Those that a table lists where none are named; on a task ``smpc``, too, or where plants stop ``economic``."""
