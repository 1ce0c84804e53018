"""Baselines: they act within the limits, in MW, the same for the same seed."""

import numpy as np
import pytest

from congested import congested_grid
from envs import EnvConfig, GridBatch
from grid.costs import overload_mw, step_costs
from grid.physics.step import step
from policies.baselines import BASELINES
from policies.measuring import run


def batch_of(size=6, **fields):
    return GridBatch(EnvConfig(topology=congested_grid(), horizon=12, **fields), size, seed=3)


@pytest.mark.parametrize("name", BASELINES)
def test_cost_does_not_depend_on_how_actions_or_observations_are_encoded(name):
    costs = [
        run(BASELINES[name](), batch_of(2, action=action, observation=observation), seed=5).cost
        for action, observation in (("residual", "flat"), ("absolute", "graph"), ("bids", "flat"))
    ]
    assert all(np.array_equal(costs[0], other) for other in costs[1:])


@pytest.mark.parametrize("name", BASELINES)
def test_running_again_costs_the_same(name):
    policy, batch = BASELINES[name](), batch_of(2)
    assert np.array_equal(run(policy, batch, seed=5).cost, run(policy, batch, seed=5).cost)


@pytest.mark.parametrize("name", BASELINES)
def test_nothing_asked_is_out_of_reach(name):
    policy, batch = BASELINES[name](), batch_of()
    batch.reset(1)
    policy.reset(batch)
    for _ in range(batch.horizon):
        batch.step_setpoint(policy.act(batch))
        assert np.abs(batch.last.outcome.clipped_mw).max() < 1e-9


def test_random_uses_the_whole_range_and_other_seeds_decide_otherwise():
    batch = batch_of()
    batch.reset(0)
    drawn = []
    for seed in range(200):
        policy = BASELINES["random"](seed)
        policy.reset(batch)
        drawn.append(policy.act(batch))
    gen_mw, store_mw = (np.array([getattr(one, name) for one in drawn]) for name in ("gen_mw", "store_mw"))
    now = batch.limits
    for asked, lo, hi in ((gen_mw, now.gen_lo_mw, now.gen_hi_mw), (store_mw, now.store_lo_mw, now.store_hi_mw)):
        free = hi > lo
        share = (asked[:, free] - lo[free]) / (hi - lo)[free]
        assert share.min() < 0.05
        assert share.max() > 0.95
        assert abs(share.mean() - 0.5) < 0.02


def test_redispatch_is_never_dearer_in_a_step_than_the_merit_order_and_relieves_lines():
    batch = batch_of()
    batch.reset(0)
    arrays, policy = batch.arrays, BASELINES["redispatch"]()
    policy.reset(batch)
    relieved = 0.0
    for _ in range(batch.horizon):
        rivals = batch.action_map.merit_setpoint(batch.limits, batch.inputs), policy.act(batch)
        outcomes = [step(arrays, batch.state, one, batch.inputs)[1] for one in rivals]
        merit, moved = (sum(step_costs(arrays, batch.prices, one, 1.0).values()) for one in outcomes)
        assert (moved <= merit + 1e-6).all()
        assert (rivals[1].store_mw == 0).all()
        merit_over, moved_over = (overload_mw(arrays, one.flow_mw).sum() for one in outcomes)
        relieved += merit_over - moved_over
        batch.step_setpoint(rivals[1])
    assert relieved > 1


def test_merit_leaves_stores_idle_and_never_runs_gas_while_coal_has_room():
    batch = batch_of()
    batch.reset(0)
    nodes = batch.arrays.node_names
    coal, gas, wind = (nodes.index(name) for name in ("coal", "gas", "wind"))
    policy = BASELINES["merit"]()
    ran_gas = False
    for _ in range(batch.horizon):
        asked, hi = policy.act(batch), batch.limits.gen_hi_mw
        assert (asked.store_mw == 0).all()
        above = asked.gen_mw - batch.limits.gen_lo_mw
        for dear, cheap in ((gas, coal), (coal, wind)):
            dearer_runs = above[:, dear] > 1e-9
            assert np.allclose(asked.gen_mw[dearer_runs, cheap], hi[dearer_runs, cheap])
        ran_gas |= bool((above[:, gas] > 1).any())
        batch.step_setpoint(asked)
    assert ran_gas
