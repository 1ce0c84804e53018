"""The tables of a PyPSA network, from a CSV folder or a netCDF file, read as numbers and texts.

PyPSA's own reader sets attributes that the file names and fetches what looks like an address; here nothing is made but
tables. netCDF is read in a process of its own (``netcdf_child.py``).
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import repeat
from math import inf, isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, GridError
from topologies.json_text import parse
from topologies.text import as_number, read_bytes, read_text

COMPONENTS = (
    *("buses", "carriers", "generators", "loads", "storage_units", "stores", "links", "lines", "transformers"),
    *("shunt_impedances", "line_types", "transformer_types", "global_constraints", "processes"),
)
SERIES = {  # what is read of the values over time
    *(
        ("loads", "p_set"),
        ("loads", "q_set"),
        ("generators", "p_max_pu"),
        ("generators", "p_min_pu"),
        ("generators", "marginal_cost"),
    ),
    *(("lines", "s_max_pu"), ("transformers", "s_max_pu")),
}
LOOKED_UP = ("carriers", "line_types", "transformer_types")
"""Tables of which only rows count that an element names."""

LONGEST_NAME = 1000
MOST_ROWS = 200_000
MOST_VALUES = 5_000_000
LARGEST = 1e12
WAIT_S = 60


@dataclass
class Table:
    """The constant attributes of one kind of component; R rows."""

    where: str  # the file, or the file and the component
    names: list[str]  # (R,)
    columns: dict[str, list[Any]]  # each (R,): texts, numbers, true or false
    faults: list[Fault]
    in_lines: bool  # whether rows are lines of a text
    read: set[str] = field(default_factory=set)  # columns that were asked for

    def place(self, row: int, column: str) -> str:
        """Where a cell stands."""
        at = f", line {row + 2}" if self.in_lines else f": {self.names[row]!r}"
        return f"{self.where}{at}, {column}"

    def fault(self, row: int, column: str, found: str, allowed: str, mend: str) -> None:
        """Note that a cell is wrong."""
        self.faults.append(Fault(self.place(row, column), found, allowed, mend))

    def number(self, row: int, column: str, default: float, low: float = -LARGEST, endless: bool = False) -> float:
        """A cell as a number from ``low`` on; the default where it is absent or empty; infinite only if ``endless``."""
        self.read.add(column)
        cell = self.columns[column][row] if column in self.columns else None
        if cell is None or cell == "" or (isinstance(cell, float) and isnan(cell)):
            return default
        value = as_number(cell) if isinstance(cell, str) else float(cell)
        if str(cell).strip().lower() == "nan":
            return default
        if value == inf and endless:
            return inf
        if not isfinite(value) or not low <= value <= LARGEST:
            allowed = f"a number from {low:g} to {LARGEST:g}" + (" or inf" if endless else "")
            mend = "write decimals with a point" if "," in str(cell) else "correct the value"
            self.fault(row, column, repr(cell), allowed, mend)
            return default
        return value

    def text(self, row: int, column: str) -> str:
        """A cell as a text; empty where it is absent."""
        self.read.add(column)
        cell = self.columns[column][row] if column in self.columns else ""
        return "" if cell is None or (isinstance(cell, float) and isnan(cell)) else str(cell)

    def flag(self, row: int, column: str, default: bool) -> bool:
        """A cell as true or false."""
        text = self.text(row, column).strip().lower()
        if text in ("", "true", "false", "1", "0", "1.0", "0.0"):
            return default if text == "" else text in ("true", "1", "1.0")
        self.fault(row, column, repr(text[:60]), "True or False", "correct the value")
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

    def used(self, component: str, elements: Iterable[str], column: str) -> list[int]:
        """The rows of a table that elements name in a column; what none of them names may hold anything."""
        table = self.table(component)
        texts = (map(of.text, range(len(of.names)), repeat(column)) for of in map(self.table, elements))
        named = {text for column_texts in texts for text in column_texts} - {""}
        rows = [row for row, name in enumerate(table.names) if name in named]
        seen: set[str] = set()
        for row in rows:
            if table.names[row] in seen:
                table.fault(row, "name", f"{table.names[row]!r} twice", "each name once", "rename one of them")
            seen.add(table.names[row])
        return rows

    def add(self, component: str, where: str, names: list[str], columns: dict[str, list[Any]], in_lines: bool) -> None:
        """Take a table, with names that are checked."""
        table = Table(where, names, columns, self.faults, in_lines)
        if len(names) > MOST_ROWS:
            raise GridError(where, f"{len(names):,} rows", f"at most {MOST_ROWS:,}", "give a smaller network")
        seen: set[str] = set()
        for row, name in enumerate(names if component not in LOOKED_UP else ()):
            if not name or not name.isprintable() or len(name) > LONGEST_NAME:
                allowed = f"a text of one line, at most {LONGEST_NAME} characters"
                table.fault(row, "name", repr(name), allowed, "rename it")
            elif name in seen:
                table.fault(row, "name", f"{name!r} twice", "each name once", "rename one of them")
            seen.add(name)
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
        network.meta = _meta(f"{path / 'meta.json'}", read_text(path / "meta.json", "JSON"), network.faults)
    if (path / "snapshots.csv").exists():
        header, rows = _rows(path / "snapshots.csv")
        columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
        times = columns.get("snapshot", columns.get("timestep", columns.get(header[0], [])))
        table = Table(f"{path / 'snapshots.csv'}", times, columns, network.faults, True)
        _add_snapshots(network, table)
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


def _meta(where: str, text: str, faults: list[Fault]) -> dict[str, Any]:
    data, more = parse(where, text or "{}")
    faults += [fault for fault in more if fault.where.startswith(f"{where}: load_balancer")]  # the rest is not ours
    own = data.get("load_balancer", {}) if isinstance(data, dict) else {}
    return own if isinstance(own, dict) else {}


def _add_snapshots(network: Network, table: Table) -> None:
    column = next((name for name in ("generators", "objective", "weightings") if name in table.columns), "")
    if "period" in table.columns:
        found, mend = "several investment periods", "export one of them"
        network.faults.append(Fault(table.where, found, "one period", mend))
    network.snapshots = [str(time) for time in table.names]
    network.weights_h = [table.number(row, column, 1.0, 0.0) for row in range(len(table.names))]


def read_netcdf(path: Path) -> Network:
    """Read a netCDF file.

    Raises:
        GridError: a file that cannot be read; lesser faults are in the result.
    """
    about, arrays = _unpack(path)
    network = Network(path, name=about["attributes"].get("network_name", ""))
    network.meta = _meta(f"{path}: meta", about["attributes"].get("meta", "{}"), network.faults)
    known = sorted(COMPONENTS, key=len, reverse=True)
    several = [name for name in arrays if name.startswith(("scenario", "investment_periods"))]
    if any(arrays[name].size for name in several):  # older files have them empty
        found, mend = "scenarios or several investment periods", "export one of them"
        network.faults.append(Fault(str(path), found, "one future", mend))
    if "snapshots" in arrays:
        numbers = arrays["snapshots"]  # or, as PyPSA wrote them once, the times themselves
        times = _texts(arrays.get("snapshots_snapshot", arrays.get("snapshots_timestep", numbers)))
        columns = {
            name.removeprefix("snapshots_"): array.tolist()
            for name, array in arrays.items()
            if name.startswith("snapshots_") and array.shape == (len(times),)
        }
        _add_snapshots(network, Table(f"{path}: snapshots", times, columns, network.faults, False))
    for component in COMPONENTS:
        if f"{component}_i" not in arrays:
            continue
        names = _texts(arrays[f"{component}_i"])
        columns = {
            name.removeprefix(f"{component}_"): array.tolist()
            for name, array in arrays.items()
            if next((c for c in known if name.startswith(f"{c}_")), "") == component
            and not name.startswith((f"{component}_t_", f"{component}_i"))
            and array.shape == (len(names),)
        }
        network.add(component, f"{path}: {component}", names, columns, False)
    for name in sorted(arrays):
        component, over_time, attribute = name.partition("_t_")
        if not over_time or component not in COMPONENTS or f"{name}_i" not in arrays:
            continue
        if (component, attribute) not in SERIES:
            network.unread_series[component, attribute] = _texts(arrays[f"{name}_i"])
        elif arrays[name].ndim == 2 and arrays[name].dtype.kind in "biuf":
            in_order = about["dimensions"][name][0] == "snapshots"
            values = (arrays[name] if in_order else arrays[name].T).astype(float)
            network.add_series(component, attribute, f"{path}: {name}", _texts(arrays[f"{name}_i"]), values)
    return network


def _texts(array: np.ndarray) -> list[str]:
    return [str(value) for value in np.ravel(array).tolist()]


def _unpack(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The attributes and variables of a netCDF file, unpacked in another process."""
    try:
        import netCDF4  # noqa: F401 -- the other process needs it
    except ImportError:
        mend = "pip install load-balancer[pypsa]"
        raise GridError(str(path), "a netCDF file", "other formats, as netCDF4 is not installed", mend) from None
    raw = read_bytes(path, "a PyPSA network in netCDF")
    command = [sys.executable, "-P", str(Path(__file__).with_name("netcdf_child.py"))]
    mend = "write it with pypsa.Network.export_to_netcdf"
    try:
        done = subprocess.run(command, input=raw, capture_output=True, timeout=WAIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise GridError(str(path), "a file that takes too long", "a PyPSA network in netCDF", mend) from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["the netCDF library crashes on it"]
        raise GridError(str(path), f"no netCDF file ({last[0][:200]})", "a PyPSA network in netCDF", mend)
    try:
        with np.load(io.BytesIO(done.stdout), allow_pickle=False) as data:
            about = json.loads(str(data["about"]))
            return about, {name.removeprefix("v "): data[name] for name in data.files if name.startswith("v ")}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise GridError(str(path), f"no netCDF file ({error})", "a PyPSA network in netCDF", mend) from None
