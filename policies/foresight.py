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
BISECTIONS = 8  # for the value of stored energy
MARGIN = 0.1  # of prices, within which the value of stored energy is looked for
LEAST_SPREAD, LEAST_SLOPE = 0.02, 0.05  # of the bids in a plan
NUDGE = 0.03  # of the value of stored energy
LEAST_GAIN = 5.0  # of energy for a price, in hours of full output: below it, an answer would be boundless
LINES_H = (1, 3, 6, 12)  # hours of which the lines' loading is shown
STORED_H = (2, 5, 11, 23)  # hours at whose end the stored energy is shown


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
    before: Tensor  # (B, G) output of the last step, as far as ramps follow from it


def hours_left(wiring: Wiring, globals_: Tensor) -> Tensor:
    """(B,) of the episode."""
    return (globals_[:, 2] * wiring.horizon).round() * wiring.dt_h


def has_started(wiring: Wiring, globals_: Tensor) -> Tensor:
    """(B, 1) whether a step lies behind."""
    return (hours_left(wiring, globals_) < (wiring.horizon - 0.5) * wiring.dt_h)[:, None]


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
    started = has_started(w, observation["globals"])
    before = torch.where(started, nodes[:, w.sources, 2], output[:, 0])  # the first step has no ramp
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
        before=before,
    )


@dataclass(frozen=True, eq=False)
class Plan:
    """The day with constant bids, as if stores had no bottom and no top: where they would be missed, and when."""

    after: Tensor  # (B, H, S) energy at the end of each hour
    full: Tensor  # (B, S) hours until a store is full, HOURS if it never is
    empty: Tensor  # (B, S) hours until it is empty
    power: Tensor  # (B, H, S) share of what it can give or, below 0, take
    price: Tensor  # (B, H, S)
    sign: Tensor  # (B, H, S) how much a store would load the overloaded lines more
    output: Tensor  # (B, H, G) of the sources


def planned_day(
    wiring: Wiring, day: Day, value: Tensor, spread: float, slope: float, stored: Tensor, output: Tensor
) -> Plan:
    """What constant bids lead to.

    Ramps bind an hour to the one before it, and all hours are cleared at once; so they are kept to as far as the
    output of an earlier plan says, and plans that follow each other come to agree. What stores lose by standing is left
    out.

    Args:
        wiring: of the grid.
        day: with idle stores.
        value: (B, S) of a stored MWh.
        spread: between buying and selling, each way.
        slope: rise of the price to full power.
        stored: (B, S) energy.
        output: (B, H, G) of an earlier plan, or of the idle day.
    """
    w, sources, stores = wiring, len(wiring.sources), len(wiring.stores)
    rows = torch.zeros(len(value), HOURS, 1)
    cost, rise, low, high = sides(w, value[:, None] + rows, spread + 0 * value[:, None], slope + 0 * value[:, None])
    cost, rise = torch.cat([w.cost + rows, cost], -1), torch.cat([w.slope + rows, rise + rows], -1)
    gen_low, gen_high = _ramped(w, day, output)
    low, high = torch.cat([gen_low, low + rows], -1), torch.cat([gen_high, high + rows], -1)
    output, price = _cleared(cost, rise, low, high, day.need, w.own)
    output = _relieved(w, day, output, cost, rise, low, high)
    counts = day.counts[..., None]
    discharge, charge = output[..., sources : sources + stores] * counts, output[..., sources + stores :] * counts
    gain = -charge * w.charge_eff - discharge / w.discharge_eff
    after = stored[:, None] + gain.cumsum(1)  # hours are forecast one by one
    hour = torch.arange(HOURS, dtype=torch.float32)[:, None]
    price = price.clamp(-1, HIGHEST) @ w.part[w.stores].T
    sign, _, _ = _congestion(w, output @ w.reach + day.load_flow)
    return Plan(
        after=after,
        full=torch.where(after > w.store_max, hour, float(HOURS)).amin(1),
        empty=torch.where(after < w.store_min, hour, float(HOURS)).amin(1),
        power=discharge / w.discharge_max + charge / w.charge_max,
        price=torch.where(counts > 0, price, day.price[..., sources:]),
        sign=sign[..., sources:] * counts,
        output=output[..., :sources],
    )


def _ramped(wiring: Wiring, day: Day, output: Tensor) -> tuple[Tensor, Tensor]:
    """Limits (B, H, G) of each hour's output by that of the hour before, (B, H, G), and by what runs now."""
    before = torch.cat([day.before[:, None], output[:, :-1]], 1)
    high = torch.minimum(day.high, before + wiring.hourly_rise)
    return torch.maximum(day.low, before - wiring.hourly_fall).minimum(high), high


