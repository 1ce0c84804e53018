"""``convert``: a grid file in another format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from scripts.console import Console
from scripts.options import Common

WITH_SERIES = (".json", ".graphml", ".csv", ".xlsx")  # formats that keep time series in a file beside theirs


@dataclass(frozen=True, kw_only=True)
class Convert(Common):
    """Read a grid, check it and write it in the format that the name of the output ends in.

    Formats: .json (node-link), .graphml, .xlsx, FOLDER/nodes.csv; for PyPSA .nc, or a folder.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IN")]
    """bundled name, gen:NODES:SEED, pandapower:NAME, or path of a grid file or folder"""
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """path of the file or folder to write; replaced if it exists, a folder only where it holds nothing but files of
    PyPSA. Series go to OUT_profiles.csv beside a file, beside nodes.csv to profiles.csv"""

    def run(self, console: Console) -> None:
        """Write the file and say what had to be assumed."""
        from grid import GridError, nearest
        from topologies import load
        from topologies.formats import WRITERS, series_path

        suffix = self.target.suffix.lower()
        if suffix not in WRITERS:
            known = [one for one in WRITERS if one]
            allowed = f"a name that ends in {', '.join(known)}, or one without a dot: a folder for PyPSA"
            raise GridError(str(self.target), f"the suffix {suffix!r}", allowed, nearest(suffix, known))
        grid = load(self.source)
        series = series_path(self.target) if grid.series is not None and suffix in WITH_SERIES else None
        if series and series.exists() and not self.target.exists():
            found, mend = f"{series}, which the series would replace", "choose another name for OUT"
            raise GridError(str(self.target), found, "a name whose file of series is free", mend)
        WRITERS[suffix](grid, self.target)
        for note in grid.assumed():
            console.say(f"assumed: {note}")
        console.result([str(self.target), *([str(series)] if series else [])])
