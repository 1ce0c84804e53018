"""Measured series with gaps and changes of the clock, made into an even table; every change is said."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from grid import Fault, GridError, atomic_path
from topologies.clock import PARQUET, place
from topologies.series import check_range
from topologies.series_files import SPREADSHEETS, SeriesTable, plain_units, read_series
from topologies.tables import Content, read_csv

MOST_STEPS = 1_000_000
MOST_SHOWN = 5  # gaps


@dataclass(frozen=True, eq=False)
class Mended:
    """An even table, and what was changed."""

    series: SeriesTable  # of the file that was written
    changes: tuple[str, ...]


def mend(path: Path, out: Path, unit: str | None = None, zone: str | None = None, gap_h: float = 3.0) -> Mended:
    """Write a CSV table that ``read_series`` takes from one with gaps.

    Gaps of up to ``gap_h`` hours, of cells or of rows, are filled along a straight line. Local times of a ``zone``
    (such as Europe/Berlin) become instants; the table has the zone of its first row throughout. Rows are sorted, and
    of those that stand twice at one time one is kept, if they are alike.

    Raises:
        GridError: longer gaps, rows of one time that differ, times that the zone does not have, or what
            ``read_series`` refuses.
    """
    if path.resolve() == out.resolve():
        raise GridError(str(out), "the file itself", "another one", "choose another name")
    if path.suffix.lower() in (PARQUET, *SPREADSHEETS):
        raise GridError(str(path), f"a {path.suffix} file", "CSV", "save it as CSV, and give that file")
    content = read_csv(path, unit, _in_zone(path, zone))
    changes = [*content.notes, *([f"local times of {zone} taken as instants"] if zone else [])]
    hours = np.array(content.clock.hours)
    if len(hours) < 2:
        raise GridError(str(path), f"{len(hours)} rows of values", "at least 2 rows", "add the rows of the series")
    place_of = [place(path, row + content.above) for row in range(len(hours))]
    if (np.diff(hours) < 0).any():
        changes.append(f"{int((np.diff(hours) < 0).sum())} times that went back: rows sorted by time")
    order = np.argsort(hours, kind="stable")
    hours, values = hours[order], content.values[order]
    keep = _once(hours, values, [place_of[row] for row in order.tolist()], zone, changes)
    hours, values = hours[keep], values[keep]
    dt_h, steps = _steps(path, hours)
    even = np.full((int(steps[-1]) + 1, values.shape[1]), np.nan)
    even[steps] = values
    first = content.clock.first
    even, skipped = _filled(path, content, even, steps, dt_h, gap_h, changes)
    values, units = plain_units(replace(content, values=even), dt_h, changes)
    check_range(
        content.names, values, (), lambda row, name: f"{path}, {_when(content, (skipped + row) * dt_h)}, {name!r}"
    )
    start = None if first is None else first + timedelta(hours=skipped * dt_h)
    _write(out, content, units, values, start, hours[0] + skipped * dt_h, dt_h)
    return Mended(read_series(out), tuple(changes))


def _in_zone(path: Path, zone: str | None) -> Callable[[str], str] | None:
    """Turns local times into instants, row by row: of an hour that stands twice, the second is the later one."""
    if zone is None:
        return str
    try:
        info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise GridError("--zone", repr(zone), "a name such as Europe/Berlin", "see the IANA list of zones") from None
    before = datetime.min.replace(tzinfo=UTC)

    def instant(text: str) -> str:
        nonlocal before
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            return text
        if local.tzinfo is not None:
            return text
        now = local.replace(tzinfo=info)
        if now.astimezone(UTC).astimezone(info).replace(tzinfo=None) != local:
            allowed, help_ = f"times that {zone} has", "its clock is put forward over it: give the zone of the file"
            raise GridError(str(path), f"the time {text!r}", allowed, help_)
        if now.astimezone(UTC) <= before:
            now = now.replace(fold=1)
        before = now.astimezone(UTC)
        return now.isoformat()

    return instant


def _once(
    hours: np.ndarray, values: np.ndarray, place_of: list[str], zone: str | None, changes: list[str]
) -> np.ndarray:
    """(R,) which rows are kept: of each time one."""
    again = np.flatnonzero(np.diff(hours) == 0) + 1
    unlike = [row for row in again.tolist() if not np.array_equal(values[row], values[row - 1], equal_nan=True)]
    if unlike:
        help_ = "remove one" if zone else "give --zone where its clock is put back then, or remove one"
        found = "other values at the time of another row"
        raise GridError.of([Fault(place_of[row], found, "one row a time", help_) for row in unlike])
    if again.size:
        changes.append(f"{len(again)} rows that stood twice left out, as {place_of[int(again[0])]}")
    keep = np.ones(len(hours), dtype=bool)
    keep[again] = False
    return keep


def _steps(path: Path, hours: np.ndarray) -> tuple[float, np.ndarray]:
    """The step that most rows are apart, and the number of each row (R,) in it."""
    apart, counts = np.unique(np.round(np.diff(hours), 6), return_counts=True)
    dt_h = float(apart[counts.argmax()])
    steps = (hours - hours[0]) / dt_h
    off = np.flatnonzero(np.abs(steps - np.round(steps)) > 0.01)
    if off.size or steps[-1] > MOST_STEPS:
        found = f"{len(off)} times between the steps" if off.size else f"{steps[-1]:.0f} steps"
        allowed = f"steps of {dt_h:g} h, at most {MOST_STEPS:,}"
        raise GridError(str(path), found, allowed, "resample the series, or cut it where its step changes")
    return dt_h, np.round(steps).astype(int)


def _filled(
    path: Path, content: Content, even: np.ndarray, steps: np.ndarray, dt_h: float, gap_h: float, changes: list[str]
) -> tuple[np.ndarray, int]:
    """The table (R, C) without gaps, and the rows cut off at its start."""
    full = np.flatnonzero(~np.isnan(even).any(axis=1))
    if not full.size:
        raise GridError(str(path), "no row with all values", "a series", "leave out the columns that are empty")
    first, last = int(full[0]), int(full[-1])
    cut = first + len(even) - 1 - last
    if cut:
        changes.append(f"{cut} rows with gaps cut off at the ends")
    even = even[first : last + 1]
    if len(even) > len(full):
        missing = len(even) - int(((steps >= first) & (steps <= last)).sum())
        changes += [f"{missing} rows that were missing added"] if missing else []
    long: list[Fault] = []
    for column, name in enumerate(content.names):
        gap = np.isnan(even[:, column])
        edges = np.flatnonzero(np.diff(gap.astype(int), prepend=0, append=0)).reshape(-1, 2).tolist()
        if not edges:
            continue
        longest_h = max(end - start for start, end in edges) * dt_h
        if longest_h > gap_h:
            found = f"a gap of {longest_h:g} h in {name!r}"
            allowed = f"gaps of up to {gap_h:g} h"
            long.append(Fault(str(path), found, allowed, "fill it, or allow more with --gap-h"))
        rows = np.arange(len(even))
        even[gap, column] = np.interp(rows[gap], rows[~gap], even[~gap, column])
        at = [_when(content, (first + start) * dt_h) for start, _ in edges[:MOST_SHOWN]]
        more = f" and {len(edges) - MOST_SHOWN} more" if len(edges) > MOST_SHOWN else ""
        total_h = gap.sum() * dt_h
        changes.append(f"{len(edges)} gaps of {name!r}, {total_h:g} h, filled along a line: {', '.join(at)}{more}")
    if long:
        raise GridError.of(long)
    return even, first


def _when(content: Content, since_h: float) -> str:
    first = content.clock.first
    if first is None:
        return f"hour {content.clock.hours[0] + since_h:g}"
    return f"{first + timedelta(hours=since_h):%Y-%m-%d %H:%M}"


def _write(
    out: Path,
    content: Content,
    units: tuple[str, ...],
    values: np.ndarray,
    start: datetime | None,
    start_h: float,
    dt_h: float,
) -> None:
    hours = [step * dt_h for step in range(len(values))]
    if start is None:
        head, times = "time_h", [f"{start_h + hour:.10g}" for hour in hours]
    else:
        head, times = "time", [(start + timedelta(hours=hour)).isoformat() for hour in hours]
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([head, *(f"{name} [{unit}]" for name, unit in zip(content.names, units, strict=True))])
        writer.writerows([time, *row] for time, row in zip(times, values.round(9).tolist(), strict=True))
