"""The plan of the day ahead: as cheap as the optimum of the same hours, and what energy is worth in it."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import spearmanr

from days import batch_of, changed_planner, exact_plan, hourly, plan_of, stored_more, with_swing
from grid.planning.day import HOURS
from grid.planning.day.plan import OVERLOADED, SPANS_H, in_periods
from grid.planning.optimum import optimum


def cost_of(batch, day, b):
    """What the plan of row b costs per unit, by its own terms in plain numpy."""
    fleet, network = day.constants.fleet, day.constants.network
    sources, stores = len(fleet.cost), len(fleet.store_max)
    hours = int(min((batch.horizon - batch.t) * batch.config.dt_h, HOURS))
    output, flow = day.output[b, :hours], day.flow[b, :hours]
    gen, gives = output[:, :sources], output[:, sources : sources + stores]
    total = (gen * fleet.cost + gen**2 * fleet.rise / 2).sum() + fleet.wear * gives.sum()
    total += network.overload * np.maximum(np.abs(flow) - network.capacity, 0).sum()
    return total - (fleet.end_value * day.energy[b, hours - 1]).sum()


@pytest.mark.parametrize("topology", ["triangle", "classic", "case14", "gen:14:3", "gen:30:4", "gen:40:90006"])
def test_the_plan_of_an_episode_costs_what_its_optimum_costs(topology, monkeypatch):
    batch = batch_of(topology, horizon=24, forecast_error_frac=0.0)
    day = exact_plan(batch, monkeypatch)
    c, unit = day.constants, batch.arrays.unit_mw
    per_unit = c.typical_price_per_mwh * unit
    for b in range(3):
        best = optimum(batch.arrays, batch.episode_inputs(b), batch.prices)
        assert best.shed_mw.sum() < 1e-6
        start = (c.fleet.end_value * batch.arrays.store_init_mwh[c.stores] / unit).sum()
        np.testing.assert_allclose(per_unit * (cost_of(batch, day, b) + start), best.cost, rtol=2e-3)


def test_threads_plan_what_one_plans(monkeypatch):
    batch = batch_of("gen:30:4", 3, 60)
    days = []
    for threads in (1, 3):
        monkeypatch.setattr("grid.jit.config.NUMBA_NUM_THREADS", threads)
        monkeypatch.setattr("grid.jit.cores", lambda threads=threads: threads)
        days.append(plan_of(batch))
    alone, together = days
    for item in dataclasses.fields(alone):
        if item.name != "groups":
            np.testing.assert_array_equal(getattr(alone, item.name), getattr(together, item.name), item.name)


@pytest.mark.parametrize("topology", ["case14", "gen:30:4", "gen:40:90006"])
def test_longer_periods_ahead_cost_little(topology, monkeypatch):
    """With the first hour of each plan taken as the forecasts have it, the price of power is that of hourly plans."""
    batch = batch_of(topology, 5)
    coarse, fine = plan_of(batch), exact_plan(batch, monkeypatch, 1e-4)
    assert np.median(np.abs(coarse.price[:, 0] - fine.price[:, 0])) < 0.02
    assert np.median(np.abs(coarse.value[:, 0] - fine.value[:, 0])) < 0.03


@pytest.mark.parametrize("hours", [1, 2, 8, 11, 24, 25])
def test_periods_hold_the_means_of_their_hours(hours):
    series = np.random.default_rng(hours).uniform(0, 3, (2, HOURS, 3))
    ends_h = np.unique(np.minimum(np.cumsum(SPANS_H), hours))
    means, begin = in_periods(series, ends_h), 0
    for t, end in enumerate(ends_h):
        np.testing.assert_allclose(means[:, t], series[:, begin:end].mean(1), atol=1e-12)
        begin = end
    assert begin == hours


@pytest.mark.parametrize("topology", ["case14", "gen:40:90006"])
def test_plans_keep_all_limits_and_accounts(topology, monkeypatch):
    batch = batch_of(topology, 30)  # 18 hours are left
    day, unit = exact_plan(batch, monkeypatch), batch.arrays.unit_mw
    c, fleet, ahead = day.constants, day.constants.fleet, batch.expected(batch.problem.planner.leads())
    sources, stores = len(fleet.cost), len(fleet.store_max)
    output, energy = day.output, day.energy
    assert (output[:, 18:] == 0).all()
    assert np.abs(output[:, :18]).max() > 0.5
    offer = ahead.gen_avail_frac[:18, :, c.sources].swapaxes(0, 1) * c.gen_max
    offer[:, 0] = batch.limits.gen_hi_mw[:, c.sources] / unit
    before, gen = batch.state.gen_mw[:, c.sources] / unit, output[:, :18, :sources]
    assert (gen <= offer + 2e-5).all()
    changes = np.diff(np.concatenate([before[:, None], gen], 1), axis=1)
    assert (changes <= fleet.hourly_rise + 1e-4).all()
    assert (changes >= -fleet.hourly_fall - 1e-4).all()
    stored = batch.state.store_mwh[:, c.stores] / unit
    for hour in range(18):
        gives, takes = output[:, hour, sources : sources + stores], output[:, hour, sources + stores :]
        assert (gives <= fleet.discharge_max + 1e-5).all()
        assert (takes >= -fleet.charge_max - 1e-5).all()
        stored = fleet.store_min + (stored - fleet.store_min) * fleet.hourly_keep
        stored = stored - gives / fleet.discharge_eff - takes * fleet.charge_eff
        np.testing.assert_allclose(energy[:, hour], stored, atol=1e-4)
        assert (stored <= fleet.store_max + 1e-4).all()
        assert (stored >= fleet.store_min - 1e-4).all()
    np.testing.assert_allclose(output[:, 0].sum(1), batch.inputs.load_mw.sum(1) / unit, atol=1e-3)
    assert (np.abs(day.flow[:, :18]) - c.network.capacity).max() < 1e-3


def test_energy_is_worth_what_a_little_more_of_it_saves(monkeypatch):
    """The value of stored energy is the derivative of the plan's cost, by finite differences."""
    batch = batch_of("case14", horizon=24, forecast_error_frac=0.0)
    day, step = exact_plan(batch, monkeypatch), 0.02
    for s, node in enumerate(day.constants.stores):
        costs = []
        for way in (1, -1):
            more = stored_more(batch, node, way * step * batch.arrays.unit_mw)
            plan = exact_plan(batch, monkeypatch, now=more)
            costs.append([cost_of(batch, plan, b) for b in range(6)])
        found = -(np.array(costs[0]) - np.array(costs[1])) / (2 * step)
        np.testing.assert_allclose(day.value[:, 0, s], found, atol=0.08)


