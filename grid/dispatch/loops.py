"""The loops of the merit order and of redispatch, compiled, one row of the batch after the other.

``grid.dispatch.merit_order`` and ``grid.dispatch.redispatch`` say the same with arrays, for torch tensors, for rows
with lines out and where numba is missing; tests hold the two equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grid.jit import Array, compiled_exactly

TINY_MW = 1e-30  # as in grid.physics.balance


@compiled_exactly
def stores(
    actions: Array, unit: Array, discharge_mw: Array, charge_mw: Array, lo_mw: Array, hi_mw: Array, load_mw: Array
) -> tuple[Array, Array]:
    """(B, N) each: what actions (B, A) ask of stores, and the demand that stores within their limits leave over.

    Args:
        unit: (N,) action of each node, A where it has none.
        discharge_mw: (N,) asked for by an action of 1.
        charge_mw: (N,) asked for by an action of -1.
        lo_mw: (B, N), and so hi_mw: limits of the stores.
        load_mw: (B, N).
    """
    asked, need = np.zeros(load_mw.shape), load_mw.copy()
    for row in range(load_mw.shape[0]):
        for n in range(load_mw.shape[1]):
            if unit[n] < actions.shape[1]:
                action = actions[row, unit[n]]
                asked[row, n] = max(action, 0.0) * discharge_mw[n] + min(action, 0.0) * charge_mw[n]
                need[row, n] -= min(max(asked[row, n], lo_mw[row, n]), hi_mw[row, n])
    return asked, need


@compiled_exactly
def outputs(actions: Array, unit: Array, lo_mw: Array, hi_mw: Array, zero_mw: Array) -> Array:
    """(B, N) output that actions (B, A) ask for: ``zero_mw`` (B, N) at 0, a limit at 1 and -1."""
    out = zero_mw.copy()
    for row in range(out.shape[0]):
        for n in range(out.shape[1]):
            if unit[n] < actions.shape[1]:
                action, zero = actions[row, unit[n]], zero_mw[row, n]
                out[row, n] += max(action, 0.0) * (hi_mw[row, n] - zero) + min(action, 0.0) * (zero - lo_mw[row, n])
    return out


@compiled_exactly
def merit_order(
    need_mw: Array, lo_mw: Array, hi_mw: Array, sources: Array, last: Array, part: Array, nodes: Array, ends: Array
) -> Array:
    """(B, N) output by the merit order; see ``MeritOrder.dispatch``.

    Args:
        need_mw: (B, N), and so lo_mw, hi_mw.
        sources: (G,) nodes, tier by tier.
        last: (K,) position of each tier's last source.
        part: (K,) of each tier.
        nodes: (N,) by part.
        ends: (P,) position of each part's last node.
    """
    out = np.empty(lo_mw.shape)
    for row in range(need_mw.shape[0]):
        gen, lo, hi, need = out[row], lo_mw[row], hi_mw[row], need_mw[row]
        tier = first = 0
        for p in range(ends.shape[0]):
            left = 0.0
            for n in nodes[first : ends[p]]:
                left += need[n] - lo[n]
                gen[n] = lo[n]
            first = ends[p]
            while tier < last.shape[0] and part[tier] == p:
                own = sources[last[tier - 1] if tier else 0 : last[tier]]
                tier += 1
                size = 0.0
                for n in own:
                    size += hi[n] - lo[n]
                fill = min(max(left / max(size, TINY_MW), 0.0), 1.0)
                for n in own:
                    gen[n] = lo[n] + (hi[n] - lo[n]) * fill
                left -= size
    return out


class Sources(NamedTuple):
    """What moves need to know of G sources and of L lines that have a limit."""

    node: Array  # (G,)
    line: Array  # (L,)
    capacity_mw: Array  # (L,)
    cost: Array  # (G,) of the first MW
    curve: Array  # (G,) of MW squared
    part: Array  # (G,) connected part
    parts: int
    reach: Array  # (G, L) flow of each MW
    reach_by_line: Array  # (L, G) the same
    overload_per_mwh: float


class Numbers(NamedTuple):
    """How moves are chosen; the constants of ``grid.dispatch.redispatch``."""

    turns: int  # the most moves to make
    most: int  # of sources that are looked at on either side, where pairs are compared
    tolerance_mw: float
    least_gain: float
    tie: float


class Work(NamedTuple):
    """Of the row in work."""

    gen: Array  # (G,) and so price, rise, fall
    lo: Array
    hi: Array
    price: Array  # of the first MW
    rise: Array  # cost of the first MW up, inf where there is no room
    fall: Array  # the same downward
    flow: Array  # (L,) and so sign, excess
    sign: Array
    excess: Array  # above capacity
    to_go: Array  # shift to where each is at its capacity
    kinks: Array  # (L,) first the lines at their capacity: they cost as soon as they carry more


@compiled_exactly
def moves(gen_mw: Array, lo_mw: Array, hi_mw: Array, flow_mw: Array, rows: Array, of: Sources, how: Numbers) -> None:
    """Redispatch some rows (b,), as ``Redispatch.moves`` has it; changes gen_mw (B, N) in place.

    Args:
        gen_mw: (B, N), and so lo_mw, hi_mw.
        flow_mw: (B, E) with that output.
        rows: (b,) to redispatch.
        of: the sources and lines.
        how: how moves are chosen.
    """
    units, lines = of.node.shape[0], of.line.shape[0]
    work = Work(
        np.empty(units), np.empty(units), np.empty(units), np.empty(units), np.empty(units), np.empty(units),
        np.empty(lines), np.empty(lines), np.empty(lines), np.empty(lines), np.empty(lines, np.intp),
    )  # fmt: skip
    for row in rows:
        for g in range(units):
            node = of.node[g]
            work.gen[g], work.lo[g], work.hi[g] = gen_mw[row, node], lo_mw[row, node], hi_mw[row, node]
        for k in range(lines):
            work.flow[k] = flow_mw[row, of.line[k]]
        turn = 0
        while turn < how.turns and _move(work, of, how, turn == 0):
            turn += 1
        if turn:
            for g in range(units):
                gen_mw[row, of.node[g]] = min(max(work.gen[g], work.lo[g]), work.hi[g])


@compiled_exactly
def _move(work: Work, of: Sources, how: Numbers, is_first: bool) -> bool:
    """Make the best move; whether there is one."""
    at, overloaded = _look_at_lines(work, of, how)
    if is_first and not overloaded and not _can_save(work, of, how):
        return False
    _price(work, of, how)
    rise, fall = work.rise, work.fall
    up, down = _first_least(rise, how.tie), _first_least(fall, how.tie)
    slope = rise[up] + fall[down]
    if not slope < -how.least_gain:
        return False
    if at or of.parts > 1:
        slope, up, down = _steepest(work, of, how, work.kinks[:at], up, down)
        if not -slope > how.least_gain:
            return False
    shift = _room(work, of, how, slope, up, down)
    if not shift > 0:
        return False
    work.gen[up] += shift
    work.gen[down] -= shift
    for k in range(work.flow.shape[0]):
        work.flow[k] += (of.reach[up, k] - of.reach[down, k]) * shift
    return True


@compiled_exactly
def _look_at_lines(work: Work, of: Sources, how: Numbers) -> tuple[int, bool]:
    """Write sign and excess of the flows; how many lines are at their capacity, and whether one is above it."""
    lines, near, over = work.flow.shape[0], 0, 0
    for k in range(lines):
        work.sign[k] = -1.0 if work.flow[k] < 0 else 1.0
        excess = abs(work.flow[k]) - of.capacity_mw[k]
        work.excess[k] = excess
        near += 1 if excess >= -how.tolerance_mw else 0
        over += 1 if excess > how.tolerance_mw else 0
    at = 0
    if near > over:
        for k in range(lines):
            if -how.tolerance_mw <= work.excess[k] <= how.tolerance_mw:
                work.kinks[at] = k
                at += 1
    return at, over > 0


@compiled_exactly
def _can_save(work: Work, of: Sources, how: Numbers) -> bool:
    """Whether a cheaper source has room, lines aside."""
    cheapest, dearest = np.inf, -np.inf
    for g in range(work.gen.shape[0]):
        price = of.cost[g] + 2.0 * of.curve[g] * work.gen[g]
        if work.hi[g] - work.gen[g] > how.tolerance_mw:
            cheapest = min(cheapest, price)
        if work.gen[g] - work.lo[g] > how.tolerance_mw:
            dearest = max(dearest, price)
    return dearest - cheapest > how.least_gain


@compiled_exactly
def _price(work: Work, of: Sources, how: Numbers) -> None:
    """Write what the first MW of each source costs up and down, with the overloads that it adds to."""
    for g in range(work.gen.shape[0]):
        work.price[g] = of.cost[g] + 2.0 * of.curve[g] * work.gen[g]
    for k in range(work.flow.shape[0]):
        if work.excess[k] > how.tolerance_mw:
            weight = of.overload_per_mwh * work.sign[k]
            for g in range(work.gen.shape[0]):
                work.price[g] += weight * of.reach_by_line[k, g]
    for g in range(work.gen.shape[0]):
        work.rise[g] = work.price[g] if work.hi[g] - work.gen[g] > how.tolerance_mw else np.inf
        work.fall[g] = -work.price[g] if work.gen[g] - work.lo[g] > how.tolerance_mw else np.inf


@compiled_exactly
def _room(work: Work, of: Sources, how: Numbers, slope: float, up: int, down: int) -> float:
    """MW to shift: to a limit, to where it costs as much as it saves, or to the next line's capacity."""
    shift = min(work.hi[up] - work.gen[up], work.gen[down] - work.lo[down])
    bend = 2.0 * (of.curve[up] + of.curve[down])
    if bend > 0:
        shift = min(shift, -slope / bend)
    for k in range(work.flow.shape[0]):
        change, excess = work.sign[k] * (of.reach[up, k] - of.reach[down, k]), work.excess[k]
        room = -excess if excess < -how.tolerance_mw else np.inf
        less = excess if excess > how.tolerance_mw else excess + 2.0 * of.capacity_mw[k]
        work.to_go[k] = (room if change > 0 else less) / abs(change) if abs(change) > 1e-9 else np.inf
    for k in range(work.flow.shape[0]):
        shift = min(shift, work.to_go[k])
    return shift


