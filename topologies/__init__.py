"""Where grids and their time series come from: bundled, generated, or a file in one of the formats."""

from __future__ import annotations

import os
from pathlib import Path

from grid.errors import GridError, nearest
from grid.graph import Grid
from topologies.formats import READERS
from topologies.generate import FORM, PREFIX, expand, generate

__all__ = ["expand", "load", "names"]

_DATA = Path(__file__).parent / "data"


def names() -> list[str]:
    """Names of the bundled grids."""
    return sorted(path.stem for path in _DATA.glob("*.json"))


def load(name_or_path: str | os.PathLike[str]) -> Grid:
    """Return a checked grid, with its time series.

    Args:
        name_or_path: the name of a bundled grid, ``gen:NODES:SEED`` for a generated one, or the path of a file in one
            of the formats.

    Raises:
        GridError: no such name or file, another format, or faults in the file.
    """
    known = names()
    if str(name_or_path) in known:
        return READERS[".json"](_DATA / f"{name_or_path}.json")
    if str(name_or_path).startswith(PREFIX):
        return generate(str(name_or_path))
    path = Path(name_or_path)
    suffixes = " or ".join(READERS)
    if os.path.exists(name_or_path) and path.suffix.lower() not in READERS:
        mend = "give a file in one of these formats"
        raise GridError(str(path), f"the suffix {path.suffix!r}", f"a file that ends in {suffixes}", mend)
    if not os.path.exists(name_or_path):
        allowed = f"a bundled grid ({', '.join(known)}), a generated one ({FORM}) or the path of a {suffixes} file"
        found = "no such file" if path.suffix.lower() in READERS else "no such grid"
        raise GridError(str(name_or_path), found, allowed, nearest(path.stem, known))
    return READERS[path.suffix.lower()](path)
