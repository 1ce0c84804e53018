"""RTS-GMLC, and networks of its form: tables in the folder SourceData, which point to files of time series.

The path is that of the folder that holds SourceData. Tables and columns, with their units:
https://github.com/GridMod/RTS-GMLC/blob/master/RTS_Data/SourceData/README.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, Grid, GridError
from topologies.formats.sheets import Sheet, number, read_csv_sheet, read_numbers
from topologies.formats.units import Buses, some
from topologies.formats.unread import note_unread
from topologies.series import TimedSeries
from topologies.shapes import HOURS_A_WEEK

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
COURSES = (("Generator", "PMax MW"), ("Generator", "Natural_Inflow"), ("Area", "MW Load"))
T_PER_LB = 0.45359237 / 1000
DAY_S = 86400


@dataclass
class _Table:
    """A table, and which of its columns were asked for."""

    sheet: Sheet
    faults: list[Fault]
    read: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[_Row]:
        return (_Row(self, line, cells) for line, cells in self.sheet.rows)


@dataclass
class _Row:
    table: _Table
    line: int
    cells: dict[str, Any]

    def text(self, column: str) -> str:
        """A cell as text; ids that a program wrote as 101.0 as 101."""
        self.table.read.add(column)
        return str(self.cells.get(column, "")).removesuffix(".0")

    def number(self, column: str) -> float:
        """A cell as a number, 0 where it is empty or NA."""
        self.table.read.add(column)
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
        self.table.faults.append(Fault(self.table.sheet.place(self.line, column), found, allowed, mend))


@dataclass
class _Reading:
    folder: Path  # SourceData
    tables: dict[str, _Table]
    buses: Buses = field(default_factory=Buses)
    holding: set[str] = field(default_factory=set)  # buses of type PV and Ref
    course_mw: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)  # (R,) by object and parameter
    profiles: dict[str, np.ndarray] = field(default_factory=dict)  # (R,) shares
    clock: np.ndarray | None = None  # (R,) hours, as datetime64[s]

    def follow(self, name: str, values_mw: np.ndarray | None, most_mw: float) -> dict[str, str]:
        """Make a profile of a course of available power; above the largest output it is cut off."""
        if values_mw is None:
            return {}
        if (values_mw > most_mw * (1 + 1e-9)).any():
            self.buses.note("time series above PMax MW cut off", name)
        self.profiles[name] = np.clip(values_mw / most_mw, 0.0, 1.0)
        return {"gen_profile": name}


def read(path: str | Path) -> Grid:
    """Read the folder that holds SourceData, or that folder itself.

    Raises:
        GridError: a table is missing, or all faults that are found in them, with file and line.
    """
    path = Path(path)
    folder = path / SOURCE if (path / SOURCE).is_dir() else path
    faults: list[Fault] = []
    there = NEEDED | {name: columns for name, columns in OTHERS.items() if (folder / name).exists()}
    tables = {name: _Table(read_csv_sheet(folder / name, "a table of RTS-GMLC", faults), faults) for name in there}
    for name, columns in there.items():
        for column in set(columns) - set(tables[name].sheet.names):
            allowed = f"the columns {', '.join(columns)}"
            faults.append(
                Fault(str(folder / name), f"no column {column!r}", allowed, "take the present form of RTS-GMLC")
            )
    if faults:
        raise GridError.of(faults)
    reading = _Reading(folder, tables)
    buses = reading.buses
    _read_series(reading)
    _read_buses(reading)
    stores = _stores(reading)
    for row in tables["gen.csv"]:
        _read_generator(reading, row, stores)
    name = path.absolute().name if folder != path else path.absolute().parent.name
    grid = Grid(name, origin=f"tables of the form of RTS-GMLC in {name}")
    _read_dc(reading)
    if not faults:
        buses.place(grid)
        for row in tables["branch.csv"]:
            _read_branch(reading, row, grid)
    if not faults and reading.clock is not None and reading.profiles:
        start, following = reading.clock[:2].tolist()
        values, hour = np.stack(list(reading.profiles.values()), axis=1), start.weekday() * 24 + start.hour
        dt_h = (following - start) / timedelta(hours=1)
        grid.series = TimedSeries(tuple(reading.profiles), dt_h, values, hour % HOURS_A_WEEK, start)
    faults += [Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in grid.faults(whole=not faults)]
    if faults:
        raise GridError.of(faults)
    _note_unread(reading)
    grid.notes = buses.notes()
    return grid


def _read_series(reading: _Reading) -> None:
    """Read the courses that the pointers name: those of the day ahead or, without, of the first other simulation."""
    rows = list(reading.tables[POINTERS]) if POINTERS in reading.tables else []
    kinds = list(dict.fromkeys(row.text("Simulation") for row in rows))
    taken = "DAY_AHEAD" if "DAY_AHEAD" in kinds else next(iter(kinds), "")
    for kind in kinds:
        if kind != taken:
            reading.buses.note("time series not read, as those of another simulation are", f"{kind} beside {taken}")
    plant_of = {row.text("Storage"): row.text("GEN UID") for row in reading.tables.get("storage.csv", ())}
    files: dict[str, dict[str, np.ndarray]] = {}
    for row in (row for row in rows if row.text("Simulation") == taken):
        category, name, parameter, file = (row.text(c) for c in ("Category", "Object", "Parameter", "Data File"))
        if (category, parameter) not in COURSES:
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
        reading.course_mw[plant_of.get(name, name), parameter] = files[file][column]


def _keep_time(reading: _Reading, path: Path, table: dict[str, np.ndarray]) -> None:
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


def _read_buses(reading: _Reading) -> None:
    buses, areas_mw = reading.buses, dict[str, float]()
    rows = list(reading.tables["bus.csv"])
    for row in rows:
        areas_mw[row.text("Area")] = areas_mw.get(row.text("Area"), 0.0) + max(row.number("MW Load"), 0.0)
    for row in rows:
        name, area, load_mw = row.text("Bus ID"), row.text("Area"), row.number("MW Load")
        if name in buses.units or not name:
            row.fault("Bus ID", repr(name), "each bus once, by its ID", "rename one of them")
            continue
        buses.units[name] = []
        buses.places[name] = row.number("lng"), row.number("lat")
        buses.rate(name, row.number("BaseKV"), None, None)
        if row.text("Bus Type") in ("PV", "Ref"):
            reading.holding.add(name)
        if row.text("Bus Type") == "Ref":
            buses.references.add(name)
        load_mvar, course_mw = row.number("MVAR Load"), reading.course_mw.get((area, "MW Load"))
        if load_mw > 0 and course_mw is not None:
            reading.profiles[f"area {area}"] = np.maximum(course_mw, 0.0) / areas_mw[area]
            follows = {"load_max_mvar": load_mvar or None, "load_profile": f"area {area}"}
            buses.add(name, "consumer", f"{name}:load", load_max_mw=load_mw, **follows)
        else:
            buses.add_constant(name, load_mw, f"{name}:load", load_mvar)
        shunt_mw, shunt_mvar = row.number("MW Shunt G"), row.number("MVAR Shunt B")
        buses.add_constant(name, shunt_mw, f"{name}:shunt", 0.0, shunt_mw)
        if shunt_mvar:
            buses.add_to(name, shunt_mvar=shunt_mvar)


def _stores(reading: _Reading) -> dict[str, _Row]:
    """The first store of each plant of the type STORAGE, by plant; others are said to be left out."""
    found: dict[str, _Row] = {}
    plants = {row.text("GEN UID"): row.text("Unit Type") for row in reading.tables["gen.csv"]}
    for row in reading.tables.get("storage.csv", ()):
        plant = row.text("GEN UID")
        if plants.get(plant) != "STORAGE":
            reading.buses.note("reservoir left out, as its plant follows its time series", row.text("Storage"))
        elif plant in found:
            reading.buses.note("second reservoir of a store left out", row.text("Storage"))
        else:
            found[plant] = row
    return found


def _read_generator(reading: _Reading, row: _Row, stores: dict[str, _Row]) -> None:
    buses, name, bus = reading.buses, row.text("GEN UID"), row.bus("Bus ID", reading.buses)
    most_mw, least_mvar, most_mvar = (row.number(c) for c in ("PMax MW", "QMin MVAR", "QMax MVAR"))
    set_pu, given_mvar = row.number("V Setpoint p.u."), row.number("MVAR Inj")
    if bus is None:
        return
    holds, held = bus in reading.holding and most_mvar > least_mvar, dict[str, float]()
    if most_mw <= 0:
        if holds:
            buses.add_condenser(bus, set_pu, least_mvar, most_mvar, name)
        else:
            buses.note("left out: PMax MW is 0", name)
        return
    if holds:
        held = buses.hold(bus, set_pu, least_mvar, most_mvar, name)
    elif given_mvar:
        held = {"load_max_mvar": -given_mvar}
    if name in stores:
        volume_mwh, charge_mw = 1000 * stores[name].number("Max Volume GWh"), row.number("Pump Load MW")
        round_trip = row.number("Storage Roundtrip Efficiency") / 100
        each_way = sqrt(round_trip) if 0 < round_trip <= 1 else None
        first_mwh = min(1000 * stores[name].number("Initial Volume GWh"), volume_mwh)
        power = {"charge_max_mw": charge_mw, "discharge_max_mw": most_mw, "store_init_mwh": first_mwh}
        efficiency = {"charge_eff_frac": each_way, "discharge_eff_frac": each_way}
        buses.add(bus, "storage", name, store_max_mwh=volume_mwh, **power, **efficiency, **held)
        return
    course_mw = reading.course_mw.get((name, "PMax MW"), reading.course_mw.get((name, "Natural_Inflow")))
    columns: dict[str, Any] = {"gen_max_mw": most_mw, **held, **reading.follow(name, course_mw, most_mw)}
    columns |= _costs(row, most_mw)
    no_load = columns.pop("no_load_cost_per_h")
    if "co2_t_per_mwh" in columns or no_load:
        buses.note("heat curve replaced by the straight line between its ends", name)
    if course_mw is None:
        ramp_mw_per_h = 60 * row.number("Ramp Rate MW/Min")
        columns |= {"gen_min_mw": row.number("PMin MW") or None, "gen_ramp_mw_per_h": ramp_mw_per_h or None}
        starts = _starts(row, no_load)
        columns |= starts
        if starts:
            buses.note("may stop and start, as its costs or minimum times say", name)
        elif no_load:
            buses.note("cost of being on left out, as it never stops", name)
    buses.add(bus, "source", name, **columns)


def _costs(row: _Row, most_mw: float) -> dict[str, float]:
    """Linear cost, cost of being on and CO2: of the heat curve, the line through its ends.

    The curve: an average heat rate up to the first point of output, then one for each further part, in BTU/kWh.
    """
    price, other = row.number("Fuel Price $/MMBTU"), row.number("VOM")
    points_mw = [row.number(f"Output_pct_{i}") * most_mw for i in range(5)]
    rates = [row.number("HR_avg_0"), *(row.number(f"HR_incr_{i}") for i in range(1, 5))]
    carbon_t = row.number("Emissions CO2 Lbs/MMBTU") * T_PER_LB
    if not price or points_mw[0] <= 0:
        return {"gen_cost_per_mwh": other, "no_load_cost_per_h": 0.0}
    used_mw = [mw for i, mw in enumerate(points_mw) if not i or mw > max(points_mw[:i])]
    first = rates[0] * used_mw[0] / 1000  # MMBTU/h
    more = sum(rate * (high - low) for rate, (low, high) in zip(rates[1:], pairwise(used_mw), strict=False)) / 1000
    slope = more / (used_mw[-1] - used_mw[0]) if len(used_mw) > 1 else 0.0
    still = first - slope * used_mw[0]
    if still < 0 or len(used_mw) == 1:
        slope, still = (first + more) / used_mw[-1], 0.0
    carbon = {"co2_t_per_mwh": carbon_t * (first + more) / used_mw[-1]} if carbon_t else {}
    return {"gen_cost_per_mwh": price * slope + other, "no_load_cost_per_h": price * still, **carbon}


def _starts(row: _Row, no_load: float) -> dict[str, float]:
    """Of a plant that starts and stops, as its costs or minimum times say; a warm start, or a cold one, counts."""
    up_h, down_h = row.number("Min Up Time Hr"), row.number("Min Down Time Hr")
    heat = row.number("Start Heat Warm MBTU") or row.number("Start Heat Cold MBTU")  # million BTU
    cost = heat * row.number("Fuel Price $/MMBTU")
    cost += row.number("Non Fuel Start Cost $") + row.number("Non Fuel Shutdown Cost $")
    if not any((up_h, down_h, cost)):
        return {}
    return {"start_cost": cost, "no_load_cost_per_h": no_load, "min_up_h": up_h, "min_down_h": down_h}


def _read_dc(reading: _Reading) -> None:
    buses = reading.buses
    for row in reading.tables.get("dc_branch.csv", ()):
        name, start, end = row.text("UID"), row.bus("From Bus", buses), row.bus("To Bus", buses)
        power_mw, line_ohm, line_kv = (row.number(column) for column in ("MW Load", "R Line", "V Mag kV"))
        if start is None or end is None or not power_mw:
            continue
        lost_mw = power_mw**2 * line_ohm / line_kv**2 if line_kv else 0.0
        buses.note("a line of direct current taken as constant demand at one end and infeed at the other", name)
        buses.add_constant(start, power_mw, f"{name}:from")
        buses.add_constant(end, lost_mw - power_mw, f"{name}:to")


def _read_branch(reading: _Reading, row: _Row, grid: Grid) -> None:
    name, start, end = row.text("UID"), row.bus("From Bus", reading.buses), row.bus("To Bus", reading.buses)
    reactance_pu, resistance_pu, charging_pu = (row.number(column) for column in "XRB")
    rate_mw, tap = row.number("Cont Rating"), row.number("Tr Ratio")
    if start is None or end is None:
        return
    columns = {"reactance_pu": reactance_pu, **({"capacity_mw": rate_mw} if rate_mw > 0 else {})}
    columns |= reading.buses.impedance(reactance_pu, resistance_pu, charging_pu, name)
    if grid.graph.has_edge(start, end, name):
        row.fault("UID", repr(name), "each UID once between two buses", "rename one of them")
        return
    grid.add_line(start, end, name, **columns, **({"tap": tap} if tap not in (0.0, 1.0) else {}))


def _note_unread(reading: _Reading) -> None:
    """Note each column that nobody has asked for, where it is set, and the files of which nothing is read."""
    for file, table in reading.tables.items():
        for column in table.sheet.names:
            if column not in table.read and not LABELS.fullmatch(column):
                set_ = [cells for _, cells in table.sheet.rows if cells.get(column, "NA") != "NA"]
                whom = {str(cells.get("Storage") or next(iter(cells.values()))): cells[column] for cells in set_}
                note_unread(reading.buses, file, column, whom, 0, THEMES)
    others = sorted(each.name for each in reading.folder.glob("*.csv") if each.name not in reading.tables)
    if others:
        reading.buses.note("files not read", some(others))
