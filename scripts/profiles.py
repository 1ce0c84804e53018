"""``profiles``: what a file of time series holds, or the shipped year."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from scripts.console import Console, amount, pairs, table
from scripts.options import CommonJson, MaybePath, default, number, one_of

if TYPE_CHECKING:
    from topologies import SeriesTable

Unit = Literal["share", "MW"]


@dataclass(frozen=True, kw_only=True)
class Profiles(CommonJson):
    """Check a file of time series (.csv, .parquet) and describe it; without one, the shipped year."""

    file: Annotated[
        Path | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: the shipped year)"),
    ] = None
    """first column time_h (hours) or timestamps, the others with their unit: town [share], town [MW], town [kW]"""
    unit: Annotated[Unit | None, one_of(Unit), default("each column must name its own")] = None
    """unit of columns that name none"""
    fix: Annotated[MaybePath, default("no file")] = None
    """also write the series without gaps to this .csv file, and say what was changed"""
    gap_h: Annotated[float, number("H", float, 0)] = 3.0
    """with --fix: hours of the longest gap that is filled, along a straight line"""
    zone: Annotated[str | None, tyro.conf.arg(metavar="ZONE"), default("times as they stand")] = None
    """with --fix: where local times are of, such as Europe/Berlin"""
    picture: Annotated[MaybePath, default("no picture")] = None
    """also draw each series to this .png, .svg or .pdf file: its days, a week and its duration curve"""

    def run(self, console: Console) -> None:
        """Print one row a series."""
        from grid import GridError
        from topologies import mend, read_series, shipped_profiles, shipped_series

        if self.fix is None and (self.zone is not None or self.gap_h != Profiles.gap_h):
            raise GridError("--zone, --gap-h", "no --fix", "them with --fix OUT.csv alone", "add it")
        changes: tuple[str, ...] = ()
        if self.file is None and self.fix is None:
            series = shipped_series()
        elif self.fix is None or self.file is None:
            series = read_series(self.file or Path(), self.unit)
        else:
            mended = mend(self.file, self.fix, self.unit, self.zone, self.gap_h)
            series, changes = mended.series, mended.changes
        facts = _facts(series) | {"changes": list(changes)}
        if self.file is None:
            about = shipped_profiles()
            facts |= {"origin": about.origin, "licence": about.licence}
            for row, meaning, kind in zip(facts["columns"], about.meanings, about.tables, strict=True):
                row |= {"table": kind, "meaning": meaning}
        drawn = None if self.picture is None else _draw(series, facts, self.picture)
        console.result(_lines(facts), facts)
        if drawn is not None:
            console.say(f"picture: {drawn}")


def _facts(series: SeriesTable) -> dict[str, Any]:
    """The JSON object: length of the series, and mean, peak and energy of each column."""
    hours = len(series.values) * series.dt_h
    columns = []
    for name, unit, values in zip(series.columns, series.units, series.values.T, strict=True):
        mean, peak = float(values.mean()), float(values.max())
        row = {"name": name, "unit": unit, "mean": mean, "min": float(values.min()), "max": peak}
        row |= {"energy": mean * hours, "energy_unit": "MWh" if unit == "MW" else "h at the maximum"}
        row |= {"capacity_factor": mean if unit == "share" else None, "load_factor": mean / peak if peak else None}
        columns.append(row)
    return {
        "file": series.path.name,
        "rows": len(series.values),
        "dt_h": series.dt_h,
        "hours": hours,
        "start": None if series.start is None else series.start.isoformat(),
        "start_hour": series.start_hour,
        "understood": list(series.notes),
        "columns": columns,
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    begin = facts["start"] or f"{amount(facts['start_hour'])} h after a Monday's midnight, undated"
    rows = [
        ("file", facts["file"]),
        ("length", f"{facts['rows']:,} rows of {amount(facts['dt_h'])} h: {amount(facts['hours'] / 24)} days"),
        ("start", begin),
        *[(word, facts[word]) for word in ("origin", "licence") if word in facts],
        *[("understood", note) for note in facts["understood"]],
        *[("changed", note) for note in facts["changes"]],
    ]
    header = ("series", "unit", "mean", "min", "max", "mean/max", "energy")
    body = [
        (
            row["name"],
            row["unit"],
            *(amount(row[word]) for word in ("mean", "min", "max")),
            "-" if row["load_factor"] is None else f"{row['load_factor']:.3f}",
            f"{amount(row['energy'])} {'MWh' if row['unit'] == 'MW' else 'h'}",
        )
        for row in facts["columns"]
    ]
    lines = [*pairs(rows), "", *table(header, body, left=2)]
    lines += ["", "The energy of a share is in hours at the maximum; its mean is the capacity factor."]
    if facts["columns"] and "meaning" in facts["columns"][0]:
        lines += ["", *pairs([(row["name"], f"{row['table']}_profile: {row['meaning']}") for row in facts["columns"]])]
    return lines


def _draw(series: SeriesTable, facts: dict[str, Any], path: Path) -> Path:
    from envs.rendering import MOST, Sheet, profile_sheet

    notes = []
    for row in facts["columns"]:
        energy = f"{amount(row['energy'])} {'MWh' if row['unit'] == 'MW' else 'h at the maximum'}"
        unit = " MW" if row["unit"] == "MW" else ""
        notes.append((f"mean {row['mean']:.3g}{unit}", f"{row['min']:.3g} to {row['max']:.3g}{unit}", energy))
    start = "an unknown date" if series.start is None else f"{series.start:%d %b %Y, %H:%M}"
    note = f"{facts['rows']:,} rows of {amount(facts['dt_h'])} h from {start}"
    if len(series.columns) > MOST:
        note += f"; the first {MOST} of {len(series.columns)} series"
    about = (series.columns, tuple(notes), series.values, series.dt_h, series.start_hour, series.start)
    return profile_sheet(Sheet(facts["file"], note, *about), path)
