"""Training that several processes share: each runs a part of an update's episodes, and all take the same step.

The first rank is the caller. It alone validates, writes the run, and tells the others what to do; gradients are
averaged by one all-reduce of all numbers in a row (gloo).
"""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, cast

from torch import Tensor
from torch import distributed as dist

from envs import EnvConfig
from grid import beside
from policies.config import TrainConfig
from policies.learning.average import told_of_loss
from policies.learning.stages import Learner, make_learner
from policies.learning.start import build, start_episodes, training_grids
from policies.many_grids import TrainingGrids
from policies.networks import torch_threads

PATIENCE = timedelta(hours=1)  # longer than the first rank validates; a rank that is lost is noticed at once


class Start(NamedTuple):
    """What a rank goes on from after each checkpoint; after it, every order is a learning rate."""

    seed: int
    update: int
    policy: dict[str, Tensor]
    optimizer: dict[str, Any]


Tell = Callable[[Start | float], object]


@contextmanager
def followers(config: TrainConfig, grids: TrainingGrids) -> Iterator[Tell]:
    """The other ranks of a training: tells all of them what to do. They end with the block.

    Raises:
        GridError: a rank is lost, or a cluster has too few cores.
    """
    if config.ranks == 1:
        yield lambda order: None
        return
    envs = [dataclasses.replace(problem.config, topology=problem.grid) for problem in grids.problems]
    with beside(partial(_follow, config, envs), range(1, config.ranks)) as place, _joined(place, 0, config.ranks):
        yield _send
        _send(None)


def _follow(config: TrainConfig, envs: Sequence[EnvConfig], place: str, rank: int) -> None:
    """Do what the first rank tells, until it tells nothing more."""
    with torch_threads(config.threads), _joined(place, rank, config.ranks):
        policy, own = build(config, training_grids(config, envs), rank)
        learner: Learner | None = None
        while (order := _send(None)) is not None:
            if isinstance(order, Start):
                policy.load_state_dict(order.policy)
                policy.optimizer.load_state_dict(order.optimizer)
                start_episodes(own, order.seed, order.update, rank)
                learner = make_learner("gradient", policy, own, config, lambda: True)
            else:
                cast(Learner, learner).update(order)


def _send(order: Start | float | None) -> Start | float | None:
    """The order of the first rank, on all ranks."""
    orders = [order]
    with told_of_loss():
        dist.broadcast_object_list(orders, src=0)
    return orders[0]


@contextmanager
def _joined(place: str, rank: int, count: int) -> Iterator[None]:
    if place.startswith("file:"):  # all on this machine: nothing listens elsewhere
        os.environ["GLOO_SOCKET_IFNAME"] = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    with told_of_loss():
        dist.init_process_group("gloo", init_method=place, rank=rank, world_size=count, timeout=PATIENCE)
    try:
        yield
    finally:
        with suppress(RuntimeError):
            dist.destroy_process_group()
