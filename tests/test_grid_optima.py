"""Many optima at once are the optima one by one, however many processes solve them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grid import Grid, GridError, optima, optimum
from strategies import random_inputs

FEW = 8 + 3  # a whole chunk, and a part of one


def plant():
    """Two sources, of which one has a quadratic cost, a store and a line that is often full."""
    grid = Grid("plant")
    grid.add_source("coal", gen_max_mw=60, gen_cost_per_mwh=20, gen_cost_per_mw2h=0.1)
    grid.add_source("gas", gen_max_mw=60, gen_cost_per_mwh=70, load_max_mw=50)
    grid.add_storage("lake", store_max_mwh=40, charge_max_mw=15, discharge_max_mw=15)
    grid.add_line("coal", "gas", capacity_mw=25)
    grid.add_line("gas", "lake")
    return grid.compile()


def episodes(arrays, count, steps=6):
    rng = np.random.default_rng(0)
    return [random_inputs(arrays, rng, steps, 1.0) for _ in range(count)]


@pytest.mark.parametrize("processes", [None, 1, 2])
def test_each_episode_gets_its_optimum_in_order(processes):
    arrays = plant()
    inputs = episodes(arrays, FEW)
    starts = np.linspace(0, 40, FEW)[:, None] * (arrays.store_max_mwh > 0)
    told = []
    found = list(optima(arrays, inputs, store_start_mwh=starts, processes=processes, progress=told.append))
    alone = [optimum(arrays, each, store_start_mwh=start) for each, start in zip(inputs, starts, strict=True)]
    np.testing.assert_allclose([best.cost for best in found], [best.cost for best in alone], rtol=2e-7)
    np.testing.assert_allclose([best.store_mwh[0] for best in found], starts)
    assert told == list(range(1, FEW + 1))


@pytest.mark.slow
def test_how_many_processes_there_are_changes_nothing():
    arrays = plant()
    inputs = episodes(arrays, 2 * FEW)
    one, two = (list(optima(arrays, inputs, processes=count)) for count in (1, 2))
    for here, there in zip(one, two, strict=True):
        assert here.cost == there.cost
        assert here.cost_terms == there.cost_terms
        assert np.array_equal(here.gen_mw, there.gen_mw)


def test_episodes_may_differ_in_length():
    arrays = plant()
    inputs = [*episodes(arrays, 3, 4), *episodes(arrays, 3, 5), *episodes(arrays, 1, 2)]
    assert [len(best.gen_mw) for best in optima(arrays, inputs)] == [4, 4, 4, 5, 5, 5, 2]


def test_no_episode_is_no_work():
    assert list(optima(plant(), [])) == []


def test_what_is_wrong_with_an_episode_is_said_as_by_the_optimum():
    arrays = plant()
    inputs = episodes(arrays, 2 * FEW)
    inputs[-1] = replace(inputs[-1], load_mw=inputs[-1].load_mw - 1.0)
    with pytest.raises(GridError) as one:
        optimum(arrays, inputs[-1])
    with pytest.raises(GridError) as many:
        list(optima(arrays, inputs, processes=2))
    assert str(many.value) == str(one.value)
