"""A small interior point method for linear and convex quadratic programmes, compiled by numba.

Mehrotra's predictor and corrector (SIAM J. Optimization 2, 1992) on the normal equations, whose Cholesky factor keeps
to the profile of the matrix: with rows in the order of time, it is thin. Made for many small programmes of which a few
digits are enough; ``grid.programme`` is for all digits. Symbols: C columns, R rows, E entries.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from policies.compiled import Array, compiled

ITERATIONS = 20
SHORT_OF_BOUND = 0.9995  # of the way to the nearest one
FIRST_DUAL = 0.1
TINY = 1e-12
NEAR_CENTRE = 3.0  # times what is enough


class Programme(NamedTuple):
    """Minimise cost·z + bend·z²/2 over low ≤ z ≤ high, with rows that sum to right."""

    start: Array  # (C + 1,) where the entries of each column begin
    row: Array  # (E,) of each entry, ascending within a column
    coef: Array  # (E,)
    cost: Array  # (C,)
    bend: Array  # (C,) at least 0
    low: Array  # (C,) finite
    high: Array  # (C,) above low, or infinite
    right: Array  # (R,)
    enough: Array  # (C,) complementarity, price times amount, to which a column is worked out


class Factor(NamedTuple):
    """The lower Cholesky factor of a symmetric matrix, row by row from the first entry that can differ from 0.

    The diagonal holds its reciprocals.
    """

    first: Array  # (R,) that entry's column
    place: Array  # (R + 1,) where each row begins
    entries: Array


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
    return Factor(first, place, np.zeros(place[rows]))


@compiled
def factorise(programme: Programme, weight: Array, factor: Factor) -> None:
    """Factor the normal equations, in which each column has a weight (C,)."""
    first, place, entries = factor
    entries[:] = 0.0
    for j in range(len(weight)):
        for a in range(programme.start[j], programme.start[j + 1]):
            i, scaled = programme.row[a], programme.coef[a] * weight[j]
            offset = place[i] - first[i]
            for b in range(programme.start[j], a + 1):
                entries[offset + programme.row[b]] += scaled * programme.coef[b]
    for i in range(len(first)):
        mine = entries[place[i] : place[i + 1]]
        for j in range(first[i], i + 1):
            begin = max(first[i], first[j])
            ours, theirs = (
                mine[begin - first[i] : j - first[i]],
                entries[place[j] + begin - first[j] : place[j + 1] - 1],
            )
            total = mine[j - first[i]]
            for k in range(len(ours)):
                total -= ours[k] * theirs[k]
            mine[j - first[i]] = 1.0 / np.sqrt(max(total, TINY)) if i == j else total * entries[place[j + 1] - 1]


@compiled
def solve_last(factor: Factor, begin: int, x: Array) -> None:
    """Turn the right side of the rows from ``begin`` into their solution, where that of all rows before is 0."""
    first, place, entries = factor
    for i in range(len(x)):
        row = entries[place[i + begin] : place[i + begin + 1]]
        skip = max(first[i + begin] - begin, 0)
        known, shift = x[skip:i], skip + begin - first[i + begin]
        total = x[i]
        for k in range(len(known)):
            total -= row[shift + k] * known[k]
        x[i] = total * row[-1]
    for i in range(len(x) - 1, -1, -1):
        row = entries[place[i + begin] : place[i + begin + 1]]
        skip = max(first[i + begin] - begin, 0)
        open_, shift = x[skip:i], skip + begin - first[i + begin]
        x[i] *= row[-1]
        for k in range(len(open_)):
            open_[k] -= row[shift + k] * x[i]


class Iterate(NamedTuple):
    """Where the method stands, and where it goes; C columns, R rows."""

    z: Array  # (C,) inside the bounds
    y: Array  # (R,) duals of the rows
    below: Array  # (C,) duals of the low bounds
    above: Array  # (C,) and of the high ones, 0 where there is none
    dz: Array  # (C,)
    dy: Array  # (R,)
    d_below: Array  # (C,)
    d_above: Array  # (C,)
    slack: Array  # (C,) what stationarity is off
    short: Array  # (R,) what the rows are short of
    weight: Array  # (C,) of each column in the normal equations
    by_low: Array  # (C,) one over the distance from the low bound
    by_high: Array  # (C,) and from the high one, 0 where there is none


@compiled
def solve(programme: Programme, factor: Factor, z: Array, y: Array) -> Array:
    """Move z (C,), inside its bounds, and the rows' duals y (R,) to where every complementarity is what is enough.

    That is a point of the central path, on which the solution changes smoothly with all numbers of the programme.

    Returns:
        Weights (C,) of the last normal equations, which the factor is of. The derivative of z by right follows from
        both: weight times the columns' entries times the solution for the change of right.
    """
    columns, rows = len(programme.cost), len(programme.right)
    many, dy, short = np.zeros((9, columns)), np.zeros(rows), np.zeros(rows)
    at = Iterate(z, y, many[0], many[1], many[2], dy, many[3], many[4], many[5], short, many[6], many[7], many[8])
    bounds = columns + np.sum(programme.high < np.inf)
    for j in range(columns):
        worth = programme.cost[j] + programme.bend[j] * z[j] - _worth(programme, y, j)
        at.below[j] = max(worth, 0.0) + FIRST_DUAL
        if programme.high[j] < np.inf:
            at.above[j] = max(-worth, 0.0) + FIRST_DUAL
    for _ in range(ITERATIONS):
        gap, off = _take_stock(programme, at)
        is_near = off < NEAR_CENTRE  # one more step, and there is nothing left to see
        factorise(programme, at.weight, factor)
        at.dz[:], at.d_below[:], at.d_above[:] = 0.0, 0.0, 0.0
        steps = _aim(programme, factor, at, 0.0, 0.0)
        target = (_gap_after(programme, at, steps) / gap) ** 3 * gap / bounds
        step_z, step_y = _aim(programme, factor, at, target, 1.0)
        z += step_z * at.dz
        y += step_y * at.dy
        at.below[:] += step_y * at.d_below
        at.above[:] += step_y * at.d_above
        if is_near:
            break
    return at.weight


@compiled
def _worth(programme: Programme, y: Array, j: int) -> float:
    """What the rows pay for column j."""
    total = 0.0
    for a in range(programme.start[j], programme.start[j + 1]):
        total += programme.coef[a] * y[programme.row[a]]
    return total


@compiled
def _take_stock(programme: Programme, at: Iterate) -> tuple[float, float]:
    """Fill in weights, slack and what rows are short of; the sum of complementarity, and how far one is off."""
    _, _, _, cost, bend, low, high, right, enough = programme
    gap, off = 0.0, 0.0
    at.short[:] = right
    for j in range(len(cost)):
        at.by_low[j] = 1.0 / (at.z[j] - low[j])
        product = (at.z[j] - low[j]) * at.below[j]
        gap, off = gap + product, max(off, abs(product / enough[j] - 1))
        curve = bend[j] + at.below[j] * at.by_low[j]
        if high[j] < np.inf:
            at.by_high[j] = 1.0 / (high[j] - at.z[j])
            product = (high[j] - at.z[j]) * at.above[j]
            gap, off = gap + product, max(off, abs(product / enough[j] - 1))
            curve += at.above[j] * at.by_high[j]
        at.weight[j] = 1.0 / curve
        at.slack[j] = at.below[j] - at.above[j] - cost[j] - bend[j] * at.z[j] + _worth(programme, at.y, j)
        _spread(programme, j, -at.z[j], at.short)
    return gap, off


@compiled
def _spread(programme: Programme, j: int, amount: float, rows: Array) -> None:
    """Add an amount of column j to the rows."""
    for a in range(programme.start[j], programme.start[j + 1]):
        rows[programme.row[a]] += programme.coef[a] * amount


@compiled
def _gap_after(programme: Programme, at: Iterate, steps: tuple[float, float]) -> float:
    """The sum of complementarity if the steps were taken."""
    step_z, step_y = steps
    total = 0.0
    for j in range(len(at.z)):
        z = at.z[j] + step_z * at.dz[j]
        total += (z - programme.low[j]) * (at.below[j] + step_y * at.d_below[j])
        if programme.high[j] < np.inf:
            total += (programme.high[j] - z) * (at.above[j] + step_y * at.d_above[j])
    return total


@compiled
def _aim(programme: Programme, factor: Factor, at: Iterate, target: float, least: float) -> tuple[float, float]:
    """Fill in a direction towards complementarities of ``target``, corrected by the products of the last direction.

    They are no smaller than ``least`` times what is enough.

    Returns:
        How far z and how far the duals can go.
    """
    at.dy[:] = at.short
    for j in range(len(at.z)):
        aimed = max(target, least * programme.enough[j])
        at.d_below[j] = aimed - at.dz[j] * at.d_below[j]
        at.d_above[j] = aimed + at.dz[j] * at.d_above[j]
        pull = at.slack[j] - at.below[j] + at.d_below[j] * at.by_low[j] + at.above[j] - at.d_above[j] * at.by_high[j]
        at.dz[j] = pull
        _spread(programme, j, -pull * at.weight[j], at.dy)
    solve_last(factor, 0, at.dy)
    most, step_y = SHORT_OF_BOUND, 1.0  # the largest move of z, in distances from a bound
    for j in range(len(at.z)):
        step = at.weight[j] * (at.dz[j] + _worth(programme, at.dy, j))
        at.dz[j] = step
        at.d_below[j] = (at.d_below[j] - at.below[j] * step) * at.by_low[j] - at.below[j]
        at.d_above[j] = (at.d_above[j] + at.above[j] * step) * at.by_high[j] - at.above[j]
        most = max(most, -step * at.by_low[j], step * at.by_high[j])
        if -step_y * at.d_below[j] > SHORT_OF_BOUND * at.below[j]:
            step_y = SHORT_OF_BOUND * at.below[j] / -at.d_below[j]
        if -step_y * at.d_above[j] > SHORT_OF_BOUND * at.above[j]:
            step_y = SHORT_OF_BOUND * at.above[j] / -at.d_above[j]
    return SHORT_OF_BOUND / most, step_y
