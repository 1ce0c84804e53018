"""The column beside a grid: the legend, with only what the grid has, and the lines with the highest loading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba

from envs.rendering import style
from envs.rendering.canvas import Align, Canvas, fit
from envs.rendering.layout import Box, Floats
from envs.rendering.marks import OUTAGE_WORDS, draw_dark, draw_off, draw_outages
from envs.rendering.network import Network
from envs.rendering.playback import voltages
from grid import KIND_NAMES, Episode

_MEANING = {
    "source": ("source", "fill = output ÷ available"),
    "storage": ("storage", "fill = state of charge"),
    "consumer": ("consumer", "size = peak demand"),
    "junction": ("junction", "neither makes nor uses"),
}
_SHOWN_FILL = {"source": 0.6, "storage": 0.5}
_ROW = 37.0
_MOST_ROWS = 5
_LEAST_LINES = 6  # fewer can be read from the picture
_HEADING, _FULLEST_ROW = 25.0, 19.0
_PERCENT_WIDTH = 48.0


class _Pen:
    """Draws one row below the other."""

    def __init__(self, canvas: Canvas, x: float, y: float) -> None:
        self.canvas, self.x, self.y = canvas, x, y

    def heading(self, text: str) -> None:
        self.canvas.text(self.x, self.y, text, 8.5, style.MUTED, bold=True)
        self.y -= 27

    def shape(self, shape: Floats, size: float, face: Any, edge: Any, width: float, dx: float = 13) -> None:
        outline, face, edge = shape * size + [self.x + dx, self.y], to_rgba(face), to_rgba(edge)
        self.canvas.stamp(PolyCollection([outline], facecolors=[face], edgecolors=[edge], linewidths=width))

    def line(self, points: Floats, colour: Any, width: float, cap: str = "round") -> None:
        self.canvas.stamp(LineCollection([points], colors=[to_rgba(colour)], linewidths=width, capstyle=cap))

    @property
    def ruler(self) -> Floats:
        return np.array([(self.x + 5, self.y), (self.x + 39, self.y)])

    def rule(self, colour: Any, width: float) -> None:
        self.line(self.ruler, colour, width)

    def words(self, name: str, meaning: str) -> None:
        self.canvas.text(self.x + 38, self.y + 7, name, 10, style.INK)
        self.canvas.text(self.x + 38, self.y - 8.5, meaning, 8, style.MUTED)
        self.y -= _ROW

    def word(self, name: str) -> None:
        self.canvas.text(self.x + 53, self.y, name, 8.5, style.INK)
        self.y -= 26


def draw_legend(canvas: Canvas, network: Network, x: float, y: float) -> float:
    """Rows from (x, y) downwards for the nodes and line loadings of this grid; returns where they end."""
    pen = _Pen(canvas, x, y)
    pen.heading("NODES")
    for kind in KIND_NAMES:
        if kind in network.kinds:
            _node(pen, kind)
    if network.has_demand:
        pen.shape(style.CIRCLE, 8, style.LOOKS["consumer"].colour, style.PAPER, 1)
        pen.line(style.arc(0.4) * 11.5 + [pen.x + 13, pen.y], style.VERMILION, 3.4, "butt")
        pen.words("unserved demand", "arc = share not served")
    if network.band_pu:
        _voltage(pen, *network.band_pu)
    if not len(network.segments):
        return pen.y
    pen.y -= 8
    pen.heading("LINE LOADING")
    if network.limited.any():
        _loading(pen, network.line_width)
    if not network.limited.all():
        pen.rule(style.UNLIMITED, 0.6 * network.line_width)
        pen.word("no capacity given")
    pen.rule(style.LOADING(0.5), 0.75 * network.line_width)
    for dx in (11, 25, 39):
        pen.shape(style.CHEVRON, 0.85 * network.chevron_size, style.INK, style.PAPER, 0.9, dx - 2)
    pen.word("direction of flow")
    return pen.y


def draw_event_legend(canvas: Canvas, network: Network, episodes: Sequence[Episode], x: float, y: float) -> float:
    """Rows from (x, y) downwards for what is cut, off, dark or out of service in these episodes; where they end."""
    pen = _Pen(canvas, x, y)
    if any(episode.curtailed_mw.max(initial=0.0) > style.LEAST_MW for episode in episodes):
        pen.shape(style.CIRCLE, 8, style.LOOKS["consumer"].colour, style.PAPER, 1)
        pen.line(style.arc(0.4) * 11.5 + [pen.x + 13, pen.y], style.CURTAILED, 3.4, "butt")
        pen.word("demand cut")
    if any(episode.on is not None for episode in episodes):
        draw_off(canvas, [style.LOOKS["source"].shape * 11.5 + [pen.x + 13, pen.y]])
        pen.word("plant that is off")
    if any((voltages(episode) <= 0).any() for episode in episodes):
        middle = np.array([[pen.x + 13, pen.y]])
        draw_dark(canvas, [style.CIRCLE * 8 + middle], middle, np.array([8.0]))
        pen.word("dark or collapsed")
    for status, words in OUTAGE_WORDS.items():
        if any((episode.line_status == status).any() for episode in episodes):
            draw_outages(canvas, [pen.ruler], pen.ruler.mean(0, keepdims=True), np.array([status]), 2.5, 6.5)
            pen.word(words)
    return pen.y


def _node(pen: _Pen, kind: str) -> None:
    look = style.LOOKS[kind]
    size = 5.0 if kind == "junction" else 11.5
    pen.shape(look.shape, size, look.empty, look.edge, 1.5)
    if kind in _SHOWN_FILL:
        pen.shape(style.filled(look.shape, _SHOWN_FILL[kind]), size, look.colour, (0, 0, 0, 0), 0)
        pen.shape(look.shape, size, (0, 0, 0, 0), look.edge, 1.3)
    pen.words(*_MEANING[kind])


def _voltage(pen: _Pen, low: str, high: str) -> None:
    """The scale of the rings around buses, with the ends of their band."""
    pen.y -= 2
    pen.canvas.text(pen.x, pen.y, "VOLTAGE (RING)", 8.5, style.MUTED, bold=True)
    pen.y -= 22
    for share in np.linspace(0, 1, 60, endpoint=False).tolist():
        left, colour = 165 * share, style.VOLTAGE(share)
        pen.shape(np.array([(left, 4.5), (165, 4.5), (165, -4.5), (left, -4.5)]), 1, colour, colour, 0, 0)
    ends: tuple[tuple[float, str, Align], ...] = ((0.0, low, "left"), (165.0, high, "right"))
    for dx, words, align in ends:
        pen.canvas.text(pen.x + dx, pen.y - 15, words, 8, style.MUTED, align=align)
    pen.y -= 38


def _loading(pen: _Pen, width: float) -> None:
    thin, thick = 0.84, 0.7 * width
    for share in np.linspace(0, 1, 60, endpoint=False).tolist():  # each over the ones before, without seams
        left, colour = 165 * share, style.LOADING(share)
        pen.shape(np.array([(left, thick), (165, thick), (165, -thick), (left, -thick)]), 1, colour, colour, 0, 0)
    for side in (1, -1):
        above = np.array([(-1, thin), (165, thick), (165, thick + 1), (-1, thick + 1)]) * [1, side]
        pen.shape(above, 1, style.PAPER, style.PAPER, 0, 0)
    ends: tuple[tuple[float, Align], ...] = ((0, "left"), (0.5, "center"), (1, "right"))
    for part, align in ends:
        pen.canvas.text(pen.x + 165 * part, pen.y - 19, f"{part:.0%}", 8, style.MUTED, align=align)
    pen.y -= 46
    pen.rule(style.HALO, width + 5)
    pen.rule(style.FULL, width)
    pen.word("at capacity (≥ 95%)")
    pen.rule(style.FULL, width + 4)
    pen.rule(style.VERMILION, width)
    pen.word("overloaded (> 100%)")


def draw_fullest_lines(canvas: Canvas, box: Box, episode: Episode, flow_frac: Floats) -> None:
    """Names and loadings of the lines with the highest loading, as many as the box has room for.

    Args:
        flow_frac: (E,) flow ÷ capacity.
    """
    limited = np.flatnonzero(np.isfinite(episode.capacity_mw))
    room = min(int((box.height - _HEADING) // _FULLEST_ROW), _MOST_ROWS)
    if len(limited) < _LEAST_LINES or room < 2:
        return
    loading = np.abs(flow_frac)
    y = box.bottom + box.height
    canvas.text(box.left, y, "FULLEST LINES", 8.5, style.MUTED, bold=True)
    y -= _HEADING
    for e in limited[np.argsort(-loading[limited], kind="stable")[:room]].tolist():
        canvas.text(box.left, y, fit(episode.line_names[e], box.width - _PERCENT_WIDTH, 8.5), 8.5, style.INK)
        over = loading[e] > 1 + 1e-6
        percent, colour = style.loading_percent(loading[e]), style.VERMILION if over else style.INK
        canvas.text(box.left + box.width, y, percent, 8.5, colour, bold=over, align="right")
        y -= _FULLEST_ROW
