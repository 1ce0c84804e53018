"""Files that PowSyBl reads (extra ``powsybl``): CGMES, UCTE, PSS/E, IEEE-CDF, IIDM and PowerFactory's DGS.

PowSyBl itself reads the file, joins what closed switches join into buses, and gives tables of all elements; their
columns are explained in its documentation (*Grid model*). Impedances are in ohm at side 2, or at the star of three
windings; a ratio ``rho`` is the voltage there over that at side 1, in kV; and ``p0`` and ``q0`` count what is taken.
"""

from __future__ import annotations

from math import acos, inf, isfinite, tan
from pathlib import Path
from typing import Any

from grid import Fault, Grid, GridError
from topologies.formats.library import library
from topologies.formats.powsybl_lines import read_limits, read_lines
from topologies.formats.powsybl_tables import BASE_MVA, TABLES, TABLES_LISTED, Reading, Row, note_listed, read_rows
from topologies.formats.units import UNLIMITED, Held, drop_unsupplied, stands_for_none

COST_PER_MWH = {"HYDRO": 0.0, "NUCLEAR": 10.0, "WIND": 0.0, "SOLAR": 0.0, "THERMAL": 50.0, "OTHER": 50.0}
"""Assumed, by the source of energy that all these formats can name."""


def read(path: str | Path) -> Grid:
    """Read a file in one of the formats.

    Raises:
        GridError: PowSyBl is missing or cannot read the file, or faults of the grid that it gives.
    """
    path = Path(path)
    with library("pypowsybl", "PowSyBl", str(path), "powsybl") as pypowsybl:
        network = pypowsybl.network.load(str(path))
        return from_network(network, path.stem, f"{path.name}, read by PowSyBl", _extensions(pypowsybl, network))


def from_network(network: Any, name: str, origin: str, extensions: list[str]) -> Grid:
    """The grid of a network that PowSyBl holds, and the names of its extensions.

    Raises:
        GridError: faults of the grid.
    """
    tables = {table: read_rows(network, table) for table in (*TABLES, *TABLES_LISTED)}
    limits = network.get_operational_limits(all_attributes=True).reset_index().to_dict("records")
    of_bus = {key: row["name"] for key, row in tables["buses"].items()}
    named = len(set(of_bus.values())) == len(of_bus) and all(of_bus.values())
    reading = Reading(tables=tables, names=of_bus if named else {key: key for key in of_bus})
    reading.units = {bus: [] for bus in reading.names.values()}
    slack = network.get_extensions("slackTerminal")
    references = map(str, slack["bus_id"]) if "bus_id" in slack else ()
    reading.references = {reading.names[bus] for bus in references if bus in reading.names}
    for key, row in tables["buses"].items():
        level = tables["voltage_levels"][row["voltage_level_id"]]
        low, high, kv = (float(level[each]) for each in ("low_voltage_limit", "high_voltage_limit", "nominal_v"))
        reading.rate(reading.names[key], kv, low / kv, high / kv)
    read_limits(reading, limits)
    _read_loads(reading)
    _read_generators(reading)
    _read_compensators(reading)
    _read_hvdc(reading)
    grid = Grid(name, origin=origin, base_mva=BASE_MVA)
    lines = list(read_lines(reading))
    reading.place(grid)
    for start, end, label, columns in lines:
        grid.add_line(start, end, label, **columns)
    drop_unsupplied(grid, reading)
    for extension in extensions:
        reading.note("left out, as the model has no place for it", f"extension {extension}")
    note_listed(reading)
    grid.notes = reading.notes()
    faults = grid.faults()
    if faults:
        raise GridError.of([Fault(f"{origin}: {f.where}", f.found, f.allowed, f.mend) for f in faults])
    return grid


def _extensions(pypowsybl: Any, network: Any) -> list[str]:
    """Names of the extensions that the network has, but for the slack."""
    found = []
    for each in pypowsybl.network.get_extensions_names():
        try:
            found += [each] if each != "slackTerminal" and len(network.get_extensions(each)) else []
        except pypowsybl.PyPowsyblError:  # one that is written only
            continue
    return found


def _read_loads(reading: Reading) -> None:
    for key, row, bus in reading.rows("loads"):
        if row["p0"] < 0:
            reading.note("negative demand taken as a source of that constant output, free of cost", f"load {key}")
        reading.add_constant(bus, float(row["p0"]), f"{bus}:{key}", float(row["q0"]))
    for key, row, bus in reading.rows("batteries"):
        reading.note("taken as constant demand or infeed of its target, as its energy is not known", f"battery {key}")
        reading.add_constant(bus, -float(row["target_p"]), f"{bus}:{key}", -float(row["target_q"]))


def _limits_mvar(row: Row) -> tuple[float, float]:
    """Reactive limits; of a curve, those at the target output."""
    found = []
    for name, sign in (("min_q", -1.0), ("max_q", 1.0)):
        value = row[name] if isfinite(row[name]) else row[f"{name}_at_target_p"]
        found.append(float(value) if isfinite(value) and abs(value) < 1e9 else sign * inf)
    return found[0], found[1]


