"""What pictures drawn by matplotlib share: size, look, headline and file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.style import context
from matplotlib.ticker import FuncFormatter, MaxNLocator

from envs.rendering.canvas import Align, fit
from envs.rendering.layout import Box
from envs.rendering.style import FAINT, INK, MARGIN, MUTED, RULE, SIZE, STYLE, number, time_ticks
from envs.rendering.video import PICTURES, check_suffix
from grid import Episode, atomic_path

DPI = 100
PLOTS: dict[str, Any] = {
    **STYLE,
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
UNDATED: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""What files of these kinds say of themselves: no date, so that the same picture gives the same file."""


def new_figure(height: float = SIZE[1], dpi: float = DPI) -> Figure:
    """An empty figure as wide as every picture; its height in pixels at ``DPI``."""
    return Figure(figsize=(SIZE[0] / DPI, height / DPI), dpi=dpi)


@contextmanager
def written_figure(path: str | Path, height: float = SIZE[1]) -> Iterator[Figure]:
    """An empty figure to draw on; the file (.png, .svg, .pdf) is written when the block ends.

    Raises:
        GridError: another suffix, or a path that cannot be written.
    """
    suffix = check_suffix(path, PICTURES)
    with context(["default", PLOTS]), atomic_path(path) as temporary:
        figure = new_figure(height)
        yield figure
        figure.savefig(temporary, dpi=DPI, metadata=UNDATED.get(suffix))


def _pixels(figure: Figure) -> tuple[float, float]:
    width, height = figure.get_size_inches().tolist()
    return DPI * width, DPI * height


def axes_in(figure: Figure, box: Box, **options: Any) -> Axes:
    """Axes in a box, which is in pixels at ``DPI``."""
    width, height = _pixels(figure)
    return figure.add_axes((box.left / width, box.bottom / height, box.width / width, box.height / height), **options)


def time_axes(figure: Figure, box: Box, episode: Episode) -> Axes:
    """Axes in a box, with the time of the episode along x, in steps."""
    ticks = time_ticks(episode, episode.steps + 1, 7)
    axes = axes_in(figure, box, xlim=(0, episode.steps))
    axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])
    return axes


def write(figure: Figure, x: float, depth: float, text: str, size: float, colour: str, weight: str = "normal") -> None:
    """Write a text; its middle is ``depth`` pixels below the upper edge."""
    width, height = _pixels(figure)
    figure.text(x / width, 1 - depth / height, text, fontsize=size, color=colour, weight=weight, va="center")


class FigureText:
    """Writes on a figure as a Canvas does."""

    def __init__(self, figure: Figure) -> None:
        self._figure, (self.width, self.height) = figure, _pixels(figure)

    def text(
        self, x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False, align: Align = "left"
    ) -> None:
        """Write a text; ``y`` is the middle of its capitals."""
        place = x / self.width, (y - 0.365 * size * DPI / 72) / self.height
        self._figure.text(*place, text, size=size, color=colour, weight="bold" if bold else "normal", ha=align)


def write_title(figure: Figure, title: str, note: str) -> None:
    """What the picture is of, in its upper left corner, and a note below."""
    write(figure, MARGIN, 38, fit(title, 700, 17, bold=True), 17, INK, "bold")
    write(figure, MARGIN, 63, fit(note, SIZE[0] - 2 * MARGIN, 9.5), 9.5, MUTED)


def number_ticks(plots: Iterable[Axes]) -> None:
    """Few and round numbers on every y axis that has any."""
    for axes in plots:
        if len(axes.get_yticks()):
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
