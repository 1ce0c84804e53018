"""The kinds of observation, by the name that EnvConfig gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from envs.config import EnvConfig
from envs.features import View
from envs.flat_observation import FlatEncoder
from envs.graph_observation import GraphEncoder
from envs.outlook import Outlook
from grid import GridArrays


class Encoder(Protocol):
    """What makes observations: bounds, a call at the start of new episodes, and a call before each step."""

    @property
    def names(self) -> list[str] | dict[str, list[str]]:
        """What each entry is; of a dict, each feature of its parts."""

    @property
    def space(self) -> gym.Space[Any]:
        """Bounds of one env's observation."""

    def start(self, outlook: Outlook) -> None:
        """Prepare for new episodes."""

    def __call__(self, view: View) -> Any:
        """Fresh float32 arrays with a leading B."""


ENCODERS: dict[str, Callable[[GridArrays, EnvConfig, np.ndarray], Encoder]] = {
    "flat": FlatEncoder,
    "graph": GraphEncoder,
}
