"""The rules that the inputs of an episode must keep before it is planned."""

from __future__ import annotations

import numpy as np

from grid.arrays import GridArrays
from grid.errors import GridError
from grid.state import Inputs


def check_inputs(
    arrays: GridArrays, inputs: Inputs, steps: int, dt_h: float, store_start_mwh: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return demand and availability as (T, N) floats, and whether each line is in service as (T, E) truth values.

    Raises:
        GridError: a shape is wrong, or a value is not a number or outside what the grid allows.
    """
    if inputs.dt_h != dt_h:
        raise GridError("inputs.dt_h", f"{inputs.dt_h:g}", f"{dt_h:g}", "build another programme for another step")
    shape = (steps, len(arrays.node_names))
    load_mw, avail_frac = (np.asarray(array, dtype=float) for array in (inputs.load_mw, inputs.gen_avail_frac))
    highest = np.where(arrays.load_max_mw > 0, np.finfo(float).max, 0.0)
    mend = "correct the value"
    _check_range(arrays, "inputs.load_mw", load_mw, shape, 0.0, highest, "give the node a load_max_mw, or no demand")
    _check_range(arrays, "inputs.gen_avail_frac", avail_frac, shape, 0.0, 1.0, mend)
    low, high = arrays.store_min_mwh - 1e-6, arrays.store_max_mwh + 1e-6
    _check_range(arrays, "store_start_mwh", store_start_mwh, shape[1:], low, high, mend)
    return load_mw, avail_frac, _check_in_service(arrays, inputs.in_service, steps)


def _check_range(
    arrays: GridArrays,
    where: str,
    values: np.ndarray,
    shape: tuple[int, ...],
    low: np.ndarray | float,
    high: np.ndarray | float,
    mend: str,
) -> None:
    if values.shape != shape:
        raise GridError(where, f"shape {values.shape}", f"shape {shape}", "give one row a step and one column a node")
    fits = (values >= low) & (values <= high)  # NaN does not
    if not fits.all():
        low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
        at = tuple(np.argwhere(~fits)[0])
        step = f"step {at[0]}, " if len(shape) > 1 else ""
        allowed = f"a number from {low[at]:g} to {high[at]:g}"
        raise GridError(f"{where}: {step}node {arrays.node_names[at[-1]]!r}", f"{values[at]:g}", allowed, mend)


def _check_in_service(arrays: GridArrays, in_service: np.ndarray | None, steps: int) -> np.ndarray:
    shape = (steps, len(arrays.line_names))
    if in_service is None:
        return np.ones(shape, dtype=bool)
    given = np.asarray(in_service)
    if given.shape != shape:
        mend = "give one row a step and one column a line"
        raise GridError("inputs.in_service", f"shape {given.shape}", f"shape {shape}", mend)
    if given.dtype != bool:
        mend = "say which lines are in service"
        raise GridError("inputs.in_service", f"values of type {given.dtype}", "True or False", mend)
    return given
