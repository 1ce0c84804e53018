"""Days that a rollout has planned are taken up again by the learner, and planned by nobody twice."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from policies import GraphActorCriticPolicy, make_vec_env
from policies.planner import cache as recall
from policies.planner.cache import Recall
from policies.planner.day import plan_day
from test_policies_graph_policy import config
from test_policies_market import batch_of


@pytest.fixture
def planned(monkeypatch):
    """How many rows each call has planned."""
    rows = []

    def counted(wiring, observation):
        rows.append(len(observation["nodes"]))
        return plan_day(wiring, observation)

    monkeypatch.setattr(recall, "plan_day", counted)
    return rows


def rows_of(observation, rows):
    return {name: part[rows] for name, part in observation.items()}


def assert_equal_to_the_bit(day, other, rows):
    for name, value in vars(day).items():
        assert torch.equal(value, getattr(other, name)[rows]), name


@pytest.mark.parametrize("order", [[5, 0, 3, 3, 1], [0], list(range(6))])
def test_noted_days_come_back_in_any_order_without_planning(planned, order):
    _, seen, wiring = batch_of("gen:12:3", 3, 6)
    first, second, twin = rows_of(seen, [0, 1, 2]), rows_of(seen, [3, 4, 5]), rows_of(seen, [2, 2])
    memory = Recall()
    noted = [memory.note(wiring, part) for part in (first, twin, second)]
    assert planned == [3, 2, 3]
    whole = {name: torch.cat([getattr(noted[0], name), getattr(noted[2], name)]) for name in vars(noted[0])}
    swapped = dict(reversed(rows_of(seen, order).items()))  # as the buffer of stable-baselines3 orders them
    day = memory.day(wiring, swapped)
    assert len(planned) == 3
    for name, value in vars(day).items():
        assert torch.equal(value[np.array(order) != 2], whole[name][order][np.array(order) != 2]), name
        torch.testing.assert_close(value, whole[name][order])


def test_what_was_not_noted_is_planned_and_put_in_its_place(planned):
    _, seen, wiring = batch_of("gen:12:3", 3, 6)
    memory = Recall()
    noted = memory.note(wiring, rows_of(seen, [1, 4]))
    planned.clear()
    day = memory.day(wiring, seen)
    assert planned == [4]
    assert_equal_to_the_bit(noted, day, [1, 4])
    assert_equal_to_the_bit(plan_day(wiring, rows_of(seen, [0, 2, 3, 5])), day, [0, 2, 3, 5])
    memory.day(wiring, rows_of(seen, [0, 2]))
    assert planned == [4, 2]


def test_an_observation_that_differs_in_one_number_is_another(planned):
    _, seen, wiring = batch_of("triangle", 3, 2)
    memory = Recall()
    memory.note(wiring, seen)
    for name in seen:
        other = {**seen, name: seen[name].clone()}
        other[name][1].view(-1)[-1] += 1e-3
        planned.clear()
        memory.day(wiring, other)
        assert planned == [1], name


def test_no_more_is_kept_than_there_is_room_for(planned, monkeypatch):
    _, seen, wiring = batch_of("triangle", 3, 6)
    memory = Recall()
    day = memory.note(wiring, rows_of(seen, [0, 1, 2]))
    size = sum(value.nbytes for value in vars(day).values())
    monkeypatch.setattr(recall, "MOST_BYTES", 1.5 * size)
    memory.note(wiring, rows_of(seen, [3, 4, 5]))
    planned.clear()
    memory.day(wiring, seen)
    assert planned == [3]
    memory.forget()
    memory.day(wiring, seen)
    assert planned == [3, 6]


@pytest.mark.parametrize("topologies", [["triangle"], ["triangle", "gen:12:3"]])
def test_ppo_plans_each_observation_of_a_rollout_once(planned, topologies):
    configs = [config(topology) for topology in topologies]
    env = make_vec_env(configs if len(configs) > 1 else configs[0], 4, seed=1)
    grids = [(make_vec_env(each, 1).arrays, each) for each in configs]
    kwargs = {"grids": grids, "width": 16}
    model = PPO(GraphActorCriticPolicy, env, n_steps=6, batch_size=8, n_epochs=3, policy_kwargs=kwargs, device="cpu")
    model.learn(48)
    judged = 2 * 4 + 2 * 4  # the value of what comes after a rollout, and of where an episode has ended
    assert 48 <= sum(planned) <= 48 + judged
