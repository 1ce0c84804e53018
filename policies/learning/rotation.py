"""The stages optimum and gradient on several grids: each update learns from the next ones of a rotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from envs import GridBatch
from policies.learning.descent import Losses, descend
from policies.networks import GraphActorCriticPolicy
from policies.side_by_side import SideBySide


class GridLearner(Protocol):
    """A way of learning from one grid."""

    def losses(self) -> Losses:
        """Run episodes and tell what they teach."""


class RotatingLearner:
    """Adds up the gradients of the grids whose turn it is.

    Args:
        kind: makes the learner of one grid, from the policy, the grid's envs and gamma.
        policy: of all grids.
        envs: of all grids, which share out the episodes of an update and know whose turn it is.
        gamma: discount of the returns that the critic learns.
    """

    def __init__(
        self,
        kind: Callable[[GraphActorCriticPolicy, GridBatch, float], GridLearner],
        policy: GraphActorCriticPolicy,
        envs: SideBySide,
        gamma: float,
    ) -> None:
        self.kind, self.policy, self.envs, self.gamma = kind, policy, envs, gamma

    def update(self, learning_rate: float) -> float:
        """Learn from the grids of the coming turn, and return the mean reward of their episodes."""
        return descend(self.policy, learning_rate, [self._of(*turn) for turn in self.envs.next_batches()])

    def _of(self, position: int, batch: GridBatch) -> Losses:
        """The losses of one grid; the policy is turned to it whenever one is computed."""
        self.policy.turn_to(position)
        for loss in self.kind(self.policy, batch, self.gamma).losses():
            yield loss
            self.policy.turn_to(position)
