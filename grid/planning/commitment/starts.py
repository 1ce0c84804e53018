"""Which plants the plan of a day has on, and how bids change that for the coming step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import cast

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.dispatch import UnitCommitment
from grid.namespace import constant
from grid.physics import Choice, Limits, committed
from grid.planning.commitment.decommitment import Decommitment
from grid.state import Array

BISECTIONS = 20
STORES_FRAC = (1.0, 0.6, 0.3)  # of the power of stores, that choices of plants count on


@dataclass(frozen=True, eq=False)
class Starts:
    """The commitment of a plan: B rows, H hours, K plants that start and stop."""

    commitment: UnitCommitment
    on: np.ndarray  # (B, H, K)
    value: np.ndarray  # (B, K) currency that being on in the coming step saves over the hours
    most: np.ndarray  # (K,) currency that a shift of 1 adds to it

    def limits(self, now: Limits, shift: Array) -> Limits:
        """The limits of the coming step once it is decided what is on.

        Args:
            now: before it is.
            shift: (B, K) what is added to the value of being on, in parts of ``most``; (B, 0): nothing.
        """
        value = self.value + constant(shift) * self.most if shift.shape[1] else self.value
        return committed(now, self.commitment.at_nodes(value > 0, now.gen_hi_mw))

    def cost(self, now: Limits) -> np.ndarray:
        """(B,) of starts, and without load, over the hours."""
        rule = self.commitment
        was_on = constant(cast(Choice, now.choice).on_h)[:, None, rule.plants] > 0
        started = self.on & ~np.concatenate([was_on, self.on[:, :-1]], axis=1)
        total: np.ndarray = (self.on @ rule.no_load[rule.place] + started @ rule.start_cost).sum(1)
        return total

    def shift_for(self, is_on: np.ndarray) -> np.ndarray:
        """(B, K) the least shift with which these plants, (B, N), are on."""
        wanted, value = is_on[:, self.commitment.plants], np.where(np.isfinite(self.value), self.value, 0.0)
        needed = -value / self.most
        beside = 1e-6 * np.where(wanted, 1.0, -1.0)
        shift: np.ndarray = np.where(wanted == (self.value > 0), 0.0, needed + beside)
        return shift


class StartPlanner:
    """What is planned before the plan of a day, where plants start and stop: their hours.

    The plan itself has these plants on, at their least output or more; ramps of plants that may stop are left to the
    coming step.
    """

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self.arrays, self.commitment = arrays, UnitCommitment(arrays, prices)
        self.decommitment, plants = Decommitment(arrays, prices, self.commitment), self.commitment.plants
        self._rise_mw = np.minimum(arrays.gen_ramp_mw_per_h, arrays.gen_max_mw.max())
        self.most = self.commitment.start_cost + self.commitment.average.mean() * arrays.gen_max_mw[plants]

    def steady(self) -> GridArrays:
        """The grid with no ramps of plants that may stop."""
        ramps = {name: getattr(self.arrays, name).copy() for name in ("gen_ramp_mw_per_h", "gen_ramp_down_mw_per_h")}
        for ramp_mw_per_h in ramps.values():
            ramp_mw_per_h[self.commitment.plants] = np.inf
        return dataclasses.replace(self.arrays, **ramps)

    def starts(self, now: Limits, load_mw: np.ndarray, offered_mw: np.ndarray, by_list: bool) -> list[Starts]:
        """Commitments of B rows, of which the cheapest plan is to be taken: lines are seen by plans alone.

        Args:
            now: limits of the coming step.
            load_mw: (B, H, N) demand.
            offered_mw: (B, H, N) output that is possible.
            by_list: by the priority list of ``UnitCommitment``, not by ``Decommitment``.
        """
        if by_list:
            given = now, self._shaved_mw(now, load_mw, offered_mw), offered_mw, 1.0
            return [Starts(self.commitment, *self.commitment.by_average_cost(*given), self.most)]
        plants = self.commitment.plants
        was_on = constant(cast(Choice, now.choice).on_h)[:, plants] > 0
        reached_mw = constant(now.gen_hi_mw)[:, None] + np.arange(load_mw.shape[1])[:, None] * self._rise_mw
        reached_mw = np.where(was_on[:, None], reached_mw[..., plants], np.inf)
        offered_mw = offered_mw.copy()
        offered_mw[:, 0] = constant(now.gen_hi_mw)
        offered_mw[..., plants] = np.minimum(offered_mw[..., plants], reached_mw)
        given = now, load_mw, offered_mw, 1.0
        return [Starts(self.commitment, *self.decommitment.schedule(*given, frac), self.most) for frac in STORES_FRAC]

    def _shaved_mw(self, now: Limits, load_mw: np.ndarray, offered_mw: np.ndarray) -> np.ndarray:
        """(B, H, N) demand less what is stored now, given where plants would have to give most."""
        a = self.arrays
        steady = np.setdiff1d(a.dispatched, self.commitment.plants)
        left_mw = load_mw.sum(-1) - offered_mw[..., steady].sum(-1)
        stored_mwh = (constant(now.store_mwh) - a.store_min_mwh) @ (a.is_store * a.discharge_eff_frac)
        low, high = np.zeros(len(left_mw)), left_mw.max(1, initial=0.0)
        for _ in range(BISECTIONS):  # for the output of plants above which stores give
            level = (low + high) / 2
            given = np.clip(left_mw - level[:, None], 0.0, a.discharge_max_mw.sum())
            is_enough = given.sum(1) <= stored_mwh
            low, high = np.where(is_enough, low, level), np.where(is_enough, level, high)
        given_frac = given / np.maximum(load_mw.sum(-1), 1e-9)
        return load_mw * (1.0 - np.minimum(given_frac, 1.0))[..., None]
