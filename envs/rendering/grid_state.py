"""grid_state: the grid at work, as an animation, a still picture, or frame by frame."""

from __future__ import annotations

from pathlib import Path

from matplotlib.style import context
from PIL import Image as Pillow

from envs.rendering import header, video
from envs.rendering.canvas import Canvas, Image, VectorCanvas, fit
from envs.rendering.figure import UNDATED
from envs.rendering.layout import Box
from envs.rendering.legend import draw_event_legend, draw_fullest_lines, draw_legend
from envs.rendering.network import Network
from envs.rendering.playback import Playback, rows
from envs.rendering.strip import Strip, plots_of
from envs.rendering.style import GIF_SIZE, INK, LEGEND_WIDTH, MARGIN, MUTED, SIZE, STRIP_HEIGHT, STYLE, VERMILION
from envs.rendering.versus import PAIR_GIF_SIZE, PAIR_SIZE, VersusRenderer
from grid import IN_SERVICE, Episode, GridError, atomic_path

HEADER_LEFT = 704.0  # where the time ends


def grid_state(
    episode: Episode,
    path: str | Path,
    *,
    step: int | None = None,
    versus: Episode | None = None,
    progress: video.Progress | None = None,
) -> Path:
    """Draw an episode on its grid: an animation (.gif, .mp4) or a picture of one step (.png, .svg, .pdf).

    Returns the path.

    Args:
        episode: what to show.
        path: the file to write; its suffix says what.
        step: of a picture, counted from 0; None: the step with the most unserved demand; where there is none,
            with the most curtailed, or else with the highest demand.
        versus: what another policy did in the same episode, to be shown beside it.
        progress: called after each frame of an animation with the number of frames done and of all frames.

    Raises:
        GridError: another suffix, no such step, two different episodes, a path that cannot be written, .mp4 without
            ffmpeg.
    """
    suffix = video.check_suffix(path, video.SUFFIXES["grid_state"])
    steps = max(episode.steps, 1)
    if suffix in video.PICTURES:
        shown = _telling_step(episode) if step is None else step
        if not 0 <= shown < steps:
            raise GridError("step", str(step), f"0 to {steps - 1}", "choose a step of the episode")
        canvas = None if suffix == ".png" else VectorCanvas(SIZE if versus is None else PAIR_SIZE)
        image = _renderer(episode, versus, video.SECONDS_PER_STEP, canvas=canvas).frame(shown)
        with context(["default", STYLE]), atomic_path(path) as temporary:
            if canvas is None:
                Pillow.fromarray(image).save(temporary)
            else:
                canvas.save(temporary, UNDATED[suffix])
        return Path(path)
    fps = _gif_fps(episode, versus) if suffix == ".gif" else video.MP4_FPS
    renderer = _renderer(episode, versus, video.seconds_per_step(steps), small=suffix == ".gif")
    return video.write_animation(path, video.Clip(renderer.frame, steps, fps), progress)


def _telling_step(episode: Episode) -> int:
    """The step with the most unserved demand; where there is none, with the most curtailed, else the most demand."""
    powers_mw = [rows(power).sum(1) for power in (episode.shed_mw, episode.curtailed_mw, episode.load_mw)]
    return int(next(power for power in powers_mw if power.max() > 1e-6 or power is powers_mw[-1]).argmax())


def _renderer(
    episode: Episode, versus: Episode | None, pace: float, *, small: bool = False, canvas: Canvas | None = None
) -> GridStateRenderer | VersusRenderer:
    """What paints one episode or two; ``pace`` is in seconds a step."""
    if versus is None:
        return GridStateRenderer(episode, GIF_SIZE if small else SIZE, seconds_per_step=pace, canvas=canvas)
    size = PAIR_GIF_SIZE if small else PAIR_SIZE
    return VersusRenderer(episode, versus, size, seconds_per_step=pace, canvas=canvas)


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
        canvas: what to draw on; None: a new one of that size.
    """

    def __init__(
        self,
        episode: Episode,
        size: tuple[int, int] = SIZE,
        *,
        steps: int | None = None,
        seconds_per_step: float = video.SECONDS_PER_STEP,
        canvas: Canvas | None = None,
    ) -> None:
        self.episode = episode
        self.steps = steps or max(episode.steps, 1)
        self._seconds_per_step = seconds_per_step
        with context(["default", STYLE]):
            self._canvas = canvas = canvas or Canvas(size)
            bottom = 46 + STRIP_HEIGHT + 46
            self._box = Box(MARGIN, bottom, canvas.width - MARGIN - LEGEND_WIDTH - 28, canvas.height - 94 - bottom)
            self.network = Network(canvas, episode, self._box)
            strip = Box(MARGIN + 34, 46, canvas.width - 2 * MARGIN - 34, STRIP_HEIGHT)
            self._strip = Strip(canvas, strip, episode, self.steps, 3 if (episode.store_max_mwh > 0).any() else 2)
            header.draw_title(canvas, episode, self.network.kinds)
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
        figures = self._list_figures()
        columns = [(name, values) for name, values, _ in figures]
        start, *_ = self._edges = header.right_edges(self._canvas.width - MARGIN, [("policy", [""]), *columns])
        policy, steps = fit(episode.policy, start - HEADER_LEFT, header.VALUE_SIZE, bold=True), self._playback.last + 1
        self._figures = [("policy", [policy] * steps, [INK] * steps), *figures]
        with context(["default", STYLE]):
            self._canvas.restore(self._background)
            self._strip.draw_background(plots_of(self._playback))
            end = draw_event_legend(self._canvas, self.network, [episode], self._legend_x, self._legend_end) - 8
            low = self._box.bottom
            self._below = Box(self._legend_x, low, self._canvas.width - MARGIN - self._legend_x, end - low)
            self._canvas.keep()

    def frame(self, t: float) -> Image:
        """(H, W, 3) uint8 picture ``t`` steps after the first finished step; between steps everything moves evenly."""
        moment = self._playback.at(t)
        t = min(max(t, 0.0), float(self._playback.last))
        self._canvas.restore()
        self.network.draw(moment, self._seconds_per_step)
        self._strip.draw_cursor(t)
        header.draw_time(self._canvas, self.episode, t, self.steps)
        y, drop = self._canvas.height - header.TITLE, header.NOTE - header.TITLE
        header.draw_figures(self._canvas, self._figures, self._edges, int(t), y, drop)
        draw_fullest_lines(self._canvas, self._below, self.episode, self._playback.series.flow_frac[int(t)])
        return self._canvas.image()

    def _list_figures(self) -> header.Figures:
        """What the header says of each step."""
        series = self._playback.series
        figures = [*header.served_figures(series), header.plain("return so far", series.reward_sum)]
        if self.episode.is_ac:
            figures.insert(-1, header.plain("losses MW", series.loss_mw))
        out = (series.line_status != IN_SERVICE).sum(1).tolist()
        if any(out):
            figures.insert(0, ("lines out", [str(one) for one in out], [VERMILION if one else MUTED for one in out]))
        return figures
