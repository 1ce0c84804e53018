"""Demand and availability of an episode: everything that is random in it is drawn here, at reset.

An episode starts at a random hour of the week in a random season. The built-in profiles follow both, with first-order
autoregressive noise, part of it shared by the grid (weather, habits), part of it a node's own. Their train and test
parts are whatever random streams the caller hands in; streams that differ share no episode. A user's series is cut in
time instead: an episode is a window that lies wholly inside its part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np

from grid.arrays import GridArrays
from grid.errors import Fault, GridError, nearest
from grid.graph import Series
from topologies.series import check_range, part_of, resample
from topologies.shapes import GEN_SHAPES, HOURS_A_WEEK, LOAD_SHAPES, SAMPLES_AN_HOUR, Moment, Shape

_BUILT_IN: dict[str, dict[str, Shape]] = {"load": LOAD_SHAPES, "gen": GEN_SHAPES}
CONSTANT = "constant"

PROFILES: dict[str, str] = {
    **{name: shape.meaning for shapes in _BUILT_IN.values() for name, shape in shapes.items()},
    CONSTANT: "always the maximum, as without a profile",
}
"""Name and meaning of the built-in profiles. A column of the user's series goes before a built-in of the same name."""

ERROR_MEMORY_H = 6.0
BLOCK = 256  # episodes at a time, so that what is in work stays in the processor's cache
FIXED = 2  # random numbers of an episode that are no time series: its start and its season


@dataclass(frozen=True)
class Draw:
    """The outside world of B episodes of T steps."""

    load_mw: np.ndarray  # (B, T, N)
    gen_avail_frac: np.ndarray  # (B, T, N) exactly 1 at nodes without gen_profile
    load_error: np.ndarray  # (B, T) variance 1, autoregressive: for forecasts of demand
    gen_error: np.ndarray  # (B, T) the same for forecasts of availability
    start_hour: np.ndarray  # (B,) hours from Monday 00:00 to the start, in [0, 168)


@dataclass(frozen=True)
class _Use:
    """The nodes of one table that follow one profile."""

    table: str  # "load" or "gen"
    name: str
    nodes: np.ndarray  # (n,)


