"""From actions in [−1, 1] to a Setpoint in MW, by way of the merit order or of the plan of the day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from grid import Array, GridArrays, Inputs, Prices, Setpoint, converted, loops, namespace
from grid.dispatch import MeritOrder, Redispatch, UnitCommitment
from grid.physics import Limits, committed, is_asked

if TYPE_CHECKING:
    from grid.planning.day import Day, Security

ROOM_MW = 1e-6  # a unit with less room than this cannot be moved
MOST_SHIFT_FRAC = 0.25  # of the typical price: what a bid of 1 adds to the price of a unit
FINE_FRAC = 0.1  # of that, in proportion to the bid; the rest goes with its cube, so that small bids change little
STORE_SHIFT_FRAC = 0.5  # of the typical price, most by which an action of "store-values" shifts a value
MOST_SECURITY = 20.0  # times the price of an overload that an action of "secure-values" makes one after an outage count
SECURE_FRAC = 0.9  # of the loading at which a cold line trips, from which on it does: lines are hot
BY_VALUE = ("store-values", "secure-values")  # kinds that are learned by the stage search
CUT_FROM = 0.5  # a deviation of less than this leaves a cut of demand, which is dear, as the plan has it


@dataclass(frozen=True, eq=False)
class ActionMap:
    """Turns actions into MW for one grid."""

    arrays: GridArrays
    merit: MeritOrder
    redispatch: Redispatch
    unit: Array  # (N,) action of each node, A where it has none
    kind: str  # a choice of EnvConfig.action
    redispatch_moves: int = 0
    commitment: UnitCommitment | None = None  # of plants that start and stop; None: the grid has none
    trip_frac: float = np.inf  # loading above which a line trips within a step, in parts of capacity
    unknown_h: float = 0.0  # for which nothing is known of outages before the end of a step, when it is decided

    @classmethod
    def of(cls, arrays: GridArrays, prices: Prices, kind: str, **fields: Any) -> ActionMap:
        """Prepare the map of a grid, with further fields."""
        unit = np.full(len(arrays.node_names), len(arrays.controllable))
        unit[arrays.controllable] = np.arange(len(arrays.controllable))
        merit, redispatch = MeritOrder.of(arrays, prices), Redispatch(arrays, prices)
        commitment = UnitCommitment(arrays, prices) if arrays.stoppable.shape[0] else None
        return cls(arrays, merit, redispatch, unit, kind, commitment=commitment, **fields)

    def convert(self, asarray: Callable[[np.ndarray], Array]) -> ActionMap:
        """The same map with every array passed through ``asarray`` (say, to torch tensors)."""
        arrays = self.arrays.with_flow_matrix().convert(asarray)
        merit, redispatch = converted(self.merit, asarray), self.redispatch.convert(asarray, arrays)
        return converted(self, asarray, arrays=arrays, merit=merit, redispatch=redispatch)

    def setpoint(self, actions: Array, limits: Limits, inputs: Inputs, day: Day | None = None) -> Setpoint:
        """Turn actions into MW.

        A storage's action a asks for a·discharge_max_mw (a >= 0) or a·charge_max_mw (a < 0). A source's action is, if
        residual, the deviation from a dispatch of what the stores leave over (0 keeps it, +1 is the upper limit, −1 the
        lower), which is the merit order and then ``redispatch_moves``; if absolute, −1..1 spans the limits.
        "residual-plan" is residual here: where a line is out, ``GridBatch`` asks the plan instead. With bids,
        an action shifts the price at which its source offers, or the value of its store's energy, by
        MOST_SHIFT_FRAC · (FINE_FRAC · a + (1 − FINE_FRAC) · a³) of the typical price, and the step is cleared: at 0 as
        the plan has it. With "plan", an action is the deviation of its unit from that: +1 is the upper limit, −1 the
        lower; a store's is that of discharging, minus the most that it can charge. A cut of demand, which is dear,
        stays as it is until |a| is above CUT_FROM, and from there on goes to its limits. With "store-values", the
        action of a store adds STORE_SHIFT_FRAC · a of the typical price to the value of its energy, that of a source
        does nothing, and the step is cleared. "secure-values" does the same, and an action a > 0 of a source asks that
        no line trips in the step when another one fails: what would be above SECURE_FRAC of the loading at which a line
        trips counts MOST_SECURITY · a times the price of an overload, by the odds that the other line fails unforeseen,
        with a of all sources weighted by how far each changes the flow. Capacities are those that plans go by.

        Where plants start and stop, less than half the least output asks for off, and limits are those of both choices;
        bids have one more entry for each of these plants, in the order of ``arrays.stoppable``, which shifts what it is
        worth to have it on over the coming hours, as ``grid.planning.day.Starts`` says.

        Args:
            actions: (B, A) in [−1, 1]; bids (B, A + K) where K plants start and stop.
            limits: of the coming step.
            inputs: of the coming step.
            day: the plan, for bids and deviations from it.
        """
        xp = namespace(actions)
        arrays = self.arrays
        if self.kind == "bids":
            return self._cleared(day, _shift(actions), limits, inputs)
        if self.kind in BY_VALUE:
            shift = STORE_SHIFT_FRAC * actions * arrays.is_store[arrays.controllable]
            secure = self._security(actions) if self.kind == "secure-values" else None
            return self._cleared(day, shift, limits, inputs, secure)
        lo, hi = limits.gen_lo_mw, limits.gen_hi_mw
        compiled = loops(actions, "grid.dispatch")
        if compiled is not None and self.kind != "plan":
            of_stores = arrays.discharge_max_mw, arrays.charge_max_mw, limits.store_lo_mw, limits.store_hi_mw
            store, need = compiled.stores(actions, self.unit, *of_stores, inputs.load_mw)
            zero, is_on = self._zero(need, limits)
            gen = compiled.outputs(actions, self.unit, lo, hi, zero)
            return Setpoint(gen, store, on=self._staying(actions, gen, is_on))
        a = self._at_nodes(actions)
        up, down = xp.maximum(a, 0.0), xp.minimum(a, 0.0)
        store = up * arrays.discharge_max_mw + down * arrays.charge_max_mw
        if self.kind == "plan":
            plan = self._cleared(day, xp.zeros_like(actions), limits, inputs)
            if arrays.flexible.shape[0]:
                up = xp.where(arrays.flex_max_frac > 0, xp.maximum(up - CUT_FROM, 0.0) / (1 - CUT_FROM), up)
                down = xp.where(arrays.flex_max_frac > 0, xp.minimum(down + CUT_FROM, 0.0) / (1 - CUT_FROM), down)
            rise, fall = limits.store_hi_mw - plan.store_mw, plan.store_mw - limits.store_lo_mw
            gen = plan.gen_mw + up * (hi - plan.gen_mw) + down * (plan.gen_mw - lo)
            on = self._staying(actions, gen, plan.on)
            return Setpoint(gen, plan.store_mw + up * rise + down * fall, on=on)
        feasible = xp.minimum(xp.maximum(store, limits.store_lo_mw), limits.store_hi_mw)
        zero, is_on = self._zero(inputs.load_mw - feasible, limits)
        gen = zero + up * (hi - zero) + down * (zero - lo)
        return Setpoint(gen, store, on=self._staying(actions, gen, is_on))

    def actions(self, setpoint: Setpoint, limits: Limits, inputs: Inputs, day: Day | None = None) -> Array:
        """The actions (B, A) that ask for a setpoint within the limits: the inverse of ``setpoint``.

        Where a unit has no room to move, any action asks for the same; it gets 0. Bids ask for it only nearly, see
        ``grid.planning.day.shift_for``.
        """
        if self.kind == "bids":
            from grid.planning.day import shift_for

            bids, day = np.linspace(-1.0, 1.0, 2001), cast("Day", day)
            if day.starts is None:
                return np.interp(shift_for(day, setpoint, limits), _shift(bids), bids)
            is_on = is_asked(self.arrays, setpoint)
            shift = shift_for(day, setpoint, committed(limits, is_on))
            both = np.concatenate([shift, MOST_SHIFT_FRAC * day.starts.shift_for(is_on)], axis=1)
            return np.interp(both, _shift(bids), bids)
        if self.kind in BY_VALUE:  # no security is asked for
            from grid.planning.day import shift_for

            day = cast("Day", day)
            kept = limits if day.starts is None else committed(limits, is_asked(self.arrays, setpoint))
            share = np.clip(shift_for(day, setpoint, kept) / STORE_SHIFT_FRAC, -1.0, 1.0)
            return share * self.arrays.is_store[self.arrays.controllable]
        xp = namespace(setpoint.gen_mw)
        arrays = self.arrays
        lo, hi, gen, store = limits.gen_lo_mw, limits.gen_hi_mw, setpoint.gen_mw, setpoint.store_mw
        store_side = xp.where(store >= 0, arrays.discharge_max_mw, arrays.charge_max_mw)
        if self.kind == "plan":
            plan = self._cleared(day, xp.zeros_like(gen[:, arrays.controllable]), limits, inputs)
            store_side = xp.where(
                store >= plan.store_mw, limits.store_hi_mw - plan.store_mw, plan.store_mw - limits.store_lo_mw
            )
            store = store - plan.store_mw
            gen_side = xp.where(gen >= plan.gen_mw, hi - plan.gen_mw, plan.gen_mw - lo)
            gen_share = _ratio(gen - plan.gen_mw, gen_side)
        elif self.kind.startswith("residual"):
            zero, _ = self._zero(inputs.load_mw - store, limits)
            gen_side = xp.where(gen >= zero, hi - zero, zero - lo)
            gen_share = _ratio(gen - zero, gen_side)
        else:
            gen_share = xp.where(hi - lo > ROOM_MW, 2.0 * _ratio(gen - lo, hi - lo) - 1.0, 0.0)
        if self.kind == "plan":
            moved = xp.sign(gen_share) * CUT_FROM + gen_share * (1 - CUT_FROM)
            gen_share = xp.where(arrays.flex_max_frac > 0, moved, gen_share)
        asked = xp.minimum(xp.maximum(gen_share + _ratio(store, store_side), -1.0), 1.0)
        return asked[:, arrays.controllable]

    def _cleared(
        self, day: Day | None, shift: Array, limits: Limits, inputs: Inputs, security: Security | None = None
    ) -> Setpoint:
        from grid.planning.day import clear

        units = self.arrays.controllable.shape[0]
        shift = namespace(shift).concat([shift[:, :units], shift[:, units:] / MOST_SHIFT_FRAC], axis=1)
        return clear(cast("Day", day), shift, limits, inputs, security)

    def _security(self, actions: Array) -> Security | None:
        """What sources ask for; None: no line trips, or none fails unforeseen."""
        from grid.planning.day import Security

        if not np.isfinite(self.trip_frac) or self.unknown_h == 0:
            return None
        asked = MOST_SECURITY * actions[:, self.unit[self.arrays.dispatched]]
        odds = 1.0 - np.exp(-self.arrays.outage_rate_per_h * self.unknown_h)
        return Security(asked, odds, SECURE_FRAC * self.trip_frac)

    def _at_nodes(self, actions: Array) -> Array:
        """(B, N) the action of each node, 0 where it has none."""
        xp = namespace(actions)
        return xp.concat([actions, xp.zeros_like(actions[:, :1])], axis=1)[:, self.unit]

    def _staying(self, actions: Array, gen_mw: Array, is_on: Array | None) -> Array | None:
        """(B, N) which plants are asked to be on: what is on at the action 0 stays on, also at 0 MW, down to −½."""
        if is_on is None:
            return None
        return is_asked(self.arrays, Setpoint(gen_mw, gen_mw)) | (is_on & (self._at_nodes(actions) >= -0.5))

    def _zero(self, need_mw: Array, limits: Limits) -> tuple[Array, Array | None]:
        """(B, N) output that an action of 0 stands for, where stores leave (B, N) to generate, and what is then on."""
        if self.kind == "absolute":
            return (limits.gen_lo_mw + limits.gen_hi_mw) / 2.0, None
        limits = self.decided(limits, need_mw)
        gen = self.merit.dispatch(need_mw, limits.gen_lo_mw, limits.gen_hi_mw)
        if self.redispatch_moves > 0:
            gen = self.redispatch.moves(gen, -need_mw, limits, self.redispatch_moves)
        return gen, limits.on

    def decided(self, limits: Limits, need_mw: Array) -> Limits:
        """The limits once the merit order has decided which plants are on, for (B, N) to be generated."""
        return limits if self.commitment is None else committed(limits, self.commitment.now(limits, need_mw))

    def merit_setpoint(self, limits: Limits, inputs: Inputs) -> Setpoint:
        """The merit-order rule: (B, N) cheapest sources first, stores idle."""
        limits = self.decided(limits, inputs.load_mw)
        gen = self.merit.dispatch(inputs.load_mw, limits.gen_lo_mw, limits.gen_hi_mw)
        return Setpoint(gen, namespace(gen).zeros_like(gen), on=limits.on)


def _shift(bids: Array) -> Array:
    """What bids add to prices, in parts of the typical price."""
    return MOST_SHIFT_FRAC * (FINE_FRAC * bids + (1.0 - FINE_FRAC) * bids**3)


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, and 0 where there is no whole to speak of."""
    xp = namespace(part)
    return xp.where(whole > ROOM_MW, part / xp.maximum(whole, ROOM_MW), 0.0)
