"""Relays: heat, trips, cascades and lockout, by hand and against a slow oracle."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid import Grid, GridArrays, GridError, Inputs, Setpoint
from grid.physics.protection import Protection
from grid.physics.step import initial_state, step
from slow_step import SlowRelays, slow_relays, slow_walk
from strategies import CHECKED, SEEDS, grids, walk

RULES = (
    Protection(),
    Protection(heat_rule="count", heat_limit=1, lockout_h=2.0, trip_at_frac=1.5),
    Protection(heat_limit=0.1, lockout_h=0.5, rounds=1),
    Protection.grid2op(1.0),
)


def run(arrays: GridArrays, demand_mw: list[float], rule: Protection, dt_h: float = 1.0):
    """Run the last node's demand from the first node's source; the names of lines that trip, and the outcomes."""
    state, count = initial_state(arrays, 1, rule), len(arrays.node_names)
    tripped, outcomes = [], []
    for demand in demand_mw:
        load, gen = np.zeros((1, count)), np.zeros((1, count))
        load[0, -1] = gen[0, 0] = demand
        locked = state.lockout_h > 0
        state, outcome = step(
            arrays, state, Setpoint(gen, 0 * gen), Inputs(np.ones((1, count)), load, dt_h), protection=rule
        )
        new = outcome.tripped & ~locked
        tripped.append(" ".join(name for name, trips in zip(arrays.line_names, new[0], strict=True) if trips))
        outcomes.append(outcome)
    return tripped, outcomes


def one_line(capacity_mw: float = 10.0) -> GridArrays:
    grid = Grid("one line")
    grid.add_source("g", gen_max_mw=1000)
    grid.add_consumer("d", load_max_mw=1000)
    grid.add_line("g", "d", key="line", capacity_mw=capacity_mw)
    return grid.compile()


def five_buses() -> GridArrays:
    """Three ways from g to d that share alike; the first overloads at 60 MW, the others when they stand in for it."""
    grid = Grid("five buses")
    grid.add_source("g", gen_max_mw=100)
    for middle in "abc":
        grid.add_junction(middle)
    grid.add_consumer("d", load_max_mw=100)
    for middle, capacity_mw in (("a", 18.0), ("b", 28.0), ("c", 31.0)):
        for ends in (("g", middle), (middle, "d")):
            grid.add_line(*ends, key="".join(ends), capacity_mw=capacity_mw)
    return grid.compile()


def test_a_five_bus_cascade_by_grid2ops_rules():
    """By hand. Steps 1 to 3: 20 MW each way, the way over a at 20/18 of capacity, so it trips in its third step.
    Steps 3 to 5: 30, 30 and 31.5 MW over b with 28, so b trips in step 5. Then c carries 63 with 31, more than twice
    its capacity, and trips at once: d is dark. The way over a comes back after ten steps, in step 14."""
    demand = [60.0, 60, 60, 60, 63] + [10.0] * 9
    tripped, outcomes = run(five_buses(), demand, Protection.grid2op(1.0))
    assert tripped == ["", "", "ga ad", "", "gb gc bd cd"] + [""] * 9
    served = [float(o.served_mw.sum()) for o in outcomes]
    assert served == pytest.approx([60, 60, 60, 60, 0] + [0] * 8 + [10])
    assert outcomes[1].flow_mw[0] == pytest.approx([20] * 6)
    assert sorted(outcomes[3].flow_mw[0]) == pytest.approx([0, 0, 30, 30, 30, 30])
    assert (outcomes[3].tripped == (outcomes[3].flow_mw == 0)).all()
    assert outcomes[13].in_service.sum() == 2


def test_a_way_that_comes_back_alone_trips_again():
    demand = [60.0, 60, 60, 60, 63] + [60.0] * 9
    tripped, _ = run(five_buses(), demand, Protection.grid2op(1.0))
    assert tripped[13] == "ga ad"


@pytest.mark.parametrize(("dt_h", "trips_in"), [(1.0, 2), (0.5, 4), (0.25, 9)])
def test_heat_is_the_square_of_the_loading_over_time(dt_h, trips_in):
    """At 1.2 x capacity an hour adds 0.44: more than 1 after 2.27 h, so in the third hour, the fifth half hour, ..."""
    tripped, _ = run(one_line(), [12.0] * (trips_in + 1), Protection(), dt_h)
    assert tripped == [""] * trips_in + ["line"]


def test_heat_leaves_a_line_that_is_relieved():
    """0.44 and 0.44 of heat, then an hour at no load takes one away, so two more hours are no danger."""
    tripped, _ = run(one_line(), [12.0, 12, 0, 12, 12, 12], Protection())
    assert tripped == ["", "", "", "", "", "line"]
    tripped, _ = run(one_line(), [12.0, 12, 12, 12], Protection())
    assert tripped == ["", "", "line", ""]


def test_a_line_far_above_its_capacity_trips_at_once():
    rule = Protection(heat_limit=100.0)
    assert run(one_line(), [20.0], rule)[0] == [""]
    tripped, outcomes = run(one_line(), [20.1], rule)
    assert tripped == ["line"]
    assert outcomes[0].served_mw.sum() == 0


def test_a_line_is_out_as_long_as_its_lockout_lasts():
    _, outcomes = run(one_line(), [30.0] + [5.0] * 5, Protection(lockout_h=3.0))
    assert [float(o.served_mw.sum()) for o in outcomes] == [0, 0, 0, 0, 5, 5]


def test_an_unlimited_line_never_trips():
    assert run(one_line(np.inf), [900.0] * 5, Protection())[0] == [""] * 5


def test_without_protection_an_overloaded_line_stays():
    arrays = one_line()
    inputs = Inputs(np.ones((1, 2)), np.array([[0.0, 90.0]]), 1.0)
    state, outcome = step(arrays, initial_state(arrays, 1), Setpoint(np.array([[90.0, 0]]), np.zeros((1, 2))), inputs)
    assert outcome.flow_mw[0, 0] == pytest.approx(90)
    assert (state.heat, state.lockout_h, outcome.tripped, outcome.in_service) == (None,) * 4


@CHECKED
@given(grids(), SEEDS, st.sampled_from(RULES))
def test_heat_status_and_trips_equal_plain_loops(grid, seed, rule):
    arrays = grid.compile()
    trips = 0
    for w in walk(arrays, seed, batch=2, steps=4, outages=True, protection=rule):
        for i in range(2):
            given_out = set() if w.inputs.in_service is None else set(np.flatnonzero(~w.inputs.in_service[i]).tolist())

            def run_without(out, w=w, i=i):
                return slow_walk(arrays, w, i, out=out)[2]

            before = SlowRelays(w.before.heat[i].tolist(), w.before.lockout_h[i].tolist())
            after, tripped, gone = slow_relays(
                arrays, rule, before, given_out, w.inputs.dt_h, lambda out, f=run_without: f(out).flow_mw
            )
            trips += len(tripped)
            np.testing.assert_allclose(w.after.heat[i], after.heat, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(w.after.lockout_h[i], after.lockout_h, rtol=0, atol=1e-12)
            status = np.ones(len(arrays.line_names)) if w.outcome.in_service is None else w.outcome.in_service[i]
            assert set(np.flatnonzero(status == 0).tolist()) == gone
            wanted = run_without(gone)
            np.testing.assert_allclose(w.outcome.shed_mw[i], wanted.shed_mw, rtol=0, atol=1e-9)
            np.testing.assert_allclose(w.outcome.flow_mw[i], wanted.flow_mw, rtol=0, atol=1e-7)


@CHECKED
@given(grids(), SEEDS, st.sampled_from(RULES))
def test_the_same_seed_gives_the_same_trips(grid, seed, rule):
    arrays = grid.compile()
    twice = [list(walk(arrays, seed, outages=True, protection=rule)) for _ in range(2)]
    for one, other in zip(*twice, strict=True):
        assert (one.after.heat == other.after.heat).all()
        assert (one.outcome.tripped == other.outcome.tripped).all()
        assert (one.outcome.flow_mw == other.outcome.flow_mw).all()


def test_random_grids_do_trip():
    grid = Grid("weak")
    grid.add_source("g", gen_max_mw=100)
    grid.add_consumer("d", load_max_mw=80)
    grid.add_line("g", "d", capacity_mw=5.0)
    trips = [w.outcome.tripped.any() for w in walk(grid.compile(), 1, batch=20, protection=RULES[0])]
    assert any(trips)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("heat_rule", "termal", "found 'termal'; allowed: thermal or count; did you mean 'thermal'?"),
        ("heat_limit", -1.0, "found -1.0; allowed: a finite number >= 0; correct the value"),
        ("trip_at_frac", 0.5, "found 0.5; allowed: a finite number >= 1; correct the value"),
        ("lockout_h", np.nan, "found nan; allowed: a finite number >= 0; correct the value"),
        ("rounds", 2.5, "found 2.5; allowed: a whole number >= 1; correct the value"),
    ],
)
def test_a_bad_rule_is_named(field, value, message):
    with pytest.raises(GridError, match=re.escape(f"protection.{field}: {message}")):
        replace(Protection(), **{field: value})
