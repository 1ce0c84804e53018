"""Scenario MPC: without errors it is mpc, with them it hedges; its futures err as the world does, but on their own."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from congested import congested_grid
from envs import EnvConfig, Futures, GridBatch, Outage
from grid import Grid, Inputs, Prices, Setpoint, step_costs
from grid.physics import initial_state, step
from grid.planning import FuturesProgramme
from policies.evaluation import evaluate
from policies.measuring import run
from policies.mpc import Mpc
from policies.smpc import Smpc
from strategies import CHECKED, SEEDS, grids

PROFILES = {"load_profile": "household", "gen_profile": "wind"}  # for made-up grids, whose own name no series
WEATHER = {"gate_h": 1, "forecast_error_frac": 0.15, "weather_error_frac": 0.2, "node_error_frac": 0.05}


def stormy_grid() -> Grid:
    """The congested grid, whose lines fail."""
    grid = congested_grid("stormy")
    nx.set_edge_attributes(grid.graph, 0.02, "outage_rate_per_h")
    nx.set_edge_attributes(grid.graph, 5.0, "repair_h")
    return grid


def futures_of(loads_mw: list[list[float]], nodes: int, node: int) -> Inputs:
    """Demand of one node in K futures of T steps, one after another; every source is available."""
    load = np.zeros((np.size(loads_mw), nodes))
    load[:, node] = np.ravel(loads_mw)
    return Inputs(np.ones_like(load), load, 1.0)


@pytest.mark.parametrize("topology", ["classic", "case14"])
def test_without_errors_and_outages_it_decides_what_mpc_decides(topology: str) -> None:
    batch = GridBatch(EnvConfig(topology=topology, horizon=20, forecast_error_frac=0.0), 2)
    mpc, own = (run(policy, batch, 0).cost for policy in (Mpc(20), Smpc(3, 20)))  # shorter windows leave ties
    np.testing.assert_allclose(own, mpc, rtol=1e-4)


def test_it_stores_for_the_future_that_is_short_of_energy() -> None:
    """By hand: 10 MW charged at 10 save 100 each in one of two futures; for their mean, 2.5 MW would do.

    Both first steps: 20 MW at 10. Then 5 MW come from the store; or 20 MW at 10, 10 from the store, 10 at 100.
    """
    grid = Grid("shop")
    grid.add_source("cheap", gen_max_mw=20, gen_cost_per_mwh=10)
    grid.add_source("dear", gen_max_mw=100, gen_cost_per_mwh=100)
    grid.add_consumer("town", load_max_mw=100)
    lossless = {"charge_eff_frac": 1, "discharge_eff_frac": 1, "store_loss_frac_per_h": 0}
    grid.add_storage("store", store_max_mwh=20, store_init_mwh=0, charge_max_mw=10, discharge_max_mw=20, **lossless)
    for node in ("cheap", "dear", "store"):
        grid.add_line(node, "town")
    arrays = grid.compile()
    prices = Prices(wear_per_mwh=0, store_value_per_mwh=0)
    cheap, town, store = (arrays.node_names.index(name) for name in ("cheap", "town", "store"))
    for loads_mw, charged_mw in (([[10.0, 5.0], [10.0, 40.0]], 10.0), ([[10.0, 22.5]] * 2, 2.5)):
        programme = FuturesProgramme(arrays, 2, 1.0, prices, 1e-9, futures=2)
        programme.set_futures(futures_of(loads_mw, 4, town), arrays.store_init_mwh, None, 0, is_known=True)
        first = programme.first_step()
        assert first.store_mw[store] == pytest.approx(-charged_mw)
        assert first.gen_mw[cheap] == pytest.approx(10 + charged_mw)
        if charged_mw == 10:
            assert first.cost == pytest.approx((200 + 200 + 200 + 1000) / 2, abs=1e-3)


def test_it_asks_for_what_is_cheap_to_take_back_where_the_coming_step_is_forecast() -> None:
    """By hand: 10 or 30 MW of demand. To take 20 MW back costs 40; to fetch 20 MW more from gas costs 2,040."""
    grid = Grid("gate")
    grid.add_source("coal", gen_max_mw=50, gen_cost_per_mwh=10, gen_reserve_frac=0)
    grid.add_source("gas", gen_max_mw=50, gen_cost_per_mwh=100)
    grid.add_consumer("town", load_max_mw=50)
    grid.add_line("coal", "town")
    grid.add_line("gas", "town")
    arrays = grid.compile()
    inputs = futures_of([[10.0], [30.0]], 3, arrays.node_names.index("town"))
    programme = FuturesProgramme(arrays, 1, 1.0, Prices(), 1e-9, futures=2)
    programme.set_futures(inputs, arrays.store_init_mwh, None, 0, is_known=False)
    merit_mw = np.where(np.array(arrays.node_names) == "coal", 20.0, 0.0)
    programme.balance_as_from(merit_mw)
    first = programme.first_step()
    assert first.gen_mw.sum() == pytest.approx(30)
    assert first.cost == pytest.approx((100 + 40 + 300) / 2)
    asked = Setpoint(np.tile(first.gen_mw, (2, 1)), np.zeros((2, 3)))
    _, outcome = step(arrays, initial_state(arrays, 2), asked, inputs)
    assert sum(step_costs(arrays, Prices(), outcome, 1.0).values()).mean() == pytest.approx(first.cost)


def test_it_loses_less_than_mpc_where_forecasts_are_bad() -> None:
    batch = GridBatch(EnvConfig(topology="case14", horizon=24, **WEATHER), 4)
    assert run(Smpc(6, 8), batch, 3).cost.mean() < run(Mpc(), batch, 3).cost.mean()


@pytest.mark.parametrize("fields", [WEATHER, {"forecast_error_frac": 0.2}], ids=["revised", "common"])
def test_futures_err_as_much_as_the_world_and_as_long(fields: dict[str, float]) -> None:
    config = EnvConfig(topology=congested_grid(), **fields)
    world, one = GridBatch(config, 600, seed=1), GridBatch(config, 1, seed=2)
    world.reset()
    one.reset()
    leads = np.arange(12)
    step_of, lead = leads, leads + config.gate_steps
    drawn, known = Futures.draw(one, 600, seed=0).ahead(one, leads), one.expected(leads)
    load = one.arrays.load_max_mw > 0
    own = (drawn.load_mw[0] / np.maximum(known.load_mw[None, :, 0], 1e-9) - 1)[..., load]  # (K, L, n)
    errors = np.broadcast_to(world.outlook.load_frac(step_of, lead) - 1, (12, 600, len(load)))[..., load]
    for at in (1, 6, 11):
        assert own[:, at].std() == pytest.approx(errors[at].std(), rel=0.15)
        assert abs(own[:, at].mean()) < 0.1 * own[:, at].std()  # each comes with its opposite
    pairs = [(own[:, 8, 0], own[:, 11, 0]), (errors[8, :, 0], errors[11, :, 0])]
    first, second = (np.corrcoef(*pair)[0, 1] for pair in pairs)
    assert first == pytest.approx(second, abs=0.12)
    nodes = [(own[:, 8, 0], own[:, 8, 1]), (errors[8, :, 0], errors[8, :, 1])]
    first, second = (np.corrcoef(*pair)[0, 1] for pair in nodes)
    assert first == pytest.approx(second, abs=0.12)


def test_futures_know_nothing_of_the_truth() -> None:
    batch = GridBatch(EnvConfig(topology=stormy_grid(), **WEATHER), 2, seed=0)
    batch.reset()
    futures = Futures.draw(batch, 8, seed=0)
    ahead = futures.ahead(batch, np.arange(6))
    truth = batch.outlook.load_mw[:6].swapaxes(0, 1)[:, None]
    load = batch.arrays.load_max_mw > 0
    assert np.abs(ahead.load_mw - truth)[..., load].min() > 1e-6
    before = ahead.load_mw.copy()
    batch.outlook.lines.back_h[:] = 0.0  # outages to come do not show
    again = futures.ahead(batch, np.arange(6))
    np.testing.assert_array_equal(again.load_mw, before)
    np.testing.assert_array_equal(again.in_service, ahead.in_service)


def test_a_known_step_is_the_same_in_all_futures() -> None:
    batch = GridBatch(EnvConfig(topology=stormy_grid(), forecast_error_frac=0.3), 2, seed=0)
    batch.reset()
    ahead = Futures.draw(batch, 4, seed=0).ahead(batch, np.arange(6))
    for k in range(4):
        np.testing.assert_array_equal(ahead.load_mw[:, k, 0], batch.inputs.load_mw)
        np.testing.assert_array_equal(ahead.gen_avail_frac[:, k, 0], batch.inputs.gen_avail_frac)
        np.testing.assert_array_equal(ahead.in_service[:, k, 0], batch.inputs.in_service)


@pytest.mark.parametrize("gate_h", [0, 2])
def test_lines_fail_in_futures_at_their_rate_and_come_back_in_time(gate_h: int) -> None:
    batch = GridBatch(EnvConfig(topology=stormy_grid(), gate_h=gate_h), 1, seed=4)
    batch.reset()
    idle = Setpoint(*np.zeros((2, 1, len(batch.arrays.node_names))))
    while batch.outlook.out_h(batch.t).max() < 3:  # until an outage is known that lasts
        batch.step_setpoint(idle)
    leads = np.arange(6)
    in_service = Futures.draw(batch, 1000, seed=0).ahead(batch, leads).in_service[0]  # (K, L, E)
    known = batch.expected(leads).in_service[:, 0]
    assert not known[0].all()
    assert not in_service[:, ~known].any()
    whole = known.all(axis=0)
    left = np.exp(-0.02 * (np.arange(5) + gate_h))  # what has not failed after so many steps; none is repaired yet
    np.testing.assert_allclose(in_service[:, : 5 - gate_h, whole].mean(axis=(0, 2)), left[: 5 - gate_h], atol=0.01)


def test_it_runs_with_lines_out_and_islands_and_the_same_seed_decides_the_same() -> None:
    fields = {"overload": "trip", "emergency_shedding": True, "outages": (Outage("mill-gas", 2, 4),)}
    batch = GridBatch(EnvConfig(topology=stormy_grid(), horizon=10, **WEATHER, **fields), 2)
    costs = [run(Smpc(4, 6, seed=seed), batch, 0).cost for seed in (0, 0, 1)]
    assert np.isfinite(costs).all()
    np.testing.assert_array_equal(costs[0], costs[1])
    assert (costs[0] != costs[2]).any()


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=8)
def test_it_finds_a_first_step_on_any_grid(grid: Grid, seed: int) -> None:
    for _, columns in grid.graph.nodes(data=True):
        columns |= {name: profile for name, profile in PROFILES.items() if columns.get(name)}
    nx.set_edge_attributes(grid.graph, 0.1, "outage_rate_per_h")
    batch = GridBatch(EnvConfig(topology=grid, horizon=4, **{**WEATHER, "forecast_error_frac": 0.5}), 2)
    assert np.isfinite(run(Smpc(3, 3), batch, seed % 1000).cost).all()


def test_it_cuts_demand_before_the_balance_that_sheds_for_no_line() -> None:
    """By hand: 80 MW of demand behind 50 MW of line, whose overload costs 1,500. A cut costs more than what is shed."""
    grid = Grid("behind a line")
    grid.add_source("plant", gen_max_mw=100, gen_cost_per_mwh=10)
    grid.add_consumer("town", load_max_mw=80, shed_cost_per_mwh=1000, flex_max_frac=1, flex_cost_per_mwh=1100)
    grid.add_line("plant", "town", capacity_mw=50)
    config = EnvConfig(
        topology=grid, horizon=2, overload="trip", emergency_shedding=True, forecast_error_frac=0, gate_h=1
    )
    batch = GridBatch(config, 1)
    batch.reset()
    policy = Smpc(2, 2)
    policy.reset(batch)
    batch.step_setpoint(policy.act(batch))
    assert batch.last is not None
    outcome, town = batch.last.outcome, batch.arrays.node_names.index("town")
    assert outcome.curtailed_mw[0, town] == pytest.approx(30, abs=1e-3)
    assert outcome.shed_mw[0, town] == pytest.approx(0, abs=1e-3)


def test_evaluate_knows_it_by_name() -> None:
    found = evaluate(["smpc"], EnvConfig(topology="triangle", horizon=6), 2)
    assert [row.name for row in found.rows] == ["smpc", "optimum"]
