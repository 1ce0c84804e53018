"""Which plants to have on: unit commitment by rules, for many rows at once, lines left out.

``schedule`` is unit decommitment (Tseng, Li, Oren 2000, "Solving the unit commitment problem by a unit decommitment
method"): all plants are on at first; then one after the other, the dearest first, takes the hours that are best for it
while the others stay as they are, by a dynamic programme over its hours on and off; and again, until none changes.
Symbols: B rows, H hours, G sources by rising cost, K plants that start and stop, P connected parts.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, linear_cost_per_mwh, marginal_cost_per_mwh
from grid.namespace import constant, namespace
from grid.physics import SOON_H, Choice, Limits
from grid.state import Array

AHEAD_H = 8.0  # for which ``now`` takes what is needed to stay as it is
SWEEPS = 6  # of all plants, at the most; two or three are usual


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
        choice, hours = _choice(limits), self._hours(need_mw[:, None], limits.gen_hi_mw[:, None])
        was_on, on = choice.on_h > 0, self._may_be_on(choice, 1)
        for k in self.dearest_first:
            off_cost, on_cost = self._either(k, on, hours)
            start = np.where(was_on[:, self.plants[k]], 1.0, -1.0) * self.start_cost[k]
            on[:, 0, self.place[k]] = self._held(choice, k, AHEAD_H * (off_cost - on_cost)[:, 0] + start > 0)
        return self.at_nodes(on[:, 0, self.place], need_mw)

    def by_average_cost(self, limits: Limits, need_mw: Array, offer_mw: Array, span_h: float) -> Array:
        """(B, N) what is on in the coming step by the economic rule.

        In every hour those with the lowest average cost are wanted, until their output covers what other sources leave.
        A plant that is on stays so until it is wanted again, if that costs less than a start, or if it could not be
        back by then.
        """
        choice, hours = _choice(limits), self._hours(need_mw, offer_mw)
        wanted = np.zeros((*hours.need.shape[:2], len(self.plants)), dtype=bool)
        steady = hours.offer * ~np.isin(np.arange(len(self.sources)), self.place) * (self.cost < self.shed_price)
        left = hours.need - np.stack([steady[..., self.part == p].sum(-1) for p in range(hours.need.shape[2])], axis=-1)
        for k in self.dearest_first[::-1]:
            p = self.part[self.place[k]]
            wanted[..., k] = left[..., p] > 0
            left[..., p] -= wanted[..., k] * hours.offer[..., self.place[k]]
        idle_h = np.where(wanted.any(1), wanted.argmax(1), np.inf) * span_h
        dearer = np.maximum(self.marginal - self.marginal.min(), 0.0) * self.arrays.gen_min_mw[self.plants]
        pays = idle_h * (self.no_load[self.place] + dearer) < self.start_cost
        pays |= idle_h < self.arrays.min_down_h[self.plants]  # it would not be back in time
        was_on = choice.on_h[:, self.plants] > 0
        return self.at_nodes(wanted[:, 0] | (was_on & pays & wanted.any(1)), need_mw)

    def schedule(
        self, limits: Limits, need_mw: np.ndarray, offer_mw: np.ndarray, span_h: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is on in the coming hours, and what it is worth to be on in the first of them.

        Args:
            limits: (B, N) of the coming step, before it is decided.
            need_mw: (B, H, N) to be generated for each node; only the sum over each part matters.
            offer_mw: (B, H, N) output that is possible.
            span_h: length of each of the hours.

        Returns:
            (B, H, K) whether each plant is on; (B, K) currency that being on saves over the hours, beside the others.
        """
        choice, hours = _choice(limits), self._hours(need_mw, offer_mw)
        on = self._may_be_on(choice, hours.need.shape[1])
        value = np.zeros((len(on), len(self.plants)))
        for _ in range(SWEEPS):
            before = on.copy()
            for k in self.dearest_first:
                off_cost, on_cost = self._either(k, on, hours)
                given = off_cost * span_h, on_cost * span_h, self._lasting(choice, k, span_h)
                on[..., self.place[k]], value[:, k] = _best(*given, float(self.start_cost[k]))
            if (on == before).all():
                break
        return on[..., self.place], value

    def at_nodes(self, on: np.ndarray, like: Array) -> Array:
        """(B, N) whether a node's plant is on, from those that may stop (B, K); the others are."""
        every = np.ones((len(on), len(self.arrays.node_names)), dtype=bool)
        every[:, self.plants] = on
        known: Array = namespace(like).asarray(every)
        return known

    def _hours(self, need_mw: Array, offer_mw: Array) -> Hours:
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

    def _lasting(self, choice: Choice, k: int, span_h: float) -> tuple[np.ndarray, np.ndarray, int, int]:
        """(B,) whether plant k was on, (B,) for how many steps that counts, and how many of either it must last."""
        node = self.plants[k]
        on_h, was_on = choice.on_h[:, node], choice.on_h[:, node] > 0
        least_h = np.where(was_on, self.arrays.min_up_h[node], self.arrays.min_down_h[node])
        up, down = (
            ceil(hours / span_h - SOON_H) for hours in (self.arrays.min_up_h[node], self.arrays.min_down_h[node])
        )
        cap = np.where(was_on, up, down)
        left_h = np.maximum(least_h - np.minimum(np.abs(on_h), least_h), 0.0)
        steps = np.clip(cap - np.ceil(left_h / span_h - SOON_H).astype(int), 0, cap)
        free = np.where(was_on, choice.may_be_off[:, node], choice.may_be_on[:, node])
        return was_on, np.where(free, cap, np.minimum(steps, np.maximum(cap - 1, 0))), up, down

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


