"""Redispatch moves: shift output between the two sources that save most, one exact step at a time.

The cost of one step with given stores is piecewise linear (or quadratic) and convex in the sources' output, and its
kinks lie where a line reaches its capacity. Each move takes the pair with the steepest descent as far as the next
kink, in closed form; no programme is solved.
"""

from __future__ import annotations

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, marginal_cost_per_mwh
from grid.flow import flows
from grid.step import Limits

TOLERANCE_MW = 1e-6
GAIN_PER_MWH = 1e-6  # a smaller saving is rounding


class Redispatch:
    """Moves between the sources of one grid, within its connected parts."""

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self.arrays = arrays
        self.sources = np.flatnonzero(arrays.is_source)
        self.lines = np.flatnonzero(np.isfinite(arrays.capacity_mw))
        self.capacity_mw = arrays.capacity_mw[self.lines]
        self.overload_per_mwh = prices.overload_per_mwh
        self.cost = marginal_cost_per_mwh(arrays, prices)[self.sources]
        self.curve = arrays.gen_cost_per_mw2h[self.sources]
        self.reach = arrays.flow_matrix[np.ix_(self.lines, self.sources)]  # (L, G)
        part = arrays.part[self.sources]
        self.joined = part[:, None] == part  # (G, G)

    def moves(self, gen_mw: np.ndarray, other_mw: np.ndarray, limits: Limits, count: int) -> np.ndarray:
        """Improve a balanced dispatch.

        Args:
            gen_mw: (B, N) output within the limits.
            other_mw: (B, N) everything else that is injected: stores minus demand served.
            limits: of the step.
            count: the most moves to make.

        Returns:
            (B, N) output with the same sum in every part, never dearer in this step.
        """
        gen = gen_mw[:, self.sources].copy()
        lo, hi = limits.gen_lo_mw[:, self.sources], limits.gen_hi_mw[:, self.sources]
        flow = flows(self.arrays, gen_mw + other_mw)[:, self.lines]
        rows = np.arange(len(gen))
        for _ in range(count):
            sign = np.where(flow < 0, -1.0, 1.0)
            excess = np.abs(flow) - self.capacity_mw
            gain, up, down = self._steepest(gen, lo, hi, sign, excess)
            change = sign * (self.reach.T[up] - self.reach.T[down])  # (B, L) of |flow|, a MW
            room = np.minimum(hi[rows, up] - gen[rows, up], gen[rows, down] - lo[rows, down])
            move = np.minimum(room, self._to_kink(excess, change).min(axis=1, initial=np.inf))
            bend = 2.0 * (self.curve[up] + self.curve[down])
            move = np.where(bend > 0, np.minimum(move, gain / np.where(bend > 0, bend, 1.0)), move)
            move = np.where(gain > GAIN_PER_MWH, move, 0.0)
            if not (move > 0).any():
                break
            gen[rows, up] += move
            gen[rows, down] -= move
            flow = flow + sign * change * move[:, None]
        out = gen_mw.copy()
        out[:, self.sources] = np.minimum(np.maximum(gen, lo), hi)
        return out

    def _steepest(
        self, gen: np.ndarray, lo: np.ndarray, hi: np.ndarray, sign: np.ndarray, excess: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(B,) saving of the first MW of the best move, and the sources that go up and down."""
        over = excess > TOLERANCE_MW
        price = self.cost + 2.0 * self.curve * gen + self.overload_per_mwh * ((sign * over) @ self.reach)
        slope = price[:, :, None] - price[:, None, :]
        at = np.abs(excess) <= TOLERANCE_MW
        for k in np.flatnonzero(at.any(axis=0)):  # lines on a kink: they cost as soon as they carry more
            away = self.reach[k][:, None] - self.reach[k]
            more = np.maximum(sign[:, k, None, None] * away, 0.0)
            slope = slope + self.overload_per_mwh * at[:, k, None, None] * more
        free = (hi - gen > TOLERANCE_MW)[:, :, None] & (gen - lo > TOLERANCE_MW)[:, None, :] & self.joined
        flat = np.where(free, slope, np.inf).reshape(len(gen), -1)
        best = flat.argmin(axis=1)
        up, down = np.divmod(best, gen.shape[1])
        return -flat[np.arange(len(gen)), best], up, down

    def _to_kink(self, excess: np.ndarray, change: np.ndarray) -> np.ndarray:
        """(B, L) MW to move until each line reaches its capacity, in either direction; inf where it does not."""
        over = excess > TOLERANCE_MW
        to_go = np.where(change > 0, -excess, np.where(over, excess, excess + 2.0 * self.capacity_mw))
        meets = (np.abs(change) > 1e-9) & ~((change > 0) & (excess >= -TOLERANCE_MW))
        return np.where(meets, to_go / np.where(meets, np.abs(change), 1.0), np.inf)
