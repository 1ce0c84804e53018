"""Grid: a networkx.MultiGraph of sources, storages, consumers and lines that is checked and compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import networkx as nx
import numpy as np

from grid.arrays import DENSE_NODES, GridArrays, fingerprint
from grid.check import GEN_COLUMNS, LARGEST, find_faults
from grid.costs import Prices
from grid.errors import Fault, GridError, nearest
from grid.kinds import COLUMNS, KIND_NAMES, LINE_COLUMNS, NODE_COLUMNS, Column
from grid.numbers import is_finite
from grid.sensitivities import LINE_FIELDS, LineModel, connected


@dataclass(frozen=True, eq=False)
class Series:
    """User time series that came with a grid, as shares of gen_max_mw or load_max_mw."""

    columns: tuple[str, ...]  # (C,) the profile names
    dt_h: float  # hours between rows
    values_frac: np.ndarray  # (R, C)


class Grid:
    """A grid under construction.

    Nodes carry a ``kind`` and the columns of ``grid.kinds.COLUMNS`` as attributes, lines likewise; ids are strings.
    The graph is open to any networkx function; ``check`` and ``compile`` read whatever it holds by then.
    """

    def __init__(self, name: str = "grid", *, origin: str = "", licence: str = "", base_mva: float = 100.0) -> None:
        self.graph: nx.MultiGraph[str] = nx.MultiGraph()
        self.name, self.origin, self.licence, self.base_mva = name, origin, licence, base_mva
        self.notes: list[str] = []  # what a reader had to assume
        self.series: Series | None = None
        self.prices: dict[str, float] = {}  # fields of Prices that the grid sets

    def __str__(self) -> str:
        """Two lines: what the grid consists of, and its totals."""
        rows = [data for _, data in self.graph.nodes(data=True)]
        counts = [(sum(row.get("kind") == kind for row in rows), kind) for kind in KIND_NAMES]
        parts = [_count(number, kind) for number, kind in counts if number]
        parts.append(_count(self.graph.number_of_edges() - len(self.connectors()), "line"))
        supply_mw, store_mwh = (sum(_amount(row, name) for row in rows) for name in ("gen_max_mw", "store_max_mwh"))
        totals = f"sources of {supply_mw:,.6g} MW, peak demand {self.peak_demand_mw():,.6g} MW"
        totals += f", stores of {store_mwh:,.6g} MWh" if store_mwh else ""
        return f"Grid {str(self.name)!r}: {', '.join(parts)}\n{totals}"

    def __repr__(self) -> str:
        return f"<{', '.join(str(self).splitlines())}>"

    def peak_demand_mw(self) -> float:
        """The largest demand of all nodes in the same hour; those that follow no series of the grid count in full."""
        series = self.series or Series((), 1.0, np.zeros((1, 0)))
        place = {str(name): i for i, name in enumerate(series.columns)}
        full_mw, followed_mw = 0.0, np.zeros(len(place))
        for _, data in self.graph.nodes(data=True):
            column, load_mw = place.get(str(data.get("load_profile"))), _amount(data, "load_max_mw")
            if column is None:
                full_mw += load_mw
            else:
                followed_mw[column] += load_mw
        return full_mw + float((series.values_frac @ followed_mw).max(initial=0.0))

    def add_source(self, node: str, **columns: float | str) -> None:
        """Add a node that generates; needs ``gen_max_mw``."""
        self._add_node("source", node, columns)

    def add_storage(self, node: str, **columns: float | str) -> None:
        """Add a node that stores; needs ``store_max_mwh``, ``charge_max_mw`` and ``discharge_max_mw``."""
        self._add_node("storage", node, columns)

    def add_consumer(self, node: str, **columns: float | str) -> None:
        """Add a node that consumes; needs ``load_max_mw``."""
        self._add_node("consumer", node, columns)

    def add_junction(self, node: str, **columns: float | str) -> None:
        """Add a node at which lines meet."""
        self._add_node("junction", node, columns)

    def _add_node(self, kind: str, node: str, columns: dict[str, float | str]) -> None:
        if str(node) in self.graph:
            raise GridError(f"node {str(node)!r}", "the id twice", "ids that differ as text", "rename one of them")
        _check_names(f"node {str(node)!r}", columns, NODE_COLUMNS)
        self.graph.add_node(str(node))
        self.graph.nodes[str(node)].update({"kind": kind, **columns})

    def add_line(self, source: str, target: str, key: str | None = None, **columns: float) -> None:
        """Join two nodes that exist; a flow from ``source`` to ``target`` counts as positive.

        Raises:
            GridError: an end is not a node yet, the key is taken, or a keyword is no column of lines.
        """
        _check_names(f"line {source}-{target}", columns, LINE_COLUMNS)
        self._add_line(source, target, key, columns)

    def _add_line(self, source: object, target: object, key: str | None, columns: Mapping[str, Any]) -> None:
        for end in (str(source), str(target)):
            if end not in self.graph:
                where, allowed = f"line {source}-{target}", "the id of a node that exists"
                raise GridError(where, f"end {end!r}", allowed, "add the node first")
        if key is not None and self.graph.has_edge(str(source), str(target), key):
            raise GridError(f"line {key!r}", "the key twice", "a key once for each pair of nodes", "rename one of them")
        start = columns.get("line_from")
        number = self.graph.add_edge(str(source), str(target), key=key)
        line_from = str(source if start is None else start)
        self.graph.edges[str(source), str(target), number].update({**columns, "line_from": line_from})

    @classmethod
    def from_networkx(cls, graph: nx.Graph[Any], where: str = "graph") -> Grid:
        """Copy any networkx graph; ids become strings, directed edges keep their direction.

        Raises:
            GridError: two ids are the same as text.
        """
        about = {key: graph.graph[key] for key in ("name", "origin", "licence", "base_mva") if key in graph.graph}
        about.setdefault("name", where)
        grid = cls(**about)
        for node, columns in graph.nodes(data=True):
            if str(node) in grid.graph:
                raise GridError(f"{where}: node {node!r}", "the id twice", "ids that differ as text", "rename one")
            grid.graph.add_node(str(node))
            grid.graph.nodes[str(node)].update(columns)
        multi = graph
        if not graph.is_multigraph():
            multi = nx.MultiDiGraph(graph) if graph.is_directed() else nx.MultiGraph(graph)
        for source, target, key, columns in cast("nx.MultiGraph[Any]", multi).edges(keys=True, data=True):
            name = key if isinstance(key, str) else None  # numbers only tell parallel lines apart
            grid._add_line(source, target, name, columns)
        return grid

    def lines(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Each line as (name, from, to, columns); lines that would share a name are numbered from 2."""
        rows = []
        taken: set[str] = set()
        numbers: dict[str, int] = {}  # the last one given
        for u, v, key, data in self.graph.edges(keys=True, data=True):
            start = data.get("line_from", u)
            end = u if start == v else v
            name = plain = key if isinstance(key, str) else f"{start}-{end}"
            while name in taken:
                numbers[plain] = numbers.get(plain, 1) + 1
                name = f"{plain}#{numbers[plain]}"
            taken.add(name)
            rows.append((name, start, end, data))
        return rows

    def connectors(self) -> set[str]:
        """Names of what only joins a unit to its bus: no impedance, no limit, and a node that has no other line.

        Readers make them where several units stand at a bus; no such line exists, so none can fail.
        """
        found = set()
        for name, start, end, data in self.lines():
            if data.get("reactance_pu") == 0 and 1 in (self.graph.degree[start], self.graph.degree[end]):
                said = {c.name for c in LINE_COLUMNS if data.get(c.name) not in (None, c.default)}
                found |= {name} if said == {"reactance_pu"} else set()
        return found

    def faults(self, whole: bool = True) -> list[Fault]:
        """Everything that keeps this grid from being compiled; not what concerns it as a whole unless ``whole``."""
        return find_faults(self.graph, self.lines(), self.base_mva, whole)

    def own_prices(self) -> Prices:
        """The prices that the grid sets, and the defaults of the others.

        Raises:
            GridError: an unknown price, or one out of range.
        """
        known = [each.name for each in fields(Prices)]
        for name in self.prices:
            if name not in known:
                raise GridError(f"prices.{name}", "an unknown price", "fields of Prices", nearest(name, known))
        return Prices(**self.prices)

    def check(self) -> None:
        """Raise one GridError that lists all faults, if there are any."""
        found = self.faults()
        if found:
            raise GridError.of(found)

    def assumed(self) -> list[str]:
        """What had to be assumed because the grid does not say it."""
        notes = list(self.notes)
        connectors = self.connectors()
        lines = [line for line in self.lines() if line[0] not in connectors]
        for column, text in (("reactance_pu", "reactance 0.1 pu"), ("capacity_mw", "unlimited capacity")):
            absent = [name for name, _, _, data in lines if data.get(column) is None]
            if absent:
                notes.append(f"{text} for {len(absent)} of {len(lines)} lines: {_short(absent)}")
        return notes + self._assumed_in_ac(lines)

    def _assumed_in_ac(self, lines: list[tuple[str, str, str, dict[str, Any]]]) -> list[str]:
        """What AC power flow has to assume."""
        nodes = [data for _, data in self.graph.nodes(data=True)]
        lossy = [row for row in lines if row[3].get("reactance_pu") != 0]
        absent = [name for name, _, _, data in lossy if data.get("resistance_pu") is None]
        has_voltage, has_demand = (
            any(data.get(name) is not None for data in nodes) for name in ("voltage_set_pu", "load_max_mvar")
        )
        if not has_voltage and not has_demand and len(absent) == len(lossy):
            return ["no data for AC power flow: no reactive demand, no resistance, and every source holds 1 pu"]
        notes = [] if has_voltage else ["ideal voltages in AC: every source holds 1 pu without limits"]
        notes += [] if has_demand or not any(_amount(data, "load_max_mw") for data in nodes) else ["no reactive demand"]
        if absent:
            notes.append(f"no resistance, so no losses, for {len(absent)} of {len(lines)} lines: {_short(absent)}")
        return notes

    def compile(self, emergency_shedding: bool = False) -> GridArrays:
        """Check, then derive the read-only arrays.

        Args:
            emergency_shedding: whether every consumer may be cut, at its price of shedding, as the last resort;
                those with flex_max_frac keep that, and nodes with another unit are left alone.

        Raises:
            GridError: the grid has faults, or its reactances cancel out.
        """
        self.check()
        nodes = list(self.graph.nodes)
        lines = self.lines()
        position = {node: i for i, node in enumerate(nodes)}
        network: dict[str, Any] = {
            "node_names": tuple(nodes),
            "node_kind": np.array([KIND_NAMES.index(self.graph.nodes[node]["kind"]) for node in nodes]),
            "line_names": tuple(name for name, *_ in lines),
            "line_from": np.array([position[start] for _, start, _, _ in lines], dtype=np.intp),
            "line_to": np.array([position[end] for _, _, end, _ in lines], dtype=np.intp),
            "base_mva": float(self.base_mva),
        }
        columns = _columns(NODE_COLUMNS, [self.graph.nodes[node] for node in nodes])
        columns |= _columns(LINE_COLUMNS, [data for *_, data in lines])
        middle = (columns["store_min_mwh"] + columns["store_max_mwh"]) / 2
        columns["store_init_mwh"] = np.where(np.isnan(columns["store_init_mwh"]), middle, columns["store_init_mwh"])
        price, shed_price = columns["flex_cost_per_mwh"], columns["shed_cost_per_mwh"]
        columns["flex_cost_per_mwh"] = np.where(np.isnan(price), shed_price, price)
        mark = fingerprint(network, columns, {"store_init_mwh": middle, "flex_cost_per_mwh": shed_price})
        can_stop = np.isfinite(columns["start_cost"])
        columns["start_cost"] = np.where(can_stop, columns["start_cost"], 0.0)
        on_h = columns["initial_on_h"]
        columns["initial_on_h"] = np.where(can_stop, np.minimum(on_h, LARGEST), on_h)  # infinite: it never stops
        if emergency_shedding:
            has_unit = (columns["gen_max_mw"] > 0) | (columns["store_max_mwh"] > 0)
            added = ~has_unit & (columns["flex_max_frac"] == 0)
            columns["flex_max_frac"] = np.where(added, 1.0, columns["flex_max_frac"])
        columns["flex_max_frac"] = np.where(columns["load_max_mw"] > 0, columns["flex_max_frac"], 0.0)
        is_flexible = columns["flex_max_frac"] > 0
        columns["flex_cost_per_mwh"] = np.where(is_flexible, columns["flex_cost_per_mwh"], 0.0)
        for name in (*GEN_COLUMNS, "gen_ramp_mw_per_h"):  # of a node without output: a cut stands for it
            columns[name] = np.where(is_flexible, COLUMNS[name].default, columns[name])
        content = network | columns
        derived = _derived(content, len(nodes)) | {"stoppable": np.flatnonzero(can_stop)}
        arrays = GridArrays(name=str(self.name), **content, **derived, fingerprint=mark)
        return arrays.convert(_read_only)


