"""Tasks: decision problems that are frozen under a name, so that results can be compared.

A task is a grid, or a family of generated ones, in a world. Whatever changes what is asked gets another version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from envs.config import EnvConfig
from grid import GridError, Prices, nearest
from topologies import expand

WEATHER: dict[str, Any] = {
    "gate_h": 1.0,
    "forecast_error_frac": 0.05,
    "weather_error_frac": 0.15,
    "node_error_frac": 0.05,
    "prices": Prices(balancing_per_mwh=10.0),
}
STORM: dict[str, Any] = {
    **WEATHER,
    "outage_rate_per_h": 0.002,
    "overload": "trip",
    "emergency_shedding": True,
    "prices": Prices(balancing_per_mwh=10.0, overload_per_mwh=1500.0, trip_per_mwh=20.0),
}
WORLDS: dict[str, dict[str, Any]] = {
    "calm": {},
    "weather": WEATHER,
    "storm": STORM,
    "ac": {**WEATHER, "flow": "ac"},
    "ac-storm": {**STORM, "flow": "ac"},
    "commit": {},
}
"""Fields of EnvConfig that make each world; the others have their defaults. In *commit* plants start and stop."""

GRIDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "classic": ("classic", ("classic",)),
    "case14": ("case14", ("case14",)),
    "case118": ("case118", ("case118",)),
    "gen": ("gen:10..40x200:200000", tuple(f"gen:{size}:{72000 + size}" for size in (12, 18, 24, 30, 45, 60))),
}
"""Grids to train on, and to test on, as ``topologies.expand`` and ``load`` take them."""

TEST_EPISODES = 50  # of each task, shared out evenly between its grids
TEST_SEED = 0
TRAIN_SECONDS = 600.0  # of one core: the budget of the published agents


@dataclass(frozen=True)
class Task:
    """A grid, or a family of them, in a world."""

    name: str
    world: str
    train: str  # grid to train on, or what ``expand`` takes
    test: tuple[str, ...]  # grids to test on

    @property
    def train_grids(self) -> list[str]:
        """Names of the grids to train on."""
        return expand(self.train)

    @property
    def episodes(self) -> int:
        """Test episodes on each grid."""
        return -(-TEST_EPISODES // len(self.test))

    def config(self, topology: Any = None, split: Literal["train", "test"] = "test", **fields: Any) -> EnvConfig:
        """The env of one grid.

        Args:
            topology: one of the task's grids; None: the first one of the split.
            split: part of the time series.
            fields: of EnvConfig, that say what an agent observes and how it acts.
        """
        grid = topology or (self.test[0] if split == "test" else self.train_grids[0])
        return EnvConfig(topology=grid, split=split, **WORLDS[self.world], **fields)


def _thermal(grid: str) -> tuple[str, tuple[str, ...]]:
    """The same grids with plants that start and stop."""
    train, test = GRIDS[grid]
    return f"thermal:{train}", tuple(f"thermal:{name}" for name in test)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        *(Task(f"{grid}-{world}-v1", world, *GRIDS[grid]) for grid in GRIDS for world in WORLDS if world != "commit"),
        *(Task(f"{grid}-commit-v1", "commit", *_thermal(grid)) for grid in ("case14", "case118", "gen")),
    )
}
"""Every task by its name."""


def find_task(name: str) -> Task:
    """The task of this name.

    Raises:
        GridError: there is none.
    """
    if name not in TASKS:
        raise GridError(f"task {name!r}", "no such task", ", ".join(TASKS), nearest(name, TASKS))
    return TASKS[name]
