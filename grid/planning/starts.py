"""The programme of a grid whose plants start and stop: a mixed-integer one, and the schedule that follows from it.

Rows of minimum times as Rajan, Takriti 2005, "Minimum up/down polytopes of the unit commitment problem with start-up
costs"; of ramps as Knueven, Ostrowski, Watson 2020.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.dispatch import UnitCommitment
from grid.physics import SOON_H, Choice, Limits
from grid.planning.curves import COST_TOLERANCE
from grid.planning.programme import Programme, Solution
from grid.state import Inputs

GAP_FRAC = 1e-3  # between a schedule and the bound, relative to the cost
TIME_S = 60.0  # for one schedule
ROUNDS = 8  # of integers and then, with these fixed, of tangents and lines


def programme_of(
    arrays: GridArrays,
    steps: int,
    dt_h: float,
    prices: Prices | None = None,
    gap: float = GAP_FRAC,
    time_s: float = TIME_S,
    **rest: Any,
) -> Programme:
    """The programme of a grid: a linear one, or where plants start and stop a mixed-integer one.

    Args:
        gap, time_s: of ``StartsProgramme`` alone.
        arrays, steps, dt_h, prices, rest: as those of ``Programme``.
    """
    if not arrays.stoppable.shape[0]:
        return Programme(arrays, steps, dt_h, prices, **rest)
    return StartsProgramme(arrays, steps, dt_h, prices, gap=gap, time_s=time_s, **rest)


class StartsProgramme(Programme):
    """Perfect foresight over T steps, K plants that start and stop among the sources.

    ``solve`` alternates: the integers with the tangents and limits of lines that there are, whose dual bound holds for
    every schedule; then, with the plants fixed, the linear programme, which finds others.

    Args:
        gap: between schedule and bound, relative to the cost, at which the search ends.
        time_s: after which it ends in any case.
        arrays, steps, dt_h, prices, rest: as those of ``Programme``.
    """

    def __init__(
        self,
        arrays: GridArrays,
        steps: int,
        dt_h: float,
        prices: Prices | None = None,
        tolerance: float = COST_TOLERANCE,
        gap: float = GAP_FRAC,
        time_s: float = TIME_S,
        **rest: Any,
    ) -> None:
        self._plants, self._gap, self._time_s = np.array(arrays.stoppable), gap, time_s
        free = {"gen_min_mw": 0.0, "gen_ramp_mw_per_h": np.inf, "gen_ramp_down_mw_per_h": np.inf}
        steady = {name: getattr(arrays, name).copy() for name in free}
        for name, value in free.items():
            steady[name][self._plants] = value
        self._of_plants = arrays
        super().__init__(dataclasses.replace(arrays, **steady), steps, dt_h, prices, tolerance, **rest)
        self.whole = arrays

    def _add_plants(self) -> None:
        """Whether each plant is on, starts and stops; its output in between. Rows of one step."""
        a, step, plants = self._of_plants, self._step, self._plants
        on = step.add_columns("on", len(plants), self._price("on")[plants], high=1.0)
        start = step.add_columns("start", len(plants), self._price("start")[plants] / self.dt_h, high=1.0)
        step.add_columns("stop", len(plants), high=1.0)
        self._gen = gen = step.columns["gen"][np.searchsorted(self._source, plants)]
        self._most_mw = a.gen_max_mw[plants]
        self._start_mw = np.minimum(a.start_ramp_mw, a.gen_max_mw)[plants]
        rows = step.add_rows("least", len(plants), high=np.inf)
        step.put(rows, gen, 1.0)
        step.put(rows, on, -a.gen_min_mw[plants])
        rows = step.add_rows("most", len(plants), low=-np.inf)
        step.put(rows, gen, 1.0)
        step.put(rows, on, -self._most_mw)
        step.put(rows, start, self._most_mw - self._start_mw)

    def _join_futures(self) -> None:
        """Rows that reach over several steps: starts and stops, minimum times, ramps."""
        a, plants, dt_h, every = self._of_plants, self._plants, self.dt_h, np.arange(self.steps)
        on, start, stop, gen = (
            self._step.columns_at(every, columns)
            for columns in (*(self._step.columns[name] for name in ("on", "start", "stop")), self._gen)
        )  # (T, K)
        shape, one = on.shape, np.ones(len(plants))
        before = np.full(shape, -1)
        before[1:] = every[:-1, None]

        def last(columns: np.ndarray) -> np.ndarray:
            return np.where(before >= 0, np.roll(columns, 1, axis=0), -1)

        switched = [(on, one), (last(on), -one), (start, -one), (stop, one)]
        self._switch_rows = self._add(shape, 0.0, 0.0, switched)
        self._up, self._down = (
            np.maximum(np.ceil(hours[plants] / dt_h - SOON_H).astype(int), 1) for hours in (a.min_up_h, a.min_down_h)
        )
        self._add(shape, -np.inf, 0.0, [*_within(start, self._up), (on, -one)])
        self._add(shape, -np.inf, 1.0, [*_within(stop, self._down), (on, one)])
        rise, fall = (
            np.minimum(ramp[plants] * dt_h, self._most_mw) for ramp in (a.gen_ramp_mw_per_h, a.gen_ramp_down_mw_per_h)
        )
        self._rise_of_plants, self._fall_of_plants = rise, fall
        up = [(gen, one), (last(gen), -one), (on, -rise), (start, rise - self._start_mw)]
        self._rise_rows = self._add(shape, -np.inf, 0.0, up)
        down = [(last(gen), one), (gen, -one), (on, -fall), (stop, -self._most_mw)]
        self._fall_rows = self._add(shape, -np.inf, 0.0, down)
        self._on = on

    def _add(self, shape: tuple[int, ...], low: float, high: float, parts: list[tuple[Any, ...]]) -> np.ndarray:
        """(T, K) the positions of new rows, from columns (T, K), below 0 for none, and their weights (K,)."""
        rows = np.arange(shape[0] * shape[1]).reshape(shape)
        entries = [(rows[c >= 0], c[c >= 0], np.broadcast_to(w, shape)[c >= 0]) for c, w in parts]
        given = [np.concatenate(each) for each in zip(*entries, strict=True)]
        first = self.model.highs.getNumRow()
        self.model.add_rows(np.full(rows.size, low), np.full(rows.size, high), *given)
        positions: np.ndarray = first + rows
        return positions

    def set_inputs(
        self,
        inputs: Inputs,
        store_start_mwh: np.ndarray | None = None,
        gen_before_mw: np.ndarray | None = None,
        passed: int = 0,
        extra_mw: np.ndarray | None = None,
        held_mw: np.ndarray | None = None,
        on_h: np.ndarray | None = None,
    ) -> None:
        """As ``Programme.set_inputs``; a search begins anew each time, whatever has passed.

        Args:
            inputs, store_start_mwh, gen_before_mw, passed, extra_mw, held_mw: as there.
            on_h: (N,) hours on, below 0 off, before the first step; absent: ``initial_on_h``.
        """
        super().set_inputs(inputs, store_start_mwh, gen_before_mw, 0, extra_mw, held_mw)
        a, plants, model = self._of_plants, self._plants, self.model
        lasted_h = (a.initial_on_h if on_h is None else on_h)[plants]
        was_on, step = lasted_h > 0, np.arange(self.steps)[:, None]
        up_h, down_h = a.min_up_h[plants] - lasted_h, a.min_down_h[plants] + lasted_h
        must = was_on & (step < np.ceil(up_h / self.dt_h - SOON_H))
        must_not = ~was_on & (step < np.ceil(down_h / self.dt_h - SOON_H))
        if held_mw is not None:
            must[0] |= held_mw[0, plants] > 0
            must_not[0] |= ~must[0] & (held_mw[1, plants] <= 0)
        self._on_bounds = must.astype(float), 1.0 - must_not
        model.set_columns(self._on, *self._on_bounds)
        high = np.zeros((self.steps, len(plants)))
        high[: self._end] = a.offered_mw(inputs.gen_avail_frac, inputs.load_mw)[:, plants]
        free = gen_before_mw is None
        before = np.zeros(len(plants)) if gen_before_mw is None else gen_before_mw[plants]
        low, climb = np.minimum(a.gen_min_mw[plants], high), self._rise_of_plants * step
        if not free:
            low[0] = np.where(was_on, np.minimum(low[0], before + self._rise_of_plants), low[0])
        # what availability has put below its minimum comes back no faster than its ramp
        low = np.minimum(np.minimum.accumulate(low - climb) + climb, high)
        short = a.gen_min_mw[plants] - low
        model.set_rows(self._step.rows_at(step[:, 0], self._step.rows["least"]), -short, np.full(short.shape, np.inf))
        loose = np.maximum(np.vstack([high[:1], high[:-1] - high[1:]]) - self._fall_of_plants, 0.0)
        loose[0] = np.inf if free else np.maximum(before - high[0] - self._fall_of_plants, 0.0) - before
        model.set_added(self._fall_rows, -np.inf, loose)
        model.set_added(self._rise_rows[0], -np.inf, np.full(len(plants), np.inf) if free else before)
        model.set_added(self._switch_rows[0], was_on.astype(float), was_on.astype(float))
        before_h = np.asarray(a.initial_on_h if on_h is None else on_h)
        stored_mwh = np.asarray(a.store_init_mwh if store_start_mwh is None else store_start_mwh)
        self._first = self._by_rule(inputs, ~must_not[0], ~must[0], before_h, stored_mwh)

    def _by_rule(
        self, inputs: Inputs, may_be_on: np.ndarray, may_be_off: np.ndarray, on_h: np.ndarray, store_mwh: np.ndarray
    ) -> np.ndarray:
        """(T, K) 1 where a plant is on by ``Decommitment``: the first guess; all, if numba is missing."""
        a = self._of_plants
        on: np.ndarray = self._on_bounds[1].copy()
        try:
            from grid.planning.commitment import Decommitment
        except ModuleNotFoundError:
            return on
        every = np.ones((2, 1, len(a.node_names)), dtype=bool)
        every[:, 0, self._plants] = may_be_on, may_be_off
        idle = np.zeros((1, len(a.node_names)))
        now = Limits(idle, idle, idle, idle, store_mwh[None], choice=Choice(every[0], every[1], idle, on_h[None]))
        offer_mw = a.offered_mw(inputs.gen_avail_frac, inputs.load_mw)[None]
        rule = Decommitment(a, self.prices, UnitCommitment(a, self.prices))
        scheduled = rule.schedule(now, np.asarray(inputs.load_mw)[None], offer_mw, self.dt_h)[0][0]
        on[: self._end], on[self._end :] = scheduled, scheduled[-1]
        return on

    def solve(self) -> Solution:
        """Solve for the inputs that were set last: the best schedule found, and what none stays below.

        Raises:
            GridError: the solver finds no schedule.
        """
        until_s, bound = time.perf_counter() + self._time_s, -np.inf
        plans = [self._with(self._first)]
        self.model.begin_at_last()
        for _ in range(ROUNDS):
            left_s = max(until_s - time.perf_counter(), 0.1)
            least, values = self.model.solve_integers(self._on.ravel(), self._gap / 2, left_s)
            wear = values[self._step.columns_at(self._live, self._step.columns["discharge"])] @ self._extra_wear
            bound = max(bound, least + self._shed_all_cost - wear.sum())
            plans.append(self._with(np.round(values[self._on])))
            best = min(plans, key=lambda each: each.cost)
            if best.cost - bound <= self._gap * abs(best.cost) or time.perf_counter() > until_s:
                break
        return dataclasses.replace(best, bound=min(bound, best.cost))

    def _with(self, on: np.ndarray) -> Solution:
        """The best schedule with the plants on as it is said, (T, K)."""
        self.model.set_columns(self._on, on, on)
        plan = super().solve()
        self.model.set_columns(self._on, *self._on_bounds)
        every = np.ones(plan.gen_mw.shape, dtype=bool)
        every[:, self._plants] = on[: self._end] > 0.5
        return dataclasses.replace(plan, on=every)


def _within(columns: np.ndarray, steps: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Columns (T, K) of this step and those before it, as many as each plant's (K,) say."""
    place = np.arange(len(columns))[:, None]
    return [
        (np.where((place >= n) & (n < steps), np.roll(columns, n, axis=0), -1), np.ones(columns.shape[1]))
        for n in range(min(int(steps.max()), len(columns)))
    ]