def _check_names(where: str, given: Mapping[str, Any], table: tuple[Column, ...]) -> None:
    """Refuse a keyword that names no column."""
    names = [column.name for column in table]
    for name in given:
        if name not in names:
            allowed = f"columns of {table[0].table}s"
            raise GridError(where, f"the unknown keyword {name!r}", allowed, nearest(name, names))


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def _amount(data: Mapping[str, Any], name: str) -> float:
    """A number of a node; 0 where it is absent or no number."""
    value: Any = data.get(name)
    return float(value) if is_finite(value) else 0.0


def _columns(table: tuple[Column, ...], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One array (or, for profile names, tuple) a column; absent values take the default."""
    out: dict[str, Any] = {}
    for column in table:
        values = [row.get(column.name) for row in rows]
        if column.is_text:
            out[column.name] = tuple(values)
        else:
            out[column.name] = np.array([column.default if v is None else v for v in values], dtype=float)
    return out


def _derived(columns: dict[str, Any], size: int) -> dict[str, Any]:
    start, end = columns["line_from"], columns["line_to"]
    part = connected(start, end, size)
    prices, tier = np.unique(columns["shed_cost_per_mwh"], return_inverse=True)
    used = np.unique(tier[columns["load_max_mw"] > 0])
    profiled = np.array([name is not None for name in columns["gen_profile"]])
    model = LineModel({name: columns[name] for name in LINE_FIELDS}, part)
    is_flexible = columns["flex_max_frac"] > 0
    is_dispatched = is_flexible | (columns["gen_max_mw"] > 0)
    return {
        "controllable": np.flatnonzero(is_dispatched | (columns["store_max_mwh"] > 0)),
        "flexible": np.flatnonzero(is_flexible),
        "dispatched": np.flatnonzero(is_dispatched),
        "gen_ramp_down_mw_per_h": np.where(profiled, np.inf, columns["gen_ramp_mw_per_h"]),
        "part": part,
        "part_matrix": (part[:, None] == np.arange(part.max() + 1)).astype(float),
        "each_node": np.ones(size),
        "each_line": np.ones(len(start)),
        "shed_tiers": (tier == (used if used.size else np.arange(len(prices)))[:, None]).astype(float),
        "line_model": model,
        "flow_matrix": model.matrix() if size <= DENSE_NODES else None,
        "flow_offset_mw": model.offset_mw,
        "edge_index": np.stack([np.concatenate([start, end]), np.concatenate([end, start])]),
    }


def _read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _short(names: list[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
