"""Redispatch moves: shift output between the two sources that save most, one exact step at a time.

The cost of one step with given stores is piecewise linear (or quadratic) and convex in the sources' output, and its
kinks lie where a line reaches its capacity. Each move takes the pair with the steepest descent as far as the next
kink, in closed form; no programme is solved. All lines count as in service. On torch tensors the moves carry their
gradient: which pair moves, and what stops it, is constant almost everywhere.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, marginal_cost_per_mwh
from grid.namespace import namespace
from grid.state import Array
from grid.step import Limits

TOLERANCE_MW = 1e-6
GAIN_PER_MWH = 1e-6  # a smaller saving is rounding


class Redispatch:
    """Moves between the sources of one grid, within its connected parts. Symbols: G sources, L limited lines."""

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self.sources = np.flatnonzero(arrays.is_source)
        lines = np.flatnonzero(np.isfinite(arrays.capacity_mw))
        self.capacity_mw = arrays.capacity_mw[lines]
        self.overload_per_mwh = prices.overload_per_mwh
        self.cost = marginal_cost_per_mwh(arrays, prices)[self.sources]
        self.curve = arrays.gen_cost_per_mw2h[self.sources]
        self.is_curved = bool((self.curve > 0).any())
        self.flow_matrix = arrays.flow_matrix[lines].T.copy()  # (N, L)
        self.flow_offset_mw = arrays.flow_offset_mw[lines]
        self.reach = self.flow_matrix[self.sources]  # (G, L)
        self.away = self.reach[:, None] - self.reach  # (G, G, L) flow of a MW from the second source to the first
        part = arrays.part[self.sources]
        self.joined = part[:, None] == part  # (G, G)
        self.each = np.eye(len(self.sources))
        self.nodes = np.eye(len(arrays.gen_max_mw))[self.sources]  # (G, N)

    def convert(self, asarray: Callable[[np.ndarray], Array]) -> Redispatch:
        """The same moves with every array passed through ``asarray`` (say, to torch tensors)."""
        changed = copy.copy(self)
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        vars(changed).update({name: asarray(value) for name, value in arrays.items()})
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
        xp = namespace(gen_mw)
        gen, low, high = (mw[:, self.sources] for mw in (gen_mw, limits.gen_lo_mw, limits.gen_hi_mw))
        flow = xp.matmul(gen_mw + other_mw, self.flow_matrix) + self.flow_offset_mw
        worth = self._is_worth(gen, low, high, flow)
        rows = xp.nonzero(worth)[0]
        if count == 0 or rows.shape[0] == 0:
            return gen_mw
        before, low, high, flow = gen[rows], low[rows], high[rows], flow[rows]
        gen = before
        for _ in range(count):
            move, pair = self._move(gen, low, high, flow)
            if not bool(xp.any(move > 0)):
                break
            gen = gen + pair * move
            flow = flow + xp.matmul(pair, self.reach) * move
        gen = xp.minimum(xp.maximum(gen, low), high)
        moved = xp.matmul(gen - before, self.nodes)
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

    def _move(self, gen: Array, low: Array, high: Array, flow: Array) -> tuple[Array, Array]:
        """(B, 1) MW to shift, and (B, G) +1 at the source that goes up and −1 at the one that goes down."""
        xp = namespace(gen)
        sign = xp.where(flow < 0, -1.0, 1.0)
        excess = xp.abs(flow) - self.capacity_mw
        gain, up, down = self._steepest(gen, low, high, sign, excess)
        pair = up - down
        change = sign * xp.matmul(pair, self.reach)  # (B, L) of |flow|, a MW
        room = [xp.sum((high - gen) * up, axis=1)[:, None], xp.sum((gen - low) * down, axis=1)[:, None]]
        if self.is_curved:
            bend = 2.0 * xp.matmul(up + down, self.curve)
            room.append(xp.where(bend > 0, gain / xp.where(bend > 0, bend, 1.0), xp.inf)[:, None])
        move = xp.min(xp.concat([*room, self._to_kink(excess, change)], axis=1), axis=1)
        return xp.where(gain > GAIN_PER_MWH, move, 0.0)[:, None], pair

    def _steepest(self, gen: Array, low: Array, high: Array, sign: Array, excess: Array) -> tuple[Array, Array, Array]:
        """(B,) saving of the first MW of the best move, and (B, G) 1 at the source that goes up, and down."""
        xp = namespace(gen)
        over = xp.where(excess > TOLERANCE_MW, sign, 0.0)
        price = self.cost + 2.0 * self.curve * gen + self.overload_per_mwh * xp.matmul(over, self.reach.T)
        slope = price[:, :, None] - price[:, None, :]
        at = xp.abs(excess) <= TOLERANCE_MW  # on a kink: costs as soon as it carries more
        if bool(xp.any(at)):
            kinks = xp.any(at, axis=0)
            more = xp.maximum(sign[:, None, None, kinks] * self.away[:, :, kinks], 0.0)
            slope = slope + self.overload_per_mwh * xp.sum(xp.where(at[:, None, None, kinks], more, 0.0), axis=-1)
        free = (high - gen > TOLERANCE_MW)[:, :, None] & (gen - low > TOLERANCE_MW)[:, None, :] & self.joined
        flat = xp.reshape(xp.where(free, slope, xp.inf), (gen.shape[0], -1))
        best = xp.argmin(flat, axis=1)
        gain = -xp.take_along_axis(flat, best[:, None], axis=1)[:, 0]
        sources = gen.shape[1]
        return gain, self.each[best // sources], self.each[best % sources]

    def _to_kink(self, excess: Array, change: Array) -> Array:
        """(B, L) MW to move until each line reaches its capacity, in either direction; inf where it does not."""
        xp = namespace(excess)
        over = excess > TOLERANCE_MW
        to_go = xp.where(change > 0, -excess, xp.where(over, excess, excess + 2.0 * self.capacity_mw))
        meets = (xp.abs(change) > 1e-9) & ~((change > 0) & (excess >= -TOLERANCE_MW))
        return xp.where(meets, to_go / xp.where(meets, xp.abs(change), 1.0), xp.inf)
