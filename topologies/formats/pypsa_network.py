"""PyPSA networks (extra ``pypsa``): CSV folders and netCDF files, from their tables to a grid.

PyPSA's attributes: https://docs.pypsa.org/latest/user-guide/components. Columns of ours that PyPSA has no place for
stand in its tables under their own names; PyPSA carries them along.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from grid.errors import Fault, GridError
from grid.graph import Grid, Series
from topologies.formats.pypsa_lines import read_lines
from topologies.formats.pypsa_tables import read_folder, read_netcdf
from topologies.formats.pypsa_units import Reading, read_units
from topologies.formats.units import Buses
from topologies.series import TimedSeries
from topologies.shapes import HOURS_A_WEEK

BASE_MVA = 100.0


def read(path: str | Path) -> Grid:
    """Read a netCDF file or a CSV folder.

    Raises:
        GridError: all faults that are found, with file and line; or PyPSA is not installed.
    """
    path = Path(path)
    network = read_folder(path) if path.is_dir() else read_netcdf(path)
    reading = Reading(network, Buses({name: [] for name in network.table("buses").names}))
    read_units(reading)
    if not reading.buses.units and not network.faults:
        network.faults.append(Fault(f"{path}", "no bus", "a table of buses", "give a network with buses"))
    grid = Grid(network.name if network.name.isprintable() and network.name else path.stem)
    grid.origin = str(network.meta.get("origin", f"PyPSA network {path.name}"))
    grid.licence = str(network.meta.get("licence", ""))
    grid.base_mva = network.meta.get("base_mva", BASE_MVA)
    faults = [*network.faults]
    if not faults:
        reading.buses.place(grid)
        read_lines(reading, grid)
        faults = [*network.faults]
        grid.series = _series(reading, faults)
        faults += [Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in grid.faults(whole=not faults)]
    if faults:
        raise GridError.of(faults)
    grid.notes = reading.buses.notes()
    return grid


def _series(reading: Reading, faults: list[Fault]) -> Series | None:
    """The courses of demand and availability, with their clock."""
    if not reading.profiles:
        return None
    times, weights = reading.network.snapshots, np.array(reading.network.weights_h)
    where = f"{reading.network.path}: snapshots"
    start, dt_h = None, float(weights[0])
    try:
        moments = [datetime.fromisoformat(time) for time in times]
        steps = np.array([(b - a).total_seconds() / 3600 for a, b in pairwise(moments)])
        start, dt_h = moments[0].replace(tzinfo=None), float(steps[0])
        if not (steps > 0).all():
            row = int(np.argmax(steps <= 0)) + 1
            found = f"snapshot {row}, {times[row]!r}, not after the one before"
            faults.append(Fault(where, found, "rising times", "sort them, each once"))
        elif (np.abs(steps - dt_h) > 0.01 * dt_h).any():
            row = int(np.argmax(np.abs(steps - dt_h) > 0.01 * dt_h)) + 1
            found, allowed = f"a step of {steps[row - 1]:g} h before snapshot {row}", f"steps of {dt_h:g} h"
            faults.append(Fault(where, found, allowed, "resample the network to even steps"))
    except (TypeError, ValueError):
        if (weights != dt_h).any() or len(set(times)) < len(times):
            mend = "resample the network to even steps"
            faults.append(Fault(where, "uneven weightings or a snapshot twice", "steps of one length", mend))
    if not dt_h >= 1 / 3600:
        faults.append(Fault(where, f"steps of {dt_h:g} h", "steps of a second or more", "correct the weightings"))
    values = np.stack(list(reading.profiles.values()), axis=1)
    hour = 0.0 if start is None else start.weekday() * 24 + start.hour + start.minute / 60
    return TimedSeries(tuple(reading.profiles), dt_h, values, hour % HOURS_A_WEEK, start)
