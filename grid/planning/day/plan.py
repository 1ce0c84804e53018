"""The day ahead as the forecasts have it: what sources and stores would best do, and what energy is then worth.

The programme of ``grid.planning.programme`` over the coming hours, solved for eight rows at a time to a few digits by
``interior_point``. That it is not solved to the end is a help, more so the further ahead an hour is and the
less its forecast can be relied on: the method stands in the midst of all plans that are good enough, and when
forecasts change a little, so does the plan. Symbols as in ``grid.planning.day.market``; G sources, S stores, H hours,
T periods, B rows, K lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from grid.planning.day.interior_point import Factor, Programme, profile, solve, solve_last
from grid.planning.day.jit import Array, compiled, for_each, is_kept
from grid.planning.day.market import LEAST_RISE, Network, flows, share
from grid.planning.day.programme import STEEP, Fleet, Forecast, Plans, programme_of_day
from grid.planning.day.simd import LANES, blank

SPANS_H = np.array([1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5])  # of the periods of a plan
HOURS = int(SPANS_H.sum())  # from now to a day ahead
OVERLOADED = 1.01  # of its capacity, when a line that was left out calls for another plan,
MAY_FILL = 0.95  # to which those are added that are as full as this,
STAYS = 0.6  # while those leave after the first plan that are not even this full
DOUBTS = (1.0, 0.1, 0.1)  # of the guesses that the attempts start from: of idle stores, then the last plan


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
    reaches: Array,
    leads: Array,
    status: Array,
    spans_h: Array,
    enough: Array,
) -> Plans:
    """Plan the coming hours of B rows.

    Args:
        fleet: the units.
        network: of the grid.
        left_h: (B,) until the episode ends, above 0.
        offer: (B, H, G) limits of output.
        need: (B, H, P) demand.
        load_flow: (B, H, L) by demand alone.
        before: (B, G) output of the last step.
        started: (B,) whether there was one; else there is no ramp.
        stored: (B, S) energy, less what the coming hour loses of it.
        reaches: (M, U, L) flow for each unit's output, in M statuses of the lines.
        leads: (M, P) the first part that each is connected with.
        status: (B, H) which of them.
        spans_h: (T,) of the periods, of which the first is an hour; H hours in sum.
        enough: (T,) complementarity, price times power, both relative, to which each period is worked out.
    """
    ends_h = np.minimum(np.cumsum(spans_h), np.ceil(left_h)[:, None].astype(np.int64))
    end_h = np.minimum(ends_h[:, -1], left_h)
    own_h = np.diff(np.minimum(ends_h, left_h[:, None]), axis=1, prepend=0.0)
    periods = (own_h > 0).sum(1)
    offer, need, load_flow = (in_periods(each, ends_h) for each in (offer, need, load_flow))
    status = status[:, np.cumsum(spans_h) - spans_h]  # that of a period is the one that it begins with
    plans = _new_plans(ends_h, len(network.reach), len(fleet.store_max), need.shape[2], load_flow.shape[2])
    near, overloads = np.zeros(load_flow.shape, np.bool_), np.zeros(len(left_h), np.bool_)
    idle_days(fleet, network, periods, offer, need, load_flow, reaches, status, plans, near)
    ramped = np.flatnonzero(np.minimum(fleet.hourly_rise, fleet.hourly_fall) < STEEP)

    def plan(rows: Array, doubt: float) -> None:
        t, lanes = periods[rows[0]], np.resize(rows, LANES)  # lanes that are left plan some rows again
        lines, places = _listed(near, lanes, t)
        day = Forecast(
            own_h[rows[0], :t],
            offer[lanes, :t],
            need[lanes, :t],
            load_flow[lanes, :t],
            reaches,
            leads,
            status[lanes, :t],
            lines,
            places,
            before[lanes],
            started[lanes],
            stored[lanes],
            lanes,
            plans,
            doubt,
        )
        plan_eight(fleet, network, day, ramped, enough, rows, near, overloads)

    open_ = np.arange(len(left_h))
    for doubt in DOUBTS:
        alike = np.lexsort((near[open_].sum((1, 2)), end_h[open_]))  # in the end, and in lines that may fill
        for_each(partial(plan, doubt=doubt), _eights(open_[alike], end_h))
        open_ = open_[overloads[open_]]
    return plans


def is_compiled() -> bool:
    """Whether machine code of the plan is kept, so that the first one need not wait for it."""
    return is_kept(plan_eight)


def in_periods(hourly: Array, ends_h: Array) -> Array:
    """(B, T, ·) means over periods of hourly series (B, H, ·); 0 in periods of no length."""
    sums = np.concatenate([np.zeros_like(hourly[:, :1]), np.cumsum(hourly, axis=1)], axis=1)
    at_ends = np.take_along_axis(sums, ends_h[..., None], axis=1)
    spans_h = np.diff(ends_h, axis=1, prepend=0)[..., None]
    return np.diff(at_ends, axis=1, prepend=0.0) / np.maximum(spans_h, 1)


def _new_plans(ends_h: Array, units: int, stores: int, parts: int, lines: int) -> Plans:
    batch, periods = ends_h.shape
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


def _eights(rows: Array, end_h: Array) -> Iterator[Array]:
    """The rows by up to eight that end at the same hour; they come in the order of these."""
    for same in np.split(rows, np.flatnonzero(np.diff(end_h[rows])) + 1):
        for begin in range(0, len(same), LANES):
            yield same[begin : begin + LANES]


@compiled
def _listed(near: Array, lanes: Array, periods: int) -> tuple[Array, Array]:
    """The lines that are marked (B, T, L), by lane and period (K, T, ·), then -1; and the most in a period (T,)."""
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
def idle_days(
    fleet: Fleet,
    network: Network,
    periods: Array,
    offer: Array,
    need: Array,
    load_flow: Array,
    reaches: Array,
    status: Array,
    plans: Plans,
    near: Array,
) -> None:
    """Fill in first guesses, of idle stores and no limits of lines, and the lines that may fill up, near (B, T, L).

    Only the first ``periods`` (B,) of a row are. That idle stores are guessed to give and take alike, and to be half
    full, keeps them away from their limits.
    """
    sources, stores, parts = offer.shape[2], len(fleet.store_max), need.shape[2]
    rise, low, flow = np.empty(sources), np.empty(sources), np.empty(load_flow.shape[2])
    for b in range(len(periods)):
        for t in range(periods[b]):
            for g in range(sources):
                low[g] = min(fleet.gen_min[g], offer[b, t, g])
                rise[g] = max(fleet.rise[g], LEAST_RISE / max(offer[b, t, g] - low[g], 1e-3))
            part, output = network.part[:sources], plans.output[b, t, :sources]
            share(fleet.cost, rise, low, offer[b, t], part, need[b, t], output, plans.price[b, t])
            flows(output, load_flow[b, t], reaches[status[b, t]], flow)
            for line in range(len(flow)):
                near[b, t, line] = abs(flow[line]) + fleet.swing[line] > network.capacity[line]
        mean = np.sum(plans.price[b]) / (periods[b] * parts)
        for t in range(periods[b]):
            for s in range(stores):
                plans.output[b, t, sources + s] = fleet.discharge_max[s] / 2
                plans.output[b, t, sources + stores + s] = -fleet.charge_max[s] / 2
                plans.energy[b, t, s] = (fleet.store_min[s] + fleet.store_max[s]) / 2
                plans.value[b, t, s] = mean


@compiled
def plan_eight(
    fleet: Fleet,
    network: Network,
    day: Forecast,
    ramped: Array,
    enough: Array,
    rows: Array,
    near: Array,
    overloads: Array,
) -> None:
    """Replace the plans of the rows (≤ K,), which stand in the first lanes; mark those that overload lines left out.

    The lines that may fill up, ``near`` (B, T, L), are marked anew.
    """
    programme, bases, z, y = programme_of_day(fleet, network, day, ramped, enough)
    factor, plans = profile(programme), day.plans
    weight = solve(programme, factor, z, y, day.doubt)
    for k in range(len(rows)):
        _read(fleet, day, k, bases, ramped, z, y, plans, rows[k])
        overloads[rows[k]] = _overloaded(network, day, k, plans.output[rows[k]], near[rows[k]])
    _answers(fleet, bases[0], programme, factor, weight, rows, plans)


@compiled
def _read(
    fleet: Fleet, day: Forecast, k: int, bases: Array, ramped: Array, z: Array, y: Array, plans: Plans, b: int
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
        for line in range(plans.toll.shape[2]):
            plans.toll[b, t, line] = 0.0
        for i in range(day.places[t]):
            line = day.lines[k, t, i]
            if line >= 0:
                plans.toll[b, t, line] = -y[row + i, k] / span_h
        row += day.places[t]
        for r in range(len(ramped) if t == 1 else 0):
            plans.tilt[b, ramped[r]] = y[row + r, k]
        row += len(ramped)
        column += plans.output.shape[2] + 3 * parts - 1 + 3 * day.places[t] + len(ramped)
        for s in range(stores):
            plans.energy[b, t, s] = z[column + s, k]
            plans.value[b, t, s] = -y[row + s, k]
        column += stores


@compiled
def _overloaded(network: Network, day: Forecast, k: int, output: Array, near: Array) -> bool:
    """Whether the output (T, U) of lane k overloads lines that were left out; mark anew those that may fill up."""
    found, stays = False, STAYS if day.doubt == DOUBTS[0] else 0.0
    flow = np.empty(len(network.capacity))
    for t in range(day.load_flow.shape[1]):
        flows(output[t], day.load_flow[k, t], day.reaches[day.status[k, t]], flow)
        for line in range(len(flow)):
            carried, capacity = abs(flow[line]), network.capacity[line]
            found = found or (carried > OVERLOADED * capacity and not near[t, line])
            near[t, line] = carried > (stays if near[t, line] else MAY_FILL) * capacity
    return found


@compiled
def _answers(
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
                plans.value_answer[rows[k], other, s] = -answer[len(answer) - stores + other, k]
            for side in range(2 * stores):
                u, total = sources + side, 0.0
                for a in range(programme.start[u], programme.start[u + 1]):
                    total += programme.coef[a, k] * answer[programme.row[a] - first, k]
                plans.power_answer[rows[k], side, s] = weight[u, k] * total
