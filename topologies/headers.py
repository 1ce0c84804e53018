"""Tables as meters, platforms and programs write them: which separator, decimal mark, times and units they use.

Known by their headers: SMARD (Bundesnetzagentur), the ENTSO-E transparency platform, Open Power System Data, PVGIS and
renewables.ninja. What is understood is said in ``Layout.notes``; nothing is guessed where two readings fit.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from math import isfinite
from pathlib import Path

from grid import GridError
from topologies.text import as_number

FACTORS = {"share": 1.0, "%": 0.01, "MW": 1.0, "kW": 1e-3, "W": 1e-6, "GW": 1e3}
FACTORS |= {f"{unit}h": FACTORS[unit] for unit in ("W", "kW", "MW", "GW")}
"""What a value is multiplied by to be a share or in MW; energies are divided by the length of a step as well."""

PLAIN = {"pu": "share", "p.u.": "share", "1": "share", **{unit.lower(): unit for unit in FACTORS}}
_BRACKETS = re.compile(r"\s*[\[(]\s*([^\[\]()]*?)\s*[\])]\s*")
_SUFFIX = re.compile(r"[_ ]([kKmMgG]?[wW][hH]?)$")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})[ T]+(\d{1,2}:\d\d(?::\d\d)?)")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}),? +(\d{1,2}:\d\d(?::\d\d)?)( ?[AaPp][Mm])?")
_GERMAN = re.compile(r"-?\d{1,3}(\.\d{3})+(,\d*)?|-?\d+,\d*")
_OPSD = re.compile(r".*_(load|generation|capacity|profile)(_.*)?")
SAMPLE = 250  # lines looked at
PVGIS, NINJA = "Latitude (decimal degrees)", "Renewables.ninja"


@dataclass
class Layout:
    """How a text is to be read; C columns are kept."""

    delimiter: str
    above: int  # lines above the header
    header: list[str]
    german: bool  # decimal commas, points between thousands
    time: Callable[[str], str]  # a cell of time to ISO 8601, or as it stands
    kept: list[int] = field(default_factory=list)  # (C,) their places in a row
    units: list[str | None] = field(default_factory=list)  # (C,) each of FACTORS
    names: list[str] = field(default_factory=list)  # (C,)
    notes: list[str] = field(default_factory=list)

    def plain(self, cell: str) -> str:
        """A cell with a decimal point."""
        if self.german and _GERMAN.fullmatch(cell.strip()):
            return cell.strip().replace(".", "").replace(",", ".")
        return cell


def understand(path: Path, lines: list[str], unit: str | None) -> Layout:
    """The layout of a text, from its first lines; ``unit`` is that of columns that name none.

    Raises:
        GridError: no header, dates that may be read in two ways, or a unit that contradicts the header.
    """
    above = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    if lines[above].startswith(PVGIS):
        above = next((i for i, line in enumerate(lines) if line.startswith("time,")), above)
    delimiter = next((mark for mark in ";\t" if mark in lines[above]), ",")
    rows = [row for row in csv.reader(lines[above:], delimiter=delimiter) if row]
    header, body = [cell.strip() for cell in rows[0]], [row for row in rows[1:] if len(row) == len(rows[0])]
    german = delimiter != "," and any(_GERMAN.fullmatch(cell.strip()) and "," in cell for row in body for cell in row)
    layout = Layout(delimiter, above, header, german, str)
    if delimiter != ",":
        marks = {";": "semicolons", "\t": "tabs"}[delimiter]
        layout.notes.append(f"{marks} between the cells" + (", decimal commas" if german else ""))
    _time(path, layout, [row[0] for row in body])
    source = "".join(lines[:above])
    _columns(path, layout, body, unit, source)
    if above:
        layout.notes.append(f"{above} lines above the header passed over")
    return layout


def _is_time(cell: str) -> bool:
    cell = cell.partition(" - ")[0].strip()
    if _DOTTED.fullmatch(cell) or _SLASHED.fullmatch(cell):
        return True
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        return False
    return not cell.isdigit()


def _time(path: Path, layout: Layout, cells: list[str]) -> None:
    """Find out what the times of the first column look like."""
    if layout.header[0] == "time_h":
        return
    first = cells[0].partition(" - ")[0].strip() if cells else ""
    if layout.header[0] != "time" and not _is_time(first):
        mend = "put the time first: hours as time_h, or ISO timestamps as time"
        where = f"{path}, line {layout.above + 1}"
        raise GridError(where, f"the first column {layout.header[0]!r}", "time_h or time", mend)
    if layout.header[0] != "time":
        layout.notes.append(f"the time is the column {layout.header[0]!r}")
    if " - " in (cells[0] if cells else ""):
        layout.notes.append("of spans of time, the start is taken")
    if _DOTTED.fullmatch(first):
        layout.notes.append("dates are day.month.year")
        layout.time = lambda cell: _iso(_DOTTED, cell, "dmy")
    elif _SLASHED.fullmatch(first):
        order = _order(path, layout, cells)
        words = {"dmy": "day/month/year", "mdy": "month/day/year"}
        layout.notes.append(f"dates are {words[order]}")
        layout.time = lambda cell: _iso(_SLASHED, cell, order)
    else:
        layout.time = lambda cell: cell.partition(" - ")[0].strip()


def _iso(form: re.Pattern[str], cell: str, order: str) -> str:
    found = form.fullmatch(cell.partition(" - ")[0].strip())
    if found is None:
        return cell
    one, two, year, clock, *half = found.groups()
    day, month = (one, two) if order == "dmy" else (two, one)
    hour, rest = clock.split(":", 1)
    if half and half[0]:
        hour = str(int(hour) % 12 + 12 * (half[0].strip().lower() == "pm"))
    return f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{rest}"


def _order(path: Path, layout: Layout, cells: list[str]) -> str:
    """Whether day or month comes first: the order in which all dates exist and rise."""
    fitting = []
    for order in ("dmy", "mdy"):
        try:
            times = [datetime.fromisoformat(_iso(_SLASHED, cell, order)) for cell in cells]
        except ValueError:
            continue
        spans = {later - before for before, later in pairwise(times)}
        fitting += [(len(spans), order)]
    counts = [count for count, _ in fitting]
    if len(fitting) == 2 and counts[0] == counts[1]:
        where = f"{path}, line {layout.above + 2}"
        raise GridError(where, f"the date {cells[0]!r}", "one that can be read in one way", "write it as 2030-01-31")
    return min(fitting)[1] if fitting else "dmy"


def _columns(path: Path, layout: Layout, body: list[list[str]], unit: str | None, above: str) -> None:
    """The columns that are kept, their names and units."""
    dropped: dict[str, list[str]] = {}
    is_opsd = layout.header[0] in ("utc_timestamp", "cet_cest_timestamp")
    for place, cell in enumerate(layout.header[1:], start=1):
        shown = next((row[place] for row in body if row[place].strip()), "")
        name, own = unit_of(cell)
        if _is_time(shown):
            dropped.setdefault("another column of times", []).append(cell)
            continue
        if not cell and not shown:
            continue  # behind a separator at the end of the lines
        if is_opsd and own is None:
            found = _OPSD.fullmatch(cell)
            own = None if found is None else "share" if found[1] == "profile" else "MW"
            if found is None and unit is None:
                dropped.setdefault("no power", []).append(cell)
                continue
        if above.startswith(PVGIS):
            if cell != "P":
                dropped.setdefault("weather", []).append(cell)
                continue
            own = "W"
        if NINJA in above and own is None:
            if cell != "electricity":
                dropped.setdefault("weather", []).append(cell)
                continue
            most = max((as_number(row[place]) for row in body), default=0.0)
            own = "share" if isfinite(most) and most <= 1 else "kW"
        if name == cell and own is not None and unit == "share" != own:
            where, mend = f"{path}, line {layout.above + 1}", "leave --unit away, or rename the column"
            raise GridError(where, f"the column {cell!r} in {own}", f"{unit}, as --unit says", mend)
        layout.kept.append(place)
        layout.names.append(name)
        layout.units.append(own or unit)
    for why, names in dropped.items():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        layout.notes.append(f"left out as {why}: {', '.join(map(repr, names[:5]))}{more}")
    if is_opsd and unit is None:
        layout.notes.append("units as Open Power System Data has them: MW, profiles in shares")


def unit_of(cell: str) -> tuple[str, str | None]:
    """The name of a column and its unit: that in brackets, else one that the name ends in, which stays."""
    for found in _BRACKETS.finditer(cell):
        word = found[1]
        unit = PLAIN.get(word.lower())
        if unit is not None or (found.end() == len(cell) and cell.endswith("]")):
            return f"{cell[: found.start()]} {cell[found.end() :]}".strip(), unit or word
    found_suffix = _SUFFIX.search(cell)
    return cell.strip(), PLAIN[found_suffix[1].lower()] if found_suffix else None
