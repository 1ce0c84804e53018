"""What an outage costs: a step of many envs with one random line out in each, beside the step of the intact grid."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

import numpy as np

ENVS = 1024


def outage_per_intact(grid: str, seconds: float, runs: int) -> float | None:
    """Ratio of the median times of ``physics.step``, in turn; the lines that are out are drawn anew for every step.

    None where the grid has no lines.
    """
    from envs import EnvConfig, GridBatch
    from grid.physics import step

    batch = GridBatch(EnvConfig(topology=grid, horizon=2, forecast_h=()), ENVS, 0)
    batch.reset()
    arrays, state, rng = batch.arrays, batch.state, np.random.default_rng(0)
    setpoint = batch.action_map.merit_setpoint(batch.limits, batch.inputs)
    lines = np.arange(len(arrays.line_names))
    if not lines.size:
        return None
    taken_s: dict[bool, list[float]] = {False: [], True: []}
    started_s = time.perf_counter()
    while len(taken_s[True]) <= runs or time.perf_counter() - started_s < seconds:
        for has_outages, times_s in taken_s.items():
            status = rng.integers(len(lines), size=(ENVS, 1)) != lines if has_outages else None
            inputs = replace(batch.inputs, in_service=status)
            before_s = time.perf_counter()
            step(arrays, state, setpoint, inputs)
            times_s.append(time.perf_counter() - before_s)
    return median(taken_s[True][1:]) / median(taken_s[False][1:])  # the first ones warm up
