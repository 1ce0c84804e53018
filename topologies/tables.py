"""Reading tables of series, CSV or Parquet, strictly: names, units, times and numbers as they stand in the file."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from grid import Faults, GridError
from topologies.clock import GAPS, Clock, as_cell, place
from topologies.headers import FACTORS, SAMPLE, Layout, understand, unit_of
from topologies.text import read_bytes, read_text

UNITS = ("share", "MW")

LONGEST_LINE = 100_000  # characters
MOST_CELLS = 20_000_000
MOST_CSV_CELLS = 5_000_000
MOST_UNPACKED_BYTES = 400_000_000


@dataclass(frozen=True, eq=False)
class Content:
    """What a reader finds in a file; R rows, C columns."""

    names: tuple[str, ...]  # (C,)
    units: tuple[str, ...]  # (C,) each of FACTORS
    clock: Clock
    values: np.ndarray  # (R, C)
    above: int = 0  # lines that stand above the header, or without a value below it
    notes: tuple[str, ...] = ()  # what was understood that the plain form does not have


def read_csv(path: Path, unit: str | None, gaps: Callable[[str], str] | None = None) -> Content:
    """Read a CSV file; ``unit`` is that of columns that name none.

    With ``gaps``, which takes each time of ISO 8601 to another, cells without a value are NaN, and blank lines nothing.

    Raises:
        GridError: anything that is no table of numbers, with its line.
    """
    text = read_text(path, "a CSV file of profiles").rstrip()
    count = text.count(",") + text.count("\n")
    if count > MOST_CSV_CELLS:
        mend = "give a smaller file, or Parquet"
        raise GridError(f"{path}", f"{count:,} cells", f"at most {MOST_CSV_CELLS:,}", mend)
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
                if gaps is not None and not "".join(row).strip():
                    clock.skip(1)
                    continue
                if not "".join(row).strip() and len(row) < 2:
                    raise GridError(place(path, number), "a blank line", "one row a step", "remove the line")
                if len(row) != len(header):
                    mend = "give every column one value; write decimals with a point"
                    raise GridError(place(path, number), f"{len(row)} cells", f"{len(header)}, as in the header", mend)
                if not values and not any(row[i].strip() for i in layout.kept):
                    clock.skip(1)
                    empty += 1
                    continue
                cells = [layout.plain(row[i]) for i in layout.kept]
                if gaps is None:
                    clock.add(layout.time(row[0]))
                    values.extend(_numbers(cells, path, number, names))
                    continue
                clock.add(gaps(layout.time(row[0])))
                lacks = [cell.strip().lower() in GAPS for cell in cells]
                found = ["0" if lack else cell for cell, lack in zip(cells, lacks, strict=True)]
                pairs = zip(_numbers(found, path, number, names), lacks, strict=True)
                values.extend(math.nan if lack else value for value, lack in pairs)
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
            as_cell(cell, path, row, name)
    faults.report()
    return values


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
        as_cell("" if np.isnan(values[row, column]) else "inf", path, row, names[column])
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
