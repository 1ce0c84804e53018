"""The cleared step: least cost inside the limits, and no dearer with every move that relieves a line."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import EnvConfig, GridBatch
from envs.observations import unit_mw
from grid.costs import Prices, generation, overload_mw
from grid.flow import flows
from policies.clearing import clear, relieve
from policies.wiring import Wiring


def numbers(low, high, size):
    return st.lists(st.floats(low, high, width=32), min_size=size, max_size=size)


@st.composite
def markets(draw):
    """A few units in one or two parts, each with limits around what it might give, and a need for each part."""
    units, parts = draw(st.integers(2, 6)), draw(st.integers(1, 2))
    tensor = lambda low, high: torch.tensor([draw(numbers(low, high, units))])  # noqa: E731 # a shorthand
    low = tensor(-1, 0.5)
    high = low + tensor(0, 2)
    own = torch.zeros(parts, units)
    own[[k % parts for k in range(units)], range(units)] = 1
    share = torch.tensor([draw(numbers(-0.25, 1.25, parts))])
    need = (low @ own.T) + share * ((high - low) @ own.T)
    return tensor(-1, 3), tensor(0, 1), low, high, need, own


@settings(max_examples=200, deadline=None)
@given(markets())
def test_cleared_units_meet_the_need_at_one_price(market):
    cost, slope, low, high, need, own = market
    output, price = clear(cost, slope, low, high, need, own, 30)
    assert (output >= low * own.sum(0) - 1e-5).all()
    assert (output <= high * own.sum(0) + 1e-5).all()
    feasible = need.clamp(low @ own.T, high @ own.T)
    np.testing.assert_allclose(output @ own.T, feasible, atol=2e-3)
    # the conditions of an optimum: who could give more is no cheaper than the price, who could give less no dearer
    marginal, at = cost + slope * output, price @ own
    inside = ((need > low @ own.T + 1e-3) & (need < high @ own.T - 1e-3)).float() @ own > 0
    inside = inside & (high - low > 0.1)
    assert (marginal >= at - 3e-2)[inside & (output < high - 1e-2)].all()
    assert (marginal <= at + 3e-2)[inside & (output > low + 1e-2)].all()


def test_the_price_answers_to_a_bid_as_finite_differences_say():
    cost = torch.tensor([[0.2, 0.5, 0.9]], dtype=torch.double, requires_grad=True)
    slope, low = torch.tensor([[0.4, 0.3, 0.2]]).double(), torch.zeros(1, 3).double()
    market = (slope, low, low + 1, torch.tensor([[1.2]]).double(), torch.ones(1, 3).double())
    output, _ = clear(cost, *market, 40)
    (gradient,) = torch.autograd.grad(output[0, 0], cost)
    for unit in range(3):
        step = torch.zeros(1, 3).double()
        step[0, unit] = 1e-5
        sides = [clear(cost.detach() + way * step, *market, 60)[0][0, 0] for way in (1, -1)]
        np.testing.assert_allclose(gradient[0, unit], (sides[0] - sides[1]) / 2e-5, atol=1e-4)


@pytest.mark.parametrize("topology", ["case14", "gen:30:4", "gen:24:9"])
def test_moves_reach_what_the_redispatch_of_the_env_reaches(topology):
    """Two programs with the same idea: this one in single precision and among any units, the env's among sources."""
    batch = GridBatch(EnvConfig(topology=topology, observation="graph"), 24, seed=3)
    observation, arrays = batch.reset(), batch.arrays
    wiring, unit = Wiring(arrays, batch.config), unit_mw(arrays)
    sources = len(wiring.sources)
    idle = batch.action_map.merit_setpoint(batch.limits, batch.inputs).gen_mw
    other = -batch.inputs.load_mw
    best = batch.action_map.redispatch.moves(idle, other, batch.limits, 60)
    tensor = lambda mw: torch.as_tensor(mw[:, arrays.is_source] / unit).float()  # noqa: E731 # a shorthand
    low, high = tensor(batch.limits.gen_lo_mw), tensor(batch.limits.gen_hi_mw)
    rows = torch.zeros(len(low), 1)
    load = torch.as_tensor(observation["nodes"][..., 0])
    reach = wiring.reach[:sources]
    flow = tensor(idle) @ reach + wiring.offset - load @ wiring.flow
    bids = (wiring.cost + rows, wiring.slope + rows)
    lines = (wiring.capacity, reach, wiring.joined[:sources, :sources], wiring.overload)
    output = relieve(tensor(idle), flow, *bids, low, high, *lines, 60)
    ours = idle.copy()
    ours[:, arrays.is_source] = output.numpy() * unit

    def cost(gen_mw):
        over = overload_mw(arrays, flows(arrays, gen_mw + other)).sum(-1)
        return generation(arrays, gen_mw, 1.0) + Prices().overload_per_mwh * over

    before, theirs, found = cost(idle), cost(best), cost(ours)
    assert (theirs < 0.99 * before).any()
    np.testing.assert_allclose(ours.sum(1), idle.sum(1), rtol=1e-5)
    assert (found <= before * (1 + 1e-4)).all()
    np.testing.assert_allclose(found, theirs, rtol=5e-3)
