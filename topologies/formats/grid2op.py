"""Environments of Grid2Op as folders: grid.json of pandapower, tables of units, and one scenario of chronics.

The folder of the environment stands for its first scenario, that of a scenario, ``ENV/chronics/NAME``, for itself.
Grid2Op's files: https://grid2op.readthedocs.io/en/latest/createbackend.html and .../chronics.html.
"""

from __future__ import annotations

from math import inf, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from grid import Grid, GridError
from topologies.formats import pandapower_net
from topologies.formats.grid2op_files import CHRONICS, Environment, chronics_file, read_environment, thermal_limits
from topologies.formats.pandapower_costs import value
from topologies.formats.pandapower_units import read_units
from topologies.formats.units import Buses, Held, some
from topologies.json_text import parse
from topologies.series import TimedSeries
from topologies.text import read_text

WEATHER = ("wind", "solar")
OF_STARTS = ("start_cost", "shut_down_cost", "min_up_time", "min_down_time")
"""Of plants that start and stop where any is above 0; times are in steps."""


def read(path: str | Path) -> Grid:
    """Read the folder of an environment or of one of its scenarios.

    Raises:
        GridError: a file is missing or is not as Grid2Op has it; or pandapower is not installed.
    """
    folder, scenario = Path(path), None
    if not (folder / "grid.json").exists():
        folder, scenario = folder.resolve().parent.parent, folder
    elif (folder / "chronics").is_dir():
        scenario = next((one for one in sorted((folder / "chronics").iterdir()) if chronics_file(one, "load_p")), None)
    env = read_environment(folder, scenario)
    data, faults = parse(str(folder / "grid.json"), read_text(folder / "grid.json", "a network of pandapower"))
    if not isinstance(data, dict):
        raise GridError(str(folder / "grid.json"), "no network", "a network of pandapower", "write it anew")
    notes: list[Buses] = []

    def units(net: Any, name_of: dict[int, str], buses: Buses, pandapower: Any, filled: dict[str, set[str]]) -> None:
        notes.append(buses)
        _units(env, net, name_of, buses, pandapower, filled)

    grid = pandapower_net.from_data(folder / "grid.json", data, faults, units)
    grid.name = folder.resolve().name
    grid.origin = f"Grid2Op environment {grid.name}" + (f", scenario {scenario.resolve().name}" if scenario else "")
    grid.series = TimedSeries.of(env.profiles, env.dt_h, start=env.start)
    grid.notes += _limits(env, grid)
    grid.notes += _unread(folder, scenario)
    return grid


def _names(frame: Any, word: str) -> list[str]:
    """Grid2Op's names of the rows of a table: the network's own where it has them all, else by bus and place."""
    if "name" in frame and not frame["name"].isnull().any():
        return [str(name) for name in frame["name"]]
    return [f"{word}_{bus}_{place}" for place, bus in enumerate(frame["bus"])]


def _units(
    env: Environment, net: Any, name_of: dict[int, str], buses: Buses, pandapower: Any, filled: dict[str, set[str]]
) -> None:
    """Put the units of the environment at the buses of its network, and what else there is as pandapower has it."""
    rest = type(net)(net)
    for table in ("gen", "ext_grid", "load", "storage"):
        rest[table] = net[table].iloc[:0]
    read_units(rest, name_of, buses, pandapower, filled)
    _add_loads(env, net, name_of, buses)
    _add_generators(env, net, name_of, buses)
    for name, row in zip(_names(net.storage, "storage"), net.storage.to_dict("records"), strict=True):
        _add_store(env, name, name_of.get(int(row["bus"])), buses)
    for table, start, end in (("line", "from_bus", "to_bus"), ("trafo", "hv_bus", "lv_bus")):
        frame = net[table]
        named = "name" in frame and not frame["name"].isnull().any()
        for key, row in zip(frame.index, frame.to_dict("records"), strict=True):
            ends = f"{int(row[start])}_{int(row[end])}"
            if table == "trafo":
                ends = "_".join(sorted(ends.split("_")))
            name = str(row["name"]) if named else f"{ends}_{len(env.branches)}"
            env.branches[name] = f"{table} {key}", float(net.bus.vn_kv.at[int(row[start])])


