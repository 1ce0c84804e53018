"""The schedule of an optimum, run through the step."""

from __future__ import annotations

from typing import Any

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, settlement, step_costs, store_value_per_mwh
from grid.episode import Episode, describe, line_status
from grid.physics import step
from grid.planning import Optimum
from grid.state import Inputs, Setpoint, State

RECORDED = ("gen_mw", "served_mw", "shed_mw", "curtailed_mw", "spill_mw", "charge_mw", "discharge_mw")
RECORDED += ("flow_mw", "balancing_mw")


def replay(
    arrays: GridArrays, plan: Optimum, inputs: Inputs, prices: Prices | None = None, start_hour: float = 0.0
) -> Episode:
    """Run the schedule of an optimum through the step.

    Args:
        arrays: the grid.
        plan: from ``optimum`` for the same grid, inputs and prices.
        inputs: demand and available share, (T, N), and lines in service, (T, E).
        prices: absent: the defaults.
        start_hour: hours from Monday 00:00 to the first step.

    Returns:
        The episode; where ``plan.exact``, its cost is ``plan.cost`` to 1e-6. Its reward is minus the cost of each step.
    """
    prices = Prices() if prices is None else prices
    state = State(plan.store_mwh[:1], np.zeros_like(plan.gen_mw[:1]), np.zeros(1, dtype=int))
    stored, outcomes, costs = [state.store_mwh], [], []
    for t in range(len(plan.gen_mw)):
        now = slice(t, t + 1)
        setpoint = Setpoint(
            plan.gen_mw[now] + plan.curtailed_mw[now], plan.store_mw[now], plan.shed_mw[now], plan.spill_mw[now]
        )
        in_service = None if inputs.in_service is None else inputs.in_service[now]
        given = Inputs(inputs.gen_avail_frac[now], inputs.load_mw[now], inputs.dt_h, in_service)
        state, outcome = step(arrays, state, setpoint, given)
        stored.append(state.store_mwh)
        outcomes.append(outcome)
        costs.append({**step_costs(arrays, prices, outcome, inputs.dt_h), "settlement": np.zeros(1)})
    costs[-1]["settlement"] = settlement(store_value_per_mwh(arrays, prices), stored[0], stored[-1])
    terms = {name: np.concatenate([each[name] for each in costs]) for name in costs[0]}
    rows: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in outcomes]) for name in RECORDED}
    return Episode(
        **describe(arrays),
        **rows,
        line_status=np.concatenate([line_status(each) for each in outcomes]),
        policy="optimum",
        dt_h=inputs.dt_h,
        start_hour=start_hour,
        gen_avail_mw=arrays.gen_max_mw * inputs.gen_avail_frac,
        load_mw=inputs.load_mw,
        store_mwh=np.concatenate(stored),
        reward=-np.sum(list(terms.values()), axis=0),
        costs=terms,
    )
