"""A device that no machine needs to have: it computes on the CPU, and refuses tensors that are not on it.

Its tensors say that they are on torch's device ``meta`` and hold real numbers. As on a GPU, an operation takes them or
those of the CPU, apart from single numbers; stricter than there, positions to index by have to be on it, too, as a GPU
would fetch them each time. What the CPU asks of it, for which it would have to wait on a GPU, is counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
CROSSING = ("_to_copy", "copy_")  # what may bring numbers from one device to the other
ASKING = ("_local_scalar_dense", "nonzero")  # whose answer the CPU waits for


class Far(torch.Tensor):
    """A tensor on the device, around one on the CPU."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> Far:
        layout = {"strides": near.stride(), "storage_offset": near.storage_offset(), "dtype": near.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, near.shape, device=DEVICE, **layout)

    def __init__(self, near: torch.Tensor) -> None:
        self.near = near

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Saved as a tensor of the CPU, which is how a checkpoint is read."""
        return self.near.__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, [])


class _Machine(TorchDispatchMode):
    """Knows the device; ``asked`` lists what the CPU waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, self.asked)


class _Made(TorchFunctionMode):
    """Sends what is made of numbers to the device: torch makes it where no mode for dispatch sees it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.asarray, torch.as_tensor) and kwargs.get("device") == DEVICE:
            return func(*args, **{**kwargs, "device": "cpu"}).to(DEVICE)
        return func(*args, **kwargs)


@contextmanager
def far_device() -> Iterator[_Machine]:
    """Inside, ``.to(DEVICE)`` and ``device=DEVICE`` are the device; modules keep their parameters when they move."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        checked = mock.patch("torch.optim.adam._device_dtype_check_for_fused")  # which knows torch's own devices
        with _Machine() as machine, _Made(), checked, warnings.catch_warnings():
            # that nothing is copied to torch's own device of this name
            warnings.filterwarnings("ignore", "for .*copying from a non-meta parameter", UserWarning)
            yield machine
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def _run(func: Any, args: Any, kwargs: dict[str, Any], asked: list[str]) -> Any:
    name, device = func.overloadpacket.__name__, kwargs.get("device")
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
    far = {id(each.near): each for each in tensors if isinstance(each, Far)}
    if far and name not in CROSSING and any(each.dim() for each in tensors if not isinstance(each, Far)):
        raise RuntimeError(f"{func} of tensors on two devices")
    if far and name in ASKING:
        asked.append(name)
    if device == DEVICE:
        kwargs = {**kwargs, "device": "cpu"}
    near = tree_map(lambda each: each.near if isinstance(each, Far) else each, (args, kwargs))
    out = func(*near[0], **near[1])
    if name == "copy_":
        return args[0]
    is_far = bool(far) if device is None else device == DEVICE

    def wrapped(each: Any) -> Any:
        return far.get(id(each), Far(each)) if is_far and isinstance(each, torch.Tensor) else each

    return tree_map(wrapped, out)
