"""What the compiled loops of a step take of a grid."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from grid.arrays import GridArrays
from grid.physics.outages import Outages


class Units(NamedTuple):
    """What the loops take of a grid, (N,) each: fields of GridArrays, and what a step leaves of stored energy.

    They are given them as one table (U, N), which takes a tenth of the time of so many arrays.
    """

    gen_min_mw: np.ndarray
    gen_max_mw: np.ndarray
    gen_ramp_mw_per_h: np.ndarray
    gen_ramp_down_mw_per_h: np.ndarray
    gen_reserve_frac: np.ndarray
    flex_max_frac: np.ndarray
    store_min_mwh: np.ndarray
    store_max_mwh: np.ndarray
    charge_max_mw: np.ndarray
    discharge_max_mw: np.ndarray
    charge_eff_frac: np.ndarray
    discharge_eff_frac: np.ndarray
    keep_frac: np.ndarray


_UNITS: WeakKeyDictionary[GridArrays, dict[float, np.ndarray]] = WeakKeyDictionary()
_UNSPLIT = np.zeros(0, dtype=np.intp), np.zeros((0, 0), dtype=np.intp)


def units(arrays: GridArrays, dt_h: float) -> np.ndarray:
    """(U, N) the units of a grid, for steps of this length."""
    kept = _UNITS.setdefault(arrays, {})
    if dt_h not in kept:
        keep_frac = (1.0 - arrays.store_loss_frac_per_h) ** dt_h
        kept[dt_h] = np.stack([getattr(arrays, name, keep_frac) for name in Units._fields]).astype(float)
    return kept[dt_h]


def parts(outages: Outages | None, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(B,) row of each env among those whose grid has split, −1 for the others; (b, N) the parts of those.

    Both are empty where no grid has split.
    """
    if outages is None or outages.islands is None:
        return _UNSPLIT
    split = np.full(size, -1)
    split[outages.islands.rows] = np.arange(len(outages.islands.rows))
    return split, outages.islands.cell
