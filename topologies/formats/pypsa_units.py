"""The units of a PyPSA network: loads, generators and stores, at their buses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, nan
from typing import Any

import numpy as np

from grid import NODE_COLUMNS, Column, GridError, nearest
from topologies.formats.pypsa_snapshots import Snapshots, read_snapshots
from topologies.formats.pypsa_tables import Network, Table
from topologies.formats.units import UNLIMITED, Buses

UNSAID_KV = 1.0
"""PyPSA's nominal voltage of a bus that gives none."""
SOLVER_NOISE_MW = 1e-3  # sizes that an optimisation found may lie so far below 0


@dataclass
class Reading:
    """A network on its way into a grid."""

    network: Network
    buses: Buses
    profiles: dict[str, np.ndarray] = field(default_factory=dict)  # (T,) shares by name

    @cached_property
    def snapshots(self) -> Snapshots:
        """The time of the network, whose faults count only where something is read that depends on it."""
        try:
            return read_snapshots(self.network)
        except GridError as error:
            self.network.faults += error.faults
            return Snapshots()

    @cached_property
    def bus_rows(self) -> dict[str, int]:
        """The row of each bus in their table."""
        return {name: row for row, name in enumerate(self.network.table("buses").names)}

    def of_bus(self, bus: str, column: str, default: float) -> float:
        """A number of a bus."""
        return self.network.table("buses").number(self.bus_rows[bus], column, default)

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
        return self.network.series.get((component, attribute), {}).get(name)

    def profile(self, name: str, shares: np.ndarray) -> str:
        """Keep a course of shares under a name of its own; what rounding sets apart is one course."""
        number, plain = 1, name
        while name in self.profiles and not np.allclose(self.profiles[name], shares, rtol=1e-9, atol=0.0):
            number += 1
            name = f"{plain}#{number}"
        self.profiles[name] = shares
        return name


def own_columns(table: Table, row: int, columns: tuple[Column, ...]) -> dict[str, Any]:
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


def read_units(reading: Reading) -> None:
    """Put the units of a network at its buses, and note what is left out."""
    _read_buses(reading)
    _read_loads(reading)
    demand_mw = sum(unit.columns.get("load_max_mw", 0.0) for units in reading.buses.units.values() for unit in units)
    _read_generators(reading, demand_mw)
    _read_storage_units(reading)
    _read_stores(reading)
    _read_shunts(reading)
    for component, why in (
        ("links", "left out: its flow is set by a controller, which the model has no place for"),
        ("processes", "left out: the model has no place for it"),
        ("global_constraints", "left out: the model has no place for it"),
    ):
        for name in reading.network.table(component).names:
            reading.buses.note(why, f"{component} {name}")


def _read_buses(reading: Reading) -> None:
    table = reading.network.table("buses")
    for row, name in enumerate(table.names):
        place = tuple(table.number(row, axis, 0.0) for axis in "xy")
        if any(place):
            reading.buses.places[name] = (place[0], place[1])
        v_nom_kv = table.number(row, "v_nom", UNSAID_KV)
        base_kv = table.number(row, "base_kv", nan)  # in files of ours, whose buses all have 1 kV
        base_kv = base_kv if v_nom_kv == UNSAID_KV else v_nom_kv
        low_pu, high_pu = table.number(row, "v_mag_pu_min", 0.0), table.number(row, "v_mag_pu_max", inf, endless=True)
        reading.buses.rate(name, base_kv, low_pu or None, high_pu)  # PyPSA's defaults, 0 and inf, say nothing


def _held(reading: Reading, table: Table, row: int, bus: str, own: dict[str, Any]) -> tuple[Any, ...] | None:
    """What ``Buses.hold`` needs of a unit that holds the voltage of its bus; None for another one."""
    if table.text(row, "control") not in ("PV", "Slack"):
        return None
    if table.text(row, "control") == "Slack":
        reading.buses.references.add(bus)
    return (
        bus,
        reading.of_bus(bus, "v_mag_pu_set", 1.0),
        own.pop("gen_min_mvar", -inf),
        own.pop("gen_max_mvar", inf),
        table.names[row],
    )


def _reactive(reading: Reading, table: Table, row: int, held: tuple[Any, ...] | None) -> dict[str, float]:
    """Columns of a unit that holds the voltage of its bus, or gives constant reactive power."""
    if held is not None:
        return reading.buses.hold(*held)
    given_mvar = table.number(row, "q_set", 0.0) * table.number(row, "sign", 1.0)
    return {"load_max_mvar": -given_mvar} if given_mvar else {}


