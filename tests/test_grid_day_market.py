"""The cleared step: least cost inside the limits, as a linear programme finds it; and the gradient of the solution."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from days import batch_of, plan_of, steep
from grid.costs import Prices, overload_mw
from grid.physics.flow import flows
from grid.physics.step import Limits
from grid.planning.day import clear
from grid.planning.day.clearing import MOVES, offers
from grid.planning.day.constants import constants_of
from grid.planning.day.market import LEAST_RISE, dispatch, relieve, share
from slow_cases import slow


@st.composite
def markets(draw):
    """A few units in one or two parts, each with limits around what it might give, and a need for each part."""
    units, parts = draw(st.integers(2, 6)), draw(st.integers(1, 2))
    numbers = lambda low, high, size: np.array(draw(st.lists(st.floats(low, high), min_size=size, max_size=size)))  # noqa: E731
    low = numbers(-1, 0.5, units)
    high = low + numbers(0, 2, units)
    part = np.arange(units) % parts
    frac = numbers(-0.25, 1.25, parts)
    sums = [np.bincount(part, each, parts) for each in (low, high)]
    need = sums[0] + frac * (sums[1] - sums[0])
    return numbers(-1, 3, units), numbers(LEAST_RISE, 1, units), low, high, part, need


@settings(max_examples=200, deadline=None)
@given(markets())
def test_shared_units_meet_the_need_at_one_price(market):
    cost, rise, low, high, part, need = market
    output, price = np.empty(len(cost)), np.empty(len(need))
    share(cost, rise, low, high, part, need, output, price)
    assert (output >= low).all()
    assert (output <= high).all()
    least, most = (np.bincount(part, each, len(need)) for each in (low, high))
    np.testing.assert_allclose(np.bincount(part, output, len(need)), np.clip(need, least, most), atol=1e-6)
    # the conditions of an optimum: who could give more is no cheaper than the price, who could give less no dearer
    marginal, at = cost + rise * output, price[part]
    inside = ((need > least + 1e-6) & (need < most - 1e-6))[part]
    assert (marginal >= at - 1e-5)[inside & (output < high - 1e-9)].all()
    assert (marginal <= at + 1e-5)[inside & (output > low + 1e-9)].all()


@pytest.mark.parametrize("topology", ["case14", "gen:30:4", "gen:24:9"])
def test_moves_reach_what_the_redispatch_of_the_env_reaches(topology):
    """Two programs with the same idea: this one row by row among any units, the env's batched and among sources."""
    batch = batch_of(topology, size=24)
    arrays, unit, c = batch.arrays, batch.arrays.unit_mw, constants_of(batch.arrays, batch.prices)
    sources, fleet = len(c.sources), c.fleet
    idle = batch.action_map.merit_setpoint(batch.limits, batch.inputs).gen_mw
    other = -batch.inputs.load_mw
    best = batch.action_map.redispatch.moves(idle, other, batch.limits, 60)
    own = lambda mw: np.ascontiguousarray(mw[:, arrays.is_source] / unit)  # noqa: E731 # a shorthand
    low, high, output = own(batch.limits.gen_lo_mw), own(batch.limits.gen_hi_mw), own(idle)
    network = c.network._replace(part=c.network.part[:sources], reach=c.network.reach[:sources].copy())
    load_flow = c.offset + other / unit @ c.flow
    for b in range(len(output)):
        rise = np.maximum(fleet.rise, LEAST_RISE / np.maximum(high[b] - low[b], 1e-3))
        flow = output[b] @ network.reach + load_flow[b]
        relieve(fleet.cost, rise, low[b], high[b], network, 60, output[b], flow)
        np.testing.assert_allclose(flow, output[b] @ network.reach + load_flow[b], atol=1e-9)
    ours = idle.copy()
    ours[:, arrays.is_source] = output * unit

    def cost(gen_mw):
        over = overload_mw(arrays, flows(arrays, gen_mw + other)).sum(-1)
        generation = gen_mw @ arrays.gen_cost_per_mwh + gen_mw**2 @ arrays.gen_cost_per_mw2h
        return generation + Prices().overload_per_mwh * over

    before, theirs, found = cost(idle), cost(best), cost(ours)
    assert (theirs < 0.99 * before).any()
    np.testing.assert_allclose(ours.sum(1), idle.sum(1), rtol=1e-5)
    assert (found <= before * (1 + 1e-4)).all()
    np.testing.assert_allclose(found, theirs, rtol=5e-3)


def paid(network, cost, rise, output, load_flow):
    """What an output (U,) costs by its bids and overloads."""
    excess = np.abs(load_flow + output @ network.reach) - network.capacity
    return (cost * output + rise * output**2 / 2).sum() + network.overload * np.maximum(excess, 0).sum()


