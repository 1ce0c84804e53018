"""The multi-period linear programme of a grid as one persistent model, whose inputs change in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.errors import GridError
from grid.planning.check_inputs import check_inputs
from grid.planning.curves import COST_TOLERANCE, CurvedModel
from grid.planning.forced import most_forced_mw
from grid.planning.line_limits import LineLimits
from grid.planning.line_rows import Network
from grid.planning.security import SecureLimits
from grid.planning.solver import Model
from grid.planning.step_columns import StepColumns
from grid.state import Inputs

MANY_NODES = 50  # from here on it pays to add the limits of lines as plans break them: at 118 buses three times as fast


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved programme; T steps, or as many as its inputs had."""

    cost: float  # settlement included; tangents keep it below the cost of every policy
    gen_mw: np.ndarray  # (T, N) before spill
    curtailed_mw: np.ndarray  # (T, N) flexible demand that is cut
    spill_mw: np.ndarray  # (T, N)
    charge_mw: np.ndarray  # (T, N)
    discharge_mw: np.ndarray  # (T, N)
    store_mwh: np.ndarray  # (T + 1, N) at the start of each step and at the end
    shed_mw: np.ndarray  # (T, N)
    flow_mw: np.ndarray  # (T, E)
    nodal_price_per_mwh: np.ndarray  # (T, N) cost of one more MWh served at a node
    line_rent: np.ndarray  # (T, E) currency: flow times what one more MW of capacity would save
    # where plants start and stop; duals are then those with the plants as they are
    on: np.ndarray | None = field(
        default=None, kw_only=True
    )  # (T, N) whether each plant is on, as are all that never stop
    bound: float | None = field(default=None, kw_only=True)  # no schedule costs less; None: than ``cost``


