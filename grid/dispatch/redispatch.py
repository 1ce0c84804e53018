"""Redispatch moves: shift output between the two sources that save most, one exact step at a time.

The cost of one step with given stores is piecewise linear (or quadratic) and convex in the sources' output, and its
kinks lie where a line reaches its capacity. Each move takes the pair with the steepest descent as far as the next
kink, in closed form; no programme is solved. Of more than 64 sources, the 64 cheapest may rise and the 64 dearest may
fall. Where the grid has split, nothing is moved. On torch tensors the moves carry their gradient: which pair moves,
and what stops it, is constant almost everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, marginal_cost_per_mwh
from grid.namespace import converted, loops, namespace
from grid.physics import Limits, Outages, flows
from grid.state import Array

if TYPE_CHECKING:
    from grid.dispatch.loops import Sources

TOLERANCE_MW = 1e-6
GAIN_PER_MWH = 1e-6  # a smaller saving is rounding
TIE_PER_MWH = 1e-9  # prices that differ by less are equal
MOST_SOURCES = 64  # that are looked at in one move, on either side


class Redispatch:
    """Moves between the sources of one grid, within its connected parts. Symbols: G sources, L limited lines.

    Sources and lines come first in its arrays, and episodes last: so that numpy reduces over few long rows.
    """

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self.arrays = arrays
        self.sources = np.array(arrays.dispatched)
        self.lines = np.flatnonzero(np.isfinite(arrays.capacity_mw))
        self.capacity_mw = arrays.capacity_mw[self.lines]
        self.overload_per_mwh = prices.overload_per_mwh
        self.cost = marginal_cost_per_mwh(arrays, prices)[self.sources]
        self.curve = arrays.gen_cost_per_mw2h[self.sources]
        self.is_curved = bool((self.curve > 0).any())
        self.part = arrays.part[self.sources]
        self.parts = arrays.part_matrix.shape[1]
        self.number = np.arange(len(self.sources))
        self.source = np.full(len(arrays.node_names), len(self.sources))  # (N,) of each node, G where it has none
        self.source[self.sources] = np.arange(len(self.sources))

    @cached_property
    def reach(self) -> np.ndarray:
        """(G, L) flow of each MW, source by source, as the loops read it."""
        return np.ascontiguousarray(self._reach_all[:, self.lines])

    @cached_property
    def _reach_all(self) -> np.ndarray:
        """(G, E) the same for every line."""
        nodes = len(self.arrays.node_names)
        return self.arrays.line_model.driven((self.sources[:, None] == np.arange(nodes)).astype(float))

    @cached_property
    def _reach_by_line(self) -> np.ndarray:
        """(L, G) the same, line by line."""
        return np.ascontiguousarray(self.reach.T)

    @cached_property
    def _of_loops(self) -> Sources:
        """What the compiled loops take of it."""
        from grid.dispatch.loops import Sources

        of_sources = self.cost, self.curve, self.part, self.parts, self.reach, self._reach_by_line
        return Sources(self.sources, self.lines, self.capacity_mw, *of_sources, self.overload_per_mwh)

    def convert(self, asarray: Callable[[np.ndarray], Array], arrays: GridArrays) -> Redispatch:
        """The same moves with every array passed through ``asarray`` (say, to torch tensors), as in ``arrays``."""
        return converted(self, asarray, reach=asarray(self.reach), arrays=arrays)

    def moves(self, gen_mw: Array, other_mw: Array, limits: Limits, count: int, extra_mw: Array | None = None) -> Array:
        """Improve a balanced dispatch.

        Args:
            gen_mw: (B, N) output within the limits.
            other_mw: (B, N) everything else that is injected: stores minus demand served.
            limits: of the step.
            count: the most moves to make.
            extra_mw: (B, E) what lines carry beyond their flow.

        Returns:
            (B, N) output with the same sum in every part, never dearer in this step.
        """
        if count == 0 or not self.sources.shape[0]:
            return gen_mw
        flow_mw = flows(self.arrays, gen_mw + other_mw, limits.outages)
        if extra_mw is not None:
            flow_mw = flow_mw + extra_mw
        compiled = loops(gen_mw, __package__)
        if compiled is None:
            return self._moves(gen_mw, flow_mw, limits, count)
        rows = np.arange(len(gen_mw))
        if limits.outages is not None:
            intact = limits.outages.in_service.all(1)
            rows = rows[intact]
            if len(rows) < len(gen_mw):
                gen_mw = self._moves(gen_mw, flow_mw, limits, count, ~intact)
        gen_mw = gen_mw.copy()
        how = compiled.Numbers(count, MOST_SOURCES, TOLERANCE_MW, GAIN_PER_MWH, TIE_PER_MWH)
        compiled.moves(gen_mw, limits.gen_lo_mw, limits.gen_hi_mw, flow_mw, rows, self._of_loops, how)
        return gen_mw

    def _moves(self, gen_mw: Array, flow_mw: Array, limits: Limits, count: int, where: Array = None) -> Array:
        """The same for all rows, or for some of them (B,), by arrays."""
        xp = namespace(gen_mw)
        outages = limits.outages
        gen, low, high = (mw[:, self.sources].T for mw in (gen_mw, limits.gen_lo_mw, limits.gen_hi_mw))
        flow = flow_mw[:, self.lines].T
        worth = self._is_worth(gen, low, high, flow)
        if where is not None:
            worth = worth & where
        if outages is not None:
            worth = worth & outages.is_corrected
        rows = xp.nonzero(worth)[0]
        if rows.shape[0] == 0:
            return gen_mw
        outages = None if outages is None else outages.take(rows)
        before, low, high, flow = gen[:, rows], low[:, rows], high[:, rows], flow[:, rows]
        gen, goes_on = before, worth[rows]
        for _ in range(count):
            move, pair, change = self._move(gen, low, high, flow, goes_on, outages)
            goes_on = move > 0
            if not bool(xp.any(goes_on)):
                break
            gen = gen + pair * move
            flow = flow + change * move
        moved = xp.minimum(xp.maximum(gen, low), high) - before
        row = xp.where(worth, xp.cumulative_sum(xp.astype(worth, xp.int64)) - 1, rows.shape[0])
        moved = xp.concat([moved, xp.zeros_like(moved[:, :1])], axis=1)[:, row]
        return gen_mw + xp.concat([moved, xp.zeros_like(moved[:1])])[self.source].T

    def _is_worth(self, gen: Array, low: Array, high: Array, flow: Array) -> Array:
        """(B,) False where no move can save anything: no line is overloaded, and no cheaper source has room."""
        xp = namespace(gen)
        price = self._price(gen)
        cheapest = xp.min(xp.where(high - gen > TOLERANCE_MW, price, xp.inf), axis=0)
        dearest = xp.max(xp.where(gen - low > TOLERANCE_MW, price, -xp.inf), axis=0)
        overloaded = xp.any(xp.abs(flow) - self.capacity_mw[:, None] > TOLERANCE_MW, axis=0)
        return overloaded | (dearest - cheapest > GAIN_PER_MWH)

    def _price(self, gen: Array) -> Array:
        """(G, B) cost of a MW more of each source, lines aside."""
        price = self.cost[:, None]
        return price + 2.0 * self.curve[:, None] * gen if self.is_curved else price + namespace(gen).zeros_like(gen)

    def _move(
        self, gen: Array, low: Array, high: Array, flow: Array, goes_on: Array, outages: Outages | None
    ) -> tuple[Array, Array, Array]:
        """(B,) MW to shift; (G, B) +1 at the source that goes up, −1 at the other; (L, B) change of flow a MW."""
        xp = namespace(gen)
        sign = xp.where(flow < 0, -1.0, 1.0)
        excess = xp.abs(flow) - self.capacity_mw[:, None]
        gain, up, down = self._steepest(gen, low, high, sign, excess, goes_on, outages)
        pair = up - down
        change = self._driven(pair, outages)
        room = [xp.sum((high - gen) * up, axis=0)[None], xp.sum((gen - low) * down, axis=0)[None]]
        if self.is_curved:
            bend = 2.0 * xp.matmul(self.curve, up + down)
            room.append(xp.where(bend > 0, gain / xp.where(bend > 0, bend, 1.0), xp.inf)[None])
        move = xp.min(xp.concat([*room, self._to_kink(excess, sign * change)]), axis=0)
        return xp.where(gain > GAIN_PER_MWH, move, 0.0), pair, change

    def _steepest(
        self, gen: Array, low: Array, high: Array, sign: Array, excess: Array, goes_on: Array, outages: Outages | None
    ) -> tuple[Array, Array, Array]:
        """(B,) saving of the first MW of the best move, and (G, B) 1 at the source that goes up, and down."""
        xp = namespace(gen)
        over = xp.where(excess > TOLERANCE_MW, sign, 0.0)
        price = self._price(gen) + self.overload_per_mwh * self._ptdf(over, outages)
        to_rise = xp.where(high - gen > TOLERANCE_MW, price, xp.inf)
        to_fall = xp.where(gen - low > TOLERANCE_MW, -price, xp.inf)
        up, down = _first_least(to_rise), _first_least(to_fall)
        slope = xp.where(goes_on, xp.min(to_rise, axis=0) + xp.min(to_fall, axis=0), 0.0)
        at = xp.abs(excess) <= TOLERANCE_MW  # on a kink: costs as soon as it carries more
        rows = xp.nonzero((xp.any(at, axis=0) | (self.parts > 1)) & (slope < -GAIN_PER_MWH))[0]
        if rows.shape[0]:
            kinked = at[:, rows], sign[:, rows], None if outages is None else outages.take(rows)
            slope[rows], up[rows], down[rows] = self._steepest_pair(to_rise[:, rows], to_fall[:, rows], *kinked)
        number = self.number[:, None]
        return -slope, xp.where(number == up, 1.0, 0.0), xp.where(number == down, 1.0, 0.0)

    def _steepest_pair(
        self, to_rise: Array, to_fall: Array, at: Array, sign: Array, outages: Outages | None
    ) -> tuple[Array, Array, Array]:
        """(R,) slope of the best move, and the sources that go up and down, where not every pair can be had.

        Args:
            to_rise: (G, R) cost of the first MW up.
            to_fall: (G, R) cost of the first MW down.
            at: (L, R) whether a line is at its capacity.
            sign: (L, R) of its flow.
            outages: of the rows.
        """
        xp = namespace(to_rise)
        first, second = _lowest(to_rise), _lowest(to_fall)

        def apart(rise: Array, fall: Array) -> tuple[Array, Array]:
            """(M, 1, R) at those that may rise, and (1, M, R) at those that may fall."""
            return _take(rise, first)[:, None], _take(fall, second)[None]

        slope = xp.add(*apart(to_rise, to_fall))
        number = xp.cumulative_sum(xp.astype(at, xp.int64), axis=0)
        for kink in range(1, int(xp.max(xp.sum(xp.astype(at, xp.int64), axis=0))) + 1):
            more = self._ptdf(xp.where(at & (number == kink), sign, 0.0), outages)
            slope = slope + self.overload_per_mwh * xp.maximum(xp.subtract(*apart(more, more)), 0.0)
        if self.parts > 1:
            part = xp.zeros_like(to_rise) + self.part[:, None]
            slope = xp.where(xp.equal(*apart(part, part)), slope, xp.inf)
        flat = xp.reshape(slope, (-1, slope.shape[2]))
        best = _first_least(flat)
        up, down = best // slope.shape[1], best % slope.shape[1]
        least = xp.take_along_axis(flat, best[None], axis=0)[0]
        return least, *(at if of is None else _take(of, at[None])[0] for of, at in ((first, up), (second, down)))

    def _driven(self, output_mw: Array, outages: Outages | None) -> Array:
        """(L, B) flows that changes of output (G, B) cause."""
        if outages is None:
            return namespace(output_mw).matmul(self.reach.T, output_mw)
        intact_mw = namespace(output_mw).matmul(output_mw.T, self._reach_all)
        return outages.flows(intact_mw, output_mw.T)[:, self.lines].T

    def _ptdf(self, weight: Array, outages: Outages | None) -> Array:
        """(G, B) how much a MW of each source changes the sum of flows weighted by (L, B)."""
        if outages is None:
            return namespace(weight).matmul(self.reach, weight)
        xp = namespace(weight)
        every = xp.zeros((weight.shape[1], len(self.arrays.line_names)), dtype=weight.dtype)
        every[:, self.lines] = weight.T
        return xp.matmul(self._reach_all, outages.intact_weights(every).T)

    def _to_kink(self, excess: Array, change: Array) -> Array:
        """(L, B) MW to move until each line reaches its capacity, in either direction; inf where it does not."""
        xp = namespace(excess)
        over = excess > TOLERANCE_MW
        to_go = xp.where(change > 0, -excess, xp.where(over, excess, excess + 2.0 * self.capacity_mw[:, None]))
        meets = (xp.abs(change) > 1e-9) & ~((change > 0) & (excess >= -TOLERANCE_MW))
        return xp.where(meets, to_go / xp.where(meets, xp.abs(change), 1.0), xp.inf)


def _first_least(price: Array) -> Array:
    """(B,) the first of the lowest prices (K, B), so that rounding does not choose between equal ones."""
    xp = namespace(price)
    return xp.argmax(xp.astype(price <= xp.min(price, axis=0) + TIE_PER_MWH, xp.int64), axis=0)


def _lowest(price: Array) -> Array | None:
    """(M, B) the sources with the lowest of the prices (G, B), in their own order; None: all, where they are few."""
    xp = namespace(price)
    if price.shape[0] <= MOST_SOURCES:
        return None
    return xp.sort(xp.argsort(price, axis=0)[:MOST_SOURCES], axis=0)


def _take(values: Array, sources: Array | None) -> Array:
    """(M, B) the values (G, B) of these sources."""
    return values if sources is None else namespace(values).take_along_axis(values, sources, axis=0)
