"""Tasks: named decision problems that never change their meaning."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import gymnasium
import numpy as np
import pytest

from command_line import CommandLine
from envs import TASKS, WORLDS, GridBatch, LoadBalancerVector, Problem, find_task
from grid import GridError, Prices
from policies import BASELINES, evaluate, evaluate_task
from policies.comparison import compare
from policies.table import Bootstrap

MEANING = {
    "calm": "4f53cda18c2b",
    "weather": "af6d325fec6f",
    "storm": "d23e05d43e51",
    "ac": "695a96dbee62",
    "ac-storm": "6adfe992d7f7",
    "commit": "4f53cda18c2b",
}
"""Digests of what the worlds set: a change of one is another version of its tasks."""


def changed(prices: Prices) -> dict[str, object]:
    """What differs from the defaults."""
    return {
        each.name: getattr(prices, each.name)
        for each in dataclasses.fields(Prices)
        if getattr(prices, each.name) != each.default
    }


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_keeps_its_meaning(world: str) -> None:
    fields = {name: value if name != "prices" else changed(value) for name, value in WORLDS[world].items()}
    digest = hashlib.sha256(repr(sorted(fields.items())).encode()).hexdigest()[:12]
    assert digest == MEANING[world]


@pytest.mark.parametrize("name", [name for name in TASKS if "118" not in name])
def test_every_task_is_an_env_by_its_name(name: str) -> None:
    env = gymnasium.make(f"envs:LoadBalancer/{name}")
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    _, _, _, _, info = env.step(env.action_space.sample())
    assert info["cost"] >= 0
    assert env.unwrapped.config.split == "train"
    assert env.unwrapped.config.gate_h == WORLDS[TASKS[name].world].get("gate_h", 0.0)


def test_vector_envs_of_a_task_tell_the_violation_too() -> None:
    env = gymnasium.make_vec("envs:LoadBalancer/classic-storm-v1", num_envs=3, vectorization_mode="vector_entry_point")
    assert isinstance(env, LoadBalancerVector)
    env.reset(seed=0)
    *_, info = env.step(env.action_space.sample())
    assert info["cost"].shape == (3,)


def test_train_and_test_grids_of_a_family_have_nothing_in_common() -> None:
    task = find_task("gen-storm-v1")
    assert len(task.train_grids) == 200
    assert not set(task.train_grids) & set(task.test)


def test_in_a_storm_lines_with_a_capacity_fail_and_all_demand_can_be_cut() -> None:
    problem = Problem.of(find_task("case14-storm-v1").config())
    arrays = problem.arrays
    np.testing.assert_array_equal(arrays.outage_rate_per_h > 0, np.isfinite(arrays.capacity_mw))
    np.testing.assert_array_equal(arrays.flexible, np.flatnonzero(arrays.load_max_mw > 0))
    assert arrays.fingerprint == Problem.of(find_task("case14-calm-v1").config()).arrays.fingerprint
    assert problem.planning_prices.overload_per_mwh >= arrays.shed_cost_per_mwh.max()


def test_the_cost_in_info_is_unserved_demand_and_overload() -> None:
    env = gymnasium.make("envs:LoadBalancer/case14-weather-v1", action="absolute")
    env.reset(seed=1)
    batch: GridBatch = env.unwrapped.batch
    told, ended = 0.0, False
    while not ended:
        *_, ended, _, info = env.step(np.ones(env.action_space.shape))
        told += info["cost"]
    assert told == pytest.approx(float((batch.metrics["unserved_mwh"] + batch.metrics["overload_mwh"])[0]))
    assert told > 0


def test_a_family_is_evaluated_on_all_its_grids_with_equal_weight() -> None:
    task = find_task("gen-calm-v1")
    small = type(task)(task.name, task.world, task.train, ("gen:9:1", "gen:12:2"))
    pooled = evaluate_task(["merit", "redispatch"], small, episodes=2)
    assert (pooled.task, pooled.episodes, pooled.grid) == (task.name, 4, "2 grids")
    shares = []
    for name in small.test:
        own = evaluate(["merit", "redispatch"], small.config(name), 2)
        shares.append(own["redispatch"].gap_frac.mean)
    assert pooled["redispatch"].gap_frac.mean == pytest.approx(np.mean(shares), rel=1e-6)
    assert len(pooled["merit"].episode_cost) == 4
    assert pooled.to_json()["task"] == task.name


def test_what_an_agent_scores_above_planners_is_a_paired_difference() -> None:
    class Better:
        name = "mine"

        def __init__(self) -> None:
            self.own = BASELINES["mpc"]()

        def reset(self, batch: GridBatch) -> None:
            self.own.reset(batch)

        def act(self, batch: GridBatch) -> object:
            return self.own.act(batch)

    table = evaluate(["mpc", "plan", Better()], find_task("classic-calm-v1").config(horizon=12), 3)
    assert table["mpc"].above == {}
    above = table["mine"].above
    assert above["mpc"].mean == pytest.approx(0.0, abs=1e-9)
    assert above["plan"].mean == pytest.approx(table["mpc"].score.mean - table["plan"].score.mean)
    assert "mine above mpc: 0.0 [0.0, 0.0], plan: " in table.table()


def test_the_worst_tenth_is_the_mean_of_the_worst_episodes() -> None:
    from policies.comparison import Runs

    def runs(name: str, cost: np.ndarray) -> Runs:
        zero = np.zeros(20)
        return Runs(name, cost, np.full(20, 10.0), *[zero] * 7, decision_s=0.0)

    gaps = np.arange(20.0)
    (row,) = compare(
        [runs("x", 5 + gaps)], runs("merit", np.full(20, 50.0)), runs("optimum", np.full(20, 5.0)), Bootstrap(20, 0)
    )
    assert row.cvar_gap_frac == pytest.approx((18 + 19) / 2 / 10)


def test_the_command_lists_tasks_and_worlds(run: CommandLine) -> None:
    text = run.ok("tasks")
    assert "case14-storm-v1" in text
    assert "outage_rate_per_h 0.002" in text
    found = json.loads(run.ok("tasks", "--json"))
    assert [row["name"] for row in found["tasks"]] == list(TASKS)
    assert found["worlds"]["storm"]["prices"]["overload_per_mwh"] == 1500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "plan", "--task", "case14-strom-v1"], "no such task"),
        (["train", "case14-wether-v1"], "no such task"),
        (["evaluate", "plan", "--task", "case14-storm-v1", "--grid", "classic"], "--grid beside it"),
    ],
)
def test_a_task_that_is_unknown_or_changed_is_refused(words: list[str], said: str, run: CommandLine) -> None:
    assert run(*words) == 2
    assert said in run.err


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(GridError, match="case14-storm-v1"):
        find_task("case14-storms-v1")
