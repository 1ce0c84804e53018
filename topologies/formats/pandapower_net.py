"""pandapower networks (extra ``pandapower``): JSON files, and the networks that come with the library.

pandapower itself turns lines, transformers, switches and the like into branches in per unit; units are read from its
tables. Its sign is that of ours for generation; loads and stores count what they take.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, Grid, GridError, nearest
from topologies.formats.library import PANDAPOWER_PREFIX, library
from topologies.formats.pandapower_costs import value
from topologies.formats.pandapower_json import Network, read_network
from topologies.formats.pandapower_units import read_units
from topologies.formats.units import Buses, Held, drop_unsupplied, stands_for_none
from topologies.json_text import parse

UNLIMITED = 9999.0  # kA or MVA; pandapower and its converters write such ratings where a limit is missing
FROM, TO, R, X, B, TAP, SHIFT, STATUS, G = 0, 1, 2, 3, 4, 8, 9, 10, 23  # columns of a branch
ASYMMETRIES = [21, 22, 24, 25]  # what differs at its to end
SIDES = ("hv", "mv", "lv")


def from_data(path: Path, data: dict[str, Any], faults: list[Fault], units: Callable[..., None] = read_units) -> Grid:
    """A grid from the parsed JSON of a network and the faults of its text; ``units`` puts the units at its buses.

    Raises:
        GridError: anything that is not a network, with its table and row; or pandapower is not installed.
    """
    network = read_network(path, data, faults)
    with library("pandapower", "pandapower", str(path)) as pandapower:
        return _to_grid(network, pandapower, units)


def built_in(name: str) -> Grid:
    """The grid of a network that comes with pandapower, ``pandapower:case39`` for ``pandapower.networks.case39``.

    Raises:
        GridError: no such network, one that needs arguments, or pandapower is not installed.
    """
    plain = name.removeprefix(PANDAPOWER_PREFIX)
    with library("pandapower", "pandapower", name) as pandapower:
        from pandapower import networks

        known = _networks(networks)
        if plain not in known:
            raise GridError(name, "no such network", "one of pandapower.networks", nearest(plain, known))
        try:
            net = known[plain]()
        except TypeError:
            mend = "write it with pandapower.to_json and give the file"
            raise GridError(name, "a network with arguments", "one without", mend) from None
        text = pandapower.to_json(net)
    data, faults = parse(name, text)
    grid = from_data(Path(name), data, faults)
    grid.name = plain
    grid.origin = f"pandapower.networks.{plain}"
    return grid


def _networks(module: Any) -> dict[str, Any]:
    """The functions of pandapower.networks that make networks."""
    made = {name: value for name, value in vars(module).items() if not name.startswith("_") and callable(value)}
    return {name: make for name, make in made.items() if make.__module__.startswith(module.__name__)}


def _to_grid(network: Network, pandapower: Any, units: Callable[..., None]) -> Grid:
    from pandapower.converter.pypower.to_ppc import to_ppc
    from pandapower.pd2ppc import _pd2ppc

    net, filled = _net(network, pandapower)
    case = to_ppc(net, mode="pf", calculate_voltage_angles=True, init="flat", check_connectivity=False)
    in_service, lookup = case["internal"]["branch_is"], net._pd2ppc_lookups
    whole = _pd2ppc(net)[0]["branch"]  # with the columns that the format of PYPOWER lacks
    branch = np.zeros(whole.shape)  # a row a branch, zeros where it is out of service
    branch[in_service] = np.real(whole[in_service])
    number = {int(bus): int(lookup["bus"][bus]) for bus in net.bus.index[net.bus.in_service.astype(bool)]}
    named = _names(net, number)
    name_of = {bus: named[place] for bus, place in number.items()}  # of the node, by the index of the bus
    buses = Buses({name: [] for name in dict.fromkeys(name_of.values())})
    _rate_buses(buses, net, number, name_of)
    buses.places = _places(net, name_of)
    units(net, name_of, buses, pandapower, filled)
    for what in network.ignored:
        series = what.endswith(("rows of controller",)) or "rows of profiles" in what
        why = "not read, so what it varies over time is constant; give it as profiles" if series else ""
        buses.note(why or "left out, as the model has no place for it", what)
    for place in np.unique(branch[branch[:, STATUS] > 0][:, [FROM, TO]].astype(int)).tolist():
        if place not in named:
            named[place] = f"inner {place}"
            buses.units[named[place]] = []
    _hold_wards(buses, net, named)
    grid = Grid(network.name or network.path.stem, origin=f"pandapower file {network.path.name}")
    grid.base_mva = float(net.sn_mva)
    buses.place(grid)
    _add_lines(grid, net, branch, named, buses)
    drop_unsupplied(grid, buses)
    grid.notes = buses.notes()
    faults = grid.faults()
    if faults:
        raise GridError.of([Fault(f"{network.path}: {f.where}", f.found, f.allowed, f.mend) for f in faults])
    return grid


def _net(network: Network, pandapower: Any) -> tuple[Any, dict[str, set[str]]]:
    """pandapower's network with our tables, in its present format, and the columns of each that are not of the file."""
    import pandas as pd

    net = pandapower.create_empty_network(f_hz=network.f_hz, sn_mva=network.sn_mva)
    for table in network.tables.values():
        net[table.name] = pd.DataFrame(table.columns, index=pd.Index(table.index, dtype="int64"))
    if network.version and network.format_version:
        net["version"], net["format_version"] = network.version, network.format_version
        pandapower.convert_format(net)
    fresh = pandapower.create_empty_network()
    filled: dict[str, set[str]] = {name: set() for name in network.tables}
    for name in network.tables:
        for column, kind in fresh[name].dtypes.items():
            if column not in net[name]:
                filled[name].add(column)
                net[name][column] = _default(name, column, kind)
            elif kind.kind == "f":
                net[name][column] = pd.to_numeric(net[name][column])
            elif kind.kind == "b":
                default = _default(name, column, kind)
                net[name][column] = net[name][column].map(lambda cell, d=default: d if pd.isna(cell) else bool(cell))
            elif kind.kind in "iu":
                net[name][column] = net[name][column].astype(kind)
    return net, filled


