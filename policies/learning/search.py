"""Learning by search: noise on the weights of the last layer, the same throughout an episode, and what came of it.

Where lines fail, an episode's cost has jumps and rare large losses, and its gradient says little of the mean cost. What
the mean cost does when weights change is then better measured: each episode is run twice, with noise added to the
weights and with the same noise taken off (parameter-exploring policy gradients with symmetric samples; Sehnke and
others, Neural Networks 23(4), 2010). The difference of the two, times the noise, is the gradient on average.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from envs import GridBatch
from policies.learning.descent import Losses, descend
from policies.networks import GraphActorCriticPolicy

NOISE = 0.1  # standard deviation, of each weight


class SearchLearner:
    """Changes the last layer of a policy by what noise on it gained, in as many episodes as the batch has envs.

    Args:
        policy: reads the batch's observations; its own optimizer is used.
        batch: at least two envs; each episode is run by two of them, of an odd number the last one is idle.
    """

    def __init__(self, policy: ActorCriticPolicy, batch: GridBatch) -> None:
        self.policy, self.batch = policy, batch

    def update(self, learning_rate: float) -> float:
        """Run B / 2 episodes twice, learn from them, and give back their mean reward."""
        return descend(self.policy, learning_rate, [self.losses()])

    def losses(self) -> Losses:
        """One loss, whose gradient is the measured one."""
        layer, pairs = last_layer(self.policy), self.batch.batch_size // 2
        parts = [torch.randn(pairs, *weights.shape) for weights in (layer.weight, layer.bias)]
        rewards = self._episodes(layer, [torch.cat([NOISE * part, -NOISE * part]) for part in parts])
        gained = (rewards[:pairs] - rewards[pairs:]) / (2.0 * NOISE * pairs)
        rises = [torch.tensordot(gained, part, 1) for part in parts]
        loss = -sum((weights * rise).sum() for weights, rise in zip((layer.weight, layer.bias), rises, strict=True))
        yield loss / self.batch.horizon, float(rewards.mean())

    def _episodes(self, layer: nn.Linear, noise: list[Tensor]) -> Tensor:
        """(2P,) sums of rewards of P episodes, each run twice, with noise (2P, ·) on weights and bias of the layer."""
        batch, rows = self.batch, len(noise[0])
        extra = [torch.zeros(batch.batch_size - rows, *part.shape[1:]) for part in noise]
        weight, bias = (torch.cat(parts) for parts in zip(noise, extra, strict=True))

        def add(_: Any, given: tuple[Tensor], done: Tensor) -> Tensor:
            return done + torch.einsum("...bi,boi->...bo", given[0], weight) + bias

        seeds = torch.randint(2**31, (batch.batch_size,)).tolist()
        seeds[rows // 2 : rows] = seeds[: rows // 2]
        batch.seed(seeds)
        observation, total, done = batch.reset(), 0.0, False
        hook = layer.register_forward_hook(add)
        try:
            while not done:
                actions, _ = self.policy.predict(observation, deterministic=True)
                observation, reward, done, *_ = batch.step(actions)
                total = total + reward
        finally:
            hook.remove()
        return torch.as_tensor(total, dtype=torch.float32)[:rows]


def last_layer(policy: ActorCriticPolicy) -> nn.Linear:
    """The layer that gives the mean actions."""
    return cast(nn.Linear, policy.network.unit[-1] if isinstance(policy, GraphActorCriticPolicy) else policy.action_net)
