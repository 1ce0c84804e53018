"""Episodes of several grids, stepped as one batch."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np

from envs import GridBatch
from grid import Array, GridError
from policies.many_grids import Rotation, TrainingGrids


class SideBySide:
    """What GridBatch does, for several grids: each episode takes the next grids of a rotation, an equal share of it.

    The episodes of a grid stand together. Observations are padded with zeros at the end to the largest of all grids,
    and hold one more entry, ``grid`` (B, 1), the position of each row's grid; padded entries of actions are ignored.

    Args:
        grids: with ``observation="graph"``.
        rotation: whose turn it is.
        batch_size: B, a multiple of the grids that share a turn.

    Raises:
        GridError: another batch size or observation.
    """

    def __init__(self, grids: TrainingGrids, rotation: Rotation, batch_size: int) -> None:
        config = grids.problems[0].config
        if config.observation != "graph":
            mend = "make the envs with observation='graph'"
            raise GridError("config.observation", repr(config.observation), "'graph' for several grids", mend)
        if batch_size < 1 or batch_size % rotation.at_once:
            allowed = f"a multiple of {rotation.at_once}, the grids side by side"
            raise GridError("n_envs", repr(batch_size), allowed, "correct the value")
        self.grids, self.rotation, self.batch_size = grids, rotation, batch_size
        self.config, self.horizon = config, config.horizon
        self._each = batch_size // rotation.at_once
        every = [problem.arrays for problem in grids.problems]
        self._most = {name: max(len(getattr(a, of)) for a in every) for name, of in ROWS.items()}
        seen = cast(gym.spaces.Dict, grids.batch(0, self._each, 0).observation_space).spaces
        boxes = {name: _unbounded(self._most.get(name), (box.shape or ())[-1]) for name, box in seen.items()}
        self.observation_space = gym.spaces.Dict({**boxes, "grid": gym.spaces.Box(0.0, float(len(grids)), (1,))})
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self._most["actions"],), np.float32)
        self.metrics: dict[str, Array] = {}  # of the episodes that ended last, each (B,)

    def reset(self, seed: int | None = None) -> Any:
        """Start B new episodes on the grids of the coming turn; a seed starts the rotation anew."""
        if seed is not None:
            self.rotation.seed, self.rotation.turn = seed, 0
        chosen = self.next_batches()
        self.batches = [batch for _, batch in chosen]
        self._grid = np.repeat([position for position, _ in chosen], self._each).astype(np.float32)[:, None]
        return self._joined([batch.reset() for batch in self.batches])

    def next_batches(self) -> list[tuple[int, GridBatch]]:
        """The positions of the grids whose turn is next, each with its envs, which are yet to be reset."""
        return [(position, self.grids.batch(position, self._each, seed)) for position, seed in self.rotation.next()]

    def step(self, actions: Array) -> tuple[Any, Array, bool]:
        """Act with (B, A) actions; results as those of GridBatch."""
        shares = np.split(np.asarray(actions), len(self.batches))
        steps = [
            batch.step(share[:, : len(batch.arrays.controllable)])
            for batch, share in zip(self.batches, shares, strict=True)
        ]
        seen, rewards, done = zip(*steps, strict=True)
        reward = np.concatenate(rewards)
        if not all(done):
            return self._joined(seen), reward, False
        metrics = [batch.metrics for batch in self.batches]
        self.metrics = {name: np.concatenate([each[name] for each in metrics]) for name in metrics[0]}
        return self._joined(seen), reward, True

    def _joined(self, observations: Any) -> dict[str, np.ndarray]:
        first, padded = observations[0], {}
        for name in first:
            shape = (self.batch_size, *(self.observation_space[name].shape or ()))
            padded[name] = np.zeros(shape, dtype=np.float32)
            for k, each in enumerate(observations):
                rows = padded[name][k * self._each : (k + 1) * self._each]
                rows[:, : each[name].shape[1]] = each[name]
        return {**padded, "grid": self._grid.copy()}


ROWS = {"nodes": "node_names", "lines": "line_names", "actions": "controllable"}
"""Each part of an observation or action that is padded, with the field of GridArrays that has a row for each entry."""


def _unbounded(rows: int | None, features: int) -> gym.spaces.Box:
    """Bounds belong to one grid; over all of them none are stated."""
    return gym.spaces.Box(-np.inf, np.inf, (features,) if rows is None else (rows, features), np.float32)
