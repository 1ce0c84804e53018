"""The programme of the day ahead: its columns and rows, for ``policies.interior_point``.

It is that of ``grid.programme``, with the lines alone that may fill up, and hour by hour from now on whatever the steps
are. Symbols as in ``policies.market``; G sources, S stores, H hours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policies.compiled import Array, compiled
from policies.interior_point import Programme
from policies.market import Network

WIDTH = 1e-5  # at least between bounds
STEEP = 50.0  # a ramp that cannot bind
FIRST_FRAC = 0.1  # of the way between its bounds, by which a first guess keeps off them
FIRST_ROOM = 0.05  # the same from a bound that has no other one


class Fleet(NamedTuple):
    """The units of a grid, and what else costs."""

    cost: Array  # (G,) marginal cost at output 0
    rise: Array  # (G,)
    gen_min: Array  # (G,)
    hourly_fall: Array  # (G,)
    hourly_rise: Array  # (G,)
    discharge_max: Array  # (S,)
    charge_max: Array  # (S,)
    discharge_eff: Array  # (S,)
    charge_eff: Array  # (S,)
    store_min: Array  # (S,) energy
    store_max: Array  # (S,) energy
    hourly_keep: Array  # (S,) share of the energy above the minimum that is left after an hour
    end_value: Array  # (S,) of stored energy when the plan ends
    swing: Array  # (L,) by which stores change a line's flow, the root of the sum of their squares
    wear: float
    shed: float
    spill: float


class Forecast(NamedTuple):
    """The coming hours of one row, as many as are left of the episode."""

    offer: Array  # (H, G) limits of output
    need: Array  # (H, P) demand
    load_flow: Array  # (H, L) by demand alone


class Draft(NamedTuple):
    """A programme that is being written down, column by column."""

    start: Array  # (C + 1,)
    row: Array  # (E,)
    coef: Array  # (E,)
    about: Array  # (5, C) cost, bend, low, high and what is enough
    guess: Array  # (C,)
    written: Array  # (2,) how many columns and entries there are


@compiled
def _enter(draft: Draft, row: int, coef: float) -> None:
    """Add an entry to the column that is being written."""
    at = draft.written[1]
    draft.row[at], draft.coef[at] = row, coef
    draft.written[1] = at + 1


@compiled
def _close(draft: Draft, cost: float, bend: float, low: float, high: float, guess: float) -> None:
    """End the column; the guess is moved inside the bounds."""
    column = draft.written[0]
    high = max(high, low + WIDTH)
    inside = FIRST_FRAC * (high - low) if high < np.inf else FIRST_ROOM
    draft.about[0, column], draft.about[1, column] = cost, bend
    draft.about[2, column], draft.about[3, column] = low, high
    draft.guess[column] = min(max(guess, low + inside), high - inside)
    draft.written[0] = column + 1
    draft.start[column + 1] = draft.written[1]


@compiled
def programme_of_day(
    fleet: Fleet,
    network: Network,
    day: Forecast,
    before: Array,
    started: bool,
    stored: Array,
    ramped: Array,
    near: Array,
    idle: Array,
    price: Array,
    enough: Array,
) -> tuple[Programme, Array, Array, Array]:
    """The programme of one row, where each hour's rows begin (H,), and first guesses of its solution and duals.

    Rows of an hour: the balance of each part, the flow of each line that may fill, and those that tie it to the hour
    before: ramps, then stored energy. The coming hour comes last, so that answers to what is stored are cheap.
    """
    hours, sources = day.offer.shape
    stores, parts = len(fleet.store_max), day.need.shape[1]
    units, tied, lines = sources + 2 * stores, len(ramped) + stores, np.sum(near)
    columns = 3 * lines + hours * (units + 2 * parts + tied)
    entries = lines * (units + 3) + hours * (2 * units + 2 * parts + 2 * tied)
    draft = Draft(
        np.zeros(columns + 1, np.int64),
        np.empty(entries, np.int64),
        np.empty(entries),
        np.empty((5, columns)),
        np.empty(columns),
        np.zeros(2, np.int64),
    )
    base = lines + hours * (parts + tied)
    right, y, bases = np.zeros(base), np.zeros(base), np.empty(hours, np.int64)
    for h in range(hours):
        first = draft.written[0]
        full = np.flatnonzero(near[h])
        base -= parts + len(full) + tied
        bases[h] = base
        tie, later = base + parts + len(full), base - tied if h + 1 < hours else -1
        right[base : base + parts], y[base : base + parts] = day.need[h], price[h]
        y[tie + len(ramped) : tie + tied] = -np.mean(price)
        _write_units(draft, fleet, network, day.offer[h], ramped, full, base, tie, later, idle[h])
        for p in range(parts):
            _enter(draft, base + p, 1.0)
            _close(draft, fleet.shed, 0.0, 0.0, max(day.need[h, p], 0.0), 0.0)
            _enter(draft, base + p, -1.0)
            _close(draft, fleet.spill, 0.0, 0.0, np.inf, 0.0)
        for i in range(len(full)):
            line, row = full[i], base + parts + i
            right[row] = -day.load_flow[h, line]
            _enter(draft, row, -1.0)
            _close(draft, 0.0, 0.0, -network.capacity[line], network.capacity[line], 0.0)
            for way in (-1.0, 1.0):  # flow above the capacity, and below it the other way
                _enter(draft, row, way)
                _close(draft, network.overload, 0.0, 0.0, np.inf, 0.0)
        for r in range(len(ramped)):
            fall, rise = fleet.hourly_fall[ramped[r]], fleet.hourly_rise[ramped[r]]
            if h == 0:
                right[tie + r] = before[ramped[r]]
                fall, rise = (fall, rise) if started else (STEEP, STEEP)
            _enter(draft, tie + r, -1.0)
            _close(draft, 0.0, 0.0, -min(fall, STEEP), min(rise, STEEP), 0.0)
        for s in range(stores):
            row, keep = tie + len(ramped) + s, fleet.hourly_keep[s]
            right[row] = fleet.store_min[s] * (1 - keep) + (keep * stored[s] if h == 0 else 0.0)
            if later >= 0:
                _enter(draft, later + len(ramped) + s, -keep)
            _enter(draft, row, 1.0)
            low, high = fleet.store_min[s], fleet.store_max[s]
            _close(draft, 0.0 if later >= 0 else -fleet.end_value[s], 0.0, low, high, (low + high) / 2)
        draft.about[4, first : draft.written[0]] = enough[h]
    about, end = draft.about, draft.written[1]
    rows = (draft.row[:end], draft.coef[:end])
    programme = Programme(draft.start, rows[0], rows[1], about[0], about[1], about[2], about[3], right, about[4])
    return programme, bases, draft.guess, y


@compiled
def _write_units(
    draft: Draft,
    fleet: Fleet,
    network: Network,
    offer: Array,
    ramped: Array,
    full: Array,
    base: int,
    tie: int,
    later: int,
    idle: Array,
) -> None:
    """The columns of an hour's units; ``later`` is the next hour's ``tie``, or −1."""
    sources, stores = len(fleet.cost), len(fleet.store_max)
    for u in range(sources + 2 * stores):
        ramp = np.searchsorted(ramped, u)
        is_ramped = ramp < len(ramped) and ramped[ramp] == u
        if is_ramped and later >= 0:
            _enter(draft, later + ramp, -1.0)
        _enter(draft, base + network.part[u], 1.0)
        for i in range(len(full)):
            _enter(draft, tie - len(full) + i, network.reach[u, full[i]])
        if u < sources:
            if is_ramped:
                _enter(draft, tie + ramp, 1.0)
            _close(draft, fleet.cost[u], fleet.rise[u], min(fleet.gen_min[u], offer[u]), offer[u], idle[u])
        else:
            s = (u - sources) % stores
            row, is_giving = tie + len(ramped) + s, u < sources + stores
            _enter(draft, row, 1 / fleet.discharge_eff[s] if is_giving else fleet.charge_eff[s])
            low, high = (0.0, fleet.discharge_max[s]) if is_giving else (-fleet.charge_max[s], 0.0)
            _close(draft, fleet.wear if is_giving else 0.0, 0.0, low, high, (low + high) / 2)
