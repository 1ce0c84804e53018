"""Which lines are in service in the hours of a plan, and in which parts the grid then is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.planning.day.constants import Constants, KeptConstants


@dataclass(frozen=True, eq=False)
class Statuses:
    """The states of lines in the hours of b plans, which start in the same connected parts.

    The constants of all states of the coming hour differ in flows alone.
    """

    constants: list[Constants]  # M, one for each state; the first is one of the coming hour's
    hour: np.ndarray  # (b, H) which of them
    joined: np.ndarray  # (M, P) the first of the connected parts of the coming hour to which each of them belongs then

    @property
    def reaches(self) -> np.ndarray:
        """(M, U, L) flow of each unit's output."""
        return np.stack([each.network.reach for each in self.constants])

    @property
    def swings(self) -> np.ndarray:
        """(M, L) by which stores change the flow of each line."""
        return np.stack([each.swing for each in self.constants])

    @property
    def market_reaches(self) -> tuple[np.ndarray, np.ndarray]:
        """(M, U, L) as the clearing needs them, of states of the coming hour, and (b,) which of them."""
        states, state = np.unique(self.hour[:, 0], return_inverse=True)
        return np.stack([self.constants[m].market.reach for m in states]), state

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
    """Rows with the same connected parts in the coming hour, and the states of the lines in their hours.

    Parts that are apart may come together; where one would fall apart, the state of the coming hour is taken to last.

    Args:
        kept: of the grid.
        in_service: (H, B, E) as far as it is known; None: all lines are.
        rows: B.
        hours: H.
    """
    if in_service is None or in_service.all():
        intact = kept.without(())
        joined = np.arange(intact.part.shape[1])[None]
        return [(slice(None), Statuses([intact], np.zeros((rows, hours), np.int64), joined))]
    packed = np.packbits(~in_service.swapaxes(0, 1), axis=2).reshape(rows * hours, -1)
    states, state = np.unique(packed, axis=0, return_inverse=True)
    is_out = np.unpackbits(states, axis=1, count=in_service.shape[2])
    constants = [kept.without(tuple(np.flatnonzero(lines).tolist())) for lines in is_out]
    state = state.reshape(rows, hours)
    part = np.array([each.node_part for each in constants])
    parts, group = np.unique(part[state[:, 0]], axis=0, return_inverse=True)
    found: list[tuple[Any, Statuses]] = []
    for number, now in enumerate(parts):
        own = np.flatnonzero(group.ravel() == number)
        found.append((own, _statuses(constants, now, state[own])))
    return found


def _statuses(constants: list[Constants], part: np.ndarray, state: np.ndarray) -> Statuses:
    """Of rows (b, H) of states, that are in these parts (N,) in the coming hour."""
    joined = {m: _joined(part, constants[m].node_part) for m in np.unique(state).tolist()}
    falls_apart = np.isin(state, [m for m, parts in joined.items() if parts is None])
    lasting = np.where(falls_apart, state[:, :1], state)
    used, first, hour = np.unique(lasting.T, return_index=True, return_inverse=True)
    order = np.argsort(first)
    hour = np.argsort(order)[hour].reshape(lasting.T.shape).T
    used = used[order]
    return Statuses([constants[m] for m in used], hour, np.array([joined[m] for m in used.tolist()]))


def _joined(part: np.ndarray, later: np.ndarray) -> np.ndarray | None:
    """(P,) the first part that each is together with later, from the parts of nodes (N,); None if one falls apart."""
    _, first = np.unique(part, return_index=True)
    group = later[first]
    if not np.array_equal(group[part], later):
        return None
    return np.argmax(group[:, None] == group, axis=1)
