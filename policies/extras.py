"""The extra packages that training and agents need; everything else works without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from grid import GridError

TRAIN_EXTRA = ("torch", "stable_baselines3", "safetensors", "tensorboard", "numba")


@contextmanager
def train_extra() -> Iterator[None]:
    """Turn a missing package of the training extra into an error that says how to install it.

    Raises:
        GridError: one of TRAIN_EXTRA cannot be imported inside the block.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in TRAIN_EXTRA:
            raise
        allowed = "an installation with the training extra"
        raise GridError.without(missing, allowed, "train") from error


def has_train_extra() -> bool:
    """Whether the training extra is installed."""
    try:
        with train_extra():
            for name in TRAIN_EXTRA:
                import_module(name)
    except GridError:
        return False
    return True
