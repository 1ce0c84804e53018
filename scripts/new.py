"""``new``: the tables of a small grid, to be filled in with a spreadsheet program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from scripts.console import Console
from scripts.options import Common


@dataclass(frozen=True, kw_only=True)
class New(Common):
    """Write a grid of five nodes as nodes.csv and lines.csv, with a remark on every column that there is.

    Every command takes the folder, or the .xlsx file, as a grid.
    """

    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """the folder to write into, or an .xlsx file with two sheets; files that are there stay as they are"""

    def run(self, console: Console) -> None:
        """Write the tables where none are."""
        from grid import GridError
        from topologies.formats import table_template, write_tables

        tables = table_template()
        is_book = self.target.suffix.lower() == ".xlsx"
        paths = [self.target] if is_book else [self.target / f"{name}.csv" for name in tables]
        for path in paths:
            if path.exists():
                raise GridError(str(path), "a file of that name", "a new one", "choose another name")
        write_tables(paths[0], tables)
        console.result([str(path) for path in paths])
