"""The lines of a grid in a linear programme: flows from angles, with any line in or out of service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grid.arrays import GridArrays
from grid.sensitivities import rows_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Network:
    """DC power flow in B-theta form (MATPOWER User's Manual, "DC Modeling").

    The columns are the angles of P points (times base_mva) and the flows of connectors; the rows are the balance of
    each of N nodes, the flow of each of the L lines with a limit, and ties, which hold the ends of a connector at one
    angle. Where one end of a connector has no other line, both ends are one point instead. A line out of service has
    no weight in any row, so nothing has to be known of the parts that a grid falls into.

    Args:
        arrays: the grid.
    """

    def __init__(self, arrays: GridArrays) -> None:
        start, end = arrays.line_from, arrays.line_to
        self.nodes, lines = len(arrays.node_names), np.arange(len(start))
        self.row = np.arange(self.nodes)  # (N,) balance that each node is in
        ideal = arrays.reactance_pu == 0
        degree = np.bincount(np.concatenate([start, end]), minlength=self.nodes)
        merged = ideal & (np.minimum(degree[start], degree[end]) == 1)
        first_is_leaf = degree[start] == 1
        same = np.arange(self.nodes)
        same[np.where(first_is_leaf, start, end)[merged]] = np.where(first_is_leaf, end, start)[merged]
        kept, point = np.unique(same, return_inverse=True)
        self.points, self.links = len(kept), int(ideal.sum())
        self.free = np.full(self.points, np.inf)  # (P,) bound of each angle
        self.free[point[np.unique(arrays.part, return_index=True)[1]]] = 0.0  # one reference in each part

        # flow = weight x (first column − second column) + shifted; connectors have one column, of their own
        self._weight = 1.0 / np.where(ideal, 1.0, arrays.reactance_pu * arrays.tap)  # (E,)
        self._second_weight = np.where(ideal, 0.0, self._weight)  # (E,)
        self._first, self._second = point[start], point[end]  # (E,) columns
        self._first[ideal] = self.points + np.arange(self.links)
        self._shifted_mw = np.where(ideal, 0.0, -arrays.base_mva * self._weight * np.deg2rad(arrays.shift_deg))
        self.shifts = bool(self._shifted_mw.any())

        self._start, self._end = start, end
        self.limited = np.flatnonzero(np.isfinite(arrays.capacity_mw))  # (L,) lines
        self._capacity_mw = arrays.capacity_mw[self.limited]
        tied = np.flatnonzero(ideal & ~merged)
        self.ties = len(tied)
        capacity_row = self.nodes + np.arange(len(self.limited))
        tie_row = self.nodes + len(self.limited) + np.arange(self.ties)
        flows = [(start, lines, -1.0), (end, lines, 1.0), (capacity_row, self.limited, 1.0)]
        entries = [(row, self._first[of], sign * self._weight[of], of) for row, of, sign in flows]
        entries += [(row, self._second[of], -sign * self._second_weight[of], of) for row, of, sign in flows]
        entries += [(tie_row, point[start[tied]], np.ones(self.ties), tied)]
        entries += [(tie_row, point[end[tied]], -np.ones(self.ties), tied)]
        self.rows, self.columns, self.weights, self._line = (
            np.concatenate([entry[k] for entry in entries]) for k in range(4)
        )

    def matrix(self, in_service: np.ndarray) -> csr_array:
        """Weights where only these lines (E,) are in service."""
        shape = (self.nodes + len(self.limited) + self.ties, self.points + self.links)
        weights = self.weights * in_service[self._line]
        return rows_of(self.rows, self.columns, weights, shape)

    def leaving_mw(self, in_service: np.ndarray) -> np.ndarray:
        """(T, N) what shifted lines in service (T, E) take from each node: the right side of its balance."""
        leaving, shifted = np.zeros((self.nodes, len(in_service))), (in_service * self._shifted_mw).T
        np.add.at(leaving, self._start, shifted)
        np.subtract.at(leaving, self._end, shifted)
        return leaving.T

    def flow_bounds_mw(self, in_service: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T, L) least and largest flow apart from what is shifted, by lines in service (T, E)."""
        shifted = (in_service * self._shifted_mw)[:, self.limited]
        return -self._capacity_mw - shifted, self._capacity_mw - shifted

    def flow_mw(self, x: np.ndarray, in_service: np.ndarray) -> np.ndarray:
        """(T, E) flows for columns x (T, ...) of steps with these lines (T, E) in service."""
        driven_mw = self._weight * x[:, self._first] - self._second_weight * x[:, self._second]
        flow_mw: np.ndarray = (driven_mw + self._shifted_mw) * in_service
        return flow_mw
