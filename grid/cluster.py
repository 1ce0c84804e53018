"""Who works: processes of this machine, or the machines of a Ray cluster, which somebody has started."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from grid.errors import GridError
from grid.executor import ALONE, Engine, processes_of, using, work_for_another

RETRIES = 3  # of an item whose machine was lost
START = "start one by `ray start --head --node-ip-address=ADDRESS`, see docs/machines.md"


@contextmanager
def workers(count: int | None = None, cluster: str | None = None) -> Iterator[None]:
    """Let others do the work of every ``run`` inside the block.

    Args:
        count: so many processes of this machine.
        cluster: or the machines of this Ray cluster: its address, or "auto" for the one that this machine is part of.
            Absent, like ``count``: nothing changes.

    Raises:
        GridError: both, no processes, no such cluster, or the package ray is missing.
    """
    if count is None and cluster is None:
        yield
        return
    if count is not None and cluster is not None:
        raise GridError("workers", f"{count} beside a cluster", "one of the two", "leave out one")
    if count is not None and count < 1:
        raise GridError("workers", repr(count), "a whole number >= 1", "correct the value")
    with processes_of(count or 1) if cluster is None else _connected(cluster) as engine, using(engine):
        yield


@contextmanager
def _connected(address: str) -> Iterator[Engine]:
    """The machines of a running cluster, as an engine of ``grid.executor``.

    Raises:
        GridError: no cluster answers, or the package ray is missing.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise GridError.without("ray", "an installation that works on a cluster", "cluster") from error
    try:
        about: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": "error"}
        ray.init(address=address, runtime_env={"env_vars": ALONE}, **about)
    except (ConnectionError, RuntimeError, ValueError) as error:
        found = str(error).splitlines()[0]
        raise GridError(f"cluster {address}", found, "a Ray cluster that runs", START) from error
    try:
        yield Machines(ray)
    finally:
        ray.shutdown()


class Machines:
    """Each item is a task of one core. Where a machine is lost, its tasks run again on others; what is done is kept.

    Args:
        ray: the package, connected to the cluster.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def share(self, work: Callable[[Any], list[Any]], items: Sequence[Any]) -> Iterator[Any]:
        """Hand items to whichever machine is free."""
        ray, found = self._ray, dict[int, list[Any]]()
        task, given = ray.remote(num_cpus=1, max_retries=RETRIES)(_work), ray.put(work)
        waiting = {task.remote(given, item): number for number, item in enumerate(items)}
        try:
            for number in range(len(items)):
                while number not in found:
                    (done,), _ = ray.wait(list(waiting))
                    found[waiting.pop(done)] = self._answer(done)
                yield from found.pop(number)
        finally:
            self._end(waiting)

    @contextmanager
    def beside(self, work: Callable[[str, Any], None], items: Sequence[Any]) -> Iterator[str]:
        """A task for each item; they end with the block."""
        ray, free = self._ray, int(self._ray.available_resources().get("CPU", 0))
        if free < len(items):
            mend = "add machines, take fewer ranks, or wait"
            raise GridError("cluster", f"{free} free cores", f"{len(items)}, one a process", mend)
        here = ray.util.get_node_ip_address()
        with socket.create_server((here, 0)) as free_port:
            place = f"tcp://{here}:{free_port.getsockname()[1]}"
        task = ray.remote(num_cpus=1, max_retries=0)(_work_at)
        others = [task.remote(work, place, item) for item in items]
        try:
            yield place
            for other in others:
                self._answer(other)
        finally:
            self._end(others)

    def _answer(self, task: Any) -> Any:
        """The result of a task, or the error that its work raised."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(task)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            mend = "look for a lack of memory, and whether machines are left: ray status"
            found = f"work that no machine could end ({type(error).__name__})"
            raise GridError("cluster", found, "machines that answer", mend) from error

    def _end(self, tasks: Any) -> None:
        for task in tasks:
            self._ray.cancel(task, force=True)


def _work(work: Callable[[Any], list[Any]], item: Any) -> list[Any]:
    work_for_another()
    return work(item)


def _work_at(work: Callable[[str, Any], None], place: str, item: Any) -> None:
    work_for_another()
    work(place, item)
