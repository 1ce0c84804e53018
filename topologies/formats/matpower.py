"""Reader of MATPOWER case files (``.m``, versions 1 and 2), after the case format in MATPOWER's manual.

A bus with a single unit becomes that unit's node; with several it becomes a junction with one pendant node a unit,
``BUS:gen1``, ``BUS:gen2``, ``BUS:load``, each on an ideal connector. What the model has no place for is left out, and
said in ``Grid.notes``. A generator's RAMP_30, where above 0, limits its ramp.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import inf, isfinite
from pathlib import Path

import numpy as np

from grid import Fault, Faults, Grid
from topologies.formats.matpower_columns import COLUMNS, LISTED, SAYS_NOTHING, THEME_OF
from topologies.formats.matpower_text import Case, Row, parse
from topologies.formats.segments import Part, parts, sources
from topologies.formats.units import UNLIMITED, Buses, Held, some, stands_for_none

# columns of the manual's tables, counted from 0
BUS, BUS_TYPE, PD, QD, GS, BS, BASE_KV, VMAX, VMIN = 0, 1, 2, 3, 4, 5, 9, 11, 12
GEN_BUS, QG, QMAX, QMIN, VG, GEN_STATUS, PMAX, PMIN, RAMP_30 = 0, 2, 3, 4, 5, 7, 8, 9, 18
FROM, TO, R, X, B, RATE_A, RATIO, ANGLE, BR_STATUS = 0, 1, 2, 3, 4, 5, 8, 9, 10
MODEL, NCOST, COST = 0, 3, 4
FIXED_COST = "constant cost left out: every generator is always on"
REFERENCE, ISOLATED = 3, 4
HOLDING = (2, REFERENCE)
"""Types of buses: reference, out of service, and of a voltage that generators hold (PV and reference)."""


@dataclass(kw_only=True)
class _Reading(Buses):
    """A case on its way into a grid."""

    case: Case
    isolated: set[str] = field(default_factory=set)  # buses
    holding: set[str] = field(default_factory=set)  # buses whose generators hold their voltage
    faults: Faults = field(default_factory=Faults)

    def add_unit(self, bus: str, kind: str, **columns: float) -> None:
        """Put a source or a consumer at a bus, numbered among those of its kind."""
        others = sum(unit.kind == kind for unit in self.units[bus])
        label = f"gen{others + 1}" if kind == "source" else f"load{others + 1}" if others else "load"
        self.add(bus, kind, f"{bus}:{label}", **columns)

    def bus(self, row: Row, table: str, column: int) -> str | None:
        """The bus that a cell names; None for an isolated one."""
        value = row.cells[column]
        name = f"{value:.0f}"
        if value != float(name) or (name not in self.units and name not in self.isolated):
            raise self.case.fail(row, table, f"bus {value:g}", "a bus of mpc.bus", "correct it or add the bus")
        return None if name in self.isolated else name


def read(path: str | Path) -> Grid:
    """Read a case file; nothing in it is run.

    Raises:
        GridError: a table that cannot be read, with the line; or faults of the grid that it gives.
    """
    path = Path(path)
    case = parse(path)
    reading = _Reading(case=case)
    for row in case.tables["bus"]:
        with reading.faults.gather():
            _read_bus(reading, row)
    reading.faults.report()  # without its buses nothing else can be judged
    _read_generators(reading)
    grid = Grid(path.stem, origin=f"MATPOWER case file {path.name}", base_mva=case.base_mva)
    for bus, units in reading.units.items():
        grid.graph.add_node(bus, **reading.node(bus, units[0] if len(units) == 1 else None, is_bus=True))
        for unit in units if len(units) > 1 else ():
            grid.graph.add_node(unit.label, **reading.node(bus, unit, is_bus=False))
            grid.add_line(bus, unit.label, reactance_pu=0.0)
    for row in case.tables["branch"]:
        with reading.faults.gather():
            _read_branch(reading, row, grid)
    found = reading.faults.found
    found += [Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in grid.faults(whole=not found)]
    reading.faults.report()
    _note_unread(reading)
    grid.notes = reading.notes()
    ignored = [f"mpc.{name}" for name in case.ignored]
    grid.notes += [f"tables ignored: {some(ignored)}"] if ignored else []
    code = [f"mpc.{table} {column} (line {line})" for table, column, line in case.not_run]
    grid.notes += [f"set by code that is not run, so taken as the table has it: {some(code)}"] if code else []
    grid.notes += ["loads converted from kW to MW, as the file says"] if case.kw_to_mw else []
    grid.notes += ["impedances converted from ohm to per unit, as the file says"] if case.ohm_to_pu else []
    return grid


def _note_unread(reading: _Reading) -> None:
    """Note every column that the model has no place for, where it is set."""
    for table, whom in (("gen", "generator"), ("gencost", "generator"), ("branch", "branch")):
        for place, (column, use) in enumerate(COLUMNS[table].items()):
            if use != LISTED:
                continue
            for number, row in enumerate(reading.case.tables[table], start=1):
                cell = row.cells[place] if place < len(row.cells) else 0.0
                if cell not in SAYS_NOTHING.get(column, (0.0,)):
                    name = f"{row.cells[FROM]:g}-{row.cells[TO]:g}" if table == "branch" else str(number)
                    reading.note(f"left out: {THEME_OF[column]}", f"{whom} {name}")


def _read_bus(reading: _Reading, row: Row) -> None:
    bus = reading.case.number(row, "bus", BUS, "bus_i")
    name = f"{bus:.0f}"
    if bus != float(name):
        raise reading.case.fail(row, "bus", f"bus_i {bus:g}", "a whole number", "correct it")
    if name in reading.units or name in reading.isolated:
        raise reading.case.fail(row, "bus", f"bus {name} twice", "each bus once", "remove one of the rows")
    if row.cells[BUS_TYPE] == ISOLATED:
        reading.isolated.add(name)
        reading.note("left out as isolated (type 4)", f"bus {name}")
        return
    reading.units[name] = []
    number = partial(reading.case.number, row, "bus")
    if row.cells[BUS_TYPE] in HOLDING:
        reading.holding.add(name)
    if row.cells[BUS_TYPE] == REFERENCE:
        reading.references.add(name)
    unit_mw = reading.case.load_unit_mw
    load_mw = number(PD, "Pd") * unit_mw + number(GS, "Gs")
    if load_mw < 0:
        reading.note("negative demand taken as a source of that constant output, free of cost", f"bus {name}")
    label = f"{name}:{'gen1' if load_mw < 0 else 'load'}"
    reading.add_constant(name, load_mw, label, number(QD, "Qd") * unit_mw, number(GS, "Gs"))
    shunt_mvar = number(BS, "Bs")
    if shunt_mvar:
        reading.add_to(name, shunt_mvar=shunt_mvar)
    reading.rate(name, row.cells[BASE_KV], row.cells[VMIN], row.cells[VMAX])


def _read_generators(reading: _Reading) -> None:
    gens, costs = reading.case.tables["gen"], reading.case.tables["gencost"]
    if costs and len(costs) not in (len(gens), 2 * len(gens)):
        found, allowed = f"{len(costs)} rows", f"{len(gens)}, one a generator (or twice that)"
        raise reading.case.fail(costs[0], "gencost", found, allowed, "add or remove rows")
    if not costs:
        reading.note("cost of 0: the file has no mpc.gencost", "all generators")
    demand_mw = sum(abs(row.cells[PD]) for row in reading.case.tables["bus"]) * reading.case.load_unit_mw
    unlimited_mw = UNLIMITED * demand_mw
    for i, row in enumerate(gens):
        with reading.faults.gather():
            _read_generator(reading, row, costs[i] if costs else None, f"generator {i + 1}", unlimited_mw)


def _read_generator(reading: _Reading, row: Row, cost_row: Row | None, whom: str, unlimited_mw: float) -> None:
    bus = reading.bus(row, "gen", GEN_BUS)
    if bus is None or not row.cells[GEN_STATUS] > 0:
        reading.note("left out as out of service", whom)
        return
    number = partial(reading.case.number, row, "gen")
    high, low = number(PMAX, "Pmax", unlimited_mw), number(PMIN, "Pmin", -unlimited_mw)
    if inf in (abs(row.cells[PMAX]), abs(row.cells[PMIN])):
        reading.note(f"infinite output limits replaced by {UNLIMITED} times all demand, {unlimited_mw:g} MW", whom)
    if low > high:
        found = f"Pmin {low:g} above Pmax {high:g}"
        raise reading.case.fail(row, "gen", found, "Pmin <= Pmax", "correct one of them")
    if low < 0 < high:
        reading.note("negative Pmin taken as 0", whom)
        low = 0.0
    costs = [(high - low, 0.0, 0.0)] if cost_row is None else _costs(reading, cost_row, whom, low, high)
    least_mvar, most_mvar = number(QMIN, "Qmin", -inf), number(QMAX, "Qmax", inf)
    if high <= 0 and low < 0:
        _add_dispatchable_load(reading, bus, costs, low, (least_mvar, most_mvar), whom)
        return
    given_mvar, held = number(QG, "Qg"), Held(bus, number(VG, "Vg"), least_mvar, most_mvar, whom)
    holds = held if bus in reading.holding else None  # at other buses, of type PQ, what generators give is fixed
    if high > 0:
        _add_plant(reading, row, bus, costs, low, reading.reactive(holds, -given_mvar), whom)
    elif holds:
        reading.add_condenser(holds)
    elif given_mvar:
        reading.add_to(bus, load_max_mvar=-given_mvar)
    else:
        reading.note("left out: Pmax and Pmin are 0", whom)


def _add_plant(
    reading: _Reading, row: Row, bus: str, costs: list[Part], low: float, reactive: dict[str, float], whom: str
) -> None:
    """A source, or one for each part of its costs, of which the first has the minimum and holds the voltage."""
    ramp_30_mw = row.cells[RAMP_30] if len(row.cells) > RAMP_30 else 0.0
    ramp = {"gen_ramp_mw_per_h": 2 * ramp_30_mw} if 0 < ramp_30_mw < inf else {}
    if len(costs) > 1 and ramp:
        reading.note("ramp limit taken as that of each segment by itself", whom)
    for columns in sources(costs, low, reactive):
        reading.add_unit(bus, "source", **columns, **ramp)


def _add_dispatchable_load(
    reading: _Reading, bus: str, costs: list[Part], low: float, limits_mvar: tuple[float, float], whom: str
) -> None:
    """Demand that is shed at its price; MATPOWER's manual, "Dispatchable Loads"."""
    reading.note("a dispatchable load (Pmax <= 0), taken as demand of -Pmin that is shed at its price", whom)
    reactive = sum(limits_mvar) if 0 in limits_mvar else 0.0  # one limit is 0, and the other one goes with Pmin
    per_mw = reactive / low if isfinite(reactive) else 0.0
    for width_mw, linear, square in costs:
        worth = max(linear + square * low, 0.0)
        demand = {"load_max_mvar": per_mw * width_mw} if per_mw else {}
        reading.add_unit(bus, "consumer", load_max_mw=width_mw, shed_cost_per_mwh=worth, **demand)


