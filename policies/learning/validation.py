"""What a policy in training is worth: its cost on episodes that stay the same."""

from __future__ import annotations

import dataclasses

import numpy as np
from stable_baselines3.common.policies import ActorCriticPolicy

from envs import GridBatch, scale_floor
from policies.many_grids import TrainingGrids
from policies.networks import turn_to

EPISODES = 64
MOST_GRIDS = 16


class Validation:
    """Episodes of the train part, on all grids or on 16 of them.

    Args:
        grids: of the training.
        seed: of the choice of grids and of the episodes.
    """

    def __init__(self, grids: TrainingGrids, seed: int) -> None:
        count = min(len(grids), MOST_GRIDS)
        self.positions = sorted(np.random.default_rng(seed).choice(len(grids), count, replace=False).tolist())
        self._seed, self._size = seed, EPISODES // count
        self._batches = [self._batch(grids, position) for position in self.positions]

    def _batch(self, grids: TrainingGrids, position: int) -> tuple[int, GridBatch, float]:
        """Position, envs and reference cost of a grid's episodes."""
        batch = GridBatch(dataclasses.replace(grids.configs[position], split="train"), self._size, self._seed)
        batch.reset(self._seed)
        floor = scale_floor(batch.arrays, batch.config.dt_h) * batch.horizon
        return position, batch, max(float(batch.reference_cost.sum()), floor * self._size)

    def decide_once(self, policy: ActorCriticPolicy) -> None:
        """Let the policy compile what it must."""
        position, batch, _ = self._batches[0]
        turn_to(policy, position)
        policy.predict(batch.observation, deterministic=True)

    def cost_frac(self, policy: ActorCriticPolicy) -> float:
        """Cost of the policy without exploration, as a share of the reference; the mean over the grids."""
        policy.set_training_mode(False)
        shares = []
        for position, batch, reference in self._batches:
            turn_to(policy, position)
            observation = batch.reset(self._seed)
            for _ in range(batch.horizon):
                observation, *_ = batch.step(policy.predict(observation, deterministic=True)[0])
            shares.append(float(batch.metrics["cost"].sum()) / reference)
        return float(np.mean(shares))
