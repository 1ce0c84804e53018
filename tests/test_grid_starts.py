"""Plants that start and stop: what the step lets them do, what it costs, and that it equals plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from grid import Grid, GridError, Inputs, Prices, Setpoint, State, step_costs
from grid.physics import committed, initial_state, is_asked, limits, step
from slow_step import PER_NODE, slow_walk
from strategies import CHECKED, SEEDS, grids, random_inputs, random_setpoint, walk, with_starts

TOLERANCE = 1e-9


def one_plant(**columns) -> Grid:
    grid = Grid("one")
    grid.add_source("always", gen_max_mw=40, gen_cost_per_mwh=10)
    grid.add_source(
        "plant", **{"gen_max_mw": 100, "gen_min_mw": 40, "gen_cost_per_mwh": 20, "start_cost": 500, **columns}
    )
    grid.add_consumer("town", load_max_mw=120)
    for node in ("always", "plant"):
        grid.add_line(node, "town")
    return grid


def run(grid: Grid, asked: list[float], load_mw: float = 30.0, dt_h: float = 1.0):
    """Ask the plant for some MW, step by step: the outcomes."""
    arrays = grid.compile()
    state, outcomes = initial_state(arrays, 1), []
    for mw in asked:
        inputs = Inputs(np.ones((1, 3)), np.array([[0.0, 0.0, load_mw]]), dt_h)
        state, outcome = step(arrays, state, Setpoint(np.array([[0.0, mw, 0.0]]), np.zeros((1, 3))), inputs)
        outcomes.append(outcome)
    return arrays, outcomes, state


def on(outcomes) -> list[int]:
    return [int(outcome.on[0, 1]) for outcome in outcomes]


def test_less_than_half_the_minimum_means_off():
    _, outcomes, _ = run(one_plant(), [0, 19.9, 20, 39, 80, -5])
    assert on(outcomes) == [0, 0, 1, 1, 1, 0]
    # the balance raises what is on, never what is off
    assert [outcome.gen_mw[0, 1] for outcome in outcomes[:4]] == [0, 0, 40, 40]


def test_a_plant_without_minimum_is_off_at_0():
    _, outcomes, _ = run(one_plant(gen_min_mw=0), [0, 1e-9, 0])
    assert on(outcomes) == [0, 1, 0]


def test_minimum_times_win_over_what_is_asked():
    grid = one_plant(min_up_h=3, min_down_h=2, initial_on_h=-1)
    _, outcomes, state = run(grid, [50, 50, 0, 0, 0, 50, 50])
    assert on(outcomes) == [0, 1, 1, 1, 0, 0, 1]  # one hour more off, three on, two off
    assert state.on_h[0].tolist() == [np.inf, 1.0, np.inf]


def test_minimum_times_count_hours_whatever_the_step():
    _, outcomes, _ = run(one_plant(min_up_h=1.5, initial_on_h=-8), [50, *[0] * 6], dt_h=0.5)
    assert on(outcomes) == [1, 1, 1, 0, 0, 0, 0]


def test_a_plant_that_is_off_has_no_headroom_so_demand_is_shed():
    _, outcomes, _ = run(one_plant(min_down_h=4), [0, 90], load_mw=120)
    assert [outcome.shed_mw[0, 2] for outcome in outcomes] == [80, 80]  # it has stopped and may not come back


def test_output_in_the_step_of_a_start_is_limited():
    grid = one_plant(start_ramp_mw=50, gen_ramp_mw_per_h=20, initial_on_h=-1)
    _, outcomes, _ = run(grid, [90, 90, 90, 0], load_mw=120)
    assert [outcome.gen_mw[0, 1] for outcome in outcomes] == [50, 70, 90, 0]  # a stop needs no ramp


def test_starts_and_hours_on_cost_what_the_columns_say():
    arrays, outcomes, _ = run(one_plant(no_load_cost_per_h=30), [0, 50, 50, 0, 50], dt_h=0.5)
    costs = [step_costs(arrays, Prices(), outcome, 0.5) for outcome in outcomes]
    assert [float(each["start"][0]) for each in costs] == [0, 500, 0, 0, 500]
    assert [float(each["no_load"][0]) for each in costs] == [0, 15, 15, 0, 15]


def test_grids_without_such_plants_have_neither_state_nor_terms():
    grid = one_plant()
    del grid.graph.nodes["plant"]["start_cost"]
    arrays = grid.compile()
    state = initial_state(arrays, 2)
    assert state.on_h is None
    inputs = Inputs(np.ones((2, 3)), np.array([[0.0, 0.0, 60.0]] * 2), 1.0)
    now = limits(arrays, state, inputs)
    assert now.choice is None
    assert committed(now, np.zeros((2, 3), bool)) is now
    after, outcome = step(arrays, state, Setpoint(np.zeros((2, 3)), np.zeros((2, 3))), inputs)
    assert (after.on_h, outcome.on, outcome.starts_per_h) == (None, None, None)
    assert not {"start", "no_load"} & step_costs(arrays, Prices(), outcome, 1.0).keys()


@CHECKED
@given(grids(), SEEDS)
def test_equals_the_slow_oracle(grid, seed):
    arrays = with_starts(grid, np.random.default_rng(seed)).compile()
    for w in walk(arrays, seed, batch=2, steps=5):
        now = committed(w.limits, is_asked(arrays, w.setpoint))
        for i in range(2):
            store, _, outcome, lim = slow_walk(arrays, w, i, on_h=w.before.on_h[i].tolist())
            for name in ("gen_lo_mw", "gen_hi_mw", "store_mwh"):
                np.testing.assert_allclose(getattr(now, name)[i], getattr(lim, name), rtol=0, atol=TOLERANCE)
            for name in (*PER_NODE, "flow_mw", "balancing_mw", "clipped_mw"):
                value = getattr(w.outcome, name)[i]
                np.testing.assert_allclose(value, getattr(outcome, name), rtol=0, atol=TOLERANCE, err_msg=name)
            np.testing.assert_allclose(w.after.store_mwh[i], store, rtol=0, atol=TOLERANCE)


@CHECKED
@given(grids(), SEEDS)
def test_minimum_times_are_never_broken_and_power_always_balances(grid, seed):
    arrays = with_starts(grid, np.random.default_rng(seed)).compile()
    plants = arrays.stoppable
    for w in walk(arrays, seed, steps=12, outages=True):
        before_h, after_h, o = w.before.on_h[:, plants], w.after.on_h[:, plants], w.outcome
        was, now = before_h > 0, after_h > 0
        np.testing.assert_array_equal(o.on[:, plants] > 0, now)
        np.testing.assert_array_equal(o.starts_per_h[:, plants] > 0, now & ~was)
        assert (before_h >= arrays.min_up_h[plants] - 1e-9)[was & ~now].all()
        assert (-before_h >= arrays.min_down_h[plants] - 1e-9)[~was & now].all()
        gen = o.gen_mw[:, plants]
        assert (gen[~now] == 0).all()
        least = committed(w.limits, is_asked(arrays, w.setpoint)).gen_lo_mw[:, plants]
        assert (gen >= least - TOLERANCE)[now].all()
        assert (gen <= arrays.start_ramp_mw[plants] + TOLERANCE)[now & ~was].all()
        assert (o.on[:, np.setdiff1d(np.arange(len(arrays.node_names)), plants)] == 0).all()
        met = o.served_mw + o.shed_mw + o.curtailed_mw
        np.testing.assert_allclose(met, w.inputs.load_mw, rtol=0, atol=TOLERANCE)
        if w.inputs.in_service is None:
            np.testing.assert_allclose(o.injection_mw @ arrays.part_matrix, 0.0, rtol=0, atol=1e-7)


@CHECKED
@given(grids(), SEEDS)
def test_rows_do_not_know_of_each_other(grid, seed):
    arrays = with_starts(grid, np.random.default_rng(seed)).compile()
    rng = np.random.default_rng(seed)
    state = initial_state(arrays, 3)
    for _ in range(4):
        inputs, asked = random_inputs(arrays, rng, 3, 1.0), random_setpoint(arrays, rng, 3)
        after, outcome = step(arrays, state, asked, inputs)
        for i in range(3):
            own = State(*(None if v is None else v[i : i + 1] for v in vars(state).values()))
            given_ = replace(inputs, gen_avail_frac=inputs.gen_avail_frac[i : i + 1], load_mw=inputs.load_mw[i : i + 1])
            alone, happened = step(arrays, own, Setpoint(asked.gen_mw[i : i + 1], asked.store_mw[i : i + 1]), given_)
            np.testing.assert_array_equal(alone.on_h[0], after.on_h[i])
            np.testing.assert_array_equal(happened.gen_mw[0], outcome.gen_mw[i])
        state = after


def test_torch_tensors_take_the_same_steps():
    torch = pytest.importorskip("torch")
    grid = one_plant(min_up_h=2, min_down_h=2, start_ramp_mw=60)
    arrays = grid.compile()
    tensors = arrays.convert(torch.tensor)
    state = initial_state(arrays, 4)
    rng = np.random.default_rng(0)
    as_tensor = {name: None if v is None else torch.as_tensor(v) for name, v in vars(state).items()}
    other = State(**as_tensor)
    for _ in range(6):
        load = np.zeros((4, 3))
        load[:, 2] = rng.uniform(20, 120, 4)
        gen = rng.uniform(0, 60, (4, 3))
        state, outcome = step(arrays, state, Setpoint(gen, np.zeros((4, 3))), Inputs(np.ones((4, 3)), load, 1.0))
        same = Setpoint(torch.as_tensor(gen), torch.zeros((4, 3), dtype=torch.float64))
        inputs = Inputs(torch.ones((4, 3), dtype=torch.float64), torch.as_tensor(load), 1.0)
        other, happened = step(tensors, other, same, inputs)
        np.testing.assert_allclose(happened.gen_mw.numpy(), outcome.gen_mw, atol=1e-9)
        np.testing.assert_array_equal(happened.starts_per_h.numpy(), outcome.starts_per_h)
        np.testing.assert_array_equal(other.on_h.numpy(), state.on_h)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"start_cost": None, "min_up_h": 3},
            "found min_up_h without start_cost; allowed: start_cost beside it: else it is always on; add start_cost (0 "
            "if starts are free), or drop the column",
        ),
        (
            {"gen_profile": "wind", "gen_min_mw": 0},
            "found start_cost together with gen_profile; allowed: start_cost at a source that follows no profile; drop "
            "start_cost",
        ),
        (
            {"start_ramp_mw": 30},
            "found start_ramp_mw 30 below gen_min_mw; allowed: start_ramp_mw >= gen_min_mw; raise it: else it could not"
            " start",
        ),
        (
            {"initial_on_h": 0},
            "found initial_on_h 0; allowed: hours on (> 0) or off (< 0) at the start; give hours, such as 1 or -1",
        ),
        ({"start_cost": -1}, "found start_cost -1; allowed: a number >= 0; correct the value"),
    ],
)
def test_what_does_not_fit_together_is_refused(columns, message):
    with pytest.raises(GridError) as error:
        one_plant(**columns).check()
    assert str(error.value) == f"node 'plant': {message}"


def test_only_sources_start():
    grid = one_plant()
    grid.graph.nodes["town"]["start_cost"] = 5
    with pytest.raises(GridError) as error:
        grid.check()
    assert "found start_cost without gen_max_mw; allowed: start_cost at a source" in str(error.value)


def test_the_columns_survive_the_files_of_the_product(tmp_path):
    from topologies import load
    from topologies.formats import WRITERS

    grid = one_plant(no_load_cost_per_h=3, min_up_h=2, min_down_h=5, initial_on_h=-7, start_ramp_mw=60)
    path = tmp_path / "grid.json"
    WRITERS[".json"](grid, path)
    assert dict(load(path).graph.nodes["plant"]) == dict(grid.graph.nodes["plant"])
    assert load(path).compile().fingerprint == grid.compile().fingerprint
