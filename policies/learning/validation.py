"""What a policy in training is worth: its cost on episodes that stay the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from stable_baselines3.common.policies import ActorCriticPolicy

from envs import GridBatch, scale_floor
from grid import Setpoint
from policies.many_grids import TrainingGrids
from policies.networks import GraphActorCriticPolicy
from policies.rollout import rollout

EPISODES = 64
WITH_TRIPS = 4  # times as many where lines trip, as a few episodes then cost a multiple of the others
MOST_GRIDS = 16


@dataclass
class InTraining:
    """A network in training, without exploration, as a policy of the grid at a position."""

    network: ActorCriticPolicy
    position: int
    name = "in training"

    def reset(self, batch: GridBatch) -> None:
        """Turn the network to the grid, if it knows several."""
        if isinstance(self.network, GraphActorCriticPolicy):
            self.network.turn_to(self.position)

    def act(self, batch: GridBatch) -> Setpoint:
        """Decide the coming step of all B episodes."""
        return batch.setpoint(self.network.predict(batch.observation, deterministic=True)[0])


class Validation:
    """Episodes of the train part, on all grids or on 16 of them.

    Args:
        grids: of the training.
        seed: of the choice of grids and of the episodes.
    """

    def __init__(self, grids: TrainingGrids, seed: int) -> None:
        count = min(len(grids), MOST_GRIDS)
        self.positions = sorted(np.random.default_rng(seed).choice(len(grids), count, replace=False).tolist())
        trips = grids.problems[0].config.relays is not None
        self._seed, self._size = seed, EPISODES * (WITH_TRIPS if trips else 1) // count
        self._batches = [self._batch(grids, position) for position in self.positions]

    def _batch(self, grids: TrainingGrids, position: int) -> tuple[int, GridBatch, float]:
        """Position, envs and reference cost of a grid's episodes."""
        batch = GridBatch(grids.problems[position].replace(split="train"), self._size, self._seed)
        batch.reset(self._seed)
        floor = scale_floor(batch.arrays, batch.config.dt_h) * batch.horizon
        return position, batch, max(float(batch.reference_cost.sum()), floor * self._size)

    def decide_once(self, network: ActorCriticPolicy) -> None:
        """Let the network compile what it must."""
        position, batch, _ = self._batches[0]
        policy = InTraining(network, position)
        policy.reset(batch)
        policy.act(batch)

    def cost_frac(self, network: ActorCriticPolicy) -> float:
        """Cost of the network's decisions as a share of the reference cost; the mean over the grids."""
        network.set_training_mode(False)
        shares = []
        for position, batch, reference in self._batches:
            batch.seed(self._seed)
            rollout(batch, InTraining(network, position))
            shares.append(float(batch.metrics["cost"].sum()) / reference)
        return float(np.mean(shares))
