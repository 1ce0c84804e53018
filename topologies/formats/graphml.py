"""GraphML (http://graphml.graphdrawing.org): the columns of ``grid.kinds.COLUMNS`` as data of nodes and edges.

Read by the standard library's expat, event by event, so that every fault has its line and nothing in the file is
expanded, fetched or run; networkx's reader would take NaN, unknown ends and ids that stand twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any
from xml.parsers import expat

import networkx as nx

from grid import Fault, Grid, GridError, atomic_path, nearest
from topologies.formats import rows
from topologies.text import read_text

DEEPEST = 20
MOST_ELEMENTS = 2_000_000
MOST_KEYS = 1000
LONGEST_TAG = 20_000  # characters
NUMBERS = ("int", "long", "float", "double")
TYPES = (*NUMBERS, "boolean", "string")


@dataclass
class _Key:
    """A declared attribute."""

    name: str
    kind: str  # one of TYPES
    table: str  # "node", "edge", "graph" or "all"
    default: Any = None


@dataclass
class _Reader:
    """What has been read so far."""

    path: Path
    parser: Any
    faults: list[Fault] = field(default_factory=list)
    keys: dict[str, _Key] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    nodes: list[rows.Row] = field(default_factory=list)
    edges: list[rows.Row] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)  # of the edges
    open: list[str] = field(default_factory=list)  # elements around the current place
    elements: int = 0
    graphs: int = 0
    fields: dict[str, Any] | None = None  # of the node, edge or graph that is open
    key: _Key | None = None  # of the data or default that is open
    text: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"{self.path}, line {self.parser.CurrentLineNumber}"

    def fault(self, found: str, allowed: str, mend: str) -> None:
        if len(self.faults) < 1000:
            self.faults.append(Fault(self.where, found, allowed, mend))

    def doctype(self, *_: object) -> None:
        mend = "remove the document type and write out what it stands for"
        raise GridError(self.where, "a document type (DTD)", "none: entities can hide anything", mend)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            allowed = f"at most {MOST_ELEMENTS:,}"
            raise GridError(self.where, f"more than {MOST_ELEMENTS:,} elements", allowed, "give a smaller file")
        if len(self.open) >= DEEPEST:
            raise GridError(self.where, "elements nested too deeply", f"at most {DEEPEST} levels", "correct it")
        if not self.open and name != "graphml":
            raise GridError(self.where, f"the element <{name[:60]}>", "<graphml>", "give a GraphML file")
        parent = self.open[-1] if self.open else ""
        self.open.append(name)
        if len(self.nodes) > rows.MOST_NODES or len(self.edges) > rows.MOST_LINES:
            allowed = f"at most {rows.MOST_NODES:,} nodes and {rows.MOST_LINES:,} edges"
            raise GridError(self.where, "too many nodes or edges", allowed, "give a smaller grid")
        if name == "key":
            self._declare(attributes)
        elif name == "graph":
            self._open_graph(parent, attributes)
        elif name in ("node", "edge"):
            self._open_row(name, attributes)
        elif name in ("data", "default"):
            self._open_value(name, parent, attributes)
        elif name == "hyperedge":
            self.fault("a hyperedge", "edges with two ends", "write it as edges")

    def _declare(self, attributes: dict[str, str]) -> None:
        kind = attributes.get("attr.type", "string")
        if kind not in TYPES:
            self.fault(f"the type {kind!r}", ", ".join(TYPES), nearest(kind, TYPES))
            kind = "string"
        number = attributes.get("id", "")
        if len(self.keys) >= MOST_KEYS:
            raise GridError(self.where, "too many keys", f"at most {MOST_KEYS:,}", "remove those that are not used")
        if number in self.keys:
            self.fault(f"the key {number!r} twice", "each key once", "rename one of them")
        self.key = _Key(attributes.get("attr.name", number), kind, attributes.get("for", "all"))
        self.keys[number] = self.key

    def _open_graph(self, parent: str, attributes: dict[str, str]) -> None:
        self.graphs += 1
        if parent != "graphml" or self.graphs > 1:
            self.fault("a second graph", "one graph", "remove one; graphs in nodes have no place here")
        self.fields = self.about
        if "id" in attributes and attributes["id"] not in ("", "G"):
            self.about.setdefault("name", attributes["id"])

    def _open_row(self, name: str, attributes: dict[str, str]) -> None:
        self.fields = {key.name: key.default for key in self._defaults(name)}
        if name == "node":
            self.fields["id"] = attributes.get("id")
            self.nodes.append((self.where, self.fields))
            return
        self.fields |= {end: attributes.get(end) for end in ("source", "target")}
        self.edges.append((self.where, self.fields))
        self.ids.append(attributes.get("id"))

    def _defaults(self, table: str) -> list[_Key]:
        return [key for key in self.keys.values() if key.default is not None and key.table in (table, "all")]

    def _open_value(self, name: str, parent: str, attributes: dict[str, str]) -> None:
        self.text = []
        if name == "default":
            return
        self.key = self.keys.get(attributes.get("key", ""))
        if parent not in ("node", "edge", "graph"):
            self.key = None  # data of the file or of a port
        elif self.key is None:
            found = f"data of the key {attributes.get('key')!r}"
            self.fault(found, "a key that is declared", nearest(str(attributes.get("key")), self.keys))

    def characters(self, text: str) -> None:
        if self.open and self.open[-1] in ("data", "default"):
            self.text.append(text)
            if sum(map(len, self.text)) > rows.LONGEST_TEXT:
                allowed = f"at most {rows.LONGEST_TEXT:,} characters"
                raise GridError(self.where, "a longer value", allowed, "shorten it")

    def end(self, tag: str) -> None:
        name = self.open.pop()
        if name in ("data", "default") and self.key is not None:
            value = self._value(self.key, "".join(self.text))
            if name == "default":
                self.key.default = value
            elif self.fields is not None:
                if self.key.name in self.fields and self.fields[self.key.name] != self.key.default:
                    self.fault(f"the field {self.key.name!r} twice", "each field once", "remove one")
                self.fields[self.key.name] = value
        if name in ("data", "key"):
            self.key = None
        elif name in ("node", "edge"):
            self.fields = self.about

    def _value(self, key: _Key, text: str) -> Any:
        plain = text.strip()
        if key.kind == "string":
            return text
        if key.kind == "boolean":
            if plain.lower() not in ("true", "false", "1", "0"):
                self.fault(f"{key.name} {plain[:60]!r}", "true or false", "correct the value")
            return plain.lower() in ("true", "1")
        try:
            value = float(plain) if "_" not in plain else nan
        except ValueError:
            value = nan
        if not isfinite(value):
            mend = "write decimals with a point" if "," in plain else "leave it out where there is no value or no limit"
            self.fault(f"{key.name} {plain[:60]!r}", "a finite number", mend)
            return nan
        return int(value) if key.kind in ("int", "long") and value.is_integer() else value


def read(path: str | Path) -> Grid:
    """Read a grid, and the CSV file of profiles that it names.

    Raises:
        GridError: anything that is not a grid, with the line of the file; all faults of the file at once.
    """
    path = Path(path)
    text = read_text(path, "a grid in GraphML")
    tag = re.search(rf"<[^<>]{{{LONGEST_TAG}}}", text)
    if tag:
        where, allowed = (
            f"{path}, line {text.count(chr(10), 0, tag.start()) + 1}",
            f"at most {LONGEST_TAG:,} characters",
        )
        raise GridError(where, "a longer tag", allowed, "correct the file")
    parser = expat.ParserCreate(encoding="utf-8")  # whatever the file declares: it has been decoded already
    reader = _Reader(path, parser)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        found = expat.errors.messages[error.code]
        where = f"{path}, line {error.lineno}, column {error.offset + 1}"
        raise GridError(where, found, "one GraphML document", "correct the file; it may have been cut off") from None
    if not reader.graphs:
        raise GridError(str(path), "no graph", "one graph", "write one with networkx.write_graphml")
    edges = [(where, {"key": _key(i), **row}) for i, (where, row) in zip(reader.ids, reader.edges, strict=True)]
    return rows.to_grid(path, (f"{path}: graph", reader.about), reader.nodes, edges, reader.faults)


def _key(number: str | None) -> str | int | None:
    """The key that the id of an edge stands for: networkx writes whole numbers and texts alike."""
    return int(number) if number is not None and number.isdecimal() and len(number) < 9 else number


def write(grid: Grid, path: str | Path) -> None:
    """Write a grid that keeps the rules; its series, if it has one, goes to NAME_profiles.csv beside it.

    Raises:
        GridError: the grid has faults, or the file cannot be written.
    """
    path = Path(path)
    about, nodes, edges = rows.from_grid(grid, path)
    graph: nx.MultiGraph[str] = nx.MultiGraph(**about)
    for node in nodes:
        graph.add_node(node.pop("id"), **node)
    for edge in edges:
        start, end, key = (edge.pop(name) for name in ("source", "target", "key"))
        graph.add_edge(start, end, key, **edge)
        graph.edges[start, end, key]["line_from"] = start  # an undirected edge may be written the other way round
        if isinstance(key, str) and _key(key) != key:
            graph.edges[start, end, key]["key"] = key  # data of that name go before the id
    with atomic_path(path) as temporary:
        nx.write_graphml_xml(graph, temporary)