def _best(
    off_cost: np.ndarray,
    on_cost: np.ndarray,
    lasting: tuple[np.ndarray, np.ndarray, int, int],
    start_cost: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The best hours of one plant, (B, H), and what it saves to be on in the first, (B,): a dynamic programme.

    Args:
        off_cost: (B, H) of an hour.
        on_cost: (B, H).
        lasting: (B,) whether it was on, (B,) for how many steps that counts, and how many it must last on and off.
        start_cost: of one start.
    """
    is_on, steps, up, down = lasting
    rows, hours = off_cost.shape
    stay_on, stay_off = (np.minimum(np.arange(cap + 1) + 1, cap) for cap in (up, down))
    just_on, just_off = min(1, up), min(1, down)
    later = [(np.zeros((rows, up + 1)), np.zeros((rows, down + 1)))]  # cost to go, by steps that it has lasted
    for h in range(hours - 1, 0, -1):
        of_on, of_off = later[-1]
        on, off = on_cost[:, h, None] + of_on[:, stay_on], off_cost[:, h, None] + of_off[:, stay_off]
        stop, start = off_cost[:, h] + of_off[:, just_off], start_cost + on_cost[:, h] + of_on[:, just_on]
        on[:, up], off[:, down] = np.minimum(on[:, up], stop), np.minimum(off[:, down], start)
        later.append((on, off))
    best, value = np.zeros((rows, hours), dtype=bool), np.zeros(rows)
    row = np.arange(rows)
    for h in range(hours):
        of_on, of_off = later[hours - 1 - h]
        to_on, to_off = (
            np.where(is_on, np.minimum(steps + 1, up), just_on),
            np.where(is_on, just_off, np.minimum(steps + 1, down)),
        )
        on = on_cost[:, h] + of_on[row, to_on] + np.where(is_on, 0.0, start_cost)
        off = off_cost[:, h] + of_off[row, to_off]
        saved = np.where(is_on & (steps < up), np.inf, np.where(~is_on & (steps < down), -np.inf, off - on))
        value = saved if h == 0 else value
        is_on = best[:, h] = saved > 0
        steps = np.where(is_on, to_on, to_off)
    return best, value
