"""Tables as spreadsheets hold them: a header and rows of cells, from CSV files or the sheets of one .xlsx file."""

from __future__ import annotations

import bz2
import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, GridError, atomic_path
from topologies.tables import MOST_CSV_CELLS, MOST_UNPACKED_BYTES
from topologies.text import as_number, read_bytes, read_text

EXTRA = "tables"
REMARK = "#"
MOST_NUMBERS_BYTES = 200_000_000
_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+([eE][-+]?\d+)?")  # a number with a decimal comma
_POINTS = re.compile(r"[-+]?\d{1,3}(\.\d{3})+")  # beside such numbers, one with a point may be read in two ways


@dataclass
class Sheet:
    """One table; rows and columns that begin with # are remarks, and not among them."""

    where: str
    word: str  # what a row is counted as: line or row
    names: list[str]
    rows: list[tuple[int, dict[str, Any]]]  # its number, and its cells: texts and numbers, none that are empty
    notes: list[str] = field(default_factory=list)

    def place(self, row: int, column: str = "") -> str:
        """Where a cell is, or a row."""
        return f"{self.where}, {self.word} {row}" + (f", column {column!r}" if column else "")


def read_csv_sheet(path: Path, what: str, faults: list[Fault]) -> Sheet:
    """Read a CSV file with commas, semicolons or tabs; beside the latter two, numbers may have decimal commas.

    Raises:
        GridError: no such file, or no CSV at all.
    """
    text = read_text(path, what)
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip('" ').startswith(REMARK)), "")
    delimiter = next((mark for mark in ";\t" if mark in first), ",")
    if text.count(delimiter) + text.count("\n") > MOST_CSV_CELLS:
        raise GridError(str(path), "too many cells", f"at most {MOST_CSV_CELLS:,}", "give a smaller table")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        where = f"{path}, line {reader.line_num}"
        raise GridError(where, f"no CSV ({error})", "one row of the table a line", "correct the line") from None
    sheet = _sheet(str(path), "line", lines, faults)
    if delimiter != ",":
        sheet.notes.append(f"{path.name}: {'semicolons' if delimiter == ';' else 'tabs'} between the cells")
        _decimal_commas(sheet, path.name, faults)
    return sheet


def _decimal_commas(sheet: Sheet, name: str, faults: list[Fault]) -> None:
    if not any(_COMMA.fullmatch(cell) for _, row in sheet.rows for cell in row.values()):
        return
    sheet.notes.append(f"{name}: decimal commas")
    for number, row in sheet.rows:
        for column, cell in row.items():
            if _COMMA.fullmatch(cell):
                row[column] = cell.replace(".", "").replace(",", ".")
            elif _POINTS.fullmatch(cell) and column not in ("id", "from", "to", "name"):
                mend = "write it with a decimal comma, as the others"
                faults.append(Fault(sheet.place(number, column), repr(cell), "a number read in one way", mend))


def read_numbers(path: Path, what: str, delimiter: str) -> dict[str, np.ndarray]:
    """The columns of a table of nothing but numbers below its header, packed (.bz2) or not, each with its values (R,).

    Raises:
        GridError: no such file, or another thing in it.
    """
    raw = read_bytes(path, what)
    try:
        if path.suffix == ".bz2":
            raw = bz2.BZ2Decompressor().decompress(raw, MOST_NUMBERS_BYTES + 1)
        if len(raw) > MOST_NUMBERS_BYTES:
            raise GridError(str(path), "more than 200 MB when unpacked", "at most 200 MB", "give fewer rows")
        header, _, body = raw.decode("utf-8").partition("\n")
        names = [name.strip('" ') for name in header.strip().split(delimiter)]
        if not body.strip():
            raise ValueError("no rows")
        values = np.loadtxt(io.StringIO(body), delimiter=delimiter, ndmin=2, comments=None)
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, GridError):
            raise
        found = f"no table of numbers ({str(error)[:100]})"
        raise GridError(
            str(path), found, f"a header and rows, with {delimiter!r} between the cells", "write it anew"
        ) from None
    if values.shape[1:] != (len(names),) or len(set(names)) < len(names) or len(values) < 2:
        found = f"{len(set(names))} different names for rows of {values.shape[1]} numbers, {len(values)} rows"
        raise GridError(str(path), found, "a name a column, and 2 rows or more", "write it anew")
    if not np.isfinite(values).all() or np.abs(values).max() > 1e9:
        row, column = np.argwhere(~(np.abs(values) <= 1e9))[0].tolist()
        where = f"{path}, line {row + 2}, column {names[column]!r}"
        raise GridError(where, f"{values[row, column]:g}", "a number of at most 1e9 in size", "correct the value")
    return dict(zip(names, values.T, strict=True))


