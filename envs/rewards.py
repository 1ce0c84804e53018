"""Reward from costs: what the step cost less than the merit order on a copper plate would have."""

from __future__ import annotations

import numpy as np

from envs.actions import MeritOrder
from grid import Array, GridArrays, Outcome, Prices, step_costs
from grid.physics import TINY_MW

SCALE_FLOOR_FRAC = 0.01  # of peak demand x price of shedding
SCALE_EPISODES = 64
ROUNDING_MW = 1e-9


def reference_cost(
    arrays: GridArrays, merit: MeritOrder, prices: Prices, load_mw: Array, gen_avail_frac: Array, dt_h: float
) -> Array:
    """Cost of the merit order without lines, stores and ramps.

    It does not depend on any action, so taking it off the reward leaves the best policy as it is, and takes away
    most of the noise of demand and weather.

    Args:
        arrays: the grid.
        merit: its merit order on a copper plate.
        prices: of the cost terms.
        load_mw: (B, N).
        gen_avail_frac: (B, N).
        dt_h: length of a step in hours.

    Returns:
        (B,) currency.
    """
    hi = arrays.offered_mw(gen_avail_frac, load_mw)
    lo = np.minimum(arrays.gen_min_mw, hi)
    gen = merit.dispatch(load_mw, lo, hi)
    is_flexible = arrays.flex_max_frac > 0
    gen, curtailed = np.where(is_flexible, 0.0, gen), np.where(is_flexible, gen, 0.0)
    load_mw = load_mw - curtailed
    rest = (load_mw - gen) @ arrays.each_node
    rest = np.where(np.abs(rest) > ROUNDING_MW, rest, 0.0)
    none, flow, balancing = 0.0 * arrays.each_node[None], 0.0 * arrays.each_line[None], np.zeros(1)
    shed = _shed(arrays, load_mw, rest) if rest.max() > 0 else none
    spill = none
    if rest.min() < 0:
        spill = gen * (np.maximum(-rest, 0.0) / np.maximum(gen @ arrays.each_node, TINY_MW))[:, None]
    idle = dict.fromkeys(("injection_mw", "charge_mw", "discharge_mw", "clipped_mw"), none)
    outcome = Outcome(
        **idle,
        gen_mw=gen,
        served_mw=load_mw - shed,
        shed_mw=shed,
        curtailed_mw=curtailed,
        spill_mw=spill,
        flow_mw=flow,
        balancing_mw=balancing,
    )
    total: Array = sum(step_costs(arrays, prices, outcome, dt_h).values())
    return total


def _shed(arrays: GridArrays, load_mw: Array, short_mw: Array) -> Array:
    """(B, N) demand that is not met where (B,) is missing, the cheapest first and pro rata within a price."""
    by_tier = load_mw @ arrays.shed_tiers.T  # (B, K) cheapest first
    left = short_mw[:, None] - (np.cumsum(by_tier, 1) - by_tier)
    shed: Array = load_mw * (np.clip(left / np.maximum(by_tier, TINY_MW), 0.0, 1.0) @ arrays.shed_tiers)
    return shed


def scale_floor(arrays: GridArrays, dt_h: float) -> float:
    """The least value that rewards are divided by; without demand, what all units can give stands for it."""
    price = float(arrays.shed_cost_per_mwh[arrays.load_max_mw > 0].max(initial=1.0))
    most_mw = arrays.peak_load_mw or float((arrays.gen_max_mw + arrays.discharge_max_mw).sum())
    return max(SCALE_FLOOR_FRAC * most_mw * price * dt_h, 1e-6)
