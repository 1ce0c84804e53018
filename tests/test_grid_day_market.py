"""The cleared step: least cost inside the limits, as a linear programme finds it; and the gradient of the solution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policies.planner.clearing import clear
from policies.planner.day import plan_day
from policies.planner.grid_constants import Wiring
from policies.planner.market import LEAST_RISE, Network, relieve, share
from policies.planner.plan import HOURS
from scipy.optimize import linprog

from envs import EnvConfig, GridBatch
from envs.observations import unit_mw
from grid.costs import Prices, generation, overload_mw
from grid.physics.flow import flows


def batch_of(topology, steps=0, size=6, **fields):
    """A batch in the middle of an episode, its observation as tensors, and its wiring."""
    own = {"observation": "graph", "action": "absolute", "redispatch_moves": 0, "forecast_h": tuple(range(1, HOURS))}
    batch = GridBatch(EnvConfig(topology=topology, **own | fields), size, seed=5)
    seen = batch.reset()
    for _ in range(steps):
        seen, *_ = batch.step(np.zeros((size, *batch.action_space.shape)))
    return batch, {name: torch.as_tensor(part) for name, part in seen.items()}, Wiring(batch.arrays, batch.config)


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
    batch, observation, wiring = batch_of(topology, size=24)
    arrays, unit, sources = batch.arrays, unit_mw(batch.arrays), len(wiring.sources)
    idle = batch.action_map.merit_setpoint(batch.limits, batch.inputs).gen_mw
    other = -batch.inputs.load_mw
    best = batch.action_map.redispatch.moves(idle, other, batch.limits, 60)
    own = lambda mw: np.ascontiguousarray(mw[:, arrays.is_source] / unit)  # noqa: E731 # a shorthand
    low, high, output = own(batch.limits.gen_lo_mw), own(batch.limits.gen_hi_mw), own(idle)
    network = wiring.network._replace(part=wiring.network.part[:sources], reach=wiring.network.reach[:sources].copy())
    load_flow = (wiring.offset - observation["nodes"][..., 0] @ wiring.flow).double().numpy()
    fleet = wiring.fleet
    for b in range(len(output)):
        rise = np.maximum(fleet.rise, LEAST_RISE / np.maximum(high[b] - low[b], 1e-3))
        flow = output[b] @ network.reach + load_flow[b]
        relieve(fleet.cost, rise, low[b], high[b], network, 60, output[b], flow)
        np.testing.assert_allclose(flow, output[b] @ network.reach + load_flow[b], atol=1e-9)
    ours = idle.copy()
    ours[:, arrays.is_source] = output * unit

    def cost(gen_mw):
        over = overload_mw(arrays, flows(arrays, gen_mw + other)).sum(-1)
        return generation(arrays, gen_mw, 1.0) + Prices().overload_per_mwh * over

    before, theirs, found = cost(idle), cost(best), cost(ours)
    assert (theirs < 0.99 * before).any()
    np.testing.assert_allclose(ours.sum(1), idle.sum(1), rtol=1e-5)
    assert (found <= before * (1 + 1e-4)).all()
    np.testing.assert_allclose(found, theirs, rtol=5e-3)


def bids_of(wiring, observation, seed):
    """Random bids (B, U), steep enough that the least cost is at one point, and the limits of idle units."""
    rng = np.random.default_rng(seed)
    rows, sources, stores = len(observation["nodes"]), len(wiring.sources), len(wiring.stores)
    tensor = lambda *parts: torch.as_tensor(np.concatenate(parts, 1)).float()  # noqa: E731 # a shorthand
    none = np.zeros((rows, stores))
    low = tensor(np.zeros((rows, sources)), none, none - wiring.charge_max.numpy())
    high = tensor(observation["nodes"][:, wiring.sources, 1].numpy(), none + wiring.discharge_max.numpy(), none)
    cost = tensor(wiring.cost.numpy() + rng.uniform(0, 0.1, (rows, sources)), rng.uniform(0.3, 1.4, (rows, 2 * stores)))
    return cost, tensor(rng.uniform(0.3, 1.3, cost.shape)), low, high


@pytest.mark.parametrize("topology", ["case14", "gen:30:4", "gen:24:9", "gen:40:90006", "gen:100:71021", "case118"])
def test_the_cleared_step_costs_what_a_linear_programme_finds(topology):
    _, seen, wiring = batch_of(topology, 3)
    cost, rise, low, high = bids_of(wiring, seen, 1)
    day = plan_day(wiring, seen)
    output = clear(wiring, cost, rise, low, high, day).double().numpy()
    cost, rise, low, high, need, load_flow = (
        each.double().numpy() for each in (cost, rise, low, high, day.need, day.load_flow)
    )
    network: Network = wiring.network
    pieces, lines = 64, len(network.capacity)
    for b in range(len(output)):
        width = (high - low)[b] / pieces
        middle = low[b][:, None] + (np.arange(pieces) + 0.5) * width[:, None]
        price = cost[b][:, None] + rise[b][:, None] * middle
        flow = load_flow[b] + low[b] @ network.reach
        reach = np.repeat(network.reach.T, pieces, 1)
        over, none = np.eye(lines), np.zeros((lines, lines))
        limits = np.block([[reach, -over, none], [-reach, none, -over]])
        balance = np.hstack([np.ones((1, price.size)), np.zeros((1, 2 * lines))])
        best = linprog(
            np.concatenate([price.ravel(), np.full(2 * lines, network.overload)]),
            A_ub=limits,
            b_ub=np.concatenate([network.capacity - flow, network.capacity + flow]),
            A_eq=balance,
            b_eq=[need[b].sum() - low[b].sum()],
            bounds=[(0, each) for each in np.repeat(width, pieces)] + [(0, None)] * 2 * lines,
        )
        paid = lambda power, b=b: float((cost[b] * power + rise[b] * power**2 / 2).sum())  # noqa: E731 # a shorthand
        excess = np.abs(load_flow[b] + output[b] @ network.reach) - network.capacity
        mine = paid(output[b]) - paid(low[b]) + network.overload * np.maximum(excess, 0).sum()
        assert mine <= best.fun + 5e-3 * abs(best.fun) + 5e-3


@pytest.mark.parametrize("topology", ["case14", "gen:40:90006"])
def test_outputs_answer_to_bids_and_limits_as_finite_differences_say(topology):
    _, seen, wiring = batch_of(topology, 3, size=48)
    cost, rise, low, high = bids_of(wiring, seen, 2)
    day, rng = plan_day(wiring, seen), np.random.default_rng(0)
    aim, way = (torch.as_tensor(rng.normal(size=cost.shape)).float() for _ in range(2))
    step, lines_full = 1e-3, 0
    for place, scale in ((0, 0.1), (1, 0.1), (3, 0.1)):
        parts = [cost, rise, low, high]
        parts[place] = parts[place].clone().requires_grad_()
        (gradient,) = torch.autograd.grad((clear(wiring, *parts, day) * aim).sum(), parts[place])
        sides = []
        for sign in (1, -1):
            parts[place] = parts[place].detach() + sign * step * scale * way
            sides.append((clear(wiring, *parts, day).double() * aim).sum(1))
            parts[place] = [cost, rise, low, high][place]
        found, told = (sides[0] - sides[1]) / (2 * step), (gradient * scale * way).sum(1)
        off = (found - told).abs()
        assert told.abs().median() > 0.01
        assert off.median() < 0.05 * told.abs().median()  # a few rows stand at a kink
        assert off.quantile(0.8) < 0.2 * told.abs().median()
        flow = clear(wiring, cost, rise, low, high, day) @ wiring.reach + day.load_flow
        lines_full += int(((flow.abs() - wiring.capacity).abs() < 1e-5).sum())
    assert lines_full > 0
