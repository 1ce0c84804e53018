"""File formats of grids: ``READERS`` and ``WRITERS`` hold one for each suffix.

Each format is a file; what has to be assumed for lack of data goes into the notes of the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grid import Grid, GridError
from topologies.formats import (
    graphml,
    grid2op,
    native,
    pandapower_json,
    pandapower_net,
    powsybl,
    pypsa_network,
    pypsa_write,
    rts_gmlc,
    spreadsheet,
)
from topologies.formats.matpower import read as read_matpower
from topologies.formats.matpower_text import Case, Row
from topologies.formats.matpower_text import parse as parse_matpower
from topologies.formats.native import from_data
from topologies.formats.pandapower_net import PREFIX as PANDAPOWER_PREFIX
from topologies.formats.pandapower_net import built_in as pandapower_built_in
from topologies.formats.rows import series_path, to_rows
from topologies.formats.spreadsheet import template as table_template
from topologies.formats.spreadsheet import write_tables
from topologies.json_text import parse
from topologies.text import read_text

__all__ = [
    "FOLDER",
    "PANDAPOWER_PREFIX",
    "READERS",
    "WRITERS",
    "Case",
    "Row",
    "from_data",
    "pandapower_built_in",
    "parse_matpower",
    "series_path",
    "table_template",
    "to_rows",
    "write_tables",
]

FOLDER = ""
"""What stands for the suffix of a folder."""

FOLDERS: dict[str, Callable[[str | Path], Grid]] = {
    "buses.csv": pypsa_network.read,
    spreadsheet.NODES: spreadsheet.read,
    "grid.json": grid2op.read,
    "load_p.csv.bz2": grid2op.read,
    "SourceData/bus.csv": rts_gmlc.read,
    "timeseries_pointers.csv": rts_gmlc.read,
}
"""Readers of folders, by the file that tells what one is; they take the path of the folder."""


FOREIGN = (  # fields that tell JSON of other programs, what it is, and how to bring it along
    (
        {"baseMVA", "bus", "branch"},
        "a case of PYPOWER, MATPOWER or PowerModels in JSON",
        "write it as a MATPOWER case (.m), by PowerModels.export_matpower or MATPOWER's savecase",
    ),
    (
        {"bus", "line", "load"},
        "tables like those of pandapower before version 2",
        "open it with pandapower, and write it anew with pandapower.to_json",
    ),
)


def _read_json(path: str | Path) -> Grid:
    """A grid in node-link JSON or a pandapower network."""
    data, faults = parse(str(path), read_text(path, "a grid in JSON"))
    for fields, what, mend in FOREIGN:
        if isinstance(data, dict) and fields <= data.keys() and "nodes" not in data:
            allowed = "node-link JSON, or a network that pandapower 2 or later has written"
            raise GridError(str(path), what, allowed, mend)
    module = pandapower_net if pandapower_json.is_network(data) else native
    return module.from_data(Path(path), data, faults)


def _read_folder(path: str | Path) -> Grid:
    """A grid in a folder."""
    for name, read in FOLDERS.items():
        if (Path(path) / name).exists():
            return read(path)
    known = "one with " + " or ".join(FOLDERS)
    raise GridError(str(path), "a folder without a grid", known, "give the path of a file in it")


READERS: dict[str, Callable[[str | Path], Grid]] = {
    ".json": _read_json,
    ".graphml": graphml.read,
    ".m": read_matpower,
    ".nc": pypsa_network.read,
    ".csv": spreadsheet.read,
    ".xlsx": spreadsheet.read,
    **dict.fromkeys(powsybl.SUFFIXES, powsybl.read),
    FOLDER: _read_folder,
}
"""Each takes a path and returns a Grid, or raises a GridError that names the place in the file."""

WRITERS: dict[str, Callable[[Grid, str | Path], None]] = {
    ".json": native.write,
    ".graphml": graphml.write,
    ".nc": pypsa_write.write_netcdf,
    ".csv": spreadsheet.write,
    ".xlsx": spreadsheet.write,
    FOLDER: pypsa_write.write_folder,
}
"""Each takes a Grid and a path, and writes the file whole or not at all."""
