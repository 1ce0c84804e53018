"""What follows when lines are out of service: how the flows change, and where the grid falls apart.

With few lines out, the flows of the intact grid are corrected by the Woodbury identity (line outage distribution
factors; Güler, Gross and Liu, "Generalized line outage distribution factors", IEEE Trans. Power Systems 22(2), 2007).
Where the grid splits, the identity has no solution for all of them together. But once every island is balanced, a line
that is the only one left to join two islands carries nothing: it may as well stay in service, and the identity takes
out the others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import RLock
from weakref import WeakKeyDictionary

import networkx as nx
import numpy as np

from grid.arrays import GridArrays
from grid.sensitivities import LINE_FIELDS, LineModel, connected

MOST_CORRECTED = 12  # more lines out than this are solved anew
SINGULAR = 1e-6  # smallest singular value at which the identity still gives every digit that matters
KEPT_BYTES = 2**28  # of effects, and of solutions, kept for a grid
MODEL_BYTES = 400  # of a solution, for each node and line


@dataclass(frozen=True, eq=False)
class _Solution:
    """What is known of a line status that the identity does not cover as it stands."""

    part: np.ndarray  # (N,) connected part of each node
    taken_out: np.ndarray  # (k,) lines that the identity takes out; the others that are out carry nothing
    model: LineModel | None  # of the lines in service, where the identity is of no use


@dataclass(frozen=True, eq=False)
class Islands:
    """The envs whose grid has split."""

    rows: np.ndarray  # (b,) which of the B envs
    cell: np.ndarray  # (b, N) number of the node's part; no two envs have a number in common
    cells: int

    def take(self, rows: np.ndarray) -> Islands | None:
        """The same of some envs (b,), ascending; None where none of them has split."""
        own = np.isin(self.rows, rows)
        return Islands(np.searchsorted(rows, self.rows[own]), self.cell[own], self.cells) if own.any() else None


@dataclass(frozen=True, eq=False)
class Correction:
    """The envs with k lines to be taken out."""

    rows: np.ndarray  # (b,) which of the B envs
    lines: np.ndarray  # (b, k)
    inverse: np.ndarray  # (b, k, k) of the identity
    effect: list[np.ndarray]  # k of (b, E): what each line carries of 1 MW sent along an outaged one


@dataclass(frozen=True, eq=False)
class Outages:
    """The lines out of service in each of B envs, and what follows from it."""

    in_service: np.ndarray  # (B, E)
    islands: Islands | None  # None: no env's grid has split
    corrections: list[Correction]
    solved: list[tuple[np.ndarray, LineModel, np.ndarray]]  # rows (b,), their model, and its lines (L,)

    @classmethod
    def of(cls, arrays: GridArrays, in_service: np.ndarray) -> Outages | None:
        """Prepare for a line status (B, E); None where every line is in service."""
        count = in_service.shape[1] - in_service.sum(1)
        if not count.any():
            return None
        odd = count > MOST_CORRECTED
        corrections: list[Correction] = []
        for k in np.unique(count[~odd & (count > 0)]).tolist():
            rows = np.flatnonzero(count == k)
            lines = np.nonzero(~in_service[rows])[1].reshape(-1, k)
            correction, sound = _correct(arrays, rows, lines)
            odd[rows[~sound]] = True
            corrections.append(correction)
        solved, parts = [], []
        again: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        for rows, solution in _solutions(arrays, in_service, np.flatnonzero(odd)):
            parts.append((rows, solution.part))
            if solution.model is not None:
                solved.append((rows, solution.model, np.flatnonzero(in_service[rows[0]])))
            elif solution.taken_out.size:
                again.setdefault(solution.taken_out.size, []).append((rows, solution.taken_out))
        for found in again.values():
            rows = np.concatenate([rows for rows, _ in found])
            lines = np.concatenate([np.tile(lines, (len(rows), 1)) for rows, lines in found])
            corrections.append(_correct(arrays, rows, lines)[0])
        return cls(in_service, _islands(arrays, parts), corrections, solved)

    @property
    def is_corrected(self) -> np.ndarray:
        """(B,) whether the identity gives the flows by itself: the grid has not split, and few lines are out."""
        is_corrected = np.ones(len(self.in_service), dtype=bool)
        for rows in (*([] if self.islands is None else [self.islands.rows]), *(rows for rows, *_ in self.solved)):
            is_corrected[rows] = False
        return is_corrected

    def take(self, rows: np.ndarray) -> Outages:
        """The same of some envs (b,), all of which are corrected."""
        place = np.full(len(self.in_service), -1)
        place[rows] = np.arange(len(rows))
        corrections = []
        for one in self.corrections:
            own = place[one.rows] >= 0
            effect = [each[own] for each in one.effect]
            corrections.append(Correction(place[one.rows[own]], one.lines[own], one.inverse[own], effect))
        return Outages(self.in_service[rows], None, corrections, [])

    def repeat(self, count: int) -> Outages:
        """The lines that are out in one env, in so many; to work out flows, whose injections are balanced."""
        rows, (in_service,) = np.arange(count), self.in_service
        corrections = [
            Correction(rows, np.broadcast_to(one.lines, (count, one.lines.shape[1])), one.inverse, one.effect)
            for one in self.corrections
            if one.rows.size
        ]
        solved = [(rows, model, lines) for _, model, lines in self.solved]
        return Outages(np.broadcast_to(in_service, (count, len(in_service))), None, corrections, solved)

    def intact_weights(self, weights: np.ndarray) -> np.ndarray:
        """(B, E) how much each flow of the intact grid adds to the sum of the flows weighted by (B, E)."""
        intact: np.ndarray = weights * self.in_service
        for one in self.corrections:
            weighted = np.stack([(effect * intact[one.rows]).sum(1) for effect in one.effect], axis=1)
            intact[one.rows[:, None], one.lines] = (one.inverse * weighted[:, :, None]).sum(1)
        return intact

    def flows(self, intact_mw: np.ndarray, injection_mw: np.ndarray) -> np.ndarray:
        """(B, E) flows, from those of the intact grid (B, E) and the injections (B, N), balanced in every part."""
        flow_mw = intact_mw.copy()
        for one in self.corrections:
            before = np.take_along_axis(intact_mw[one.rows], one.lines, axis=1)
            sent = (one.inverse * before[:, None, :]).sum(2)
            flow_mw[one.rows] += sum(sent[:, k, None] * effect for k, effect in enumerate(one.effect))
        for rows, model, lines in self.solved:
            flow_mw[np.ix_(rows, lines)] = model.flows(injection_mw[rows])
        flow_mw[~self.in_service] = 0.0
        return flow_mw


@dataclass(eq=False)
class _Kept:
    """What has been worked out for a grid: effects of lines, and solutions for line statuses."""

    slot: np.ndarray  # (E,) row of a line in the table; −1: not worked out
    table: np.ndarray  # (R, E) what each line carries of 1 MW sent from the from end to the to end of a line
    used: int = 0
    solutions: OrderedDict[bytes, _Solution] = field(default_factory=OrderedDict)


_KEPT: WeakKeyDictionary[GridArrays, _Kept] = WeakKeyDictionary()
_LOCK = RLock()  # on all that is kept, as plans are made in several threads


def _kept(arrays: GridArrays) -> _Kept:
    with _LOCK:
        if arrays not in _KEPT:
            lines = len(arrays.line_names)
            _KEPT[arrays] = _Kept(np.full(lines, -1), np.zeros((min(lines, 64), lines)))
        return _KEPT[arrays]


def _effects(arrays: GridArrays, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The effects (R, E), and the row (E,) of each of the lines among them; to be called and read under the lock."""
    kept = _kept(arrays)
    missing = np.unique(lines[kept.slot[lines] < 0])
    if missing.size:
        most = max(KEPT_BYTES // kept.table[0].nbytes, 1)
        if kept.used and kept.used + missing.size > most:
            kept.used, kept.slot[:] = 0, -1
            missing = np.unique(lines)
        if kept.used + missing.size > len(kept.table):
            grown = np.zeros((max(kept.used + missing.size, min(2 * len(kept.table), most)), len(kept.slot)))
            grown[: kept.used] = kept.table[: kept.used]
            kept.table = grown
        for line in missing.tolist():  # one by one, so that each is the same to the bit, whichever the others are
            along = np.zeros((1, len(arrays.node_names)))
            along[0, arrays.line_from[line]], along[0, arrays.line_to[line]] = 1.0, -1.0
            kept.table[kept.used] = arrays.line_model.driven(along)[0]
            kept.slot[line] = kept.used
            kept.used += 1
    return kept.table, kept.slot


def _correct(arrays: GridArrays, rows: np.ndarray, lines: np.ndarray) -> tuple[Correction, np.ndarray]:
    """Take out the lines (b, k); the envs for which that can be done, and whether (b,) it can."""
    k = lines.shape[1]
    with _LOCK:
        table, slot = _effects(arrays, lines)
        effect = [table[slot[lines[:, i]]] for i in range(k)]
    matrix = np.eye(k) - np.stack([np.take_along_axis(each, lines, axis=1) for each in effect], axis=2)
    smallest = np.abs(matrix[:, 0, 0]) if k == 1 else np.linalg.svd(matrix, compute_uv=False)[:, -1]
    sound = smallest > SINGULAR
    if not sound.all():
        rows, lines, matrix, effect = rows[sound], lines[sound], matrix[sound], [each[sound] for each in effect]
    return Correction(rows, lines, np.linalg.inv(matrix), effect), sound


def _solutions(arrays: GridArrays, in_service: np.ndarray, rows: np.ndarray) -> list[tuple[np.ndarray, _Solution]]:
    """The given envs, grouped by their status, with its solution."""
    if not len(rows):
        return []
    statuses, which = np.unique(np.packbits(in_service[rows], axis=1), axis=0, return_inverse=True)
    kept = _kept(arrays).solutions
    most = max(KEPT_BYTES // (MODEL_BYTES * (len(arrays.node_names) + len(arrays.line_names))), len(statuses))
    found = []
    for number, status in enumerate(statuses):
        key, own = status.tobytes(), rows[which.ravel() == number]
        with _LOCK:
            if key not in kept:
                kept[key] = _solve(arrays, in_service[own[0]])
                if len(kept) > most:
                    kept.popitem(last=False)
            kept.move_to_end(key)
            found.append((own, kept[key]))
    return found


def _solve(arrays: GridArrays, in_service: np.ndarray) -> _Solution:
    lines, out = np.flatnonzero(in_service), np.flatnonzero(~in_service)
    part = connected(arrays.line_from[lines], arrays.line_to[lines], len(arrays.node_names))
    if out.size <= MOST_CORRECTED:
        forest: nx.Graph[int] = nx.Graph()
        forest.add_nodes_from(part[arrays.line_from[out]].tolist() + part[arrays.line_to[out]].tolist())
        taken_out = []
        for line in out.tolist():
            a, b = int(part[arrays.line_from[line]]), int(part[arrays.line_to[line]])
            if nx.has_path(forest, a, b):
                taken_out.append(line)
            forest.add_edge(a, b)
        remaining = np.array(taken_out, dtype=np.intp)
        if not taken_out or _correct(arrays, np.zeros(1, dtype=np.intp), remaining[None])[1].all():
            return _Solution(part, remaining, None)
    columns = {name: getattr(arrays, name) for name in LINE_FIELDS}
    own = {name: value[lines] if isinstance(value, np.ndarray) else value for name, value in columns.items()}
    return _Solution(part, out, LineModel(own, part))


def _islands(arrays: GridArrays, parts: list[tuple[np.ndarray, np.ndarray]]) -> Islands | None:
    """From rows and their part (N,) of each node."""
    split = [(rows, part) for rows, part in parts if part.max() >= arrays.part_matrix.shape[1]]
    if not split:
        return None
    rows = np.concatenate([rows for rows, _ in split])
    part = np.concatenate([np.tile(part, (len(rows), 1)) for rows, part in split])
    counts = part.max(axis=1) + 1
    return Islands(rows, part + (np.cumsum(counts) - counts)[:, None], int(counts.sum()))
