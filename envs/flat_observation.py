"""The observation ``flat``: one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import numpy as np

from envs import plan_features
from envs.config import EnvConfig
from envs.features import (
    DAYS_BOUND,
    HEAT_BOUND,
    LOADING_BOUND,
    VOLTAGE_BOUND,
    View,
    box,
    status_features,
    time_features,
)
from envs.forecasts import most_frac
from envs.outlook import Outlook
from grid import Array, GridArrays, converted, namespace

BLOCK = 2**15  # values at a time, so that what is in work stays in the processor's cache


class FlatEncoder:
    """One vector: time, demand, availability, forecasts, then ramped output, charge and the loading of doing nothing.

    With a gate, demand and availability of the coming step are forecasts, and those of the last step follow them.
    Where plants start and stop, the days that they have been on or off come before the loading. Where lines can be out,
    their status, heat and days until they are back follow; where the day is planned, the plan.
    What does not depend on the actions comes first and is computed once an episode.
    """

    def __init__(self, arrays: GridArrays, config: EnvConfig, load_high_mw: np.ndarray) -> None:
        self.arrays = arrays
        self.peak_mw = max(arrays.peak_load_mw, 1e-9)
        self.loads = np.flatnonzero(arrays.load_max_mw > 0)
        self.profiled = np.flatnonzero([name is not None for name in arrays.gen_profile])
        self.ramped = np.flatnonzero(np.isfinite(arrays.gen_ramp_mw_per_h) & arrays.is_source)
        self.stores = np.flatnonzero(arrays.is_store)
        self.ramped_max_mw, self.stores_max_mwh = arrays.gen_max_mw[self.ramped], arrays.store_max_mwh[self.stores]
        self.plants = np.array(arrays.stoppable)
        self.limited = np.flatnonzero(np.isfinite(arrays.capacity_mw))
        self.heat_limit = config.protection.heat_limit
        planned = np.isin(arrays.line_names, [outage.line for outage in config.outages])
        can_trip = np.isfinite(arrays.capacity_mw) & (config.overload == "trip")
        self.heated = np.flatnonzero(can_trip)
        self.switched = np.flatnonzero(planned | (arrays.outage_rate_per_h > 0) | can_trip)
        of_stores = np.repeat([False, False, True, True], len(plan_features.UNITS_H))
        # (A, F) which features of the plan a unit has: those of stored energy are stores' alone
        self.of_plan = ~of_stores | arrays.is_store[arrays.controllable][:, None]
        self.sees_voltages = config.flow == "ac"
        self.remembers = config.gate_h > 0  # what was true in the last step, where the coming one is forecast
        names, lows, highs = zip(*self._blocks(config, load_high_mw), strict=True)
        self.names = [name for block in names for name in block]
        self.ends = np.cumsum([len(block) for block in names]).tolist()
        self.space = box(np.concatenate(lows), np.concatenate(highs))
        self._outside = np.zeros((0, 0, 0), dtype=np.float32)  # (T + 1, B, everything before ramped output)

    def _blocks(
        self, config: EnvConfig, load_high_mw: np.ndarray
    ) -> Iterable[tuple[list[str], np.ndarray, np.ndarray]]:
        """Names, lowest and highest values of each part, in their order."""

        def block(what: str, of: Iterable[str], low: float, high: float) -> tuple[list[str], np.ndarray, np.ndarray]:
            names = [f"{what}: {each}" for each in of]
            return names, np.full(len(names), low), np.full(len(names), high)

        a, leads = self.arrays, [f"in {lead:g} h" for lead in config.leads_h]
        loads, profiled, ramped, stores = (
            [a.node_names[i] for i in nodes] for nodes in (self.loads, self.profiled, self.ramped, self.stores)
        )
        limited, switched, heated = (
            [a.line_names[i] for i in lines] for lines in (self.limited, self.switched, self.heated)
        )
        demand_high = load_high_mw[self.loads] / a.load_max_mw[self.loads]
        expected_high = load_high_mw.sum() / self.peak_mw * most_frac(config)
        known_high = demand_high * (most_frac(config) if config.gate_h else 1.0)
        time = ["sine of the hour of the day", "cosine of the hour of the day", "share of the episode left"]
        yield time, np.array([-1.0, -1.0, 0.0]), np.ones(3)
        yield [f"demand_frac: {name}" for name in loads], 0.0 * demand_high, known_high
        yield block("availability_frac", profiled, 0.0, 1.0)
        if self.remembers:
            yield [f"last demand_frac: {name}" for name in loads], 0.0 * demand_high, demand_high
            yield block("last availability_frac", profiled, 0.0, 1.0)
        yield block("total demand_frac", leads, 0.0, expected_high)
        yield block("availability_frac", (f"{node} {lead}" for lead in leads for node in profiled), 0.0, 1.0)
        yield block("last output_frac", ramped, 0.0, 1.0)
        yield block("stored energy_frac", stores, 0.0, 1.0)
        if self.sees_voltages:
            yield block("voltage_pu of the last step", ("lowest", "highest"), 0.0, VOLTAGE_BOUND)
        yield block("days on, below 0 off", (a.node_names[i] for i in self.plants), -DAYS_BOUND, DAYS_BOUND)
        yield block("loading under the merit order", limited, -LOADING_BOUND, LOADING_BOUND)
        yield block("out of service", switched, 0.0, 1.0)
        yield block("heat of the relay", heated, 0.0, HEAT_BOUND)
        yield block("days until it is back", switched, 0.0, DAYS_BOUND)
        if config.plans:
            shown, low, high = plan_features.UNIT_NAMES, plan_features.UNIT_LOW, plan_features.UNIT_HIGH
            for node, keeps in zip(a.controllable, self.of_plan, strict=True):
                names = [f"{name}: {a.node_names[node]}" for name, keep in zip(shown, keeps, strict=True) if keep]
                yield names, low[keeps], high[keeps]
            for name in limited:
                names = [f"{each}: {name}" for each in plan_features.LINE_NAMES]
                yield names, -plan_features.LINE_HIGH, plan_features.LINE_HIGH

    def convert(self, asarray: Callable[[np.ndarray], Array], outlook: Outlook) -> FlatEncoder:
        """The same with every array passed through ``asarray``, for the running episodes."""
        return converted(self, asarray)

    def start(self, outlook: Outlook) -> None:
        """Prepare for new episodes."""
        steps, batch = outlook.hour.shape
        self._outside = np.empty((steps, batch, self.ends[6 if self.remembers else 4]), np.float32)
        time, size = time_features(outlook), max(BLOCK // (batch * len(self.arrays.node_names)), 1)
        for first in range(0, steps, size):
            at = np.arange(first, min(first + size, steps))
            np.concatenate([time[at], *self._of_outside(outlook, at)], -1, self._outside[first : first + size])

    def _of_outside(self, outlook: Outlook, at: np.ndarray) -> list[np.ndarray]:
        """Demand, availability and their forecasts when some steps (S,) are decided, (S, B, ·) each."""
        peaks_mw = self.arrays.load_max_mw[self.loads]
        demand = outlook.known_load_mw(at)[..., self.loads] / peaks_mw
        total = outlook.total_load_mw(at)[:, 1:] / self.peak_mw
        varying = outlook.avail_at(at)
        parts = [demand, varying[:, 0]]
        if self.remembers:
            last, is_first = np.maximum(at - 1, 0), (at == 0)[:, None, None]
            truths = outlook.load_mw[last][..., self.loads] / peaks_mw, outlook.avail_frac[last][..., self.profiled]
            parts += [np.where(is_first, now, truth) for now, truth in zip(parts, truths, strict=True)]
        return [*parts, total.swapaxes(1, 2), varying[:, 1:].swapaxes(1, 2).reshape(*total.shape[::2], -1)]

    def __call__(self, view: View) -> Array:
        """(B, F) float32."""
        xp = namespace(view.store_mwh)
        parts = [
            view.gen_mw[:, self.ramped] / self.ramped_max_mw,
            view.store_mwh[:, self.stores] / self.stores_max_mwh,
            *([xp.asarray(_lowest_and_highest(view))] if self.sees_voltages else []),
            *([_days_on(view, self.plants)] if view.on_h is not None else []),
            view.idle_loading[:, self.limited],
        ]
        if self.switched.shape[0]:
            out, heat, days = status_features(view, self.heat_limit)
            parts += [out[:, self.switched], heat[:, self.heated], days[:, self.switched]]
        if view.day is not None:
            lines = plan_features.line_plan(view.day)
            parts += [
                xp.asarray(plan_features.unit_plan(view.day))[:, self.of_plan],
                xp.asarray(lines.reshape(len(lines), -1)),
            ]
        outside = self._outside[view.t]
        if xp is np:
            return np.concatenate([outside, *parts], axis=-1, dtype=np.float32, casting="same_kind")
        return xp.concat([outside, *(xp.astype(part, xp.float32) for part in parts)], axis=-1)


def _days_on(view: View, plants: Array) -> Array:
    """(B, K) days on, below 0 off, of plants that start and stop."""
    days = cast(Array, view.on_h)[:, plants] / 24.0
    return namespace(days).clip(days, -DAYS_BOUND, DAYS_BOUND)


def _lowest_and_highest(view: View) -> Array:
    """(B, 2) voltages of the last step in parts that are not dark; 1 pu where there are none."""
    if view.voltage_pu is None:
        return np.ones((len(view.store_mwh), 2))
    live = view.voltage_pu > 0
    lowest = np.where(live, view.voltage_pu, np.inf).min(axis=1)
    ends = np.stack([lowest, view.voltage_pu.max(axis=1)], axis=1)
    return np.minimum(np.where(np.any(live, axis=1, keepdims=True), ends, 1.0), VOLTAGE_BOUND)
