"""Grids as tables: ``nodes.csv`` and ``lines.csv`` in a folder, or sheets of these names in one .xlsx file.

Their columns are those of ``grid.kinds.COLUMNS``; a node has ``id`` and ``kind`` beside them, a line ``from``, ``to``
and perhaps a ``name``. A third table, ``about``, may hold fields of the grid, a row each; ``profiles.csv`` its series.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from grid import COLUMNS, LINE_COLUMNS, NODE_COLUMNS, Fault, Grid, GridError, atomic_path, nearest
from topologies.formats import rows
from topologies.formats.sheets import Sheet, number, read_csv_sheet, read_workbook, write_csv_sheet, write_workbook

BOOK = ".xlsx"
NODES, LINES, ABOUT, PROFILES = "nodes.csv", "lines.csv", "about.csv", "profiles.csv"
KEYS = {"nodes": ("id", "kind"), "lines": ("from", "to", "name"), "about": ("field", "value")}
NEEDED = {"nodes": KEYS["nodes"], "lines": ("from", "to"), "about": KEYS["about"]}
TABLES = {
    "nodes": (*KEYS["nodes"], *(column.name for column in NODE_COLUMNS)),
    "lines": (*KEYS["lines"], *(column.name for column in LINE_COLUMNS)),
    "about": KEYS["about"],
}
_MEANT = re.compile(r"(?:no )?(\w+)")


def read(path: str | Path) -> Grid:
    """Read the tables of a folder, given by its name or that of its nodes.csv, or of an .xlsx file.

    Raises:
        GridError: all faults of the tables at once, each with file, row and column.
    """
    path = Path(path)
    faults: list[Fault] = []
    sheets: dict[str, Sheet] = {}
    if path.suffix.lower() == BOOK:
        sheets = read_workbook(path, faults)
        for name in ("nodes", "lines"):
            if name not in sheets:
                allowed = "sheets named nodes and lines"
                faults.append(Fault(str(path), f"no sheet {name!r}", allowed, nearest(name, sheets)))
    else:
        _check_name(path)
        folder = path if path.is_dir() else path.parent
        named = {"nodes": folder / NODES, "lines": folder / LINES, "about": folder / ABOUT}
        for name, file in named.items():
            if name != "about" or file.exists():
                sheets[name] = read_csv_sheet(file, f"a table of {name}", faults)
        path = folder / NODES
    if faults and not {"nodes", "lines"} <= sheets.keys():
        raise GridError.of(faults)
    for name in TABLES:
        if name in sheets:
            _check_header(name, sheets[name], faults)
    return _to_grid(path, sheets, faults)


def _check_name(path: Path) -> None:
    if path.name != NODES and not path.is_dir():
        mend = "name the table of nodes so, and that of lines lines.csv"
        raise GridError(str(path), f"the name {path.name!r}", f"{NODES} in a folder of its own", mend)


def _check_header(name: str, sheet: Sheet, faults: list[Fault]) -> None:
    known = TABLES[name]
    for column in sheet.names:
        if column not in known:
            mend = f"{nearest(column, known)}; names of remarks begin with #"
            allowed = "what `load-balancer columns` lists" if name != "about" else ", ".join(known)
            faults.append(Fault(sheet.where, f"the unknown column {column!r}", allowed, mend))
    for column in NEEDED[name] if sheet.names else ():
        if column not in sheet.names:
            faults.append(Fault(sheet.where, f"no column {column!r}", ", ".join(NEEDED[name]), "add the column"))


def _to_grid(path: Path, sheets: dict[str, Sheet], faults: list[Fault]) -> Grid:
    nodes, lines = sheets["nodes"], sheets["lines"]
    node_rows = [(nodes.place(n), _columns(cells, "nodes")) for n, cells in nodes.rows]
    edge_rows = []
    for n, cells in lines.rows:
        ends = {ours: cells.get(theirs) for ours, theirs in (("source", "from"), ("target", "to"), ("key", "name"))}
        ends["key"] = None if ends["key"] is None else str(ends["key"])
        edge_rows.append((lines.place(n), {**ends, **_columns(cells, "lines")}))
    about = _about(path, sheets.get("about"), faults)
    try:
        grid = rows.to_grid(path, about, node_rows, edge_rows, faults)
    except GridError as error:
        raise GridError.of([_placed(fault, path, sheets) for fault in error.faults]) from None
    if grid.name == path.stem:
        grid.name = path.absolute().parent.name if path.name == NODES else path.stem
    grid.notes = [note for sheet in sheets.values() for note in sheet.notes] + grid.notes
    return grid


def _columns(cells: dict[str, Any], table: str) -> dict[str, Any]:
    """The columns of a row, those of numbers as numbers; an id as it stands."""
    found = {name: cell for name, cell in cells.items() if name in TABLES[table] and name not in KEYS["lines"]}
    for name, cell in found.items():
        is_text = name not in COLUMNS or COLUMNS[name].is_text
        found[name] = cell if name == "id" else str(cell) if is_text else number(cell)
    return found


def _about(path: Path, sheet: Sheet | None, faults: list[Fault]) -> rows.Row:
    if sheet is None:
        beside = path.parent / PROFILES
        has_series = path.name == NODES and beside.exists()
        return str(path), {"format": rows.FORMAT, **({"profiles": PROFILES} if has_series else {})}
    fields: dict[str, Any] = {"format": rows.FORMAT}
    for n, cells in sheet.rows:
        name, value = str(cells.get("field", "")), cells.get("value")
        if name in fields and name != "format":
            faults.append(Fault(sheet.place(n), f"the field {name!r} twice", "each field once", "remove one"))
        elif value is not None:
            fields[name] = number(value) if name == "base_mva" else str(value)
    return sheet.where, fields


def _placed(fault: Fault, path: Path, sheets: dict[str, Sheet]) -> Fault:
    """A fault with the row and the column of its table in the place of the name of its node or line."""
    where, found, nodes, lines = fault.where, fault.found, sheets["nodes"], sheets["lines"]
    about = sheets.get("about")
    for n, cells in about.rows if about else ():
        if about and where in (f"{about.where}.{cells.get('field')}", f"{path}: graph: {cells.get('field')}"):
            return Fault(about.place(n, "value"), found, fault.allowed, fault.mend)
    for key, column in (("id", "id"), ("source", "from"), ("target", "to"), ("key", "name")):
        if where.endswith(f".{key}"):
            return Fault(f"{where.removesuffix(f'.{key}')}, column {column!r}", found, fault.allowed, fault.mend)
    kind, _, name = where.removeprefix(f"{path}: ").partition(" ")
    sheet, name = (nodes if kind == "node" else lines), name[1:-1]
    if kind == "node":
        numbers = [n for n, cells in nodes.rows if str(cells.get("id")) == name]
    else:
        plain, _, place = name.rpartition("#") if name.rpartition("#")[2].isdigit() else (name, "", "1")
        numbers = [n for n, cells in lines.rows if _name(cells) in (name, plain)]
        numbers = numbers[int(place) - 1 :][:1] or numbers
    if kind not in ("node", "line") or not numbers:
        return fault
    meant = _MEANT.match(found)
    column = meant[1] if meant and meant[1] in TABLES["nodes"] + TABLES["lines"] else ""
    text = f"{kind} {name!r} with {found}" if column else f"{kind} {name!r}: {found}"
    return Fault(sheet.place(numbers[0], column), text, fault.allowed, fault.mend)


def _name(cells: dict[str, Any]) -> str:
    return str(cells.get("name", f"{cells.get('from')}-{cells.get('to')}"))


def write(grid: Grid, path: str | Path) -> None:
    """Write the tables of a grid that keeps the rules: FOLDER/nodes.csv and the files beside it, or an .xlsx file.

    Its series, if it has one, goes to profiles.csv, or beside an .xlsx file to NAME_profiles.csv.

    Raises:
        GridError: the grid has faults, an id begins as remarks do, or a file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != BOOK:
        _check_name(path)
    for node in grid.graph:
        if str(node).startswith("#") or str(node) != str(node).strip():
            mend = "rename the node, or choose another format"
            raise GridError(f"node {node!r}", "an id that a table cannot hold", "one without # or blanks around", mend)
    about, nodes, edges = rows.from_grid(grid, path)
    lines = []
    for edge in edges:
        ends, key = {"from": edge.pop("source"), "to": edge.pop("target")}, edge.pop("key")
        lines.append({**ends, **({"name": key} if isinstance(key, str) else {}), **edge})
    plain = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in about.items()}
    fields = [{"field": key, "value": value} for key, value in plain.items()]
    records = {"nodes": nodes, "lines": lines, "about": fields}
    write_tables(path, {name: _rows(given, name) for name, given in records.items()})


