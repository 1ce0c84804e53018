"""Who does work that can be shared: processes of this machine, or of the machines of a cluster.

What goes over to them is plain data: grids, settings, arrays, seeds, weights; never an env.
"""

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
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Protocol, TypeVar

from grid.errors import GridError

WORTH_S = 3.0  # of work that is left: below it, starting processes takes longer than they save
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ALONE = {**dict.fromkeys(THREADS, "1"), "PYTHONSAFEPATH": "1"}
"""Environment of a process: one thread, and no module from the folder that it happens to stand in."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Others that work."""

    def share(self, work: Callable[[Any], list[Any]], items: Sequence[Any]) -> Iterator[Any]:
        """Hand items to whoever is free; yields all results, in the order of the items."""

    def beside(self, work: Callable[[str, Any], None], items: Sequence[Any]) -> Any:
        """A block beside which all items are worked on at once, given what they and the block can meet at: a URL."""


_ENGINE: ContextVar[Engine | None] = ContextVar("engine", default=None)


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
        processes: how many; 1 works here. Absent: those of ``using`` or, outside of it, one a core that this process
            may use, where it pays.

    Raises:
        GridError: no processes, one that ended early, or what the work raises.
    """
    if processes is not None and processes < 1:
        raise GridError("processes", repr(processes), "a whole number >= 1", "correct the value")
    engine = _ENGINE.get()
    if processes is None and engine is not None:
        yield from engine.share(partial(_listed, work), items)
        return
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
        with processes_of(min(most, len(items))) as others:
            yield from others.share(partial(_listed, work), items)


@contextmanager
def using(engine: Engine) -> Iterator[None]:
    """Let an engine do the work of every ``run`` inside the block."""
    before = _ENGINE.set(engine)
    try:
        yield
    finally:
        _ENGINE.reset(before)


def is_shared() -> bool:
    """Whether others do the work: inside ``using``."""
    return _ENGINE.get() is not None


def beside(work: Callable[[str, Item], None], items: Sequence[Item]) -> Any:
    """A block beside which all items are worked on at once, each by a process of its own; it is given a URL.

    ``work`` gets the same one, by which all can meet, as ``torch.distributed`` takes it.
    """
    return (_ENGINE.get() or Processes()).beside(work, items)


def work_for_another() -> None:
    """Hand nothing on, from here to the end of this process."""
    _ENGINE.set(Processes())


def _listed(work: Callable[[Item], Iterable[Result]], item: Item) -> list[Result]:
    return list(work(item))


class Processes:
    """Processes of this machine.

    Args:
        pool: of those that share work; None: it is done here.
    """

    def __init__(self, pool: ProcessPoolExecutor | None = None) -> None:
        self._pool = pool

    def share(self, work: Callable[[Any], list[Any]], items: Sequence[Any]) -> Iterator[Any]:
        """Hand items to whichever process is free."""
        if self._pool is None:
            for item in items:
                yield from work(item)
            return
        with _alone():
            answers = self._pool.map(work, items)
        for answer in answers:
            yield from answer

    @contextmanager
    def beside(self, work: Callable[[str, Any], None], items: Sequence[Any]) -> Iterator[str]:
        """A process for each item; they end with the block."""
        with TemporaryDirectory() as folder, _pool(len(items)) as pool:
            place = (Path(folder) / "meeting").as_uri()
            with _alone():
                others = [pool.submit(work, place, item) for item in items]
            yield place
            for other in others:
                other.result()


@contextmanager
def processes_of(count: int) -> Iterator[Engine]:
    """The engine of so many processes; they end with the block, as does what they are doing."""
    with nullcontext() if count == 1 else _pool(count) as pool:
        yield Processes(pool)


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are ended with the block, whatever they do."""
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
    try:
        yield pool
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


def _begin() -> None:
    """Work for the one who asked: end with it, and not by Ctrl-C before it."""
    work_for_another()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
