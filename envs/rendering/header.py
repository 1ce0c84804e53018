"""What stands above a picture of a grid: its name and size, the time, and figures in a row.

Each figure has room for its widest value, so that none moves when it changes and none touches the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from envs.rendering.canvas import Canvas, fit, text_width
from envs.rendering.figure import FigureText
from envs.rendering.layout import Floats
from envs.rendering.playback import Moment
from envs.rendering.style import (
    BLUE,
    CURTAILED,
    INK,
    LEAST_MW,
    LOOKS,
    MARGIN,
    MUTED,
    VERMILION,
    number,
    percent,
    time_of,
    year_of,
)
from grid import KIND_NAMES, Episode

VALUE_SIZE, NAME_SIZE = 15, 9
TITLE, NOTE = 38, 63  # from the upper edge down to the middles of the two rows
GAP = 28.0

Figure: TypeAlias = tuple[str, list[str], list[str]]
"""Its name, its values (T,) and their colours (T,)."""
Figures: TypeAlias = list[Figure]


def plain(name: str, values: Floats) -> Figure:
    """A figure of numbers (T,), all in the same colour."""
    return name, [number(value) for value in values.tolist()], [INK] * len(values)


def missing(name: str, values: Sequence[float], colour: str, words: Callable[[float], str]) -> Figure:
    """A figure of what should be 0 (T,), in its colour where it is not."""
    return name, [words(value) for value in values], [colour if value > 0.005 else MUTED for value in values]


def right_edges(right: float, columns: Sequence[tuple[str, Sequence[str]]]) -> list[float]:
    """Where each column ends, given its name and all its values; the last one ends at ``right``."""
    edges = []
    for name, values in reversed(columns):
        edges.append(right)
        widest = max((text_width(value, VALUE_SIZE, True) for value in set(values)), default=0.0)
        right -= max(widest, text_width(name, NAME_SIZE)) + GAP
    return edges[::-1]


def served_figures(series: Moment) -> Figures:
    """The served share of the demand or, where demand is curtailed, how much; and the power that is not met."""
    demand, served, cut = series.load_mw.tolist(), series.served_mw.tolist(), series.curtailed_mw.tolist()
    unserved = np.maximum(series.load_mw - series.served_mw - series.curtailed_mw, 0.0).tolist()
    if max(cut) > LEAST_MW:
        return [missing("cut MW", cut, CURTAILED, number), missing("unserved MW", unserved, VERMILION, number)]
    shares = [percent(*pair) for pair in zip(served, demand, strict=True)]
    words = missing("unserved", unserved, VERMILION, lambda mw: f"{number(mw)} MW")
    return [("served", shares, [BLUE] * len(shares)), words]


def draw_figures(
    canvas: Canvas | FigureText, figures: Figures, edges: Sequence[float], step: int, y: float, drop: float
) -> None:
    """The values of a step, which end at the edges; their names ``drop`` lower."""
    for edge, (name, values, colours) in zip(edges, figures, strict=True):
        canvas.text(edge, y, values[step], VALUE_SIZE, colours[step], bold=True, align="right")
        canvas.text(edge, y - drop, name, NAME_SIZE, MUTED, align="right")


def draw_time(canvas: Canvas, episode: Episode, t: float, steps: int) -> None:
    """The time ``t`` steps after the first, in quarters of a step, and the number of the step."""
    x, top = 0.46 * canvas.width, canvas.height
    canvas.text(x, top - TITLE, time_of(episode, int(4 * t) / 4, steps), 17, INK, bold=True, align="center")
    count = f"{year_of(episode)}step {min(int(t) + 1, episode.steps)} / {steps}"
    canvas.text(x, top - NOTE, count, 9.5, MUTED, align="center")


def draw_title(canvas: Canvas, episode: Episode, kinds: list[str]) -> None:
    """Name and size of the grid, in the upper left corner."""
    top = canvas.height
    canvas.text(MARGIN, top - TITLE, fit(episode.grid_name, 440, 17, bold=True), 17, INK, bold=True)
    counts = [(kinds.count(kind), kind, LOOKS[kind].plural) for kind in KIND_NAMES]
    counts.append((len(episode.line_from), "line", "lines"))
    words = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
    canvas.text(MARGIN, top - NOTE, " · ".join(words), 9.5, MUTED)
