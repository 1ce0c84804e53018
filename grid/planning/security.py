"""N-1 security in a linear programme: flows within capacity after the outage of any single line.

A limit after an outage is one row more over all injections, added when a plan breaks it (O. Alsac and B. Stott,
"Optimal load flow with steady-state security", IEEE Trans. PAS 93(3), 1974: preventive, no unit moves afterwards).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import networkx as nx
import numpy as np

from grid.arrays import GridArrays
from grid.physics import Outages, flows
from grid.planning.line_limits import BROKEN_MW, LineLimits


class SecureLimits(LineLimits):
    """The limits of lines, now and after any single outage that leaves the connected parts whole.

    Args:
        arrays: the grid.
        risk: (E,) share of the price of an overload that counts after the outage of each line.
    """

    def __init__(self, arrays: GridArrays, risk: np.ndarray) -> None:
        super().__init__(arrays)
        self._risk = risk

    def _risk_of(self, out: np.ndarray) -> np.ndarray:
        return np.where(out < 0, 1.0, self._risk[out])

    def start(self, in_service: np.ndarray, steps: int, extra_mw: np.ndarray | None = None) -> None:
        """Begin anew with these lines (T, E) in service in so many steps, if anything of it has changed."""
        super().start(in_service, steps, extra_mw)
        found = {
            lines.tobytes(): may_fail(self._arrays, lines) & (self._risk > 0) for lines in np.unique(in_service, axis=0)
        }
        self._may_fail = np.array([found[lines.tobytes()] for lines in in_service])  # (T, E)

    def add_broken(self, x: np.ndarray, steps: np.ndarray) -> bool:
        """Add the limits that the columns x (L, width) of these steps (L,) break; whether there are any."""
        if super().add_broken(x, steps):
            return True
        place, out = np.nonzero(self._may_fail[steps])
        step, arrays = steps[place], self._arrays
        if not step.size:
            return False
        left = self._in_service[step]
        left[np.arange(len(out)), out] = False
        flow_mw = flows(arrays, self.injection_mw(x, steps)[step], Outages.of(arrays, left))
        above_mw = np.abs(flow_mw + self._extra_mw[step]) - arrays.capacity_mw
        known = set(zip(self._row_step, self._row_out, self._row_line, strict=True))
        case, line = np.nonzero(above_mw > BROKEN_MW)
        is_new = [each not in known for each in zip(step[case], out[case], line, strict=True)]
        case, line = case[is_new], line[is_new]
        if not case.size:
            return False
        outages = Outages.of(arrays, left[case])
        none = np.zeros((len(case), len(arrays.node_names)))
        offset_mw = flows(arrays, none, outages)[np.arange(len(case)), line]
        offset_mw += self._extra_mw[step[case], line]
        self._add(step[case], line, out[case], self._weights(line, outages), offset_mw)
        return True


def may_fail(arrays: GridArrays, in_service: np.ndarray) -> np.ndarray:
    """(E,) which lines in service (E,) can go out and leave the connected parts whole."""
    low, high = np.minimum(arrays.line_from, arrays.line_to), np.maximum(arrays.line_from, arrays.line_to)
    pairs = list(zip(low.tolist(), high.tolist(), strict=True))
    joined = Counter(pairs[line] for line in np.flatnonzero(in_service))
    graph: nx.Graph[int] = nx.Graph()
    graph.add_edges_from(joined)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    found: Any = nx.bridges(graph)
    bridges = {(min(ends), max(ends)) for ends in found}
    lines: np.ndarray = in_service & np.array([joined[pair] > 1 or pair not in bridges for pair in pairs])
    return lines
