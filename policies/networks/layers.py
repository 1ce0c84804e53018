"""Message passing over the lines of one grid, for whole batches at once.

Everything is node-major: nodes [N, B, W], lines [E, B, W]. One ``edge_index`` serves the whole batch, which gives the
same numbers as joining the B graphs into one big graph, without its copies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv


class LineEncoder(nn.Module):
    """Embeds what is known of each line, once for each direction, since flows have a sign: [E, B, G] to [2E, B, W]."""

    def __init__(self, observed: int, static: int, width: int) -> None:
        super().__init__()
        self.observed = nn.Linear(observed, 2 * width)
        self.static = nn.Linear(static, 2 * width, bias=False)

    def forward(self, lines: Tensor, static: Tensor) -> Tensor:
        """Lines [E, B, G] and their constants [E, R]; the from-to directions come first, as in ``edge_index``."""
        both = self.observed(lines) + self.static(static)[:, None]
        return torch.cat(both.chunk(2, dim=-1))


class MessageLayer(nn.Module):
    """Each node receives messages from its neighbours (GINE, mean) and from all nodes, as balance concerns them all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.LayerNorm(width)
        self.hear = GINEConv(nn.Linear(width, width), node_dim=0, aggr="mean")
        self.hear_all = nn.Linear(width, width, bias=False)

    def forward(self, nodes: Tensor, edge_index: Tensor, lines: Tensor) -> Tensor:
        """Nodes [N, B, W] and lines [2E, B, W] to nodes [N, B, W]."""
        even = self.scale(nodes)
        heard = self.hear(even, edge_index, lines) + self.hear_all(even.mean(0))
        return nodes + torch.relu(heard)
