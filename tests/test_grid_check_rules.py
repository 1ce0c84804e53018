"""What the checker refuses and allows beyond single messages, and how long it takes."""

from __future__ import annotations

import copy
import pickle
import time
from math import inf, nan

import networkx as nx
import numpy as np
import pytest

from grid import Grid, GridError
from grid.errors import Fault, nearest
from grid.kinds import COLUMNS, KIND_NAMES
from test_grid_check import CONSUMER, SOURCE, STORAGE, at_line, at_node, sound


@pytest.mark.parametrize("value", [1e13, 10**13, 1e300, 10**400, 10**5000], ids=range(5))
def test_numbers_that_no_sum_could_hold_are_refused(value):
    grid = sound()
    grid.graph.nodes["s"]["gen_max_mw"] = value
    (fault,) = grid.faults()
    digits = "a number of thousands of digits" if value == 10**5000 else repr(value)
    found = f"gen_max_mw {digits}" if len(digits) < 250 else f"gen_max_mw {digits}"[:300] + "…"
    assert str(fault) == f"node 's': found {found}; allowed: a number >= 0, at most 1e+12 in size; correct the value"


@pytest.mark.parametrize(("reactance_pu", "tap"), [(1e-11, None), (-1e-12, 1.0), (1e-6, 1e-6)])
def test_reactances_too_small_to_solve_are_refused(reactance_pu, tap):
    grid = sound()
    grid.graph.edges["s", "c", 0].update({"reactance_pu": reactance_pu, "tap": tap})
    (fault,) = grid.faults()
    assert str(fault) == (
        f"line 's-c': found reactance_pu {reactance_pu!r} with a tap of {tap or 1:g}; allowed: a product of 1e-10 or "
        "more in size, or reactance_pu 0; give 0 for an ideal connector"
    )


@pytest.mark.parametrize("capacity_mw", [1e-300, 9e-7])
def test_capacities_too_small_to_divide_by_are_refused(capacity_mw):
    grid = sound()
    grid.graph.edges["s", "c", 0]["capacity_mw"] = capacity_mw
    (fault,) = grid.faults()
    assert str(fault) == (
        f"line 's-c': found capacity_mw {capacity_mw!r}; allowed: 1e-06 or more; correct the value or remove the line"
    )
    grid.graph.edges["s", "c", 0]["capacity_mw"] = 1e-6
    assert grid.faults() == []


@pytest.mark.parametrize(
    ("value", "mend"), [("9", "without quotes"), ("9,5", "without quotes and with a decimal point")]
)
def test_texts_in_place_of_numbers_are_told_how_to_be_written(value, mend):
    grid = sound()
    grid.graph.nodes["s"]["gen_max_mw"] = value
    (fault,) = grid.faults()
    assert str(fault) == f"node 's': found gen_max_mw {value!r}; allowed: a number >= 0; write a number, {mend}"


@pytest.mark.parametrize("kind", ["consumers apart", "connectors", "parallel lines"])
def test_checking_takes_a_time_in_proportion_to_the_grid(kind):
    """Four times the grid takes about four times as long, not sixteen."""

    def seconds(count):
        grid = sound()
        for i in range(count):
            if kind == "parallel lines":
                grid.graph.add_edge("s", "c", reactance_pu=0.1, line_from="s")
                continue
            grid.add_consumer(f"n{i}", load_max_mw=1)
            if kind == "connectors":
                grid.add_line("s" if i == 0 else f"n{i - 1}", f"n{i}", reactance_pu=0)
        begin = time.process_time()
        grid.faults()
        return time.process_time() - begin

    assert min(seconds(8000) for _ in range(2)) < 10 * min(seconds(2000) for _ in range(3))


def test_an_array_in_place_of_a_number_is_refused():
    grid = sound()
    grid.graph.edges["s", "c", 0]["reactance_pu"] = np.array([0.1, 0.2])
    grid.graph.nodes["s"]["gen_max_mw"] = np.array([1.0, 2.0])
    assert [str(fault) for fault in grid.faults()] == [
        "node 's': found gen_max_mw array([1., 2.]); allowed: a number >= 0; correct the value",
        "line 's-c': found reactance_pu array([0.1, 0.2]); allowed: any finite number; correct the value",
    ]


