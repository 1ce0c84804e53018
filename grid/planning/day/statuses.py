"""Which lines are in service in the hours of a plan, and in which parts the grid then is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.planning.day.constants import Constants, KeptConstants


@dataclass(frozen=True, eq=False)
class Statuses:
    """The states of lines in the hours of b plans, which all start in as many connected parts.

    The constants of all states differ in flows and parts alone.
    """

    constants: list[Constants]  # M, one for each state
    hour: np.ndarray  # (b, H) which of them
    joined: np.ndarray  # (b, H, P) the first of the connected parts of the coming hour to which each belongs then

    @property
    def reaches(self) -> np.ndarray:
        """(M, U, L) flow of each unit's output."""
        return np.stack([each.network.reach for each in self.constants])

    @property
    def swings(self) -> np.ndarray:
        """(M, L) by which stores change the flow of each line."""
        return np.stack([each.swing for each in self.constants])

    def coming(self) -> tuple[list[Constants], np.ndarray]:
        """The constants of the states of the coming hour, and (b,) which of them."""
        states, state = np.unique(self.hour[:, 0], return_inverse=True)
        return [self.constants[m] for m in states], state

    def now(self, work: Callable[[Constants, Any], np.ndarray]) -> np.ndarray:
        """(b, ·) what the work makes of the coming hour, for rows (b,) of each state."""
        return Statuses(self.constants, self.hour[:, 0], self.joined).each(work)

    def each(self, work: Callable[[Constants, Any], np.ndarray]) -> np.ndarray:
        """(b, H, ·) what the work makes of all hours, and of those (b, H) in another state."""
        made = work(self.constants[0], ...)
        for m in range(1, len(self.constants)):
            chosen = self.hour == m
            made[chosen] = work(self.constants[m], chosen)
        return made


def groups_of(kept: KeptConstants, in_service: np.ndarray | None, rows: int, hours: int) -> list[tuple[Any, Statuses]]:
    """Rows with as many connected parts in the coming hour, and the states of the lines in their hours.

    Parts that are apart may come together; where one would fall apart, the state of the coming hour is taken to last.

    Args:
        kept: of the grid.
        in_service: (H, B, E) as far as it is known; None: all lines are.
        rows: B.
        hours: H.
    """
    if in_service is None or in_service.all():
        intact, none = kept.without(()), np.zeros((rows, hours), np.int64)
        return [(slice(None), Statuses([intact], none, none[..., None] + np.arange(intact.part.shape[1])))]
    packed = np.packbits(~in_service.swapaxes(0, 1), axis=2).reshape(rows * hours, -1)
    states, state = np.unique(packed, axis=0, return_inverse=True)
    is_out = np.unpackbits(states, axis=1, count=in_service.shape[2])
    constants = [kept.without(tuple(np.flatnonzero(lines).tolist())) for lines in is_out]
    state = state.reshape(rows, hours)
    parts = np.array([each.part.shape[1] for each in constants])[state[:, 0]]
    found: list[tuple[Any, Statuses]] = []
    for count in np.unique(parts).tolist():
        own = np.flatnonzero(parts == count)
        found.append((own, _statuses(constants, state[own], count)))
    return found


def _statuses(constants: list[Constants], state: np.ndarray, parts: int) -> Statuses:
    """Of rows (b, H) of states, that are in so many parts in the coming hour."""
    now = np.broadcast_to(state[:, :1], state.shape)
    pairs, pair = np.unique(np.stack([now, state]).reshape(2, -1), axis=1, return_inverse=True)
    each = [_joined(constants[a].node_part, constants[b].node_part) for a, b in pairs.T]
    pair = pair.reshape(state.shape)
    falls_apart = np.array([one is None for one in each])[pair]
    joined = np.array([np.arange(parts) if one is None else one for one in each])[pair]
    used, hour = np.unique(np.where(falls_apart, now, state), return_inverse=True)
    return Statuses([constants[m] for m in used.tolist()], hour.reshape(state.shape), joined)


def _joined(part: np.ndarray, later: np.ndarray) -> np.ndarray | None:
    """(P,) the first part that each is together with later, from the parts of nodes (N,); None if one falls apart."""
    _, first = np.unique(part, return_index=True)
    group = later[first]
    if not np.array_equal(group[part], later):
        return None
    return np.argmax(group[:, None] == group, axis=1)
