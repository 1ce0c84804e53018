"""GridVecEnv: the environment as stable-baselines3 wants it, many episodes stepped as one batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from envs import EnvConfig, GridBatch, Problem, configure, of_parts
from grid import Array, GridArrays, GridError
from policies.many_grids import Rotation, TrainingGrids
from policies.side_by_side import SideBySide


class EnvView:
    """One episode of a batch, for what SB3 asks of single environments: attributes and methods by name.

    What the batch shares (``arrays``, ``config``, ``prices``, ``horizon``, spaces, …) reads through and cannot be set
    for one env; anything else that is set stays with this env.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium's own form
    render_mode = None
    spec = None

    def __init__(self, batch: GridBatch | SideBySide, index: int) -> None:
        self.__dict__.update(batch=batch, index=index)

    def __getattr__(self, name: str) -> Any:
        if name in ("batch", "index"):  # not set yet
            raise AttributeError(name)
        return getattr(self.batch, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("batch", "index") or hasattr(self.batch, name):
            raise AttributeError(f"{name!r} belongs to the whole batch; make a new env with another EnvConfig instead")
        self.__dict__[name] = value

    @property
    def unwrapped(self) -> EnvView:
        """Itself: nothing is wrapped."""
        return self

    def episode_inputs(self) -> Any:
        """True inputs (T, N) of this env's running episode."""
        return self.batch.episode_inputs(self.index)

    def get_wrapper_attr(self, name: str) -> Any:
        """The attribute, as gymnasium spells it."""
        return getattr(self, name)


class GridVecEnv(VecEnv):
    """The episodes of a batch, which start and end together.

    ``infos`` holds nothing during an episode: its dicts are reused and not to be written to. At the end of one it
    holds ``terminal_observation``, ``TimeLimit.truncated`` (False), ``episode`` (r, l, t) and ``episode_metrics``
    (cost terms, cost, reference, unserved_mwh, curtailed_mwh, overload_mwh; in AC loss_mwh, voltage_pu_h and
    collapsed_steps, too).

    Args:
        batch: the episodes.
        paired_envs: so many envs side by side run the same episodes, and each is rewarded with what it gains over the
            mean of the others; ``r`` stays the plain reward.

    Raises:
        GridError: ``paired_envs`` that do not divide the envs, or of several grids.
    """

    def __init__(self, batch: GridBatch | SideBySide, paired_envs: int = 1) -> None:
        self.batch, n_envs = batch, batch.batch_size
        if paired_envs < 1 or n_envs % paired_envs or (paired_envs > 1 and isinstance(batch, SideBySide)):
            allowed = f"a divisor of {n_envs}, the number of envs; 1 for several grids"
            raise GridError("paired_envs", repr(paired_envs), allowed, "correct the value")
        self.views = [EnvView(self.batch, i) for i in range(n_envs)]
        self.paired_envs = paired_envs
        self._actions = np.zeros((n_envs, *(self.batch.action_space.shape or ())))
        self._seed: int | None = None
        self._started_s = time.perf_counter()
        self._episode_reward = np.zeros(n_envs)
        super().__init__(n_envs, self.batch.observation_space, self.batch.action_space)
        self._nothing: list[dict[str, Any]] = [{} for _ in range(n_envs)]
        if paired_envs > 1:
            self.seed()  # so that they run the same episodes from the first reset

    @property
    def arrays(self) -> GridArrays:
        """The compiled grid, where there is one."""
        return self.get_attr("arrays", 0)[0]

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seed the next reset; one seed gives each env a random stream of its own."""
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        return [self._seed] * self.num_envs

    def reset(self) -> Any:
        """Start all episodes anew; returns the observations."""
        seed: Any = self._seed
        if seed is not None and self.paired_envs > 1:
            seeds = np.random.SeedSequence(seed).generate_state(self.num_envs // self.paired_envs)
            seed = np.repeat(seeds, self.paired_envs).tolist()
        observation = self.batch.reset(seed)
        self._seed = None
        self._reset_options()
        self._episode_reward = np.zeros(self.num_envs)
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        """Take the actions (n_envs, A)."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step; returns observations, rewards (n_envs,), dones (n_envs,) and infos."""
        observation, reward, done = self.batch.step(self._actions)
        self._episode_reward += reward
        if self.paired_envs > 1:
            reward = gain_over_others(reward, self.paired_envs)
        infos = self._nothing
        if done:
            infos = self._final_infos(observation)
            observation = self.batch.reset()
            self._episode_reward = np.zeros(self.num_envs)
        return observation, reward.astype(np.float32), np.full(self.num_envs, done), infos

    def _final_infos(self, final: Any) -> list[dict[str, Any]]:
        elapsed_s = round(time.perf_counter() - self._started_s, 6)
        metrics = self.batch.metrics
        return [
            {
                "terminal_observation": of_parts(final, itemgetter(i)),
                "TimeLimit.truncated": False,
                "episode": {"r": float(self._episode_reward[i]), "l": self.batch.horizon, "t": elapsed_s},
                "episode_metrics": {name: float(values[i]) for name, values in metrics.items()},
            }
            for i in range(self.num_envs)
        ]

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """The attribute of each env."""
        return [getattr(view, attr_name) for view in self._views(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        """Set an attribute of each env; what the batch shares cannot be set."""
        for view in self._views(indices):
            setattr(view, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: int | Iterable[int] | None = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each env."""
        return [getattr(view, method_name)(*method_args, **method_kwargs) for view in self._views(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: int | Iterable[int] | None = None
    ) -> list[bool]:
        """False for each env."""
        return [False for _ in self._views(indices)]

    def _views(self, indices: int | Iterable[int] | None) -> list[EnvView]:
        return [self.views[i] for i in self._get_indices(indices)]


def gain_over_others(reward: Array, count: int) -> Array:
    """(..., B) what each env gains over the mean of the others that run its episode, where so many stand together."""
    each = reward.reshape(-1, count)
    return ((each - each.mean(1, keepdims=True)) * (count / (count - 1))).reshape(reward.shape)


def make_vec_env(
    config: EnvConfig | Sequence[EnvConfig] | None = None, n_envs: int = 1, seed: int | None = 0, **fields: Any
) -> GridVecEnv:
    """Make an env for stable-baselines3.

    Args:
        config: an EnvConfig, or give its fields by name; several that differ in the grid alone run side by side, in
            equal shares, with observations and actions padded (see ``policies.side_by_side``).
        n_envs: how many episodes run side by side.
        seed: of the random streams; None takes a fresh one.
        fields: of EnvConfig.

    Raises:
        GridError: bad grid, field or number of envs.
    """
    if n_envs < 1:
        raise GridError("n_envs", repr(n_envs), "a whole number >= 1", "correct the value")
    if config is None or isinstance(config, EnvConfig):
        return GridVecEnv(GridBatch(configure(config, fields), n_envs, seed))
    if not config:
        raise GridError("config", "an empty list", "a config, or at least one of them", "name a grid")
    grids = TrainingGrids([Problem.of(configure(each, fields)) for each in config])
    root = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    return GridVecEnv(SideBySide(grids, Rotation(len(grids), len(grids), root), n_envs))
