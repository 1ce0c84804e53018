"""The grids that an agent is trained on, and whose turn it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from envs import GridBatch, Problem
from grid import GridError
from grid.planning import optima
from policies.baselines import Merit
from policies.measuring import floored, run

GAIN_EPISODES = 4
LEAST_GAIN_FRAC = 0.02  # of the reference cost
KEPT = 128  # batches that are kept between two turns of their grids; one of 16 episodes of 40 nodes takes 1 MB


class TrainingGrids:
    """Problems that differ in nothing but their grids, and the envs of each, made when they are first needed.

    Args:
        problems: one for each grid.
        gain_scaled: whether rewards are divided by what there is to gain on their grid, so that every grid counts
            alike; else they are those of the problems.

    Raises:
        GridError: problems that differ in something else.
    """

    def __init__(self, problems: Sequence[Problem], gain_scaled: bool = False) -> None:
        first = problems[0].config
        for problem in problems:
            if dataclasses.replace(problem.config, topology=first.topology) != first:
                where = f"the env of {problem.config.topology}"
                raise GridError(where, "other settings", f"those of {first.topology}", "change the grid alone")
        self.problems = tuple(problems)
        self._gain_scaled = gain_scaled
        self._scaled = lru_cache(None)(lambda position: problems[position].with_reward_scale(gain(problems[position])))
        self._batch = lru_cache(KEPT)(self._make)

    def __len__(self) -> int:
        return len(self.problems)

    def batch(self, position: int, size: int, seed: int) -> GridBatch:
        """The envs of a grid, their random streams started anew; reset them before use."""
        batch = self._batch(position, size)
        batch.seed(seed)
        return batch

    def _make(self, position: int, size: int) -> GridBatch:
        return GridBatch(self._scaled(position) if self._gain_scaled else self.problems[position], size)


class Rotation:
    """Whose turn it is: the grids in a shuffled order, which changes whenever all have had theirs.

    Everything follows from the seed and the number of the turn, so that a resumed run goes on with the same ones.

    Args:
        count: how many grids there are.
        at_once: how many of them share a turn.
        seed: of the order and of each turn's envs.
        rank: of a training that several share;
        ranks: how many they are. Each has its part of those that share a turn.
    """

    def __init__(self, count: int, at_once: int, seed: int, rank: int = 0, ranks: int = 1) -> None:
        self.count, self.at_once, self.seed = count, at_once, seed
        self._own = slice(rank, None, ranks)
        self.turn = 0  # the coming one

    def next(self) -> list[tuple[int, int]]:
        """Positions of the grids of the coming turn, each with a seed for its envs."""
        epoch, start = divmod(self.turn * self.at_once, -(-self.count // self.at_once) * self.at_once)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(self.count)
        chosen = np.resize(order, self.count + self.at_once)[start : start + self.at_once]  # the last begin again
        seeds = np.random.SeedSequence([self.seed, 1, self.turn]).generate_state(self.at_once)
        self.turn += 1
        return list(zip(chosen.tolist(), seeds.tolist(), strict=True))[self._own]


def gain(problem: Problem) -> float:
    """Mean cost of a step of the merit order above that of the optimum, with a floor of 2 % of the reference cost.

    The score is measured in it, so rewards divided by it mean the same on every grid.
    """
    batch = GridBatch(problem.replace(observation="flat"), GAIN_EPISODES)
    merit = floored(run(Merit(), batch, 0), batch)
    batch.reset(0)
    inputs = [batch.episode_inputs(i) for i in range(GAIN_EPISODES)]
    best = [each.cost for each in optima(batch.arrays, inputs, batch.prices, flow=batch.config.flow, processes=1)]
    total = max(float(merit.cost.sum()) - sum(best), LEAST_GAIN_FRAC * float(merit.reference.sum()))
    return total / GAIN_EPISODES / batch.horizon
