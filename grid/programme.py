"""The multi-period linear programme of a grid as one persistent model, whose inputs change in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from grid.arrays import GridArrays
from grid.check_inputs import check_inputs
from grid.costs import Prices, marginal_cost_per_mwh, store_value_per_mwh
from grid.curves import COST_TOLERANCE, CurvedModel, Tangents, add_segments
from grid.errors import GridError
from grid.line_limits import Injections, LineLimits
from grid.network import Network
from grid.solver import Model, StepBlock
from grid.state import Inputs

MANY_NODES = 50  # from here on it pays to add the limits of lines as plans break them: at 118 buses three times as fast
LEAST_WEAR = 1e-6  # cost of a MW discharged for a step: nothing is charged and discharged at once for no gain


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved programme; T steps, or as many as its inputs had."""

    cost: float  # settlement included; tangents keep it below the cost of every policy
    gen_mw: np.ndarray  # (T, N) before spill
    spill_mw: np.ndarray  # (T, N)
    charge_mw: np.ndarray  # (T, N)
    discharge_mw: np.ndarray  # (T, N)
    store_mwh: np.ndarray  # (T + 1, N)
    shed_mw: np.ndarray  # (T, N)
    flow_mw: np.ndarray  # (T, E)
    nodal_price_per_mwh: np.ndarray  # (T, N) cost of one more MWh served at a node
    line_rent: np.ndarray  # (T, E) flow times what one more MW of capacity would save


