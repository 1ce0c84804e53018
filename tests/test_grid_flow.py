"""Line flows against hand numbers, Kirchhoff's laws, a plain solver and pandapower."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given

from grid import Grid, GridArrays, GridError
from grid.physics.flow import flows
from other_programs import solved
from slow_cases import slow
from slow_step import slow_flows
from strategies import CHECKED, SEEDS, grids


def network(names: str, *lines: tuple[str, str, dict[str, float]], base_mva: float = 100.0) -> GridArrays:
    """Sources at the given one-letter names."""
    grid = Grid("network", base_mva=base_mva)
    for name in names:
        grid.add_source(name, gen_max_mw=100)
    for start, end, columns in lines:
        grid.add_line(start, end, **columns)
    return grid.compile()


def flow(arrays: GridArrays, *injection_mw: float) -> dict[str, float]:
    result = flows(arrays, np.array([injection_mw]))
    assert result.shape == (1, len(arrays.line_names))
    return dict(zip(arrays.line_names, result[0].tolist(), strict=True))


def balanced(arrays: GridArrays, seed: int, rows: int = 5) -> np.ndarray:
    """(rows, N) random injections that sum to 0 in every part."""
    power = np.random.default_rng(seed).normal(0, 50, (rows, len(arrays.node_names)))
    mean = power @ arrays.part_matrix / arrays.part_matrix.sum(0)
    return power - mean @ arrays.part_matrix.T


def test_a_triangle_splits_flows_by_reactance():
    arrays = network("abc", ("a", "b", {}), ("b", "c", {}), ("a", "c", {}))
    assert flow(arrays, 90, -90, 0) == pytest.approx({"a-b": 60, "b-c": -30, "a-c": 30})
    arrays = network("abc", ("a", "b", {"reactance_pu": 0.2}), ("b", "c", {}), ("c", "a", {"reactance_pu": 0.3}))
    assert flow(arrays, 0, 60, -60) == pytest.approx({"a-b": -10, "b-c": 50, "c-a": -10})


def test_the_flow_is_positive_from_line_from_to_line_to():
    assert flow(network("ab", ("a", "b", {})), 7, -7) == pytest.approx({"a-b": 7})
    assert flow(network("ab", ("b", "a", {})), 7, -7) == pytest.approx({"b-a": -7})


def test_parallel_lines_share_by_one_over_reactance_times_tap():
    lines = [{"reactance_pu": 0.1}, {"reactance_pu": 0.2}, {"reactance_pu": 0.1, "tap": 2.0}]
    arrays = network("ab", *(("a", "b", line) for line in lines))
    assert flow(arrays, 40, -40) == pytest.approx({"a-b": 20, "a-b#2": 10, "a-b#3": 10})


def test_a_phase_shift_holds_flow_back_at_its_from_end():
    """MATPOWER: P = base·(θ_from − θ_to − shift)/(x·tap); around two parallel lines half the angle falls on each."""
    arrays = network("ab", ("a", "b", {"shift_deg": 1.0}), ("a", "b", {}))
    circulating = 100 / 0.1 * (pi / 180) / 2
    assert flow(arrays, 0, 0) == pytest.approx({"a-b": -circulating, "a-b#2": circulating})
    assert flow(arrays, 10, -10) == pytest.approx({"a-b": 5 - circulating, "a-b#2": 5 + circulating})
    larger = network("ab", ("a", "b", {"shift_deg": 1.0, "tap": 2.0}), ("a", "b", {}), base_mva=50.0)
    circulating = 50 * (pi / 180) / (0.2 + 0.1)
    assert flow(larger, 0, 0) == pytest.approx({"a-b": -circulating, "a-b#2": circulating})


def test_a_phase_shift_on_a_line_without_a_loop_does_nothing():
    assert flow(network("ab", ("a", "b", {"shift_deg": 30.0})), 5, -5) == pytest.approx({"a-b": 5})


def test_an_ideal_connector_carries_the_balance_of_its_side():
    arrays = network("abcd", ("a", "b", {"reactance_pu": 0}), ("c", "b", {"reactance_pu": 0}), ("c", "d", {}))
    assert flow(arrays, 10, -4, 2, -8) == pytest.approx({"a-b": 10, "c-b": -6, "c-d": 8})


def test_the_ends_of_a_connector_are_one_point_for_all_other_lines():
    """a = b; two equal lines from there to c, one at each end: each carries half, and the connector what is missing."""
    arrays = network("abc", ("a", "b", {"reactance_pu": 0}), ("a", "c", {}), ("b", "c", {}))
    assert flow(arrays, 30, 0, -30) == pytest.approx({"a-b": 15, "a-c": 15, "b-c": 15})


def test_a_connector_inside_a_loop_with_a_phase_shift():
    """The shifted loop a-c-b is closed by the connector a = b, which carries the circulating flow."""
    arrays = network("abc", ("a", "b", {"reactance_pu": 0}), ("a", "c", {"shift_deg": 1.0}), ("c", "b", {}))
    circulating = 100 * (pi / 180) / 0.2
    assert flow(arrays, 0, 0, 0) == pytest.approx({"a-b": circulating, "a-c": -circulating, "c-b": -circulating})


def test_lines_of_one_part_ignore_the_other_part():
    arrays = network("abcd", ("a", "b", {}), ("c", "d", {}))
    assert flow(arrays, 3, -3, -5, 5) == pytest.approx({"a-b": 3, "c-d": -5})
    assert (arrays.flow_matrix[0, 2:] == 0).all()
    assert (arrays.flow_matrix[1, :2] == 0).all()


def test_a_series_capacitor_has_a_negative_reactance():
    arrays = network("abc", ("a", "b", {"reactance_pu": 0.3}), ("b", "c", {"reactance_pu": -0.1}), ("a", "c", {}))
    assert flow(arrays, 30, 0, -30) == pytest.approx({"a-b": 10, "b-c": 10, "a-c": 20})


def test_a_grid_without_lines_has_no_flows():
    assert flow(network("a"), 0) == {}


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([("a", "b", {"reactance_pu": 0.1}), ("a", "b", {"reactance_pu": -0.1})], id="exactly"),
        pytest.param([("a", "b", {"reactance_pu": 0.3}), ("a", "b", {"reactance_pu": -(0.1 + 0.2)})], id="nearly"),
        pytest.param([("a", "b", {}), ("b", "c", {}), ("a", "c", {"reactance_pu": -0.2})], id="around a loop"),
    ],
)
def test_reactances_that_cancel_out_are_refused(lines):
    with pytest.raises(GridError) as caught:
        network("abc" if "c" in str(lines) else "ab", *lines)
    assert str(caught.value) == (
        "lines: found reactances that cancel out or are too small; allowed: flows that are defined; "
        "correct negative and tiny reactances"
    )


@CHECKED
@given(grids(), SEEDS)
def test_equals_a_plain_solve_for_the_angles(grid, seed):
    arrays = grid.compile()
    power = balanced(arrays, seed)
    ours = flows(arrays, power)
    for row, injection in enumerate(power):
        wanted = slow_flows(arrays, injection.tolist())
        scale = max(1.0, np.abs(wanted).max(initial=0))
        np.testing.assert_allclose(ours[row], wanted, rtol=0, atol=1e-9 * scale)


@CHECKED
@given(grids(), SEEDS)
def test_flows_are_the_injections_times_the_matrix_plus_the_offset(grid, seed):
    arrays = grid.compile()
    power = balanced(arrays, seed)
    for row in power:
        wanted = arrays.flow_matrix @ row + arrays.flow_offset_mw
        np.testing.assert_allclose(flows(arrays, row[None])[0], wanted, rtol=0, atol=1e-10)


@CHECKED
@given(grids())
def test_any_slack_gives_the_same_flows_for_balanced_injections(grid):
    """Row by row, sending 1 MW from node to slack costs the difference of two columns, whatever the slack."""
    arrays = grid.compile()
    count = len(arrays.node_names)
    spread = arrays.flow_matrix @ arrays.part_matrix
    np.testing.assert_allclose(spread, 0, atol=1e-9)
    for slack in range(count):
        for node in np.flatnonzero(arrays.part == arrays.part[slack]):
            injection = np.zeros(count)
            injection[node] += 1
            injection[slack] -= 1
            wanted = np.subtract(slow_flows(arrays, injection.tolist()), slow_flows(arrays, [0.0] * count))
            ours = arrays.flow_matrix[:, node] - arrays.flow_matrix[:, slack]
            np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["case14", "case300", *slow("case30", "case118")])
def test_equals_pandapower_on_its_own_branch_data(name):
    case = solved(name)
    assert case.injection_mw.sum() == pytest.approx(0, abs=1e-6)
    ours = flows(case.arrays, case.injection_mw[None])[0]
    np.testing.assert_allclose(ours, case.flow_mw, rtol=0, atol=1e-6)
    assert abs(ours).max() > 10
