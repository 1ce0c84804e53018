"""What the ranks of a training share in each step: their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch import distributed as dist

from grid import GridError


def average(gradients: Sequence[Tensor], reward: float) -> float:
    """Replace gradients by their mean over the ranks, and return the mean of the rewards; alone, nothing changes.

    Raises:
        GridError: a rank is lost.
    """
    if not dist.is_initialized():
        return reward
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor([reward])])
    with told_of_loss():
        dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([each.numel() for each in gradients] + [1])[:-1], strict=True):
        gradient.copy_(mean.view_as(gradient))
    return float(flat[-1])


@contextmanager
def told_of_loss() -> Iterator[None]:
    """Name a lost rank."""
    try:
        yield
    except RuntimeError as error:  # of torch: the connection is closed
        mend = "go on from the last checkpoint by `load-balancer train --resume`"
        raise GridError("ranks", "one that ended before its work was done", "ones that answer", mend) from error
