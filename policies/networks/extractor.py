"""GraphExtractor: a graph network that plugs into any stable-baselines3 algorithm as its features extractor."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from envs import static_line_features, static_node_features
from grid import GridArrays, GridError
from policies.networks.layers import LineEncoder, MessageLayer


class GraphExtractor(BaseFeaturesExtractor):
    """Message passing over the observation ``graph`` of one grid.

    The output holds the embedding of each controllable node, in the order of the actions, the mean and the maximum over
    all nodes, and the globals as they are: (B, (A + 2)·W + K). The heads that follow can so tell which action
    belongs to which node. Embeddings leave with mean 0 and spread 1: as plain sums over the lines they are so large
    that one update throws the actions from end to end.

    The wiring and the constants of the grid are buffers that are not saved with the weights.

    Args:
        observation_space: of an env with ``observation="graph"``.
        arrays: the env's grid.
        width: W, features a node.
        layers: rounds of message passing.

    Raises:
        GridError: the observation is of another grid or not a graph.
    """

    edge_index: Tensor
    controllable: Tensor
    node_constants: Tensor
    line_constants: Tensor

    def __init__(self, observation_space: spaces.Space, arrays: GridArrays, width: int = 32, layers: int = 2) -> None:
        sizes = _sizes(observation_space, arrays)
        super().__init__(observation_space, (len(arrays.controllable) + 2) * width + sizes["globals"])
        constants = {
            "edge_index": torch.as_tensor(arrays.edge_index.copy(), dtype=torch.long),
            "controllable": torch.as_tensor(arrays.controllable.copy(), dtype=torch.long),
            "node_constants": torch.as_tensor(static_node_features(arrays)),
            "line_constants": torch.as_tensor(static_line_features(arrays)),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.of_node = nn.Linear(sizes["nodes"], width)
        self.of_constants = nn.Linear(self.node_constants.shape[1], width, bias=False)
        self.of_globals = nn.Linear(sizes["globals"], width, bias=False)
        self.of_lines = LineEncoder(sizes["lines"], self.line_constants.shape[1], width)
        self.scale = nn.LayerNorm(width)
        self.rounds = nn.ModuleList([MessageLayer(width) for _ in range(layers)])

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Nodes (B, N, F), lines (B, E, G) and globals (B, K) to features (B, (A + 2)·W + K)."""
        nodes = self.of_node(observations["nodes"].transpose(0, 1))
        nodes = nodes + self.of_constants(self.node_constants)[:, None] + self.of_globals(observations["globals"])
        nodes = torch.relu(nodes)
        lines = self.of_lines(observations["lines"].transpose(0, 1), self.line_constants)
        for layer in self.rounds:
            nodes = layer(nodes, self.edge_index, lines)
        nodes = self.scale(nodes)
        units = nodes[self.controllable].transpose(0, 1).flatten(1)
        return torch.cat([units, nodes.mean(0), nodes.amax(0), observations["globals"]], dim=1)


def _sizes(space: spaces.Space, arrays: GridArrays) -> dict[str, int]:
    """Features a node, a line and for the whole grid."""
    allowed = f"the space of an env with observation='graph' on the grid {arrays.name!r}"
    mend = "make the env with observation='graph' and hand over its own arrays"
    if not isinstance(space, spaces.Dict) or set(space.spaces) != {"nodes", "lines", "globals"}:
        raise GridError("observation_space", str(space), allowed, mend)
    shapes = {name: part.shape or () for name, part in space.spaces.items()}
    rows = {"nodes": len(arrays.node_names), "lines": len(arrays.line_names)}
    for name, count in rows.items():
        if shapes[name][0] != count:
            raise GridError("observation_space", f"{shapes[name][0]} {name}, while arrays has {count}", allowed, mend)
    return {name: shape[-1] for name, shape in shapes.items()}
