"""Piecewise linear costs: convex ones become one unit for each segment, which costs exactly the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from topologies.formats.units import Buses

Part = tuple[float, float, float]
"""Width in MW, linear and quadratic cost of a part of a unit's range."""


def parts(
    points_mw: np.ndarray, points_cost: np.ndarray, low_mw: float, high_mw: float, buses: Buses, whom: str
) -> list[Part]:
    """Cut the range of a unit where its cost bends; beyond the points (P,) the first and the last segment go on.

    Returns:
        The parts from ``low_mw`` upwards; none where the cost is not convex.
    """
    widths_mw, rises = np.diff(points_mw), np.diff(points_cost)
    if not len(widths_mw) or (widths_mw <= 0).any():
        return []
    prices = rises / widths_mw
    if (np.diff(prices) < -1e-9 * np.abs(prices).max()).any():
        return []
    bends_mw = np.clip([low_mw, *points_mw[1:-1], high_mw], low_mw, high_mw)
    found: list[Part] = []
    for (start_mw, end_mw), price in zip(pairwise(bends_mw.tolist()), prices.tolist(), strict=True):
        if end_mw <= start_mw and len(prices) > 1:
            continue
        if found and price == found[-1][1]:
            found[-1] = found[-1][0] + end_mw - start_mw, price, 0.0
        else:
            found.append((end_mw - start_mw, price, 0.0))
    if len(found) > 1:
        buses.note("piecewise linear cost: a unit for each segment", whom)
    return found or [(high_mw - low_mw, float(prices[0]), 0.0)]


def sources(parts_: list[Part], low_mw: float, reactive: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Columns of a source for each part, of which the first has the minimum and the reactive power."""
    first = {"gen_min_mw": low_mw, **reactive}
    for width_mw, linear, square in parts_:
        prices = {"gen_cost_per_mwh": linear} | ({"gen_cost_per_mw2h": square} if square else {})
        yield {"gen_max_mw": first.get("gen_min_mw", 0.0) + width_mw, **first, **prices}
        first = {}
