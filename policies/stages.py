"""The stages of training: ways of learning that follow each other, each from where the last one left the policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy

from envs import GridBatch
from policies.config import TrainConfig
from policies.gradient import GradientLearner
from policies.graph_policy import GraphActorCriticPolicy
from policies.imitation import ImitationLearner
from policies.rotation import RotatingLearner
from policies.sb3_vec_env import GridVecEnv
from policies.side_by_side import SideBySide


class Learner(Protocol):
    """A way of learning. It knows a policy, a batch and the batch's action map, whatever grid they are of."""

    def update(self, learning_rate: float) -> float:
        """Run one episode in every env, learn from all of them, and return their mean reward."""


class PPOLearner:
    """stable-baselines3's PPO."""

    def __init__(self, model: PPO) -> None:
        self.model = model

    def update(self, learning_rate: float) -> float:
        """Collect and learn; the rate is read through the model's own schedule."""
        model = self.model
        model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)
        return float(model.rollout_buffer.rewards.sum()) / model.n_envs


def batch_of(model: PPO) -> GridBatch | SideBySide:
    """The batch behind the envs of a model."""
    return cast(GridVecEnv, model.get_env()).batch


def learners(model: PPO, config: TrainConfig, has_time: Callable[[], bool]) -> dict[str, Learner]:
    """Each stage by its name; ``has_time`` tells whether the running one may go on."""
    batch = batch_of(model)

    def learner(kind: Any) -> Learner:
        if isinstance(batch, SideBySide):
            policy = cast(GraphActorCriticPolicy, model.policy)
            return RotatingLearner(kind, policy, batch, config.gamma)
        return kind(model.policy, batch, config.gamma)

    return {
        "optimum": learner(partial(ImitationLearner, has_time=has_time)),
        "gradient": learner(GradientLearner),
        "ppo": PPOLearner(model),
    }


def start_episodes(model: PPO, seed: int, update: int) -> None:
    """Start all random streams and the episodes anew, at this update of the run."""
    batch = batch_of(model)
    model.set_random_seed(seed)
    if isinstance(batch, SideBySide):
        batch.rotation.turn = update  # which is all that its episodes depend on
    else:
        batch.reset(seed)
    model._last_obs = None  # makes SB3 reset the envs


def hand_over(policy: ActorCriticPolicy, stage: str, config: TrainConfig) -> None:
    """Prepare a trained policy for the next stage, which must improve it and not throw it away.

    What the optimizer knows is of another objective, and PPO explores only close to what it was handed.
    """
    policy.optimizer.state.clear()
    if stage == "ppo":
        with torch.no_grad():
            policy.log_std.fill_(config.tuning_log_std)
