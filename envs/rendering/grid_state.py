"""grid_state: the grid at work, as an animation, a still picture, or frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.style import context

from envs.rendering.canvas import Canvas, Image, fit
from envs.rendering.fullest import FullestLines
from envs.rendering.header import NAME_SIZE, VALUE_SIZE, right_edges
from envs.rendering.layout import Box
from envs.rendering.legend import draw_legend, draw_outage_legend
from envs.rendering.network import Network
from envs.rendering.playback import Playback
from envs.rendering.strip import Strip, plots_of
from envs.rendering.style import BLUE, INK, LOOKS, MUTED, SIZE, STYLE, VERMILION, clock, days, number, percent
from envs.rendering.video import (
    GIF_SIZE,
    MP4_FPS,
    SECONDS_PER_STEP,
    Clip,
    Progress,
    check_suffix,
    seconds_per_step,
    write_animation,
    write_png,
)
from grid import IN_SERVICE, KIND_NAMES, Episode, GridError

SUFFIXES = (".gif", ".mp4", ".png")
MARGIN = 36.0
HEADER_LEFT = 704.0  # where the time ends
LEGEND_WIDTH = 214.0  # from its left edge to that of the picture
STRIP_HEIGHT = 104.0


def grid_state(
    episode: Episode,
    path: str | Path,
    *,
    step: int | None = None,
    versus: Episode | None = None,
    progress: Progress | None = None,
) -> Path:
    """Draw an episode on its grid: an animation (.gif, .mp4) or a picture (.png) of one step.

    Args:
        episode: what to show.
        path: the file to write; its suffix says what.
        step: of a picture, counted from 0; None: the step with the highest demand.
        versus: what another policy did in the same episode, to be shown beside it.
        progress: called after each frame of an animation with the number of frames done and of all frames.

    Returns:
        The path.

    Raises:
        GridError: another suffix, no such step, two different episodes, a path that cannot be written, .mp4 without
            ffmpeg.
    """
    suffix = check_suffix(path, SUFFIXES)
    steps = max(episode.steps, 1)
    if suffix == ".png":
        shown = _worst_step(episode) if step is None and episode.steps else step or 0
        if not 0 <= shown < steps:
            raise GridError("step", str(step), f"0 to {steps - 1}", "choose a step of the episode")
        return write_png(path, _renderer(episode, versus, still=True).frame(shown))
    fps = _gif_fps(episode, versus) if suffix == ".gif" else MP4_FPS
    renderer = _renderer(episode, versus, small=suffix == ".gif")
    return write_animation(path, Clip(renderer.frame, steps, fps), progress)


def _worst_step(episode: Episode) -> int:
    """That with the most unserved demand or, where all is served, with the highest."""
    unserved_mw = episode.shed_mw.sum(1)
    return int((unserved_mw if unserved_mw.max() > 1e-6 else episode.load_mw.sum(1)).argmax())


def _renderer(episode: Episode, versus: Episode | None, *, small: bool = False, still: bool = False) -> Any:
    """What paints one episode or two."""
    pace = SECONDS_PER_STEP if still else seconds_per_step(max(episode.steps, 1))
    if versus is None:
        return GridStateRenderer(episode, GIF_SIZE if small else SIZE, seconds_per_step=pace)
    from envs.rendering import versus as pair  # which builds on this module

    return pair.VersusRenderer(episode, versus, pair.GIF_SIZE if small else pair.SIZE, seconds_per_step=pace)


def _gif_fps(episode: Episode, versus: Episode | None) -> float:
    """Large grids have more that moves: fewer frames keep the file small. GIF counts in hundredths of a second."""
    return 100 / (10 if len(episode.line_from) <= 60 else 13 if versus is None else 16)


class GridStateRenderer:
    """Pictures of one grid: the network, its state and the course of the episode.

    Made once a grid; ``frame`` paints a moment, ``update`` takes up new steps of a running episode without laying
    out anything anew.

    Args:
        episode: what to show; may have no steps yet.
        size: width and height in pixels.
        steps: how many steps the time axis has room for; None: those of the episode.
        seconds_per_step: of the animation; sets how far chevrons move from step to step.
    """

    def __init__(
        self,
        episode: Episode,
        size: tuple[int, int] = SIZE,
        *,
        steps: int | None = None,
        seconds_per_step: float = SECONDS_PER_STEP,
    ) -> None:
        self.episode = episode
        self.steps = steps or max(episode.steps, 1)
        self._seconds_per_step = seconds_per_step
        with context(["default", STYLE]):
            self._canvas = canvas = Canvas(size)
            bottom = 46 + STRIP_HEIGHT + 46
            self._box = Box(MARGIN, bottom, canvas.width - MARGIN - LEGEND_WIDTH - 28, canvas.height - 94 - bottom)
            self.network = Network(canvas, episode, self._box)
            strip = Box(MARGIN + 34, 46, canvas.width - 2 * MARGIN - 34, STRIP_HEIGHT)
            self._strip = Strip(canvas, strip, episode, self.steps, 3 if (episode.store_max_mwh > 0).any() else 2)
            draw_title(canvas, episode, self.network.kinds)
            self._legend_x = canvas.width - LEGEND_WIDTH
            self._legend_end = draw_legend(canvas, self.network, self._legend_x, canvas.height - 100)
            self.network.draw_background()
            self._background = canvas.keep()
        self.update(episode)

    def update(self, episode: Episode) -> None:
        """Show this episode from now on: the same grid, more steps.

        Raises:
            GridError: the episode is of another grid.
        """
        if episode.fingerprint != self.episode.fingerprint:
            found, allowed = f"an episode of {episode.grid_name!r}", f"one of {self.episode.grid_name!r}"
            raise GridError("renderer", found, allowed, "make a renderer for each grid")
        self.episode, self._playback = episode, Playback(episode)
        self._figures = self._list_figures()
        columns = [(name, values) for name, values, _ in self._figures]
        start, *self._edges = right_edges(self._canvas.width - MARGIN, [("policy", [""]), *columns])
        self._policy = fit(episode.policy, start - HEADER_LEFT, VALUE_SIZE, bold=True)
        self._policy_edge = start
        with context(["default", STYLE]):
            self._canvas.restore(self._background)
            self._strip.draw_background(plots_of(self._playback))
            end = draw_outage_legend(self._canvas, self.network, episode, self._legend_x, self._legend_end) - 8
            low = self._box.bottom
            below = Box(self._legend_x, low, self._canvas.width - MARGIN - self._legend_x, end - low)
            self._fullest = FullestLines(self._canvas, below, episode, self._playback)
            self._canvas.keep()

    def frame(self, t: float) -> Image:
        """(H, W, 3) uint8 picture ``t`` steps after the first finished step; between steps everything moves evenly."""
        moment = self._playback.at(t)
        t = min(max(t, 0.0), float(self._playback.last))
        self._canvas.restore()
        self.network.draw(moment, self._seconds_per_step)
        self._strip.draw_cursor(t)
        self._draw_header(t)
        self._fullest.draw(int(t))
        return self._canvas.image()

    def _draw_header(self, t: float) -> None:
        """Time in the middle; policy, served share, unmet power and return, as of the finished step, on the right."""
        canvas, top = self._canvas, self._canvas.height
        now = int(t)
        time, day = clock(self.episode, int(4 * t) / 4)
        middle = 0.46 * canvas.width
        text = f"day {day} · {time}" if days(self.episode, self.steps) > 1 else time
        canvas.text(middle, top - 38, text, 17, INK, bold=True, align="center")
        text = f"step {min(now + 1, self.episode.steps)} / {self.steps}"
        canvas.text(middle, top - 63, text, 9.5, MUTED, align="center")
        row = [(self._policy_edge, self._policy, "policy", INK)]
        for edge, (name, values, colours) in zip(self._edges, self._figures, strict=True):
            row.append((edge, values[now], name, colours[now]))
        for x, value, name, colour in row:
            canvas.text(x, top - 38, value, VALUE_SIZE, colour, bold=True, align="right")
            canvas.text(x, top - 63, name, NAME_SIZE, MUTED, align="right")

    def _list_figures(self) -> list[tuple[str, list[str], list[str]]]:
        """Name, values (T,) and colours (T,) of what the header says of each step."""
        series = self._playback.series
        demand, served = series.load_mw.tolist(), series.served_mw.tolist()
        unmet = np.maximum(series.load_mw - series.served_mw, 0.0).tolist()
        steps = len(demand)
        figures = [
            ("served", [percent(*pair) for pair in zip(served, demand, strict=True)], [BLUE] * steps),
            ("unmet", [f"{number(one)} MW" for one in unmet], [VERMILION if one > 0.005 else MUTED for one in unmet]),
            ("return so far", [number(one) for one in series.reward_sum.tolist()], [INK] * steps),
        ]
        out = (series.line_status != IN_SERVICE).sum(1).tolist()
        if any(out):
            words = [str(one) for one in out]
            figures.insert(0, ("lines out", words, [VERMILION if one else MUTED for one in out]))
        return figures


def draw_title(canvas: Canvas, episode: Episode, kinds: list[str]) -> None:
    """Name and size of the grid, in the upper left corner."""
    top = canvas.height
    canvas.text(MARGIN, top - 38, fit(episode.grid_name, 440, 17, bold=True), 17, INK, bold=True)
    counts = [(kinds.count(kind), kind, LOOKS[kind].plural) for kind in KIND_NAMES]
    counts.append((len(episode.line_from), "line", "lines"))
    words = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
    canvas.text(MARGIN, top - 63, " · ".join(words), 9.5, MUTED)
