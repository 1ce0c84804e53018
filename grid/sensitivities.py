"""How the flows of a set of lines follow from injections: the linear DC model, factorised once.

DC power flow in MATPOWER's convention (MATPOWER User's Manual, "DC Modeling"): a line carries
``base_mva · (θ_from − θ_to − shift) / (reactance · tap)``; resistance is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from grid.errors import GridError

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # scipy takes longest to load, and a grid that is only read needs none of it

CLOSED = 1e-6  # most MW off at a node per MW injected, and one over the most MW on a line; sound grids are far from it
FEW_NODES = 60  # up to so many, matrices with all their zeros are faster, and loading scipy takes longer than all else
LINE_FIELDS = ("line_from", "line_to", "reactance_pu", "tap", "shift_deg", "base_mva")  # what flows depend on
PROBES = 4  # random injections that have to close


class LineModel:
    """Flows of E lines from injections at N nodes, by the inverse of their susceptances, which is factorised if large.

    The slack is spread evenly over each connected part, so that flows do not depend on the order of the nodes.
    The ends of an ideal connector (reactance 0) are one electrical point; what it carries is the balance of its side.

    Args:
        columns: ``LINE_FIELDS``, (E,) each but for ``base_mva``.
        part: (N,) connected part of each node.

    Raises:
        GridError: the reactances cancel out or are too small, so that the flows are undefined.
    """

    def __init__(self, columns: dict[str, Any], part: np.ndarray) -> None:
        self._given = columns, part
        start, end = columns["line_from"], columns["line_to"]
        nodes, lines = len(part), len(start)
        self._part = part
        matrix: Callable[..., Any] = full_rows_of if nodes <= FEW_NODES else rows_of
        self._mean = matrix(part, np.arange(nodes), 1.0 / np.bincount(part)[part], (int(part.max()) + 1, nodes))
        self._connectors = np.flatnonzero(columns["reactance_pu"] == 0)
        real = np.flatnonzero(columns["reactance_pu"] != 0)
        with np.errstate(over="ignore"):
            suscept_pu = 1.0 / (columns["reactance_pu"][real] * columns["tap"][real])
        if not np.isfinite(suscept_pu).all():
            raise _undefined()

        point = connected(start[self._connectors], end[self._connectors], nodes)
        free = np.ones(int(point.max()) + 1, dtype=bool)
        free[point[np.unique(part, return_index=True)[1]]] = False  # one point of each part is grounded
        place = np.where(free, np.cumsum(free) - 1, -1)[point]  # (N,) column of each node's angle
        kept = np.flatnonzero(place >= 0)
        self._gather = matrix(place[kept], kept, np.ones(len(kept)), (int(free.sum()), nodes))
        ends, signs = np.concatenate([start, end]), np.repeat([1.0, -1.0], lines)
        # (E, N) +1 at the from end, −1 at the to end
        incidence = matrix(np.tile(np.arange(lines), 2), ends, signs, (lines, nodes))
        merged = incidence[real] @ self._gather.T
        self._drive = matrix(real, np.arange(len(real)), suscept_pu, (lines, len(real))) @ merged
        self._angles = _solver(merged.T @ self._drive[real])
        # what a connector carries: the balance of its from side, less what other lines there carry away
        self._side = matrix(*sides(start, end, self._connectors, nodes))  # (C, N)
        is_line = matrix(real, real, np.ones(len(real)), (lines, lines))
        self._leaving = self._side @ incidence.T @ is_line  # (C, E)
        self._to_side, self._to_leaving = self._side.T, self._leaving.T
        self._to_gather, self._to_drive = self._gather.T, self._drive.T

        shift_mw = np.zeros(lines)
        shift_mw[real] = -columns["base_mva"] * suscept_pu * np.deg2rad(columns["shift_deg"][real])
        self.offset_mw = shift_mw - self.driven((incidence.T @ shift_mw)[None])[0]  # (E,) caused by phase shifts alone
        self.offset_mw[self._connectors] = -(self._leaving @ self.offset_mw)
        self._check(incidence)

    def __reduce__(self) -> tuple[Any, ...]:
        return LineModel, self._given  # the factorisation cannot be sent to another process

    def flows(self, injection_mw: np.ndarray) -> np.ndarray:
        """(B, E) flows for injections (B, N); what a part lacks is spread evenly over its nodes."""
        flow_mw: np.ndarray = self.driven(injection_mw) + self.offset_mw
        return flow_mw

    def driven(self, injection_mw: np.ndarray) -> np.ndarray:
        """(B, E) flows for injections (B, N) without what phase shifts cause."""
        power_mw = injection_mw.T  # (N, B): transposing a sparse matrix takes longer than multiplying by a small one
        power_mw = power_mw - (self._mean @ power_mw)[self._part]
        flow_mw = self._drive @ self._angles(self._gather @ power_mw)
        if self._connectors.size:
            flow_mw[self._connectors] = self._side @ power_mw - self._leaving @ flow_mw
        driven_mw: np.ndarray = flow_mw.T
        return driven_mw

    def ptdf(self, weights: np.ndarray) -> np.ndarray:
        """(B, N) how much each injected MW changes the sum of the flows weighted by (B, E): ``driven``, transposed."""
        weights, power = weights.T, np.zeros((len(self._part), len(weights)))
        if self._connectors.size:
            own = weights[self._connectors]
            power, weights = self._to_side @ own, weights - self._to_leaving @ own
        power = power + self._to_gather @ self._angles(self._to_drive @ weights)  # the nodal matrix is symmetric
        factors: np.ndarray = (power - (self._mean @ power)[self._part]).T
        return factors

    def matrix(self) -> np.ndarray:
        """(E, N) flow per injection."""
        return np.ascontiguousarray(self.driven(np.eye(len(self._part))).T)

    def _check(self, incidence: csr_array) -> None:
        """Raise where random injections do not come out of the lines again, or make them carry absurd flows."""
        probe = np.random.default_rng(0).standard_normal((PROBES, len(self._part)))
        with np.errstate(over="ignore", invalid="ignore"):
            flow = self.driven(probe)
            off = flow @ incidence - (probe - (probe @ self._mean.T)[:, self._part])
        if not (np.abs(off).max() < CLOSED and np.abs(flow).max(initial=0.0) < 1 / CLOSED):
            raise _undefined()


def connected(start: np.ndarray, end: np.ndarray, nodes: int) -> np.ndarray:
    """(N,) number of the connected part of each node, by the given lines, in the order of their first nodes."""
    if nodes <= FEW_NODES:
        graph: nx.Graph[int] = nx.Graph()
        graph.add_nodes_from(range(nodes))
        graph.add_edges_from(zip(start.tolist(), end.tolist(), strict=True))
        part = np.empty(nodes, np.intp)
        for number, own in enumerate(nx.connected_components(graph)):
            part[list(own)] = number
        return part
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(start)), (start, end)), shape=(nodes, nodes))
    return connected_components(links, directed=False)[1].astype(np.intp)


def rows_of(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """A sparse matrix from its entries."""
    from scipy.sparse import coo_array

    return coo_array((values, (rows, columns)), shape=shape).tocsr()


def full_rows_of(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The same with all its zeros."""
    matrix = np.zeros(shape)
    np.add.at(matrix, (rows, columns), values)
    return matrix


