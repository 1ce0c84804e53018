"""The tables of a network of the form of RTS-GMLC, and the time series that they point to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, GridError
from topologies.formats.sheets import Sheet, number, read_csv_sheet, read_numbers
from topologies.formats.units import Buses, some
from topologies.formats.unread import note_unread as note_column

SOURCE, POINTERS = "SourceData", "timeseries_pointers.csv"
NEEDED = {
    "bus.csv": ("Bus ID", "MW Load", "Area"),
    "branch.csv": ("UID", "From Bus", "To Bus", "X"),
    "gen.csv": ("GEN UID", "Bus ID", "PMax MW"),
}
OTHERS = {
    "dc_branch.csv": ("UID", "From Bus", "To Bus", "MW Load"),
    "storage.csv": ("GEN UID", "Storage", "Max Volume GWh"),
    POINTERS: ("Simulation", "Category", "Object", "Parameter", "Data File"),
}
LABELS = re.compile(  # names, results of a power flow, and what other columns say
    r"Bus Name|V Mag|V Angle|Sub Area|Zone|Gen ID|Unit Group|Category|Fuel|MW Inj|Length|Control Mode|Metered end|"
    r"Scaling Factor|(From|To) baseKV|Base MVA|position"
)
THEMES = {
    "left out: outages": re.compile(r".*(FOR|Outage|OutRate|Duration|MTTF|MTTR|Maint|Switching).*|Margin"),
    "left out: emissions other than CO2": re.compile(r"Emissions .*|Fuel Sulfur.*"),
    "left out: ratings for hours and minutes": re.compile(r"(LTE|STE) Rating|Rating MVA"),
    "left out: starts from cold and hot, as every start counts as a warm one": re.compile(r"Start (Heat|Time) .*"),
    "left out: dynamics, and the stations of lines of direct current": re.compile(
        r"Damping.*|Inertia.*|(Transformer|Unit) X.*|(From|To) .*|R Compound"
    ),
}
SERIES = (("Generator", "PMax MW"), ("Generator", "Natural_Inflow"), ("Area", "MW Load"))
DAY_S = 86400


@dataclass
class Row:
    """A row of a table; ``read`` are the columns of the table that were asked for."""

    sheet: Sheet
    faults: list[Fault]
    read: set[str]
    line: int
    cells: dict[str, Any]

    def text(self, column: str) -> str:
        """A cell as text; ids that a program wrote as 101.0 as 101."""
        self.read.add(column)
        return str(self.cells.get(column, "")).removesuffix(".0")

    def number(self, column: str) -> float:
        """A cell as a number, 0 where it is empty or NA."""
        self.read.add(column)
        cell = self.cells.get(column, "NA")
        value = 0.0 if cell == "NA" else number(cell)
        if isinstance(value, int | float) and abs(value) <= 1e12:
            return float(value)
        self.fault(column, repr(cell), "a number of at most 1e12 in size", "correct the value")
        return 0.0

    def bus(self, column: str, buses: Buses) -> str | None:
        """The bus that a cell names; None, and a fault, where there is none of that name."""
        name = self.text(column)
        if name in buses.units:
            return name
        self.fault(column, repr(name), "the Bus ID of a row of bus.csv", "correct it or add the bus")
        return None

    def fault(self, column: str, found: str, allowed: str, mend: str) -> None:
        """Note a fault of a cell."""
        self.faults.append(Fault(self.sheet.place(self.line, column), found, allowed, mend))


@dataclass
class Reading:
    """A network on its way into a grid; R rows of time series."""

    folder: Path  # SourceData
    tables: dict[str, list[Row]]
    faults: list[Fault]
    buses: Buses = field(default_factory=Buses)
    holding: set[str] = field(default_factory=set)  # buses of type PV and Ref
    series_mw: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)  # (R,) by object and parameter
    profiles: dict[str, np.ndarray] = field(default_factory=dict)  # (R,) shares
    clock: np.ndarray | None = None  # (R,) hours, as datetime64[s]


def read_tables(path: Path) -> Reading:
    """Read SourceData, in the folder or the folder itself; faults of cells are gathered.

    Raises:
        GridError: a table or a column that is needed is missing, or a time series cannot be read.
    """
    folder = path / SOURCE if (path / SOURCE).is_dir() else path
    faults: list[Fault] = []
    there = NEEDED | {name: columns for name, columns in OTHERS.items() if (folder / name).exists()}
    tables: dict[str, list[Row]] = {}
    for name, columns in there.items():
        sheet, asked = read_csv_sheet(folder / name, "a table of RTS-GMLC", faults), set[str]()
        tables[name] = [Row(sheet, faults, asked, line, cells) for line, cells in sheet.rows]
        lacks, mend = sorted(set(columns) - set(sheet.names)), "take the present form of RTS-GMLC"
        faults += [Fault(sheet.where, f"no column {c!r}", f"the columns {', '.join(columns)}", mend) for c in lacks]
    if faults:
        raise GridError.of(faults)
    reading = Reading(folder, tables, faults)
    _read_series(reading)
    return reading


def _read_series(reading: Reading) -> None:
    """Read the series that the pointers name: those of the day ahead or, without, of the first other simulation."""
    rows = reading.tables.get(POINTERS, [])
    kinds = list(dict.fromkeys(row.text("Simulation") for row in rows))
    taken = "DAY_AHEAD" if "DAY_AHEAD" in kinds else next(iter(kinds), "")
    for kind in kinds:
        if kind != taken:
            reading.buses.note("time series not read, as those of another simulation are", f"{kind} beside {taken}")
    plant_of = {row.text("Storage"): row.text("GEN UID") for row in reading.tables.get("storage.csv", [])}
    files: dict[str, dict[str, np.ndarray]] = {}
    for row in (row for row in rows if row.text("Simulation") == taken):
        category, name, parameter, file = (row.text(c) for c in ("Category", "Object", "Parameter", "Data File"))
        if (category, parameter) not in SERIES:
            what = {"Reserve": "reserves are not held", "PMin MW": "least output over time not read"}
            text = what.get(category) or what.get(parameter) or "time series not read"
            reading.buses.note(text, name if category == "Reserve" or parameter in what else f"{parameter} of {name}")
            continue
        place = (reading.folder / file).resolve()
        if Path(file).is_absolute() or not place.is_relative_to(reading.folder.resolve().parent):
            allowed = f"a path inside the folder that holds {reading.folder.name}"
            row.fault("Data File", repr(file[:200]), allowed, "put the file there")
            continue
        if file not in files:
            files[file] = read_numbers(place, "a table of time series", ",")
            _keep_time(reading, place, files[file])
        column = next((c for c in (name, plant_of.get(name)) if c in files[file]), None)
        if column is None:
            row.fault("Object", repr(name), f"a column of {place.name}", "correct it or add the column")
            continue
        reading.series_mw[plant_of.get(name, name), parameter] = files[file][column]


def _keep_time(reading: Reading, path: Path, table: dict[str, np.ndarray]) -> None:
    """Check the times of a file: even steps, and the same in all files."""
    problem = "no columns Year, Month, Day and Period"
    if {"Year", "Month", "Day", "Period"} <= table.keys():
        year, month, day = (np.clip(table[name], 1, 9999).astype(int) for name in ("Year", "Month", "Day"))
        months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + np.minimum(month, 12) - 1
        step_s = DAY_S / max(table["Period"].max(), 1.0)
        clock = (months.astype("datetime64[D]") + day - 1).astype("datetime64[s]")
        clock += ((table["Period"] - 1) * step_s).astype("timedelta64[s]")
        problem = "" if step_s == int(step_s) and (np.diff(clock).astype(int) == step_s).all() else "uneven times"
        if not problem and reading.clock is not None and not np.array_equal(clock, reading.clock):
            problem = "other times than in the file before"
        reading.clock = clock
    if problem:
        allowed = "equal steps of a day's periods, the same in all files"
        raise GridError(str(path), problem, allowed, "correct the rows, or leave the file out of the pointers")


def note_unread(reading: Reading) -> None:
    """Note each column that nobody has asked for, where it is set, and the files of which nothing is read."""
    for file, rows in reading.tables.items():
        for column in rows[0].sheet.names if rows else ():
            if column not in rows[0].read and not LABELS.fullmatch(column):
                said = [row.cells for row in rows if row.cells.get(column, "NA") != "NA"]
                whom = {str(cells.get("Storage") or next(iter(cells.values()))): cells[column] for cells in said}
                note_column(reading.buses, file, column, whom, 0, THEMES)
    others = sorted(each.name for each in reading.folder.glob("*.csv") if each.name not in reading.tables)
    if others:
        reading.buses.note("files not read", some(others))
