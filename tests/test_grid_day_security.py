"""Security in the clearing: lines that would trip after the outage of another, against flows and a linear programme."""

import dataclasses

import numpy as np
import pytest

from days import batch_of, plan_of
from envs import EnvConfig, GridBatch
from grid import Grid
from grid.physics import Outages, Protection, flows
from grid.planning.day import Security, clear
from grid.planning.day.clearing import offers
from grid.planning.day.constants import constants_of
from grid.planning.day.market import LEAST_RISE
from grid.planning.day.security import outage_factors
from grid.planning.security import may_fail
from slow_cases import slow
from test_grid_day_market import least_paid, paid


@pytest.mark.parametrize("topology", ["case14", "gen:24:9", *slow("case118")])
@pytest.mark.parametrize("out", [(), (2, 7)])
def test_what_lines_carry_after_an_outage_is_what_the_step_makes_of_it(topology, out):
    batch = batch_of(topology)
    a, c = batch.arrays, constants_of(batch.arrays, batch.prices, out)
    left = np.ones(len(a.line_names), bool)
    left[list(out)] = False
    injection = np.random.default_rng(0).normal(size=len(a.node_names))
    injection -= c.part @ (c.part.T @ injection / c.part.sum(0))  # each part in balance
    before = flows(a, injection[None], Outages.of(a, left[None]) if out else None)[0]
    factors, stay = outage_factors(c)
    fails = may_fail(a, left)[c.limited]
    np.testing.assert_array_equal(~stay, fails)
    assert fails.any()
    assert not fails.all() or not out
    for k in np.flatnonzero(fails):
        after = left.copy()
        after[c.limited[k]] = False
        wanted = flows(a, injection[None], Outages.of(a, after[None]))[0]
        found = before[c.limited] + factors[k] * before[c.limited[k]]
        np.testing.assert_allclose(found, wanted[c.limited], atol=1e-8)


def two_lines(copies=1):
    """A cheap and a dear source; two equal lines of 60 MW lead from the cheap one to 100 MW. Copies stand apart."""
    grid = Grid("two lines")
    for i in range(copies):
        grid.add_source(f"cheap{i}", gen_max_mw=200, gen_cost_per_mwh=10)
        grid.add_source(f"dear{i}", gen_max_mw=200, gen_cost_per_mwh=100)
        grid.add_consumer(f"town{i}", load_max_mw=100)
        for _ in range(2):
            grid.add_line(f"cheap{i}", f"town{i}", capacity_mw=60)
        grid.add_line(f"dear{i}", f"town{i}", capacity_mw=200)
    return grid


def secured(grid, asked, limit_frac=1.25, odds=0.01):
    """Output (G,) where every town needs 100 MW and sources ask for (G,)."""
    batch = batch_of(grid, size=2)
    load_mw = np.where(batch.arrays.load_max_mw > 0, 100.0, np.zeros_like(batch.inputs.load_mw))
    inputs, shift = dataclasses.replace(batch.inputs, load_mw=load_mw), np.zeros((2, len(batch.arrays.controllable)))
    security = Security(np.tile(asked, (2, 1)).astype(float), np.full(len(batch.arrays.line_names), odds), limit_frac)
    cleared = clear(plan_of(batch), shift, batch.limits, inputs, security)
    np.testing.assert_array_equal(cleared.gen_mw[0], cleared.gen_mw[1])
    return cleared.gen_mw[0, batch.arrays.is_source]


@pytest.mark.parametrize(
    ("asked", "limit_frac", "wanted_mw"), [(14, 1.25, 100), (16, 1.25, 75), (16, 1.0, 60), (0, 1.0, 100)]
)
def test_security_is_bought_where_the_odds_make_it_cheaper(asked, limit_frac, wanted_mw):
    """By hand: the dear source costs 90 more, an overload after either outage 300 a MWh at odds of 1 %."""
    np.testing.assert_allclose(secured(two_lines(), [asked, asked], limit_frac), [wanted_mw, 100 - wanted_mw], atol=0.1)


def test_sources_elsewhere_have_no_say():
    """Of 14 grids apart from each other every second asks for security and gets it; 28 limits break."""
    found = secured(two_lines(14), np.repeat([16.0, -16.0] * 7, 2)).reshape(7, 2, 2)
    for i in range(7):
        assert found[i] == pytest.approx(np.array([[75.0, 25.0], [100.0, 0.0]]), abs=0.1)


def test_one_source_is_heard_where_a_store_can_stand_in():
    grid = Grid()
    grid.add_source("only", gen_max_mw=200, gen_cost_per_mwh=10)
    grid.add_storage("cells", store_max_mwh=1000, charge_max_mw=50, discharge_max_mw=50, store_init_mwh=900)
    grid.add_consumer("town", load_max_mw=100)
    for _ in range(2):
        grid.add_line("only", "town", capacity_mw=60)
    grid.add_line("cells", "town", capacity_mw=100)
    assert secured(grid, [50.0], odds=0.05) == pytest.approx([75.0], abs=0.5)
    assert secured(grid, [0.0], odds=0.05) > 90


