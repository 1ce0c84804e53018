"""Foresight: the day ahead as the observed forecasts have it, with idle stores, and with stores that bid.

Nothing here is learned and nothing carries a gradient: it is what the network sees beside the observation. Symbols as
in ``policies.wiring``; B rows, H hours from now to a day ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.clearing import TOLERANCE_PU, clear, relieve
from policies.wiring import HOURS, Wiring

ROUNDS = 14  # of bisection: a price to 1e-4
HIGHEST = 3.0  # prices are shown up to this multiple of the typical one
SEEN_H = (0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21, 24)  # hours of which most features are shown
MOVES = 4  # of redispatch in an hour of a plan
LINES_H = (1, 3, 6, 12)
STORED_H = (2, 5, 11, 23)


@dataclass(frozen=True, eq=False)
class Day:
    """The coming day; what lies beyond the episode's end is marked and priced at what the settlement pays."""

    counts: Tensor  # (B, H) 1 where the hour is within the episode
    low: Tensor  # (B, H, G) limits of output, ramps aside
    high: Tensor  # (B, H, G)
    need: Tensor  # (B, H, P)
    net: Tensor  # (B, H) demand less weather, per peak output
    load_flow: Tensor  # (B, H, L) flow by demand and phase shifters alone
    price: Tensor  # (B, H, G + S) of each unit's part, with idle stores
    output: Tensor  # (B, H, G) then
    flow: Tensor  # (B, H, L) then
    sign: Tensor  # (B, H, G + S) how much a unit would load the overloaded lines more
    push: Tensor  # (B, H, G + S) the same, weighed by their overload


def hours_left(wiring: Wiring, globals_: Tensor) -> Tensor:
    """(B,) of the episode."""
    return (globals_[:, 2] * wiring.horizon).round() * wiring.dt_h


def idle_day(wiring: Wiring, observation: dict[str, Tensor]) -> Day:
    """The day with idle stores and cleared sources, from an observation ``graph``."""
    w, nodes = wiring, observation["nodes"]
    leads = (nodes.shape[2] - 5) // 2
    now_too = torch.cat([w.lead.new_zeros(1), w.lead + 1])
    load = torch.cat([nodes[..., :1], nodes[..., 5 : 5 + leads]], -1)[..., now_too].transpose(1, 2)
    offer = torch.cat([nodes[..., 1:2], nodes[..., 5 + leads :]], -1)[:, w.sources][..., now_too].transpose(1, 2)
    counts = (torch.arange(HOURS) < hours_left(w, observation["globals"])[:, None]).float()
    low, need = torch.minimum(w.gen_min, offer), load @ w.part
    output, price = _cleared(w.cost, w.slope, low, offer, need, w.own[:, : len(w.sources)])
    load_flow = w.offset - load @ w.flow
    sign, push, flow = _congestion(w, output @ w.reach[: len(w.sources)] + load_flow)
    price = torch.where(counts[..., None] > 0, price.clamp(-1, HIGHEST), w.end_price)
    return Day(
        counts=counts,
        low=low,
        high=offer,
        need=need,
        net=(need.sum(-1) - offer @ w.varying) / w.gen_max.sum().clamp(min=1e-6),
        load_flow=load_flow,
        price=price @ w.part[w.units].T,
        output=output,
        flow=flow,
        sign=sign * counts[..., None],
        push=push * counts[..., None],
    )


