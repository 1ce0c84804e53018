"""Capacities of the lines of a synthetic grid, from its flows in a sample of hours."""

from __future__ import annotations

import numpy as np

from grid import Grid, GridArrays, Prices
from grid.physics import flows

# share of load_max_mw, and of gen_max_mw under a clear sky, at night, in the morning, at noon, later and in the evening
LOAD_FRAC = {
    "household": (0.34, 0.60, 0.47, 0.40, 0.86),
    "commerce": (0.22, 0.60, 0.88, 0.88, 0.30),
    "industry": (0.50, 0.85, 0.90, 0.75, 0.70),
}
SUN_FRAC = (0.0, 0.3, 0.9, 0.6, 0.0)
WEATHERS = 12  # for each of the five hours

RELIEF_FRAC = 0.35  # least change of a tight line's flow that one MW can make by moving from one source to another
SPARE = 1.05  # of a line above what it must always be able to carry


def size_lines(grid: Grid, rng: np.random.Generator, overload_cost_frac: float) -> None:
    """Give every line a capacity.

    Each can carry what stands at its end, if that is all there is, and its flow when all plants run evenly without any
    weather, so that demand can be served. Above that it follows its largest flow under the merit order, scaled alike
    for all lines so that the merit order's overloads cost the given share of its output; a line that no shift between
    sources relieves is ample.
    """
    arrays = grid.compile()
    load_mw, avail_frac = _sample(rng, arrays)
    output_mw = _merit(arrays, load_mw, avail_frac)
    merit_mw = np.abs(flows(arrays, output_mw - load_mw))
    even_mw = np.abs(flows(arrays, _even(arrays, load_mw) - load_mw))
    wish_mw = merit_mw.max(axis=0) * (0.7 + 0.6 * rng.random(merit_mw.shape[1]))
    degree = np.bincount(arrays.edge_index[0])
    own_mw = np.where(degree == 1, arrays.gen_max_mw + arrays.load_max_mw + arrays.charge_max_mw, 0.0)
    least_mw = np.maximum(even_mw.max(axis=0), np.maximum(own_mw[arrays.line_from], own_mw[arrays.line_to]))
    least_mw = SPARE * np.maximum(least_mw, 0.2 * np.median(wish_mw))
    one_mw = np.eye(len(degree))[arrays.is_source] - 1 / len(degree)
    stuck = np.ptp(flows(arrays, one_mw), axis=0) < RELIEF_FRAC
    least_mw = np.where(stuck, np.maximum(least_mw, 1.3 * merit_mw.max(axis=0)), least_mw)
    allowed_mwh = overload_cost_frac / Prices().overload_per_mwh * (output_mw @ arrays.gen_cost_per_mwh).sum()

    low, high = 0.0, 2.0
    for _ in range(40):
        scale = (low + high) / 2
        overload_mw = np.maximum(merit_mw - np.maximum(least_mw, scale * wish_mw), 0.0).sum()
        low, high = (scale, high) if overload_mw > allowed_mwh else (low, scale)
    if overload_cost_frac == 0:
        high *= 1.5
    capacity_mw = np.round(np.maximum(least_mw, high * wish_mw), 6)  # the last bits, which differ between processors,
    for (*_, columns), most_mw in zip(grid.lines(), capacity_mw.tolist(), strict=True):  # do not settle a tie below
        columns["capacity_mw"] = float(f"{most_mw:.3g}")


def _sample(rng: np.random.Generator, arrays: GridArrays) -> tuple[np.ndarray, np.ndarray]:
    """Demand in MW and available share of the sources, (S, N) each: five times of a day in several weathers."""
    size = len(arrays.node_names)
    load_frac, avail_frac = np.zeros((5, size)), np.ones((5, size))
    for node in range(size):
        load_frac[:, node] = LOAD_FRAC.get(arrays.load_profile[node] or "", 0.0)
        if arrays.gen_profile[node] == "sun":
            avail_frac[:, node] = SUN_FRAC
    windy = np.array([name == "wind" for name in arrays.gen_profile])
    sunny = np.array([name == "sun" for name in arrays.gen_profile])
    shared, own = rng.random((2, WEATHERS, 5, 1)), rng.random((WEATHERS, 5, size))
    avail_frac = avail_frac * np.where(sunny, 0.3 + 0.6 * shared[0] + 0.1 * own, 1.0)
    avail_frac = np.where(windy, 0.7 * shared[1] + 0.3 * own, avail_frac)
    level = 0.85 + 0.3 * rng.random((WEATHERS, 1, 1)) + 0.2 * (rng.random((WEATHERS, 5, size)) - 0.5)
    load_mw = arrays.load_max_mw * np.minimum(load_frac * level, 1.0)
    return load_mw.reshape(-1, size), avail_frac.reshape(-1, size)


def _even(arrays: GridArrays, load_mw: np.ndarray) -> np.ndarray:
    """(S, N) output when all thermal sources run at the same share of their range."""
    thermal = np.array([name is None for name in arrays.gen_profile])
    low, range_mw = arrays.gen_min_mw, (arrays.gen_max_mw - arrays.gen_min_mw) * thermal
    need_mw = load_mw.sum(axis=1, keepdims=True) - low.sum()
    return low + range_mw * (need_mw / range_mw.sum())


def _merit(arrays: GridArrays, load_mw: np.ndarray, avail_frac: np.ndarray) -> np.ndarray:
    """(S, N) output when the cheapest sources run first."""
    low = arrays.gen_min_mw
    order = np.argsort(arrays.gen_cost_per_mwh + arrays.gen_cost_per_mw2h * arrays.gen_max_mw, kind="stable")
    range_mw = (arrays.gen_max_mw * avail_frac - low)[:, order]
    need_mw = load_mw.sum(axis=1, keepdims=True) - low.sum()
    output = np.empty_like(load_mw)
    output[:, order] = np.clip(need_mw - (range_mw.cumsum(axis=1) - range_mw), 0.0, range_mw)
    return output + low
