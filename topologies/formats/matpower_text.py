"""The tables of a MATPOWER case file: numbers are read, code is never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite, isnan
from pathlib import Path

from grid import LARGEST_BASE_MVA, LEAST_BASE_MVA, Fault, Faults, GridError
from topologies.formats.matpower_columns import COLUMNS, READ, assigned
from topologies.text import read_text

MOST_LINES = 1_000_000
MOST_CELLS = 5_000_000
BASE_KV = 9  # column of the bus table, counted from 0
FEWEST_COLUMNS = {"bus": 13, "gen": 10, "branch": 11, "gencost": 5}

_STRING_OR_COMMENT = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|%[^\n]*|\.\.\.[^\n]*")
_TABLE = re.compile(r"(?:^|;)[ \t]*(?:\w+\.)?(\w+)[ \t]*=[ \t]*\[([^\[\]]*)\]([^\n;,]*)", re.MULTILINE)
_OPEN_TABLE = re.compile(r"(\w+)[ \t]*=[ \t]*\[[^\[\]]*(?:\[|\Z)")
_BASE_MVA = re.compile(r"(?:^|;)[ \t]*(?:\w+\.)?baseMVA[ \t]*=[ \t]*([^;,\n]*)", re.MULTILINE)
_TABLE_USE = re.compile(r"(?:^|[;\s])\w+\.(?:bus|gen|branch|gencost)\s*([(=])", re.MULTILINE)
_EQUALS = re.compile(r"\s*=(?!=)")
LONGEST_INDEX = 1000  # characters
_WHOLE_CASE = re.compile(r"^[ \t]*mpc[ \t]*=[^\n]*", re.MULTILINE)

# the only statements that are understood, without their spaces; distribution cases end with them
_KW_TO_MW = "mpc.bus(:,[PD,QD])=mpc.bus(:,[PD,QD])/1e3;"
_OHM_TO_PU = "mpc.branch(:,[BR_RBR_X])=mpc.branch(:,[BR_RBR_X])/(Vbase^2/Sbase);"


@dataclass(frozen=True)
class Row:
    """One row of a table, and the line of the file that it stands in."""

    line: int
    cells: list[float]


@dataclass(frozen=True)
class Case:
    """What a case file holds."""

    path: Path
    base_mva: float
    tables: dict[str, list[Row]]  # bus, gen, branch and gencost, empty where absent
    ignored: tuple[str, ...]  # other tables
    kw_to_mw: bool  # the file converts its loads from kW
    ohm_to_pu: bool  # the file converts its impedances from ohm
    not_run: tuple[tuple[str, str, int], ...]  # table, column and line of code that sets what DC flow does not read

    @property
    def load_unit_mw(self) -> float:
        """The unit of the loads in MW."""
        return 1e-3 if self.kw_to_mw else 1.0

    @property
    def pu_per_ohm(self) -> float:
        """1, or what the distribution cases multiply by: base power over the square of the first bus's voltage.

        Raises:
            GridError: that voltage is no number above 0.
        """
        if not self.ohm_to_pu:
            return 1.0
        bus = self.tables["bus"][0]
        base_kv = bus.cells[BASE_KV]
        if not 0 < base_kv < inf:
            raise self.fail(bus, "bus", f"baseKV {base_kv:g}", "a voltage above 0 kV")
        return self.base_mva / base_kv**2

    def number(self, row: Row, table: str, column: int, name: str, unlimited: float | None = None) -> float:
        """One cell; infinite only where ``unlimited`` says what that means.

        Raises:
            GridError: it is not finite.
        """
        value = row.cells[column]
        if isnan(value) or (not isfinite(value) and unlimited is None):
            raise self.fail(row, table, f"{name} {value:g}", "a finite number", "correct the value")
        return value if isfinite(value) or unlimited is None else unlimited

    def fail(self, row: Row, table: str, found: str, allowed: str, mend: str = "correct the row") -> GridError:
        """What is wrong with a row."""
        return GridError(f"{self.path}, line {row.line}, mpc.{table}", found, allowed, mend)


def parse(path: Path) -> Case:
    """Read the tables of a case file.

    Raises:
        GridError: text that is no table of numbers where one is needed, or code that would change one.
    """
    text = read_text(path, "a MATPOWER case file")
    for marks, what in (("\n", "lines"), (";", "semicolons"), ("'\"", "quotation marks")):
        if sum(map(text.count, marks)) > MOST_LINES:
            allowed = f"at most {MOST_LINES:,}"
            raise GridError(str(path), f"more than {MOST_LINES:,} {what}", allowed, "give a smaller case")
    text = _without_comments(text)
    tables: dict[str, list[Row]] = {name: [] for name in FEWEST_COLUMNS}
    ignored: dict[str, None] = {}
    seen: set[str] = set()
    faults = Faults()
    for found in _TABLE.finditer(text):
        name, body, after = found.groups()
        if name not in tables:
            ignored[name] = None
            continue
        line = _line(text, found.start(2))
        if name in seen:
            mend = "remove one of them"
            raise GridError(f"{path}, line {line}", f"the table mpc.{name} twice", "each table once", mend)
        seen.add(name)
        if after.strip():
            raise _computed(path, _line(text, found.start(3)), f"]{after.strip()}")
        tables[name] = _rows(path, name, line, body, faults)
    faults.report()
    rest = _TABLE.sub(lambda table: "\n" * table.group().count("\n"), text)
    open_table = _OPEN_TABLE.search(rest)
    if open_table is not None:
        where = f"{path}, line {_line(rest, open_table.start())}"
        mend = "add it; the file may have been cut off"
        raise GridError(where, f"the table {open_table.group(1)} without end", "a closing bracket", mend)
    statements, not_run = _statements(path, rest)
    for name in ("bus", "branch"):
        if not tables[name]:
            allowed = "mpc.bus, mpc.gen and mpc.branch"
            raise GridError(str(path), f"no table mpc.{name}", allowed, "give a whole case file")
    known = (_KW_TO_MW in statements, _OHM_TO_PU in statements)
    return Case(path, _base_mva(path, rest), tables, tuple(ignored), *known, tuple(not_run))


def _without_comments(text: str) -> str:
    """Drop comments and texts and join continued lines, while every row keeps its line number."""
    lines: list[str] = []
    depth = 0  # of block comments
    into: int | None = None  # the line that this one continues
    for raw in text.split("\n"):
        mark = raw.strip()
        depth += (mark == "%{") - (mark == "%}" and depth > 0)
        hidden = depth > 0 or mark == "%}"
        code = "" if hidden else _STRING_OR_COMMENT.sub(_keep, raw)
        continues = code.endswith("...")
        code = code.removesuffix("...")
        lines.append("" if into is not None else code)
        if into is not None:
            lines[into] += " " + code
        into = (len(lines) - 1 if into is None else into) if continues else None
    return "\n".join(lines)


def _keep(found: re.Match[str]) -> str:
    """What is left of a text, a comment or a continuation."""
    start = found.group()[0]
    return "..." if start == "." else "" if start == "%" else "''"


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _rows(path: Path, name: str, first_line: int, body: str, faults: Faults) -> list[Row]:
    rows: list[Row] = []
    before, cells = len(faults.found), 0
    for line, code in enumerate(body.split("\n"), start=first_line):
        for part in code.split(";"):
            words = part.replace(",", " ").split()
            cells += len(words)
            if cells > MOST_CELLS:
                faults.report()
                where, found = f"{path}, line {line}, mpc.{name}", f"more than {MOST_CELLS:,} numbers"
                raise GridError(where, found, f"at most {MOST_CELLS:,}", "give a smaller case")
            if words:
                with faults.gather():
                    rows.append(Row(line, [_number(f"{path}, line {line}, mpc.{name}", word) for word in words]))
    for row in rows if len(faults.found) == before else ():
        width = len(rows[0].cells)
        if len(row.cells) == width >= FEWEST_COLUMNS[name]:
            continue
        where, found = f"{path}, line {row.line}, mpc.{name}", f"{len(row.cells)} columns"
        if len(row.cells) != width and name != "gencost":
            mend = "end each row with a semicolon and give every row all columns"
            faults.add(Fault(where, found, f"{width}, as in the row above", mend))
        elif len(row.cells) < FEWEST_COLUMNS[name]:
            mend = "add the columns of the MATPOWER manual"
            faults.add(Fault(where, found, f"{FEWEST_COLUMNS[name]} or more", mend))
    return rows


def _number(where: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        mend = "write the number out; a table may be missing its closing bracket"
        raise GridError(where, repr(word), "numbers only", mend) from None


def _base_mva(path: Path, rest: str) -> float:
    found = _BASE_MVA.search(rest)
    if found is None:
        raise GridError(str(path), "no mpc.baseMVA", "mpc.baseMVA = 100; or the like", "add it")
    where = f"{path}, line {_line(rest, found.start(1))}, mpc.baseMVA"
    value = _number(where, found.group(1).strip())
    if not LEAST_BASE_MVA <= value <= LARGEST_BASE_MVA:
        raise GridError(where, f"{value:g}", f"a number from {LEAST_BASE_MVA:g} to {LARGEST_BASE_MVA:g}", "correct it")
    return value


def _statements(path: Path, rest: str) -> tuple[set[str], list[tuple[str, str, int]]]:
    """The conversions of units that the file makes, and the code that changes nothing which DC power flow reads.

    Raises:
        GridError: other code that changes a table.
    """
    seen: set[str] = set()
    not_run: list[tuple[str, str, int]] = []
    for code, line in _assignments(rest):
        plain = re.sub(r"\s", "", code) + ";"
        if plain in (_KW_TO_MW, _OHM_TO_PU):
            seen.add(plain)
            continue
        columns = assigned(code)
        if not columns or any(COLUMNS[table][column] == READ for table, column in columns):
            raise _computed(path, line, code)
        not_run += [(table, column, line) for table, column in columns]
    for found in _WHOLE_CASE.finditer(rest):
        raise _computed(path, _line(rest, found.start()), found.group().strip("; "))
    return seen, not_run


def _assignments(rest: str) -> Iterator[tuple[str, int]]:
    """Each statement that sets a table or a part of one, and its line."""
    for found in _TABLE_USE.finditer(rest):
        start, end = found.start(1), min(len(rest), found.start(1) + LONGEST_INDEX)
        depth = 0
        for place in range(start, end):
            depth += (rest[place] == "(") - (rest[place] == ")")
            if not depth or rest[place] == "\n":
                start = place + (rest[place] == ")")
                break
        else:
            start = -1  # too long to say
        if start < 0 or _EQUALS.match(rest, start):
            code = rest[found.start() : rest.find("\n", found.start() + 1) % (len(rest) + 1)]
            yield code.strip("; \t\n"), _line(rest, found.start() + 1)


def _computed(path: Path, line: int, code: str) -> GridError:
    mend = "write the case with MATPOWER's savecase and give that file"
    return GridError(f"{path}, line {line}", f"the code {code!r}", "tables of numbers; code is not run", mend)
