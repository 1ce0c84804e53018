"""Figures in a row at the upper right of a picture: each has room for its widest value, none touches the next."""

from __future__ import annotations

from collections.abc import Sequence

from envs.rendering.canvas import text_width

VALUE_SIZE, NAME_SIZE = 15, 9
GAP = 28.0


def right_edges(right: float, columns: Sequence[tuple[str, Sequence[str]]]) -> list[float]:
    """Where each column ends, given its name and all values it will show; the last one ends at ``right``."""
    edges = []
    for name, values in reversed(columns):
        edges.append(right)
        widest = max((text_width(value, VALUE_SIZE, True) for value in set(values)), default=0.0)
        right -= max(widest, text_width(name, NAME_SIZE)) + GAP
    return edges[::-1]
