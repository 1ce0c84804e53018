"""A person who runs a grid, as a policy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from envs import GridBatch
from grid import GridArrays, Setpoint
from grid.physics import Choice, Limits, committed, is_asked
from policies import Merit, Mpc, Policy, Redispatch

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
        own, inputs = batch.limits, batch.inputs
        batch.limits = now = self._narrowed(own, batch.arrays)
        if isinstance(self.assistant, Mpc):
            self.assistant.is_bound = bool(self.held_mw)
        elif isinstance(self.assistant, Merit | Redispatch) and self.held_mw:  # which leave stores idle
            batch.inputs = replace(inputs, load_mw=inputs.load_mw - np.clip(0.0, now.store_lo_mw, now.store_hi_mw))
        try:
            asked = self.assistant.act(batch)
        finally:
            batch.limits, batch.inputs = own, inputs
        self.done.append(self._with_held(asked, batch.arrays))
        return self.done[-1]

    def _narrowed(self, own: Limits, arrays: GridArrays) -> Limits:
        """The same limits, but units that are held can do nothing else."""
        if not self.held_mw:
            return own
        idle, is_held = np.zeros_like(own.gen_lo_mw), self._is_held(arrays)
        said = committed(own, is_asked(arrays, self._with_held(Setpoint(idle, idle), arrays)))
        ends = {name: np.where(is_held, getattr(said, name), getattr(own, name)) for name in ("gen_lo_mw", "gen_hi_mw")}
        ends |= {name: getattr(own, name).copy() for name in ("store_lo_mw", "store_hi_mw")}
        for (what, node), mw in self.held_mw.items():
            low, high = ends[f"{what}_lo_mw"], ends[f"{what}_hi_mw"]
            low[:, node] = high[:, node] = np.clip(mw, low[:, node], high[:, node])
        if own.choice is None or said.choice is None:
            return replace(own, **ends)
        parts = [np.where(is_held, decided, free) for decided, free in zip(said.choice, own.choice, strict=True)]
        choice = Choice(*parts)
        return replace(own, **ends, choice=choice._replace(lo_mw=np.where(is_held, ends["gen_lo_mw"], choice.lo_mw)))

    def _is_held(self, arrays: GridArrays) -> np.ndarray:
        """(N,) whether what generates at a node, or its cut, is held."""
        return np.isin(np.arange(len(arrays.node_names)), [node for what, node in self.held_mw if what == "gen"])

    def _with_held(self, asked: Setpoint, arrays: GridArrays) -> Setpoint:
        if not self.held_mw:
            return asked
        powers = {"gen": np.array(asked.gen_mw), "store": np.array(asked.store_mw)}
        for (what, node), mw in self.held_mw.items():
            powers[what][:, node] = mw
        done = Setpoint(powers["gen"], powers["store"])
        if asked.on is None:
            return done
        return replace(done, on=np.where(self._is_held(arrays), is_asked(arrays, done), asked.on))
