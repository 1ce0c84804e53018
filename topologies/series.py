"""Time series that users bring along: a CSV file of shares, read strictly, resampled and split."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import isfinite
from pathlib import Path

import numpy as np

from grid.errors import GridError
from grid.files import atomic_path
from grid.graph import Series
from topologies.shapes import HOURS_A_WEEK
from topologies.text import read_text

TRAIN_FRAC = 0.8
"""Share of a series' hours, from its start, that belongs to the train part; the rest is the test part."""


@dataclass(frozen=True, eq=False)
class TimedSeries(Series):
    """A series whose first row has a place in the week."""

    start_hour: float = 0.0  # hours from Monday 00:00 to the first row


def start_hour(series: Series) -> float:
    """Hours from Monday 00:00 to the first row; 0 where the series does not say."""
    return series.start_hour if isinstance(series, TimedSeries) else 0.0


def read_series(path: str | Path, gen_columns: Collection[str] = ()) -> TimedSeries:
    """Read a CSV file of shares of ``load_max_mw`` (>= 0) and ``gen_max_mw`` (in [0, 1]).

    The first column is ``time_h`` (hours; 0 is taken as a Monday's midnight) or ``time`` (ISO 8601), in equal steps;
    every other column is a profile.

    Args:
        path: the file.
        gen_columns: the columns that are used as shares of ``gen_max_mw``.

    Raises:
        GridError: anything missing, doubled, out of order or out of range, with the line.
    """
    rows = _rows(path)
    if not rows:
        raise GridError(f"{path}", "an empty file", "a header and one row a step", "write the header first")
    columns = _header(path, rows[0])
    if len(rows) < 3:
        found = f"{len(rows) - 1} rows under the header"
        raise GridError(f"{path}", found, "at least 2 rows", "add the rows of the series")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            mend = "give every column one value; write decimals with a point"
            raise GridError(f"{path}, line {line}", f"{len(row)} cells", f"{len(rows[0])}, as in the header", mend)
    if rows[0][0] == "time_h":
        hours = [_number(path, line, "time_h", row[0]) for line, row in enumerate(rows[1:], start=2)]
    else:
        hours = _timestamps(path, [row[0] for row in rows[1:]])
    dt_h = _even_step(path, hours)
    values = [
        [_number(path, line, name, cell) for name, cell in zip(columns, row[1:], strict=True)]
        for line, row in enumerate(rows[1:], start=2)
    ]
    series = TimedSeries(columns, dt_h, np.array(values).reshape(len(values), -1), hours[0] % HOURS_A_WEEK)
    check_range(series, gen_columns, str(path), "line", 2)
    return series


