"""Line limits of a grid in a linear programme: only those that a plan would break, added when it does.

Most lines of all but the smallest grids are never full. Without them a programme needs one balance for each connected
part; the limit of a line in a step is one row over all injections. A plan that breaks none of the limits left out is
optimal for all of them (Stott and Marinho, "Linear programming for power-system network security applications", IEEE
Trans. PAS 98(3), 1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.physics import Outages, flows, ptdf
from grid.planning.solver import Model, StepBlock

BROKEN_MW = 1e-6  # above capacity
NEAR_FRAC = 0.95  # of capacity: a line that is full in one step gets its limit in steps where it carries so much
ZERO = 1e-11  # MW on a line per MW injected; less is rounding


@dataclass(frozen=True)
class Injections:
    """Which C columns of a step inject where."""

    nodes: np.ndarray  # (C,)
    columns: np.ndarray  # (C,)
    signs: np.ndarray  # (C,)


class LineLimits:
    """Stands for ``planning.line_rows.Network`` in a programme: P balances, and limits of lines as they are needed."""

    points = links = ties = 0
    shifts = False

    def __init__(self, arrays: GridArrays) -> None:
        self._arrays = arrays
        self.row = arrays.part  # (N,) balance that each node is in
        self.nodes = arrays.part_matrix.shape[1]  # P: how many balances there are
        self.free = np.zeros(0)
        self.limited = self.rows = self.columns = np.zeros(0, dtype=np.intp)
        self.weights = np.zeros(0)
        self._in_service, self._steps = np.zeros((0, 0), dtype=bool), 0
        self._extra_mw: np.ndarray = np.zeros((0, 0))
        self._forget()

    def attach(self, model: Model, step: StepBlock, injections: Injections, overload_cost: np.ndarray) -> None:
        """Add to this model of such steps from now on; a MW above capacity costs (E,) so much a step."""
        from scipy.sparse import csr_array

        self._model, self._step, self._overload_cost, self._base = model, step, overload_cost, model.rows
        weights = (injections.signs, (injections.columns, injections.nodes))
        self._injected = csr_array(weights, shape=(step.width, len(self._arrays.node_names)))

    def leaving_mw(self, in_service: np.ndarray) -> np.ndarray:
        """(T, P) nothing."""
        return np.zeros((len(in_service), self.nodes))

    def flow_bounds_mw(self, in_service: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(T, 0) none to begin with."""
        return np.zeros((len(in_service), 0)), np.zeros((len(in_service), 0))

    def _forget(self) -> None:
        # (R,) step, line and outage of each row; −1: it is a balance, and every line that was in service still is
        self._row_step, self._row_line, self._row_out = np.zeros((3, 0), dtype=np.intp)
        self._row_weight = np.zeros((0, len(self._arrays.node_names)))  # (R, N)

    def start(self, in_service: np.ndarray, steps: int, extra_mw: np.ndarray | None = None) -> None:
        """Begin anew with these lines (T, E) in service in so many steps, if anything of it has changed.

        Lines carry (T, E) so much beyond their flow.
        """
        extra_mw = np.zeros(in_service.shape) if extra_mw is None else extra_mw
        is_same = np.array_equal(in_service, self._in_service) and np.array_equal(extra_mw, self._extra_mw)
        if steps == self._steps and is_same:
            return
        self._extra_mw = extra_mw
        self._model.drop_added()
        self._forget()
        self._in_service, self._steps = in_service.copy(), steps
        self._outages = Outages.of(self._arrays, in_service)
        nodes = len(self._arrays.node_names)
        self._offset_mw = flows(self._arrays, np.zeros((len(in_service), nodes)), self._outages)
        islands = None if self._outages is None else self._outages.islands
        if islands is not None:
            first = np.unique(self._arrays.part, return_index=True)[1]
            for t, cell in zip(islands.rows, islands.cell, strict=True):
                apart = np.setdiff1d(cell, cell[first])  # the others follow from the balances of the whole parts
                weight = (cell == apart[:, None]).astype(float)
                none = np.full(len(apart), -1)
                self._add(np.full(len(apart), t), none, none, weight, np.zeros(len(apart)))

    def flow_mw(self, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(L, E) for the columns (L, width) of these steps (L,)."""
        flow_mw: np.ndarray = flows(self._arrays, self.injection_mw(x, steps), self._outages)[steps]
        return flow_mw

    def injection_mw(self, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(T, N) by the columns (L, width) of these steps (L,); 0 in the others."""
        injection_mw = np.zeros((len(self._in_service), len(self._arrays.node_names)))
        injection_mw[steps] = x @ self._injected
        return injection_mw

    def add_broken(self, x: np.ndarray, steps: np.ndarray) -> bool:
        """Add the limits that the columns x (L, width) of these steps (L,) break; whether there are any."""
        known = np.zeros(self._in_service.shape, dtype=bool)
        limits = (self._row_line >= 0) & (self._row_out < 0)
        known[self._row_step[limits], self._row_line[limits]] = True
        loading_mw = np.abs(self.flow_mw(x, steps) + self._extra_mw[steps])
        above_mw = np.where(known[steps], -np.inf, loading_mw - self._arrays.capacity_mw)
        broken = above_mw > BROKEN_MW
        if not broken.any():
            return False
        near = (above_mw > (NEAR_FRAC - 1.0) * self._arrays.capacity_mw) & broken.any(axis=0)
        row, line = np.nonzero(broken | near)
        step, none = steps[row], np.full(len(line), -1)
        outages = None if self._outages is None else Outages.of(self._arrays, self._in_service[step])
        self._add(step, line, none, self._weights(line, outages), (self._offset_mw + self._extra_mw)[step, line])
        return True

    def _weights(self, line: np.ndarray, outages: Outages | None) -> np.ndarray:
        """(R, N) what each line carries of a MW injected at each node, with the outages of R rows."""
        which = np.arange(len(line))
        if outages is None:
            line, which = np.unique(line, return_inverse=True)
        one = np.zeros((len(line), len(self._arrays.line_names)))
        one[np.arange(len(line)), line] = 1.0
        weight = ptdf(self._arrays, one, outages)[which]
        if self._arrays.part_matrix.shape[1] == 1:
            weight -= np.median(weight, axis=1, keepdims=True)  # the same for all nodes: their injections sum to 0
        weight[np.abs(weight) < ZERO] = 0.0
        return weight

    def _add(
        self, step: np.ndarray, line: np.ndarray, out: np.ndarray, weight: np.ndarray, offset_mw: np.ndarray
    ) -> None:
        from scipy.sparse import csr_array

        arrays, limits = self._arrays, line >= 0
        capacity_mw = np.where(limits, arrays.capacity_mw[line], 0.0)
        cost = self._overload_cost[line[limits]] * self._risk_of(out[limits])
        above = self._model.add_columns(np.tile(cost, 2)).reshape(2, -1)
        entries = csr_array(weight @ self._injected.T).tocoo()
        slack = np.flatnonzero(limits)
        rows = np.concatenate([entries.row, slack, slack])
        columns = np.concatenate([entries.col + self._step.width * step[entries.row], *above])
        values = np.concatenate([entries.data, -np.ones(len(slack)), np.ones(len(slack))])
        self._model.add_rows(-capacity_mw - offset_mw, capacity_mw - offset_mw, rows, columns, values)
        self._row_step = np.concatenate([self._row_step, step])
        self._row_line = np.concatenate([self._row_line, line])
        self._row_out = np.concatenate([self._row_out, out])
        self._row_weight = np.concatenate([self._row_weight, weight])

    def _risk_of(self, out: np.ndarray) -> np.ndarray:
        """(R,) share of the price of an overload that counts where these lines are out; −1: none is."""
        return np.ones(len(out))

    def duals(self, duals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the rows add to the dual of each node's balance (T, N), and the dual of each line's limit (T, E)."""
        own, limits = duals[self._base :], self._row_line >= 0
        nodal, limit = np.zeros((len(self._in_service), self._row_weight.shape[1])), np.zeros(self._in_service.shape)
        np.add.at(nodal, self._row_step, own[:, None] * self._row_weight)
        np.add.at(limit, (self._row_step[limits], self._row_line[limits]), own[limits])
        return nodal, limit
