"""The passive branches of a PyPSA network; PyPSA itself gives their impedances, standard types included."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from math import inf, isfinite
from typing import Any

from grid import LINE_COLUMNS, Fault, Grid, GridError
from topologies.formats.library import library
from topologies.formats.pypsa_reading import Reading, nominal, own_columns
from topologies.formats.pypsa_tables import Network, Row
from topologies.formats.units import said, stands_for_none

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
PER_UNIT, TURNING = ("x_pu", "r_pu", "b_pu", "g_pu"), ("tap_ratio", "phase_shift", "tap_side")
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
    rows = {component: network.table(component).rows() for component in KINDS}
    rows |= {f"{kind}_types": network.used(f"{kind}_types", [f"{kind}s"], "type") for kind in ("line", "transformer")}
    impedances = _impedances(network, rows)
    base_mva = float(grid.base_mva)
    carrier_of = {row.name: row.text("carrier") for row in rows["buses"]}
    taken: set[str] = set()
    for component, row in ((kind, row) for kind in BRANCHES for row in rows[kind]):
        whom = f"{component} {row.name}"
        if not row.flag("active", True):
            reading.buses.note("left out as not active", whom)
            continue
        there = impedances[component, row.name]
        limit_mw = _limit_mw(reading, component, row)
        if carrier_of[row.text("bus0")] == "DC" and there.r_pu:
            there = replace(there, x_pu=there.r_pu, r_pu=0.0)
            reading.buses.note("DC: its flow goes by its resistance, as in PyPSA; no losses in AC", row.name)
        line = said(
            capacity_mw=limit_mw,
            reactance_pu=there.x_pu * base_mva,
            resistance_pu=there.r_pu * base_mva,
            charging_pu=there.b_pu / base_mva,
            conductance_pu=there.g_pu / base_mva,
            tap=there.tap,
            shift_deg=there.shift_deg,
        )
        if there.tap != 1 and there.tap_side:
            reading.buses.note("ratio of the tap at bus1 taken at bus0", whom)
        key = whom if row.name in taken else row.name
        taken.add(row.name)
        grid.add_line(row.text("bus0"), row.text("bus1"), key=key, **line | own_columns(row, LINE_COLUMNS))


def _check_ends(reading: Reading) -> None:
    for component in BRANCHES:
        for row in reading.network.table(component).rows():
            for end in ("bus0", "bus1"):
                if row.text(end) not in reading.buses.units:
                    row.fault(end, repr(row.text(end)), "the name of a bus", "correct it or add the bus")


def _cell(row: Row, name: str) -> Any:
    return row.text(name) if name in TEXTS else row.number(name, DEFAULTS.get(name, 0.0), endless=True)


def _limit_mw(reading: Reading, component: str, row: Row) -> float:
    """The largest flow; infinite where the branch has none."""
    note, whom = reading.buses.note, f"{component} {row.name}"
    limit_mva = nominal(reading, row, "s_nom", whom)
    share = row.number("s_max_pu", 1.0, 0.0, endless=True)
    shares = reading.series(component, "s_max_pu", row.name)
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


def _impedances(network: Network, rows: dict[str, list[Row]]) -> dict[tuple[str, str], _Impedance]:
    """Impedance, tap and shift of each passive branch, by PyPSA."""
    columns = {
        component: {
            name: [_cell(row, name) for row in rows[component]]
            for name in ATTRIBUTES[component]
            if name in network.table(component).columns
        }
        for component in KINDS
    }
    if network.faults:
        raise GridError.of(network.faults)
    found: dict[tuple[str, str], _Impedance] = {}
    with library("pypsa", "PyPSA", str(network.path)) as pypsa:
        theirs = pypsa.Network()
        for component, kind in KINDS.items():
            there = getattr(theirs, component).index  # standard types, which a file may hold again
            new = [place for place, row in enumerate(rows[component]) if row.name not in there]
            if new:
                given = {key: [cells[place] for place in new] for key, cells in columns[component].items()}
                theirs.add(kind, [rows[component][place].name for place in new], **given)
        theirs.calculate_dependent_values()
        for component, attributes in (("lines", PER_UNIT), ("transformers", (*PER_UNIT, *TURNING))):
            for name, row in getattr(theirs, component).iterrows():
                found[component, str(name)] = _Impedance(*(float(row[attribute]) for attribute in attributes))
    mend = "give the bus its v_nom and the branch its x and s_nom"
    faults = [
        Fault(f"{network.path}: {component} {name!r}", "no finite impedance", "a finite one", mend)
        for (component, name), numbers in found.items()
        if not all(map(isfinite, astuple(numbers)))
    ]
    if faults:
        raise GridError.of(faults)
    return found
