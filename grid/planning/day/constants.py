"""The constants of one grid as the plan of a day and the clearing of a step need them.

Power is per ``GridArrays.unit_mw``; prices are per ``typical_price_per_mwh``. Units stand in the order: sources, then
stores; where a store's two sides are apart, those that discharge come before those that charge.
Symbols: G sources, S stores, U = G + 2S, L lines with a limit, P connected parts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Block, Prices, linear_cost_per_mwh, marginal_cost_per_mwh, store_value_per_mwh
from grid.physics import Outages, flows
from grid.planning.day.market import Network
from grid.planning.day.programme import Fleet
from grid.sensitivities import connected

KEPT_BYTES = 2**28  # of constants of a grid with lines out
MOST_RAMP = 1e3  # stands for none
SWING = 0.5  # of the power of stores, by which a line may miss its capacity in a first plan and yet may fill up
LEAST_FLOW = 1e-12  # of a MW injected: less is rounding
MOST_SHED = 30.0  # price of load shedding or of output in a plan, as a multiple of the typical price


@dataclass(frozen=True, eq=False)
class Constants:
    """One grid with some lines out of service; lines that are out keep their place and carry nothing."""

    unit_mw: float
    typical_price_per_mwh: float  # mean marginal cost of the sources that cost anything
    sources: np.ndarray  # (G,) nodes with a source or flexible demand
    stores: np.ndarray  # (S,) nodes
    limited: np.ndarray  # (L,) lines
    ends: np.ndarray  # (2, L) nodes at their from and their to end
    node_part: np.ndarray  # (N,) connected part of each node
    part: np.ndarray  # (N, P) 1 where the node is in the part
    own: np.ndarray  # (P, U + P) 1 where the unit is in the part, of which curtailment is one more
    flow: np.ndarray  # (N, L) flow of 1 MW injected
    offset: np.ndarray  # (L,) flow caused by phase shifts alone
    gen_max: np.ndarray  # (G,)
    network: Network  # for the plan
    market: Network  # for the clearing: with the curtailment of each part as one more unit
    fleet: Fleet
    swing: np.ndarray  # (L,) by which stores change a line's flow, the root of the sum of their squares

    @property
    def nbytes(self) -> int:
        """Memory that it takes, but for what is small."""
        return self.flow.nbytes + self.market.reach.nbytes + self.own.nbytes  # which no grid is without


def constants_of(arrays: GridArrays, prices: Prices, out: tuple[int, ...] = ()) -> Constants:
    """The constants of a grid with these lines out of service."""
    a, unit_mw = arrays, arrays.unit_mw
    matrix, offset_mw, node_part = _lines_left(a, out)
    part = np.eye(int(node_part.max()) + 1)[node_part]
    marginal = marginal_cost_per_mwh(a, prices)
    mean = marginal + a.gen_cost_per_mw2h * a.gen_max_mw  # over the range of each source
    paid = mean[a.is_source & (mean > 0)]
    price = float(paid.mean()) if paid.size else 1.0
    src, sto = a.dispatched.copy(), np.flatnonzero(a.is_store)
    sides = np.concatenate([src, sto, sto])
    limited = np.flatnonzero(np.isfinite(a.capacity_mw))
    flow = np.ascontiguousarray(matrix[limited].T)
    capacity = a.capacity_mw[limited] / unit_mw
    parts = np.eye(part.shape[1])
    must = part[src] * np.maximum(a.gen_min_mw[src], 1e-9)[:, None]
    curtailed = np.zeros(part.T.shape)
    curtailed[:, src] = (must / np.maximum(must.sum(0), 1e-12)).T  # (P, N) where a MW less is generated
    market = Network(
        part=np.concatenate([node_part[sides], np.arange(len(parts))]),
        reach=np.concatenate([flow[sides], curtailed @ flow]),
        capacity=capacity,
        overload=_highest(a, prices, "overload", limited) / price,
    )
    return Constants(
        unit_mw=unit_mw,
        typical_price_per_mwh=price,
        sources=src,
        stores=sto,
        limited=limited,
        ends=np.stack([a.line_from, a.line_to])[:, limited],
        node_part=node_part,
        part=part,
        own=np.concatenate([part[sides], parts]).T,
        flow=flow,
        offset=offset_mw[limited] / unit_mw,
        gen_max=a.most_mw[src] / unit_mw,
        network=market._replace(part=market.part[: len(sides)], reach=market.reach[: len(sides)]),
        market=market,
        fleet=_fleet(a, prices, price),
        swing=_swing(a, part, flow),
    )


def _swing(a: GridArrays, part: np.ndarray, flow: np.ndarray) -> np.ndarray:
    sto = np.flatnonzero(a.is_store)
    power = np.maximum(a.discharge_max_mw, a.charge_max_mw)[sto] / a.unit_mw
    share = part * (a.load_max_mw + 1e-9)[:, None]
    spread = part @ ((share / share.sum(0)).T @ flow)  # (N, L) flow if demand of the node's part takes a MW
    swing: np.ndarray = SWING * np.sqrt(power**2 @ ((flow - spread)[sto]) ** 2)
    return swing


def _fleet(a: GridArrays, prices: Prices, price: float) -> Fleet:
    unit_mw, src, sto = a.unit_mw, a.dispatched.copy(), np.flatnonzero(a.is_store)
    fall, rise = (
        np.minimum(ramp[src] / unit_mw, MOST_RAMP) for ramp in (a.gen_ramp_down_mw_per_h, a.gen_ramp_mw_per_h)
    )
    discharge, charge = a.discharge_max_mw[sto] / unit_mw, a.charge_max_mw[sto] / unit_mw
    shed = linear_cost_per_mwh(a, prices, "shed")[a.load_max_mw > 0]
    return Fleet(
        cost=np.minimum(marginal_cost_per_mwh(a, prices)[src] / price, MOST_SHED),
        rise=2 * a.gen_cost_per_mw2h[src] * unit_mw / price,
        gen_min=a.gen_min_mw[src] / unit_mw,
        hourly_fall=fall,
        hourly_rise=rise,
        discharge_max=discharge,
        charge_max=charge,
        discharge_eff=a.discharge_eff_frac[sto],
        charge_eff=a.charge_eff_frac[sto],
        store_min=a.store_min_mwh[sto] / unit_mw,
        store_max=a.store_max_mwh[sto] / unit_mw,
        hourly_keep=1 - a.store_loss_frac_per_h[sto],
        end_value=store_value_per_mwh(a, prices)[sto] / price,
        wear=_highest(a, prices, "discharge", sto) / price,
        shed=min(float(shed.min(initial=np.inf)) / price, MOST_SHED),
        spill=_highest(a, prices, "spill", src) / price,
    )


def _highest(arrays: GridArrays, prices: Prices, block: Block, where: np.ndarray) -> float:
    """Cost of a MWh, the highest of these nodes or lines; 0 where there are none."""
    return float(linear_cost_per_mwh(arrays, prices, block)[where].max(initial=0.0))


class KeptConstants:
    """The constants of a grid by the lines that are out; those asked for last are kept."""

    def __init__(self, arrays: GridArrays, prices: Prices) -> None:
        self._arrays, self._prices = arrays, prices
        self._kept: OrderedDict[tuple[int, ...], Constants] = OrderedDict()

    def without(self, out: tuple[int, ...]) -> Constants:
        """The constants when these lines are out of service."""
        if out not in self._kept:
            self._kept[out] = constants_of(self._arrays, self._prices, out)
            if len(self._kept) > max(KEPT_BYTES // self._kept[out].nbytes, 1):
                self._kept.popitem(last=False)
        self._kept.move_to_end(out)
        return self._kept[out]


def _lines_left(arrays: GridArrays, out: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow per injection (E, N), flow by phase shifters alone (E,), and the connected part of each node (N,)."""
    if not out:
        return arrays.line_model.matrix(), arrays.flow_offset_mw, arrays.part
    left = np.ones(len(arrays.line_names), bool)
    left[list(out)] = False
    part = connected(arrays.line_from[left], arrays.line_to[left], len(arrays.node_names))
    beside = part[:, None] == part
    balanced = np.vstack([np.eye(len(part)) - beside / beside.sum(0), np.zeros(len(part))])  # then phase shifters alone
    outages = Outages.of(arrays, left[None])
    flow_mw = flows(arrays, balanced, outages and outages.repeat(len(balanced)))
    matrix = (flow_mw[:-1] - flow_mw[-1]).T
    return np.where(np.abs(matrix) < LEAST_FLOW, 0.0, matrix), flow_mw[-1], part
