"""The plan of the day ahead: as cheap as the optimum of the same hours, and what energy is worth in it."""

import dataclasses

import numpy as np
import pytest
import torch
from policies.planner.day import hours_left, plan_day
from policies.planner.plan import HOURS, OVERLOADED, SPANS_H, in_periods
from scipy.stats import spearmanr
from test_policies_market import batch_of

from envs.observations import unit_mw
from grid.planning.optimum import optimum
from policies.networks.graph_network import GraphNetwork

EXACT = 1e-7


def planned(wiring, observation, monkeypatch, enough=EXACT):
    """The day and its plan, hour by hour, worked out to so much, with all lines from the first."""
    monkeypatch.setattr("policies.planner.day.SPANS_H", np.ones(HOURS, np.int64))
    monkeypatch.setattr("policies.planner.day.ENOUGH", np.full(HOURS, enough))
    wiring.fleet = wiring.fleet._replace(swing=np.full_like(wiring.fleet.swing, np.inf))
    return plan_day(wiring, observation)


def cost_of(batch, wiring, day, b):
    """What the plan of row b costs in the wiring's units, by its own terms in plain numpy."""
    fleet, network = wiring.fleet, wiring.network
    sources, stores = len(fleet.cost), len(fleet.store_max)
    hours = int(hours_left(wiring, torch.as_tensor(batch.observation["globals"]))[b])
    output = day.output[b, :hours].double().numpy()
    gen, gives = output[:, :sources], output[:, sources : sources + stores]
    flow = day.flow[b, :hours].double().numpy()
    total = (gen * fleet.cost + gen**2 * fleet.rise / 2).sum() + fleet.wear * gives.sum()
    total += network.overload * np.maximum(np.abs(flow) - network.capacity, 0).sum()
    total -= (fleet.end_value * day.energy[b, hours - 1].double().numpy()).sum()
    return total


@pytest.mark.parametrize("topology", ["triangle", "classic", "case14", "gen:14:3", "gen:30:4", "gen:40:90006"])
def test_the_plan_of_an_episode_costs_what_its_optimum_costs(topology, monkeypatch):
    batch, seen, wiring = batch_of(topology, horizon=24, forecast_error_frac=0.0)
    day = planned(wiring, seen, monkeypatch)
    per_unit = batch.prices.overload_per_mwh / wiring.network.overload * unit_mw(batch.arrays)
    for b in range(3):
        best = optimum(batch.arrays, batch.episode_inputs(b), batch.prices)
        assert best.shed_mw.sum() < 1e-6
        start = (wiring.fleet.end_value * seen["nodes"][b, wiring.stores, 4].numpy()).sum()
        np.testing.assert_allclose(per_unit * (cost_of(batch, wiring, day, b) + start), best.cost, rtol=2e-3)


def test_threads_plan_what_one_plans(monkeypatch):
    _, seen, wiring = batch_of("gen:30:4", 3, 60)
    days = []
    for threads in (1, 3):
        monkeypatch.setattr("policies.planner.jit.config.NUMBA_NUM_THREADS", threads)
        days.append(plan_day(wiring, seen))
    alone, together = days
    for item in dataclasses.fields(alone):
        assert torch.equal(getattr(alone, item.name), getattr(together, item.name)), item.name


@pytest.mark.parametrize("topology", ["case14", "gen:30:4", "gen:40:90006"])
def test_longer_periods_ahead_cost_little(topology, monkeypatch):
    """With the first hour of each plan taken as the forecasts have it, the price of power is that of hourly plans."""
    _, seen, wiring = batch_of(topology, 5)
    coarse, fine = plan_day(wiring, seen), planned(wiring, seen, monkeypatch, 1e-4)
    off = (coarse.price[:, 0] - fine.price[:, 0]).abs()
    assert off.median() < 0.02
    assert (coarse.value[:, 0] - fine.value[:, 0]).abs().median() < 0.03


