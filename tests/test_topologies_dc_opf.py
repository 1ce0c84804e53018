"""DC-OPF cases in PowerModels' convention: by hand, and against another formulation solved by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import linprog

from grid import GridError
from strategies import CHECKED, SEEDS
from topologies import load
from topologies.dc_opf import dc_opf

WIDE = "-360 360"


def case(tmp_path, buses, gens, costs, branches, more=""):
    """Write a case: buses (number, type, Pd, Gs), gens (bus, status, Pmax, Pmin), costs and branches as in the file."""
    tables = {
        "bus": [f"{n} {kind} {load} 0 {shunt} 0 1 1 0 230 1 1.1 0.9" for n, kind, load, shunt in buses],
        "gen": [f"{bus} 0 0 0 0 1 100 {status} {high} {low}" for bus, status, high, low in gens],
        "gencost": costs,
        "branch": branches,
    }
    text = "".join(f"mpc.{name} = [\n" + "".join(f"{row};\n" for row in rows) + "];\n" for name, rows in tables.items())
    path = tmp_path / "case.m"
    path.write_text(f"function mpc = case\nmpc.version = '2';\nmpc.baseMVA = 100;\n{text}{more}", encoding="utf-8")
    return path


def two_buses(tmp_path, branches, load=80, gens=None, costs=None, more=""):
    """10 a MWh at bus 1, 50 at bus 2, where the demand is; constant costs of 3 and 4."""
    gens = gens or [(1, 1, 200, 0), (2, 1, 200, 0)]
    costs = costs or ["2 0 0 2 10 3", "2 0 0 2 50 4"]
    return case(tmp_path, [(1, 3, 0, 0), (2, 1, load, 0)], gens, costs, branches, more)


def branch(r, x, rate=0, tap=0, shift=0, status=1, angles=WIDE):
    return f"1 2 {r} {x} 0 {rate} 0 0 {tap} {shift} {status} {angles}"


def test_resistance_counts_taps_and_shifts_do_not_and_shunts_are_demand(tmp_path):
    """Susceptances 0.08 / 0.01 = 8 and 1 / 0.25 = 4: the first line is full at 40 MW, when the second carries 20.

    80 MW of demand and 10 of the shunt; what is out of service or isolated, free as it may be, does not count.
    """
    path = case(
        tmp_path,
        [(1, 3, 0, 0), (2, 1, 80, 10), (3, 4, 500, 7)],
        [(1, 1, 200, 0), (2, 1, 200, 0), (2, 0, 200, 0), (3, 1, 200, 0)],
        ["2 0 0 2 10 3", "2 0 0 2 50 4", "2 0 0 2 0 9", "2 0 0 2 0 9"],
        [
            branch(0.06, 0.08, rate=40, tap=0.9, shift=5),
            branch(0, 0.25, rate=100),
            branch(0, 0.1, status=0),
            "2 3 0 0.1 0 0 0 0 0 0 1 -360 360",
        ],
    )
    best = dc_opf(path)
    assert best.cost == pytest.approx(60 * 10 + 30 * 50 + 3 + 4)
    assert best.flow_mw == pytest.approx([40, 20, 0, 0])
    assert best.gen_mw == pytest.approx([60, 30, 0, 0])
    assert best.nodal_price_per_mwh[:2] == pytest.approx([10, 50])
    assert best.line_rent == pytest.approx([60 * 40, 0, 0, 0])
    assert best.angle_deg[:2] == pytest.approx([0, -np.rad2deg(0.05)])


@pytest.mark.parametrize(
    ("angles", "widest_deg"),
    [("-2 2", 2), ("0 1.5", 1.5), ("0 0", 60), ("-360 360", 60), ("-90 90", 60), ("-30 120", 60), ("", 60)],
)
def test_an_angle_limit_binds_and_one_that_says_nothing_is_60_degrees(tmp_path, angles, widest_deg):
    """A line of 10 pu carries 10 MW a radian; of 0.5 pu, 200."""
    x = 0.5 if widest_deg < 60 else 10
    best = dc_opf(two_buses(tmp_path, [branch(0, x, angles=angles)]))
    assert best.flow_mw == pytest.approx([100 / x * np.deg2rad(widest_deg)])


def test_a_lower_angle_limit_may_push_power_over_a_line(tmp_path):
    """From 2 to 1 no less than −1° and no more than 0: what leaves bus 1 is at most 200 MW a radian · 1°."""
    best = dc_opf(two_buses(tmp_path, ["2 1 0 0.5 0 0 0 0 0 0 1 -1 0"]))
    assert best.flow_mw == pytest.approx([-200 * np.deg2rad(1)])


def test_quadratic_costs_minima_and_a_load_that_may_be_dispatched(tmp_path):
    """10 + 0.2 a = 20 + 0.1 b, a + b = 120: a = 220/3, b = 140/3 at 74/3, so the load of 20 MW worth 40 is served.

    The minima of 30 and 10 MW do not bind; they only shift where the tangents start.
    """
    gens = [(1, 1, 100, 30), (2, 1, 90, 10), (2, 1, 0, -20)]
    costs = ["2 0 0 3 0.1 10 5", "2 0 0 3 0.05 20 0", "2 0 0 2 40 0"]
    best = dc_opf(two_buses(tmp_path, [branch(0, 0.1)], 100, gens, [f"{c} 0" if len(c) < 14 else c for c in costs]))
    a, b = 220 / 3, 140 / 3
    assert best.cost == pytest.approx(10 * a + 0.1 * a**2 + 5 + 20 * b + 0.05 * b**2 - 20 * 40, rel=1e-6)
    assert best.gen_mw == pytest.approx([a, b, -20], abs=0.3)
    assert best.nodal_price_per_mwh == pytest.approx([74 / 3] * 2, rel=2e-3)


def test_piecewise_linear_costs_follow_their_points(tmp_path):
    """50 MW at 10, then at 30, on top of 100; the minimum of 20 MW lies inside the first piece."""
    gens, costs = [(1, 1, 100, 20)], ["1 0 0 3 0 100 50 600 100 2100"]
    best = dc_opf(two_buses(tmp_path, [branch(0, 0.1)], 80, gens, costs))
    assert best.cost == pytest.approx(100 + 500 + 30 * 30)
    assert best.nodal_price_per_mwh == pytest.approx([30, 30])


def test_an_infinite_limit_of_a_generator_is_none(tmp_path):
    best = dc_opf(two_buses(tmp_path, [branch(0, 0.1)], gens=[(1, 1, "Inf", 0), (2, 1, 200, 0)]))
    assert best.gen_mw == pytest.approx([80, 0])


def random_case(tmp_path, rng):
    """A ring with chords; most lines have limits, some are out of service; linear costs."""
    n = int(rng.integers(2, 8))
    buses = [(k + 1, 3 if k == 0 else 1, float(rng.uniform(0, 60)), float(rng.choice([0, 0, 5]))) for k in range(n)]
    gens = [(int(rng.integers(n)) + 1, int(rng.random() < 0.9), float(rng.uniform(50, 150)), 0.0) for _ in range(n + 1)]
    costs = [f"2 0 0 2 {rng.uniform(5, 80):.6f} {rng.uniform(0, 9):.6f}" for _ in gens]
    pairs = [(k, (k + 1) % n) for k in range(n)]
    pairs += [tuple(rng.choice(n, 2, replace=False)) for _ in range(int(rng.integers(0, n)))]
    branches = []
    for a, b in pairs:
        limits = rng.choice([WIDE, "0 0", f"{-rng.uniform(1, 9):.5f} {rng.uniform(1, 9):.5f}"])
        rate, status = float(rng.choice([0.0, rng.uniform(20, 80)])), int(rng.random() < 0.9)
        r, x = rng.uniform(0, 0.1), rng.uniform(0.05, 0.5)
        branches.append(f"{a + 1} {b + 1} {r:.6f} {x:.6f} 0 {rate} 0 0 {rng.choice([0, 0.95])} 0 {status} {limits}")
    return buses, gens, costs, branches


def slow_cost(buses, gens, costs, branches):
    """Flows and angles in degrees as variables of their own; None where nothing keeps all limits."""
    n, rows, wide = len(buses), [], 60.0
    live = [row.split() for row in branches]
    live = [[float(cell) for cell in row] for row in live if row[10] == "1"]
    on = [k for k, gen in enumerate(gens) if gen[1]]
    size = n + len(live) + len(on)
    right = [load + shunt for _, _, load, shunt in buses]
    balance = np.zeros((n, size))
    for e, row in enumerate(live):
        a, b = int(row[0]) - 1, int(row[1]) - 1
        law = np.zeros(size)
        law[[a, b]] += np.array([1.0, -1.0]) * (1 / complex(row[2], row[3])).imag * -100 * np.pi / 180
        law[n + e] = -1.0
        rows.append(law)
        balance[a, n + e] -= 1.0
        balance[b, n + e] += 1.0
    between = np.zeros((len(live), size))
    low, high = [], []
    for e, row in enumerate(live):
        between[e, int(row[0]) - 1] += 1.0
        between[e, int(row[1]) - 1] -= 1.0
        none = row[11] == row[12] == 0
        low.append(-wide if none or row[11] <= -90 else row[11])
        high.append(wide if none or row[12] >= 90 else row[12])
    prices = np.zeros(size)
    for g, k in enumerate(on):
        balance[gens[k][0] - 1, n + len(live) + g] = 1.0
        prices[n + len(live) + g] = float(costs[k].split()[4])
    bounds = [(None, None)] * n + [(-row[5], row[5]) if row[5] else (None, None) for row in live]
    bounds += [(gens[k][3], gens[k][2]) for k in on]
    found = linprog(
        prices,
        np.vstack([between, -between]) if live else None,
        np.array([*high, *(-value for value in low)]) if live else None,
        np.vstack([*rows, balance]),
        np.array([0.0] * len(live) + right),
        bounds=bounds,
        method="highs",
    )
    constants = sum(float(costs[k].split()[5]) for k in on)
    return found.fun + constants if found.status == 0 else None


def test_another_formulation_gives_the_same_cost_or_no_solution_either(tmp_path_factory):
    feasible = []

    @given(SEEDS)
    @CHECKED
    def check(seed):
        parts = random_case(tmp_path_factory, np.random.default_rng(seed))
        path = case(tmp_path_factory.mktemp("case"), *parts)
        expected = slow_cost(*parts)
        feasible.append(expected is not None)
        if expected is None:
            with pytest.raises(GridError, match=r"case\.m: found .*; allowed: a dispatch within all limits; "):
                dc_opf(path)
        else:
            assert dc_opf(path).cost == pytest.approx(expected, rel=1e-7)

    check()
    assert 0.3 < np.mean(feasible) < 1


LINE = [branch(0, 0.1)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"branches": [branch(0, 0)]},
            "line 17, mpc.branch: found r and x of 0; allowed: an impedance; correct the row",
        ),
        (
            {"load": 500},
            "found 400 MW of plants for 500 MW of demand; allowed: a dispatch within all limits; raise Pmax",
        ),
        (
            {"gens": [(1, 1, 200, 90), (2, 1, 200, 0)]},
            "found least outputs of 90 MW for 80 MW of demand; allowed: a dispatch within all limits; lower Pmin",
        ),
        (
            {"gens": [(1, 1, 200, 0), (2, 1, 20, 0)], "branches": [branch(0, 0.1, rate=50)]},
            "found 20 MW of plants and lines of 50 MW for 80 MW of demand at bus 2",
        ),
        (
            {"gens": [(1, 1, 200, 0), (2, 1, 20, 0)], "branches": [branch(0, 0.1, status=0)]},
            "found 20 MW of plants for 80 MW of demand in the part of bus 2",
        ),
        (
            {"more": "mpc.branch(1, ANGMAX) = 5;\n"},
            "found code that sets mpc.branch ANGMAX; allowed: tables of numbers; code is not run; write the case",
        ),
        ({"branches": [branch(0, 0.1, angles="5 -5")]}, "found angmin 5 and angmax -5; allowed: angmin <= angmax"),
        ({"branches": [branch(0, "NaN")]}, "mpc.branch: found x nan; allowed: a finite number"),
        ({"branches": ["1 7 0 0.1 0 0 0 0 0 0 1 0 0"]}, "mpc.branch: found bus 7; allowed: a bus of mpc.bus"),
        ({"gens": [(1, 1, 5, 9), (2, 1, 200, 0)]}, "mpc.gen: found Pmin 9 and Pmax 5; allowed: Pmin <= Pmax"),
        ({"costs": ["2 0 0 2 1 0"]}, "found 1 rows of mpc.gencost; allowed: 2, one a generator (or twice that)"),
        (
            {"costs": ["2 0 0 3 -1 1 0"] * 2},
            "found a polynomial that is not convex or above degree 2; allowed: a convex",
        ),
        ({"costs": ["2 0 0 4 1 1 1 0"] * 2}, "found a polynomial that is not convex or above degree 2"),
        (
            {"costs": ["1 0 0 3 0 0 50 900 100 1000"] * 2},
            "found points that do not rise convexly; allowed: two or more",
        ),
        (
            {"costs": ["2 0 0 5 1 1"] * 2},
            "found NCOST 5 and 2 values; allowed: NCOST coefficients or points, all finite",
        ),
        ({"costs": ["3 0 0 2 1 1"] * 2}, "found model 3; allowed: 1 (piecewise linear) or 2 (polynomial)"),
        ({"branches": [branch(0, 0.1, rate=-5)]}, "found rateA -5; allowed: a number >= 0, of which 0 is no limit"),
        ({"more": "mpc.dcline = [1 2 1];\n"}, "found the table mpc.dcline; allowed: buses, generators and AC branches"),
    ],
)
def test_what_cannot_be_solved_is_said_in_one_line(tmp_path, changed, message):
    with pytest.raises(GridError) as caught:
        dc_opf(two_buses(tmp_path, **{"branches": LINE, **changed}))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["0", "-100", "NaN", "Inf"])
@pytest.mark.parametrize("read", [dc_opf, load])
def test_a_base_power_that_is_none_is_refused(tmp_path, value, read):
    path = two_buses(tmp_path, LINE)
    path.write_text(path.read_text("utf-8").replace("baseMVA = 100", f"baseMVA = {value}"), encoding="utf-8")
    with pytest.raises(GridError, match=r"mpc.baseMVA: found \S+; allowed: a number from 1e-06 to 1e\+06; correct it"):
        read(path)


@pytest.mark.parametrize("read", [dc_opf, load])
def test_ohms_without_a_voltage_are_refused(tmp_path, read):
    ohms = "Vbase = 1;\nSbase = 1;\nmpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);\n"
    path = two_buses(tmp_path, LINE, more=ohms)
    path.write_text(path.read_text("utf-8").replace(" 230 1 1.1", " 0 1 1.1"), encoding="utf-8")
    with pytest.raises(GridError, match=r"mpc\.bus: found baseKV 0; allowed: a voltage above 0 kV; correct the row"):
        read(path)
