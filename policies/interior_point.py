"""A small interior point method for linear and convex quadratic programmes, compiled by numba.

Mehrotra's predictor and corrector (SIAM J. Optimization 2, 1992) on the normal equations, whose Cholesky factor keeps
to the profile of the matrix: with rows in the order of time, it is thin. Made for many small programmes of which a few
digits are enough; ``grid.programme`` is for all digits. Symbols: C columns, R rows, E entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

Array = np.ndarray

ITERATIONS = 20
NEAR = 0.9995  # of the way to the nearest bound
FIRST_DUAL = 0.1
TINY = 1e-12
SUMS_REORDERED = {"reassoc", "contract"}  # so that sums run in parallel lanes


def compiled(function: Callable[..., Any]) -> Any:
    """To machine code, at the first call; later processes find it in a cache."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS_REORDERED)(function)


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


class Factor(NamedTuple):
    """The lower Cholesky factor of a symmetric matrix, row by row from the first entry that can differ from 0."""

    first: Array  # (R,) that entry's column
    place: Array  # (R + 1,) where each row begins
    entries: Array


@compiled
def profile(programme: Programme) -> Factor:
    """An empty factor for the normal equations of a programme."""
    rows = len(programme.right)
    first = np.arange(rows)
    for j in range(len(programme.cost)):
        own = programme.row[programme.start[j] : programme.start[j + 1]]
        for i in own:
            first[i] = min(first[i], own[0])
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
            mine = place[i] - first[i]
            for b in range(programme.start[j], a + 1):
                entries[mine + programme.row[b]] += scaled * programme.coef[b]
    for i in range(len(first)):
        mine = entries[place[i] : place[i + 1]]
        for j in range(first[i], i + 1):
            begin = max(first[i], first[j])
            a, b = mine[begin - first[i] : j - first[i]], entries[place[j] + begin - first[j] : place[j + 1] - 1]
            total = mine[j - first[i]]
            for k in range(len(a)):
                total -= a[k] * b[k]
            mine[j - first[i]] = np.sqrt(max(total, TINY)) if i == j else total / entries[place[j + 1] - 1]


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
        x[i] = total / row[-1]
    for i in range(len(x) - 1, -1, -1):
        row = entries[place[i + begin] : place[i + begin + 1]]
        skip = max(first[i + begin] - begin, 0)
        open_, shift = x[skip:i], skip + begin - first[i + begin]
        x[i] /= row[-1]
        for k in range(len(open_)):
            open_[k] -= row[shift + k] * x[i]


@compiled
def solve(programme: Programme, factor: Factor, z: Array, y: Array, weight: Array, enough: float) -> float:
    """Improve z (C,), inside its bounds, and the rows' duals y (R,) until the mean complementarity is below ``enough``.

    Fills weight (C,), which the normal equations had last. The derivative of z by right follows from it.

    Returns:
        The mean complementarity reached; prices times amounts.
    """
    start, row, coef, cost, bend, low, high, right = programme
    columns, rows = len(cost), len(right)
    below, above = np.empty(columns), np.zeros(columns)  # duals of the bounds
    bounds = 0
    for j in range(columns):
        worth = cost[j] + bend[j] * z[j]
        for a in range(start[j], start[j + 1]):
            worth -= coef[a] * y[row[a]]
        below[j] = max(worth, 0.0) + FIRST_DUAL
        bounds += 1
        if high[j] < np.inf:
            above[j] = max(-worth, 0.0) + FIRST_DUAL
            bounds += 1
    slack, aim, dz = np.empty(columns), np.empty(columns), np.zeros(columns)
    d_below, d_above = np.zeros(columns), np.zeros(columns)
    short, dy = np.empty(rows), np.empty(rows)
    for _ in range(ITERATIONS):
        gap = 0.0
        short[:] = right
        for j in range(columns):
            gap += (z[j] - low[j]) * below[j]
            weight[j] = bend[j] + below[j] / (z[j] - low[j])
            if high[j] < np.inf:
                gap += (high[j] - z[j]) * above[j]
                weight[j] += above[j] / (high[j] - z[j])
            weight[j] = 1.0 / weight[j]
            slack[j] = below[j] - above[j] - cost[j] - bend[j] * z[j]
            for a in range(start[j], start[j + 1]):
                slack[j] += coef[a] * y[row[a]]
                short[row[a]] -= coef[a] * z[j]
        factorise(programme, weight, factor)
        if gap < enough * bounds:
            break
        step_z, step_y, target = 0.0, 0.0, 0.0
        for is_corrector in (False, True):
            if is_corrector:
                after = 0.0
                for j in range(columns):
                    after += (z[j] + step_z * dz[j] - low[j]) * (below[j] + step_y * d_below[j])
                    if high[j] < np.inf:
                        after += (high[j] - z[j] - step_z * dz[j]) * (above[j] + step_y * d_above[j])
                target = gap / bounds * (after / gap) ** 3
            dy[:] = short
            for j in range(columns):
                if is_corrector:  # the products of the predictor's steps
                    d_below[j] = target - dz[j] * d_below[j]
                    if high[j] < np.inf:
                        d_above[j] = target + dz[j] * d_above[j]
                aim[j] = slack[j] - below[j] + d_below[j] / (z[j] - low[j])
                if high[j] < np.inf:
                    aim[j] += above[j] - d_above[j] / (high[j] - z[j])
                for a in range(start[j], start[j + 1]):
                    dy[row[a]] -= coef[a] * weight[j] * aim[j]
            solve_last(factor, 0, dy)
            step_z, step_y = 1.0, 1.0
            for j in range(columns):
                step = aim[j]
                for a in range(start[j], start[j + 1]):
                    step += coef[a] * dy[row[a]]
                step *= weight[j]
                dz[j] = step
                room = z[j] - low[j]
                d_below[j] = (d_below[j] - below[j] * step) / room - below[j]
                if step < 0:
                    step_z = min(step_z, NEAR * room / -step)
                if d_below[j] < 0:
                    step_y = min(step_y, NEAR * below[j] / -d_below[j])
                if high[j] < np.inf:
                    room = high[j] - z[j]
                    d_above[j] = (d_above[j] + above[j] * step) / room - above[j]
                    if step > 0:
                        step_z = min(step_z, NEAR * room / step)
                    if d_above[j] < 0:
                        step_y = min(step_y, NEAR * above[j] / -d_above[j])
        for j in range(columns):
            z[j] += step_z * dz[j]
            below[j] += step_y * d_below[j]
            above[j] += step_y * d_above[j]
        y += step_y * dy
        d_below[:] = 0.0
        d_above[:] = 0.0
    return gap / bounds