def least_paid(network, cost, rise, low, high, need, load_flow, pieces=64):
    """The least that meets the need of each part, by a linear programme with each bid in pieces."""
    width, lines, parts = (high - low) / pieces, len(network.capacity), len(need)
    middle = low[:, None] + (np.arange(pieces) + 0.5) * width[:, None]
    price = cost[:, None] + rise[:, None] * middle
    flow = load_flow + low @ network.reach
    reach = np.repeat(network.reach.T, pieces, 1)
    over, none = np.eye(lines), np.zeros((lines, lines))
    own = np.repeat(np.eye(parts)[:, network.part], pieces, 1)
    best = linprog(
        np.concatenate([price.ravel(), np.full(2 * lines, network.overload)]),
        A_ub=np.block([[reach, -over, none], [-reach, none, -over]]),
        b_ub=np.concatenate([network.capacity - flow, network.capacity + flow]),
        A_eq=np.hstack([own, np.zeros((parts, 2 * lines))]),
        b_eq=need - np.bincount(network.part, low, parts),
        bounds=[(0, each) for each in np.repeat(width, pieces)] + [(0, None)] * 2 * lines,
    )
    return best.fun + (cost * low + rise * low**2 / 2).sum()


def market_of(batch):
    """The constants of a batch's grid, its demand (B, P), and the flow of demand alone (B, L)."""
    c, load = constants_of(batch.arrays, batch.prices), batch.inputs.load_mw / batch.arrays.unit_mw
    return c, load @ c.part, c.offset - load @ c.flow


TOPOLOGIES = ["case14", "gen:30:4", "gen:24:9", "gen:40:90006", *slow("gen:100:71021", "case118")]


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_what_random_bids_dispatch_costs_what_a_linear_programme_finds(topology):
    """Bids so steep that the least cost is at one point."""
    batch, rng = batch_of(topology, 3), np.random.default_rng(1)
    c, need, load_flow = market_of(batch)
    rows, sources, stores = len(need), len(c.sources), len(c.stores)
    none = np.zeros((rows, stores))
    low = np.concatenate([np.zeros((rows, sources)), none, none - c.fleet.charge_max], 1)
    most = batch.limits.gen_hi_mw[:, c.sources] / batch.arrays.unit_mw
    high = np.concatenate([most, none + c.fleet.discharge_max, none], 1)
    sides = rng.uniform(0.3, 1.4, (rows, 2 * stores))
    cost = np.concatenate([c.fleet.cost + rng.uniform(0, 0.1, (rows, sources)), sides], 1)
    rise, day = rng.uniform(0.3, 1.3, cost.shape), plan_of(batch)
    line_price, near = day.line_price[:, 0].copy(), day.output[:, 0].copy()
    output, full = np.empty(cost.shape), np.empty(load_flow.shape)
    own = c.network.part[None], c.network.reach[None], np.zeros(len(need), np.int64)
    dispatch(cost, rise, low, high, need, load_flow, c.network, *own, line_price, near, MOVES, output, full)
    for b in range(0, rows, 3):  # a programme takes long
        bids = cost[b], rise[b]
        best = least_paid(c.network, *bids, low[b], high[b], need[b], load_flow[b])
        found = paid(c.network, *bids, output[b], load_flow[b])
        base = paid(c.network, *bids, low[b], np.zeros_like(load_flow[b]))
        assert found <= best + 5e-3 * abs(best - base) + 5e-3


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_cleared_step_costs_what_a_linear_programme_finds(topology):
    """By the prices that units offer at, shifted at random; pairs of units that move may stop a little short of it."""
    batch, rng = batch_of(topology, 3, size=2), np.random.default_rng(1)
    c, need, load_flow = market_of(batch)
    day, now, unit = plan_of(batch), batch.limits, batch.arrays.unit_mw
    shift = rng.uniform(-0.25, 0.25, (len(need), len(batch.arrays.controllable)))
    units = np.searchsorted(batch.arrays.controllable, np.concatenate([c.sources, c.stores]))
    cost, rise = offers(day, c, ..., shift[:, units], now.store_mwh[:, c.stores] / unit)
    idle = np.zeros((len(need), len(c.stores)))
    gen_lo, gen_hi = (mw[:, c.sources] / unit for mw in (now.gen_lo_mw, now.gen_hi_mw))
    least, most = (mw[:, c.stores] / unit for mw in (now.store_lo_mw, now.store_hi_mw))
    low, high = np.concatenate([gen_lo, idle, least], 1), np.concatenate([gen_hi, most, idle], 1)
    rise = np.maximum(rise, LEAST_RISE / np.maximum(high - low, 1e-3))
    asked, sources = clear(day, shift, now, batch.inputs), len(c.sources)
    gives = asked.store_mw[:, c.stores] / unit
    output = np.concatenate([asked.gen_mw[:, c.sources] / unit, np.maximum(gives, 0), np.minimum(gives, 0)], 1)
    assert (output >= low - 1e-9).all()
    assert (output <= high + 1e-9).all()
    np.testing.assert_allclose(output.sum(1), need.sum(1), atol=1e-5)
    assert not asked.gen_mw[:, ~batch.arrays.is_source].any()
    assert not asked.store_mw[:, ~batch.arrays.is_store].any()
    assert np.abs(output[:, sources:]).max() > 0.1
    dearer_frac = []
    for b in range(len(need)):
        bids = cost[b], rise[b]
        best = least_paid(c.network, *bids, low[b], high[b], need[b], load_flow[b])
        dearer_frac.append((paid(c.network, *bids, output[b], load_flow[b]) - best) / abs(best))
    assert max(dearer_frac) < 0.02
    assert np.mean(dearer_frac) < 0.006


