"""Power flows of other programs on pandapower's test cases: second answers to our flows."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import pytest

from grid import Grid, GridArrays

BUS_PD, BUS_GS = 2, 4
GEN_BUS, GEN_PG, GEN_STATUS = 0, 1, 7
FROM, TO, X, TAP, SHIFT, STATUS, FLOW = 0, 1, 3, 8, 9, 10, 13


@dataclass(frozen=True)
class Case:
    """A test case as pandapower stores and solves it: N buses, E branches."""

    net: Any  # pandapower's
    arrays: GridArrays
    order: list[int]  # (E,) the branch that each line is
    injection_mw: np.ndarray  # (N,)
    flow_mw: np.ndarray  # (E,) by pandapower

    @property
    def splitting(self) -> np.ndarray:
        """The lines without which the grid falls apart."""
        ends = list(zip(self.arrays.line_from.tolist(), self.arrays.line_to.tolist(), strict=True))
        bridges = {frozenset(pair) for pair in nx.bridges(nx.Graph(ends))}
        return np.array([e for e, pair in enumerate(ends) if frozenset(pair) in bridges and ends.count(pair) == 1])


def branch_data(net: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Buses, branches and generators of a solved net, in the columns of a MATPOWER file."""
    return tuple(np.real(net._ppc[name]) for name in ("bus", "branch", "gen"))  # type: ignore[return-value]


def injections(bus: np.ndarray, gen: np.ndarray) -> np.ndarray:
    """(N,) MW into the network at each bus."""
    power = -bus[:, BUS_PD] - bus[:, BUS_GS]
    for unit in gen[gen[:, GEN_STATUS] > 0]:
        power[int(unit[GEN_BUS])] += unit[GEN_PG]
    return power


def solved(name: str) -> Case:
    """A test case of pandapower with all its lines; skips where pandapower is missing."""
    pandapower = pytest.importorskip("pandapower")
    net = getattr(pandapower.networks, name)()
    pandapower.rundcpp(net)
    bus, branch, gen = branch_data(net)
    lines = branch[branch[:, STATUS] > 0]
    grid = Grid(name, base_mva=float(net._ppc["baseMVA"]))
    for number in range(len(bus)):
        grid.add_source(str(number), gen_max_mw=1000)
    for number, line in enumerate(lines):
        columns = {"reactance_pu": float(line[X]), "tap": float(line[TAP] or 1), "shift_deg": float(line[SHIFT])}
        grid.add_line(str(int(line[FROM])), str(int(line[TO])), key=f"branch {number:03d}", **columns)
    arrays = grid.compile()
    order = [int(name.split()[1]) for name in arrays.line_names]
    return Case(net, arrays, order, injections(bus, gen), lines[order, FLOW])


def parts_without(arrays: GridArrays, out: set[int]) -> list[set[int]]:
    """The nodes of each part that is left without some lines."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(arrays.node_names)))
    ends = zip(arrays.line_from.tolist(), arrays.line_to.tolist(), strict=True)
    graph.add_edges_from(pair for line, pair in enumerate(ends) if line not in out)
    return list(nx.connected_components(graph))


def pandapower_without(case: Case, out: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Injections (N,) and flows (E,) by pandapower, every part with a slack of its own."""
    import pandapower

    net = copy.deepcopy(case.net)
    tables = net._pd2ppc_lookups["branch"]
    for line in out:
        kind = next(kind for kind, (low, high) in tables.items() if low <= case.order[line] < high)
        table = net[kind]
        table.loc[table.index[case.order[line] - tables[kind][0]], "in_service"] = False
    bus_of = {int(number): int(bus) for bus, number in enumerate(net._pd2ppc_lookups["bus"]) if number >= 0}
    slack = {int(net._pd2ppc_lookups["bus"][bus]) for bus in net.ext_grid.bus}
    for part in parts_without(case.arrays, out):
        if not part & slack:
            pandapower.create_ext_grid(net, bus_of[min(part)])
    pandapower.rundcpp(net)
    bus, branch, gen = branch_data(net)
    flow_mw = np.where(branch[:, STATUS] > 0, branch[:, FLOW], 0.0)
    return injections(bus, gen), flow_mw[case.order]


def pypsa_without(arrays: GridArrays, injection_mw: np.ndarray, out: set[int]) -> np.ndarray:
    """(E,) flows by PyPSA's linear power flow for injections that are balanced in every part; skips without PyPSA."""
    pypsa = pytest.importorskip("pypsa")
    network = pypsa.Network()
    names = [str(node) for node in range(len(arrays.node_names))]
    network.add("Bus", names, v_nom=1.0)
    network.add("Load", names, bus=names, p_set=-injection_mw)
    for part in parts_without(arrays, out):
        network.add("Generator", f"slack {min(part)}", bus=str(min(part)), control="Slack")
    lines = [line for line in range(len(arrays.line_names)) if line not in out]
    network.add(
        "Transformer",
        [str(line) for line in lines],
        bus0=[str(arrays.line_from[line]) for line in lines],
        bus1=[str(arrays.line_to[line]) for line in lines],
        x=arrays.reactance_pu[lines] / arrays.base_mva,
        s_nom=1.0,
        tap_ratio=arrays.tap[lines],
        phase_shift=arrays.shift_deg[lines],
        model="pi",
    )
    network.lpf()
    flow_mw = np.zeros(len(arrays.line_names))
    flow_mw[lines] = network.transformers_t.p0.iloc[0][[str(line) for line in lines]]
    return flow_mw
