"""The stage search: what noise on the last layer gained is the gradient of the mean reward."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from congested import congested_grid
from envs import EnvConfig, of_parts
from grid import GridError
from policies import TrainConfig
from policies.learning import search
from policies.learning.search import SearchLearner, last_layer
from policies.learning.start import build, training_grids

CONFIG = EnvConfig(congested_grid(), horizon=6, action="store-values")


def made(policy: str, n_envs: int = 8, config: EnvConfig = CONFIG):
    settings = TrainConfig(policy=policy, stages=("search",), steps=100, n_envs=n_envs, width=8, graph_width=8)
    return build(settings, training_grids(settings, [config]))


class Pull:
    """Envs that pay for actions along a target, and add luck that depends on the episode alone."""

    def __init__(self, envs, target):
        self.envs, self.target, self.batch_size, self.horizon = envs, target, envs.batch_size, 3

    def seed(self, seeds):
        self.luck = np.array([np.random.default_rng(seed).normal() for seed in seeds])

    def reset(self):
        self.t = 0
        seen = self.envs.reset(0)
        self.seen = of_parts(seen, lambda part: np.repeat(part[:1], self.batch_size, axis=0))
        return self.seen

    def step(self, actions):
        self.t += 1
        return self.seen, 100.0 * self.luck + actions @ self.target, self.t == self.horizon


@pytest.mark.parametrize("policy", ["mlp", "extractor", "graph"])
def test_the_loss_has_the_gradient_of_the_mean_reward(policy):
    """A reward that is linear in the actions, and luck a hundred times as large that both runs of an episode share."""
    torch.manual_seed(0)
    network, envs = made(policy, 16000)
    target = np.linspace(-0.5, 1, envs.action_space.shape[0])
    batch = Pull(envs, target)
    ((loss, _),) = SearchLearner(network, batch).losses()
    network.optimizer.zero_grad()
    loss.backward()
    layer = last_layer(network)
    found = layer.weight.grad.clone(), layer.bias.grad.clone()
    assert {name for name, weights in network.named_parameters() if weights.grad is not None} == {
        name for name, weights in network.named_parameters() if weights is layer.weight or weights is layer.bias
    }
    network.optimizer.zero_grad()
    seen = of_parts(batch.seen, lambda part: torch.as_tensor(part[:1]))
    mean = network.get_distribution(seen).distribution.mean[0]
    (-(mean * torch.as_tensor(target, dtype=torch.float32)).sum()).backward()
    for ours, exact in zip(found, (layer.weight.grad, layer.bias.grad), strict=True):
        assert (ours - exact).norm() < 0.2 * exact.norm() + 0.02


@pytest.mark.parametrize("n_envs", [8, 9])
def test_both_runs_of_an_episode_meet_the_same_world(n_envs, monkeypatch):
    monkeypatch.setattr(search, "NOISE", 1e-9)
    network, envs = made("graph", n_envs)
    learner = SearchLearner(network, envs)
    noise = [torch.zeros(8, *part.shape) for part in (last_layer(network).weight, last_layer(network).bias)]
    rewards = learner._episodes(last_layer(network), noise)
    assert torch.equal(rewards[:4], rewards[4:])
    assert len(set(rewards[:4].tolist())) == 4
    again = learner._episodes(last_layer(network), noise)
    assert not torch.equal(rewards, again)


def test_the_gradient_does_not_know_security():
    settings = TrainConfig(policy="graph", stages=("gradient",), steps=100, n_envs=2, graph_width=8)
    wanted = (
        r"train.stages: found gradient with the actions 'secure-values'; allowed: stages that need no slope of secur"
    )
    with pytest.raises(GridError, match=wanted):
        build(settings, training_grids(settings, [EnvConfig(congested_grid(), horizon=6, action="secure-values")]))


def test_what_search_cannot_do_is_refused():
    with pytest.raises(GridError, match=r"train.n_envs: found 1; allowed: at least two for each grid of an upd"):
        made("graph", 1)
    with pytest.raises(GridError, match=r"train.device: found 'cuda' with the stage search; allowed: cpu, where"):
        TrainConfig(policy="mlp", stages=("search",), device="cuda")
