"""The strip of small plots under a network: demand, storage and reward over time, with a cursor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.ticker import MaxNLocator

from envs.rendering.canvas import Canvas, text_width
from envs.rendering.layout import Box, Floats
from envs.rendering.playback import Moment, Playback
from envs.rendering.style import (
    CIRCLE,
    CURTAILED,
    FAINT,
    GREEN,
    INK,
    LEAST_MW,
    MUTED,
    PAPER,
    RULE,
    SERVED,
    VERMILION,
    number,
    time_ticks,
)
from grid import Episode

LEAST_REWARD_SPAN = 0.04  # of the axis: smaller rewards are drawn as what they are, next to nothing
STORAGE_TITLE = "Storage (% charge)"
GAP = 54.0  # between plots, with room for the numbers of the next


@dataclass(frozen=True)
class Band:
    """An area under or around the lines."""

    low: Floats  # (T,)
    high: Floats  # (T,)
    colour: str
    hatch: str | None = None


@dataclass(frozen=True)
class Plot:
    """What one plot shows: bands under lines."""

    title: str
    key: tuple[tuple[str, str], ...]  # words and their colours, from right to left
    lines: tuple[tuple[Floats, str], ...]  # (T,) each, and their colours; the cursor has a dot on each
    low: float
    high: float
    bands: tuple[Band, ...] = ()


class Strip:
    """``count`` small plots side by side in a box; the time axis has room for so many steps."""

    def __init__(self, canvas: Canvas, box: Box, episode: Episode, steps: int, count: int) -> None:
        self._canvas, self._steps = canvas, max(steps, 1)
        width = (box.width - GAP * (count - 1)) / count
        self._boxes = [Box(box.left + i * (width + GAP), box.bottom, width, box.height) for i in range(count)]
        self._ticks = time_ticks(episode, self._steps, int(width // 58))
        self._plots: list[Plot] = []

    def draw_background(self, plots: list[Plot]) -> None:
        """Draw the plots up to the last finished step."""
        self._plots = plots
        for box, plot in zip(self._boxes, plots, strict=True):
            self._draw_frame(box, plot)
            self._draw_curves(box, plot)

    def draw_cursor(self, step: float) -> None:
        """Draw the cursor at a step; it may lie between two steps."""
        bars, dots, colours = [], [], []
        for box, plot in zip(self._boxes, self._plots, strict=True):
            x = float(self._across(box, np.array(step)))
            bars.append(np.array([(x, box.bottom), (x, box.bottom + box.height)]))
            for values, colour in plot.lines:
                value = np.interp(step, np.arange(len(values)), values)
                dots.append(CIRCLE * 3.4 + [x, float(_up(box, plot, np.array(value)))])
                colours.append(colour if len(plot.lines) > 1 else INK)
        self._canvas.stamp(LineCollection(bars, colors=INK, linewidths=0.9, alpha=0.55))
        self._canvas.stamp(PolyCollection(dots, facecolors=colours, edgecolors=PAPER, linewidths=1.2))

    def _across(self, box: Box, step: Floats) -> Floats:
        return box.left + box.width * step / max(self._steps - 1, 1)

    def _draw_frame(self, box: Box, plot: Plot) -> None:
        ticks = np.asarray(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(plot.low, plot.high))
        right, top = box.left + box.width, box.bottom + box.height
        rules = []
        for value in ticks[(ticks >= plot.low - 1e-9) & (ticks <= plot.high + 1e-9)].tolist():
            y = float(_up(box, plot, np.array(value)))
            rules.append([(box.left, y), (right, y)])
            self._canvas.text(box.left - 7, y, number(value), 7.5, MUTED, align="right")
        self._canvas.stamp(LineCollection(rules, colors=FAINT, linewidths=0.8))
        marks = [[(box.left, top), (box.left, box.bottom), (right, box.bottom)]]
        for position, label in self._ticks:
            x = float(self._across(box, np.array(position)))
            marks.append([(x, box.bottom), (x, box.bottom - 4)])
            self._canvas.text(x, box.bottom - 13, label, 7.5, MUTED, align="center")
        self._canvas.stamp(LineCollection(marks, colors=RULE, linewidths=0.8))
        self._canvas.text(box.left, top + 16, plot.title, 9, INK, bold=True)
        x = right
        for words, colour in plot.key:
            self._canvas.text(x, top + 15, words, 7.5, colour, align="right")
            x -= text_width(words, 7.5) + 12

    def _draw_curves(self, box: Box, plot: Plot) -> None:
        done = len(plot.lines[0][0])
        repeat = 2 if done == 1 == self._steps else 1  # one step fills the plot
        x = self._across(box, np.arange(float(done * repeat)))
        for band in plot.bands:
            low, high = (_up(box, plot, np.repeat(values, repeat)) for values in (band.low, band.high))
            outline = np.column_stack([np.r_[x, x[::-1]], np.r_[low, high[::-1]]])
            self._canvas.stamp(
                PolyCollection([outline], facecolors=band.colour, edgecolors=PAPER, linewidths=0, hatch=band.hatch)
            )
        for values, colour in plot.lines:
            line = [np.column_stack([x, _up(box, plot, np.repeat(values, repeat))])]
            self._canvas.stamp(LineCollection(line, colors=colour, linewidths=1.4, capstyle="round", joinstyle="round"))


def _up(box: Box, plot: Plot, values: Floats) -> Floats:
    return box.bottom + box.height * (values - plot.low) / (plot.high - plot.low)


def plots_of(playback: Playback) -> list[Plot]:
    """Demand, storage if there is any, and reward of one episode."""
    series, stored = playback.series, 100 * playback.stored_frac
    plots = [demand_plot(series), _reward(series)]
    if stored.shape[1]:
        plots.insert(1, _storage(100 * series.stored_frac, stored))
    return plots


def demand_plot(series: Moment) -> Plot:
    """Demand over time: served, curtailed where any is, and unserved."""
    zero, met = np.zeros_like(series.load_mw), series.served_mw + series.curtailed_mw
    key = [("— demand", INK), ("■ served", "#5F9CC4"), ("▨ unserved", VERMILION)]
    bands = [Band(zero, series.served_mw, SERVED), Band(met, series.load_mw, VERMILION, hatch="////")]
    if series.curtailed_mw.max() > LEAST_MW:
        key.insert(2, ("▨ cut", CURTAILED))
        bands.append(Band(series.served_mw, met, CURTAILED, hatch="////"))
    return Plot(
        title="Demand (MW)",
        key=tuple(key),
        lines=((series.load_mw, INK),),
        bands=tuple(bands),
        low=0.0,
        high=1.1 * float(series.load_mw.max()) or 1.0,
    )


def _storage(mean: Floats, stored: Floats) -> Plot:
    return Plot(
        title=STORAGE_TITLE,
        key=(("mean, min–max band", MUTED),) if stored.shape[1] > 1 else (),
        lines=((mean, GREEN),),
        bands=(Band(stored.min(1), stored.max(1), "#CBE9DF"),),
        low=0.0,
        high=104.0,
    )


def _reward(series: Moment) -> Plot:
    low, high = min(float(series.reward.min()), 0.0), max(float(series.reward.max()), 0.0)
    middle, least = (low + high) / 2, LEAST_REWARD_SPAN / 2
    low, high = min(low, middle - least), max(high, middle + least)
    margin = 0.08 * (high - low)
    return Plot("Reward per step", (), ((series.reward, INK),), low - margin, high + margin)
