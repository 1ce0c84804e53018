"""The programme of the day ahead: its columns and rows, for ``grid.planning.day.interior_point``.

It is the programme of ``planning.programme``, but only with the lines that may fill up, and in periods of whole hours,
however long a step is. Eight rows are solved as one programme, with places for as many lines as any of them needs.
Symbols as in ``grid.planning.day.market``; G sources, S stores, T periods, K lanes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grid.jit import Array, compiled
from grid.planning.day.draft import Draft, bound, close, enter, new_draft
from grid.planning.day.interior_point import Programme
from grid.planning.day.market import Network
from grid.simd import LANES, blank

STEEP = 50.0  # a ramp that cannot bind


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
    wear: float
    shed: float
    spill: float


class Plans(NamedTuple):
    """What is planned for each row in T periods."""

    ends_h: Array  # (T,) of the periods, cut where the episode ends
    output: Array  # (B, T, U)
    energy: Array  # (B, T, S) at the end of each period
    value: Array  # (B, T, S) of stored energy
    price: Array  # (B, T, P)
    line_price: Array  # (B, T, L) price of a line, above 0 where more flow would be forbidden, below 0 the other way
    ramp_price: Array  # (B, G) what output now costs the next hours by ramps
    value_slope: Array  # (B, S, S) change of the first value for each unit more that is stored
    power_slope: Array  # (B, 2S, S) and of the stores' first output


class Forecast(NamedTuple):
    """The coming periods of all rows."""

    span_h: Array  # (T,) of each period; the first is an hour, and the last may be cut by the episode's end
    offer: Array  # (B, T, G) limits of output
    need: Array  # (B, T, P) demand
    load_flow: Array  # (B, T, L) by demand alone
    part: Array  # (B, U) of each unit, among the P connected parts of the coming hour
    leads: Array  # (B, T, P) the first part that each is connected with
    reaches: Array  # (M, U, L) flow for each unit's output, in M statuses of the lines
    swings: Array  # (M, L) by which stores change a line's flow, the root of the sum of their squares
    status: Array  # (B, T) which of them
    before: Array  # (B, G) output of the last step
    started: Array  # (B,) whether there was one; else there is no ramp
    stored: Array  # (B, S) energy, less what the coming hour loses of it


class Eight(NamedTuple):
    """The forecast of eight rows, as K lanes, and where the rows stand."""

    span_h: Array  # (T,)
    offer: Array  # (K, T, G)
    need: Array  # (K, T, P)
    load_flow: Array  # (K, T, L)
    part: Array  # (K, U)
    leads: Array  # (K, T, P)
    reaches: Array  # (M, U, L)
    status: Array  # (K, T)
    before: Array  # (K, G)
    started: Array  # (K,)
    stored: Array  # (K, S)
    lines: Array  # (K, T, ·) those that may fill up, then -1
    places: Array  # (T,) for lines, as many as the row has that needs most
    lanes: Array  # (K,) the rows of the plans
    plans: Plans  # from which the first guesses are taken
    caution: float  # how far to stay off them, up to 1


@compiled
def programme_of_day(
    fleet: Fleet, network: Network, day: Eight, ramped: Array, tolerance: Array
) -> tuple[Programme, Array, Array, Array]:
    """The programme of eight rows, where each period's rows begin (T,), and first guesses of its solution and duals.

    Rows of a period: the balance of each part of the coming hour, the flow of each line that may fill, and those that
    tie it to the one before: ramps, then stored energy. Duals of the first two are prices times hours. The coming hour
    comes last, so that answers to what is stored are cheap.
    """
    _, periods, sources = day.offer.shape
    stores, parts = len(fleet.store_max), day.need.shape[2]
    units, tied = sources + 2 * stores, len(ramped) + stores
    places, lines = day.places, np.sum(day.places)
    columns = 3 * lines + periods * (units + 3 * parts - 1 + tied)
    of_units = _count_parts(day.part, parts) + units  # in balances, and in what ties periods
    entries = lines * (units + 3) + periods * (of_units + (parts * parts + 5 * parts - 2) // 2 + 2 * tied)
    draft = new_draft(columns, entries, day.caution)
    base = lines + periods * (parts + tied)
    right, y, bases = blank(base), blank(base), np.empty(periods, np.int64)
    for t in range(periods):
        first, span_h = draft.written[0], day.span_h[t]
        base -= parts + places[t] + tied
        bases[t] = base
        tie, later = base + parts + places[t], base - tied if t + 1 < periods else -1
        for k in range(LANES):
            for p in range(parts):
                right[base + p, k], y[base + p, k] = day.need[k, t, p], span_h * day.plans.price[day.lanes[k], t, p]
            for r in range(len(ramped) if t == 1 else 0):
                y[tie + r, k] = day.plans.ramp_price[day.lanes[k], ramped[r]]
            for s in range(stores):
                y[tie + len(ramped) + s, k] = -day.plans.value[day.lanes[k], t, s]
        _write_units(draft, fleet, day, t, ramped, places[t], base, tie, later)
        for p in range(parts):
            enter(draft, base + p, 1.0)
            shed = close(draft, span_h * fleet.shed, 0.0)
            enter(draft, base + p, -1.0)
            spill = close(draft, span_h * fleet.spill, 0.0)
            for k in range(LANES):
                bound(draft, shed, k, 0.0, _most_shed(day, ramped, t, p, k), 0.0)
                bound(draft, spill, k, 0.0, np.inf, 0.0)
        for p in range(1, parts):
            _write_join(draft, fleet, day, t, p, base)
        for i in range(places[t]):
            _write_line(draft, network, day, t, i, base + parts + i, right, y)
        draft.tolerance[first : draft.written[0]] = span_h * tolerance[t]
        first = draft.written[0]
        _write_ties(draft, fleet, day, t, ramped, tie, later, right)
        draft.tolerance[first : draft.written[0]] = tolerance[t]
    end, about = draft.written[1], draft.about
    entered = (draft.start, draft.row[:end], draft.coef[:end])
    programme = Programme(
        *entered, draft.cost, draft.has_high, draft.tolerance, about[0], about[1], about[2], about[3], right
    )
    return programme, bases, about[4], y


@compiled
def _count_parts(part: Array, parts: int) -> int:
    """Entries of all units in balances: one for each part in which a unit is in any lane, by their parts (K, U)."""
    count = 0
    for u in range(part.shape[1]):
        for p in range(parts):
            count += int(np.any(part[:, u] == p))
    return count


@compiled
def _enter_part(draft: Draft, day: Eight, base: int, p: int, u: int) -> None:
    """A unit's entry in the balance of part p, if it is in that part in any lane."""
    if np.any(day.part[:, u] == p):
        enter(draft, base + p, 0.0)
        for k in range(LANES):
            draft.coef[draft.written[1] - 1, k] = 1.0 if day.part[k, u] == p else 0.0


