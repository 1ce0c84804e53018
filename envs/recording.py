"""Recorder: turns the steps of a GridBatch into Episodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.batch import GridBatch, Transition
from grid import TERMS, Episode, describe, line_status

NODE_POWERS = ("gen_mw", "served_mw", "shed_mw", "spill_mw", "charge_mw", "discharge_mw")


class Recorder:
    """Collects every step of the running episodes; call ``add`` after each step of the batch."""

    def __init__(self, batch: GridBatch, policy: str) -> None:
        self.batch, self.policy = batch, policy
        self.steps: list[Transition] = []

    def add(self) -> None:
        """Take up the step that the batch has just finished."""
        last = self.batch.last
        if last is None:
            return
        if last.t == 0:
            self.steps = []
        self.steps.append(last)

    def episode(self, i: int) -> Episode:
        """Episode i as far as it has gone; before the first step, one without steps."""
        arrays, steps, batch = self.batch.arrays, self.steps, self.batch
        nodes, lines = len(arrays.node_names), len(arrays.line_names)
        stored = [s.state.store_mwh[i] for s in steps]
        stored.append(steps[-1].next_state.store_mwh[i] if steps else batch.state.store_mwh[i])
        return Episode(
            **describe(arrays),
            policy=self.policy,
            dt_h=batch.config.dt_h,
            start_hour=float((steps[0].start_hour if steps else batch.start_hour)[i]),
            gen_avail_mw=_rows([s.inputs.gen_avail_frac[i] * arrays.gen_max_mw for s in steps], nodes),
            load_mw=_rows([s.inputs.load_mw[i] for s in steps], nodes),
            store_mwh=_rows(stored, nodes),
            flow_mw=_rows([s.outcome.flow_mw[i] for s in steps], lines),
            line_status=_rows([line_status(s.outcome)[i] for s in steps], lines),
            balancing_mw=_rows([s.outcome.balancing_mw[i] for s in steps]),
            reward=_rows([s.reward[i] for s in steps]),
            costs={name: _rows([s.costs[name][i] for s in steps]) for name in TERMS},
            **{name: _rows([getattr(s.outcome, name)[i] for s in steps], nodes) for name in NODE_POWERS},
        )

    def episodes(self) -> list[Episode]:
        """All B episodes as far as they have gone."""
        return [self.episode(i) for i in range(self.batch.batch_size)]


def _rows(values: list[Any], *width: int) -> Any:
    """(T, *width) array, also of no rows at all."""
    return np.array(values, dtype=float).reshape(len(values), *width)
