"""Recorder: turns the steps of a GridBatch into Episodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.batch import GridBatch
from grid import TERMS, Array, Episode, band_pu, describe, line_status, shapes_of

NODE_POWERS = ("gen_mw", "served_mw", "shed_mw", "curtailed_mw", "spill_mw", "charge_mw", "discharge_mw")
AC_RESULTS = ("voltage_pu", "line_mva", "loss_mw", "collapsed")


class Recorder:
    """Collects every step of the running episodes; call ``add`` after each step of the batch.

    Symbols: B episodes, T steps that are recorded, N nodes, E lines. Room for a whole episode is made at its first
    step; each further step writes one row, whatever T is.
    """

    def __init__(self, batch: GridBatch, policy: str) -> None:
        self.batch, self.policy = batch, policy
        self._is_ac = is_ac = batch.problem.ac is not None
        self._terms = [name for name, term in TERMS.items() if term.applies(batch.arrays, is_ac)]
        self._about = describe(batch.arrays) | (band_pu(batch.arrays) if is_ac else {})
        self.steps = 0
        self._series: dict[str, Array] = {}  # (B, T, N), (B, T, E) or (B, T); T is the horizon

    def _start(self, store_mwh: Array, start_hour: Array, start: Array | None) -> None:
        """Make room for new episodes; those handed out before stay as they are."""
        arrays, horizon = self.batch.arrays, self.batch.horizon
        sizes = {"T": horizon, "S": horizon + 1, "N": len(arrays.node_names), "E": len(arrays.line_names)}
        shapes = shapes_of(self._is_ac)
        names = [(axes, name) for axes in ("TN", "SN", "TE", "T") for name in shapes[axes]]
        self._series = {
            name: np.zeros((self.batch.batch_size, *(sizes[axis] for axis in axes)))
            for axes, name in (*names, *(("T", term) for term in self._terms))
        }
        if self.batch.arrays.stoppable.size:
            self._series["on"] = np.ones((self.batch.batch_size, horizon, sizes["N"]))
        self._series["store_mwh"][:, 0] = store_mwh
        self._start_hour, self._local, self.steps = start_hour, start, 0

    def add(self) -> None:
        """Take up the step that the batch has just finished."""
        last = self.batch.last
        if last is None:
            return
        if last.t == 0 or not self.steps:
            self._start(last.state.store_mwh, last.start_hour, last.start)
        outcome, inputs = last.outcome, last.inputs
        rows = {
            "gen_avail_mw": inputs.gen_avail_frac * self.batch.arrays.gen_max_mw,
            "load_mw": inputs.load_mw,
            "flow_mw": outcome.flow_mw,
            "line_status": line_status(outcome),
            "balancing_mw": outcome.balancing_mw,
            "reward": last.reward,
            **{name: getattr(outcome, name) for name in (*NODE_POWERS, *AC_RESULTS * self._is_ac)},
            **last.costs,
        }
        if last.next_state.on_h is not None:
            rows["on"] = (last.next_state.on_h > 0).astype(float)
        for name, values in rows.items():
            self._series[name][:, self.steps] = values
        self.steps += 1
        self._series["store_mwh"][:, self.steps] = last.next_state.store_mwh

    def episode(self, i: int) -> Episode:
        """Episode i as far as it has gone; before the first step, one without steps.

        Its series are read-only views of what is recorded: they cost no copy, and later steps do not change them.
        """
        if not self.steps:
            self._start(self.batch.state.store_mwh, self.batch.start_hour, self.batch.start)
        series: dict[str, Any] = {}
        for name, values in self._series.items():
            series[name] = values[i, : self.steps + (name == "store_mwh")]
            series[name].flags.writeable = False
        costs = {name: series.pop(name) for name in self._terms}
        named = {**self._about, **series}
        named["start"] = None if self._local is None else str(self._local[i])
        start_hour = float(self._start_hour[i])
        return Episode(**named, policy=self.policy, dt_h=self.batch.config.dt_h, start_hour=start_hour, costs=costs)

    def episodes(self) -> list[Episode]:
        """All B episodes as far as they have gone."""
        return [self.episode(i) for i in range(self.batch.batch_size)]
