"""The day ahead as the forecasts have it: what sources and stores would best do, and what energy is then worth.

The programme of ``grid.programme`` over the coming hours, solved for one row after the other to a few digits by
``policies.interior_point``. That it is not solved to the end is a help: where there are many good plans, the method stands
in the midst of them, and a forecast that changes a little changes the plan a little. Symbols as in ``policies.market``;
G sources, S stores, H hours, B rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policies.interior_point import Array, Programme, compiled, profile, solve, solve_last
from policies.market import LEAST_RISE, Network, flows, share

HOURS = 25  # from now to a day ahead
ENOUGH = 3e-4  # of complementarity: price times power, both relative
ATTEMPTS = 2  # the second with the lines that the first plan overloads
WIDTH = 1e-5  # at least between bounds
STEEP = 50.0  # a ramp that cannot bind
FIRST_FRAC = 0.1
FIRST_ROOM = 0.05  # of what should be 0


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
def new_plans(batch, units, stores, parts, lines):
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
def idle_day(fleet: Fleet, network: Network, day: Forecast):
    """With idle stores and no limits of lines: output (H, G), price (H, P), and the lines that may well fill (H, L)."""
    hours, sources = day.offer.shape
    rise, low, output = np.empty(sources), np.empty(sources), np.empty((hours, sources))
    price, flow = np.empty(day.need.shape), np.empty(day.load_flow.shape[1])
    near = np.empty(day.load_flow.shape, np.bool_)
    for h in range(hours):
        offer = day.offer[h]
        for g in range(sources):
            low[g] = min(fleet.gen_min[g], offer[g])
            rise[g] = max(fleet.rise[g], LEAST_RISE / max(offer[g] - low[g], 1e-3))
        share(fleet.cost, rise, low, offer, network.part[:sources], day.need[h], output[h], price[h])
        flows(output[h], day.load_flow[h], network.reach, flow)
        near[h] = np.abs(flow) + fleet.swing > network.capacity
    return output, price, near


@compiled
def plan_days(
    fleet: Fleet,
    network: Network,
    hours: Array,
    offer: Array,
    need: Array,
    load_flow: Array,
    before: Array,
    started: Array,
    stored: Array,
    plans: Plans,
) -> None:
    """Plan the coming hours of B rows.

    Args:
        fleet: the units.
        network: of the grid.
        hours: (B,) to plan, at least 1.
        offer: (B, H, G) limits of output.
        need: (B, H, P) demand.
        load_flow: (B, H, L) by demand alone.
        before: (B, G) output of the last step.
        started: (B,) whether there was one; else there is no ramp.
        stored: (B, S) energy.
        plans: filled here.
    """
    ramped = np.flatnonzero(np.minimum(fleet.hourly_rise, fleet.hourly_fall) < STEEP)
    for b in range(len(hours)):
        day = Forecast(offer[b, : hours[b]], need[b, : hours[b]], load_flow[b, : hours[b]])
        idle, price, near = idle_day(fleet, network, day)
        for _ in range(ATTEMPTS):
            programme, bases, z, y = _programme(
                fleet, network, day, before[b], started[b], stored[b], ramped, near, idle, price
            )
            factor, weight = profile(programme), np.empty(len(z))
            solve(programme, factor, z, y, weight, ENOUGH)
            _read(fleet, near, bases, ramped, z, y, plans, b)
            if not _overloaded(network, day, plans.output[b], near):
                break
        _answers(fleet, bases[0], programme, factor, weight, plans, b)


@compiled
def _programme(fleet, network, day, before, started, stored, ramped, near, idle, price):
    """The programme of one row, where each hour's rows begin, and first guesses of its solution and duals.

    Rows of an hour: the balance of each part, the flow of each line that may fill, and those that tie it to the hour
    before, of ramps and of stored energy. The coming hour comes last, so that answers to what is stored are cheap.
    """
    last, sources = day.offer.shape
    stores, parts = len(fleet.store_max), day.need.shape[1]
    units, tied = sources + 2 * stores, len(ramped) + stores
    lines_in_all = np.sum(near)
    rows = lines_in_all + last * (parts + tied)
    columns = 3 * lines_in_all + last * (units + 2 * parts + tied)
    entries = lines_in_all * (units + 3) + last * (2 * units + 2 * parts + 2 * tied)
    start, row, coef = np.zeros(columns + 1, np.int64), np.empty(entries, np.int64), np.empty(entries)
    cost, bend, low, high = np.zeros(columns), np.zeros(columns), np.zeros(columns), np.full(columns, np.inf)
    right, z, y = np.zeros(rows), np.full(columns, -np.inf), np.zeros(rows)
    bases = np.empty(last, np.int64)
    at, column, base, worth = 0, 0, rows, np.mean(price)
    for h in range(last):
        lines = np.flatnonzero(near[h])
        base -= parts + len(lines) + tied
        bases[h] = base
        tie, after = base + parts + len(lines), base - tied  # here, and in the hour after
        right[base : base + parts], y[base : base + parts] = day.need[h], price[h]
        for u in range(units):
            for r in range(len(ramped)):
                if ramped[r] == u and h + 1 < last:
                    row[at], coef[at] = after + r, -1.0
                    at += 1
            row[at], coef[at] = base + network.part[u], 1.0
            at += 1
            for i in range(len(lines)):
                row[at], coef[at] = base + parts + i, network.reach[u, lines[i]]
                at += 1
            if u < sources:
                cost[column], bend[column], z[column] = fleet.cost[u], fleet.rise[u], idle[h, u]
                low[column], high[column] = min(fleet.gen_min[u], day.offer[h, u]), day.offer[h, u]
                for r in range(len(ramped)):
                    if ramped[r] == u:
                        row[at], coef[at] = tie + r, 1.0
                        at += 1
            else:
                s = (u - sources) % stores
                row[at] = tie + len(ramped) + s
                if u < sources + stores:
                    cost[column], high[column] = fleet.wear, fleet.discharge_max[s]
                    coef[at] = 1 / fleet.discharge_eff[s]
                else:
                    low[column], high[column] = -fleet.charge_max[s], 0.0
                    coef[at] = fleet.charge_eff[s]
                at += 1
            column += 1
            start[column] = at
        for p in range(parts):
            for is_shed in (True, False):
                row[at], coef[at] = base + p, 1.0 if is_shed else -1.0
                cost[column] = fleet.shed if is_shed else fleet.spill
                high[column] = max(day.need[h, p], 0.0) if is_shed else np.inf
                at, column = at + 1, column + 1
                start[column] = at
        for i in range(len(lines)):
            right[base + parts + i] = -day.load_flow[h, lines[i]]
            for kind in range(3):  # flow within the capacity, above it, and below it the other way
                row[at], coef[at] = base + parts + i, 1.0 if kind == 2 else -1.0
                if kind == 0:
                    low[column], high[column] = -network.capacity[lines[i]], network.capacity[lines[i]]
                else:
                    cost[column] = network.overload
                at, column = at + 1, column + 1
                start[column] = at
        for r in range(len(ramped)):
            row[at], coef[at] = tie + r, -1.0
            low[column], high[column] = -STEEP, STEEP
            if h > 0 or started:
                low[column] = max(low[column], -fleet.hourly_fall[ramped[r]])
                high[column] = min(high[column], fleet.hourly_rise[ramped[r]])
            if h == 0:
                right[tie + r] = before[ramped[r]]
            at, column = at + 1, column + 1
            start[column] = at
        for s in range(stores):
            mine, keep = tie + len(ramped) + s, fleet.hourly_keep[s]
            right[mine] = fleet.store_min[s] * (1 - keep) + (keep * stored[s] if h == 0 else 0.0)
            y[mine] = -worth
            low[column], high[column] = fleet.store_min[s], fleet.store_max[s]
            if h + 1 < last:
                row[at], coef[at] = after + len(ramped) + s, -keep
                at += 1
            else:
                cost[column] = -fleet.end_value[s]
            row[at], coef[at] = mine, 1.0
            at, column = at + 1, column + 1
            start[column] = at
    for j in range(columns):
        high[j] = max(high[j], low[j] + WIDTH)
        width = high[j] - low[j]
        if z[j] > -np.inf:
            z[j] = min(max(z[j], low[j] + FIRST_FRAC * width), high[j] - FIRST_FRAC * width)
        elif width < np.inf and cost[j] < fleet.shed:
            z[j] = (low[j] + high[j]) / 2
        else:
            z[j] = low[j] + min(FIRST_ROOM, width / 2)
    return Programme(start, row[:at], coef[:at], cost, bend, low, high, right), bases, z, y


@compiled
def _read(fleet, near, bases, ramped, z, y, plans, b):
    """Fill in row b, answers aside."""
    sources, stores, parts = len(fleet.cost), len(fleet.store_max), plans.price.shape[2]
    units, column = sources + 2 * stores, 0
    for h in range(len(bases)):
        lines = np.flatnonzero(near[h])
        plans.output[b, h] = z[column : column + units]
        column += units + 2 * parts + 3 * len(lines) + len(ramped) + stores
        plans.energy[b, h] = z[column - stores : column]
        plans.price[b, h] = y[bases[h] : bases[h] + parts]
        tie = bases[h] + parts + len(lines)
        for i in range(len(lines)):
            plans.toll[b, h, lines[i]] = -y[bases[h] + parts + i]
        if h == 1:
            for r in range(len(ramped)):
                plans.tilt[b, ramped[r]] = y[tie + r]
        plans.value[b, h] = -y[tie + len(ramped) : tie + len(ramped) + stores]


@compiled
def _overloaded(network, day, output, near):
    """Whether the output (H, U) overloads lines that were left out; they are added."""
    found = False
    flow = np.empty(len(network.capacity))
    for h in range(len(day.load_flow)):
        flows(output[h], day.load_flow[h], network.reach, flow)
        for line in range(len(flow)):
            if not near[h, line] and abs(flow[line]) > network.capacity[line]:
                near[h, line] = found = True
    return found


@compiled
def _answers(fleet, first, programme, factor, weight, plans, b):
    """Fill in how values and powers of row b answer to stored energy; ``first`` is the first row of the coming hour."""
    sources, stores = len(fleet.cost), len(fleet.store_max)
    answer = np.empty(len(programme.right) - first)
    for s in range(stores):
        answer[:] = 0.0
        answer[len(answer) - stores + s] = fleet.hourly_keep[s]
        solve_last(factor, first, answer)
        plans.value_answer[b, :, s] = -answer[len(answer) - stores :]
        for side in range(2 * stores):
            u, total = sources + side, 0.0
            for a in range(programme.start[u], programme.start[u + 1]):
                total += programme.coef[a] * answer[programme.row[a] - first]
            plans.power_answer[b, side, s] = weight[u] * total
