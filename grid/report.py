"""What engineers report beside the cost: energies by origin, CO2, and what stores did."""

from __future__ import annotations

from typing import Any

import numpy as np

from grid.arrays import GridArrays
from grid.state import Array

REPORTED = (
    *("generation_mwh", "renewable_mwh", "renewable_curtailed_mwh", "co2_t", "taken_mwh", "store_loss_mwh"),
    "tripped_h",
)
"""What ``reported`` gives; taken is energy taken out of stores, before the loss of discharging."""


def reported(
    arrays: GridArrays, powers: Any, gen_avail_frac: Array, change_mwh: Array, dt_h: float
) -> dict[str, Array]:
    """Sums over nodes and lines, of each step, (...,) each, keys as ``REPORTED``.

    Renewable are the sources that follow a profile: sun, wind, running water. What they could have given and did not
    is curtailed, whether it was not asked for or spilled. A line is tripped until its lockout ends.

    Args:
        arrays: the grid.
        powers: an outcome or a schedule: gen_mw, spill_mw, charge_mw and discharge_mw, (..., N) each; of an outcome,
            tripped (..., E) as well.
        gen_avail_frac: (..., N) available share of gen_max_mw.
        change_mwh: (..., N) of stored energy over the step.
        dt_h: length of the step.
    """
    renewable = arrays.gen_max_mw * [name is not None for name in arrays.gen_profile] > 0
    delivered_mw = powers.gen_mw - powers.spill_mw
    unused_mw = np.maximum(gen_avail_frac * arrays.gen_max_mw - delivered_mw, 0.0)
    taken_mw = powers.discharge_mw / arrays.discharge_eff_frac
    loss_mwh = (powers.charge_mw - powers.discharge_mw) * dt_h - change_mwh
    tripped = getattr(powers, "tripped", None)
    tripped_h = np.zeros(loss_mwh.shape[:-1]) if tripped is None else tripped.sum(-1) * dt_h
    return {
        "generation_mwh": delivered_mw.sum(-1) * dt_h,
        "renewable_mwh": delivered_mw @ renewable * dt_h,
        "renewable_curtailed_mwh": unused_mw @ renewable * dt_h,
        "co2_t": powers.gen_mw @ arrays.co2_t_per_mwh * dt_h,
        "taken_mwh": taken_mw.sum(-1) * dt_h,
        "store_loss_mwh": loss_mwh.sum(-1),
        "tripped_h": tripped_h,
    }


def usable_mwh(arrays: GridArrays) -> float:
    """Energy that all stores can give from full to empty: what one full cycle takes out."""
    return float((arrays.store_max_mwh - arrays.store_min_mwh).sum())
