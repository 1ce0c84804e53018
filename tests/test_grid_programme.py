"""A model that is kept: its inputs change in place, and it plans what a new one plans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings

from envs import EnvConfig, GridBatch
from grid import GridError, Inputs, Prices
from grid.costs import store_value_per_mwh
from grid.planning.optimum import optimum
from grid.planning.programme import Programme
from schedules import replay
from strategies import CHECKED, SEEDS, examples, failing, grids, random_inputs, scale, with_outages
from topologies import load

TRIANGLE = load("triangle").compile()


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(40))
def test_a_model_used_again_gives_what_a_new_one_gives(grid, seed):
    arrays, rng = grid.compile(), np.random.default_rng(seed)
    first, second = (random_inputs(arrays, rng, 4, 1.0) for _ in range(2))
    first = failing(first, rng)
    programme = Programme(arrays, 4, 1.0)
    for inputs in (first, second, first):
        programme.set_inputs(inputs)
        fresh = optimum(arrays, inputs)
        assert programme.solve().cost == pytest.approx(fresh.cost, abs=1e-6 * scale(fresh, inputs))


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(40))
def test_an_episode_that_ends_within_the_programme_is_planned_as_if_built_for_it(grid, seed):
    arrays, rng = grid.compile(), np.random.default_rng(seed)
    programme = Programme(arrays, 5, 1.0)
    for steps in (5, 3, 1, 4, 5):
        inputs = random_inputs(arrays, rng, steps, 1.0)
        fresh = optimum(arrays, inputs)
        programme.set_inputs(inputs)
        plan = programme.solve()
        assert plan.cost == pytest.approx(fresh.cost, abs=1e-6 * scale(fresh, inputs))
        assert plan.gen_mw.shape == fresh.gen_mw.shape
        assert plan.store_mwh.shape == fresh.store_mwh.shape


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(40))
def test_a_model_that_moves_on_with_time_plans_what_a_new_one_plans(grid, seed):
    arrays, rng = grid.compile(), np.random.default_rng(seed)
    whole = with_outages(arrays, failing(random_inputs(arrays, rng, 8, 1.0), rng), rng)
    programme, window, first, before = Programme(arrays, 3, 1.0), 3, 0, (None, None)
    for passed in (0, 1, 0, 1, 2, 2, 1):  # at last the window ends with the episode
        first += passed
        ahead = slice(first, first + window)
        lines = None if whole.in_service is None else whole.in_service[ahead]
        inputs = Inputs(whole.gen_avail_frac[ahead], whole.load_mw[ahead], 1.0, lines)
        fresh = Programme(arrays, len(inputs.load_mw), 1.0)
        fresh.set_inputs(inputs, *before)
        programme.set_inputs(inputs, *before, passed)
        plan, new = programme.solve(), fresh.solve()
        assert plan.cost == pytest.approx(new.cost, abs=1e-6 * scale(new, inputs))
        assert plan.store_mwh[0] == pytest.approx(new.store_mwh[0])
        before = plan.store_mwh[1], plan.gen_mw[0]


@pytest.mark.parametrize("grid", ["classic", "case14"])
def test_planning_again_an_hour_later_takes_a_tenth_of_the_pivots(grid):
    arrays = load(grid).compile()
    batch = GridBatch(EnvConfig(topology=grid, horizon=30, split="test"), 1, 0)
    batch.reset()
    ahead = batch.episode_inputs(0)
    programme = Programme(arrays, 24, 1.0)
    pivots, before = [], (None, None)
    for hour in range(6):
        hours = slice(hour, hour + 24)
        programme.set_inputs(Inputs(ahead.gen_avail_frac[hours], ahead.load_mw[hours], 1.0), *before, int(hour > 0))
        plan = programme.solve()
        before = plan.store_mwh[1], plan.gen_mw[0]
        pivots.append(programme.model.highs.getInfo().simplex_iteration_count)
    assert max(pivots[1:]) < pivots[0] / 10


@given(grids(), SEEDS)
@settings(CHECKED, max_examples=examples(40))
def test_the_rest_of_an_optimal_plan_is_optimal_from_where_its_first_step_ends(grid, seed):
    """Bellman's principle; the rest knows of the first step only the stored energy and the output it left."""
    arrays = grid.compile()
    inputs = random_inputs(arrays, np.random.default_rng(seed), 4, 1.0)
    whole = optimum(arrays, inputs)
    assume(whole.exact)
    programme = Programme(arrays, 3, 1.0)
    rest = Inputs(inputs.gen_avail_frac[1:], inputs.load_mw[1:], 1.0)
    programme.set_inputs(rest, store_start_mwh=whole.store_mwh[1], gen_before_mw=whole.gen_mw[0])
    episode = replay(arrays, whole, inputs)
    taken_mwh = whole.store_mwh[0] - whole.store_mwh[1]
    first = sum(episode.costs[name][0] for name in whole.cost_terms) + taken_mwh @ store_value_per_mwh(arrays, Prices())
    assert first + programme.solve().cost == pytest.approx(whole.cost, abs=1e-6 * scale(whole, inputs))


def test_a_programme_refuses_inputs_of_another_step_length():
    with pytest.raises(GridError, match=r"inputs.dt_h: found 0.5; allowed: 1; build another programme"):
        Programme(TRIANGLE, 1, 1.0).set_inputs(random_inputs(TRIANGLE, np.random.default_rng(0), 1, 0.5))


def test_a_solver_that_gives_up_is_an_error_and_not_a_number():
    programme = Programme(TRIANGLE, 6, 1.0)
    programme.set_inputs(random_inputs(TRIANGLE, np.random.default_rng(0), 6, 1.0))
    for method in ("simplex", "ipm"):
        programme.model.highs.setOptionValue(f"{method}_iteration_limit", 0)
    programme.model.highs.setOptionValue("presolve", "off")
    with pytest.raises(GridError, match=r"optimum: found solver status '.*'; allowed: 'Optimal'; look for extreme"):
        programme.solve()
