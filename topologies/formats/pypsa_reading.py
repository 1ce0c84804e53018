"""A PyPSA network on its way into a grid: its time, its rows, and what several kinds of them have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from grid import Column, GridError, nearest
from topologies.clock import LARGEST_TIME_H, LEAST_STEP_H, Clock, even_step
from topologies.formats.pypsa_tables import Network, Row
from topologies.formats.units import Buses
from topologies.json_text import word
from topologies.shapes import HOURS_A_WEEK

SOLVER_NOISE_MW = 1e-3  # sizes that an optimisation found may lie so far below 0


@dataclass(frozen=True)
class Snapshots:
    """The time of a network; that of an undated hour unless it says more."""

    dt_h: float = 1.0  # hours from one to the next
    start_hour: float = 0.0  # hours from Monday 00:00 to the first
    start: datetime | None = None  # local time of the first, if they are dated


@dataclass
class Reading:
    """A network on its way into a grid."""

    network: Network
    buses: Buses
    profiles: dict[str, np.ndarray] = field(default_factory=dict)  # (T,) shares by name

    @cached_property
    def snapshots(self) -> Snapshots:
        """The time of the network, whose faults count only where something is read that depends on it."""
        try:
            return _read_snapshots(self.network)
        except GridError as error:
            self.network.faults += error.faults
            return Snapshots()

    @cached_property
    def bus_rows(self) -> dict[str, Row]:
        """Each bus in their table."""
        return {row.name: row for row in self.network.table("buses").rows()}

    def rows(self, component: str) -> Iterator[tuple[Row, str]]:
        """Each active row of a component, and its bus."""
        for row in self.network.table(component).rows():
            bus = row.text("bus")
            if not row.flag("active", True):
                self.buses.note("left out as not active", f"{component} {row.name}")
            elif bus not in self.buses.units:
                mend = nearest(bus, self.buses.units) if len(self.buses.units) < 1000 else "correct it"
                row.fault("bus", repr(bus), "the name of a bus", mend)
            else:
                yield row, bus

    def series(self, component: str, attribute: str, name: str) -> np.ndarray | None:
        """(T,) values over time of an attribute; None where it is constant."""
        return self.network.series.get((component, attribute), {}).get(name)

    def profile(self, name: str, shares: np.ndarray) -> str:
        """Keep a course of shares under a name of its own; what rounding sets apart is one course."""
        number, plain = 1, name
        while name in self.profiles and not np.allclose(self.profiles[name], shares, rtol=1e-9, atol=0.0):
            number += 1
            name = f"{plain}#{number}"
        self.profiles[name] = shares
        return name


def own_columns(row: Row, columns: tuple[Column, ...]) -> dict[str, Any]:
    """Columns of ours in a table of PyPSA."""
    given: dict[str, Any] = {}
    for column in columns:
        if column.name in row.table.columns and column.name not in ("x", "y"):
            low = column.low if column.low > -inf else -1e12
            value = row.text(column.name) if column.is_text else row.number(column.name, inf, low)
            given |= {column.name: value} if value not in ("", inf) else {}
    return given


def nominal(reading: Reading, row: Row, column: str, whom: str) -> float:
    """The size of a component: the present one, or what an optimisation has made of it."""
    size = row.number(column, 0.0, 0.0, endless=True)
    if row.flag(f"{column}_extendable", False):
        reading.buses.note("extendable: taken at its optimised size or, without one, its present one", whom)
        optimised = row.number(f"{column}_opt", 0.0, -SOLVER_NOISE_MW, endless=True)
        size = max(optimised, 0.0) if optimised else size
    return size


def _read_snapshots(network: Network) -> Snapshots:
    """The time of a network: by its dates, else by its weightings; a single snapshot is taken as an hour.

    Raises:
        GridError: snapshots that are not dates throughout, out of order, of unlike length or shorter than a second.
    """
    times, weights_h = network.snapshots, np.array(network.weights_h)
    if len(times) < 2:
        return Snapshots()
    if _is_date(times[0]):
        path = network.path / "snapshots.csv" if network.path.is_dir() else network.path
        clock = Clock(path, "snapshot")
        for time in times:
            clock.add(time)
        hours, first = np.array(clock.hours), datetime.fromisoformat(times[0])
        dt_h = even_step(path, hours, local=first.tzinfo is None)
        return Snapshots(dt_h, float(hours[0]) % HOURS_A_WEEK, first.replace(tzinfo=None))
    where, dt_h = f"{network.path}: snapshots", float(weights_h[0])
    if (weights_h != dt_h).any() or len(set(times)) < len(times):
        mend = "resample the network to even steps"
        raise GridError(where, "uneven weightings or a snapshot twice", "steps of one length", mend)
    if dt_h < LEAST_STEP_H:
        raise GridError(where, f"steps of {dt_h * 3600:g} s", "steps of a second or more", "correct the weightings")
    return Snapshots(dt_h, _start_hour(network))


def _start_hour(network: Network) -> float:
    """Hours from Monday 00:00 to an undated first snapshot, which files of ours tell beside it."""
    hour = network.meta.get("start_hour", 0.0)
    if isinstance(hour, bool) or not isinstance(hour, int | float) or not abs(hour) <= LARGEST_TIME_H:
        where, allowed = (f"{network.path}: meta, load_balancer.start_hour", f"hours up to {LARGEST_TIME_H:g}")
        raise GridError(where, word(hour), allowed, "correct it or leave it out")
    return float(hour) % HOURS_A_WEEK


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
