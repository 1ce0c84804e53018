"""Positions of nodes from the lines alone, by stress majorisation.

Every function gives the same answer for the same input; y points up.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import dijkstra, shortest_path
from scipy.sparse.linalg import splu

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
Complex: TypeAlias = NDArray[np.complex128]

MAX_DENSE = 1000  # more nodes are placed by distances to their neighbours and to a few of all nodes
PIVOTS = 60


def by_stress(count: int, line_from: Indices, line_to: Indices) -> Floats:
    """(N, 2) positions whose distances match the lengths of the paths along the lines as closely as possible.

    Lines between nodes with many lines are longer. Stress majorisation (Gansner, Koren & North 2004) starts from
    classical scaling; the result is turned so that it is widest along x.
    """
    ends = np.unique(np.sort(np.column_stack([line_from, line_to]), axis=1), axis=0)  # parallel lines count once
    degree = np.bincount(ends.ravel(), minlength=count)
    length = (degree[ends[:, 0]] * degree[ends[:, 1]]) ** 0.25
    links = coo_array((length, (ends[:, 0], ends[:, 1])), shape=(count, count))
    if count > MAX_DENSE:
        return _by_few_distances(links.tocsr())
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
        place = complex_of(points)
        pull = -weight * way / np.maximum(np.abs(place[:, None] - place), 1e-9)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(1))
        points = inverse @ (pull @ points)
    return _turned(points)


def _by_few_distances(links: Any) -> Floats:
    """Stress majorisation of many nodes: by the distances up to two lines, and from all nodes to a few pivots.

    Pivots lie far from each other (Brandes & Pich 2006, "Eigensolver methods for progressive multidimensional
    scaling"); each stands for those around it (Ortmann, Klimenta & Brandes 2016, "A sparse stress model").
    """
    count = links.shape[0]
    ways, pivots, nearest = [], [int(np.diff((links + links.T).tocsr().indptr).argmax())], np.full(count, np.inf)
    for _ in range(PIVOTS):
        way = dijkstra(links, directed=False, indices=[pivots[-1]])[0]
        ways.append(np.where(np.isfinite(way), way, np.max(way, where=np.isfinite(way), initial=0.0) / 2 + 1))
        nearest = np.minimum(nearest, ways[-1])
        pivots.append(int(nearest.argmax()))
    apart = np.stack(ways, axis=1)  # (N, pivots)
    centred = apart**2 - (apart**2).mean(0)
    centred -= centred.mean(1, keepdims=True)
    values, vectors = eigh(centred.T @ centred)
    points = centred @ vectors[:, -2:] / np.maximum(values[-2:], 1e-9) ** 0.25
    points *= np.sqrt((apart**2).mean() / max(float((points**2).sum(1).mean()), 1e-9))
    points += np.random.default_rng(0).normal(0, 0.3, points.shape)  # parts nodes with equal neighbours

    near, length = _two_lines_apart(links)
    to_pivot = np.column_stack([np.tile(np.arange(count), PIVOTS), np.repeat(pivots[:-1], count)])
    far, way = to_pivot[apart.T.ravel() > 0], apart.T.ravel()[apart.T.ravel() > 0]
    one, other = np.concatenate([near, far]).T
    wanted = np.concatenate([length, way])
    weight = np.concatenate([1 / length**2, count / PIVOTS / way**2])
    own = np.bincount(np.concatenate([one, other]), np.tile(weight, 2), count) + 1e-9
    rows, columns = np.concatenate([one, other, np.arange(count)]), np.concatenate([other, one, np.arange(count)])
    solver = splu(csc_array(coo_array((np.concatenate([-weight, -weight, own]), (rows, columns)), shape=(count,) * 2)))
    for _ in range(60):
        place = complex_of(points)
        gap = place[one] - place[other]
        pull = weight * wanted * gap / np.maximum(np.abs(gap), 1e-9)
        goal = sums(one, pull, count) - sums(other, pull, count)
        points = solver.solve(np.column_stack([goal.real, goal.imag]))
    return _turned(points)


def _two_lines_apart(links: Any) -> tuple[Indices, Floats]:
    """(P, 2) pairs of nodes that one or two links join, and (P,) the length of the shortest way between them."""
    both = (links + links.T).tocoo()
    order = np.argsort(both.row, kind="stable")
    start, end, length = both.row[order], both.col[order], both.data[order]
    first, degree = np.searchsorted(start, np.arange(links.shape[0])), np.bincount(start, minlength=links.shape[0])
    count = degree[end]  # links that go on from the end of each link
    link = np.repeat(np.arange(len(start)), count)
    after = np.arange(len(link)) - np.repeat(np.cumsum(count) - count, count) + first[end[link]]
    a, b = np.concatenate([start, start[link]]), np.concatenate([end, end[after]])
    way = np.concatenate([length, length[link] + length[after]])
    a, b, way = a[a < b], b[a < b], way[a < b]
    order = np.lexsort([way, b, a])
    pairs, shortest = np.unique(np.column_stack([a, b])[order], axis=0, return_index=True)
    return pairs, way[order][shortest]


def _turned(points: Floats) -> Floats:
    """(N, 2) the same points, centred and turned so that they are widest along x."""
    centred = points - points.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    return _upright(centred @ axes.T)


def _upright(points: Floats) -> Floats:
    """(N, 2) the same points, mirrored so that the farthest in each direction is on the positive side."""
    mirrored: Floats = points * np.where(points[np.abs(points).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    return mirrored


def complex_of(points: Floats) -> Complex:
    """(N,) the same points as complex numbers."""
    return points[:, 0] + 1j * points[:, 1]


def sums(where: Indices, values: Complex, count: int) -> Complex:
    """(count,) sums of the values at each place."""
    return np.bincount(where, values.real, count) + 1j * np.bincount(where, values.imag, count)
