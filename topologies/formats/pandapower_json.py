"""The tables of a pandapower JSON file, read as numbers and texts.

pandapower's own reader makes objects of classes that the file names, and opens paths that stand in it. Here nothing is
made but tables: each is a JSON text with columns, index and data. Other objects are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from grid import Fault, GridError
from topologies.json_text import parse, word

TABLES = (
    *("bus", "ext_grid", "gen", "sgen", "storage", "load", "motor", "asymmetric_load", "asymmetric_sgen", "shunt"),
    *("ward", "xward", "line", "trafo", "trafo3w", "impedance", "switch", "dcline", "tcsc", "poly_cost", "pwl_cost"),
    *("trafo_characteristic_table",),
)
BUSES = ("bus", "from_bus", "to_bus", "hv_bus", "mv_bus", "lv_bus")  # columns that name a bus
FLAGS = ("in_service", "closed", "slack", "controllable", "tap_dependency_table", "tap_at_star_point", "oltc")
TEXTS = ("name", "std_type", "type", "zone", "geo", "et", "tap_side", "tap_changer_type", "vector_group", "power_type")
NUMBERS = (
    *("p_mw", "max_p_mw", "min_p_mw", "scaling", "vn_kv", "x_ohm_per_km", "length_km", "max_i_ka", "sn_mva"),
    *("vk_percent", "max_e_mwh", "min_e_mwh", "soc_percent", "cp1_eur_per_mw", "cp2_eur_per_mw2", "xft_pu", "xtf_pu"),
    *("q_mvar", "vm_pu", "max_q_mvar", "min_q_mvar", "max_vm_pu", "min_vm_pu", "r_ohm_per_km", "c_nf_per_km"),
)
SCALARS = ("name", "version", "format_version", "sn_mva", "f_hz")
MOST_ROWS = 200_000
LARGEST_KEY = 100_000_000
LARGEST = 1e12


@dataclass
class Table:
    """One table of a network."""

    name: str
    index: list[int]
    columns: dict[str, list[Any]]  # numbers, true or false, texts or None


@dataclass
class Network:
    """What a file holds, as far as it is read."""

    path: Path
    name: str
    version: str
    format_version: str
    sn_mva: float
    f_hz: float
    tables: dict[str, Table]
    ignored: list[str]


def read_network(path: Path, data: dict[str, Any], faults: list[Fault]) -> Network:
    """Read the tables of parsed JSON.

    Raises:
        GridError: all faults at once, each with its table, row and column.
    """
    fields = data.get("_object")
    if isinstance(fields, str):  # as pandapower 1 wrote it
        fields, more = parse(f"{path}: _object", fields)
        faults += more
    if not isinstance(fields, dict):
        mend = "write the file with pandapower.to_json"
        raise GridError.of([*faults, Fault(f"{path}: _object", word(fields), "an object of tables", mend)])
    faults = [fault for fault in faults if _is_read(path, fault)]
    network = Network(
        path,
        fields["name"] if isinstance(fields.get("name"), str) else "",
        str(fields.get("version", "")),
        str(fields.get("format_version", fields.get("version", ""))),
        _scalar(path, fields, "sn_mva", 1.0, faults),
        _scalar(path, fields, "f_hz", 50.0, faults),
        {},
        [],
    )
    for name, value in fields.items():
        if name not in TABLES:
            network.ignored += [] if name.startswith("res_") else _ignored(name, value)
            continue
        table = _table(path, name, value, faults)
        if table is not None and table.index:
            network.tables[name] = table
    if "bus" not in network.tables and not faults:
        faults.append(Fault(f"{path}: bus", "no bus", "a table of buses", "give a network with buses"))
    _check_buses(network, faults)
    if faults:
        raise GridError.of(faults)
    return network


def _is_read(path: Path, fault: Fault) -> bool:
    """Whether a fault of the text is of something that is read; what never is, such as std_types, may hold anything."""
    field = re.match(re.escape(f"{path}: _object") + r"(?:\.|: )(\w+)", fault.where)
    return field is None or field[1] in (*TABLES, *SCALARS)


def _ignored(name: str, value: Any) -> list[str]:
    """The tables in a field that is not read, with the number of their rows; whatever is wrong with them."""
    if not isinstance(value, dict):
        return []
    if value.get("_class") != "DataFrame":
        return [
            table for key, part in value.items() if isinstance(part, dict) for table in _ignored(f"{name}.{key}", part)
        ]
    try:
        index = parse(name, str(value.get("_object")))[0]["index"]
        return [f"{len(index)} rows of {name}"] if index else []
    except (GridError, LookupError, TypeError):
        return [f"the table {name}"]


def _scalar(path: Path, fields: dict[str, Any], name: str, default: float, faults: list[Fault]) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-6 <= value <= 1e6:
        faults.append(Fault(f"{path}: {name}", word(value), "a number from 1e-06 to 1e+06", "correct it"))
        return default
    return float(value)


def _table(path: Path, name: str, value: Any, faults: list[Fault]) -> Table | None:
    where = f"{path}: {name}"
    text = value.get("_object") if isinstance(value, dict) else None
    if not isinstance(text, str):
        faults.append(Fault(where, word(value), "a table as pandapower.to_json writes it", "write the file anew"))
        return None
    try:
        data, more = parse(where, text)
    except GridError as error:
        faults.extend(error.faults)
        return None
    faults += more
    names, index, rows = (data.get(key) if isinstance(data, dict) else None for key in ("columns", "index", "data"))
    if not (isinstance(names, list) and isinstance(index, list) and isinstance(rows, list)):
        faults.append(Fault(where, word(data), "columns, index and data", "write the file with pandapower 2 or later"))
        return None
    if len(rows) > MOST_ROWS:
        faults.append(Fault(where, f"{len(rows):,} rows", f"at most {MOST_ROWS:,}", "give a smaller network"))
        return None
    problems = []
    if not all(isinstance(column, str) for column in names) or len(set(map(str, names))) < len(names):
        problems.append(Fault(where, "columns without a name of their own", "one text a column", "rename them"))
    whole = all(isinstance(key, int) and not isinstance(key, bool) and 0 <= key < LARGEST_KEY for key in index)
    if not whole or len(set(index)) < len(index):
        problems.append(Fault(f"{where}.index", "doubled or odd keys", "a whole number a row, each once", "renumber"))
    if len(index) != len(rows) or not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        found = f"{len(index)} keys, {len(rows)} rows and {len(names)} columns that do not fit"
        problems.append(Fault(where, found, "one key and one cell a column for each row", "write the file anew"))
    if problems:
        faults += problems
        return None
    keyed = list(zip(index, rows, strict=True))
    columns = {
        column: [_cell(name, column, f"{where}[{key}].{column}", row[i], faults) for key, row in keyed]
        for i, column in enumerate(names)
    }
    return Table(name, index, columns)


def _cell(table: str, column: str, where: str, value: Any, faults: list[Fault]) -> Any:
    """A cell that later code may use without looking; None where it is wrong."""
    if value is None or (isinstance(value, float) and not isfinite(value)):  # the latter is a fault of the text
        return None
    keyed = column in BUSES or (column == "element" and table in ("switch", "poly_cost", "pwl_cost"))
    good, allowed = value, ""
    if keyed:
        good, allowed = _whole(value), "a whole number"
    elif column in FLAGS:
        good, allowed = bool(value) if value in (0, 1) else None, "true or false"
    elif column == "points":
        segments = isinstance(value, list) and all(map(_is_segment, value))
        good, allowed = value if segments else None, "segments of start, end and price"
    elif column in TEXTS or (isinstance(value, dict | list | str) and column not in NUMBERS):
        good = value if isinstance(value, str) else word(value)
    elif not isinstance(value, bool):
        small = isinstance(value, int | float) and abs(value) <= LARGEST
        good, allowed = value if small else None, f"a number of at most {LARGEST:g} in size"
    if good is None:
        mend = "write decimals with a point" if isinstance(value, str) and "," in value else "correct the value"
        faults.append(Fault(where, repr(value) if isinstance(value, str) else word(value), allowed, mend))
    return good


def _whole(value: Any) -> int | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST_KEY
    return int(value) if number and value == int(value) else None


def _is_segment(part: Any) -> bool:
    numbers = isinstance(part, list) and len(part) == 3 and all(type(x) in (int, float) for x in part)
    return numbers and all(abs(x) < LARGEST for x in part)  # NaN is none


def _check_buses(network: Network, faults: list[Fault]) -> None:
    """Every element stands at buses that exist."""
    if "bus" not in network.tables:
        return
    known = set(network.tables["bus"].index)
    for table in network.tables.values():
        for column in BUSES if table.name != "bus" else ():
            for key, bus in zip(table.index, table.columns.get(column, ()), strict=False):
                if bus not in known:
                    where = f"{network.path}: {table.name}[{key}].{column}"
                    found = "nothing" if bus is None else f"bus {bus}"
                    faults.append(Fault(where, found, "the index of a bus", "correct it or add the bus"))
