"""Files of time series that users bring along: CSV or Parquet, read strictly, each column with its unit."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from grid import GridError, Series, atomic_path, nearest
from topologies.clock import PARQUET, even_step, place, without_clock_changes
from topologies.headers import FACTORS
from topologies.series import SHIPPED, TimedSeries, check_range, shipped_year, start_hour
from topologies.shapes import HOURS_A_WEEK
from topologies.tables import UNITS, Content, read_csv, read_parquet

SPREADSHEETS = (".xlsx", ".xls", ".ods")


@dataclass(frozen=True, eq=False)
class SeriesTable:
    """A file of series as it stands."""

    columns: tuple[str, ...]  # (C,) the profile names
    units: tuple[str, ...]  # (C,) each of UNITS
    dt_h: float  # hours between rows
    values: np.ndarray  # (R, C)
    start_hour: float  # hours from Monday 00:00 to the first row
    start: datetime | None  # local time of the first row, if the file is dated
    path: Path
    above: int = 0  # lines of the file above its header, or without a value below it
    notes: tuple[str, ...] = ()  # what was understood that the plain form does not have


def read_table(path: str | Path, unit: str | None = None) -> SeriesTable:
    """Read a file of series as it stands: .parquet, or else CSV.

    One column is ``time_h`` (hours; 0 is taken as a Monday's midnight) or ``time`` (ISO 8601; hours of the week are
    those of the first row's zone), in equal steps; in CSV it is the first, under any name if it holds timestamps. Every
    other column is a profile with its unit behind the name: ``town [share]`` or ``town [MW]``; ``unit`` is that of
    columns that name none, which are refused without it. A row stands for the mean over its step. Other separators,
    decimal commas, German and US dates and other units of power and energy are understood, and noted.

    Raises:
        GridError: anything missing, doubled, out of order or no number, with its place.
    """
    path = Path(path)
    if unit not in (None, *UNITS):
        raise GridError("unit", repr(unit), " or ".join(UNITS), nearest(str(unit), UNITS))
    if path.suffix.lower() in SPREADSHEETS:
        raise GridError(str(path), "a spreadsheet", "CSV or Parquet", "save its sheet as CSV UTF-8, and give that file")
    content = (read_parquet if path.suffix.lower() == PARQUET else read_csv)(path, unit)
    if len(content.values) < 2:
        found = f"{len(content.values)} rows of values"
        raise GridError(str(path), found, "at least 2 rows", "add the rows of the series")
    hours, first = np.array(content.clock.hours), content.clock.first
    notes, local = list(content.notes), False
    if first is not None and first.tzinfo is None:
        hours, local = without_clock_changes(hours, first, notes), True
    dt_h = even_step(path, hours, local, content.above)
    values, units = plain_units(content, dt_h, notes)
    start = None if first is None else first.replace(tzinfo=None)
    about = float(hours[0] % HOURS_A_WEEK), start, path, content.above, tuple(notes)
    return SeriesTable(content.names, units, dt_h, values, *about)


def plain_units(content: Content, dt_h: float, notes: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Shares and MW from whatever units the columns have."""
    others: dict[str, list[str]] = {}
    units, values = [], content.values.copy()
    for column, (name, unit) in enumerate(zip(content.names, content.units, strict=True)):
        is_energy, is_share = unit.endswith("h"), unit in ("share", "%")
        values[:, column] *= FACTORS[unit] / (dt_h if is_energy else 1.0)
        units.append("share" if is_share else "MW")
        if unit not in UNITS:
            per = f", divided by the step of {dt_h:g} h," if is_energy else ""
            others.setdefault(f"{unit}{per} converted to {units[-1]}", []).append(name)
    notes += [f"{text}: {', '.join(names)}" for text, names in others.items()]
    return values, tuple(units)


def read_series(path: str | Path, unit: str | None = None) -> SeriesTable:
    """Read a file of series as ``read_table`` does, and refuse values below 0.

    Raises:
        GridError: as ``read_table``, or such a value.
    """
    table = read_table(path, unit)
    check_range(table.columns, table.values, (), lambda row, column: place(table.path, row + table.above, column))
    return table


def shipped_series() -> SeriesTable:
    """The shipped year of hours, in shares."""
    year = shipped_year()
    units = ("share",) * len(year.columns)
    return SeriesTable(year.columns, units, year.dt_h, year.values_frac, year.start_hour, year.start, SHIPPED)


@dataclass(frozen=True)
class Use:
    """A node that follows a column."""

    node: str
    kind: str  # "load" or "gen"
    profile: str
    max_mw: float  # what a share is a share of


def uses_of(graph: nx.Graph[Any]) -> list[Use]:
    """Every node of a checked grid that names a profile."""
    return [
        Use(str(node), kind, data[f"{kind}_profile"], float(data.get(f"{kind}_max_mw") or 0.0))
        for node, data in graph.nodes(data=True)
        for kind in ("load", "gen")
        if data.get(f"{kind}_profile") is not None
    ]


def shares(table: SeriesTable, uses: Iterable[Use]) -> TimedSeries:
    """The columns that nodes use, as shares of ``load_max_mw`` (>= 0) and of ``gen_max_mw`` (in [0, 1]).

    Raises:
        GridError: a value out of range, or a column in MW for nodes of unlike size.
    """
    followers: dict[str, list[Use]] = {}
    for use in uses:
        if use.profile in table.columns:
            followers.setdefault(use.profile, []).append(use)
    names = tuple(name for name in table.columns if name in followers)
    values = table.values[:, [table.columns.index(name) for name in names]]
    check_range(names, values, (), lambda row, column: place(table.path, row + table.above, column))
    for column, name in enumerate(names):
        if table.units[table.columns.index(name)] == "MW":
            values[:, column] /= _one_size(table, followers[name], values[:, column])
    series = TimedSeries(names, table.dt_h, values, table.start_hour, table.start)
    gen_columns = {name for name in names if any(use.kind == "gen" for use in followers[name])}
    check_range(names, values, gen_columns, lambda row, column: place(table.path, row + table.above, column))
    return series


def write_series(series: Series, path: str | Path) -> None:
    """Write what ``read_table`` reads: shares, with timestamps if the series is dated."""
    start = series.start if isinstance(series, TimedSeries) else None
    hours = [step * series.dt_h for step in range(len(series.values_frac))]
    if start is None:
        name, times = "time_h", [str(start_hour(series) + hour) for hour in hours]
    else:
        name, times = "time", [(start + timedelta(hours=hour)).isoformat() for hour in hours]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name, *(f"{column} [share]" for column in series.columns)])
        for time, row in zip(times, series.values_frac.tolist(), strict=True):
            writer.writerow([time, *row])


def _one_size(table: SeriesTable, uses: Sequence[Use], values_mw: np.ndarray) -> float:
    """The maximum in MW of the nodes that follow a column in MW."""
    path, first = table.path, uses[0]
    for use in uses:
        if use.max_mw != first.max_mw:
            unlike = " and ".join(f"{one.node!r} with {one.max_mw:g} MW" for one in (first, use))
            mend = "give shares, or one column a node"
            raise GridError(
                f"{path}, column {first.profile!r}", f"MW for nodes of unlike size: {unlike}", "nodes of one size", mend
            )
    row = int(values_mw.argmax())
    bounded = any(use.kind == "gen" for use in uses) or not first.max_mw
    if bounded and values_mw[row] > first.max_mw:
        limit = f"{first.kind}_max_mw"
        allowed = f"at most {limit} of node {first.node!r}, {first.max_mw:g} MW"
        mend = f"correct the value or raise {limit}"
        raise GridError(place(path, row + table.above, first.profile), f"{values_mw[row]:g} MW", allowed, mend)
    return first.max_mw or 1.0