def _costs(reading: _Reading, row: Row, whom: str, low: float, high: float) -> list[Part]:
    """The parts of a unit's range.

    A curve that is neither quadratic nor piecewise linear, or not convex, becomes the straight line that fits it best.
    """
    count = reading.case.number(row, "gencost", NCOST, "NCOST")
    model = row.cells[MODEL]
    width = count if model == 2 else 2 * count
    values = row.cells[COST : COST + int(width)] if 1 <= count < 1000 else []
    if model not in (1, 2) or count != int(count) or len(values) != width or not np.isfinite(values).all():
        said = f"model {model:g} with NCOST {count:g} and {len(row.cells) - COST} values"
        allowed = "model 2 with NCOST coefficients or model 1 with NCOST points, all finite"
        raise reading.case.fail(row, "gencost", said, allowed)
    if model == 1:
        points_mw, points_cost = np.array(values).reshape(-1, 2).T
        found = parts(points_mw, points_cost, low, high, reading, whom)
        if found:
            at_low = float(np.interp(low, points_mw, points_cost)) + (min(low - points_mw[0], 0) * found[0][1])
            if abs(at_low - found[0][1] * low) > 1e-9 * max(abs(points_cost).max(), 1.0):
                reading.note(FIXED_COST, whom)
            return found
        reading.note("piecewise linear cost that is not convex replaced by the line that fits its points best", whom)
        return [(high - low, _slope(points_mw, points_cost), 0.0)]
    *high_order, square, linear, constant = [0.0, 0.0, 0.0, *values]
    if constant:
        reading.note(FIXED_COST, whom)
    if any(high_order) or square < 0:
        reading.note("cost curve that is not convex or above degree 2 replaced by the straight line that fits it", whom)
        span_mw = np.linspace(low, high, 101)
        return [(high - low, _slope(span_mw, np.polyval(values, span_mw)), 0.0)]
    return [(high - low, linear, square)]


