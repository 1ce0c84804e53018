"""Which plants the plan of a day has on, and how bids change that for the coming step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.dispatch import UnitCommitment
from grid.namespace import constant
from grid.physics import Limits, committed
from grid.planning.day.constants import KeptConstants
from grid.state import Array


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

    def shift_for(self, is_on: np.ndarray) -> np.ndarray:
        """(B, K) the least shift with which these plants, (B, N), are on."""
        wanted, value = is_on[:, self.commitment.plants], np.where(np.isfinite(self.value), self.value, 0.0)
        needed = -value / self.most
        beside = 1e-6 * np.where(wanted, 1.0, -1.0)
        shift: np.ndarray = np.where(wanted == (self.value > 0), 0.0, needed + beside)
        return shift


class StartPlanner:
    """What is planned before the plan of a day, where plants start and stop.

    First a relaxation: every plant may give any output, at its average cost; its stores are kept. Then the hours of
    plants beside them (``UnitCommitment.schedule``). The plan itself has these plants on, at their least output or
    more; ramps of plants that may stop are left to the coming step.
    """

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self.commitment = UnitCommitment(arrays, prices)
        self.arrays, plants = arrays, self.commitment.plants
        free, ramp_mw, ramp_down_mw = (
            array.copy() for array in (arrays.gen_min_mw, arrays.gen_ramp_mw_per_h, arrays.gen_ramp_down_mw_per_h)
        )
        free[plants], ramp_mw[plants], ramp_down_mw[plants] = 0.0, np.inf, np.inf
        steady = dataclasses.replace(arrays, gen_ramp_mw_per_h=ramp_mw, gen_ramp_down_mw_per_h=ramp_down_mw)
        average = arrays.gen_cost_per_mwh.copy()
        average[plants] += arrays.no_load_cost_per_h[plants] / arrays.gen_max_mw[plants]
        self.constants = KeptConstants(steady, prices)
        self.relaxed = KeptConstants(dataclasses.replace(steady, gen_min_mw=free, gen_cost_per_mwh=average), prices)
        typical = self.relaxed.without(()).typical_price_per_mwh
        self.most = self.commitment.start_cost + typical * arrays.gen_max_mw[plants]

    def starts(self, now: Limits, need_mw: np.ndarray, offered_mw: np.ndarray) -> Starts:
        """The commitment of B rows.

        Args:
            now: limits of the coming step.
            need_mw: (B, H, N) demand less what stores give.
            offered_mw: (B, H, N) output that is possible.
        """
        on, value = self.commitment.schedule(now, need_mw, offered_mw, 1.0)
        return Starts(self.commitment, on, value, self.most)