def write_series(series: Series, path: str | Path) -> None:
    """Write what :func:`read_series` reads, with a ``time_h`` column."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time_h", *series.columns])
        for step, row in enumerate(series.values_frac.tolist()):
            writer.writerow([start_hour(series) + step * series.dt_h, *row])


def check_range(series: Series, gen_columns: Collection[str], where: str, row_word: str, first: int) -> None:
    """Refuse values that are not finite or negative, and shares of generation above 1.

    Raises:
        GridError: the first such value, its row counted from ``first``.
    """
    is_gen = np.array([name in gen_columns for name in series.columns], dtype=bool)
    values = series.values_frac
    bad = np.argwhere(~np.isfinite(values) | (values < 0) | (is_gen & (values > 1)))
    if bad.size:
        row, column = bad[0]
        allowed = "a share in [0, 1] of gen_max_mw" if is_gen[column] else "a number >= 0"
        spot = f"{where}, {row_word} {row + first}, column {series.columns[column]!r}"
        raise GridError(spot, f"{values[row, column]:g}", allowed, "correct the value")


def part_of(series: Series, split: str) -> tuple[np.ndarray, float]:
    """The rows (R', C) of the train or the test part, and the hours from Monday 00:00 to their start."""
    cut = int(len(series.values_frac) * TRAIN_FRAC)
    if split == "train":
        return series.values_frac[:cut], start_hour(series)
    return series.values_frac[cut:], start_hour(series) + cut * series.dt_h


def resample(values: np.ndarray, from_dt_h: float, to_dt_h: float) -> np.ndarray:
    """Mean of the rows (R, C) over each whole step of ``to_dt_h`` hours; a row longer than a step is repeated."""
    if from_dt_h == to_dt_h:
        return values
    steps = int(len(values) * from_dt_h / to_dt_h + 1e-9)
    energy = np.vstack([np.zeros(values.shape[1]), np.cumsum(values, axis=0)])  # in rows, at the edges of the rows
    edges = np.minimum(np.arange(steps + 1) * (to_dt_h / from_dt_h), len(values))
    row = np.minimum(edges.astype(int), len(values) - 1)
    at_edges = energy[row] + (edges - row)[:, None] * values[row]
    means = np.diff(at_edges, axis=0) * (from_dt_h / to_dt_h)
    return np.clip(means, values.min(axis=0), values.max(axis=0))


def _rows(path: str | Path) -> list[list[str]]:
    text = read_text(path, "a CSV file of profiles").rstrip("\n")
    try:
        return list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise GridError(str(path), f"no CSV ({error})", "a CSV file of profiles", "correct the file") from None


def _header(path: str | Path, header: list[str]) -> tuple[str, ...]:
    where = f"{path}, line 1"
    if len(header) == 1 and ";" in header[0]:
        mend = "save the file with commas between cells and points in decimals"
        raise GridError(where, "semicolons between the cells", "commas", mend)
    if header[0] not in ("time_h", "time"):
        mend = "put the time first: hours as time_h, or ISO timestamps as time"
        raise GridError(where, f"the first column {header[0]!r}", "time_h or time", mend)
    names = tuple(header[1:])
    if not names:
        raise GridError(where, "no profile", "one or more columns beside the time", "add a column a profile")
    for i, name in enumerate(names):
        if not name.strip() or name in names[:i]:
            found = f"the column {name!r} twice" if name.strip() else f"no name for column {i + 2}"
            raise GridError(where, found, "a name of its own for each column", "rename it")
    return names


def _number(path: str | Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if isfinite(value):
        return value
    mend = "fill the gap" if not cell.strip() else "correct the value"
    if "," in cell:
        mend = "write decimals with a point"
    found = repr(cell) if cell.strip() else "an empty cell"
    raise GridError(f"{path}, line {line}, column {column!r}", found, "a finite number", mend)


def _timestamps(path: str | Path, cells: list[str]) -> list[float]:
    """Hours from the Monday 00:00 before the first timestamp."""
    times: list[datetime] = []
    for line, cell in enumerate(cells, start=2):
        where = f"{path}, line {line}, column 'time'"
        try:
            times.append(datetime.fromisoformat(cell))
        except ValueError:
            mend = "write it like 2030-01-31T14:00"
            raise GridError(where, repr(cell), "a timestamp of ISO 8601", mend) from None
        if (times[-1].tzinfo is None) != (times[0].tzinfo is None):
            found = f"{cell!r}, while line 2 has {cells[0]!r}"
            raise GridError(where, found, "a time zone in every row or in none", "write them alike")
    midnight = times[0].replace(hour=0, minute=0, second=0, microsecond=0)
    first_h = times[0].weekday() * 24 + (times[0] - midnight).total_seconds() / 3600
    return [first_h + (time - times[0]).total_seconds() / 3600 for time in times]


def _even_step(path: str | Path, hours: list[float]) -> float:
    """The one step between the rows; rounding of up to 1 % of it is let pass."""
    dt_h = hours[1] - hours[0]
    even = f"steps of {dt_h:g} h, as in the first two rows" if dt_h > 0 else "rising times"
    for line, (before, now) in enumerate(pairwise(hours), start=3):
        if now == before:
            found, mend = "the time of the line before again", "remove one of the two"
        elif now < before:
            found, mend = "a time before that of the line before", "sort the rows by time"
        elif abs(now - before - dt_h) > 0.01 * dt_h:
            found, mend = f"a step of {now - before:g} h", "fill the gap or remove the extra row"
        else:
            continue
        raise GridError(f"{path}, line {line}", found, even, mend)
    return (hours[-1] - hours[0]) / (len(hours) - 1)
