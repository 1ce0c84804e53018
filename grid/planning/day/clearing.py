"""Clearing: the coming step as a market clears it, and how its outputs respond to bids and limits.

Sources offer at marginal cost, stores at the value that the plan gives their energy; shifts are added to these prices.
The step takes the least cost of all bids, of overloads, and of curtailment where a part must generate more than it
needs, within the limits of units. On arrays other than numpy's (torch tensors) the result carries the gradient of the
solution, by the conditions that hold at it: a unit between its limits moves with its bid, as the balance of its part
and the lines that are full let it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grid.namespace import constant, namespace
from grid.physics import Limits
from grid.planning.day.constants import Constants
from grid.planning.day.market import LEAST_RISE, dispatch
from grid.planning.day.planner import Day
from grid.planning.day.security import Security, secure
from grid.planning.day.statuses import Statuses
from grid.state import Array, Inputs, Setpoint

HOLD = 2.0  # rise of a source's price over its range, in parts of what its output now costs later by ramps
SLOPE = 0.5  # rise of a store's price from nothing to full power
MOST_RESPONSE = 1.0  # of a value to a unit of energy more, in its gradient
MOVES = 200  # of output between units; it ends before where nothing more is saved
AT_LIMIT_PU = 1e-6
RIDGE = 1e-6  # where more rows bind than units are free


def clear(day: Day, shift: Array, now: Limits, inputs: Inputs, security: Security | None = None) -> Setpoint:
    """Clear the coming step of B rows.

    Args:
        day: the plan of the rows.
        shift: (B, A) what is added to the price of each source and to the value of each store's energy, in parts of
            the typical price. Where plants start and stop, (B, A + K): the rest is added to the value of being on, see
            ``Starts.limits``.
        now: (B, N) limits of the step.
        inputs: (B, N) of the step.
        security: what outages of single lines count; None: nothing. With it there is no gradient.

    Returns:
        (B, N) output of sources, power of stores and, where plants start and stop, what is on.
    """
    xp, c = namespace(shift), day.constants
    inputs = inputs if day.correction is None else day.correction.inputs(inputs)
    units = np.concatenate([c.sources, c.stores])
    if day.starts is not None:
        now = day.starts.limits(now, shift[:, len(units) :])
    shift = shift[:, np.searchsorted(np.sort(units), units)]
    cleared = [_clear(day, status, own, shift, now, inputs, security) for own, status in day.groups]
    if len(cleared) == 1:
        output = cleared[0]
    else:
        back = np.argsort(np.concatenate([own for own, _ in day.groups]))
        output = xp.concat(cleared)[back]
    sources, stores = len(c.sources), len(c.stores)
    store = output[:, sources : sources + stores] + output[:, sources + stores :]
    power_mw = xp.concat([output[:, :sources], store, xp.zeros_like(output[:, :1])], axis=1) * c.unit_mw
    place = np.full((2, len(c.node_part)), sources + stores)  # of each node's source and store among them
    place[0, c.sources], place[1, c.stores] = np.arange(sources), sources + np.arange(stores)
    return Setpoint(power_mw[:, place[0]], power_mw[:, place[1]], on=None if day.starts is None else now.on)


def offers(day: Day, c: Constants, own: Any, shift: Array, stored: Array) -> tuple[Array, Array]:
    """(b, U) price of each unit at output 0, and its rise with output, for rows of a plan and what they have stored."""
    xp, fleet = namespace(shift), c.fleet
    output, ramp, value = (xp.asarray(each[own]) for each in (day.output[:, 0], day.ramp_price, day.value[:, 0]))
    sources = len(c.sources)
    change = (stored - xp.asarray(constant(stored)))[..., None]  # 0, with a gradient
    value_slope = xp.asarray(np.clip(day.value_slope[own], -MOST_RESPONSE, MOST_RESPONSE))
    value = value + (value_slope @ change)[..., 0] + shift[:, sources:]
    planned = output[:, sources:] + (xp.asarray(day.power_slope[own]) @ change)[..., 0]
    rise = np.tile(SLOPE, 2 * len(c.stores)) / np.maximum(np.concatenate([fleet.discharge_max, fleet.charge_max]), 1e-6)
    rise = xp.zeros_like(planned) + xp.asarray(rise)
    price = xp.concat(
        [value / xp.asarray(fleet.discharge_eff) + fleet.wear, value * xp.asarray(fleet.charge_eff)], axis=1
    )
    hold = HOLD * xp.abs(ramp) / xp.asarray(np.maximum(c.gen_max, 1e-6))
    offered = xp.asarray(fleet.cost) + ramp - hold * output[:, :sources] + shift[:, :sources]
    cost = xp.concat([offered, price - rise * planned], axis=1)
    return cost, xp.concat([xp.asarray(fleet.rise) + hold, rise], axis=1)


def _clear(
    day: Day, status: Statuses, own: Any, shift: Array, now: Limits, inputs: Inputs, security: Security | None
) -> Array:
    """(b, U) output of rows that are in as many connected parts."""
    c = status.constants[0]
    coming, state = status.coming()
    part, belongs, unit_part, reaches = (
        np.stack(each) for each in zip(*((w.part, w.own, w.market.part, w.market.reach) for w in coming), strict=True)
    )
    xp, unit_mw, sources = namespace(shift), c.unit_mw, len(c.sources)
    load = constant(inputs.load_mw[own]) / unit_mw
    need, load_flow = (load[:, None] @ part[state])[:, 0], status.now(lambda w, at: w.offset - load[at] @ w.flow)
    low, high = (mw[own][:, c.sources] / unit_mw for mw in (now.gen_lo_mw, now.gen_hi_mw))
    least, most = (mw[own][:, c.stores] / unit_mw for mw in (now.store_lo_mw, now.store_hi_mw))
    stored = now.store_mwh[own][:, c.stores] / unit_mw
    if day.correction is not None:
        load_flow += day.correction.extra_mw[own][:, c.limited] / unit_mw
    cost, rise = offers(day, c, own, shift[own], stored)
    must = (belongs[state, :, :sources] @ constant(low)[..., None])[..., 0]
    surplus = np.maximum(must - need, 0.0)  # (b, P) that a part must curtail
    none, idle = xp.asarray(np.zeros(surplus.shape)), xp.zeros_like(most)
    cost, rise = xp.concat([cost, none - c.fleet.spill], axis=1), xp.concat([rise, none], axis=1)
    low = xp.concat([low, idle, least, xp.asarray(-surplus)], axis=1)
    high = xp.concat([high, most, idle, none], axis=1)
    rise = xp.maximum(rise, xp.asarray(LEAST_RISE / np.maximum(constant(high) - constant(low), 1e-3)))
    near = np.concatenate([day.output[own][:, 0], np.zeros(surplus.shape)], axis=1)
    output, full = np.zeros(near.shape), np.zeros(load_flow.shape)
    bids = [np.ascontiguousarray(constant(each)) for each in (cost, rise, low, high)]
    line_price = np.ascontiguousarray(day.line_price[own][:, 0])
    dispatch(*bids, need, load_flow, c.market, unit_part, reaches, state, line_price, near, MOVES, output, full)
    if security is not None:
        secure(security, own, coming, state, (*bids, need, load_flow), line_price, MOVES, output)
    cleared = xp.asarray(output)
    if not isinstance(cleared, np.ndarray):
        cleared = cleared + _response(belongs, reaches, state, cost + rise * cleared, rise, low, high, output, full)
    return cleared[:, : near.shape[1] - surplus.shape[1]]


def _response(
    belongs: np.ndarray,
    reaches: np.ndarray,
    state: np.ndarray,
    price: Array,
    rise: Array,
    low: Array,
    high: Array,
    output: np.ndarray,
    full: np.ndarray,
) -> Array:
    """(b, U + P) zero, with the gradient of the output."""
    xp = namespace(price)
    lowest, highest = constant(low), constant(high)
    at_high = output >= highest - AT_LIMIT_PU
    at_low = ~at_high & (output <= lowest + AT_LIMIT_PU)
    give = np.where(at_high | at_low, 0.0, 1 / constant(rise))
    most = int((full != 0).sum(1).max(initial=0))
    line = np.argsort(-np.abs(full), axis=1, kind="stable")[:, :most]
    is_full = np.take_along_axis(np.abs(full), line, axis=1)
    at_lines = reaches[state[:, None], :, line] * is_full[..., None]
    rows = np.concatenate([belongs[state], at_lines], axis=1)
    normal = (rows * give[:, None]) @ rows.swapaxes(1, 2)
    scale = np.maximum(normal.diagonal(axis1=1, axis2=2).max(1), 1e-6)
    normal = normal + RIDGE * scale[:, None, None] * np.eye(rows.shape[1])
    held = rows.swapaxes(1, 2) @ np.linalg.solve(normal, rows)  # (b, U + P, U + P) what balance and lines take back
    at = xp.asarray(at_high), xp.asarray(at_low)
    moved = xp.where(at[0], high - xp.asarray(highest), xp.where(at[1], low - xp.asarray(lowest), 0.0))
    pushed = moved - xp.asarray(give) * (price - xp.asarray(constant(price)))
    return pushed - xp.asarray(give) * (xp.asarray(held) @ pushed[..., None])[..., 0]
