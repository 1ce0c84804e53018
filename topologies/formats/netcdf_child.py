"""A program of its own: reads a netCDF file from stdin and writes its variables to stdout as .npz, without pickle.

The HDF5 library may crash, loop or take all memory on a damaged file; here that ends this process, not the caller's.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

MOST_BYTES = 200_000_000
MEMORY_BYTES = 3_000_000_000  # addresses, most of which the libraries only reserve
CPU_S = 10


def main() -> None:
    """Read, check the declared sizes, write."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except ImportError:  # not on Windows
        pass
    import netCDF4
    import numpy as np

    with netCDF4.Dataset("stdin.nc", memory=sys.stdin.buffer.read()) as data:
        sizes = {name: variable.size * _width(variable.dtype) for name, variable in data.variables.items()}
        if sum(sizes.values()) > MOST_BYTES or len(data.variables) > 10_000:
            sys.exit(f"more than {MOST_BYTES // 1_000_000} MB when unpacked")
        for name, variable in data.variables.items():
            chunks = variable.chunking()
            if (
                isinstance(chunks, list)
                and np.prod(np.array(chunks, dtype=float)) * _width(variable.dtype) > MOST_BYTES
            ):
                sys.exit(f"chunks of {name} of more than {MOST_BYTES // 1_000_000} MB")
        about = {
            "attributes": {name: str(data.getncattr(name)) for name in data.ncattrs()},
            "dimensions": {name: list(variable.dimensions) for name, variable in data.variables.items()},
        }
        arrays = {f"v {name}": _values(variable) for name, variable in data.variables.items()}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
    sys.stdout.buffer.write(out.getvalue())


def _width(kind: object) -> int:
    return 100 if kind is str else int(getattr(kind, "itemsize", 8))


def _values(variable: Any) -> Any:
    """Numbers, true and false, or texts; times as texts of ISO 8601."""
    import netCDF4
    import numpy as np

    attributes = {name: str(variable.getncattr(name)) for name in variable.ncattrs()}
    values = variable[:]
    if " since " in attributes.get("units", ""):
        calendar = attributes.get("calendar", "standard")
        moments: Any = netCDF4.num2date(
            np.ma.filled(values, 0), attributes["units"], calendar, only_use_cftime_datetimes=False
        )
        return np.array([str(moment) for moment in np.ravel(moments)]).reshape(np.shape(values))
    if attributes.get("dtype") == "bool":
        return np.ma.filled(values, 0).astype(bool)
    if np.asarray(values).dtype.kind in "OSU":
        texts = np.array([str(text) for text in np.ravel(np.asarray(values))], dtype=str)
        if texts.nbytes > MOST_BYTES:
            sys.exit(f"texts of more than {MOST_BYTES // 1_000_000} MB")
        return texts.reshape(np.shape(values))
    if np.asarray(values).dtype.kind not in "biuf":
        sys.exit(f"the type {np.asarray(values).dtype}")
    return np.ma.filled(values.astype(float), np.nan) if np.ma.isMaskedArray(values) else np.asarray(values)


if __name__ == "__main__":
    main()