class Programme(StepColumns):
    """Perfect foresight over T steps: the model is built once, then ``set_inputs`` and ``solve`` as often as needed.

    Whatever ``physics.step`` can do keeps every row, so the solution is a lower bound: where availability may force a
    source below its minimum or off its ramp, these are loosened by just as much; and a store may charge and discharge
    at once.

    The steps of the model form a ring, which is cut before the first step of the episode: no ramp counts there, and
    stored energy jumps from what is left at the end to what there is at the start; these jumps are columns, and what
    they are worth is the settlement. So a plan that is made again an hour later changes the bounds where the ring was
    cut and where it is now; all else, and the basis, stays in its place. K futures are one ring, too, which is cut
    before each of them.

    Args:
        arrays: the grid.
        steps: T.
        dt_h: length of a step in hours.
        prices: absent: the defaults; balancing is not charged, because a plan needs none.
        tolerance: what the tangents below quadratic costs may leave out, relative to the cost.
        every_limit: hold the limits of all lines from the beginning, however large the grid.
        n1: (E,) hold them after the outage of any single line, too, as far as no part falls apart: share of the price
            of an overload that counts then; None: no outage counts.
        corrected: whether ``set_inputs`` will be given ``extra_mw``.
        futures: K that start from the same state and are planned beside each other.

    Raises:
        GridError: there is no step, or the prices do not fit the grid.
    """

    def __init__(
        self,
        arrays: GridArrays,
        steps: int,
        dt_h: float,
        prices: Prices | None = None,
        tolerance: float = COST_TOLERANCE,
        every_limit: bool = False,
        futures: int = 1,
        n1: np.ndarray | None = None,
        corrected: bool = False,
    ) -> None:
        if steps < 1 or not 0 < dt_h < np.inf:
            found = f"{steps} steps of {dt_h:g} h"
            raise GridError("inputs", found, "at least one step, longer than 0 h", "give load_mw as (steps, nodes)")
        self.steps, self.futures = steps, futures
        self.whole = arrays
        places = steps * futures
        lazily = corrected or (len(arrays.node_names) > MANY_NODES and not every_limit)
        network: Network | LineLimits = LineLimits(arrays) if lazily else Network(arrays)
        if n1 is not None:
            network = SecureLimits(arrays, n1)
        super().__init__(arrays, places, dt_h, Prices() if prices is None else prices, network)
        self._ring = np.arange(places)  # (KT,) steps of the model in the order of time, of one future after another
        self._live = self._ring  # those that are planned
        self._is_held = False  # in the step that was the first one
        self._end, self._is_live = steps, np.ones(places, dtype=bool)  # (KT,) whether a step of the model is planned
        self._in_service = np.ones((places, len(arrays.line_from)), dtype=bool)  # (KT, E) by step of the model
        bounds = self._step.repeat("low", places), self._step.repeat("high", places)
        row_bounds = self._step.repeat("row_low", places), self._step.repeat("row_high", places)
        self.model = Model(self._cost(), bounds, row_bounds, self._step.matrix(places))
        self._join_futures()
        self.model.keep_added()
        if isinstance(self._network, LineLimits):
            self._network.attach(self.model, self._step, self._injections(), self._price("overload"))
        self._curved = CurvedModel(self.model, self._step, self._curved_gen, self._tangents, tolerance)

    def _cost(self) -> np.ndarray:
        """(KT, width) of each column; what comes after the end of the episode costs nothing."""
        return self._step.repeat("cost", len(self._is_live)) * self._is_live[:, None]

    def _join_futures(self) -> None:
        """One future has nothing to be joined with."""

    def set_inputs(
        self,
        inputs: Inputs,
        store_start_mwh: np.ndarray | None = None,
        gen_before_mw: np.ndarray | None = None,
        passed: int = 0,
        extra_mw: np.ndarray | None = None,
        held_mw: np.ndarray | None = None,
    ) -> None:
        """Change demand, availability, outages and the start in place.

        Args:
            inputs: demand and available share, (T, N), and lines in service, (T, E); with K futures (KT, ·), those of
                one after another. With fewer than T steps the episode ends after them: there what is stored is
                settled, and the rest of the model costs nothing.
            store_start_mwh: (N,) stored energy before the first step; absent: ``store_init_mwh``.
            gen_before_mw: (N,) output before the first step, from which its ramp counts; absent: no ramp.
            passed: how many steps later these inputs begin than those before; what was planned for the steps that both
                have is where the search for the new plan begins.
            extra_mw: (T, E) what lines carry beyond their flow, of a programme that is ``corrected``.
            held_mw: (4, N) narrower limits of the first step, where somebody holds units: least and largest output,
                and the same of the power of stores, charging below 0. Then as much may be spilled and shed there as
                follows from it; there may be no plan at all. Of one future.

        Raises:
            GridError: an array has the wrong shape or a value that no step could have.
        """
        a, source, model, step, futures = self.arrays, self._source, self.model, self._step, self.futures
        self._start_mwh = a.store_init_mwh if store_start_mwh is None else np.asarray(store_start_mwh, dtype=float)
        self._end = end = min(max(len(inputs.load_mw) // futures, 1), self.steps)
        self._load_mw, avail_frac, in_service = check_inputs(a, inputs, futures * end, self.dt_h, self._start_mwh)
        if passed:
            self._ring = np.roll(self._ring, -passed)
            model.stay_near()
        self._live = self._ring.reshape(futures, -1)[:, :end].ravel()
        self._set_in_service(in_service, extra_mw)
        is_live = np.zeros(len(self._ring), dtype=bool)
        is_live[self._live] = True
        if (is_live != self._is_live).any():
            self._is_live = is_live
            model.set_cost(self._cost())
            self._curved.place(self._live)
        self._start_mwh = np.clip(self._start_mwh, a.store_min_mwh, a.store_max_mwh)  # rounding of a simulated state
        self._shed_all_cost = (self._load_mw @ self._price("shed")).sum()

        high = self._in_time(a.offered_mw(avail_frac, self._load_mw)[:, source])
        low = np.minimum(a.gen_min_mw[source], high)
        if gen_before_mw is not None:
            before = gen_before_mw[source]
            high[:, 0] = np.minimum(high[:, 0], before + self._rise_mw)
            low[:, 0] = np.minimum(np.maximum(low[:, 0], before - self._fall_mw), high[:, 0])
        # a source that availability has put below its minimum comes back no faster than its ramp
        climb = self._rise_mw * np.arange(self.steps)[:, None]
        low = np.minimum(np.minimum.accumulate(low - climb, axis=1) + climb, high)
        load = self._in_time(self._load_mw[:, self._consumer])
        stored, jump = self._cut_ring()
        spill, served = self._forced(avail_frac, in_service, load)
        bounds = {"gen": (low, high), "spill": spill, "served": served, "stored": stored, "jump": jump}
        if held_mw is not None:
            spill[1][:, 0], served[0][:, 0] = np.inf, 0.0
            high[:, 0] = np.minimum(high[:, 0], held_mw[1, source])
            low[:, 0] = np.minimum(np.maximum(low[:, 0], held_mw[0, source]), high[:, 0])
        if held_mw is not None or self._is_held:
            bounds |= self._store_bounds(held_mw)
        self._is_held = held_mw is not None
        self._bounds_mw = low[:, 0], high[:, 0]
        columns = np.concatenate([step.columns[name] for name in bounds])
        lows, highs = (
            np.concatenate([np.broadcast_to(bound, (futures, *bound.shape[-2:])) for bound in side], axis=-1)
            for side in zip(*bounds.values(), strict=True)
        )
        model.set_columns(step.columns_at(self._ring, columns), lows, highs)

        fall, rise = np.full((2, *high.shape), np.inf)  # the first step has no ramp
        fall[:, 1:], rise[:, 1:] = np.maximum(self._fall_mw, high[:, :-1] - high[:, 1:]), self._rise_mw
        rows = step.rows_at(self._ring, step.rows["ramp"])
        model.set_rows(rows, -fall[..., self._ramped], rise[..., self._ramped])

    def _store_bounds(self, held_mw: np.ndarray | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Bounds (T, stores) of what charges and discharges, in the first step as it is held."""
        bounds = {}
        for name, sign in (("charge", -1.0), ("discharge", 1.0)):
            most = np.tile(getattr(self.arrays, f"{name}_max_mw")[self._store], (self.steps, 1))
            least = np.zeros_like(most)
            if held_mw is not None:
                ends = np.sort(sign * held_mw[2:, self._store], axis=0)
                least[0], most[0] = np.clip(ends, 0.0, most[0])
            bounds[name] = (least, most)
        return bounds

    def _in_time(self, values: np.ndarray) -> np.ndarray:
        """(K, T, ...) what is given for the planned steps, and 0 in the others."""
        whole = np.zeros((self.futures, self.steps, *values.shape[1:]))
        whole[:, : self._end] = values.reshape(self.futures, self._end, *values.shape[1:])
        return whole

    def _forced(
        self, avail_frac: np.ndarray, in_service: np.ndarray, load: np.ndarray
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Bounds (K, T, spilling) of what is spilled, (K, T, consumers) of what is served: no more than must be."""
        spill, shed = most_forced_mw(self.arrays, avail_frac, self._load_mw, in_service, self.dt_h)
        most = self._in_time(spill[:, self._spilling])
        least = np.maximum(load - self._in_time(shed[:, self._consumer]), 0.0)
        return (np.zeros_like(most), most), (least, load)

    def _cut_ring(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Bounds (T, stores) of what is stored and of its jump: from the end on there is stored what the start has."""
        end, room = self._end, self._room_mwh
        start = (self._start_mwh - self.arrays.store_min_mwh)[self._store]
        low, high, jump_low, jump_high = np.zeros((4, self.steps, len(start)))
        high[: end - 1] = room
        low[end - 1 :] = high[end - 1 :] = start
        jump_low[end - 1], jump_high[end - 1] = -start, room - start
        jump_low[end:], jump_high[end:] = -room, room
        return (low, high), (jump_low, jump_high)

    def _set_in_service(self, in_service: np.ndarray, extra_mw: np.ndarray | None) -> None:
        """Take lines out and put them back, in the planned steps (·, E); in the others all are in service."""
        net, model, step = self._network, self.model, self._step
        now = np.ones_like(self._in_service)
        now[self._live] = in_service
        old, self._in_service = self._in_service, now
        changed = np.flatnonzero((now != old).any(axis=1))
        if isinstance(net, LineLimits):
            extra = np.zeros(now.shape)
            if extra_mw is not None:
                extra[self._live] = extra_mw
            net.start(now, len(in_service), extra)
            return
        weights: dict[bytes, Any] = {}
        for t in changed:
            before, after = (weights.setdefault(lines.tobytes(), net.matrix(lines)) for lines in (old[t], now[t]))
            rows, columns = (after - before).nonzero()
            model.set_weights(rows + step.height * t, columns + step.width * t, after[rows, columns])
        if net.shifts and changed.size:
            leaving, bounds, every = net.leaving_mw(now), net.flow_bounds_mw(now), np.arange(len(now))
            model.set_rows(step.rows_at(every, step.rows["balance"]), leaving, leaving)
            model.set_rows(step.rows_at(every, step.rows["capacity"]), *bounds)

    def solve(self) -> Solution:
        """Solve for the inputs that were set last, from the last basis.

        Raises:
            GridError: the solver finds no optimum.
        """
        cost, x, duals = self._solved()
        return self._solution(cost - (x[:, self._step.columns["discharge"]] @ self._extra_wear).sum(), x, duals)

    def _solved(self) -> tuple[float, np.ndarray, np.ndarray]:
        """The least cost, the columns of the planned steps, (·, width), and the dual of each row."""
        step, net, now = self._step, self._network, self._live
        while True:
            cost, values, duals = self._curved.solve(now, self._shed_all_cost)
            x = values[: len(self._ring) * step.width].reshape(-1, step.width)[now]
            if not (isinstance(net, LineLimits) and net.add_broken(x, now)):
                return cost, x, duals

    def _solution(self, cost: float, x: np.ndarray, duals: np.ndarray) -> Solution:
        a, step = self.arrays, self._step

        def at(nodes: np.ndarray, block: str, value: np.ndarray | float = 0.0) -> np.ndarray:
            out = np.zeros((self._end, len(a.node_names)))
            out[:, nodes] = np.maximum(x[:, step.columns[block]] + value, 0.0)  # the solver's zero may lie just below
            return out

        output_mw = at(self._source, "gen")
        shed_mw = np.maximum(self._load_mw - at(self._consumer, "served"), 0.0)
        # what may be cut on request is not shed, where that costs no more
        may_cut = (a.flex_max_frac > 0) & (a.flex_cost_per_mwh <= a.shed_cost_per_mwh)
        more_mw = np.where(may_cut, np.minimum(shed_mw, a.flex_max_frac * self._load_mw - output_mw), 0.0)
        more_mw = np.maximum(more_mw, 0.0)
        flow_mw, nodal, limit = self._line_duals(x, duals)
        return Solution(
            cost=cost,
            gen_mw=np.where(a.is_source, output_mw, 0.0),
            curtailed_mw=np.where(a.is_source, 0.0, output_mw) + more_mw,
            spill_mw=at(self._spilling, "spill"),
            charge_mw=at(self._store, "charge"),
            discharge_mw=at(self._store, "discharge"),
            store_mwh=np.concatenate(
                [self._start_mwh[None], a.store_min_mwh + at(self._store, "stored", x[:, step.columns["jump"]])]
            ),
            shed_mw=shed_mw - more_mw,
            flow_mw=flow_mw,
            nodal_price_per_mwh=nodal / self.dt_h,
            line_rent=-limit * flow_mw,
        )

    def _line_duals(self, x: np.ndarray, duals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flows (T, E), and the duals of each node's balance (T, N) and of each line's limit (T, E)."""
        net, step, now = self._network, self._step, self._live
        own = duals[: len(self._ring) * step.height].reshape(-1, step.height)[now]
        balance = own[:, step.rows["balance"]]
        if isinstance(net, LineLimits):
            nodal, limit = net.duals(duals)
            return net.flow_mw(x, now), balance[:, net.row] + nodal[now], limit[now]
        limit = np.zeros((len(now), len(self.arrays.line_names)))
        limit[:, net.limited] = own[:, step.rows["capacity"]]
        return net.flow_mw(x, self._in_service[now]), balance, limit