def write_tables(path: Path, tables: dict[str, list[list[Any]]]) -> None:
    """Write tables by name, all or none: beside a file nodes.csv, or as the sheets of an .xlsx file."""
    if path.suffix.lower() == BOOK:
        write_workbook(path, tables)
        return
    with ExitStack() as stack:
        for name, cells in tables.items():
            write_csv_sheet(stack.enter_context(atomic_path(path.with_name(f"{name}.csv"))), cells)


def _rows(records: list[dict[str, Any]], table: str) -> list[list[Any]]:
    """A header of the columns that any record gives, and the records."""
    given = {name for record in records for name in record}
    header = [name for name in TABLES[table] if name in given or name in NEEDED[table]]
    return [header, *([record.get(name, "") for name in header] for record in records)]


def template() -> dict[str, list[list[Any]]]:
    """The tables of a small example, with a remark on every column that there is."""
    tables: dict[str, list[list[Any]]] = {}
    for name, columns in (("nodes", NODE_COLUMNS), ("lines", LINE_COLUMNS)):
        remarks = [[f"# {text}"] for text in REMARKS[name]]
        for column in columns:
            needed = f", needed for a {column.required_for[0]}" if column.required_for else ""
            unit = f" in {column.unit}" if column.unit not in ("", "1") else ""
            remarks.append([f"# {column.name}: {column.meaning}; {column.allowed}{unit}{needed}"])
        tables[name] = [*remarks, *_rows(EXAMPLE[name], name)]
    return tables


