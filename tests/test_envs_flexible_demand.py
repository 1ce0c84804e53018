"""Demand that is cut on request: by hand, told apart from what is shed in every account, and bounded by the optimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from envs import EnvConfig, GridBatch, LoadBalancer
from grid import Episode, Grid, GridError, Inputs, Prices, Setpoint
from grid.costs import step_costs
from grid.physics.step import initial_state, step
from grid.planning.optimum import optimum
from policies import evaluate, run_episodes
from policies.baselines import Merit, Redispatch
from scripts.running import Schedule
from strategies import CHECKED, SEEDS, grids

PROFILES = {"gen_profile": "wind", "load_profile": "household"}


def narrow(flex_frac=0.5, flex_cost=100.0, peak=80.0, gen_cost=20.0, capacity=50.0):
    """A source, a line of 50 MW and a town of 80 MW, half of which is flexible."""
    grid = Grid("narrow")
    grid.add_source("plant", gen_max_mw=100.0, gen_cost_per_mwh=gen_cost)
    flexible = {"flex_max_frac": flex_frac, "flex_cost_per_mwh": flex_cost} if flex_frac else {}
    grid.add_consumer("town", load_max_mw=peak, **flexible)
    grid.add_line("plant", "town", capacity_mw=capacity)
    return grid


def one_step(grid, gen_mw, cut_mw):
    arrays = grid.compile()
    inputs = Inputs(np.ones((1, 2)), arrays.load_max_mw[None], 1.0)
    setpoint = Setpoint(np.array([[gen_mw, cut_mw]]), np.zeros((1, 2)))
    after, outcome = step(arrays, initial_state(arrays, 1), setpoint, inputs)
    terms = step_costs(arrays, Prices(), outcome, 1.0)
    return outcome, {name: float(term[0]) for name, term in terms.items() if term[0]}, after


def test_a_cut_frees_the_line_and_costs_its_own_price():
    outcome, terms, after = one_step(narrow(), 50.0, 30.0)
    np.testing.assert_allclose(outcome.curtailed_mw, [[0, 30]])
    np.testing.assert_allclose(outcome.served_mw, [[0, 50]])
    np.testing.assert_allclose(outcome.flow_mw, [[50]])
    assert outcome.shed_mw.max() == 0
    assert after.gen_mw[0, 1] == 0  # a cut is no output, from which a ramp would count
    assert terms == pytest.approx({"generation": 50 * 20, "curtailment": 30 * 100})


def test_without_flexible_demand_the_same_setpoint_overloads():
    outcome, terms, _ = one_step(narrow(flex_frac=0), 50.0, 30.0)
    assert outcome.curtailed_mw.max() == 0
    assert terms == pytest.approx({"generation": 80 * 20, "overload": 30 * 300, "balancing": 30 * 2})


def test_what_is_not_asked_for_in_time_is_shed_and_no_more_is_cut_than_may_be():
    outcome, terms, _ = one_step(narrow(peak=160.0, capacity=1000.0), 0.0, 30.0)
    np.testing.assert_allclose(outcome.curtailed_mw[0, 1], 30)
    np.testing.assert_allclose(outcome.shed_mw[0, 1], 30)
    assert terms["shed"] == pytest.approx(30 * 1000)
    most, *_ = one_step(narrow(), 80.0, 99.0)
    np.testing.assert_allclose(most.curtailed_mw[0, 1], 40)
    np.testing.assert_allclose(most.clipped_mw[0], [0, 59])  # the plant fell to 40 MW by balancing


def test_columns_of_output_say_nothing_of_a_cut():
    grid = narrow(flex_frac=0)
    grid.graph.nodes["town"].update(gen_ramp_mw_per_h=1.0, gen_cost_per_mwh=7.0, co2_t_per_mwh=1.0)
    arrays = grid.compile(emergency_shedding=True)
    inputs = Inputs(np.ones((3, 2)), np.tile(arrays.load_max_mw, (3, 1)), 1.0)
    best = optimum(arrays, inputs, Prices(co2_per_t=1000.0, overload_per_mwh=5000.0))
    np.testing.assert_allclose(best.curtailed_mw[:, 1], 30, atol=1e-6)
    assert best.cost_terms["curtailment"] == pytest.approx(3 * 30 * 1000)
    assert best.cost_terms["co2"] == pytest.approx(0)


def played(action, asked, **config):
    kind = {"action": "residual", "redispatch_moves": 0} if action == "merit" else {"action": action}
    batch = GridBatch(EnvConfig(topology=narrow(**config), horizon=2, **kind), 1)
    batch.reset()
    batch.step(np.array([asked], dtype=float))
    return batch.last.outcome.curtailed_mw[0, 1] / batch.last.inputs.load_mw[0, 1]


@pytest.mark.parametrize(
    ("action", "asked", "config", "share"),
    [
        ("residual", [0, 0], {}, 0.375),  # redispatch keeps the line within its 50 MW
        ("merit", [0, 0], {}, 0.0),  # the merit order has enough of the plant, and knows no line
        ("residual", [0, 1], {}, 0.5),
        ("residual", [0, 0], {"flex_cost": 10.0}, 0.5),  # a cut is cheaper than the plant
        ("residual", [0, -1], {"flex_cost": 10.0}, 0.0),
        ("residual", [0, 0], {"peak": 125.0, "capacity": 1000.0}, 0.2),  # supply is short
        ("absolute", [1, -1], {}, 0.0),
        ("absolute", [1, 0], {}, 0.25),
        ("absolute", [1, 1], {}, 0.5),
        ("bids", [0, 0], {}, 0.375),  # the plan knows the line: 30 of 80 MW
        ("bids", [0, 0], {"flex_cost": 10.0}, 0.5),
        ("plan", [0, 0.5], {}, 0.375),  # what the plan cuts, until more than 0.5 is asked
        ("plan", [0, -0.5], {}, 0.375),
        ("plan", [0, 0.75], {}, 0.4375),
        ("plan", [0, 1], {}, 0.5),
        ("plan", [0, -1], {}, 0.0),
    ],
)
def test_what_an_action_means_for_flexible_demand(action, asked, config, share):
    assert played(action, asked, **config) == pytest.approx(share, abs=2e-3)


def test_curtailed_and_shed_are_told_apart_in_every_account(tmp_path):
    grid = narrow(flex_frac=0.1, peak=125.0, capacity=1000.0)  # 100 MW for 125: 12.5 are cut, the rest is shed
    config = EnvConfig(topology=grid, horizon=2)
    episode = run_episodes("merit", config)[0]
    np.testing.assert_allclose(episode.curtailed_mw[:, 1], 12.5)
    np.testing.assert_allclose(episode.shed_mw[:, 1], 12.5)
    assert (episode.curtailed_mwh, episode.unserved_mwh) == pytest.approx((25, 25))
    assert episode.costs["curtailment"].sum() == pytest.approx(25 * 100)
    assert episode.costs["shed"].sum() == pytest.approx(25 * 1000)
    assert Episode.load(episode.save(tmp_path / "cut.npz")).curtailed_mwh == pytest.approx(25)
    env = LoadBalancer(topology=grid, horizon=2)
    env.reset(seed=0)
    infos = [env.step(np.zeros(2))[4] for _ in range(2)]
    assert (infos[0]["curtailment"], infos[0]["shed"]) == pytest.approx((1250, 12500))
    sums = infos[1]["episode_metrics"]
    assert (sums["curtailed_mwh"], sums["unserved_mwh"]) == pytest.approx((25, 25))
    best = optimum(env.unwrapped.arrays, env.unwrapped.batch.episode_inputs(0))
    assert (best.curtailed_mw.sum(), best.shed_mw.sum()) == pytest.approx((25, 25), abs=1e-6)
    found = evaluate(["merit"], config, 2)
    for row in found.rows:
        assert (row.curtailed_mwh, row.unserved_mwh) == pytest.approx((25, 25), abs=1e-6)
    assert "unserved  demand cut" in found.table()
    plain = evaluate(["merit"], EnvConfig(topology=narrow(flex_frac=0), horizon=2), 2).table()
    assert "unserved  overload" in plain


def test_the_recorded_schedule_of_the_optimum_cuts_what_it_says():
    config = EnvConfig(topology=narrow(), horizon=3)
    episode = run_episodes(Schedule(), config)[0]
    np.testing.assert_allclose(episode.curtailed_mw[:, 1], 30, atol=1e-6)
    assert episode.unserved_mwh < 1e-6
    assert episode.overload_mwh < 1e-6


def test_an_episode_written_before_cuts_has_none(tmp_path):
    episode = run_episodes("merit", EnvConfig(topology="triangle", horizon=2))[0]
    path = episode.save(tmp_path / "old.npz")
    with np.load(path) as data:
        old = {name: data[name] for name in data.files if name != "curtailed_mw"}
    np.savez(path, **old)
    loaded = Episode.load(path)
    assert loaded.curtailed_mw.shape == loaded.load_mw.shape
    assert loaded.curtailed_mwh == 0
    assert loaded.cost == episode.cost


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=30)
def test_no_policy_beats_the_optimum_with_emergency_shedding(grid, seed):
    for _, columns in grid.graph.nodes(data=True):
        columns |= {name: profile for name, profile in PROFILES.items() if columns.get(name)}
    batch = GridBatch(EnvConfig(topology=grid, horizon=4, emergency_shedding=True, action="absolute"), 2)
    rng = np.random.default_rng(seed)
    for policy in (Merit(), Redispatch(), None):
        batch.reset(seed)
        best = np.array([optimum(batch.arrays, batch.episode_inputs(i), batch.prices).cost for i in range(2)])
        while batch.t < batch.horizon:
            if policy is None:
                batch.step(rng.uniform(-1, 1, (2, *batch.action_space.shape)))
            else:
                batch.step_setpoint(policy.act(batch))
        cost = batch.metrics["cost"]
        assert (cost >= best - 1e-6 * np.maximum(np.abs(best), np.abs(cost)) - 1e-6).all()


def test_emergency_shedding_leaves_the_fingerprint_other_units_and_flexible_demand_alone():
    grid = narrow(flex_frac=0.3)
    grid.add_consumer("mill", load_max_mw=5.0, shed_cost_per_mwh=400.0)
    grid.add_source("works", gen_max_mw=9.0, load_max_mw=4.0)
    for name in ("mill", "works"):
        grid.add_line("town", name)
    plain, emergency = grid.compile(), grid.compile(emergency_shedding=True)
    assert plain.fingerprint == emergency.fingerprint
    np.testing.assert_allclose(plain.flex_max_frac, [0, 0.3, 0, 0])
    np.testing.assert_allclose(emergency.flex_max_frac, [0, 0.3, 1, 0])
    np.testing.assert_allclose(emergency.flex_cost_per_mwh, [0, 100, 400, 0])
    assert emergency.controllable.tolist() == [0, 1, 2, 3]


def test_each_mistake_is_said():
    for columns, words in (
        (
            {"gen_max_mw": 10.0},
            "found flexible demand and gen_max_mw in one node; allowed: one controllable unit a node",
        ),
        ({"store_max_mwh": 10.0}, "node 'town': found flexible demand and store_max_mwh in one node"),
        ({"gen_cost_per_mwh": 5.0}, "node 'town': found flexible demand and gen_cost_per_mwh in one node"),
        ({"flex_max_frac": 1.2}, "node 'town': found flex_max_frac 1.2; allowed: "),
    ):
        grid = narrow()
        grid.graph.nodes["town"].update(columns)
        with pytest.raises(GridError) as caught:
            grid.compile()
        assert words in str(caught.value)
    with pytest.raises(GridError, match=r"config.emergency_shedding: found 'yes'; allowed: True or False"):
        EnvConfig(topology="triangle", emergency_shedding="yes")