@pytest.mark.parametrize("hours", [1, 2, 8, 11, 24, 25])
def test_periods_hold_the_means_of_their_hours(hours):
    hourly = np.random.default_rng(hours).uniform(0, 3, (2, HOURS, 3))
    ends_h = np.tile(np.minimum(np.cumsum(SPANS_H), hours), (2, 1))
    means, begin = in_periods(hourly, ends_h), 0
    for t, end in enumerate(ends_h[0]):
        expected = hourly[:, begin:end].mean(1) if end > begin else np.zeros((2, 3))
        np.testing.assert_allclose(means[:, t], expected, atol=1e-12)
        begin = end
    assert begin == hours


@pytest.mark.parametrize("topology", ["case14", "gen:40:90006"])
def test_plans_keep_all_limits_and_accounts(topology, monkeypatch):
    batch, seen, wiring = batch_of(topology, 30)  # 18 hours are left
    day, fleet = planned(wiring, seen, monkeypatch), wiring.fleet
    sources, stores = len(fleet.cost), len(fleet.store_max)
    output, energy = day.output.double().numpy(), day.energy.double().numpy()
    assert (output[:, 18:] == 0).all()
    assert np.abs(output[:, :18]).max() > 0.5
    before, gen = seen["nodes"][:, wiring.sources, 2].numpy(), output[:, :18, :sources]
    assert (gen <= day.offer[:, :18].numpy() + 2e-5).all()
    changes = np.diff(np.concatenate([before[:, None], gen], 1), axis=1)
    assert (changes <= fleet.hourly_rise + 1e-4).all()
    assert (changes >= -fleet.hourly_fall - 1e-4).all()
    stored = batch.state.store_mwh[:, wiring.stores] / unit_mw(batch.arrays)
    for hour in range(18):
        gives, takes = output[:, hour, sources : sources + stores], output[:, hour, sources + stores :]
        assert (gives <= fleet.discharge_max + 1e-5).all()
        assert (takes >= -fleet.charge_max - 1e-5).all()
        stored = fleet.store_min + (stored - fleet.store_min) * fleet.hourly_keep
        stored = stored - gives / fleet.discharge_eff - takes * fleet.charge_eff
        np.testing.assert_allclose(energy[:, hour], stored, atol=1e-4)
        assert (stored <= fleet.store_max + 1e-4).all()
        assert (stored >= fleet.store_min - 1e-4).all()
    served = output[:, 0].sum(1)
    np.testing.assert_allclose(served, day.need.sum(1), atol=1e-3)
    over = (np.abs(day.flow[:, :18].numpy()) - wiring.network.capacity).max()
    assert over < 1e-3


def test_energy_is_worth_what_a_little_more_of_it_saves(monkeypatch):
    """The value of stored energy is the derivative of the plan's cost, by finite differences."""
    batch, seen, wiring = batch_of("case14", horizon=24, forecast_error_frac=0.0)
    day, step = planned(wiring, seen, monkeypatch), 0.02
    for s, node in enumerate(wiring.stores.tolist()):
        costs = []
        for way in (1, -1):
            moved = {name: part.clone() for name, part in seen.items()}
            moved["nodes"][:, node, 4] += way * step
            plan = planned(wiring, moved, monkeypatch)
            costs.append([cost_of(batch, wiring, plan, b) for b in range(6)])
        found = -(np.array(costs[0]) - np.array(costs[1])) / (2 * step)
        np.testing.assert_allclose(day.value[:, 0, s], found, atol=0.08)


def test_plans_answer_to_stored_energy_as_finite_differences_say():
    _, seen, wiring = batch_of("gen:40:90006", 9, size=48)
    day, sources, step = plan_day(wiring, seen), len(wiring.sources), 0.01
    found, told = [], []
    for s, node in enumerate(wiring.stores.tolist()):
        sides = []
        for way in (1, -1):
            moved = {name: part.clone() for name, part in seen.items()}
            moved["nodes"][:, node, 4] += way * step
            sides.append(plan_day(wiring, moved))
        value = (sides[0].value[:, 0, s] - sides[1].value[:, 0, s]) / (2 * step)
        power = (sides[0].output[:, 0, sources:] - sides[1].output[:, 0, sources:]) / (2 * step)
        found.append(np.column_stack([value, power]))
        told.append(np.column_stack([day.value_answer[:, s, s], day.power_answer[:, :, s]]))
        assert (day.value_answer[:, s, s] <= 1e-6).all()
    found, told = np.concatenate(found), np.concatenate(told)
    assert spearmanr(found[:, 0], told[:, 0]).statistic > 0.7
    assert np.corrcoef(found[:, 1:].ravel(), told[:, 1:].ravel())[0, 1] > 0.5
    assert 0.5 < np.median(found[:, 0]) / np.median(told[:, 0]) < 2


