"""Unit decommitment beside stores: which plants to have on over the coming hours, lines and ramps left out.

All plants are on at first; then one after the other, the dearest first, takes the hours that are best for it while the
others stay as they are; and again, until none changes (Tseng, Li, Oren 2000, "Solving the unit commitment problem by a
unit decommitment method"). What is best is found by a dynamic programme over the plant's hours on and off and over what
is stored, all stores of a connected part as one: so a plant may run for a few hours at full output and fill them,
instead of many at its least. Compiled by numba, one row after the other.
Symbols: B rows, H hours, G sources by rising cost, K plants that start and stop, P connected parts, M levels of energy.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, linear_cost_per_mwh, store_value_per_mwh
from grid.dispatch import UnitCommitment
from grid.jit import Array, compiled, for_each
from grid.namespace import constant
from grid.physics import Limits

SWEEPS = 6  # of all plants, at the most; two or three are usual
LEVELS_AN_HOUR = 4  # of energy, that stores move in a step at full power
MOST_LEVELS = 24  # above what is stored, and below
MOST_FULL = 12  # powers of stores in an hour, at the most, that leave a source just full
LEAST_MW = 1e-9  # less is none


class Fleet(NamedTuple):
    """The sources of a grid, by rising cost, and its stores, those of a part as one."""

    cost: Array  # (G,) of a MWh
    curve: Array  # (G,) of a MW²h
    least_mw: Array  # (G,)
    no_load: Array  # (G,) of an hour
    part: Array  # (G,)
    place: Array  # (K,) of the plants among the sources
    order: Array  # (K,) the dearest first
    start_cost: Array  # (K,)
    shed: float  # of a MWh
    spill: float
    give_mw: Array  # (P,) at most
    take_mw: Array  # (P,)
    give_eff: Array  # (P,)
    take_eff: Array  # (P,)
    wear: Array  # (P,) of a MWh given
    end_value: Array  # (P,) of a MWh that is left


class Ahead(NamedTuple):
    """The coming hours of all rows."""

    span_h: float  # of each
    need_mw: Array  # (B, H, P)
    offer_mw: Array  # (B, H, G)
    is_on: Array  # (B, K) before the first
    lasted: Array  # (B, K) for how many hours, at most as many as it must
    up: Array  # (K,) hours that each plant must stay on,
    down: Array  # (K,) and off
    below_mwh: Array  # (B, P) what may be taken from the stores,
    above_mwh: Array  # (B, P) and added


class Decommitment:
    """The choice of plants of one grid, in its connected parts with all lines in service."""

    def __init__(self, arrays: GridArrays, prices: Prices, rule: UnitCommitment) -> None:
        self.arrays, self.rule = arrays, rule
        a, parts = arrays, np.asarray(arrays.part_matrix)
        give, take = a.discharge_max_mw @ parts, a.charge_max_mw @ parts
        wear = np.asarray(linear_cost_per_mwh(arrays, prices, "discharge"))
        value = np.asarray(store_value_per_mwh(arrays, prices))

        def mean(values: np.ndarray, weights: np.ndarray, otherwise: float = 0.0) -> np.ndarray:
            total = weights @ parts
            return np.where(total > 0, (values * weights) @ parts / np.maximum(total, 1e-12), otherwise)

        self.fleet = Fleet(
            rule.cost,
            rule.curve,
            rule.gen_min,
            rule.no_load,
            rule.part,
            rule.place,
            rule.dearest_first,
            rule.start_cost,
            min(rule.shed_price, 1e9),
            rule.spill_price,
            give,
            take,
            mean(a.discharge_eff_frac, a.discharge_max_mw, 1.0),
            mean(a.charge_eff_frac, a.charge_max_mw, 1.0),
            mean(wear, a.discharge_max_mw),
            mean(value, a.store_max_mwh),
        )

    def schedule(
        self, limits: Limits, need_mw: np.ndarray, offer_mw: np.ndarray, span_h: float, stores_frac: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is on in the coming hours, and what it is worth to be on in the first of them.

        Args:
            limits: (B, N) of the coming step, before it is decided, with what is stored.
            need_mw: (B, H, N) demand; only the sum over each part matters.
            offer_mw: (B, H, N) output that is possible.
            span_h: length of each of the hours.
            stores_frac: of the power of stores, that is counted on.

        Returns:
            (B, H, K) whether each plant is on; (B, K) currency that being on saves over the hours, beside the others.
        """
        a, rule, parts = self.arrays, self.rule, np.asarray(self.arrays.part_matrix)
        hours, (rows, count, _) = rule.hours(need_mw, offer_mw), need_mw.shape
        stored_mwh = constant(limits.store_mwh)
        below_mwh = np.maximum(stored_mwh - a.store_min_mwh, 0.0) @ parts
        above_mwh = np.maximum(a.store_max_mwh - stored_mwh, 0.0) @ parts
        lasting = rule.lasting(limits, span_h)
        ahead = Ahead(span_h, *map(np.ascontiguousarray, (*hours, *lasting, below_mwh, above_mwh)))
        on, value = np.ones((rows, count, len(self.rule.sources)), bool), np.zeros((rows, len(rule.plants)))
        give_mw, take_mw = self.fleet.give_mw * stores_frac, self.fleet.take_mw * stores_frac
        fleet = self.fleet._replace(give_mw=give_mw, take_mw=take_mw)
        for_each(partial(_schedules, fleet, ahead, on, value), np.arange(rows))
        return on[..., rule.place], value


