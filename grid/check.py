"""The rules that a grid must keep before it can be compiled; every breach becomes a Fault."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isinf
from numbers import Real
from typing import Any

import networkx as nx

from grid.errors import Fault, nearest
from grid.kinds import COLUMNS, KIND_NAMES, LINE_COLUMNS, NODE_COLUMNS, Column

Line = tuple[str, str, str, dict[str, Any]]

LARGEST = 1e12
"""In size, of any finite number of a grid; far above every real one, far below where sums and squares overflow."""

GEN_COLUMNS = ("gen_max_mw", "gen_cost_per_mwh", "gen_cost_per_mw2h", "co2_t_per_mwh")
"""Columns of output that would say something else of a cut of demand, which stands for output."""

PAIRS = (
    ("gen_min_mw", "gen_max_mw"),
    ("store_min_mwh", "store_max_mwh"),
    ("gen_min_mvar", "gen_max_mvar"),
    ("voltage_min_pu", "voltage_max_pu"),
)
"""Columns of which the first is at most the second."""

OF_STARTS = ("no_load_cost_per_h", "min_up_h", "min_down_h", "initial_on_h", "start_ramp_mw")
"""Columns of plants that start and stop, which are those with a start_cost."""

LEAST_REACTANCE_PU = 1e-10
LEAST_CAPACITY_MW = 1e-6
LEAST_BASE_MVA, LARGEST_BASE_MVA = 1e-6, 1e6


def find_faults(graph: nx.MultiGraph[str], lines: list[Line], base_mva: float, whole: bool = True) -> list[Fault]:
    """Return all breaches, nodes first, then lines, then, if ``whole`` and there are none, the grid as a whole."""
    faults: list[Fault] = []
    if not _is_number(base_mva) or not LEAST_BASE_MVA <= base_mva <= LARGEST_BASE_MVA:
        allowed = f"a number from {LEAST_BASE_MVA:g} to {LARGEST_BASE_MVA:g}"
        faults.append(Fault("graph: base_mva", _shown(base_mva), allowed, "correct it or leave it out (100)"))
    for node, data in graph.nodes(data=True):
        faults += _name_faults(f"node {node!r}", str(node), "id")
        faults += _node_faults(f"node {node!r}", data)
    for (name, start, _, data), (*ends, key) in zip(lines, graph.edges(keys=True), strict=True):
        faults += _name_faults(f"line {name!r}", key, "key") if isinstance(key, str) else []
        faults += _line_faults(f"line {name!r}", start, ends, data)
    return faults if faults or not whole else _whole_grid_faults(graph, lines)


def _name_faults(where: str, name: str, what: str) -> list[Fault]:
    if name and name.isprintable():
        return []
    found = f"a line break or another character that cannot be shown in its {what}" if name else f"an empty {what}"
    return [Fault(where, found, "a text of one line", "rename it")]


def _line_faults(where: str, start: object, ends: list[str], data: dict[str, Any]) -> list[Fault]:
    faults = list(_column_faults(where, data, LINE_COLUMNS, extra=("line_from",)))
    if ends[0] == ends[1]:
        faults.append(Fault(where, f"both ends at {ends[0]!r}", "two different nodes", "remove the line"))
    if start not in ends:
        faults.append(Fault(where, f"line_from {start!r}", "one of the line's two ends", "correct it"))
    if not faults and _value(data, "capacity_mw") < LEAST_CAPACITY_MW:
        found, mend = f"capacity_mw {data['capacity_mw']!r}", "correct the value or remove the line"
        faults.append(Fault(where, found, f"{LEAST_CAPACITY_MW:g} or more", mend))
    if not faults and 0 < abs(_value(data, "reactance_pu") * _value(data, "tap")) < LEAST_REACTANCE_PU:
        found = f"reactance_pu {data['reactance_pu']!r} with a tap of {_value(data, 'tap'):g}"
        allowed = f"a product of {LEAST_REACTANCE_PU:g} or more in size, or reactance_pu 0"
        faults.append(Fault(where, found, allowed, "give 0 for an ideal connector"))
    if not faults and data.get("reactance_pu") == 0:
        if data.get("shift_deg") or data.get("tap") not in (None, 1):
            found = "a tap or a phase shift at reactance_pu 0"
            faults.append(Fault(where, found, "neither", "give the line a reactance"))
        if any(data.get(name) for name in ("resistance_pu", "charging_pu", "conductance_pu")):
            found, mend = "a resistance or charging at reactance_pu 0", "give the line a reactance, or drop them"
            faults.append(Fault(where, found, "neither: it is an ideal connector", mend))
    return faults


def _value(data: dict[str, Any], name: str) -> float:
    value = data.get(name)
    return float(COLUMNS[name].default or 0.0) if value is None else float(value)


def _node_faults(where: str, data: dict[str, Any]) -> list[Fault]:
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KIND_NAMES:
        found, mend = f"kind {kind!r}", nearest(str(kind), KIND_NAMES)
        found, mend = ("no kind", "add the kind") if kind is None else (found, mend)
        return [Fault(where, found, f"a kind out of {', '.join(KIND_NAMES)}", mend)]
    faults = [
        Fault(where, f"no {column.name}", f"{column.name} for every {kind}", f"add {column.name}")
        for column in NODE_COLUMNS
        if kind in column.required_for and data.get(column.name) is None
    ]
    faults += _column_faults(where, data, NODE_COLUMNS, extra=("kind",))
    return faults or _node_rule_faults(where, data)


def _column_faults(
    where: str, data: dict[str, Any], table: tuple[Column, ...], extra: tuple[str, ...]
) -> Iterable[Fault]:
    for name, value in data.items():
        if value is None or name in extra:
            continue
        column = COLUMNS.get(name)
        if column is None or column.table != table[0].table:
            names = [each.name for each in table]
            yield Fault(
                where,
                f"the unknown field {name!r}",
                "the columns of `load-balancer columns`",
                nearest(str(name), names),
            )
        elif type(value) is float and column.low < value < column.high and -LARGEST <= value <= LARGEST:
            continue  # nearly all, at once
        elif not _is_allowed(value, column):
            yield _value_fault(where, value, column)


def _value_fault(where: str, value: object, column: Column) -> Fault:
    allowed, mend = column.allowed, "correct the name" if column.is_text else "correct the value"
    if not column.is_text and isinstance(value, str):
        mend = "write a number, without quotes" + (" and with a decimal point" if "," in value else "")
    elif _is_number(value) and LARGEST < abs(value) < inf:  # type: ignore[arg-type] # it is a number
        allowed += f", at most {LARGEST:g} in size"
    return Fault(where, f"{column.name} {_shown(value)}", allowed, mend)


def _shown(value: object) -> str:
    """A value in words; Python refuses to write out integers of thousands of digits."""
    try:
        return repr(value)
    except ValueError:
        return "a number of thousands of digits"


def _is_number(value: object) -> bool:
    return type(value) in (float, int) or (isinstance(value, Real) and not isinstance(value, bool))


def _is_allowed(value: Any, column: Column) -> bool:
    if column.is_text:
        return isinstance(value, str) and bool(value)
    if not _is_number(value):
        return False
    try:
        number = float(value)
    except OverflowError:
        return False
    if isinf(number) and number == column.default:
        return True
    return (
        abs(number) <= LARGEST and column.low <= number <= column.high and not (column.above and number == column.low)
    )


def _node_rule_faults(where: str, data: dict[str, Any]) -> list[Fault]:
    def value(name: str) -> float:
        return float(data.get(name) or 0.0)

    faults = [
        Fault(where, f"{low} above {high}", f"{low} <= {high}", "correct one of them")
        for low, high in PAIRS
        if (low in data or high in data) and _value(data, low) > _value(data, high)
    ]
    if value("shunt_mw") > value("load_max_mw"):
        found = f"shunt_mw {data['shunt_mw']!r} above load_max_mw {value('load_max_mw'):g}"
        mend = "add it to load_max_mw: it is the part of that demand that a shunt draws at 1 pu"
        faults.append(Fault(where, found, "shunt_mw <= load_max_mw", mend))
    if data.get("gen_profile") and value("gen_min_mw") > 0:
        faults.append(
            Fault(where, "gen_min_mw together with gen_profile", "one of the two", "drop gen_min_mw or gen_profile")
        )
    faults += _start_faults(where, data)
    low_mwh, high_mwh = value("store_min_mwh"), value("store_max_mwh")
    initial_mwh = low_mwh if data.get("store_init_mwh") is None else value("store_init_mwh")
    if low_mwh <= high_mwh and not low_mwh <= initial_mwh <= high_mwh:
        found = f"store_init_mwh {data['store_init_mwh']!r}"
        faults.append(Fault(where, found, "between store_min_mwh and store_max_mwh", "correct the value"))
    units = [name for name in (*GEN_COLUMNS, "store_max_mwh") if value(name) > 0]
    if value("flex_max_frac") > 0 and units:
        found = f"flexible demand and {units[0]} in one node"
        mend = "make two nodes and join them by a line with reactance_pu 0"
        faults.append(Fault(where, found, "one controllable unit a node", mend))
    if value("gen_max_mw") > 0 and value("store_max_mwh") > 0:
        found = "a source and a store in one node"
        mend = "make two nodes and join them by a line with reactance_pu 0"
        faults.append(Fault(where, found, "one controllable unit a node", mend))
    return faults


def _start_faults(where: str, data: dict[str, Any]) -> Iterable[Fault]:
    """What is wrong with a plant that starts and stops."""
    if not data.keys() & {"start_cost", *OF_STARTS}:
        return
    if _value(data, "start_cost") == inf:
        given = [name for name in OF_STARTS if _value(data, name) != COLUMNS[name].default]
        if given:
            mend = "add start_cost (0 if starts are free), or drop the column"
            yield Fault(where, f"{given[0]} without start_cost", "start_cost beside it: else it is always on", mend)
        return
    if _value(data, "gen_max_mw") == 0 or data.get("gen_profile"):
        found = "start_cost together with gen_profile" if data.get("gen_profile") else "start_cost without gen_max_mw"
        yield Fault(where, found, "start_cost at a source that follows no profile", "drop start_cost")
    if _value(data, "start_ramp_mw") < _value(data, "gen_min_mw"):
        found, mend = f"start_ramp_mw {data['start_ramp_mw']!r} below gen_min_mw", "raise it: else it could not start"
        yield Fault(where, found, "start_ramp_mw >= gen_min_mw", mend)
    if data.get("initial_on_h") == 0:
        yield Fault(where, "initial_on_h 0", "hours on (> 0) or off (< 0) at the start", "give hours, such as 1 or -1")


def _whole_grid_faults(graph: nx.MultiGraph[str], lines: list[Line]) -> list[Fault]:
    nodes = graph.nodes
    if not any(nodes[n].get("gen_max_mw") or nodes[n].get("store_max_mwh") for n in nodes):
        return [Fault("grid", "nothing to control", "a source or storage above 0 MW", "add one, or give it power")]
    supplied: set[str] = set()
    for part in nx.connected_components(graph):
        supplied |= part if any(nodes[n].get("gen_max_mw") for n in part) else set()
    faults = [
        Fault(f"node {n!r}", "a consumer that no source can reach", "lines to a source above 0 MW", "add one")
        for n in nodes
        if n not in supplied and nodes[n].get("load_max_mw")
    ]
    joined: nx.utils.UnionFind[str] = nx.utils.UnionFind(nodes)
    for name, start, end, data in lines:
        if data.get("reactance_pu") != 0:
            continue
        if joined[start] == joined[end]:
            found = "a loop of lines with reactance_pu 0, in which the flow is undefined"
            faults.append(Fault(f"line {name!r}", found, "no such loop", "give one of them a reactance"))
        joined.union(start, end)
    set_by: dict[str, str] = {}  # the first node of each bus that gives a voltage
    for n in (n for n in nodes if nodes[n].get("voltage_set_pu") is not None):
        first = set_by.setdefault(joined[n], n)
        set_pu, other_pu = nodes[n]["voltage_set_pu"], nodes[first]["voltage_set_pu"]
        if set_pu != other_pu:
            found = f"voltage_set_pu {set_pu!r}, but {other_pu!r} at node {first!r} of the same bus"
            mend = "give both the same one: lines with reactance_pu 0 make their nodes one bus"
            faults.append(Fault(f"node {n!r}", found, "one voltage for a bus", mend))
    return faults
