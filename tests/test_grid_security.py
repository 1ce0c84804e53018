"""N-1 security: flows within capacity after any single outage, against a programme that writes out every case."""

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import block_array, csr_array, eye_array

from grid import Grid, Inputs, Prices, linear_cost_per_mwh
from grid.planning import Programme
from grid.planning.security import may_fail
from slow_cases import slow
from topologies import load


def without(grid, name):
    """The grid without a line, not compiled; None where a part would fall apart."""
    parts = nx.number_connected_components(grid.graph)
    left, ends = Grid.from_networkx(grid.graph), list(grid.graph.edges(keys=True))
    left.graph.remove_edge(*ends[[line for line, *_ in grid.lines()].index(name)])
    return left if nx.number_connected_components(left.graph) == parts else None


def cases(grid, arrays):
    """Flow per injection (E, N) of the intact grid and after each outage that leaves it whole, and the lines left."""
    every = np.arange(len(arrays.line_names))
    yield -1, every, arrays.flow_matrix
    for out, name in enumerate(arrays.line_names):
        left = without(grid, name)
        if left is not None:
            yield out, np.delete(every, out), left.compile().flow_matrix


def least_cost(grid, arrays, load_mw, avail_frac, risk):
    """Of one step of sources that are enough, by one linear programme with two columns a line and case."""
    sources, overload = np.flatnonzero(arrays.is_source), linear_cost_per_mwh(arrays, Prices(), "overload")
    rows, bounds, prices = [], [], []
    for out, lines, matrix in cases(grid, arrays):
        limited = np.flatnonzero(np.isfinite(arrays.capacity_mw[lines]))
        rows.append(matrix[limited])
        bounds.append(arrays.capacity_mw[lines][limited])
        prices.append(overload[lines][limited] * (1.0 if out < 0 else risk[out]))
    flow, capacity_mw, price = np.concatenate(rows), np.concatenate(bounds), np.concatenate(prices)
    own, idle_mw, above = csr_array(flow[:, sources]), flow @ -load_mw, eye_array(len(flow))
    limits = zip(arrays.gen_min_mw[sources], (arrays.gen_max_mw * avail_frac)[sources], strict=True)
    found = linprog(
        np.concatenate([linear_cost_per_mwh(arrays, Prices(), "gen")[sources], price, price]),
        A_ub=block_array([[own, -above, None], [-own, None, -above]]).tocsr(),
        b_ub=np.concatenate([capacity_mw - idle_mw, capacity_mw + idle_mw]),
        A_eq=np.concatenate([np.ones(len(sources)), np.zeros(2 * len(flow))])[None],
        b_eq=[load_mw.sum()],
        bounds=[*limits, *[(0, None)] * (2 * len(flow))],
    )
    return found.fun


@pytest.mark.parametrize("topology", ["case14", "gen:12:5", *slow("gen:24:9")])
@pytest.mark.parametrize("share", [1.0, 0.01])
def test_limits_added_as_plans_break_them_cost_what_all_of_them_cost(topology, share):
    grid = load(topology)
    for _, data in grid.graph.nodes(data=True):  # one step, and nothing that ties it to others
        data.pop("gen_ramp_mw_per_h", None)
        if data["kind"] == "storage":
            data.update(charge_max_mw=1e-9, discharge_max_mw=1e-9, store_loss_frac_per_h=0.0)
        data.pop("gen_cost_per_mw2h", None)
    arrays, rng = grid.compile(), np.random.default_rng(1)
    risk = share * rng.uniform(0.5, 1.0, len(arrays.line_names))
    plain, secure = Programme(arrays, 1, 1.0), Programme(arrays, 1, 1.0, n1=risk)
    dearer = 0
    for _ in range(3):
        load_mw = arrays.load_max_mw * rng.uniform(0.3, 0.9, len(arrays.node_names))
        avail_frac = rng.uniform(0.5, 1.0, len(arrays.node_names))
        inputs = Inputs(avail_frac[None], load_mw[None], 1.0)
        plain.set_inputs(inputs)
        secure.set_inputs(inputs)
        cost = secure.solve().cost
        np.testing.assert_allclose(cost, least_cost(grid, arrays, load_mw, avail_frac, risk), rtol=1e-6)
        dearer += cost > plain.solve().cost * (1 + 1e-6)
    assert dearer


@pytest.mark.parametrize("topology", ["triangle", "case14", "gen:30:4"])
def test_lines_may_fail_that_leave_the_grid_whole(topology):
    grid = load(topology)
    arrays = grid.compile()
    found = may_fail(arrays, np.ones(len(arrays.line_names), dtype=bool))
    np.testing.assert_array_equal(found, [without(grid, name) is not None for name in arrays.line_names])
