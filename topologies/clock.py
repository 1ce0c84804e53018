"""The times of the rows of a table, which are to be even."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, Faults, GridError
from topologies.text import as_number

GAPS = ("", "-", "--", "nan", "na", "n/a", "n/e", "null", "none")  # what stands for no value
PARQUET = ".parquet"
BINARY = (PARQUET, ".nc")
LARGEST_TIME_H = 1e7
LEAST_STEP_H = 1 / 3600


@dataclass(eq=False)
class Clock:
    """The times of the rows: hours from the Monday 00:00 before the first one, or as they stand if not dated."""

    path: Path
    column: str  # "time_h", of hours, or another one, of timestamps
    first: datetime | None = None  # the first timestamp, in its own zone
    _first_instant: datetime = datetime.min
    hours: array[float] = field(default_factory=lambda: array("d"))
    _row: int = -1  # position of the last one, refused ones counted

    @property
    def dated(self) -> bool:
        """Whether the times are timestamps."""
        return self.column != "time_h"

    def skip(self, lines: int) -> None:
        """Pass over so many lines above the first row."""
        self._row += lines

    def add(self, time: Any) -> None:
        """Take the time of the next row: a timestamp or its text, or the text of a number of hours."""
        self._row += 1
        self.hours.append(self._since(time) if self.dated else as_cell(time, self.path, self._row, self.column))

    def _since(self, time: Any) -> float:
        try:
            moment = time if isinstance(time, datetime) else datetime.fromisoformat(time)
            instant = moment if moment.tzinfo is None else moment.astimezone(UTC)
        except (OverflowError, TypeError, ValueError):
            found = repr(time) if time else "an empty cell"
            where = place(self.path, self._row, self.column)
            raise GridError(where, found, "a timestamp of ISO 8601", "write it like 2030-01-31T14:00") from None
        if self.first is None:
            self.first, self._first_instant = moment, instant
        first = self.first
        if (moment.tzinfo is None) != (first.tzinfo is None):
            found = f"{time!r}, while the first row has {first.isoformat()!r}"
            where = place(self.path, self._row, self.column)
            raise GridError(where, found, "a time zone in every row or in none", "write them alike")
        return hour_of_week(first) + (instant - self._first_instant).total_seconds() / 3600


def as_cell(cell: str, path: Path, row: int, column: str) -> float:
    """A number of a row.

    Raises:
        GridError: it is none, or not finite.
    """
    value = as_number(cell)
    if math.isfinite(value):
        return value
    is_gap = cell.strip().lower() in GAPS
    mend = "fill the gap; profiles --fix can" if is_gap else "correct the value"
    mend = "write decimals with a point" if "," in cell else mend
    found = repr(cell) if cell.strip() else "an empty cell"
    raise GridError(place(path, row, column), found, "a finite number", mend)


def even_step(path: Path, hours: np.ndarray, local: bool, above: int = 0) -> float:
    """The one step between the times of the rows (R,) in hours; rounding of up to 1 % of it is let pass.

    ``local`` times are timestamps without a zone, which a change of clocks may tear apart; ``above`` lines stand above
    the header.

    Raises:
        GridError: the first time that is doubled, out of order or not one step after the one before.
    """
    if np.abs(hours).max() > LARGEST_TIME_H:
        row = int(np.abs(hours).argmax())
        found = f"{hours[row]:g} h"
        raise GridError(place(path, row + above), found, f"at most {LARGEST_TIME_H:g} h", "correct the time")
    steps = np.diff(hours)
    dt_h = float(steps[0])
    wrong = np.flatnonzero((steps <= 0) | ((dt_h > 0) & (np.abs(steps - dt_h) > 0.01 * dt_h)))
    faults = Faults()
    for row in wrong.tolist():
        step, word = steps[row], _word(path)
        if step == 0:
            found, mend = f"the time of the {word} before again", "remove one of the two"
        elif step < 0:
            found, mend = f"a time before that of the {word} before", "sort the rows by time"
        else:
            found, mend = f"a step of {step:g} h", "fill the gap (profiles --fix can) or remove the extra row"
        mend += "; where clocks change, write times in UTC" if local else ""
        even = f"steps of {dt_h:g} h, as in the first two rows" if dt_h > 0 else "rising times"
        faults.add(Fault(place(path, row + above + 1), found, even, mend))
    faults.report()
    if dt_h < LEAST_STEP_H:
        raise GridError(str(path), f"steps of {dt_h * 3600:g} s", "steps of a second or more", "thin out the rows")
    return float(hours[-1] - hours[0]) / (len(hours) - 1)


def hour_of_week(moment: datetime) -> float:
    """Hours from Monday 00:00."""
    return moment.weekday() * 24 + moment.hour + moment.minute / 60 + (moment.second + moment.microsecond / 1e6) / 3600


def place(path: Path, row: int, column: str = "") -> str:
    """Where a value is, as its reader would count: lines of a text from 1, rows of a binary file from 0."""
    number = row if _word(path) == "row" else row + 2
    return f"{path}, {_word(path)} {number}" + (f", column {column!r}" if column else "")


def _word(path: Path) -> str:
    return "row" if path.suffix.lower() in BINARY else "line"


def without_clock_changes(hours: np.ndarray, first: datetime, notes: list[str]) -> np.ndarray:
    """Hours (R,) of local times that a change of clocks tears apart, as if the clock had not been changed.

    That is: on Sundays an hour is left out in March or April, and one stands twice in September to November, in turn,
    and all else is even. Other times come back as they are.
    """
    steps = np.diff(hours)
    dt_h = float(np.median(steps)) if len(steps) else 0.0
    jumps = np.flatnonzero(np.abs(steps - dt_h) > 0.01 * dt_h)
    if not 0 < dt_h <= 1 or not jumps.size or len(jumps) > 1000:
        return hours
    gained_h = np.round(steps[jumps] - dt_h, 6)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=first.weekday())
    days = [midnight + timedelta(hours=float(hours[jump])) for jump in jumps.tolist()]
    springs = [day.month in (3, 4) for day in days]
    right = all(
        day.weekday() == 6 and gained == (1 if spring else -1) and (spring or day.month in (9, 10, 11))
        for day, gained, spring in zip(days, gained_h.tolist(), springs, strict=True)
    )
    if not right or any(one == other for one, other in pairwise(springs)):
        return hours
    notes.append(f"local times, even but for changes of the clock: {', '.join(f'{day:%Y-%m-%d}' for day in days)}")
    return hours[0] + dt_h * np.arange(len(hours))
