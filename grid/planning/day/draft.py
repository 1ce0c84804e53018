"""Draft: a programme of eight rows that is written down column by column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grid.jit import Array, compiled
from grid.simd import LANES, blank

WIDTH = 1e-4  # between bounds, where less is none
FIXED = 1e6  # bend of a column that has none
FIRST_FRAC = 0.1  # of the way between its bounds, by which a first guess keeps off them
FIRST_ROOM = 0.05  # the same from a bound that has no other one


class Draft(NamedTuple):
    """What is written so far. Symbols: C columns, E entries, K lanes."""

    start: Array  # (C + 1,)
    row: Array  # (E,)
    coef: Array  # (E, K)
    cost: Array  # (C,)
    has_high: Array  # (C,)
    tolerance: Array  # (C,)
    about: Array  # (5, C, K) live, bend, low, high, first guess
    caution: float  # how far to stay off the first guess at a bound, up to 1
    written: Array  # (2,) how many columns and entries there are


@compiled
def new_draft(columns: int, entries: int, caution: float) -> Draft:
    """One of so many columns, and of at most so many entries."""
    return Draft(
        np.zeros(columns + 1, np.int64),
        np.empty(entries, np.int64),
        blank(entries),
        np.empty(columns),
        np.zeros(columns, np.bool_),
        np.empty(columns),
        blank(5 * columns).reshape(5, columns, LANES),
        caution,
        np.zeros(2, np.int64),
    )


@compiled
def enter(draft: Draft, row: int, coef: float) -> None:
    """Add an entry to the column that is being written."""
    at = draft.written[1]
    draft.row[at], draft.coef[at] = row, coef
    draft.written[1] = at + 1


@compiled
def close(draft: Draft, cost: float, bend: float) -> int:
    """End the column; which one it is."""
    column = draft.written[0]
    draft.cost[column] = cost
    draft.about[0, column], draft.about[1, column] = 1.0, bend
    draft.written[0] = column + 1
    draft.start[column + 1] = draft.written[1]
    return column


@compiled
def bound(draft: Draft, column: int, k: int, low: float, high: float, guess: float) -> None:
    """Set the bounds in one lane; the guess is moved inside. Where no room is left, the column stays midway."""
    draft.has_high[column] = high < np.inf
    if high < low + WIDTH:
        guess = (low + max(high, low)) / 2
        low, high = guess - WIDTH, guess + WIDTH
        draft.about[0, column, k], draft.about[1, column, k] = 0.0, FIXED
    inside = draft.caution * (FIRST_FRAC * (high - low) if high < np.inf else FIRST_ROOM)
    draft.about[2, column, k], draft.about[3, column, k] = low, high
    draft.about[4, column, k] = min(max(guess, low + inside), high - inside)
