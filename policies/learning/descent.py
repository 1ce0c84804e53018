"""One update of a policy from losses: those of one grid, or of several whose gradients are added up, on all ranks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from policies.learning.average import average

MOST_NORM = 1.0  # of a gradient

Losses = Iterator[tuple[Tensor, float]]
"""Of the episodes of one grid: a loss for each step of the optimizer, with the episodes' mean reward beside it."""


def descend(policy: ActorCriticPolicy, learning_rate: float, losses: Iterable[Losses]) -> float:
    """Take one step of the policy's own optimizer for each round of losses, one from every grid.

    Returns:
        The mean reward of the last losses.
    """
    optimizer = policy.optimizer
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    policy.set_training_mode(True)
    running, rewards = list(losses), [0.0]
    share = 1.0 / len(running)
    while running:
        optimizer.zero_grad(set_to_none=True)
        found = []
        for each in tuple(running):
            pair = next(each, None)
            if pair is None:
                running.remove(each)
            else:
                loss, reward = pair
                (share * loss).backward()
                found.append(reward)
        if found:
            gradients = [weight.grad for weight in policy.parameters() if weight.grad is not None]
            found = [average(gradients, sum(found) / len(found))]
            nn.utils.clip_grad_norm_(policy.parameters(), MOST_NORM)
            optimizer.step()
            rewards = found
    return sum(rewards) / len(rewards)
