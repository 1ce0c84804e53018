"""Writing a grid as a PyPSA network: a CSV folder or a netCDF file (extra ``pypsa``).

Each node becomes a bus of 1 kV with its units; a pendant node on an ideal connector without a limit becomes a unit of
the bus it hangs on. Columns that PyPSA has no place for are written under their own names.
"""

from __future__ import annotations

import os
import tempfile
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from grid import COLUMNS, Grid, GridError, atomic_path
from topologies.formats.library import library
from topologies.formats.pypsa_lines import IDEAL_PU
from topologies.formats.pypsa_tables import COMPONENTS
from topologies.formats.units import some
from topologies.series import TimedSeries, start_hour

OWN = {
    "generators": ("gen_reserve_frac", "co2_t_per_mwh", "gen_profile"),
    "loads": ("shed_cost_per_mwh", "load_profile"),
    "storage_units": ("store_min_mwh",),
    "lines": ("outage_rate_per_h", "repair_h"),
}

OTHER_TABLES = ("network", "snapshots", "investment_periods", "shapes", "sub_networks")  # beside the components we read
JSON_FILES = ("meta.json", "crs.json")


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
    path = Path(path)
    try:
        place = Path(os.path.realpath(path))  # of what a link names, which stays a link
        _check_free(path, place)
        place.parent.mkdir(parents=True, exist_ok=True)
        with (
            library("pypsa", "PyPSA", str(path)) as pypsa,
            tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}-") as made,
        ):
            new = Path(made) / "new"
            new.mkdir()  # as the umask says, which the temporary folder does not
            _network(grid, pypsa).export_to_csv_folder(new)
            _swap(place, new, Path(made) / "old")
    except OSError as error:
        mend = "free some space or choose another folder"
        raise GridError(str(path), error.strerror or str(error), "a path that can be written", mend) from error


def _check_free(path: Path, place: Path) -> None:
    """Refuse a place that holds anything which is not of PyPSA, or that a rename would pull away under the caller."""
    if Path.cwd().is_relative_to(place):
        found, allowed = "the folder that this runs in, or one around it", "another folder"
        raise GridError(str(path), found, allowed, "give the name of a new one")
    if not place.exists():
        return
    if not place.is_dir():
        raise GridError(str(path), "a file of that name", "a new folder or one of PyPSA", "choose another name")
    items = sorted(place.iterdir())
    foreign = [item.name for item in items if not (item.is_file() and _is_of_pypsa(item.name))]
    if items and not (place / "buses.csv").exists():
        foreign = [item.name for item in items]
    if foreign:
        found, allowed = f"a folder that holds {some(foreign)}", "a new folder, or one with files of PyPSA only"
        raise GridError(str(path), found, allowed, "choose another name")


def _is_of_pypsa(name: str) -> bool:
    table = name.removesuffix(".csv").split("-", 1)[0]
    return name in JSON_FILES or (name.endswith(".csv") and table in (*COMPONENTS, *OTHER_TABLES))


def _swap(place: Path, new: Path, old: Path) -> None:
    """Put a new folder in the place of what is there, which goes aside; on any error it comes back."""
    try:
        if place.exists():
            place.rename(old)
        new.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise


def _network(grid: Grid, pypsa: Any) -> Any:
    grid.check()
    network = pypsa.Network(name=str(grid.name))
    about = {"base_mva": float(grid.base_mva), "origin": grid.origin, "licence": grid.licence}
    network.meta = {"load_balancer": about | _add_snapshots(network, grid)}
    host = _hosts(grid)
    nodes = grid.graph.nodes
    kept = [node for node in nodes if node not in host]
    network.add("Bus", kept, v_nom=1.0, **{axis: [_value(nodes[node], axis, 0.0) for node in kept] for axis in "xy"})
    _add_generators(network, grid, host)
    _add_loads(network, grid, host)
    _add_stores(network, grid, host)
    _add_lines(network, grid, host)
    return network


def _value(data: dict[str, Any], name: str, default: float | None = None) -> float:
    given = data.get(name)
    return float(next(value for value in (given, default, COLUMNS[name].default, 0.0) if value is not None))


def _hosts(grid: Grid) -> dict[str, str]:
    """Pendant nodes whose connector has nothing to say, with the node that they hang on."""
    host: dict[str, str] = {}
    hosts: set[str] = set()
    for _, start, end, data in grid.lines():
        ideal = data.get("reactance_pu") == 0
        plain = ideal and _value(data, "capacity_mw") == inf and not data.get("outage_rate_per_h")
        for leaf, other in ((end, start), (start, end)):
            if plain and grid.graph.degree[leaf] == 1 and leaf not in hosts and other not in host:
                host[leaf] = other
                hosts.add(other)
                break
    return host


