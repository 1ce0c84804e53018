"""What the agent sees: a flat vector, or node, line and global features of the graph; all per unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from envs.config import EnvConfig
from envs.outlook import ERROR_REACH, Outlook
from grid import KIND_NAMES, Array, GridArrays, namespace
from grid.physics import SOON_H

LOADING_BOUND = 100.0  # loadings are reported up to this multiple of capacity
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
    heat: Array = None  # (B, E) of the lines' relays; None: they have none
    back_h: Array = None  # (B, E) hours until a line that is out comes back, 0 at the others; None: no line can be out


def unit_mw(arrays: GridArrays) -> float:
    """The power that features are measured in: peak demand per controllable unit."""
    total = arrays.peak_load_mw or float(arrays.gen_max_mw.sum() + arrays.discharge_max_mw.sum())
    return total / len(arrays.controllable)


def loading(arrays: GridArrays, flow_mw: Array) -> Array:
    """(B, E) signed share of capacity, 0 for unlimited lines."""
    xp = namespace(flow_mw)
    return xp.minimum(xp.maximum(flow_mw / arrays.capacity_mw, -LOADING_BOUND), LOADING_BOUND)


def status_features(view: View, heat_limit: float) -> tuple[Array, Array, Array]:
    """(B, E) each: whether a line is out of service, its heat per limit, and the days until it is back."""
    xp = namespace(view.loading)
    none = xp.zeros_like(view.loading)
    heat = none if view.heat is None else np.minimum(view.heat / max(heat_limit, 1e-9), HEAT_BOUND)
    if view.back_h is None:
        return none, heat, none
    return (view.back_h > SOON_H).astype(float), heat, np.minimum(view.back_h / 24.0, DAYS_BOUND)


def static_node_features(arrays: GridArrays) -> np.ndarray:
    """(N, S) per-unit constants of each node, for networks that work on any grid; not part of the observation."""
    unit = unit_mw(arrays)
    kind = np.eye(len(KIND_NAMES))[arrays.node_kind]
    profiled = np.array([name is not None for name in arrays.gen_profile], dtype=float)
    cost = arrays.gen_cost_per_mwh + arrays.gen_cost_per_mw2h * arrays.gen_max_mw
    typical = cost[arrays.is_source & (cost > 0)]
    cost = cost / (typical.mean() if typical.size else 1.0) * arrays.is_source
    steady = np.isinf(arrays.gen_ramp_mw_per_h)
    ramp = np.where(steady, 1.0, arrays.gen_ramp_mw_per_h / np.maximum(arrays.gen_max_mw, 1e-9)).clip(0, 1)
    powers = (arrays.gen_max_mw, arrays.gen_min_mw, arrays.charge_max_mw, arrays.discharge_max_mw, arrays.load_max_mw)
    columns = [profiled, cost, ramp, arrays.store_max_mwh / unit, arrays.charge_eff_frac * arrays.discharge_eff_frac]
    return np.column_stack([kind, *columns, *(power / unit for power in powers)]).astype(np.float32)


def static_line_features(arrays: GridArrays) -> np.ndarray:
    """(E, 3) per-unit constants of each line: whether it is limited, its capacity, its relative susceptance."""
    limited = np.isfinite(arrays.capacity_mw)
    capacity = np.where(limited, arrays.capacity_mw, 0.0) / unit_mw(arrays)
    reactance = np.abs(arrays.reactance_pu * arrays.tap)
    real = reactance > 0
    suscept = np.where(real, np.median(reactance[real]) if real.any() else 1.0, 1.0) / np.where(real, reactance, 1.0)
    return np.column_stack([limited, capacity, suscept.clip(0, 10)]).astype(np.float32)


def _box(low: np.ndarray, high: np.ndarray) -> gym.spaces.Box:
    """Bounds in float32, rounded outward so that no float64 value inside them falls out."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    slack = 1e-6 * (1.0 + np.maximum(np.abs(low), np.abs(high)))
    return gym.spaces.Box((low - slack).astype(np.float32), (high + slack).astype(np.float32), dtype=np.float32)


