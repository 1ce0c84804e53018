"""What all tabs of a server share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envs import EnvConfig
from scripts.live.trainer import Trainer

if TYPE_CHECKING:
    from policies import Agent


@dataclass
class Shared:
    """The named grid or run, where files go, the training, and who computes."""

    config: EnvConfig  # of the grid or run that the command named
    agent: Agent | None
    folder: Path  # the working folder: nothing is written outside it
    workshop: Path  # a folder in it for files that go when the server ends
    trainer: Trainer
    pool: ThreadPoolExecutor
    tabs: int = 0