def _own(component: str, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Columns that PyPSA has no place for, where a row gives them."""
    out: dict[str, list[Any]] = {}
    for name in OWN[component]:
        if any(row.get(name) is not None for row in rows):
            empty: Any = "" if COLUMNS[name].is_text else np.nan
            out[name] = [empty if row.get(name) is None else row[name] for row in rows]
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


def _add_generators(network: Any, grid: Grid, host: dict[str, str]) -> None:
    nodes = grid.graph.nodes
    names = [node for node in nodes if _value(nodes[node], "gen_max_mw") > 0]
    if not names:
        return
    rows = [nodes[name] for name in names]
    high = np.array([_value(row, "gen_max_mw") for row in rows])
    dt_h = 1.0 if grid.series is None else grid.series.dt_h  # PyPSA limits the ramp of a snapshot
    ramps = np.array([_value(row, "gen_ramp_mw_per_h") for row in rows]) / high * dt_h
    network.add(
        "Generator",
        names,
        bus=[host.get(name, name) for name in names],
        p_nom=high,
        p_min_pu=np.array([_value(row, "gen_min_mw") for row in rows]) / high,
        marginal_cost=[_value(row, "gen_cost_per_mwh") for row in rows],
        marginal_cost_quadratic=[_value(row, "gen_cost_per_mw2h") for row in rows],
        ramp_limit_up=np.where(ramps < inf, ramps, np.nan),
        ramp_limit_down=np.where(ramps < inf, ramps, np.nan),
        **_own("generators", rows),
    )
    courses = _courses(grid, names, "gen_profile", None)
    if courses is not None:
        network.generators_t.p_max_pu = courses.set_axis(network.snapshots)


def _add_loads(network: Any, grid: Grid, host: dict[str, str]) -> None:
    nodes = grid.graph.nodes
    names = [node for node in nodes if _value(nodes[node], "load_max_mw") > 0]
    if not names:
        return
    rows = [nodes[name] for name in names]
    demand_mw = [_value(row, "load_max_mw") for row in rows]
    network.add("Load", names, bus=[host.get(name, name) for name in names], p_set=demand_mw, **_own("loads", rows))
    courses = _courses(grid, names, "load_profile", "load_max_mw")
    if courses is not None:
        network.loads_t.p_set = courses.set_axis(network.snapshots)
        network.loads["load_max_mw"] = network.loads.p_set.where(network.loads.index.isin(courses.columns))


def _add_stores(network: Any, grid: Grid, host: dict[str, str]) -> None:
    """Stores with the energy above their minimum, which is all that can be used and all that is lost."""
    nodes = grid.graph.nodes
    names = [node for node in nodes if _value(nodes[node], "store_max_mwh") > 0]
    if not names:
        return
    rows = [nodes[name] for name in names]
    charge, discharge, low, high = (
        np.array([_value(row, column) for row in rows])
        for column in ("charge_max_mw", "discharge_max_mw", "store_min_mwh", "store_max_mwh")
    )
    power = np.maximum(np.maximum(charge, discharge), 1e-9)
    middle = (low + high) / 2
    initial = np.array([_value(row, "store_init_mwh", m) for row, m in zip(rows, middle, strict=True)])
    network.add(
        "StorageUnit",
        names,
        bus=[host.get(name, name) for name in names],
        p_nom=power,
        p_min_pu=-charge / power,
        p_max_pu=discharge / power,
        max_hours=(high - low) / power,
        state_of_charge_initial=initial - low,
        efficiency_store=[_value(row, "charge_eff_frac") for row in rows],
        efficiency_dispatch=[_value(row, "discharge_eff_frac") for row in rows],
        standing_loss=[_value(row, "store_loss_frac_per_h") for row in rows],
        **_own("storage_units", rows),
    )


def _add_lines(network: Any, grid: Grid, host: dict[str, str]) -> None:
    """Lines; those with a tap or a shift as transformers."""
    base = float(grid.base_mva)
    lines = [line for line in grid.lines() if not (line[1] in host or line[2] in host)]
    turned = [line for line in lines if _value(line[3], "tap") != 1 or line[3].get("shift_deg")]
    plain = [line for line in lines if _value(line[3], "tap") == 1 and not line[3].get("shift_deg")]
    for component, kind, rows in (("Line", "lines", plain), ("Transformer", "transformers", turned)):
        if not rows:
            continue
        data = [row for *_, row in rows]
        x_pu = np.array([_value(row, "reactance_pu") for row in data])
        limit = np.array([_value(row, "capacity_mw") for row in data])
        columns: dict[str, Any] = {
            "bus0": [start for _, start, _, _ in rows],
            "bus1": [end for _, _, end, _ in rows],
            **_own("lines", data),
        }
        if kind == "lines":
            columns |= {"x": np.where(x_pu == 0, IDEAL_PU, x_pu) / base, "s_nom": limit}
            if (x_pu == 0).any():
                columns["reactance_pu"] = np.where(x_pu == 0, 0.0, np.nan)
        else:
            nominal = np.where(limit < inf, limit, base)
            columns |= {"x": x_pu * nominal / base, "s_nom": nominal, "s_max_pu": np.where(limit < inf, 1.0, inf)}
            columns |= {"tap_ratio": [_value(row, "tap") for row in data], "model": "pi"}
            columns |= {"phase_shift": [_value(row, "shift_deg") for row in data]}
        network.add(component, [name for name, *_ in rows], **columns)
