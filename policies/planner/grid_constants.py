"""Wiring: what the graph network knows of one grid, per unit, so that the same number means the same on every grid."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from envs import EnvConfig, planned_steps, static_line_features, static_node_features, unit_mw
from grid import LINE_FIELDS, GridArrays, LineModel, connected, linear_cost_per_mwh, store_value_per_mwh
from policies.planner.market import Network
from policies.planner.plan import HOURS
from policies.planner.programme import Fleet

MOST_KEPT = 256  # wirings with lines out
MOST_SEEN = 12.5  # of what is told in the unit of power: hardly more than the network has seen; larger means as much
MOST_LINE_SEEN = 17.0  # the same of the capacity of a line
MOST_SEEN_OF_PEAK = 4.0  # the same of what is told per peak demand
MOST_HOURS = 20.0  # of a store's energy at full power, and
MOST_LOSS_FRAC_PER_H = 0.02  # of it, that are told
MOST_RAMP = 1e3  # stands for none
SWING = 0.5  # of the power of stores, by which a line may miss its capacity and yet may fill up
MOST_SHED = 30.0  # price of demand that is not met, as multiple of the typical one, in a plan


class Wiring(nn.Module):
    """The constants of one grid, as buffers that are not saved with the weights.

    Power is per ``envs.observations.unit_mw``, prices are per the mean marginal cost of the sources that cost anything.
    Units come as the sources, then the stores; where a store's two sides are apart (2S in place of S), those that
    discharge come first. Symbols: G sources, S stores, L limited lines, P connected parts.

    Lines out of service keep their place, and carry nothing.

    Args:
        arrays: the grid.
        config: of the env: its prices, steps and forecasts.
        out: lines that are out of service.
        intact: the wiring with all lines in service, where some are not.
    """

    node_features: Tensor  # (N, 14)
    line_features: Tensor  # (E, 3)
    edge_index: Tensor  # (2, 2E)
    sources: Tensor  # (G,) nodes
    stores: Tensor  # (S,) nodes
    units: Tensor  # (G + S,) nodes
    action: Tensor  # (A,) position of each action's unit
    limited: Tensor  # (L,) lines
    lead: Tensor  # (24,) position of the forecast for each hour ahead
    unit_features: Tensor  # (G + S, 21)
    globals: Tensor  # (8,)
    part: Tensor  # (N, P) 1 where the node is in the part
    own: Tensor  # (P, G + 2S + P) 1 where the unit is in the part, of which spilling is one more
    flow: Tensor  # (N, L) flow for injection
    reach: Tensor  # (G + 2S, L) the same for the units
    market_reach: Tensor  # (G + 2S + P, L) and for less of what a part must generate
    shift: Tensor  # (G + S, L) the same if demand everywhere takes what the unit gives
    offset: Tensor  # (L,) flow by phase shifters alone
    capacity: Tensor  # (L,)
    cost: Tensor  # (G,) marginal cost at output 0
    slope: Tensor  # (G,) its rise
    gen_max: Tensor  # (G,)
    gen_min: Tensor  # (G,)
    fall: Tensor  # (G,) most that output can fall in a step
    hourly_fall: Tensor  # (G,) and in an hour
    hourly_rise: Tensor  # (G,) most that it can rise in an hour
    varying: Tensor  # (G,) 1 where weather sets the limit
    discharge_max: Tensor  # (S,)
    charge_max: Tensor  # (S,)
    discharge_eff: Tensor  # (S,)
    charge_eff: Tensor  # (S,)
    store_min: Tensor  # (S,) energy
    store_max: Tensor  # (S,) energy

    def __init__(
        self, arrays: GridArrays, config: EnvConfig, out: tuple[int, ...] = (), intact: Wiring | None = None
    ) -> None:
        super().__init__()
        a, prices = arrays, config.prices
        self.out, self._made_of = out, (arrays, config)
        self._intact = [] if intact is None else [intact]  # in a list, so that torch does not take it for a part
        steps = config.horizon + 1  # the last is after the episode
        self.planned = planned_steps(a, config.outages, steps, config.dt_h) > 0  # (S, E)
        self._without: OrderedDict[tuple[int, ...], Wiring] = OrderedDict()  # by what is out
        matrix, offset, node_part = _lines_left(a, out)
        part_matrix = np.eye(int(node_part.max()) + 1)[node_part]
        unit = unit_mw(a)
        peak = a.peak_load_mw or unit * len(a.controllable)
        cost = linear_cost_per_mwh(a, prices, "gen")
        highest = cost + 2 * a.gen_cost_per_mw2h * a.gen_max_mw
        mean = (cost + highest) / 2
        paid = mean[a.is_source & (mean > 0)]
        price = float(paid.mean()) if paid.size else 1.0
        src, sto = np.flatnonzero(a.is_source), np.flatnonzero(a.is_store)
        units, sides = np.concatenate([src, sto]), np.concatenate([src, sto, sto])
        limited = np.flatnonzero(np.isfinite(a.capacity_mw))
        flow = matrix[limited].T
        share = part_matrix * (a.load_max_mw + 1e-9)[:, None]
        share = share / share.sum(0)
        spread = part_matrix @ (share.T @ flow)  # (N, L) flow if demand of the node's part takes a MW
        varying = np.array([name is not None for name in a.gen_profile])
        values = store_value_per_mwh(a, prices)
        per_power = np.minimum(a.store_max_mwh / np.maximum(a.discharge_max_mw, 1e-9), MOST_HOURS) * a.is_store
        sizes = (a.gen_max_mw, a.discharge_max_mw, a.store_max_mwh)
        about_units = [
            static_node_features(a),
            (highest - mean) / price,
            100 * np.minimum(a.store_loss_frac_per_h, MOST_LOSS_FRAC_PER_H),
            per_power / 10,
            values / price,
            *(np.minimum(size / peak, MOST_SEEN_OF_PEAK) for size in sizes),
        ]
        about_grid = [
            np.log(len(a.node_names)) / 5,
            prices.overload_per_mwh / price / 10,
            prices.wear_per_mwh / price * 10,
            prices.spill_per_mwh / price,
            a.gen_max_mw[~varying].sum() / peak,
            a.store_max_mwh.sum() / peak / 10,
            a.discharge_max_mw.sum() / peak,
            a.gen_max_mw.sum() / peak,
        ]
        parts = np.eye(part_matrix.shape[1])
        must = part_matrix[src] * np.maximum(a.gen_min_mw[src], 1e-9)[:, None]
        spilt = np.zeros(part_matrix.T.shape)
        spilt[:, src] = (must / np.maximum(must.sum(0), 1e-12)).T  # (P, N) where a MW less is generated
        hourly_fall, hourly_rise = (
            np.minimum(ramp[src] / unit, MOST_RAMP) for ramp in (a.gen_ramp_down_mw_per_h, a.gen_ramp_mw_per_h)
        )
        leads_h = np.array(config.lead_steps) * config.dt_h
        hours = np.arange(1, HOURS)
        part = node_part[sides]
        constants = {
            "node_features": static_node_features(a).clip(-MOST_SEEN, MOST_SEEN),
            "line_features": static_line_features(a).clip(max=MOST_LINE_SEEN),
            "edge_index": a.edge_index,
            "sources": src,
            "stores": sto,
            "units": units,
            "action": np.argsort(units),
            "limited": limited,
            "lead": np.abs(leads_h - hours[:, None]).argmin(1),
            "unit_features": np.column_stack(about_units)[units].clip(-MOST_SEEN, MOST_SEEN),
            "globals": np.array(about_grid).clip(-MOST_SEEN_OF_PEAK, MOST_SEEN_OF_PEAK),
            "part": part_matrix,
            "own": np.concatenate([part_matrix[sides], parts]).T,
            "flow": flow,
            "reach": flow[sides],
            "market_reach": np.concatenate([flow[sides], spilt @ flow]),
            "shift": (flow - spread)[units],
            "offset": offset[limited] / unit,
            "capacity": a.capacity_mw[limited] / unit,
            "cost": cost[src] / price,
            "slope": 2 * a.gen_cost_per_mw2h[src] * unit / price,
            "gen_max": a.gen_max_mw[src] / unit,
            "gen_min": a.gen_min_mw[src] / unit,
            "fall": hourly_fall * config.dt_h,
            "hourly_fall": hourly_fall,
            "hourly_rise": hourly_rise,
            "varying": varying[src].astype(float),
            "discharge_max": a.discharge_max_mw[sto] / unit,
            "charge_max": a.charge_max_mw[sto] / unit,
            "discharge_eff": a.discharge_eff_frac[sto],
            "charge_eff": a.charge_eff_frac[sto],
            "store_min": a.store_min_mwh[sto] / unit,
            "store_max": a.store_max_mwh[sto] / unit,
        }
        for name, value in constants.items():
            kind = {"i": torch.long, "b": torch.bool}.get(value.dtype.kind, torch.float32)
            self.register_buffer(name, torch.as_tensor(value.copy()).to(kind), persistent=False)
        self.horizon, self.dt_h = config.horizon, config.dt_h
        self.network = Network(
            part=part,
            reach=np.ascontiguousarray(constants["reach"]),
            capacity=constants["capacity"],
            overload=linear_cost_per_mwh(a, prices, "overload")[limited].max(initial=0.0) / price,
        )
        self.market = self.network._replace(
            part=np.concatenate([part, np.arange(len(parts))]),
            reach=np.ascontiguousarray(constants["market_reach"]),
        )
        limits = {name: constants[name] for name in Fleet._fields if name in constants}
        power = np.maximum(limits["discharge_max"], limits["charge_max"])
        shed = linear_cost_per_mwh(a, prices, "shed")[a.load_max_mw > 0]
        self.fleet = Fleet(
            **limits,
            rise=constants["slope"],
            hourly_keep=1 - a.store_loss_frac_per_h[sto],
            end_value=values[sto] / price,
            swing=SWING * np.sqrt(power**2 @ constants["shift"][len(src) :] ** 2),
            wear=linear_cost_per_mwh(a, prices, "discharge")[sto].max(initial=0.0) / price,
            shed=min(shed.min(initial=np.inf) / price, MOST_SHED),
            spill=linear_cost_per_mwh(a, prices, "spill")[src].max(initial=0.0) / price,
        )

    @property
    def intact(self) -> Wiring:
        """With all lines in service."""
        return self._intact[0] if self._intact else self

    def without(self, out: tuple[int, ...]) -> Wiring:
        """The wiring of an intact grid when these lines go out of service; the last ones asked for are kept."""
        if not out:
            return self
        if out not in self._without:
            self._without[out] = Wiring(*self._made_of, out, self)
            if len(self._without) > MOST_KEPT:
                self._without.popitem(last=False)
        self._without.move_to_end(out)
        return self._without[out]


def _lines_left(arrays: GridArrays, out: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow per injection (E, N), flow by phase shifters alone (E,), and the connected part of each node (N,)."""
    if not out:
        return arrays.line_model.matrix(), arrays.flow_offset_mw, arrays.part
    left = np.setdiff1d(np.arange(len(arrays.line_names)), out)
    part = connected(arrays.line_from[left], arrays.line_to[left], len(arrays.node_names))
    columns = {name: getattr(arrays, name) for name in LINE_FIELDS}
    own = {name: value[left] if isinstance(value, np.ndarray) else value for name, value in columns.items()}
    model = LineModel(own, part)
    matrix, offset = np.zeros((len(arrays.line_names), len(part))), np.zeros(len(arrays.line_names))
    matrix[left], offset[left] = model.matrix(), model.offset_mw
    return matrix, offset, part
