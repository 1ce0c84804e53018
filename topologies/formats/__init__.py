"""File formats of grids: one reader, and perhaps a writer, for each suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grid.graph import Grid
from topologies.formats.matpower import read as read_matpower
from topologies.formats.native import read as read_native
from topologies.formats.native import write as write_native

READERS: dict[str, Callable[[str | Path], Grid]] = {".json": read_native, ".m": read_matpower}
"""Each takes a path and returns a Grid, or raises a GridError that names the place in the file."""

WRITERS: dict[str, Callable[[Grid, str | Path], None]] = {".json": write_native}
"""Each takes a Grid and a path, and writes the file whole or not at all."""
