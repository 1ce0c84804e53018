"""When lines are out of service: outages that are planned, and those that happen at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from grid import GridArrays, GridError, is_finite, nearest
from grid.physics import SOON_H

ROUNDING = 1e-9  # of a step


@dataclass(frozen=True)
class Outage:
    """A planned outage; the line is out in every step that overlaps with it.

    Raises:
        GridError: the line is no text, the times are not numbers, or there is no duration.
    """

    line: str  # name in GridArrays.line_names
    start_h: float  # hours from the start of the episode
    duration_h: float
    announced: bool = True  # False: nobody knows of it before it begins, as of a random one

    def __post_init__(self) -> None:
        if not isinstance(self.line, str):
            raise GridError("config.outages: line", repr(self.line), "the name of a line, a text", "correct the value")
        if not isinstance(self.announced, bool):
            where = f"config.outages: line {self.line!r}: announced"
            raise GridError(where, repr(self.announced), "true or false", "correct the value")
        for name, allowed in (("start_h", "a number of hours >= 0"), ("duration_h", "a number of hours > 0")):
            value = getattr(self, name)
            if not is_finite(value) or value < 0 or (name == "duration_h" and value == 0):
                where = f"config.outages: line {self.line!r}: {name}"
                raise GridError(where, repr(value), allowed, "correct the value")


@dataclass(frozen=True, eq=False)
class LineOutages:
    """The outages of B episodes of T steps; S >= T."""

    back_h: np.ndarray  # (T, B, E) hours until the line is back in service; 0: it is
    planned_h: np.ndarray  # (S, E) hours until a planned outage of the line is over; 0: there is none

    @classmethod
    def draw(
        cls,
        arrays: GridArrays,
        planned: Sequence[Outage],
        rngs: Sequence[np.random.Generator],
        steps: int,
        known_steps: int,
        dt_h: float,
    ) -> LineOutages | None:
        """Draw the outages of one episode from each random stream; None where no line can be out.

        A line in service fails in a step with the chance 1 − exp(−outage_rate_per_h · dt_h), and is then out for
        repair_h, rounded up to whole steps; an episode starts with planned outages only.

        Args:
            arrays: the grid.
            planned: the same in every episode; those that are not announced keep no line from failing before them.
            rngs: B streams; none is asked for anything where no line has an outage rate.
            steps: T.
            known_steps: S, how far planned outages are known.
            dt_h: length of a step in hours.

        Raises:
            GridError: a planned outage names no line of the grid.
        """
        failing = np.flatnonzero(arrays.outage_rate_per_h > 0)
        if not failing.size and not planned:
            return None
        left = planned_steps(arrays, [each for each in planned if each.announced], known_steps, dt_h)
        sudden = planned_steps(arrays, [each for each in planned if not each.announced], steps, dt_h)
        back = np.repeat(np.maximum(left[:steps], sudden)[:, None, :], len(rngs), axis=1)
        if failing.size:
            fails = np.stack([rng.random((steps, failing.size)) for rng in rngs], axis=1) < chance_frac(arrays, dt_h)
            random = steps_out(arrays, left[:steps], fails, np.zeros(fails.shape[1:]), dt_h)
            back[..., failing] = np.maximum(back[..., failing], random)
        return cls(back * dt_h, left * dt_h)

    def in_service(self, t: int) -> np.ndarray:
        """(B, E) at step t."""
        return np.asarray(self.back_h[t] == 0)

    def left_h(self, t: int, leads: np.ndarray, dt_h: float) -> np.ndarray:
        """(K, B, E) hours that lines stay out so many steps (K,) after step t, as far as it is known at step t.

        Before the first step, at a t below 0, no line is out by chance.
        """
        now_h = self.back_h[t] if t >= 0 else np.zeros_like(self.back_h[0])
        return np.asarray(np.maximum(now_h - leads[:, None, None] * dt_h, self.planned_h[t + leads][:, None, :]))

    def expected(self, t: int, leads: np.ndarray, dt_h: float) -> np.ndarray:
        """(K, B, E) whether a line is in service so many steps (K,) after step t, as far as it is known at step t."""
        return np.asarray(self.left_h(t, leads, dt_h) <= SOON_H)


def chance_frac(arrays: GridArrays, dt_h: float) -> np.ndarray:
    """(F,) chance that a line with an outage rate fails in a step that finds it in service."""
    rate_per_h = arrays.outage_rate_per_h[arrays.outage_rate_per_h > 0]
    return np.asarray(1.0 - np.exp(-rate_per_h * dt_h))


def steps_out(
    arrays: GridArrays, planned: np.ndarray, fails: np.ndarray, left_now: np.ndarray, dt_h: float
) -> np.ndarray:
    """(T, B, F) steps until random outages of the F lines with an outage rate are over.

    Args:
        arrays: the grid.
        planned: (T, E) not 0 where a planned outage keeps a line from failing.
        fails: (T, B, F) whether a line fails, if it is in service.
        left_now: (B, F) steps that lines are still out from the first step on.
        dt_h: length of a step in hours.
    """
    failing = np.flatnonzero(arrays.outage_rate_per_h > 0)
    repair = np.ceil(arrays.repair_h[failing] / dt_h - ROUNDING)
    left = np.zeros(fails.shape)
    for t, failing_now in enumerate(fails):
        is_in_service = (left_now == 0) & (planned[t, failing] == 0)
        left[t] = np.where(is_in_service & failing_now, repair, left_now)
        left_now = np.maximum(left[t] - 1, 0)
    return left


def line_of(arrays: GridArrays, outage: Outage) -> int:
    """The line in 0..E−1 that goes out.

    Raises:
        GridError: the grid has no such line.
    """
    if outage.line not in arrays.line_names:
        mend = nearest(outage.line, arrays.line_names)
        raise GridError("config.outages", f"line {outage.line!r}", "the name of a line of the grid", mend)
    return arrays.line_names.index(outage.line)


def planned_steps(arrays: GridArrays, planned: Sequence[Outage], steps: int, dt_h: float) -> np.ndarray:
    """(S, E) steps until each line's planned outage is over."""
    left = np.zeros((steps, len(arrays.line_names)))
    for outage in planned:
        first = floor(outage.start_h / dt_h + ROUNDING)
        end = ceil((outage.start_h + outage.duration_h) / dt_h - ROUNDING)
        out, line = np.arange(min(first, steps), min(end, steps)), line_of(arrays, outage)
        left[out, line] = np.maximum(left[out, line], end - out)
    return left
