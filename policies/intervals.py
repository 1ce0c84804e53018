"""Paired bootstrap intervals of ratios of sums over episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000
TAILS_FRAC = (0.025, 0.975)


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Draws the same resamples of the episodes for every figure, so that comparisons between policies are paired.

    Intervals are percentiles of the resampled figures (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13).
    """

    def __init__(self, episodes: int, seed: int) -> None:
        chance = np.full(episodes, 1.0 / episodes)
        self._counts = np.random.default_rng(seed).multinomial(episodes, chance, RESAMPLES)  # (RESAMPLES, episodes)

    def ratio(self, above: np.ndarray, below: np.ndarray) -> Interval:
        """The ratio of the sums of two figures (episodes,) each; a resample whose ``below`` sums to 0 is left out."""
        totals = self._counts @ below
        kept = totals != 0
        ratios = (self._counts @ above)[kept] / totals[kept]
        low, high = np.quantile(ratios, TAILS_FRAC)
        return Interval(float(above.sum() / below.sum()), float(low), float(high))

    def mean(self, values: np.ndarray) -> Interval:
        """The mean of a figure (episodes,)."""
        return self.ratio(values, np.ones_like(values))
