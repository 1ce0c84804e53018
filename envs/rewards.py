"""Reward from costs: what the step cost less than the merit order on a copper plate would have."""

from __future__ import annotations

import numpy as np

from envs.actions import MeritOrder
from grid import Array, GridArrays, Prices, generation

SCALE_FLOOR_FRAC = 0.01  # of peak demand x price of shedding
SCALE_EPISODES = 64


def reference_cost(
    arrays: GridArrays, merit: MeritOrder, prices: Prices, load_mw: Array, gen_avail_frac: Array, dt_h: float
) -> Array:
    """Cost of the merit order without lines, stores and ramps.

    It does not depend on any action, so taking it off the reward leaves the best policy as it is, and takes away
    most of the noise of demand and weather.

    Args:
        arrays: the grid.
        merit: its merit order on a copper plate.
        prices: of spill and CO2.
        load_mw: (B, N).
        gen_avail_frac: (B, N).
        dt_h: length of a step in hours.

    Returns:
        (B,) currency.
    """
    hi = arrays.gen_max_mw * gen_avail_frac
    lo = np.minimum(arrays.gen_min_mw, hi)
    gen = merit.dispatch(load_mw, lo, hi)
    rest = (load_mw - gen) @ arrays.each_node
    total = generation(arrays, gen, dt_h) + gen @ arrays.co2_t_per_mwh * (prices.co2_per_t * dt_h)
    total = total + np.maximum(-rest, 0.0) * (prices.spill_per_mwh * dt_h)
    short = np.maximum(rest, 0.0)
    for tier in arrays.shed_tiers:
        price = arrays.shed_cost_per_mwh[np.flatnonzero(tier)[0]]
        shed = np.minimum(short, load_mw @ tier)
        total, short = total + shed * (price * dt_h), short - shed
    return total


def scale_floor(arrays: GridArrays, dt_h: float) -> float:
    """The least value that rewards are divided by; without demand, what all units can give stands for it."""
    price = float(arrays.shed_cost_per_mwh[arrays.load_max_mw > 0].max(initial=1.0))
    most_mw = arrays.peak_load_mw or float((arrays.gen_max_mw + arrays.discharge_max_mw).sum())
    return max(SCALE_FLOOR_FRAC * most_mw * price * dt_h, 1e-6)