@compiled
def _schedules(fleet: Fleet, ahead: Ahead, on: Array, value: Array, rows: Array) -> None:
    """Fill in what is on (B, H, G), and what it is worth now (B, K), of these rows."""
    for b in rows:
        for k in range(len(fleet.place)):  # what must wait is off until it may start
            if not ahead.is_on[b, k]:
                on[b, : ahead.down[k] - ahead.lasted[b, k], fleet.place[k]] = False
        for _ in range(SWEEPS):
            is_same = True
            for k in fleet.order:
                is_same &= _best_hours(fleet, ahead, b, k, on[b], value)
            if is_same:
                break


@compiled
def _hour_cost(fleet: Fleet, part: int, on: Array, offer_mw: Array, need_mw: float) -> float:
    """Of an hour of a part, with these sources on, (G,), the cheapest first."""
    cost, left = 0.0, need_mw
    for g in range(len(on)):
        if fleet.part[g] == part and on[g]:
            left -= min(fleet.least_mw[g], offer_mw[g])
    over = max(-left, 0.0)
    for g in range(len(on)):
        if fleet.part[g] == part and on[g]:
            low = min(fleet.least_mw[g], offer_mw[g])
            more = min(max(left, 0.0), offer_mw[g] - low)
            left -= more
            cost += (low + more) * (fleet.cost[g] + (low + more) * fleet.curve[g]) + fleet.no_load[g]
    return cost + fleet.shed * max(left, 0.0) + fleet.spill * over


@compiled
def _fill_powers(
    fleet: Fleet, part: int, on: Array, offer_mw: Array, need_mw: float, falls: int, rises: int, powers: Array
) -> int:
    """Powers that stores may have, how many: none, parts of the most, and those that leave a source just full."""
    count = 0
    for move in range(-rises, falls + 1):
        most_mw = fleet.give_mw[part] / falls if move > 0 else fleet.take_mw[part] / max(rises, 1)
        powers[count] = move * most_mw
        count += 1
    left = need_mw
    for g in range(len(on)):
        if fleet.part[g] == part and on[g]:
            left -= min(fleet.least_mw[g], offer_mw[g])
    for g in range(-1, len(on)):
        if g >= 0:
            room = offer_mw[g] - min(fleet.least_mw[g], offer_mw[g]) if fleet.part[g] == part and on[g] else 0.0
            left -= room
            if room < LEAST_MW:
                continue
        if count < len(powers) and -fleet.take_mw[part] < left < fleet.give_mw[part]:
            powers[count] = left
            count += 1
    return count


@compiled
def _step_costs(
    fleet: Fleet, ahead: Ahead, b: int, part: int, on: Array, g: int, size: tuple[float, int, int], moves: Array
) -> Array:
    """Fill in by how many levels stores may move in each hour with source g off and on, (H, 2, V); what that costs."""
    (level_mwh, falls, rises), powers = size, np.empty(moves.shape[2])
    costs = np.full(moves.shape, np.inf)
    for h in range(len(costs)):
        was, given = on[h, g], (ahead.offer_mw[b, h], ahead.need_mw[b, h, part])
        for state in range(2):
            on[h, g] = state == 1
            for v in range(_fill_powers(fleet, part, on[h], *given, falls, rises, powers)):
                mw = powers[v]
                mwh = -mw / fleet.give_eff[part] if mw > 0 else -mw * fleet.take_eff[part]
                moves[h, state, v] = mwh * ahead.span_h / level_mwh
                hourly = _hour_cost(fleet, part, on[h], given[0], given[1] - mw)
                costs[h, state, v] = ahead.span_h * (hourly + fleet.wear[part] * max(mw, 0.0))
        on[h, g] = was
    return costs


