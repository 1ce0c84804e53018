"""The units of a PyPSA network: loads, generators and stores, at their buses."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np

from grid import NODE_COLUMNS
from topologies.formats.pypsa_reading import Reading, nominal, own_columns
from topologies.formats.pypsa_tables import Row
from topologies.formats.units import UNLIMITED, Held

UNSAID_KV = 1.0
"""PyPSA's nominal voltage of a bus that gives none."""
LEFT_OUT = {
    "links": "left out: its flow is set by a controller, which the model has no place for",
    "processes": "left out: the model has no place for it",
    "global_constraints": "left out: the model has no place for it",
}
"""Tables of which nothing is read, and what is said of each row."""


def read_units(reading: Reading) -> None:
    """Put the units of a network at its buses, and note what is left out."""
    _read_buses(reading)
    _read_loads(reading)
    demand_mw = sum(unit.columns.get("load_max_mw", 0.0) for units in reading.buses.units.values() for unit in units)
    _read_generators(reading, demand_mw)
    _read_storage_units(reading)
    _read_stores(reading)
    _read_shunts(reading)
    for component, why in LEFT_OUT.items():
        for name in reading.network.table(component).names:
            reading.buses.note(why, f"{component} {name}")


def _read_buses(reading: Reading) -> None:
    for row in reading.network.table("buses").rows():
        x, y = row.number("x", 0.0), row.number("y", 0.0)
        if x or y:
            reading.buses.places[row.name] = x, y
        v_nom_kv = row.number("v_nom", UNSAID_KV)
        base_kv = row.number("base_kv", nan)  # in files of ours, whose buses all have 1 kV
        base_kv = base_kv if v_nom_kv == UNSAID_KV else v_nom_kv
        low_pu, high_pu = row.number("v_mag_pu_min", 0.0), row.number("v_mag_pu_max", inf, endless=True)
        reading.buses.rate(row.name, base_kv, low_pu or None, high_pu)  # PyPSA's defaults, 0 and inf, say nothing


def _held(reading: Reading, row: Row, bus: str, own: dict[str, Any]) -> Held | None:
    """How a unit holds the voltage of its bus; None for one that does not."""
    if row.text("control") not in ("PV", "Slack"):
        return None
    if row.text("control") == "Slack":
        reading.buses.references.add(bus)
    set_pu = reading.bus_rows[bus].number("v_mag_pu_set", 1.0)
    return Held(bus, set_pu, own.pop("gen_min_mvar", -inf), own.pop("gen_max_mvar", inf), row.name)


def _reactive(reading: Reading, row: Row, held: Held | None) -> dict[str, float]:
    """Columns of a unit that holds the voltage of its bus, or gives constant reactive power."""
    given_mvar = 0.0 if held else row.number("q_set", 0.0) * row.number("sign", 1.0)
    return reading.buses.reactive(held, -given_mvar)


def _read_loads(reading: Reading) -> None:
    buses = reading.buses
    for row, bus in reading.rows("loads"):
        name, own, drawn = row.name, own_columns(row, NODE_COLUMNS), -row.number("sign", -1.0)
        power_mw, course_mw = row.number("p_set", 0.0) * drawn, reading.series("loads", "p_set", name)
        power_mvar, course_mvar = row.number("q_set", 0.0) * drawn, reading.series("loads", "q_set", name)
        if course_mvar is not None:
            power_mvar = float(course_mvar.mean()) * drawn
        if course_mw is None:
            if course_mvar is not None:
                buses.note("reactive demand over time replaced by its mean", f"load {name}")
            if power_mw < 0:
                buses.note("negative demand taken as a source of that constant output, free of cost", name)
            buses.add_constant(bus, power_mw, name, power_mvar)
            if power_mw > 0:
                buses.units[bus][-1].columns.update(own | {"load_max_mw": power_mw})
            elif not power_mw and not power_mvar:
                buses.note("left out: no demand", f"load {name}")
            continue
        course_mw = course_mw * drawn
        if course_mw.min() < 0:
            buses.note("negative hours of demand taken as 0", f"load {name}")
        high_mw = own.pop("load_max_mw", float(course_mw.max()))
        if high_mw <= 0:
            buses.add_constant(bus, 0.0, name, power_mvar)
            buses.note("left out: no demand", f"load {name}")
            continue
        if power_mvar and course_mw.mean() > 0:
            per_mw = power_mvar / float(course_mw.mean())
            own["load_max_mvar"] = per_mw * high_mw
            if course_mvar is None or not np.allclose(course_mvar * drawn, per_mw * course_mw, rtol=1e-6):
                buses.note("reactive demand taken in step with demand", f"load {name}")
        profile = reading.profile(own.pop("load_profile", name), np.clip(course_mw, 0.0, None) / high_mw)
        buses.add(bus, "consumer", name, load_max_mw=high_mw, load_profile=profile, **own)


