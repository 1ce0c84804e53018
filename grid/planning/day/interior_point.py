"""A small interior point method for linear and convex quadratic programmes, compiled by numba.

Mehrotra's predictor and corrector (SIAM J. Optimization 2, 1992) on the normal equations, whose Cholesky factor keeps
to the profile of the matrix, which is narrow when rows are in the order of time. It suits many small programmes that
need a few digits; ``planning.programme`` solves one to full precision. Programmes with entries in the same places are
solved side by side, one in each lane, and none of them depends on the others.
Symbols: C columns, R rows, E entries, K lanes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from grid.jit import Array, compiled
from grid.simd import LANES, blank, choose, every, least, most, put, root, take

ITERATIONS = 20
SHORT_OF_BOUND = 0.9  # of the way to the nearest one
FIRST_DUAL = 0.1
TINY = 1e-12
NEAR_CENTRE = 3.0  # times the tolerance


class Programme(NamedTuple):
    """Minimise cost·z + bend·z²/2 over low ≤ z ≤ high, with rows that sum to right."""

    start: Array  # (C + 1,) where the entries of each column begin
    row: Array  # (E,) of each entry, ascending within a column
    coef: Array  # (E, K)
    cost: Array  # (C,)
    has_high: Array  # (C,) whether there is a high bound
    tolerance: Array  # (C,) complementarity, price times amount, to which a column is worked out
    live: Array  # (C, K) 1; or 0 where the column has no bounds, and bends about its low one
    bend: Array  # (C, K) at least 0, and above it in columns without bounds
    low: Array  # (C, K) finite
    high: Array  # (C, K) above low
    right: Array  # (R, K)


class Factor(NamedTuple):
    """The lower Cholesky factor of a symmetric matrix, row by row from the first entry that can differ from 0.

    The diagonal holds its reciprocals.
    """

    first: Array  # (R,) that entry's column
    place: Array  # (R + 1,) where each row begins
    entries: Array  # (·, K)


@compiled
def profile(programme: Programme) -> Factor:
    """An empty factor for the normal equations of a programme."""
    rows = len(programme.right)
    first = np.arange(rows)
    for j in range(len(programme.cost)):
        for a in range(programme.start[j], programme.start[j + 1]):
            i = programme.row[a]
            first[i] = min(first[i], programme.row[programme.start[j]])
    place = np.zeros(rows + 1, np.int64)
    for i in range(rows):
        place[i + 1] = place[i] + i - first[i] + 1
    return Factor(first, place, blank(place[rows]))


@compiled
def factorise(programme: Programme, weight: Array, factor: Factor) -> None:
    """Factor the normal equations, in which each column has a weight (C, K)."""
    first, place, entries = factor
    entries[:] = 0.0
    for j in range(len(weight)):
        for a in range(programme.start[j], programme.start[j + 1]):
            i, scaled = programme.row[a], take(programme.coef, a) * take(weight, j)
            offset = place[i] - first[i]
            for b in range(programme.start[j], a + 1):
                at = offset + programme.row[b]
                put(entries, at, take(entries, at) + scaled * take(programme.coef, b))
    for i in range(len(first)):
        for j in range(first[i], i + 1):
            begin, at = max(first[i], first[j]), place[i] + j - first[i]
            total = take(entries, at) - _product(
                entries, place[i] + begin - first[i], place[j] + begin - first[j], j - begin
            )
            if i == j:
                put(entries, at, 1.0 / root(most(total, every(TINY))))
            else:
                put(entries, at, total * take(entries, place[j + 1] - 1))


@compiled
def _product(entries: Array, a: int, b: int, count: int) -> Any:
    """The sum of products of entries from a and from b on; in four parts, none of which waits for the others."""
    one, two, three, four = every(0.0), every(0.0), every(0.0), every(0.0)
    whole = count - count % 4
    for k in range(0, whole, 4):
        one += take(entries, a + k) * take(entries, b + k)
        two += take(entries, a + k + 1) * take(entries, b + k + 1)
        three += take(entries, a + k + 2) * take(entries, b + k + 2)
        four += take(entries, a + k + 3) * take(entries, b + k + 3)
    for k in range(whole, count):
        one += take(entries, a + k) * take(entries, b + k)
    return (one + two) + (three + four)


@compiled
def solve_last(factor: Factor, begin: int, x: Array) -> None:
    """Turn the right side (·, K) of the rows from ``begin`` into their solution, where that of all before is 0."""
    first, place, entries = factor
    for i in range(len(x)):
        skip = max(first[i + begin] - begin, 0)
        shift = place[i + begin] + begin - first[i + begin]
        total = take(x, i)
        for k in range(skip, i):
            total -= take(entries, shift + k) * take(x, k)
        put(x, i, total * take(entries, place[i + begin + 1] - 1))
    for i in range(len(x) - 1, -1, -1):
        skip = max(first[i + begin] - begin, 0)
        shift = place[i + begin] + begin - first[i + begin]
        found = take(x, i) * take(entries, place[i + begin + 1] - 1)
        put(x, i, found)
        for k in range(skip, i):
            put(x, k, take(x, k) - take(entries, shift + k) * found)


class Iterate(NamedTuple):
    """Where the method stands, and where it goes."""

    z: Array  # (C, K) inside the bounds
    y: Array  # (R, K) duals of the rows
    below: Array  # (C, K) duals of the low bounds
    above: Array  # (C, K) and of the high ones, 0 where there is none
    dz: Array  # (C, K)
    dy: Array  # (R, K)
    d_below: Array  # (C, K)
    d_above: Array  # (C, K)
    slack: Array  # (C, K) what stationarity is off
    short: Array  # (R, K) what the rows are short of
    weight: Array  # (C, K) of each column in the normal equations
    by_low: Array  # (C, K) one over the distance from the low bound, 0 where there is none
    by_high: Array  # (C, K) and from the high one
    going: Array  # (1, K) 1, or 0 in a lane that has arrived


@compiled
def solve(programme: Programme, factor: Factor, z: Array, y: Array, caution: float) -> Array:
    """Move z (C, K), inside its bounds, and the rows' duals y (R, K) to where each complementarity is its tolerance.

    That is a point of the central path, on which the solution changes smoothly with all numbers of the programme. The
    smaller the caution about the first guesses (1 at the most), the closer to them it begins.

    Returns:
        Weights (C, K) of the last normal equations, which the factor is of. The derivative of z by right follows from
        both: weight times the columns' entries times the solution for the change of right.
    """
    columns, rows = len(programme.cost), len(programme.right)
    many, dy, short, going = blank(9 * columns).reshape(9, columns, LANES), blank(rows), blank(rows), blank(1)
    going[:] = 1.0
    at = Iterate(
        z, y, many[0], many[1], many[2], dy, many[3], many[4], many[5], short, many[6], many[7], many[8], going
    )
    bounds, goal = _first_duals(programme, at, caution)
    for _ in range(ITERATIONS):
        gap, off = _take_stock(programme, at)
        factorise(programme, at.weight, factor)
        none, still = every(0.0), take(going, 0)
        step_z, step_y, by_z, product = _aim(programme, factor, at, none, none)
        excess = most(gap - goal, every(TINY))
        gap_after = gap + step_z * by_z + step_y * (goal - gap - by_z) + step_z * step_y * product
        left = least(most(gap_after - goal, none) / excess, every(1.0))
        step_z, step_y, _, _ = _aim(programme, factor, at, left * left * left * excess / bounds, step_z * step_y)
        step_z, step_y = choose(still, step_z, none), choose(still, step_y, none)
        for j in range(columns):
            put(z, j, take(z, j) + step_z * take(at.dz, j))
            put(at.below, j, take(at.below, j) + step_y * take(at.d_below, j))
            put(at.above, j, take(at.above, j) + step_y * take(at.d_above, j))
        for i in range(rows):
            put(y, i, take(y, i) + step_y * take(dy, i))
        put(going, 0, choose(off - NEAR_CENTRE, still, none))  # near it, this was the last step
        if np.max(going) == 0.0:
            break
    return at.weight


@compiled
def _worth(programme: Programme, y: Array, j: int) -> Any:
    """What the rows pay for column j."""
    total = every(0.0)
    for a in range(programme.start[j], programme.start[j + 1]):
        total += take(programme.coef, a) * take(y, programme.row[a])
    return total


@compiled
def _first_duals(programme: Programme, at: Iterate, caution: float) -> Any:
    """Fill in duals of the bounds; how many bounds there are, and the sum of the tolerances."""
    none, bounds, goal = every(0.0), every(0.0), every(0.0)
    for j in range(len(programme.cost)):
        live = take(programme.live, j)
        worth = programme.cost[j] + take(programme.bend, j) * take(at.z, j) - _worth(programme, at.y, j)
        distance = take(at.z, j) - take(programme.low, j)
        put(at.below, j, live * most(most(worth, none) + caution * FIRST_DUAL, programme.tolerance[j] / distance))
        if programme.has_high[j]:
            distance = take(programme.high, j) - take(at.z, j)
            put(
                at.above,
                j,
                live * most(most(none - worth, none) + caution * FIRST_DUAL, programme.tolerance[j] / distance),
            )
        count = 2.0 if programme.has_high[j] else 1.0
        bounds += count * live
        goal += count * programme.tolerance[j] * live
    return bounds, goal


@compiled
def _take_stock(programme: Programme, at: Iterate) -> Any:
    """Fill in weights, slack and what rows are short of; the sum of complementarity, and how far one is off."""
    none, gap, off, going = every(0.0), every(0.0), every(0.0), take(at.going, 0)
    for i in range(len(at.short)):
        put(at.short, i, take(programme.right, i))
    for j in range(len(programme.cost)):
        z, live, below, above = take(at.z, j), take(programme.live, j), take(at.below, j), take(at.above, j)
        bend, aimed = take(programme.bend, j), 1.0 / programme.tolerance[j]
        distance = most(z - take(programme.low, j), every(TINY))
        by_low = choose(live, 1.0 / distance, none)
        put(at.by_low, j, by_low)
        gap += distance * below
        off = most(off, live * _wrong(distance * below * aimed))
        curve = bend + below * by_low
        if programme.has_high[j]:
            distance = most(take(programme.high, j) - z, every(TINY))
            by_high = choose(live, 1.0 / distance, none)
            put(at.by_high, j, by_high)
            gap += distance * above
            off = most(off, live * _wrong(distance * above * aimed))
            curve += above * by_high
        put(at.weight, j, choose(going, 1.0 / curve, take(at.weight, j)))
        bent = bend * (z - choose(live, none, take(programme.low, j)))
        put(at.slack, j, below - above - programme.cost[j] - bent + _worth(programme, at.y, j))
        _spread(programme, j, none - z, at.short)
    return gap, off


@compiled
def _wrong(share: Any) -> Any:
    """How far a share is from 1."""
    return most(share - 1.0, 1.0 - share)


@compiled
def _spread(programme: Programme, j: int, amount: Any, rows: Array) -> None:
    """Add an amount of column j to the rows."""
    for a in range(programme.start[j], programme.start[j + 1]):
        i = programme.row[a]
        put(rows, i, take(rows, i) + take(programme.coef, a) * amount)


@compiled
def _aim(programme: Programme, factor: Factor, at: Iterate, target: Any, trust: Any) -> Any:
    """Fill in a direction towards complementarities of ``target``, but no smaller than the tolerance.

    It is corrected by the products of the last direction, as far as that is trusted.

    Returns:
        How far z and how far the duals can go; by how much dz alone would change the sum of complementarity, and the
        product of both directions.
    """
    none = every(0.0)
    for i in range(len(at.dy)):
        put(at.dy, i, take(at.short, i))
    for j in range(len(at.z)):
        live, change = take(programme.live, j), trust * take(at.dz, j)
        aimed = live * most(target, every(programme.tolerance[j]))
        d_below, d_above = aimed - change * take(at.d_below, j), none
        pull = take(at.slack, j) - take(at.below, j) + d_below * take(at.by_low, j)
        if programme.has_high[j]:
            d_above = aimed + change * take(at.d_above, j)
            pull += take(at.above, j) - d_above * take(at.by_high, j)
        put(at.d_below, j, d_below)
        put(at.d_above, j, d_above)
        put(at.dz, j, pull)
        _spread(programme, j, none - pull * take(at.weight, j), at.dy)
    solve_last(factor, 0, at.dy)
    furthest, steepest = every(SHORT_OF_BOUND), every(SHORT_OF_BOUND)  # of z and the duals, in distances from a bound;
    # where there is none, 0 / 0 is not more than what is known
    by_z, product = none, none
    for j in range(len(at.z)):
        step = take(at.weight, j) * (take(at.dz, j) + _worth(programme, at.dy, j))
        put(at.dz, j, step)
        by_low, below = take(at.by_low, j), take(at.below, j)
        d_below = (take(at.d_below, j) - below * step) * by_low - below
        put(at.d_below, j, d_below)
        by_z += below * step
        product += d_below * step
        furthest = most(furthest, none - step * by_low)
        steepest = most(none - d_below / below, steepest)
        if programme.has_high[j]:
            by_high, above = take(at.by_high, j), take(at.above, j)
            d_above = (take(at.d_above, j) + above * step) * by_high - above
            put(at.d_above, j, d_above)
            by_z -= above * step
            product -= d_above * step
            furthest = most(furthest, step * by_high)
            steepest = most(none - d_above / above, steepest)
    return SHORT_OF_BOUND / furthest, SHORT_OF_BOUND / steepest, by_z, product