REMARKS: dict[str, Sequence[str]] = {
    "nodes": (
        "One row a node. Rows and columns that begin with # are remarks; an empty cell takes the default.",
        "Add any of these columns; profiles are names of built-in ones or of columns of profiles.csv beside this file.",
        "id: name of the node, each once",
        "kind: source, storage, consumer or junction",
    ),
    "lines": (
        "One row a line between two nodes. Rows and columns that begin with # are remarks.",
        "from, to: ids of nodes; a flow from the one to the other counts as positive",
        "name: optional, else FROM-TO",
    ),
}
EXAMPLE: dict[str, list[dict[str, Any]]] = {
    "nodes": [
        {"id": "plant", "kind": "source", "gen_max_mw": 80, "gen_cost_per_mwh": 60, "gen_ramp_mw_per_h": 40},
        {"id": "wind", "kind": "source", "gen_max_mw": 50, "gen_cost_per_mwh": 0, "gen_profile": "wind"},
        {"id": "town", "kind": "consumer", "load_max_mw": 70, "load_profile": "household"},
        {"id": "battery", "kind": "storage", "store_max_mwh": 40, "charge_max_mw": 20, "discharge_max_mw": 20},
        {"id": "middle", "kind": "junction"},
    ],
    "lines": [
        {"from": "plant", "to": "middle", "capacity_mw": 80, "reactance_pu": 0.1},
        {"from": "wind", "to": "middle", "capacity_mw": 40, "reactance_pu": 0.2},
        {"from": "middle", "to": "town", "capacity_mw": 90, "reactance_pu": 0.1},
        {"from": "battery", "to": "town", "capacity_mw": 25, "reactance_pu": 0.1},
    ],
}
