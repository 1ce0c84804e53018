"""RTS-GMLC, and networks of its form: tables in the folder SourceData, which point to files of time series.

The path is that of the folder that holds SourceData. Tables and columns, with their units:
https://github.com/GridMod/RTS-GMLC/blob/master/RTS_Data/SourceData/README.md.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, Grid, GridError
from topologies.formats.rts_gmlc_tables import Reading, Row, note_unread, read_tables
from topologies.formats.units import Buses, Held
from topologies.series import TimedSeries

T_PER_LB = 0.45359237 / 1000


def read(path: str | Path) -> Grid:
    """Read the folder that holds SourceData, or that folder itself.

    Raises:
        GridError: a table is missing, or all faults that are found in them, with file and line.
    """
    path = Path(path)
    reading = read_tables(path)
    tables, faults = reading.tables, reading.faults
    buses = reading.buses
    _read_buses(reading)
    stores = _stores(reading)
    for row in tables["gen.csv"]:
        _read_generator(reading, row, stores)
    name = reading.folder.absolute().parent.name
    grid = Grid(name, origin=f"tables of the form of RTS-GMLC in {name}")
    _read_dc(reading)
    if not faults:
        buses.place(grid)
        for row in tables["branch.csv"]:
            _read_branch(reading, row, grid)
    if not faults and reading.clock is not None:
        start, following = reading.clock[:2].tolist()
        grid.series = TimedSeries.of(reading.profiles, (following - start) / timedelta(hours=1), start=start)
    faults += [Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in grid.faults(whole=not faults)]
    if faults:
        raise GridError.of(faults)
    note_unread(reading)
    grid.notes = buses.notes()
    return grid


def _read_buses(reading: Reading) -> None:
    buses, areas_mw = reading.buses, dict[str, float]()
    rows = reading.tables["bus.csv"]
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
        load_mvar, series_mw = row.number("MVAR Load"), reading.series_mw.get((area, "MW Load"))
        if load_mw > 0 and series_mw is not None:
            reading.profiles[f"area {area}"] = np.maximum(series_mw, 0.0) / areas_mw[area]
            follows = {"load_max_mvar": load_mvar or None, "load_profile": f"area {area}"}
            buses.add(name, "consumer", f"{name}:load", load_max_mw=load_mw, **follows)
        else:
            buses.add_constant(name, load_mw, f"{name}:load", load_mvar)
        shunt_mw, shunt_mvar = row.number("MW Shunt G"), row.number("MVAR Shunt B")
        buses.add_constant(name, shunt_mw, f"{name}:shunt", 0.0, shunt_mw)
        if shunt_mvar:
            buses.add_to(name, shunt_mvar=shunt_mvar)


def _stores(reading: Reading) -> dict[str, Row]:
    """The first store of each plant of the type STORAGE, by plant; others are said to be left out."""
    found: dict[str, Row] = {}
    plants = {row.text("GEN UID"): row.text("Unit Type") for row in reading.tables["gen.csv"]}
    for row in reading.tables.get("storage.csv", []):
        plant = row.text("GEN UID")
        if plants.get(plant) != "STORAGE":
            reading.buses.note("reservoir left out, as its plant follows its time series", row.text("Storage"))
        elif plant in found:
            reading.buses.note("second reservoir of a store left out", row.text("Storage"))
        else:
            found[plant] = row
    return found


def _read_generator(reading: Reading, row: Row, stores: dict[str, Row]) -> None:
    buses, name, bus = reading.buses, row.text("GEN UID"), row.bus("Bus ID", reading.buses)
    most_mw, least_mvar, most_mvar = (row.number(c) for c in ("PMax MW", "QMin MVAR", "QMax MVAR"))
    set_pu, given_mvar = row.number("V Setpoint p.u."), row.number("MVAR Inj")
    if bus is None:
        return
    holds = bus in reading.holding and most_mvar > least_mvar
    held = Held(bus, set_pu, least_mvar, most_mvar, name) if holds else None
    if most_mw <= 0:
        if held:
            buses.add_condenser(held)
        else:
            buses.note("left out: PMax MW is 0", name)
        return
    reactive = buses.reactive(held, -given_mvar)
    if name in stores:
        _add_store(buses, bus, row, stores[name], {"discharge_max_mw": most_mw, **reactive})
        return
    series_mw = reading.series_mw.get((name, "PMax MW"), reading.series_mw.get((name, "Natural_Inflow")))
    columns: dict[str, Any] = {"gen_max_mw": most_mw, **reactive, **_costs(row, most_mw)}
    no_load = columns.pop("no_load_cost_per_h")
    if "co2_t_per_mwh" in columns or no_load:
        buses.note("heat curve replaced by the straight line between its ends", name)
    if series_mw is not None:
        if (series_mw > most_mw * (1 + 1e-9)).any():
            buses.note("time series above PMax MW cut off", name)
        reading.profiles[name] = np.clip(series_mw / most_mw, 0.0, 1.0)
        columns["gen_profile"] = name
    else:
        ramp_mw_per_h = 60 * row.number("Ramp Rate MW/Min")
        columns |= {"gen_min_mw": row.number("PMin MW") or None, "gen_ramp_mw_per_h": ramp_mw_per_h or None}
        starts = _starts(row, no_load)
        columns |= starts
        if starts:
            buses.note("may stop and start, as its costs or minimum times say", name)
        elif no_load:
            buses.note("cost of being on left out, as it never stops", name)
    buses.add(bus, "source", name, **columns)


def _add_store(buses: Buses, bus: str, row: Row, store: Row, columns: dict[str, float]) -> None:
    volume_mwh, first_mwh = (1000 * store.number(f"{which} Volume GWh") for which in ("Max", "Initial"))
    round_trip = row.number("Storage Roundtrip Efficiency") / 100
    columns |= {"charge_max_mw": row.number("Pump Load MW"), "store_init_mwh": min(first_mwh, volume_mwh)}
    if 0 < round_trip <= 1:
        columns |= dict.fromkeys(("charge_eff_frac", "discharge_eff_frac"), sqrt(round_trip))
    buses.add(bus, "storage", row.text("GEN UID"), store_max_mwh=volume_mwh, **columns)


def _costs(row: Row, most_mw: float) -> dict[str, float]:
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


def _starts(row: Row, no_load: float) -> dict[str, float]:
    """Of a plant that starts and stops, as its costs or minimum times say; a warm start, or a cold one, counts."""
    up_h, down_h = row.number("Min Up Time Hr"), row.number("Min Down Time Hr")
    heat = row.number("Start Heat Warm MBTU") or row.number("Start Heat Cold MBTU")  # million BTU
    cost = heat * row.number("Fuel Price $/MMBTU")
    cost += row.number("Non Fuel Start Cost $") + row.number("Non Fuel Shutdown Cost $")
    if not any((up_h, down_h, cost)):
        return {}
    return {"start_cost": cost, "no_load_cost_per_h": no_load, "min_up_h": up_h, "min_down_h": down_h}


def _read_dc(reading: Reading) -> None:
    buses = reading.buses
    for row in reading.tables.get("dc_branch.csv", []):
        name, start, end = row.text("UID"), row.bus("From Bus", buses), row.bus("To Bus", buses)
        power_mw, line_ohm, line_kv = (row.number(column) for column in ("MW Load", "R Line", "V Mag kV"))
        if start is None or end is None or not power_mw:
            continue
        lost_mw = power_mw**2 * line_ohm / line_kv**2 if line_kv else 0.0
        buses.note("a line of direct current taken as constant demand at one end and infeed at the other", name)
        buses.add_constant(start, power_mw, f"{name}:from")
        buses.add_constant(end, lost_mw - power_mw, f"{name}:to")


def _read_branch(reading: Reading, row: Row, grid: Grid) -> None:
    name, start, end = row.text("UID"), row.bus("From Bus", reading.buses), row.bus("To Bus", reading.buses)
    reactance_pu, resistance_pu, charging_pu = (row.number(column) for column in "XRB")
    rate_mw, tap = row.number("Cont Rating"), row.number("Tr Ratio")
    if start is None or end is None:
        return
    columns = reading.buses.line(
        name, reactance_pu, resistance_pu, charging_pu, capacity_mw=max(rate_mw, 0.0), tap=tap or 1.0
    )
    if grid.graph.has_edge(start, end, name):
        row.fault("UID", repr(name), "each UID once between two buses", "rename one of them")
        return
    grid.add_line(start, end, name, **columns)
