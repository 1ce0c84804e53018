"""PPO whose rollout stays on the device of the policy; its update is that of stable-baselines3."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

from envs import of_parts
from policies.learning.gradient import discounted
from policies.learning.imitation import joined
from policies.learning.torch_episode import TorchEpisodes
from policies.vec_env import GridVecEnv, gain_over_others


class Rollout(NamedTuple):
    """What the update of PPO reads of a rollout buffer; S = T·B steps."""

    samples: RolloutBufferSamples  # tensors (S, ...)

    def get(self, batch_size: int) -> Iterator[RolloutBufferSamples]:
        """All steps once, shuffled, in batches."""
        observations, *parts = self.samples
        for chosen in torch.randperm(len(parts[0])).to(parts[0].device).split(batch_size):
            yield RolloutBufferSamples(of_parts(observations, itemgetter(chosen)), *(part[chosen] for part in parts))

    @property
    def values(self) -> np.ndarray:
        """(S,) of the critic, for PPO's own figures."""
        return self.samples.old_values.cpu().numpy()

    @property
    def returns(self) -> np.ndarray:
        """(S,) that the critic learns, likewise."""
        return self.samples.returns.cpu().numpy()


class TorchPPO(PPO):
    """PPO on a ``GridVecEnv`` of one grid; a rollout is one episode of every env."""

    def _setup_model(self) -> None:
        super()._setup_model()
        self._episodes = TorchEpisodes(cast(Any, self.env).batch, self.device)

    def collect_rollouts(self, env: Any, *_: Any, **__: Any) -> bool:
        """Run the running episodes with exploration, and start the next ones."""
        vec_env = cast(GridVecEnv, env)
        self.policy.set_training_mode(False)
        steps = []

        def act(t: int, seen: Any) -> Tensor:
            actions, values, log_prob = self.policy(seen)
            steps.append((seen, actions, values.flatten(), log_prob))
            return actions.clamp(-1.0, 1.0)

        with torch.no_grad():
            rewards = self._episodes.run(act)
        seen, actions, of_steps, log_probs = zip(*steps, strict=True)
        values = torch.stack(of_steps)
        gains = rewards if vec_env.paired_envs == 1 else gain_over_others(rewards, vec_env.paired_envs)
        following = torch.cat([values[1:], torch.zeros_like(values[:1])])
        advantages = discounted(gains.float() + self.gamma * following - values, self.gamma * self.gae_lambda)
        parts = values, torch.stack(log_probs), advantages, advantages + values
        samples = RolloutBufferSamples(joined(seen), torch.cat(actions), *(part.flatten() for part in parts))
        self.rollout_buffer = cast(Any, Rollout(samples))
        self.num_timesteps += rewards.numel()
        length = len(rewards)
        cast(Any, self.ep_info_buffer).extend({"r": total, "l": length} for total in rewards.sum(0).cpu().tolist())
        self._last_obs = env.reset()
        return True
