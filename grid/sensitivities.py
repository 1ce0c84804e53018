"""Flow per injection: the linear DC model of a set of lines, solved once.

DC power flow in MATPOWER's convention (MATPOWER User's Manual, "DC Modeling"): a line carries
``base_mva · (θ_from − θ_to − shift) / (reactance · tap)``; resistance is ignored.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from grid.errors import GridError

CLOSED = 1e-6  # most MW off at a node per MW injected, and one over the most MW on a line; sound grids are far from it


def sensitivities(columns: dict[str, Any], part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow per injection, and the flow that phase shifts cause alone.

    The slack is spread evenly over each connected part, so that the matrix does not depend on the order of the nodes.
    The ends of an ideal connector (reactance 0) are one electrical point; what it carries is the balance of its side.

    Args:
        columns: line columns (E,), ``line_from``, ``line_to`` and ``base_mva``.
        part: (N,) connected part of each node.

    Returns:
        flow_matrix (E, N) and flow_offset_mw (E,).

    Raises:
        GridError: the reactances cancel out or are too small, so that the flows are undefined.
    """
    start, end = columns["line_from"], columns["line_to"]
    ideal = columns["reactance_pu"] == 0
    nodes, lines = len(part), len(start)
    incidence = _incidence(start, end, nodes)
    point = connected(start[ideal], end[ideal], nodes)  # the ends of a connector are one electrical point
    matrix = np.zeros((lines, nodes))
    offset = np.zeros(lines)
    real = ~ideal
    if real.any():
        with np.errstate(over="ignore"):
            suscept_pu = 1.0 / (columns["reactance_pu"][real] * columns["tap"][real])
        if not np.isfinite(suscept_pu).all():
            raise _undefined()
        merged = _incidence(point[start[real]], point[end[real]], int(point.max()) + 1)
        matrix[real] = _solve(merged, suscept_pu, _first_of_each(part, point))[:, point]
        shift_mw = -columns["base_mva"] * suscept_pu * np.deg2rad(columns["shift_deg"][real])
        offset[real] = shift_mw - matrix[real] @ (incidence[real].T @ shift_mw)
    _fill_connectors(matrix, offset, incidence, start, end, ideal)
    in_part = (part[:, None] == np.arange(part.max() + 1)).astype(float)
    matrix -= (matrix @ (in_part / in_part.sum(0))) @ in_part.T
    return matrix, offset


def connected(start: np.ndarray, end: np.ndarray, nodes: int) -> np.ndarray:
    """(N,) number of the connected part of each node, by the given lines."""
    links = coo_array((np.ones(len(start)), (start, end)), shape=(nodes, nodes))
    return connected_components(links, directed=False)[1].astype(np.intp)


def _incidence(start: np.ndarray, end: np.ndarray, nodes: int) -> csc_array:
    """(E, N) +1 at the from end, −1 at the to end."""
    rows = np.tile(np.arange(len(start)), 2)
    signs = np.repeat([1.0, -1.0], len(start))
    return coo_array((signs, (rows, np.concatenate([start, end]))), shape=(len(start), nodes)).tocsc()


def _first_of_each(part: np.ndarray, point: np.ndarray) -> np.ndarray:
    """One electrical point of every connected part, to be grounded."""
    return point[np.unique(part, return_index=True)[1]]


def _solve(incidence: csc_array, suscept_pu: np.ndarray, grounded: np.ndarray) -> np.ndarray:
    """(E, M) flow per injection at each of M points, with the given points grounded."""
    weighted = csc_array(incidence.multiply(suscept_pu[:, None]))
    kept = np.setdiff1d(np.arange(incidence.shape[1]), grounded)
    matrix = np.zeros(incidence.shape)
    if kept.size:
        nodal = csc_array((incidence.T @ weighted)[kept][:, kept])
        try:
            solved = splu(nodal).solve(weighted[:, kept].T.toarray())
        except RuntimeError as error:
            raise _undefined() from error
        matrix[:, kept] = solved.T
        off = incidence[:, kept].T @ matrix[:, kept] - np.eye(kept.size)
        if not (np.abs(off).max() < CLOSED and np.abs(matrix).max() < 1 / CLOSED):
            raise _undefined()
    return matrix


def _undefined() -> GridError:
    found = "reactances that cancel out or are too small"
    return GridError("lines", found, "flows that are defined", "correct negative and tiny reactances")


def _fill_connectors(
    matrix: np.ndarray, offset: np.ndarray, incidence: csc_array, start: np.ndarray, end: np.ndarray, ideal: np.ndarray
) -> None:
    """Give each connector what its from side injects and the other lines there do not carry away."""
    connectors = np.flatnonzero(ideal)
    forest: nx.Graph[int] = nx.Graph()
    forest.add_edges_from((int(start[line]), int(end[line])) for line in connectors)
    real = ~ideal
    for line in connectors:
        a, b = int(start[line]), int(end[line])
        forest.remove_edge(a, b)
        side = list(nx.node_connected_component(forest, a))
        forest.add_edge(a, b)
        leaving = np.asarray(incidence[:, side].sum(axis=1)).ravel() * real
        matrix[line] = -(leaving @ matrix)
        matrix[line, side] += 1.0
        offset[line] = -(leaving @ offset)
