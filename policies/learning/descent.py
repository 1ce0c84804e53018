"""One update of a policy from losses: those of one grid, or of several whose gradients are added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

MOST_NORM = 1.0  # of a gradient

Losses = Iterator[tuple[Tensor, float]]
"""What one grid's episodes teach, a loss for each step of the optimizer, with the episodes' mean reward beside it."""


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
        told = []
        for each in tuple(running):
            lesson = next(each, None)
            if lesson is None:
                running.remove(each)
            else:
                loss, reward = lesson
                (share * loss).backward()
                told.append(reward)
        if told:
            nn.utils.clip_grad_norm_(policy.parameters(), MOST_NORM)
            optimizer.step()
            rewards = told
    return sum(rewards) / len(rewards)
