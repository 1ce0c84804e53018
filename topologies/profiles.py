"""Demand and availability of an episode: everything that is random in it is drawn here, at reset.

An episode starts at a random hour of the week in a random season. The built-in profiles follow both, with first-order
autoregressive noise, part of it shared by the grid (weather, habits), part of it a node's own. Formulas have no train
and test part: these are whatever random streams the caller hands in; streams that differ share no episode. A user's
series and the shipped year are cut in time instead: an episode is a window that lies wholly inside its part. A window
of the user's series sets the clock, and the season if it is dated; windows of the shipped year and formulas follow it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import sqrt
from typing import cast

import numpy as np

from grid import Fault, GridArrays, GridError, Series, nearest
from topologies.series import Windows, check_range, shipped, shipped_year
from topologies.shapes import GEN_SHAPES, HOURS_A_WEEK, LOAD_SHAPES, SAMPLES_AN_HOUR, Moment, Shape, shipped_shape

CONSTANT = "constant"
SPLITS = ("train", "test", "all")


@cache
def built_in() -> dict[str, dict[str, Shape]]:
    """The profiles that come with the program, by table ("load" or "gen") and name."""
    shapes = {"load": dict(LOAD_SHAPES), "gen": dict(GEN_SHAPES)}
    about = shipped()
    for column, (name, table, meaning) in enumerate(zip(about.columns, about.tables, about.meanings, strict=True)):
        shapes[table][name] = shipped_shape(meaning, column, table)
    return shapes


ERROR_MEMORY_H = 6.0
BLOCK = 4096  # values of a step that are worked on at a time, so that they stay in the processor's cache
FIXED = 2  # random numbers of an episode that are no time series: its start and its season


@dataclass(frozen=True)
class Draw:
    """The outside world of B episodes of T steps."""

    load_mw: np.ndarray  # (B, T, N)
    gen_avail_frac: np.ndarray  # (B, T, N) exactly 1 at nodes without gen_profile
    load_error: np.ndarray  # (B, T) variance 1, autoregressive: for forecasts of demand
    gen_error: np.ndarray  # (B, T) the same for forecasts of availability
    start_hour: np.ndarray  # (B,) hours from Monday 00:00 to the start, in [0, 168)
    start: np.ndarray | None = None  # (B,) local time of it, datetime64; None: no dated series of the user's


@dataclass(frozen=True)
class Dated:
    """When episodes are: number 0 starts at a local time of a dated series, each other where the one before ended."""

    start: str  # ISO 8601
    hours: float  # length of an episode


@dataclass(frozen=True)
class _Use:
    """The nodes of one table that follow one profile."""

    table: str  # "load" or "gen"
    name: str
    nodes: np.ndarray  # (n,)


@dataclass(frozen=True)
class _When:
    """When B episodes are, and the windows of series that go with it."""

    start_hour: np.ndarray  # (B,) hours from Monday 00:00
    season: np.ndarray  # (B,) share of a year since 21 March
    own: np.ndarray | None  # (T, B, C) rows of the user's series
    year: np.ndarray | None  # (T, B, C) rows of the shipped year
    start: np.ndarray | None  # (B,) local time, datetime64


class ProfileSource:
    """Draws the episodes of one grid.

    Args:
        arrays: the grid.
        series: the user's time series, if there are any.
        split: "train" or "test", the part of the user's series to draw from, or "all" of it.
        dated: when the episodes are, of all the series; None: drawn.

    Raises:
        GridError: an unknown profile or split, or a series with values that are no shares.
    """

    def __init__(
        self, arrays: GridArrays, series: Series | None = None, split: str = "train", dated: Dated | None = None
    ) -> None:
        if split not in SPLITS:
            raise GridError("split", repr(split), "train, test or all", nearest(str(split), SPLITS))
        if dated is not None and split != "all":
            raise GridError("split", f"{split!r} with a date", "all: a date may lie in the train part", "set it to all")
        tables = {"load": arrays.load_profile, "gen": arrays.gen_profile}
        columns = () if series is None else series.columns
        faults: list[Fault] = []
        for table, names in tables.items():
            faults += profile_faults(table, zip(arrays.node_names, names, strict=True), columns)
        if faults:
            raise GridError.of(faults)
        uses = [
            _Use(table, name, np.array([i for i, other in enumerate(names) if other == name]))
            for table, names in tables.items()
            for name in dict.fromkeys(names)
            if name is not None and (name != CONSTANT or name in columns)
        ]
        self._arrays, self._series, self._columns = arrays, series, columns
        self._split, self._dated = split, dated
        self._windows: dict[tuple[bool, int, float], Windows] = {}  # of the user's series or the shipped year
        self._from_series = [use for use in uses if use.name in columns]
        self._built_in = [use for use in uses if use.name not in columns]
        self._follows_year = any(built_in()[use.table][use.name].of_year for use in self._built_in)
        self._memory_h = np.array([ERROR_MEMORY_H, ERROR_MEMORY_H, *self._channels()])
        if series is not None:
            of_gen = {use.name for use in self._from_series if use.table == "gen"}
            check_range(columns, series.values_frac, of_gen, lambda row, name: f"series, row {row}, column {name!r}")

    def check_length(self, steps: int, dt_h: float) -> None:
        """Check that the part of the user's series, if nodes follow it, holds an episode of so many steps.

        Raises:
            GridError: it is too short, or has no such date.
        """
        if self._dated is not None:
            self._at_dates(np.zeros(1, dtype=int), dt_h)
        elif self._from_series:
            self._windows_of(self._leading(), steps, dt_h)

    def draw(self, rngs: Sequence[np.random.Generator], steps: int, dt_h: float) -> Draw:
        """Draw one episode from each random stream; episode i depends on stream i alone, to the bit.

        Args:
            rngs: B streams, each asked for one block of numbers.
            steps: T, including those beyond the end that forecasts reach for.
            dt_h: length of a step in hours.

        Raises:
            GridError: the part of the user's series is shorter than an episode.
        """
        size, nodes = len(rngs), len(self._arrays.node_names)
        # time comes first in memory, so that what one step reads lies together
        load, gen = np.empty((steps, size, nodes)), np.empty((steps, size, nodes))
        errors, start_hour, starts = np.empty((2, steps, size)), np.empty(size), []
        episodes = max(BLOCK // nodes, 1)
        for first in range(0, size, episodes):
            block = slice(first, min(first + episodes, size))
            when = self._fill(rngs[block], dt_h, load[:, block], gen[:, block], errors[..., block])
            start_hour[block] = when.start_hour
            starts += [] if when.start is None else [when.start]
        start = np.concatenate(starts) if starts else None
        return Draw(load.swapaxes(0, 1), gen.swapaxes(0, 1), errors[0].T, errors[1].T, start_hour, start)

    def _fill(
        self, rngs: Sequence[np.random.Generator], dt_h: float, load: np.ndarray, gen: np.ndarray, errors: np.ndarray
    ) -> _When:
        """Write load_mw and gen_avail_frac (T, B, N) and both errors (2, T, B); return when the episodes are."""
        (steps, size, _), channels = load.shape, len(self._memory_h)
        chance = np.empty((size, FIXED + steps * channels), dtype=np.float32)
        for row, rng in zip(chance, rngs, strict=True):
            rng.random(dtype=np.float32, out=row)
        noise = _autoregress(chance[:, FIXED:].reshape(size, steps, channels), self._memory_h, dt_h)
        start, season = chance[:, :FIXED].astype(float).T

        maxima = {"load": self._arrays.load_max_mw, "gen": np.ones(load.shape[-1])}
        outputs = {"load": load, "gen": gen}
        for table, output in outputs.items():
            output[:] = maxima[table]
        when = self._choose(start, season, steps, dt_h, rngs)
        if when.own is not None:
            for use in self._from_series:
                share = when.own[..., self._columns.index(use.name), None]
                outputs[use.table][..., use.nodes] = share * maxima[use.table][use.nodes]
        since_h = np.arange(steps)[:, None] * dt_h
        sample = ((when.start_hour + since_h + dt_h / 2) * SAMPLES_AN_HOUR).astype(int)
        sample %= HOURS_A_WEEK * SAMPLES_AN_HOUR
        moment = Moment(since_h, sample, np.sin(2 * np.pi * when.season).astype(np.float32), when.year)
        errors[:] = np.moveaxis(noise[..., :2], -1, 0)
        channel = 2
        for use in self._built_in:
            shape = built_in()[use.table][use.name]
            last = channel + 1 + (len(use.nodes) if shape.own_h is not None else 0)
            share = shape.share(moment, noise[..., channel : channel + 1], noise[..., channel + 1 : last])
            outputs[use.table][..., use.nodes] = share * maxima[use.table][use.nodes]
            channel = last
        return when

    def _channels(self) -> list[float]:
        """Memory of each channel of noise, in the order in which draw() reads them."""
        memory_h = []
        for use in self._built_in:
            shape = built_in()[use.table][use.name]
            memory_h += [shape.shared_h] + ([shape.own_h] * len(use.nodes) if shape.own_h is not None else [])
        return memory_h

    def _choose(
        self, start: np.ndarray, season: np.ndarray, steps: int, dt_h: float, rngs: Sequence[np.random.Generator]
    ) -> _When:
        """When the episodes are, from two uniform numbers (B,) each or, if they are dated, from their numbers."""
        start_hour, own, year, time = np.floor(start * HOURS_A_WEEK), None, None, None
        has_own = bool(self._from_series)
        if self._dated is not None or has_own or self._follows_year:
            if self._dated is None:
                windows = self._windows_of(self._leading(), steps, dt_h)
                chosen = (start * len(windows.first)).astype(int)
            else:
                windows, chosen = self._at_dates(np.array([_number(rng) for rng in rngs]), dt_h)
            start_hour = windows.start_hour[chosen]
            season = season if windows.season is None else windows.season[chosen]
            time = windows.time[chosen] if windows.time is not None and (has_own or self._dated is not None) else None
            own, year = (windows.at(chosen, steps), None) if has_own else (None, windows.at(chosen, steps))
        if self._follows_year:
            if year is None:
                windows = self._windows_of(shipped_year(), steps, dt_h)
                year = windows.at(windows.like(start_hour, season), steps)
            year = year.astype(np.float32)
        return _When(start_hour, season, own, year, time)

    def _leading(self) -> Series:
        """The series that sets the clock: the user's, or else the shipped year."""
        return self._series if self._series is not None and self._from_series else shipped_year()

    def _at_dates(self, numbers: np.ndarray, dt_h: float) -> tuple[Windows, np.ndarray]:
        """The windows of the dated series, and those of the episodes of these numbers (B,).

        Raises:
            GridError: no node follows a dated series, or it has no such time.
        """
        dated, where = cast(Dated, self._dated), "config.start_time"
        if not self._follows_year and not self._from_series:
            mend = "give the grid a file of profiles with timestamps, or leave out the date"
            raise GridError(where, f"{dated.start}, and nodes that follow no dated series", "a dated series", mend)
        steps = max(1, round(dated.hours / dt_h))
        windows = self._windows_of(self._leading(), steps + 1, dt_h)
        if windows.time is None:
            mend = "give its file of profiles a column of timestamps in place of time_h"
            raise GridError(where, f"{dated.start}, and a series without dates", "a dated series", mend)
        step = np.timedelta64(round(dt_h * 3600), "s")
        first = np.datetime64(dated.start, "s")
        places = (first - windows.time[0]) / step + numbers * steps
        for number, place in zip(numbers.tolist(), places.tolist(), strict=True):
            if place != round(place) or not 0 <= place < len(windows.time):
                last, start = windows.time[-1], first + number * steps * step
                found = f"{start}" if not number else f"{start}, where episode {number} starts"
                left = f"after which {dated.hours:g} h are left"
                allowed = f"steps of {dt_h:g} h from {windows.time[0]} to {last}, {left}"
                raise GridError(where, found, allowed, "choose another date, or fewer or shorter episodes")
        return windows, places.astype(int)

    def _windows_of(self, series: Series, steps: int, dt_h: float) -> Windows:
        key = (series is self._series, steps, dt_h)
        if key not in self._windows:
            self._windows[key] = Windows.of(series, self._split, steps, dt_h)
        return self._windows[key]