def _add_loads(env: Environment, net: Any, name_of: dict[int, str], buses: Buses) -> None:
    for name, row in zip(_names(net.load, "load"), net.load.to_dict("records"), strict=True):
        bus, power_mw = name_of.get(int(row["bus"])), env.chronics.get("load_p", {}).get(name)
        if bus is None:
            buses.note("left out as out of service", name)
        elif power_mw is None:
            buses.note("no load_p in the chronics: the demand of grid.json, constant", name)
            buses.add_constant(bus, float(row["p_mw"]), name, float(row["q_mvar"]))
        else:
            if (power_mw < 0).any():
                given_mw = np.maximum(-power_mw, 0.0)
                buses.note("demand below 0 taken as a source free of cost, which may be curtailed", name)
                env.profiles[f"{name}:infeed"] = given_mw / given_mw.max()
                infeed = {"gen_max_mw": float(given_mw.max()), "gen_profile": f"{name}:infeed"}
                buses.add(bus, "source", f"{name}:infeed", **infeed)
            drawn_mw = np.maximum(power_mw, 0.0)
            most_mw, reactive = float(drawn_mw.max()), env.chronics.get("load_q", {}).get(name)
            if most_mw <= 0:
                buses.note("no demand, as it never draws power", name)
                continue
            mvar = None if reactive is None else float(reactive.sum() / drawn_mw.sum() * most_mw)
            env.profiles[name] = drawn_mw / most_mw
            buses.add(bus, "consumer", name, load_max_mw=most_mw, load_max_mvar=mvar or None, load_profile=name)


def _add_generators(env: Environment, net: Any, name_of: dict[int, str], buses: Buses) -> None:
    rows = list(zip(_names(net.gen, "gen"), net.gen.to_dict("records"), strict=True))
    slack = {int(row["bus"]) for _, row in rows if row.get("slack") is True}
    taken = {int(row["bus"]) for _, row in rows}
    for row in net.ext_grid.to_dict("records") if not slack else ():
        slack.add(int(row["bus"]))  # Grid2Op makes it a generator where none is at its bus
        rows += [(f"gen_{int(row['bus'])}_{len(rows)}", row)] if int(row["bus"]) not in taken else []
    for name, row in rows:
        bus, about = name_of.get(int(row["bus"])), env.generators.get(name)
        if about is None:
            where, known = f"{env.folder / 'prods_charac.csv'}", ", ".join(list(env.generators)[:5])
            raise GridError(where, f"no row for {name!r}", "each generator", f"has {known}")
        if bus is None:
            buses.note("left out as out of service", name)
            continue
        if int(row["bus"]) in slack:
            buses.references.add(bus)
        limits = value(row, "min_q_mvar", -inf), value(row, "max_q_mvar", inf)
        held = buses.hold(Held(bus, float(row["vm_pu"]), *limits, name))
        _add_generator(env, name, about, bus, held, buses)


def _add_generator(
    env: Environment, name: str, about: dict[str, Any], bus: str, held: dict[str, float], buses: Buses
) -> None:
    most_mw, given_mw = float(about.get("Pmax", 0.0)), env.chronics.get("prod_p", {}).get(name)
    ramp_mw = min(float(about.get("max_ramp_up", 0.0)), float(about.get("max_ramp_down", 0.0)))
    columns: dict[str, Any] = {
        "gen_max_mw": most_mw,
        "gen_cost_per_mwh": float(about.get("marginal_cost", 0.0)),
        **held,
    }
    if most_mw <= 0:
        buses.note("left out: its Pmax is 0", name)
        return
    if given_mw is not None and (about.get("type") in WEATHER or ramp_mw <= 0):
        if about.get("type") not in WEATHER:
            buses.note("no ramp, so Grid2Op does not redispatch it: prod_p taken as the most that it can give", name)
        share = given_mw / most_mw
        if (share > 1).any() or (share < 0).any():
            buses.note("prod_p above Pmax or below 0 cut off", name)
        env.profiles[name] = np.clip(share, 0.0, 1.0)
        columns["gen_profile"] = name
    else:
        columns["gen_min_mw"] = min(max(float(about.get("Pmin", 0.0)), 0.0), most_mw) or None
        columns["gen_ramp_mw_per_h"] = ramp_mw / env.dt_h if ramp_mw > 0 else None
        if given_mw is not None:
            buses.note("prod_p not read, as it is dispatched here", name)
        start_cost, stop_cost, up, down = (max(float(about.get(column) or 0.0), 0.0) for column in OF_STARTS)
        if any((start_cost, stop_cost, up, down)):
            columns |= {"start_cost": start_cost + stop_cost, "min_up_h": up * env.dt_h, "min_down_h": down * env.dt_h}
            buses.note("may stop and start, as its costs or minimum times say", name)
        if ramp_mw > 0 and about.get("max_ramp_up") != about.get("max_ramp_down"):
            buses.note("the smaller of its two ramps taken both ways", name)
    buses.add(bus, "source", name, **columns)


