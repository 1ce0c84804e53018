"""The columns and rows of one step of the programme: lines, sources, stores and consumers."""

from __future__ import annotations

import numpy as np

from grid.arrays import GridArrays
from grid.check import LARGEST
from grid.costs import Block, Prices, linear_cost_per_mwh, store_value_per_mwh
from grid.planning.curves import Tangents, add_segments
from grid.planning.line_limits import Injections, LineLimits
from grid.planning.line_rows import Network
from grid.planning.solver import StepBlock

LEAST_WEAR = 1e-6  # cost of a MW discharged for a step: nothing is charged and discharged at once for no gain


class StepColumns:
    """What each step of a programme decides, and what holds there; the programme repeats it over its steps.

    Args:
        arrays: the grid.
        places: how many steps the programme has, of all its futures.
        dt_h: length of a step in hours.
        prices: what is charged beside the prices in the columns of the grid.
        network: how lines are modelled.
    """

    def __init__(
        self, arrays: GridArrays, places: int, dt_h: float, prices: Prices, network: Network | LineLimits
    ) -> None:
        self.arrays, self.dt_h, self.prices = arrays, float(dt_h), prices
        self._places, self._network, self._step = places, network, StepBlock()
        self._add_lines()
        self._add_sources()
        self._add_stores_and_consumers()
        self._add_plants()

    def _price(self, block: Block) -> np.ndarray:
        """(N,) or, of overload, (E,) cost of a MW for one step."""
        cost: np.ndarray = linear_cost_per_mwh(self.arrays, self.prices, block) * self.dt_h
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
        price = self._price("overload")[net.limited]
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
        self._source = source = a.dispatched  # a cut of demand is output of its node
        cost, spill_cost = self._price("gen")[source], self._price("spill")[source]
        gen = step.add_columns("gen", len(source), cost)
        step.put(self._network.row[source], gen, 1.0)

        most_mw = np.where(a.flex_max_frac > 0, LARGEST, a.gen_max_mw)  # series may have more demand than load_max_mw
        self._rise_mw = np.minimum(a.gen_ramp_mw_per_h * dt_h, most_mw)[source]
        self._fall_mw = np.minimum(a.gen_ramp_down_mw_per_h * dt_h, most_mw)[source]
        self._ramped = ramped = self._rise_mw < most_mw[source]
        rows = step.add_rows("ramp", int(ramped.sum()), -np.inf, np.inf)
        step.put(rows, gen[ramped], 1.0)
        step.put(rows, gen[ramped], -1.0, in_next_step=True)

        # elsewhere, to generate less is no dearer than to spill
        spilling = ramped | (a.gen_min_mw[source] > 0) | (cost < -spill_cost) | np.isin(source, a.stoppable)
        self._spilling = source[spilling]
        spill = step.add_columns("spill", len(self._spilling), spill_cost[spilling])
        step.put(self._network.row[self._spilling], spill, -1.0)
        rows = step.add_rows("spill", len(spill), high=np.inf)
        step.put(rows, gen[spilling], 1.0)
        step.put(rows, spill, -1.0)

        curved = a.gen_cost_per_mw2h[source] > 0
        curve, most_mw = dt_h * a.gen_cost_per_mw2h[source][curved], a.gen_max_mw[source][curved]
        add_segments(step, gen[curved])
        self._curved_gen, self._tangents = gen[curved], Tangents(curve, most_mw, self._places)

    def _add_stores_and_consumers(self) -> None:
        """Charging, discharging, energy above the minimum at the end of the step; and demand served."""
        a, step, dt_h = self.arrays, self._step, self.dt_h
        self._store = store = np.flatnonzero(a.is_store)
        charge = step.add_columns("charge", len(store), self._price("charge")[store], high=a.charge_max_mw[store])
        own_wear = self._price("discharge")[store]
        wear = np.maximum(own_wear, LEAST_WEAR)
        self._extra_wear = wear - own_wear
        discharge = step.add_columns("discharge", len(store), wear, high=a.discharge_max_mw[store])
        self._room_mwh = (a.store_max_mwh - a.store_min_mwh)[store]
        stored = step.add_columns("stored", len(store), high=self._room_mwh)
        jump = step.add_columns("jump", len(store), -store_value_per_mwh(a, self.prices)[store], high=0.0)
        step.put(self._network.row[store], charge, -1.0)
        step.put(self._network.row[store], discharge, 1.0)
        rows = step.add_rows("stored", len(store))
        step.put(rows, charge, -a.charge_eff_frac[store] * dt_h)
        step.put(rows, discharge, dt_h / a.discharge_eff_frac[store])
        step.put(rows, stored, 1.0)
        step.put(rows, jump, 1.0)
        step.put(rows, stored, -((1.0 - a.store_loss_frac_per_h[store]) ** dt_h), in_next_step=True)

        # served, not shed: so demand is the bound of a column, and the balance rows never change
        self._consumer = consumer = np.flatnonzero(a.load_max_mw > 0)
        served = step.add_columns("served", len(consumer), -self._price("shed")[consumer])
        step.put(self._network.row[consumer], served, -1.0)
        rows = step.add_rows("cut", len(a.flexible), high=np.inf)  # no more is cut than is not shed
        step.put(rows, served[np.searchsorted(consumer, a.flexible)], 1.0)
        step.put(rows, step.columns["gen"][np.searchsorted(self._source, a.flexible)], -1.0)

    def _add_plants(self) -> None:
        """Every plant is on."""