def _read_generators(reading: Reading, demand_mw: float) -> None:
    note = reading.buses.note
    used = reading.network.used("carriers", ["generators"], "carrier")
    co2 = {carrier.name: carrier.number("co2_emissions", 0.0, 0.0) for carrier in used}
    for row, bus in reading.rows("generators"):
        whom = f"generator {row.name}"
        nominal_mw = nominal(reading, row, "p_nom", whom)
        if nominal_mw == inf:
            nominal_mw = UNLIMITED * demand_mw
            note(f"infinite p_nom taken as {UNLIMITED} times all demand, {nominal_mw:g} MW", whom)
        own = own_columns(row, NODE_COLUMNS)
        columns = _limits(reading, row, nominal_mw, own)
        held = _held(reading, row, bus, own)
        if row.number("sign", 1.0) < 0 or columns["gen_max_mw"] <= 0:
            if held is not None:
                reading.buses.add_condenser(held)
            else:
                note("left out: its largest output is 0 or its sign negative", whom)
            continue
        columns["gen_cost_per_mwh"] = row.number("marginal_cost", 0.0)
        prices = reading.series("generators", "marginal_cost", row.name)
        if prices is not None:
            columns["gen_cost_per_mwh"] = float(prices.mean())
            note("cost over time replaced by its mean", whom)
        columns["gen_cost_per_mw2h"] = row.number("marginal_cost_quadratic", 0.0, 0.0) or None
        ramps = [row.number(f"ramp_limit_{way}", inf, 0.0) for way in ("up", "down")]
        if 0 < min(ramps) < inf:
            columns["gen_ramp_mw_per_h"] = min(ramps) * nominal_mw / reading.snapshots.dt_h  # theirs are a snapshot's
            if max(ramps) > min(ramps):
                note("the smaller of both ramp limits taken both ways", whom)
        emissions, efficiency = co2.get(row.text("carrier"), 0.0), row.number("efficiency", 1.0, 0.0)
        columns["co2_t_per_mwh"] = emissions / efficiency if emissions and efficiency else None
        reading.buses.add(bus, "source", row.name, **columns | _reactive(reading, row, held) | own)


def _limits(reading: Reading, row: Row, nominal_mw: float, own: dict[str, Any]) -> dict[str, Any]:
    """Largest and least output, or the profile of the largest."""
    note, whom = reading.buses.note, f"generator {row.name}"
    course = reading.series("generators", "p_max_pu", row.name)
    columns: dict[str, Any] = {"gen_max_mw": nominal_mw * row.number("p_max_pu", 1.0)}
    if course is not None:
        high = max(float(course.max()), 1.0)
        profile = reading.profile(own.pop("gen_profile", row.name), np.clip(course, 0.0, None) / high)
        columns = {"gen_max_mw": nominal_mw * high, "gen_profile": profile}
    least_mw = min(row.number("p_min_pu", 0.0) * nominal_mw, columns["gen_max_mw"])
    if reading.series("generators", "p_min_pu", row.name) is not None:
        note("least output over time left out", whom)
    elif row.flag("committable", False) and "gen_profile" in columns:
        note("unit commitment left out, as the largest output follows a profile", whom)
    elif row.flag("committable", False):
        columns |= {"gen_min_mw": max(least_mw, 0.0)} | _starts(reading, row, nominal_mw)
    elif least_mw > 0 and (course is not None or "gen_profile" in own):
        note("least output left out, as the largest follows a profile", whom)
    elif least_mw > 0:
        columns["gen_min_mw"] = least_mw
    return columns