def tensors_of(now):
    """Limits in torch, without outages."""
    names = ("gen_lo_mw", "gen_hi_mw", "store_lo_mw", "store_hi_mw", "store_mwh")
    return Limits(**{name: torch.as_tensor(getattr(now, name).copy()) for name in names})


@pytest.mark.parametrize("topology", ["case14", "gen:40:90006"])
@pytest.mark.parametrize("what", ["shift", "gen_hi_mw", "store_hi_mw", "store_mwh"])
def test_outputs_answer_to_bids_and_limits_as_finite_differences_say(topology, what):
    """Stored energy by another plan, which values it otherwise."""
    batch, rng = batch_of(steep(topology), 3, size=48), np.random.default_rng(0)
    day, now, a = plan_of(batch), tensors_of(batch.limits), batch.arrays
    shift = torch.as_tensor(rng.uniform(-0.2, 0.2, (48, len(a.controllable))))
    scale = 0.1 if what == "shift" else 0.1 * a.unit_mw
    given = shift if what == "shift" else getattr(now, what)
    way = torch.as_tensor(rng.normal(size=given.shape))
    aim = torch.as_tensor(rng.normal(size=(2, 48, len(a.node_names))))

    def aimed(value, day):
        moved = now if what == "shift" else dataclasses.replace(now, **{what: value})
        cleared = clear(day, value if what == "shift" else shift, moved, batch.inputs)
        return (cleared.gen_mw * aim[0] + cleared.store_mw * aim[1]).sum(1) / a.unit_mw

    def planned(store_mwh):
        return plan_of(batch, now=dataclasses.replace(batch.limits, store_mwh=store_mwh.numpy()))

    leaf, step = given.clone().requires_grad_(), 1e-3
    (gradient,) = torch.autograd.grad(aimed(leaf, day).sum(), leaf)
    values = [given + sign * step * scale * way for sign in (1, -1)]
    sides = [aimed(value, planned(value) if what == "store_mwh" else day).detach() for value in values]
    found, told = (sides[0] - sides[1]) / (2 * step), (gradient * scale * way).sum(1)
    off, size = (found - told).abs(), told.square().mean().sqrt()
    assert size > 0.01
    assert off.median() < 0.02 * size
    assert off.quantile(0.8) < 0.1 * size  # some rows stand at a kink, where a line is full or a unit at its limit


def test_the_gradient_is_tried_where_lines_are_full():
    batch = batch_of("case14", 3, size=48)
    day, (c, _, load_flow) = plan_of(batch), market_of(batch)
    asked = clear(day, np.zeros((48, len(batch.arrays.controllable))), batch.limits, batch.inputs)
    injection = (asked.gen_mw + asked.store_mw) / batch.arrays.unit_mw
    assert (np.abs(np.abs(injection @ c.flow + load_flow) - c.network.capacity) < 1e-5).any()


def test_torch_clears_what_numpy_clears():
    batch = batch_of("case14", 3)
    shift = np.random.default_rng(0).uniform(-0.2, 0.2, (6, len(batch.arrays.controllable)))
    day = plan_of(batch)
    ours = clear(day, shift, batch.limits, batch.inputs)
    theirs = clear(day, torch.as_tensor(shift), tensors_of(batch.limits), batch.inputs)
    np.testing.assert_array_equal(ours.gen_mw, theirs.gen_mw)
    np.testing.assert_array_equal(ours.store_mw, theirs.store_mw)
