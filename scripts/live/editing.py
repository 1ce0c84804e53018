"""Grids as the page edits them: node-link JSON, with the faults of each element and a place for each node."""

from __future__ import annotations

import base64
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from grid import COLUMNS, Fault, Grid, GridError, Series
from topologies import GENERATED_PREFIX, ProfileSource, built_in_profiles, load, names
from topologies.formats import READERS, WRITERS, from_data, series_path, to_rows

MOST_NODES, MOST_LINES = 3000, 6000
MOST_FAULTS, LONGEST_FAULT = 200, 600  # and of how many characters
CURVE_H = 72  # of a profile that is shown
VIEW = (980.0, 470.0)  # that places are for; y points up
NAME = re.compile(r"[\w][\w .-]{0,60}")
WHERE = re.compile(r"(nodes|edges)\[(\d+)\]")


def read(data: Any, series: Series | None) -> Grid:
    """The grid of what the page sends.

    Raises:
        GridError: all faults at once, or a grid too large for the page.
    """
    data = dict(data) if isinstance(data, dict) else data
    if isinstance(data, dict):
        for key, most in (("nodes", MOST_NODES), ("edges", MOST_LINES)):
            if isinstance(data.get(key), list) and len(data[key]) > most:
                raise GridError(key, f"{len(data[key]):,} of them", f"at most {most:,} in the browser", "use the files")
        if isinstance(data.get("graph"), dict):  # the page has no files beside it: series stay here
            data["graph"] = {key: value for key, value in data["graph"].items() if key != "profiles"}
    return from_data(Path("grid"), data, [], series)


def faults(data: Any, error: GridError) -> list[dict[str, str]]:
    """The faults of a grid, each with the element that it is about: "node 3", "line 0" or nothing."""
    nodes, edges = (data.get(key) if isinstance(data, dict) else None for key in ("nodes", "edges"))
    places: dict[str, str] = {}
    for word, rows, field in (("node", nodes, "id"), ("line", edges, "key")):
        for i, row in enumerate(rows if isinstance(rows, list) else []):
            if isinstance(row, dict):
                places.setdefault(f"{word} {row.get(field)!r}", f"{word} {i}")
    return [_told(fault, places) for fault in error.faults[:MOST_FAULTS]]


def _told(fault: Fault, places: dict[str, str]) -> dict[str, str]:
    where = fault.where.removeprefix("grid: ")
    element = places.get(where, "")
    if found := WHERE.match(where):
        element = f"{'node' if found[1] == 'nodes' else 'line'} {found[2]}"
    words = str(fault).removeprefix("grid: ")
    return {"element": element, "found": fault.found[:LONGEST_FAULT], "text": words[:LONGEST_FAULT]}


def shown(grid: Grid) -> dict[str, Any]:
    """A checked grid as the page takes it, with places for its nodes.

    Raises:
        GridError: it is too large.
    """
    if len(grid.graph) > MOST_NODES:
        raise GridError(str(grid.name), f"{len(grid.graph):,} nodes", f"at most {MOST_NODES:,}", "use the command line")
    about, nodes, edges = to_rows(grid)
    edges = [{**edge, "key": name} for edge, (name, *_) in zip(edges, grid.lines(), strict=True)]
    data = {"graph": about, "nodes": nodes, "edges": edges}
    return {"grid": data, "places": places(data), "notes": grid.assumed(), "curves": curves(grid.series)}


