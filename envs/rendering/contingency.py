"""contingency_picture: each line in the colour of what its outage causes, and the worst outages as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize, to_rgba
from matplotlib.patheffects import withStroke

from envs.contingency import Contingency
from envs.rendering import layout
from envs.rendering.canvas import text_width
from envs.rendering.figure import axes_in, write_title, written_figure
from envs.rendering.layout import Box, Floats
from envs.rendering.network import MAX_LABELS
from envs.rendering.style import INK, LOADING, LOOKS, MARGIN, MUTED, PAPER, VERMILION, both_ends, literal, number
from grid import KIND_NAMES, GridArrays

MAP = Box(MARGIN, 46, 780, 656)
BARS = Box(930, 84, 270, 600)
MOST_BARS = 16
FULL_COLOUR_FRAC = 2.0  # loadings from here on have the darkest colour
LABEL_CHARACTERS = 14
LABEL_SIZE = 8.0
HALO = [withStroke(linewidth=2.5, foreground=PAPER)]
THIN_BELOW = 5.0  # radius of the nodes below which lines are thinner in proportion


def contingency_picture(
    arrays: GridArrays, intact: Contingency, outages: Sequence[Contingency], path: str | Path, *, note: str = ""
) -> Path:
    """Draw the outages on their grid; returns the path.

    Args:
        arrays: the grid.
        intact: the grid without outages.
        outages: one for each line that can fail, the worst first.
        path: the file to write (.png, .svg, .pdf).
        note: of which hours.

    Raises:
        GridError: another suffix, or a path that cannot be written.
    """
    with written_figure(path) as figure:
        write_title(figure, arrays.name, f"every single outage under the merit order, {note}")
        _draw_map(axes_in(figure, MAP), arrays, outages)
        _draw_bars(axes_in(figure, BARS), intact, outages)
    return Path(path)


def _draw_map(axes: Axes, arrays: GridArrays, outages: Sequence[Contingency]) -> None:
    """The grid. A line is vermilion if its outage leaves demand unserved; else its colour is the highest loading."""
    axes.set_axis_off()
    axes.set_xlim(0, MAP.width)
    axes.set_ylim(0, MAP.height)
    nodes = len(arrays.node_names)
    size = min(9.0, 75.0 / nodes**0.5)
    radius, thin = np.full(nodes, size), min(1.0, size / THIN_BELOW)
    box = Box(8, 30, MAP.width - 16, MAP.height - 44)
    points = layout.positions(arrays.x, arrays.y, arrays.line_from, arrays.line_to, box, radius)
    start, end = points[arrays.line_from], points[arrays.line_to]
    bend = layout.bend_points(points, arrays.line_from, arrays.line_to)
    curves = layout.on_curve(start, bend, end, np.linspace(0, 1, 15)[:, None, None]).transpose(1, 0, 2)
    by_line = {one.line: one for one in outages}
    found = [by_line.get(name) for name in arrays.line_names]  # None: it only joins a unit to its bus
    dark = np.array([one is not None and one.unserved_mw > 1e-6 for one in found])
    loading = np.array([0.0 if one is None else one.worst_loading_frac for one in found])
    colours = LOADING(Normalize(0.0, FULL_COLOUR_FRAC)(loading))
    colours[dark] = to_rgba(VERMILION)
    width = np.where(dark, 4.6, 1.4 + 3.2 * np.clip(loading / FULL_COLOUR_FRAC, 0, 1))
    order = np.argsort(dark, kind="stable")
    axes.add_collection(LineCollection(list(curves[order]), colors=colours[order], linewidths=thin * width[order]))
    looks = [LOOKS[KIND_NAMES[kind]] for kind in arrays.node_kind.tolist()]
    shapes = [look.shape * r + p for look, r, p in zip(looks, radius, points, strict=True)]
    faces = [look.colour for look in looks]
    axes.add_collection(PolyCollection(shapes, facecolors=faces, edgecolors=PAPER, linewidths=0.9 * thin, zorder=3))
    if nodes <= MAX_LABELS:
        _write_names(axes, arrays, points, radius, curves)
    for place, (share, text) in enumerate(((0.0, "0 %"), (0.5, "100 %"), (1.0, "200 % or more"))):
        left = 470 + 82 * place
        axes.plot([left, left + 22], [8, 8], color=LOADING(share), lw=1.4 + 3.2 * share, solid_capstyle="butt")
        axes.text(left + 28, 8, text, fontsize=8, color=MUTED, va="center")
    axes.text(
        462, 8, "highest loading that the outage of the line leads to", fontsize=8, color=MUTED, ha="right", va="center"
    )
    axes.plot([0, 22], [8, 8], color=VERMILION, lw=4.6, solid_capstyle="butt")
    axes.text(28, 8, "unserved demand", fontsize=8, color=MUTED, va="center")


def _write_names(axes: Axes, arrays: GridArrays, points: Floats, radius: Floats, curves: Floats) -> None:
    """The names of the nodes, beside them."""
    names = [literal(name, LABEL_CHARACTERS) for name in arrays.node_names]
    boxes = np.array([(text_width(name, LABEL_SIZE) + 2, 1.55 * LABEL_SIZE) for name in names])
    solids = layout.Solids(points, np.repeat(radius[:, None], 2, axis=1))
    dots = curves.reshape(-1, 2)
    places = layout.place_labels(points, radius, boxes, solids, dots, Box(0, 20, MAP.width, MAP.height - 20))
    for name, (x, y) in zip(names, places.tolist(), strict=True):
        if np.isfinite(x):
            axes.text(x, y, name, fontsize=LABEL_SIZE, color=INK, ha="center", va="center", zorder=4, path_effects=HALO)


def _draw_bars(axes: Axes, intact: Contingency, outages: Sequence[Contingency]) -> None:
    """The worst outages: bars of the highest loading, with the unserved demand in words."""
    shown = [intact, *outages[:MOST_BARS]]
    axes.set_title("Highest loading (%), unserved demand")
    axes.set_yticks(range(len(shown)), [both_ends(one.line, LABEL_CHARACTERS) or "no outage" for one in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelsize=8.5, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    percent = [100 * one.worst_loading_frac for one in shown]
    end = 1.5 * max([100.0, *percent])
    axes.set_xlim(0, end)
    colours = [
        VERMILION if one.unserved_mw > 1e-6 else LOADING(min(one.worst_loading_frac / FULL_COLOUR_FRAC, 1.0))
        for one in shown
    ]
    axes.barh(range(len(shown)), percent, height=0.6, color=colours)
    axes.axvline(100, color=INK, lw=0.8, ls=(0, (3, 2)))
    for place, one in enumerate(shown):
        text = f"{number(percent[place])}" + (f"   {number(one.unserved_mw)} MW" if one.unserved_mw > 1e-6 else "")
        text += "   collapse" if one.collapsed else ""
        axes.text(percent[place] + 0.02 * end, place, text, fontsize=8, color=INK, va="center", path_effects=HALO)
    axes.spines[:].set_visible(False)
