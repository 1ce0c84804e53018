"""Exchanging a folder of CSV files as PyPSA writes them, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from grid import GridError
from topologies.formats.pypsa_tables import COMPONENTS
from topologies.formats.units import some

OTHER_TABLES = ("network", "snapshots", "investment_periods", "shapes", "sub_networks")  # beside the components we read
JSON_FILES = ("meta.json", "crs.json")


def exchange_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write into an empty folder, and put that in the place of ``path``.

    Raises:
        GridError: the folder is in use or holds anything else than what PyPSA writes, or cannot be written.
    """
    try:
        place = Path(os.path.realpath(path))  # of what a link names, which stays a link
        _check_free(path, place)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}-") as made:
            new = Path(made) / "new"
            new.mkdir()  # as the umask says, which the temporary folder does not
            fill(new)
            _swap(place, new, Path(made) / "old")
    except OSError as error:
        mend = "free some space or choose another folder"
        raise GridError(str(path), error.strerror or str(error), "a path that can be written", mend) from error


def _check_free(path: Path, place: Path) -> None:
    """Refuse a place that holds anything which is not of PyPSA, or that a rename would pull away under the caller."""
    if Path.cwd().is_relative_to(place):
        found, allowed = "the folder that this runs in, or one around it", "another folder"
        raise GridError(str(path), found, allowed, "give the name of a new one")
    if not place.exists():
        return
    if not place.is_dir():
        raise GridError(str(path), "a file of that name", "a new folder or one of PyPSA", "choose another name")
    items = sorted(place.iterdir())
    foreign = [item.name for item in items if not (item.is_file() and _is_of_pypsa(item.name))]
    if items and not (place / "buses.csv").exists():
        foreign = [item.name for item in items]
    if foreign:
        found, allowed = f"a folder that holds {some(foreign)}", "a new folder, or one with files of PyPSA only"
        raise GridError(str(path), found, allowed, "choose another name")


def _is_of_pypsa(name: str) -> bool:
    table = name.removesuffix(".csv").split("-", 1)[0]
    return name in JSON_FILES or (name.endswith(".csv") and table in (*COMPONENTS, *OTHER_TABLES))


def _swap(place: Path, new: Path, old: Path) -> None:
    """Put a new folder in the place of what is there, which goes aside; on any error it comes back."""
    try:
        if place.exists():
            place.rename(old)
        new.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise
