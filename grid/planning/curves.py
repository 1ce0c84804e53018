"""Quadratic costs in a linear programme: tangents, as segments of output at rising prices."""

from __future__ import annotations

import numpy as np

from grid.errors import GridError
from grid.planning.solver import ROW_TOLERANCE, Model, StepBlock

COST_TOLERANCE = 1e-7  # what tangents may leave out, relative to the cost
MOST_ROUNDS = 30  # of moving them; three are usual
CLOSE, FAR = 6, 3  # tangents on either side of an output: evenly spaced beside it, then ever further apart
SEGMENTS = 2 * (CLOSE + FAR) + 1
_SIDE = np.arange(1.0, CLOSE + 1)[:, None, None] / CLOSE, np.arange(1.0, FAR + 1)[:, None, None] / FAR
_TINY_MW = 1e-12  # keeps 0/0 at a finite number


class Tangents:
    """K tangents below ``curve · gen²`` for each of C sources in T steps; they may move to where they are needed.

    The highest of the tangents is a polygon, which rises between two corners as its tangent does. So output is cut
    into K segments with rising prices, of which the cheapest are used first: a linear programme needs no more rows when
    the tangents move, only other bounds and prices. Unlike chords, tangents never overstate the cost.

    Args:
        curve: (C,) cost of a step per MW².
        most_mw: (C,) largest output.
        steps: T.
    """

    def __init__(self, curve: np.ndarray, most_mw: np.ndarray, steps: int) -> None:
        self.curve, self.most_mw, self.steps = curve, most_mw, steps
        self._touch_mw = np.tile(np.linspace(0.0, 1.0, SEGMENTS)[:, None] * most_mw, (steps, 1, 1))  # (T, K, C)

    def widths_mw(self) -> np.ndarray:
        """(T, K, C) length of each segment; together they are the whole range."""
        touch = self._touch_mw
        corners = (touch[:, 1:] + touch[:, :-1]) / 2  # where two tangents meet
        ends = np.zeros_like(touch[:, :1]), np.broadcast_to(self.most_mw, touch[:, :1].shape)
        return np.diff(np.concatenate([ends[0], corners, ends[1]], axis=1), axis=1)

    def prices(self) -> np.ndarray:
        """(T, K, C) cost of a step per MW in each segment."""
        prices: np.ndarray = 2.0 * self.curve * self._touch_mw
        return prices

    def missing(self, gen_mw: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(L, C) cost by which the tangents stay below the curves at outputs (L, C) in steps (L,)."""
        apart_mw = np.abs(gen_mw[:, None] - self._touch_mw[steps]).min(axis=1)
        missing: np.ndarray = self.curve * apart_mw**2
        return missing

    def gather(self, gen_mw: np.ndarray, steps: np.ndarray, least_mw: np.ndarray) -> None:
        """Move most tangents of steps (L,) between the two that stood next to the outputs (L, C), or as far beyond.

        Tangents come no closer to each other than ``least_mw`` (C,).
        """
        gen_mw, touch = np.clip(gen_mw, 0.0, self.most_mw), self._touch_mw[steps]
        above = np.where(touch >= gen_mw[:, None], touch, self.most_mw).min(axis=1)
        below = np.where(touch <= gen_mw[:, None], touch, 0.0).max(axis=1)
        reach_mw = np.maximum(above - below, CLOSE * least_mw)

        def away(room_mw: np.ndarray) -> np.ndarray:
            first = np.minimum(reach_mw, room_mw)
            growth = np.maximum(room_mw, _TINY_MW) / np.maximum(first, _TINY_MW)
            return np.concatenate([_SIDE[0] * first, first * growth ** _SIDE[1]])

        left, right = gen_mw - away(gen_mw), gen_mw + away(self.most_mw - gen_mw)
        moved = np.concatenate([left[::-1], gen_mw[None], right]).transpose(1, 0, 2)
        moved[:, 0] = 0.0  # no cost at no output
        self._touch_mw[steps] = np.maximum.accumulate(np.clip(moved, 0.0, self.most_mw), axis=1)


def add_segments(step: StepBlock, outputs: np.ndarray) -> None:
    """Give these columns (C,) of a step their segments, and the rows that hold them together."""
    rows = step.add_rows("curve", len(outputs))
    step.put(rows, outputs, -1.0)
    step.put(np.tile(rows, SEGMENTS), step.add_columns("segment", SEGMENTS * len(outputs)), 1.0)


class CurvedModel:
    """A model with quadratic costs, solved in rounds: tangents move to the last solution until they are close enough.

    Args:
        model: of T steps.
        step: what one of them is made of, with segments.
        outputs: (C,) columns of a step whose cost is quadratic.
        tangents: of these costs.
        tolerance: what the tangents may leave out, relative to the cost.
    """

    def __init__(
        self, model: Model, step: StepBlock, outputs: np.ndarray, tangents: Tangents, tolerance: float
    ) -> None:
        self.model, self.tangents, self.tolerance = model, tangents, tolerance
        steps = np.arange(tangents.steps)
        self._outputs = step.columns_at(steps, outputs)
        self._segments = step.columns_at(steps, step.columns["segment"])
        self._is_new = True
        self.place(steps)

    def place(self, steps: np.ndarray) -> None:
        """Bring widths and prices of the segments into the model; output costs nothing but in these steps."""
        if self._segments.size:
            widths, prices = self.tangents.widths_mw(), np.zeros_like(self.tangents.prices())
            prices[steps] = self.tangents.prices()[steps]
            self.model.set_columns(self._segments, np.zeros_like(widths), widths)
            self.model.set_cost(prices, self._segments)

    def solve(self, steps: np.ndarray, constant: float) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the least cost, ``constant`` included, the value of each column and the dual of each row.

        Args:
            steps: (L,) those that count.
            constant: cost.

        Raises:
            GridError: the solver finds no optimum.
        """
        tangents = self.tangents
        for _ in range(MOST_ROUNDS):
            cost, values, duals = self.model.solve()
            cost += constant
            if not self._segments.size:
                return cost, values, duals
            gen = values[self._outputs[steps]]
            missing = tangents.missing(gen, steps)
            allowed = self.tolerance * max(abs(cost), 0.01 * float((gen**2 @ tangents.curve).sum()))
            each = max(allowed / max(missing.size, 1), ROW_TOLERANCE)
            if missing.sum() <= allowed or missing.max() <= each:
                return cost, values, duals
            if self._is_new:
                self.model.start_over_at_basis()
                self._is_new = False
            tangents.gather(gen, steps, 2.0 * np.sqrt(each / tangents.curve))
            self.place(steps)
        found = f"quadratic costs still {missing.sum():g} off after {MOST_ROUNDS} rounds of tangents"
        raise GridError("optimum", found, f"{allowed:g}", "look for extreme costs")