@pytest.mark.parametrize(
    "change",
    [
        at_node("s", gen_ramp_mw_per_h=inf),
        at_node("s", gen_max_mw=np.float32(3), gen_cost_per_mwh=np.int64(-2)),
        at_node("s", gen_profile=None, x=None, y=-3),
        at_node("s", load_max_mw=4),
        at_node("s", gen_min_mw=100, gen_reserve_frac=0),
        at_node("s", gen_min_mw=0, gen_profile="sun"),
        at_node("b", store_min_mwh=40, store_init_mwh=40),
        at_node("b", store_loss_frac_per_h=1, charge_eff_frac=1),
        at_node("c", load_max_mw=0),
        at_line(capacity_mw=inf, reactance_pu=-0.1, shift_deg=-360, tap=0.001),
        at_line(capacity_mw=None, reactance_pu=None),
        at_line(reactance_pu=0, tap=1, shift_deg=0),
        at_line(line_from="c"),
        lambda grid: grid.add_line("s", "c", reactance_pu=0),
        lambda grid: grid.add_storage("alone", **{k: v for k, v in STORAGE.items() if k != "kind"}),
    ],
)
def test_what_is_allowed_passes(change):
    grid = sound()
    change(grid)
    assert grid.faults() == []
    grid.compile()


def test_all_faults_are_told_at_once_one_line_each():
    grid = sound()
    at_node("s", gen_max_mw=-1, gen_maxx=3)(grid)
    at_node("c", kind="kind")(grid)
    at_line(tap=-1)(grid)
    with pytest.raises(GridError) as caught:
        grid.check()
    assert str(caught.value).splitlines() == [str(fault) for fault in grid.faults()]
    assert [fault.where for fault in caught.value.faults] == ["node 's'", "node 's'", "node 'c'", "line 's-c'"]
    assert isinstance(caught.value, ValueError)


def test_every_consumer_of_an_island_is_named():
    grid = sound()
    grid.graph.remove_edge("s", "c")
    grid.add_consumer("d", load_max_mw=1)
    grid.add_line("d", "c")
    assert [fault.where for fault in grid.faults()] == ["node 'c'", "node 'd'"]


@pytest.mark.parametrize("name", [name for name, column in COLUMNS.items() if not column.is_text])
def test_no_column_takes_what_is_outside_its_range(name):
    column = COLUMNS[name]
    for value in (nan, -inf, column.low - 1, column.high + 1, column.low if column.above else -inf):
        if value == inf or (column.low <= value <= column.high and not (column.above and value == column.low)):
            continue
        grid = sound()
        if column.table == "node":
            grid.graph.nodes["s"][name] = value
        else:
            grid.graph.edges["s", "c", 0][name] = value
        found = [fault for fault in grid.faults() if fault.found == f"{name} {value!r}"]
        assert found, value
        assert found[0].allowed == column.allowed


def test_grid_error_carries_its_four_parts():
    error = GridError("here", "this", "that", "do so")
    assert error.faults == (Fault("here", "this", "that", "do so"),)
    assert str(error) == "here: found this; allowed: that; do so"
    both = GridError.of([Fault("a", "b", "c", "d"), Fault("e", "f", "g", "h")])
    assert str(both) == "a: found b; allowed: c; d\ne: found f; allowed: g; h"
    assert len(both.faults) == 2


def test_a_grid_error_is_copied_and_leaves_another_process_whole():
    error = GridError.of([Fault("a", "b", "c", "d"), Fault("e", "f", "g", "h")])
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 - written in this line
    for again in (pickled, copy.copy(error), copy.deepcopy(error)):
        assert (type(again), again.faults, str(again)) == (GridError, error.faults, str(error))


def test_nearest_names_the_closest_choice_or_lists_all():
    assert nearest("gen_mx_mw", COLUMNS) == "did you mean 'gen_max_mw'?"
    assert nearest("zzz", KIND_NAMES) == "use one of: consumer, junction, source, storage"


def test_the_allowed_range_is_said_in_words():
    said = {name: COLUMNS[name].allowed for name in ("gen_max_mw", "tap", "x", "gen_reserve_frac", "charge_eff_frac")}
    assert said == {
        "gen_max_mw": "a number >= 0",
        "tap": "a number > 0",
        "x": "any finite number",
        "gen_reserve_frac": "a number in [0, 1]",
        "charge_eff_frac": "a number in (0, 1]",
    }
    assert COLUMNS["gen_profile"].allowed == "the name of a profile"


def test_a_path_of_lines_may_run_through_any_node():
    graph = nx.path_graph(4)
    kinds = [SOURCE, STORAGE, {"kind": "junction"}, CONSUMER]
    nx.set_node_attributes(graph, dict(enumerate(kinds)))
    assert Grid.from_networkx(graph).faults() == []