@compiled
def _at(to_go: Array, level: float) -> float:
    """What is between two levels (M,)."""
    below = min(int(level), len(to_go) - 1)
    share = level - below
    return to_go[below] if share < LEAST_MW else (1 - share) * to_go[below] + share * to_go[below + 1]


@compiled
def _best_move(moves: Array, costs: Array, to_go: Array, level: float) -> tuple[float, float]:
    """The least cost of an hour, by moves (V,), and from the level that it leads to, (M,); and that level."""
    least, best, most = np.inf, level, len(to_go) - 1.0
    for v in range(len(moves)):
        to = level + moves[v]
        if costs[v] < np.inf and -LEAST_MW < to < most + LEAST_MW:
            to = min(max(to, 0.0), most)
            cost = costs[v] + _at(to_go, to)
            if cost < least:
                least, best = cost, to
    return least, best


@compiled
def _best_moves(moves: Array, costs: Array, to_go: Array, least: Array) -> None:
    """Fill in the same least cost from every level, (M,); the inner loop suits the vectors of processors."""
    least[:] = np.inf
    for v in range(len(moves)):
        if costs[v] < np.inf:
            below = math.floor(moves[v] + LEAST_MW)
            share = max(moves[v] - below, 0.0)
            above = below if share < LEAST_MW else below + 1
            first = max(-below, 0)
            end = max(min(len(to_go) - above, len(to_go)), first)
            low, high, known = to_go[first + below : end + below], to_go[first + above : end + above], least[first:end]
            for i in range(len(known)):
                known[i] = min(known[i], costs[v] + (1.0 - share) * low[i] + share * high[i])


@compiled
def _best_hours(fleet: Fleet, ahead: Ahead, b: int, k: int, on: Array, value: Array) -> bool:
    """Give plant k its best hours beside the others, in on (H, G), and what it is worth now; whether none changes.

    A state is how long the plant has been on, 0 to ``up``, or from then on how long off, to ``last``.
    """
    g, hours, up = fleet.place[k], len(on), ahead.up[k]
    part, start_cost, last = fleet.part[g], fleet.start_cost[k], up + 1 + ahead.down[k]
    new_on, new_off = min(1, up), min(up + 2, last)
    give_mwh = ahead.span_h * fleet.give_mw[part] / fleet.give_eff[part]  # that stores lose in a step, at most,
    take_mwh = ahead.span_h * fleet.take_mw[part] * fleet.take_eff[part]  # and gain
    level_mwh = max(give_mwh, take_mwh, 1e-9) / LEVELS_AN_HOUR
    falls, rises = math.ceil(give_mwh / level_mwh - LEAST_MW), math.ceil(take_mwh / level_mwh - LEAST_MW)
    below = min(ahead.below_mwh[b, part] / level_mwh, MOST_LEVELS)
    above = min(ahead.above_mwh[b, part] / level_mwh, MOST_LEVELS)
    levels = int(below + above) + 1 if falls + rises > 0 else 1
    moves = np.zeros((hours, 2, falls + rises + 1 + (MOST_FULL if levels > 1 else 0)))
    costs = _step_costs(fleet, ahead, b, part, on, g, (level_mwh, falls, rises), moves)
    to_go, done = np.empty((hours + 1, last + 1, levels)), np.empty((last + 1, levels))
    for i in range(levels):
        to_go[hours, :, i] = -fleet.end_value[part] * i * level_mwh
    for h in range(hours - 1, -1, -1):
        for state in range(last + 1):
            way = int(state <= up)
            _best_moves(moves[h, way], costs[h, way], to_go[h + 1, state], done[state])
        for state in range(last + 1):
            to_go[h, state] = done[min(state + 1, up if state <= up else last)]
        to_go[h, up] = np.minimum(to_go[h, up], done[new_off])
        to_go[h, last] = np.minimum(to_go[h, last], start_cost + done[new_on])
    level, is_same = min(below, levels - 1.0), True
    state = ahead.lasted[b, k] + (0 if ahead.is_on[b, k] else up + 1)
    for h in range(hours):
        to_on, to_off = (min(state + 1, up), new_off) if state <= up else (new_on, min(state + 1, last))
        on_cost, on_level = _best_move(moves[h, 1], costs[h, 1], to_go[h + 1, to_on], level)
        off_cost, off_level = _best_move(moves[h, 0], costs[h, 0], to_go[h + 1, to_off], level)
        saved = off_cost - on_cost - (0.0 if state <= up else start_cost)
        if state < up:
            saved = np.inf
        elif up < state < last:
            saved = -np.inf
        if h == 0:
            value[b, k] = saved
        state, level = (to_on, on_level) if saved > 0 else (to_off, off_level)
        is_same &= on[h, g] == (saved > 0)
        on[h, g] = saved > 0
    return is_same
