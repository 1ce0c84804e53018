"""Learning by the gradient through the step: an episode runs in torch, and its cost is differentiated.

Demand and weather do not depend on the actions, so nothing has to be estimated: the gradient is exact wherever the cost
has one. The critic is fitted to the same episodes' returns, so that PPO can go on from here.
"""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from envs import GridBatch, of_parts
from policies.learning.descent import Losses, descend
from policies.learning.torch_episode import TorchEpisodes
from policies.networks import GraphActorCriticPolicy

OUTSIDE_WEIGHT = 0.5  # of the mean square by which raw actions leave [−1, 1], where clipping would stop all learning
CRITIC_WEIGHT = 0.1
GRAPH_JUDGED = 8  # the critic of a graph network, which takes its time, learns from every so many steps


class GradientLearner:
    """Improves the mean action of a policy on the episodes of a batch; each update runs and learns from B episodes.

    Args:
        policy: reads the batch's observations; its own optimizer is used.
        batch: the envs; reset here before each update.
        gamma: discount of the returns that the critic learns.
        tail_frac: share of the episodes of an update, the worst, whose mean return is raised.
    """

    def __init__(self, policy: ActorCriticPolicy, batch: GridBatch, gamma: float, tail_frac: float = 1.0) -> None:
        self.policy, self.batch, self.gamma, self.tail_frac = policy, batch, gamma, tail_frac
        self._episodes = TorchEpisodes(batch, policy.device)
        self._is_graph = isinstance(policy, GraphActorCriticPolicy)
        self._judged = GRAPH_JUDGED if self._is_graph else 1

    def update(self, learning_rate: float) -> float:
        """Run B episodes, follow the gradient of their return, and give back its mean."""
        return descend(self.policy, learning_rate, [self.losses()])

    def losses(self) -> Losses:
        """One loss, of B fresh episodes."""
        self.batch.reset()
        rewards, values, outside = self.episode()
        returns = discounted(rewards.detach().float(), self.gamma)[:: self._judged]
        total = rewards.sum(0)
        worst = torch.topk(total, max(1, round(self.tail_frac * len(total))), largest=False).values
        critic = (values - returns).square().mean()
        if self._is_graph:  # whose rewards are in parts of what there is to gain, so that returns are large
            critic = critic / returns.var(correction=int(returns.numel() > 1)).clamp(min=1.0)
        loss = OUTSIDE_WEIGHT * outside + CRITIC_WEIGHT * critic - worst.mean() / self.batch.horizon
        yield loss, float(total.detach().mean())

    def episode(self) -> tuple[Tensor, Tensor, Tensor]:
        """Run the batch's episodes from their first step.

        Returns:
            Rewards (T, B) with their gradient, the critic's values at the judged steps (J, B), and how far raw actions
            lie outside [−1, 1].
        """
        values, outside = [], []

        def act(t: int, seen: Any) -> Tensor:
            asked = mean_action(self.policy, seen).to(self._episodes.dtype)
            actions = asked.clamp(-1.0, 1.0)
            outside.append((asked - actions).square().mean())
            if t % self._judged == 0:
                values.append(self.policy.predict_values(of_parts(seen, Tensor.detach)).squeeze(-1))
            return actions

        rewards = self._episodes.run(act)
        return rewards, torch.stack(values), torch.stack(outside).mean()


def discounted(rewards: Tensor, gamma: float) -> Tensor:
    """Returns (T, B) from rewards (T, B)."""
    returns = rewards.clone()
    for t in range(len(returns) - 2, -1, -1):
        returns[t] += gamma * returns[t + 1]
    return returns


def mean_action(policy: ActorCriticPolicy, observation: Any) -> Tensor:
    """(B, A) mean of the policy's actions, before they are cut to [−1, 1]."""
    distribution: Any = policy.get_distribution(observation).distribution
    return distribution.mean
