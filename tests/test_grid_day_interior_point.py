"""The interior point method against scipy's solver, lane by lane, and the derivative of its solution."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, minimize

from grid.planning.day.interior_point import Factor, Programme, factorise, profile, solve, solve_last
from grid.simd import LANES

EXACT = 1e-9


def programme_of(rows, columns, seed, bent):
    """Feasible programmes (LANES,) whose every column has a low bound, two thirds of them a high one; and matrices."""
    rng = np.random.default_rng(seed)
    pattern = rng.random((rows, columns)) < 0.6
    pattern[rng.integers(rows, size=columns), np.arange(columns)] = True
    matrix = np.where(pattern, rng.normal(size=(LANES, rows, columns)), 0.0)
    has_high = rng.random(columns) < 0.67
    low = rng.uniform(-1, 0, (columns, LANES))
    width = rng.uniform(0.1, 2, (columns, LANES))
    high = np.where(has_high[:, None], low + width, np.inf)
    inside = low + width * rng.uniform(0.1, 0.9, (columns, LANES))
    row = [np.flatnonzero(column) for column in pattern.T]
    entries = [matrix[:, own, j].T for j, own in enumerate(row)]
    programme = Programme(
        start=np.cumsum([0, *(len(each) for each in row)]),
        row=np.concatenate(row),
        coef=np.ascontiguousarray(np.concatenate(entries)),
        cost=rng.uniform(0.05, 1, columns),
        has_high=has_high,
        tolerance=np.full(columns, EXACT),
        live=np.ones((columns, LANES)),
        bend=rng.uniform(0, 1, (columns, LANES)) if bent else np.zeros((columns, LANES)),
        low=low,
        high=high,
        right=np.ascontiguousarray(np.einsum("krc,ck->rk", matrix, inside)),
    )
    return programme, matrix


def solved(programme, tolerance=EXACT):
    programme = programme._replace(tolerance=np.full_like(programme.cost, tolerance))
    high = np.where(np.isfinite(programme.high), programme.high, programme.low + 1)
    z, y, factor = (programme.low + high) / 2, np.zeros_like(programme.right), profile(programme)
    return z, y, solve(programme, factor, z, y, 1.0), factor


SIZES = st.tuples(st.integers(1, 6), st.integers(7, 14), st.integers(0, 10_000))


@settings(max_examples=50, deadline=None)
@given(SIZES)
def test_linear_programmes_cost_what_scipy_finds(size):
    programme, matrix = programme_of(*size, bent=False)
    z, y, *_ = solved(programme)
    for k in range(LANES):
        low, high, right = programme.low[:, k], programme.high[:, k], programme.right[:, k]
        best = linprog(programme.cost, A_eq=matrix[k], b_eq=right, bounds=np.column_stack([low, high]))
        np.testing.assert_allclose(matrix[k] @ z[:, k], right, atol=1e-6)
        assert (z[:, k] > low - 1e-9).all()
        assert (z[:, k] < high + 1e-9).all()
        np.testing.assert_allclose(programme.cost @ z[:, k], best.fun, atol=1e-4)
        # and by the duals alone, which bound the cost from below
        worth = programme.cost - matrix[k].T @ y[:, k]
        lowest = np.where(worth > 0, worth * low, worth * np.minimum(high, 1e3))
        assert right @ y[:, k] + lowest.sum() <= best.fun + 1e-3


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_from_a_guess_that_is_doubted_little_it_comes_to_the_same_point(size):
    programme, matrix = programme_of(*size, bent=True)
    middle = (programme.low + np.where(np.isfinite(programme.high), programme.high, programme.low + 1)) / 2
    near = 0.99 * programme.right + 0.01 * np.einsum("krc,ck->rk", matrix, middle)  # feasible, too
    z, y, _, factor = solved(programme._replace(right=near), 1e-3)
    there, *_ = solved(programme, 1e-6)
    programme.tolerance[:] = 1e-6
    solve(programme, factor, z, y, 0.1)
    worth = programme.cost[:, None] * (z - there) + programme.bend * (z**2 - there**2) / 2
    np.testing.assert_allclose(worth.sum(0), 0, atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(SIZES)
def test_quadratic_programmes_cost_what_scipy_finds(size):
    programme, matrix = programme_of(*size, bent=True)
    z, *_ = solved(programme)
    for k in range(0, LANES, 3):
        bend, right = programme.bend[:, k], programme.right[:, k]
        cost = lambda z, bend=bend: programme.cost @ z + bend @ z**2 / 2  # noqa: E731 # a shorthand
        slope = lambda z, bend=bend: programme.cost + bend * z  # noqa: E731
        bounds = list(zip(programme.low[:, k], programme.high[:, k], strict=True))
        rows = LinearConstraint(matrix[k], right, right)
        found = minimize(cost, z[:, k], jac=slope, bounds=bounds, constraints=[rows], method="SLSQP")
        np.testing.assert_allclose(matrix[k] @ z[:, k], right, atol=1e-6)
        assert cost(z[:, k]) <= found.fun + 1e-5


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(0, LANES - 1))
def test_a_lane_does_not_depend_on_the_others(size, lane):
    """Not even where another one has bounds that nearly meet, no bounds at all, or no solution."""
    programme, _ = programme_of(*size, bent=True)
    changed, other = Programme(*(part.copy() for part in programme)), (lane + 1) % LANES
    changed.high[:, other] = np.where(programme.has_high, programme.low[:, other] + 1e-9, np.inf)
    changed.live[0, (lane + 2) % LANES] = 0.0
    changed.right[:, (lane + 3) % LANES] = np.nan
    whole, part = solved(programme, 1e-4), solved(changed, 1e-4)
    for before, after in zip(whole[:3], part[:3], strict=True):
        np.testing.assert_array_equal(before[:, lane], after[:, lane])
    alone = Programme(*(each.copy() for each in programme))
    for each in (alone.coef, alone.live, alone.bend, alone.low, alone.high, alone.right):
        each[:] = each[:, [lane]]
    np.testing.assert_allclose(solved(alone, 1e-4)[0][:, 0], whole[0][:, lane], atol=1e-12)


def test_columns_without_bounds_bear_what_rows_ask_for():
    programme, matrix = programme_of(3, 9, 7, bent=True)
    programme.live[:], programme.bend[:] = 0.0, 1.0
    z, *_ = solved(programme)
    for k in range(LANES):  # the point on the rows where cost·z + (z − low)²/2 is least
        normal, still = matrix[k] @ matrix[k].T, programme.low[:, k] - programme.cost
        dual = np.linalg.solve(normal, programme.right[:, k] - matrix[k] @ still)
        np.testing.assert_allclose(z[:, k], matrix[k].T @ dual + still, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_the_factor_solves_the_normal_equations(size):
    programme, matrix = programme_of(*size, bent=False)
    rng = np.random.default_rng(size[2])
    weight, right = rng.uniform(0.1, 2, programme.low.shape), rng.normal(size=programme.right.shape)
    normal = np.einsum("krc,ck,ksc->krs", matrix, weight, matrix)
    factor: Factor = profile(programme)
    factorise(programme, weight, factor)
    x, begin = right.copy(), len(right) // 2
    solve_last(factor, 0, x)
    right[:begin] = 0.0  # with zeros before, the last rows can be solved for alone
    last = right[begin:].copy()
    solve_last(factor, begin, last)
    for k in range(LANES):
        if np.linalg.cond(normal[k]) < 1e8:
            np.testing.assert_allclose(normal[k][begin:] @ x[:, k], right[begin:, k], atol=1e-6)
            np.testing.assert_allclose(last[:, k], np.linalg.solve(normal[k], right[:, k])[begin:], atol=1e-5)


def test_the_solution_answers_to_the_right_side_as_finite_differences_say():
    programme, matrix = programme_of(4, 12, 5, bent=True)
    _, _, weight, factor = solved(programme, 1e-3)
    step = 1e-5
    for i in range(4):
        dy = np.zeros((4, LANES))
        dy[i] = 1.0
        solve_last(factor, 0, dy)
        moved = programme._replace(right=programme.right + step * np.eye(4)[i][:, None])
        change = (solved(moved, 1e-8)[0] - solved(programme, 1e-8)[0]) / step
        alike = []
        for k in range(LANES):
            answer = weight[:, k] * (matrix[k].T @ dy[:, k])
            np.testing.assert_allclose(matrix[k] @ answer, np.eye(4)[i], atol=1e-6)
            alike.append(np.corrcoef(change[:, k], answer)[0, 1])
        assert np.median(alike) > 0.9  # a few stand where a bound begins to bind
