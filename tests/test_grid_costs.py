"""Each cost term by hand numbers, the settlement of stores, and the errors of Prices."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given

from grid import Grid, GridArrays, GridError, Outcome, Prices
from grid.costs import TERMS, marginal_cost_per_mwh, settlement, step_costs, store_value_per_mwh
from slow_step import SlowOutcome, slow_cost
from strategies import CHECKED, SEEDS, grids, walk

TERM_NAMES = (
    "generation",
    "shed",
    "curtailment",
    "start",
    "no_load",
    "overload",
    "trips",
    "spill",
    "balancing",
    "wear",
    "co2",
    "voltage",
    "settlement",
)


def arrays_of(*sources: dict[str, float], stores: tuple[float, ...] = ()) -> GridArrays:
    """Sources, then one store for each discharge efficiency, then consumers at 700 and 1000; line s0-c carries 20."""
    grid = Grid("costs")
    for i, columns in enumerate(sources):
        grid.add_source(f"s{i}", **{"gen_max_mw": 100, **columns})
    for i, eff in enumerate(stores):
        grid.add_storage(f"b{i}", store_max_mwh=10, charge_max_mw=5, discharge_max_mw=5, discharge_eff_frac=eff)
    grid.add_consumer("c", load_max_mw=50, shed_cost_per_mwh=700)
    grid.add_consumer("d", load_max_mw=50)
    grid.add_line("s0", "c", capacity_mw=20)
    grid.add_line("c", "d")
    for node in [n for n in grid.graph if n[0] in "sb" and n != "s0"]:
        grid.add_line("s0", node)
    return grid.compile()


def outcome(arrays: GridArrays, rows: int = 1, **given_mw: object) -> Outcome:
    """An outcome of zeros with some fields given."""
    shape = {"flow_mw": (rows, len(arrays.line_names)), "balancing_mw": (rows,)}
    known = (f.name for f in fields(Outcome) if f.default is MISSING)
    zero = {name: np.zeros(shape.get(name, (rows, len(arrays.node_names)))) for name in known}
    return Outcome(
        **zero | {name: np.array(value, None if name == "tripped" else float) for name, value in given_mw.items()}
    )


def costs(arrays: GridArrays, prices: Prices, dt_h: float, **given_mw: object) -> dict[str, float]:
    """The terms that are not 0."""
    terms = step_costs(arrays, prices, outcome(arrays, **given_mw), dt_h)
    assert all(term.shape == (1,) for term in terms.values())
    return {name: float(term[0]) for name, term in terms.items() if term[0] != 0}


def message(call, *args, **kwargs) -> str:
    with pytest.raises(GridError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_the_default_prices_are_the_documented_ones():
    assert Prices() == Prices(
        overload_per_mwh=300,
        trip_per_mwh=0,
        spill_per_mwh=10,
        balancing_per_mwh=2,
        wear_per_mwh=1,
        co2_per_t=0,
        voltage_per_pu_h=10000,
        store_value_per_mwh=None,
    )
    assert "        spill_per_mwh: currency/MWh of energy generated and thrown away.\n" in (Prices.__doc__ or "")
    for field in fields(Prices):
        assert f"        {field.name}: currency/" in (Prices.__doc__ or "")


def test_the_terms_and_their_order():
    arrays = arrays_of({})
    assert tuple(TERMS) == TERM_NAMES
    of_others = ("start", "no_load", "voltage", "settlement")  # of plants that stop, of AC, of the end of an episode
    wanted = tuple(name for name in TERMS if name not in of_others)
    assert tuple(step_costs(arrays, Prices(), outcome(arrays), 1.0)) == wanted


def test_generation_costs_linearly_and_quadratically():
    arrays = arrays_of({"gen_cost_per_mwh": 20, "gen_cost_per_mw2h": 0.5}, {"gen_cost_per_mwh": -5})
    # 10·20 + 0.5·10² = 250 and 4·(−5) = −20 an hour, for half an hour
    assert costs(arrays, Prices(), 0.5, gen_mw=[[10, 4, 0, 0]]) == {"generation": 115}


def test_output_that_is_spilled_is_paid_for_as_well():
    arrays = arrays_of({"gen_cost_per_mwh": 20})
    terms = costs(arrays, Prices(), 2.0, gen_mw=[[10, 0, 0]], spill_mw=[[3, 0, 0]])
    assert terms == {"generation": 400, "spill": 60}


def test_demand_not_served_costs_its_own_price():
    assert costs(arrays_of({}), Prices(), 0.5, shed_mw=[[0, 2, 3]]) == {"shed": (2 * 700 + 3 * 1000) / 2}


def test_a_cut_costs_what_its_consumer_asks_for_and_a_tripped_line_by_its_capacity():
    arrays = arrays_of({}).convert(lambda a: a)
    arrays = replace(arrays, flex_cost_per_mwh=np.array([0.0, 90, 200]))
    terms = costs(arrays, Prices(), 0.5, curtailed_mw=[[0, 2, 3]], shed_mw=[[0, 0, 1]])
    assert terms == {"curtailment": (2 * 90 + 3 * 200) / 2, "shed": 1000 / 2}
    assert costs(arrays, Prices(trip_per_mwh=7), 0.5, tripped=[[True, False]]) == {"trips": 20 * 7 / 2}


def test_only_flow_above_capacity_is_priced_in_both_directions():
    arrays = arrays_of({})
    for flow_mw, over_mw in ((20, 0), (-20, 0), (25, 5), (-26, 6)):
        terms = costs(arrays, Prices(), 2.0, flow_mw=[[flow_mw, 1e6]])  # the second line is unlimited
        assert terms == ({"overload": 600 * over_mw} if over_mw else {})


def test_balancing_wear_and_co2():
    arrays = arrays_of({"co2_t_per_mwh": 0.4}, stores=(0.9,))
    prices = Prices(co2_per_t=50, balancing_per_mwh=3, wear_per_mwh=2)
    terms = costs(
        arrays, prices, 0.5, gen_mw=[[10, 0, 0, 0]], charge_mw=[[0, 7, 0, 0]], discharge_mw=[[0, 4, 0, 0]],
        balancing_mw=[6],
    )  # fmt: skip
    assert terms == {"co2": 0.5 * 10 * 0.4 * 50, "balancing": 0.5 * 6 * 3, "wear": 0.5 * 4 * 2}


def test_every_price_is_used():
    arrays = arrays_of({"co2_t_per_mwh": 1})
    zero = Prices(overload_per_mwh=0, spill_per_mwh=0, wear_per_mwh=0)
    terms = costs(
        arrays, zero, 1.0, gen_mw=[[1, 0, 0]], spill_mw=[[1, 0, 0]], discharge_mw=[[1, 0, 0]], flow_mw=[[99, 0]]
    )
    assert terms == {}


@CHECKED
@given(grids(), SEEDS)
def test_equals_the_sum_over_nodes_and_lines(grid, seed):
    arrays = grid.compile()
    prices = Prices(co2_per_t=30)
    for w in walk(arrays, seed, batch=3, steps=2):
        terms = step_costs(arrays, prices, w.outcome, w.inputs.dt_h)
        for i in range(3):
            row = SlowOutcome(**{f.name: getattr(w.outcome, f.name)[i].tolist() for f in fields(SlowOutcome)})
            wanted = slow_cost(arrays, row, w.inputs.dt_h, co2_per_t=30)
            assert {name: float(term[i]) for name, term in terms.items()} == pytest.approx(wanted, rel=1e-9, abs=1e-7)


def test_settlement_is_what_was_taken_out_at_its_worth():
    start, end = np.array([[5.0, 8.0], [5.0, 8.0]]), np.array([[2.0, 9.0], [7.0, 8.0]])
    np.testing.assert_allclose(settlement(np.array([10.0, 4.0]), start, end), [26, -20])


def test_stored_energy_is_worth_the_cheapest_positive_cost_times_the_efficiency():
    sources = ({"gen_cost_per_mwh": 30}, {"gen_cost_per_mwh": 0}, {"gen_cost_per_mwh": -4}, {"gen_cost_per_mwh": 20})
    arrays = arrays_of(*sources, stores=(0.9, 0.5))
    np.testing.assert_allclose(store_value_per_mwh(arrays, Prices()), [0, 0, 0, 0, 18, 10, 0, 0])


def test_co2_is_part_of_the_marginal_cost():
    arrays = arrays_of(
        {"gen_cost_per_mwh": 10, "co2_t_per_mwh": 1}, {"gen_cost_per_mwh": 25, "co2_t_per_mwh": 0}, stores=(0.5,)
    )
    np.testing.assert_allclose(marginal_cost_per_mwh(arrays, Prices(co2_per_t=20))[:2], [30, 25])
    assert store_value_per_mwh(arrays, Prices(co2_per_t=20))[2] == pytest.approx(12.5)
    assert store_value_per_mwh(arrays, Prices())[2] == pytest.approx(5)


def test_stored_energy_is_worth_nothing_where_generation_is_free():
    assert (store_value_per_mwh(arrays_of({}, stores=(0.9,)), Prices()) == 0).all()


def test_a_store_value_can_be_lower_but_not_higher():
    arrays = arrays_of({"gen_cost_per_mwh": 20}, stores=(0.9, 0.5))
    np.testing.assert_allclose(store_value_per_mwh(arrays, Prices(store_value_per_mwh=7)), [0, 7, 7, 0, 0])
    np.testing.assert_allclose(store_value_per_mwh(arrays, Prices(store_value_per_mwh=0)), 0)
    np.testing.assert_allclose(store_value_per_mwh(arrays, Prices(store_value_per_mwh=10)), [0, 10, 10, 0, 0])
    assert message(store_value_per_mwh, arrays, Prices(store_value_per_mwh=10.5)) == (
        "prices.store_value_per_mwh: found 10.5; allowed: at most 10: the cheapest positive marginal cost x "
        "discharge efficiency; lower it, or leave it out to get that value"
    )
    free = arrays_of({}, stores=(0.9,))
    assert message(store_value_per_mwh, free, Prices(store_value_per_mwh=1)).startswith(
        "prices.store_value_per_mwh: found 1; allowed: at most 0: "
    )


def test_a_store_value_does_not_matter_without_stores():
    assert (store_value_per_mwh(arrays_of({}), Prices(store_value_per_mwh=1e6)) == 0).all()


@pytest.mark.parametrize("value", [-1, -0.001, nan, inf, -inf, "5", True, [1]])
@pytest.mark.parametrize("name", [field.name for field in fields(Prices)])
def test_a_price_is_a_finite_number_not_below_0(name, value):
    allowed = "a number > 0" if name == "balancing_per_mwh" else "a finite number >= 0"
    wanted = f"prices.{name}: found {value!r}; allowed: {allowed}; correct the price"
    assert message(Prices, **{name: value}) == wanted


def test_balancing_is_never_free():
    assert message(Prices, balancing_per_mwh=0) == (
        "prices.balancing_per_mwh: found 0; allowed: a number > 0; correct the price"
    )


def test_only_the_store_value_may_be_left_open():
    assert message(Prices, wear_per_mwh=None) == (
        "prices.wear_per_mwh: found None; allowed: a finite number >= 0; correct the price"
    )
    assert message(Prices, balancing_per_mwh=None) == (
        "prices.balancing_per_mwh: found None; allowed: a number > 0; correct the price"
    )


def test_numpy_numbers_and_0_are_prices():
    assert Prices(spill_per_mwh=0, overload_per_mwh=np.float64(5), wear_per_mwh=np.int64(2)).overload_per_mwh == 5