class Programme:
    """Perfect foresight over T steps: the model is built once, then ``set_inputs`` and ``solve`` as often as needed.

    Whatever ``grid.step`` can do keeps every row, so the solution is a lower bound: where availability may force a
    source below its minimum or off its ramp, these are loosened by just as much; and a store may charge and discharge
    at once.

    Args:
        arrays: the grid.
        steps: T.
        dt_h: length of a step in hours.
        prices: absent: the defaults; balancing is not charged, because a plan needs none.
        tolerance: what the tangents below quadratic costs may leave out, relative to the cost.

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
    ) -> None:
        if steps < 1 or not 0 < dt_h < np.inf:
            found = f"{steps} steps of {dt_h:g} h"
            raise GridError("inputs", found, "at least one step, longer than 0 h", "give load_mw as (steps, nodes)")
        self.arrays, self.steps, self.dt_h = arrays, steps, float(dt_h)
        self.prices = Prices() if prices is None else prices
        self._step = StepBlock()
        self._network: Network | LineLimits
        self._network = LineLimits(arrays) if len(arrays.node_names) > MANY_NODES else Network(arrays)
        self._add_lines()
        self._add_sources()
        self._add_stores_and_consumers()
        self._end, self._in_service = steps, np.ones((steps, len(arrays.line_from)), dtype=bool)
        bounds = self._step.repeat("low", steps), self._step.repeat("high", steps)
        row_bounds = self._step.repeat("row_low", steps), self._step.repeat("row_high", steps)
        self.model = Model(self._cost(steps), bounds, row_bounds, self._step.matrix(steps))
        if isinstance(self._network, LineLimits):
            self._network.attach(self.model, self._step, self._injections(), self.prices.overload_per_mwh * self.dt_h)
        self._curved = CurvedModel(self.model, self._step, self._curved_gen, self._tangents, tolerance)

    def _cost(self, end: int) -> np.ndarray:
        """(T, width) of each column, where the episode ends after so many steps."""
        cost = self._step.repeat("cost", self.steps)
        cost[end:] = 0.0
        cost[end - 1, self._step.columns["stored"]] -= self._value_per_mwh
        return cost

    def _add_lines(self) -> None:
        """Angles, flows of connectors, the balance of each node, and what flows above capacity."""
        net, step = self._network, self._step
        step.add_columns("angle", net.points, low=-net.free, high=net.free)
        step.add_columns("link", net.links, low=-np.inf)
        all_lines = np.ones((1, len(self.arrays.line_from)))
        leaving = net.leaving_mw(all_lines)[0]
        step.add_rows("balance", len(leaving), leaving, leaving)
        rows = step.add_rows("capacity", len(net.limited), *(bound[0] for bound in net.flow_bounds_mw(all_lines)))
        step.add_rows("tie", net.ties)
        step.put(net.rows, net.columns, net.weights)
        price = self.prices.overload_per_mwh * self.dt_h
        step.put(rows, step.add_columns("above", len(rows), price), -1.0)
        step.put(rows, step.add_columns("below", len(rows), price), 1.0)

    def _injections(self) -> Injections:
        """What injects, of the columns of a step."""
        blocks = [(self._source, "gen", 1.0), (self._spilling, "spill", -1.0), (self._store, "charge", -1.0)]
        blocks += [(self._store, "discharge", 1.0), (self._consumer, "served", -1.0)]
        nodes, columns, signs = zip(
            *((nodes, self._step.columns[name], np.full(len(nodes), sign)) for nodes, name, sign in blocks), strict=True
        )
        return Injections(np.concatenate(nodes), np.concatenate(columns), np.concatenate(signs))

    def _add_sources(self) -> None:
        """Output, what is spilled of it, ramps, and tangents below quadratic costs."""
        a, step, dt_h = self.arrays, self._step, self.dt_h
        self._source = source = np.flatnonzero(a.is_source)
        cost = marginal_cost_per_mwh(a, self.prices)[source]
        gen = step.add_columns("gen", len(source), cost * dt_h)
        step.put(self._network.row[source], gen, 1.0)

        self._rise_mw = np.minimum(a.gen_ramp_mw_per_h * dt_h, a.gen_max_mw)[source]
        self._fall_mw = np.minimum(a.gen_ramp_down_mw_per_h * dt_h, a.gen_max_mw)[source]
        self._ramped = ramped = self._rise_mw < a.gen_max_mw[source]
        rows = step.add_rows("ramp", int(ramped.sum()), -np.inf, np.inf)
        step.put(rows, gen[ramped], 1.0)
        step.put(rows, gen[ramped], -1.0, in_next_step=True)

        # elsewhere, to generate less is no dearer than to spill
        spilling = ramped | (a.gen_min_mw[source] > 0) | (cost < -self.prices.spill_per_mwh)
        self._spilling = source[spilling]
        spill = step.add_columns("spill", len(self._spilling), self.prices.spill_per_mwh * dt_h)
        step.put(self._network.row[self._spilling], spill, -1.0)
        rows = step.add_rows("spill", len(spill), high=np.inf)
        step.put(rows, gen[spilling], 1.0)
        step.put(rows, spill, -1.0)

        curved = a.gen_cost_per_mw2h[source] > 0
        curve, most_mw = dt_h * a.gen_cost_per_mw2h[source][curved], a.gen_max_mw[source][curved]
        add_segments(step, gen[curved])
        self._curved_gen, self._tangents = gen[curved], Tangents(curve, most_mw, self.steps)

    def _add_stores_and_consumers(self) -> None:
        """Charging, discharging, energy above the minimum at the end of the step; and demand served."""
        a, step, dt_h = self.arrays, self._step, self.dt_h
        self._store = store = np.flatnonzero(a.is_store)
        charge = step.add_columns("charge", len(store), high=a.charge_max_mw[store])
        wear = max(self.prices.wear_per_mwh * dt_h, LEAST_WEAR)
        self._extra_wear = wear - self.prices.wear_per_mwh * dt_h
        discharge = step.add_columns("discharge", len(store), wear, high=a.discharge_max_mw[store])
        stored = step.add_columns("stored", len(store), high=(a.store_max_mwh - a.store_min_mwh)[store])
        step.put(self._network.row[store], charge, -1.0)
        step.put(self._network.row[store], discharge, 1.0)
        self._kept_frac = (1.0 - a.store_loss_frac_per_h[store]) ** dt_h
        rows = step.add_rows("stored", len(store))
        step.put(rows, charge, -a.charge_eff_frac[store] * dt_h)
        step.put(rows, discharge, dt_h / a.discharge_eff_frac[store])
        step.put(rows, stored, 1.0)
        step.put(rows, stored, -self._kept_frac, in_next_step=True)
        self._value_per_mwh = store_value_per_mwh(a, self.prices)[store]

        # served, not shed: so demand is the bound of a column, and the balance rows never change
        self._consumer = consumer = np.flatnonzero(a.load_max_mw > 0)
        served = step.add_columns("served", len(consumer), -a.shed_cost_per_mwh[consumer] * dt_h)
        step.put(self._network.row[consumer], served, -1.0)

    def set_inputs(
        self, inputs: Inputs, store_start_mwh: np.ndarray | None = None, gen_before_mw: np.ndarray | None = None
    ) -> None:
        """Change demand, availability, outages and the start in place.

        Args:
            inputs: demand and available share, (T, N), and lines in service, (T, E). With fewer than T steps the
                episode ends after them: there what is stored is settled, and the rest of the model costs nothing.
            store_start_mwh: (N,) stored energy before the first step; absent: ``store_init_mwh``.
            gen_before_mw: (N,) output before the first step, from which its ramp counts; absent: no ramp.

        Raises:
            GridError: an array has the wrong shape or a value that no step could have.
        """
        a, source, model, step = self.arrays, self._source, self.model, self._step
        self._start_mwh = a.store_init_mwh if store_start_mwh is None else np.asarray(store_start_mwh, dtype=float)
        end = min(max(len(inputs.load_mw), 1), self.steps)
        self._load_mw, avail_frac, in_service = check_inputs(a, inputs, end, self.dt_h, self._start_mwh)
        self._set_in_service(in_service)
        if end != self._end:
            model.set_cost(self._cost(end))
            self._end = end
            self._curved.place(end)
        self._start_mwh = np.clip(self._start_mwh, a.store_min_mwh, a.store_max_mwh)  # rounding of a simulated state
        start_mwh = (self._start_mwh - a.store_min_mwh)[self._store]
        shed_all = (self._load_mw @ a.shed_cost_per_mwh).sum() * self.dt_h
        self._constant_cost = self._value_per_mwh @ start_mwh + shed_all

        high = np.zeros((self.steps, len(source)))
        high[:end] = (a.gen_max_mw * avail_frac)[:, source]
        low = np.minimum(a.gen_min_mw[source], high)
        if gen_before_mw is not None:
            before = gen_before_mw[source]
            high[0] = np.minimum(high[0], before + self._rise_mw)
            low[0] = np.minimum(np.maximum(low[0], before - self._fall_mw), high[0])
        # a source that availability has put below its minimum comes back no faster than its ramp
        climb = self._rise_mw * np.arange(self.steps)[:, None]
        low = np.minimum(np.minimum.accumulate(low - climb) + climb, high)
        load = np.zeros((self.steps, len(self._consumer)))
        load[:end] = self._load_mw[:, self._consumer]
        model.set_columns(step.every_column(step.columns["gen"], self.steps), low, high)
        model.set_columns(step.every_column(step.columns["served"], self.steps), np.zeros_like(load), load)

        fall = np.maximum(self._fall_mw, high[:-1] - high[1:])[:, self._ramped]
        rise = np.broadcast_to(self._rise_mw[self._ramped], fall.shape)
        model.set_rows(step.every_row(step.rows["ramp"], self.steps)[1:], -fall, rise)
        kept = self._kept_frac * start_mwh
        model.set_rows(step.rows["stored"], kept, kept)

    def _set_in_service(self, in_service: np.ndarray) -> None:
        """Take lines out and put them back, in the first (T, E) steps; in the others all are in service."""
        net, model, step = self._network, self.model, self._step
        now = np.ones_like(self._in_service)
        now[: len(in_service)] = in_service
        old, self._in_service = self._in_service, now
        changed = np.flatnonzero((now != old).any(axis=1))
        if isinstance(net, LineLimits):
            net.start(now, len(in_service))
            return
        weights: dict[bytes, csr_array] = {}
        for t in changed:
            before, after = (weights.setdefault(lines.tobytes(), net.matrix(lines)) for lines in (old[t], now[t]))
            rows, columns = (after - before).nonzero()
            model.set_weights(rows + step.height * t, columns + step.width * t, after[rows, columns])
        if net.shifts and changed.size:
            leaving, bounds = net.leaving_mw(now), net.flow_bounds_mw(now)
            model.set_rows(step.every_row(step.rows["balance"], self.steps), leaving, leaving)
            model.set_rows(step.every_row(step.rows["capacity"], self.steps), *bounds)

    def solve(self) -> Solution:
        """Solve for the inputs that were set last, from the last basis.

        Raises:
            GridError: the solver finds no optimum.
        """
        step, net = self._step, self._network
        while True:
            cost, values, duals = self._curved.solve(self._end, self._constant_cost)
            x = values[: self.steps * step.width].reshape(self.steps, step.width)[: self._end]
            if not (isinstance(net, LineLimits) and net.add_broken(x, np.arange(self._end))):
                break
        return self._solution(cost - self._extra_wear * x[:, step.columns["discharge"]].sum(), x, duals)

    def _solution(self, cost: float, x: np.ndarray, duals: np.ndarray) -> Solution:
        a, step, steps = self.arrays, self._step, self._end

        def at(nodes: np.ndarray, block: str) -> np.ndarray:
            out = np.zeros((steps, len(a.node_names)))
            out[:, nodes] = np.maximum(x[:, step.columns[block]], 0.0)  # the solver's zero may lie just below
            return out

        flow_mw, nodal, limit = self._line_duals(x, duals)
        return Solution(
            cost=cost,
            gen_mw=at(self._source, "gen"),
            spill_mw=at(self._spilling, "spill"),
            charge_mw=at(self._store, "charge"),
            discharge_mw=at(self._store, "discharge"),
            store_mwh=np.concatenate([self._start_mwh[None], a.store_min_mwh + at(self._store, "stored")]),
            shed_mw=np.maximum(self._load_mw - at(self._consumer, "served"), 0.0),
            flow_mw=flow_mw,
            nodal_price_per_mwh=nodal / self.dt_h,
            line_rent=-limit * flow_mw,
        )

    def _line_duals(self, x: np.ndarray, duals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flows (T, E), and the duals of each node's balance (T, N) and of each line's limit (T, E)."""
        net, step, end = self._network, self._step, self._end
        own = duals[: self.steps * step.height].reshape(self.steps, step.height)[:end]
        balance = own[:, step.rows["balance"]]
        if isinstance(net, LineLimits):
            nodal, limit = net.duals(duals)
            return net.flow_mw(x, np.arange(end)), balance[:, net.row] + nodal[:end], limit[:end]
        limit = np.zeros((end, len(self.arrays.line_names)))
        limit[:, net.limited] = own[:, step.rows["capacity"]]
        return net.flow_mw(x, self._in_service[:end]), balance, limit