@pytest.mark.parametrize("topology", ["case14", "gen:24:9"])
def test_rows_that_are_added_cost_what_all_of_them_cost(topology):
    """Every limit after every outage in one linear programme; two rounds, and pairs that move, miss a little."""
    batch, rng = batch_of(topology, 3, size=3, emergency_shedding=True), np.random.default_rng(1)
    a, day, c = batch.arrays, plan_of(batch), constants_of(batch.arrays, batch.prices)
    load, sources = batch.inputs.load_mw / a.unit_mw, len(c.sources)
    odds = rng.uniform(0.005, 0.02, len(a.line_names))
    security = Security(np.full((3, sources), 20.0), odds, 1.1)
    none = np.zeros((3, len(a.controllable)))
    cost, rise = offers(
        day, c, ..., np.zeros((3, sources + len(c.stores))), batch.limits.store_mwh[:, c.stores] / a.unit_mw
    )
    limits, idle = batch.limits, np.zeros((3, len(c.stores)))
    gen_lo, gen_hi = (mw[:, c.sources] / a.unit_mw for mw in (limits.gen_lo_mw, limits.gen_hi_mw))
    least, most = (mw[:, c.stores] / a.unit_mw for mw in (limits.store_lo_mw, limits.store_hi_mw))
    low, high = np.concatenate([gen_lo, idle, least], 1), np.concatenate([gen_hi, most, idle], 1)
    rise = np.maximum(rise, LEAST_RISE / np.maximum(high - low, 1e-3))
    factors, stay = outage_factors(c)
    out, line = np.nonzero(~stay[:, None] & ~np.eye(len(stay), dtype=bool))
    price = 20.0 * odds[c.limited][out]
    reach = c.network.reach
    secured = c.network._replace(
        capacity=np.concatenate([c.network.capacity, price * 1.1 * c.network.capacity[line]]),
        reach=np.concatenate([reach, price * (reach[:, line] + factors[out, line] * reach[:, out])], axis=1),
    )
    dearer = 0
    for i in range(3):
        by_load = c.offset - load[i] @ c.flow
        flow = np.concatenate([by_load, price * (by_load[line] + factors[out, line] * by_load[out])])
        given = cost[i], rise[i]
        best = least_paid(secured, *given, low[i], high[i], load[i] @ c.part, flow, pieces=24)
        paid_for = []
        for each in (None, security):
            asked = clear(day, none, limits, batch.inputs, each)
            gives = asked.store_mw[i, c.stores] / a.unit_mw
            output = np.concatenate(
                [asked.gen_mw[i, c.sources] / a.unit_mw, np.maximum(gives, 0), np.minimum(gives, 0)]
            )
            paid_for.append(paid(secured, *given, output, flow))
        plain, found = paid_for
        assert found <= best + 0.05 * abs(best)
        assert found <= plain + 1e-6 * abs(plain)
        dearer += plain > found + 0.01 * abs(found)
    assert dearer


STORM = EnvConfig(
    horizon=6,
    gate_h=1.0,
    overload="trip",
    outage_rate_per_h=0.01,
    emergency_shedding=True,
    action="secure-values",
)


@pytest.mark.parametrize("changed", [{}, {"overload": "penalty"}, {"gate_h": 0.0}])
def test_what_no_source_asks_for_or_cannot_happen_is_not_secured(changed):
    """Where no line trips or none fails unforeseen, and unasked for, the actions are those of ``store-values``."""
    world = dataclasses.replace(STORM, **changed)
    config = dataclasses.replace(world, topology="case14")
    batch = GridBatch(config, 4)
    other = GridBatch(dataclasses.replace(config, action="store-values"), 4)
    batch.reset(3), other.reset(3)
    of_store = batch.arrays.is_store[batch.arrays.controllable]
    actions = np.random.default_rng(0).uniform(-1, 1, (4, len(of_store)))
    for sources, is_same in ((-1.0, True), (0.0, True), (1.0, bool(changed))):
        asked = np.where(of_store, actions, sources)
        found, plain = batch.setpoint(asked), other.setpoint(asked)
        assert np.array_equal(found.gen_mw, plain.gen_mw) == is_same
        assert not is_same or np.array_equal(found.store_mw, plain.store_mw)


@pytest.mark.parametrize(("gate_h", "dt_h"), [(1.0, 1.0), (2.0, 1.0), (1.0, 0.25)])
def test_odds_are_the_share_of_lines_that_fail_unforeseen(gate_h, dt_h):
    config = dataclasses.replace(STORM, topology="case14", horizon=12, gate_h=gate_h, dt_h=dt_h, outage_rate_per_h=0.02)
    batch = GridBatch(config, 400)
    batch.reset(0)
    unforeseen, known = 0, 0
    for t in range(config.gate_steps, 12):  # no line fails before the first step
        foreseen = batch.outlook.known(t).in_service
        unforeseen += (foreseen & ~batch.outlook.inputs(t).in_service)[:, batch.arrays.outage_rate_per_h > 0].sum()
        known += foreseen[:, batch.arrays.outage_rate_per_h > 0].sum()
    actions = np.ones((400, len(batch.arrays.controllable)))
    odds = batch.action_map._security(actions).odds[batch.arrays.outage_rate_per_h > 0]
    np.testing.assert_allclose(odds, unforeseen / known, rtol=0.1)


@pytest.mark.parametrize(
    ("protection", "dt_h", "wanted"),
    [
        (Protection(), 1.0, 2**0.5),
        (Protection(), 0.25, 2.0),
        (Protection(heat_limit=0.0), 1.0, 1.0),
        (Protection(heat_rule="count", heat_limit=2.0), 1.0, 2.0),
        (Protection(heat_rule="count", heat_limit=0.0), 1.0, 1.0),
    ],
)
def test_the_loading_that_trips_a_line_does_and_a_little_less_does_not(protection, dt_h, wanted):
    found = protection.tripping_frac(dt_h)
    assert found == pytest.approx(wanted)
    loading = np.array([[found - 1e-6, found + 1e-6]])
    assert protection.trips(np.zeros((1, 2)), loading, dt_h).tolist() == [[False, True]]
