"""From the rows of a graph file to a grid, and back: what node-link JSON and GraphML have in common."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from contextlib import suppress
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import networkx as nx

from grid import COLUMNS, Fault, Grid, GridError, Series, nearest
from topologies.json_text import word
from topologies.profiles import profile_faults
from topologies.series_files import read_table, shares, uses_of, write_series

FORMAT = "load-balancer/1"
GRAPH_FIELDS = ("format", "name", "origin", "licence", "base_mva", "profiles", "prices")
LONGEST_TEXT = 1000  # characters of an id, a key or an attribute of the graph
MOST_NODES = 100_000
MOST_LINES = 200_000

Row = tuple[str, dict[str, Any]]
"""Where a node or an edge stands in the file, and its fields."""


def to_grid(
    path: Path,
    about: Row,
    nodes: Iterable[Row],
    edges: Iterable[Row],
    faults: list[Fault],
    series: Series | None = None,
) -> Grid:
    """Build a grid, with the series that the file names; ``faults`` are those that were already found in it.

    With ``series``, nodes follow these, and the file names none.

    A node has its ``id``, an edge ``source``, ``target`` and perhaps a ``key``.

    Raises:
        GridError: all faults of the file at once.
    """
    faults = list(faults)
    about_fields, notes = _about(about, faults)
    graph: nx.MultiGraph[str] = nx.MultiGraph()
    refused = sum(not _add_node(where, graph, dict(fields), faults) for where, fields in nodes)
    for where, fields in edges:
        _add_edge(where, graph, dict(fields), faults, all_nodes=not refused)
    graph.graph.update({key: about_fields[key] for key in GRAPH_FIELDS[1:5] if key in about_fields})
    grid = Grid.from_networkx(graph, where=path.stem)
    said = (" nan", " inf", " -inf") if faults else ()  # faults of the text, which are there already
    more = [fault for fault in grid.faults(whole=not faults) if not fault.found.endswith(said)]
    faults += [Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in more]
    if not faults:
        _add_series(path, grid, about_fields.get("profiles"), about[0], faults, series)
    if faults:
        raise GridError.of(faults)
    grid.notes, grid.prices = notes + grid.notes, about_fields.get("prices", {})
    return grid


def _about(about: Row, faults: list[Fault]) -> tuple[dict[str, Any], list[str]]:
    """The graph's attributes that are known and right, and a note of those that a plain networkx file has beside."""
    where, fields = about
    marked, good, notes = "format" in fields, {}, []
    for key, value in fields.items():
        place = f"{where}.{key}"
        if key not in GRAPH_FIELDS:
            if marked:
                allowed = ", ".join(GRAPH_FIELDS)
                faults.append(Fault(place, f"the unknown field {key!r}", allowed, nearest(key, GRAPH_FIELDS)))
            else:
                notes.append(f"attribute {key[:60]!r} of the graph ignored")
        elif key == "prices":
            good[key] = read_prices(place, value, faults)
        elif key != "base_mva" and not (isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_TEXT):
            allowed = f"a text of one line, at most {LONGEST_TEXT} characters"
            faults.append(Fault(place, _found(value), allowed, "correct it or leave it out"))
        else:
            good[key] = value
    if good.get("format", FORMAT) != FORMAT:
        mend = "convert the file with the version that wrote it"
        faults.append(Fault(f"{where}.format", repr(good["format"]), f"{FORMAT!r} or none", mend))
    return good, notes


