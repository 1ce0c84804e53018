"""The stages of training: ways of learning that follow each other, each from where the last one left the policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from envs import GridBatch
from policies.config import TrainConfig
from policies.learning.descent import Losses, descend
from policies.learning.gradient import GradientLearner
from policies.learning.imitation import ImitationLearner
from policies.learning.ppo import is_paired
from policies.learning.search import SearchLearner
from policies.networks import GraphActorCriticPolicy
from policies.side_by_side import SideBySide


class Learner(Protocol):
    """A way of learning. It keeps nothing between two updates but the policy with its optimizer, and the envs."""

    def update(self, learning_rate: float) -> float:
        """Run one episode in every env, learn from all of them, and return their mean reward."""


class ManyGridsLearner:
    """The stages but PPO on several grids: adds up the gradients of the grids whose turn it is.

    Args:
        kind: makes the learner of one grid, from the policy and the grid's envs.
        policy: of all grids.
        envs: of all grids, which share out the episodes of an update and know whose turn it is.
    """

    def __init__(
        self,
        kind: Callable[[ActorCriticPolicy, GridBatch], GradientLearner | ImitationLearner | SearchLearner],
        policy: GraphActorCriticPolicy,
        envs: SideBySide,
    ) -> None:
        self.kind, self.policy, self.envs = kind, policy, envs

    def update(self, learning_rate: float) -> float:
        """Learn from the grids of the coming turn, and return the mean reward of their episodes."""
        return descend(self.policy, learning_rate, [self._of(*turn) for turn in self.envs.next_batches()])

    def _of(self, position: int, batch: GridBatch) -> Losses:
        """The losses of one grid; the policy is turned to it whenever one is computed."""
        self.policy.turn_to(position)
        for loss in self.kind(self.policy, batch).losses():
            yield loss
            self.policy.turn_to(position)


def make_learner(
    stage: str,
    policy: ActorCriticPolicy,
    envs: GridBatch | SideBySide,
    config: TrainConfig,
    has_time: Callable[[], bool],
) -> Learner:
    """The learner of a stage other than PPO; ``has_time`` tells whether the running update may go on."""
    kinds: dict[str, Any] = {
        "optimum": partial(ImitationLearner, has_time=has_time, gamma=config.gamma),
        "gradient": partial(GradientLearner, tail_frac=config.tail_frac, gamma=config.gamma),
        "search": SearchLearner,
    }
    kind = kinds[stage]
    if isinstance(envs, SideBySide):
        return ManyGridsLearner(kind, cast(GraphActorCriticPolicy, policy), envs)
    return cast(Learner, kind(policy, envs))


def hand_over(policy: ActorCriticPolicy, stage: str, config: TrainConfig) -> None:
    """Prepare a trained policy for the next stage, which must improve it and not throw it away.

    What the optimizer knows is of another objective, and PPO explores only close to what it was handed. Where it is
    rewarded for what is gained over paired envs, the critic starts at nothing.
    """
    policy.optimizer.state.clear()
    if stage == "ppo":
        with torch.no_grad():
            policy.log_std.fill_(config.tuning_log_std)
            if is_paired(config):
                for weight in policy.value_net.parameters():
                    weight.zero_()
