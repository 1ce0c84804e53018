"""What observations are made of: what is known before a step, and features of it; all per unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from envs.outlook import Outlook
from grid import KIND_NAMES, Array, GridArrays, Inputs, State, loops, namespace
from grid.physics import SOON_H, Limits, flows

if TYPE_CHECKING:
    from envs.actions import ActionMap
    from grid.planning.day import Day

LOADING_BOUND = 100.0  # loadings are reported up to this multiple of capacity
VOLTAGE_BOUND = 2.0  # voltages are reported up to this, in pu
HEAT_BOUND = 10.0  # heat is reported up to this multiple of its limit
DAYS_BOUND = 7.0  # times until a line is back are reported up to this


@dataclass(frozen=True, eq=False)
class View:
    """What the state adds to the outlook before a step; numpy or torch."""

    t: int
    gen_hi_mw: Array  # (B, N) upper limit of output
    gen_mw: Array  # (B, N) previous output
    store_mwh: Array  # (B, N) after this step's losses
    loading: Array  # (B, E) flow / capacity in the previous step
    idle_loading: Array  # (B, E) flow / capacity if the merit order ran this step with idle stores
    heat: np.ndarray | None = None  # (B, E) of the lines' relays; None: they have none
    back_h: np.ndarray | None = (
        None  # (B, E) hours until a line that is out comes back, 0 at the others; None: no line can be out
    )
    day: Day | None = None  # the plan, if it is observed
    voltage_pu: np.ndarray | None = None  # (B, N) of the previous step, 0 in dark parts; None: flows are those of DC
    on_h: Array | None = None  # (B, N) as in State


def loading(arrays: GridArrays, carried: Array) -> Array:
    """(B, E) signed share of capacity, 0 for unlimited lines; see ``Outcome.carried``."""
    compiled = loops(carried, "grid.physics")
    if compiled is not None:
        return compiled.loading(carried, arrays.capacity_mw, LOADING_BOUND)
    xp = namespace(carried)
    return xp.minimum(xp.maximum(carried / arrays.capacity_mw, -LOADING_BOUND), LOADING_BOUND)


def view_of(
    action_map: ActionMap,
    state: State,
    inputs: Inputs,
    now: Limits,
    t: int,
    before: Array,
    outage_h: Array | None = None,
    day: Day | None = None,
    voltage_pu: np.ndarray | None = None,
) -> View:
    """What is seen of a state before step t.

    Args:
        before: (B, E) loading of the previous step.
        outage_h: (B, E) hours until the outage of each line is over; None: no line can be out.
        day: the plan, if it is observed.
        voltage_pu: (B, N) of the previous step; None: flows are those of DC.
    """
    on = action_map.decided(now, inputs.load_mw)
    idle_mw = action_map.merit.dispatch(inputs.load_mw, on.gen_lo_mw, on.gen_hi_mw)
    idle_flow_mw = flows(action_map.arrays, idle_mw - inputs.load_mw, now.outages)
    idle_loading = loading(action_map.arrays, idle_flow_mw)
    back_h = state.lockout_h if outage_h is None else outage_h
    if state.lockout_h is not None and outage_h is not None:
        back_h = np.maximum(outage_h, state.lockout_h)
    given = t, now.gen_hi_mw, state.gen_mw, now.store_mwh, before, idle_loading, state.heat, back_h, day
    return View(*given, voltage_pu, state.on_h)


def status_features(view: View, heat_limit: float) -> tuple[Array, Array, Array]:
    """(B, E) each: whether a line is out of service, its heat per limit, and the days until it is back."""
    xp = namespace(view.loading)
    none = xp.zeros_like(view.loading)
    heat = none if view.heat is None else xp.asarray(np.minimum(view.heat / max(heat_limit, 1e-9), HEAT_BOUND))
    if view.back_h is None:
        return none, heat, none
    out, days = (view.back_h > SOON_H).astype(float), np.minimum(view.back_h / 24.0, DAYS_BOUND)
    return xp.asarray(out), heat, xp.asarray(days)


def static_node_features(arrays: GridArrays) -> np.ndarray:
    """(N, S) per-unit constants of each node, for networks that work on any grid; not part of the observation."""
    unit = arrays.unit_mw
    kind = np.eye(len(KIND_NAMES))[arrays.node_kind]
    profiled = np.array([name is not None for name in arrays.gen_profile], dtype=float)
    cost = arrays.gen_cost_per_mwh + arrays.flex_cost_per_mwh + arrays.gen_cost_per_mw2h * arrays.gen_max_mw
    typical = cost[arrays.is_source & (cost > 0)]
    cost = cost / (typical.mean() if typical.size else 1.0) * (arrays.most_mw > 0)
    steady = np.isinf(arrays.gen_ramp_mw_per_h)
    ramp = np.where(steady, 1.0, arrays.gen_ramp_mw_per_h / np.maximum(arrays.gen_max_mw, 1e-9)).clip(0, 1)
    powers = (arrays.most_mw, arrays.gen_min_mw, arrays.charge_max_mw, arrays.discharge_max_mw, arrays.load_max_mw)
    columns = [profiled, cost, ramp, arrays.store_max_mwh / unit, arrays.charge_eff_frac * arrays.discharge_eff_frac]
    return np.column_stack([kind, *columns, *(power / unit for power in powers)]).astype(np.float32)


def static_line_features(arrays: GridArrays) -> np.ndarray:
    """(E, 3) per-unit constants of each line: whether it is limited, its capacity, its relative susceptance."""
    limited = np.isfinite(arrays.capacity_mw)
    capacity = np.where(limited, arrays.capacity_mw, 0.0) / arrays.unit_mw
    reactance = np.abs(arrays.reactance_pu * arrays.tap)
    real = reactance > 0
    suscept = np.where(real, np.median(reactance[real]) if real.any() else 1.0, 1.0) / np.where(real, reactance, 1.0)
    return np.column_stack([limited, capacity, suscept.clip(0, 10)]).astype(np.float32)


def box(low: np.ndarray, high: np.ndarray) -> gym.spaces.Box:
    """Bounds in float32, rounded outward so that no float64 value inside them falls out."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    slack = 1e-6 * (1.0 + np.maximum(np.abs(low), np.abs(high)))
    return gym.spaces.Box((low - slack).astype(np.float32), (high + slack).astype(np.float32), dtype=np.float32)


def of_parts(observation: Any, change: Callable[[Any], Any]) -> Any:
    """An observation with the same change made to it or, of a dict, to each of its parts."""
    if isinstance(observation, dict):
        return {name: change(part) for name, part in observation.items()}
    return change(observation)


def time_features(outlook: Outlook) -> np.ndarray:
    """(T + 1, B, 3) sine and cosine of the hour of the day, and the share of the episode that remains."""
    angle = outlook.hour * (np.pi / 12)
    steps = len(angle) - 1
    remaining = np.broadcast_to(1.0 - np.arange(steps + 1)[:, None] / steps, angle.shape)
    return np.stack([np.sin(angle), np.cos(angle), remaining], axis=-1)
