"""PyPSA networks (extra ``pypsa``): CSV folders and netCDF files, from their tables to a grid.

PyPSA's attributes: https://docs.pypsa.org/latest/user-guide/components. Columns of ours that PyPSA has no place for
stand in its tables under their own names; PyPSA carries them along.
"""

from __future__ import annotations

from pathlib import Path

from grid import Fault, Grid, GridError
from topologies.formats.pypsa_lines import read_lines
from topologies.formats.pypsa_netcdf import read_netcdf
from topologies.formats.pypsa_reading import Reading, Snapshots
from topologies.formats.pypsa_tables import read_folder
from topologies.formats.pypsa_units import read_units
from topologies.formats.pypsa_unread import note_unread
from topologies.formats.rows import read_prices
from topologies.formats.units import Buses
from topologies.series import TimedSeries

BASE_MVA = 100.0
UNNAMED = "Unnamed Network"
"""What PyPSA calls a network without a name."""


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
    named = network.name.isprintable() and network.name not in ("", UNNAMED)
    grid = Grid(network.name if named else path.absolute().stem)
    grid.origin = str(network.meta.get("origin", f"PyPSA network {path.name}"))
    grid.licence = str(network.meta.get("licence", ""))
    grid.base_mva = network.meta.get("base_mva", BASE_MVA)
    grid.prices = read_prices(f"{path}: meta.load_balancer.prices", network.meta.get("prices", {}), network.faults)
    faults = [*network.faults]
    if not faults:
        reading.buses.place(grid)
        read_lines(reading, grid)
        time = reading.snapshots if reading.profiles else Snapshots()
        grid.series = TimedSeries.of(reading.profiles, time.dt_h, time.start_hour, time.start)
        faults = [*network.faults]
        faults += [Fault(f"{path}: {f.where}", f.found, f.allowed, f.mend) for f in grid.faults(whole=not faults)]
    if faults:
        raise GridError.of(faults)
    note_unread(reading)
    grid.notes = reading.buses.notes()
    return grid