class FlatEncoder:
    """One vector: time, demand, availability, forecasts, then ramped output, charge and the loading of doing nothing.

    Where lines can be out, their status, heat and days until they are back follow. What does not depend on the actions
    comes first and is computed once an episode.
    """

    def __init__(self, arrays: GridArrays, config: EnvConfig, load_high_mw: np.ndarray) -> None:
        self.arrays = arrays
        self.peak_mw = max(arrays.peak_load_mw, 1e-9)
        self.loads = np.flatnonzero(arrays.load_max_mw > 0)
        self.profiled = np.flatnonzero([name is not None for name in arrays.gen_profile])
        self.ramped = np.flatnonzero(np.isfinite(arrays.gen_ramp_mw_per_h) & arrays.is_source)
        self.stores = np.flatnonzero(arrays.is_store)
        self.limited = np.flatnonzero(np.isfinite(arrays.capacity_mw))
        self.heat_limit = config.protection.heat_limit
        planned = np.isin(arrays.line_names, [outage.line for outage in config.outages])
        can_trip = np.isfinite(arrays.capacity_mw) & (config.overload == "trip")
        self.heated = np.flatnonzero(can_trip)
        self.switched = np.flatnonzero(planned | (arrays.outage_rate_per_h > 0) | can_trip)
        leads = len(config.lead_steps)
        demand_high = load_high_mw[self.loads] / arrays.load_max_mw[self.loads]
        expected_high = load_high_mw.sum() / self.peak_mw * (1.0 + ERROR_REACH * config.forecast_error_frac)
        blocks: list[tuple[Any, Any]] = [
            ([-1.0, -1.0, 0.0], [1.0, 1.0, 1.0]),
            (0.0 * demand_high, demand_high),
            _same(len(self.profiled), 0.0, 1.0),
            _same(leads, 0.0, expected_high),
            _same(leads * len(self.profiled), 0.0, 1.0),
            _same(len(self.ramped), 0.0, 1.0),
            _same(len(self.stores), 0.0, 1.0),
            _same(len(self.limited), -LOADING_BOUND, LOADING_BOUND),
            _same(len(self.switched), 0.0, 1.0),
            _same(len(self.heated), 0.0, HEAT_BOUND),
            _same(len(self.switched), 0.0, DAYS_BOUND),
        ]
        lows, highs = zip(*blocks, strict=True)
        self.ends = np.cumsum([len(low) for low in lows]).tolist()
        self.space = _box(np.concatenate(lows), np.concatenate(highs))
        self._outside = np.zeros((0, 0, 0), dtype=np.float32)  # (T + 1, B, everything before ramped output)

    def start(self, outlook: Outlook) -> None:
        """Prepare for new episodes."""
        steps, batch = outlook.hour.shape
        demand = outlook.load_mw[:steps, :, self.loads] / self.arrays.load_max_mw[self.loads]
        varying = outlook.avail_frac[:, :, self.profiled]
        total = outlook.load_mw.sum(-1)[outlook.ahead] * outlook.load_factor / self.peak_mw
        ahead = np.minimum(varying[outlook.ahead] * outlook.avail_factor[..., None], 1.0)
        parts = (
            _time_features(outlook),
            demand,
            varying[:steps],
            total.swapaxes(1, 2),
            ahead.swapaxes(1, 2).reshape(steps, batch, -1),
        )
        self._outside = np.concatenate(parts, axis=-1, dtype=np.float32)

    def __call__(self, view: View) -> Array:
        """(B, F) float32."""
        xp = namespace(view.store_mwh)
        parts = [
            view.gen_mw[:, self.ramped] / xp.asarray(self.arrays.gen_max_mw[self.ramped]),
            view.store_mwh[:, self.stores] / xp.asarray(self.arrays.store_max_mwh[self.stores]),
            view.idle_loading[:, self.limited],
        ]
        if self.switched.size:
            out, heat, days = status_features(view, self.heat_limit)
            parts += [out[:, self.switched], heat[:, self.heated], days[:, self.switched]]
        inside = [xp.astype(part, xp.float32) for part in parts]
        return xp.concat([xp.asarray(self._outside[view.t]), *inside], axis=-1)


