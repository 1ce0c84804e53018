"""Who does work that can be shared: local processes. What goes over to them is plain data: arrays, numbers, seeds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import TypeVar

from grid.errors import GridError

WORTH_S = 3.0  # of work that is left: below it, starting processes takes longer than they save
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
"""Environment of a process: one thread, and no module from the folder that it happens to stand in."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    work: Callable[[Item], Iterable[Result]], items: Sequence[Item], processes: int | None = None
) -> Iterator[Result]:
    """Do the same work on each item; yields all results, in the order of the items.

    The processes are fresh interpreters with one thread each: they import nothing of the script that runs, and end with
    the iterator. How many there are changes no result.

    Args:
        work: a function of a module, or a ``partial`` of one; neither it nor an item nor a result holds an env.
        items: each stands for itself.
        processes: how many; 1 works here. Absent: one a core that this process may use, where it pays.

    Raises:
        GridError: no processes, one that ended early, or what the work raises.
    """
    if processes is not None and processes < 1:
        raise GridError("processes", repr(processes), "a whole number >= 1", "correct the value")
    if multiprocessing.current_process().daemon:
        processes = 1  # it may not start others
    most = min(cores() if processes is None else processes, len(items))
    while items and (most == 1 or processes is None):
        started_s = time.perf_counter()
        yield from work(items[0])
        items = items[1:]
        if most > 1 and (time.perf_counter() - started_s) * len(items) > WORTH_S:
            break
    if items:
        yield from _share(partial(_listed, work), items, min(most, len(items)))


def _listed(work: Callable[[Item], Iterable[Result]], item: Item) -> list[Result]:
    return list(work(item))


def _share(work: Callable[[Item], list[Result]], items: Sequence[Item], processes: int) -> Iterator[Result]:
    """Hand items to whichever process is free."""
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _follow_parent)
    try:
        with _alone():
            answers = pool.map(work, items)
        for answer in answers:
            yield from answer
    except BrokenProcessPool as error:
        mend = "look for a lack of memory, or use one process"
        raise GridError("processes", "one that ended before its work was done", "ones that answer", mend) from error
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()  # nobody waits for what it is doing; from Python 3.14 on: pool.kill_workers()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Start processes that do not import the running script, which would do all its work again."""
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    before = {name: os.environ.get(name) for name in ALONE}
    os.environ.update(ALONE)
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        for name, value in before.items():
            del os.environ[name]
            os.environ |= {} if value is None else {name: value}


def _follow_parent() -> None:
    """End with the one who asked, and not by Ctrl-C before it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
