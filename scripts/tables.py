"""Writing the tables of episodes: .csv and .parquet files side by side, or the sheets of one .xlsx file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grid import EPISODE_TABLES, GridError, atomic_path, check_writable

if TYPE_CHECKING:
    from grid import Episode

CSV, PARQUET, EXCEL = ".csv", ".parquet", ".xlsx"
TABLE_SUFFIXES = (CSV, EXCEL, PARQUET)
MOST_EXCEL_ROWS = 1_048_575  # of a sheet, its header aside: Excel specifications and limits

Columns = dict[str, np.ndarray]


def is_table(path: Path | None) -> bool:
    """Whether a path is that of tables, by its suffix."""
    return path is not None and path.suffix.lower() in TABLE_SUFFIXES


def check_tables(path: Path) -> None:
    """Refuse, before any work, tables that cannot be written.

    Raises:
        GridError: another suffix, a package is missing, or a file cannot be written.
    """
    if not is_table(path):
        found = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise GridError(str(path), found, ", ".join(TABLE_SUFFIXES), "end the file name with one of these")
    _import(path.suffix.lower())
    for each in table_paths(path).values():
        check_writable(each)


def table_paths(path: Path) -> dict[str, Path]:
    """Where each table goes: the first to the path itself, others beside it or, in Excel, into the same file."""
    names = list(EPISODE_TABLES)
    if path.suffix.lower() == EXCEL:
        return dict.fromkeys(names, path)
    return {name: path if name == names[0] else path.with_name(f"{path.stem}_{name}{path.suffix}") for name in names}


def written(path: Path) -> list[Path]:
    """Every file that is written for a path of tables, or of anything else."""
    return list(dict.fromkeys(table_paths(path).values())) if is_table(path) else [path]


def write_tables(path: Path, episodes: Sequence[Episode]) -> Path:
    """Write the tables of one episode, or of several with the columns policy and episode before the others.

    ``episodes`` of one policy follow each other and are counted from 0. Returns the path.

    Raises:
        GridError: a package is missing, a file cannot be written, or there are too many rows for Excel.
    """
    tables = _joined(episodes)
    suffix, paths = path.suffix.lower(), table_paths(path)
    if suffix == EXCEL:
        _write_excel(path, tables)
    else:
        write = _write_csv if suffix == CSV else _write_parquet
        for name, columns in tables.items():
            write(paths[name], columns)
    return path


def _joined(episodes: Sequence[Episode]) -> dict[str, Columns]:
    if len(episodes) == 1:
        return {name: make(episodes[0]) for name, make in EPISODE_TABLES.items()}
    made: dict[str, list[Columns]] = {name: [] for name in EPISODE_TABLES}
    done: dict[str, int] = {}
    for episode in episodes:
        number = done[episode.policy] = done.get(episode.policy, -1) + 1
        for name, make in EPISODE_TABLES.items():
            columns = make(episode)
            rows = len(columns["step"])
            who = np.full(rows, episode.policy, dtype=object)
            made[name].append({"policy": who, "episode": np.full(rows, number), **columns})
    names = {name: list(dict.fromkeys(chain.from_iterable(parts))) for name, parts in made.items()}
    return {name: {column: _stacked(parts, column) for column in names[name]} for name, parts in made.items()}


def _stacked(parts: Sequence[Columns], column: str) -> np.ndarray:
    """A column of several tables, NaN where a table has none, as prices of nodes without an optimum."""
    return np.concatenate([part.get(column, np.full(len(part["step"]), np.nan)) for part in parts])


def _rows(columns: Columns) -> Any:
    """The rows as Python values, None where there is none."""
    lists = [_cells(values) for values in columns.values()]
    return zip(*lists, strict=True)


def _cells(values: np.ndarray) -> list[Any]:
    cells = values.astype(object)
    if values.dtype.kind == "f":
        cells[np.isnan(values)] = None
    return list(cells.tolist())


def _write_csv(path: Path, columns: Columns) -> None:
    plain = {name: values.astype(str) if values.dtype.kind == "M" else values for name, values in columns.items()}
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(plain)
        writer.writerows(_rows(plain))


def _write_parquet(path: Path, columns: Columns) -> None:
    pa = _import(PARQUET)
    from pyarrow import parquet

    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary)


def _write_excel(path: Path, tables: dict[str, Columns]) -> None:
    book = _import(EXCEL).Workbook(write_only=True)
    for name, columns in tables.items():
        rows = len(columns["step"])
        if rows > MOST_EXCEL_ROWS:
            allowed = f"at most {MOST_EXCEL_ROWS:,} in a sheet of Excel"
            raise GridError(f"{path}: {name}", f"{rows:,} rows", allowed, "write .csv or .parquet")
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        sheet.append(list(columns))
        for row in _rows(columns):
            sheet.append(row)
    with atomic_path(path) as temporary:
        book.save(temporary)


def _import(suffix: str) -> Any:
    """The package that writes such files; None for CSV.

    Raises:
        GridError: it is missing.
    """
    try:
        if suffix == EXCEL:
            import openpyxl

            return openpyxl
        if suffix == PARQUET:
            import pyarrow

            return pyarrow
    except ModuleNotFoundError as error:
        raise GridError.without(str(error.name), f".csv without it, or {suffix} with it", "tables") from error
    return None
