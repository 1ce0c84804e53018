"""DayPlanner: plans the day ahead of many rows at once, and clears their coming step like a market.

Symbols as in ``grid.planning.day.constants``; B rows, H hours from now to a day ahead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.namespace import constant
from grid.physics import Limits
from grid.planning.commitment import StartPlanner, Starts
from grid.planning.correction import Correction
from grid.planning.day.constants import Constants, KeptConstants
from grid.planning.day.plan import HOURS, SPANS_H, plan_days
from grid.planning.day.programme import Plans
from grid.planning.day.statuses import Statuses, groups_of
from grid.state import Array, Inputs

LEAST_KEEP = 1e-3  # share of energy that is left after an hour: with less, next to nothing is left after a step
OF_ROWS = (
    "output",
    "energy",
    "value",
    "price",
    "line_price",
    "flow",
    "ramp_price",
    "value_slope",
    "power_slope",
)  # fields of a Day, one value a row
TOLERANCE = 1e-4 + 2.5e-4 * (np.cumsum(SPANS_H) - 1)  # to which each period of a plan is worked out


@dataclass(frozen=True, eq=False)
class Day:
    """The plan of the coming day; 0 where the episode has ended. Power per unit, prices per the typical price."""

    output: np.ndarray  # (B, H, U) sources, stores that discharge, stores that charge (at most 0)
    energy: np.ndarray  # (B, H, S) stored at the end of each hour
    value: np.ndarray  # (B, H, S) of stored energy
    price: np.ndarray  # (B, H, G + S) of power at each unit: that of its part, and of the lines
    line_price: np.ndarray  # (B, H, L) of one unit more of capacity, signed as the flow that fills the line
    flow: np.ndarray  # (B, H, L)
    ramp_price: np.ndarray  # (B, G) what output now costs the next hours by ramps
    value_slope: np.ndarray  # (B, S, S) change of the first value for each unit more that is stored
    power_slope: np.ndarray  # (B, 2S, S) and of the stores' first output
    correction: Correction | None  # by which it was planned; None: of DC
    groups: list[tuple[Any, Statuses]]  # rows in as many connected parts
    starts: Starts | None = None  # what is on; None: no plant stops

    @property
    def constants(self) -> Constants:
        """Constants of the grid; where lines are out, with those that are out in the first rows."""
        return self.groups[0][1].constants[0]


class DayPlanner:
    """Plans days of one grid.

    Args:
        arrays: the grid.
        prices: beside the columns of the grid.
        dt_h: length of a step in hours.
    """

    def __init__(self, arrays: GridArrays, prices: Prices, dt_h: float) -> None:
        self.arrays, self.dt_h = arrays, dt_h
        self.starts = StartPlanner(arrays, prices) if arrays.stoppable.shape[0] else None
        self.constants = KeptConstants(arrays if self.starts is None else self.starts.steady(), prices)

    def leads(self) -> np.ndarray:
        """(H,) how many steps ahead each hour of a plan is."""
        return np.maximum(np.round(np.arange(HOURS) / self.dt_h), np.arange(HOURS) > 0).astype(int)

    def plan(
        self,
        ahead: Inputs,
        now: Limits,
        gen_before_mw: Array,
        is_first: bool,
        left_h: float,
        correction: Correction | None = None,
        by_list: bool = False,
    ) -> Day:
        """Plan the coming day.

        Args:
            ahead: (H, B, ·) demand, availability and lines in service at ``leads()``, as far as they are known.
            now: (B, N) limits of the coming step.
            gen_before_mw: (B, N) output of the last step.
            is_first: whether there was none; then no ramp counts.
            left_h: hours until the episode ends, above 0.
            correction: of B rows, for AC power flow.
            by_list: plants that start and stop are chosen by a priority list.
        """
        if correction is not None:
            ahead = correction.inputs(ahead)
        offered_mw = self.arrays.offered_mw(ahead.gen_avail_frac, ahead.load_mw).swapaxes(0, 1)  # (B, H, N)
        given = ahead, gen_before_mw, is_first, left_h, correction
        if self.starts is None:
            return self._day(now, offered_mw, *given)
        hours = max(int(min(HOURS, np.ceil(left_h))), 1)
        load_mw, days, costs = ahead.load_mw.swapaxes(0, 1)[:, :hours], [], []
        for starts in self.starts.starts(now, load_mw, offered_mw[:, :hours], by_list):
            run_mw = offered_mw.copy()
            run_mw[:, :hours, self.arrays.stoppable] *= starts.on
            day = self._day(starts.limits(now, np.zeros((len(run_mw), 0))), run_mw, *given)
            days.append(dataclasses.replace(day, starts=starts))
            costs.append(starts.cost(now) + _cost(day, load_mw))
        best, rows = np.argmin(costs, axis=0), np.arange(len(load_mw))

        def chosen(each: Any, names: Iterable[str]) -> dict[str, Any]:
            return {name: np.stack([getattr(one, name) for one in each])[best, rows] for name in names}

        tries = [cast(Starts, day.starts) for day in days]
        merged = dataclasses.replace(tries[0], **chosen(tries, ("on", "value")))
        return dataclasses.replace(days[0], **chosen(days, OF_ROWS), starts=merged)

    def _day(
        self,
        now: Limits,
        offered_mw: np.ndarray,
        ahead: Inputs,
        before_mw: Array,
        is_first: bool,
        left_h: float,
        correction: Correction | None,
    ) -> Day:
        """The plan with (B, H, N) output that is possible, once it is decided what is on."""
        groups = groups_of(self.constants, ahead.in_service, len(before_mw), HOURS)
        given = ahead, now, offered_mw, before_mw, is_first, left_h, correction
        parts = [self._plan(own, status, *given) for own, status in groups]
        merged: dict[str, Any]
        if len(parts) == 1:
            merged = parts[0]
        else:
            back = np.argsort(np.concatenate([own for own, _ in groups]))
            merged = {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
        return Day(**merged, correction=correction, groups=groups)

    def _plan(
        self,
        own: Any,
        status: Statuses,
        ahead: Inputs,
        now: Limits,
        offered_mw: np.ndarray,
        before_mw: Array,
        is_first: bool,
        left_h: float,
        correction: Correction | None,
    ) -> dict[str, np.ndarray]:
        """The fields of a Day for rows that are in as many connected parts."""
        c = status.constants[0]
        fleet, unit_mw, units = c.fleet, c.unit_mw, np.concatenate([c.sources, c.stores])
        coming, state = status.coming()
        part = np.stack([w.part for w in coming])[state]  # (b, N, P)
        unit_part = np.stack([w.network.part for w in coming])[state]
        load = ahead.load_mw[:, own].swapaxes(0, 1) / unit_mw
        offer = offered_mw[own][..., c.sources] / unit_mw
        offer[:, 0] = constant(now.gen_hi_mw)[own][:, c.sources] / unit_mw  # with its ramps
        load_flow = status.each(lambda w, at: w.offset - load[at] @ w.flow)
        if correction is not None:
            load_flow += correction.extra_mw[own][:, None, c.limited] / unit_mw
        further = np.maximum(fleet.hourly_keep, LEAST_KEEP) ** (1 - self.dt_h)  # losses of a step are counted already
        stored = constant(now.store_mwh)[own][:, c.stores] / unit_mw
        stored = fleet.store_min + (stored - fleet.store_min) * further
        plans = plan_days(
            fleet,
            c.network,
            max(left_h, self.dt_h),
            np.ascontiguousarray(offer),
            np.ascontiguousarray(load @ part),
            np.ascontiguousarray(load_flow),
            np.ascontiguousarray(constant(before_mw)[own][:, c.sources] / unit_mw),
            np.full(len(stored), not is_first),
            stored,
            unit_part,
            status.joined,
            status.reaches,
            status.swings,
            status.hour,
            SPANS_H,
            TOLERANCE,
        )
        output, energy, value, price, line_price = _by_hour(plans, stored)
        at_units = status.each(lambda w, at: line_price[at] @ w.network.reach[: len(units)].T)
        return {
            "output": output,
            "energy": energy,
            "value": value,
            "price": price @ part[:, units].swapaxes(1, 2) - at_units,
            "line_price": line_price,
            "flow": status.each(lambda w, at: output[at] @ w.network.reach) + load_flow,
            "ramp_price": plans.ramp_price,
            "value_slope": plans.value_slope,
            "power_slope": plans.power_slope,
        }


def _cost(day: Day, load_mw: np.ndarray) -> np.ndarray:
    """(B,) currency that a plan costs over the hours of demand (B, H, N), less the worth of what is left."""
    c, fleet, hours = day.constants, day.constants.fleet, load_mw.shape[1]
    output, gen = day.output[:, :hours], day.output[:, :hours, : len(c.sources)]
    given = output[..., len(c.sources) : len(c.sources) + len(c.stores)].sum(-1)
    over = np.maximum(np.abs(day.flow[:, :hours]) - c.network.capacity, 0.0).sum(-1)
    short = load_mw.sum(-1) / c.unit_mw - output.sum(-1)
    cost = gen @ fleet.cost + (gen * gen) @ fleet.rise / 2 + fleet.wear * given + c.network.overload * over
    cost += fleet.shed * np.maximum(short, 0.0) + fleet.spill * np.maximum(-short, 0.0)
    total: np.ndarray = cost.sum(1) - day.energy[:, hours - 1] @ fleet.end_value
    return total * c.unit_mw * c.typical_price_per_mwh


def _by_hour(plans: Plans, stored: np.ndarray) -> tuple[np.ndarray, ...]:
    """Outputs, energies, values, prices and line prices (B, H, ·) of plans in periods; 0 after the episode's end.

    Energy goes from what is stored (B, S), and from one period's end to the next, in a straight line.
    """
    hours, ends_h = np.arange(HOURS), plans.ends_h
    period = np.minimum(np.searchsorted(ends_h, hours, "right"), len(ends_h) - 1)
    planned = (hours < ends_h[-1])[:, None]
    bounds_h = np.concatenate([[0], ends_h])
    done = ((hours + 1 - bounds_h[period]) / np.diff(bounds_h)[period])[:, None]
    levels = np.concatenate([stored[:, None], plans.energy], axis=1)
    before, after = levels[:, period], levels[:, period + 1]
    output, value, price, line_price = (
        each[:, period] * planned for each in (plans.output, plans.value, plans.price, plans.line_price)
    )
    return output, (before + done * (after - before)) * planned, value, price, line_price
