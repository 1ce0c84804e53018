"""The interior point method against scipy's solver, and the derivative of its solution."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, minimize

from policies.interior_point import Factor, Programme, factorise, profile, solve, solve_last

EXACT = 1e-9


def programme_of(rows, columns, seed, bent):
    """A feasible programme whose every column has a low bound, two thirds of them a high one."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.6)
    matrix[rng.integers(rows, size=columns), np.arange(columns)] = 1.0
    low = rng.uniform(-1, 0, columns)
    high = np.where(rng.random(columns) < 0.67, low + rng.uniform(0.1, 2, columns), np.inf)
    inside = low + np.where(np.isfinite(high), high - low, 1.0) * rng.uniform(0.1, 0.9, columns)
    cost = rng.uniform(0.05, 1, columns)
    row = [np.flatnonzero(column) for column in matrix.T]
    start = np.cumsum([0, *(len(each) for each in row)])
    coef = np.concatenate([matrix[own, j] for j, own in enumerate(row)])
    bend = rng.uniform(0, 1, columns) if bent else np.zeros(columns)
    return Programme(
        start, np.concatenate(row), coef, cost, bend, low, high, matrix @ inside, np.full(columns, EXACT)
    ), matrix


def solved(programme, enough=EXACT):
    programme = programme._replace(enough=np.full_like(programme.cost, enough))
    high = np.where(np.isfinite(programme.high), programme.high, programme.low + 1)
    z, y, factor = (programme.low + high) / 2, np.zeros(len(programme.right)), profile(programme)
    return z, y, solve(programme, factor, z, y), factor


SIZES = st.tuples(st.integers(1, 6), st.integers(7, 14), st.integers(0, 10_000))


@settings(max_examples=100, deadline=None)
@given(SIZES)
def test_linear_programmes_cost_what_scipy_finds(size):
    programme, matrix = programme_of(*size, bent=False)
    bounds = np.column_stack([programme.low, programme.high])
    best = linprog(programme.cost, A_eq=matrix, b_eq=programme.right, bounds=bounds)
    z, y, *_ = solved(programme)
    np.testing.assert_allclose(matrix @ z, programme.right, atol=1e-6)
    assert (z > programme.low - 1e-9).all()
    assert (z < programme.high + 1e-9).all()
    np.testing.assert_allclose(programme.cost @ z, best.fun, atol=1e-4)
    # and by the duals alone, which bound the cost from below
    worth = programme.cost - matrix.T @ y
    least = np.where(worth > 0, worth * programme.low, worth * np.minimum(programme.high, 1e3))
    assert programme.right @ y + least.sum() <= best.fun + 1e-3


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_quadratic_programmes_cost_what_scipy_finds(size):
    programme, matrix = programme_of(*size, bent=True)
    cost = lambda z: programme.cost @ z + programme.bend @ z**2 / 2  # noqa: E731 # a shorthand
    z, *_ = solved(programme)
    bounds = list(zip(programme.low, programme.high, strict=True))
    rows = LinearConstraint(matrix, programme.right, programme.right)
    found = minimize(
        cost, z, jac=lambda z: programme.cost + programme.bend * z, bounds=bounds, constraints=[rows], method="SLSQP"
    )
    np.testing.assert_allclose(matrix @ z, programme.right, atol=1e-6)
    assert cost(z) <= found.fun + 1e-5


@settings(max_examples=50, deadline=None)
@given(SIZES)
def test_the_factor_solves_the_normal_equations(size):
    programme, matrix = programme_of(*size, bent=False)
    rng = np.random.default_rng(size[2])
    weight, right = rng.uniform(0.1, 2, len(programme.cost)), rng.normal(size=len(programme.right))
    normal = (matrix * weight) @ matrix.T
    if np.linalg.cond(normal) > 1e8:
        return
    factor: Factor = profile(programme)
    factorise(programme, weight, factor)
    x = right.copy()
    solve_last(factor, 0, x)
    np.testing.assert_allclose(normal @ x, right, atol=1e-6)
    begin = len(right) // 2  # with zeros before, the last rows can be solved for alone
    right[:begin] = 0.0
    last = right[begin:].copy()
    solve_last(factor, begin, last)
    np.testing.assert_allclose(last, np.linalg.solve(normal, right)[begin:], atol=1e-5)


def test_the_solution_answers_to_the_right_side_as_finite_differences_say():
    programme, matrix = programme_of(4, 12, 5, bent=True)
    z, _, weight, factor = solved(programme, 1e-3)
    step = 1e-5
    for i in range(4):
        dy = np.zeros(4)
        dy[i] = 1.0
        solve_last(factor, 0, dy)
        moved = programme._replace(right=programme.right + step * np.eye(4)[i])
        answer = weight * (matrix.T @ dy)
        np.testing.assert_allclose(matrix @ answer, np.eye(4)[i], atol=1e-6)
        change = (solved(moved, 1e-8)[0] - solved(programme, 1e-8)[0]) / step
        assert np.corrcoef(change, answer)[0, 1] > 0.9
    assert np.isfinite(z).all()
