"""PyPSA, another program with another formulation, finds the same optimum."""

import pytest

from envs import EnvConfig, GridBatch
from grid.costs import overload_mw
from grid.planning.optimum import optimum
from slow_cases import slow


@pytest.mark.parametrize("topology", ["classic", *slow("case14", "triangle")])
def test_pypsa_agrees(topology):
    pytest.importorskip("pypsa")
    from scripts.benchmarks.peers import pypsa_cost

    batch = GridBatch(EnvConfig(topology=topology, horizon=24, split="test"), 1, 1)
    batch.reset()
    inputs = batch.episode_inputs(0)
    best = optimum(batch.arrays, inputs, batch.prices)
    assert max(overload_mw(batch.arrays, best.flow_mw).max(), best.spill_mw.max()) < 1e-6  # it is given neither
    assert pypsa_cost(batch.arrays, inputs, batch.prices) == pytest.approx(best.cost, rel=1e-6)
