"""LoadBalancer: the gymnasium environment, a batch of one."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from operator import itemgetter
from typing import Any

import gymnasium as gym
import numpy as np

from envs.batch import GridBatch
from envs.config import EnvConfig
from envs.features import of_parts
from envs.recording import Recorder
from envs.tasks import find_task
from grid import Episode, GridArrays, GridError, nearest


def configure(config: Any, fields: dict[str, Any]) -> EnvConfig:
    """One config out of either a config or its fields.

    Raises:
        GridError: both are given, a field is unknown, or the config is none.
    """
    if config is None:
        return EnvConfig.from_fields(fields)
    if not isinstance(config, EnvConfig):
        mend = "give its fields by name, such as horizon=24"
        raise GridError("config", f"a {type(config).__name__}", "an EnvConfig", mend)
    if fields:
        raise GridError("config", f"a config and {', '.join(fields)}", "either of them", "put the fields in the config")
    return config


class LoadBalancer(gym.Env[Any, np.ndarray]):
    """Runs a grid for one operating period of ``horizon`` steps.

    The action (A,) in [−1, 1] sets each source and storage in the order of ``arrays.controllable``; the observation
    holds demand, availability, stored energy and forecasts; the reward is what the step cost less than the
    merit order on a copper plate would have, divided by a constant of the grid. The period's end is
    ``terminated``: the remaining time is observed and stored energy is settled.

    Args:
        config: an EnvConfig, or give its fields by name.
        render_mode: ``rgb_array`` (a picture of the grid), ``human`` (a window), ``ansi`` (one line a step) or None.
        fields: of EnvConfig.

    Raises:
        GridError: bad grid, field or action.
    """

    metadata = {"render_modes": ["rgb_array", "human", "ansi"], "render_fps": 4}
    policy = "actions"
    """Name of what decides, in recorded episodes and pictures: the env only sees actions. Set it before ``reset``."""

    def __init__(self, config: EnvConfig | None = None, *, render_mode: str | None = None, **fields: Any) -> None:
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise GridError("render_mode", repr(render_mode), ", ".join(modes), nearest(render_mode, modes))
        self.config = configure(config, fields)
        self.batch = GridBatch(self.config, 1, seed=None)
        self.observation_space = self.batch.observation_space
        self.action_space = self.batch.action_space
        self.render_mode = render_mode
        self._recorder: Recorder | None = None
        self._viewer: Any = None
        self._over = True

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

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start a new period; the same seed gives the same demand, weather and forecasts.

        Args:
            seed: of the random numbers; None goes on with those of before.
            options: ``{"episode": i}`` with a seed starts episode i (from 0) of those that ``policies.evaluate`` runs
                with this seed, if the env's ``split`` is the same; without it, episode 0.

        Raises:
            GridError: a seed or an option that is not one of these.
        """
        observation = of_parts(self.batch.reset(seed, _episode_number(seed, options)), itemgetter(0))
        super().reset(seed=seed, options=options)
        self._recorder = Recorder(self.batch, self.policy) if self.render_mode else None
        self._over = False
        return observation, {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Run one step.

        ``info`` holds each cost term in currency, as ``cost`` the violation of constraints in MWh (demand unserved,
        energy above the capacity of lines and, in AC, voltage outside its band), as libraries for safe learning read
        it, and at the end ``episode_metrics``.
        """
        if self._over:
            raise GridError("step", "a call before reset, or after the end", "a running episode", "call reset first")
        observation, reward, done = self.batch.step([action])
        info: dict[str, Any] = {name: float(value[0]) for name, value in self.batch.costs.items()}
        info["cost"] = float(self.batch.violation_mwh[0])
        if done:
            info["episode_metrics"] = {name: float(value[0]) for name, value in self.batch.metrics.items()}
        self._over = done
        if self._recorder is not None:
            self._recorder.add()
            if self.render_mode == "human":
                self.render()
        return of_parts(observation, itemgetter(0)), float(reward[0]), done, False, info

    @property
    def episode(self) -> Episode:
        """The running episode as far as it has gone; recorded only with a render_mode.

        Raises:
            GridError: nothing has been recorded yet.
        """
        if self._recorder is None or not self._recorder.steps:
            raise GridError("episode", "no recorded step", "an env with a render_mode", "step the env first")
        return self._recorder.episode(0)

    def render(self) -> Any:
        """The finished step: an array (H, W, 3) uint8, a line of text, or a window, by ``render_mode``.

        Raises:
            GridError: ``reset`` has not been called.
        """
        if self.render_mode is None:
            return None
        if self._recorder is None:
            raise GridError("render", "a call before reset", "a running episode", "call reset first")
        if self._viewer is None:
            from envs.rendering import VIEWERS

            self._viewer = VIEWERS[self.render_mode](self.batch)
        return self._viewer(self._recorder)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None


def of_task(task: str, render_mode: str | None = None, **fields: Any) -> LoadBalancer:
    """The env of a task, on the train part; ``fields`` say what is observed, how to act, and may choose the split."""
    return LoadBalancer(find_task(task).config(**{"split": "train", **fields}), render_mode=render_mode)


def _episode_number(seed: int | None, options: dict[str, Any] | None) -> int:
    known = ("episode",)
    if options is not None and not isinstance(options, Mapping):
        raise GridError("reset.options", repr(options), "a dict", "write options={'episode': 0}")
    for name in options or {}:
        if name not in known:
            raise GridError("reset.options", repr(name), ", ".join(known), nearest(str(name), known))
    number = (options or {}).get("episode", 0)
    if not isinstance(number, Integral) or isinstance(number, bool) or number < 0:
        raise GridError("reset.options: episode", repr(number), "a whole number >= 0", "correct the value")
    if options and seed is None:
        raise GridError("reset.options: episode", "no seed", "a seed, whose episodes are counted", "add the seed")
    return int(number)
