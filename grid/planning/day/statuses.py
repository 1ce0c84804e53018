"""Which lines are in service in the hours of a plan, and in which parts the grid then is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.planning.day.constants import Constants, KeptConstants


@dataclass(frozen=True, eq=False)
class Statuses:
    """The states of lines in the hours of b plans, which start with the same lines out."""

    constants: list[Constants]  # M, one for each state; the first is that of the coming hour
    hour: np.ndarray  # (b, H) which of them
    joined: np.ndarray  # (M, P) the first of the connected parts of the coming hour to which each of them belongs then

    @property
    def reaches(self) -> np.ndarray:
        """(M, U, L) flow of each unit's output."""
        return np.stack([each.network.reach for each in self.constants])

    def each(self, work: Callable[[Constants, Any], np.ndarray]) -> np.ndarray:
        """(b, H, ·) what the work makes of all hours, and then of those (b, H) that have another state."""
        made = work(self.constants[0], ...)
        for m in range(1, len(self.constants)):
            chosen = self.hour == m
            made[chosen] = work(self.constants[m], chosen)
        return made


def groups_of(kept: KeptConstants, in_service: np.ndarray | None, rows: int, hours: int) -> list[tuple[Any, Statuses]]:
    """Rows with the same lines out in the coming hour, and the states of the lines in their hours.

    Parts that are apart may come together; where one would fall apart, a state is taken to last.

    Args:
        kept: of the grid.
        in_service: (H, B, E) as far as it is known; None: all lines are.
        rows: B.
        hours: H.
    """
    if in_service is None or in_service.all():
        none = Statuses([kept.without(())], np.zeros((rows, hours), np.int64), _alone(kept.without(())))
        return [(slice(None), none)]
    is_out = ~in_service.swapaxes(0, 1)
    now, group = np.unique(is_out[:, 0], axis=0, return_inverse=True)
    found: list[tuple[Any, Statuses]] = []
    for number, lines in enumerate(now):
        own = np.flatnonzero(group.ravel() == number)
        found.append((own, _statuses(kept, tuple(np.flatnonzero(lines).tolist()), is_out[own])))
    return found


def _statuses(kept: KeptConstants, out: tuple[int, ...], is_out: np.ndarray) -> Statuses:
    """Of rows (b, H, E) that all have these lines out in the coming hour."""
    first, (rows, hours, lines) = kept.without(out), is_out.shape
    packed = np.packbits(is_out, axis=2).reshape(rows * hours, -1)
    kinds, kind = np.unique(packed, axis=0, return_inverse=True)
    constants, joined, place = [first], [_alone(first)[0]], np.zeros(len(kinds), np.int64)
    for number, state in enumerate(np.unpackbits(kinds, axis=1, count=lines)):
        other = kept.without(tuple(np.flatnonzero(state).tolist()))
        parts = None if other is first else _joined(first.node_part, other.node_part)
        if parts is not None:
            place[number] = len(constants)
            constants.append(other)
            joined.append(parts)
    return Statuses(constants, place[kind.reshape(rows, hours)], np.stack(joined))


def _alone(constants: Constants) -> np.ndarray:
    return np.arange(constants.part.shape[1])[None]


def _joined(part: np.ndarray, later: np.ndarray) -> np.ndarray | None:
    """(P,) the first part that each is together with later, from the parts of nodes (N,); None if one falls apart."""
    _, first = np.unique(part, return_index=True)
    group = later[first]
    if not np.array_equal(group[part], later):
        return None
    return np.argmax(group[:, None] == group, axis=1)
