"""Work on two Ray nodes of this machine: results are those of one process to the bit, also where a node is lost."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

import pytest

from envs import EnvConfig
from grid import GridError, run, workers
from policies import evaluate

pytestmark = pytest.mark.slow
HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="needs ray")
ROOT = Path(__file__).resolve().parent.parent
WORLD = EnvConfig(topology="classic", horizon=24)


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes with a core each, on loopback."""
    for name, value in {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1", "RAY_USAGE_STATS_ENABLED": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    from ray.cluster_utils import Cluster

    of_each = {"num_cpus": 1, "object_store_memory": 100_000_000}
    nodes = Cluster(initialize_head=True, head_node_args={**of_each, "include_dashboard": False})
    nodes.add_node(**of_each)
    try:
        yield nodes
    finally:
        nodes.shutdown()


def slowly(folder, number):
    """Say that the item is begun, and on which node."""
    import ray

    (folder / f"{number}-{ray.get_runtime_context().get_node_id()}-{time.monotonic_ns()}").touch()
    time.sleep(0.5)
    return [number, number**2]


def without_times(value):
    """Of a table as JSON, all but what it took."""
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if "decision" not in name}
    return [without_times(part) for part in value] if isinstance(value, list | tuple) else value


@needs_ray
@pytest.mark.filterwarnings("ignore")  # of ray
def test_two_nodes_evaluate_200_episodes_as_one_process_does(cluster):
    policies = ["random", "redispatch"]
    alone = evaluate(policies, WORLD, 200)
    with workers(cluster=cluster.address):
        shared = evaluate(policies, WORLD, 200)
    assert without_times(shared.to_json()) == without_times(alone.to_json())


@needs_ray
@pytest.mark.filterwarnings("ignore")  # of ray
def test_a_node_lost_in_the_middle_changes_no_result_and_what_is_done_is_kept(cluster, tmp_path):
    from functools import partial

    lost = cluster.list_all_nodes()[-1]
    with workers(cluster=cluster.address):
        answers = run(partial(slowly, tmp_path), range(12))
        found = [next(answers) for _ in range(4)]
        done = {path.name.split("-")[0] for path in tmp_path.iterdir()}
        cluster.remove_node(lost, allow_graceful=False)
        found += answers
    assert found == [each for number in range(12) for each in (number, number**2)]
    begun = [path.name.split("-")[0] for path in tmp_path.iterdir()]
    assert {"0", "1"} <= done
    assert begun.count("0") == begun.count("1") == 1
    assert len({path.name.split("-")[1] for path in tmp_path.iterdir()}) == 2
    assert len(begun) <= 13  # the one that was running is begun again


@needs_ray
@pytest.mark.filterwarnings("ignore")  # of ray
def test_an_error_of_the_work_is_raised_here_as_it_was(cluster):
    from test_grid_executor import refuse

    with (
        pytest.raises(GridError, match=r"^here: found 3; allowed: another number; choose it$"),
        workers(cluster=cluster.address),
    ):
        list(run(refuse, [3]))


@needs_ray
@pytest.mark.filterwarnings("ignore")  # of ray
def test_no_cluster_is_one_line():
    with pytest.raises(GridError) as caught, workers(cluster="auto"):
        pass
    assert str(caught.value).startswith("cluster auto: found Could not find any running Ray instance.")
    assert str(caught.value).endswith("see docs/machines.md")