class ProfileSource:
    """Draws the episodes of one grid.

    Args:
        arrays: the grid.
        series: the user's time series, if there are any.
        split: "train" or "test", the part of the user's series to draw from.

    Raises:
        GridError: an unknown profile or split, or a series with values that are no shares.
    """

    def __init__(self, arrays: GridArrays, series: Series | None = None, split: str = "train") -> None:
        if split not in ("train", "test"):
            raise GridError("split", repr(split), "train or test", nearest(str(split), ("train", "test")))
        tables = {"load": arrays.load_profile, "gen": arrays.gen_profile}
        columns = () if series is None else series.columns
        faults = [
            fault
            for table, names in tables.items()
            for fault in profile_faults(table, zip(arrays.node_names, names, strict=True), columns)
        ]
        if faults:
            raise GridError.of(faults)
        uses = [
            _Use(table, name, np.array([i for i, other in enumerate(names) if other == name]))
            for table, names in tables.items()
            for name in dict.fromkeys(names)
            if name is not None and (name != CONSTANT or name in columns)
        ]
        self._arrays = arrays
        self._series = series
        self._split = split
        self._parts: dict[float, np.ndarray] = {}  # rows of the part by length of a step
        self._from_series = [use for use in uses if use.name in columns]
        self._synthetic = [use for use in uses if use.name not in columns]
        self._memory_h = np.array([ERROR_MEMORY_H, ERROR_MEMORY_H, *self._channels()])
        if series is not None:
            check_range(series, {use.name for use in self._from_series if use.table == "gen"}, "series", "row", 0)

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
        errors, start_hour = np.empty((2, steps, size)), np.empty(size)
        for first in range(0, size, BLOCK):
            block = slice(first, min(first + BLOCK, size))
            start_hour[block] = self._fill(rngs[block], dt_h, load[:, block], gen[:, block], errors[..., block])
        return Draw(load.swapaxes(0, 1), gen.swapaxes(0, 1), errors[0].T, errors[1].T, start_hour)

    def _fill(
        self, rngs: Sequence[np.random.Generator], dt_h: float, load: np.ndarray, gen: np.ndarray, errors: np.ndarray
    ) -> np.ndarray:
        """Write load_mw and gen_avail_frac (T, B, N) and both errors (2, T, B); return start_hour (B,)."""
        (steps, size, _), channels = load.shape, len(self._memory_h)
        chance = np.empty((size, FIXED + steps * channels), dtype=np.float32)
        for row, rng in zip(chance, rngs, strict=True):
            rng.random(dtype=np.float32, out=row)
        noise = _autoregress(chance[:, FIXED:].reshape(size, steps, channels), self._memory_h, dt_h)
        start, season = chance[:, :FIXED].astype(float).T
        start_hour = np.floor(start * HOURS_A_WEEK)

        maxima = {"load": self._arrays.load_max_mw, "gen": np.ones(load.shape[-1])}
        outputs = {"load": load, "gen": gen}
        for table, output in outputs.items():
            output[:] = maxima[table]
        if self._from_series:
            rows, start_hour = self._windows(start, steps, dt_h)
            for use in self._from_series:
                share = rows[..., self._column(use.name), None]
                outputs[use.table][..., use.nodes] = share * maxima[use.table][use.nodes]
        since_h = np.arange(steps)[:, None] * dt_h
        sample = ((start_hour + since_h + dt_h / 2) * SAMPLES_AN_HOUR).astype(int) % (HOURS_A_WEEK * SAMPLES_AN_HOUR)
        moment = Moment(since_h, sample, np.sin(2 * np.pi * season).astype(np.float32))
        errors[:] = np.moveaxis(noise[..., :2], -1, 0)
        channel = 2
        for use in self._synthetic:
            shape = _BUILT_IN[use.table][use.name]
            last = channel + 1 + (len(use.nodes) if shape.own_h is not None else 0)
            share = shape.share(moment, noise[..., channel : channel + 1], noise[..., channel + 1 : last])
            outputs[use.table][..., use.nodes] = share * maxima[use.table][use.nodes]
            channel = last
        return start_hour

    def _channels(self) -> list[float]:
        """Memory of each channel of noise, in the order in which draw() reads them."""
        memory_h = []
        for use in self._synthetic:
            shape = _BUILT_IN[use.table][use.name]
            memory_h += [shape.shared_h] + ([shape.own_h] * len(use.nodes) if shape.own_h is not None else [])
        return memory_h

    def _column(self, name: str) -> int:
        return 0 if self._series is None else self._series.columns.index(name)

    def _windows(self, chance: np.ndarray, steps: int, dt_h: float) -> tuple[np.ndarray, np.ndarray]:
        """Rows (T, B, C) of a window of the part for each chance (B,), and its start_hour (B,)."""
        if self._series is None:
            raise GridError("series", "none", "the series of the grid", "hand it over")
        values, part_start_hour = part_of(self._series, self._split)
        if dt_h not in self._parts:
            self._parts[dt_h] = resample(values, self._series.dt_h, dt_h)
        part = self._parts[dt_h]
        windows = len(part) - steps + 1
        if windows < 1:
            found = f"{len(part) * dt_h:g} h in the {self._split} part"
            allowed = f"at least {steps * dt_h:g} h: an episode and what its forecasts reach for"
            raise GridError("series", found, allowed, "give a longer series or take a shorter horizon")
        start = np.floor(chance * windows).astype(int)
        return part[start + np.arange(steps)[:, None]], (part_start_hour + start * dt_h) % HOURS_A_WEEK


def profile_faults(
    table: str, names: Iterable[tuple[str, str | None]], columns: Sequence[str] = (), where: str = ""
) -> list[Fault]:
    """Faults of profile names that are neither built in nor a column of the user's series.

    Args:
        table: "load" or "gen".
        names: each node with its profile, if it has one.
        columns: profiles of the user's series.
        where: what to write before the node.
    """
    known = {*_BUILT_IN[table], CONSTANT, *columns}
    return [
        Fault(
            f"{where}node {node!r}",
            f"{table}_profile {name!r}",
            f"{', '.join([*_BUILT_IN[table], CONSTANT])}, or a column of the grid's CSV file of profiles",
            nearest(name, known),
        )
        for node, name in names
        if name is not None and name not in known
    ]


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
    for before, now in pairwise(noise):
        np.add(now, np.multiply(before, keep, out=carried), out=now)
    return noise
