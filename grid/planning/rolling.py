"""A schedule of many steps, window by window, and a bound that no schedule stays below.

Windows that look ahead further than they are kept give the schedule. The bound is a Lagrangian relaxation: blocks of
steps are solved apart, each with stores that may begin at any level. What a block begins with it buys, and what it
leaves it sells, at one price for both blocks beside a cut. At the true levels all purchases and sales cancel, so the
sum of the cheapest blocks is at most the cheapest whole, whatever the prices are (Geoffrion, *Lagrangean relaxation for
integer programming*, Mathematical Programming Study 2, 1974); those of the schedule's own windows make it tight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, store_value_per_mwh
from grid.planning.optimum import Optimum, can_follow, terms_of
from grid.planning.programme import Programme, Solution
from grid.state import Inputs

KEPT_H, AHEAD_H = 168.0, 48.0  # of a window: what is kept, and how far it looks beyond
OF_EACH = tuple(item.name for item in fields(Solution) if item.name not in ("cost", "store_mwh", "on", "bound"))


class Window(Programme):
    """The programme of a part of the steps, which knows what its stored energy is worth."""

    worth_per_mwh: np.ndarray  # (T, stores) of one more MWh stored at the end of each step

    def _join_futures(self) -> None:
        """Keep what is stored at the end within the store, where the start is free; else that follows already."""
        ends, size = self._ends(), len(self._store)
        rows, entries = np.tile(np.arange(size), 2), np.ones(2 * size)
        self.model.add_rows(np.zeros(size), self._room_mwh, rows, ends, entries)

    def _ends(self) -> np.ndarray:
        """(2 stores,) columns of what is stored before the first step of the model, and of the jump after its last."""
        step = self._step
        return np.concatenate([step.columns["stored"], step.columns["jump"]]) + step.width * (self.steps - 1)

    def trade(self, start_per_mwh: np.ndarray, end_per_mwh: np.ndarray, is_free: bool) -> None:
        """Let all steps buy what is stored at the start and sell what is left, at prices (N,); ``is_free``: any level.

        After ``set_inputs`` of as many steps as the model has.
        """
        start, end, room = start_per_mwh[self._store], end_per_mwh[self._store], self._room_mwh
        self.model.set_cost(np.concatenate([start - end, -end]), self._ends())
        if is_free:
            self.model.set_columns(self._ends(), np.concatenate([0 * room, -room]), np.concatenate([room, room]))

    def _solution(self, cost: float, x: np.ndarray, duals: np.ndarray) -> Solution:
        step = self._step
        own = duals[: len(self._ring) * step.height].reshape(-1, step.height)[self._live]
        self.worth_per_mwh = -own[:, step.rows["stored"]]
        return super()._solution(cost, x, duals)


def rolling(
    arrays: GridArrays,
    inputs: Inputs,
    prices: Prices | None = None,
    progress: Callable[[float], None] = lambda done: None,
    kept_h: float = KEPT_H,
    ahead_h: float = AHEAD_H,
) -> Optimum:
    """Plan T steps in windows, each from where the one before was left, and bound what any schedule costs from below.

    Args:
        arrays: the grid.
        inputs: demand and available share, (T, N), and lines in service, (T, E).
        prices: absent: the defaults.
        progress: called with the share that is done.
        kept_h: hours of a window that are kept, and of a block of the bound.
        ahead_h: hours that a window looks beyond.

    Raises:
        GridError: as ``grid.planning.optimum``.
    """
    prices, dt_h, total = Prices() if prices is None else prices, inputs.dt_h, len(inputs.load_mw)
    kept = max(1, round(kept_h / dt_h))
    steps = min(kept + round(ahead_h / dt_h), total)
    window, plans = Window(arrays, steps, dt_h, prices), []
    cuts, worths = [0], [store_value_per_mwh(arrays, prices)]
    store_mwh, before_mw = arrays.store_init_mwh, None
    while cuts[-1] < total:
        first = cuts[-1]
        window.set_inputs(_part(inputs, first, first + steps), store_mwh, before_mw, kept if first else 0)
        plan = window.solve()
        count = kept if first + steps < total else total - first
        plans.append(_first(plan, count))
        store_mwh, before_mw = plan.store_mwh[count], plan.gen_mw[count - 1]
        worth = store_value_per_mwh(arrays, prices).copy()
        if first + count < total:
            worth[arrays.is_store] = window.worth_per_mwh[count - 1]
        cuts.append(first + count)
        worths.append(worth)
        progress(0.7 * cuts[-1] / total)
    bound = _bound(arrays, inputs, prices, cuts, worths, lambda done: progress(0.7 + 0.3 * done))
    whole = _joined(plans)
    terms = terms_of(arrays, prices, whole, inputs)
    whole = replace(whole, cost=sum(terms.values()), bound=bound)
    return Optimum(
        **vars(whole),
        status="rolling",
        exact=can_follow(arrays, whole, inputs),
        cost_terms=terms,
        store_mw=whole.discharge_mw - whole.charge_mw,
    )


def _bound(
    arrays: GridArrays,
    inputs: Inputs,
    prices: Prices,
    cuts: list[int],
    worths: list[np.ndarray],
    progress: Callable[[float], None],
) -> float:
    """Σ of the cheapest blocks between the cuts, where stored energy has these worths (N,) each at the cuts.

    Nothing holds a block's first output to the last of the one before; a source that availability put below its
    minimum there may still be below it, so such minima are left out.
    """
    below = (inputs.gen_avail_frac * arrays.gen_max_mw < arrays.gen_min_mw).any(axis=0)
    loose = replace(arrays, gen_min_mw=np.where(below, 0.0, arrays.gen_min_mw))
    bound, block = 0.0, None
    for number, (first, last) in enumerate(pairwise(cuts)):
        if block is None or block.steps != last - first:
            block = Window(loose, last - first, inputs.dt_h, prices)
        block.set_inputs(_part(inputs, first, last))
        block.trade(worths[number], worths[number + 1], is_free=first > 0)
        bound += block.solve().cost
        progress(last / cuts[-1])
    return bound


def _part(inputs: Inputs, first: int, last: int) -> Inputs:
    lines = None if inputs.in_service is None else inputs.in_service[first:last]
    return Inputs(inputs.gen_avail_frac[first:last], inputs.load_mw[first:last], inputs.dt_h, lines)


def _first(plan: Solution, count: int) -> Solution:
    """The first steps of a plan."""
    each: Any = {name: getattr(plan, name)[:count] for name in OF_EACH}
    return Solution(cost=np.nan, store_mwh=plan.store_mwh[: count + 1], **each)


def _joined(plans: list[Solution]) -> Solution:
    each: Any = {name: np.concatenate([getattr(plan, name) for plan in plans]) for name in OF_EACH}
    store_mwh = np.concatenate([plans[0].store_mwh[:1], *(plan.store_mwh[1:] for plan in plans)])
    return Solution(cost=np.nan, store_mwh=store_mwh, **each)