def test_lines_that_a_plan_would_overload_are_added(monkeypatch):
    """Even where no line is thought to fill up, the attempts keep most of what a plan without lines would overload."""
    _, seen, wiring = batch_of("case14", 9)
    monkeypatch.setattr("policies.planner.day.SPANS_H", np.ones(HOURS, np.int64))
    monkeypatch.setattr("policies.planner.day.ENOUGH", np.full(HOURS, 1e-4))
    wiring.fleet = wiring.fleet._replace(swing=np.full_like(wiring.fleet.swing, -np.inf))
    capacity, overloads = wiring.network.capacity, []
    for network in (wiring.network._replace(capacity=np.full_like(capacity, 1e6)), wiring.network):
        wiring.network = network
        excess = plan_day(wiring, seen).flow.abs().numpy() - OVERLOADED * capacity
        overloads.append(np.maximum(excess, 0).sum())
    assert overloads[0] > 1
    assert overloads[1] < 0.1 * overloads[0]


@pytest.mark.parametrize("topology", ["case14", "gen:30:4", "gen:40:90006"])
def test_worked_out_it_comes_to_the_same_with_all_lines_from_the_first(topology, monkeypatch):
    monkeypatch.setattr("policies.planner.day.ENOUGH", np.full(len(SPANS_H), 1e-6))
    _, seen, wiring = batch_of(topology, 9, size=48)
    found = plan_day(wiring, seen)
    wiring.fleet = wiring.fleet._replace(swing=np.full_like(wiring.fleet.swing, np.inf))
    every = plan_day(wiring, seen)
    for name in ("price", "value"):
        off = (getattr(found, name)[:, 0] - getattr(every, name)[:, 0]).abs()
        assert off.max() < 1e-3, name


@pytest.mark.parametrize("topology", ["triangle", "classic", "case14", "gen:30:4", "gen:17:8"])
@pytest.mark.parametrize("dt_h", [1.0, 0.5])
def test_the_network_knows_the_limits_of_the_coming_step(topology, dt_h):
    """What it asks for meets demand inside all limits, ramps and losses included: nothing is left to balance."""
    batch, seen, wiring = batch_of(topology, dt_h=dt_h)
    torch.manual_seed(1)
    network, moved = GraphNetwork(16, 1), 0.0
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        for _ in range(20):
            actions, _ = network(seen, wiring)
            seen, *_ = batch.step(actions.numpy())
            seen = {name: torch.as_tensor(part) for name, part in seen.items()}
            outcome = batch.last.outcome
            short = outcome.shed_mw.sum(1) + outcome.spill_mw.sum(1)
            left = np.where(short > 0, 0, outcome.balancing_mw) / batch.arrays.peak_load_mw
            np.testing.assert_allclose(left, 0, atol=2e-3)
            assert np.abs(outcome.clipped_mw).max() < 1e-3 * batch.arrays.peak_load_mw
            moved += float((outcome.charge_mw + outcome.discharge_mw).sum())
    assert moved > 0


def test_what_is_left_of_an_episode_may_be_part_of_an_hour():
    """In a quarter of an hour a store can sell a quarter of what it could in an hour, and no more of its energy."""
    _, seen, wiring = batch_of("case14", 5, horizon=6, dt_h=0.25, forecast_h=(1, 24))
    day, sources, stores = plan_day(wiring, seen), len(wiring.sources), len(wiring.stores)
    power = day.output[:, 0, sources:]
    sold = power[:, :stores] / wiring.discharge_eff + power[:, stores:] * wiring.charge_eff
    stored = seen["nodes"][:, wiring.stores, 4]
    np.testing.assert_allclose(day.energy[:, 0], stored - 0.25 * sold, atol=1e-4)
    assert sold.abs().max() > 0.1
