"""The networks of an agent, as stable-baselines3 builds them, by the kind of policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from envs import EnvConfig, GridBatch, Problem
from grid import GridArrays
from policies.config import OBSERVATIONS, TrainConfig
from policies.networks.graph_policy import GraphActorCriticPolicy

KINDS: dict[str, type[ActorCriticPolicy]] = {
    "mlp": ActorCriticPolicy,
    "extractor": MultiInputActorCriticPolicy,
    "graph": GraphActorCriticPolicy,
}

STANDARD_EPISODES = 64
LEAST_SPREAD = 0.1  # of an entry; entries are per unit, so that less is noise


class Standardised(BaseFeaturesExtractor):
    """The flat observation, each entry less its mean and divided by its spread, both of which are saved as weights."""

    mean: Tensor
    spread: Tensor

    def __init__(self, observation_space: spaces.Box) -> None:
        size = int(np.prod(observation_space.shape))
        super().__init__(observation_space, size)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    def forward(self, observations: Tensor) -> Tensor:
        """(B, F) to (B, F)."""
        return (observations - self.mean) / self.spread

    def measure(self, problem: Problem) -> None:
        """Take mean and spread from episodes of the merit-order rule; the same for every seed."""
        batch = GridBatch(problem.replace(split="train"), STANDARD_EPISODES, seed=0)
        idle = np.zeros((STANDARD_EPISODES, *batch.action_space.shape))
        seen = np.concatenate([batch.reset(), *(batch.step(idle)[0] for _ in range(batch.horizon - 1))])
        self.mean.copy_(torch.as_tensor(seen.mean(axis=0)))
        self.spread.copy_(torch.as_tensor(np.maximum(seen.std(axis=0), LEAST_SPREAD)))


def observed(env_config: EnvConfig, config: TrainConfig) -> EnvConfig:
    """The env with the observation that the policy reads, and the actions that it means."""
    seen = dataclasses.replace(env_config, observation=OBSERVATIONS[config.policy])
    if config.policy != "graph":
        return seen
    if seen.plans:
        return seen
    return dataclasses.replace(seen, action="plan" if seen.gate_h else "bids")


def _kwargs(config: TrainConfig, grids: Sequence[GridArrays]) -> dict[str, Any]:
    """What the policy class is built with."""
    kwargs: dict[str, Any] = {"log_std_init": config.log_std, "optimizer_kwargs": {"eps": 1e-5, "fused": True}}
    if config.policy == "graph":
        return kwargs | {"grids": grids, "width": config.graph_width, "layers": config.graph_layers}
    kwargs |= {"net_arch": [config.width, config.width], "activation_fn": nn.ReLU}
    if config.policy == "mlp":
        kwargs["features_extractor_class"] = Standardised
    else:
        from policies.networks.extractor import GraphExtractor

        kwargs["features_extractor_class"] = GraphExtractor
        kwargs["features_extractor_kwargs"] = {
            "arrays": grids[0],
            "width": config.graph_width,
            "layers": config.graph_layers,
        }
    return kwargs


def start_from_merit(policy: ActorCriticPolicy, problem: Problem) -> None:
    """Scale the inputs, and make the first action 0: the merit order, redispatched, or with bids the plan."""
    if isinstance(policy.features_extractor, Standardised):
        policy.features_extractor.measure(problem)
    if not isinstance(policy, GraphActorCriticPolicy):  # which starts there by itself
        for weight in policy.action_net.parameters():
            nn.init.zeros_(weight)


def make_policy(
    config: TrainConfig, seen: spaces.Space[Any], acted: spaces.Space[Any], grids: Sequence[GridArrays]
) -> ActorCriticPolicy:
    """A network without trained weights, for spaces of observations and actions, and for these grids."""
    rate = config.rate(config.plan[0])
    return KINDS[config.policy](seen, acted, lambda _left: rate, **_kwargs(config, grids))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads inside the block: these networks are too small for more than a few."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
