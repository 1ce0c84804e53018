"""The tables of a PyPSA network in netCDF, which is read in a process of its own (``netcdf_child.py``)."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from grid import Fault, GridError
from topologies.formats.pypsa_tables import COMPONENTS, SERIES, Network, Table, add_snapshots, read_meta
from topologies.text import read_bytes

WAIT_S = 60


def read_netcdf(path: Path) -> Network:
    """Read a netCDF file.

    Raises:
        GridError: a file that cannot be read; lesser faults are in the result.
    """
    about, arrays = _unpack(path)
    network = Network(path, name=about["attributes"].get("network_name", ""))
    network.meta = read_meta(f"{path}: meta", about["attributes"].get("meta", "{}"), network.faults)
    known = sorted(COMPONENTS, key=len, reverse=True)
    several = [name for name in arrays if name.startswith(("scenario", "investment_periods"))]
    if any(arrays[name].size for name in several):  # older files have them empty
        found, mend = "scenarios or several investment periods", "export one of them"
        network.faults.append(Fault(str(path), found, "one future", mend))
    if "snapshots" in arrays:
        numbers = arrays["snapshots"]  # or, as PyPSA wrote them once, the times themselves
        times = _texts(arrays.get("snapshots_snapshot", arrays.get("snapshots_timestep", numbers)))
        columns = {
            name.removeprefix("snapshots_"): array.tolist()
            for name, array in arrays.items()
            if name.startswith("snapshots_") and array.shape == (len(times),)
        }
        add_snapshots(network, Table(f"{path}: snapshots", times, columns, network.faults, False))
    for component in COMPONENTS:
        if f"{component}_i" not in arrays:
            continue
        names = _texts(arrays[f"{component}_i"])
        columns = {
            name.removeprefix(f"{component}_"): array.tolist()
            for name, array in arrays.items()
            if next((c for c in known if name.startswith(f"{c}_")), "") == component
            and not name.startswith((f"{component}_t_", f"{component}_i"))
            and array.shape == (len(names),)
        }
        network.add(component, f"{path}: {component}", names, columns, False)
    for name in sorted(arrays):
        component, over_time, attribute = name.partition("_t_")
        if not over_time or component not in COMPONENTS or f"{name}_i" not in arrays:
            continue
        if (component, attribute) not in SERIES:
            network.unread_series[component, attribute] = _texts(arrays[f"{name}_i"])
        elif arrays[name].ndim == 2 and arrays[name].dtype.kind in "biuf":
            in_order = about["dimensions"][name][0] == "snapshots"
            values = (arrays[name] if in_order else arrays[name].T).astype(float)
            network.add_series(component, attribute, f"{path}: {name}", _texts(arrays[f"{name}_i"]), values)
    return network


def _texts(array: np.ndarray) -> list[str]:
    return [str(value) for value in np.ravel(array).tolist()]


def _unpack(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The attributes and variables of a netCDF file, unpacked in another process."""
    try:
        import netCDF4  # noqa: F401 -- the other process needs it
    except ImportError:
        mend = "pip install load-balancer[pypsa]"
        raise GridError(str(path), "a netCDF file", "other formats, as netCDF4 is not installed", mend) from None
    raw = read_bytes(path, "a PyPSA network in netCDF")
    command = [sys.executable, "-P", str(Path(__file__).with_name("netcdf_child.py"))]
    mend = "write it with pypsa.Network.export_to_netcdf"
    try:
        done = subprocess.run(command, input=raw, capture_output=True, timeout=WAIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise GridError(str(path), "a file that takes too long", "a PyPSA network in netCDF", mend) from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["the netCDF library crashes on it"]
        raise GridError(str(path), f"no netCDF file ({last[0][:200]})", "a PyPSA network in netCDF", mend)
    try:
        with np.load(io.BytesIO(done.stdout), allow_pickle=False) as data:
            about = json.loads(str(data["about"]))
            return about, {name.removeprefix("v "): data[name] for name in data.files if name.startswith("v ")}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise GridError(str(path), f"no netCDF file ({error})", "a PyPSA network in netCDF", mend) from None
