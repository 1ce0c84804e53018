"""Lines out of service in a picture: dashed, with a mark in the middle; tripped ones are told from planned outages."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from numpy.typing import NDArray

from envs.rendering.canvas import Canvas
from envs.rendering.layout import Floats
from envs.rendering.style import CIRCLE, CROSS, MUTED, PAPER, VERMILION
from grid import OUT, TRIPPED

WORDS = {TRIPPED: "tripped", OUT: "out of service"}
COLOURS = {TRIPPED: VERMILION, OUT: MUTED}
DASHES = (0, (2.2, 1.6))  # in widths of the line


class OutageMarks:
    """Draws the lines that are out; ``width`` is that of the dashes in points."""

    def __init__(self, canvas: Canvas, width: float, radius: float) -> None:
        self._canvas, self._radius = canvas, radius
        self._dashes: Any = LineCollection([], linewidths=width, linestyles=[DASHES])  # Any: types know no arrays
        self._discs: Any = PolyCollection([], linewidths=1.6)
        self._crosses: Any = LineCollection([], linewidths=max(1.3, 0.24 * radius), capstyle="round")
        for artist in (self._dashes, self._discs, self._crosses):
            canvas.add(artist)

    def draw(self, segments: list[Floats], middles: Floats, status: NDArray[np.int64]) -> None:
        """Draw lines, given as (points, 2) each, their middles (E, 2) and the status of each (E,)."""
        if not len(segments):
            return
        colours = [COLOURS[one] for one in status.tolist()]
        tripped = status == TRIPPED
        self._dashes.set_segments(segments)
        self._dashes.set_colors(colours)
        radius = self._radius + 1.2 * tripped[:, None, None]  # their rim hides some of it
        self._discs.set_verts(list(middles[:, None] + radius * CIRCLE))
        self._discs.set_facecolors(np.where(tripped, VERMILION, PAPER).tolist())
        self._discs.set_edgecolors(np.where(tripped, PAPER, MUTED).tolist())
        self._crosses.set_segments(list((middles[:, None, None] + self._radius * CROSS).reshape(-1, 2, 2)))
        self._crosses.set_colors(np.repeat(np.where(tripped, PAPER, MUTED), 2).tolist())
        self._canvas.draw(self._dashes, self._discs, self._crosses)
