"""TrainConfig: everything that defines how an agent is trained."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Literal

from grid import GridError
from grid.errors import nearest

OBSERVATIONS: dict[str, Literal["flat", "graph"]] = {"mlp": "flat", "extractor": "graph"}
"""Each kind of policy with the observation it reads."""

STAGES = ("gradient", "ppo")
"""Ways of learning: by the gradient of the cost through the step, and stable-baselines3's PPO."""

BEST_STAGES = {"mlp": ("gradient",), "extractor": ("ppo",)}
"""What each policy learns by unless told otherwise; measured with care for the mlp alone."""

DEFAULT_SECONDS = 120.0


@dataclass(frozen=True)
class TrainConfig:
    """How to train; without steps or seconds, for DEFAULT_SECONDS; with both, until either is used up.

    Raises:
        GridError: a value is outside its range.
    """

    policy: Literal["mlp", "extractor"] = "mlp"  # plain network on the flat observation, or GraphExtractor
    stages: tuple[str, ...] = ()  # out of STAGES, in turn, with equal shares of the budget; none: BEST_STAGES
    steps: int | None = None  # env steps to take, summed over the envs
    seconds: float | None = None  # time to take, with everything from the call to the last file
    seed: int = 0
    n_envs: int = 128  # episodes side by side; each update sees horizon x n_envs steps
    batch_size: int = 2048  # rounded to a divisor of horizon x n_envs
    n_epochs: int = 6
    learning_rate: float = 2e-3  # of PPO; falls to 0 in a straight line
    gradient_learning_rate: float = 3e-3  # of the gradient stage; the same
    gamma: float = 0.99
    gae_lambda: float = 0.8
    log_std: float = -1.5  # of the first exploration, in units of the action
    width: int = 128  # of the two hidden layers of actor and critic
    graph_width: int = 32  # features a node; extractor only
    graph_layers: int = 2  # rounds of message passing; extractor only
    threads: int = 1  # of torch, while it trains; with two, PPO on a busy machine was eight times slower

    def __post_init__(self) -> None:
        if self.policy not in OBSERVATIONS:
            mend = nearest(str(self.policy), OBSERVATIONS)
            raise GridError("train.policy", repr(self.policy), " or ".join(OBSERVATIONS), mend)
        for name in ("n_envs", "batch_size", "n_epochs", "width", "graph_width", "graph_layers", "threads"):
            self._require(name, _whole(getattr(self, name)) and getattr(self, name) >= 1, "a whole number >= 1")
        self._require("seed", _whole(self.seed) and self.seed >= 0, "a whole number >= 0")
        self._require("steps", self.steps is None or (_whole(self.steps) and self.steps >= 1), "a whole number >= 1")
        self._require("seconds", self.seconds is None or 0 < self.seconds < float("inf"), "a number of seconds > 0")
        object.__setattr__(self, "stages", tuple(self.stages))
        for stage in self.stages:
            if stage not in STAGES:
                raise GridError("train.stages", repr(stage), " or ".join(STAGES), nearest(str(stage), STAGES))
        self._require("stages", len(self.stages) == len(set(self.stages)), "each stage at most once")
        for name in ("learning_rate", "gradient_learning_rate"):
            rate = getattr(self, name)
            self._require(name, isfinite(rate) and rate > 0, "a number > 0")
        self._require("log_std", isfinite(self.log_std), "a finite number")
        for name in ("gamma", "gae_lambda"):
            self._require(name, 0 <= getattr(self, name) <= 1, "a number in [0, 1]")
        if self.steps is None and self.seconds is None:
            object.__setattr__(self, "seconds", DEFAULT_SECONDS)

    @property
    def plan(self) -> tuple[str, ...]:
        """The stages to run."""
        return self.stages or BEST_STAGES[self.policy]

    def _require(self, name: str, ok: bool, allowed: str) -> None:
        if not ok:
            raise GridError(f"train.{name}", repr(getattr(self, name)), allowed, "correct the value")

    @classmethod
    def from_fields(cls, values: dict[str, Any]) -> TrainConfig:
        """Build from a mapping; an unknown name raises a GridError that names the nearest."""
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                allowed = "the fields of the training config"
                raise GridError(f"train.{name}", "an unknown field", allowed, nearest(name, known))
        return cls(**values)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
