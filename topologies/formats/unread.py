"""What a file of another program says that its reader never asks for, and that differs from that program's default."""

from __future__ import annotations

from math import isnan
from re import Pattern
from typing import Any

from topologies.formats.units import Buses


def note_unread(
    buses: Buses, table: str, column: str, cells: dict[str, Any], default: Any, themes: dict[str, Pattern[str]]
) -> None:
    """Note a column of a table, by element, that nobody has read, where it differs from the other program's default.

    ``themes`` say something of the columns whose names they match, instead of naming the elements.
    """
    for whom, cell in cells.items():
        if not _is_set(cell, default):
            continue
        about = next((text for text, pattern in themes.items() if pattern.fullmatch(column)), None)
        buses.note(*((f"{table}.{column} not read", whom) if about is None else (about, f"{table}.{column}")))


def _is_set(cell: Any, default: Any) -> bool:
    """Whether a cell says something else than the default; an empty one does not, nor one that says no."""
    said, usual = _plain(cell), _plain(default)
    return said not in ("", usual) and not (usual == "" and said == "0.0")


def _plain(value: Any) -> str:
    """A value as text, with numbers and truths in one form."""
    text = str(value).strip().lower()
    try:
        number = float(text)
    except ValueError:
        return "" if text in ("none", "n/a", "<na>") else {"true": "1.0", "false": "0.0"}.get(text, text)
    return "" if isnan(number) else str(number)