def _read_loads(reading: Reading) -> None:
    for table, row, name, bus in reading.rows("loads"):
        own = own_columns(table, row, NODE_COLUMNS)
        drawn = -table.number(row, "sign", -1.0)
        power_mw, course_mw = table.number(row, "p_set", 0.0) * drawn, reading.series("loads", "p_set", name)
        power_mvar, course_mvar = table.number(row, "q_set", 0.0) * drawn, reading.series("loads", "q_set", name)
        if course_mvar is not None:
            power_mvar = float(course_mvar.mean()) * drawn
        if course_mw is None:
            if course_mvar is not None:
                reading.buses.note("reactive demand over time replaced by its mean", f"load {name}")
            if power_mw < 0:
                reading.buses.note("negative demand taken as a source of that constant output, free of cost", name)
            reading.buses.add_constant(bus, power_mw, name, power_mvar)
            if power_mw:
                reading.buses.units[bus][-1].columns.update(own | {"load_max_mw": power_mw} if power_mw > 0 else {})
            elif not power_mvar:
                reading.buses.note("left out: no demand", f"load {name}")
            continue
        course_mw = course_mw * drawn
        if course_mw.min() < 0:
            reading.buses.note("negative hours of demand taken as 0", f"load {name}")
        high_mw = own.pop("load_max_mw", float(course_mw.max()))
        if high_mw <= 0:
            reading.buses.add_constant(bus, 0.0, name, power_mvar)
            reading.buses.note("left out: no demand", f"load {name}")
            continue
        if power_mvar and course_mw.mean() > 0:
            per_mw = power_mvar / float(course_mw.mean())
            own["load_max_mvar"] = per_mw * high_mw
            if course_mvar is None or not np.allclose(course_mvar * drawn, per_mw * course_mw, rtol=1e-6):
                reading.buses.note("reactive demand taken in step with demand", f"load {name}")
        profile = reading.profile(own.pop("load_profile", name), np.clip(course_mw, 0.0, None) / high_mw)
        reading.buses.add(bus, "consumer", name, load_max_mw=high_mw, load_profile=profile, **own)


def _read_generators(reading: Reading, demand_mw: float) -> None:
    note = reading.buses.note
    carriers = reading.network.table("carriers")
    used = reading.network.used("carriers", ["generators"], "carrier")
    co2 = {carriers.names[row]: carriers.number(row, "co2_emissions", 0.0, 0.0) for row in used}
    for table, row, name, bus in reading.rows("generators"):
        whom = f"generator {name}"
        nominal_mw = nominal(reading, table, row, "p_nom", whom)
        if nominal_mw == inf:
            nominal_mw = UNLIMITED * demand_mw
            note(f"infinite p_nom taken as {UNLIMITED} times all demand, {nominal_mw:g} MW", whom)
        own = own_columns(table, row, NODE_COLUMNS)
        columns = _limits(reading, table, row, nominal_mw, own)
        held = _held(reading, table, row, bus, own)
        if table.number(row, "sign", 1.0) < 0 or columns["gen_max_mw"] <= 0:
            if held is not None:
                reading.buses.add_condenser(*held)
                continue
            note("left out: its largest output is 0 or its sign negative", whom)
            continue
        columns["gen_cost_per_mwh"] = table.number(row, "marginal_cost", 0.0)
        prices = reading.series("generators", "marginal_cost", name)
        if prices is not None:
            columns["gen_cost_per_mwh"] = float(prices.mean())
            note("cost over time replaced by its mean", whom)
        square = table.number(row, "marginal_cost_quadratic", 0.0, 0.0)
        columns |= {"gen_cost_per_mw2h": square} if square else {}
        ramps = [table.number(row, f"ramp_limit_{way}", inf, 0.0) for way in ("up", "down")]
        if 0 < min(ramps) < inf:
            columns["gen_ramp_mw_per_h"] = min(ramps) * nominal_mw / reading.snapshots.dt_h  # theirs are a snapshot's
            if max(ramps) > min(ramps):
                note("the smaller of both ramp limits taken both ways", whom)
        emissions = co2.get(table.text(row, "carrier"), 0.0)
        efficiency = table.number(row, "efficiency", 1.0, 0.0)
        columns |= {"co2_t_per_mwh": emissions / efficiency} if emissions and efficiency else {}
        columns |= _reactive(reading, table, row, held)
        reading.buses.add(bus, "source", name, **columns | own)


def nominal(reading: Reading, table: Table, row: int, column: str, whom: str) -> float:
    """The size of a component: the present one, or what an optimisation has made of it."""
    size = table.number(row, column, 0.0, 0.0, endless=True)
    if table.flag(row, f"{column}_extendable", False):
        reading.buses.note("extendable: taken at its optimised size or, without one, its present one", whom)
        optimised = table.number(row, f"{column}_opt", 0.0, -SOLVER_NOISE_MW, endless=True)
        size = max(optimised, 0.0) if optimised else size
    return size


def _limits(reading: Reading, table: Table, row: int, nominal_mw: float, own: dict[str, Any]) -> dict[str, Any]:
    """Largest and least output, or the profile of the largest."""
    name, note = table.names[row], reading.buses.note
    course = reading.series("generators", "p_max_pu", name)
    columns: dict[str, Any] = {"gen_max_mw": nominal_mw * table.number(row, "p_max_pu", 1.0)}
    if course is not None:
        high = max(float(course.max()), 1.0)
        profile = reading.profile(own.pop("gen_profile", name), np.clip(course, 0.0, None) / high)
        columns = {"gen_max_mw": nominal_mw * high, "gen_profile": profile}
    least_mw = min(table.number(row, "p_min_pu", 0.0) * nominal_mw, columns["gen_max_mw"])
    if reading.series("generators", "p_min_pu", name) is not None:
        note("least output over time left out", f"generator {name}")
    elif table.flag(row, "committable", False) and "gen_profile" in columns:
        note("unit commitment left out, as the largest output follows a profile", f"generator {name}")
    elif table.flag(row, "committable", False):
        columns |= {"gen_min_mw": max(least_mw, 0.0)} | _starts(reading, table, row, nominal_mw)
    elif least_mw > 0 and (course is not None or "gen_profile" in own):
        note("least output left out, as the largest follows a profile", f"generator {name}")
    elif least_mw > 0:
        columns["gen_min_mw"] = least_mw
    return columns


