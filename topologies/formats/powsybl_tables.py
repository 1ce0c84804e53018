"""The tables of a network that PowSyBl holds: their rows, and what of them is said to be left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan
from typing import Any

from topologies.formats.units import Buses

BASE_MVA = 100.0

Row = dict[str, Any]

TABLES = (
    *("buses", "voltage_levels", "loads", "generators", "batteries", "shunt_compensators", "static_var_compensators"),
    *("hvdc_lines", "vsc_converter_stations", "lcc_converter_stations", "lines", "2_windings_transformers"),
    *("3_windings_transformers", "boundary_lines"),
)
"""Those that are read."""

LISTED: dict[str, dict[str, str]] = {
    "buses": {
        "fictitious_p0": "fictitious demand of a bus left out",
        "fictitious_q0": "fictitious demand of a bus left out",
    },
    "batteries": {"max_p": "limits of a battery left out", "min_p": "limits of a battery left out"},
    "hvdc_lines": {"max_p": "limit of a line of direct current left out, as its power is constant"},
}
"""By table, what is left out where a column is set."""

TABLES_LISTED = {
    "areas": "left out: interchanges of areas are not kept",
    "dc_lines": "left out: grids of direct current in detail are not read",
    "voltage_source_converters": "left out: grids of direct current in detail are not read",
    "boundary_lines_generation": "generation beyond a boundary line left out: only its demand is read",
    "voltage_angle_limits": "limit of an angle left out",
    "ratio_tap_changers": "tap taken as it is: what controls it is left out",
    "phase_tap_changers": "tap taken as it is: what controls it is left out",
}
"""Tables of which nothing is read, and what is said of each row."""


@dataclass(kw_only=True)
class Reading(Buses):
    """A network on its way into a grid."""

    tables: dict[str, dict[str, Row]]  # by name, then by id
    names: dict[str, str]  # of buses, by id
    limit_mva: dict[str, float] = field(default_factory=dict)  # permanent, of branches, by id

    def rows(self, table: str) -> Iterator[tuple[str, Row, str]]:
        """Name, cells and bus of each element in service of a table of what stands at one bus."""
        for key, row in self.tables[table].items():
            bus = self.names.get(row["bus_id"]) if row["connected"] else None
            if bus is None:
                self.note("left out as out of service", f"{table} {key}")
            else:
                yield key, row, bus

    def kv(self, row: Row, end: str = "") -> float:
        """Nominal voltage at an element or one end of it."""
        return float(self.tables["voltage_levels"][row[f"voltage_level{end}_id"]]["nominal_v"])


def read_rows(network: Any, table: str) -> dict[str, Row]:
    """The rows of a table by id."""
    frame = getattr(network, f"get_{table}")(all_attributes=True)
    return {str(key): row for key, row in frame.to_dict("index").items()}


def note_listed(reading: Reading) -> None:
    """Say of every table and column that the model has no place for, where it is set, what is left out."""
    for table, what in TABLES_LISTED.items():
        for key in reading.tables[table]:
            reading.note(what, f"{table} {key}")
    for table, columns in LISTED.items():
        for key, row in reading.tables[table].items():
            for column, what in columns.items():
                cell = row.get(column)
                if cell not in (None, "", 0) and not (isinstance(cell, float) and isnan(cell)):
                    reading.note(what, f"{table} {key}")
