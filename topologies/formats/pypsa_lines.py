"""The passive branches of a PyPSA network; PyPSA itself gives their impedances, standard types included."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from math import inf, isfinite
from typing import Any

from grid import LINE_COLUMNS, Fault, Grid, GridError
from topologies.formats.library import library
from topologies.formats.pypsa_tables import Network, Table
from topologies.formats.pypsa_units import Reading, nominal, own_columns
from topologies.formats.units import stands_for_none

IDEAL_PU = 1e-6
"""The reactance by which an ideal connector is written: PyPSA has none of 0."""

KINDS = {
    "buses": "Bus",
    "line_types": "LineType",
    "transformer_types": "TransformerType",
    "lines": "Line",
    "transformers": "Transformer",
}
BRANCHES = ("lines", "transformers")
TEXTS = ("carrier", "bus0", "bus1", "type", "model")
ATTRIBUTES = {  # what PyPSA is given
    "buses": ("v_nom", "carrier"),
    "line_types": ("f_nom", "r_per_length", "x_per_length", "c_per_length"),
    "transformer_types": (
        *("f_nom", "s_nom", "v_nom_0", "v_nom_1", "vsc", "vscr", "pfe", "i0", "phase_shift"),
        *("tap_side", "tap_neutral", "tap_min", "tap_max", "tap_step"),
    ),
    "lines": ("bus0", "bus1", "type", "x", "r", "b", "g", "s_nom", "length", "num_parallel"),
    "transformers": (
        *("bus0", "bus1", "type", "model", "x", "r", "b", "g", "s_nom", "num_parallel", "tap_ratio", "tap_side"),
        *("tap_position", "phase_shift"),
    ),
}
PER_UNIT = ("x_pu", "r_pu", "b_pu", "g_pu")
DEFAULTS = {"v_nom": 1.0, "num_parallel": 1.0, "tap_ratio": 1.0}


def read_lines(reading: Reading, grid: Grid) -> None:
    """Add the active branches to a grid that has the buses.

    Raises:
        GridError: the faults of the branches, or PyPSA is not installed.
    """
    network = reading.network
    if not any(network.table(component).names for component in BRANCHES):
        return
    _check_ends(reading)
    rows = {component: list(range(len(network.table(component).names))) for component in KINDS}
    rows |= {f"{kind}_types": network.used(f"{kind}_types", [f"{kind}s"], "type") for kind in ("line", "transformer")}
    columns = {name: _columns(network.table(name), ATTRIBUTES[name], rows[name]) for name in KINDS}
    if network.faults:
        raise GridError.of(network.faults)
    impedances = _impedances(network, columns, rows)
    base_mva = float(grid.base_mva)
    buses = network.table("buses")
    carrier_of = {name: buses.text(row, "carrier") for row, name in enumerate(buses.names)}
    taken: set[str] = set()
    for component in BRANCHES:
        table = network.table(component)
        for row, name in enumerate(table.names):
            if not table.flag(row, "active", True):
                reading.buses.note("left out as not active", f"{component} {name}")
                continue
            there = impedances[component, name]
            limit_mw = _limit_mw(reading, component, table, row)
            line: dict[str, Any] = {"capacity_mw": limit_mw} if 0 < limit_mw < inf else {}
            if carrier_of[table.text(row, "bus0")] == "DC" and there.r_pu:
                there = replace(there, x_pu=there.r_pu, r_pu=0.0)
                reading.buses.note("DC: its flow goes by its resistance, as in PyPSA; no losses in AC", name)
            line |= {"reactance_pu": there.x_pu * base_mva} if there.x_pu else {}
            line |= {"resistance_pu": there.r_pu * base_mva} if there.r_pu else {}
            line |= {"charging_pu": there.b_pu / base_mva} if there.b_pu else {}
            line |= {"tap": there.tap} if there.tap != 1 else {}
            line |= {"shift_deg": there.shift_deg} if there.shift_deg else {}
            line |= {"conductance_pu": there.g_pu / base_mva} if there.g_pu else {}
            if there.tap != 1 and there.tap_side:
                reading.buses.note("ratio of the tap at bus1 taken at bus0", f"{component} {name}")
            key = f"{component} {name}" if name in taken else name
            taken.add(name)
            line |= own_columns(table, row, LINE_COLUMNS)
            grid.add_line(table.text(row, "bus0"), table.text(row, "bus1"), key=key, **line)


def _check_ends(reading: Reading) -> None:
    for component in BRANCHES:
        table = reading.network.table(component)
        for row in range(len(table.names)):
            for end in ("bus0", "bus1"):
                if table.text(row, end) not in reading.buses.units:
                    table.fault(row, end, repr(table.text(row, end)), "the name of a bus", "correct it or add the bus")


def _columns(table: Table, attributes: tuple[str, ...], rows: list[int]) -> dict[str, list[Any]]:
    def cell(row: int, name: str) -> Any:
        if name in TEXTS:
            return table.text(row, name)
        return table.number(row, name, DEFAULTS.get(name, 0.0), endless=True)

    return {name: [cell(row, name) for row in rows] for name in attributes if name in table.columns}


def _limit_mw(reading: Reading, component: str, table: Table, row: int) -> float:
    """The largest flow; infinite where the branch has none."""
    note, whom = reading.buses.note, f"{component} {table.names[row]}"
    limit_mva = nominal(reading, table, row, "s_nom", whom)
    share = table.number(row, "s_max_pu", 1.0, 0.0, endless=True)
    shares = reading.series(component, "s_max_pu", table.names[row])
    if shares is not None:
        share = float(shares.min())
        note("limit over time replaced by its least", whom)
    if limit_mva == 0 or share <= 0 or stands_for_none(limit_mva):
        note("no limit: its s_nom is 0, missing or all nines", whom)
        return inf
    return limit_mva * share


@dataclass(frozen=True)
class _Impedance:
    """What PyPSA makes of a branch, on 1 MVA."""

    x_pu: float
    r_pu: float
    b_pu: float
    g_pu: float
    tap: float = 1.0
    shift_deg: float = 0.0
    tap_side: float = 0.0


def _impedances(
    network: Network, columns: dict[str, dict[str, list[Any]]], rows: dict[str, list[int]]
) -> dict[tuple[str, str], _Impedance]:
    """Impedance, tap and shift of each passive branch, by PyPSA."""
    found: dict[tuple[str, str], _Impedance] = {}
    with library("pypsa", "PyPSA", str(network.path)) as pypsa:
        theirs = pypsa.Network()
        for component, kind in KINDS.items():
            there = getattr(theirs, component).index  # standard types, which a file may hold again
            all_names = [network.table(component).names[row] for row in rows[component]]
            new = [place for place, name in enumerate(all_names) if name not in there]
            if new:
                given = {key: [cells[place] for place in new] for key, cells in columns[component].items()}
                theirs.add(kind, [all_names[place] for place in new], **given)
        theirs.calculate_dependent_values()
        for name, row in theirs.lines.iterrows():
            found["lines", str(name)] = _Impedance(*(float(row[column]) for column in PER_UNIT))
        for name, row in theirs.transformers.iterrows():
            values = (float(row[column]) for column in (*PER_UNIT, "tap_ratio", "phase_shift", "tap_side"))
            found["transformers", str(name)] = _Impedance(*values)
    faults = [
        Fault(
            f"{network.path}: {component} {name!r}",
            "no finite impedance",
            "a finite one",
            "give the bus its v_nom and the branch its x and s_nom",
        )
        for (component, name), numbers in found.items()
        if not all(map(isfinite, astuple(numbers)))
    ]
    if faults:
        raise GridError.of(faults)
    return found