def _starts(reading: Reading, table: Table, row: int, nominal_mw: float) -> dict[str, Any]:
    """Columns of a committable generator, whose times PyPSA counts in snapshots."""
    dt_h, note, whom = reading.snapshots.dt_h, reading.buses.note, f"generator {table.names[row]}"
    up_h, down_h = (table.number(row, f"min_{way}_time", 0.0, 0.0) * dt_h for way in ("up", "down"))
    was_up_h, was_down_h = (
        table.number(row, f"{way}_time_before", default, 0.0) * dt_h for way, default in (("up", 1.0), ("down", 0.0))
    )
    stop_cost = table.number(row, "shut_down_cost", 0.0)
    if stop_cost:
        note("cost of a stop added to that of a start", whom)
    if table.number(row, "ramp_limit_shut_down", 1.0) < 1:
        note("ramp limit of a stop left out: a plant may stop from any output", whom)
    start_frac = table.number(row, "ramp_limit_start_up", 1.0, 0.0)
    columns = {
        "start_cost": max(table.number(row, "start_up_cost", 0.0) + stop_cost, 0.0),
        "no_load_cost_per_h": table.number(row, "stand_by_cost", 0.0, 0.0),
        "min_up_h": up_h,
        "min_down_h": down_h,
        "initial_on_h": was_up_h or -(was_down_h or max(down_h, dt_h)),
    }
    return columns | ({"start_ramp_mw": start_frac * nominal_mw} if start_frac < 1 else {})


def _read_storage_units(reading: Reading) -> None:
    note = reading.buses.note
    for table, row, name, bus in reading.rows("storage_units"):
        whom = f"storage unit {name}"
        nominal_mw = nominal(reading, table, row, "p_nom", whom)
        if not 0 < nominal_mw < inf:
            note("left out: its power is 0 or infinite", whom)
            continue
        energy_mwh = nominal_mw * table.number(row, "max_hours", 1.0, 0.0)
        own = own_columns(table, row, NODE_COLUMNS)
        least_mwh = own.pop("store_min_mwh", 0.0)
        initial_mwh = min(table.number(row, "state_of_charge_initial", 0.0, 0.0), energy_mwh)
        cyclic = table.flag(row, "cyclic_state_of_charge", False)
        if cyclic:
            note("starts half full: it is cyclic, and says no other", whom)
        charge_mw = max(-table.number(row, "p_min_pu", -1.0), 0.0) * nominal_mw
        discharge_mw = max(table.number(row, "p_max_pu", 1.0), 0.0) * nominal_mw
        charge_eff, discharge_eff = (table.number(row, f"efficiency_{way}", 1.0) for way in ("store", "dispatch"))
        if charge_eff == 0:  # as reservoirs have it that fill by inflow alone
            charge_mw, charge_eff = 0.0, 1.0
            note("cannot charge: its efficiency_store is 0", whom)
        if discharge_eff == 0:
            discharge_mw, discharge_eff = 0.0, 1.0
            note("cannot discharge: its efficiency_dispatch is 0", whom)
        reading.buses.add(
            bus,
            "storage",
            name,
            store_max_mwh=energy_mwh + least_mwh,
            store_min_mwh=least_mwh or None,
            store_init_mwh=None if cyclic else initial_mwh + least_mwh,
            charge_max_mw=charge_mw,
            discharge_max_mw=discharge_mw,
            charge_eff_frac=charge_eff,
            discharge_eff_frac=discharge_eff,
            store_loss_frac_per_h=table.number(row, "standing_loss", 0.0) or None,
            **_reactive(reading, table, row, _held(reading, table, row, bus, own)),
            **own,
        )


def _read_stores(reading: Reading) -> None:
    for table, row, name, bus in reading.rows("stores"):
        whom = f"store {name}"
        energy_mwh = nominal(reading, table, row, "e_nom", whom)
        if not 0 < energy_mwh < inf:
            reading.buses.note("left out: its energy is 0 or infinite", whom)
            continue
        reading.buses.note("power of a store has no limit in PyPSA: taken as its whole energy in an hour", whom)
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


def _read_shunts(reading: Reading) -> None:
    for table, row, name, bus in reading.rows("shunt_impedances"):
        mw, mvar = (table.number(row, part, 0.0) * reading.of_bus(bus, "v_nom", UNSAID_KV) ** 2 for part in "gb")
        reading.buses.add_constant(bus, mw, name, shunt_mw=mw)
        if mvar:
            reading.buses.add_to(bus, shunt_mvar=mvar)
