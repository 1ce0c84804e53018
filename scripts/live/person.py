"""A person who runs a grid, as a policy."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

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
        ends = {name: getattr(own, name).copy() for name in ("gen_lo_mw", "gen_hi_mw", "store_lo_mw", "store_hi_mw")}
        choice = own.choice
        if choice is not None:
            idle = np.zeros_like(own.gen_lo_mw)
            said = committed(own, is_asked(arrays, self._with_held(Setpoint(idle, idle), arrays)))
            nodes = [node for what, node in self.held_mw if what == "gen"]
            held = Choice(*(np.array(each) for each in choice))
            for into, part in zip((held.may_be_on, held.may_be_off), cast(Choice, said.choice)[:2], strict=True):
                into[:, nodes] = part[:, nodes]
            for name in ("gen_lo_mw", "gen_hi_mw"):
                ends[name][:, nodes] = getattr(said, name)[:, nodes]
            choice = held
        for (what, node), mw in self.held_mw.items():
            low, high = ends[f"{what}_lo_mw"], ends[f"{what}_hi_mw"]
            low[:, node] = high[:, node] = np.clip(mw, low[:, node], high[:, node])
            if choice is not None and what == "gen":
                choice.lo_mw[:, node] = low[:, node]
        return replace(own, **ends, choice=choice)

    def _with_held(self, asked: Setpoint, arrays: GridArrays) -> Setpoint:
        if not self.held_mw:
            return asked
        powers = {"gen": np.array(asked.gen_mw), "store": np.array(asked.store_mw)}
        for (what, node), mw in self.held_mw.items():
            powers[what][:, node] = mw
        done = Setpoint(powers["gen"], powers["store"])
        if asked.on is None:
            return done
        is_held = np.isin(np.arange(len(arrays.node_names)), [node for what, node in self.held_mw if what == "gen"])
        return replace(done, on=np.where(is_held, is_asked(arrays, done), asked.on))
