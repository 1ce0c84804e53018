"""The day ahead as the forecasts have it: what sources and stores would best do, and what energy is then worth.

The programme of ``grid.programme`` over the coming hours, solved for eight rows at a time to a few digits by
``policies.interior_point``. That it is not solved to the end is a help, more so the further ahead an hour is and the
less its forecast can be relied on: the method stands in the midst of all plans that are good enough, and when
forecasts change a little, so does the plan. Symbols as in ``policies.market``; G sources, S stores, H hours,
T periods, B rows, K lanes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policies.compiled import Array, compiled
from policies.day_programme import STEEP, Fleet, Forecast, programme_of_day
from policies.interior_point import Factor, Programme, profile, solve, solve_last
from policies.lanes import LANES
from policies.market import LEAST_RISE, Network, flows, share

SPANS_H = np.array([1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5])  # of the periods of a plan
HOURS = int(SPANS_H.sum())  # from now to a day ahead
OVERLOADED = 1.01  # of its capacity, when a line that was left out is added
ATTEMPTS = 3  # each with the lines that the last plan overloads


class Plans(NamedTuple):
    """What is filled in for each row."""

    output: Array  # (B, H, U)
    energy: Array  # (B, H, S) at the end of each hour
    value: Array  # (B, H, S) of stored energy
    price: Array  # (B, H, P)
    toll: Array  # (B, H, L) price of a line, above 0 where more flow would be forbidden, below 0 the other way
    tilt: Array  # (B, G) what output now costs the next hours by ramps
    value_answer: Array  # (B, S, S) change of the first value for each unit more that is stored
    power_answer: Array  # (B, 2S, S) and of the stores' first output


@compiled
def new_plans(batch: int, units: int, stores: int, parts: int, lines: int) -> Plans:
    """All 0."""
    return Plans(
        np.zeros((batch, HOURS, units)),
        np.zeros((batch, HOURS, stores)),
        np.zeros((batch, HOURS, stores)),
        np.zeros((batch, HOURS, parts)),
        np.zeros((batch, HOURS, lines)),
        np.zeros((batch, units - 2 * stores)),
        np.zeros((batch, stores, stores)),
        np.zeros((batch, 2 * stores, stores)),
    )


@compiled
def idle_day(fleet: Fleet, network: Network, offer: Array, need: Array, load_flow: Array) -> tuple[Array, Array, Array]:
    """With idle stores and no limits of lines: output (T, G), price (T, P), and the lines that may well fill (T, L)."""
    periods, sources = offer.shape
    rise, low, output = np.empty(sources), np.empty(sources), np.empty((periods, sources))
    price, flow = np.empty(need.shape), np.empty(load_flow.shape[1])
    near = np.empty(load_flow.shape, np.bool_)
    for t in range(periods):
        for g in range(sources):
            low[g] = min(fleet.gen_min[g], offer[t, g])
            rise[g] = max(fleet.rise[g], LEAST_RISE / max(offer[t, g] - low[g], 1e-3))
        share(fleet.cost, rise, low, offer[t], network.part[:sources], need[t], output[t], price[t])
        flows(output[t], load_flow[t], network.reach, flow)
        near[t] = np.abs(flow) + fleet.swing > network.capacity
    return output, price, near


@compiled
def spans_of(spans_h: Array, left_h: int) -> Array:
    """Those of the periods that begin before the episode ends, the last one cut there."""
    ends_h = np.cumsum(spans_h)
    begun = spans_h[ends_h - spans_h < left_h].copy()
    begun[-1] -= max(0, ends_h[len(begun) - 1] - left_h)
    return begun


@compiled
def in_periods(hourly: Array, spans_h: Array, means: Array) -> None:
    """Fill the means (T, ·) over periods of an hourly series (H, ·)."""
    begin = 0
    for t in range(len(spans_h)):
        means[t] = 0.0
        for h in range(begin, begin + spans_h[t]):
            means[t] += hourly[h] / spans_h[t]
        begin += spans_h[t]


@compiled
def plan_days(
    fleet: Fleet,
    network: Network,
    left_h: Array,
    offer: Array,
    need: Array,
    load_flow: Array,
    before: Array,
    started: Array,
    stored: Array,
    spans_h: Array,
    enough: Array,
    plans: Plans,
) -> None:
    """Plan the coming hours of B rows.

    Args:
        fleet: the units.
        network: of the grid.
        left_h: (B,) until the episode ends, at least 1.
        offer: (B, H, G) limits of output.
        need: (B, H, P) demand.
        load_flow: (B, H, L) by demand alone.
        before: (B, G) output of the last step.
        started: (B,) whether there was one; else there is no ramp.
        stored: (B, S) energy.
        spans_h: (T,) of the periods, of which the first is an hour; H hours in sum.
        enough: (T,) complementarity, price times power, both relative, to which each period is worked out.
        plans: filled here.
    """
    batch, periods = len(left_h), len(spans_h)
    ramped = np.flatnonzero(np.minimum(fleet.hourly_rise, fleet.hourly_fall) < STEEP)
    offers, needs = np.empty((batch, periods, offer.shape[2])), np.empty((batch, periods, need.shape[2]))
    load_flows = np.empty((batch, periods, load_flow.shape[2]))
    near, idle, price = np.empty(load_flows.shape, np.bool_), np.empty(offers.shape), np.empty(needs.shape)
    for b in range(batch):
        own_h = spans_of(spans_h, left_h[b])
        t = len(own_h)
        in_periods(offer[b], own_h, offers[b])
        in_periods(need[b], own_h, needs[b])
        in_periods(load_flow[b], own_h, load_flows[b])
        idle[b, :t], price[b, :t], near[b, :t] = idle_day(
            fleet, network, offers[b, :t], needs[b, :t], load_flows[b, :t]
        )
    open_ = np.argsort(left_h, kind="mergesort")  # what is far from the end alike is planned together
    for _ in range(ATTEMPTS):
        is_open = np.zeros(len(open_), np.bool_)
        begin = 0
        while begin < len(open_):
            own_h, end = spans_of(spans_h, left_h[open_[begin]]), begin + 1
            hours = np.sum(own_h)
            while end < min(len(open_), begin + LANES) and min(left_h[open_[end]], np.sum(spans_h)) == hours:
                end += 1
            t, rows = len(own_h), np.full(LANES, open_[begin])  # lanes that are left plan the first row again
            rows[: end - begin] = open_[begin:end]
            lines, places = _listed(near[rows, :t])
            day = Forecast(
                own_h,
                offers[rows, :t],
                needs[rows, :t],
                load_flows[rows, :t],
                lines,
                places,
                idle[rows, :t],
                price[rows, :t],
                before[rows],
                started[rows],
                stored[rows],
            )
            is_open[begin:end] = _plan_eight(fleet, network, day, ramped, enough, rows[: end - begin], near, plans)
            begin = end
        open_ = open_[is_open]


@compiled
def _listed(near: Array) -> tuple[Array, Array]:
    """The lines that are marked (K, T, L), by row and period (K, T, ·), then -1; and the most in a period (T,)."""
    counts = np.zeros(near.shape[:2], np.int64)
    lines = np.full(near.shape, -1)
    for k in range(near.shape[0]):
        for t in range(near.shape[1]):
            for line in range(near.shape[2]):
                if near[k, t, line]:
                    lines[k, t, counts[k, t]] = line
                    counts[k, t] += 1
    places = np.zeros(near.shape[1], np.int64)
    for k in range(near.shape[0]):
        places = np.maximum(places, counts[k])
    return lines, places


@compiled
def _plan_eight(
    fleet: Fleet,
    network: Network,
    day: Forecast,
    ramped: Array,
    enough: Array,
    rows: Array,
    near: Array,
    plans: Plans,
) -> Array:
    """Fill in the rows (≤ K,) that stand in the first lanes; which of them overload lines that were left out."""
    programme, bases, z, y = programme_of_day(fleet, network, day, ramped, enough)
    factor = profile(programme)
    weight = solve(programme, factor, z, y)
    is_open = np.zeros(len(rows), np.bool_)
    output = np.empty((len(bases), len(network.reach)))
    for k in range(len(rows)):
        _read(fleet, day, k, bases, ramped, z[:, k], y[:, k], output, plans, rows[k])
        is_open[k] = _overloaded(network, day.load_flow[k], output, near[rows[k]])
    _answers(fleet, bases[0], programme, factor, weight, rows, plans)
    return is_open


@compiled
def _read(
    fleet: Fleet,
    day: Forecast,
    k: int,
    bases: Array,
    ramped: Array,
    z: Array,
    y: Array,
    output: Array,
    plans: Plans,
    b: int,
) -> None:
    """Fill in row b from the solution (C,) and duals (R,) of lane k; and the output of each period (T, U)."""
    sources, stores, parts = len(fleet.cost), len(fleet.store_max), plans.price.shape[2]
    units, column, begin = sources + 2 * stores, 0, 0
    energy, places = day.stored[k].copy(), day.places
    for t in range(len(bases)):
        span_h = day.span_h[t]
        end = begin + span_h
        output[t] = z[column : column + units]
        plans.output[b, begin:end] = output[t]
        row = bases[t] + parts
        plans.price[b, begin:end] = y[bases[t] : row] / span_h
        column += units + 2 * parts
        plans.toll[b, begin:end] = 0.0
        for i in range(places[t]):
            line = day.lines[k, t, i]
            if line >= 0:
                plans.toll[b, begin:end, line] = -y[row + i] / span_h
        row += places[t]
        column += 3 * places[t] + len(ramped) + stores
        change = z[column - stores : column] - energy
        for h in range(span_h):
            plans.energy[b, begin + h] = energy + change * (h + 1) / span_h
        energy += change
        if t == 1:
            plans.tilt[b, ramped] = y[row : row + len(ramped)]
        plans.value[b, begin:end] = -y[row + len(ramped) : row + len(ramped) + stores]
        begin = end


@compiled
def _overloaded(network: Network, load_flow: Array, output: Array, near: Array) -> bool:
    """Whether the output (T, U) overloads lines that were left out; they are added."""
    found = False
    flow = np.empty(len(network.capacity))
    for t in range(len(load_flow)):
        flows(output[t], load_flow[t], network.reach, flow)
        for line in range(len(flow)):
            if not near[t, line] and abs(flow[line]) > OVERLOADED * network.capacity[line]:
                near[t, line] = found = True
    return found


@compiled
def _answers(
    fleet: Fleet, first: int, programme: Programme, factor: Factor, weight: Array, rows: Array, plans: Plans
) -> None:
    """Fill in how values and powers of rows answer to stored energy; ``first`` is the first row of the coming hour."""
    sources, stores = len(fleet.cost), len(fleet.store_max)
    answer = np.empty((len(programme.right) - first, LANES))
    for s in range(stores):
        answer[:] = 0.0
        answer[len(answer) - stores + s] = fleet.hourly_keep[s]
        solve_last(factor, first, answer)
        for k in range(len(rows)):
            plans.value_answer[rows[k], :, s] = -answer[len(answer) - stores :, k]
            for side in range(2 * stores):
                u, total = sources + side, 0.0
                for a in range(programme.start[u], programme.start[u + 1]):
                    total += programme.coef[a, k] * answer[programme.row[a] - first, k]
                plans.power_answer[rows[k], side, s] = weight[u, k] * total