@compiled_exactly
def _first_least(price: Array, tie: float) -> int:
    """The first of the lowest prices (G,)."""
    least = price.min()
    for g in range(price.shape[0]):
        if price[g] <= least + tie:
            return g
    return 0


@compiled_exactly
def _slope(work: Work, of: Sources, kinks: Array, i: int, j: int) -> float:
    """What a MW from source j to source i costs."""
    if of.part[i] != of.part[j]:
        return np.inf
    slope = work.rise[i] + work.fall[j]
    for k in kinks:
        more = work.sign[k] * (of.reach_by_line[k, i] - of.reach_by_line[k, j])
        slope += of.overload_per_mwh * max(more, 0.0)
    return slope


@compiled_exactly
def _steepest(work: Work, of: Sources, how: Numbers, kinks: Array, up: int, down: int) -> tuple[float, int, int]:
    """Slope of the best pair, and the sources that go up and down: the first of equal ones; inf where none saves.

    Kinks only add to a slope, so pairs above the bound without them are not looked at; ``up`` and ``down`` are best
    without them.
    """
    rise, fall, units = work.rise, work.fall, work.gen.shape[0]
    first = second = np.arange(units)
    if units > how.most:
        first, second = np.sort(np.argsort(rise)[: how.most]), np.sort(np.argsort(fall)[: how.most])
    bound = min(_slope(work, of, kinks, up, down), -how.least_gain) + how.tie
    least_fall = fall[down] - how.tie
    best, up, down = np.inf, int(first[0]), int(second[0])
    for found in (False, True):
        for i in first:
            if rise[i] + least_fall <= bound:
                for j in second:
                    if rise[i] + fall[j] <= bound:
                        slope = _slope(work, of, kinks, i, j)
                        if found and slope <= best + how.tie:
                            return best, int(i), int(j)
                        if slope < best:
                            best, up, down = slope, int(i), int(j)
                            bound = min(bound, best + how.tie)
    return best, up, down
