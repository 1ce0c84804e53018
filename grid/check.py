"""The rules that a grid must keep before it can be compiled; every breach becomes a Fault."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from numbers import Real
from typing import Any

import networkx as nx

from grid.errors import Fault, nearest
from grid.kinds import KINDS, LINE_COLUMNS, NODE_COLUMNS, Column

Line = tuple[str, str, str, dict[str, Any]]


def find_faults(graph: nx.MultiGraph[str], lines: list[Line], base_mva: float) -> list[Fault]:
    """Return all breaches, nodes first, then lines, then the grid as a whole."""
    faults: list[Fault] = []
    if not _is_number(base_mva) or not isfinite(base_mva) or base_mva <= 0:
        faults.append(Fault("graph: base_mva", repr(base_mva), "a number > 0", "correct it or leave it out (100)"))
    for node, data in graph.nodes(data=True):
        faults += _node_faults(f"node {node!r}", data)
    for (name, start, _, data), ends in zip(lines, graph.edges(), strict=True):
        faults += _line_faults(f"line {name!r}", start, ends, data)
    return faults or _whole_grid_faults(graph, lines)


def _line_faults(where: str, start: object, ends: tuple[str, str], data: dict[str, Any]) -> list[Fault]:
    faults = list(_column_faults(where, data, LINE_COLUMNS, extra=("line_from",)))
    if ends[0] == ends[1]:
        faults.append(Fault(where, f"both ends at {ends[0]!r}", "two different nodes", "remove the line"))
    if start not in ends:
        faults.append(Fault(where, f"line_from {start!r}", "one of the line's two ends", "correct it"))
    if not faults and data.get("reactance_pu") == 0 and (data.get("shift_deg") or data.get("tap") not in (None, 1)):
        found = "a tap or a phase shift at reactance_pu 0"
        faults.append(Fault(where, found, "neither", "give the line a reactance"))
    return faults


def _node_faults(where: str, data: dict[str, Any]) -> list[Fault]:
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        if kind is None:
            return [Fault(where, "no kind", f"a kind out of {', '.join(KINDS)}", "add the kind")]
        return [Fault(where, f"kind {kind!r}", f"a kind out of {', '.join(KINDS)}", nearest(str(kind), KINDS))]
    faults = [
        Fault(where, f"no {name}", f"{name} for every {kind}", f"add {name}")
        for name in KINDS[kind]
        if data.get(name) is None
    ]
    faults += _column_faults(where, data, NODE_COLUMNS, extra=("kind",))
    return faults or _node_rule_faults(where, data)


def _column_faults(
    where: str, data: dict[str, Any], table: tuple[Column, ...], extra: tuple[str, ...]
) -> Iterable[Fault]:
    columns = {column.name: column for column in table}
    for name, value in data.items():
        if name in extra or value is None:
            continue
        if name not in columns:
            yield Fault(where, f"the unknown field {name!r}", "the fields of its table", nearest(str(name), columns))
        elif not _is_allowed(value, columns[name]):
            mend = "correct the value" if columns[name].default is not None else "correct the name"
            yield Fault(where, f"{name} {value!r}", columns[name].allowed, mend)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_allowed(value: Any, column: Column) -> bool:
    if column.is_text:
        return isinstance(value, str) and bool(value)
    if not _is_number(value):
        return False
    try:
        number = float(value)
    except OverflowError:
        return False
    if column.default == float("inf") and number == float("inf"):
        return True
    return isfinite(number) and column.low <= number <= column.high and not (column.above and number == column.low)


def _node_rule_faults(where: str, data: dict[str, Any]) -> list[Fault]:
    def value(name: str) -> float:
        return float(data.get(name) or 0.0)

    faults = []
    if value("gen_min_mw") > value("gen_max_mw"):
        faults.append(Fault(where, "gen_min_mw above gen_max_mw", "gen_min_mw <= gen_max_mw", "correct one of them"))
    if data.get("gen_profile") and value("gen_min_mw") > 0:
        faults.append(
            Fault(where, "gen_min_mw together with gen_profile", "one of the two", "drop gen_min_mw or gen_profile")
        )
    if value("store_min_mwh") > value("store_max_mwh"):
        faults.append(
            Fault(where, "store_min_mwh above store_max_mwh", "store_min_mwh <= store_max_mwh", "correct one of them")
        )
    elif data.get("store_init_mwh") is not None and not (
        value("store_min_mwh") <= value("store_init_mwh") <= value("store_max_mwh")
    ):
        found = f"store_init_mwh {data['store_init_mwh']!r}"
        faults.append(Fault(where, found, "between store_min_mwh and store_max_mwh", "correct the value"))
    if value("gen_max_mw") > 0 and value("store_max_mwh") > 0:
        found = "a source and a store in one node"
        mend = "make two nodes and join them by a line with reactance_pu 0"
        faults.append(Fault(where, found, "one controllable unit a node", mend))
    return faults


def _whole_grid_faults(graph: nx.MultiGraph[str], lines: list[Line]) -> list[Fault]:
    nodes = graph.nodes
    if not any(nodes[n].get("gen_max_mw") or nodes[n].get("store_max_mwh") for n in nodes):
        return [Fault("grid", "nothing to control", "at least one source or storage", "add a source")]
    faults = []
    for part in nx.connected_components(graph):
        if any(nodes[n].get("gen_max_mw") for n in part):
            continue
        faults += [
            Fault(f"node {n!r}", "a consumer that no source can reach", "a path of lines to a source", "add a line")
            for n in nodes
            if n in part and nodes[n].get("load_max_mw")
        ]
    connectors: nx.Graph[str] = nx.Graph()
    for name, start, end, data in lines:
        if data.get("reactance_pu") != 0:
            continue
        if start in connectors and end in connectors and nx.has_path(connectors, start, end):
            found = "a loop of lines with reactance_pu 0, in which the flow is undefined"
            faults.append(Fault(f"line {name!r}", found, "no such loop", "give one of them a reactance"))
        connectors.add_edge(start, end)
    return faults