def _slope(points_mw: np.ndarray, points_cost: np.ndarray) -> float:
    away = points_mw - points_mw.mean()
    spread = float(away @ away)
    return float(away @ points_cost) / spread if spread else 0.0


def _read_branch(reading: _Reading, row: Row, grid: Grid) -> None:
    start, end = reading.bus(row, "branch", FROM), reading.bus(row, "branch", TO)
    if start is None or end is None or not row.cells[BR_STATUS] > 0:
        reading.note("left out as out of service", f"branch {row.cells[FROM]:g}-{row.cells[TO]:g}")
        return
    number = partial(reading.case.number, row, "branch")
    reactance_pu, resistance_pu = (number(*cell) * reading.case.pu_per_ohm for cell in ((X, "x"), (R, "r")))
    rate_mw, tap, shift_deg = number(RATE_A, "rateA", 0.0), number(RATIO, "ratio"), number(ANGLE, "angle")
    whom, nines = f"branch {start}-{end}", stands_for_none(rate_mw)
    others = {"capacity_mw": 0.0 if nines else rate_mw, "tap": tap or 1.0, "shift_deg": shift_deg}
    grid.add_line(start, end, None, **reading.line(whom, reactance_pu, resistance_pu, number(B, "b"), **others))
    if nines:
        reading.note("no limit: its rating is all nines", whom)
