"""Work that is shared comes back in order, whoever did it, and nobody is left over."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grid import GridError, cores, executor, workers

ROOT = Path(__file__).resolve().parent.parent
PATH = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


def halves(number):
    yield number / 2
    yield os.getpid()


def environment(names):
    return [[os.environ.get(name) for name in names]]


def die(number):
    os._exit(number)


def refuse(number):
    raise GridError("here", str(number), "another number", "choose it")


def sleep(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(60)
    return [0]


def run_both(_):
    return [list(executor.run(halves, [1, 2], 2))]


def pids(folder, count):
    """The processes that have begun to sleep, once there are so many."""
    for _ in range(300):
        found = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
        if len(found) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("processes", [None, 1, 3])
def test_results_come_in_the_order_of_the_items(processes):
    found = list(executor.run(halves, range(5), processes))
    assert found[::2] == [0, 0.5, 1, 1.5, 2]
    assert (os.getpid() in found[1::2]) == (processes in (None, 1))  # short work stays here
    assert multiprocessing.active_children() == []


def test_nothing_to_do_is_nothing():
    assert list(executor.run(halves, [], 2)) == []


@pytest.mark.parametrize("processes", [0, -1])
def test_no_processes_are_refused(processes):
    with pytest.raises(GridError) as caught:
        list(executor.run(halves, [1], processes))
    assert str(caught.value) == f"processes: found {processes}; allowed: a whole number >= 1; correct the value"


def test_processes_are_started_where_much_is_left_and_only_there(monkeypatch):
    monkeypatch.setattr(executor, "cores", lambda: 2)
    monkeypatch.setattr(executor, "WORTH_S", 0.0)
    workers = list(executor.run(halves, range(6)))[1::2]
    assert workers[0] == os.getpid()  # the first item tells how long one takes
    assert os.getpid() not in workers[1:]


def test_each_process_has_one_thread_and_this_one_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before, main = dict(os.environ), sys.modules["__main__"]
    found = list(executor.run(environment, [("OMP_NUM_THREADS", "MKL_NUM_THREADS")] * 2, 2))
    assert found == [["1", "1"]] * 2
    assert dict(os.environ) == before
    assert sys.modules["__main__"] is main


def test_an_error_of_the_work_is_raised_here_as_it_was():
    with pytest.raises(GridError, match=r"^here: found 3; allowed: another number; choose it$"):
        list(executor.run(refuse, [3, 4], 2))
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_an_error_and_leaves_none_behind():
    with pytest.raises(GridError) as caught:
        list(executor.run(die, [7, 7], 2))
    assert str(caught.value) == (
        "processes: found one that ended before its work was done; allowed: ones that answer; "
        "look for a lack of memory, or use one process"
    )
    assert multiprocessing.active_children() == []
    assert threading.active_count() == 1


def test_processes_end_in_the_midst_of_their_work_when_the_caller_stops_asking(tmp_path):
    """In an interpreter of its own: Ctrl-C reaches the main thread, in which pytest-xdist does not run tests."""
    code = "import pathlib, sys, test_grid_executor as t; t.stop_asking(pathlib.Path(sys.argv[1]))"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": path}, check=True)


def stop_asking(tmp_path):
    answers = executor.run(sleep, [tmp_path] * 4, 2)
    main = threading.main_thread().ident
    asked = threading.Thread(target=lambda: pids(tmp_path, 2) and signal.pthread_kill(main, signal.SIGINT))
    asked.start()
    started_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(answers)
    asked.join()
    assert time.monotonic() - started_s < 40
    assert multiprocessing.active_children() == []


SCRIPT = """
print("top level")
from pathlib import Path
from test_grid_executor import executor, halves, sleep
print(list(executor.run({work}, [{item}] * 4, 2))[::2])
"""


def test_a_script_needs_no_guard_and_may_stand_beside_modules_of_any_name(tmp_path):
    """Run as users run it: a plain file in another folder, with work at its top level, that prints."""
    (tmp_path / "script.py").write_text(SCRIPT.format(work="halves", item=3), encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "selectors.py").write_text("raise SystemExit('not the standard module')", encoding="utf-8")
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **PATH}, cwd=elsewhere, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["top level", "[1.5, 1.5, 1.5, 1.5]"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_who_asked_and_say_nothing(tmp_path, kill):
    code = SCRIPT.format(work="sleep", item=f"Path({str(tmp_path)!r})")
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **PATH}, stderr=subprocess.PIPE, start_new_session=True
    ) as asking:
        started = pids(tmp_path, 2)
        (os.kill if kill == signal.SIGKILL else os.killpg)(asking.pid, kill)
        said = asking.stderr.read().decode()
    for _ in range(100):
        if not any(map(is_running, started)):
            break
        time.sleep(0.1)
    assert not any(map(is_running, started))
    assert said.count("Traceback") == (kill == signal.SIGINT)  # its own


def test_a_process_that_may_not_start_others_works_alone():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(run_both, [0])[0][0]
    assert found[::2] == [0.5, 1.0]
    assert len(set(found[1::2])) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
def test_cores_are_those_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert cores() == len(before)


def test_workers_do_all_work_of_a_block_and_hand_nothing_on():
    main = os.getpid()
    with workers(2):
        assert executor.is_shared()
        found = list(executor.run(halves, range(4)))
        inner = list(executor.run(run_inside, [0]))
    assert found[::2] == [0, 0.5, 1, 1.5]
    assert main not in found[1::2]
    assert inner[0] == [0.5, 1.0]
    assert len(set(inner[1])) == 1  # a worker works alone
    assert not executor.is_shared()
    assert multiprocessing.active_children() == []


def run_inside(_):
    found = list(executor.run(halves, [1, 2]))
    return [found[::2], found[1::2]]


@pytest.mark.parametrize(
    ("count", "cluster", "said"),
    [
        (0, None, "workers: found 0; allowed: a whole number >= 1; correct the value"),
        (2, "auto", "workers: found 2 beside a cluster; allowed: one of the two; leave out one"),
    ],
)
def test_workers_that_cannot_be_are_refused(count, cluster, said):
    with pytest.raises(GridError) as caught, workers(count, cluster):
        pass
    assert str(caught.value) == said


def test_a_cluster_without_its_package_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(GridError) as caught, workers(cluster="auto"):
        pass
    assert "ray" in str(caught.value)
    assert "load-balancer[cluster]" in str(caught.value)


def test_what_stands_beside_a_block_meets_it_at_one_place(tmp_path):
    with executor.beside(write_place, [tmp_path / "a", tmp_path / "b"]) as place:
        pass
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in "ab"] == [place] * 2
    assert place.startswith("file:")
    assert multiprocessing.active_children() == []


def write_place(place, path):
    path.write_text(place, encoding="utf-8")
