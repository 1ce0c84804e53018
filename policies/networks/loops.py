"""Messages over the lines of a grid and back, compiled: a block of rows at a time, so that it stays in the cache.

torch-geometric passes the same on other devices; a test holds the two equal.
"""

from __future__ import annotations

import numpy as np

from grid import compiled

Array = np.ndarray

ROWS = 16  # of the batch, in a block


@compiled
def mean_heard(nodes: Array, lines: Array, ends: Array) -> Array:
    """(N, B, W) mean of what each node hears, relu(neighbour + line), over its lines; 0 where it has none.

    Args:
        nodes: (N, B, W).
        lines: (E, B, 2W), for the direction from-to first.
        ends: (2, E) nodes at the from and at the to end.
    """
    out, share, width = np.zeros_like(nodes), _shares(len(nodes), ends), nodes.shape[2]
    for first in range(0, nodes.shape[1], ROWS):
        rows = range(first, min(first + ROWS, nodes.shape[1]))
        for e in range(len(lines)):
            start, end = ends[0, e], ends[1, e]
            for row in rows:
                for k in range(width):
                    out[end, row, k] += max(nodes[start, row, k] + lines[e, row, k], np.float32(0.0))
                for k in range(width):
                    out[start, row, k] += max(nodes[end, row, k] + lines[e, row, width + k], np.float32(0.0))
        for n in range(len(nodes)):
            for row in rows:
                for k in range(width):
                    out[n, row, k] *= share[n]
    return out


@compiled
def heard_back(nodes: Array, lines: Array, ends: Array, grad: Array) -> tuple[Array, Array]:
    """Gradients by nodes (N, B, W) and lines (E, B, 2W) of a sum whose gradient by ``mean_heard`` is (N, B, W)."""
    by_node, by_line = np.zeros_like(nodes), np.empty_like(lines)
    share, width = _shares(len(nodes), ends), nodes.shape[2]
    each = np.empty((len(nodes), ROWS, width), nodes.dtype)
    for first in range(0, nodes.shape[1], ROWS):
        rows = range(first, min(first + ROWS, nodes.shape[1]))
        for n in range(len(nodes)):
            for row in rows:
                for k in range(width):
                    each[n, row - first, k] = grad[n, row, k] * share[n]
        for e in range(len(lines)):
            start, end = ends[0, e], ends[1, e]
            for row in rows:
                for k in range(width):
                    heard = np.float32(nodes[start, row, k] + lines[e, row, k] > 0)
                    by_line[e, row, k] = each[end, row - first, k] * heard
                for k in range(width):
                    by_node[start, row, k] += by_line[e, row, k]
                for k in range(width):
                    heard = np.float32(nodes[end, row, k] + lines[e, row, width + k] > 0)
                    by_line[e, row, width + k] = each[start, row - first, k] * heard
                for k in range(width):
                    by_node[end, row, k] += by_line[e, row, width + k]
    return by_node, by_line


@compiled
def _shares(nodes: int, ends: Array) -> Array:
    """(N,) one over the number of lines at a node."""
    count = np.zeros(nodes, np.float32)
    for end in ends.ravel():
        count[end] += 1
    return np.float32(1.0) / np.maximum(count, np.float32(1.0))
