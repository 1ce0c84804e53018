"""GraphBody and GraphNetwork: message passing over the observation ``graph``, with weights that fit any grid.

Everything is node-major, [nodes or lines, rows, features]. Nodes receive messages over the lines, and the mean of
all nodes, as balance concerns them all. What a network knows of a grid beside the observation are constants of
its nodes and lines, which are buffers that are not saved with the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from envs import static_line_features, static_node_features
from grid import GridArrays
from policies.networks.layers import LineEncoder, MessageLayer

MOST_OF_NODE = 12.5  # features beyond these count as these: networks meet grids that they were not trained on
MOST_OF_LINE = 3.0
MOST_OF_GRID = 4.0
NODE_CONSTANTS, LINE_CONSTANTS = 14, 3


class GridConstants(nn.Module):
    """What a network knows of one grid: its lines, and constants of its nodes and lines."""

    ends: Tensor  # (2, E) nodes at the from and the to end of each line
    controllable: Tensor  # (A,) nodes in the order of the actions
    is_store: Tensor  # (A,) 1 at stores, 0 at sources
    of_nodes: Tensor  # (N, 14)
    of_lines: Tensor  # (E, 3)

    def __init__(self, arrays: GridArrays) -> None:
        super().__init__()
        self.rows = {"nodes": len(arrays.node_names), "lines": len(arrays.line_names)}
        constants = {
            "ends": torch.as_tensor(arrays.edge_index[:, : len(arrays.line_names)].copy(), dtype=torch.long),
            "controllable": torch.as_tensor(arrays.controllable.copy(), dtype=torch.long),
            "is_store": torch.as_tensor(arrays.is_store[arrays.controllable], dtype=torch.long),
            "of_nodes": torch.as_tensor(static_node_features(arrays).clip(-MOST_OF_NODE, MOST_OF_NODE)),
            "of_lines": torch.as_tensor(static_line_features(arrays).clip(-MOST_OF_NODE, MOST_OF_NODE)),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)


class GraphBody(nn.Module):
    """Embeds every node of a grid; arguments as those of ``GraphNetwork``."""

    def __init__(self, nodes: int, lines: int, whole: int, width: int, layers: int) -> None:
        super().__init__()
        self.of_node = nn.Linear(nodes, width)
        self.of_constants = nn.Linear(NODE_CONSTANTS, width, bias=False)
        self.of_globals = nn.Linear(whole, width, bias=False)
        self.of_lines = LineEncoder(lines, LINE_CONSTANTS, width)
        self.scale = nn.LayerNorm(width)
        self.rounds = nn.ModuleList([MessageLayer(width) for _ in range(layers)])

    def forward(self, observation: dict[str, Tensor], grid: GridConstants) -> Tensor:
        """Nodes (B, N, F), lines (B, E, G) and globals (B, K) to embeddings [N, B, W] of mean 0 and spread 1."""
        nodes = self.of_node(observation["nodes"].clamp(-MOST_OF_NODE, MOST_OF_NODE).transpose(0, 1))
        whole = observation["globals"].clamp(-MOST_OF_GRID, MOST_OF_GRID)
        nodes = torch.relu(nodes + self.of_constants(grid.of_nodes)[:, None] + self.of_globals(whole))
        seen = observation["lines"].clamp(-MOST_OF_LINE, MOST_OF_LINE).transpose(0, 1)
        lines = self.of_lines(seen, grid.of_lines)
        for layer in self.rounds:
            nodes = layer(nodes, grid.ends, lines)
        return self.scale(nodes)


class GraphNetwork(nn.Module):
    """A mean action for each unit, and a value, on any grid; untrained, every mean is 0.

    Args:
        nodes: features of a node.
        lines: features of a line.
        whole: features of the whole grid.
        width: W, features of an embedding.
        layers: rounds of message passing.
    """

    def __init__(self, nodes: int, lines: int, whole: int, width: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.body = GraphBody(nodes, lines, whole, width, layers)
        self.unit = nn.Sequential(nn.Linear(3 * width + nodes, width), nn.ReLU(), nn.Linear(width, 1))
        self.value = nn.Sequential(nn.Linear(2 * width + whole, width), nn.ReLU(), nn.Linear(width, 1))
        for weight in self.unit[-1].parameters():
            nn.init.zeros_(weight)

    def forward(self, observation: dict[str, Tensor], grid: GridConstants) -> tuple[Tensor, Tensor]:
        """Nodes (B, N, F), lines (B, E, G) and globals (B, K) to mean actions (B, A) and values (B,)."""
        nodes = self.body(observation, grid)
        pooled = torch.cat([nodes.mean(0), nodes.amax(0)], -1)
        own = observation["nodes"][:, grid.controllable].clamp(-MOST_OF_NODE, MOST_OF_NODE).transpose(0, 1)
        units = nodes[grid.controllable]
        about = torch.cat([units, pooled.expand(len(units), -1, -1), own], -1)
        judged = torch.cat([pooled, observation["globals"]], -1).detach()  # the critic does not shape the embeddings
        return self.unit(about)[..., 0].T, self.value(judged).squeeze(-1)
