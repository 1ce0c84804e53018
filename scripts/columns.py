"""``columns``: what nodes and lines of a grid can say, from the table that the program itself reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts.console import Console, pairs
from scripts.options import CommonJson


@dataclass(frozen=True, kw_only=True)
class ColumnsCommand(CommonJson):
    """List the columns of nodes and lines: unit, allowed values, default and meaning."""

    def run(self, console: Console) -> None:
        """Print one entry a column, those of nodes first."""
        from grid import COLUMNS

        rows = [column.row() for column in COLUMNS.values()]
        entries = pairs([(row["name"], _text(row)) for row in rows])
        console.result(entries, {"columns": rows})


def _text(row: dict[str, Any]) -> str:
    default, unit = row["default"], "" if row["unit"] in ("", "1") else f" in {row['unit']}"
    rules = [f"required for a {kind}" for kind in row["required_for"]]
    if default is not None and not rules:
        rules = [f"default {default:g}" if isinstance(default, float) else f"default {default}"]
    return f"{row['table']}: {row['meaning']} ({'; '.join([row['allowed'] + unit, *rules])})"
