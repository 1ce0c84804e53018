"""The network in a picture: lines, moving chevrons, nodes with their gauges, unserved demand, labels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb, to_rgba

from envs.rendering import layout, style
from envs.rendering.canvas import Canvas, text_width
from envs.rendering.layout import Box, Floats
from envs.rendering.marks import draw_dark, draw_off, draw_outages
from envs.rendering.playback import Moment, in_band
from grid import IN_SERVICE, KIND_NAMES, Episode

MAX_LABELS = 45  # larger grids get small ones, the most important first, where nothing is in the way
MOST_SMALL_LABELS = 100
LEAST_LABEL_SCALE = 0.8  # smaller pictures cannot show small labels
LABEL_CHARACTERS = 16
BADGE = np.array([34.0, 12.0])  # width and height of the words
MAX_BADGES = 8  # the most overloaded lines carry their loading in words
END_ROOM = 8.0  # chevrons shrink within so many pixels of the end of a line
LEAST_SHOWN_FRAC = 0.02  # smaller flows have no chevrons, smaller shares no arc
MANY_LINES = 600  # where there are more, only those that carry much have chevrons
MUCH_FRAC = 0.6  # of capacity
CHEVRON_SPEED = 90.0  # pixels a second at full loading
_CURVE = np.linspace(0, 1, 15)[:, None, None]


class Network:
    """The network of a grid in a box; laid out once, drawn for many moments."""

    def __init__(self, canvas: Canvas, episode: Episode, box: Box) -> None:
        self._canvas, self._box, self._episode = canvas, box, episode
        nodes, lines = len(episode.node_names), len(episode.line_from)
        self.kinds = [KIND_NAMES[k] for k in episode.node_kind.tolist()]
        self.limited = np.isfinite(episode.capacity_mw)
        self.has_demand = bool((episode.load_max_mw > 0).any())
        self.radius = _radii(episode)
        self.ring_width = 0.0 if not episode.is_ac else 7.0 if nodes <= 60 else 5.0  # points; the outer half is seen
        self.arc_gap = (3.0 if nodes <= 60 else 2.2) + 0.55 * self.ring_width
        self.arc_width = 3.6 if nodes <= 60 else 2.5
        outer = self.radius + self.arc_gap + self.arc_width * (episode.load_max_mw > 0)
        self.points = layout.positions(episode.x, episode.y, episode.line_from, episode.line_to, box, outer)
        self.line_width = float(np.clip(7.0 * (20 / max(lines, 20)) ** 0.35, 1.6, 7.0))  # points, at full loading
        self._place_lines(episode, outer)
        self._place_labels(episode, outer)
        self._levels = 20 if lines <= 60 else 8  # of width and colour: lines that change less make smaller files
        self._make_nodes()

    def _place_lines(self, episode: Episode, outer: Floats) -> None:
        start, end = self.points[episode.line_from], self.points[episode.line_to]
        bend = layout.bend_points(self.points, episode.line_from, episode.line_to)
        straight = np.hypot(*(start + end - 2 * bend).T) < 1e-6
        self._curve = start, bend, end
        self._paths = layout.on_curve(start, bend, end, _CURVE).transpose(1, 0, 2)  # (E, 15, 2)
        ends = np.stack([start, end], axis=1)
        self.segments: list[Floats] = [ends[e] if straight[e] else self._paths[e] for e in range(len(start))]
        length = np.hypot(*np.diff(self._paths, axis=1).transpose(2, 0, 1)).sum(1)
        length = np.maximum(length, 1e-9)
        first = outer[episode.line_from] / length
        visible = np.maximum(1 - first - outer[episode.line_to] / length, 0.0)
        spacing = 44.0 if len(start) <= 60 else 34.0
        count = np.maximum(1, np.round(visible * length / spacing).astype(int))
        # one row a chevron: its line, its place in the queue, and the part of the line that can be seen
        self.of_line = np.repeat(np.arange(len(start)), count)
        self._queue = np.concatenate([np.arange(c) for c in count.tolist()] or [np.zeros(0)])
        self._count, self._length, self._first, self._visible = count, length, first, visible
        self.chevron_size = 6.4 if len(start) <= 60 else 5.0

    def _place_labels(self, episode: Episode, outer: Floats) -> None:
        few = len(self.kinds) <= MAX_LABELS
        self.label_size = 8.5 if len(self.kinds) <= 30 else 7.5 if few else 6.5
        self._label_colour = style.INK if few else style.MUTED
        self.labels: list[str] = []
        self.label_points = np.zeros((0, 2))
        self.label_boxes = np.zeros((0, 2))  # width, height
        solids = layout.Solids(self.points, np.repeat(outer[:, None], 2, axis=1))
        paths = self._dots(4.0)
        room = Box(self._box.left - 20, self._box.bottom - 14, self._box.width + 40, self._box.height + 32)
        if few or self._canvas.scale >= LEAST_LABEL_SCALE:
            self.labels = [style.literal(name, LABEL_CHARACTERS) for name in episode.node_names]
            width = [text_width(label, self.label_size) + 2 for label in self.labels]
            self.label_boxes = np.column_stack([width, np.full(len(width), 1.55 * self.label_size)])
            first = None if few else _by_importance(self.kinds, self.radius)[:MOST_SMALL_LABELS]
            self.label_points = layout.place_labels(
                self.points, outer, self.label_boxes, solids, paths, room, first=first
            )
        written = np.isfinite(self.label_points[:, 0])
        solids = layout.Solids(
            np.vstack([solids.centre, self.label_points[written]]),
            np.vstack([solids.half, self.label_boxes[written] / 2]),
        )
        middle = self._paths[:, self._paths.shape[1] // 2]
        self._middles = layout.on_curve(*self._curve, (self._first + self._visible / 2)[:, None])  # of what is seen
        reach = np.full(len(middle), 0.7 * (self.line_width + 4))
        size = np.tile(BADGE, (len(middle), 1))
        self._badge_points = layout.place_labels(middle, reach, size, solids, paths, room, at_once=False)

    def _dots(self, spacing: float) -> Floats:
        """(dots, 2) points along all lines."""
        count = np.ceil(self._length / spacing).astype(int)
        of = np.repeat(np.arange(len(count)), count)
        place = np.concatenate([np.arange(c) / c for c in count.tolist()] or [np.zeros(0)])
        start, bend, end = (points[of] for points in self._curve)
        return layout.on_curve(start, bend, end, place[:, None])

    def _make_nodes(self) -> None:
        self._looks = looks = [style.LOOKS[kind] for kind in self.kinds]
        shapes = [look.shape * r + p for look, r, p in zip(looks, self.radius, self.points, strict=True)]
        self._shapes = shapes
        rim = [1.1 if look.edge == style.PAPER else 3.0 for look in looks]
        under = PolyCollection(
            shapes, facecolors=[look.empty for look in looks], edgecolors=style.PAPER, linewidths=rim
        )
        self.gauged = [n for n, look in enumerate(looks) if look.empty != look.colour]
        self._gauge_colours = [looks[n].colour for n in self.gauged]
        over = PolyCollection(
            [shapes[n] for n in self.gauged],
            facecolors="none",
            edgecolors=[looks[n].edge for n in self.gauged],
            linewidths=1.3 if len(looks) <= 60 else 1.0,
        )
        self._nodes = [under, over]
        for artist in self._nodes:
            self._canvas.add(artist)

    @property
    def band_pu(self) -> tuple[str, str] | None:
        """The ends of the band of voltages in words; in DC there is none."""
        ends = (self._episode.voltage_min_pu, self._episode.voltage_max_pu)
        words = []
        for end, name in zip(ends, ("lower limit", "upper limit"), strict=True):
            if end is None:
                return None
            words.append(f"{end[0]:.2f} pu" if np.ptp(end) < 0.005 else name)
        return words[0], words[1]

    def draw_background(self) -> None:
        """Draw what never changes: a pale bed under each line, so that crossings can be told apart."""
        self._draw_paths(self.segments, "#EDF1F5", self.line_width + 2)

    def draw(self, moment: Moment, seconds_per_step: float) -> None:
        """Draw everything else for one moment; chevrons move as if a step took ``seconds_per_step``."""
        canvas, (under, over) = self._canvas, self._nodes
        self._draw_lines(moment)
        chevrons: Any = self.chevrons(moment, seconds_per_step)  # Any: matplotlib's types know no arrays
        rim = 0.9 if len(self.segments) <= 60 else 0.7
        canvas.stamp(PolyCollection(chevrons, facecolors=style.INK, edgecolors=style.PAPER, linewidths=rim))
        short, unserved = self.arcs(moment.short_frac), self.arcs(moment.unserved_frac)
        self._draw_paths(short, style.PAPER, self.arc_width + 1.6, "butt")
        self._draw_paths(short, style.CURTAILED, self.arc_width, "butt")
        self._draw_paths(unserved, style.VERMILION, self.arc_width, "butt")
        self._draw_rings(moment)
        canvas.draw(under)
        gauges = self.gauges(moment.fill_frac)
        canvas.stamp(PolyCollection(gauges, facecolors=self._gauge_colours, edgecolors="none"))
        canvas.draw(over)
        off = np.flatnonzero(moment.on < 0.5).tolist()
        if off:
            draw_off(canvas, [self._shapes[n] for n in off])
        self._draw_dark(moment)
        for label, (x, y) in zip(self.labels, self.label_points.tolist(), strict=True):
            if np.isfinite(x):
                canvas.text(x, y, label, self.label_size, self._label_colour, align="center", halo=True)
        self._draw_badges(moment)

    def ring_colours(self, moment: Moment) -> Floats:
        """(N, 4) of the rings around the nodes in AC: by where in its band the voltage lies."""
        place = in_band(self._episode, moment.voltage_pu)
        colours: Floats = style.VOLTAGE(np.clip(np.nan_to_num(place, nan=0.5), 0.0, 1.0))
        colours[np.isnan(place)] = to_rgba(style.DARK)
        return colours

    def _draw_rings(self, moment: Moment) -> None:
        if self._episode.is_ac:
            colours: Any = self.ring_colours(moment)
            for colour, rim in ((style.MUTED, 1.2), (colours, 0.0)):  # which sets pale rings off
                width = self.ring_width + rim
                self._canvas.stamp(PolyCollection(self._shapes, facecolors="none", edgecolors=colour, linewidths=width))

    def _draw_dark(self, moment: Moment) -> None:
        """Nodes without voltage, dark or collapsed, are black with a cross."""
        dark = np.flatnonzero(moment.voltage_pu <= 0).tolist()
        if dark:
            draw_dark(self._canvas, [self._shapes[n] for n in dark], self.points[dark], self.radius[dark])

    def _draw_paths(self, paths: Any, colours: Any, width: Any, cap: Literal["round", "butt"] = "round") -> None:
        self._canvas.stamp(LineCollection(paths, colors=colours, linewidths=width, capstyle=cap))

    def line_states(self, moment: Moment) -> tuple[Floats, Floats]:
        """(E,) loading; (E,) state: 0 below capacity, or without one or out of service; 1 at capacity; 2 overloaded."""
        loading = np.abs(moment.flow_frac)
        state = (loading >= style.AT_CAPACITY_FRAC).astype(float) + (loading > 1 + 1e-6)
        return loading, np.where(self.limited & (moment.line_status == IN_SERVICE), state, 0.0)

    def _draw_lines(self, moment: Moment) -> None:
        loading, state = self.line_states(moment)
        shown = np.round(np.clip(loading, 0, 1) * self._levels) / self._levels
        width = 1.2 + (self.line_width - 1.2) * shown
        colour = style.LOADING(shown)
        colour[~self.limited] = to_rgba(style.UNLIMITED)
        colour[state == 2, :3] = to_rgb(style.VERMILION)
        out = np.flatnonzero(moment.line_status != IN_SERVICE)
        colour[out, 3] = 0.0
        full = np.flatnonzero(state)
        around = width[full] + np.where(state[full] == 2, 4.0, 5.0)
        rims = [style.FULL if state[e] == 2 else style.HALO for e in full]
        self._draw_paths([self.segments[e] for e in full], rims, around)
        self._draw_paths(self.segments, colour, width)
        width_out, radius = max(1.6, 0.5 * self.line_width), 6.5 if len(self.segments) <= 60 else 5.0
        segments, status = [self.segments[e] for e in out], moment.line_status[out]
        draw_outages(self._canvas, segments, self._middles[out], status, width_out, radius)

    def chevrons(self, moment: Moment, seconds_per_step: float = 1.0) -> Floats:
        """(chevrons, 4, 2) corners: spread over the lines, moved and turned by the flow, smaller where it is small."""
        of = self.of_line
        length = (self._length * self._visible)[of]
        moved = moment.way[of] * CHEVRON_SPEED * seconds_per_step / np.maximum(length, 1e-9)
        place = (self._queue / self._count[of] + 0.5 / self._count[of] + moved) % 1.0
        share = (self._first[of] + place * self._visible[of])[:, None]
        start, bend, end = (points[of] for points in self._curve)
        centre = layout.on_curve(start, bend, end, share)
        ahead = (1 - share) * (bend - start) + share * (end - bend)
        ahead *= np.sign(moment.flow_frac)[of, None] / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
        loading = np.clip(np.abs(moment.flow_frac[of]), 0, 1)
        room = np.clip(length / 4, 1.0, END_ROOM)  # on short lines too, they are full-sized on half the way
        at_ends = np.clip(np.minimum(place, 1 - place) * length / room, 0.5, 1)
        least = LEAST_SHOWN_FRAC if len(self.segments) <= MANY_LINES else MUCH_FRAC
        seen = (loading > least) & (moment.line_status[of] == IN_SERVICE)
        fits = np.clip(length / (3 * self.chevron_size), 0.6, 1)
        size = self.chevron_size * (0.6 + 0.4 * loading) * at_ends * fits * seen
        across = np.column_stack([-ahead[:, 1], ahead[:, 0]])
        corners = style.CHEVRON[None, :, :1] * ahead[:, None] + style.CHEVRON[None, :, 1:] * across[:, None]
        placed: Floats = centre[:, None] + size[:, None, None] * corners
        return placed

    def gauges(self, fill_frac: Floats) -> list[Floats]:
        """The filled part of each node that has a gauge (``gauged``)."""
        shapes = [(n, self._looks[n].shape) for n in self.gauged]
        return [style.filled(shape, fill_frac[n]) * self.radius[n] + self.points[n] for n, shape in shapes]

    def arcs(self, unserved_frac: Floats) -> list[Floats]:
        """An arc around each node whose demand is not met."""
        short = np.flatnonzero(unserved_frac > LEAST_SHOWN_FRAC).tolist()
        return [style.arc(unserved_frac[n]) * (self.radius[n] + self.arc_gap) + self.points[n] for n in short]

    def _draw_badges(self, moment: Moment) -> None:
        loading, state = self.line_states(moment)
        worst = np.array(sorted(np.flatnonzero(state == 2).tolist(), key=lambda e: -loading[e])[:MAX_BADGES], int)
        taken = np.full((0, 2), np.inf)
        for e in worst[np.isfinite(self._badge_points[worst, 0])].tolist():
            place = self._badge_points[e]
            if not (np.abs(taken - place) < BADGE).all(1).any():
                taken = np.vstack([taken, place])
                text, (x, y) = style.loading_percent(loading[e]), place.tolist()
                self._canvas.text(x, y, text, 8.5, style.VERMILION, bold=True, align="center", halo=True)


def _by_importance(kinds: list[str], radius: Floats) -> layout.Indices:
    """(N,) nodes: sources and storages, the larger ones first, then consumers, then junctions."""
    turn = np.array([{"source": 0, "storage": 0, "consumer": 1}.get(kind, 2) for kind in kinds])
    order: layout.Indices = np.lexsort([-radius, turn])
    return order


def _radii(episode: Episode) -> Floats:
    """(N,) of the symbols: area grows with size among nodes of the same kind; crowded grids get smaller ones."""
    nodes = max(len(episode.node_names), 12)
    base = min(16.0 * (20 / nodes) ** 0.32, 100.0 / nodes**0.5)
    size = np.zeros(len(episode.node_names))
    sizes = {"source": episode.gen_max_mw, "storage": episode.store_max_mwh, "consumer": episode.load_max_mw}
    for kind, column in sizes.items():
        here = episode.node_kind == KIND_NAMES.index(kind)
        size[here] = column[here] / max(float(column[here].max(initial=0.0)), 1e-9)
    junction = episode.node_kind == KIND_NAMES.index("junction")
    radii: Floats = np.where(junction, 0.42, 0.62 + 0.5 * np.sqrt(size)) * base
    return radii