def _default(table: str, column: str, kind: Any) -> Any:
    """What pandapower's create functions put where nothing is said."""
    if column in ("scaling", "df", "parallel", "max_step", "step"):
        return 1
    if kind.kind == "b":
        return column in ("in_service", "closed") or (table, column) == ("gen", "controllable")
    return None if kind.kind == "O" else np.nan if kind.kind == "f" else 0


def _names(net: Any, number: dict[int, int]) -> dict[int, str]:
    """A name for each place in the branch table: the bus's own where all have different ones, else its index."""
    own = [net.bus.name.at[bus] for bus in number]
    texts = [str(name) for name in own]
    plain = all(isinstance(name, str) and name.isprintable() and 0 < len(name) < 100 for name in own)
    if not plain or len(set(texts)) < len(texts):
        texts = [str(bus) for bus in number]
    named: dict[int, str] = {}
    for text, place in zip(texts, number.values(), strict=True):
        named.setdefault(place, text)
    return named


def _rate_buses(buses: Buses, net: Any, number: dict[int, int], name_of: dict[int, str]) -> None:
    first: dict[int, int] = {}
    rows = net.bus.to_dict("index")
    for bus, place in number.items():
        if first.setdefault(place, bus) != bus:
            buses.note("joined to another bus by closed switches", f"bus {bus}")
        base_kv, low_pu, high_pu = (value(rows[bus], name, np.nan) for name in ("vn_kv", "min_vm_pu", "max_vm_pu"))
        buses.rate(name_of[bus], base_kv, low_pu, high_pu)
    for bus in net.bus.index.difference(list(number)):
        buses.note("left out as out of service", f"bus {bus}")


