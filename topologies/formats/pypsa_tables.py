"""The tables of a PyPSA network, read as numbers and texts; those of a CSV folder.

PyPSA's own reader sets attributes that the file names and fetches what looks like an address; here nothing is made but
tables.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf, isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, GridError
from topologies.json_text import parse
from topologies.text import as_number, read_text

COMPONENTS = (
    *("buses", "carriers", "generators", "loads", "storage_units", "stores", "links", "lines", "transformers"),
    *("shunt_impedances", "line_types", "transformer_types", "global_constraints", "processes"),
)
SERIES = {
    *(("loads", "p_set"), ("loads", "q_set"), ("lines", "s_max_pu"), ("transformers", "s_max_pu")),
    *(("generators", "p_max_pu"), ("generators", "p_min_pu"), ("generators", "marginal_cost")),
}
"""What is read of the values over time."""
LOOKED_UP = ("carriers", "line_types", "transformer_types")
"""Tables of which only rows count that an element names."""

LONGEST_NAME = 1000
MOST_ROWS = 200_000
MOST_VALUES = 5_000_000
LARGEST = 1e12


@dataclass
class Table:
    """The constant attributes of one kind of component; R rows."""

    where: str  # the file, or the file and the component
    names: list[str]  # (R,)
    columns: dict[str, list[Any]]  # each (R,): texts, numbers, true or false
    faults: list[Fault]
    in_lines: bool  # whether rows are lines of a text
    read: set[str] = field(default_factory=set)  # columns that were asked for

    def rows(self) -> list[Row]:
        """Each row."""
        return [Row(self, number, name) for number, name in enumerate(self.names)]


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    table: Table
    at: int  # from 0
    name: str

    def fault(self, column: str, found: str, allowed: str, mend: str) -> None:
        """Note that a cell is wrong."""
        place = f", line {self.at + 2}" if self.table.in_lines else f": {self.name!r}"
        self.table.faults.append(Fault(f"{self.table.where}{place}, {column}", found, allowed, mend))

    def cell(self, column: str) -> Any:
        """A cell as it stands; a text that is empty where it is absent, empty or NaN."""
        self.table.read.add(column)
        cell = self.table.columns[column][self.at] if column in self.table.columns else None
        return "" if cell is None or (isinstance(cell, float) and isnan(cell)) else cell

    def number(self, column: str, default: float, low: float = -LARGEST, endless: bool = False) -> float:
        """A cell as a number from ``low`` on; the default where it is absent or empty; infinite only if ``endless``."""
        cell = self.cell(column)
        if cell == "" or str(cell).strip().lower() == "nan":
            return default
        value = as_number(cell) if isinstance(cell, str) else float(cell)
        if value == inf and endless:
            return inf
        if not isfinite(value) or not low <= value <= LARGEST:
            allowed = f"a number from {low:g} to {LARGEST:g}" + (" or inf" if endless else "")
            mend = "write decimals with a point" if "," in str(cell) else "correct the value"
            self.fault(column, repr(cell), allowed, mend)
            return default
        return value

    def text(self, column: str) -> str:
        """A cell as a text; empty where it is absent."""
        return str(self.cell(column))

    def flag(self, column: str, default: bool) -> bool:
        """A cell as true or false."""
        text = self.text(column).strip().lower()
        if text in ("", "true", "false", "1", "0", "1.0", "0.0"):
            return default if text == "" else text in ("true", "1", "1.0")
        self.fault(column, repr(text[:60]), "True or False", "correct the value")
        return default


@dataclass
class Network:
    """What a folder or file holds, as far as it is read; T snapshots."""

    path: Path
    name: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    series: dict[tuple[str, str], dict[str, np.ndarray]] = field(default_factory=dict)  # (T,) by component and name
    unread_series: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # names of those that SERIES lacks
    snapshots: list[str] = field(default_factory=list)  # (T,) as they are written
    weights_h: list[float] = field(default_factory=list)  # (T,)
    faults: list[Fault] = field(default_factory=list)

    def table(self, component: str) -> Table:
        """The table of a component, empty where the network has none."""
        return self.tables.get(component) or Table(str(self.path), [], {}, self.faults, False)

    def used(self, component: str, elements: Iterable[str], column: str) -> list[Row]:
        """The rows of a table that elements name in a column; what none of them names may hold anything."""
        named = {row.text(column) for element in elements for row in self.table(element).rows()} - {""}
        rows, seen = [row for row in self.table(component).rows() if row.name in named], set[str]()
        for row in rows:
            if row.name in seen:
                row.fault("name", f"{row.name!r} twice", "each name once", "rename one of them")
            seen.add(row.name)
        return rows

    def add(self, component: str, where: str, names: list[str], columns: dict[str, list[Any]], in_lines: bool) -> None:
        """Take a table, with names that are checked."""
        table = Table(where, names, columns, self.faults, in_lines)
        if len(names) > MOST_ROWS:
            raise GridError(where, f"{len(names):,} rows", f"at most {MOST_ROWS:,}", "give a smaller network")
        seen: set[str] = set()
        for row in table.rows() if component not in LOOKED_UP else ():
            if not row.name or not row.name.isprintable() or len(row.name) > LONGEST_NAME:
                allowed = f"a text of one line, at most {LONGEST_NAME} characters"
                row.fault("name", repr(row.name), allowed, "rename it")
            elif row.name in seen:
                row.fault("name", f"{row.name!r} twice", "each name once", "rename one of them")
            seen.add(row.name)
        self.tables[component] = table

    def add_series(self, component: str, attribute: str, where: str, names: list[str], values: np.ndarray) -> None:
        """Take a table of values (T, n) over time."""
        if values.shape != (len(self.snapshots), len(names)):
            found, allowed = f"{values.shape[0]} rows", f"{len(self.snapshots)}, one a snapshot"
            self.faults.append(Fault(where, found, allowed, "add or remove rows"))
            return
        bad = np.argwhere(~(np.abs(values) <= LARGEST))
        if bad.size:
            row, column = bad[0].tolist()
            at = f"{where}, snapshot {row}, {names[column]!r}"
            found = "a gap" if isnan(values[row, column]) else f"{values[row, column]:g}"
            self.faults.append(Fault(at, found, "a finite number", "fill the gap or correct the value"))
            return
        table = self.table(component)
        row_of = {name: row for row, name in enumerate(table.names)}
        for name, course in zip(names, values.T, strict=True):
            if name not in row_of:
                self.faults.append(Fault(where, f"the column {name!r}", f"the names of {component}", "correct it"))
            elif len(course) == 1:  # a constant
                table.columns.setdefault(attribute, [None] * len(table.names))[row_of[name]] = float(course[0])
        if len(values) == 1:
            return
        self.series[component, attribute] = dict(zip(names, values.T, strict=True))


def read_folder(path: Path) -> Network:
    """Read a CSV folder.

    Raises:
        GridError: a file that cannot be read; lesser faults are in the result.
    """
    network = Network(path)
    if (path / "network.csv").exists():
        header, rows = _rows(path / "network.csv")
        network.name = dict(zip(header, rows[0], strict=True)).get("name", "") if rows else ""
    if (path / "meta.json").exists():
        network.meta = read_meta(f"{path / 'meta.json'}", read_text(path / "meta.json", "JSON"), network.faults)
    if (path / "snapshots.csv").exists():
        header, rows = _rows(path / "snapshots.csv")
        columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
        times = columns.get("snapshot", columns.get("timestep", columns.get(header[0], [])))
        table = Table(f"{path / 'snapshots.csv'}", times, columns, network.faults, True)
        add_snapshots(network, table)
    for component in COMPONENTS:
        file = path / f"{component}.csv"
        if file.exists():
            header, rows = _rows(file)
            columns = {name: [row[i] for row in rows] for i, name in enumerate(header) if i}
            network.add(component, str(file), [row[0] for row in rows], columns, True)
    for file in sorted(path.glob("*-*.csv")):
        component, attribute = file.stem.split("-", 1)
        header, rows = _rows(file) if component in COMPONENTS else ([], [])
        if (component, attribute) not in SERIES:
            network.unread_series[component, attribute] = header[1:]
        else:
            shape = len(rows), len(header) - 1
            values = np.array([[as_number(cell) for cell in row[1:]] for row in rows]).reshape(shape)
            network.add_series(component, attribute, str(file), header[1:], values)
    return network


def _rows(file: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a CSV file, all of one length."""
    text = read_text(file, "a table of a PyPSA network")
    if text.count(",") > MOST_VALUES or text.count("\n") > MOST_VALUES:
        raise GridError(str(file), "too many cells", f"at most {MOST_VALUES:,}", "give a smaller network")
    rows: list[list[str]] = []
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), strict=True), start=1):
            if row and rows and len(row) != len(rows[0]):
                where, allowed = f"{file}, line {number}", f"{len(rows[0])}, as in the header"
                mend = "give every column one value; write decimals with a point"
                raise GridError(where, f"{len(row)} cells", allowed, mend)
            rows += [row] if row else []
    except csv.Error as error:
        raise GridError(str(file), f"no CSV ({error})", "a CSV file of PyPSA", "correct the file") from None
    if not rows:
        raise GridError(str(file), "an empty file", "a header", "remove the file or write its header")
    if len(set(rows[0])) < len(rows[0]):
        raise GridError(f"{file}, line 1", "a column twice", "each column once", "remove one of them")
    if any("\n" in cell for cell in rows[0]):
        raise GridError(f"{file}, line 1", "a name of two lines", "a text of one line", "rename it")
    return rows[0], rows[1:]


def read_meta(where: str, text: str, faults: list[Fault]) -> dict[str, Any]:
    """What a file of ours says of itself, in JSON."""
    data, more = parse(where, text or "{}")
    faults += [fault for fault in more if fault.where.startswith(f"{where}: load_balancer")]  # the rest is not ours
    own = data.get("load_balancer", {}) if isinstance(data, dict) else {}
    return own if isinstance(own, dict) else {}


def add_snapshots(network: Network, table: Table) -> None:
    """Take the table of snapshots."""
    column = next((name for name in ("generators", "objective", "weightings") if name in table.columns), "")
    if "period" in table.columns:
        found, mend = "several investment periods", "export one of them"
        network.faults.append(Fault(table.where, found, "one period", mend))
    network.snapshots = [str(time) for time in table.names]
    network.weights_h = [row.number(column, 1.0, 0.0) for row in table.rows()]
