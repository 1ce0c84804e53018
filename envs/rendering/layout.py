"""Layout: positions of nodes, bends of parallel lines, positions of labels. Nothing is drawn here.

Every function gives the same answer for the same input; y points up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from envs.rendering.stress import MAX_DENSE, by_stress, complex_of, sums

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
Complex: TypeAlias = NDArray[np.complex128]
Mask: TypeAlias = NDArray[np.bool_]

MAX_STRETCH = 1.7  # width may be scaled by this much more than height, or the other way round
CLEARANCE = 7.0  # between symbols of two nodes, and of a node and a line that passes it
CROWDED = 0.15  # of the room that each node has: more clearance than that is not to be had
BEND = 0.11  # distance between parallel lines as a share of their length, within the limits below
BEND_RANGE = 17.0, 26.0


class Box(NamedTuple):
    """A rectangle; the unit is that of the positions asked for."""

    left: float
    bottom: float
    width: float
    height: float


def positions(x: Floats, y: Floats, line_from: Indices, line_to: Indices, box: Box, radius: Floats) -> Floats:
    """(N, 2) centres of the nodes inside the box, clear of each other and of the lines of other nodes.

    Args:
        x, y: (N,) positions in any unit; nodes with NaN are placed by the lines that end there.
        line_from, line_to: (E,) nodes at the ends of each line.
        box: where symbols may be drawn.
        radius: (N,) of the symbols, in the unit of the box.
    """
    points = np.column_stack([x, y]).astype(float)
    known = np.isfinite(points).all(1)
    together = known.sum() > 1 and np.ptp(points[known], axis=0).max() == 0
    if len(points) < 2:
        points = np.zeros_like(points)
    elif together or not known.any():
        points = by_stress(len(points), line_from, line_to)
    elif not known.all():
        points = _between_known(points, known, line_from, line_to)
    return _spread(_fit(points, box, radius), line_from, line_to, box, radius)


def _between_known(points: Floats, known: Mask, line_from: Indices, line_to: Indices) -> Floats:
    """Nodes without a position go to the mean of their neighbours; nodes without lines, in a row below."""
    filled = np.where(known[:, None], points, points[known].mean(0))
    neighbours: defaultdict[int, list[int]] = defaultdict(list)
    for a, b in zip(line_from.tolist(), line_to.tolist(), strict=True):
        neighbours[a].append(b)
        neighbours[b].append(a)
    missing = np.flatnonzero(~known).tolist()
    for _ in range(100):
        for node in missing:
            if neighbours[node]:
                filled[node] = filled[neighbours[node]].mean(0)
    low, span = filled[known].min(0), np.maximum(np.ptp(filled[known], axis=0), 1e-9)
    loose = [node for node in missing if not neighbours[node]]
    filled[loose, 0] = low[0] + span[0] * (np.arange(len(loose)) + 0.5) / max(len(loose), 1)
    filled[loose, 1] = low[1] - 0.15 * span[1]
    return filled


def _fit(points: Floats, box: Box, radius: Floats) -> Floats:
    """Scale into the box and centre, with limited stretching."""
    margin = float(radius.max())
    room = np.maximum(np.array([box.width, box.height]) - 2 * margin, 1.0)
    span = np.ptp(points, axis=0)
    scale = room / np.where(span > 1e-9 * max(float(span.max()), 1e-300), span, np.inf)
    used = scale[scale > 0]
    if used.size:
        scale = np.minimum(scale, used.min() * MAX_STRETCH)
    middle = (points.max(0) + points.min(0)) / 2
    centre = np.array([box.left + box.width / 2, box.bottom + box.height / 2])
    fitted: Floats = (points - middle) * scale + centre
    return fitted


def _spread(points: Floats, line_from: Indices, line_to: Indices, box: Box, radius: Floats) -> Floats:
    """Move nodes off each other and off the lines of other nodes, as little as needed."""
    low, high = (
        np.array([box.left, box.bottom]) + radius[:, None],
        np.array([box.left + box.width, box.bottom + box.height]),
    )
    high = np.maximum(high - radius[:, None], low)
    clearance = min(CLEARANCE, CROWDED * float(np.sqrt(box.width * box.height / len(points))))
    tie = np.random.default_rng(0).normal(0, 1e-3, points.shape)  # nodes on the same spot have to part somehow
    for _ in range(120):
        place, tree = complex_of(points + tie), cKDTree(points)
        move = _off_others(place, tree, radius, clearance)
        if len(points) <= MAX_DENSE:
            move += _off_lines(place, tree, line_from, line_to, radius, clearance)
        if np.abs(move).max() < 0.05:
            break
        step = 0.7 * np.column_stack([move.real, move.imag])
        points = np.clip(points + np.clip(step, -14, 14), low, high)
    return np.clip(points, low, high)


def _off_others(place: Complex, tree: cKDTree, radius: Floats, clearance: float) -> Complex:
    """(N,) displacements that move nodes apart."""
    one, other = tree.query_pairs(2 * float(radius.max()) + clearance, output_type="ndarray").T
    gap = place[one] - place[other]
    push = gap * _lack(gap, radius[one] + radius[other] + clearance) / 2
    return sums(one, push, len(place)) - sums(other, push, len(place))


def _off_lines(
    place: Complex, tree: cKDTree, line_from: Indices, line_to: Indices, radius: Floats, clearance: float
) -> Complex:
    """(N,) displacements that move nodes off the lines of other nodes."""
    half = (place[line_to] - place[line_from]) / 2
    middle = place[line_from] + half
    reach = np.abs(half) + float(radius.max()) + clearance
    beside = tree.query_ball_point(np.column_stack([middle.real, middle.imag]), reach, return_sorted=True)
    line = np.repeat(np.arange(len(line_from)), [len(nodes) for nodes in beside])
    node = np.array([n for nodes in beside for n in nodes], dtype=np.int64)
    passing = (node != line_from[line]) & (node != line_to[line])
    line, node = line[passing], node[passing]
    along = 2 * half[line]
    behind = place[node] - place[line_from[line]]
    share = (behind * along.conj()).real / np.maximum((along * along.conj()).real, 1e-9)
    away = behind - np.clip(share, 0, 1) * along
    return sums(node, away * _lack(away, radius[node] + clearance), len(place)) / 2


def _lack(gap: Complex, least: Floats) -> Floats:
    """How much each gap is too short, as a share of its length."""
    distance = np.maximum(np.abs(gap), 1e-9)
    return np.maximum(least - distance, 0.0) / distance


def bend_points(points: Floats, line_from: Indices, line_to: Indices) -> Floats:
    """(E, 2) middle control point of each line as a quadratic Bézier curve: parallel lines bow apart."""
    pairs = [(min(a, b), max(a, b)) for a, b in zip(line_from.tolist(), line_to.tolist(), strict=True)]
    total, seen = Counter(pairs), Counter[tuple[int, int]]()
    side = np.zeros(len(pairs))
    for e, pair in enumerate(pairs):
        side[e] = seen[pair] - (total[pair] - 1) / 2
        seen[pair] += 1
    low, high = np.array(pairs, np.int64).reshape(-1, 2).T
    along = points[high] - points[low]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    across = np.column_stack([-along[:, 1], along[:, 0]]) / length[:, None]
    bow = 2 * side * np.clip(BEND * length, *BEND_RANGE)
    return (points[low] + points[high]) / 2 + across * bow[:, None]


def on_curve(start: Floats, bend: Floats, end: Floats, share: Floats) -> Floats:
    """(..., 2) points at the given shares (..., 1) of quadratic Bézier curves."""
    return (1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end


_CORNERS = [(1, -1), (-1, -1), (1, 1), (-1, 1)]
_SIDES = np.array([(0, -1), (0, 1), (1, 0), (-1, 0), *_CORNERS, (0.5, -1), (-0.5, -1), (0.5, 1), (-0.5, 1)])


class Solids(NamedTuple):
    """Rectangles that labels must not cover."""

    centre: Floats  # (M, 2)
    half: Floats  # (M, 2) half of width and height


def place_labels(
    anchors: Floats,
    reach: Floats,
    size: Floats,
    solids: Solids,
    paths: Floats,
    box: Box,
    *,
    at_once: bool = True,
    first: Indices | None = None,
) -> Floats:
    """(L, 2) centres of labels beside their anchors; NaN where there is no free place.

    The place that covers the least of the lines is chosen; among equals, first below, then above, right, left, the
    corners, and the places between.

    Args:
        anchors: (L, 2) what the labels belong to.
        reach: (L,) distance from the anchor that a label keeps.
        size: (L, 2) width and height of each label.
        solids: what no label may cover.
        paths: (dots, 2) points along the lines, a few units apart.
        box: that labels must stay in.
        at_once: whether the labels are shown together, so that none may cover another.
        first: labels by importance: placed in this turn, none over a line, others not at all; None: all labels, the
            most crowded first.
    """
    if len(anchors) == 0:
        return np.zeros((0, 2))
    corner = np.where(np.abs(_SIDES).sum(1) > 1.5, 0.7, 1.0)
    centre = anchors[:, None] + _SIDES * (reach[:, None, None] * corner[:, None] + size[:, None] / 2 + [3.0, 2.0])
    half = np.broadcast_to(size[:, None] / 2, centre.shape)  # as centre: (L, 8, 2)

    low, high = np.array([box.left, box.bottom]), np.array([box.left + box.width, box.bottom + box.height])
    blocked: Mask = np.any((centre - half < low) | (centre + half > high), axis=2)
    cost = np.zeros(blocked.shape) + np.arange(len(_SIDES)) / 2
    dots, things = cKDTree(paths), cKDTree(solids.centre)
    for label in range(len(anchors)):
        far = reach[label] + size[label].max() + 5
        near = things.query_ball_point(anchors[label], far + solids.half.max(), p=np.inf)
        gap = np.abs(centre[label][:, None] - solids.centre[near]) - half[label][:, None]
        blocked[label] |= (gap < solids.half[near]).all(2).any(1)
        near = dots.query_ball_point(anchors[label], far, p=np.inf)
        gap = np.abs(centre[label][:, None] - paths[near])
        covered = (gap < half[label][:, None] + 3.0).all(2).sum(1)
        cost[label] += covered + 3.0 * (covered > 0)
        if first is not None:
            blocked[label] |= covered > 0

    chosen = np.full(len(anchors), -1)
    order = np.argsort(-cost.min(1), kind="stable") if first is None else first
    for _ in range(3 if at_once and first is None else 1):
        for label in order.tolist():
            bad = np.where(blocked[label], np.inf, cost[label])
            if at_once:
                others = np.flatnonzero((chosen >= 0) & (np.arange(len(anchors)) != label))
                gap = np.abs(centre[label][:, None] - centre[others, chosen[others]])
                bad[(gap < half[label][:, None] + half[others, 0] + 1).all(2).any(1)] = np.inf
            chosen[label] = bad.argmin() if np.isfinite(bad).any() else -1
    places = centre[np.arange(len(anchors)), np.maximum(chosen, 0)]
    return np.where(chosen[:, None] >= 0, places, np.nan)