def _solver(nodal: np.ndarray | csr_array) -> Callable[[np.ndarray], np.ndarray]:
    """What solves for (N, B) angles from powers.

    Raises:
        GridError: the matrix is singular.
    """
    try:
        if isinstance(nodal, np.ndarray):
            return partial(np.matmul, np.linalg.inv(nodal))
        if not nodal.shape[0]:
            return lambda power: power
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import splu

        return splu(csc_array(nodal), permc_spec="MMD_AT_PLUS_A").solve
    except (RuntimeError, np.linalg.LinAlgError) as error:
        raise _undefined() from error


def _undefined() -> GridError:
    found = "reactances that cancel out or are too small"
    return GridError("lines", found, "flows that are defined", "correct negative and tiny reactances")


def sides(
    start: np.ndarray, end: np.ndarray, connectors: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Entries of a matrix (C, N) that has 1 where a node is on the from side of a connector, by connectors alone."""
    forest: nx.Graph[int] = nx.Graph()
    forest.add_edges_from((int(start[line]), int(end[line])) for line in connectors)
    found: list[list[int]] = []
    for line in connectors:
        a, b = int(start[line]), int(end[line])
        forest.remove_edge(a, b)
        found.append(list(nx.node_connected_component(forest, a)))
        forest.add_edge(a, b)
    rows = np.repeat(np.arange(len(found)), [len(side) for side in found])
    inside = np.array([node for side in found for node in side], dtype=np.intp)
    return rows, inside, np.ones(len(inside)), (len(found), nodes)