class GraphEncoder:
    """Features of nodes (B, N, F), lines (B, E, 5) and the whole grid (B, K)."""

    def __init__(self, arrays: GridArrays, config: EnvConfig, load_high_mw: np.ndarray) -> None:
        self.arrays = arrays
        self.unit_mw = unit_mw(arrays)
        self.peak_mw = max(arrays.peak_load_mw, float(arrays.gen_max_mw.sum()), 1e-9)
        nodes, lines, leads = len(arrays.node_names), len(arrays.line_names), len(config.lead_steps)
        error = 1.0 + ERROR_REACH * config.forecast_error_frac
        load_high = float(load_high_mw.max(initial=0.0)) / self.unit_mw
        gen_high = float(arrays.gen_max_mw.max(initial=0.0)) / self.unit_mw
        hours_high = float(arrays.store_max_mwh.max(initial=0.0)) / self.unit_mw
        node_high = [load_high, gen_high, gen_high, 1.0, hours_high, *[load_high * error] * leads, *[gen_high] * leads]
        total_high = load_high_mw.sum() / self.peak_mw * error
        varying = np.array([name is not None for name in arrays.gen_profile])
        self.varying_mw = float(arrays.gen_max_mw[varying].sum())
        offered = float(arrays.gen_max_mw.sum()) / self.peak_mw
        global_high = [1.0, 1.0, 1.0, *[total_high] * (leads + 1), *[offered] * (leads + 1)]
        global_low = [-1.0, -1.0, *[0.0] * (len(global_high) - 2)]
        self.heat_limit = config.protection.heat_limit
        line_low = [-LOADING_BOUND, -LOADING_BOUND, 0.0, 0.0, 0.0]
        line_high = [LOADING_BOUND, LOADING_BOUND, 1.0, HEAT_BOUND, DAYS_BOUND]
        self.space = gym.spaces.Dict(
            nodes=_box(np.zeros((nodes, len(node_high))), np.tile(node_high, (nodes, 1))),
            lines=_box(np.tile(line_low, (lines, 1)), np.tile(line_high, (lines, 1))),
            globals=_box(np.array(global_low), np.array(global_high)),
        )
        self.store_mwh = np.where(arrays.is_store, arrays.store_max_mwh, 1.0)

    def start(self, outlook: Outlook) -> None:
        """Prepare for new episodes."""
        steps = len(outlook.hour)
        offered_mw = outlook.avail_frac @ self.arrays.gen_max_mw
        steady = float(self.arrays.gen_max_mw[~outlook.profiled].sum())
        ahead_mw = steady + np.minimum(outlook.avail_factor * (offered_mw[outlook.ahead] - steady), self.varying_mw)
        demand_mw = outlook.load_mw.sum(-1)
        parts = (
            _time_features(outlook),
            demand_mw[:steps, :, None] / self.peak_mw,
            (demand_mw[outlook.ahead] * outlook.load_factor).swapaxes(1, 2) / self.peak_mw,
            offered_mw[:steps, :, None] / self.peak_mw,
            ahead_mw.swapaxes(1, 2) / self.peak_mw,
        )
        self._outlook = outlook
        self._globals = np.concatenate(parts, axis=-1, dtype=np.float32)

    def __call__(self, view: View) -> dict[str, Array]:
        """Nodes, lines and globals, float32."""
        xp = namespace(view.store_mwh)
        unit, outlook, t = self.unit_mw, self._outlook, view.t
        stored = view.store_mwh
        inside = (view.gen_hi_mw / unit, view.gen_mw / unit, stored / xp.asarray(self.store_mwh), stored / unit)
        ahead_mw = outlook.expected_avail_frac(t) * self.arrays.gen_max_mw
        ahead = np.concatenate([outlook.expected_load_mw(t), ahead_mw]).transpose(1, 2, 0)
        demand = outlook.load_mw[t][..., None]
        nodes = (
            xp.asarray((demand / unit).astype(np.float32)),
            xp.astype(xp.stack(inside, axis=-1), xp.float32),
            xp.asarray((ahead / unit).astype(np.float32)),
        )
        lines = xp.stack([view.loading, view.idle_loading, *status_features(view, self.heat_limit)], axis=-1)
        return {
            "nodes": xp.concat(nodes, axis=-1),
            "lines": xp.astype(lines, xp.float32),
            "globals": xp.asarray(self._globals[t].copy()),
        }


def _time_features(outlook: Outlook) -> np.ndarray:
    """(T + 1, B, 3) sine and cosine of the hour of the day, and the share of the episode that remains."""
    angle = outlook.hour * (np.pi / 12)
    steps = len(angle) - 1
    remaining = np.broadcast_to(1.0 - np.arange(steps + 1)[:, None] / steps, angle.shape)
    return np.stack([np.sin(angle), np.cos(angle), remaining], axis=-1)


class Encoder(Protocol):
    """What makes observations: bounds, a call at the start of new episodes, and a call before each step."""

    @property
    def space(self) -> gym.Space[Any]:
        """Bounds of one env's observation."""

    def start(self, outlook: Outlook) -> None:
        """Prepare for new episodes."""

    def __call__(self, view: View) -> Any:
        """Fresh float32 arrays with a leading B."""


def _same(count: int, low: float, high: float) -> tuple[list[float], list[float]]:
    return [low] * count, [high] * count


ENCODERS: dict[str, Callable[[GridArrays, EnvConfig, np.ndarray], Encoder]] = {
    "flat": FlatEncoder,
    "graph": GraphEncoder,
}
