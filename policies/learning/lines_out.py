"""Lines out of service, for tensors: the flows of ``grid.physics`` with their gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from grid.physics import Outages


class TensorOutages:
    """What ``Outages`` offers to a step and to redispatch, on tensors; which lines are out is constant."""

    def __init__(self, outages: Outages) -> None:
        self._outages = outages
        self.in_service, self.islands = outages.in_service, outages.islands
        self.is_corrected = torch.as_tensor(outages.is_corrected)

    @classmethod
    def of(cls, outages: Outages | None) -> TensorOutages | None:
        """The same outages; None where every line is in service."""
        return None if outages is None else cls(outages)

    def take(self, rows: Tensor) -> TensorOutages:
        """The same of some envs (b,)."""
        return TensorOutages(self._outages.take(rows.numpy()))

    def intact_weights(self, weights: Tensor) -> Tensor:
        """(B, E) as those of ``Outages``, without a gradient."""
        return torch.as_tensor(self._outages.intact_weights(weights.detach().numpy()))

    def flows(self, intact_mw: Tensor, injection_mw: Tensor) -> Tensor:
        """(B, E) flows, from those of the intact grid (B, E) and the injections (B, N)."""
        flow_mw: Tensor = _Flows.apply(intact_mw, injection_mw, self._outages)
        return flow_mw


class _Flows(torch.autograd.Function):
    """Flows are linear in those of the intact grid or, where that is of no use, in the injections."""

    @staticmethod
    def forward(ctx: Any, intact_mw: Tensor, injection_mw: Tensor, outages: Outages) -> Tensor:
        ctx.outages, ctx.nodes = outages, injection_mw.shape[1]
        return torch.as_tensor(outages.flows(intact_mw.numpy(), injection_mw.numpy()))

    @staticmethod
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor, Tensor, None]:
        outages, weight = ctx.outages, weights[0].numpy()
        of_intact, of_injection = outages.intact_weights(weight), np.zeros((len(weight), ctx.nodes))
        for rows, model, lines in outages.solved:
            of_intact[rows] = 0.0
            of_injection[rows] = model.ptdf(weight[np.ix_(rows, lines)])
        return torch.as_tensor(of_intact), torch.as_tensor(of_injection), None
