"""Recall: the days ahead of a rollout's observations, so that learning from them plans none of them again."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from policies.planner.day import Day, plan_day
from policies.planner.grid_constants import Wiring

MOST_BYTES = 1 << 29  # of memory, and for a moment twice as much


class Recall:
    """Days by the observation that they are of and its wiring."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._bytes = 0
        self._days: dict[Wiring, list[Day]] = {}
        self._place: dict[Wiring, dict[bytes, int]] = {}

    def note(self, wiring: Wiring, observation: dict[str, Tensor]) -> Day:
        """Plan the day of each row (B, ...), and keep it."""
        day = plan_day(wiring, observation)
        size = sum(each.nbytes for each in vars(day).values())
        if self._bytes + size <= MOST_BYTES:
            self._bytes += size
            days = self._days.setdefault(wiring, [])
            first = sum(len(each.need) for each in days)
            days.append(day)
            names = _names(observation)
            self._place.setdefault(wiring, {}).update(zip(names, range(first, first + len(names)), strict=True))
        return day

    def day(self, wiring: Wiring, observation: dict[str, Tensor]) -> Day:
        """The day of each row (B, ...), planned where it is not known."""
        if wiring not in self._place:
            return plan_day(wiring, observation)
        known = self._place[wiring]
        place = torch.tensor([known.get(name, -1) for name in _names(observation)])
        new = torch.nonzero(place < 0)[:, 0]
        if len(new) == len(place):
            return plan_day(wiring, observation)
        kept = self._days[wiring] = [_joined(self._days[wiring])]
        if not len(new):
            return _rows(kept[0], place)
        made = plan_day(wiring, {name: part[new] for name, part in observation.items()})
        place[new] = torch.arange(len(kept[0].need), len(kept[0].need) + len(new))
        return _rows(_joined([*kept, made]), place)


def _names(observation: dict[str, Tensor]) -> list[bytes]:
    """One name for all that a row holds."""
    rows = torch.cat([observation[name].flatten(1) for name in sorted(observation)], 1).numpy()
    return [blake2b(row, digest_size=16).digest() for row in np.ascontiguousarray(rows)]


def _joined(days: list[Day]) -> Day:
    if len(days) == 1:
        return days[0]
    return Day(**{name: torch.cat([getattr(day, name) for day in days]) for name in vars(days[0])})


def _rows(day: Day, place: Tensor) -> Day:
    return Day(**{name: each[place] for name, each in vars(day).items()})