def _held(reading: Reading, row: Row, bus: str, limits: tuple[float, float], whom: str) -> Held | None:
    """How a unit holds the voltage of its own bus; None for one that does not."""
    if not row.get("voltage_regulator_on", row.get("regulation_mode") == "VOLTAGE"):
        return None
    at = reading.tables["buses"].get(row["regulated_bus_id"], row)
    local = row.get("equivalent_local_target_v", inf)
    set_kv, kv = float(row["target_v"]), reading.kv(row)
    if reading.names.get(row["regulated_bus_id"], bus) != bus:
        reading.note("voltage of another bus held: the set-point is taken for its own bus", whom)
        set_kv, kv = (float(local), kv) if isfinite(local) else (set_kv, reading.kv(at))
    return Held(bus, set_kv / kv, *limits, whom)


def _add_reactive(reading: Reading, bus: str, held: Held | None, taken_mvar: float) -> None:
    """Let a bus hold its voltage, or take constant reactive power."""
    if held is not None:
        reading.add_condenser(held)
    elif isfinite(taken_mvar) and taken_mvar:
        reading.add_to(bus, load_max_mvar=taken_mvar)


def _read_generators(reading: Reading) -> None:
    all_mw = UNLIMITED * sum(abs(row["p0"]) for row in reading.tables["loads"].values())
    for key, row, bus in reading.rows("generators"):
        whom, low, high = f"generator {key}", float(row["min_p"]), float(row["max_p"])
        if stands_for_none(high) or high > 1e9:
            reading.note(f"no limit of output: {UNLIMITED} times all demand taken, {all_mw:g} MW", whom)
            high = all_mw
        if low < 0 < high:
            reading.note("negative min_p taken as 0", whom)
        if high <= 0:
            reading.note("no output: its voltage or reactive power alone is kept", whom)
        held = _held(reading, row, bus, _limits_mvar(row), whom)
        if high <= 0:
            _add_reactive(reading, bus, held, -float(row["target_q"]))
            reading.add_constant(bus, -float(row["target_p"]) if low < 0 else 0.0, f"{bus}:{key}")
            continue
        columns = {"gen_max_mw": high, "gen_min_mw": min(max(low, 0.0), high) or None}
        columns |= reading.reactive(held, -float(row["target_q"]))
        cost = COST_PER_MWH.get(row["energy_source"], COST_PER_MWH["OTHER"])
        reading.note(f"cost of {cost:g}/MWh assumed by its source, {row['energy_source']}: the file has none", whom)
        reading.add(bus, "source", f"{bus}:{key}", gen_cost_per_mwh=cost, **columns)


def _read_compensators(reading: Reading) -> None:
    for key, row, bus in reading.rows("shunt_compensators"):
        square = reading.kv(row) ** 2
        if row["voltage_regulation_on"]:
            reading.note("control of its sections left out", f"shunt {key}")
        if row["b"]:
            reading.add_to(bus, shunt_mvar=float(row["b"]) * square)
        if row["g"]:
            reading.note("conductance taken as constant demand", f"shunt {key}")
            reading.add_constant(bus, float(row["g"]) * square, f"{bus}:{key}")
    for key, row, bus in reading.rows("static_var_compensators"):
        square, whom = reading.kv(row) ** 2, f"static var compensator {key}"
        limits = float(row["b_min"]) * square, float(row["b_max"]) * square
        if row["regulating"]:
            taken_mvar = float(row["target_q"]) if row["regulation_mode"] == "REACTIVE_POWER" else 0.0
            _add_reactive(reading, bus, _held(reading, row, bus, limits, whom), taken_mvar)


def _read_hvdc(reading: Reading) -> None:
    """Lines of direct current as constant demand at one end and constant infeed, less losses, at the other."""
    at = reading.tables["vsc_converter_stations"] | reading.tables["lcc_converter_stations"]
    for key, row in reading.tables["hvdc_lines"].items():
        stations = [row["converter_station1_id"], row["converter_station2_id"]]
        if row["converters_mode"] != "SIDE_1_RECTIFIER_SIDE_2_INVERTER":
            stations.reverse()
        places = [reading.names.get(at[each]["bus_id"]) if at[each]["connected"] else None for each in stations]
        if None in places or not (row["connected1"] and row["connected2"]):
            reading.note("left out as out of service", f"hvdc_lines {key}")
            continue
        reading.note("taken as constant demand at one end and constant infeed at the other", f"hvdc line {key}")
        losses = [float(at[each]["loss_factor"]) / 100 for each in stations]
        taken_mw = float(row["target_p"])
        through_mw = taken_mw * (1 - losses[0])
        through_mw -= float(row["r"]) * (through_mw / float(row["nominal_v"])) ** 2
        for bus, station, power_mw in zip(places, stations, (taken_mw, -through_mw * (1 - losses[1])), strict=True):
            about = at[station]
            if "power_factor" in about:
                taken_mvar = abs(power_mw) * tan(acos(min(abs(float(about["power_factor"])), 1.0)))
                reading.add_to(str(bus), load_max_mvar=taken_mvar)
            else:
                held = _held(reading, about, str(bus), _limits_mvar(about), f"converter {station}")
                _add_reactive(reading, str(bus), held, -float(about["target_q"]))
            reading.add_constant(str(bus), power_mw, f"{bus}:{station}")
