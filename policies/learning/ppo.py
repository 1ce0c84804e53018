"""The stage ppo: stable-baselines3's PPO around a policy that other stages train as well."""

from __future__ import annotations

from math import log
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy

from envs import GridBatch
from policies.config import TrainConfig
from policies.learning.torch_ppo import TorchPPO
from policies.side_by_side import SideBySide
from policies.vec_env import GridVecEnv

MOST_PAIRED = 16
LEAST_EXPLORATION_FRAC = 0.05  # of the first one


class PPOLearner:
    """PPO, from scratch or of a trained policy.

    Three things would make a trained policy worse. Demand and weather move the rewards far more than small explorations
    do: so on one grid several envs run the same episodes, and what counts is what one gains over the others. A discount
    undervalues what is stored, which is paid for at the end: so there is none. And whoever explores keeps away from the
    limits of lines, at a price: so exploration falls to nothing together with the learning rate.

    Args:
        policy: is trained, by its own optimizer; off the CPU the rollout, too, stays on its device.
        envs: that it is trained in; their episodes start anew.
        config: of the training.
        seed: of the episodes, where they are of one grid; those of several follow from their rotation.
        steps: taken before.
        logger: of PPO's own figures.
    """

    def __init__(
        self,
        policy: ActorCriticPolicy,
        envs: GridBatch | SideBySide,
        config: TrainConfig,
        seed: int,
        steps: int = 0,
        logger: Logger | None = None,
    ) -> None:
        self.config, self._rate = config, 0.0
        self._paired = is_paired(config)
        together = [count for count in range(1, MOST_PAIRED + 1) if envs.batch_size % count == 0]
        env = GridVecEnv(envs, max(together) if self._paired else 1)
        if isinstance(envs, GridBatch):
            env.seed(seed)
        kind = PPO if policy.device.type == "cpu" else TorchPPO
        self.model = kind(
            cast(Any, lambda *_args, **_kwargs: policy),  # in place of a class, which PPO calls once to make its policy
            env,
            n_steps=envs.horizon,
            batch_size=_divisor_near(envs.horizon * env.num_envs, config.batch_size),
            n_epochs=config.n_epochs,
            gamma=1.0 if self._paired else config.gamma,
            gae_lambda=1.0 if self._paired else config.gae_lambda,
            learning_rate=lambda _left: self._rate,
            stats_window_size=env.num_envs,
            device=policy.device,
        )
        self.model.num_timesteps = steps
        if logger is not None:
            self.model.set_logger(logger)

    def update(self, learning_rate: float) -> float:
        """Run one episode in every env, learn from all of them, and return their mean reward."""
        model, self._rate = self.model, learning_rate
        if self._paired:
            left = max(learning_rate / self.config.tuning_learning_rate, LEAST_EXPLORATION_FRAC)
            with torch.no_grad():
                model.policy.log_std.fill_(self.config.tuning_log_std + log(left))
        if model.ep_info_buffer is not None:
            model.ep_info_buffer.clear()  # of the update before
        model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)
        return float(np.mean([episode["r"] for episode in model.ep_info_buffer or []]))


def is_paired(config: TrainConfig) -> bool:
    """Whether PPO tunes a policy of one grid, so that several envs can run the same episodes."""
    return config.ppo_tunes and config.policy != "graph"


def _divisor_near(total: int, wanted: int) -> int:
    """The divisor of the total nearest to what is wanted, so that no batch is smaller than the others."""
    return min((d for d in range(2, total + 1) if total % d == 0), key=lambda d: abs(d - wanted))
