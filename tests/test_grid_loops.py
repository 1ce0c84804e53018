"""The compiled loops of a step give what the stages that are written with arrays give."""

from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
from hypothesis import given

from envs import EnvConfig, GridBatch
from grid import GridError
from slow_cases import slow
from strategies import CHECKED, SEEDS, grids

WORLDS = {
    "calm": {},
    "gate, flexible demand": {"gate_h": 1, "emergency_shedding": True, "node_error_frac": 0.05},
    "lines out": {"outage_rate_per_h": 0.03, "emergency_shedding": True},
    "lines trip": {"outage_rate_per_h": 0.02, "overload": "trip"},
}


@contextmanager
def arrays_only():
    """As where numba is missing."""
    with mock.patch("grid.namespace._loops", return_value=None):
        yield


def walk(config, seed, size=5):
    """Observations, and everything else that steps with random actions give, in a vector each."""
    batch, rng = GridBatch(config, size, seed), np.random.default_rng(seed)
    observed, seen = [batch.reset()], []
    for _ in range(config.horizon):
        observation, reward, _ = batch.step(rng.uniform(-1, 1, (size, *batch.action_space.shape)))
        outcome, costs = batch.last.outcome, batch.last.costs
        observed.append(observation)
        seen += [reward, batch.references, batch.state.store_mwh, *costs.values()]
        seen += [value for value in vars(outcome).values() if value is not None]
    return [np.concatenate([np.asarray(each, float).ravel() for each in part]) for part in (observed, seen)]


def same(compiled, plain, atol):
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-6, atol=1e-6)  # of single precision
    np.testing.assert_allclose(compiled[1], plain[1], rtol=1e-9, atol=atol)


@pytest.mark.parametrize("action", ["residual", "absolute"])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("topology", ["classic", "gen:70:11", *slow("case118")])
def test_an_episode_is_the_same_with_and_without_compiled_loops(topology, world, action):
    config = EnvConfig(topology=topology, action=action, horizon=6, **WORLDS[world])
    compiled = walk(config, 3)
    with arrays_only():
        same(compiled, walk(config, 3), 1e-9)


@CHECKED
@given(grids(), SEEDS)
def test_random_grids_are_the_same_with_and_without_compiled_loops(grid, seed):
    worlds = [*WORLDS.values()]
    try:
        config = EnvConfig(topology=grid, horizon=4, redispatch_moves=4, **worlds[seed % len(worlds)])
        compiled = walk(config, seed % 1000, 3)
    except GridError:  # a grid that no agent can act on
        return
    with arrays_only():
        same(compiled, walk(config, seed % 1000, 3), 1e-7)
