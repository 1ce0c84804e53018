"""Finds and loads grids: bundled, generated, or a file in one of the formats."""

from __future__ import annotations

import os
from pathlib import Path

from grid import Grid, GridError, nearest
from topologies.formats import FOLDER, PANDAPOWER_PREFIX, READERS, pandapower_built_in
from topologies.generate import FORM, PREFIX, generate
from topologies.thermal import PREFIX as THERMAL_PREFIX
from topologies.thermal import with_thermal_fleet

PREFIXES = (PREFIX, PANDAPOWER_PREFIX, THERMAL_PREFIX)
"""What names of grids that are not files begin with."""

_DATA = Path(__file__).parent / "data"


def names() -> list[str]:
    """Names of the bundled grids."""
    return sorted(path.stem for path in _DATA.glob("*.json"))


def load(name_or_path: str | os.PathLike[str]) -> Grid:
    """Return a checked grid, with its time series.

    Args:
        name_or_path: the name of a bundled grid, ``gen:NODES:SEED`` for a generated one, ``pandapower:NAME`` for a
            network that comes with pandapower, or the path of a file in one of the formats or of a folder of tables;
            ``thermal:`` before any of these lets its plants start and stop.

    Raises:
        GridError: no such name or file, another format, or faults in the file.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise GridError(
            "load", repr(name_or_path), "a name or a path", "a Grid is loaded already; hand it over as it is"
        )
    known, name = names(), str(name_or_path)
    if name in known:
        return READERS[".json"](_DATA / f"{name}.json")
    if name.startswith(THERMAL_PREFIX):
        return with_thermal_fleet(load(name.removeprefix(THERMAL_PREFIX)))
    if name.startswith(PREFIX):
        return generate(name)
    if name.startswith(PANDAPOWER_PREFIX):
        return pandapower_built_in(name)
    path, suffixes = Path(name_or_path), ", ".join(suffix for suffix in READERS if suffix)
    is_folder = os.path.isdir(name_or_path)
    suffix = FOLDER if is_folder else path.suffix.lower()
    if not os.path.lexists(name_or_path):
        allowed = (
            f"a bundled grid ({', '.join(known)}), a generated one ({FORM}), a network of pandapower "
            f"({PANDAPOWER_PREFIX}case39), or the path of a file ({suffixes}) or of a folder of tables"
        )
        found = "no such file" if suffix and suffix in READERS else "no such grid"
        raise GridError(name, found, allowed, nearest(path.stem, known))
    if suffix not in READERS or (suffix == FOLDER and not is_folder):
        mend = "give a file in one of these formats"
        raise GridError(name, f"the suffix {path.suffix!r}", f"a file that ends in {suffixes}", mend)
    return READERS[suffix](path)
