"""The slope of trips: what a line costs that comes closer to tripping.

A trip is a jump, so the gradient of an episode's cost does not feel it coming. That of the mean cost does: it has one
more part, how much likelier each trip becomes, times what a trip costs. A kernel estimates it from the lines that are
near their limit, as for options whose payoff jumps (Liu and Hong, "Kernel estimation of the Greeks for options with
discontinuous payoffs", Operations Research 59(1), 2011).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from grid.physics import Protection

WIDTH = 0.2  # of the kernel, in units of heat; a line at 1.1 x capacity gains as much in an hour


class TripSlopes:
    """Gathers how near the lines of B running episodes are to tripping.

    Args:
        relays: of the lines.
        dt_h: length of a step in hours.
    """

    def __init__(self, relays: Protection, dt_h: float) -> None:
        self._relays, self._dt_h = relays, dt_h
        self._heat: Tensor | None = None  # (B, E) after the last step, with its gradient; None: there was none
        self._risks: list[Tensor] = []
        self._trips: list[np.ndarray] = []
        self._are_out: list[np.ndarray] = []

    def add(self, loading_frac: Tensor, heat: np.ndarray, trips: np.ndarray, tripped: np.ndarray) -> None:
        """Take in a step.

        Args:
            loading_frac: (B, E) loadings before any line trips, with their gradient; 0 of lines without a limit.
            heat: (B, E) of the relays after the step.
            trips: (B, E) whether the line trips in this step.
            tripped: (B, E) whether it is out because it tripped, now or before.
        """
        before = torch.zeros_like(loading_frac) if self._heat is None else self._heat
        warm = self._relays.heated(before, loading_frac, self._dt_h)
        beyond = torch.maximum(warm - self._relays.heat_limit, loading_frac - self._relays.trip_at_frac)
        self._risks.append(torch.sigmoid(beyond / WIDTH).sum(1))
        self._heat = warm + (torch.as_tensor(heat) - warm.detach())
        self._trips.append(trips.sum(1))
        self._are_out.append(np.any(tripped, axis=1))

    def cost(self, costs: Tensor) -> Tensor:
        """(T, B) nothing, with the gradient of what trips cost, from the costs (T, B) of all steps."""
        risks = torch.stack(self._risks)
        price = cost_of_a_trip(costs.detach().numpy(), np.stack(self._trips), np.stack(self._are_out))
        return price * (risks - risks.detach())


def cost_of_a_trip(costs: np.ndarray, trips: np.ndarray, are_out: np.ndarray) -> float:
    """Currency a trip: what steps with lines that have tripped cost above the median of their hour, shared out.

    Args:
        costs: (T, B) of each step, in currency.
        trips: (T, B) how many lines trip.
        are_out: (T, B) whether any is out because it tripped.
    """
    above = (costs - np.median(costs, axis=1, keepdims=True))[are_out]
    return max(float(above.sum()), 0.0) / max(int(trips.sum()), 1)
