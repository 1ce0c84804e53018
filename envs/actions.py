"""From actions in [−1, 1] to a Setpoint in MW, by way of the merit order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from envs.redispatch import Redispatch
from grid.arrays import GridArrays
from grid.balance import TINY_MW
from grid.costs import Prices, marginal_cost_per_mwh
from grid.namespace import namespace
from grid.state import Array, Inputs, Setpoint
from grid.step import Limits

ROOM_MW = 1e-6  # a unit with less room than this cannot be moved


@dataclass(frozen=True, eq=False)
class MeritOrder:
    """Sources by rising marginal cost, one tier for each cost in each connected part; K tiers.

    The order goes by the mean of the marginal cost over the source's range; equal costs share pro rata.
    """

    in_part: Array  # (N, K) 1 where the node is in the tier's part
    in_tier: Array  # (N, K) 1 where the node's source is in the tier
    before: Array  # (N, K) 1 where the node's source is in a tier before this one in the same part
    tier_nodes: Array  # (K, N) in_tier, transposed

    @classmethod
    def of(cls, arrays: GridArrays, prices: Prices, *, copper_plate: bool = False) -> MeritOrder:
        """Order the sources of a grid; on a copper plate all nodes are one part."""
        sources = np.flatnonzero(arrays.is_source)
        cost = marginal_cost_per_mwh(arrays, prices) + arrays.gen_cost_per_mw2h * arrays.gen_max_mw
        part = np.zeros_like(arrays.part) if copper_plate else arrays.part
        keys, tier = np.unique(np.stack([part[sources], cost[sources]]), axis=1, return_inverse=True)
        matrix = np.zeros((len(part), keys.shape[1]))
        matrix[sources, tier.ravel()] = 1.0
        same_part = keys[0][:, None] == keys[0]
        before = same_part & (keys[1][:, None] < keys[1])
        return cls(
            in_part=(part[:, None] == keys[0]).astype(float),
            in_tier=matrix,
            before=matrix @ before,
            tier_nodes=matrix.T.copy(),
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
        xp = namespace(need_mw)
        span = hi_mw - lo_mw
        rest = xp.matmul(need_mw - lo_mw, self.in_part) - xp.matmul(span, self.before)
        tier_span = xp.matmul(span, self.in_tier)
        fill = xp.minimum(xp.maximum(rest / xp.maximum(tier_span, TINY_MW), 0.0), 1.0)
        return lo_mw + span * xp.matmul(fill, self.tier_nodes)


@dataclass(frozen=True, eq=False)
class ActionMap:
    """Turns actions into MW for one grid."""

    arrays: GridArrays
    merit: MeritOrder
    redispatch: Redispatch
    units: Array  # (A, N) 1 where the action belongs to the node
    residual: bool
    redispatch_moves: int

    @classmethod
    def of(cls, arrays: GridArrays, prices: Prices, residual: bool, redispatch_moves: int = 0) -> ActionMap:
        """Prepare the map of a grid."""
        units = (arrays.controllable[:, None] == np.arange(len(arrays.node_names))).astype(float)
        merit, redispatch = MeritOrder.of(arrays, prices), Redispatch(arrays, prices)
        return cls(arrays, merit, redispatch, units, residual, redispatch_moves)

    def convert(self, asarray: Callable[[np.ndarray], Array]) -> ActionMap:
        """The same map with every array passed through ``asarray`` (say, to torch tensors)."""
        fields = {item.name: asarray(getattr(self.merit, item.name)) for item in dataclasses.fields(self.merit)}
        return dataclasses.replace(
            self,
            arrays=self.arrays.convert(asarray),
            merit=MeritOrder(**fields),
            redispatch=self.redispatch.convert(asarray),
            units=asarray(self.units),
        )

    def setpoint(self, actions: Array, limits: Limits, inputs: Inputs) -> Setpoint:
        """Turn actions into MW.

        A storage's action a asks for a·discharge_max_mw (a >= 0) or a·charge_max_mw (a < 0). A source's action is, if
        residual, the deviation from a dispatch of what the stores leave over (0 keeps it, +1 is the upper limit, −1 the
        lower), which is the merit order and then ``redispatch_moves``; if absolute, −1..1 spans the limits.

        Args:
            actions: (B, A) in [−1, 1].
            limits: of the coming step.
            inputs: of the coming step.
        """
        xp = namespace(actions)
        arrays = self.arrays
        a = xp.matmul(actions, self.units)
        up, down = xp.maximum(a, 0.0), xp.minimum(a, 0.0)
        store = up * arrays.discharge_max_mw + down * arrays.charge_max_mw
        lo, hi = limits.gen_lo_mw, limits.gen_hi_mw
        if not self.residual:
            return Setpoint(lo + (a + 1.0) / 2.0 * (hi - lo), store)
        feasible = xp.minimum(xp.maximum(store, limits.store_lo_mw), limits.store_hi_mw)
        zero = self._zero(feasible, limits, inputs)
        return Setpoint(zero + up * (hi - zero) + down * (zero - lo), store)

    def actions(self, setpoint: Setpoint, limits: Limits, inputs: Inputs) -> Array:
        """The actions (B, A) that ask for a setpoint within the limits: the inverse of ``setpoint``.

        Where a unit has no room to move, any action asks for the same; it gets 0.
        """
        xp = namespace(setpoint.gen_mw)
        arrays = self.arrays
        lo, hi, gen, store = limits.gen_lo_mw, limits.gen_hi_mw, setpoint.gen_mw, setpoint.store_mw
        store_side = xp.where(store >= 0, arrays.discharge_max_mw, arrays.charge_max_mw)
        if self.residual:
            zero = self._zero(store, limits, inputs)
            gen_side = xp.where(gen >= zero, hi - zero, zero - lo)
            gen_share = _ratio(gen - zero, gen_side)
        else:
            gen_share = xp.where(hi - lo > ROOM_MW, 2.0 * _ratio(gen - lo, hi - lo) - 1.0, 0.0)
        asked = xp.minimum(xp.maximum(gen_share + _ratio(store, store_side), -1.0), 1.0)
        return xp.matmul(asked, self.units.T)

    def _zero(self, store_mw: Array, limits: Limits, inputs: Inputs) -> Array:
        """(B, N) output that a residual action of 0 stands for, with the stores at ``store_mw`` within their limits."""
        gen = self.merit.dispatch(inputs.load_mw - store_mw, limits.gen_lo_mw, limits.gen_hi_mw)
        if self.redispatch_moves == 0:
            return gen
        return self.redispatch.moves(gen, store_mw - inputs.load_mw, limits, self.redispatch_moves)

    def merit_setpoint(self, limits: Limits, inputs: Inputs) -> Setpoint:
        """The merit-order rule: (B, N) cheapest sources first, stores idle."""
        gen = self.merit.dispatch(inputs.load_mw, limits.gen_lo_mw, limits.gen_hi_mw)
        return Setpoint(gen, namespace(gen).zeros_like(gen))


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, and 0 where there is no whole to speak of."""
    xp = namespace(part)
    return xp.where(whole > ROOM_MW, part / xp.maximum(whole, ROOM_MW), 0.0)
