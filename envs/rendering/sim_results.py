"""sim_results: an episode, or two, over time, as a picture or an animation: demand, generation, storage and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context

from envs.rendering.canvas import Canvas, Image, fit
from envs.rendering.figure import DPI, PLOTS, new_figure, number_ticks, time_axes, write, written_figure
from envs.rendering.header import NAME_SIZE, NOTE, TITLE, VALUE_SIZE, right_edges
from envs.rendering.layout import Box
from envs.rendering.panels import PANELS, cost, draw_pair, generation, pair_boxes, storage
from envs.rendering.playback import check_same_episode, cost_by_step
from envs.rendering.style import BLUE, GIF_SIZE, INK, MARGIN, MUTED, SIZE, VERMILION, number, percent, time_of
from envs.rendering.video import ANIMATIONS, MP4_FPS, SUFFIXES, Clip, Progress, check_suffix, write_animation
from grid import Episode, GridError

GIF_FPS = 10.0
BOXES = (Box(86, 420, 410, 262), Box(706, 420, 386, 262), Box(86, 56, 410, 262), Box(706, 56, 386, 262))
ROWS = ((508.0, 174.0), (282.0, 174.0), (56.0, 174.0))  # bottom and height, of two episodes
FADED = 0.82  # how far the colours of what is still to come go towards paper


def sim_results(
    episode: Episode, path: str | Path, *, versus: Episode | None = None, progress: Progress | None = None
) -> Path:
    """Draw the course of an episode: an animation (.gif, .mp4) or a picture (.png, .svg, .pdf).

    Args:
        episode: what to show; at least one step.
        path: the file to write; its suffix says what.
        versus: what another policy did in the same episode, to be shown beside it.
        progress: called after each frame of an animation with the number of frames done and of all frames.

    Returns:
        The path.

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
        for word in _Header(episode, versus).words(None):
            depth, weight = SIZE[1] - word.y + 0.365 * word.size * DPI / 72, "bold" if word.bold else "normal"
            write(figure, word.x, depth, word.text, word.size, word.colour, weight, ha=word.align, va="baseline")
    return Path(path)


class SimResultsRenderer:
    """Frames of an episode over time: what has happened is revealed, what is to come is faint.

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
        self._areas = [
            (round((height - b.bottom - b.height) * scale), round((height - b.bottom) * scale), b.left, b.width)
            for b in (BOXES if versus is None else [box for row in ROWS for box in pair_boxes(*row)])
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
        for word in self._header.words(int(done) - 1):
            self._canvas.text(word.x, word.y, word.text, word.size, word.colour, bold=word.bold, align=word.align)
        return self._canvas.image()


class _Word(NamedTuple):
    x: float
    y: float  # middle of the capitals
    text: str
    size: float
    colour: str
    bold: bool
    align: Literal["left", "center", "right"]


class _Header:
    """Name, policy and time, and sums of what has happened so far."""

    def __init__(self, episode: Episode, versus: Episode | None) -> None:
        self._episode, self._versus = episode, versus
        self._name = fit(episode.grid_name, 400, 17, bold=True)
        policies = f"policy: {episode.policy}" if versus is None else f"policies: {episode.policy}, {versus.policy}"
        self._policy = fit(policies, 400, 9.5)
        over = np.clip(np.abs(episode.flow_mw) - episode.capacity_mw, 0, None).sum(1)
        energy = [episode.dt_h * power.sum(1) for power in (episode.load_mw, episode.served_mw, episode.shed_mw)]
        self._sums = np.cumsum([*energy, episode.dt_h * over, cost_by_step(episode), episode.reward], axis=1)
        self._costs = np.cumsum([cost_by_step(one) for one in (episode, versus or episode)], axis=1)
        rows = [self._figures(step) for step in range(episode.steps)]
        columns = [(each[0][0], [value for _, value, _ in each]) for each in zip(*rows, strict=True)]
        self._edges = right_edges(SIZE[0] - MARGIN, columns)

    def words(self, step: int | None) -> list[_Word]:
        """As of the end of a step; None: of the whole episode."""
        episode, title, note = self._episode, SIZE[1] - TITLE, SIZE[1] - NOTE
        if step is None:
            when = f"{number(episode.steps * episode.dt_h)} h"
            count = f"{episode.steps} step{'s' if episode.steps > 1 else ''}"
        else:
            when, count = time_of(episode, step, episode.steps), f"step {step + 1} / {episode.steps}"
        figures = self._figures(-1 if step is None else step)
        words = [
            _Word(MARGIN, title, self._name, 17, INK, True, "left"),
            _Word(MARGIN, note, self._policy, 9.5, MUTED, False, "left"),
            _Word(0.42 * SIZE[0], title, when, 17, INK, True, "center"),
            _Word(0.42 * SIZE[0], note, count, 9.5, MUTED, False, "center"),
        ]
        for edge, (name, value, colour) in zip(self._edges, figures, strict=True):
            words.append(_Word(edge, title, value, VALUE_SIZE, colour, True, "right"))
            words.append(_Word(edge, note, name, NAME_SIZE, MUTED, False, "right"))
        return words

    def _figures(self, step: int) -> list[tuple[str, str, str]]:
        """Name, value and colour of each sum as of the end of a step; of two episodes, their costs."""
        if self._versus is not None:
            one, other = self._costs[:, step].tolist()
            names = [fit(f"cost of {each.policy}", 130, NAME_SIZE) for each in (self._episode, self._versus)]
            return [
                (names[0], number(one), INK),
                (names[1], number(other), INK),
                ("difference", number(other - one), BLUE if other < one else MUTED),
            ]
        load, served, unmet, over, cost, reward = self._sums[:, step].tolist()
        return [
            ("served", percent(served, load), BLUE),
            ("unmet", _energy(unmet), VERMILION if unmet > 0.005 else MUTED),
            ("overload", _energy(over), VERMILION if over > 0.005 else MUTED),
            ("cost", number(cost), INK),
            ("return", number(reward), INK),
        ]


def _energy(mwh: float) -> str:
    return f"{number(mwh)} MWh" if mwh < 9999.5 else f"{number(mwh / 1000)} GWh"


def _draw_plots(figure: Figure, episode: Episode, versus: Episode | None) -> None:
    """The plots, without a header."""
    if versus is not None:
        for row, draw in zip(ROWS, (generation, storage, cost), strict=True):
            draw_pair(figure, episode, versus, pair_boxes(*row), draw)
    else:
        for box, draw in zip(BOXES, PANELS, strict=True):
            draw(time_axes(figure, box, episode), episode)
    number_ticks(figure.axes)


def _pixels(figure: Figure) -> Image:
    """(H, W, 4) picture of a figure."""
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib has no types for it
    canvas.draw()
    return np.array(canvas.buffer_rgba())
