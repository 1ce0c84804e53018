"""The stages of training: ways of learning that follow each other, each from where the last one left the policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log
from typing import Any, Protocol, cast

import numpy as np
import torch
from stable_baselines3 import PPO

from envs import GridBatch
from policies.config import TrainConfig
from policies.learning.gradient import GradientLearner
from policies.learning.imitation import ImitationLearner
from policies.learning.rotation import RotatingLearner
from policies.networks import GraphActorCriticPolicy
from policies.side_by_side import SideBySide
from policies.vec_env import GridVecEnv

MOST_RIVALS = 16
LEAST_EXPLORATION_FRAC = 0.05  # of the first one


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
        if model.ep_info_buffer is not None:
            model.ep_info_buffer.clear()  # of the update before
        model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)
        return float(np.mean([episode["r"] for episode in model.ep_info_buffer or []]))


class TuningLearner(PPOLearner):
    """PPO that is handed a trained policy, of which three things would make it worse.

    Demand and weather move the rewards far more than small explorations do: so several envs run the same episodes, and
    what counts is what one gains over the others. A discount undervalues what is stored, which is paid for at the end:
    so there is none. And whoever explores keeps away from the limits of lines, at a price: so exploration falls to
    nothing together with the learning rate.
    """

    def __init__(self, model: PPO, config: TrainConfig) -> None:
        super().__init__(model)
        self.config = config
        env = cast(GridVecEnv, model.get_env())
        env.rivals = max(count for count in range(1, MOST_RIVALS + 1) if env.num_envs % count == 0)
        model.gamma = model.gae_lambda = model.rollout_buffer.gamma = model.rollout_buffer.gae_lambda = 1.0

    def update(self, learning_rate: float) -> float:
        """Collect and learn, exploring as far as the learning rate has come down."""
        left = max(learning_rate / self.config.tuning_learning_rate, LEAST_EXPLORATION_FRAC)
        with torch.no_grad():
            self.model.policy.log_std.fill_(self.config.tuning_log_std + log(left))
        return super().update(learning_rate)


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
        "ppo": TuningLearner(model, config) if _is_compared(config) else PPOLearner(model),
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


def _is_compared(config: TrainConfig) -> bool:
    """Whether PPO tunes a policy of one grid, so that several envs can run the same episodes."""
    return config.ppo_tunes and config.policy != "graph"


def hand_over(model: PPO, stage: str, config: TrainConfig) -> None:
    """Prepare a trained policy for the next stage, which must improve it and not throw it away.

    What the optimizer knows is of another objective, and PPO explores only close to what it was handed. Where it is
    rewarded for what is gained over others, the critic starts at nothing.
    """
    model.policy.optimizer.state.clear()
    if stage == "ppo":
        with torch.no_grad():
            model.policy.log_std.fill_(config.tuning_log_std)
            if _is_compared(config):
                for weight in model.policy.value_net.parameters():
                    weight.zero_()