def test_plans_answer_to_stored_energy_as_finite_differences_say():
    batch = batch_of("gen:40:90006", 9, size=48)
    day, step = plan_of(batch), 0.01
    sources, found, told = len(day.constants.sources), [], []
    for s, node in enumerate(day.constants.stores):
        sides = [plan_of(batch, now=stored_more(batch, node, way * step * batch.arrays.unit_mw)) for way in (1, -1)]
        value = (sides[0].value[:, 0, s] - sides[1].value[:, 0, s]) / (2 * step)
        power = (sides[0].output[:, 0, sources:] - sides[1].output[:, 0, sources:]) / (2 * step)
        found.append(np.column_stack([value, power]))
        told.append(np.column_stack([day.value_slope[:, s, s], day.power_slope[:, :, s]]))
        assert (day.value_slope[:, s, s] <= 1e-6).all()
    found, told = np.concatenate(found), np.concatenate(told)
    assert spearmanr(found[:, 0], told[:, 0]).statistic > 0.7
    assert np.corrcoef(found[:, 1:].ravel(), told[:, 1:].ravel())[0, 1] > 0.5
    assert 0.5 < np.median(found[:, 0]) / np.median(told[:, 0]) < 2


def test_lines_that_a_plan_would_overload_are_added(monkeypatch):
    """Even where no line is thought to fill up, the attempts keep most of what a plan without lines would overload."""
    batch = batch_of("case14", 9)
    hourly(monkeypatch, 1e-4)
    capacity = batch.problem.planner.constants.without(()).network.capacity
    overloads = []
    for most in (np.full_like(capacity, 1e6), capacity):

        def change(c, most=most):
            return with_swing(-np.inf)(dataclasses.replace(c, network=c.network._replace(capacity=most)))

        excess = np.abs(plan_of(batch, changed_planner(batch, change)).flow) - OVERLOADED * capacity
        overloads.append(np.maximum(excess, 0).sum())
    assert overloads[0] > 1
    assert overloads[1] < 0.1 * overloads[0]


@pytest.mark.parametrize("topology", ["case14", "gen:30:4", "gen:40:90006"])
def test_worked_out_it_comes_to_the_same_with_all_lines_from_the_first(topology, monkeypatch):
    monkeypatch.setattr("grid.planning.day.planner.TOLERANCE", np.full(len(SPANS_H), 1e-6))
    batch = batch_of(topology, 9, size=48)
    found, every = plan_of(batch), plan_of(batch, changed_planner(batch, with_swing(np.inf)))
    for name in ("price", "value"):
        off = np.abs(getattr(found, name)[:, 0] - getattr(every, name)[:, 0])
        assert off.max() < 1e-3, name


def test_what_is_left_of_an_episode_may_be_part_of_an_hour():
    """In a quarter of an hour a store can sell a quarter of what it could in an hour, and no more of its energy."""
    batch = batch_of("case14", 5, horizon=6, dt_h=0.25)
    day, unit = plan_of(batch), batch.arrays.unit_mw
    c, sources, stores = day.constants, len(day.constants.sources), len(day.constants.stores)
    power = day.output[:, 0, sources:]
    sold = power[:, :stores] / c.fleet.discharge_eff + power[:, stores:] * c.fleet.charge_eff
    stored = batch.limits.store_mwh[:, c.stores] / unit
    np.testing.assert_allclose(day.energy[:, 0], stored - 0.25 * sold, atol=1e-4)
    assert np.abs(sold).max() > 0.1


@pytest.mark.parametrize("dt_h", [0.25, 0.5, 1.0, 3.0])
def test_the_hours_of_a_plan_are_forecast_in_steps(dt_h):
    """Every hour after the coming one by a later step, the nearest to it."""
    leads = batch_of("triangle", dt_h=dt_h, horizon=6).problem.planner.leads()
    assert leads.shape == (HOURS,)
    assert leads[0] == 0
    assert (leads[1:] >= 1).all()
    assert (np.abs(leads * dt_h - np.arange(HOURS))[3:] <= dt_h / 2).all()
