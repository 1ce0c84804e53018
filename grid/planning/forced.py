"""What must be spilled and shed at the most: the step does either only where a part of the grid cannot do without."""

from __future__ import annotations

import numpy as np

from grid.arrays import GridArrays
from grid.physics import TINY_MW
from grid.state import Array


def most_forced_mw(
    arrays: GridArrays, gen_avail_frac: np.ndarray, load_mw: np.ndarray, in_service: np.ndarray, dt_h: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on what is spilled and shed, whatever is asked of the units.

    Output is spilled when all sources of a part are at their minimum and nothing is discharged, pro rata; demand is
    shed when all are at their limit and nothing is charged (``physics.balance``). Where ramps or reserves keep sources
    from that, where plants start and stop, and where lines are out, there is no bound.

    Args:
        arrays: the grid.
        gen_avail_frac: (T, N) available share of gen_max_mw.
        load_mw: (T, N) demand.
        in_service: (T, E) whether each line is.
        dt_h: length of a step in hours.

    Returns:
        (T, N) MW spilled at each node, and (T, N) MW shed in the part that it is in.
    """
    part, high_mw = arrays.part_matrix, arrays.gen_max_mw * gen_avail_frac
    least_load_mw = (1.0 - arrays.flex_max_frac) * load_mw
    low_mw = np.minimum(arrays.gen_min_mw, high_mw)
    ramp_mw = np.minimum(arrays.gen_ramp_mw_per_h, arrays.gen_ramp_down_mw_per_h) * dt_h
    is_slow = arrays.is_source & (ramp_mw < arrays.gen_max_mw)
    is_slow[arrays.stoppable] = True
    is_held = arrays.is_source & (arrays.gen_reserve_frac < 1)
    is_free: Array = in_service.all(axis=1, keepdims=True) & (is_slow @ part == 0)
    least_mw = low_mw @ part
    surplus_frac = np.maximum(least_mw - least_load_mw @ part, 0.0) / np.maximum(least_mw, TINY_MW)
    spill_mw = np.where(is_free[:, arrays.part], low_mw * surplus_frac[:, arrays.part], np.inf)
    short_mw = np.where(is_free & (is_held @ part == 0), np.maximum((load_mw - high_mw) @ part, 0.0), np.inf)
    return spill_mw, short_mw[:, arrays.part]
