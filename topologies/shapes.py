"""The built-in profiles: demand and availability as functions of the time, the season and some noise.

Some are formulas; the others are columns of the shipped year, varied between nodes and episodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, radians, sin, sqrt

import numpy as np

HOURS_A_WEEK = 168
SAMPLES_AN_HOUR = 12
CLASSIC_PEAK_MW = 19.5
YEAR_NOISE = {"load": (0.08, 0.12, 6.0, 1.5), "gen": (0.15, 0.35, 6.0, 3.0)}
"""Noise on the shipped year: spread that sites share, spread of each site, and how long each lasts in hours."""
LATITUDE = radians(45.0)
TILT_OF_THE_EARTH = radians(23.45)


@dataclass(frozen=True)
class Moment:
    """When the B episodes are, in the middle of each of their T steps."""

    since_h: np.ndarray  # (T, 1) hours since the start of the episode, at the start of each step
    sample: np.ndarray  # (T, B) position in the curves of the week
    summer: np.ndarray  # (B,) from −1 at midwinter to 1 at midsummer
    year: np.ndarray | None = None  # (T, B, C) rows of the shipped year, if a profile needs them


@dataclass(frozen=True)
class Shape:
    """One built-in profile.

    Noise has mean 0 and variance 1, float32; without memory (0) it is uniform, else bell-shaped. Memories are times of
    decay to 1/e.
    """

    meaning: str
    shared_h: float  # memory of the noise that all nodes of the profile share
    own_h: float | None  # memory of each node's own noise; None: it has none
    share: Callable[[Moment, np.ndarray, np.ndarray], np.ndarray]  # of (T, B, 1) and (T, B, n), gives (T, B, n or 1)
    of_year: bool = False  # whether it reads Moment.year


def _week() -> tuple[np.ndarray, np.ndarray]:
    """Hour of the day and day of the week (0 is Monday) at each sample."""
    hour = (np.arange(HOURS_A_WEEK * SAMPLES_AN_HOUR) + 0.5) / SAMPLES_AN_HOUR
    return hour % 24, (hour // 24).astype(int)


def _bump(hour: np.ndarray, centre_h: float, width_h: float) -> np.ndarray:
    away = (hour - centre_h + 12) % 24 - 12
    return np.exp(-0.5 * (away / width_h) ** 2)


def _plateau(hour: np.ndarray, start_h: float, end_h: float) -> np.ndarray:
    """1 between the two hours, with edges of about an hour."""
    return (1 + np.tanh(2 * (hour - start_h))) * (1 + np.tanh(2 * (end_h - hour))) / 4


def _household_week() -> np.ndarray:
    hour, day = _week()
    workday = np.where(day < 5, 1.0, 0.5)
    morning = workday * _bump(hour, 7.5, 1.3) + (1 - workday) * _bump(hour, 10.0, 2.0)
    return 0.34 + 0.26 * morning + 0.12 * _bump(hour, 12.5, 1.5) + 0.5 * _bump(hour, 19.5, 2.4)


def _commerce_week() -> np.ndarray:
    hour, day = _week()
    return 0.22 + 0.66 * _plateau(hour, 7.5, 18.5) * np.array([1, 1, 1, 1, 1, 0.6, 0.25])[day]


def _industry_week() -> np.ndarray:
    hour, day = _week()
    shifts = 0.2 * _plateau(hour, 6.0, 22.0) + 0.2 * _plateau(hour, 7.0, 15.5)
    return 0.5 + shifts * np.array([1, 1, 1, 1, 1, 0.5, 0.1])[day]


def _demand(
    week: np.ndarray, season: float, shared_sigma: float, own_sigma: float
) -> Callable[[Moment, np.ndarray, np.ndarray], np.ndarray]:
    curve = week.astype(np.float32)

    def share(moment: Moment, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
        level = curve[moment.sample] * (1 - np.float32(season) * moment.summer)
        level = level[..., None] * (1 + shared_sigma * shared)
        return np.clip(level + (own_sigma * level) * own, 0.0, 1.0)

    return share


def _classic(moment: Moment, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    normal = ndtri(np.clip(shared.astype(float) / sqrt(12) + 0.5, 0.0, 1.0))  # from uniform noise
    waves = 10 + 3 * np.sin(0.3 * pi * moment.since_h) + 2 * np.sin(0.1 * pi * moment.since_h)
    return (waves[..., None] + 1.5 * np.clip(normal, -3.0, 3.0)) / CLASSIC_PEAK_MW


_COS_HOUR_ANGLE = np.cos(2 * pi / 24 * (_week()[0] - 12)).astype(np.float32)


def _sun(moment: Moment, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Sine of the sun's height, times a clearness between 0.15 and 1."""
    declination = TILT_OF_THE_EARTH * moment.summer
    height = sin(LATITUDE) * np.sin(declination) + cos(LATITUDE) * np.cos(declination) * _COS_HOUR_ANGLE[moment.sample]
    clearness = 0.575 + 0.425 * np.tanh(0.77 + (0.99 * shared + 0.48 * own))
    return np.maximum(height, 0.0)[..., None] * clearness


def _wind(moment: Moment, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A mean of about a third, at times next to nothing or next to everything."""
    return 0.5 + 0.5 * np.tanh(0.72 * shared + 0.45 * own - 0.35)


LOAD_SHAPES: dict[str, Shape] = {
    "household": Shape(
        "morning and evening peaks, more in winter", 6.0, 1.5, _demand(_household_week(), 0.12, 0.05, 0.06)
    ),
    "commerce": Shape("office hours, little at the weekend", 6.0, 2.0, _demand(_commerce_week(), -0.04, 0.04, 0.04)),
    "industry": Shape(
        "a base load and two shifts, less at the weekend", 6.0, 4.0, _demand(_industry_week(), 0.02, 0.02, 0.04)
    ),
    "classic": Shape(
        "10 + 3 sin(0.3 pi t) + 2 sin(0.1 pi t) MW over all consumers together, t in hours since the start, where "
        "their load_max_mw add up to 19.5 MW; noise of 1.5 MW, cut at three times that",
        0.0,
        None,
        _classic,
    ),
}
GEN_SHAPES: dict[str, Shape] = {
    "sun": Shape("height of the sun at 45 degrees north, by hour and season, less the clouds", 5.0, 1.5, _sun),
    "wind": Shape("weather of about a day that the grid shares, and a node's own gusts", 24.0, 6.0, _wind),
}


def shipped_shape(meaning: str, column: int, table: str) -> Shape:
    """A column of the shipped year whose odds, share / (1 − share), are multiplied by log-normal noise.

    So 0 stays 0, by night or in a calm, nothing leaves [0, 1], and no bound needs a cut. Sites of a profile share part
    of the noise: its correlation between two of them is shared² / (shared² + own²).
    """
    shared_sigma, own_sigma, shared_h, own_h = YEAR_NOISE[table]

    def share(moment: Moment, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
        level = moment.year[..., column, None]  # type: ignore[index] # there for every profile with of_year
        odds = level * np.exp(shared_sigma * shared + own_sigma * own)
        return odds / (1 - level + odds)

    return Shape(meaning, shared_h, own_h, share, of_year=True)
