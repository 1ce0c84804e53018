"""GraphNetwork: message passing whose weights fit any grid, and Wiring: what it knows of one grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from envs.observations import static_line_features, static_node_features
from grid import GridArrays
from grid.costs import Prices
from policies.layers import LineEncoder, MessageLayer

CONSTANTS = {"nodes": 14, "lines": 3}  # of static_node_features and static_line_features


class Wiring(nn.Module):
    """The constants of one grid, as buffers that are not saved with the weights."""

    controllable: Tensor  # (A,)
    edge_index: Tensor  # (2, 2E)
    nodes: Tensor  # (N, S)
    lines: Tensor  # (E, R)

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        super().__init__()
        constants = {
            "controllable": torch.as_tensor(arrays.controllable.copy(), dtype=torch.long),
            "edge_index": torch.as_tensor(arrays.edge_index.copy(), dtype=torch.long),
            "nodes": torch.as_tensor(static_node_features(arrays)),
            "lines": torch.as_tensor(static_line_features(arrays)),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)


class GraphNetwork(nn.Module):
    """Mean actions and a value from the observation ``graph`` of any grid; the mean is 0 before training.

    Args:
        observation_sizes: features a node, a line and of the whole grid: ``nodes``, ``lines``, ``globals``.
        width: W, features inside.
        layers: rounds of message passing.
    """

    def __init__(self, observation_sizes: dict[str, int], width: int, layers: int) -> None:
        super().__init__()
        self.of_node = nn.Linear(observation_sizes["nodes"], width)
        self.of_constants = nn.Linear(CONSTANTS["nodes"], width, bias=False)
        self.of_globals = nn.Linear(observation_sizes["globals"], width, bias=False)
        self.of_lines = LineEncoder(observation_sizes["lines"], CONSTANTS["lines"], width)
        self.rounds = nn.ModuleList([MessageLayer(width) for _ in range(layers)])
        self.scale = nn.LayerNorm(width)
        self.action = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.value = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        for weight in self.action[-1].parameters():
            nn.init.zeros_(weight)

    def forward(self, observation: dict[str, Tensor], wiring: Wiring) -> tuple[Tensor, Tensor]:
        """Nodes (B, N, F), lines (B, E, G) and globals (B, K) to mean actions (B, A) and values (B,)."""
        nodes = self.of_node(observation["nodes"].transpose(0, 1)) + self.of_constants(wiring.nodes)[:, None]
        nodes = torch.relu(nodes + self.of_globals(observation["globals"]))
        lines = self.of_lines(observation["lines"].transpose(0, 1), wiring.lines)
        for layer in self.rounds:
            nodes = layer(nodes, wiring.edge_index, lines)
        nodes = self.scale(nodes)
        mean = nodes.mean(0)
        units = nodes[wiring.controllable]
        actions = self.action(torch.cat([units, mean.expand_as(units)], dim=-1))
        value = self.value(torch.cat([mean, nodes.amax(0)], dim=-1))
        return actions.squeeze(-1).T, value.squeeze(-1)
