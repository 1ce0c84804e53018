"""Redispatch moves: shift output between the two sources that save most, one exact step at a time.

The cost of one step with given stores is piecewise linear (or quadratic) and convex in the sources' output, and its
kinks lie where a line reaches its capacity. Each move takes the pair with the steepest descent as far as the next
kink, in closed form; no programme is solved. Of more than 64 sources, the 64 cheapest may rise and the 64 dearest may
fall. Where the grid has split, nothing is moved. On torch tensors the moves carry their gradient: which pair moves,
and what stops it, is constant almost everywhere.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, marginal_cost_per_mwh
from grid.flow import flows
from grid.namespace import namespace
from grid.outages import Outages
from grid.state import Array
from grid.step import Limits

TOLERANCE_MW = 1e-6
GAIN_PER_MWH = 1e-6  # a smaller saving is rounding
MOST_SOURCES = 64  # that are looked at in one move, on either side


class Redispatch:
    """Moves between the sources of one grid, within its connected parts. Symbols: G sources, L limited lines."""

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self.arrays = arrays
        self.sources = np.flatnonzero(arrays.is_source)
        self.lines = np.flatnonzero(np.isfinite(arrays.capacity_mw))
        self.capacity_mw = arrays.capacity_mw[self.lines]
        self.overload_per_mwh = prices.overload_per_mwh
        self.cost = marginal_cost_per_mwh(arrays, prices)[self.sources]
        self.curve = arrays.gen_cost_per_mw2h[self.sources]
        self.is_curved = bool((self.curve > 0).any())
        self.reach = self._reach_all[:, self.lines]  # (G, L) flow of each MW
        self.part = arrays.part[self.sources]
        self.parts = arrays.part_matrix.shape[1]
        self.each = np.eye(len(self.sources))
        self.source = np.full(len(arrays.node_names), len(self.sources))  # (N,) of each node, G where it has none
        self.source[self.sources] = np.arange(len(self.sources))

    @cached_property
    def _reach_all(self) -> np.ndarray:
        """(G, E) the same for every line."""
        nodes = len(self.arrays.node_names)
        return self.arrays.line_model.driven((self.sources[:, None] == np.arange(nodes)).astype(float))

    def convert(self, asarray: Callable[[np.ndarray], Array], arrays: GridArrays) -> Redispatch:
        """The same moves with every array passed through ``asarray`` (say, to torch tensors), as in ``arrays``."""
        changed = copy.copy(self)
        own = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        vars(changed).update({name: asarray(value) for name, value in own.items()}, arrays=arrays)
        return changed

    def moves(self, gen_mw: Array, other_mw: Array, limits: Limits, count: int) -> Array:
        """Improve a balanced dispatch.

        Args:
            gen_mw: (B, N) output within the limits.
            other_mw: (B, N) everything else that is injected: stores minus demand served.
            limits: of the step.
            count: the most moves to make.

        Returns:
            (B, N) output with the same sum in every part, never dearer in this step.
        """
        if count == 0 or not self.sources.shape[0]:
            return gen_mw
        xp = namespace(gen_mw)
        gen, low, high = (mw[:, self.sources] for mw in (gen_mw, limits.gen_lo_mw, limits.gen_hi_mw))
        outages = limits.outages
        flow = flows(self.arrays, gen_mw + other_mw, outages)[:, self.lines]
        worth = self._is_worth(gen, low, high, flow)
        if outages is not None:
            worth = worth & outages.is_corrected
        rows = xp.nonzero(worth)[0]
        if rows.shape[0] == 0:
            return gen_mw
        outages = None if outages is None else outages.take(rows)
        before, low, high, flow = gen[rows], low[rows], high[rows], flow[rows]
        gen = before
        for _ in range(count):
            move, pair, change = self._move(gen, low, high, flow, outages)
            if not bool(xp.any(move > 0)):
                break
            gen = gen + pair * move
            flow = flow + change * move
        gen = xp.minimum(xp.maximum(gen, low), high)
        moved = xp.concat([gen - before, xp.zeros_like(gen[:, :1])], axis=1)[:, self.source]
        row = xp.where(worth, xp.cumulative_sum(xp.astype(worth, xp.int64)) - 1, rows.shape[0])
        return gen_mw + xp.concat([moved, xp.zeros_like(gen_mw[:1])])[row]

    def _is_worth(self, gen: Array, low: Array, high: Array, flow: Array) -> Array:
        """(B,) False where no move can save anything: no line is overloaded, and no cheaper source has room."""
        xp = namespace(gen)
        price = self.cost + 2.0 * self.curve * gen
        cheapest = xp.min(xp.where(high - gen > TOLERANCE_MW, price, xp.inf), axis=1)
        dearest = xp.max(xp.where(gen - low > TOLERANCE_MW, price, -xp.inf), axis=1)
        overloaded = xp.any(xp.abs(flow) - self.capacity_mw > TOLERANCE_MW, axis=1)
        return overloaded | (dearest - cheapest > GAIN_PER_MWH)

    def _move(
        self, gen: Array, low: Array, high: Array, flow: Array, outages: Outages | None
    ) -> tuple[Array, Array, Array]:
        """(B, 1) MW to shift; (B, G) +1 at the source that goes up, −1 at the other; (B, L) change of flow a MW."""
        xp = namespace(gen)
        sign = xp.where(flow < 0, -1.0, 1.0)
        excess = xp.abs(flow) - self.capacity_mw
        gain, up, down = self._steepest(gen, low, high, sign, excess, outages)
        pair = up - down
        change = self._driven(pair, outages)
        room = [xp.sum((high - gen) * up, axis=1)[:, None], xp.sum((gen - low) * down, axis=1)[:, None]]
        if self.is_curved:
            bend = 2.0 * xp.matmul(up + down, self.curve)
            room.append(xp.where(bend > 0, gain / xp.where(bend > 0, bend, 1.0), xp.inf)[:, None])
        move = xp.min(xp.concat([*room, self._to_kink(excess, sign * change)], axis=1), axis=1)
        return xp.where(gain > GAIN_PER_MWH, move, 0.0)[:, None], pair, change

    def _steepest(
        self, gen: Array, low: Array, high: Array, sign: Array, excess: Array, outages: Outages | None
    ) -> tuple[Array, Array, Array]:
        """(B,) saving of the first MW of the best move, and (B, G) 1 at the source that goes up, and down."""
        xp = namespace(gen)
        over = xp.where(excess > TOLERANCE_MW, sign, 0.0)
        price = self.cost + 2.0 * self.curve * gen + self.overload_per_mwh * self._felt(over, outages)
        rises, falls = high - gen > TOLERANCE_MW, gen - low > TOLERANCE_MW
        up, down = _lowest(xp.where(rises, price, xp.inf)), _lowest(xp.where(falls, -price, xp.inf))

        def apart(values: Array) -> tuple[Array, Array]:
            """(B, M, 1) at those that may rise, and (B, 1, M) at those that may fall."""
            return _take(values, up)[:, :, None], _take(values, down)[:, None]

        slope = xp.subtract(*apart(price))
        at = xp.abs(excess) <= TOLERANCE_MW  # on a kink: costs as soon as it carries more
        if bool(xp.any(at)):
            number = xp.cumulative_sum(xp.astype(at, xp.int64), axis=1)
            for kink in range(1, int(xp.max(number)) + 1):
                more = self._felt(xp.where(at & (number == kink), sign, 0.0), outages)
                slope = slope + self.overload_per_mwh * xp.maximum(xp.subtract(*apart(more)), 0.0)
        free = apart(rises)[0] & apart(falls)[1]
        if self.parts > 1:
            free = free & xp.equal(*apart(xp.zeros_like(price) + self.part))
        flat = xp.reshape(xp.where(free, slope, xp.inf), (gen.shape[0], -1))
        best = xp.argmin(flat, axis=1)
        gain = -xp.take_along_axis(flat, best[:, None], axis=1)[:, 0]
        return gain, _one_hot(self.each, up, best // free.shape[2]), _one_hot(self.each, down, best % free.shape[2])

    def _driven(self, output_mw: Array, outages: Outages | None) -> Array:
        """(B, L) flows that changes of output (B, G) cause."""
        if outages is None:
            return namespace(output_mw).matmul(output_mw, self.reach)
        intact_mw = output_mw @ self._reach_all
        return outages.flows(intact_mw, output_mw)[:, self.lines]

    def _felt(self, weight: Array, outages: Outages | None) -> Array:
        """(B, G) how much a MW of each source changes the sum of flows weighted by (B, L)."""
        if outages is None:
            return namespace(weight).matmul(weight, self.reach.T)
        every = np.zeros((len(weight), len(self.arrays.line_names)))
        every[:, self.lines] = weight
        return outages.intact_weights(every) @ self._reach_all.T

    def _to_kink(self, excess: Array, change: Array) -> Array:
        """(B, L) MW to move until each line reaches its capacity, in either direction; inf where it does not."""
        xp = namespace(excess)
        over = excess > TOLERANCE_MW
        to_go = xp.where(change > 0, -excess, xp.where(over, excess, excess + 2.0 * self.capacity_mw))
        meets = (xp.abs(change) > 1e-9) & ~((change > 0) & (excess >= -TOLERANCE_MW))
        return xp.where(meets, to_go / xp.where(meets, xp.abs(change), 1.0), xp.inf)


def _lowest(price: Array) -> Array | None:
    """(B, M) the sources with the lowest of the prices (B, G), in their own order; None: all, where they are few."""
    xp = namespace(price)
    if price.shape[1] <= MOST_SOURCES:
        return None
    return xp.sort(xp.argsort(price, axis=1)[:, :MOST_SOURCES], axis=1)


def _take(values: Array, sources: Array | None) -> Array:
    """(B, M) the values (B, G) of these sources."""
    return values if sources is None else namespace(values).take_along_axis(values, sources, axis=1)


def _one_hot(each: Array, sources: Array | None, position: Array) -> Array:
    """(B, G) 1 at one of the sources, by its position (B,) among them."""
    return each[position if sources is None else _take(sources, position[:, None])[:, 0]]
