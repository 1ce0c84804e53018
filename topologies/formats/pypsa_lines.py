"""The passive branches of a PyPSA network; PyPSA itself gives their reactances, standard types included."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

from grid import LINE_COLUMNS, Fault, Grid, GridError
from topologies.formats.library import library
from topologies.formats.pypsa_tables import Network, Table
from topologies.formats.pypsa_units import Reading, nominal, own_columns

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
    "lines": ("bus0", "bus1", "type", "x", "r", "s_nom", "length", "num_parallel"),
    "transformers": (
        *("bus0", "bus1", "type", "model", "x", "r", "s_nom", "num_parallel", "tap_ratio", "tap_side"),
        *("tap_position", "phase_shift"),
    ),
}
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
    columns = {component: _columns(network.table(component), ATTRIBUTES[component]) for component in KINDS}
    if network.faults:
        raise GridError.of(network.faults)
    reactances = _reactances(network, columns)
    taken: set[str] = set()
    for component in BRANCHES:
        table = network.table(component)
        for row, name in enumerate(table.names):
            if not table.flag(row, "active", True):
                reading.buses.note("left out as not active", f"{component} {name}")
                continue
            x_pu, tap, shift_deg = reactances[component, name]
            limit_mw = _limit_mw(reading, component, table, row)
            line: dict[str, Any] = {"capacity_mw": limit_mw} if 0 < limit_mw < inf else {}
            line |= {"reactance_pu": x_pu * float(grid.base_mva)} if x_pu else {}
            line |= {"tap": tap} if tap != 1 else {}
            line |= {"shift_deg": shift_deg} if shift_deg else {}
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


def _columns(table: Table, attributes: tuple[str, ...]) -> dict[str, list[Any]]:
    def cell(row: int, name: str) -> Any:
        if name in TEXTS:
            return table.text(row, name)
        return table.number(row, name, DEFAULTS.get(name, 0.0), endless=True)

    rows = range(len(table.names))
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
    if limit_mva == 0 or share <= 0:
        note("no limit: its s_nom is 0 or missing", whom)
        return inf
    return limit_mva * share


def _reactances(
    network: Network, columns: dict[str, dict[str, list[Any]]]
) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Reactance on 1 MVA, tap and shift in degrees of each passive branch, by PyPSA."""
    found: dict[tuple[str, str], tuple[float, float, float]] = {}
    with library("pypsa", "PyPSA", str(network.path)) as pypsa:
        theirs = pypsa.Network()
        for component, kind in KINDS.items():
            there = getattr(theirs, component).index  # standard types, which a file may hold again
            rows = [row for row, name in enumerate(network.table(component).names) if name not in there]
            if rows:
                names = [network.table(component).names[row] for row in rows]
                given = {key: [cells[row] for row in rows] for key, cells in columns[component].items()}
                theirs.add(kind, names, **given)
        theirs.calculate_dependent_values()
        for name, row in theirs.lines.iterrows():
            found["lines", str(name)] = (float(row.x_pu), 1.0, 0.0)
        for name, row in theirs.transformers.iterrows():
            found["transformers", str(name)] = (float(row.x_pu), float(row.tap_ratio), float(row.phase_shift))
    faults = [
        Fault(
            f"{network.path}: {component} {name!r}",
            "no finite reactance",
            "a finite one",
            "give the bus its v_nom and the branch its x and s_nom",
        )
        for (component, name), numbers in found.items()
        if not all(map(isfinite, numbers))
    ]
    if faults:
        raise GridError.of(faults)
    return found
