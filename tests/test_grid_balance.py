"""The order of balancing, by hand numbers and as properties of random steps."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from grid import Grid, GridArrays, Inputs, Outcome, Setpoint
from grid.physics.step import initial_state, step
from strategies import CHECKED, SEEDS, grids, walk

CLOSE = 1e-7  # MW; far above rounding, far below any amount in these tests


def one_part() -> GridArrays:
    """Two sources, two full-size stores, three consumers of which two are cheap to shed; all at one junction."""
    grid = Grid("one part")
    grid.add_source("s1", gen_max_mw=100, gen_min_mw=10, gen_reserve_frac=0.5)
    grid.add_source("s2", gen_max_mw=50, gen_min_mw=5)
    grid.add_storage("b1", store_max_mwh=100, charge_max_mw=50, discharge_max_mw=50)
    grid.add_storage("b2", store_max_mwh=100, charge_max_mw=50, discharge_max_mw=50)
    grid.add_consumer("cheap1", load_max_mw=200, shed_cost_per_mwh=500)
    grid.add_consumer("cheap2", load_max_mw=200, shed_cost_per_mwh=500)
    grid.add_consumer("dear", load_max_mw=200, shed_cost_per_mwh=2000)
    grid.add_junction("j")
    for node in ("s1", "s2", "b1", "b2", "cheap1", "cheap2", "dear"):
        grid.add_line(node, "j")
    return grid.compile()


def run(
    gen: tuple[float, float],
    store: tuple[float, float],
    load: tuple[float, float, float],
    shed: tuple[float, float, float] = (0, 0, 0),
    spill: tuple[float, float] = (0, 0),
) -> Outcome:
    """One step of one_part from half full stores."""
    arrays = one_part()

    def at(first: int, values: tuple[float, ...]) -> np.ndarray:
        row = np.zeros((1, 8))
        row[0, first : first + len(values)] = values
        return row

    setpoint = Setpoint(at(0, gen), at(2, store), at(4, shed), at(0, spill))
    _, outcome = step(arrays, initial_state(arrays, 1), setpoint, Inputs(np.ones((1, 8)), at(4, load), 1.0))
    return outcome


def show(outcome: Outcome) -> dict[str, list[float]]:
    """The numbers that can differ from 0, by unit."""
    return {
        "gen": outcome.gen_mw[0, :2].tolist(),
        "charge": outcome.charge_mw[0, 2:4].tolist(),
        "discharge": outcome.discharge_mw[0, 2:4].tolist(),
        "shed": outcome.shed_mw[0, 4:7].tolist(),
        "spill": outcome.spill_mw[0, :2].tolist(),
        "balancing": [float(outcome.balancing_mw[0])],
    }


# plan of the shortages: 40 + 20 generated, 8 + 2 charged; reserve (100 − 40)·0.5 + (50 − 20)·1 = 30 + 30
# plan of the surpluses: 40 + 20 generated, 6 + 12 discharged; footroom (40 − 10) + (20 − 5) = 30 + 15
@pytest.mark.parametrize(
    ("store", "load", "wanted"),
    [
        pytest.param((-8, -2), (20, 20, 10), {"gen": [40, 20], "charge": [8, 2], "balancing": [0]}, id="in balance"),
        pytest.param((-8, -2), (40, 20, 10), {"gen": [50, 30], "charge": [8, 2], "balancing": [20]}, id="reserve"),
        pytest.param(
            (-8, -2), (65, 40, 10), {"gen": [70, 50], "charge": [4, 1], "balancing": [65]}, id="then charging stops"
        ),
        pytest.param(
            (-8, -2),
            (60, 30, 75),
            {"gen": [70, 50], "shed": [30, 15, 0], "balancing": [70]},
            id="then the cheapest demand is shed",
        ),
        pytest.param(
            (-8, -2),
            (60, 30, 150),
            {"gen": [70, 50], "shed": [60, 30, 30], "balancing": [70]},
            id="then the next price",
        ),
        pytest.param((6, 12), (28, 20, 0), {"gen": [20, 10], "discharge": [6, 12], "balancing": [30]}, id="footroom"),
        pytest.param(
            (6, 12), (24, 0, 0), {"gen": [10, 5], "discharge": [3, 6], "balancing": [54]}, id="then discharging stops"
        ),
        pytest.param(
            (6, 12), (6, 0, 0), {"gen": [10, 5], "spill": [6, 3], "balancing": [63]}, id="then output is spilled"
        ),
        pytest.param((0, 0), (0, 0, 0), {"gen": [10, 5], "spill": [10, 5], "balancing": [45]}, id="no demand at all"),
    ],
)
def test_order_of_balancing_by_hand(store, load, wanted):
    expected = {name: [0.0] * len(value) for name, value in show(run((0, 0), (0, 0), (0, 0, 0))).items()} | wanted
    seen = show(run((40, 20), store, load))
    for name, value in expected.items():
        assert seen[name] == pytest.approx(value, abs=1e-12), name


def test_a_shortage_leaves_discharging_and_a_surplus_leaves_charging_alone():
    short = show(run((40, 20), (6, -8), (100, 0, 0)))  # 58 of supply for 100: 42 up, half each
    assert short["discharge"] == [6, 0]
    assert short["charge"] == [0, 8]
    assert short["gen"] == pytest.approx([61, 41])
    over = show(run((40, 20), (12, -8), (1, 0, 0)))  # 64 − 1: sources to 15, then 12 + 15 − 8 − 1 = 18 left
    assert over["charge"] == [0, 8]
    assert over["discharge"] == pytest.approx([0, 0])
    assert over["spill"] == pytest.approx([4, 2])


def test_planned_shed_is_part_of_the_plan_and_more_is_shed_on_top():
    kept = show(run((40, 20), (0, 0), (50, 10, 20), shed=(0, 0, 20)))
    assert kept["shed"] == pytest.approx([0, 0, 20])
    assert kept["balancing"] == [0]
    more = show(run((40, 20), (0, 0), (100, 50, 30), shed=(10, 0, 20)))  # 150 to serve, 120 at most: 30 of 90 + 50
    assert more["shed"] == pytest.approx([10 + 90 * 30 / 140, 50 * 30 / 140, 20])


def test_planned_spill_is_part_of_the_plan_and_output_does_not_fall_below_it():
    kept = show(run((40, 20), (0, 0), (45, 0, 0), spill=(15, 0)))
    assert kept["spill"] == [15, 0]
    assert kept["gen"] == [40, 20]
    less = show(run((40, 20), (0, 0), (5, 0, 0), spill=(35, 0)))  # footroom 5 + 15, all of it needed
    assert less["spill"] == pytest.approx([35, 0])
    assert less["gen"] == pytest.approx([35, 5])


def test_more_planned_than_there_is_means_all_of_it():
    outcome = show(run((40, 20), (0, 0), (30, 0, 0), shed=(99, 99, 99), spill=(0, 0)))
    assert outcome["shed"] == [30, 0, 0]
    assert outcome["gen"] == pytest.approx([10, 5])
    assert outcome["spill"] == pytest.approx([10, 5])
    spilled = show(run((40, 20), (0, 0), (0, 0, 0), spill=(99, 99)))
    assert spilled["spill"] == [40, 20]
    assert spilled["balancing"] == [0]


def test_parts_do_not_help_each_other():
    grid = Grid("two parts")
    for part in ("a", "b"):
        grid.add_source(f"s{part}", gen_max_mw=100)
        grid.add_consumer(f"c{part}", load_max_mw=100)
        grid.add_line(f"s{part}", f"c{part}")
    arrays = grid.compile()
    setpoint = Setpoint(np.array([[30.0, 0, 30.0, 0]]), np.zeros((1, 4)))
    _, o = step(
        arrays, initial_state(arrays, 1), setpoint, Inputs(np.ones((1, 4)), np.array([[0, 20.0, 0, 40.0]]), 1.0)
    )
    np.testing.assert_allclose(o.gen_mw, [[20, 0, 40, 0]])
    np.testing.assert_allclose(o.balancing_mw, [20])  # 10 down and 10 up
    np.testing.assert_allclose(o.flow_mw, [[20, 40]])


def plan_of(w, arrays: GridArrays) -> dict[str, np.ndarray]:
    """What was asked, inside the limits; the load is what cuts leave of the demand."""
    store = np.clip(w.setpoint.store_mw, w.limits.store_lo_mw, w.limits.store_hi_mw)
    output = np.clip(w.setpoint.gen_mw, w.limits.gen_lo_mw, w.limits.gen_hi_mw)
    gen, load = output * arrays.is_source, w.inputs.load_mw - output * (arrays.flex_max_frac > 0)
    none = np.zeros_like(gen)
    shed = none if w.setpoint.shed_mw is None else np.minimum(w.setpoint.shed_mw, load)
    spill = none if w.setpoint.spill_mw is None else np.minimum(w.setpoint.spill_mw, gen)
    charge, discharge = np.clip(-store, 0, None), np.clip(store, 0, None)
    surplus = (gen - spill + discharge - charge - load + shed) @ arrays.part_matrix @ arrays.part_matrix.T
    plan = {"gen": gen, "charge": charge, "discharge": discharge, "shed": shed, "spill": spill}
    return plan | {"surplus": surplus, "load": load, "most": w.limits.gen_hi_mw * arrays.is_source}


@CHECKED
@given(grids(), SEEDS)
def test_a_later_means_is_used_only_when_all_earlier_ones_are_spent(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed):
        p, o, lim = plan_of(w, arrays), w.outcome, w.limits
        reserve = (p["most"] - p["gen"]) * arrays.gen_reserve_frac
        unused = p["gen"] + reserve - o.gen_mw
        footroom = np.minimum(p["gen"] - lim.gen_lo_mw, p["gen"] - p["spill"])
        kept = o.gen_mw - (p["gen"] - footroom)
        more_shed, more_spill = o.shed_mw - p["shed"], o.spill_mw - p["spill"]
        for part in range(arrays.part_matrix.shape[1]):
            here = arrays.part == part
            for i in range(len(p["gen"])):
                stopped = (p["charge"] - o.charge_mw)[i, here].max()
                held = (p["discharge"] - o.discharge_mw)[i, here].max()
                if stopped > CLOSE or more_shed[i, here].max() > CLOSE:
                    assert unused[i, here].max() <= CLOSE
                if more_shed[i, here].max() > CLOSE:
                    assert o.charge_mw[i, here].max() <= CLOSE
                    dearest = arrays.shed_cost_per_mwh[here & (more_shed[i] > CLOSE)].max()
                    cheaper = here & (arrays.shed_cost_per_mwh < dearest)
                    assert o.served_mw[i, cheaper].max(initial=0) <= CLOSE
                if held > CLOSE or more_spill[i, here].max() > CLOSE:
                    assert kept[i, here].max() <= CLOSE
                if more_spill[i, here].max() > CLOSE:
                    assert o.discharge_mw[i, here].max() <= CLOSE
                if p["surplus"][i, here].max() > CLOSE:
                    assert stopped <= CLOSE
                    assert more_shed[i, here].max() <= CLOSE
                if p["surplus"][i, here].min() < -CLOSE:
                    assert held <= CLOSE
                    assert more_spill[i, here].max() <= CLOSE


@CHECKED
@given(grids(), SEEDS)
def test_each_means_is_shared_in_proportion(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed):
        p, o = plan_of(w, arrays), w.outcome
        rise = np.clip(o.gen_mw - p["gen"], 0, None)
        fall = np.clip(p["gen"] - o.gen_mw, 0, None)
        pairs = [
            (rise, (p["most"] - p["gen"]) * arrays.gen_reserve_frac),
            (fall, np.minimum(p["gen"] - w.limits.gen_lo_mw, p["gen"] - p["spill"])),
            (p["charge"] - o.charge_mw, p["charge"]),
            (p["discharge"] - o.discharge_mw, p["discharge"]),
            (o.spill_mw - p["spill"], o.gen_mw - p["spill"]),
        ]
        groups = [(arrays.part == part, pairs) for part in range(arrays.part_matrix.shape[1])]
        shed = (o.shed_mw - p["shed"], p["load"] - p["shed"])
        groups += [
            (here & (arrays.shed_cost_per_mwh == c), [shed])
            for here, _ in groups
            for c in np.unique(arrays.shed_cost_per_mwh)
        ]
        for here, amounts in groups:
            for given_mw, available in amounts:
                total = available[:, here].sum(1, keepdims=True)
                share = given_mw[:, here].sum(1, keepdims=True) / np.where(total > CLOSE, total, np.inf)
                np.testing.assert_allclose(given_mw[:, here], share * available[:, here], rtol=0, atol=CLOSE)


@CHECKED
@given(grids(), SEEDS)
def test_balancing_is_the_gap_between_plan_and_demand(grid, seed):
    """Shed and spill aside, each MW moved closes one MW of the gap."""
    arrays = grid.compile()
    for w in walk(arrays, seed):
        p, o = plan_of(w, arrays), w.outcome
        gap = abs((p["surplus"] / arrays.part_matrix.sum(0)[arrays.part]) @ arrays.part_matrix).sum(1)
        rest = (o.shed_mw - p["shed"]).sum(1) + (o.spill_mw - p["spill"]).sum(1)
        np.testing.assert_allclose(o.balancing_mw, gap - rest, rtol=0, atol=1e-9 * max(1, gap.max()))


def test_the_random_steps_see_every_situation():
    seen: Counter[str] = Counter()

    @CHECKED
    @given(grids(), SEEDS)
    def look(grid, seed):
        arrays = grid.compile()
        for w in walk(arrays, seed):
            p, o = plan_of(w, arrays), w.outcome
            full = (w.before.store_mwh > arrays.store_max_mwh - CLOSE) & arrays.is_store
            empty = (w.before.store_mwh < arrays.store_min_mwh + CLOSE) & arrays.is_store
            ramped = w.limits.gen_hi_mw < arrays.gen_max_mw * w.inputs.gen_avail_frac - CLOSE
            hits = {
                "steps": np.ones(len(o.gen_mw), bool),
                "reserve": (o.gen_mw > p["gen"] + CLOSE).any(1),
                "charging stopped": (o.charge_mw < p["charge"] - CLOSE).any(1),
                "shed": (o.shed_mw > p["shed"] + CLOSE).any(1),
                "sources fell": (o.gen_mw < p["gen"] - CLOSE).any(1),
                "discharging stopped": (o.discharge_mw < p["discharge"] - CLOSE).any(1),
                "spilled": (o.spill_mw > p["spill"] + CLOSE).any(1),
                "overload": (abs(o.flow_mw) > arrays.capacity_mw + CLOSE).any(1),
                "full store": full.any(1),
                "empty store": empty.any(1),
                "ramp": ramped.any(1),
                "several parts": np.full(len(o.gen_mw), arrays.part_matrix.shape[1] > 1),
                "connector": np.full(len(o.gen_mw), (arrays.reactance_pu == 0).any()),
                "phase shift": np.full(len(o.gen_mw), (arrays.flow_offset_mw != 0).any()),
            }
            for name, hit in hits.items():
                seen[name] += int(hit.sum())

    look()
    rare = {name: count for name, count in seen.items() if count < 0.05 * seen["steps"]}
    assert not rare, seen
