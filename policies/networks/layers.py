"""Message passing over the lines of one grid, for whole batches at once.

Everything is node-major: nodes [N, B, W], lines [E, B, 2W]. The ends of the lines serve the whole batch, which gives
the same numbers as joining the B graphs into one big graph, without its copies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv

from policies.networks.loops import heard_back, mean_heard


class LineEncoder(nn.Module):
    """Embeds what is known of each line, once for each direction, since flows have a sign: [E, B, G] to [E, B, 2W]."""

    def __init__(self, observed: int, static: int, width: int) -> None:
        super().__init__()
        self.observed = nn.Linear(observed, 2 * width)
        self.static = nn.Linear(static, 2 * width, bias=False)

    def forward(self, lines: Tensor, static: Tensor) -> Tensor:
        """Lines [E, B, G] and their constants [E, R]; the direction from-to comes first."""
        constant = self.observed.bias + self.static(static)
        weight = self.observed.weight.T.expand(len(lines), -1, -1)  # a product a line goes back faster
        return torch.baddbmm(constant[:, None], lines, weight)


class Hear(GINEConv):
    """What a node makes of itself and the mean of relu(neighbour + line): GINE (Hu et al., 2020, arXiv:1905.12265).

    On the CPU the messages are passed by compiled loops, elsewhere by torch-geometric.
    """

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, width), node_dim=0, aggr="mean")

    def forward(self, nodes: Tensor, ends: Tensor, lines: Tensor) -> Tensor:
        """Nodes [N, B, W], ends (2, E) and lines [E, B, 2W] to nodes [N, B, W]."""
        if nodes.device.type == "cpu" and nodes.dtype == torch.float32:
            return self.nn(nodes + _Heard.apply(nodes, lines, ends))
        both_ways = torch.cat([ends, ends.flip(0)], dim=1)
        return super().forward(nodes, both_ways, torch.cat(lines.chunk(2, dim=-1)))


class _Heard(torch.autograd.Function):
    """[N, B, W] mean of relu(neighbour + line) over the lines of a node, by compiled loops."""

    @staticmethod
    def forward(context: Any, nodes: Tensor, lines: Tensor, ends: Tensor) -> Tensor:
        context.save_for_backward(nodes, lines, ends)
        return torch.from_numpy(mean_heard(*(each.detach().numpy() for each in (nodes, lines, ends))))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        arrays = (each.detach().numpy() for each in (*context.saved_tensors, grad.contiguous()))
        by_node, by_line = heard_back(*arrays)
        return torch.from_numpy(by_node), torch.from_numpy(by_line), None


class MessageLayer(nn.Module):
    """Each node receives messages from its neighbours and from all nodes, as balance concerns them all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.LayerNorm(width)
        self.hear = Hear(width)
        self.hear_all = nn.Linear(width, width, bias=False)

    def forward(self, nodes: Tensor, ends: Tensor, lines: Tensor) -> Tensor:
        """Nodes [N, B, W] and lines [E, B, 2W] to nodes [N, B, W]."""
        even = self.scale(nodes)
        heard = self.hear(even, ends, lines) + self.hear_all(even.mean(0))
        return nodes + torch.relu(heard)
