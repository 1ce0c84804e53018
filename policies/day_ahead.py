"""The day ahead as the forecasts have it: what sources and stores would best do, and what energy is then worth.

The programme of ``grid.programme`` over the coming hours, solved for one row after the other to a few digits by
``policies.interior_point``. That it is not solved to the end is a help, more so the further ahead an hour is and the
less its forecast can be relied on: the method stands in the midst of all plans that are good enough, and when
forecasts change a little, so does the plan. Symbols as in ``policies.market``; G sources, S stores, H hours, B rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policies.compiled import Array, compiled
from policies.day_programme import STEEP, Fleet, Forecast, programme_of_day
from policies.interior_point import Factor, Programme, profile, solve, solve_last
from policies.market import LEAST_RISE, Network, flows, share

HOURS = 25  # from now to a day ahead
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
def idle_day(fleet: Fleet, network: Network, day: Forecast) -> tuple[Array, Array, Array]:
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
    enough: Array,
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
        enough: (HOURS,) complementarity, price times power, both relative, to which each hour is worked out.
        plans: filled here.
    """
    ramped = np.flatnonzero(np.minimum(fleet.hourly_rise, fleet.hourly_fall) < STEEP)
    for b in range(len(hours)):
        day = Forecast(offer[b, : hours[b]], need[b, : hours[b]], load_flow[b, : hours[b]])
        idle, price, near = idle_day(fleet, network, day)
        for _ in range(ATTEMPTS):
            programme, bases, z, y = programme_of_day(
                fleet, network, day, before[b], started[b], stored[b], ramped, near, idle, price, enough
            )
            factor = profile(programme)
            weight = solve(programme, factor, z, y)
            _read(fleet, near, bases, ramped, z, y, plans, b)
            if not _overloaded(network, day, plans.output[b], near):
                break
        _answers(fleet, bases[0], programme, factor, weight, plans, b)


@compiled
def _read(fleet: Fleet, near: Array, bases: Array, ramped: Array, z: Array, y: Array, plans: Plans, b: int) -> None:
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
def _overloaded(network: Network, day: Forecast, output: Array, near: Array) -> bool:
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
def _answers(
    fleet: Fleet, first: int, programme: Programme, factor: Factor, weight: Array, plans: Plans, b: int
) -> None:
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
