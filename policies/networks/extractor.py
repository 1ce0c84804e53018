"""GraphExtractor: a graph network that plugs into any stable-baselines3 algorithm as its features extractor."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from grid import GridArrays, GridError
from policies.networks.graph_network import GraphBody, GridConstants


class GraphExtractor(BaseFeaturesExtractor):
    """Message passing over the observation ``graph`` of one grid.

    The output holds the embedding of each controllable node, in the order of the actions, the mean and the maximum over
    all nodes, and the globals as they are: (B, (A + 2)·W + K). The heads that follow can so tell which action
    belongs to which node.

    Args:
        observation_space: of an env with ``observation="graph"``.
        arrays: the env's grid.
        width: W, features a node.
        layers: rounds of message passing.

    Raises:
        GridError: the observation is of another grid or not a graph.
    """

    def __init__(self, observation_space: spaces.Space, arrays: GridArrays, width: int = 32, layers: int = 2) -> None:
        sizes = _sizes(observation_space, arrays)
        super().__init__(observation_space, (len(arrays.controllable) + 2) * width + sizes["globals"])
        self.grid = GridConstants(arrays)
        self.body = GraphBody(sizes["nodes"], sizes["lines"], sizes["globals"], width, layers)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Nodes (B, N, F), lines (B, E, G) and globals (B, K) to features (B, (A + 2)·W + K)."""
        nodes = self.body(observations, self.grid)
        units = nodes[self.grid.controllable].transpose(0, 1).flatten(1)
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
