"""The files of an environment of Grid2Op beside its grid.json: tables of units, chronics, times, thermal limits."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, GridError
from topologies.formats.sheets import number, read_csv_sheet, read_numbers
from topologies.text import read_text

MOST_CODE = 1_000_000  # characters of config.py
CHRONICS = ("load_p", "load_q", "prod_p")


@dataclass(eq=False)
class Environment:
    """What stands beside grid.json; R rows of the scenario."""

    folder: Path
    generators: dict[str, dict[str, Any]]  # rows of prods_charac.csv
    stores: dict[str, dict[str, Any]]  # rows of storage_units_charac.csv
    chronics: dict[str, dict[str, np.ndarray]]  # by file and column, (R,)
    dt_h: float
    start: datetime | None
    profiles: dict[str, np.ndarray] = field(default_factory=dict)  # (R,) shares
    branches: dict[str, tuple[str, float]] = field(default_factory=dict)  # by Grid2Op's name: ours, and its kV


def chronics_file(folder: Path, name: str) -> Path | None:
    """The table of chronics of a name, packed or not."""
    return next((path for end in (".csv.bz2", ".csv") if (path := folder / f"{name}{end}").exists()), None)


def read_environment(folder: Path, scenario: Path | None) -> Environment:
    """Read the tables beside grid.json, and those of a scenario.

    Raises:
        GridError: a table is missing or is not as Grid2Op has it.
    """
    faults: list[Fault] = []
    tables: list[dict[str, dict[str, Any]]] = []
    for name in ("prods_charac.csv", "storage_units_charac.csv"):
        tables.append({})
        if name == "prods_charac.csv" or (folder / name).exists():
            sheet = read_csv_sheet(folder / name, "Grid2Op's table of units", faults)
            for row, cells in sheet.rows:
                tables[-1][str(cells.get("name"))] = {
                    column: _amount(sheet.place(row, column), column, cell, faults) for column, cell in cells.items()
                }
    if faults:
        raise GridError.of(faults)
    chronics: dict[str, dict[str, np.ndarray]] = {}
    for name in CHRONICS if scenario is not None else ():
        file = chronics_file(scenario, name) if scenario else None
        if file is not None:
            chronics[name] = read_numbers(file, "a table of chronics", ";")
    lengths = {len(column) for table in chronics.values() for column in table.values()}
    if len(lengths) > 1:
        mend = "give all tables of a scenario the same rows"
        raise GridError(str(scenario), f"tables of {min(lengths)} to {max(lengths)} rows", "tables of one length", mend)
    dt_h, start = _time(scenario) if scenario is not None else (1.0, None)
    generators, stores = tables
    return Environment(folder, generators, stores, chronics, dt_h, start)


def _amount(where: str, column: str, cell: Any, faults: list[Fault]) -> Any:
    if column in ("name", "type", "zone", "generator"):
        return cell
    value = number(cell)
    if not isinstance(value, int | float) or not abs(value) <= 1e12:
        faults.append(Fault(where, repr(cell), "a number", "correct the value"))
    return value


def _time(scenario: Path) -> tuple[float, datetime | None]:
    """Hours of a step and the time of the first row; five minutes where nothing is said, as in Grid2Op."""
    step, start = scenario / "time_interval.info", scenario / "start_datetime.info"
    dt_h = 1 / 12
    if step.exists():
        text = read_text(step, "the length of a step").strip()
        hours, _, minutes = text.partition(":")
        dt_h = int(hours) + int(minutes) / 60 if hours.isdigit() and minutes.isdigit() and len(text) < 10 else 0.0
        if dt_h <= 0:
            raise GridError(str(step), repr(text[:50]), "hours and minutes, as 00:05", "correct it")
    if not start.exists():
        return dt_h, None
    text = read_text(start, "the time of the first row").strip()
    try:
        return dt_h, datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise GridError(str(start), repr(text[:50]), "a time as 2019-01-05 23:55", "correct it") from None


def thermal_limits(path: Path) -> Any:
    """The literal that stands for thermal_limits in the dictionary config; None where there is none.

    Raises:
        GridError: it is no literal.
    """
    values: dict[str, ast.expr] = {}
    try:
        text = read_text(path, "Grid2Op's config.py")
        if len(text) > MOST_CODE:
            raise ValueError("too long")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the style of code that is not run
            tree = ast.parse(text)
        for each in tree.body:
            if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
                values[each.targets[0].id] = each.value
        config = values.get("config")
        pairs = zip(config.keys, config.values, strict=True) if isinstance(config, ast.Dict) else ()
        found = next((v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "thermal_limits"), None)
        found = values.get(found.id) if isinstance(found, ast.Name) else found
        return None if found is None else ast.literal_eval(found)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        if isinstance(error, GridError):
            raise
        allowed = "thermal_limits as a list or dictionary of numbers"
        raise GridError(str(path), "code that is not read", allowed, "write the numbers out") from None
