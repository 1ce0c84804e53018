"""The snapshots of a PyPSA network: how long each is, and when the first one begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from grid import GridError
from topologies.clock import LARGEST_TIME_H, LEAST_STEP_H, Clock, even_step
from topologies.formats.pypsa_tables import Network
from topologies.json_text import word
from topologies.shapes import HOURS_A_WEEK


@dataclass(frozen=True)
class Snapshots:
    """The time of a network; that of an undated hour unless it says more."""

    dt_h: float = 1.0  # hours from one to the next
    start_hour: float = 0.0  # hours from Monday 00:00 to the first
    start: datetime | None = None  # local time of the first, if they are dated


def read_snapshots(network: Network) -> Snapshots:
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
