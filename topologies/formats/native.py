"""The native format: networkx node-link JSON, with the columns of ``grid.kinds.COLUMNS`` on nodes and edges.

Any networkx user can write it: ``json.dump(nx.node_link_data(graph, edges="edges"), file)``. The graph's attributes may
hold format, name, origin, licence, base_mva and profiles, the path of a CSV file beside the grid's.
"""

from __future__ import annotations

import json
from math import isinf
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NoReturn

import networkx as nx

from grid.errors import Fault, GridError, nearest
from grid.files import atomic_path
from grid.graph import Grid
from grid.kinds import COLUMNS
from topologies.profiles import profile_faults
from topologies.series_files import read_table, shares, uses_of, write_series
from topologies.text import read_text

FORMAT = "load-balancer/1"
GRAPH_FIELDS = ("format", "name", "origin", "licence", "base_mva", "profiles")
TOP_FIELDS = ("directed", "multigraph", "graph", "nodes", "edges")
TYPE_WORDS = {dict: "an object", list: "a list", str: "a text", type(None): "nothing"}


def read(path: str | Path) -> Grid:
    """Read a grid, and the CSV file of profiles that it names.

    Raises:
        GridError: anything that is not a grid, with the place in the file; all faults of the grid at once.
    """
    path = Path(path)
    data = _parse(path, read_text(path, "a grid in JSON"))
    about = _about(path, data)
    graph: nx.MultiGraph = nx.MultiGraph(**{key: value for key, value in about.items() if key in GRAPH_FIELDS[1:5]})
    for i, node in enumerate(_rows(path, data, "nodes")):
        name = _id(f"{path}: nodes[{i}].id", node.pop("id", None))
        if name in graph:
            raise GridError(
                f"{path}: nodes[{i}].id", f"{name!r} twice", "ids that differ as text", "rename one of them"
            )
        graph.add_node(name, **node)
    for i, edge in enumerate(_rows(path, data, "edges")):
        _add_edge(f"{path}: edges[{i}]", graph, edge)
    grid = Grid.from_networkx(graph, where=path.stem)
    faults = grid.faults()
    table = read_table(path.parent / about["profiles"]) if not faults and "profiles" in about else None
    if not faults:
        columns = () if table is None else table.columns
        for kind in ("load", "gen"):
            faults += profile_faults(kind, graph.nodes(data=f"{kind}_profile"), columns)
    if faults:
        raise GridError.of([Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in faults])
    if table is not None:
        grid.series = shares(table, uses_of(graph))
    return grid


def write(grid: Grid, path: str | Path) -> None:
    """Write a grid that keeps the rules; its series, if it has one, goes to NAME_profiles.csv beside it.

    Raises:
        GridError: the grid has faults, or the file cannot be written.
    """
    path = Path(path)
    grid.check()
    about: dict[str, Any] = {"format": FORMAT, "name": str(grid.name)}
    about |= {key: text for key in ("origin", "licence") if (text := getattr(grid, key))}
    about["base_mva"] = _plain(grid.base_mva)
    if grid.series is not None:
        about["profiles"] = f"{path.stem}_profiles.csv"
        write_series(grid.series, path.with_name(about["profiles"]))
    nodes = [{"id": node, "kind": data["kind"], **_columns(data)} for node, data in grid.graph.nodes(data=True)]
    keys = [key for *_, key in grid.graph.edges(keys=True)]
    edges = [
        {"source": start, "target": end, "key": key if isinstance(key, (str, int)) else str(key), **_columns(data)}
        for key, (_, start, end, data) in zip(keys, grid.lines(), strict=True)
    ]
    head = {"directed": False, "multigraph": True, "graph": about}
    parts = [f"{_json(key)}: {_json(value)}" for key, value in head.items()]
    parts += [f"{_json(key)}: {_list(rows)}" for key, rows in (("nodes", nodes), ("edges", edges))]
    with atomic_path(path) as temporary:
        temporary.write_text("{\n  " + ",\n  ".join(parts) + "\n}\n", encoding="utf-8")


