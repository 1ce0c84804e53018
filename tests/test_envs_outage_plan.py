"""With the actions "residual-plan" the plan decides where a line is out, and what is asked decides elsewhere."""

import dataclasses

import numpy as np
import pytest

from envs import EnvConfig, GridBatch
from policies.baselines import Plan

STORM = EnvConfig("case14", outage_rate_per_h=0.02, overload="trip", emergency_shedding=True, gate_h=1.0, horizon=8)


@pytest.mark.parametrize(("topology", "flow"), [("case14", "dc"), ("case14", "ac"), ("thermal:case14", "dc")])
def test_the_plan_decides_where_a_line_is_out(topology, flow):
    config = dataclasses.replace(STORM, topology=topology, flow=flow, action="residual-plan")
    batch, other = GridBatch(config, 6, 0), GridBatch(dataclasses.replace(config, action="residual"), 6, 0)
    rng, seen = np.random.default_rng(0), [0, 0]
    batch.reset(0), other.reset(0)
    for _ in range(batch.horizon):
        actions = rng.uniform(-1, 1, (6, *batch.action_space.shape))
        setpoint, plan, residual = batch.setpoint(actions), Plan().act(batch), other.setpoint(actions)
        is_out = np.zeros(6, bool) if batch.limits.outages is None else ~batch.limits.outages.in_service.all(1)
        for rows, expected in ((is_out, plan), (~is_out, residual)):
            for name in ("gen_mw", "store_mw", "on"):
                found, wanted = getattr(setpoint, name), getattr(expected, name)
                assert (found is None) == (wanted is None)
                if found is not None:
                    np.testing.assert_allclose(found[rows], wanted[rows], atol=1e-2)  # plans are made to some digits
        seen[0] += is_out.sum()
        seen[1] += (~is_out).sum()
        batch.step_setpoint(setpoint)
        other.step_setpoint(setpoint)
    assert min(seen) > 5
