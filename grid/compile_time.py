"""How long this process has waited for the compiler, which those who share out time leave out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _Waited:
    depth: int = 0
    seconds: float = 0.0


_waited = _Waited()


@contextmanager
def compiling() -> Iterator[None]:
    """Count the time of the block; blocks within it are part of it."""
    started_s = time.perf_counter()
    _waited.depth += 1
    try:
        yield
    finally:
        _waited.depth -= 1
        if _waited.depth == 0:
            _waited.seconds += time.perf_counter() - started_s


def compiling_s() -> float:
    """Seconds so far."""
    return _waited.seconds
