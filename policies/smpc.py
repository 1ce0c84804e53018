"""Scenario model predictive control: one first step for several futures, drawn as the world draws them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from envs import Futures, GridBatch
from grid import Inputs, Setpoint, cores
from grid.planning import FirstStep, FuturesProgramme
from policies.mpc import TOLERANCE

FUTURES = 10
WINDOW_H = 12.0
ROUNDS = 2  # of planning with shares of the balance that follow from the setpoint before


class Smpc:
    """Plans for several futures at once, takes the first step that they share, and plans again.

    Futures are what the forecasts say, with errors and outages drawn as the world draws its own. Where the coming step
    is forecast, too, its balance is part of each future.

    Args:
        futures: how many.
        window_h: length of the window in hours.
        seed: of the futures; the same seed decides the same.
    """

    name = "smpc"

    def __init__(self, futures: int = FUTURES, window_h: float = WINDOW_H, seed: int = 0) -> None:
        self.futures, self.window_h, self.seed = futures, window_h, seed

    def reset(self, batch: GridBatch) -> None:
        """Draw the futures, and build one programme for each episode."""
        steps = min(max(1, round(self.window_h / batch.config.dt_h)), batch.horizon)
        prices = batch.problem.planning_prices
        self._programmes = [
            FuturesProgramme(batch.arrays, steps, batch.config.dt_h, prices, TOLERANCE, futures=self.futures)
            for _ in range(batch.batch_size)
        ]
        self._drawn = Futures.draw(batch, self.futures, self.seed)

    def act(self, batch: GridBatch) -> Setpoint:
        """Plan each episode from its state; threads, as the solver lets go of the interpreter."""
        leads = np.arange(min(self._programmes[0].steps, batch.horizon - batch.t))
        ahead = self._drawn.ahead(batch, leads)
        started, gate = batch.t > 0, batch.outlook.gate
        merit_mw = batch.action_map.merit_setpoint(batch.limits, batch.inputs).gen_mw

        def flat(values: np.ndarray) -> np.ndarray:
            return values.reshape(-1, values.shape[-1])

        def plan(i: int) -> FirstStep:
            programme = self._programmes[i]
            lines = None if ahead.in_service is None else flat(ahead.in_service[i])
            inputs = Inputs(flat(ahead.gen_avail_frac[i]), flat(ahead.load_mw[i]), ahead.dt_h, lines)
            gen_mw = batch.state.gen_mw[i] if started else None
            programme.set_futures(inputs, batch.state.store_mwh[i], gen_mw, int(started), is_known=not gate)
            from_mw = merit_mw[i]
            for n in range(ROUNDS if gate else 1):
                programme.balance_as_from(from_mw, is_close=n > 0)
                first = programme.first_step()
                from_mw = first.gen_mw
            return first

        with ThreadPoolExecutor(min(batch.batch_size, cores())) as pool:
            plans = list(pool.map(plan, range(batch.batch_size)))
        gen_mw, store_mw = (np.stack([getattr(plan, name) for plan in plans]) for name in ("gen_mw", "store_mw"))
        now = batch.limits  # the solver may miss them by a rounding
        # weather may offer more than is forecast
        most_mw = np.where(batch.outlook.profiled & (gate > 0), np.inf, now.gen_hi_mw)
        return Setpoint(np.clip(gen_mw, now.gen_lo_mw, most_mw), np.clip(store_mw, now.store_lo_mw, now.store_hi_mw))
