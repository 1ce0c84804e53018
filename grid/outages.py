"""What follows when lines are out of service: how the flows change, and where the grid falls apart.

With few lines out, the flows of the intact grid are corrected by the Woodbury identity (line outage distribution
factors; Güler, Gross and Liu, "Generalized line outage distribution factors", IEEE Trans. Power Systems 22(2), 2007).
Where the grid splits, the identity has no solution: such a status is solved anew, and kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from grid.arrays import GridArrays
from grid.sensitivities import connected, sensitivities

MOST_CORRECTED = 6  # more lines out than this are solved anew
SINGULAR = 1e-6  # smallest singular value at which the identity still gives every digit that matters
KEPT_BYTES = 2**28  # of solutions kept for a grid


@dataclass(frozen=True, eq=False)
class _Solution:
    """One line status, solved anew."""

    flow_matrix: np.ndarray  # (E, N)
    flow_offset_mw: np.ndarray  # (E,)
    part: np.ndarray  # (N,) connected part of each node
    parts: int


@dataclass(frozen=True, eq=False)
class Islands:
    """The envs whose grid has split; P is the most parts that any of them has."""

    rows: np.ndarray  # (b,) which of the B envs
    part_matrix: np.ndarray  # (b, N, P) 1 where the node is in the part


@dataclass(frozen=True, eq=False)
class Outages:
    """The lines out of service in each of B envs, and what follows from it."""

    in_service: np.ndarray  # (B, E)
    islands: Islands | None  # None: no env's grid has split
    corrected: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]  # by number k of lines out: rows (b,),
    # lines (b, k), inverse (b, k, k) of the identity, effect (b, k, E) on each line of 1 MW sent along an outaged one
    solved: list[tuple[np.ndarray, _Solution]]  # rows (b,) and their solution

    @classmethod
    def of(cls, arrays: GridArrays, in_service: np.ndarray) -> Outages | None:
        """Prepare for a line status (B, E); None where every line is in service."""
        count = in_service.shape[1] - in_service.sum(1)
        if not count.any():
            return None
        anew = count > MOST_CORRECTED
        corrected = []
        for k in np.unique(count[~anew & (count > 0)]).tolist():
            rows = np.flatnonzero(count == k)
            lines = np.nonzero(~in_service[rows])[1].reshape(-1, k)
            effect = _effects(arrays)[lines]
            matrix = np.eye(k) - np.take_along_axis(effect, lines[:, None, :].repeat(k, axis=1), axis=2).swapaxes(1, 2)
            smallest = np.abs(matrix[:, 0, 0]) if k == 1 else np.linalg.svd(matrix, compute_uv=False)[:, -1]
            sound = smallest > SINGULAR
            anew[rows[~sound]] = True
            corrected.append((rows[sound], lines[sound], np.linalg.inv(matrix[sound]), effect[sound]))
        solved = _solutions(arrays, in_service, np.flatnonzero(anew))
        return cls(in_service, _islands(arrays, solved), corrected, solved)

    def flows(self, intact_mw: np.ndarray, injection_mw: np.ndarray) -> np.ndarray:
        """(B, E) flows, from those of the intact grid (B, E) and the injections (B, N)."""
        flow_mw = intact_mw.copy()
        for rows, lines, inverse, effect in self.corrected:
            before = np.take_along_axis(intact_mw[rows], lines, axis=1)
            sent = (inverse * before[:, None, :]).sum(2)
            flow_mw[rows] += sum(sent[:, k, None] * effect[:, k] for k in range(lines.shape[1]))
        for rows, solution in self.solved:
            flow_mw[rows] = injection_mw[rows] @ solution.flow_matrix.T + solution.flow_offset_mw
        flow_mw[~self.in_service] = 0.0
        return flow_mw


_EFFECTS: WeakKeyDictionary[GridArrays, np.ndarray] = WeakKeyDictionary()
_SOLUTIONS: WeakKeyDictionary[GridArrays, OrderedDict[bytes, _Solution]] = WeakKeyDictionary()


def _effects(arrays: GridArrays) -> np.ndarray:
    """(E, E) row o: what each line carries of 1 MW sent from the from end to the to end of line o."""
    if arrays not in _EFFECTS:
        matrix = arrays.flow_matrix.T
        _EFFECTS[arrays] = np.ascontiguousarray(matrix[arrays.line_from] - matrix[arrays.line_to])
    return _EFFECTS[arrays]


def _solutions(arrays: GridArrays, in_service: np.ndarray, rows: np.ndarray) -> list[tuple[np.ndarray, _Solution]]:
    """The given envs, grouped by their status, with its solution."""
    if not len(rows):
        return []
    statuses, which = np.unique(np.packbits(in_service[rows], axis=1), axis=0, return_inverse=True)
    kept = _SOLUTIONS.setdefault(arrays, OrderedDict())
    found = []
    for number, status in enumerate(statuses):
        key, own = status.tobytes(), rows[which.ravel() == number]
        if key not in kept:
            kept[key] = _solve(arrays, in_service[own[0]])
            while len(kept) > 1 and len(kept) * kept[key].flow_matrix.nbytes > KEPT_BYTES:
                kept.popitem(last=False)
        kept.move_to_end(key)
        found.append((own, kept[key]))
    return found


def _solve(arrays: GridArrays, in_service: np.ndarray) -> _Solution:
    lines = np.flatnonzero(in_service)
    names = ("line_from", "line_to", "reactance_pu", "tap", "shift_deg")
    columns = {"base_mva": arrays.base_mva, **{name: getattr(arrays, name)[lines] for name in names}}
    part = connected(columns["line_from"], columns["line_to"], len(arrays.node_names))
    matrix, offset = np.zeros_like(arrays.flow_matrix), np.zeros_like(arrays.flow_offset_mw)
    matrix[lines], offset[lines] = sensitivities(columns, part)
    return _Solution(matrix, offset, part, int(part.max()) + 1)


def _islands(arrays: GridArrays, solved: list[tuple[np.ndarray, _Solution]]) -> Islands | None:
    split = [(rows, solution) for rows, solution in solved if solution.parts > arrays.part_matrix.shape[1]]
    if not split:
        return None
    most = np.arange(max(solution.parts for _, solution in split))
    rows = np.concatenate([rows for rows, _ in split])
    part = np.concatenate([np.tile(solution.part, (len(rows), 1)) for rows, solution in split])
    return Islands(rows, (part[:, :, None] == most).astype(float))
