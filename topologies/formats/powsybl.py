"""Files that PowSyBl reads (extra ``powsybl``): CGMES, UCTE, PSS/E, IEEE-CDF, IIDM and PowerFactory's DGS.

PowSyBl itself reads the file, joins what closed switches join into buses, and gives tables of all elements; their
columns are explained in its documentation (*Grid model*). Impedances are in ohm at side 2, or at the star of three
windings; a ratio ``rho`` is the voltage there over that at side 1, in kV; and ``p0`` and ``q0`` count what is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import acos, inf, isfinite, isnan, sqrt, tan
from pathlib import Path
from typing import Any

from grid import Fault, Grid, GridError
from topologies.formats.library import library
from topologies.formats.powsybl_columns import LISTED, READ, TABLES_LISTED
from topologies.formats.units import UNLIMITED, Buses, drop_unsupplied, stands_for_none

COST_PER_MWH = {"HYDRO": 0.0, "NUCLEAR": 10.0, "WIND": 0.0, "SOLAR": 0.0, "THERMAL": 50.0, "OTHER": 50.0}
"""Assumed, by the source of energy that all these formats can name."""

BASE_MVA = 100.0

Row = dict[str, Any]


@dataclass(kw_only=True)
class _Reading(Buses):
    """A network on its way into a grid."""

    tables: dict[str, dict[str, Row]]  # by name, then by id
    names: dict[str, str]  # of buses, by id
    limit_mva: dict[str, float] = field(default_factory=dict)  # permanent, of branches, by id

    def rows(self, table: str) -> Iterator[tuple[str, Row, str]]:
        """Name, cells and bus of each element in service of a table of what stands at one bus."""
        for key, row in self.tables[table].items():
            bus = self.names.get(row["bus_id"]) if row["connected"] else None
            if bus is None:
                self.note("left out as out of service", f"{table} {key}")
            else:
                yield key, row, bus

    def kv(self, row: Row, end: str = "") -> float:
        """Nominal voltage at an element or one end of it."""
        return float(self.tables["voltage_levels"][row[f"voltage_level{end}_id"]]["nominal_v"])


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
    tables = {table: _rows(network, table) for table in (*READ, *TABLES_LISTED)}
    limits = network.get_operational_limits(all_attributes=True).reset_index().to_dict("records")
    of_bus = {key: row["name"] for key, row in tables["buses"].items()}
    named = len(set(of_bus.values())) == len(of_bus) and all(of_bus.values())
    reading = _Reading(tables=tables, names=of_bus if named else {key: key for key in of_bus})
    reading.units = {bus: [] for bus in reading.names.values()}
    reading.references = {reading.names[bus] for bus in _slack_buses(network) if bus in reading.names}
    for key, row in tables["buses"].items():
        level = tables["voltage_levels"][row["voltage_level_id"]]
        low, high, kv = (float(level[each]) for each in ("low_voltage_limit", "high_voltage_limit", "nominal_v"))
        reading.rate(reading.names[key], kv, low / kv, high / kv)
    _read_limits(reading, limits)
    _read_loads(reading)
    _read_generators(reading)
    _read_compensators(reading)
    _read_hvdc(reading)
    grid = Grid(name, origin=origin, base_mva=BASE_MVA)
    lines = list(_branches(reading))
    reading.place(grid)
    for start, end, label, columns in lines:
        grid.add_line(start, end, label, **columns)
    drop_unsupplied(grid, reading)
    for extension in extensions:
        reading.note("left out, as the model has no place for it", f"extension {extension}")
    _note_listed(reading)
    grid.notes = reading.notes()
    faults = grid.faults()
    if faults:
        raise GridError.of([Fault(f"{origin}: {f.where}", f.found, f.allowed, f.mend) for f in faults])
    return grid


def _rows(network: Any, table: str) -> dict[str, Row]:
    frame = getattr(network, f"get_{table}")(all_attributes=True)
    return {str(key): row for key, row in frame.to_dict("index").items()}


def _slack_buses(network: Any) -> list[str]:
    frame = network.get_extensions("slackTerminal")
    return [] if "bus_id" not in frame else [str(bus) for bus in frame["bus_id"]]


def _extensions(pypowsybl: Any, network: Any) -> list[str]:
    """Names of the extensions that the network has, but for the slack."""
    found = []
    for each in pypowsybl.network.get_extensions_names():
        try:
            found += [each] if each != "slackTerminal" and len(network.get_extensions(each)) else []
        except pypowsybl.PyPowsyblError:  # one that is written only
            continue
    return found


def _read_limits(reading: _Reading, limits: list[Row]) -> None:
    """Permanent limits in A, MW or MVA; the smaller of both ends."""
    ends = {"ONE": "1", "TWO": "2", "THREE": "3"}
    rows = {key: row for table in BRANCHES for key, row in reading.tables[table].items()}
    for limit in limits:
        key, row, value = str(limit["element_id"]), rows.get(str(limit["element_id"])), float(limit["value"])
        if row is None or not limit["selected"] or stands_for_none(value) or not 0 < value < 1e9:
            continue
        if limit["acceptable_duration"] != -1:
            reading.note("limits for some minutes left out: the permanent ones hold", f"branch {key}")
            continue
        end = ends.get(str(limit["side"]), "")
        if limit["type"] == "CURRENT":
            value *= sqrt(3) * reading.kv(row, end) / 1000
        of = f"{key} {end}" if end and "r3" in row else key
        reading.limit_mva[of] = min(value, reading.limit_mva.get(of, inf))


def _read_loads(reading: _Reading) -> None:
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


def _set_pu(reading: _Reading, row: Row, bus: str, whom: str) -> float:
    """Voltage that a unit holds at its own bus."""
    at = reading.tables["buses"].get(row["regulated_bus_id"], row)
    local = row.get("equivalent_local_target_v", inf)
    if reading.names.get(row["regulated_bus_id"], bus) == bus:
        return float(row["target_v"]) / reading.kv(row)
    reading.note("voltage of another bus held: the set-point is taken for its own bus", whom)
    return float(local) / reading.kv(row) if isfinite(local) else float(row["target_v"]) / reading.kv(at)


def _read_generators(reading: _Reading) -> None:
    all_mw = UNLIMITED * sum(abs(row["p0"]) for row in reading.tables["loads"].values())
    for key, row, bus in reading.rows("generators"):
        whom, low, high = f"generator {key}", float(row["min_p"]), float(row["max_p"])
        if stands_for_none(high) or high > 1e9:
            reading.note(f"no limit of output: {UNLIMITED} times all demand taken, {all_mw:g} MW", whom)
            high = all_mw
        if low < 0 < high:
            reading.note("negative min_p taken as 0", whom)
        holds, limits = bool(row["voltage_regulator_on"]), _limits_mvar(row)
        if high <= 0:
            reading.note("no output: its voltage or reactive power alone is kept", whom)
            _add_reactive(reading, row, bus, limits, whom, -float(row["target_q"]))
            reading.add_constant(bus, -float(row["target_p"]) if low < 0 else 0.0, f"{bus}:{key}")
            continue
        columns = {"gen_max_mw": high, "gen_min_mw": min(max(low, 0.0), high) or None}
        if holds:
            columns |= reading.hold(bus, _set_pu(reading, row, bus, whom), *limits, whom)
        elif row["target_q"]:
            columns["load_max_mvar"] = -float(row["target_q"])
        cost = COST_PER_MWH.get(row["energy_source"], COST_PER_MWH["OTHER"])
        reading.note(f"cost of {cost:g}/MWh assumed by its source, {row['energy_source']}: the file has none", whom)
        reading.add(bus, "source", f"{bus}:{key}", gen_cost_per_mwh=cost, **columns)


def _add_reactive(
    reading: _Reading, row: Row, bus: str, limits: tuple[float, float], whom: str, taken_mvar: float
) -> None:
    """What holds the voltage of its bus or takes constant reactive power."""
    if row.get("voltage_regulator_on", row.get("regulation_mode") == "VOLTAGE"):
        reading.add_condenser(bus, _set_pu(reading, row, bus, whom), *limits, whom)
    elif isfinite(taken_mvar) and taken_mvar:
        reading.add_to(bus, load_max_mvar=taken_mvar)


def _read_compensators(reading: _Reading) -> None:
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
            _add_reactive(reading, row, bus, limits, whom, taken_mvar)


def _read_hvdc(reading: _Reading) -> None:
    """Lines of direct current as constant demand at one end and constant infeed, less losses, at the other."""
    at = {key: row for table in ("vsc_converter_stations", "lcc_converter_stations") for key, row in
          reading.tables[table].items()}  # fmt: skip
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
            about, whom = at[station], f"converter {station}"
            if "power_factor" in about:
                taken_mvar = abs(power_mw) * tan(acos(min(abs(float(about["power_factor"])), 1.0)))
                reading.add_to(str(bus), load_max_mvar=taken_mvar)
            else:
                _add_reactive(reading, about, str(bus), _limits_mvar(about), whom, -float(about["target_q"]))
            reading.add_constant(str(bus), power_mw, f"{bus}:{station}")


BRANCHES = ("lines", "2_windings_transformers", "3_windings_transformers", "boundary_lines")


@dataclass(frozen=True)
class _Pi:
    """A branch in SI units: its series impedance, and its admittances at both ends."""

    ohm: complex
    siemens: tuple[complex, complex]

    def per_unit(self, kv: tuple[float, float]) -> tuple[complex, complex, complex]:
        """The same with these nominal voltages, of which those of a line may differ: series, and admittances."""
        one, two = kv
        between = (one - two) / self.ohm if self.ohm else 0j
        first = one * (one * self.siemens[0] + between) / BASE_MVA
        second = two * (two * self.siemens[1] - between) / BASE_MVA
        return self.ohm * BASE_MVA / (one * two), first, second


def _branches(reading: _Reading) -> Iterator[tuple[str, str, str, Row]]:
    """Ends, name and columns of each line of the grid."""
    for key, row in reading.tables["lines"].items():
        pi = _Pi(complex(row["r"], row["x"]), (complex(row["g1"], row["b1"]), complex(row["g2"], row["b2"])))
        yield from _branch(reading, key, row, ("1", "2"), pi, reading.kv(row, "2"))
    for key, row in reading.tables["2_windings_transformers"].items():
        yield from _branch(reading, key, row, ("1", "2"), _winding(row, ""), reading.kv(row, "2"), _tap(row, ""))
    for key, row in reading.tables["3_windings_transformers"].items():
        inner, kv = f"inner {key}", float(row["rated_u0"])
        reading.units[inner] = []
        reading.note("a star of three branches", f"transformer {key}")
        for end in "123":
            yield from _branch(reading, f"{key} {end}", row, (end, inner), _winding(row, end), kv, _tap(row, end))
    for key, row in reading.tables["boundary_lines"].items():
        beyond = str(row["pairing_key"]) if row["paired"] else f"boundary {key}"
        reading.units.setdefault(beyond, [])
        pi = _Pi(complex(row["r"], row["x"]), (complex(row["g"], row["b"]) / 2,) * 2)
        found = list(_branch(reading, key, row, ("", beyond), pi, reading.kv(row)))
        yield from found
        if found and not row["paired"]:
            reading.note("taken as demand or infeed beyond the line", f"boundary line {key}")
            reading.add_constant(beyond, float(row["p0"]), f"{beyond}:{key}", float(row["q0"]))


def _winding(row: Row, end: str) -> _Pi:
    r, x, g, b = (float(row[f"{name}{end}_at_current_tap"]) for name in ("r", "x", "g", "b"))
    return _Pi(complex(r, x), (complex(g, b), 0j))


def _tap(row: Row, end: str) -> tuple[float, float]:
    return float(row[f"rho{end}"]), float(row[f"alpha{end}"])


def _branch(
    reading: _Reading,
    key: str,
    row: Row,
    ends: tuple[str, str],
    pi: _Pi,
    kv: float,
    tap: tuple[float, float] | None = None,
) -> Iterator[tuple[str, str, str, Row]]:
    """One line from a side of an element to another, or to a bus that is no side of it, whose voltage is ``kv``."""
    start, stop = (
        end if f"bus{end}_id" not in row else reading.names.get(row[f"bus{end}_id"]) if row[f"connected{end}"] else None
        for end in ends
    )
    if start is None or stop is None:
        reading.note("left out as out of service or open", f"branch {key}")
        return
    if start == stop:
        reading.note("left out: both ends at one bus", f"branch {key}")
        return
    ratio, shift_deg, own_kv = 1.0, 0.0, reading.kv(row, ends[0])
    if tap is not None:
        ratio, shift_deg, own_kv = kv / (tap[0] * own_kv), -tap[1], kv  # the impedance stands behind the ratio
    series, first, second = pi.per_unit((own_kv, kv))
    shunt, apart_mvar = first + second, (first - second).imag / 2 * BASE_MVA
    if abs(apart_mvar) > 1e-9:
        reading.note("charging that differs between its ends put at the buses", f"branch {key}")
        reading.add_to(start, shunt_mvar=apart_mvar / ratio**2)
        reading.add_to(stop, shunt_mvar=-apart_mvar)
    columns: Row = {"reactance_pu": series.imag}
    columns |= reading.impedance(series.imag, series.real, shunt.imag, f"branch {key}", shunt.real)
    columns |= {"tap": ratio} if ratio != 1.0 else {}
    columns |= {"shift_deg": shift_deg} if shift_deg else {}
    columns |= {"capacity_mw": reading.limit_mva[key]} if key in reading.limit_mva else {}
    yield start, stop, key, columns


def _note_listed(reading: _Reading) -> None:
    """Say of every table and column that the model has no place for, where it is set, what is left out."""
    for table, what in TABLES_LISTED.items():
        for key in reading.tables[table]:
            reading.note(what, f"{table} {key}")
    for table, columns in LISTED.items():
        for key, row in reading.tables[table].items():
            for column, what in columns.items():
                cell = row.get(column)
                if cell not in (None, "", 0) and not (isinstance(cell, float) and isnan(cell)):
                    reading.note(what, f"{table} {key}")
