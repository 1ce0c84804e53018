"""Model predictive control: before each step, the optimum of the coming hours by their forecasts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np

from envs import GridBatch
from grid import GridError, Inputs, Setpoint, cores
from grid.physics import committed
from grid.planning import Programme, Solution, programme_of

WINDOW_H = 24.0
GAP_FRAC = 5e-3  # of plants that start and stop: where the search for the best ones ends,
TIME_S = 2.0  # as it does after this time
TOLERANCE = 1e-4  # for quadratic costs, relative to the cost of the window: far below what forecasts are off
MOST_NODES = 150
"""On larger grids a decision takes about a twentieth of a second and more."""


class Mpc:
    """Plans a window ahead, takes the first step of the plan, and plans again.

    The coming step is known; the later ones are forecast with the errors that an agent sees at its own leads. Of the
    lines, planned outages are known, and when those that are out come back. The
    window ends with the episode, and at its end stored energy is worth what the settlement pays. The plan is the
    linear programme of the optimum, so with perfect forecasts of the whole episode this is the optimum. What it plans
    to shed or spill is left to the balance of the step, as for every policy.

    Args:
        window_h: length of the window in hours.
    """

    name = "mpc"
    is_bound = False  # whether limits of the batch are narrower than the grid's own, as somebody holds units

    def __init__(self, window_h: float = WINDOW_H) -> None:
        self.window_h = window_h

    def reset(self, batch: GridBatch) -> None:
        """Build one programme for each episode; it keeps its last basis from step to step."""
        steps = min(max(1, round(self.window_h / batch.config.dt_h)), batch.horizon)
        problem, dt_h, is_ac = batch.problem, batch.config.dt_h, batch.config.flow == "ac"
        given = problem.planning_arrays, steps, dt_h, problem.planning_prices
        self._programmes: list[Programme] = [
            programme_of(
                *given, tolerance=TOLERANCE, n1=self.security(batch), corrected=is_ac, gap=GAP_FRAC, time_s=TIME_S
            )
            for _ in range(batch.batch_size)
        ]

    def security(self, batch: GridBatch) -> np.ndarray | None:
        """(E,) share of the price of an overload that counts after the outage of each line; None: no outage counts."""
        return None

    def act(self, batch: GridBatch) -> Setpoint:
        """Plan each episode from its state; threads, as the solver lets go of the interpreter."""
        leads = np.arange(min(self._programmes[0].steps, batch.horizon - batch.t))
        ahead, correction = batch.expected(leads), batch.correction
        if correction is not None:
            ahead = correction.inputs(ahead)
        started, now = batch.t > 0, batch.limits  # the first step has no ramp
        ends = now.gen_lo_mw, now.gen_hi_mw, now.store_lo_mw, now.store_hi_mw
        held_mw = np.stack(ends) if self.is_bound else None

        def plan(i: int) -> Solution:
            programme = self._programmes[i]
            lines = None if ahead.in_service is None else ahead.in_service[:, i]
            inputs = Inputs(ahead.gen_avail_frac[:, i], ahead.load_mw[:, i], ahead.dt_h, lines)
            gen_mw = batch.state.gen_mw[i] if started else None
            extra_mw = None if correction is None else np.tile(correction.extra_mw[i], (len(leads), 1))
            on_h = {} if batch.state.on_h is None else {"on_h": batch.state.on_h[i]}
            given = inputs, batch.state.store_mwh[i], gen_mw
            programme.set_inputs(*given, int(started), extra_mw, held_mw if held_mw is None else held_mw[:, i], **on_h)
            try:
                return programme.solve()
            except GridError:
                if held_mw is None:
                    raise
                programme.set_inputs(*given, 0, extra_mw, **on_h)  # what is held cannot all be done
                return programme.solve()

        with ThreadPoolExecutor(min(batch.batch_size, cores())) as pool:
            plans = list(pool.map(plan, range(batch.batch_size)))
        gen_mw = np.stack([plan.gen_mw[0] + plan.curtailed_mw[0] - plan.spill_mw[0] for plan in plans])
        store_mw = np.stack([plan.discharge_mw[0] - plan.charge_mw[0] for plan in plans])
        on = None if plans[0].on is None else np.stack([cast(np.ndarray, plan.on)[0] for plan in plans])
        now = committed(now, on)  # the solver may miss them by a rounding
        gen_mw, store_mw = (
            np.clip(gen_mw, now.gen_lo_mw, now.gen_hi_mw),
            np.clip(store_mw, now.store_lo_mw, now.store_hi_mw),
        )
        return Setpoint(gen_mw, store_mw, on=on)


class SecureMpc(Mpc):
    """Mpc that keeps flows within capacity after the outage of any single line, as far as the grid stays whole.

    Where lines fail at random, an overload after an outage counts by the odds that the line fails before the next
    decision can answer; elsewhere in full.
    """

    name = "mpc-n1"

    def security(self, batch: GridBatch) -> np.ndarray:
        """(E,)."""
        rate_per_h, hours = batch.arrays.outage_rate_per_h, batch.config.gate_h + batch.config.dt_h
        risk: np.ndarray = 1.0 - np.exp(-rate_per_h * hours) if rate_per_h.any() else np.ones(len(rate_per_h))
        return risk
