"""Piecewise linear costs: convex ones become one unit for each segment, which costs exactly the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def parts(points_mw: np.ndarray, points_cost: np.ndarray, low_mw: float, high_mw: float) -> list[tuple[float, float]]:
    """Cut the range of a unit where its cost bends; beyond the points (P,) the first and the last segment go on.

    Returns:
        The width in MW and the price per MWh of each part from ``low_mw`` upwards; none where the cost is not convex.
    """
    widths_mw, rises = np.diff(points_mw), np.diff(points_cost)
    if not len(widths_mw) or (widths_mw <= 0).any():
        return []
    prices = rises / widths_mw
    if (np.diff(prices) < -1e-9 * np.abs(prices).max()).any():
        return []
    bends_mw = np.clip([low_mw, *points_mw[1:-1], high_mw], low_mw, high_mw)
    found: list[tuple[float, float]] = []
    for (start_mw, end_mw), price in zip(pairwise(bends_mw.tolist()), prices.tolist(), strict=True):
        if end_mw <= start_mw and len(prices) > 1:
            continue
        if found and price == found[-1][1]:
            found[-1] = found[-1][0] + end_mw - start_mw, price
        else:
            found.append((end_mw - start_mw, price))
    return found or [(high_mw - low_mw, float(prices[0]))]
