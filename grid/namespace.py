"""The array namespace of the physics: numpy itself for numpy arrays, array-api-compat for everything else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from array_api_compat import array_namespace

from grid.state import Array

Record = TypeVar("Record")

_by_arrays = ContextVar("_by_arrays", default=False)


def namespace(array: Array) -> Any:
    """Return the namespace to compute in; numpy >= 2 follows the standard and needs no wrapper."""
    return np if isinstance(array, np.ndarray) else array_namespace(array)


def converted(record: Record, asarray: Callable[[np.ndarray], Array], **changed: Any) -> Record:
    """A copy of a record with each of its numpy arrays passed through ``asarray`` (say, to torch tensors).

    Args:
        record: any object; what its fields hold beside arrays stays.
        asarray: makes an array of another kind.
        changed: other values of some fields.
    """
    made = copy.copy(record)
    arrays = {name: asarray(value) for name, value in vars(record).items() if isinstance(value, np.ndarray)}
    vars(made).update({**arrays, **changed})
    return made


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
