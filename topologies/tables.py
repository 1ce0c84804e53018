"""Reading tables of series, CSV or Parquet, strictly: names, units, times and numbers as they stand in the file."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, Faults, GridError
from topologies.headers import FACTORS, SAMPLE, Layout, understand, unit_of
from topologies.text import as_number, read_bytes, read_text

UNITS = ("share", "MW")
PARQUET = ".parquet"
BINARY = (PARQUET, ".nc")
LONGEST_LINE = 100_000  # characters
MOST_CELLS = 20_000_000
MOST_CSV_CELLS = 5_000_000
MOST_UNPACKED_BYTES = 400_000_000
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
        self.hours.append(self._since(time) if self.dated else _number(time, self.path, self._row, self.column))

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
        return _hour_of_week(first) + (instant - self._first_instant).total_seconds() / 3600


@dataclass(frozen=True, eq=False)
class Content:
    """What a reader finds in a file; R rows, C columns."""

    names: tuple[str, ...]  # (C,)
    units: tuple[str, ...]  # (C,) each of FACTORS
    clock: Clock
    values: np.ndarray  # (R, C)
    above: int = 0  # lines that stand above the header, or without a value below it
    notes: tuple[str, ...] = ()  # what was understood that the plain form does not have


def read_csv(path: Path, unit: str | None) -> Content:
    """Read a CSV file; ``unit`` is that of columns that name none.

    Raises:
        GridError: anything that is no table of numbers, with its line.
    """
    text = read_text(path, "a CSV file of profiles").rstrip()
    cells = text.count(",") + text.count("\n")
    if cells > MOST_CSV_CELLS:
        mend = "give a smaller file, or Parquet"
        raise GridError(f"{path}", f"{cells:,} cells", f"at most {MOST_CSV_CELLS:,}", mend)
    if not text:
        raise GridError(f"{path}", "an empty file", "a header and one row a step", "write the header first")
    lines = _lines(path, text)
    try:
        layout = understand(path, [*islice(_lines(path, text), SAMPLE)], unit)
        for _ in range(layout.above):
            next(lines)
        rows = csv.reader(lines, delimiter=layout.delimiter, strict=True)
        header = next(rows)
        names, units = _names_and_units(f"{path}, line {layout.above + 1}", layout)
        clock, values, faults = Clock(path, "time_h" if header[0] == "time_h" else "time"), array("d"), Faults()
        clock.skip(layout.above)
        empty = 0  # rows before the first value
        for number, row in enumerate(rows, start=layout.above):
            if layout.above and len(row) < 2:
                break  # PVGIS explains its columns below the rows
            with faults.gather():
                if not "".join(row).strip() and len(row) < 2:
                    raise GridError(place(path, number), "a blank line", "one row a step", "remove the line")
                if len(row) != len(header):
                    mend = "give every column one value; write decimals with a point"
                    raise GridError(place(path, number), f"{len(row)} cells", f"{len(header)}, as in the header", mend)
                if not values and not any(row[i].strip() for i in layout.kept):
                    clock.skip(1)
                    empty += 1
                    continue
                clock.add(layout.time(row[0]))
                values.extend(_numbers([layout.plain(row[i]) for i in layout.kept], path, number, names))
        faults.report()
    except csv.Error as error:
        raise GridError(str(path), f"no CSV ({error})", "a CSV file of profiles", "correct the file") from None
    notes = [*layout.notes, *([f"{empty} rows without a value passed over before the first one"] if empty else [])]
    table = np.array(values).reshape(-1, len(names))
    return Content(names, units, clock, table, layout.above + empty, tuple(notes))


def _lines(path: Path, text: str) -> Iterator[str]:
    """The lines one by one, none of them huge."""
    start, number = 0, 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        number += 1
        if end - start > LONGEST_LINE:
            where, found = f"{path}, line {number}", f"{end - start} characters"
            raise GridError(where, found, f"at most {LONGEST_LINE} in a line", "give one row of the table a line")
        yield text[start:end]
        start = end


def _names_and_units(where: str, layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not layout.kept:
        raise GridError(where, "no profile", "one or more columns beside the time", "add a column a profile")
    names: dict[str, str] = {}
    for place_, name, unit in zip(layout.kept, layout.names, layout.units, strict=True):
        if not name or not name.isprintable() or name in names:
            found = f"the column {name!r} twice" if name in names else f"no name for column {place_ + 1}"
            found = f"the column {name!r}" if name and name not in names else found
            raise GridError(where, found, "a name of its own for each column, in one line", "rename it")
        if unit not in FACTORS:
            found = f"the column {name!r} in {unit!r}" if unit is not None else f"no unit for the column {name!r}"
            allowed = f"{name} [share], of load_max_mw or gen_max_mw, or {name} [MW] (kW, GW, MWh and the like, too)"
            mend = "write the unit behind the name, or give --unit" if unit is None else "convert it"
            raise GridError(where, found, allowed, mend)
        names[name] = str(unit)
    return tuple(names), tuple(names.values())


def _numbers(cells: Sequence[str], path: Path, row: int, names: Sequence[str]) -> list[float]:
    try:
        values = list(map(float, cells))
    except ValueError:
        values = [math.nan]
    if all(map(math.isfinite, values)) and "_" not in "".join(cells):  # Python reads 1_0 as 10
        return values
    faults = Faults()
    for name, cell in zip(names, cells, strict=True):
        with faults.gather():
            _number(cell, path, row, name)
    faults.report()
    return values


def _number(cell: str, path: Path, row: int, column: str) -> float:
    value = as_number(cell)
    if math.isfinite(value):
        return value
    mend = "write decimals with a point" if "," in cell else "correct the value" if cell.strip() else "fill the gap"
    found = repr(cell) if cell.strip() else "an empty cell"
    raise GridError(place(path, row, column), found, "a finite number", mend)


def read_parquet(path: Path, unit: str | None) -> Content:
    """Read a Parquet file; ``unit`` is that of columns that name none.

    Raises:
        GridError: anything that is no table of numbers, with its row, or pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        mend = "pip install load-balancer[profiles]"
        raise GridError(str(path), "a Parquet file", "CSV, as pyarrow is not installed", mend) from None
    try:
        with parquet.ParquetFile(pa.BufferReader(read_bytes(path, "a Parquet file of profiles"))) as file:
            time, header = _parquet_header(path, file)
            table = file.read()
        times = table[time].to_pylist()
        columns = [np.asarray(table[name].to_numpy(), dtype=float) for name in header]
    except GridError:
        raise
    except (pa.ArrowException, ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
        found = f"{(str(error) or type(error).__name__).splitlines()[0]}"
        raise GridError(str(path), found, "a Parquet file of profiles", "check the path, or write it again") from None
    layout = Layout(",", 0, ["", *header], False, str)
    for number, cell in enumerate(header, start=1):
        name, own = unit_of(cell)
        layout.kept.append(number)
        layout.names.append(name)
        layout.units.append(own or unit)
    names, units = _names_and_units(f"{path}, columns", layout)
    clock = Clock(path, time)
    for moment in times:
        clock.add(moment if clock.dated else "" if moment is None else str(moment))
    values = np.stack(columns, axis=1)
    for row, column in np.argwhere(~np.isfinite(values))[:1].tolist():
        _number("" if np.isnan(values[row, column]) else "inf", path, row, names[column])
    return Content(names, units, clock, values)


def _parquet_header(path: Path, file: Any) -> tuple[str, list[str]]:
    """The column of time and the other columns, before anything is read."""
    from pyarrow import types

    schema, cells = file.schema_arrow, file.metadata.num_rows * file.metadata.num_columns
    if cells > MOST_CELLS:
        raise GridError(str(path), f"{cells:,} cells", f"at most {MOST_CELLS:,}", "give a smaller file")
    unpacked = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    if unpacked > MOST_UNPACKED_BYTES:
        found, allowed = f"{unpacked / 1e6:,.0f} MB when unpacked", f"at most {MOST_UNPACKED_BYTES / 1e6:,.0f} MB"
        raise GridError(str(path), found, allowed, "give a smaller file")
    times = [name for name in schema.names if name in ("time", "time_h")]
    if len(times) != 1:
        found = f"{len(times)} columns of time"
        raise GridError(str(path), found, "one: time_h or time", "name the column of hours time_h, of timestamps time")
    header = [name for name in schema.names if name not in times]
    for name in schema.names:
        kind = schema.field(name).type if schema.names.count(name) == 1 else "two columns of that name"
        dated = name == "time"
        fitting = (types.is_timestamp,) if dated else (types.is_integer, types.is_floating)
        if isinstance(kind, str) or not any(fits(kind) for fits in fitting):
            allowed = "timestamps" if dated else "one column of numbers"
            raise GridError(f"{path}, column {name!r}", str(kind), allowed, "convert the column")
    return times[0], header


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
            found, mend = f"a step of {step:g} h", "fill the gap or remove the extra row"
        mend += "; where clocks change, write times in UTC" if local else ""
        even = f"steps of {dt_h:g} h, as in the first two rows" if dt_h > 0 else "rising times"
        faults.add(Fault(place(path, row + above + 1), found, even, mend))
    faults.report()
    if dt_h < LEAST_STEP_H:
        raise GridError(str(path), f"steps of {dt_h * 3600:g} s", "steps of a second or more", "thin out the rows")
    return float(hours[-1] - hours[0]) / (len(hours) - 1)


def _hour_of_week(moment: datetime) -> float:
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
