"""Nothing that is asked of the units makes the step spill or shed more than the bounds that the optimum keeps to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grid import Grid, Inputs, Setpoint
from grid.physics.step import initial_state, limits, step
from grid.planning.forced import most_forced_mw
from grid.planning.optimum import optimum
from strategies import CHECKED, grids, random_status


def bounds_of(arrays, inputs):
    every = np.ones((len(inputs.load_mw), len(arrays.line_names)), bool)
    in_service = every if inputs.in_service is None else inputs.in_service
    return most_forced_mw(arrays, inputs.gen_avail_frac, inputs.load_mw, in_service, inputs.dt_h)


@given(grids(), st.integers(0, 10**6), st.booleans())
@CHECKED
def test_no_setpoint_spills_or_sheds_more(grid, seed, some_out):
    arrays, rng, rows = grid.compile(), np.random.default_rng(seed), 6
    state = initial_state(arrays, rows)
    for _ in range(3):
        load = arrays.load_max_mw * rng.uniform(0, 1, (rows, len(arrays.node_names)))
        status = random_status(arrays, rng, rows) if some_out else None
        inputs = Inputs(rng.uniform(0, 1, load.shape), load, 1.0, status)
        now = limits(arrays, state, inputs)
        asked = Setpoint(rng.uniform(now.gen_lo_mw, now.gen_hi_mw), rng.uniform(now.store_lo_mw, now.store_hi_mw))
        state, outcome = step(arrays, state, asked, inputs, now)
        spilled, shed = bounds_of(arrays, inputs)
        assert (outcome.spill_mw <= spilled + 1e-6).all()
        assert (
            outcome.shed_mw @ arrays.part_matrix <= shed[:, np.unique(arrays.part, return_index=True)[1]] + 1e-6
        ).all()


def test_bounds_by_hand():
    grid = Grid()
    grid.add_source("must", gen_max_mw=30, gen_min_mw=30)
    grid.add_source("may", gen_max_mw=20, gen_min_mw=10)
    grid.add_consumer("town", load_max_mw=100)
    grid.add_line("must", "town")
    grid.add_line("may", "town")
    arrays = grid.compile()
    load = np.array([[0, 0, 20.0], [0, 0, 45.0], [0, 0, 80.0]])
    inputs = Inputs(np.ones_like(load), load, 1.0)
    spilled, shed = bounds_of(arrays, inputs)
    np.testing.assert_allclose(spilled, [[15, 5, 0], [0, 0, 0], [0, 0, 0]])  # 20 of 40 too many, pro rata
    np.testing.assert_allclose(shed, np.repeat([[0.0], [0.0], [30.0]], 3, axis=1))
    best = optimum(arrays, inputs)
    np.testing.assert_allclose(best.spill_mw, spilled, atol=1e-6)
    np.testing.assert_allclose(best.shed_mw[:, 2], [0, 0, 30], atol=1e-6)
    out = Inputs(inputs.gen_avail_frac, load, 1.0, np.array([[True, False]] * 3))
    assert np.isinf(bounds_of(arrays, out)).all()
