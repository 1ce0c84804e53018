"""Plain loops over arrays, compiled by numba."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numba import config, njit

Array = np.ndarray

FOLDER = Path(__file__).parent
FILES = ("simd.py", "interior_point.py", "market.py", "draft.py", "programme.py", "plan.py")
"""Those whose functions are compiled, and call each other."""

SUMS_REORDERED = {"reassoc", "contract"}  # so that sums run in parallel lanes


def compiled(function: Callable[..., Any]) -> Any:
    """To machine code, at the first call; later processes find it in a cache beside the file."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS_REORDERED)(function)


def for_each(work: Callable[[Array], None], parts: Array) -> None:
    """Do compiled work, which other threads need not wait for, on all parts, shared out over the cores.

    Over fewer where the environment variable NUMBA_NUM_THREADS says so.
    """
    threads = min(config.NUMBA_NUM_THREADS, len(parts))  # type: ignore[attr-defined] # set when numba is imported
    if threads < 2:
        work(parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, [parts[first::threads].copy() for first in range(threads)]):
            pass


def forget_outdated(folder: Path) -> None:
    """Remove machine code that is older than any of the sources.

    numba compares it with the file of the function itself, and not with those of the functions that it calls.
    """
    newest = max((folder / name).stat().st_mtime for name in FILES)
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(FileNotFoundError):  # another process may do the same
            if index.stat().st_mtime < newest:
                index.unlink()


def is_compiled() -> bool:
    """Whether machine code is kept beside the sources, so that the first plan need not wait for it."""
    return any((FOLDER / "__pycache__").glob("plan.plan_eights-*.nbi"))


forget_outdated(FOLDER)
