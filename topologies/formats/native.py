"""The native format: networkx node-link JSON, with the columns of ``grid.kinds.COLUMNS`` on nodes and edges.

Any networkx user can write it: ``json.dump(nx.node_link_data(graph, edges="edges"), file)``. The graph's attributes may
hold format, name, origin, licence, base_mva and profiles, the path of a CSV file beside the grid's. Files of every
version of networkx are read: edges under ``edges`` or ``links``, ends as ids or, before networkx 2, as positions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grid import Fault, Grid, GridError, Series, atomic_path, nearest
from topologies.formats import rows
from topologies.json_text import parse, word
from topologies.text import read_text

MOST_FIELDS = 100
OTHER_WORDS = {"buses": "nodes", "lines": "edges", "branches": "edges"}
TOP_FIELDS = ("directed", "multigraph", "graph", "nodes", "edges")


def read(path: str | Path) -> Grid:
    """Read a grid, and the CSV file of profiles that it names.

    Raises:
        GridError: anything that is not a grid, with the place in the file; all faults of the file at once.
    """
    return from_data(Path(path), *parse(str(path), read_text(path, "a grid in JSON")))


def from_data(path: Path, data: Any, faults: list[Fault], series: Series | None = None) -> Grid:
    """A grid from parsed JSON and the faults of its text; ``series`` stands for the file that it would name.

    Raises:
        GridError: as ``read``.
    """
    if not isinstance(data, dict):
        mend = "write one with networkx.node_link_data(graph, edges='edges')"
        raise GridError.of([*faults, Fault(str(path), word(data), "an object with nodes and edges", mend)])
    lines = "links" if "links" in data else "edges"
    for key in list(data)[:MOST_FIELDS]:
        if key == "edges" and lines == "links":
            faults.append(Fault(str(path), "both edges and links", "one of the two", "remove one"))
        elif key not in (*TOP_FIELDS, "links"):
            found = f"the unknown field {key!r}"
            meant = nearest(OTHER_WORDS.get(key, key), TOP_FIELDS)
            faults.append(Fault(str(path), found, ", ".join(TOP_FIELDS), meant))
    about = data.get("graph", {})
    if isinstance(about, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in about):
        about = {str(key): value for key, value in about}  # networkx before 1.10
    if not isinstance(about, dict):
        mend = "write the grid's name and the like as fields"
        faults.append(Fault(f"{path}: graph", word(about), "an object", mend))
        about = {}
    nodes = _rows(path, data, "nodes", rows.MOST_NODES, faults)
    edges = _rows(path, data, lines, rows.MOST_LINES, faults)
    by_position = lines == "links" and _are_positions(nodes, edges)
    if by_position:
        ids = [node.get("id") for _, node in nodes]
        edges = [(where, edge | {end: ids[edge[end]] for end in ("source", "target")}) for where, edge in edges]
    if faults and not nodes:
        raise GridError.of(faults)
    grid = rows.to_grid(path, (f"{path}: graph", about), nodes, edges, faults, series)
    if by_position:
        grid.notes.append("ends of lines read as positions in the list of nodes, as networkx before 2.0 wrote them")
    return grid


def _rows(path: Path, data: dict[str, Any], name: str, most: int, faults: list[Fault]) -> list[rows.Row]:
    items = data.get(name)
    if isinstance(items, list) and len(items) > most:
        raise GridError(f"{path}: {name}", f"{len(items):,} {name}", f"at most {most:,}", "give a smaller grid")
    if not isinstance(items, list):
        faults.append(Fault(f"{path}: {name}", word(items), "a list of objects", f"add the list of {name}"))
        return []
    good = []
    for i, item in enumerate(items):
        where = f"{path}: {name}[{i}]"
        if isinstance(item, dict):
            good.append((where, item))
        else:
            faults.append(Fault(where, word(item), "an object", "write each as an object of fields"))
    return good


def _are_positions(nodes: list[rows.Row], edges: list[rows.Row]) -> bool:
    """Whether the ends cannot be ids, but are all positions in the list of nodes."""
    ids = {node["id"] for _, node in nodes if isinstance(node.get("id"), str | int)}
    ends = [edge.get(end) for _, edge in edges for end in ("source", "target")]
    if not all(isinstance(end, int) and not isinstance(end, bool) and 0 <= end < len(nodes) for end in ends):
        return False
    return not all(end in ids or str(end) in ids for end in ends)


def write(grid: Grid, path: str | Path) -> None:
    """Write a grid that keeps the rules; its series, if it has one, goes to NAME_profiles.csv beside it.

    Raises:
        GridError: the grid has faults, or the file cannot be written.
    """
    path = Path(path)
    about, nodes, edges = rows.from_grid(grid, path)
    head = {"directed": False, "multigraph": True, "graph": about}
    parts = [f"{_json(key)}: {_json(value)}" for key, value in head.items()]
    for key, items in (("nodes", nodes), ("edges", edges)):
        rows_ = "[\n    " + ",\n    ".join(map(_json, items)) + "\n  ]" if items else "[]"
        parts.append(f"{_json(key)}: {rows_}")
    with atomic_path(path) as temporary:
        temporary.write_text("{\n  " + ",\n  ".join(parts) + "\n}\n", encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
