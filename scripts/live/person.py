"""A person who runs a grid, as a policy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from envs import GridBatch
from grid import Setpoint
from policies import Policy

if TYPE_CHECKING:
    from grid.physics import Limits

YOU = "you"


class Operator:
    """A person as a policy: units that are held do what they were told, the assistant decides the others.

    Steps that are done are done again as they were. The assistant knows what is held: its limits say so.

    Args:
        assistant: who decides what is not held.
        done: setpoints of the first steps.
        held_mw: by ("gen" or "store", node).
    """

    name = YOU

    def __init__(self, assistant: Policy, done: list[Setpoint], held_mw: dict[tuple[str, int], float]) -> None:
        self.assistant, self.done, self.held_mw = assistant, done, held_mw

    def reset(self, batch: GridBatch) -> None:
        """Prepare the assistant."""
        self.assistant.reset(batch)

    def act(self, batch: GridBatch) -> Setpoint:
        """Decide the coming step, and keep what was decided."""
        if batch.t < len(self.done):
            _ = batch.correction  # which in AC follows from step to step
            return self.done[batch.t]
        own = batch.limits
        batch.limits = self._narrowed(own)
        try:
            asked = self.assistant.act(batch)
        finally:
            batch.limits = own
        self.done.append(self._with_held(asked))
        return self.done[-1]

    def _narrowed(self, own: Limits) -> Limits:
        if not self.held_mw:
            return own
        ends = {name: getattr(own, name).copy() for name in ("gen_lo_mw", "gen_hi_mw", "store_lo_mw", "store_hi_mw")}
        for (what, node), mw in self.held_mw.items():
            low, high = ends[f"{what}_lo_mw"], ends[f"{what}_hi_mw"]
            low[:, node] = high[:, node] = np.clip(mw, low[:, node], high[:, node])
        return replace(own, **ends)

    def _with_held(self, asked: Setpoint) -> Setpoint:
        if not self.held_mw:
            return asked
        powers = {"gen": np.array(asked.gen_mw), "store": np.array(asked.store_mw)}
        for (what, node), mw in self.held_mw.items():
            powers[what][:, node] = mw
        return Setpoint(powers["gen"], powers["store"])