def profile_faults(table: str, names: Iterable[tuple[str, str | None]], columns: Sequence[str]) -> list[Fault]:
    """Faults of profiles of nodes ("load" or "gen") that are neither built in nor a column of the user's series."""
    known = [*built_in()[table], CONSTANT]
    allowed = f"{', '.join(known)}, or a column of the grid's file of profiles"
    return [
        Fault(f"node {node!r}", f"{table}_profile {name!r}", allowed, nearest(name, {*known, *columns}))
        for node, name in names
        if name is not None and name not in known and name not in columns
    ]


def _number(rng: np.random.Generator) -> int:
    """The number of an episode: that of the stream it is drawn from, among those of its seed."""
    return int(cast(np.random.SeedSequence, rng.bit_generator.seed_seq).spawn_key[-1])


def _autoregress(chance: np.ndarray, memory_h: np.ndarray, dt_h: float) -> np.ndarray:
    """First-order autoregressive noise (T, B, C) of mean 0 and variance 1 from uniform numbers (B, T, C).

    Uniform numbers cost a third of normal ones; their sum over a memory of some steps is as good as normal.
    """
    keep = np.exp(-dt_h / np.maximum(memory_h, 1e-9)).astype(np.float32)
    width = np.sqrt(12 * (1 - keep**2))
    noise = np.ascontiguousarray(chance.swapaxes(0, 1))
    noise -= 0.5
    noise[0] *= sqrt(12)
    noise[1:] *= width
    carried = np.empty_like(noise[0])
    keep = np.repeat(keep[None], len(carried), axis=0)  # of one shape with what it multiplies: half the time
    for before, now in pairwise(noise):
        np.add(now, np.multiply(before, keep, carried), now)
    return noise