def _add_store(env: Environment, name: str, bus: str | None, buses: Buses) -> None:
    about = env.stores.get(name)
    if about is None or bus is None:
        buses.note("left out, as it has no row in storage_units_charac.csv, or is out of service", name)
        return
    for column in ("power_loss", "marginal_cost"):
        if about.get(column):
            buses.note(f"{column} of a store left out, as the model has no place for it", name)
    buses.add(
        bus,
        "storage",
        name,
        store_max_mwh=float(about.get("Emax", 0.0)),
        store_min_mwh=float(about.get("Emin", 0.0)) or None,
        charge_max_mw=float(about.get("max_p_absorb", 0.0)),
        discharge_max_mw=float(about.get("max_p_prod", 0.0)),
        charge_eff_frac=float(about.get("charging_efficiency", 1.0)),
        discharge_eff_frac=float(about.get("discharging_efficiency", 1.0)),
    )


def _limits(env: Environment, grid: Grid) -> list[str]:
    """Take thermal limits in A of config.py, at nominal voltage, as capacities; its code is not run."""
    path = env.folder / "config.py"
    limits = thermal_limits(path) if path.exists() else None
    if limits is None:
        return ["no thermal limits in config.py: those of grid.json"]
    if isinstance(limits, list) and len(limits) == len(env.branches):
        limits = dict(zip(env.branches, limits, strict=True))
    if not isinstance(limits, dict) or not limits.keys() <= env.branches.keys():
        where, allowed = f"{path}: thermal_limits", f"one for each of {len(env.branches)} lines, in A"
        raise GridError(where, f"{len(limits)} limits that do not fit the lines", allowed, "correct them")
    rows = {name: data for name, _, _, data in grid.lines()}
    for name, amperes in limits.items():
        ours, kv = env.branches[name]
        if ours in rows and isinstance(amperes, int | float) and 0 < amperes < 1e9:
            rows[ours]["capacity_mw"] = sqrt(3) * kv * float(amperes) / 1000
    return ["thermal limits of config.py, in A, taken as MW at nominal voltage; nothing else of config.py is read"]


def _unread(folder: Path, scenario: Path | None) -> list[str]:
    """What else lies in the folders, of which nothing is read."""
    read_ = {"grid.json", "prods_charac.csv", "storage_units_charac.csv", "config.py", "chronics", "__init__.py"}
    read_ |= {f"{name}.csv{end}" for name in CHRONICS for end in ("", ".bz2")}
    read_ |= {"time_interval.info", "start_datetime.info"}
    others = [item.name for place in (folder, scenario) if place for item in sorted(place.iterdir())]
    others = [name for name in others if name not in read_ and not name.startswith(("_", "."))]
    notes = [f"files not read: {some(others, 12)}"] if others else []
    if scenario and (folder / "chronics").is_dir():
        count = sum(chronics_file(one, "load_p") is not None for one in (folder / "chronics").iterdir())
        if count > 1:
            notes.append(f"one of {count} scenarios: {scenario.resolve().name}; the path of another one gives that")
    return notes
