"""PyPSA networks (extra ``pypsa``): CSV folders and netCDF files, from their tables to a grid.

PyPSA's attributes: https://docs.pypsa.org/latest/user-guide/components. Its passive branches get their reactance in per
unit from PyPSA itself, with standard types, on 1 MVA. Columns of ours that PyPSA has no place for stand in its tables
under their own names; PyPSA carries them along.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from grid.errors import Fault, GridError, nearest
from grid.graph import Grid, Series
from grid.kinds import LINE_COLUMNS, NODE_COLUMNS
from topologies.formats.pypsa_tables import Network, Table, read_folder, read_netcdf
from topologies.formats.units import Buses
from topologies.series import TimedSeries
from topologies.shapes import HOURS_A_WEEK

BASE_MVA = 100.0
IDEAL_PU = 1e-6
"""The reactance by which an ideal connector is written: PyPSA has none of 0."""


@dataclass
class _Reading:
    """A network on its way into a grid."""

    network: Network
    buses: Buses
    profiles: dict[str, np.ndarray] = field(default_factory=dict)  # (T,) shares by name

    def rows(self, component: str) -> Iterator[tuple[Table, int, str, str]]:
        """Each active row of a component, with its table, name and bus."""
        table = self.network.table(component)
        for row, name in enumerate(table.names):
            bus = table.text(row, "bus")
            if not table.flag(row, "active", True):
                self.buses.note("left out as not active", f"{component} {name}")
            elif bus not in self.buses.units:
                mend = nearest(bus, self.buses.units) if len(self.buses.units) < 1000 else "correct it"
                table.fault(row, "bus", repr(bus), "the name of a bus", mend)
            else:
                yield table, row, name, bus

    def series(self, component: str, attribute: str, name: str) -> np.ndarray | None:
        """(T,) values over time of an attribute; None where it is constant."""
        values = self.network.series.get((component, attribute), {}).get(name)
        return values if values is not None and len(values) > 1 else None

    def profile(self, name: str, shares: np.ndarray) -> str:
        """Keep a course of shares under a name of its own."""
        number, plain = 1, name
        while name in self.profiles and not np.array_equal(self.profiles[name], shares):
            number += 1
            name = f"{plain}#{number}"
        self.profiles[name] = shares
        return name


def read(path: str | Path) -> Grid:
    """Read a netCDF file or a CSV folder.

    Raises:
        GridError: all faults that are found, with file and line; or PyPSA is not installed.
    """
    path = Path(path)
    network = read_folder(path) if path.is_dir() else read_netcdf(path)
    reading = _Reading(network, Buses({name: [] for name in network.table("buses").names}))
    _read_places(reading)
    _read_loads(reading)
    demand_mw = sum(
        unit.columns.get("load_max_mw", 0.0) for units in reading.buses.units.values() for unit in units
    )
    _read_generators(reading, demand_mw)
    _read_stores(reading)
    _note_left_out(reading)
    if not reading.buses.units and not network.faults:
        network.faults.append(Fault(f"{path}", "no bus", "a table of buses", "give a network with buses"))
    grid = Grid(network.name if network.name.isprintable() and network.name else path.stem)
    grid.origin = str(network.meta.get("origin", f"PyPSA network {path.name}"))
    grid.licence = str(network.meta.get("licence", ""))
    grid.base_mva = network.meta.get("base_mva", BASE_MVA)
    faults = [*network.faults]
    if not faults:
        reading.buses.place(grid)
        _read_lines(reading, grid)
        faults = [*network.faults]
        grid.series = _series(reading, faults)
        faults += [Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in grid.faults(whole=not faults)]
    if faults:
        raise GridError.of(faults)
    grid.notes = reading.buses.notes()
    return grid


def _own(table: Table, row: int, columns: tuple[Any, ...]) -> dict[str, Any]:
    """Columns of ours in a table of PyPSA."""
    given: dict[str, Any] = {}
    for column in columns:
        if column.name in table.columns and column.name not in ("x", "y"):
            if column.is_text:
                text = table.text(row, column.name)
                given |= {column.name: text} if text else {}
            else:
                value = table.number(row, column.name, inf, column.low if column.low > -inf else -1e12)
                given |= {column.name: value} if value != inf else {}
    return given


def _read_places(reading: _Reading) -> None:
    table = reading.network.table("buses")
    for row, name in enumerate(table.names):
        place = tuple(table.number(row, axis, 0.0) for axis in "xy")
        if any(place):
            reading.buses.places[name] = (place[0], place[1])


def _read_loads(reading: _Reading) -> None:
    for table, row, name, bus in reading.rows("loads"):
        own = _own(table, row, NODE_COLUMNS)
        power_mw = table.number(row, "p_set", 0.0) * -table.number(row, "sign", -1.0)
        course_mw = reading.series("loads", "p_set", name)
        if course_mw is None:
            if power_mw < 0:
                reading.buses.note("negative demand taken as a source of that constant output, free of cost", name)
            if power_mw:
                reading.buses.add_constant(bus, power_mw, name)
                reading.buses.units[bus][-1].columns.update(own if power_mw > 0 else {})
            else:
                reading.buses.note("left out: no demand", f"load {name}")
            continue
        if course_mw.min() < 0:
            reading.buses.note("negative hours of demand taken as 0", f"load {name}")
        high_mw = max(float(course_mw.max()), own.pop("load_max_mw", 0.0))
        if high_mw <= 0:
            reading.buses.note("left out: no demand", f"load {name}")
            continue
        profile = reading.profile(own.pop("load_profile", name), np.clip(course_mw, 0.0, None) / high_mw)
        reading.buses.add(bus, "consumer", name, load_max_mw=high_mw, load_profile=profile, **own)


def _read_generators(reading: _Reading, demand_mw: float) -> None:
    note = reading.buses.note
    carriers = reading.network.table("carriers")
    co2 = {name: carriers.number(row, "co2_emissions", 0.0, 0.0) for row, name in enumerate(carriers.names)}
    for table, row, name, bus in reading.rows("generators"):
        whom = f"generator {name}"
        nominal_mw = table.number(row, "p_nom", 0.0, 0.0, endless=True)
        if table.flag(row, "p_nom_extendable", False):
            nominal_mw = table.number(row, "p_nom_opt", 0.0, 0.0) or nominal_mw
            note("extendable: taken at its optimised size or, without one, its present one", whom)
        if nominal_mw == inf:
            nominal_mw = demand_mw
            note(f"infinite p_nom taken as all demand, {demand_mw:g} MW", whom)
        if table.number(row, "sign", 1.0) < 0:
            note("left out: its sign is negative", whom)
            continue
        own = _own(table, row, NODE_COLUMNS)
        share, course = table.number(row, "p_max_pu", 1.0), reading.series("generators", "p_max_pu", name)
        columns: dict[str, Any] = {"gen_max_mw": nominal_mw * share}
        if course is not None:
            high = max(float(course.max()), 1.0)
            profile = reading.profile(own.pop("gen_profile", name), np.clip(course, 0.0, None) / high)
            columns = {"gen_max_mw": nominal_mw * high, "gen_profile": profile}
        least_mw = table.number(row, "p_min_pu", 0.0) * nominal_mw
        if reading.series("generators", "p_min_pu", name) is not None:
            note("least output over time left out", whom)
        elif least_mw > 0 and (course is not None or "gen_profile" in own):
            note("least output left out, as the largest follows a profile", whom)
        elif least_mw > 0:
            columns["gen_min_mw"] = min(least_mw, columns["gen_max_mw"])
        if columns["gen_max_mw"] <= 0:
            note("left out: its largest output is 0", whom)
            continue
        cost, prices = table.number(row, "marginal_cost", 0.0), reading.series("generators", "marginal_cost", name)
        if prices is not None:
            cost = float(prices.mean())
            note("cost over time replaced by its mean", whom)
        columns |= {"gen_cost_per_mwh": cost}
        square = table.number(row, "marginal_cost_quadratic", 0.0, 0.0)
        columns |= {"gen_cost_per_mw2h": square} if square else {}
        ramps = [table.number(row, f"ramp_limit_{way}", inf, 0.0) for way in ("up", "down")]
        if 0 < min(ramps) < inf:
            columns["gen_ramp_mw_per_h"] = min(ramps) * nominal_mw
            if max(ramps) > min(ramps):
                note("the smaller of both ramp limits taken", whom)
        emissions = co2.get(table.text(row, "carrier"), 0.0)
        efficiency = table.number(row, "efficiency", 1.0, 0.0)
        columns |= {"co2_t_per_mwh": emissions / efficiency} if emissions and efficiency else {}
        if table.flag(row, "committable", False):
            note("unit commitment left out: always on, from 0 or its least output", whom)
            columns.pop("gen_min_mw", None)
        reading.buses.add(bus, "source", name, **columns | own)


def _read_stores(reading: _Reading) -> None:
    note = reading.buses.note
    for table, row, name, bus in reading.rows("storage_units"):
        whom = f"storage unit {name}"
        nominal_mw = table.number(row, "p_nom", 0.0, 0.0)
        if table.flag(row, "p_nom_extendable", False):
            nominal_mw = table.number(row, "p_nom_opt", 0.0, 0.0) or nominal_mw
            note("extendable: taken at its optimised size or, without one, its present one", whom)
        if nominal_mw <= 0:
            note("left out: its power is 0", whom)
            continue
        if reading.series("storage_units", "inflow", name) is not None or table.number(row, "inflow", 0.0):
            note("inflow left out", whom)
        energy_mwh = nominal_mw * table.number(row, "max_hours", 1.0, 0.0)
        own = _own(table, row, NODE_COLUMNS)
        least_mwh = own.pop("store_min_mwh", 0.0)
        initial_mwh = min(table.number(row, "state_of_charge_initial", 0.0, 0.0), energy_mwh)
        cyclic = table.flag(row, "cyclic_state_of_charge", False)
        if cyclic:
            note("starts half full: it is cyclic, and says no other", whom)
        reading.buses.add(
            bus,
            "storage",
            name,
            store_max_mwh=energy_mwh + least_mwh,
            store_min_mwh=least_mwh or None,
            store_init_mwh=None if cyclic else initial_mwh + least_mwh,
            charge_max_mw=max(-table.number(row, "p_min_pu", -1.0), 0.0) * nominal_mw,
            discharge_max_mw=max(table.number(row, "p_max_pu", 1.0), 0.0) * nominal_mw,
            charge_eff_frac=table.number(row, "efficiency_store", 1.0),
            discharge_eff_frac=table.number(row, "efficiency_dispatch", 1.0),
            store_loss_frac_per_h=table.number(row, "standing_loss", 0.0) or None,
            **own,
        )
    for table, row, name, bus in reading.rows("stores"):
        energy_mwh = table.number(row, "e_nom", 0.0, 0.0)
        if energy_mwh <= 0:
            note("left out: its energy is 0", f"store {name}")
            continue
        note("power of a store has no limit in PyPSA: taken as its whole energy in an hour", f"store {name}")
        low, high = table.number(row, "e_min_pu", 0.0) * energy_mwh, table.number(row, "e_max_pu", 1.0) * energy_mwh
        cyclic = table.flag(row, "e_cyclic", False)
        reading.buses.add(
            bus,
            "storage",
            name,
            store_max_mwh=high,
            store_min_mwh=max(low, 0.0) or None,
            store_init_mwh=None if cyclic else min(max(table.number(row, "e_initial", 0.0), low), high),
            charge_max_mw=energy_mwh,
            discharge_max_mw=energy_mwh,
            charge_eff_frac=1.0,
            discharge_eff_frac=1.0,
            store_loss_frac_per_h=table.number(row, "standing_loss", 0.0) or None,
        )


def _note_left_out(reading: _Reading) -> None:
    for table, row, name, bus in reading.rows("shunt_impedances"):
        buses = reading.network.table("buses")
        kv = buses.number(buses.names.index(bus), "v_nom", 1.0)
        drawn_mw = table.number(row, "g", 0.0) * kv**2
        reading.buses.add_constant(bus, drawn_mw, name)
        reading.buses.note("shunt conductance taken as constant demand at 1 pu", f"shunt {name}")
    for component, why in (
        ("links", "left out: its flow is set by a controller, which the model has no place for"),
        ("processes", "left out: the model has no place for it"),
        ("global_constraints", "left out: the model has no place for it"),
    ):
        for name in reading.network.table(component).names:
            reading.buses.note(why, f"{component} {name}")


def _read_lines(reading: _Reading, grid: Grid) -> None:
    branches = {component: reading.network.table(component) for component in ("lines", "transformers")}
    if not any(table.names for table in branches.values()):
        return
    reactances = _reactances(reading)
    taken: set[str] = set()
    for component, table in branches.items():
        for row, name in enumerate(table.names):
            whom = f"{component} {name}"
            if not table.flag(row, "active", True):
                reading.buses.note("left out as not active", whom)
                continue
            ends = [table.text(row, end) for end in ("bus0", "bus1")]
            own = _own(table, row, LINE_COLUMNS)
            limit_mva = table.number(row, "s_nom", 0.0, 0.0, endless=True)
            if table.flag(row, "s_nom_extendable", False):
                limit_mva = table.number(row, "s_nom_opt", 0.0, 0.0) or limit_mva
                reading.buses.note("extendable: taken at its optimised size or, without one, its present one", whom)
            shares = reading.series(component, "s_max_pu", name)
            share = table.number(row, "s_max_pu", 1.0) if shares is None else float(shares.min())
            if shares is not None:
                reading.buses.note("limit over time replaced by its least", whom)
            limit_mw = limit_mva * share
            if limit_mw <= 0:
                reading.buses.note("s_nom of 0 taken as no limit", whom)
            columns = {"capacity_mw": limit_mw} if 0 < limit_mw < inf else {}
            x_pu, tap, shift_deg = reactances[component, name]
            columns |= {"reactance_pu": x_pu * float(grid.base_mva)} if x_pu else {}
            columns |= {"tap": tap} if tap != 1 else {}
            columns |= {"shift_deg": shift_deg} if shift_deg else {}
            key = whom if name in taken else name
            taken.add(name)
            grid.add_line(*ends, key, **columns | own)


def _reactances(reading: _Reading) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Reactance on 1 MVA, tap and shift of each passive branch, by PyPSA."""
    network = reading.network
    wanted = {
        "buses": ("v_nom", "carrier"),
        "line_types": ("f_nom", "r_per_length", "x_per_length", "c_per_length"),
        "transformer_types": (
            *("f_nom", "s_nom", "v_nom_0", "v_nom_1", "vsc", "vscr", "pfe", "i0", "phase_shift"),
            *("tap_side", "tap_neutral", "tap_min", "tap_max", "tap_step"),
        ),
        "lines": ("bus0", "bus1", "type", "x", "r", "s_nom", "length", "num_parallel"),
        "transformers": (
            *("bus0", "bus1", "type", "model", "x", "r", "s_nom", "num_parallel", "tap_ratio", "tap_side"),
            *("tap_position", "phase_shift"),
        ),
    }
    texts = ("carrier", "bus0", "bus1", "type", "model")
    data: dict[str, dict[str, list[Any]]] = {}
    for component, attributes in wanted.items():
        table = network.table(component)
        data[component] = {
            name: [
                table.text(row, name) if name in texts else table.number(row, name, _DEFAULT.get(name, 0.0), endless=True)
                for row in range(len(table.names))
            ]
            for name in attributes
            if name in table.columns
        }
        for end in ("bus0", "bus1") if component in ("lines", "transformers") else ():
            for row in range(len(table.names)):
                if table.text(row, end) not in reading.buses.units:
                    table.fault(row, end, repr(table.text(row, end)), "the name of a bus", "correct it")
    if network.faults:
        raise GridError.of(network.faults)
    try:
        import pypsa
    except ImportError:
        mend = "pip install load-balancer[pypsa]"
        raise GridError(str(network.path), "a PyPSA network", "other formats, as pypsa is not installed", mend) from None
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            theirs = pypsa.Network()
            for component, kind in _KINDS.items():
                table = network.table(component)
                fresh = [name not in getattr(theirs, component).index for name in table.names]
                names = [name for name, new in zip(table.names, fresh, strict=True) if new]
                columns = {
                    key: [cell for cell, new in zip(cells, fresh, strict=True) if new]
                    for key, cells in data[component].items()
                }
                if names:
                    theirs.add(kind, names, **columns)
            theirs.calculate_dependent_values()
    except Exception as error:  # on tables that are sound by themselves it may raise anything
        found = f"branches that PyPSA cannot use ({type(error).__name__}: {' '.join(str(error).split())[:150]})"
        mend = "correct the network until pypsa.Network.lpf runs on it"
        raise GridError(str(network.path), found, "a network that PyPSA can solve", mend) from error
    finally:
        logging.disable(level)
    found_pu: dict[tuple[str, str], tuple[float, float, float]] = {}
    for name, row in theirs.lines.iterrows():
        direct = row.get("carrier") == "DC"
        if direct:
            reading.buses.note("a line of direct current: its resistance taken for its reactance", f"line {name}")
        found_pu["lines", str(name)] = (float(row["r_pu" if direct else "x_pu"]), 1.0, 0.0)
    for name, row in theirs.transformers.iterrows():
        found_pu["transformers", str(name)] = (float(row.x_pu), float(row.tap_ratio), float(row.phase_shift))
    for (component, name), numbers in found_pu.items():
        if not np.isfinite(numbers).all():
            found, mend = f"no finite reactance of {name!r}", "give the bus a v_nom and the branch an x"
            network.faults.append(Fault(f"{network.path}: {component}", found, "a finite reactance", mend))
    if network.faults:
        raise GridError.of(network.faults)
    return found_pu


