"""GraphML (http://graphml.graphdrawing.org): the columns of ``grid.kinds.COLUMNS`` as data of nodes and edges.

networkx reads and writes it. What its reader passes over or stumbles at is looked for first: ids, keys and data that
stand twice, ends and keys that do not exist, numbers that are none.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
from networkx.readwrite.graphml import GraphMLReader

from grid import Fault, Faults, Grid, GridError, atomic_path, nearest
from topologies.formats import rows
from topologies.text import as_number, read_text

MOST_TAGS = 2_000_000
MOST_KEYS = 1000
LONGEST_TAG = 20_000  # characters
NUMBERS = ("int", "integer", "long", "float", "double")
TYPES = (*NUMBERS, "boolean", "string", "yfiles")
TRUTHS = ("true", "false", "1", "0")
SPACE = f"{{{GraphMLReader.NS_GRAPHML}}}"
DROPPED = "dropped"
"""The tag of elements that networkx is to pass over."""


def read(path: str | Path) -> Grid:
    """Read a grid, and the CSV file of profiles that it names.

    Raises:
        GridError: anything that is not a grid, with its place in the file; all faults of the file at once.
    """
    path = Path(path)
    root, part = _parse(path, read_text(path, "a grid in GraphML"))
    faults = Faults()
    for fault in _mend(root, part):
        faults.add(replace(fault, where=f"{path}: {fault.where}"))
    reader = GraphMLReader(edge_key_type=str, force_multigraph=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ports, which say nothing about a grid
            graph = reader.make_graph(part, *reader.find_graphml_keys(root))
    except (nx.NetworkXError, ValueError, TypeError, KeyError, AttributeError) as error:
        found = f"what networkx cannot read ({error})"
        raise GridError.of([*faults.found, Fault(str(path), found, "GraphML", "correct the file")]) from None
    node_default, edge_default = (graph.graph.pop(f"{table}_default") for table in ("node", "edge"))
    nodes = [(f"{path}: node {name!r}", {**node_default, **data, "id": name}) for name, data in graph.nodes(data=True)]
    edges = [
        (f"{path}: edge {start!r}-{end!r}", {**edge_default, "key": _key(key), **data, "source": start, "target": end})
        for start, end, key, data in graph.edges(keys=True, data=True)
    ]
    return rows.to_grid(path, (f"{path}: graph", graph.graph), nodes, edges, faults.found)


def _parse(path: Path, text: str) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The document and its graph, refused before it is parsed where it is too large or has a document type."""
    count = text.count("<")
    if count > MOST_TAGS:
        allowed = f"at most {MOST_TAGS:,}"
        raise GridError(str(path), f"up to {count:,} tags", allowed, "give a smaller file")
    for sign, found, allowed, mend in (
        (
            "<!DOCTYPE",
            "a document type (DTD)",
            "none: entities can hide anything",
            "remove the document type and write out what it stands for",
        ),
        (rf"<[^<>]{{{LONGEST_TAG}}}", "a longer tag", f"at most {LONGEST_TAG:,} characters", "correct the file"),
    ):
        place = re.search(sign, text)
        if place:
            raise GridError(f"{path}, line {text.count(chr(10), 0, place.start()) + 1}", found, allowed, mend)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        found, (line, column) = str(error).rpartition(":")[0], error.position
        where = f"{path}, line {line}, column {column + 1}"
        raise GridError(where, found, "one GraphML document", "correct the file; it may have been cut off") from None
    for element in root.iter():
        if not element.tag.startswith("{"):
            element.tag = SPACE + element.tag
    part = root.find(f"{SPACE}graph")
    if root.tag != f"{SPACE}graphml" or part is None:
        found = f"the element <{root.tag.rpartition('}')[2][:60]}> without a graph in it"
        raise GridError(str(path), found, "<graphml> with one <graph>", "write one with networkx.write_graphml")
    for above, table, most in (
        (root, "key", MOST_KEYS),
        (part, "node", rows.MOST_NODES),
        (part, "edge", rows.MOST_LINES),
    ):
        count = len(above.findall(SPACE + table))
        if count > most:
            raise GridError(str(path), f"{count:,} {table}s", f"at most {most:,}", "give a smaller grid")
    return root, part


