"""A grid without its data for AC, and how far voltages are from solving the equations that its columns stand for."""

from __future__ import annotations

import networkx as nx
import numpy as np

from grid import Grid, GridArrays

IN_AC = (
    *("load_max_mvar", "gen_min_mvar", "gen_max_mvar", "voltage_set_pu", "voltage_min_pu", "voltage_max_pu"),
    *("shunt_mw", "shunt_mvar", "base_kv", "resistance_pu", "charging_pu"),
    "conductance_pu",
)
"""The columns that DC power flow knows nothing of."""


def in_dc(grid: Grid, base_mva: float | None = None) -> Grid:
    """A copy without what only AC reads."""
    copy = Grid.from_networkx(grid.graph, str(grid.name))
    copy.name, copy.base_mva = grid.name, grid.base_mva if base_mva is None else base_mva
    rows = [data for _, data in copy.graph.nodes(data=True)] + [data for *_, data in copy.graph.edges(data=True)]
    for row in rows:
        for name in IN_AC:
            row.pop(name, None)
    return copy


def without(columns: dict, *more: str) -> dict:
    """Columns of a node that DC reads."""
    return {name: value for name, value in columns.items() if name not in (*IN_AC, *more)}


def merged(arrays: GridArrays) -> np.ndarray:
    """(N,) the bus of each node: nodes on ideal connectors are one."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(len(arrays.node_names)))
    ideal = arrays.reactance_pu == 0
    graph.add_edges_from(zip(arrays.line_from[ideal].tolist(), arrays.line_to[ideal].tolist(), strict=True))
    bus = np.zeros(len(arrays.node_names), dtype=int)
    for number, nodes in enumerate(nx.connected_components(graph)):
        bus[list(nodes)] = number
    return bus


def injections_mva(arrays: GridArrays, voltage_pu: np.ndarray) -> np.ndarray:
    """(N,) what generators must give for complex node voltages (N,), full demand served; 0 but at one node of a bus.

    Written down from the manual of MATPOWER, "Branches" and "Shunt Elements".
    """
    bus = merged(arrays)
    total = np.zeros(bus.max() + 1, dtype=complex)
    square = np.abs(voltage_pu) ** 2
    np.add.at(total, bus, arrays.load_max_mw + 1j * arrays.load_max_mvar)
    np.add.at(total, bus, arrays.shunt_mw * (square - 1) - 1j * arrays.shunt_mvar * square)
    for e in np.flatnonzero(arrays.reactance_pu):
        start, end = arrays.line_from[e], arrays.line_to[e]
        series = 1 / (arrays.resistance_pu[e] + 1j * arrays.reactance_pu[e])
        ratio = arrays.tap[e] * np.exp(1j * np.deg2rad(arrays.shift_deg[e]))
        own = series + (arrays.conductance_pu[e] + 1j * arrays.charging_pu[e]) / 2
        v_from, v_to = voltage_pu[start], voltage_pu[end]
        i_from = own * v_from / abs(ratio) ** 2 - series * v_to / np.conj(ratio)
        i_to = own * v_to - series * v_from / ratio
        total[bus[start]] += v_from * np.conj(i_from) * arrays.base_mva
        total[bus[end]] += v_to * np.conj(i_to) * arrays.base_mva
    first = np.unique(bus, return_index=True)[1]
    out = np.zeros(len(bus), dtype=complex)
    out[first] = total
    return out


def held_pu(arrays: GridArrays) -> dict[int, float]:
    """The voltage that each bus holds, of those that hold one, by the first of its nodes."""
    bus = merged(arrays)
    first = np.unique(bus, return_index=True)[1]
    given = np.flatnonzero(~np.isnan(arrays.voltage_set_pu))
    return {int(first[bus[n]]): float(arrays.voltage_set_pu[n]) for n in given}
