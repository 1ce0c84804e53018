"""Where a training computes: on the CPU, or on a device that runs whole episodes in torch."""

from __future__ import annotations

import torch

from envs import Problem
from grid import GridError

WORLD = "actions that are absolute or residual, DC power flow, lines that stay in service, and plants that stay on"


def find_device(name: str, problem: Problem) -> torch.device:
    """The device of this name, which can run the episodes of a problem.

    Raises:
        GridError: torch sees no such device, or a part of the world is computed in numpy.
    """
    device = torch.device(name)
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        found = f"{name!r}, while torch sees {count or 'no'} GPU{'s' * (count != 1)}"
        mend = "install a torch that is built for the GPU, or train with --device cpu"
        raise GridError("train.device", found, "cpu, or a GPU that torch sees", mend)
    numpy_parts = [*beside_torch(problem), *["plants that start and stop"] * bool(problem.arrays.stoppable.shape[0])]
    if device.type != "cpu" and numpy_parts:
        found = f"{name!r} with {', '.join(numpy_parts)}, for which numpy is needed"
        mend = "train with --device cpu, or with --set action=residual in such a world"
        raise GridError("train.device", found, WORLD, mend)
    return device


def beside_torch(problem: Problem) -> list[str]:
    """What of a world makes the batch take the steps of an episode on numpy, too."""
    config, arrays = problem.config, problem.arrays
    found = {
        f"action={config.action!r}": config.plans,
        f"flow={config.flow!r}": config.flow == "ac",
        f"overload={config.overload!r}": config.relays is not None,
        "lines that can be out": bool(config.outages) or bool((arrays.outage_rate_per_h > 0).any()),
    }
    return [name for name, is_there in found.items() if is_there]