def read_prices(place: str, value: Any, faults: list[Fault]) -> dict[str, float]:
    """The prices that a file gives; of GraphML, which has no objects, as JSON in a text."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, dict):
        faults.append(Fault(place, _found(value), "an object of prices by name", "see the page on worlds and prices"))
        return {}
    grid = Grid()
    grid.prices = value
    try:
        grid.own_prices()
    except GridError as error:
        faults += [Fault(f"{place}.{f.where.partition('.')[2]}", f.found, f.allowed, f.mend) for f in error.faults]
    return value


def _add_node(where: str, graph: nx.MultiGraph[str], fields: dict[str, Any], faults: list[Fault]) -> bool:
    """Add a node; False if it has no id to add it by."""
    name = _id(f"{where}.id", fields.pop("id", None), faults)
    if name in graph:
        faults.append(Fault(f"{where}.id", f"{name!r} twice", "ids that differ as text", "rename one of them"))
    elif name is not None:
        graph.add_node(name)
        graph.nodes[name].update(fields)
    return name is not None


def _add_edge(
    where: str, graph: nx.MultiGraph[str], fields: dict[str, Any], faults: list[Fault], all_nodes: bool
) -> None:
    """Add an edge; ends that are unknown are faults only where all nodes are known."""
    ends = [_id(f"{where}.{end}", fields.pop(end, None), faults) for end in ("source", "target")]
    for end, name in zip(("source", "target"), ends, strict=True):
        if name is not None and name not in graph and all_nodes:
            faults.append(Fault(f"{where}.{end}", repr(name), "the id of a node", nearest_node(name, graph.nodes)))
    source, target = (name if name in graph else None for name in ends)
    key = fields.pop("key", None)
    if key is not None and (isinstance(key, bool) or not isinstance(key, str | int) or not _is_name(str(key))):
        found, allowed = _found(key), "a text of one line or a whole number"
        faults.append(Fault(f"{where}.key", found, allowed, "correct it or leave it out"))
        return
    if source is None or target is None:
        return
    if isinstance(key, int) and graph.has_edge(source, target, key):
        key = None  # numbers only tell parallel lines apart, and directed graphs count each direction for itself
    if key is not None and graph.has_edge(source, target, key):
        found, allowed = f"{key!r} twice between {source!r} and {target!r}", "a key once for each pair of nodes"
        faults.append(Fault(f"{where}.key", found, allowed, "rename one of them"))
        return
    key = graph.add_edge(source, target, key=key)
    graph.edges[source, target, key].update({"line_from": source, **fields})


def nearest_node(name: str, nodes: Collection[str]) -> str:
    """Words that name the closest node of a small graph; looking through a large one takes too long."""
    few = len(nodes) <= 1000 and len(name) <= 100
    return nearest(name, nodes) if few else "correct it or add the node"


def _id(where: str, value: Any, faults: list[Fault]) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and _is_name(value):
        return value
    allowed = f"a text of one line, at most {LONGEST_TEXT} characters, or a whole number"
    faults.append(Fault(where, _found(value), allowed, "give it the id of a node"))
    return None


def _is_name(text: str) -> bool:
    """Whether a text is free of line ends, control characters, marks that turn its direction, and half characters."""
    return text.isprintable() and 0 < len(text) <= LONGEST_TEXT


def _found(value: Any) -> str:
    return repr(value) if isinstance(value, str) else word(value)


def _add_series(
    path: Path, grid: Grid, profiles: str | None, where: str, faults: list[Fault], series: Series | None
) -> None:
    """Read the series beside the grid, if it names some, and check the names of profiles."""
    table = None
    if profiles is not None and series is None:
        csv = path.parent / profiles
        if Path(profiles).is_absolute() or not csv.resolve().is_relative_to(path.parent.resolve()):
            mend = "put the file of profiles beside the grid's, and give its name"
            faults.append(Fault(f"{where}.profiles", repr(profiles), "a path inside the folder of the grid", mend))
            return
        table = read_table(csv)
    grid.series = series
    columns = series.columns if series is not None else () if table is None else table.columns
    for kind in ("load", "gen"):
        names = [(node, data.get(f"{kind}_profile")) for node, data in grid.graph.nodes(data=True)]
        faults += [
            Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in profile_faults(kind, names, columns)
        ]
    if table is not None and not faults:
        grid.series = shares(table, uses_of(grid.graph))
        grid.notes += [f"{table.path.name}: {note}" for note in table.notes]


def series_path(path: Path) -> Path:
    """The file beside that of a grid to which its series goes."""
    return path.with_name("profiles.csv" if path.name == "nodes.csv" else f"{path.stem}_profiles.csv")


def from_grid(grid: Grid, path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The attributes, nodes and edges of a grid that keeps the rules; its series goes to NAME_profiles.csv beside it.

    Raises:
        GridError: the grid has faults, or the series cannot be written.
    """
    about, nodes, edges = to_rows(grid)
    if grid.series is not None:
        beside = series_path(path)
        about["profiles"] = beside.name
        write_series(grid.series, beside)
    return about, nodes, edges


def to_rows(grid: Grid) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The same without the series.

    Raises:
        GridError: the grid has faults.
    """
    grid.check()
    about: dict[str, Any] = {"format": FORMAT, "name": str(grid.name)}
    about |= {key: text for key in ("origin", "licence") if (text := getattr(grid, key))}
    about["base_mva"] = _plain(grid.base_mva)
    if grid.prices:
        grid.own_prices()
        about["prices"] = {name: _plain(value) for name, value in grid.prices.items()}
    nodes = [{"id": node, "kind": data["kind"], **_columns(data)} for node, data in grid.graph.nodes(data=True)]
    keys = [key for *_, key in grid.graph.edges(keys=True)]
    edges = [
        {"source": start, "target": end, "key": key if isinstance(key, str | int) else str(key), **_columns(data)}
        for key, (_, start, end, data) in zip(keys, grid.lines(), strict=True)
    ]
    return about, nodes, edges


def _columns(data: dict[str, Any]) -> dict[str, Any]:
    """The columns that are given, in the order of the table; unlimited ones are left out."""
    given = {name: _plain(data[name]) for name in COLUMNS if data.get(name) is not None}
    return {name: value for name, value in given.items() if value not in (inf, -inf)}


def _plain(value: Any) -> Any:
    """A text as it is, a number as Python's own."""
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
