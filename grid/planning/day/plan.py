"""The plan of the day ahead: what sources and stores would best do by the forecasts, and what energy is then worth.

The programme of ``grid.planning.programme`` over the coming day, solved for eight rows at a time to a few digits by
``grid.planning.day.interior_point``. The tolerance is looser for hours further ahead. An interior point method that
stops early stays away from the extremes of all plans that are nearly as cheap; when a forecast changes a little, such a
plan changes a little. Symbols as in ``grid.planning.day.market``; G sources, S stores, H hours, T periods, B rows,
K lanes.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from grid.jit import Array, compiled, for_each
from grid.planning.day.interior_point import Factor, Programme, profile, solve, solve_last
from grid.planning.day.market import LEAST_RISE, Network, flows, share
from grid.planning.day.programme import STEEP, Eight, Fleet, Forecast, Plans, programme_of_day
from grid.simd import LANES, blank

SPANS_H = np.array([1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5])  # of the periods of a plan
HOURS = int(SPANS_H.sum())  # from now to a day ahead
OVERLOADED = 1.01  # of its capacity, when a line that was left out calls for another plan,
MAY_FILL = 0.95  # to which those are added that are as full as this,
STAYS = 0.6  # while those leave after the first plan that are not even this full
CAUTIONS = (1.0, 0.1, 0.1)  # how far attempts stay off the guess they start from: idle stores, then the last plan


def plan_days(
    fleet: Fleet,
    network: Network,
    left_h: float,
    offer: Array,
    need: Array,
    load_flow: Array,
    before: Array,
    started: Array,
    stored: Array,
    part: Array,
    leads: Array,
    reaches: Array,
    swings: Array,
    status: Array,
    spans_h: Array,
    tolerance: Array,
) -> Plans:
    """Plan the coming hours of B rows.

    Args:
        fleet: the units.
        network: of the grid.
        left_h: until the episode ends, above 0.
        offer: (B, H, G) limits of output.
        need: (B, H, P) demand.
        load_flow: (B, H, L) by demand alone.
        before: (B, G) output of the last step.
        started: (B,) whether there was one; else there is no ramp.
        stored: (B, S) energy, less what the coming hour loses of it.
        part: (B, U) of the P connected parts of the coming hour, that of each unit.
        leads: (B, H, P) the first part that each is connected with.
        reaches: (M, U, L) flow for each unit's output, in M statuses of the lines.
        swings: (M, L) by which stores change a line's flow.
        status: (B, H) which of them.
        spans_h: (T,) of the periods, of which the first is an hour; H hours in sum.
        tolerance: (T,) complementarity, price times power, both relative, to which each period is worked out.

    Returns:
        Of the periods that begin before the episode ends.
    """
    ends_h = np.cumsum(spans_h)
    begins_h = (ends_h - spans_h)[ends_h - spans_h < left_h]
    ends_h = np.minimum(ends_h[: len(begins_h)], math.ceil(left_h))
    offer, need, load_flow = (in_periods(each, ends_h) for each in (offer, need, load_flow))
    forecast = Forecast(
        np.minimum(ends_h, float(left_h)) - begins_h,  # of whole hours it would be of another type, compiled anew
        offer,
        need,
        load_flow,
        part,
        np.ascontiguousarray(leads[:, begins_h]),  # what a period begins with
        reaches,
        swings,
        np.ascontiguousarray(status[:, begins_h]),
        before,
        started,
        np.ascontiguousarray(stored),
    )
    plans = _new_plans(
        ends_h, len(offer), len(network.reach), len(fleet.store_max), need.shape[2], len(network.capacity)
    )
    near, overloads = np.zeros(load_flow.shape, np.bool_), np.zeros(len(offer), np.bool_)
    idle_days(fleet, network, forecast, plans, near)
    ramped = np.flatnonzero(np.minimum(fleet.hourly_rise, fleet.hourly_fall) < STEEP)
    open_ = np.arange(len(offer))
    for caution in CAUTIONS:
        alike = np.argsort(near[open_].sum((1, 2)), kind="stable")  # in lines that may fill
        eights = np.full((-(-len(open_) // LANES), LANES), -1)
        eights.ravel()[: len(open_)] = open_[alike]
        for_each(
            partial(plan_eights, fleet, network, forecast, plans, caution, ramped, tolerance, near, overloads), eights
        )
        open_ = open_[overloads[open_]]
    return plans


def in_periods(hourly: Array, ends_h: Array) -> Array:
    """(B, T, ·) means over periods, which end so many hours from now (T,), of hourly series (B, H, ·)."""
    hour, begins_h = np.arange(hourly.shape[1]), np.concatenate([[0], ends_h[:-1]])
    is_in = (hour >= begins_h[:, None]) & (hour < ends_h[:, None])
    means: Array = (is_in / (ends_h - begins_h)[:, None]) @ hourly
    return means


def _new_plans(ends_h: Array, batch: int, units: int, stores: int, parts: int, lines: int) -> Plans:
    periods = len(ends_h)
    return Plans(
        ends_h,
        np.zeros((batch, periods, units)),
        np.zeros((batch, periods, stores)),
        np.zeros((batch, periods, stores)),
        np.zeros((batch, periods, parts)),
        np.zeros((batch, periods, lines)),
        np.zeros((batch, units - 2 * stores)),
        np.zeros((batch, stores, stores)),
        np.zeros((batch, 2 * stores, stores)),
    )


@compiled
def _listed(near: Array, lanes: Array) -> tuple[Array, Array]:
    """The lines that are marked (B, T, L), by lane and period (K, T, ·), then -1; and the most in a period (T,)."""
    periods = near.shape[1]
    places, count = np.zeros(periods, np.int64), np.zeros((len(lanes), periods), np.int64)
    for k in range(len(lanes)):
        for t in range(periods):
            count[k, t] = np.sum(near[lanes[k], t])
            places[t] = max(places[t], count[k, t])
    lines = np.full((len(lanes), periods, np.max(places)), -1)
    for k in range(len(lanes)):
        for t in range(periods):
            lines[k, t, : count[k, t]] = np.flatnonzero(near[lanes[k], t])
    return lines, places


@compiled
def idle_days(fleet: Fleet, network: Network, forecast: Forecast, plans: Plans, near: Array) -> None:
    """Fill in first guesses, of idle stores and no limits of lines, and the lines that may fill up, near (B, T, L).

    That idle stores are guessed to give and take alike, and to be half full, keeps them away from their limits.
    """
    offer, need, stores = forecast.offer, forecast.need, len(fleet.store_max)
    batch, periods, sources = offer.shape
    rise, low, flow = np.empty(sources), np.empty(sources), np.empty(len(network.capacity))
    for b in range(batch):
        for t in range(periods):
            for g in range(sources):
                low[g] = min(fleet.gen_min[g], offer[b, t, g])
                rise[g] = max(fleet.rise[g], LEAST_RISE / max(offer[b, t, g] - low[g], 1e-3))
            part, output = forecast.part[b, :sources], plans.output[b, t, :sources]
            share(fleet.cost, rise, low, offer[b, t], part, need[b, t], output, plans.price[b, t])
            status = forecast.status[b, t]
            flows(output, forecast.load_flow[b, t], forecast.reaches[status], flow)
            for line in range(len(flow)):
                near[b, t, line] = abs(flow[line]) + forecast.swings[status, line] > network.capacity[line]
        mean = np.mean(plans.price[b])
        for t in range(periods):
            for s in range(stores):
                plans.output[b, t, sources + s] = fleet.discharge_max[s] / 2
                plans.output[b, t, sources + stores + s] = -fleet.charge_max[s] / 2
                plans.energy[b, t, s] = (fleet.store_min[s] + fleet.store_max[s]) / 2
                plans.value[b, t, s] = mean


@compiled
def plan_eights(
    fleet: Fleet,
    network: Network,
    forecast: Forecast,
    plans: Plans,
    caution: float,
    ramped: Array,
    tolerance: Array,
    near: Array,
    overloads: Array,
    eights: Array,
) -> None:
    """Replace the plans of rows (·, K), −1 where there is none; mark those that overload lines left out.

    The lines that may fill up, ``near`` (B, T, L), are marked anew.
    """
    for eight in eights:
        rows = eight[eight >= 0]
        lanes = rows[np.arange(LANES) % len(rows)]  # lanes that are left plan some rows again
        lines, places = _listed(near, lanes)
        day = Eight(
            forecast.span_h,
            forecast.offer[lanes],
            forecast.need[lanes],
            forecast.load_flow[lanes],
            forecast.part[lanes],
            forecast.leads[lanes],
            forecast.reaches,
            forecast.status[lanes],
            forecast.before[lanes],
            forecast.started[lanes],
            forecast.stored[lanes],
            lines,
            places,
            lanes,
            plans,
            caution,
        )
        programme, bases, z, y = programme_of_day(fleet, network, day, ramped, tolerance)
        factor = profile(programme)
        weight = solve(programme, factor, z, y, caution)
        for k in range(len(rows)):
            _read(fleet, day, k, bases, ramped, z, y, plans, rows[k])
            overloads[rows[k]] = _overloaded(network, day, k, plans.output[rows[k]], near[rows[k]])
        _fill_slopes(fleet, bases[0], programme, factor, weight, rows, plans)


@compiled
def _read(
    fleet: Fleet, day: Eight, k: int, bases: Array, ramped: Array, z: Array, y: Array, plans: Plans, b: int
) -> None:
    """Fill in row b from the solution (C, K) and duals (R, K) of lane k."""
    stores, parts, column = len(fleet.store_max), plans.price.shape[2], 0
    for t in range(len(bases)):
        span_h, row = day.span_h[t], bases[t]
        for u in range(plans.output.shape[2]):
            plans.output[b, t, u] = z[column + u, k]
        for p in range(parts):
            plans.price[b, t, p] = y[row + p, k] / span_h
        row += parts
        for line in range(plans.line_price.shape[2]):
            plans.line_price[b, t, line] = 0.0
        for i in range(day.places[t]):
            line = day.lines[k, t, i]
            if line >= 0:
                plans.line_price[b, t, line] = -y[row + i, k] / span_h
        row += day.places[t]
        for r in range(len(ramped) if t == 1 else 0):
            plans.ramp_price[b, ramped[r]] = y[row + r, k]
        row += len(ramped)
        column += plans.output.shape[2] + 3 * parts - 1 + 3 * day.places[t] + len(ramped)
        for s in range(stores):
            plans.energy[b, t, s] = z[column + s, k]
            plans.value[b, t, s] = -y[row + s, k]
        column += stores


@compiled
def _overloaded(network: Network, day: Eight, k: int, output: Array, near: Array) -> bool:
    """Whether the output (T, U) of lane k overloads lines that were left out; mark anew those that may fill up."""
    found, stays = False, STAYS if day.caution == CAUTIONS[0] else 0.0
    flow = np.empty(len(network.capacity))
    for t in range(day.load_flow.shape[1]):
        flows(output[t], day.load_flow[k, t], day.reaches[day.status[k, t]], flow)
        for line in range(len(flow)):
            carried, capacity = abs(flow[line]), network.capacity[line]
            found = found or (carried > OVERLOADED * capacity and not near[t, line])
            near[t, line] = carried > (stays if near[t, line] else MAY_FILL) * capacity
    return found


@compiled
def _fill_slopes(
    fleet: Fleet, first: int, programme: Programme, factor: Factor, weight: Array, rows: Array, plans: Plans
) -> None:
    """Fill in how values and powers of rows answer to stored energy; ``first`` is the first row of the coming hour."""
    sources, stores = len(fleet.cost), len(fleet.store_max)
    answer = blank(len(programme.right) - first)
    for s in range(stores):
        answer[:] = 0.0
        answer[len(answer) - stores + s, :] = 1.0
        solve_last(factor, first, answer)
        for k in range(len(rows)):
            for other in range(stores):
                plans.value_slope[rows[k], other, s] = -answer[len(answer) - stores + other, k]
            for side in range(2 * stores):
                u, total = sources + side, 0.0
                for a in range(programme.start[u], programme.start[u + 1]):
                    total += programme.coef[a, k] * answer[programme.row[a] - first, k]
                plans.power_slope[rows[k], side, s] = weight[u, k] * total
