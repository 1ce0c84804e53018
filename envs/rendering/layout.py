"""Where things go: positions of nodes, bends of parallel lines, places of labels. No drawing here.

Every function gives the same answer for the same input; y points up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

MAX_STRETCH = 1.7  # width may be scaled by this much more than height, or the other way round
CLEARANCE = 7.0  # between symbols of two nodes, and of a node and a line that passes it
BEND = 0.11  # distance between parallel lines as a share of their length, within the limits below
BEND_RANGE = 17.0, 26.0


class Box(NamedTuple):
    """A rectangle; the unit is that of the positions asked for."""

    left: float
    bottom: float
    width: float
    height: float


def positions(x: Floats, y: Floats, line_from: Indices, line_to: Indices, box: Box, radius: Floats) -> Floats:
    """(N, 2) centres of the nodes inside the box, apart from each other and from lines that pass by.

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
        points = _by_stress(len(points), line_from, line_to)
    elif not known.all():
        points = _between_known(points, known, line_from, line_to)
    return _spread(_fit(points, box, radius), line_from, line_to, box, radius)


def _by_stress(count: int, line_from: Indices, line_to: Indices) -> Floats:
    """Distances in the picture as near as can be to those along the lines, which are longer where many meet.

    Stress majorisation (Gansner, Koren & North 2004) from classical scaling, turned so that it is widest along x.
    """
    ends = np.unique(np.sort(np.column_stack([line_from, line_to]), axis=1), axis=0)  # parallel lines count once
    degree = np.bincount(ends.ravel(), minlength=count)
    length = (degree[ends[:, 0]] * degree[ends[:, 1]]) ** 0.25
    links = coo_array((length, (ends[:, 0], ends[:, 1])), shape=(count, count))
    way = shortest_path(links.tocsr(), directed=False)
    apart = np.max(way, where=np.isfinite(way), initial=0.0) / 2 + 1  # nodes that no line connects
    way = np.where(np.isfinite(way), way, apart)
    uneven = np.random.default_rng(0).random(way.shape)  # one best answer on symmetric grids too, on every processor
    way *= 1 + 0.01 * (uneven + uneven.T)
    centred = way**2 - (way**2).mean(0)
    gram = -(centred - centred.mean(1, keepdims=True)) / 2
    values, vectors = eigh(gram, subset_by_index=[count - 2, count - 1])
    start = _upright(vectors) * np.sqrt(np.maximum(values, 0))
    points: Floats = start + np.random.default_rng(0).normal(0, 0.05, start.shape)  # parts nodes with equal neighbours

    weight = 1 / np.where(way > 0, way, np.inf) ** 2
    mean = np.full_like(weight, 1 / count)
    inverse = np.linalg.inv(np.diag(weight.sum(1)) - weight + mean) - mean  # pseudo-inverse of the Laplacian
    for _ in range(200):
        place = _complex(points)
        pull = -weight * way / np.maximum(np.abs(place[:, None] - place), 1e-9)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(1))
        points = inverse @ (pull @ points)
    points -= points.mean(0)
    axes = np.linalg.svd(points, full_matrices=False)[2]
    return _upright(points @ axes.T)


def _upright(points: Floats) -> Floats:
    """(N, 2) the same points, mirrored so that the farthest in each direction is on the positive side."""
    mirrored: Floats = points * np.where(points[np.abs(points).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    return mirrored


def _between_known(points: Floats, known: Mask, line_from: Indices, line_to: Indices) -> Floats:
    """Nodes without a position in the middle of their neighbours; those that no line leads to in a row below."""
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
    """Scaled into the box, centred, with limited stretching."""
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
    """Nodes pushed off each other and off lines that are not theirs, as little as needed."""
    low, high = (
        np.array([box.left, box.bottom]) + radius[:, None],
        np.array([box.left + box.width, box.bottom + box.height]),
    )
    high = np.maximum(high - radius[:, None], low)
    least = radius[:, None] + radius + CLEARANCE
    np.fill_diagonal(least, 0.0)
    own = np.zeros((len(line_from), len(points)), bool)
    own[np.arange(len(line_from)), line_from] = own[np.arange(len(line_to)), line_to] = True
    pass_by = np.where(own, 0.0, radius + CLEARANCE)  # (E, N)
    tie = np.random.default_rng(0).normal(0, 1e-3, points.shape)  # nodes on the same spot have to part somehow
    for _ in range(120):
        place = _complex(points + tie)
        gap = place[:, None] - place
        move = (gap * _lack(gap, least)).sum(1) / 2

        start, along = place[line_from, None], (place[line_to] - place[line_from])[:, None]
        behind = place - start
        share = (behind * along.conj()).real / np.maximum((along * along.conj()).real, 1e-9)
        away = behind - np.clip(share, 0, 1) * along  # (E, N)
        move += (away * _lack(away, pass_by)).sum(0) / 2
        if np.abs(move).max() < 0.05:
            break
        move = 0.7 * np.column_stack([move.real, move.imag])
        points = np.clip(points + np.clip(move, -14, 14), low, high)
    return np.clip(points, low, high)


def _complex(points: Floats) -> NDArray[np.complex128]:
    """(N,) the same points as complex numbers."""
    return points[:, 0] + 1j * points[:, 1]


def _lack(gap: NDArray[np.complex128], least: Floats) -> Floats:
    """By how much of itself each gap is too short."""
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
    """(L, 2) centres of labels beside their anchors; NaN where there is no room.

    Below is preferred, then above, right, left, the corners and what lies between; of these, where least of the lines
    is covered.

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
    for label in range(len(anchors)):
        gap = np.abs(centre[label][:, None] - solids.centre) - half[label][:, None]
        blocked[label] |= (gap < solids.half).all(2).any(1)
        near = np.abs(paths - anchors[label]).max(1) < reach[label] + size[label].max() + 5
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
