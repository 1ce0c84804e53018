"""``inspect``: what a grid consists of, where it is weak, what had to be assumed, and everything wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from scripts.console import Console, amount, pairs
from scripts.options import CommonJson, GridName, MaybePath, default
from scripts.pictures import check_file, draw

if TYPE_CHECKING:
    from grid import Grid, GridArrays

MOST_SHOWN = 3
TOO_SHORT = "unknown: the series are too short for a day"


@dataclass(frozen=True, kw_only=True)
class Inspect(CommonJson):
    """Check a grid and say what it consists of and where it is weak; the exit code is 2 if it has faults."""

    grid: GridName
    """bundled name, gen:NODES:SEED, pandapower:NAME, or path of a grid file or folder"""
    picture: Annotated[MaybePath, default("no picture")] = None
    """also draw the grid in the first hour of an episode under the merit-order rule, to this .png file"""

    def run(self, console: Console) -> None:
        """Print the description."""
        from grid import GridError
        from scripts.weak_spots import weak_spots
        from topologies import ProfileSource, load

        check_file(self.picture, "grid_state")
        try:
            grid = load(self.grid)
            arrays = grid.compile()
            ProfileSource(arrays, grid.series)
        except GridError as error:
            if console.json:
                faults = str(error).splitlines()
                console.result([], {"grid": self.grid, "nodes": None, "lines": None, "assumed": [], "faults": faults})
            raise
        facts = _facts(grid, arrays) | weak_spots(grid, arrays)
        console.result(_lines(facts), facts)
        if self.picture is not None:
            from envs import EnvConfig
            from scripts.running import choose, record

            first_step = EnvConfig(topology=grid, horizon=1, split="test")
            path = draw(record(choose("merit", None), first_step, 0), self.picture, "grid_state", console)
            console.say(f"picture: {path}")


def _facts(grid: Grid, arrays: GridArrays) -> dict[str, Any]:
    import numpy as np

    from envs import EnvConfig
    from grid import KIND_NAMES, GridError
    from scripts.running import check_length

    lacking = None
    try:
        check_length(grid, EnvConfig())
    except GridError as error:
        lacking = str(error)

    counts = np.bincount(arrays.node_kind, minlength=len(KIND_NAMES))
    limited = arrays.capacity_mw[np.isfinite(arrays.capacity_mw)]
    followers = np.array([name is not None for name in arrays.gen_profile])
    connectors = len(grid.connectors())
    profiles = sorted({name for name in (*arrays.gen_profile, *arrays.load_profile) if name is not None})
    return {
        "grid": arrays.name,
        "origin": grid.origin,
        "licence": grid.licence,
        "nodes": len(arrays.node_names),
        "lines": len(arrays.line_names) - connectors,
        "unit_connectors": connectors,
        "kinds": dict(zip(KIND_NAMES, counts.tolist(), strict=True)),
        "gen_max_mw": arrays.gen_max_mw.sum(),
        "gen_weather_mw": arrays.gen_max_mw[followers].sum(),
        "load_max_mw": grid.peak_demand_mw(),
        "store_max_mwh": arrays.store_max_mwh.sum(),
        "charge_max_mw": arrays.charge_max_mw.sum(),
        "discharge_max_mw": arrays.discharge_max_mw.sum(),
        "limited_lines": len(limited),
        "capacity_least_mw": limited.min(initial=np.inf),
        "capacity_most_mw": limited.max(initial=0.0) if len(limited) else np.inf,
        "parts": arrays.part_matrix.shape[1],
        "controllable": len(arrays.controllable),
        "start_and_stop": [arrays.node_names[node] for node in arrays.stoppable],
        "profiles": profiles,
        "series_h": None if grid.series is None else len(grid.series.values_frac) * grid.series.dt_h,
        "series_too_short": lacking,
        "assumed": grid.assumed(),
        "faults": [],
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    kinds = [f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in facts["kinds"].items() if count]
    supply, demand = facts["gen_max_mw"], facts["load_max_mw"]
    ratio = f", {supply / demand:.2f} times the peak demand" if demand else ""
    limits = "none has a limit"
    if facts["limited_lines"]:
        span = f"{amount(facts['capacity_least_mw'])} to {amount(facts['capacity_most_mw'])} MW"
        limits = f"{facts['limited_lines']} with a limit, of {span}"
    joins = facts["unit_connectors"]
    limits += f"; {joins} more only join{'s a unit' if joins == 1 else ' units'} to a bus" if joins else ""
    store = "none"
    if facts["store_max_mwh"]:
        power = f"charging {amount(facts['charge_max_mw'])} MW, discharging {amount(facts['discharge_max_mw'])} MW"
        store = f"{amount(facts['store_max_mwh'])} MWh, {power}"
    series = "" if facts["series_h"] is None else f"; own series of {amount(facts['series_h'])} h"
    cut_off = _first(facts["cut_off"][:5], len(facts["cut_off"]))
    rows = [
        ("grid", facts["grid"]),
        ("origin", facts["origin"] or "not stated"),
        ("licence", facts["licence"] or "not stated"),
        ("nodes", f"{facts['nodes']}: {', '.join(kinds)}"),
        ("lines", f"{facts['lines']}: {limits}"),
        ("connected parts", str(facts["parts"])),
        ("bridges", _bridges(facts["bridges"])),
        ("overloaded", _overloaded(facts["loaded"])),
        ("peak demand", f"{amount(demand)} MW"),
        ("source capacity", f"{amount(supply)} MW{ratio}; {amount(facts['gen_weather_mw'])} MW depend on a profile"),
        ("tightest hour", _tightest(facts["tightest"])),
        ("storage", store),
        ("controlled", f"{facts['controllable']} unit{'s' if facts['controllable'] != 1 else ''}"),
        *([("start and stop", _first(stops[:5], len(stops)))] if (stops := facts["start_and_stop"]) else []),
        ("profiles", (_first(facts["profiles"][:5], len(facts["profiles"])) or "none: demand is constant") + series),
        *([("too short", facts["series_too_short"])] if facts["series_too_short"] else []),
        *([("cut off", f"no line leads to demand from {cut_off}")] if cut_off else []),
        *[("assumed", note) for note in facts["assumed"] or ["nothing"]],
        ("faults", "none"),
    ]
    return pairs(rows)


def _bridges(bridges: list[dict[str, Any]]) -> str:
    if not bridges:
        return "none: every line can fail without splitting the grid"
    rows = [f"{row['line']} (else up to {amount(row['unserved_mw'])} MW unserved)" for row in bridges[:MOST_SHOWN]]
    return _first(rows, len(bridges))


def _overloaded(loaded: list[dict[str, Any]] | None) -> str:
    if loaded is None:
        return TOO_SHORT
    over = [row for row in loaded if row["overloaded_frac"] > 0]
    rows = [
        f"{row['line']} (up to {row['loading_most_frac']:.0%} of capacity, {row['overloaded_frac']:.1%} of the hours)"
        for row in over[:MOST_SHOWN]
    ]
    return "by the merit order, in DC: " + (_first(rows, len(over)) if rows else "none")


def _tightest(hour: dict[str, float] | None) -> str:
    if hour is None:
        return TOO_SHORT
    return f"demand {amount(hour['load_mw'])} MW, sources could give {amount(hour['supply_mw'])} MW"


def _first(rows: list[str], total: int) -> str:
    return ", ".join(rows) + (f" and {total - len(rows)} more" if total > len(rows) else "")