def places(data: dict[str, Any], anew: bool = False) -> list[list[float]]:
    """[x, y] of each node, y up: where it says it is, or ``anew`` where the lines put it.

    Raises:
        GridError: nodes or lines that are none.
    """
    from envs.rendering import Box, positions

    try:
        ids = {str(node["id"]): i for i, node in enumerate(data["nodes"])}
        start, end = (np.array([ids[str(e[side])] for e in data["edges"]], np.int64) for side in ("source", "target"))
        x, y = (
            np.array([np.nan if anew or n.get(axis) is None else n[axis] for n in data["nodes"]], float)
            for axis in "xy"
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise GridError(
            "layout", repr(error), "nodes with ids, and lines between them", "mend the faults first"
        ) from None
    if not ids or len(ids) > MOST_NODES or len(start) > MOST_LINES:
        return []
    box, radius = Box(30, 30, VIEW[0] - 60, VIEW[1] - 60), np.full(len(x), 14.0 * min(1.0, (20 / len(x)) ** 0.5))
    apart = start != end
    return [[round(float(a), 1) for a in p] for p in positions(x, y, start[apart], end[apart], box, radius)]


def open_named(name: str) -> Grid:
    """A bundled or a generated grid; no path.

    Raises:
        GridError: another name.
    """
    if name not in names() and not name.startswith(GENERATED_PREFIX):
        raise GridError(name, "no such grid", f"{', '.join(names())}, or {GENERATED_PREFIX}NODES:SEED", "choose one")
    size = re.match(rf"{GENERATED_PREFIX}(\d{{1,9}}):", name)
    if size and int(size[1]) > MOST_NODES:  # it would take long to make
        raise GridError(name, f"{int(size[1]):,} nodes", f"at most {MOST_NODES:,}", "use the command line")
    return load(name)


def open_file(name: str, content: str, workshop: Path) -> Grid:
    """A grid from a file that the page sends in base64, by the reader of its suffix.

    Raises:
        GridError: what the reader refuses.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in READERS or not suffix:
        mend = "give a file in one of these formats"
        raise GridError(name, f"the suffix {suffix!r}", ", ".join(filter(None, READERS)), mend)
    with tempfile.TemporaryDirectory(dir=workshop) as folder:
        stem = re.sub(r"[^\w.-]", "_", Path(name).stem)[:60].strip(".") or "grid"
        path = Path(folder) / f"{stem}{suffix}"
        try:
            path.write_bytes(base64.b64decode(content, validate=True))
        except ValueError:
            raise GridError(name, "what is no base64", "the content of a file", "open the file again") from None
        try:
            return load(path)
        except GridError as error:
            said = [Fault(f.where.replace(str(path), name), f.found, f.allowed, f.mend) for f in error.faults]
            raise GridError.of(said) from None


def save(grid: Grid, name: str, folder: Path, replace: bool) -> str:
    """Write a grid as native JSON into the working folder; returns the name of the file.

    Raises:
        GridError: a name that is none, or a file that is there already.
    """
    name = name.removesuffix(".json")
    if not NAME.fullmatch(name):
        raise GridError("name", repr(name), "letters, digits, spaces, dots and dashes; no folders", "choose another")
    path = folder / f"{name}.json"
    there = [each for each in (path, series_path(path)) if each.exists()]
    if there and not replace:
        raise GridError(
            path.name, "a file of that name", "a new one, or to replace it", "press save again to replace it"
        )
    if any(each.is_symlink() for each in there):
        raise GridError(path.name, "a link", "a file of the working folder", "choose another name")
    WRITERS[".json"](grid, path)
    return path.name


def columns() -> list[dict[str, Any]]:
    """Every column of nodes and lines: what the form is made from."""
    return [column.row() | {"text": column.is_text, "ac": column.ac} for column in COLUMNS.values()]


def curves(series: Series | None) -> list[dict[str, Any]]:
    """The first three days of every column of a grid's own series, for nodes of both kinds."""
    if series is None:
        return []
    steps = max(1, round(CURVE_H / series.dt_h))
    values = np.round(series.values_frac[:steps].T, 3).tolist()
    made = [
        {"name": name, "meaning": "of the grid's own series", "values": v}
        for name, v in zip(series.columns, values, strict=True)
    ]
    return [{**each, "table": table} for each in made for table in ("load", "gen")]


@cache
def built_in_curves() -> list[dict[str, Any]]:
    """Three days of every built-in profile."""
    grid, rows = Grid("profiles"), []
    grid.add_junction("bus")
    for table, shapes in built_in_profiles().items():
        for name, shape in shapes.items():
            node = f"{table} {name}"
            if table == "load":
                grid.add_consumer(node, load_max_mw=1, load_profile=name)
            else:
                grid.add_source(node, gen_max_mw=1, gen_profile=name)
            grid.add_line("bus", node)
            rows.append({"name": name, "table": table, "meaning": shape.meaning})
    arrays = grid.compile()
    draw = ProfileSource(arrays, None, "test").draw([np.random.default_rng(0)], CURVE_H, 1.0)
    share = np.where(arrays.load_max_mw > 0, draw.load_mw[0], draw.gen_avail_frac[0]).T[1:]
    return [row | {"values": np.round(values, 3).tolist()} for row, values in zip(rows, share, strict=True)]
