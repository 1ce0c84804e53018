"""The optima of many episodes, over processes of their own where that pays."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.errors import Fault, GridError
from grid.planning.optimum import Optimum, finish
from grid.planning.programme import Programme
from grid.state import Inputs

CHUNK = 8  # episodes that one programme solves in turn, each from the basis of the one before
WORTH_S = 3.0  # of work that is left: below it, starting processes takes longer than they save
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SERVE = "from grid.planning.optima import serve; serve()"

_Chunk = list[tuple[Inputs, np.ndarray | None]]


def optima(
    arrays: GridArrays,
    inputs: Sequence[Inputs],
    prices: Prices | None = None,
    store_start_mwh: Sequence[np.ndarray] | np.ndarray | None = None,
    *,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Optimum]:
    """Solve many episodes of one grid; yields the optimum of each, in their order.

    The processes are fresh interpreters with one thread each: they share nothing with this one, import nothing of the
    script that runs, and end with the iterator. How many there are changes no result. Costs are those of
    ``grid.planning.optimum``; where several schedules cost the same, it may find another one.

    Args:
        arrays: the grid.
        inputs: of each episode, (T, N).
        prices: absent: the defaults.
        store_start_mwh: (N,) for each episode; absent: ``store_init_mwh``.
        processes: how many; 1 solves here. Absent: one a core that this process may use, where it pays.
        progress: told how many episodes are solved.

    Raises:
        GridError: as ``grid.planning.optimum``, no processes, or one that ended early.
    """
    if processes is not None and processes < 1:
        raise GridError("optima.processes", repr(processes), "a whole number >= 1", "correct the value")
    prices = Prices() if prices is None else prices
    starts = [None] * len(inputs) if store_start_mwh is None else [np.asarray(start) for start in store_start_mwh]
    episodes = list(zip(inputs, starts, strict=True))
    chunks = [episodes[k : k + CHUNK] for k in range(0, len(episodes), CHUNK)]
    for done, best in enumerate(_solved(arrays, prices, chunks, processes), 1):
        if progress is not None:
            progress(done)
        yield best


def _solved(arrays: GridArrays, prices: Prices, chunks: list[_Chunk], processes: int | None) -> Iterator[Optimum]:
    most = min(_cores() if processes is None else processes, len(chunks))
    while chunks and (most == 1 or processes is None):
        started_s = time.perf_counter()
        yield from _solve(arrays, prices, chunks[0])
        chunks = chunks[1:]
        if most > 1 and (time.perf_counter() - started_s) * len(chunks) > WORTH_S:
            break
    if chunks:
        yield from _share(arrays, prices, chunks, min(most, len(chunks)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _solve(arrays: GridArrays, prices: Prices, chunk: _Chunk) -> Iterator[Optimum]:
    programme: Programme | None = None
    for inputs, start_mwh in chunk:
        if programme is None or (programme.steps, programme.dt_h) != (len(inputs.load_mw), inputs.dt_h):
            programme = Programme(arrays, len(inputs.load_mw), inputs.dt_h, prices)
        programme.set_inputs(inputs, start_mwh)
        yield finish(programme, inputs)


def _share(arrays: GridArrays, prices: Prices, chunks: list[_Chunk], processes: int) -> Iterator[Optimum]:
    """Hand chunks to whichever process is free."""
    workers: list[_Worker] = []
    free: SimpleQueue[_Worker] = SimpleQueue()

    def solve(chunk: _Chunk) -> list[Optimum]:
        worker = free.get()
        try:
            return worker.solve(chunk)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(processes)
    try:
        for _ in range(processes):
            workers.append(_Worker(arrays, prices))
            free.put(workers[-1])
        for solved in pool.map(solve, chunks):
            yield from solved
    finally:
        for worker in workers:
            worker.end()  # a thread that waits for it gives up
        pool.shutdown(cancel_futures=True)
        for worker in workers:
            worker.close()


class _Worker:
    """Another interpreter that solves chunks."""

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVE],  # -P: the folder it stands in does not come before the path
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
        )
        self._send: Any = self._process.stdin
        self._receive: Any = self._process.stdout
        self._first: tuple[GridArrays, Prices] | None = (arrays, prices)

    def solve(self, chunk: _Chunk) -> list[Optimum]:
        try:
            if self._first is not None:
                _write(self._send, self._first)
                self._first = None
            _write(self._send, chunk)
            answer: list[Optimum] | tuple[Fault, ...] = pickle.load(self._receive)  # noqa: S301 # of our own process
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            found = f"a process that ended with code {self._process.wait()}"
            mend = "look for a lack of memory, or solve with processes=1"
            raise GridError("optima", found, "one that answers", mend) from error
        if isinstance(answer, tuple):
            raise GridError.of(answer)
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        for pipe in (self._send, self._receive):
            with suppress(OSError):  # what could not be sent
                pipe.close()


def _write(stream: Any, value: object) -> None:
    pickle.dump(value, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def serve() -> None:
    """What a worker runs: read the grid, then chunks, from stdin; write optima, or the faults found, to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asked is told, and ends it
    receive, send = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come between
    arrays, prices = pickle.load(receive)  # noqa: S301 # from the process that started this one
    while True:
        try:
            chunk = pickle.load(receive)  # noqa: S301 # as above
        except EOFError:
            return
        try:
            answer: object = list(_solve(arrays, prices, chunk))
        except GridError as error:
            answer = error.faults
        _write(send, answer)
