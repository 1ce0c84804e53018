"""Lanes count like numpy, and refuse arrays that they would misread."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from grid.jit import compiled
from grid.simd import LANES, blank, choose, every, least, most, put, root, take


@compiled
def calculated(a, b, out):
    x, y = take(a, 1), take(b, 0)
    total = every(1.5)
    total += x * y
    total -= 2.0 * x
    put(out, 0, total + 3.0)
    put(out, 1, (x - y) / (1.0 + root(y * y)))
    put(out, 2, least(x, y) - 4.0 * most(x, y))
    put(out, 3, choose(x, y, every(-1.0)))


@settings(deadline=None)  # the first one compiles
@given(st.lists(st.floats(-1e3, 1e3), min_size=3 * LANES, max_size=3 * LANES))
def test_lanes_count_like_numpy(numbers):
    a, b = np.array(numbers[: 2 * LANES]).reshape(2, LANES), np.array(numbers[2 * LANES :]).reshape(1, LANES)
    out = np.full((5, LANES), 7.0)
    calculated(a, b, out)
    x, y = a[1], b[0]
    np.testing.assert_allclose(out[0], 1.5 + x * y - 2 * x + 3, atol=1e-9)
    np.testing.assert_allclose(out[1], (x - y) / (1 + np.abs(y)))
    np.testing.assert_allclose(out[2], np.minimum(x, y) - 4 * np.maximum(x, y))
    np.testing.assert_array_equal(out[3], np.where(x > 0, y, -1))
    assert (out[4] == 7).all()


def test_what_is_not_a_number_is_not_above_anything():
    a, b, out = np.full((2, LANES), np.nan), np.ones((1, LANES)), np.empty((4, LANES))
    calculated(a, b, out)
    assert (out[3] == -1).all()
    assert np.isfinite(out[2]).all()  # the second of the two


@pytest.mark.parametrize(
    "wrong", [np.zeros((LANES, 3)).T, np.zeros((3, 2 * LANES))[:, ::2], np.zeros((3, LANES), "f4")]
)
def test_arrays_that_do_not_lie_in_one_piece_of_float64_are_refused(wrong):
    with pytest.raises(TypingError, match="allowed: an array of float64 in one piece"):
        calculated(wrong, np.zeros((1, LANES)), np.zeros((4, LANES)))


@pytest.mark.parametrize("rows", [1, 7, 394, 9627])
def test_a_blank_row_fills_one_line_of_memory(rows):
    new = blank(rows)
    assert (new.shape, new.ctypes.data % 64, new.itemsize * LANES) == ((rows, LANES), 0, 64)
    assert not new.any()
