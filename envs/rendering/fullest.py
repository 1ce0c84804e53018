"""The names of the fullest lines, in words, below the legend."""

from __future__ import annotations

import numpy as np

from envs.rendering.canvas import Canvas, fit
from envs.rendering.layout import Box
from envs.rendering.playback import Playback
from envs.rendering.style import INK, MUTED, VERMILION, loading_percent
from grid import Episode

MOST_ROWS = 5
LEAST_LINES = 6  # fewer can be read from the picture
HEADING, ROW = 25.0, 19.0
PERCENT_WIDTH = 48.0


class FullestLines:
    """The lines with the highest loading in each step, as many as the box has room for."""

    def __init__(self, canvas: Canvas, box: Box, episode: Episode, playback: Playback) -> None:
        self._canvas, self._box = canvas, box
        limited = np.flatnonzero(np.isfinite(episode.capacity_mw))
        room = int((box.height - HEADING) // ROW)
        self._rows: list[list[tuple[str, str, bool]]] = []  # of each step: name, loading, whether it is overloaded
        if len(limited) < LEAST_LINES or room < 2:
            return
        names = {e: fit(episode.line_names[e], box.width - PERCENT_WIDTH, 8.5) for e in limited.tolist()}
        for loading in np.abs(playback.series.flow_frac):
            fullest = limited[np.argsort(-loading[limited], kind="stable")[: min(room, MOST_ROWS)]].tolist()
            self._rows.append([(names[e], loading_percent(loading[e]), loading[e] > 1 + 1e-6) for e in fullest])

    def draw(self, step: int) -> None:
        """Write those of a step."""
        if not self._rows:
            return
        canvas, x, y = self._canvas, self._box.left, self._box.bottom + self._box.height
        canvas.text(x, y, "FULLEST LINES", 8.5, MUTED, bold=True)
        y -= HEADING
        for name, percent, over in self._rows[step]:
            canvas.text(x, y, name, 8.5, INK)
            colour = VERMILION if over else INK
            canvas.text(x + self._box.width, y, percent, 8.5, colour, bold=over, align="right")
            y -= ROW
