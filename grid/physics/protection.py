"""Line protection: relays that count heat, trip, and let a line back after a lockout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from grid.errors import GridError, nearest
from grid.namespace import namespace
from grid.numbers import is_finite, is_whole
from grid.state import Array, State

HEAT_RULES = ("thermal", "count")
SOON_H = 1e-9  # a line whose lockout ends within this is back


@dataclass(frozen=True)
class Protection:
    """How overloaded lines trip.

    "thermal": each hour at a loading l adds l² − 1 of heat, never below 0: the losses, which grow with the square of
    the current, against the cooling that capacity stands for; at 1.41 x capacity a line trips after more than an hour.
    "count": each step above capacity adds 1, any other step sets the heat to 0 (Grid2Op's rule).

    Raises:
        GridError: a value is outside its range.
    """

    heat_rule: Literal["thermal", "count"] = "thermal"  # what heats a line; see below
    heat_limit: float = 1.0  # a line trips when its heat exceeds this
    trip_at_frac: float = 2.0  # a line trips at once above this multiple of its capacity
    lockout_h: float = 4.0  # hours that a tripped line stays out after the step in which it tripped
    rounds: int = 10  # most times in one step that lines trip because others have tripped

    def __post_init__(self) -> None:
        if self.heat_rule not in HEAT_RULES:
            mend = nearest(str(self.heat_rule), HEAT_RULES)
            raise GridError("protection.heat_rule", repr(self.heat_rule), " or ".join(HEAT_RULES), mend)
        for field, low in (("heat_limit", 0.0), ("trip_at_frac", 1.0), ("lockout_h", 0.0), ("rounds", 1)):
            value = getattr(self, field)
            number = is_whole(value) if field == "rounds" else is_finite(value)
            if not (number and value >= low):
                kind = "a whole number" if field == "rounds" else "a finite number"
                raise GridError(f"protection.{field}", repr(value), f"{kind} >= {low:g}", "correct the value")

    @classmethod
    def grid2op(cls, dt_h: float) -> Protection:
        """Grid2Op's default rules for steps of dt_h hours.

        A line may be above capacity for two steps and trips in the third; above twice its capacity it trips at once;
        it stays out for ten steps (NB_TIMESTEP_OVERFLOW_ALLOWED, HARD_OVERFLOW_THRESHOLD and NB_TIMESTEP_RECONNECTION
        of grid2op.Parameters). There an agent has to switch it on again; here it comes back by itself.
        """
        return cls(heat_rule="count", heat_limit=2.0, trip_at_frac=2.0, lockout_h=10.0 * dt_h)

    def heated(self, heat: Array, loading_frac: Array, dt_h: float) -> Array:
        """(B, E) heat after a step at the given loadings (B, E) >= 0."""
        xp = namespace(loading_frac)
        if self.heat_rule == "count":
            return xp.where(loading_frac > 1.0, heat + 1.0, 0.0)
        return xp.maximum(heat + dt_h * (loading_frac**2 - 1.0), 0.0)

    def tripping_frac(self, dt_h: float) -> float:
        """Least loading, in parts of capacity, above which a line without heat trips within a step."""
        if self.heat_rule == "count":
            return self.trip_at_frac if self.heat_limit >= 1.0 else 1.0
        return float(min(np.sqrt(1.0 + self.heat_limit / dt_h), self.trip_at_frac))

    def settle(self, state: State, trips: Array, loading_frac: Array, dt_h: float) -> tuple[Array, Array]:
        """Heat and lockout (B, E) after a step that ended with these loadings and in which these lines tripped."""
        left_h = np.maximum(state.lockout_h - dt_h, 0.0)
        return self.heated(state.heat, loading_frac, dt_h), np.where(trips, self.lockout_h, left_h)

    def trips(self, heat: Array, loading_frac: Array, dt_h: float) -> Array:
        """(B, E) whether a line trips at its loading, given its heat before the step."""
        return (self.heated(heat, loading_frac, dt_h) > self.heat_limit) | (loading_frac > self.trip_at_frac)


def in_lockout(state: State) -> Array:
    """(B, E) whether the line has tripped and may not come back yet."""
    return state.lockout_h > SOON_H
