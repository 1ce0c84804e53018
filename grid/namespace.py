"""The array namespace of the physics: numpy itself for numpy arrays, array-api-compat for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from grid.state import Array

_by_arrays = ContextVar("_by_arrays", default=False)


def namespace(array: Array) -> Any:
    """Return the namespace to compute in; numpy >= 2 follows the standard and needs no wrapper."""
    return np if isinstance(array, np.ndarray) else array_namespace(array)


def constant(array: Array) -> np.ndarray:
    """The numbers of an array, without the gradient that it may carry."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.detach())


def loops(array: Array, room: str) -> Any:
    """The compiled loops of a room, for numpy arrays; None for others, by arrays alone, and where numba is missing."""
    return _loops(room) if isinstance(array, np.ndarray) and not _by_arrays.get() else None


@contextmanager
def by_arrays() -> Iterator[None]:
    """Compute without compiled loops: numba takes half a second to load, more than they save in a few steps."""
    before = _by_arrays.set(True)
    try:
        yield
    finally:
        _by_arrays.reset(before)


@cache
def _loops(room: str) -> Any:
    try:
        return import_module(f"{room}.loops")
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        return None
