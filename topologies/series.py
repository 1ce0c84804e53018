"""Time series and the windows of them that episodes may be cut from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from math import ceil
from pathlib import Path

import numpy as np

from grid import LARGEST, GridError, Series
from topologies.clock import hour_of_week
from topologies.shapes import HOURS_A_WEEK

CYCLE_H = 10 * HOURS_A_WEEK
TRAIN_FRAC = 0.8
"""Of every 10 weeks the first 8 belong to the train part and the last 2 to the test part, so that both see all seasons;
a shorter series is cut once, in the same proportion."""

DAYS_A_YEAR = 365.25
EQUINOX_DAY = 79  # 21 March, counted from 0

SHIPPED = Path(__file__).parent / "data" / "year.npz"
SHIPPED_START = datetime(2018, 1, 1)  # a Monday
SHIPPED_STEPS = 10_000  # a share is kept as so many whole steps


@dataclass(frozen=True, eq=False)
class TimedSeries(Series):
    """A series whose first row has a place in the week and, if it is dated, in the year."""

    start_hour: float = 0.0  # hours from Monday 00:00 to the first row
    start: datetime | None = None  # local time of the first row

    @classmethod
    def of(
        cls, courses: dict[str, np.ndarray], dt_h: float, start_hour: float = 0.0, start: datetime | None = None
    ) -> TimedSeries | None:
        """The series of courses (R,) by name, of which a dated one begins at the hour of its date; None without any."""
        if not courses:
            return None
        hour = start_hour if start is None else hour_of_week(start)
        return cls(tuple(courses), dt_h, np.stack(list(courses.values()), axis=1), hour % HOURS_A_WEEK, start)


@dataclass(frozen=True)
class Shipped:
    """What the file of shipped series says of itself; C profiles."""

    columns: tuple[str, ...]  # (C,)
    tables: tuple[str, ...]  # (C,) "load" or "gen"
    meanings: tuple[str, ...]  # (C,)
    origin: str
    licence: str


def start_hour(series: Series) -> float:
    """Hours from Monday 00:00 to the first row; 0 where the series does not say."""
    return series.start_hour if isinstance(series, TimedSeries) else 0.0


@cache
def shipped() -> Shipped:
    """The names, meanings, origin and licence of the shipped series."""
    with np.load(SHIPPED, allow_pickle=False) as file:
        names, tables, meanings = (tuple(map(str, file[key])) for key in ("columns", "tables", "meanings"))
        return Shipped(names, tables, meanings, str(file["origin"]), str(file["licence"]))


@cache
def shipped_year() -> TimedSeries:
    """The shipped series: a year of 8760 hours, read-only."""
    with np.load(SHIPPED, allow_pickle=False) as file:
        values = file["steps"] / SHIPPED_STEPS
    values.setflags(write=False)
    return TimedSeries(shipped().columns, 1.0, values, start_hour=0.0, start=SHIPPED_START)


def check_range(
    columns: Sequence[str], values: np.ndarray, gen_columns: Collection[str], place: Callable[[int, str], str]
) -> None:
    """Refuse values (R, C) that are not finite, negative or above ``grid.LARGEST``, and shares of generation above 1.

    Raises:
        GridError: the first such value, at its ``place``.
    """
    is_gen = np.array([name in gen_columns for name in columns], dtype=bool)
    bad = np.argwhere(~((values >= 0) & (values <= np.where(is_gen, 1.0, LARGEST))))
    if bad.size:
        row, column = map(int, bad[0])
        allowed = "a share in [0, 1] of gen_max_mw" if is_gen[column] else "a number >= 0"
        if not is_gen[column] and LARGEST < values[row, column] < np.inf:
            allowed += f", at most {LARGEST:g}"
        where = place(row, columns[column])
        raise GridError(where, f"{values[row, column]:g}", allowed, "correct the value")


def part_of(series: Series, split: str) -> list[slice]:
    """The rows of the train or the test part, as blocks without a gap; no row belongs to both. "all": every row."""
    size = len(series.values_frac)
    if split == "all":
        return [slice(0, size)]
    cycle = min(size, max(10, round(CYCLE_H / series.dt_h)))
    cut = int(cycle * TRAIN_FRAC)
    first, last = (0, cut) if split == "train" else (cut, cycle)
    starts = range(first, size, max(cycle, 1))
    return [slice(start, min(start + last - first, size)) for start in starts]


def resample(values: np.ndarray, from_dt_h: float, to_dt_h: float) -> np.ndarray:
    """Mean of the rows (R, C) over each whole step of ``to_dt_h`` hours; a row longer than a step is repeated.

    So energy is kept: a row stands for its mean over ``from_dt_h``, and nothing is invented inside it.
    """
    if from_dt_h == to_dt_h:
        return values
    steps = int(len(values) * from_dt_h / to_dt_h + 1e-9)
    if not steps:
        return values[:0]
    energy = np.vstack([np.zeros(values.shape[1]), np.cumsum(values, axis=0)])  # in rows, at the edges of the rows
    edges = np.minimum(np.arange(steps + 1) * (to_dt_h / from_dt_h), len(values))
    row = np.minimum(edges.astype(int), len(values) - 1)
    at_edges = energy[row] + (edges - row)[:, None] * values[row]
    means = np.diff(at_edges, axis=0) * (from_dt_h / to_dt_h)
    return np.clip(means, values.min(axis=0), values.max(axis=0))


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows of one length that lie wholly inside a block of a part; W windows."""

    rows: np.ndarray  # (R, C) of the whole part
    first: np.ndarray  # (W,) row at which each window starts
    start_hour: np.ndarray  # (W,) hours from Monday 00:00
    season: np.ndarray | None  # (W,) share of a year since 21 March; None: the series is not dated
    time: np.ndarray | None  # (W,) local time in whole seconds, datetime64; None: likewise

    @classmethod
    def of(cls, series: Series, split: str, steps: int, dt_h: float) -> Windows:
        """Resample the part to steps of ``dt_h`` hours and cut it into windows of ``steps`` steps.

        Of the whole series ("all"), the last step stands twice: an episode may end with it, and is observed after it.

        Raises:
            GridError: no block of the part is long enough.
        """
        blocks = part_of(series, split)
        parts = [resample(series.values_frac[block], series.dt_h, dt_h) for block in blocks]
        longest, wanted = max(map(len, parts), default=0), steps
        if split == "all":
            parts, wanted = [np.concatenate([part, part[-1:]]) for part in parts], steps - 1
        if longest < wanted:
            share = {"train": TRAIN_FRAC, "test": 1 - TRAIN_FRAC, "all": 1.0}[split]
            found = (
                f"at most {longest * dt_h:g} h in a row in {'the series' if split == 'all' else f'the {split} part'}"
            )
            allowed = f"at least {wanted * dt_h:g} h: an episode and what its forecasts reach for"
            mend = f"give a series of about {ceil(wanted * dt_h / share):g} h or more, or take a shorter horizon"
            raise GridError("series", found, allowed, mend)
        inside = [np.arange(len(part) - steps + 1) for part in parts]
        offsets = np.cumsum([0, *map(len, parts[:-1])])
        begins_h = [block.start * series.dt_h for block in blocks]
        since_h = np.concatenate([begin_h + k * dt_h for begin_h, k in zip(begins_h, inside, strict=True)])
        start = series.start if isinstance(series, TimedSeries) else None
        return cls(
            rows=np.concatenate(parts),
            first=np.concatenate([offset + k for offset, k in zip(offsets, inside, strict=True)]),
            start_hour=(start_hour(series) + since_h) % HOURS_A_WEEK,
            season=None if start is None else _season(start, since_h),
            time=None if start is None else after(start, since_h),
        )

    def at(self, window: np.ndarray, steps: int) -> np.ndarray:
        """The rows (T, B, C) of each window (B,); of one that goes on beyond the last row, that row is repeated."""
        return self.rows[np.minimum(self.first[window] + np.arange(steps)[:, None], len(self.rows) - 1)]

    def like(self, start_hour: np.ndarray, season: np.ndarray) -> np.ndarray:
        """For each start (B,) a window (B,) at the same hour of the week and in about the same season."""
        order, hours, begin, count = self._by_hour
        half = HOURS_A_WEEK / 2
        apart_h = np.abs((hours - start_hour.astype(int)[:, None] + half) % HOURS_A_WEEK - half)
        nearest = apart_h.argmin(axis=1)
        place = np.minimum((season * count[nearest]).astype(int), count[nearest] - 1)
        return order[begin[nearest] + place]

    @cached_property
    def _by_hour(self) -> tuple[np.ndarray, ...]:
        """Windows by hour of the week, then season; the hours that occur, where each begins, and how many it has."""
        hour = self.start_hour.astype(int)
        season = np.zeros(len(hour)) if self.season is None else self.season
        order = np.lexsort((season, hour))
        return order, *np.unique(hour[order], return_index=True, return_counts=True)


def after(start: datetime, hours: np.ndarray) -> np.ndarray:
    """Local times in whole seconds, datetime64, so many hours (...,) after the start."""
    times: np.ndarray = np.datetime64(start, "s") + np.round(hours * 3600).astype("timedelta64[s]")
    return times


def _season(start: datetime, since_h: np.ndarray) -> np.ndarray:
    """Share of a year that has passed since 21 March, so many hours after the start."""
    day = start.timetuple().tm_yday - 1 + (start.hour + start.minute / 60 + since_h) / 24
    return (day - EQUINOX_DAY) / DAYS_A_YEAR % 1.0
