"""Plants that start and stop, for grids that do not say so: ``thermal:case14`` is case14 with such a fleet.

Every source without a profile gets what it lacks of a least output, costs of starts and of being on, and minimum times,
by its place in the order of marginal cost: the cheapest third of the plants are slow, the dearest third quick. Costs of
a start are the medians of warm starts of Kumar et al. 2012, "Power Plant Cycling Costs" (NREL/SR-5500-55433, table
1-1): large coal, combined cycle, aeroderivative gas turbine. The rest is typical and round.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grid import Grid

PREFIX = "thermal:"


class Kind(NamedTuple):
    """What plants of one kind have, by their size where it says so."""

    least_frac: float  # of the largest output
    start_per_mw: float
    no_load_frac: float  # of what the largest output costs in an hour
    min_up_h: float
    min_down_h: float


KINDS = (Kind(0.4, 65.0, 0.1, 8.0, 8.0), Kind(0.4, 55.0, 0.1, 4.0, 4.0), Kind(0.3, 24.0, 0.15, 1.0, 1.0))
"""Slow, middling and quick plants."""


def with_thermal_fleet(grid: Grid) -> Grid:
    """The same grid, in place, whose plants start and stop; what a plant says of it already stays."""
    rows = [
        data
        for _, data in grid.graph.nodes(data=True)
        if (data.get("gen_max_mw") or 0) > 0 and not data.get("gen_profile")
    ]
    cost = np.array(
        [
            (row.get("gen_cost_per_mwh") or 0.0) + (row.get("gen_cost_per_mw2h") or 0.0) * row["gen_max_mw"]
            for row in rows
        ]
    )
    place = np.argsort(np.argsort(cost, kind="stable"), kind="stable")
    for row, price, rank in zip(rows, cost.tolist(), place.tolist(), strict=True):
        if row.get("start_cost") is not None:
            continue
        kind, most_mw = KINDS[rank * len(KINDS) // len(rows)], row["gen_max_mw"]
        given = {
            "gen_min_mw": round(kind.least_frac * most_mw, 3),
            "start_cost": round(kind.start_per_mw * most_mw, 2),
            "no_load_cost_per_h": round(kind.no_load_frac * max(price, 0.0) * most_mw, 2),
            "min_up_h": kind.min_up_h,
            "min_down_h": kind.min_down_h,
        }
        row.update({name: value for name, value in given.items() if not row.get(name)})
    grid.name = f"{grid.name} thermal"
    if rows:
        grid.notes.append(f"thermal fleet: {len(rows)} plants start and stop, with typical costs and minimum times")
    return grid
