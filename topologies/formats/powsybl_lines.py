"""Lines and transformers of a network that PowSyBl holds, and their limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt

from topologies.formats.powsybl_tables import BASE_MVA, Reading, Row
from topologies.formats.units import stands_for_none

BRANCHES = ("lines", "2_windings_transformers", "3_windings_transformers", "boundary_lines")


def read_limits(reading: Reading, limits: list[Row]) -> None:
    """Permanent limits in A, MW or MVA; the smaller of both ends."""
    ends = {"ONE": "1", "TWO": "2", "THREE": "3"}
    rows = {key: row for table in BRANCHES for key, row in reading.tables[table].items()}
    for limit in limits:
        key, row, value = str(limit["element_id"]), rows.get(str(limit["element_id"])), float(limit["value"])
        if row is None or not limit["selected"] or stands_for_none(value) or not 0 < value < 1e9:
            continue
        if limit["acceptable_duration"] != -1:
            reading.note("limits for some minutes left out: the permanent ones hold", f"branch {key}")
            continue
        end = ends.get(str(limit["side"]), "")
        if limit["type"] == "CURRENT":
            value *= sqrt(3) * reading.kv(row, end) / 1000
        of = f"{key} {end}" if end and "r3" in row else key
        reading.limit_mva[of] = min(value, reading.limit_mva.get(of, inf))


@dataclass(frozen=True)
class _Pi:
    """A branch in SI units: its series impedance, and its admittances at both ends."""

    ohm: complex
    siemens: tuple[complex, complex]

    def per_unit(self, kv: tuple[float, float]) -> tuple[complex, complex, complex]:
        """The same with these nominal voltages, of which those of a line may differ: series, and admittances."""
        one, two = kv
        between = (one - two) / self.ohm if self.ohm else 0j
        first = one * (one * self.siemens[0] + between) / BASE_MVA
        second = two * (two * self.siemens[1] - between) / BASE_MVA
        return self.ohm * BASE_MVA / (one * two), first, second


def read_lines(reading: Reading) -> Iterator[tuple[str, str, str, Row]]:
    """Ends, name and columns of each line of the grid."""
    for key, row in reading.tables["lines"].items():
        pi = _Pi(complex(row["r"], row["x"]), (complex(row["g1"], row["b1"]), complex(row["g2"], row["b2"])))
        yield from _branch(reading, key, row, ("1", "2"), pi, reading.kv(row, "2"))
    for key, row in reading.tables["2_windings_transformers"].items():
        yield from _branch(reading, key, row, ("1", "2"), _winding(row, ""), reading.kv(row, "2"), _tap(row, ""))
    for key, row in reading.tables["3_windings_transformers"].items():
        inner, kv = f"inner {key}", float(row["rated_u0"])
        reading.units[inner] = []
        reading.note("a star of three branches", f"transformer {key}")
        for end in "123":
            yield from _branch(reading, f"{key} {end}", row, (end, inner), _winding(row, end), kv, _tap(row, end))
    for key, row in reading.tables["boundary_lines"].items():
        beyond = str(row["pairing_key"]) if row["paired"] else f"boundary {key}"
        reading.units.setdefault(beyond, [])
        pi = _Pi(complex(row["r"], row["x"]), (complex(row["g"], row["b"]) / 2,) * 2)
        found = list(_branch(reading, key, row, ("", beyond), pi, reading.kv(row)))
        yield from found
        if found and not row["paired"]:
            reading.note("taken as demand or infeed beyond the line", f"boundary line {key}")
            reading.add_constant(beyond, float(row["p0"]), f"{beyond}:{key}", float(row["q0"]))


def _winding(row: Row, end: str) -> _Pi:
    r, x, g, b = (float(row[f"{name}{end}_at_current_tap"]) for name in ("r", "x", "g", "b"))
    return _Pi(complex(r, x), (complex(g, b), 0j))


def _tap(row: Row, end: str) -> tuple[float, float]:
    return float(row[f"rho{end}"]), float(row[f"alpha{end}"])


def _branch(
    reading: Reading,
    key: str,
    row: Row,
    ends: tuple[str, str],
    pi: _Pi,
    kv: float,
    tap: tuple[float, float] | None = None,
) -> Iterator[tuple[str, str, str, Row]]:
    """One line from a side of an element to another, or to a bus that is no side of it, whose voltage is ``kv``."""
    start, stop = (
        end if f"bus{end}_id" not in row else reading.names.get(row[f"bus{end}_id"]) if row[f"connected{end}"] else None
        for end in ends
    )
    if start is None or stop is None:
        reading.note("left out as out of service or open", f"branch {key}")
        return
    if start == stop:
        reading.note("left out: both ends at one bus", f"branch {key}")
        return
    ratio, shift_deg, own_kv = 1.0, 0.0, reading.kv(row, ends[0])
    if tap is not None:
        ratio, shift_deg, own_kv = kv / (tap[0] * own_kv), -tap[1], kv  # the impedance stands behind the ratio
    series, first, second = pi.per_unit((own_kv, kv))
    shunt, apart_mvar = first + second, (first - second).imag / 2 * BASE_MVA
    if abs(apart_mvar) > 1e-9:
        reading.note("charging that differs between its ends put at the buses", f"branch {key}")
        reading.add_to(start, shunt_mvar=apart_mvar / ratio**2)
        reading.add_to(stop, shunt_mvar=-apart_mvar)
    others = {"capacity_mw": reading.limit_mva.get(key, inf), "tap": ratio, "shift_deg": shift_deg}
    columns = reading.line(f"branch {key}", series.imag, series.real, shunt.imag, shunt.real, **others)
    yield start, stop, key, columns