_KINDS = {
    "buses": "Bus",
    "line_types": "LineType",
    "transformer_types": "TransformerType",
    "lines": "Line",
    "transformers": "Transformer",
}
_DEFAULT = {"v_nom": 1.0, "num_parallel": 1.0, "tap_ratio": 1.0}


def _series(reading: _Reading, faults: list[Fault]) -> Series | None:
    """The courses of demand and availability, with their clock."""
    if not reading.profiles:
        return None
    times, weights = reading.network.snapshots, np.array(reading.network.weights_h)
    where = f"{reading.network.path}: snapshots"
    start, dt_h = None, float(weights[0])
    try:
        moments = [datetime.fromisoformat(time) for time in times]
        steps = np.array([(b - a).total_seconds() / 3600 for a, b in zip(moments, moments[1:], strict=False)])
        start, dt_h = moments[0].replace(tzinfo=None), float(steps[0])
        if not (steps > 0).all():
            row = int(np.argmax(steps <= 0)) + 1
            found = f"snapshot {row}, {times[row]!r}, not after the one before"
            faults.append(Fault(where, found, "rising times", "sort them, each once"))
        elif (np.abs(steps - dt_h) > 0.01 * dt_h).any():
            row = int(np.argmax(np.abs(steps - dt_h) > 0.01 * dt_h)) + 1
            found, allowed = f"a step of {steps[row - 1]:g} h before snapshot {row}", f"steps of {dt_h:g} h"
            faults.append(Fault(where, found, allowed, "resample the network to even steps"))
    except (TypeError, ValueError):
        if (weights != dt_h).any() or len(set(times)) < len(times):
            mend = "resample the network to even steps"
            faults.append(Fault(where, "uneven weightings or a snapshot twice", "steps of one length", mend))
    if not dt_h >= 1 / 3600:
        faults.append(Fault(where, f"steps of {dt_h:g} h", "steps of a second or more", "correct the weightings"))
    values = np.stack(list(reading.profiles.values()), axis=1)
    hour = 0.0 if start is None else start.weekday() * 24 + start.hour + start.minute / 60
    return TimedSeries(tuple(reading.profiles), dt_h, values, hour % HOURS_A_WEEK, start)
