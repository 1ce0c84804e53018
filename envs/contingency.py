"""What follows when one line fails: every single outage of a grid, run by the merit-order rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from envs.batch import GridBatch
from envs.config import EnvConfig
from envs.portable import PortableProblem
from grid import GridArrays, GridError, Inputs, Setpoint, connected, is_shared, run
from grid.physics import Limits, Outages, committed, initial_state, is_asked, limits, step

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
    lowest_voltage_pu: float | None  # of buses that are not dark; None in DC, and where all are dark
    lowest_at: str  # the node with that voltage; empty: likewise
    collapsed: bool  # whether a part of the grid has no AC solution in any of the hours


def contingencies(
    config: EnvConfig, hour: float | None = None, seed: int = 0, progress: Callable[[float, str], None] | None = None
) -> tuple[Contingency, list[Contingency]]:
    """Take every line out alone and run the merit-order rule with idle stores; what joins a unit to its bus is none.

    Each hour is looked at by itself: no ramps, stores as at the start of an episode, no line protection. The merit
    order is that of the intact grid, as the policy `merit` has it: where an outage splits the grid, it does not know of
    the split, and each part is then balanced by itself.

    Args:
        config: says which grid, and what days are like.
        hour: of the day, 0 <= hour < 24; None: every step of the day.
        seed: of the day's demand and weather.
        progress: called with the share that is done.

    Returns:
        The intact grid, and every outage, worst first: by unserved demand, then by loading. In AC, loading is apparent
        power over capacity, and the demand of a part without a solution is unserved.

    Raises:
        GridError: the grid has no lines, or there is no such hour.
    """
    steps = max(1, round(DAY_H / config.dt_h))
    batch = GridBatch(replace(config, horizon=steps, forecast_h=(), outages=()), 1, seed)
    batch.reset()
    arrays = batch.arrays
    connectors = batch.problem.grid.connectors()
    lines = np.array([e for e, name in enumerate(arrays.line_names) if name not in connectors], dtype=int)
    if not lines.size:
        raise GridError(f"grid {arrays.name!r}", "no lines", "a grid with lines", "add lines, or choose another grid")
    hours = batch.outlook.hour[:steps, 0] % DAY_H
    if hour is not None and not 0 <= hour < DAY_H:
        raise GridError("hour", f"{hour:g}", "an hour of the day, from 0 to below 24", "correct the hour")
    apart = np.abs(hours - (hours if hour is None else hour))
    looked_at = np.arange(steps) if hour is None else np.array([np.minimum(apart, DAY_H - apart).argmin()])
    given = [batch.outlook.inputs(t) for t in looked_at.tolist()]
    alike = {(each.gen_avail_frac.tobytes(), each.load_mw.tobytes()): k for k, each in reversed([*enumerate(given)])}
    first_alike = sorted(alike.values())  # each hour once: of those that are alike, the first
    looked_at, given = looked_at[first_alike], [given[k] for k in first_alike]
    rows = np.concatenate([[-1], lines])  # −1: no line is out
    blocks = [rows[first : first + BLOCK] for first in range(0, len(rows), BLOCK)]
    work = partial(_of_block, PortableProblem.of(batch.problem), given)
    seen: list[np.ndarray] = []
    hourly: list[np.ndarray] = []
    for of_hour in run(work, blocks, None if is_shared() else 1):
        hourly.append(of_hour)
        if len(hourly) == len(given):
            seen.append(np.array(hourly))
            hourly = []
        if progress is not None:
            progress((len(seen) + len(hourly) / len(given)) / len(blocks), "")
    by_row = np.concatenate(seen, axis=2).transpose(2, 1, 0)  # (R, 5, T)
    found = [_worst(arrays, line, hours[looked_at], *by_row[row]) for row, line in enumerate(rows.tolist())]
    return found[0], sorted(found[1:], key=lambda one: (-round(one.unserved_mw, 6), -one.worst_loading_frac))


def _of_block(packed: PortableProblem, given: list[Inputs], rows: np.ndarray) -> Iterator[np.ndarray]:
    """Of each of the hours, ``_outcomes`` with each of the lines (R,) out."""
    batch = GridBatch(packed.problem())
    status = rows[:, None] != np.arange(len(batch.arrays.line_names))
    outages = Outages.of(batch.arrays, status)
    for inputs in given:
        yield _outcomes(batch, inputs, status, outages)


def _outcomes(batch: GridBatch, inputs: Inputs, status: np.ndarray, outages: Outages | None) -> np.ndarray:
    """(5, R) what ``_worst`` takes of one hour, for lines in service (R, E)."""
    arrays, count = batch.arrays, len(status)
    now = limits(arrays, initial_state(arrays, 1), replace(inputs, in_service=None))
    merit = batch.action_map.merit_setpoint(now, inputs)
    now = committed(now, is_asked(arrays, merit))

    def each(row: np.ndarray) -> np.ndarray:
        return np.repeat(row, count, axis=0)

    rows: dict[str, Any] = {name: each(row) for name, row in vars(now).items() if name not in ("outages", "choice")}
    here = Limits(**rows, outages=outages)
    setpoint = Setpoint(each(merit.gen_mw), each(merit.store_mw))
    given = Inputs(each(inputs.gen_avail_frac), each(inputs.load_mw), inputs.dt_h, status)
    _, outcome = step(arrays, initial_state(arrays, count), setpoint, given, here, ac=batch.problem.ac)
    loading_frac = np.abs(outcome.carried) / arrays.capacity_mw
    lowest_pu, lowest_at, collapsed = np.full(count, np.inf), np.zeros(count), np.zeros(count)
    if outcome.voltage_pu is not None:
        lit_pu = np.where(outcome.voltage_pu > 0, outcome.voltage_pu, np.inf)
        lowest_pu, lowest_at, collapsed = lit_pu.min(1), lit_pu.argmin(1), outcome.collapsed
    loading = loading_frac.max(1), loading_frac.argmax(1)
    return np.stack([outcome.shed_mw.sum(1), *loading, lowest_pu, lowest_at, collapsed])


def _worst(
    arrays: GridArrays,
    line: int,
    hours: np.ndarray,
    unserved_mw: np.ndarray,
    loading_frac: np.ndarray,
    worst: np.ndarray,
    lowest_pu: np.ndarray,
    lowest_at: np.ndarray,
    collapsed: np.ndarray,
) -> Contingency:
    """The worst hour of the outage of a line; −1: none is out. All arrays are (T,), of the hours looked at."""
    left = np.flatnonzero(np.arange(len(arrays.line_names)) != line)
    parts = connected(arrays.line_from[left], arrays.line_to[left], len(arrays.node_names))
    peak = int(loading_frac.argmax())
    lowest = int(lowest_pu.argmin())
    at = int(unserved_mw.argmax()) if unserved_mw.max() > 0 else peak
    return Contingency(
        line="" if line < 0 else arrays.line_names[line],
        worst_loading_frac=float(loading_frac[peak]),
        worst_line=arrays.line_names[int(worst[peak])] if loading_frac[peak] > 0 else "",
        unserved_mw=float(unserved_mw.max()),
        islands=int(parts.max()) + 1,
        hour=float(hours[at]),
        lowest_voltage_pu=float(lowest_pu[lowest]) if np.isfinite(lowest_pu[lowest]) else None,
        lowest_at=arrays.node_names[int(lowest_at[lowest])] if np.isfinite(lowest_pu[lowest]) else "",
        collapsed=bool(collapsed.any()),
    )
