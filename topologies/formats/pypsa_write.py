"""Writing a grid as a PyPSA network: a CSV folder or a netCDF file (extra ``pypsa``).

Each node becomes a bus of 1 kV with its units; a pendant node on an ideal connector without a limit becomes a unit of
the bus it hangs on. Columns that PyPSA has no place for are written under their own names.
"""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from grid import COLUMNS, LINE_COLUMNS, NODE_COLUMNS, Column, Grid, atomic_path
from topologies.formats.library import library
from topologies.formats.pypsa_folder import exchange_folder
from topologies.formats.pypsa_lines import IDEAL_PU
from topologies.series import TimedSeries, start_hour

PLACED = {
    *("x", "y", "gen_max_mw", "gen_min_mw", "gen_ramp_mw_per_h", "gen_cost_per_mwh", "gen_cost_per_mw2h"),
    *("load_max_mw", "store_max_mwh", "store_init_mwh", "store_loss_frac_per_h"),
    *("charge_max_mw", "discharge_max_mw", "charge_eff_frac", "discharge_eff_frac"),
    *("capacity_mw", "reactance_pu", "resistance_pu", "charging_pu", "conductance_pu"),
    *("tap", "shift_deg"),
    *("load_max_mvar", "voltage_set_pu", "voltage_min_pu", "voltage_max_pu", "shunt_mvar", "base_kv"),
}
"""Columns that PyPSA has a place for, and ``base_kv``, which is of a bus; every other one keeps its name."""
PREFIXES = {
    "generators": ("gen_", "co2_", "start_", "no_load_", "min_up_", "min_down_", "initial_"),
    "loads": ("load_", "shed_", "flex_", "shunt_"),
    "storage_units": ("store_", "charge_", "discharge_", "gen_min_mvar", "gen_max_mvar"),
}
"""What columns of one kind of unit begin with; others are written for each unit of a node."""


def write_netcdf(grid: Grid, path: str | Path) -> None:
    """Write a grid that keeps the rules to one netCDF file, whole or not at all.

    Raises:
        GridError: the grid has faults, the file cannot be written, or PyPSA is not installed.
    """
    with library("pypsa", "PyPSA", str(path)) as pypsa, atomic_path(path) as temporary:
        _network(grid, pypsa).export_to_netcdf(temporary)


def write_folder(grid: Grid, path: str | Path) -> None:
    """Write a grid that keeps the rules to a folder of CSV files, whole or not at all; one of PyPSA is replaced.

    Raises:
        GridError: the grid has faults, the folder is in use or holds anything else than what PyPSA writes, it cannot be
            written, or PyPSA is not installed.
    """
    with library("pypsa", "PyPSA", str(path)) as pypsa:
        exchange_folder(Path(path), lambda new: _network(grid, pypsa).export_to_csv_folder(new))


def _network(grid: Grid, pypsa: Any) -> Any:
    grid.check()
    network = pypsa.Network(name=str(grid.name))
    grid.own_prices()
    about: dict[str, Any] = {"base_mva": float(grid.base_mva), "origin": grid.origin, "licence": grid.licence}
    about |= {"prices": grid.prices} if grid.prices else {}
    network.meta = {"load_balancer": about | _add_snapshots(network, grid)}
    host = _hosts(grid)
    nodes = grid.graph.nodes
    kept = [node for node in nodes if node not in host]
    _add_buses(network, grid, kept, host)
    _add_generators(network, grid, host)
    _add_loads(network, grid, host)
    _add_stores(network, grid, host)
    shunts = [name for name, row in nodes.items() if _value(row, "shunt_mvar")]
    b = [_value(nodes[name], "shunt_mvar") for name in shunts]  # at 1 kV
    network.add("ShuntImpedance", shunts, bus=[host.get(name, name) for name in shunts], b=b)
    _add_lines(network, grid, host)
    return network


def _value(data: dict[str, Any], name: str, default: float | None = None) -> float:
    given = data.get(name)
    return float(next(value for value in (given, default, COLUMNS[name].default, 0.0) if value is not None))


