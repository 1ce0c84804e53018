"""File formats of grids: ``READERS`` and ``WRITERS`` hold one for each suffix.

Each format is a file; what has to be assumed for lack of data goes into the notes of the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grid import Grid, GridError, on_demand
from topologies.formats import native
from topologies.formats.library import PANDAPOWER_PREFIX
from topologies.formats.native import from_data
from topologies.formats.rows import series_path, to_rows
from topologies.json_text import parse
from topologies.text import read_text

if TYPE_CHECKING:
    from topologies.formats.matpower_text import Case, Row
    from topologies.formats.matpower_text import parse as parse_matpower
    from topologies.formats.pandapower_net import built_in as pandapower_built_in
    from topologies.formats.spreadsheet import template as table_template
    from topologies.formats.spreadsheet import write_tables

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

__getattr__ = on_demand(
    __name__,
    {
        "matpower_text": ("Case", "Row", "parse as parse_matpower"),
        "pandapower_net": ("built_in as pandapower_built_in",),
        "spreadsheet": ("template as table_template", "write_tables"),
    },
)


def _of(module: str, function: str = "read") -> Callable[..., Any]:
    """A function of a format, which is loaded when it is first used: a run needs one of ten."""

    def call(*args: Any) -> Any:
        return getattr(import_module(f"{__name__}.{module}"), function)(*args)

    return call


FOLDER = ""
"""What stands for the suffix of a folder."""

POWSYBL = (".zip", ".xml", ".uct", ".raw", ".rawx", ".txt", ".xiidm", ".iidm", ".jiidm", ".biidm", ".dgs")
"""Suffixes of the formats that PowSyBl reads."""

FOLDERS: dict[str, Callable[[str | Path], Grid]] = {
    "buses.csv": _of("pypsa_network"),
    "nodes.csv": _of("spreadsheet"),
    "grid.json": _of("grid2op"),
    "load_p.csv.bz2": _of("grid2op"),
    "SourceData/bus.csv": _of("rts_gmlc"),
    "timeseries_pointers.csv": _of("rts_gmlc"),
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
    named = [str(data.get(field)) for field in ("_class", "_module")] if isinstance(data, dict) else []
    if any(name.startswith("pandapower") for name in named):
        from topologies.formats.pandapower_net import from_data as from_pandapower

        return from_pandapower(Path(path), data, faults)
    return from_data(Path(path), data, faults)


def _read_folder(path: str | Path) -> Grid:
    """A grid in a folder."""
    for name, read in FOLDERS.items():
        if (Path(path) / name).exists():
            return read(path)
    known = "one with " + " or ".join(FOLDERS)
    raise GridError(str(path), "a folder without a grid", known, "give the path of a file in it")


READERS: dict[str, Callable[[str | Path], Grid]] = {
    ".json": _read_json,
    ".graphml": _of("graphml"),
    ".m": _of("matpower"),
    ".nc": _of("pypsa_network"),
    ".csv": _of("spreadsheet"),
    ".xlsx": _of("spreadsheet"),
    **dict.fromkeys(POWSYBL, _of("powsybl")),
    FOLDER: _read_folder,
}
"""Each takes a path and returns a Grid, or raises a GridError that names the place in the file."""

WRITERS: dict[str, Callable[[Grid, str | Path], None]] = {
    ".json": native.write,
    ".graphml": _of("graphml", "write"),
    ".nc": _of("pypsa_write", "write_netcdf"),
    ".csv": _of("spreadsheet", "write"),
    ".xlsx": _of("spreadsheet", "write"),
    FOLDER: _of("pypsa_write", "write_folder"),
}
"""Each takes a Grid and a path, and writes the file whole or not at all."""