@compiled
def _most_shed(day: Eight, ramped: Array, t: int, p: int, k: int) -> float:
    """What the sources of part p cannot serve of its demand, as the step sheds no more; all of it where they ramp."""
    most = day.need[k, t, p]
    if len(ramped) == 0:
        for g in range(day.offer.shape[2]):
            if day.part[k, g] == p:
                most -= day.offer[k, t, g]
    return max(most, 0.0)


@compiled
def _write_units(
    draft: Draft,
    fleet: Fleet,
    day: Eight,
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
            enter(draft, later + ramp, -1.0)
        for p in range(day.need.shape[2]):
            _enter_part(draft, day, base, p, u)
        for i in range(places):
            enter(draft, tie - places + i, 0.0)
            for k in range(LANES):
                line = day.lines[k, t, i]
                reach = day.reaches[day.status[k, t], u, line] if line >= 0 else 0.0
                draft.coef[draft.written[1] - 1, k] = reach
        if u < sources:
            if is_ramped:
                enter(draft, tie + ramp, 1.0)
            low, high, cost, bend = 0.0, 1.0, fleet.cost[u], fleet.rise[u]
        else:
            s, is_giving = (u - sources) % stores, u < sources + stores
            enter(
                draft,
                tie + len(ramped) + s,
                span_h / fleet.discharge_eff[s] if is_giving else span_h * fleet.charge_eff[s],
            )
            low, high = (0.0, fleet.discharge_max[s]) if is_giving else (-fleet.charge_max[s], 0.0)
            cost, bend = fleet.wear if is_giving else 0.0, 0.0
        column = close(draft, span_h * cost, span_h * bend)
        for k in range(LANES):
            if u < sources:
                high = day.offer[k, t, u]
                low = min(fleet.gen_min[u], high)
            bound(draft, column, k, low, high, day.plans.output[day.lanes[k], t, u])


@compiled
def _write_join(draft: Draft, fleet: Fleet, day: Eight, t: int, p: int, base: int) -> None:
    """The column of what goes to part p from the first part that it is connected with, if it is with any before it."""
    for q in range(p):
        enter(draft, base + q, 0.0)
        for k in range(LANES):
            draft.coef[draft.written[1] - 1, k] = -1.0 if day.leads[k, t, p] == q else 0.0
    enter(draft, base + p, 1.0)
    column = close(draft, 0.0, 0.0)
    for k in range(LANES):
        is_joined = day.leads[k, t, p] != p
        most = 1 + np.sum(day.offer[k, t]) + np.sum(fleet.discharge_max) + np.sum(np.abs(day.need[k, t]))
        bound(draft, column, k, -most if is_joined else 0.0, most if is_joined else 0.0, 0.0)


@compiled
def _write_ties(
    draft: Draft,
    fleet: Fleet,
    day: Eight,
    t: int,
    ramped: Array,
    tie: int,
    later: int,
    right: Array,
) -> None:
    """The columns of what ties a period to the one before: changes of output, and energy at its end."""
    stores, span_h = len(fleet.store_max), day.span_h[t]
    for r in range(len(ramped)):
        between_h = (span_h + day.span_h[t - 1]) / 2 if t else 1.0
        fall = min(between_h * fleet.hourly_fall[ramped[r]], STEEP)
        rise = min(between_h * fleet.hourly_rise[ramped[r]], STEEP)
        enter(draft, tie + r, -1.0)
        column = close(draft, 0.0, 0.0)
        for k in range(LANES):
            before = day.plans.output[day.lanes[k], t - 1, ramped[r]] if t else day.before[k, ramped[r]]
            change = day.plans.output[day.lanes[k], t, ramped[r]] - before
            if t == 0:
                right[tie + r, k] = before
            if t or day.started[k]:
                bound(draft, column, k, -fall, rise, change)
            else:
                bound(draft, column, k, -STEEP, STEEP, change)
    for s in range(stores):
        row, keep = tie + len(ramped) + s, fleet.hourly_keep[s] ** span_h
        if later >= 0:
            enter(draft, later + len(ramped) + s, -(fleet.hourly_keep[s] ** day.span_h[t + 1]))
        enter(draft, row, 1.0)
        column = close(draft, 0.0 if later >= 0 else -fleet.end_value[s], 0.0)
        for k in range(LANES):
            right[row, k] = day.stored[k, s] if t == 0 else fleet.store_min[s] * (1 - keep)
            bound(draft, column, k, fleet.store_min[s], fleet.store_max[s], day.plans.energy[day.lanes[k], t, s])


@compiled
def _write_line(
    draft: Draft,
    network: Network,
    day: Eight,
    t: int,
    i: int,
    row: int,
    right: Array,
    y: Array,
) -> None:
    """The columns of the i-th lines: their flow, and what is above the capacity, and below it the other way.

    Where there is none, the row is met by columns without bounds.
    """
    enter(draft, row, -1.0)
    flow = close(draft, 0.0, 0.0)
    for way in (-1.0, 1.0):
        enter(draft, row, way)
        close(draft, day.span_h[t] * network.overload, 0.0)
    for k in range(LANES):
        line = day.lines[k, t, i]
        if line >= 0:
            capacity, expected = network.capacity[line], day.load_flow[k, t, line]
            for u in range(len(network.reach)):
                expected += day.plans.output[day.lanes[k], t, u] * day.reaches[day.status[k, t], u, line]
            right[row, k], y[row, k] = (
                -day.load_flow[k, t, line],
                -day.span_h[t] * day.plans.line_price[day.lanes[k], t, line],
            )
            bound(draft, flow, k, -capacity, capacity, expected)
            bound(draft, flow + 1, k, 0.0, np.inf, expected - capacity)
            bound(draft, flow + 2, k, 0.0, np.inf, -capacity - expected)
        else:
            bound(draft, flow, k, 0.0, 1.0, 0.0)
            for column in range(flow, flow + 3):
                if column > flow:
                    bound(draft, column, k, 0.0, np.inf, 0.0)
                draft.about[0, column, k], draft.about[1, column, k] = 0.0, 1.0
