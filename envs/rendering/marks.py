"""Marks on a network of what is out: lines out of service, and nodes without voltage."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from numpy.typing import NDArray

from envs.rendering import style
from envs.rendering.canvas import Canvas
from envs.rendering.layout import Floats
from grid import OUT, TRIPPED

OUTAGE_WORDS = {TRIPPED: "tripped", OUT: "out of service"}
_OUTAGE_COLOURS = {TRIPPED: style.VERMILION, OUT: style.MUTED}
_DASHES = (0, (2.2, 1.6))  # in widths of the line


def draw_off(canvas: Canvas, shapes: list[Floats]) -> None:
    """Draw plants that are off: empty, with a dashed grey rim and the word; shapes (corners, 2) of each."""
    canvas.stamp(
        PolyCollection(shapes, facecolors=style.PAPER, edgecolors=style.PAPER, linewidths=2.5),
        PolyCollection(shapes, facecolors="none", edgecolors=style.MUTED, linewidths=1.6, linestyles=[_DASHES]),
    )
    for shape in shapes:
        low, high = shape.min(0), shape.max(0)
        x, y = float(low[0] + high[0]) / 2, float(low[1] + 0.27 * (high[1] - low[1]))  # where a triangle is wide
        canvas.text(x, y, "off", 7.5, style.INK, bold=True, align="center", halo=True)


def draw_dark(canvas: Canvas, shapes: list[Floats], points: Floats, radius: Floats) -> None:
    """Draw nodes without voltage: black, with a cross.

    Args:
        shapes: (corners, 2) of each node.
        points: (n, 2) their middles.
        radius: (n,) of them.
    """
    crosses = points[:, None, None] + 0.9 * radius[:, None, None, None] * style.CROSS
    strokes = list(crosses.reshape(-1, 2, 2))
    canvas.stamp(
        PolyCollection(shapes, facecolors=style.DARK, edgecolors=style.DARK, linewidths=2.5),
        LineCollection(strokes, colors=style.PAPER, linewidths=1.8, capstyle="round"),
    )


def draw_outages(
    canvas: Canvas, segments: list[Floats], middles: Floats, status: NDArray[np.int64], width: float, radius: float
) -> None:
    """Draw E lines out of service: dashed, with a mark in the middle that tells tripped lines from planned outages.

    Args:
        segments: (points, 2) of each line.
        middles: (E, 2) where the marks are.
        status: (E,) OUT or TRIPPED.
        width: of the dashes, in points.
        radius: of the marks.
    """
    if not segments:
        return
    tripped = status == TRIPPED
    colours = [_OUTAGE_COLOURS[one] for one in status.tolist()]
    dashes = LineCollection(segments, colors=colours, linewidths=width, linestyles=[_DASHES])
    discs = PolyCollection(
        list(middles[:, None] + (radius + 1.2 * tripped[:, None, None]) * style.CIRCLE),  # their rim hides some of it
        facecolors=np.where(tripped, style.VERMILION, style.PAPER).tolist(),
        edgecolors=np.where(tripped, style.PAPER, style.MUTED).tolist(),
        linewidths=1.6,
    )
    crosses = LineCollection(
        list((middles[:, None, None] + radius * style.CROSS).reshape(-1, 2, 2)),
        colors=np.repeat(np.where(tripped, style.PAPER, style.MUTED), 2).tolist(),
        linewidths=max(1.3, 0.24 * radius),
        capstyle="round",
    )
    canvas.stamp(dashes, discs, crosses)
