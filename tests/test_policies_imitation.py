"""The stage optimum teaches what the provable optimum does, and hands a policy over that later stages improve."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from congested import congested_grid
from envs import EnvConfig, GridBatch, Problem
from grid import Setpoint
from grid.planning.optimum import optimum
from policies.agent import read_weights
from policies.config import TrainConfig
from policies.learning.gradient import discounted
from policies.learning.imitation import ImitationLearner
from policies.learning.loop import read_curve, read_resume, what_stages_reached
from policies.learning.start import build, training_grids
from policies.learning.train import train
from policies.networks.build import make_policy, observed, start_from_merit

CONFIG = EnvConfig(topology=congested_grid(), horizon=10)


def learner(policy="mlp", episodes=24, **kwargs):
    torch.manual_seed(0)
    config = TrainConfig(policy=policy, width=32, graph_width=16)
    batch = GridBatch(observed(CONFIG, config), episodes, seed=3)
    network = make_policy(config, batch.observation_space, batch.action_space, [batch.arrays])
    start_from_merit(network, batch.problem)
    return ImitationLearner(network, batch, gamma=0.9, **kwargs), network, batch


def test_the_lessons_are_the_optimum_and_its_rewards():
    teacher, _, batch = learner()
    start = GridBatch(batch.config, 24, seed=3)
    start.reset()
    lessons = teacher.lessons()
    best = [optimum(batch.arrays, start.episode_inputs(i), batch.prices).cost for i in range(24)]
    expected = (start.reference_cost.sum() - sum(best)) / batch.problem.reward_scale / 24
    assert lessons.reward == pytest.approx(expected, rel=1e-3)
    actions = lessons.actions.reshape(10, 24, -1)
    assert (actions.abs() <= 1).all()
    rewards = torch.stack([torch.as_tensor(start.step(action.numpy())[1]) for action in actions])
    assert float(rewards.sum()) / 24 == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(lessons.returns, discounted(rewards, 0.9).flatten(), atol=1e-3)


def test_in_ac_the_lessons_are_schedules_that_hold_there():
    """Those of DC overload lines in AC, and earn less."""
    config = TrainConfig(policy="mlp", width=32)
    problem = Problem.of(observed(EnvConfig(topology="case14", flow="ac", horizon=12), config))
    batch = GridBatch(problem, 4, seed=3)
    network = make_policy(config, batch.observation_space, batch.action_space, [batch.arrays])
    taught = ImitationLearner(network, batch, gamma=0.9).lessons().reward
    batch.seed(3)
    batch.reset()
    plans = [optimum(batch.arrays, batch.episode_inputs(i), batch.prices) for i in range(4)]
    total = 0.0
    for t in range(12):
        gen_mw = np.stack([plan.gen_mw[t] for plan in plans])
        total += batch.step_setpoint(Setpoint(gen_mw, np.stack([plan.store_mw[t] for plan in plans])))[1].mean()
    assert taught > total + 0.1


@pytest.mark.parametrize("policy", ["mlp", "extractor"])
def test_when_the_time_is_over_it_learns_from_what_it_has_solved(policy, monkeypatch):
    monkeypatch.setattr("policies.learning.imitation.cores", lambda: 1)
    all_solved = learner(policy)[0].lessons()
    asked = iter([True] * 4 + [False] * 100)
    teacher, network, _ = learner(policy, has_time=lambda: next(asked))
    before = network.action_net.weight.detach().clone()
    some = teacher.lessons()
    assert torch.equal(some.actions.reshape(10, 5, -1), all_solved.actions.reshape(10, 24, -1)[:, :5])
    assert torch.equal(some.returns.reshape(10, 5), all_solved.returns.reshape(10, 24)[:, :5])
    teacher.update(3e-3)  # one episode, for which no time is asked
    assert not torch.equal(before, network.action_net.weight)


def test_returns_are_discounted_sums():
    assert discounted(torch.tensor([[1.0], [2.0], [4.0]]), 0.5).flatten().tolist() == [3.0, 4.0, 4.0]


def test_the_lessons_do_not_depend_on_the_number_of_threads(monkeypatch):
    teacher, _, batch = learner()
    one = teacher.lessons()
    monkeypatch.setattr("policies.learning.imitation.cores", lambda: 1)
    batch.reset(3)
    again, _, _ = learner()
    other = again.lessons()
    assert torch.equal(one.actions, other.actions)
    assert torch.equal(one.returns, other.returns)


@pytest.mark.parametrize("policy", ["mlp", "extractor"])
def test_imitation_comes_near_the_actions_and_the_returns(policy):
    teacher, network, _ = learner(policy)
    lessons = teacher.lessons()  # of episodes that the updates do not see

    def distance():
        ((seen, actions, returns),) = lessons.batches(len(lessons.actions))
        with torch.no_grad():
            mean = network.get_distribution(seen).distribution.mean
            values = network.predict_values(seen).squeeze(-1)
        return float((mean - actions).square().mean()), float((values - returns).square().mean())

    before = distance()
    for _ in range(5):
        teacher.update(3e-3)
    after = distance()
    assert after[0] < 0.8 * before[0]
    assert after[1] < 0.7 * before[1]


def test_all_stages_run_in_turn_and_each_starts_from_the_best_so_far(tmp_path):
    config = TrainConfig(
        policy="mlp", stages=("optimum", "gradient", "ppo"), steps=8 * 40, n_envs=4, batch_size=40, width=16
    )
    run = tmp_path / "run"

    def stop(done, text):
        if text.startswith("240 steps"):  # the first update of the last stage
            raise KeyboardInterrupt

    train(CONFIG, config, run, progress=stop)
    state = read_resume(run)
    assert (state["stage"], state["steps"]) == ("ppo", 200)
    assert (state["policy"]["log_std"] == config.tuning_log_std).all()
    best = build(config, training_grids(config, [CONFIG]))[0]
    read_weights(run, best)
    kept = [name for name in best.state_dict() if name != "log_std" and "value_net" not in name]
    assert all(torch.equal(best.state_dict()[name], state["policy"][name]) for name in kept)
    assert state["policy"]["value_net.weight"].abs().max() == 0  # the critic of another reward

    train(CONFIG, config, tmp_path / "whole")
    with (tmp_path / "whole" / "stages.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], int(row["steps"])) for row in rows] == [
        ("untrained", 0),
        ("optimum", 80),
        ("gradient", 200),
        ("ppo", 320),
    ]
    costs = [float(row["validation_cost_frac"]) for row in rows]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(read_resume(tmp_path / "whole")["best"])


@pytest.mark.slow
def test_ppo_improves_what_it_is_handed_and_explores_ever_closer_to_it(tmp_path):
    steps = 12 * 64 * 24
    config = TrainConfig(policy="mlp", stages=("optimum", "ppo"), steps=steps, n_envs=64, batch_size=384, width=32)
    train(dataclasses.replace(CONFIG, horizon=12), config, tmp_path / "run")
    _, handed, tuned = what_stages_reached(read_curve(tmp_path / "run"))
    assert tuned["validation_cost_frac"] < handed["validation_cost_frac"] - 0.005
    explored = [row["std"] for row in read_curve(tmp_path / "run") if row["stage"] == "ppo"]
    assert explored == pytest.approx(np.exp(config.tuning_log_std) * np.arange(18, 0, -1) / 18, rel=1e-2)


def test_each_stage_has_a_rate_of_its_own():
    config = TrainConfig(policy="mlp", stages=("optimum", "gradient", "ppo"))
    rates = [config.rate(stage) for stage in config.stages]
    assert rates == [config.optimum_learning_rate, config.gradient_learning_rate, config.tuning_learning_rate]
    assert dataclasses.replace(config, stages=("ppo",)).rate("ppo") == config.learning_rate