def read_workbook(path: Path, faults: list[Fault]) -> dict[str, Sheet]:
    """The sheets of an .xlsx file by name, formulas as the values that were saved with them.

    Raises:
        GridError: openpyxl is not installed, or the file is no workbook.
    """
    try:
        import openpyxl
    except ImportError:
        raise GridError.without("openpyxl", "nodes.csv and lines.csv in a folder", EXTRA) from None
    raw = read_bytes(path, "a workbook")
    try:
        _check_archive(path, raw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and other things that no table has
            values, formulas = (
                openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=data_only, keep_links=False)
                for data_only in (True, False)
            )
            return {
                name: _workbook_sheet(path, name, values[name], formulas[name], faults) for name in values.sheetnames
            }
    except GridError:
        raise
    except Exception as error:  # of a broken file it may raise anything
        found = f"no workbook ({' '.join((str(error) or type(error).__name__).split())[:100]})"
        raise GridError(str(path), found, "an .xlsx file", "save it again from a spreadsheet program") from None


def _check_archive(path: Path, raw: bytes) -> None:
    """Refuse what would unpack to too much, or defines entities."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        size = sum(part.file_size for part in archive.infolist())
        if size > MOST_UNPACKED_BYTES:
            found, allowed = f"{size / 1e6:,.0f} MB when unpacked", f"at most {MOST_UNPACKED_BYTES / 1e6:,.0f} MB"
            raise GridError(str(path), found, allowed, "give a smaller file")
        for part in archive.infolist():
            if part.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(part)[:10_000]:
                raise GridError(str(path), "a document type in its XML", "none", "save it again")


def _workbook_sheet(path: Path, name: str, values: Any, formulas: Any, faults: list[Fault]) -> Sheet:
    where, lines, count = f"{path}, sheet {name!r}", [], 0
    values.reset_dimensions()
    formulas.reset_dimensions()
    pairs = zip(values.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=True)
    for number, (row, written) in enumerate(pairs, start=1):
        count += len(row) + 1
        if count > MOST_CSV_CELLS:
            raise GridError(where, "too many cells", f"at most {MOST_CSV_CELLS:,}", "give a smaller table")
        for cell, formula in zip(row, written, strict=True):
            if cell is None and formula is not None:
                mend = "open the file in a spreadsheet program and save it"
                faults.append(Fault(f"{where}, row {number}", "a formula without a value", "numbers and texts", mend))
        lines.append((number, [_plain(cell) for cell in row]))
    return _sheet(where, "row", lines, faults)


def _plain(cell: Any) -> Any:
    """A cell as a text or a number; whatever else it holds, as its text."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return int(cell)
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    return "" if cell is None else str(cell).strip()


def _sheet(where: str, word: str, lines: Iterable[tuple[int, list[Any]]], faults: list[Fault]) -> Sheet:
    """Header and rows of a table."""
    filled = [(n, row) for n, row in lines if any(cell != "" for cell in row) and not _is_remark(row[0])]
    if not filled:
        faults.append(Fault(where, "no header", "a header and one row each", "write the header first"))
        return Sheet(where, word, [], [])
    (top, header), *body = filled
    sheet = Sheet(where, word, [str(name) for name in header], [])
    kept = [i for i, name in enumerate(sheet.names) if name and not _is_remark(name)]
    for name in dict.fromkeys(sheet.names[i] for i in kept):
        if sheet.names.count(name) > 1:
            faults.append(Fault(sheet.place(top), f"the column {name!r} twice", "each column once", "remove one"))
    for number, row in body:
        beyond = [cell for i, cell in enumerate(row) if cell != "" and (i >= len(header) or not sheet.names[i])]
        if beyond:
            mend = "give the column a name, or one that begins with # for a remark; quote texts that hold a separator"
            faults.append(Fault(sheet.place(number), f"{beyond[0]!r} in no column", "cells below the header", mend))
        sheet.rows.append((number, {sheet.names[i]: row[i] for i in kept if i < len(row) and row[i] != ""}))
    sheet.names = [sheet.names[i] for i in kept]
    return sheet


def _is_remark(cell: Any) -> bool:
    return isinstance(cell, str) and cell.startswith(REMARK)


def number(cell: Any) -> Any:
    """A cell of a column of numbers: a number, or as it stands where it is none."""
    value = as_number(cell) if isinstance(cell, str) else cell
    return cell if isinstance(value, float) and isnan(value) else value


def write_csv_sheet(path: Path, rows: Iterable[list[Any]]) -> None:
    """Write a table as a CSV file, over whatever is there."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_workbook(path: Path, sheets: Mapping[str, Iterable[list[Any]]]) -> None:
    """Write the sheets of an .xlsx file.

    Raises:
        GridError: openpyxl is not installed, or the file cannot be written.
    """
    try:
        import openpyxl
    except ImportError:
        raise GridError.without("openpyxl", "FOLDER/nodes.csv", EXTRA) from None
    book = openpyxl.Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([_as_text(book, sheet, cell) for cell in row])
    with atomic_path(path) as temporary:
        book.save(temporary)


def _as_text(book: Any, sheet: Any, cell: Any) -> Any:
    """A cell that no program takes for a formula."""
    from openpyxl.cell import WriteOnlyCell

    if not isinstance(cell, str) or not cell.startswith("="):
        return cell
    made = WriteOnlyCell(sheet, value=cell)
    made.data_type = "s"
    return made
