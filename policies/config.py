"""TrainConfig: everything that defines how an agent is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Literal

from grid import GridError, is_finite, is_whole, nearest

OBSERVATIONS: dict[str, Literal["flat", "graph"]] = {"mlp": "flat", "extractor": "graph", "graph": "graph"}
"""Each kind of policy with the observation it reads."""

STAGES = ("optimum", "gradient", "search", "ppo")
"""Ways of learning: from solved schedules, by the gradient through the step, by noise on weights, and by PPO of SB3."""

RATES = ("learning_rate", "tuning_learning_rate", *(f"{stage}_learning_rate" for stage in STAGES if stage != "ppo"))
"""Fields of TrainConfig: those of PPO, and that of each other stage."""

STAGE_SHARES = {"optimum": 1.0, "gradient": 3.0, "search": 3.0, "ppo": 3.0}
"""How the budget is shared out between the stages that run."""

BEST_STAGES = {"mlp": ("optimum", "gradient"), "extractor": ("optimum", "gradient"), "graph": ("gradient",)}
"""What each policy learns by, by default."""

TUNING_STAGES = ("gradient",)
"""What a trained network is fitted to further grids by, by default."""

SETTINGS = ("n_envs", "batch_size", "n_epochs", "learning_rate", "gradient_learning_rate", "graph_width")
PPO_SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": dict(zip(SETTINGS, (128, 2048, 6, 2e-3, 3e-3, 32), strict=True)),
    "extractor": dict(zip(SETTINGS, (64, 1024, 3, 1e-3, 3e-3, 32), strict=True)),
    "graph": dict(zip(SETTINGS, (192, 1024, 2, 3e-4, 2e-3, 24), strict=True)),
}
"""What each policy trains with by default: larger networks make smaller, fewer and slower steps."""

WITH_PPO_SETTINGS = {"mlp": {"n_envs": 512}}
"""Other defaults where PPO is one of the stages: it learns from samples, and more of them make an update less noisy."""

TUNING_SETTINGS = {"mlp": {"batch_size": 6144, "n_epochs": 2}}
"""Further defaults where PPO follows another stage: fresh samples help more there than further passes over old ones."""

OF_POLICY: Any = None
"""Stands for the default of the policy, which takes its place when the config is made."""

COUNTS = (
    "n_envs",
    "batch_size",
    "n_epochs",
    "width",
    "graph_width",
    "graph_layers",
    "grids_per_update",
    "threads",
    "ranks",
)

DEFAULT_SECONDS = 120.0


def check_grids(policy: str, count: int) -> None:
    """Check that a policy can be trained on so many grids.

    Raises:
        GridError: on several, which it cannot.
    """
    if count > 1 and policy != "graph":
        mend = "train with the policy 'graph', or on one grid"
        raise GridError("train.policy", f"{policy!r} for {count} grids", "'graph'", mend)


@dataclass(frozen=True)
class TrainConfig:
    """How to train; without steps or seconds, for DEFAULT_SECONDS; with both, until either is used up.

    Raises:
        GridError: a value is outside its range.
    """

    policy: Literal["mlp", "extractor", "graph"] = "graph"  # plain network, GraphExtractor, or one for any grid
    stages: tuple[str, ...] = ()  # out of STAGES, in turn; none: BEST_STAGES
    steps: int | None = None  # env steps to take, summed over the envs
    seconds: float | None = None  # time to take, with everything from the call to the last file
    seed: int = 0
    n_envs: int = OF_POLICY  # episodes side by side; each update sees horizon x n_envs steps
    batch_size: int = OF_POLICY  # rounded to a divisor of horizon x n_envs
    n_epochs: int = OF_POLICY  # of PPO over the steps of an update
    learning_rate: float = OF_POLICY  # of PPO as the first stage; all rates fall to 0
    tuning_learning_rate: float = 5e-4  # of PPO after another stage, see PPOLearner
    optimum_learning_rate: float = 3e-3
    gradient_learning_rate: float = OF_POLICY
    search_learning_rate: float = 0.02
    tail_frac: float = 1.0  # of an update's episodes, the worst: the gradient stage raises their mean return (CVaR)
    gamma: float = 0.99
    gae_lambda: float = 0.8
    log_std: float = -1.5  # of the first exploration, in units of the action
    tuning_log_std: float = -3.5  # of PPO's exploration after another stage, at first; see PPOLearner
    width: int = 128  # of the two hidden layers of actor and critic
    graph_width: int = OF_POLICY  # features a node, of extractor and graph
    graph_layers: int = 2  # rounds of message passing; extractor and graph
    grids_per_update: int = 8  # which add up their gradients, each with an equal share of n_envs; or all, if fewer
    start: str | None = None  # run or shipped agent of the policy graph whose weights come first; its network stays
    ranks: int = 1  # processes that share the envs of an update, of the stage gradient alone; results depend on it
    device: str = "cpu"  # cpu, cuda or cuda:N, which trains mlp or extractor on a GPU; see docs/machines.md
    threads: int = 1  # of torch, while it trains; with two, PPO on a busy machine was eight times slower

    def __post_init__(self) -> None:
        if not isinstance(self.policy, str) or self.policy not in OBSERVATIONS:
            mend = nearest(str(self.policy), OBSERVATIONS)
            raise GridError("train.policy", repr(self.policy), " or ".join(OBSERVATIONS), mend)
        if self.start is not None and self.policy != "graph":
            mend = "leave out policy or start; the weights of other policies belong to one grid"
            raise GridError("train.policy", f"{self.policy!r} beside start", "'graph'", mend)
        self._require("stages", isinstance(self.stages, list | tuple), "a list of stages")
        object.__setattr__(self, "stages", tuple(self.stages))
        for stage in self.stages:
            if stage not in STAGES:
                raise GridError("train.stages", repr(stage), " or ".join(STAGES), nearest(str(stage), STAGES))
        self._require("stages", len(self.stages) == len(set(self.stages)), "each stage at most once")
        settings = dict(PPO_SETTINGS[self.policy])
        if "ppo" in self.plan:
            settings |= WITH_PPO_SETTINGS.get(self.policy, {})
            settings |= TUNING_SETTINGS.get(self.policy, {}) if self.ppo_tunes else {}
        for name, value in settings.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name in COUNTS:
            self._require(name, is_whole(getattr(self, name)) and getattr(self, name) >= 1, "a whole number >= 1")
        self._require("seed", is_whole(self.seed) and self.seed >= 0, "a whole number >= 0")
        self._require("steps", self.steps is None or (is_whole(self.steps) and self.steps >= 1), "a whole number >= 1")
        self._require(
            "seconds", self.seconds is None or (is_finite(self.seconds) and self.seconds > 0), "a number of seconds > 0"
        )
        for name in RATES:
            rate = getattr(self, name)
            self._require(name, is_finite(rate) and rate > 0, "a number > 0")
        for name in ("log_std", "tuning_log_std"):
            self._require(name, is_finite(getattr(self, name)), "a finite number")
        for name in ("gamma", "gae_lambda"):
            self._require(name, is_finite(getattr(self, name)) and 0 <= getattr(self, name) <= 1, "a number in [0, 1]")
        self._check_gradient()
        if self.steps is None and self.seconds is None:
            object.__setattr__(self, "seconds", DEFAULT_SECONDS)

    def _check_gradient(self) -> None:
        """What one stage alone knows of."""
        if self.ranks > 1 and self.plan != ("gradient",):
            found, allowed = f"{self.ranks} for {', '.join(self.plan)}", "1, or the stage gradient alone"
            raise GridError("train.ranks", found, allowed, "write --stages gradient, or leave out ranks")
        is_known = isinstance(self.device, str) and re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", self.device)
        self._require("device", bool(is_known), "cpu, cuda or cuda:N")
        if self.device != "cpu" and "search" in self.plan:
            found, mend = f"{self.device!r} with the stage search", "leave out search, or write --device cpu"
            raise GridError("train.device", found, "cpu, where episodes run in numpy", mend)
        if self.device != "cpu" and (self.policy == "graph" or self.ranks > 1):
            found = f"{self.device!r} with policy={self.policy!r} and ranks={self.ranks}"
            allowed = "cpu, or the policy mlp or extractor in one rank"
            raise GridError("train.device", found, allowed, "write --policy mlp and leave out ranks, or --device cpu")
        tail = self.tail_frac
        self._require("tail_frac", is_finite(tail) and 0 < tail <= 1, "a share in (0, 1]")
        if tail < 1 and "gradient" not in self.plan:
            raise GridError("train.tail_frac", f"{tail:g} without the stage gradient", "1", "add the stage gradient")

    @property
    def plan(self) -> tuple[str, ...]:
        """The stages to run."""
        return self.stages or (BEST_STAGES[self.policy] if self.start is None else TUNING_STAGES)

    @property
    def ppo_tunes(self) -> bool:
        """Whether PPO is handed a trained policy."""
        return self.plan[0] != "ppo" or self.start is not None

    def rate(self, stage: str) -> float:
        """The learning rate that a stage starts with."""
        if stage == "ppo":
            return self.tuning_learning_rate if self.ppo_tunes else self.learning_rate
        rate: float = getattr(self, f"{stage}_learning_rate")
        return rate

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
