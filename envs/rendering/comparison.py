"""comparison: the cost of policies above the optimum, and one day of a policy beside the optimum's day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from matplotlib.axes import Axes

from envs.rendering import panels
from envs.rendering.figure import axes_in, number_ticks, write_title, written_figure
from envs.rendering.layout import Box
from envs.rendering.style import BLUE, GREY, INK, RULE, literal, number
from grid import Episode, GridError, shapes_of

DAY_H = 24.0
GAPS = Box(112, 540, 980, 148)
ROWS = ((292, 156), (56, 156))  # bottom and height
OFF_SCALE = 3.0  # a gap so many times the next largest runs off the scale, so that the others can be told apart
_FIGURES = 12.0  # between the end of an interval and its figures

Gap: TypeAlias = tuple[float, float, float]
"""Cost above the optimum, as a share of the reference: mean, and low and high end of its interval."""


def comparison(
    gaps: Mapping[str, Gap], shown: Episode, best: Episode, path: str | Path, *, note: str = "", highlight: str = ""
) -> Path:
    """Draw gaps by policy, and below them a day of one policy beside the optimum's; returns the path.

    Args:
        gaps: by policy, from top to bottom.
        shown: an episode of the policy; its first 24 h are drawn.
        best: the same episode, run by the optimum.
        path: the file to write (.png, .svg, .pdf).
        note: what the gaps are of.
        highlight: the policy that stands out.

    Raises:
        GridError: another suffix, no steps, two grids or lengths, a path that cannot be written.
    """
    if not shown.steps or (shown.fingerprint, shown.steps) != (best.fingerprint, best.steps):
        found = f"{shown.steps} steps of {shown.grid_name!r} and {best.steps} of {best.grid_name!r}"
        raise GridError("comparison", found, "the same episode run by two policies", "run both with the same seed")
    shown, best = _first_day(shown), _first_day(best)
    with written_figure(path) as figure:
        write_title(figure, shown.grid_name, note)
        _draw_gaps(axes_in(figure, GAPS), gaps, highlight)
        for row, draw in zip(ROWS, (panels.generation, panels.storage), strict=True):
            panels.draw_pair(figure, shown, best, panels.pair_boxes(*row), draw)
        number_ticks(figure.axes[1:])
    return Path(path)


def _first_day(episode: Episode) -> Episode:
    steps = min(max(1, round(DAY_H / episode.dt_h)), episode.steps)
    rows = {"TN": steps, "TE": steps, "T": steps, "SN": steps + 1}
    shapes = shapes_of(episode.is_ac)
    cut: dict[str, Any] = {
        name: getattr(episode, name)[:count] for axes, count in rows.items() for name in shapes[axes]
    }
    return replace(episode, **cut, costs={name: term[:steps] for name, term in episode.costs.items()})


def _draw_gaps(axes: Axes, gaps: Mapping[str, Gap], highlight: str) -> None:
    """A bar for each policy, with its interval and figures."""
    axes.set_title("Cost above the optimum (% of the merit order's without lines and stores; 95 % intervals)")
    end = _end_of_scale([100 * high for _, _, high in gaps.values()])
    start = min(0.0, *(100 * low for _, low, _ in gaps.values()))
    axes.set_xlim(start, end)
    axes.set_ylim(len(gaps) - 0.5, -0.5)
    axes.set_yticks(range(len(gaps)), [literal(name, 14) for name in gaps])
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
    for place, (name, gap) in enumerate(gaps.items()):
        mean, low, high = (100 * value for value in gap)
        axes.barh(place, min(mean, end), height=0.56, color=BLUE if name == highlight else GREY)
        if high > low:
            axes.plot([low, min(high, end)], [place, place], color=INK, lw=1.4, solid_capstyle="butt")
        beyond = mean > end
        words = f"{number(mean)}   [{number(low)}, {number(high)}]" if high > low else number(mean)
        axes.annotate(
            f"{words}  ▸" if beyond else words,
            (end if beyond else max(high, 0.0), place),
            (-_FIGURES if beyond else _FIGURES, 0),
            textcoords="offset pixels",
            ha="right" if beyond else "left",
            va="center",
            fontsize=8.5,
            color="white" if beyond else INK,
            annotation_clip=False,
        )
    axes.axvline(0, color=RULE, lw=1)
    axes.spines[["left", "bottom", "right"]].set_visible(False)


def _end_of_scale(highs: list[float]) -> float:
    """Where the scale ends: it leaves room for the figures behind the longest interval that it holds."""
    *others, largest = sorted(highs)
    reach = others[-1] if others and 0 < OFF_SCALE * others[-1] < largest else largest
    return 1.22 * reach if reach > 0 else 1.0
