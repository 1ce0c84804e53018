"""GraphActorCriticPolicy: one network for every grid, as a policy of stable-baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn
from torch.nn import functional

from grid import GridArrays, GridError
from policies.networks.graph_network import GraphNetwork, GridConstants

PARTS = ("nodes", "lines", "globals")
KINDS = ("source", "storage")


class MaskedGaussian(DiagGaussianDistribution):
    """Independent normal actions; padded entries are 0 and count neither in the log-probability nor in the entropy.

    Args:
        mean: (B, A).
        std: (A,) or (B, A).
        mask: (B, A), 1 at the entries of each row's own grid, else 0; None: nothing is padded.
    """

    def __init__(self, mean: Tensor, std: Tensor, mask: Tensor | None = None) -> None:
        super().__init__(mean.shape[1])
        self.distribution = torch.distributions.Normal(mean, std, validate_args=False)
        self.mask = mask

    def log_prob(self, actions: Tensor) -> Tensor:
        """(B,)."""
        return self._own(self.distribution.log_prob(actions)).sum(1)

    def entropy(self) -> Tensor:
        """(B,)."""
        return self._own(self.distribution.entropy()).sum(1)

    def sample(self) -> Tensor:
        """(B, A)."""
        return self._own(self.distribution.rsample())

    def mode(self) -> Tensor:
        """(B, A)."""
        return self._own(self.distribution.mean)

    def _own(self, entries: Tensor) -> Tensor:
        return entries if self.mask is None else entries * self.mask


class GraphActorCriticPolicy(ActorCriticPolicy):
    """Decides by message passing over the lines; weights and log-std are shared by all units of a kind.

    Relabelling nodes and lines permutes the actions, no parameter's shape depends on a grid, and the constants of grids
    are not saved with the weights. Untrained, every action is 0: which is the plan of the env.
    Observations of several grids hold one more entry, ``grid`` (B, 1), the position of each row's grid. They are padded
    at the end to the largest; each grid's rows run without the padding. Without that entry, all rows are of the grid
    last turned to.

    Args:
        observation_space: of envs with ``observation="graph"``.
        action_space: of the envs.
        lr_schedule: as stable-baselines3 calls it.
        grids: the arrays of each grid.
        width: features inside the network.
        layers: rounds of message passing.
        log_std_init: of the exploration at first, in units of the action.
        optimizer_class: of torch.
        optimizer_kwargs: for it.
        use_sde: must be False.

    Raises:
        GridError: another observation space, or ``use_sde``.
    """

    log_std: nn.Parameter  # (2,) by KINDS

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Any,
        grids: Sequence[GridArrays],
        width: int = 64,
        layers: int = 2,
        log_std_init: float = -1.5,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        use_sde: bool = False,
    ) -> None:
        if use_sde:
            raise GridError("use_sde", "True", "False", "this policy explores by its log-std alone")
        check_space(observation_space)
        self._made_of: dict[str, Any] = {"grids": list(grids), "width": width, "layers": layers}
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch=[],
            log_std_init=log_std_init,
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
        )

    def _build(self, lr_schedule: Any) -> None:
        parts = cast(spaces.Dict, self.observation_space).spaces
        nodes, lines, whole = ((parts[name].shape or ())[-1] for name in PARTS)
        self.network = GraphNetwork(nodes, lines, whole, self._made_of["width"], self._made_of["layers"])
        self.log_std = nn.Parameter(torch.full((len(KINDS),), float(self.log_std_init)))
        self.rewire(self._made_of["grids"])
        optimizer: Any = self.optimizer_class
        self.optimizer = optimizer(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def rewire(self, grids: Sequence[GridArrays]) -> None:
        """Decide for these grids from now on, and first for the first of them; the weights stay."""
        self._made_of["grids"] = list(grids)
        self.grids = nn.ModuleList([GridConstants(arrays) for arrays in grids])
        self.turn_to(0)

    def turn_to(self, position: int) -> None:
        """Take observations without the entry ``grid`` to be of the grid at this position."""
        self.position = position

    def forward(self, obs: Any, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (B, A), values (B, 1) and the actions' log-probability (B,), ."""
        distribution, values = self._decide(obs)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, values, distribution.log_prob(actions)

    def evaluate_actions(self, obs: Any, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values (B, 1), log-probability of the actions (B,) and entropy (B,)."""
        distribution, values = self._decide(obs)
        return values, distribution.log_prob(actions), distribution.entropy()

    def get_distribution(self, obs: Any) -> MaskedGaussian:
        """Of the actions (B, A)."""
        return self._decide(obs)[0]

    def predict_values(self, obs: Any) -> Tensor:
        """(B, 1)."""
        return self._decide(obs)[1]

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[np.ndarray, Any]:
        """Actions (B, A) in [−1, 1], or (A,) for the observation of one env; of any size, as the grid is."""
        self.set_training_mode(False)
        is_alone = np.ndim(observation["nodes"]) == 2
        tensors = {name: torch.as_tensor(value, device=self.device) for name, value in observation.items()}
        if is_alone:
            tensors = {name: value[None] for name, value in tensors.items()}
        with torch.no_grad():
            actions = self.get_distribution(tensors).get_actions(deterministic=deterministic)
        numbers = actions.clamp(-1.0, 1.0).cpu().numpy()
        return (numbers[0] if is_alone else numbers), state

    def _decide(self, observation: dict[str, Tensor]) -> tuple[MaskedGaussian, Tensor]:
        """The distribution of the actions (B, A), and values (B, 1)."""
        if "grid" in observation:
            return self._decide_by_grid(observation, observation["grid"].flatten().long())
        grid = self._constants(self.position)
        mean, value = self.network(observation, grid)
        return MaskedGaussian(mean, self.log_std.exp()[grid.is_store]), value[:, None]

    def _decide_by_grid(self, observation: dict[str, Tensor], position: Tensor) -> tuple[MaskedGaussian, Tensor]:
        width = int(np.prod(self.action_space.shape or ()))
        std_by_kind = self.log_std.exp()
        rows, means, stds, masks, values = [], [], [], [], []
        for number in torch.unique(position).tolist():
            grid, chosen = self._constants(number), torch.nonzero(position == number).squeeze(1)
            own = {name: observation[name][chosen] for name in PARTS}
            own |= {name: own[name][:, :count] for name, count in grid.rows.items()}  # without the padding
            mean, value = self.network(own, grid)
            padding = (0, width - len(grid.is_store))
            rows.append(chosen)
            means.append(functional.pad(mean, padding))
            stds.append(functional.pad(std_by_kind[grid.is_store], padding, value=1.0).expand(len(chosen), -1))
            masks.append(functional.pad(torch.ones_like(mean), padding))
            values.append(value)
        back = torch.argsort(torch.cat(rows))
        mean, std, mask, value = (torch.cat(parts)[back] for parts in (means, stds, masks, values))
        return MaskedGaussian(mean, std, mask), value[:, None]

    def _constants(self, position: int) -> GridConstants:
        if not 0 <= position < len(self.grids):
            allowed = f"one of {len(self.grids)} grids" if len(self.grids) else "a policy that knows a grid"
            mend = "rewire it for the grids of the envs"
            raise GridError("policy", f"an observation of grid {position}", allowed, mend)
        return cast(GridConstants, self.grids[position])

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own, every = signature(type(self)).parameters, super()._get_constructor_parameters()
        return {name: value for name, value in every.items() if name in own} | self._made_of


def check_space(space: spaces.Space) -> None:
    """Check that it is the space of the observation ``graph``.

    Raises:
        GridError: the space is not that of the observation ``graph``.
    """
    if not isinstance(space, spaces.Dict) or set(space.spaces) - {"grid"} != set(PARTS):
        found, allowed = type(space).__name__, "the space of envs with observation='graph'"
        raise GridError("observation_space", found, allowed, "make the envs with observation='graph'")