def _mend(root: ElementTree.Element, part: ElementTree.Element) -> Iterator[Fault]:
    """Faults that networkx would pass over or fail at, mended so that it reads the rest; edges keep their direction."""
    part.set("edgedefault", "directed")
    for graph in [*root.iter(f"{SPACE}graph")][1:]:
        graph.clear()
        yield Fault("graph", "a second graph", "one graph", "remove one; graphs in nodes have no place here")
    for hyperedge in part.findall(f"{SPACE}hyperedge"):
        hyperedge.tag = DROPPED
        yield Fault("graph", "a hyperedge", "edges with two ends", "write it as edges")
    keys: dict[str, tuple[str, str]] = {}  # name and type of each
    yield from _mend_keys(root, keys)
    yield from _mend_data(part, "graph", keys, set())
    nodes: set[str] = set()
    for node in part.findall(f"{SPACE}node"):
        name = node.get("id", "")
        if not name or name in nodes:
            node.tag = DROPPED
            yield Fault(f"node {name!r}", "the id twice" if name else "no id", "an id of its own", "rename it")
        nodes.add(name)
        yield from _mend_data(node, f"node {name!r}", keys, {"id"})
    taken: set[tuple[str, str, str]] = set()
    for edge in part.findall(f"{SPACE}edge"):
        ends = edge.get("source", ""), edge.get("target", "")
        where, number = "edge {!r}-{!r}".format(*ends), edge.get("id", "")
        edge.attrib.pop("directed", None)
        yield from _mend_data(edge, where, keys, {"source", "target"})
        unknown = [end for end in ends if end not in nodes]
        if number and (*ends, number) in taken:
            yield Fault(where, f"the id {number!r} twice", "an id of its own for each edge", "rename it")
        elif unknown:
            mend = rows.nearest_node(unknown[0], nodes)
            yield Fault(
                where, f"the end {unknown[0]!r}" if unknown[0] else "an end missing", "the ids of two nodes", mend
            )
        else:
            taken.add((*ends, number))
            continue
        edge.tag = DROPPED


def _mend_keys(root: ElementTree.Element, keys: dict[str, tuple[str, str]]) -> Iterator[Fault]:
    for key in root.findall(f"{SPACE}key"):
        number, kind = key.get("id", ""), key.get("attr.type", "string")
        where = f"key {number!r}"
        if number in keys:
            key.tag = DROPPED
            yield Fault(where, "the key twice", "each key once", "rename one of them")
            continue
        if kind not in TYPES:
            yield Fault(where, f"the type {kind!r}", ", ".join(TYPES), nearest(kind, TYPES))
            kind = "string"
        key.set("attr.type", "double" if kind in NUMBERS else kind)
        key.set("attr.name", key.get("attr.name", number))
        keys[number] = key.get("attr.name", ""), kind
        default = key.find(f"{SPACE}default")
        if default is not None:
            yield from _mend_value(default, where, *keys[number])


def _mend_data(
    element: ElementTree.Element, where: str, keys: dict[str, tuple[str, str]], seen: set[str]
) -> Iterator[Fault]:
    for data in element.findall(f"{SPACE}data"):
        key = data.get("key", "")
        name, kind = keys.get(key, ("", ""))
        if key in keys and name not in seen:
            seen.add(name)
            yield from _mend_value(data, where, name, kind)
            continue
        data.tag = DROPPED
        if key in keys:
            yield Fault(where, f"the field {name!r} twice", "each field once", "remove one")
        else:
            yield Fault(where, f"data of the key {key!r}", "a key that is declared", nearest(key, keys))


def _mend_value(data: ElementTree.Element, where: str, name: str, kind: str) -> Iterator[Fault]:
    data.text = data.text or ""
    plain = data.text.strip()
    if kind == "boolean":
        data.text = plain
    if kind == "boolean" and plain.lower() not in TRUTHS:
        data.text = "false"
        yield Fault(where, f"{name} {plain[:60]!r}", "true or false", "correct the value")
    elif kind in NUMBERS and not isfinite(as_number(plain)):
        data.text = "nan"
        mend = "write decimals with a point" if "," in plain else "leave it out where there is no value or no limit"
        yield Fault(where, f"{name} {plain[:60]!r}", "a finite number", mend)


def _key(number: str | int) -> str | int:
    """The key that the id of an edge stands for: networkx writes whole numbers and texts alike."""
    return int(number) if isinstance(number, str) and number.isdecimal() and len(number) < 9 else number


def write(grid: Grid, path: str | Path) -> None:
    """Write a grid that keeps the rules; its series, if it has one, goes to NAME_profiles.csv beside it.

    Raises:
        GridError: the grid has faults, or the file cannot be written.
    """
    path = Path(path)
    about, nodes, edges = rows.from_grid(grid, path)
    if "prices" in about:
        about["prices"] = json.dumps(about["prices"])  # GraphML has no objects
    graph: nx.MultiGraph[str] = nx.MultiGraph(**about)
    for node in nodes:
        graph.add_node(node.pop("id"), **node)
    for edge, (name, *_) in zip(edges, grid.lines(), strict=True):
        start, end, key = (edge.pop(field) for field in ("source", "target", "key"))
        graph.add_edge(start, end, name, **edge)  # other programs want an id of its own for each edge
        graph.edges[start, end, name]["line_from"] = start  # an undirected edge may be written the other way round
        if isinstance(key, str) and (key != name or _key(key) != key):
            graph.edges[start, end, name]["key"] = key  # data of that name go before the id
    with atomic_path(path) as temporary:
        nx.write_graphml_xml(graph, temporary)