def _parse(path: Path, text: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        mend = "leave the field out where there is no value or no limit"
        raise GridError(str(path), f"the constant {constant}", "finite numbers", mend)

    def number(digits: str) -> float:
        value = float(digits)
        return refuse(digits) if isinf(value) else value

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            keys = [key for key, _ in pairs]
            double = next(key for i, key in enumerate(keys) if key in keys[:i])
            raise GridError(str(path), f"the field {double!r} twice in one object", "each field once", "remove one")
        return fields

    try:
        data = json.loads(text, parse_constant=refuse, parse_float=number, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        found = "the end of the file" if error.pos >= len(text.rstrip()) else error.msg
        raise GridError(where, found, "one JSON object", "correct the file; it may have been cut off") from None
    except RecursionError:
        raise GridError(str(path), "brackets nested too deeply", "a graph in node-link JSON", "correct it") from None
    except GridError:
        raise
    except ValueError:  # digits beyond what Python turns into a number
        raise GridError(str(path), "a number of thousands of digits", "finite numbers", "correct it") from None
    if not isinstance(data, dict):
        mend = "write one with networkx.node_link_data(graph, edges='edges')"
        raise GridError(str(path), _word(data), "an object with nodes and edges", mend)
    if "links" in data and "edges" not in data:
        data["edges"] = data.pop("links")
    for key in data:
        if key not in TOP_FIELDS:
            raise GridError(str(path), f"the unknown field {key!r}", ", ".join(TOP_FIELDS), nearest(key, TOP_FIELDS))
    return data


def _about(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """The graph's attributes, checked."""
    about = data.get("graph", {})
    if not isinstance(about, dict):
        raise GridError(f"{path}: graph", _word(about), "an object", "write the grid's name and the like as fields")
    for key, value in about.items():
        where = f"{path}: graph.{key}"
        if key not in GRAPH_FIELDS:
            raise GridError(where, f"the unknown field {key!r}", ", ".join(GRAPH_FIELDS), nearest(key, GRAPH_FIELDS))
        if key != "base_mva" and not (isinstance(value, str) and value.isprintable()):
            found = repr(value) if isinstance(value, str) else _word(value)
            raise GridError(where, found, "a text of one line", "correct it or leave it out")
    if about.get("format", FORMAT) != FORMAT:
        mend = "convert the file with the version that wrote it"
        raise GridError(f"{path}: graph.format", repr(about["format"]), f"{FORMAT!r} or none", mend)
    return about


def _rows(path: Path, data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data.get(name)
    if not isinstance(rows, list):
        raise GridError(f"{path}: {name}", _word(rows), "a list of objects", f"add the list of {name}")
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise GridError(f"{path}: {name}[{i}]", _word(row), "an object", "write each as an object of fields")
    return rows


def _add_edge(where: str, graph: nx.MultiGraph, edge: dict[str, Any]) -> None:
    source, target = (_id(f"{where}.{end}", edge.pop(end, None)) for end in ("source", "target"))
    for end, name in (("source", source), ("target", target)):
        if name not in graph:
            raise GridError(f"{where}.{end}", repr(name), "the id of a node", nearest(name, graph.nodes))
    key = edge.pop("key", None)
    if key is not None and (isinstance(key, bool) or not isinstance(key, (str, int))):
        raise GridError(f"{where}.key", _word(key), "a text or a whole number", "correct it or leave it out")
    if key is not None and graph.has_edge(source, target, key):
        found = f"{key!r} twice between {source!r} and {target!r}"
        raise GridError(f"{where}.key", found, "a key once for each pair of nodes", "rename one of them")
    edge.setdefault("line_from", source)
    graph.add_edge(source, target, key=key, **edge)


def _id(where: str, value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = repr(value) if isinstance(value, str) else _word(value)
    raise GridError(where, found, "a text of one line or a whole number", "give it the id of a node")


def _word(value: Any) -> str:
    """What a value is, in words; numbers, true and false as they are."""
    return TYPE_WORDS.get(type(value)) or json.dumps(value)


def _columns(data: dict[str, Any]) -> dict[str, Any]:
    """The columns that are given, in the order of the table; unlimited ones are left out."""
    given = {name: _plain(data[name]) for name in COLUMNS if data.get(name) is not None}
    return {name: value for name, value in given.items() if value != float("inf")}


def _plain(value: Any) -> Any:
    """A text as it is, a number as Python's own."""
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _list(rows: list[dict[str, Any]]) -> str:
    return "[\n    " + ",\n    ".join(map(_json, rows)) + "\n  ]" if rows else "[]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
