"""Costs in a pandapower network: polynomials, and piecewise linear ones."""

from __future__ import annotations

from itertools import pairwise
from math import isnan
from typing import Any

import numpy as np

from topologies.formats.segments import Part, parts
from topologies.formats.units import Buses

COSTS = ("poly_cost", "pwl_cost")

Cost = tuple[float, float] | list[list[float]]
"""Linear and quadratic cost, or segments of a piecewise linear one: start and end in MW, and price per MWh."""


class Row(dict[str, Any]):
    """A row of a table that remembers which columns were asked for."""

    def __init__(self, fields: dict[str, Any], read: set[str]) -> None:
        super().__init__(fields)
        self.read = read

    def get(self, column: str, default: Any = None) -> Any:
        """The cell of a column."""
        self.read.add(column)
        return super().get(column, default)


def value(row: dict[str, Any], column: str, default: float = 0.0) -> float:
    """A number of a row; the default where it is missing."""
    found = row.get(column, default)
    return default if found is None or isnan(found) else float(found)


def pieces(buses: Buses, points: list[list[float]], low: float, high: float, whom: str) -> list[Part]:
    """The parts of a unit's range whose cost is piecewise linear: start, end and slope of each segment."""
    ends_mw = np.array([points[0][0], *(end for _, end, _ in points)])
    cost = np.concatenate([[0.0], np.cumsum(np.diff(ends_mw) * [slope for *_, slope in points])])
    joined = all(before[1] == after[0] for before, after in pairwise(points))
    found = parts(ends_mw, cost, low, high, buses, whom) if joined else []
    if found:
        return found
    width = sum(end - start for start, end, _ in points)
    price = sum((end - start) * slope for start, end, slope in points) / width if width > 0 else 0.0
    buses.note("piecewise linear cost that is not convex replaced by its mean slope", whom)
    return [(high - low, price, 0.0)]


def read_costs(net: Any, buses: Buses, read: dict[str, set[str]]) -> dict[tuple[str, int], Cost]:
    """Linear and quadratic cost of active power of the elements that have one, or the segments of a piecewise one."""
    costs: dict[tuple[str, int], Cost] = {}
    for cells in net.poly_cost.to_dict("records"):
        row = Row(cells, read["poly_cost"])
        whom = (str(row.get("et")), int(row.get("element")))
        square = value(row, "cp2_eur_per_mw2")
        if value(row, "cp0_eur"):
            buses.note("constant cost left out: every generator is always on", " ".join(map(str, whom)))
        if square < 0:
            buses.note("negative quadratic cost left out", " ".join(map(str, whom)))
        costs[whom] = (value(row, "cp1_eur_per_mw"), max(square, 0.0))
    for cells in net.pwl_cost.to_dict("records"):
        row = Row(cells, read["pwl_cost"])
        if row.get("power_type", "p") != "p":
            continue  # of reactive power, as the cq columns of poly_cost
        whom = (str(row.get("et")), int(row.get("element")))
        points = row.get("points")
        if isinstance(points, list) and points:
            costs[whom] = points
    return costs
