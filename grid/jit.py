"""Plain loops over arrays, compiled by numba."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")  # else it writes to terminals at the end

from numba import config, njit

from grid.compile_time import compiling
from grid.executor import cores

Array = np.ndarray

SUMS_REORDERED = {"reassoc", "contract"}  # so that sums run in parallel lanes


def compiled(function: Callable[..., Any], reorders_sums: bool = True) -> Any:
    """To machine code, at the first call; later processes find it where numba keeps it.

    It is kept while no file changes in the function's folder, nor this one and ``simd``: numba by itself compares it
    with the function's own file alone, and not with those of the functions that it calls.
    """
    dispatcher: Any = njit(nogil=True, error_model="numpy", fastmath=SUMS_REORDERED if reorders_sums else False)(
        function
    )
    compiler = dispatcher._compiler
    compiler.compile = partial(_told, compiler.compile)
    with suppress(RuntimeError):  # no folder can be written: each process compiles for itself
        dispatcher.enable_caching()
        kept = dispatcher._cache._cache_file
        kept._source_stamp = (kept._source_stamp, _sources(Path(function.__code__.co_filename).parent))
        kept._load_index = partial(_index, kept._load_index)
    return dispatcher


def compiled_exactly(function: Callable[..., Any]) -> Any:
    """The same, with every operation as it is written: what is taken in full leaves exactly nothing."""
    return compiled(function, reorders_sums=False)


def _told(compile_: Callable[..., Any], *args: Any) -> Any:
    _tell()
    with compiling():
        return compile_(*args)


@cache
def _tell() -> None:
    """Say what the caller waits for, once in a process; nothing is said where machine code is kept."""
    logging.getLogger(__name__).warning("compiling for this machine: a minute or a few; later runs find it made")


def _index(load: Callable[[], dict[Any, Any]]) -> dict[Any, Any]:
    """What is kept; nothing where it is of another version, whose modules have moved."""
    try:
        return load()
    except (ImportError, AttributeError):
        return {}


@cache
def _sources(folder: Path) -> bytes:
    files = sorted({*folder.glob("*.py"), *(Path(__file__).with_name(name) for name in ("jit.py", "simd.py"))})
    return hashlib.sha256(b"".join(path.read_bytes() for path in files if path.exists())).digest()


def for_each(work: Callable[[Array], None], parts: Array) -> None:
    """Do compiled work, which other threads need not wait for, on all parts, shared out over the cores.

    Over fewer where the environment variable NUMBA_NUM_THREADS says so.
    """
    threads = min(config.NUMBA_NUM_THREADS, cores(), len(parts))  # type: ignore[attr-defined] # set when numba is imported
    if threads < 2:
        work(parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, [parts[first::threads].copy() for first in range(threads)]):
            pass