def _starts(reading: Reading, row: Row, nominal_mw: float) -> dict[str, Any]:
    """Columns of a committable generator, whose times PyPSA counts in snapshots."""
    dt_h, note, whom = reading.snapshots.dt_h, reading.buses.note, f"generator {row.name}"
    up_h, down_h = (row.number(f"min_{way}_time", 0.0, 0.0) * dt_h for way in ("up", "down"))
    was_up_h, was_down_h = (
        row.number(f"{way}_time_before", default, 0.0) * dt_h for way, default in (("up", 1.0), ("down", 0.0))
    )
    stop_cost = row.number("shut_down_cost", 0.0)
    if stop_cost:
        note("cost of a stop added to that of a start", whom)
    if row.number("ramp_limit_shut_down", 1.0) < 1:
        note("ramp limit of a stop left out: a plant may stop from any output", whom)
    start_frac = row.number("ramp_limit_start_up", 1.0, 0.0)
    return {
        "start_cost": max(row.number("start_up_cost", 0.0) + stop_cost, 0.0),
        "no_load_cost_per_h": row.number("stand_by_cost", 0.0, 0.0),
        "min_up_h": up_h,
        "min_down_h": down_h,
        "initial_on_h": was_up_h or -(was_down_h or max(down_h, dt_h)),
        "start_ramp_mw": start_frac * nominal_mw if start_frac < 1 else None,
    }


def _read_storage_units(reading: Reading) -> None:
    note = reading.buses.note
    for row, bus in reading.rows("storage_units"):
        whom = f"storage unit {row.name}"
        nominal_mw = nominal(reading, row, "p_nom", whom)
        if not 0 < nominal_mw < inf:
            note("left out: its power is 0 or infinite", whom)
            continue
        energy_mwh = nominal_mw * row.number("max_hours", 1.0, 0.0)
        own = own_columns(row, NODE_COLUMNS)
        least_mwh = own.pop("store_min_mwh", 0.0)
        initial_mwh = min(row.number("state_of_charge_initial", 0.0, 0.0), energy_mwh)
        cyclic = row.flag("cyclic_state_of_charge", False)
        if cyclic:
            note("starts half full: it is cyclic, and says no other", whom)
        columns: dict[str, Any] = {
            "store_max_mwh": energy_mwh + least_mwh,
            "store_min_mwh": least_mwh or None,
            "store_init_mwh": None if cyclic else initial_mwh + least_mwh,
        }
        for ours, theirs, share in (
            ("charge", "store", -row.number("p_min_pu", -1.0)),
            ("discharge", "dispatch", row.number("p_max_pu", 1.0)),
        ):
            power_mw, efficiency = max(share, 0.0) * nominal_mw, row.number(f"efficiency_{theirs}", 1.0)
            if efficiency == 0:  # as reservoirs have it that fill by inflow alone
                power_mw, efficiency = 0.0, 1.0
                note(f"cannot {ours}: its efficiency_{theirs} is 0", whom)
            columns |= {f"{ours}_max_mw": power_mw, f"{ours}_eff_frac": efficiency}
        columns["store_loss_frac_per_h"] = row.number("standing_loss", 0.0) or None
        columns |= _reactive(reading, row, _held(reading, row, bus, own))
        reading.buses.add(bus, "storage", row.name, **columns, **own)


def _read_stores(reading: Reading) -> None:
    for row, bus in reading.rows("stores"):
        whom = f"store {row.name}"
        energy_mwh = nominal(reading, row, "e_nom", whom)
        if not 0 < energy_mwh < inf:
            reading.buses.note("left out: its energy is 0 or infinite", whom)
            continue
        reading.buses.note("power of a store has no limit in PyPSA: taken as its whole energy in an hour", whom)
        low, high = row.number("e_min_pu", 0.0) * energy_mwh, row.number("e_max_pu", 1.0) * energy_mwh
        cyclic = row.flag("e_cyclic", False)
        columns = {
            "store_max_mwh": high,
            "store_min_mwh": max(low, 0.0) or None,
            "store_init_mwh": None if cyclic else min(max(row.number("e_initial", 0.0), low), high),
            "store_loss_frac_per_h": row.number("standing_loss", 0.0) or None,
            **dict.fromkeys(("charge_max_mw", "discharge_max_mw"), energy_mwh),
            **dict.fromkeys(("charge_eff_frac", "discharge_eff_frac"), 1.0),
        }
        reading.buses.add(bus, "storage", row.name, **columns)


def _read_shunts(reading: Reading) -> None:
    for row, bus in reading.rows("shunt_impedances"):
        square = reading.bus_rows[bus].number("v_nom", UNSAID_KV) ** 2
        mw, mvar = (row.number(part, 0.0) * square for part in "gb")
        reading.buses.add_constant(bus, mw, row.name, shunt_mw=mw)
        if mvar:
            reading.buses.add_to(bus, shunt_mvar=mvar)
