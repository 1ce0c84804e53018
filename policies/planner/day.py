"""Foresight: from an observation to the day ahead and its plan.

Nothing here is learned and nothing carries a gradient but the answers to stored energy: it is what the network sees
beside the observation. Symbols as in ``policies.planner.grid_constants``; B rows, H hours from now to a day ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from policies.planner.grid_constants import Wiring
from policies.planner.outages import statuses_ahead
from policies.planner.plan import HOURS, SPANS_H, plan_days
from policies.planner.programme import Plans

LEAST_KEEP = 1e-3  # share of energy that is left after an hour: with less, next to nothing is left after a step
ENOUGH = 1e-4 + 2.5e-4 * (np.cumsum(SPANS_H) - 1)  # to which each period of a plan is worked out


@dataclass(frozen=True, eq=False)
class Day:
    """The coming day by the forecasts, and the plan for it; 0 where the episode has ended."""

    offer: Tensor  # (B, H, G) limits of output; ramps count in the coming hour alone
    net: Tensor  # (B, H) demand less weather, per peak output
    need: Tensor  # (B, P) now
    load_flow: Tensor  # (B, L) now, flow by demand and phase shifters alone
    output: Tensor  # (B, H, G + 2S) planned
    energy: Tensor  # (B, H, S) planned, at the end of each hour
    value: Tensor  # (B, H, S) of stored energy
    price: Tensor  # (B, H, G + S) of power at each unit, that of its part and of the lines
    toll: Tensor  # (B, H, L) price of a line, signed as the flow that fills it
    flow: Tensor  # (B, H, L) planned
    tilt: Tensor  # (B, G) what output now costs the next hours by ramps
    value_answer: Tensor  # (B, S, S) change of the first value for each unit more that is stored
    power_answer: Tensor  # (B, 2S, S) and of the stores' first output


def steps_left(wiring: Wiring, globals_: Tensor) -> Tensor:
    """(B,) of the episode."""
    return (globals_[:, 2] * wiring.horizon).round()


def hours_left(wiring: Wiring, globals_: Tensor) -> Tensor:
    """(B,) of the episode."""
    return steps_left(wiring, globals_) * wiring.dt_h


def has_started(wiring: Wiring, globals_: Tensor) -> Tensor:
    """(B, 1) whether a step lies behind."""
    return (hours_left(wiring, globals_) < (wiring.horizon - 0.5) * wiring.dt_h)[:, None]


def plan_day(wiring: Wiring, observation: dict[str, Tensor]) -> Day:
    """The day ahead of an observation ``graph``."""
    w, nodes = wiring, observation["nodes"]
    leads = (nodes.shape[2] - 5) // 2
    now_too = torch.cat([w.lead.new_zeros(1), w.lead + 1])
    load = torch.cat([nodes[..., :1], nodes[..., 5 : 5 + leads]], -1)[..., now_too].transpose(1, 2)
    offer = torch.cat([nodes[..., 1:2], nodes[..., 5 + leads :]], -1)[:, w.sources][..., now_too].transpose(1, 2)
    load = load.double()  # so that what comes out does not depend on the order of the nodes
    statuses = statuses_ahead(w, observation, steps_left(w, observation["globals"]).long())
    need, load_flow = load @ w.part.double(), statuses.each(lambda w, at: w.offset - load[at] @ w.flow.double())
    left_h = hours_left(w, observation["globals"]).double().clamp(min=w.dt_h)
    started = has_started(w, observation["globals"])[:, 0]
    keep = np.maximum(w.fleet.hourly_keep, LEAST_KEEP)
    further = torch.from_numpy(keep ** (1 - w.dt_h)).float()  # losses of a step are already seen
    stored = w.store_min + (nodes[:, w.stores, 4] - w.store_min) * further
    seen = (left_h, offer, need, load_flow, nodes[:, w.sources, 2], started, stored)
    status = statuses.reaches, statuses.leads, numbers(statuses.hour)
    plans = plan_days(w.fleet, w.network, *map(numbers, seen), *status, SPANS_H, ENOUGH)  # type: ignore[call-arg] # mypy cannot count them
    output, energy, value, price, toll = (torch.from_numpy(each).float() for each in _by_hour(plans, seen[-1]))
    tilt, *answers = (torch.from_numpy(each).float() for each in plans[-3:])
    return Day(
        offer=offer,
        net=(need.sum(-1).float() - offer @ w.varying) / w.gen_max.sum().clamp(min=1e-6),
        need=need[:, 0].float(),
        load_flow=load_flow[:, 0].float(),
        output=output,
        energy=energy,
        value=value,
        price=price @ w.part[w.units].T - statuses.each(lambda w, at: toll[at] @ w.reach[: len(w.units)].T),
        toll=toll,
        flow=statuses.each(lambda w, at: output[at] @ w.reach) + load_flow.float(),
        tilt=tilt,
        value_answer=answers[0],
        power_answer=answers[1],
    )


def _by_hour(plans: Plans, stored: Tensor) -> tuple[np.ndarray, ...]:
    """Outputs, energies, values, prices and tolls, (B, H, ·) each, of plans in periods; 0 after the episode's end.

    Energy goes from what is stored (B, S), and from one period's end to the next, in a straight line.
    """
    hours = np.arange(HOURS)
    period = np.minimum((plans.ends_h[:, None] <= hours[:, None]).sum(2), plans.ends_h.shape[1] - 1)[..., None]
    planned = (hours < plans.ends_h[:, -1:])[..., None]
    begin_h = np.concatenate([np.zeros_like(plans.ends_h[:, :1]), plans.ends_h], axis=1)[..., None]
    start, end = (np.take_along_axis(begin_h, period + later, axis=1) for later in (0, 1))
    levels = np.concatenate([stored.double().numpy()[:, None], plans.energy], axis=1)
    before, after = (np.take_along_axis(levels, period + later, axis=1) for later in (0, 1))
    done = (hours[:, None] + 1 - start) / np.maximum(end - start, 1)
    output, value, price, toll = (
        np.take_along_axis(each, period, axis=1) * planned
        for each in (plans.output, plans.value, plans.price, plans.toll)
    )
    return output, (before + done * (after - before)) * planned, value, price, toll


def numbers(tensor: Tensor) -> np.ndarray:
    """The values as compiled functions take them, without a gradient: in double precision, and in one piece."""
    array = tensor.detach().numpy()
    return np.ascontiguousarray(array, np.float64 if array.dtype.kind == "f" else array.dtype)
