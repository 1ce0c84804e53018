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

from policies.day_ahead import HOURS
from policies.wiring import Wiring

OUT, DAYS_BACK = 2, 4  # places among a line's features, as envs.observations writes them
ROUNDING_H = 1e-3  # of days in single precision


@dataclass(frozen=True, eq=False)
class Statuses:
    """The statuses of lines in the hours of B plans."""

    wirings: list[Wiring]  # M, one for each; the first is that of the coming hour
    hour: Tensor  # (B, H) which of them

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

    Where it would change how the grid is split, a status is taken to last.
    """
    lines = observation["lines"]
    hours = np.arange(HOURS)
    last = torch.zeros((len(lines), HOURS), dtype=torch.long)
    if not wiring.out and not wiring.planned.any():
        return Statuses([wiring], last)
    back_h = torch.where(lines[..., OUT] > 0, 24 * lines[..., DAYS_BACK], 0.0).numpy()
    step = wiring.horizon - steps_left.numpy()[:, None] + (hours / wiring.dt_h).astype(int)
    is_out = (back_h[:, None] > hours[:, None] + ROUNDING_H) | wiring.planned[np.minimum(step, len(wiring.planned) - 1)]
    is_out[:, 0] = lines[:, :, OUT].numpy() > 0
    kinds, kind = np.unique(np.packbits(is_out, axis=2).reshape(len(lines) * HOURS, -1), axis=0, return_inverse=True)
    wirings, place = [wiring], np.zeros(len(kinds), np.int64)
    for number, packed in enumerate(np.unpackbits(kinds, axis=1, count=lines.shape[1])):
        other = wiring.intact.without(tuple(np.flatnonzero(packed).tolist()))
        if other is not wiring and torch.equal(other.part, wiring.part):
            place[number] = len(wirings)
            wirings.append(other)
    return Statuses(wirings, torch.from_numpy(place[kind.reshape(len(lines), HOURS)]))
