"""The gradient stage differentiates the true cost, and the stages follow each other."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from congested import congested_grid
from envs import EnvConfig, GridBatch
from grid import GridError, Prices
from grid.physics import Protection
from policies.config import TrainConfig
from policies.learning.gradient import GRAPH_JUDGED, GradientLearner, mean_action
from policies.learning.loop import read_curve, read_resume
from policies.learning.train import resume, train
from policies.networks.build import make_policy, observed, start_from_merit
from slow_cases import slow

CONFIG = EnvConfig(topology=congested_grid(), horizon=10)
BIDS = dataclasses.replace(CONFIG, action="bids")


def stormy():
    """The same grid, whose lines fail."""
    grid = congested_grid()
    for line in grid.graph.edges.values():
        line.update(outage_rate_per_h=0.05, repair_h=3)
    return grid


WEATHER = {"gate_h": 1.0, "forecast_error_frac": 0.2, "weather_error_frac": 0.2}
RELAYS = Protection("count", heat_limit=1.0)  # a count is constant almost everywhere; heat is seen without its gradient
STORM = EnvConfig(
    stormy(),
    horizon=10,
    overload="trip",
    emergency_shedding=True,
    prices=Prices(trip_per_mwh=5),
    protection=RELAYS,
    **WEATHER,
)
STORM_BIDS = dataclasses.replace(STORM, action="bids")
THERMAL = EnvConfig("thermal:case14", horizon=10)
THERMAL_PLAN = dataclasses.replace(THERMAL, action="plan")
AC = EnvConfig("case14", horizon=10, flow="ac", action="bids", **WEATHER)


def learner(policy, seed=0, episodes=6, config=CONFIG):
    torch.manual_seed(seed)
    settings = TrainConfig(policy=policy, width=16, graph_width=8)
    env_config = observed(config, settings)
    batch = GridBatch(env_config, episodes, seed=3)
    network = make_policy(settings, batch.observation_space, batch.action_space, [batch.arrays])
    batch.reset()
    return GradientLearner(network, batch, gamma=0.9), network, batch


@pytest.mark.parametrize("policy", ["mlp", "extractor", "graph"])
@pytest.mark.parametrize(
    "config",
    [CONFIG, BIDS, STORM, STORM_BIDS, AC, THERMAL, THERMAL_PLAN],
    ids=["residual", "bids", "storm", "storm bids", "ac", "starts", "starts plan"],
)
def test_the_torch_episode_is_the_numpy_episode(policy, config):
    gradient, network, batch = learner(policy, config=config)  # the graph policy's actions are bids anyway
    with torch.no_grad():
        rewards, values, outside = gradient.episode()
    network.set_training_mode(False)
    batch.reset(3)
    observation, every, wide = batch.observation, GRAPH_JUDGED if policy == "graph" else 1, 0.0
    for t in range(batch.horizon):
        is_flat = policy == "mlp"
        seen = torch.as_tensor(observation) if is_flat else {k: torch.as_tensor(v) for k, v in observation.items()}
        if t % every == 0:
            critic = network.predict_values(seen)
            np.testing.assert_allclose(values[t // every], critic.detach().squeeze(-1), rtol=1e-4, atol=1e-5)
        mean = mean_action(network, seen).detach()
        wide += float((mean - mean.clamp(-1, 1)).square().mean())
        observation, reward, _ = batch.step(network.predict(observation, deterministic=True)[0])
        rounding = 1e-4 if config is THERMAL_PLAN else 1e-5  # single precision of actions moves the next plan as well
        np.testing.assert_allclose(rewards[t], reward, rtol=1e-5, atol=rounding)
    assert float(outside) == pytest.approx(wide / batch.horizon, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(("config", "rel"), [(CONFIG, 3e-3), (STORM, 1e-2)], ids=["calm", "storm"])
def test_the_gradient_of_the_return_equals_finite_differences(config, rel):
    """With lines out as well, some of which have tripped, and with decisions on forecasts."""
    by_torch, by_differences = both_gradients(config, 1e-4 if config is CONFIG else 1e-5)  # observations are float32
    assert by_torch == pytest.approx(by_differences, rel=rel, abs=1e-3)


def test_the_gradient_in_ac_is_near_that_of_the_cost_in_ac():
    """It is that of DC: losses and voltages have no part in it."""
    by_torch, by_differences = both_gradients(AC, 1e-4)
    along = by_torch @ by_differences / np.linalg.norm(by_torch) / np.linalg.norm(by_differences)
    assert along > 0.98
    assert np.linalg.norm(by_torch) == pytest.approx(np.linalg.norm(by_differences), rel=0.15)


def both_gradients(config, step):
    """(A,) slopes of the return by the biases of the mean action: of torch, and by central differences."""
    gradient, network, batch = learner("mlp", config=config)
    network.double()
    weight = network.action_net.bias
    with torch.no_grad():
        weight.copy_(torch.linspace(-0.31, 0.27, len(weight)))  # away from the kinks at 0

    def total():
        batch.reset(3)
        return gradient.episode()[0].sum()

    network.zero_grad()
    total().backward()
    differences = []
    every_third = range(0, len(weight), 3)
    for i in every_third:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[i] += sign * step
                values.append(float(total()))
                weight[i] -= sign * step
        differences.append((values[0] - values[1]) / (2 * step))
    return weight.grad.numpy()[every_third], np.array(differences)


def test_lines_are_out_and_trip_in_the_episodes_of_these_tests():
    gradient, _, batch = learner("mlp", config=STORM)
    with torch.no_grad():
        gradient.episode()
    assert batch.outlook.lines.back_h.any()
    batch.reset(3)
    trips, splits = 0, 0
    for _ in range(batch.horizon):
        batch.step(np.full((6, len(batch.arrays.controllable)), -0.3))
        trips += int(batch.last.outcome.tripped.sum())
        splits += batch.limits.outages is not None and batch.limits.outages.islands is not None
    assert trips > 0
    assert splits > 0


@pytest.mark.parametrize("policy", ["mlp", "extractor", "graph"])
def test_the_gradient_reaches_every_weight_of_the_mean_action_through_the_market(policy):
    gradient, network, _ = learner(policy, config=BIDS)
    if policy == "graph":
        with torch.no_grad():
            network.network.unit[-1].weight.normal_(0, 0.1)  # at 0 nothing beneath it is moved at first
    (gradient.episode()[0].sum() / 10).backward()
    if policy == "graph":
        acting = [*network.network.body.named_parameters(), *network.network.unit.named_parameters()]
    else:
        acting = [*network.action_net.named_parameters(), *network.mlp_extractor.policy_net.named_parameters()]
    for name, weight in acting:
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0, name


def test_updates_raise_the_return_and_move_the_critic():
    gradient, network, batch = learner("mlp", episodes=16)
    start_from_merit(network, batch.problem)
    first = gradient.update(3e-3)
    before = network.value_net.weight.detach().clone()
    last = [gradient.update(5e-3) for _ in range(14)][-4:]
    assert np.mean(last) > first + 0.1 * abs(first)
    assert not torch.equal(before, network.value_net.weight)


def test_stages_follow_each_other_with_their_own_rates(tmp_path):
    config = TrainConfig(policy="mlp", stages=("gradient", "ppo"), steps=600, n_envs=5, batch_size=25, width=16)
    train(CONFIG, config, tmp_path / "run")
    with (tmp_path / "run" / "progress.csv").open(encoding="utf-8") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)][1:]
    falling = np.arange(6, 0, -1) / 6
    expected = np.concatenate([config.gradient_learning_rate * falling, config.tuning_learning_rate * falling])
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("stage", ["gradient", *slow("optimum", "search", "ppo")])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(stage, tmp_path):
    """Network, optimizer and curve are the same to the bit."""
    config = TrainConfig(policy="mlp", stages=(stage,), steps=200, n_envs=5, batch_size=25, width=16)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(CONFIG, config, whole)

    def stop(done, text):
        if text.startswith("150 steps"):
            raise KeyboardInterrupt

    agent = train(CONFIG, config, parts, progress=stop)
    assert agent.stopped_early
    assert agent.predict(np.zeros(agent.policy.observation_space.shape, dtype=np.float32))[0].shape == (6,)
    assert 0 < read_resume(parts)["steps"] < 200
    assert not resume(parts).stopped_early
    one, other = read_resume(whole), read_resume(parts)
    assert one["steps"] == other["steps"] == 200
    assert all(torch.equal(value, other["policy"][name]) for name, value in one["policy"].items())
    moments = [state["optimizer"]["state"] for state in (one, other)]
    assert moments[0].keys() == moments[1].keys()
    for each in moments[0]:
        assert all(torch.equal(value, moments[1][each][name]) for name, value in moments[0][each].items())
    rows = [[{**row, "elapsed_s": 0.0} for row in read_curve(run)] for run in (whole, parts)]
    np.testing.assert_equal(rows[0], rows[1])


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            ("gradiant",),
            "train.stages: found 'gradiant'; allowed: optimum or gradient or search or ppo; did you mean 'gradient'?",
        ),
        (("ppo", "ppo"), "train.stages: found ('ppo', 'ppo'); allowed: each stage at most once; correct the value"),
    ],
)
def test_bad_stages_are_refused(stages, message):
    with pytest.raises(GridError) as caught:
        TrainConfig(policy="mlp", stages=stages)
    assert str(caught.value) == message


def test_without_stages_each_policy_takes_its_best():
    assert TrainConfig(policy="mlp").plan == TrainConfig(policy="extractor").plan == ("optimum", "gradient")
    assert TrainConfig().plan == TrainConfig(policy="graph").plan == ("gradient",)


def test_with_a_tail_the_worst_episodes_alone_are_improved():
    _, network, batch = learner("mlp", config=STORM, episodes=10)
    gradients = {}
    for share in (1.0, 0.1):
        batch.reset(3)
        batch.seed(3)
        network.zero_grad()
        loss, reward = next(GradientLearner(network, batch, 0.9, share).losses())
        loss.backward()
        gradients[share] = network.action_net.bias.grad.clone(), reward
    batch.reset(3)
    total = GradientLearner(network, batch, 0.9).episode()[0].sum(0)
    assert gradients[0.1][1] == pytest.approx(gradients[1.0][1])  # what is reported stays the mean
    worst = torch.autograd.grad(-total.min() / batch.horizon, network.action_net.bias)[0]
    assert torch.allclose(gradients[0.1][0], worst, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(gradients[1.0][0], worst, rtol=1e-2)


def test_a_tail_needs_the_gradient_stage():
    with pytest.raises(GridError, match=r"train\.tail_frac: found 0\.1 without the stage gradient"):
        TrainConfig(policy="mlp", stages=("ppo",), tail_frac=0.1)
