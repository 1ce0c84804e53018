"""The reference in AC: the optimum's programme, corrected at the AC solution of its own schedule until that is good.

It knows the future, and what it costs is what its schedule costs in AC. It is no bound: the programme is linear.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, settlement, step_costs, store_value_per_mwh
from grid.physics import step
from grid.planning.correction import Correction
from grid.planning.optimum import Optimum, finish, hours_before
from grid.planning.starts import programme_of
from grid.state import Inputs, Outcome, Setpoint, State

ROUNDS = 4  # of correction; the cheapest schedule in AC stands


def ac_reference(
    arrays: GridArrays,
    ac: Any,
    inputs: Inputs,
    prices: Prices | None = None,
    store_start_mwh: np.ndarray | None = None,
) -> Optimum:
    """The cheapest schedule found, knowing all inputs, and what it costs in AC.

    Args:
        arrays: the grid.
        ac: ``grid.physics.ac_flow`` of it.
        inputs: demand and available share, (T, N), and lines in service, (T, E).
        prices: absent: the defaults.
        store_start_mwh: (N,) stored energy before the first step; absent: ``store_init_mwh``.

    Returns:
        Its outputs, flows and costs are those that happen in AC; ``outcome`` has the rest of it.

    Raises:
        GridError: as ``grid.planning.optimum``.
    """
    prices = Prices() if prices is None else prices
    programme = programme_of(arrays, len(inputs.load_mw), inputs.dt_h, prices, corrected=True)
    found: list[Optimum] = []
    correction: Correction | None = None
    for _ in range(ROUNDS + 1):
        given = inputs if correction is None else correction.inputs(inputs)
        programme.set_inputs(given, store_start_mwh, extra_mw=None if correction is None else correction.extra_mw)
        plan = finish(programme, given)
        outcome = _run(arrays, ac, plan, inputs, given)
        correction = Correction.of(arrays, outcome, correction)
        found.append(_in_ac(arrays, prices, plan, outcome, inputs.dt_h))
    return min(found, key=lambda each: each.cost)


def _run(arrays: GridArrays, ac: Any, plan: Optimum, inputs: Inputs, given: Inputs) -> Outcome:
    """All steps of a schedule at once, each from the state in which the schedule begins it."""
    on_h = None if plan.on is None else hours_before(arrays, plan.on, inputs.dt_h)
    before = State(plan.store_mwh[:-1], np.roll(plan.gen_mw, 1, axis=0), np.arange(len(plan.gen_mw)), on_h=on_h)
    as_served = inputs.load_mw / np.maximum(given.load_mw, 1e-12)
    asked = plan.gen_mw + plan.curtailed_mw, plan.store_mw, plan.shed_mw * as_served, plan.spill_mw
    setpoint = Setpoint(*asked, on=plan.on)
    return step(arrays, before, setpoint, inputs, ac=ac)[1]


def _in_ac(arrays: GridArrays, prices: Prices, plan: Optimum, outcome: Outcome, dt_h: float) -> Optimum:
    """The schedule with what happens and what it costs in AC."""
    terms = {name: float(cost.sum()) for name, cost in step_costs(arrays, prices, outcome, dt_h).items()}
    terms["settlement"] = float(settlement(store_value_per_mwh(arrays, prices), plan.store_mwh[0], plan.store_mwh[-1]))
    same = ("gen_mw", "curtailed_mw", "spill_mw", "charge_mw", "discharge_mw", "shed_mw", "flow_mw")
    happened = {name: getattr(outcome, name) for name in same}
    store_mw = outcome.discharge_mw - outcome.charge_mw
    cost = sum(terms.values())
    return replace(
        plan,
        **happened,
        cost=cost,
        cost_terms=terms,
        store_mw=store_mw,
        exact=True,
        status="reference",
        outcome=outcome,
    )
