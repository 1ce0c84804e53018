"""The grids that an agent is trained on, and whose turn it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from envs import EnvConfig, GridBatch, Problem
from grid import Grid, GridArrays, GridError
from grid.planning import optima
from policies.baselines import Merit
from policies.evaluation import run
from topologies import load

STAKE_EPISODES = 4
LEAST_STAKE_FRAC = 0.02  # of the reference
KEPT = 128  # batches that are kept between two turns of their grids; one of 16 episodes of 40 nodes takes 1 MB


class TrainingGrids:
    """Envs that differ in nothing but their grids; made when they are first needed, as there may be hundreds.

    Args:
        configs: of the envs.

    Raises:
        GridError: a bad grid, or configs that differ in something else.
    """

    def __init__(self, configs: Sequence[EnvConfig]) -> None:
        first = configs[0]
        for config in configs:
            if dataclasses.replace(config, topology=first.topology) != first:
                where = f"the env of {config.topology}"
                raise GridError(where, "other settings", f"those of {first.topology}", "change the grid alone")
        self.sources = [config.topology for config in configs]
        self.grids = [source if isinstance(source, Grid) else load(source) for source in self.sources]
        self.configs = [dataclasses.replace(first, topology=grid) for grid in self.grids]
        self.compiled: list[tuple[GridArrays, EnvConfig]] = [
            (grid.compile(), config) for grid, config in zip(self.grids, self.configs, strict=True)
        ]
        self._kept = lru_cache(KEPT)(lambda position, size: GridBatch(self.configs[position], size))
        self._weighed = lru_cache(KEPT)(
            lambda position, size: GridBatch(
                Problem.of(self.configs[position]).with_reward_scale(self._stake(position)), size
            )
        )
        self._stake = lru_cache(None)(lambda position: stake(self.configs[position]))

    def __len__(self) -> int:
        return len(self.configs)

    def batch(self, position: int, size: int, seed: int) -> GridBatch:
        """The envs of a grid, their random streams started anew; reset them before use."""
        batch = self._kept(position, size)
        batch.seed(seed)
        return batch

    def weighed(self, position: int, size: int, seed: int) -> GridBatch:
        """The same with rewards in which every grid counts alike: per step, in parts of what there is to gain."""
        batch = self._weighed(position, size)
        batch.seed(seed)
        return batch


class Rotation:
    """Whose turn it is: the grids in a shuffled order, which changes whenever all have had theirs.

    Everything follows from the seed and the number of the turn, so that a resumed run goes on with the same ones.

    Args:
        count: how many grids there are.
        at_once: how many of them share a turn.
        seed: of the order and of each turn's envs.
    """

    def __init__(self, count: int, at_once: int, seed: int) -> None:
        self.count, self.at_once, self.seed = count, at_once, seed
        self.turn = 0  # the coming one

    def next(self) -> list[tuple[int, int]]:
        """Positions of the grids of the coming turn, each with a seed for its envs."""
        epoch, start = divmod(self.turn * self.at_once, -(-self.count // self.at_once) * self.at_once)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(self.count)
        chosen = np.resize(order, self.count + self.at_once)[start : start + self.at_once]  # the last begin again
        seeds = np.random.SeedSequence([self.seed, 1, self.turn]).generate_state(self.at_once)
        self.turn += 1
        return list(zip(chosen.tolist(), seeds.tolist(), strict=True))


def stake(config: EnvConfig) -> float:
    """What there is to gain on a grid: the cost a step of the merit order above the optimum, with a floor.

    It is what the score is measured in, so that rewards in parts of it mean the same on every grid.
    """
    batch = GridBatch(dataclasses.replace(config, observation="flat"), STAKE_EPISODES)
    merit = run(Merit(), batch, 0)
    batch.reset(0)
    inputs = [batch.episode_inputs(i) for i in range(STAKE_EPISODES)]
    best = [each.cost for each in optima(batch.arrays, inputs, batch.prices, processes=1)]
    gain = max(float(merit.cost.sum()) - sum(best), LEAST_STAKE_FRAC * float(merit.reference.sum()))
    return gain / STAKE_EPISODES / batch.horizon