def _hold_wards(buses: Buses, net: Any, named: dict[int, str]) -> None:
    """Let the inner nodes of extended wards hold their voltages."""
    lookup = net._pd2ppc_lookups
    for bus, (key, row) in zip(lookup["aux"].get("xward", ()), net.xward.iterrows(), strict=True):
        place = int(lookup["bus"][int(bus)])
        if place in named:
            buses.add_condenser(Held(named[place], value(row, "vm_pu", 1.0), -inf, inf, f"xward {key}"))


def _places(net: Any, name_of: dict[int, str]) -> dict[str, tuple[float, float]]:
    places: dict[str, tuple[float, float]] = {}
    for bus, name in name_of.items():
        try:
            x, y = json.loads(net.bus.geo.at[bus])["coordinates"][:2]
            places.setdefault(name, (float(x), float(y)))
        except (AttributeError, KeyError, LookupError, TypeError, ValueError, RecursionError):
            continue
    return {name: place for name, place in places.items() if all(isfinite(z) and abs(z) < 1e9 for z in place)}


def _add_lines(grid: Grid, net: Any, branch: np.ndarray, named: dict[int, str], buses: Buses) -> None:
    switch = net.switch
    impedant = (switch.et == "b") & switch.closed.astype(bool) & (switch.z_ohm > 0)
    for kind, (first, last) in net._pd2ppc_lookups["branch"].items():
        rows = net[kind].to_dict("index")
        index = list(net[kind].index) if kind != "switch" else np.flatnonzero(impedant).tolist()
        blocks = max((last - first) // max(len(index), 1), 1)
        for place in range(first, last):
            block, row = divmod(place - first, len(index))
            element = index[row]
            name = f"{kind} {element}" + (f" {SIDES[block]}" if blocks > 1 else "")
            data = branch[place]
            start, end = named.get(int(data[FROM])), named.get(int(data[TO]))
            if not data[STATUS] > 0 or start is None or end is None:
                buses.note("left out as out of service or open", name)
                continue
            if start == end:
                buses.note("left out: both ends at one bus", name)
                continue
            if any(data[ASYMMETRIES]):
                buses.note("taken alike from both ends, as it is from its first one", name)
            limit_mw = _limit_mw(net, kind, rows[element], block, name, buses)
            *impedance, tap, shift_deg = data[[X, R, B, G, TAP, SHIFT]].tolist()
            columns = buses.line(name, *impedance, capacity_mw=limit_mw, tap=tap or 1.0, shift_deg=shift_deg)
            grid.add_line(start, end, name, **columns)


def _limit_mw(net: Any, kind: str, row: dict[str, Any], block: int, name: str, buses: Buses) -> float:
    """The thermal limit of a branch at rated voltage; infinite where there is none."""
    if kind not in ("line", "trafo", "trafo3w"):
        buses.note("no limit: pandapower knows none for this element", name)
        return inf
    share = value(row, "max_loading_percent", 100.0) / 100
    if kind == "line":
        rating = value(row, "max_i_ka", np.nan)
        factor = value(row, "df", 1.0) * value(row, "parallel", 1.0)
        limit = rating * factor * sqrt(3) * float(net.bus.vn_kv.at[row["from_bus"]]) * share
    else:
        rating = value(row, "sn_mva" if kind == "trafo" else f"sn_{SIDES[block]}_mva", np.nan)
        limit = rating * value(row, "df", 1.0) * value(row, "parallel", 1.0) * share
    if stands_for_none(rating) or rating >= UNLIMITED or not 0 < limit < 1e12:
        buses.note("no limit: its rating is missing, 0, all nines or huge", name)
        return inf
    if "max_loading_percent" not in row or not isfinite(value(row, "max_loading_percent", np.nan)):
        buses.note("limit at 100 % loading, as the file states no other", kind)
    return limit
