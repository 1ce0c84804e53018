"""sim_results: an episode, or two, over time, as a picture or an animation: demand, generation, storage and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context

from envs.rendering.canvas import Canvas, Image, fit
from envs.rendering.figure import DPI, PLOTS, FigureText, new_figure, number_ticks, time_axes, written_figure
from envs.rendering.header import NAME_SIZE, NOTE, TITLE, Figures, draw_figures, missing, plain, right_edges
from envs.rendering.layout import Box
from envs.rendering.panels import AC_PANELS, PANELS, cost, draw_pair, generation, pair_boxes, storage
from envs.rendering.playback import check_same_episode, cost_by_step
from envs.rendering.style import (
    BLUE,
    CURTAILED,
    GIF_SIZE,
    INK,
    LEAST_MW,
    MARGIN,
    MUTED,
    SIZE,
    VERMILION,
    number,
    percent,
    time_of,
    year_of,
)
from envs.rendering.video import ANIMATIONS, MP4_FPS, SUFFIXES, Clip, Progress, check_suffix, write_animation
from grid import Episode, GridError

GIF_FPS = 10.0
BOXES = (Box(86, 420, 410, 262), Box(706, 420, 386, 262), Box(86, 56, 410, 262), Box(706, 56, 386, 262))
ROWS = ((508.0, 174.0), (282.0, 174.0), (56.0, 174.0))  # bottom and height, of two episodes
TIME_WIDTH = 190.0  # of the widest time
FADED = 0.82  # how far the colours of what is still to come go towards paper


def sim_results(
    episode: Episode, path: str | Path, *, versus: Episode | None = None, progress: Progress | None = None
) -> Path:
    """Draw an episode over time: an animation (.gif, .mp4) or a picture (.png, .svg, .pdf); returns the path.

    Args:
        episode: what to show; at least one step.
        path: the file to write; its suffix says what.
        versus: what another policy did in the same episode, to be shown beside it.
        progress: called after each frame of an animation with the number of frames done and of all frames.

    Raises:
        GridError: another suffix, no steps, two different episodes, a path that cannot be written, .mp4 without ffmpeg.
    """
    suffix = check_suffix(path, SUFFIXES["sim_results"])
    if not episode.steps:
        raise GridError("episode", "no steps", "at least one step", "run the episode first")
    if versus is not None:
        check_same_episode(episode, versus)
    if suffix in ANIMATIONS:
        size, fps = (GIF_SIZE, GIF_FPS) if suffix == ".gif" else (SIZE, MP4_FPS)
        clip = Clip(SimResultsRenderer(episode, size, versus).frame, episode.steps, fps, colours=255)
        return write_animation(path, clip, progress)
    with written_figure(path) as figure:
        _draw_plots(figure, episode, versus)
        _Header(episode, versus).draw(FigureText(figure), None)
    return Path(path)


class SimResultsRenderer:
    """Frames of an episode over time: the past is in full colour, the future is faint.

    Args:
        episode: what to show; at least one step.
        size: width and height in pixels, in the proportions of 1280 x 800.
        versus: what another policy did in the same episode.
    """

    def __init__(self, episode: Episode, size: tuple[int, int] = SIZE, versus: Episode | None = None) -> None:
        self._episode, self._header, self._canvas = episode, _Header(episode, versus), Canvas(size)
        with context(["default", PLOTS]):
            figure = new_figure(dpi=DPI * self._canvas.scale)
            _draw_plots(figure, episode, versus)
            self._shown = _pixels(figure)
            for artist in [artist for plot in figure.axes for artist in (*plot.collections, *plot.lines)]:
                artist.set_visible(False)
            empty = _pixels(figure)
        self._faint = (FADED * empty + (1 - FADED) * self._shown).astype(np.uint8)
        scale, height = self._canvas.scale, self._canvas.height
        boxes = _boxes(episode) if versus is None else [box for row in ROWS for box in pair_boxes(*row)]
        self._areas = [
            (round((height - b.bottom - b.height) * scale), round((height - b.bottom) * scale), b.left, b.width)
            for b in boxes
        ]

    def frame(self, t: float) -> Image:
        """(H, W, 3) uint8 picture ``t`` steps after the end of the first step."""
        steps = self._episode.steps
        done = min(max(t, 0.0) + 1, float(steps))
        image = self._faint.copy()
        for top, bottom, left, width in self._areas:
            start, cursor = (round((left + part * width) * self._canvas.scale) for part in (0.0, done / steps))
            image[top - 1 : bottom, start:cursor] = self._shown[top - 1 : bottom, start:cursor]
            image[top:bottom, cursor, :3] //= 2
        self._canvas.restore(image)
        self._header.draw(self._canvas, int(done) - 1)
        return self._canvas.image()


class _Header:
    """Name, policy and time, and sums of what has happened so far."""

    def __init__(self, episode: Episode, versus: Episode | None) -> None:
        self._episode = episode
        policies = f"policy: {episode.policy}" if versus is None else f"policies: {episode.policy}, {versus.policy}"
        self._figures = _sums(episode) if versus is None else _costs(episode, versus)
        columns = [("", []), *((name, values) for name, values, _ in self._figures)]
        free, *self._edges = right_edges(SIZE[0] - MARGIN, columns)
        self._middle = min(0.42 * SIZE[0], free - TIME_WIDTH / 2)
        self._room = self._middle - TIME_WIDTH / 2 - MARGIN
        self._policies = fit(policies, self._room, 9.5)

    def draw(self, canvas: Canvas | FigureText, step: int | None) -> None:
        """As of the end of a step; None: of the whole episode."""
        episode, title, note = self._episode, canvas.height - TITLE, canvas.height - NOTE
        if step is None:
            from_ = "" if episode.start is None else f" from {episode.start[:10]}"
            when = f"{number(episode.steps * episode.dt_h)} h{from_}"
            count = f"{episode.steps} step{'s' if episode.steps > 1 else ''}"
        else:
            when = time_of(episode, step, episode.steps)
            count = f"{year_of(episode)}step {step + 1} / {episode.steps}"
        canvas.text(MARGIN, title, fit(episode.grid_name, self._room, 17, bold=True), 17, INK, bold=True)
        canvas.text(MARGIN, note, self._policies, 9.5, MUTED)
        canvas.text(self._middle, title, when, 17, INK, bold=True, align="center")
        canvas.text(self._middle, note, count, 9.5, MUTED, align="center")
        draw_figures(canvas, self._figures, self._edges, -1 if step is None else step, title, NOTE - TITLE)


def _sums(episode: Episode) -> Figures:
    """Each sum as of the end of each step."""
    above = np.clip(np.abs(episode.carried) - episode.capacity_mw, 0, None)
    powers = (episode.load_mw, episode.served_mw, episode.curtailed_mw, episode.shed_mw, above)
    load, served, cut, unserved, overload = np.cumsum(
        [episode.dt_h * power.sum(1) for power in powers], axis=1
    ).tolist()
    shares = [percent(*pair) for pair in zip(served, load, strict=True)]
    figures = [("served", shares, [BLUE] * len(shares))]
    is_cut = cut[-1] > LEAST_MW
    named = is_cut or episode.is_ac  # then units stand in the names, so that all has room
    unit, words = (" MWh", number) if named else ("", _energy)
    if is_cut:
        figures = [missing("cut MWh", cut, CURTAILED, number)]
    if episode.loss_mw is not None:
        figures.append(plain("losses MWh", np.cumsum(episode.loss_mw) * episode.dt_h))
    if episode.on is not None:
        started = np.diff(episode.on, axis=0, prepend=episode.on[:1]) > 0
        figures = [plain("starts", np.cumsum(started.sum(1)).astype(float)), *figures[not is_cut :]]
    over = "overload MVAh" if episode.is_ac else f"overload{unit}"
    figures += [missing("unserved" + unit, unserved, VERMILION, words), missing(over, overload, VERMILION, words)]
    for name, values in (("cost", cost_by_step(episode)), ("return", episode.reward)):
        figures.append(plain(name, np.cumsum(values)))
    return figures


def _costs(*pair: Episode) -> Figures:
    """The cost of each of two episodes as of the end of each step, and their difference."""
    one, other = np.cumsum([cost_by_step(episode) for episode in pair], axis=1)
    names = [fit(f"cost of {episode.policy}", 130, NAME_SIZE) for episode in pair]
    name, more, _ = plain("difference", other - one)
    colours = [BLUE if less else MUTED for less in other < one]
    return [plain(names[0], one), plain(names[1], other), (name, more, colours)]


def _energy(mwh: float) -> str:
    return f"{number(mwh)} MWh" if mwh < 9999.5 else f"{number(mwh / 1000)} GWh"


def _draw_plots(figure: Figure, episode: Episode, versus: Episode | None) -> None:
    """The plots, without a header."""
    if versus is not None:
        for row, draw in zip(ROWS, (generation, storage, cost), strict=True):
            draw_pair(figure, episode, versus, pair_boxes(*row), draw)
    else:
        for box, draw in zip(_boxes(episode), AC_PANELS if episode.is_ac else PANELS, strict=True):
            draw(time_axes(figure, box, episode), episode)
    number_ticks(figure.axes)


def _boxes(episode: Episode) -> list[Box]:
    """Where the plots of one episode are; in AC there are two more."""
    return [box for row in ROWS for box in pair_boxes(*row)] if episode.is_ac else list(BOXES)


def _pixels(figure: Figure) -> Image:
    """(H, W, 4) picture of a figure."""
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib has no types for it
    canvas.draw()
    return np.array(canvas.buffer_rgba())
