"""The lines of a grid in a linear programme: flows from angles, with any line in or out of service."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array, vstack
from scipy.sparse.csgraph import connected_components

from grid.arrays import GridArrays


class Network:
    """DC power flow in B-theta form (MATPOWER User's Manual, "DC Modeling").

    The M columns are the angles of P points (times base_mva) and the flows of connectors; the R rows are the balance
    of each node, the flow of each of the L lines with a limit, and ties, which hold the ends of a connector at one
    angle. Where one end of a connector has no other line, both ends are one point instead. A line out of service has
    no weight in any row, so nothing has to be known of the parts that a grid falls into.

    Args:
        arrays: the grid.
    """

    def __init__(self, arrays: GridArrays) -> None:
        start, end = arrays.line_from, arrays.line_to
        nodes, lines = len(arrays.node_names), np.arange(len(start))
        ideal = arrays.reactance_pu == 0
        degree = np.bincount(np.concatenate([start, end]), minlength=nodes)
        merged = ideal & (np.minimum(degree[start], degree[end]) == 1)
        joined = coo_array((np.ones(merged.sum()), (start[merged], end[merged])), shape=(nodes, nodes))
        self.points, self._point = connected_components(joined, directed=False)
        self.links = int(ideal.sum())
        width = self.points + self.links
        self.free = np.full(self.points, np.inf)  # (P,) bound of each angle
        self.free[self._point[np.unique(arrays.part, return_index=True)[1]]] = 0.0  # one reference in each part

        # flow = weights x columns + shifted: two angles a line, or the connector's own column
        suscept = 1.0 / np.where(ideal, 1.0, arrays.reactance_pu * arrays.tap)[~ideal]
        self.shifted_mw = np.zeros(len(lines))  # (E,) flow that a phase shift causes
        self.shifted_mw[~ideal] = -arrays.base_mva * suscept * np.deg2rad(arrays.shift_deg[~ideal])
        line = np.concatenate([lines[~ideal], lines[~ideal], lines[ideal]])
        links = np.arange(self.points, width)
        column = np.concatenate([self._point[start[~ideal]], self._point[end[~ideal]], links])
        weight = np.concatenate([suscept, -suscept, np.ones(self.links)])
        self.flow_matrix = coo_array((weight, (line, column)), shape=(len(lines), width)).tocsr()  # (E, M)

        signs, ends = np.repeat([-1.0, 1.0], len(lines)), np.concatenate([start, end])
        self._arriving = coo_array((signs, (ends, np.tile(lines, 2))), shape=(nodes, len(lines))).tocsr()  # (N, E)
        self.limited = np.flatnonzero(np.isfinite(arrays.capacity_mw))  # (L,) lines
        self._capacity_mw = arrays.capacity_mw[self.limited]
        self._tied = np.flatnonzero(ideal & ~merged)  # lines
        rows, signs = np.tile(np.arange(len(self._tied)), 2), np.repeat([1.0, -1.0], len(self._tied))
        ends = self._point[np.concatenate([start[self._tied], end[self._tied]])]
        self._ties = coo_array((signs, (rows, ends)), shape=(len(self._tied), width)).tocsr()
        self.ties = len(self._tied)

    def matrix(self, in_service: np.ndarray) -> csr_array:
        """(R, M) weights where only these lines (E,) are in service."""
        on = np.asarray(in_service, dtype=float)
        flow = self.flow_matrix * on[:, None]
        return csr_array(vstack([self._arriving @ flow, flow[self.limited], self._ties * on[self._tied][:, None]]))

    def balance_mw(self, in_service: np.ndarray) -> np.ndarray:
        """(T, N) right side of the balance: what shifted lines in service (T, E) take from a node."""
        return -((in_service * self.shifted_mw) @ self._arriving.T)

    def flow_bounds_mw(self, in_service: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T, L) least and largest flow apart from what is shifted, by lines in service (T, E)."""
        shifted = (in_service * self.shifted_mw)[:, self.limited]
        return -self._capacity_mw - shifted, self._capacity_mw - shifted
