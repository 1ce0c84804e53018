"""Which plants to have on: unit commitment by rules, for many rows at once, lines left out.

``grid.planning.commitment`` chooses them for a whole day.
Symbols: B rows, H hours, G sources by rising cost, K plants that start and stop, P connected parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, linear_cost_per_mwh, marginal_cost_per_mwh
from grid.namespace import constant, namespace
from grid.physics import SOON_H, Choice, Limits
from grid.state import Array

LONG_H = 1e6  # stands for never
AHEAD_H = 8.0  # for which ``now`` takes what is needed to stay as it is


class Hours(NamedTuple):
    """What is to be covered, (B, H, P), and with what at the most, (B, H, G); MW."""

    need: np.ndarray
    offer: np.ndarray


class UnitCommitment:
    """The plants of one grid that start and stop, in its connected parts with all lines in service."""

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self.arrays, self.plants = arrays, np.array(arrays.stoppable)
        marginal = np.asarray(marginal_cost_per_mwh(arrays, prices))
        mean = marginal + arrays.gen_cost_per_mw2h * arrays.gen_max_mw  # over the range of each source
        self.sources = sources = arrays.dispatched[np.argsort(mean[arrays.dispatched], kind="stable")]
        self.part, self.cost, self.curve = arrays.part[sources], marginal[sources], arrays.gen_cost_per_mw2h[sources]
        self.gen_min, no_load = arrays.gen_min_mw[sources], arrays.no_load_cost_per_h
        self.no_load = no_load[sources]
        self.place = np.argsort(sources)[np.searchsorted(np.sort(sources), self.plants)]  # (K,) among the sources
        shed, spill = (np.asarray(linear_cost_per_mwh(arrays, prices, block)) for block in ("shed", "spill"))
        self.shed_price = float(shed[arrays.load_max_mw > 0].min(initial=np.inf)) if arrays.peak_load_mw else 0.0
        self.spill_price = float(spill.max())
        self.start_cost, self.marginal = arrays.start_cost[self.plants], mean[self.plants]
        self.average = self.marginal + no_load[self.plants] / arrays.gen_max_mw[self.plants]  # of a MWh, at full output
        self.dearest_first = np.argsort(-self.average, kind="stable")

    def now(self, limits: Limits, need_mw: Array) -> Array:
        """(B, N) what is on in the coming step by a rule that looks no further: as if what is needed, (B, N), lasted.

        A plant is worth its start or, where it is on, saves its next one.
        """
        choice, hours = _choice(limits), self.hours(need_mw[:, None], limits.gen_hi_mw[:, None])
        was_on, on = choice.on_h > 0, self._may_be_on(choice, 1)
        for k in self.dearest_first:
            off_cost, on_cost = self._either(k, on, hours)
            start = np.where(was_on[:, self.plants[k]], 1.0, -1.0) * self.start_cost[k]
            on[:, 0, self.place[k]] = self._held(choice, k, AHEAD_H * (off_cost - on_cost)[:, 0] + start > 0)
        return self.at_nodes(on[:, 0, self.place], need_mw)

    def by_average_cost(
        self, limits: Limits, load_mw: np.ndarray, offer_mw: np.ndarray, span_h: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is on in the coming hours by a priority list, (B, H, K), and its sign in the first, (B, K).

        In every hour those with the lowest average cost are wanted, until their output covers what other sources leave.
        A plant that is on stays so until it is wanted again, if that costs less than a start, or if it could not be
        back by then; and as long as it must.

        Args:
            limits: (B, N) of the coming step, before it is decided.
            load_mw: (B, H, N) demand.
            offer_mw: (B, H, N) output that is possible.
            span_h: length of each of the hours.
        """
        hours = self.hours(load_mw, offer_mw)
        wanted = np.zeros((*hours.need.shape[:2], len(self.plants)), dtype=bool)
        steady = hours.offer * ~np.isin(np.arange(len(self.sources)), self.place) * (self.cost < self.shed_price)
        left = hours.need - np.stack([steady[..., self.part == p].sum(-1) for p in range(hours.need.shape[2])], axis=-1)
        is_on, steps, up, down = self.lasting(limits, span_h)
        may_be_on = is_on[:, None] | (steps[:, None] + np.arange(wanted.shape[1])[:, None] >= down)
        for k in self.dearest_first[::-1]:
            p = self.part[self.place[k]]
            wanted[..., k] = may_be_on[..., k] & (left[..., p] > 0)
            left[..., p] -= wanted[..., k] * hours.offer[..., self.place[k]]
        dearer = np.maximum(self.marginal - self.marginal.min(), 0.0) * self.arrays.gen_min_mw[self.plants]
        idle_cost = self.no_load[self.place] + dearer
        on, until = wanted.copy(), np.full(is_on.shape, LONG_H)  # hours until each is wanted
        pays = np.zeros(wanted.shape, dtype=bool)
        for h in range(wanted.shape[1] - 1, -1, -1):
            until = np.where(wanted[:, h], 0.0, until + span_h)
            pays[:, h] = (until * idle_cost < self.start_cost) | (until < down * span_h) | (until == 0)
        for h in range(wanted.shape[1]):
            stays = is_on & (pays[:, h] | (steps < up))
            now_on = stays | (~is_on & wanted[:, h] & (steps >= down))
            least = np.where(now_on, up, down)
            steps = np.minimum(np.where(now_on == is_on, steps + 1, 1), least)
            is_on = on[:, h] = now_on
        return on, np.where(on[:, 0], np.inf, -np.inf)

    def at_nodes(self, on: np.ndarray, like: Array) -> Array:
        """(B, N) whether a node's plant is on, from those that may stop (B, K); the others are."""
        every = np.ones((len(on), len(self.arrays.node_names)), dtype=bool)
        every[:, self.plants] = on
        known: Array = namespace(like).asarray(every)
        return known

    def lasting(self, limits: Limits, span_h: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(B, K) what was on, (B, K) for how many steps that counts, (K,) how many must follow a start, and a stop."""
        choice, a, plants = _choice(limits), self.arrays, self.plants
        on_h, was_on = choice.on_h[:, plants], choice.on_h[:, plants] > 0
        up, down = (np.ceil(hours[plants] / span_h - SOON_H).astype(int) for hours in (a.min_up_h, a.min_down_h))
        least_h, cap = np.where(was_on, a.min_up_h[plants], a.min_down_h[plants]), np.where(was_on, up, down)
        left_h = np.maximum(least_h - np.minimum(np.abs(on_h), least_h), 0.0)
        steps = np.clip(cap - np.ceil(left_h / span_h - SOON_H).astype(int), 0, np.maximum(cap - 1, 0))
        free = np.where(was_on, choice.may_be_off[:, plants], choice.may_be_on[:, plants])
        return was_on, np.where(free, cap, steps), up, down

    def hours(self, need_mw: Array, offer_mw: Array) -> Hours:
        """(B, H, P) and (B, H, G) from (B, H, N) each."""
        need = constant(need_mw) @ np.asarray(self.arrays.part_matrix)
        return Hours(need, np.maximum(constant(offer_mw)[..., self.sources], 0.0))

    def _may_be_on(self, choice: Choice, hours: int) -> np.ndarray:
        """(B, H, G) whether each source may be on; plants that must wait are taken to be on later."""
        on = np.ones((len(choice.on_h), hours, len(self.sources)), dtype=bool)
        on[:, 0, self.place] = choice.may_be_on[:, self.plants]
        return on

    def _held(self, choice: Choice, k: int, on: np.ndarray) -> np.ndarray:
        """(B,) the same within minimum times."""
        node = self.plants[k]
        held: np.ndarray = (on & choice.may_be_on[:, node]) | ~choice.may_be_off[:, node]
        return held

    def _either(self, k: int, on: np.ndarray, hours: Hours) -> tuple[np.ndarray, np.ndarray]:
        """(B, H) each: cost of an hour in the part of plant k if it is off, and if it is on."""
        g = self.place[k]
        own = np.flatnonzero(self.part == self.part[g])
        is_on, offer, need = on[..., own], hours.offer[..., own], hours.need[..., self.part[g]]
        at = int(np.searchsorted(own, g))
        costs = []
        for state in (False, True):
            is_on[..., at] = state
            high = np.where(is_on, offer, 0.0)
            low = np.minimum(self.gen_min[own], high)
            span, left = high - low, need - low.sum(-1)
            filled = np.cumsum(span, axis=-1)
            gen = low + np.clip(left[..., None] - (filled - span), 0.0, span)
            short, over = np.maximum(left - filled[..., -1], 0.0), np.maximum(-left, 0.0)
            cost = gen @ self.cost[own] + (gen * gen) @ self.curve[own] + is_on @ self.no_load[own]
            costs.append(cost + self.shed_price * short + self.spill_price * over)
        return costs[0], costs[1]


def _choice(limits: Limits) -> Choice:
    if limits.choice is None:
        raise TypeError("these limits leave no choice")
    return Choice(*(constant(each) for each in limits.choice))
