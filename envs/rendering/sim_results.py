"""sim_results: an episode, or two, over time, as a picture or an animation: demand, generation, storage and cost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context
from matplotlib.ticker import FuncFormatter, MaxNLocator

from envs.rendering.canvas import Canvas, Image, fit
from envs.rendering.header import NAME_SIZE, VALUE_SIZE, right_edges
from envs.rendering.layout import Box, Floats
from envs.rendering.pairs import draw_pair, pair_boxes
from envs.rendering.panels import PANELS, cost, generation, storage
from envs.rendering.playback import check_same_episode
from envs.rendering.style import (
    BLUE,
    FAINT,
    INK,
    MUTED,
    RULE,
    SIZE,
    STYLE,
    VERMILION,
    clock,
    days,
    number,
    percent,
    time_ticks,
)
from envs.rendering.video import GIF_SIZE, MP4_FPS, PICTURES, Clip, Progress, check_suffix, write_animation
from grid import Episode, GridError, atomic_path

SUFFIXES = (".gif", ".mp4", *PICTURES)
GIF_FPS = 10.0
MARGIN = 36.0
BOXES = (Box(86, 420, 410, 262), Box(706, 420, 386, 262), Box(86, 56, 410, 262), Box(706, 56, 386, 262))
ROWS = ((508.0, 174.0), (282.0, 174.0), (56.0, 174.0))  # bottom and height, of two episodes
FADED = 0.82  # how far the colours of what is still to come go towards paper
DPI = 100
UNDATED: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
PLOTS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "grid.color": FAINT,
    "legend.borderaxespad": 0.0,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handleheight": 0.9,
    "legend.handlelength": 1.4,
    "legend.labelcolor": INK,
    "legend.labelspacing": 0.55,
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.color": RULE,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 7.5,
}


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
    suffix = check_suffix(path, SUFFIXES)
    if not episode.steps:
        raise GridError("episode", "no steps", "at least one step", "run the episode first")
    if versus is not None:
        check_same_episode(episode, versus)
    if suffix in (".gif", ".mp4"):
        size, fps = (GIF_SIZE, GIF_FPS) if suffix == ".gif" else (SIZE, MP4_FPS)
        clip = Clip(SimResultsRenderer(episode, size, versus).frame, episode.steps, fps, colours=255)
        return write_animation(path, clip, progress)
    with context(["default", STYLE, PLOTS]), atomic_path(path) as temporary:
        figure = _figure(episode, versus, DPI)
        for word in _Header(episode, versus).words(None):
            x, y = word.x / SIZE[0], (word.y - 0.365 * word.size * DPI / 72) / SIZE[1]
            weight = "bold" if word.bold else "normal"
            figure.text(x, y, word.text, fontsize=word.size, color=word.colour, weight=weight, ha=word.align)
        figure.savefig(temporary, dpi=DPI, metadata=UNDATED.get(suffix))
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
        with context(["default", STYLE, PLOTS]):
            figure = _figure(episode, versus, DPI * self._canvas.scale)
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
        self._sums = np.cumsum([*energy, episode.dt_h * over, _cost(episode), episode.reward], axis=1)
        self._costs = np.cumsum([_cost(one) for one in (episode, versus or episode)], axis=1)
        rows = [self._figures(step) for step in range(episode.steps)]
        columns = [(each[0][0], [value for _, value, _ in each]) for each in zip(*rows, strict=True)]
        self._edges = right_edges(SIZE[0] - MARGIN, columns)

    def words(self, step: int | None) -> list[_Word]:
        """As of the end of a step; None: of the whole episode."""
        episode, top = self._episode, SIZE[1]
        title, note = top - 38.0, top - 63.0
        if step is None:
            when, count = (
                f"{number(episode.steps * episode.dt_h)} h",
                f"{episode.steps} step{'s' if episode.steps > 1 else ''}",
            )
        else:
            time, day = clock(episode, step)
            when = f"day {day} · {time}" if days(episode, episode.steps) > 1 else time
            count = f"step {step + 1} / {episode.steps}"
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


def _cost(episode: Episode) -> Floats:
    """(T,) cost of each step."""
    cost: Floats = np.sum([np.zeros(episode.steps), *episode.costs.values()], axis=0)
    return cost


def _figure(episode: Episode, versus: Episode | None, dpi: float) -> Figure:
    """The plots, without a header."""
    figure = Figure(figsize=(SIZE[0] / DPI, SIZE[1] / DPI), dpi=dpi)
    if versus is not None:
        for row, draw in zip(ROWS, (generation, storage, cost), strict=True):
            draw_pair(figure, episode, versus, pair_boxes(*row), draw)
    else:
        ticks = time_ticks(episode, episode.steps + 1, 7)
        for box, draw in zip(BOXES, PANELS, strict=True):
            share = box.left / SIZE[0], box.bottom / SIZE[1], box.width / SIZE[0], box.height / SIZE[1]
            axes = figure.add_axes(share, xlim=(0, episode.steps))
            axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])
            draw(axes, episode)
    number_ticks(figure.axes)
    return figure


def number_ticks(plots: Iterable[Axes]) -> None:
    """Few and round numbers on every upright axis that has any."""
    for axes in plots:
        if len(axes.get_yticks()):
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _pixels(figure: Figure) -> Image:
    """(H, W, 4) picture of a figure."""
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib has no types for it
    canvas.draw()
    return np.array(canvas.buffer_rgba())