def _values(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([_value(row, name) for row in rows])


def _add_buses(network: Any, grid: Grid, kept: list[str], host: dict[str, str]) -> None:
    nodes = grid.graph.nodes
    set_pu = {host.get(name, name): row["voltage_set_pu"] for name, row in nodes.items() if _holds(row)}
    own = {name: [_value(nodes[node], name, 0.0) for node in kept] for name in "xy"}
    own |= {f"v_mag_pu_{end}": [_value(nodes[node], f"voltage_{end}_pu") for node in kept] for end in ("min", "max")}
    own["base_kv"] = [_value(nodes[node], "base_kv") for node in kept]
    network.add("Bus", kept, v_nom=1.0, v_mag_pu_set=[float(set_pu.get(node, 1.0)) for node in kept], **own)


def _holds(row: dict[str, Any]) -> bool:
    return row.get("voltage_set_pu") is not None


def _hosts(grid: Grid) -> dict[str, str]:
    """Pendant nodes whose connector has nothing to say, with the node that they hang on."""
    host: dict[str, str] = {}
    hosts: set[str] = set()
    connectors = grid.connectors()
    for name, start, end, _ in grid.lines():
        for leaf, other in ((end, start), (start, end)):
            if name in connectors and grid.graph.degree[leaf] == 1 and leaf not in hosts and other not in host:
                host[leaf] = other
                hosts.add(other)
                break
    return host


def _own(columns: tuple[Column, ...], component: str, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Columns that PyPSA has no place for, where a row gives them."""
    out: dict[str, list[Any]] = {}
    mine = PREFIXES.get(component, ())
    of_others = tuple(prefix for starts in PREFIXES.values() for prefix in starts if prefix not in mine)
    for name in (column.name for column in columns if column.name not in PLACED):
        is_mine = name.startswith(mine) or not name.startswith(of_others)
        given = [None if row.get(name) in (inf, -inf) else row.get(name) for row in rows]
        if is_mine and any(value is not None for value in given):
            empty: Any = "" if COLUMNS[name].is_text else nan
            out[name] = [empty if value is None else value for value in given]
    return out


def _add_snapshots(network: Any, grid: Grid) -> dict[str, float]:
    """The times of the grid's own series; returns its hour of the week, where it has no dates to say it."""
    import pandas as pd

    if grid.series is None:
        return {}
    start = grid.series.start if isinstance(grid.series, TimedSeries) else None
    count = len(grid.series.values_frac)
    hours = np.arange(count) * grid.series.dt_h
    times = hours if start is None else pd.Timestamp(start) + pd.to_timedelta(hours, unit="h")
    network.set_snapshots(times)
    network.snapshot_weightings.loc[:, :] = grid.series.dt_h
    return {"start_hour": float(start_hour(grid.series))} if start is None else {}


def _courses(grid: Grid, names: list[str], profile: str, scale: str | None) -> Any:
    """A frame (T, n) of the nodes that follow the grid's own series, in shares or times a column; None without any."""
    import pandas as pd

    series, nodes = grid.series, grid.graph.nodes
    followers = [n for n in names if series is not None and nodes[n].get(profile) in series.columns]
    if series is None or not followers:
        return None
    columns = {
        n: series.values_frac[:, series.columns.index(nodes[n][profile])] * (_value(nodes[n], scale) if scale else 1.0)
        for n in followers
    }
    return pd.DataFrame(columns)


def _units(
    grid: Grid, host: dict[str, str], component: str, names: list[str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of nodes; and their buses and own columns, as PyPSA takes them."""
    rows = [grid.graph.nodes[name] for name in names]
    return rows, {"bus": [host.get(name, name) for name in names], **_own(NODE_COLUMNS, component, rows)}


def _control(rows: list[dict[str, Any]]) -> list[str]:
    return ["PV" if _holds(row) else "PQ" for row in rows]


def _add_generators(network: Any, grid: Grid, host: dict[str, str]) -> None:
    """Sources, and as generators without power, what else holds a voltage."""
    nodes = grid.graph.nodes.items()
    holders = [name for name, row in nodes if _holds(row) and not _value(row, "store_max_mwh")]
    names = [name for name, row in nodes if _value(row, "gen_max_mw") > 0 or name in holders]
    rows, columns = _units(grid, host, "generators", names)
    high = _values(rows, "gen_max_mw")
    share = np.maximum(high, 1e-9)
    dt_h = 1.0 if grid.series is None else grid.series.dt_h  # PyPSA limits the ramp of a snapshot
    ramps = _values(rows, "gen_ramp_mw_per_h") / share * dt_h
    can_stop = [_value(row, "start_cost") < inf for row in rows]
    start_mw, on_h = _values(rows, "start_ramp_mw"), _values(rows, "initial_on_h")
    network.add(
        "Generator",
        names,
        committable=can_stop,
        start_up_cost=np.where(can_stop, _values(rows, "start_cost"), 0.0),
        stand_by_cost=_values(rows, "no_load_cost_per_h"),
        min_up_time=np.ceil(_values(rows, "min_up_h") / dt_h).astype(int),
        min_down_time=np.ceil(_values(rows, "min_down_h") / dt_h).astype(int),
        up_time_before=np.where(can_stop, np.minimum(np.ceil(np.maximum(on_h, 0.0) / dt_h), 10_000), 1).astype(int),
        down_time_before=np.where(on_h < 0, np.minimum(np.ceil(-on_h / dt_h), 10_000), 0).astype(int),
        ramp_limit_start_up=np.where(start_mw < share, start_mw / share, np.nan),
        p_nom=high,
        p_min_pu=_values(rows, "gen_min_mw") / share,
        control=_control(rows),
        marginal_cost=_values(rows, "gen_cost_per_mwh"),
        marginal_cost_quadratic=_values(rows, "gen_cost_per_mw2h"),
        ramp_limit_up=np.where(ramps < inf, ramps, np.nan),
        ramp_limit_down=np.where(ramps < inf, ramps, np.nan),
        **columns,
    )
    courses = _courses(grid, names, "gen_profile", None)
    if courses is not None:
        network.generators_t.p_max_pu = courses.set_axis(network.snapshots)


def _add_loads(network: Any, grid: Grid, host: dict[str, str]) -> None:
    nodes = grid.graph.nodes.items()
    names = [name for name, row in nodes if _value(row, "load_max_mw") > 0 or _value(row, "load_max_mvar")]
    rows, columns = _units(grid, host, "loads", names)
    network.add("Load", names, p_set=_values(rows, "load_max_mw"), q_set=_values(rows, "load_max_mvar"), **columns)
    drawing = [name for name, row in zip(names, rows, strict=True) if _value(row, "load_max_mw") > 0]
    courses = _courses(grid, drawing, "load_profile", "load_max_mw")
    if courses is not None:
        network.loads_t.p_set = courses.set_axis(network.snapshots)
        network.loads_t.q_set = _courses(grid, drawing, "load_profile", "load_max_mvar").set_axis(network.snapshots)
        network.loads["load_max_mw"] = network.loads.p_set.where(network.loads.index.isin(courses.columns))


def _add_stores(network: Any, grid: Grid, host: dict[str, str]) -> None:
    """Stores with the energy above their minimum, which is all that can be used and all that is lost."""
    names = [name for name, row in grid.graph.nodes.items() if _value(row, "store_max_mwh") > 0]
    rows, columns = _units(grid, host, "storage_units", names)
    charge, discharge = _values(rows, "charge_max_mw"), _values(rows, "discharge_max_mw")
    low, high = _values(rows, "store_min_mwh"), _values(rows, "store_max_mwh")
    power = np.maximum(np.maximum(charge, discharge), 1e-9)
    middle = (low + high) / 2
    initial = np.array([_value(row, "store_init_mwh", m) for row, m in zip(rows, middle, strict=True)])
    network.add(
        "StorageUnit",
        names,
        p_nom=power,
        p_min_pu=-charge / power,
        p_max_pu=discharge / power,
        max_hours=(high - low) / power,
        state_of_charge_initial=initial - low,
        efficiency_store=_values(rows, "charge_eff_frac"),
        efficiency_dispatch=_values(rows, "discharge_eff_frac"),
        standing_loss=_values(rows, "store_loss_frac_per_h"),
        control=_control(rows),
        **columns,
    )


def _add_lines(network: Any, grid: Grid, host: dict[str, str]) -> None:
    """Lines; those with a tap or a shift as transformers."""
    base = float(grid.base_mva)
    groups: dict[str, list[tuple[str, str, str, dict[str, Any]]]] = {"Line": [], "Transformer": []}
    for name, start, end, row in grid.lines():
        if start not in host and end not in host:
            turned = _value(row, "tap") != 1 or row.get("shift_deg")
            groups["Transformer" if turned else "Line"].append((name, start, end, row))
    for component, lines in groups.items():
        if not lines:
            continue
        names, starts, ends, rows = map(list, zip(*lines, strict=True))
        x_pu, limit = _values(rows, "reactance_pu"), _values(rows, "capacity_mw")
        r_pu, b_pu, g_pu = (_values(rows, f"{name}_pu") for name in ("resistance", "charging", "conductance"))
        columns: dict[str, Any] = {"bus0": starts, "bus1": ends, **_own(LINE_COLUMNS, component, rows)}
        if component == "Line":
            columns |= {"x": np.where(x_pu == 0, IDEAL_PU, x_pu) / base, "s_nom": limit}
            columns |= {"r": r_pu / base, "b": b_pu * base, "g": g_pu * base}
            if (x_pu == 0).any():
                columns["reactance_pu"] = np.where(x_pu == 0, 0.0, np.nan)
        else:
            nominal = np.where(limit < inf, limit, base)
            columns |= {"r": r_pu * nominal / base, "b": b_pu * base / nominal, "g": g_pu * base / nominal}
            columns |= {"x": x_pu * nominal / base, "s_nom": nominal, "s_max_pu": np.where(limit < inf, 1.0, inf)}
            columns |= {"tap_ratio": _values(rows, "tap"), "phase_shift": _values(rows, "shift_deg"), "model": "pi"}
        network.add(component, names, **columns)
