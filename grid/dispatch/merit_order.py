"""The merit order: the cheapest sources first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, marginal_cost_per_mwh
from grid.namespace import loops, namespace
from grid.physics import TINY_MW
from grid.state import Array


@dataclass(frozen=True, eq=False)
class MeritOrder:
    """Sources by rising marginal cost, one tier for each cost in each connected part; G sources, K tiers, P parts.

    Flexible demand counts as a source, whose output is what is cut.

    The order goes by the mean of the marginal cost over the source's range; equal costs share pro rata.
    """

    part_matrix: Array  # (N, P) 1 where the node is in the part
    sources: Array  # (G,) nodes, tier by tier
    last: Array  # (K,) position of each tier's last source
    before: Array  # (P,) position of the last source before each part's first one, in 0..G; 0: there is none
    part: Array  # (K,) of each tier
    tier: Array  # (N,) of each node's source
    nodes: Array  # (N,) all nodes, part by part
    nodes_end: Array  # (P,) position of each part's last node

    @classmethod
    def of(cls, arrays: GridArrays, prices: Prices) -> MeritOrder:
        """Order the sources of a grid."""
        sources = arrays.dispatched
        cost = marginal_cost_per_mwh(arrays, prices) + arrays.gen_cost_per_mw2h * arrays.gen_max_mw
        part = arrays.part
        keys, tier = np.unique(np.stack([part[sources], cost[sources]]), axis=1, return_inverse=True)
        tier = tier.ravel()
        order = np.argsort(tier, kind="stable")
        tier_of_node = np.zeros(len(part), dtype=np.intp)
        tier_of_node[sources] = tier
        parts = np.arange(int(part.max()) + 1)
        return cls(
            part_matrix=(part[:, None] == parts).astype(float),
            sources=sources[order],
            last=np.searchsorted(tier[order], np.arange(keys.shape[1]), side="right"),
            before=np.searchsorted(part[sources[order]], parts),
            part=keys[0].astype(np.intp),
            tier=tier_of_node,
            nodes=np.argsort(part, kind="stable"),
            nodes_end=np.cumsum(np.bincount(part)),
        )

    def dispatch(self, need_mw: Array, lo_mw: Array, hi_mw: Array) -> Array:
        """Fill the cheapest sources first.

        Args:
            need_mw: (B, N) what is to be generated for each node; only the sum over each part matters.
            lo_mw: (B, N) lower limit of each source.
            hi_mw: (B, N) upper limit of each source.

        Returns:
            (B, N) output within the limits, summing to the need of each part where the limits allow.
        """
        if not self.sources.shape[0]:
            return lo_mw
        compiled = loops(need_mw, __package__)
        if compiled is not None:
            of_tiers = self.sources, self.last, self.part, self.nodes, self.nodes_end
            return compiled.merit_order(need_mw, lo_mw, hi_mw, *of_tiers)
        xp = namespace(need_mw)
        span = hi_mw - lo_mw
        up_to = xp.cumulative_sum(span[:, self.sources], axis=1, include_initial=True)
        end = up_to[:, self.last]
        size = xp.diff(end, axis=1, prepend=xp.zeros_like(end[:, :1]))
        need = xp.matmul(need_mw - lo_mw, self.part_matrix) + up_to[:, self.before]
        fill = xp.minimum(xp.maximum((need[:, self.part] - (end - size)) / xp.maximum(size, TINY_MW), 0.0), 1.0)
        return lo_mw + span * fill[:, self.tier]