def planned_day(wiring: Wiring, day: Day, value: Tensor, spread: Tensor, slope: Tensor, stored: Tensor) -> Tensor:
    """What constant bids would lead to if stores had no bottom and no top: where they would be missed, and when.

    A value at which a store fills up first is too high, one at which it empties first too low.

    Args:
        wiring: of the grid.
        day: with idle stores.
        value: (B, S) of a stored MWh.
        spread: (B, S) between buying and selling, each way.
        slope: (B, S) rise of the price to full power.
        stored: (B, S) energy.

    Returns:
        (S, B, 10 + 3 · hours seen).
    """
    w, sources, stores = wiring, len(wiring.sources), len(wiring.stores)
    rows = torch.zeros(len(value), HOURS, 1)
    cost, rise, low, high = sides(w, value[:, None] + rows, spread[:, None] + rows, slope[:, None] + rows)
    cost = torch.cat([w.cost + rows, cost], -1)
    rise = torch.cat([w.slope + rows, rise], -1)
    low, high = torch.cat([day.low, low + rows], -1), torch.cat([day.high, high + rows], -1)
    output, price = _cleared(cost, rise, low, high, day.need, w.own)
    output = _relieved(w, day, output, cost, rise, low, high)
    counts = day.counts[..., None]
    discharge, charge = output[..., sources : sources + stores] * counts, output[..., sources + stores :] * counts
    gain = -charge * w.charge_eff - discharge / w.discharge_eff
    after = stored[:, None] + gain.cumsum(1)  # hours are forecast one by one
    hour = torch.arange(HOURS, dtype=torch.float32)[:, None]
    full = torch.where(after > w.store_max, hour, float(HOURS)).amin(1)
    empty = torch.where(after < w.store_min, hour, float(HOURS)).amin(1)
    level = ((after - w.store_min) / (w.store_max - w.store_min).clamp(min=1e-3)).clamp(-2, 3)
    power = discharge / w.discharge_max + charge / w.charge_max
    price = price @ w.part[w.stores].T
    price = torch.where(counts > 0, price, day.price[..., sources:])
    sign, _, _ = _congestion(w, output @ w.reach + day.load_flow)
    shown = list(SEEN_H)
    parts = [
        torch.stack([(empty - full).sign(), full / HOURS, empty / HOURS, level.amax(1), level.amin(1), power[:, 0]], 1),
        level[:, list(STORED_H)],
        (price - value[:, None])[:, shown].clamp(-2, 2),
        power[:, shown],
        (sign[..., sources:] * counts)[:, shown].clamp(-2, 2),
    ]
    return torch.cat(parts, 1).permute(2, 0, 1)


def sides(wiring: Wiring, value: Tensor, spread: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Bids (..., S) as cost and slope (..., 2S) of the stores' two sides, and the limits of their power (2S,)."""
    w = wiring
    cost = torch.cat([value / w.discharge_eff + w.wear + spread, value * w.charge_eff - spread], -1)
    rise = torch.cat([slope / w.discharge_max, slope / w.charge_max], -1)
    none = torch.zeros_like(w.charge_max)
    return cost, rise, torch.cat([none, -w.charge_max]), torch.cat([w.discharge_max, none])


def _cleared(
    cost: Tensor, slope: Tensor, low: Tensor, high: Tensor, need: Tensor, own: Tensor
) -> tuple[Tensor, Tensor]:
    """``clear`` for every hour: output (B, H, U) and prices (B, H, P)."""
    batch, hours, units = low.shape
    many = [each.expand(batch, hours, units).reshape(-1, units) for each in (cost, slope, low, high)]
    output, price = clear(*many, need.reshape(batch * hours, -1), own, ROUNDS)
    return output.view(batch, hours, units), price.view(batch, hours, -1)


def _relieved(
    wiring: Wiring, day: Day, output: Tensor, cost: Tensor, slope: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """The output (B, H, U) after a few moves in the hours whose lines it would overload."""
    w, units = wiring, output.shape[-1]
    flow = output @ w.reach + day.load_flow
    hours = ((flow.abs() > w.capacity + TOLERANCE_PU).any(-1) & (day.counts > 0)).nonzero(as_tuple=True)
    if not len(hours[0]):
        return output
    some = [each.expand(output.shape)[hours] for each in (output, cost, slope, low, high)]
    better = relieve(some[0], flow[hours], *some[1:], w.capacity, w.reach, w.joined, w.overload, MOVES)
    return output.index_put(hours, better)


def _congestion(wiring: Wiring, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How much each unit loads the lines that are overloaded, as shares and weighed, (B, H, G + S), and the flows."""
    over = (flow.abs() - wiring.capacity).clamp(min=0)
    way = torch.where(flow < 0, -1.0, 1.0)
    return (way * (over > 1e-5)) @ wiring.shift.T, (way * over) @ wiring.shift.T, flow
