"""Clearing: the coming step as a market clears it, and how its outputs answer to bids and limits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from policies.planner.day import Day, numbers
from policies.planner.grid_constants import Wiring
from policies.planner.market import LEAST_RISE, dispatch

MOVES = 200  # of redispatch; it ends before where nothing more is saved
AT_LIMIT_PU = 1e-6
RIDGE = 1e-6  # where more rows bind than units are free


def clear(wiring: Wiring, cost: Tensor, rise: Tensor, low: Tensor, high: Tensor, day: Day) -> Tensor:
    """(B, U) output of units that bid cost + rise·output within their limits, (B, U) each.

    What comes out is the least cost of the bids, of overloads, and of spilling where a part must generate more than it
    needs. Its gradient is that of the solution, by the conditions that hold at it: a unit between its limits moves with
    its bid, as the balance of its part and the lines that are full let it.
    """
    units, sources = cost.shape[1], len(wiring.sources)
    surplus = (low[:, :sources] @ wiring.own[:, :sources].T - day.need).detach().clamp(min=0)
    none = torch.zeros_like(surplus)
    cost, rise = torch.cat([cost, none - wiring.fleet.spill], 1), torch.cat([rise, none], 1)
    low, high = torch.cat([low, -surplus], 1), torch.cat([high, none], 1)
    rise = torch.maximum(rise, LEAST_RISE / (high - low).detach().clamp(min=1e-3))
    near = torch.cat([day.output[:, 0], none], 1)
    bids = [numbers(each) for each in (cost, rise, low, high, day.need, day.load_flow)]
    output, full = np.zeros(cost.shape), np.zeros(day.load_flow.shape)
    dispatch(*bids, wiring.market, numbers(day.toll[:, 0]), numbers(near), MOVES, output, full)
    fixed = torch.from_numpy(output).float()
    if torch.is_grad_enabled():
        fixed = fixed + _change(wiring, cost + rise * fixed, rise, low, high, fixed, torch.from_numpy(full).float())
    return fixed[:, :units]


def _change(
    wiring: Wiring, price: Tensor, rise: Tensor, low: Tensor, high: Tensor, output: Tensor, full: Tensor
) -> Tensor:
    """(B, U) zero, with the gradient of the output."""
    at_high = output >= high - AT_LIMIT_PU
    at_low = ~at_high & (output <= low + AT_LIMIT_PU)
    moved = torch.where(at_high, high - high.detach(), torch.where(at_low, low - low.detach(), 0.0))
    give = torch.where(at_high | at_low, 0.0, 1 / rise.detach()).double()
    most = int((full != 0).sum(1).max()) if full.shape[1] else 0
    is_full, line = full.abs().topk(most, 1)
    at_lines = wiring.market_reach.T[line] * is_full[..., None]
    rows = torch.cat([wiring.own.expand(len(full), -1, -1), at_lines], 1).double()
    normal = (rows * give[:, None]) @ rows.transpose(1, 2)
    scale = normal.diagonal(dim1=1, dim2=2).amax(1).clamp(min=1e-6)
    normal = normal + RIDGE * scale[:, None, None] * torch.eye(rows.shape[1], dtype=torch.float64)
    pushed = moved - give * (price - price.detach())
    duals = torch.linalg.solve(normal, (rows @ pushed[..., None]))
    return (pushed - give * (rows.transpose(1, 2) @ duals)[..., 0]).float()
