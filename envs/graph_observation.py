"""The observation ``graph``: features of nodes, lines and the whole grid."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import numpy as np

from envs.config import EnvConfig
from envs.features import (
    DAYS_BOUND,
    HEAT_BOUND,
    LOADING_BOUND,
    VOLTAGE_BOUND,
    View,
    box,
    status_features,
    time_features,
)
from envs.forecasts import most_frac
from envs.outlook import Outlook
from envs.plan_features import LINE_HIGH, LINE_NAMES, UNIT_HIGH, UNIT_LOW, UNIT_NAMES, line_plan, unit_plan
from grid import Array, GridArrays, converted, namespace


class GraphEncoder:
    """Features of nodes (B, N, F), lines (B, E, G) and the whole grid (B, K); where the day is planned, with the plan.

    With a gate, demand and output of the coming step are forecasts, and nodes have those of the last step, too.
    """

    def __init__(self, arrays: GridArrays, config: EnvConfig, load_high_mw: np.ndarray) -> None:
        self.arrays, self.leads = arrays, np.array(config.lead_steps, dtype=int)
        self.remembers = config.gate_h > 0  # what was true in the last step, where the coming one is forecast
        self.unit_mw = arrays.unit_mw
        self.peak_mw = max(arrays.peak_load_mw, float(arrays.gen_max_mw.sum()), 1e-9)
        error = most_frac(config)
        load_high = float(load_high_mw.max(initial=0.0)) / self.unit_mw
        gen_high = float(arrays.gen_max_mw.max(initial=0.0)) / self.unit_mw
        hours_high = float(arrays.store_max_mwh.max(initial=0.0)) / self.unit_mw
        total_high = load_high_mw.sum() / self.peak_mw * error
        offered = float(arrays.gen_max_mw.sum()) / self.peak_mw
        self.heat_limit = config.protection.heat_limit
        leads = [f"in {lead:g} h" for lead in config.leads_h]
        parts = {
            "nodes": [
                ("demand_pu", 0.0, load_high * (error if self.remembers else 1.0)),
                ("largest output_pu", 0.0, gen_high),
                ("last output_pu", 0.0, gen_high),
                ("stored energy_frac", 0.0, 1.0),
                ("stored energy_pu_h", 0.0, hours_high),
                *((f"demand_pu {lead}", 0.0, load_high * error) for lead in leads),
                *((f"largest output_pu {lead}", 0.0, gen_high) for lead in leads),
                *((("last demand_pu", 0.0, load_high), ("last largest output_pu", 0.0, gen_high)) * self.remembers),
            ],
            "lines": [
                ("loading of the last step", -LOADING_BOUND, LOADING_BOUND),
                ("loading under the merit order", -LOADING_BOUND, LOADING_BOUND),
                ("out of service", 0.0, 1.0),
                ("heat of the relay", 0.0, HEAT_BOUND),
                ("days until it is back", 0.0, DAYS_BOUND),
            ],
            "globals": [
                ("sine of the hour of the day", -1.0, 1.0),
                ("cosine of the hour of the day", -1.0, 1.0),
                ("share of the episode left", 0.0, 1.0),
                *((f"total demand_frac {lead}".rstrip(), 0.0, total_high) for lead in ("", *leads)),
                *((f"total offer_frac {lead}".rstrip(), 0.0, offered) for lead in ("", *leads)),
            ],
        }
        self.sees_voltages = config.flow == "ac"
        if self.sees_voltages:
            parts["nodes"].append(("voltage_pu of the last step", 0.0, VOLTAGE_BOUND))
        if config.plans:
            parts["nodes"] += zip(*map(list, (UNIT_NAMES, UNIT_LOW, UNIT_HIGH)), strict=True)
            parts["lines"] += zip(LINE_NAMES, -LINE_HIGH, LINE_HIGH, strict=True)
        self.names = {part: [name for name, _, _ in features] for part, features in parts.items()}
        rows = {"nodes": (len(arrays.node_names), 1), "lines": (len(arrays.line_names), 1), "globals": ()}
        self.space = gym.spaces.Dict(
            {
                part: box(*(np.tile([each[k] for each in features], rows[part]) for k in (1, 2)))
                for part, features in parts.items()
            }
        )
        self.store_mwh, self.gen_max_mw = np.where(arrays.is_store, arrays.store_max_mwh, 1.0), arrays.gen_max_mw

    def convert(self, asarray: Callable[[np.ndarray], Array], outlook: Outlook) -> GraphEncoder:
        """The same with every array passed through ``asarray``, for the running episodes, whose outlook already is."""
        return converted(self, asarray, _outlook=outlook)

    def start(self, outlook: Outlook) -> None:
        """Prepare for new episodes."""
        offered_mw = outlook.offered_mw(self.arrays.gen_max_mw)
        at = np.arange(len(outlook.hour))
        totals = [mw.swapaxes(1, 2) / self.peak_mw for mw in (outlook.total_load_mw(at), offered_mw)]
        parts = (time_features(outlook), *totals)
        self._outlook, self._known_load_mw = outlook, outlook.known_load_mw(at)
        self._globals = np.concatenate(parts, axis=-1, dtype=np.float32)

    def __call__(self, view: View) -> dict[str, Array]:
        """Nodes, lines and globals, float32."""
        xp = namespace(view.store_mwh)
        unit, outlook, t = self.unit_mw, self._outlook, view.t
        stored = view.store_mwh
        inside = (view.gen_hi_mw / unit, view.gen_mw / unit, stored / self.store_mwh, stored / unit)
        expected = outlook.expected(t, self.leads)
        ahead = xp.concat([expected.load_mw, expected.gen_avail_frac * self.gen_max_mw])
        nodes = [
            self._known_load_mw[t][..., None] / unit,
            xp.stack(inside, axis=-1),
            xp.moveaxis(ahead, 0, -1) / unit,
        ]
        if self.remembers:
            last = outlook.known(0) if t == 0 else outlook.inputs(t - 1)
            nodes.append(xp.stack([last.load_mw, last.gen_avail_frac * self.gen_max_mw], axis=-1) / unit)
        if self.sees_voltages:
            voltage_pu = np.ones(stored.shape) if view.voltage_pu is None else view.voltage_pu
            nodes.append(xp.asarray(np.minimum(voltage_pu, VOLTAGE_BOUND)[..., None]))
        lines = [view.loading, view.idle_loading, *status_features(view, self.heat_limit)]
        seen = {
            "nodes": xp.concat([xp.astype(part, xp.float32) for part in nodes], axis=-1),
            "lines": xp.astype(xp.stack(lines, axis=-1), xp.float32),
            "globals": xp.asarray(self._globals[t], copy=True),
        }
        if view.day is not None:
            planned = (("nodes", self.arrays.controllable, unit_plan), ("lines", view.day.constants.limited, line_plan))
            for part, rows, features in planned:
                every = np.zeros((*seen[part].shape[:2], len(self.names[part]) - seen[part].shape[2]), np.float32)
                every[:, rows] = features(view.day)
                seen[part] = xp.concat([seen[part], xp.asarray(every)], axis=-1)
        return seen
