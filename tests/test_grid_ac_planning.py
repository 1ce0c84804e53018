"""Linear plans that are corrected by the last AC solution, and the reference in AC."""

import dataclasses
from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest

from envs import EnvConfig, GridBatch
from grid import Inputs, Outcome
from grid.physics import ac_flow
from grid.planning import Correction, Programme, ac_reference, optimum
from policies.baselines import BASELINES
from policies.rollout import rollout
from slow_cases import slow
from topologies import load


@pytest.mark.parametrize("topology", ["case14", "gen:30:4"])
def test_what_lines_carry_beyond_their_flow_takes_as_much_of_their_capacity(topology):
    arrays, rng = load(topology).compile(), np.random.default_rng(2)
    load_mw = arrays.load_max_mw * rng.uniform(0.7, 1.0, (3, len(arrays.node_names)))
    inputs = Inputs(np.ones_like(load_mw), load_mw, 1.0)
    wide = optimum(arrays, inputs)
    extra_mw = 0.15 * np.where(np.isfinite(arrays.capacity_mw), arrays.capacity_mw, 0.0) * np.sign(wide.flow_mw[0])
    corrected = Programme(arrays, 3, 1.0, corrected=True)
    corrected.set_inputs(inputs, extra_mw=np.tile(extra_mw, (3, 1)))
    narrow = optimum(dataclasses.replace(arrays, capacity_mw=arrays.capacity_mw - np.abs(extra_mw)), inputs)
    found = corrected.solve()
    assert (narrow.flow_mw * np.sign(extra_mw) > -0.5 * arrays.capacity_mw).all()  # no line is full the other way
    np.testing.assert_allclose(found.cost, narrow.cost, rtol=1e-6)
    assert found.cost > wide.cost * (1 + 1e-4)
    corrected.set_inputs(inputs)
    np.testing.assert_allclose(corrected.solve().cost, wide.cost, rtol=1e-6)


def run_in_ac(name, topology, is_corrected=True):
    batch = GridBatch(EnvConfig(topology=topology, flow="ac", horizon=24, split="train"), 3, 5)
    with nullcontext() if is_corrected else mock.patch.object(GridBatch, "correction", None):
        rollout(batch, BASELINES[name]())
    return {key: float(value.sum()) for key, value in batch.metrics.items()}


@pytest.mark.parametrize("name", ["redispatch", "plan", "mpc"])
def test_planners_that_know_the_last_solution_overload_less_and_cost_less(name):
    plain, corrected = run_in_ac(name, "case14", is_corrected=False), run_in_ac(name, "case14")
    assert corrected["cost"] < 0.97 * plain["cost"]
    assert corrected["overload_mwh"] < (0.5 if name == "redispatch" else 0.2) * plain["overload_mwh"]
    assert corrected["balancing"] < 0.5 * plain["balancing"]  # losses are planned for


@pytest.mark.parametrize("topology", ["classic", *slow("case14")])
def test_the_reference_is_cheaper_than_policies_and_than_the_schedule_of_dc(topology):
    batch = GridBatch(EnvConfig(topology=topology, flow="ac", horizon=24, split="train"), 3, 5)
    batch.reset(5)
    arrays, ac = batch.arrays, ac_flow(batch.arrays)
    inputs = [batch.episode_inputs(i) for i in range(3)]
    found = [ac_reference(arrays, ac, each, batch.prices) for each in inputs]
    with mock.patch("grid.planning.ac_optimum.ROUNDS", 0):
        plain = [ac_reference(arrays, ac, each, batch.prices) for each in inputs]
    cost = sum(each.cost for each in found)
    assert cost < sum(each.cost for each in plain)
    for name in ("merit", "plan", "mpc"):
        assert cost < run_in_ac(name, topology)["cost"]
    for best in found:
        np.testing.assert_allclose(sum(best.cost_terms.values()), best.cost)
        assert best.status == "reference"
        outcome = best.outcome
        given = best.gen_mw - best.spill_mw + best.store_mw - outcome.served_mw
        np.testing.assert_allclose(given.sum(1), outcome.loss_mw, atol=1e-6)


def test_where_a_part_has_collapsed_the_correction_before_it_stays():
    arrays = load("triangle").compile()
    flat = np.ones((2, len(arrays.node_names)))
    line = np.full((2, len(arrays.line_names)), 8.0)
    names = ("gen_mw", "charge_mw", "discharge_mw", "shed_mw", "spill_mw", "curtailed_mw", "balancing_mw", "clipped_mw")
    outcome = Outcome(
        **dict.fromkeys(names, 0 * flat),
        injection_mw=flat - flat.mean(),
        served_mw=flat,
        flow_mw=line,
        line_mva=line,
        loss_mw=np.array([0.3, 0.6]),
        collapsed=np.array([False, True]),
    )
    before = Correction(np.array([0.5, 0.25]), 3.0 * line)
    found, first = Correction.of(arrays, outcome, before), Correction.of(arrays, outcome)
    np.testing.assert_allclose(found.loss_frac, [0.3 / len(arrays.node_names), 0.25])
    np.testing.assert_array_equal(found.extra_mw[1], before.extra_mw[1])
    assert first.loss_frac[1] == 0
    assert (first.extra_mw[1] == 0).all()
