"""The action kind ``plan``: deviations of each unit from the plan of the day."""

from __future__ import annotations

import numpy as np
import pytest

from congested import congested_grid
from envs import EnvConfig, GridBatch
from policies import evaluate, run_episodes
from policies.baselines import Plan

CONFIG = EnvConfig(congested_grid(), horizon=6, action="plan", emergency_shedding=True)


@pytest.fixture
def batch() -> GridBatch:
    batch = GridBatch(CONFIG, 5)
    batch.reset(1)
    batch.step(np.zeros((5, *batch.action_space.shape)))
    return batch


def test_nothing_is_the_plan(batch: GridBatch) -> None:
    asked = batch.setpoint(np.zeros((5, *batch.action_space.shape)))
    plan = Plan().act(batch)
    np.testing.assert_allclose(asked.gen_mw, plan.gen_mw, atol=1e-9)
    np.testing.assert_allclose(asked.store_mw, plan.store_mw, atol=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_everything_is_a_limit(batch: GridBatch, sign: float) -> None:
    asked, now = batch.setpoint(np.full((5, *batch.action_space.shape), sign)), batch.limits
    limits = (now.gen_hi_mw, now.store_hi_mw) if sign > 0 else (now.gen_lo_mw, now.store_lo_mw)
    units, stores = batch.arrays.dispatched, np.flatnonzero(batch.arrays.is_store)
    np.testing.assert_allclose(asked.gen_mw[:, units], limits[0][:, units], atol=1e-9)
    np.testing.assert_allclose(asked.store_mw[:, stores], limits[1][:, stores], atol=1e-9)


def test_actions_are_the_inverse_of_setpoints(batch: GridBatch) -> None:
    rng = np.random.default_rng(0)
    day, now = batch.day, batch.limits
    for _ in range(20):
        wanted = batch.setpoint(rng.uniform(-1, 1, (5, *batch.action_space.shape)))
        actions = batch.action_map.actions(wanted, now, batch.inputs, day)
        again = batch.setpoint(actions)
        np.testing.assert_allclose(again.gen_mw, wanted.gen_mw, atol=1e-4)
        np.testing.assert_allclose(again.store_mw, wanted.store_mw, atol=1e-4)


def test_an_episode_without_deviations_costs_what_the_plan_costs() -> None:
    class Nothing:
        name = "nothing"

        def reset(self, batch: GridBatch) -> None:
            """Keep nothing."""

        def act(self, batch: GridBatch) -> object:
            return batch.setpoint(np.zeros((batch.batch_size, *batch.action_space.shape)))

    table = evaluate(["plan", Nothing()], CONFIG, 3)
    assert table["nothing"].cost.mean == pytest.approx(table["plan"].cost.mean, rel=1e-9)
    (episode,) = run_episodes("plan", CONFIG)
    assert len(episode.reward) == 6
