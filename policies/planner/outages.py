"""Which lines are in service in the hours of a plan, as far as it is known: those that are out now, until they are
back, and planned outages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policies.planner.grid_constants import Wiring
from policies.planner.plan import HOURS

OUT, DAYS_BACK = 2, 4  # places among a line's features, as envs.observations writes them
ROUNDING_H = 1e-3  # of days in single precision


@dataclass(frozen=True, eq=False)
class Statuses:
    """The statuses of lines in the hours of B plans."""

    wirings: list[Wiring]  # M, one for each; the first is that of the coming hour
    hour: Tensor  # (B, H) which of them
    leads: np.ndarray  # (M, P) the first of the connected parts of the coming hour to which each of them belongs then

    @property
    def reaches(self) -> np.ndarray:
        """(M, U, L) flow for each unit's output."""
        return np.stack([wiring.network.reach for wiring in self.wirings])

    def each(self, work: Callable[[Wiring, Any], Tensor]) -> Tensor:
        """(B, H, ·) what the work makes of all hours, and then of those (B, H) that have another status."""
        made = work(self.wirings[0], ...)
        for m in range(1, len(self.wirings)):
            chosen = self.hour == m
            made[chosen] = work(self.wirings[m], chosen)
        return made


def statuses_ahead(wiring: Wiring, observation: dict[str, Tensor], steps_left: Tensor) -> Statuses:
    """Of rows whose lines that are out are those of the wiring, and which have so many steps (B,) left.

    Parts that are apart may come together; where one would fall apart, a status is taken to last.
    """
    lines = observation["lines"]
    hours = np.arange(HOURS)
    leads = [np.arange(wiring.part.shape[1])]
    if not wiring.out and not wiring.planned.any():
        return Statuses([wiring], torch.zeros((len(lines), HOURS), dtype=torch.long), np.stack(leads))
    back_h = torch.where(lines[..., OUT] > 0, 24 * lines[..., DAYS_BACK], 0.0).numpy()
    step = wiring.horizon - steps_left.numpy()[:, None] + (hours / wiring.dt_h).astype(int)
    is_out = (back_h[:, None] > hours[:, None] + ROUNDING_H) | wiring.planned[np.minimum(step, len(wiring.planned) - 1)]
    is_out[:, 0] = lines[:, :, OUT].numpy() > 0
    kinds, kind = np.unique(np.packbits(is_out, axis=2).reshape(len(lines) * HOURS, -1), axis=0, return_inverse=True)
    wirings, place = [wiring], np.zeros(len(kinds), np.int64)
    for number, packed in enumerate(np.unpackbits(kinds, axis=1, count=lines.shape[1])):
        other = wiring.intact.without(tuple(np.flatnonzero(packed).tolist()))
        joined = None if other is wiring else _joined(wiring.part.numpy().argmax(1), other.part.numpy().argmax(1))
        if joined is not None:
            place[number] = len(wirings)
            wirings.append(other)
            leads.append(joined)
    return Statuses(wirings, torch.from_numpy(place[kind.reshape(len(lines), HOURS)]), np.stack(leads))


def _joined(part: np.ndarray, later: np.ndarray) -> np.ndarray | None:
    """(P,) the first part that each is together with later, from the parts of nodes (N,); None if one falls apart."""
    _, first = np.unique(part, return_index=True)
    group = later[first]
    if not np.array_equal(group[part], later):
        return None
    return np.argmax(group[:, None] == group, axis=1)
