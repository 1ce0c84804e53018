"""The programme of the day ahead: its columns and rows, for ``policies.interior_point``.

It is that of ``grid.programme``, with the lines alone that may fill up, and in periods of whole hours from now on
whatever the steps are. Eight rows make one programme, with as many places for lines as the row has that needs most.
Symbols as in ``policies.market``; G sources, S stores, T periods, K lanes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policies.compiled import Array, compiled
from policies.interior_point import Programme
from policies.lanes import LANES
from policies.market import Network

WIDTH = 1e-4  # between bounds, where less is none
FIXED = 1e6  # bend of a column that has none
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
    """The coming periods of eight rows, and where the rows stand."""

    span_h: Array  # (T,) of each period; the first is an hour
    offer: Array  # (K, T, G) limits of output
    need: Array  # (K, T, P) demand
    load_flow: Array  # (K, T, L) by demand alone
    reaches: Array  # (M, U, L) flow for each unit's output, in M statuses of the lines
    status: Array  # (K, T) which of them
    lines: Array  # (K, T, ·) those that may fill up, then -1
    places: Array  # (T,) for lines, as many as the row has that needs most
    idle: Array  # (K, T, G) output with idle stores and no limits of lines
    price: Array  # (K, T, P) and the price
    before: Array  # (K, G) output of the last step
    started: Array  # (K,) whether there was one; else there is no ramp
    stored: Array  # (K, S) energy, less what the coming hour loses of it


class Draft(NamedTuple):
    """A programme that is being written down, column by column."""

    start: Array  # (C + 1,)
    row: Array  # (E,)
    coef: Array  # (E, K)
    cost: Array  # (C,)
    has_high: Array  # (C,)
    enough: Array  # (C,)
    about: Array  # (5, C, K) live, bend, low, high, first guess
    written: Array  # (2,) how many columns and entries there are


@compiled
def _new_draft(columns: int, entries: int) -> Draft:
    return Draft(
        np.zeros(columns + 1, np.int64),
        np.empty(entries, np.int64),
        np.empty((entries, LANES)),
        np.empty(columns),
        np.zeros(columns, np.bool_),
        np.empty(columns),
        np.empty((5, columns, LANES)),
        np.zeros(2, np.int64),
    )


@compiled
def _enter(draft: Draft, row: int, coef: float) -> None:
    """Add an entry to the column that is being written."""
    at = draft.written[1]
    draft.row[at], draft.coef[at] = row, coef
    draft.written[1] = at + 1


@compiled
def _close(draft: Draft, cost: float, bend: float, low: float, high: float, guess: float) -> None:
    """End the column, with the same bounds in all lanes."""
    column = draft.written[0]
    draft.cost[column], draft.has_high[column] = cost, high < np.inf
    draft.about[0, column], draft.about[1, column] = 1.0, bend
    for k in range(LANES):
        _bound(draft, column, k, low, high, guess)
    draft.written[0] = column + 1
    draft.start[column + 1] = draft.written[1]


@compiled
def _bound(draft: Draft, column: int, k: int, low: float, high: float, guess: float) -> None:
    """Change the bounds in one lane; the guess is moved inside. Where no room is left, the column stays midway."""
    if high < low + WIDTH:
        guess = (low + max(high, low)) / 2
        low, high = guess - WIDTH, guess + WIDTH
        draft.about[0, column, k], draft.about[1, column, k] = 0.0, FIXED
    inside = FIRST_FRAC * (high - low) if high < np.inf else FIRST_ROOM
    draft.about[2, column, k], draft.about[3, column, k] = low, high
    draft.about[4, column, k] = min(max(guess, low + inside), high - inside)


@compiled
def programme_of_day(
    fleet: Fleet, network: Network, day: Forecast, ramped: Array, enough: Array
) -> tuple[Programme, Array, Array, Array]:
    """The programme of eight rows, where each period's rows begin (T,), and first guesses of its solution and duals.

    Rows of a period: the balance of each part, the flow of each line that may fill, and those that tie it to the one
    before: ramps, then stored energy. Duals of the first two are prices times hours. The coming hour comes last, so
    that answers to what is stored are cheap.
    """
    _, periods, sources = day.offer.shape
    stores, parts = len(fleet.store_max), day.need.shape[2]
    units, tied = sources + 2 * stores, len(ramped) + stores
    places, lines = day.places, np.sum(day.places)
    columns = 3 * lines + periods * (units + 2 * parts + tied)
    entries = lines * (units + 3) + periods * (2 * units + 2 * parts + 2 * tied)
    draft = _new_draft(columns, entries)
    base = lines + periods * (parts + tied)
    right, y, bases = np.zeros((base, LANES)), np.zeros((base, LANES)), np.empty(periods, np.int64)
    mean = np.zeros(LANES)
    for k in range(LANES):
        for t in range(periods):
            mean[k] += np.sum(day.price[k, t]) / (periods * parts)
    for t in range(periods):
        first, span_h = draft.written[0], day.span_h[t]
        base -= parts + places[t] + tied
        bases[t] = base
        tie, later = base + parts + places[t], base - tied if t + 1 < periods else -1
        for k in range(LANES):
            for p in range(parts):
                right[base + p, k], y[base + p, k] = day.need[k, t, p], span_h * day.price[k, t, p]
            for s in range(stores):
                y[tie + len(ramped) + s, k] = -mean[k]
        _write_units(draft, fleet, network, day, t, ramped, places[t], base, tie, later)
        for p in range(parts):
            _enter(draft, base + p, 1.0)
            _close(draft, span_h * fleet.shed, 0.0, 0.0, 1.0, 0.0)
            for k in range(LANES):
                _bound(draft, draft.written[0] - 1, k, 0.0, max(day.need[k, t, p], 0.0), 0.0)
            _enter(draft, base + p, -1.0)
            _close(draft, span_h * fleet.spill, 0.0, 0.0, np.inf, 0.0)
        for i in range(places[t]):
            _write_line(draft, network, day, t, i, base + parts + i, right)
        draft.enough[first : draft.written[0]] = span_h * enough[t]
        first = draft.written[0]
        _write_ties(draft, fleet, day, t, ramped, tie, later, right)
        draft.enough[first : draft.written[0]] = enough[t]
    end, about = draft.written[1], draft.about
    entered = (draft.start, draft.row[:end], draft.coef[:end])
    programme = Programme(
        *entered, draft.cost, draft.has_high, draft.enough, about[0], about[1], about[2], about[3], right
    )
    return programme, bases, about[4], y


@compiled
def _write_units(
    draft: Draft,
    fleet: Fleet,
    network: Network,
    day: Forecast,
    t: int,
    ramped: Array,
    places: int,
    base: int,
    tie: int,
    later: int,
) -> None:
    """The columns of a period's units; ``later`` is the next period's ``tie``, or −1."""
    sources, stores, span_h = len(fleet.cost), len(fleet.store_max), day.span_h[t]
    for u in range(sources + 2 * stores):
        ramp = np.searchsorted(ramped, u)
        is_ramped = ramp < len(ramped) and ramped[ramp] == u
        if is_ramped and later >= 0:
            _enter(draft, later + ramp, -1.0)
        _enter(draft, base + network.part[u], 1.0)
        for i in range(places):
            _enter(draft, tie - places + i, 0.0)
            for k in range(LANES):
                line = day.lines[k, t, i]
                reach = day.reaches[day.status[k, t], u, line] if line >= 0 else 0.0
                draft.coef[draft.written[1] - 1, k] = reach
        if u < sources:
            if is_ramped:
                _enter(draft, tie + ramp, 1.0)
            _close(draft, span_h * fleet.cost[u], span_h * fleet.rise[u], 0.0, 1.0, 0.0)
            for k in range(LANES):
                offer = day.offer[k, t, u]
                _bound(draft, draft.written[0] - 1, k, min(fleet.gen_min[u], offer), offer, day.idle[k, t, u])
        else:
            s = (u - sources) % stores
            row, is_giving = tie + len(ramped) + s, u < sources + stores
            _enter(draft, row, span_h / fleet.discharge_eff[s] if is_giving else span_h * fleet.charge_eff[s])
            low, high = (0.0, fleet.discharge_max[s]) if is_giving else (-fleet.charge_max[s], 0.0)
            _close(draft, span_h * fleet.wear if is_giving else 0.0, 0.0, low, high, (low + high) / 2)


@compiled
def _write_ties(
    draft: Draft, fleet: Fleet, day: Forecast, t: int, ramped: Array, tie: int, later: int, right: Array
) -> None:
    """The columns of what ties a period to the one before: changes of output, and energy at its end."""
    stores, span_h = len(fleet.store_max), day.span_h[t]
    for r in range(len(ramped)):
        between_h = (span_h + day.span_h[t - 1]) / 2 if t else 1.0
        fall, rise = between_h * fleet.hourly_fall[ramped[r]], between_h * fleet.hourly_rise[ramped[r]]
        _enter(draft, tie + r, -1.0)
        _close(draft, 0.0, 0.0, -min(fall, STEEP), min(rise, STEEP), 0.0)
        for k in range(0 if t else LANES):
            right[tie + r, k] = day.before[k, ramped[r]]
            if not day.started[k]:
                _bound(draft, draft.written[0] - 1, k, -STEEP, STEEP, 0.0)
    for s in range(stores):
        row, keep = tie + len(ramped) + s, fleet.hourly_keep[s] ** span_h
        for k in range(LANES):
            right[row, k] = day.stored[k, s] if t == 0 else fleet.store_min[s] * (1 - keep)
        if later >= 0:
            _enter(draft, later + len(ramped) + s, -(fleet.hourly_keep[s] ** day.span_h[t + 1]))
        _enter(draft, row, 1.0)
        low, high = fleet.store_min[s], fleet.store_max[s]
        _close(draft, 0.0 if later >= 0 else -fleet.end_value[s], 0.0, low, high, (low + high) / 2)


@compiled
def _write_line(draft: Draft, network: Network, day: Forecast, t: int, i: int, row: int, right: Array) -> None:
    """The columns of the i-th lines: their flow, and what is above the capacity, and below it the other way.

    Where there is none, the row is met by columns without bounds.
    """
    flow = draft.written[0]
    _enter(draft, row, -1.0)
    _close(draft, 0.0, 0.0, -1.0, 1.0, 0.0)
    for way in (-1.0, 1.0):
        _enter(draft, row, way)
        _close(draft, day.span_h[t] * network.overload, 0.0, 0.0, np.inf, 0.0)
    for k in range(LANES):
        line = day.lines[k, t, i]
        if line >= 0:
            right[row, k] = -day.load_flow[k, t, line]
            _bound(draft, flow, k, -network.capacity[line], network.capacity[line], 0.0)
        else:
            for column in range(flow, flow + 3):
                draft.about[0, column, k], draft.about[1, column, k] = 0.0, 1.0
