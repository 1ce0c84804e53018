"""How long the optimum takes, beside its solver alone, PyPSA, and a model that is kept; ratios, as machines differ."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from grid import GridArrays, Inputs, Prices

HOURS = 24


def solve_speed(grid: str, seconds: float, runs: int) -> dict[str, float | None]:
    """Median times of a day of the grid; each work is done at least so many times, and for so many seconds.

    Returns:
        ``optimum_s``: time of ``planning.optimum``, from arrays to schedule; ``optimum_per_solver``: that over the
        time of highspy alone on the same model; ``pypsa_per_optimum``: time of PyPSA, building and solving, over it
        (None without PyPSA, for grids with phase shifts, and for quadratic costs, for which HiGHS's own method has not
        ended after minutes on 118 buses); ``warm_per_cold``: time of a step of model predictive control with the model
        of the step before, over that with a new one.
    """
    from envs import EnvConfig, GridBatch
    from grid.planning import optimum

    batch = GridBatch(EnvConfig(topology=grid, horizon=2 * HOURS, split="test"), 1, 0)
    batch.reset()
    arrays, prices, whole = batch.arrays, batch.prices, batch.episode_inputs(0)

    def day(hour: int) -> Inputs:
        when = slice(hour, hour + HOURS)
        lines = None if whole.in_service is None else whole.in_service[when]
        return Inputs(whole.gen_avail_frac[when], whole.load_mw[when], whole.dt_h, lines)

    own = [lambda: optimum(arrays, day(0), prices), _solver_alone(arrays, prices, day(0))]
    optimum_s, solver_s = _medians(own, seconds, runs)
    pypsa_s = _pypsa_s(arrays, prices, day(0), runs)
    return {
        "optimum_s": optimum_s,
        "optimum_per_solver": optimum_s / solver_s,
        "pypsa_per_optimum": None if pypsa_s is None else pypsa_s / optimum_s,
        "warm_per_cold": _warm_per_cold(arrays, prices, day, seconds, runs),
    }


def _medians(works: list[Callable[[], Any]], seconds: float, runs: int) -> list[float]:
    """Median time of each, done in turn after one round to warm up, so that all meet the same disturbances."""
    times_s: list[list[float]] = [[] for _ in works]
    start_s = time.perf_counter()
    while len(times_s[0]) <= runs or time.perf_counter() - start_s < seconds:
        for work, taken_s in zip(works, times_s, strict=True):
            before_s = time.perf_counter()
            work()
            taken_s.append(time.perf_counter() - before_s)
    return [median(taken_s[1:]) for taken_s in times_s]


def _solver_alone(arrays: GridArrays, prices: Prices, inputs: Inputs) -> Callable[[], None]:
    """Hands the model with the limits of all lines and the last tangents to highspy, and solves it from nothing."""
    import highspy

    from grid.planning import OPTIONS, Programme

    programme = Programme(arrays, len(inputs.load_mw), inputs.dt_h, prices, every_limit=True)
    programme.set_inputs(inputs)
    programme.solve()
    model = programme.model.highs.getLp()

    def work() -> None:
        highs = highspy.Highs()
        for option, value in OPTIONS.items():
            highs.setOptionValue(option, value)
        highs.passModel(model)
        highs.run()
        highs.getSolution()

    return work


def _pypsa_s(arrays: GridArrays, prices: Prices, inputs: Inputs, runs: int) -> float | None:
    from scripts.benchmarks.peers import pypsa_cost
    from scripts.running import is_installed

    if not is_installed("pypsa") or arrays.shift_deg.any() or arrays.gen_cost_per_mw2h.any():
        return None
    return _medians([lambda: pypsa_cost(arrays, inputs, prices)], 0.0, runs)[0]


def _warm_per_cold(
    arrays: GridArrays, prices: Prices, day: Callable[[int], Inputs], seconds: float, runs: int
) -> float:
    """Over the steps of a day, each of which sees the next one."""
    from grid.planning import Programme
    from policies import TOLERANCE

    def new() -> Programme:
        return Programme(arrays, HOURS, day(0).dt_h, prices, TOLERANCE)

    kept = new()
    kept.set_inputs(day(0))
    plan = kept.solve()
    times_s: dict[str, list[float]] = {"cold": [], "warm": []}
    start_s = time.perf_counter()
    for hour in range(1, HOURS + 1):
        state = day(hour), plan.store_mwh[1], plan.gen_mw[0]
        for name, taken_s in times_s.items():
            before_s = time.perf_counter()
            programme, passed = (kept, 1) if name == "warm" else (new(), 0)
            programme.set_inputs(*state, passed)
            plan = programme.solve()
            taken_s.append(time.perf_counter() - before_s)
        if hour >= runs and time.perf_counter() - start_s > seconds:
            break
    return median(times_s["warm"]) / median(times_s["cold"])
