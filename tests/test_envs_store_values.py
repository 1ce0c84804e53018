"""The action kind ``store-values``: what the energy of stores is worth, above what the plan says."""

from __future__ import annotations

import numpy as np
import pytest

from congested import congested_grid
from envs import EnvConfig, GridBatch
from policies.baselines import Plan
from strategies import with_starts
from topologies import load

CONFIG = EnvConfig(congested_grid(), horizon=6, action="store-values", emergency_shedding=True)


def running(config: EnvConfig = CONFIG, size: int = 5) -> tuple[GridBatch, np.ndarray]:
    """Envs after a step, and which actions are those of stores."""
    batch = GridBatch(config, size)
    batch.reset(1)
    batch.step(np.zeros((size, *batch.action_space.shape)))
    return batch, batch.arrays.is_store[batch.arrays.controllable]


@pytest.mark.parametrize("grid", [congested_grid(), with_starts(load("case14"), np.random.default_rng(0))])
def test_nothing_is_the_plan_and_actions_of_sources_do_nothing(grid):
    batch, of_store = running(EnvConfig(grid, horizon=6, action="store-values"))
    plan = Plan().act(batch)
    for sources in (0.0, 1.0, -0.7):
        asked = batch.setpoint(np.where(of_store, 0.0, sources) * np.ones((5, 1)))
        np.testing.assert_allclose(asked.gen_mw, plan.gen_mw, atol=1e-9)
        np.testing.assert_allclose(asked.store_mw, plan.store_mw, atol=1e-9)


def test_the_more_their_energy_is_worth_the_less_of_it_stores_give():
    """Energy is what leaves the stores, losses included: least cost is monotone in what it is worth."""
    batch, of_store = running(size=20)
    given_mw = np.stack(
        [batch.setpoint(np.where(of_store, value, 0.0) * np.ones((20, 1))).store_mw for value in np.linspace(-1, 1, 9)]
    )
    arrays = batch.arrays
    taken_mw = np.where(given_mw > 0, given_mw / arrays.discharge_eff_frac, given_mw * arrays.charge_eff_frac).sum(2)
    assert (np.diff(taken_mw, axis=0) <= 1.0).all()  # MW: moves of output end where little is saved
    assert (taken_mw[0] > taken_mw[-1] + 1.0).any()


def test_actions_are_nearly_the_inverse_of_setpoints():
    """Clearing moves prices with the bids, so only nearly."""
    batch, _ = running(size=100)
    actions = np.random.default_rng(0).uniform(-1, 1, (100, *batch.action_space.shape))
    plan, wanted = Plan().act(batch).store_mw, batch.setpoint(actions)
    found = batch.action_map.actions(wanted, batch.limits, batch.inputs, batch.day)
    assert np.abs(found).max() <= 1
    off_mw = np.abs(batch.setpoint(found).store_mw - wanted.store_mw).mean()
    assert off_mw < 0.1 * np.abs(plan - wanted.store_mw).mean()
