"""LoadBalancerVector: many environments in one gymnasium VectorEnv, stepped as one batch."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.batch import GridBatch, Seeds
from envs.config import EnvConfig
from envs.features import of_parts
from envs.load_balancer import configure
from envs.tasks import find_task
from grid import GridArrays, GridError


class LoadBalancerVector(VectorEnv[Any, np.ndarray, np.ndarray]):
    """``num_envs`` copies of LoadBalancer in one batch; episodes start anew in the step in which they end.

    Args:
        num_envs: B.
        config: an EnvConfig, or give its fields by name.
        render_mode: only None; render a single LoadBalancer instead.
        fields: of EnvConfig.

    Raises:
        GridError: bad grid, field, number of envs or action.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self, num_envs: int = 1, config: EnvConfig | None = None, *, render_mode: str | None = None, **fields: Any
    ) -> None:
        if not isinstance(num_envs, int | np.integer) or isinstance(num_envs, bool) or num_envs < 1:
            raise GridError("num_envs", repr(num_envs), "a whole number >= 1", "correct the value")
        if render_mode is not None:
            raise GridError("render_mode", repr(render_mode), "None in a vector env", "render a single LoadBalancer")
        self.num_envs = int(num_envs)
        self.config = configure(config, fields)
        self.batch = GridBatch(self.config, num_envs, seed=None)
        self.single_observation_space = self.batch.observation_space
        self.single_action_space = self.batch.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.render_mode = None
        self.spec: gym.envs.registration.EnvSpec | None = None

    @property
    def arrays(self) -> GridArrays:
        """The compiled grid."""
        return self.batch.arrays

    @property
    def observation_names(self) -> list[str] | dict[str, list[str]]:
        """What each entry of the observation is; of a graph, each feature of its parts."""
        return self.batch.encoder.names

    @property
    def action_names(self) -> list[str]:
        """The node whose source or storage each entry of the action sets; of bids on plants that stop, those follow."""
        return self.batch.action_names

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start all episodes anew, from one seed or one for each.

        Raises:
            GridError: an option: there is none.
        """
        for name in options or {}:
            raise GridError("reset.options", repr(name), "no option", "leave it out")
        super().reset(seed=seed if isinstance(seed, int) else None, options=options)
        return self.batch.reset(seed), {}

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step all.

        ``info`` holds as ``cost`` the violation of constraints (B,) in MWh, as in LoadBalancer; at the end final_obs (B
        objects) and final_info with the episode metrics (B,), too.
        """
        observation, reward, done = self.batch.step(actions)
        every = np.ones(self.num_envs, dtype=bool)
        info: dict[str, Any] = {"cost": self.batch.violation_mwh, "_cost": every}
        if done:
            metrics = self.batch.metrics
            info |= {
                "final_obs": _objects(observation, self.num_envs),
                "_final_obs": every,
                "final_info": {
                    "episode_metrics": {**metrics, **{f"_{name}": every for name in metrics}},
                    "_episode_metrics": every,
                },
                "_final_info": every,
            }
            observation = self.batch.reset()
        ended = np.full(self.num_envs, done)
        return observation, reward, ended, np.zeros(self.num_envs, dtype=bool), info


def of_task(task: str, num_envs: int = 1, **fields: Any) -> LoadBalancerVector:
    """Envs of a task, on the train part; ``fields`` say what is observed, how to act, and may choose the split."""
    return LoadBalancerVector(num_envs, find_task(task).config(**{"split": "train", **fields}))


def _objects(observation: Any, count: int) -> np.ndarray:
    """One object a env, as gymnasium's own vector envs give final observations."""
    out = np.empty(count, dtype=object)
    for i in range(count):
        out[i] = of_parts(observation, itemgetter(i))
    return out
