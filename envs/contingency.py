"""What follows when one line fails: every single outage of a grid, run by the merit-order rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from envs.batch import GridBatch
from envs.config import EnvConfig
from grid import GridArrays, GridError, Inputs, Setpoint
from grid.sensitivities import connected
from grid.step import initial_state, limits, step

DAY_H = 24.0
BLOCK = 256  # outages at a time


@dataclass(frozen=True)
class Contingency:
    """One outage and the worst that it leads to in the hours looked at."""

    line: str  # the line that is out; empty: none is
    worst_loading_frac: float  # the highest share of capacity that any line carries; 0 where no line has a limit
    worst_line: str  # the line that carries it
    unserved_mw: float  # the highest sum over all consumers
    islands: int  # connected parts of what is left
    hour: float  # of the day: of the highest unserved demand, else of the highest loading


def contingencies(
    config: EnvConfig, hour: float | None = None, seed: int = 0, progress: Callable[[float, str], None] | None = None
) -> tuple[Contingency, list[Contingency]]:
    """Take every line out alone and run the merit-order rule with idle stores.

    Each hour is looked at by itself: no ramps, stores as at the start of an episode, no line protection.

    Args:
        config: says which grid, and what days are like.
        hour: of the day, 0 <= hour < 24; None: every step of the day.
        seed: of the day's demand and weather.
        progress: told the share that is done.

    Returns:
        The intact grid, and every outage, worst first: by unserved demand, then by loading.

    Raises:
        GridError: the grid has no lines, or there is no such hour.
    """
    steps = max(1, round(DAY_H / config.dt_h))
    batch = GridBatch(replace(config, horizon=steps, forecast_h=(), outages=()), 1, seed)
    batch.reset()
    arrays = batch.arrays
    if not arrays.line_names:
        raise GridError(f"grid {arrays.name!r}", "no lines", "a grid with lines", "add lines, or choose another grid")
    hours = batch.outlook.hour[:steps, 0] % DAY_H
    if hour is not None and not 0 <= hour < DAY_H:
        raise GridError("hour", f"{hour:g}", "an hour of the day, from 0 to below 24", "correct the hour")
    apart = np.abs(hours - (hours if hour is None else hour))
    looked_at = np.arange(steps) if hour is None else np.array([np.minimum(apart, DAY_H - apart).argmin()])
    lines = len(arrays.line_names)
    status = np.vstack([np.ones((1, lines), dtype=bool), ~np.eye(lines, dtype=bool)])
    seen = []
    for done, t in enumerate(looked_at.tolist()):
        seen.append(_outcomes(batch, batch.outlook.inputs(t), status))
        if progress is not None:
            progress((done + 1) / len(looked_at), "")
    unserved_mw, loading_frac, worst = (np.array(values) for values in zip(*seen, strict=True))
    found = [
        _worst(arrays, row, hours[looked_at], unserved_mw[:, row], loading_frac[:, row], worst[:, row])
        for row in range(1 + lines)
    ]
    return found[0], sorted(found[1:], key=lambda one: (-round(one.unserved_mw, 6), -one.worst_loading_frac))


def _outcomes(batch: GridBatch, inputs: Inputs, status: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unserved demand, highest loading and the line that has it, (R,) each, for line statuses (R, E)."""
    arrays = batch.arrays
    now = limits(arrays, initial_state(arrays, 1), replace(inputs, in_service=None))
    merit = batch.action_map.merit_setpoint(now, inputs)
    blocks: list[Sequence[np.ndarray]] = []
    for first in range(0, len(status), BLOCK):
        rows = status[first : first + BLOCK]
        count = len(rows)
        gen, load, avail = (
            np.repeat(one, count, axis=0) for one in (merit.gen_mw, inputs.load_mw, inputs.gen_avail_frac)
        )
        _, outcome = step(
            arrays,
            initial_state(arrays, count),
            Setpoint(gen, np.zeros_like(gen)),
            Inputs(avail, load, inputs.dt_h, rows),
        )
        loading_frac = np.abs(outcome.flow_mw) / arrays.capacity_mw
        blocks.append((outcome.shed_mw.sum(1), loading_frac.max(1), loading_frac.argmax(1)))
    unserved_mw, loading_frac, worst = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return unserved_mw, loading_frac, worst


def _worst(
    arrays: GridArrays,
    row: int,
    hours: np.ndarray,
    unserved_mw: np.ndarray,
    loading_frac: np.ndarray,
    worst: np.ndarray,
) -> Contingency:
    """The worst hour of an outage; row 0 is the intact grid, row r has line r − 1 out."""
    left = np.delete(np.arange(len(arrays.line_names)), [] if row == 0 else row - 1)
    parts = connected(arrays.line_from[left], arrays.line_to[left], len(arrays.node_names))
    peak = int(loading_frac.argmax())
    at = int(unserved_mw.argmax()) if unserved_mw.max() > 0 else peak
    return Contingency(
        line="" if row == 0 else arrays.line_names[row - 1],
        worst_loading_frac=float(loading_frac[peak]),
        worst_line=arrays.line_names[int(worst[peak])] if loading_frac[peak] > 0 else "",
        unserved_mw=float(unserved_mw.max()),
        islands=int(parts.max()) + 1,
        hour=float(hours[at]),
    )