def critical_value(wiring: Wiring, day: Day, stored: Tensor) -> tuple[Tensor, Tensor]:
    """The value of a stored MWh at which a store would fill up as soon as it would empty.

    As long as a store hits neither its top nor its bottom, its energy is worth the same in every hour. At too high a
    value it fills up first, at too low a value it empties first; where neither happens within the day, its energy is
    worth what the episode's end or else the mean hour pays. All stores are bisected at once.

    Returns:
        Values (B, S), and the output (B, H, G) of the last plan.
    """
    prices = day.price[..., len(wiring.sources) :]
    low, high = prices.amin(1) - MARGIN, prices.amax(1) + MARGIN
    ends = day.counts.sum(1, keepdim=True) < HOURS
    neither = torch.where(ends, wiring.end_price, prices.mean(1))
    output = day.output
    for _ in range(BISECTIONS):
        value = (low + high) / 2
        plan = planned_day(wiring, day, value, LEAST_SPREAD, LEAST_SLOPE, stored, output)
        output = plan.output
        lower = (plan.full < plan.empty) | ((plan.full == plan.empty) & (value > neither))
        low, high = torch.where(lower, low, value), torch.where(lower, value, high)
    return (low + high) / 2, output


def around(wiring: Wiring, day: Day, value: Tensor, stored: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """What a little more and a little less than the critical value would lead to.

    Returns:
        Features (S, B, ·), and the change of the critical value for each unit more that is stored (B, S).
    """
    w = wiring
    more, less = (
        planned_day(w, day, value + way * NUDGE, LEAST_SPREAD, LEAST_SLOPE, stored, output) for way in (1, -1)
    )
    hit = torch.minimum(more.full, less.empty).minimum(more.empty).minimum(less.full)
    hour = hit.long().clamp(max=HOURS - 1)[:, None]
    gain = (more.after - less.after).gather(1, hour)[:, 0] / (2 * NUDGE)
    answer = torch.where(hit < HOURS, -1.0 / torch.maximum(gain, LEAST_GAIN * w.discharge_max), 0.0)
    shown, parts = list(SEEN_H), []
    for plan in (more, less):
        level = ((plan.after - w.store_min) / (w.store_max - w.store_min).clamp(min=1e-3)).clamp(-2, 3)
        first = [(plan.empty - plan.full).sign(), plan.full / HOURS, plan.empty / HOURS, level.amax(1), level.amin(1)]
        parts += [torch.stack(first, 1), level[:, list(STORED_H)], plan.power[:, shown]]
    price = (less.price - value[:, None])[:, shown].clamp(-2, 2)
    mean = day.price[..., len(w.sources) :].mean(1)
    own = torch.stack([value - mean, value - w.end_price, (answer * w.store_max).clamp(min=-3)], 1)
    features = torch.cat([*parts, price, less.sign[:, shown].clamp(-2, 2), own], 1)
    return features.permute(2, 0, 1), answer


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
    cost, slope, low, high = (
        each.expand(batch, hours, units).reshape(batch * hours, units) for each in (cost, slope, low, high)
    )
    output, price = clear(cost, slope, low, high, need.reshape(batch * hours, -1), own, ROUNDS)
    return output.view(batch, hours, units), price.view(batch, hours, -1)


def _relieved(
    wiring: Wiring, day: Day, output: Tensor, cost: Tensor, slope: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """The output (B, H, U) after a few moves in the hours whose lines it would overload."""
    w = wiring
    flow = output @ w.reach + day.load_flow
    hours = ((flow.abs() > w.capacity + TOLERANCE_PU).any(-1) & (day.counts > 0)).nonzero(as_tuple=True)
    if not len(hours[0]):
        return output
    some, cost, slope, low, high = (each.expand(output.shape)[hours] for each in (output, cost, slope, low, high))
    lines = (w.capacity, w.reach, w.joined, w.overload)
    better = relieve(some, flow[hours], cost, slope, low, high, *lines, MOVES)
    return output.index_put(hours, better)


def _congestion(wiring: Wiring, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How much each unit loads the lines that are overloaded, as shares and weighed, (B, H, G + S), and the flows."""
    over = (flow.abs() - wiring.capacity).clamp(min=0)
    way = torch.where(flow < 0, -1.0, 1.0)
    return (way * (over > 1e-5)) @ wiring.shift.T, (way * over) @ wiring.shift.T, flow
