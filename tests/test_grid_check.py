"""Every message of the checker, read in full."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf, nan

import networkx as nx
import numpy as np
import pytest

from grid import Grid, GridError
from grid.errors import Fault, nearest
from grid.kinds import COLUMNS, KINDS

SOURCE = {"kind": "source", "gen_max_mw": 100}
STORAGE = {"kind": "storage", "store_max_mwh": 40, "charge_max_mw": 10, "discharge_max_mw": 10}
CONSUMER = {"kind": "consumer", "load_max_mw": 50}
KIND_WORDS = "a kind out of source, storage, consumer, junction"


def sound() -> Grid:
    """Nodes s, b, c in a row: s-c, c-b."""
    grid = Grid("sound")
    for node, data in (("s", SOURCE), ("b", STORAGE), ("c", CONSUMER)):
        grid.graph.add_node(node, **data)
    grid.add_line("s", "c")
    grid.add_line("b", "c")
    return grid


def at_node(node: str, **columns: object) -> Callable[[Grid], None]:
    return lambda grid: grid.graph.nodes[node].update(columns)


def without(node: str, name: str) -> Callable[[Grid], None]:
    return lambda grid: grid.graph.nodes[node].pop(name)


def at_line(**columns: object) -> Callable[[Grid], None]:
    return lambda grid: grid.graph.edges["s", "c", 0].update(columns)


def base(value: object) -> Callable[[Grid], None]:
    return lambda grid: setattr(grid, "base_mva", value)


def loop_of_connectors(grid: Grid) -> None:
    grid.add_line("s", "b", reactance_pu=0)
    for edge in grid.graph.edges:
        grid.graph.edges[edge]["reactance_pu"] = 0


def parallel_connectors(grid: Grid) -> None:
    grid.graph.edges["s", "c", 0]["reactance_pu"] = 0
    grid.add_line("c", "s", "bypass", reactance_pu=0.0)


def island(grid: Grid) -> None:
    grid.add_storage("far", store_max_mwh=1, charge_max_mw=1, discharge_max_mw=1)
    grid.add_consumer("isle", load_max_mw=3)
    grid.add_line("far", "isle")


def uncontrollable(grid: Grid) -> None:
    grid.graph.nodes["s"]["gen_max_mw"] = 0
    grid.graph.nodes["b"]["store_max_mwh"] = 0


def foreign_start(grid: Grid) -> None:
    grid.graph.edges["s", "c", 0]["line_from"] = "b"


BASE = "allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)"

BAD = [
    # base
    (base(0), f"graph: base_mva: found 0; {BASE}"),
    (
        base(-1.5),
        "graph: base_mva: found -1.5; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    (base(nan), f"graph: base_mva: found nan; {BASE}"),
    (base(inf), f"graph: base_mva: found inf; {BASE}"),
    (
        base("100"),
        "graph: base_mva: found '100'; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    (
        base(True),
        "graph: base_mva: found True; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    (
        base(None),
        "graph: base_mva: found None; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    # kinds
    (without("s", "kind"), f"node 's': found no kind; allowed: {KIND_WORDS}; add the kind"),
    (at_node("s", kind=None), f"node 's': found no kind; allowed: {KIND_WORDS}; add the kind"),
    (at_node("s", kind="sauce"), f"node 's': found kind 'sauce'; allowed: {KIND_WORDS}; did you mean 'source'?"),
    (
        at_node("s", kind="xyz"),
        f"node 's': found kind 'xyz'; allowed: {KIND_WORDS}; use one of: consumer, junction, source, storage",
    ),
    (
        at_node("s", kind=["q"]),
        f"node 's': found kind ['q']; allowed: {KIND_WORDS}; use one of: consumer, junction, source, storage",
    ),
    # required columns
    (
        without("s", "gen_max_mw"),
        "node 's': found no gen_max_mw; allowed: gen_max_mw for every source; add gen_max_mw",
    ),
    (
        at_node("s", gen_max_mw=None),
        "node 's': found no gen_max_mw; allowed: gen_max_mw for every source; add gen_max_mw",
    ),
    (
        without("b", "store_max_mwh"),
        "node 'b': found no store_max_mwh; allowed: store_max_mwh for every storage; add store_max_mwh",
    ),
    (
        without("b", "charge_max_mw"),
        "node 'b': found no charge_max_mw; allowed: charge_max_mw for every storage; add charge_max_mw",
    ),
    (
        without("b", "discharge_max_mw"),
        "node 'b': found no discharge_max_mw; allowed: discharge_max_mw for every storage; add discharge_max_mw",
    ),
    (
        without("c", "load_max_mw"),
        "node 'c': found no load_max_mw; allowed: load_max_mw for every consumer; add load_max_mw",
    ),
    # names of columns
    (
        at_node("s", gen_max=5),
        "node 's': found the unknown field 'gen_max'; allowed: the fields of its table; did you mean 'gen_max_mw'?",
    ),
    (
        at_line(capacity=5),
        "line 's-c': found the unknown field 'capacity'; allowed: the fields of its table; did you mean 'capacity_mw'?",
    ),
    (
        at_line(qqq=5),
        "line 's-c': found the unknown field 'qqq'; allowed: the fields of its table; use one of: "
        "capacity_mw, outage_rate_per_h, reactance_pu, repair_h, shift_deg, tap",
    ),
    # values of columns
    (
        at_node("s", gen_max_mw=-1),
        "node 's': found gen_max_mw -1; allowed: a number >= 0; correct the value",
    ),
    (at_node("s", gen_max_mw=inf), "node 's': found gen_max_mw inf; allowed: a number >= 0; correct the value"),
    (at_node("s", gen_max_mw=nan), "node 's': found gen_max_mw nan; allowed: a number >= 0; correct the value"),
    (
        at_node("s", gen_max_mw="9"),
        "node 's': found gen_max_mw '9'; allowed: a number >= 0; write a number, without quotes",
    ),
    (at_node("s", gen_max_mw=True), "node 's': found gen_max_mw True; allowed: a number >= 0; correct the value"),
    (at_node("s", gen_max_mw=[9]), "node 's': found gen_max_mw [9]; allowed: a number >= 0; correct the value"),
    (at_node("s", gen_max_mw=1 + 0j), "node 's': found gen_max_mw (1+0j); allowed: a number >= 0; correct the value"),
    (
        at_node("s", gen_ramp_mw_per_h=0),
        "node 's': found gen_ramp_mw_per_h 0; allowed: a number > 0; correct the value",
    ),
    (
        at_node("s", gen_ramp_mw_per_h=-inf),
        "node 's': found gen_ramp_mw_per_h -inf; allowed: a number > 0; correct the value",
    ),
    (
        at_node("s", gen_cost_per_mwh=inf),
        "node 's': found gen_cost_per_mwh inf; allowed: any finite number; correct the value",
    ),
    (
        at_node("s", gen_reserve_frac=1.5),
        "node 's': found gen_reserve_frac 1.5; allowed: a number in [0, 1]; correct the value",
    ),
    (
        at_node("b", charge_eff_frac=0),
        "node 'b': found charge_eff_frac 0; allowed: a number in (0, 1]; correct the value",
    ),
    (
        at_node("b", discharge_eff_frac=1.01),
        "node 'b': found discharge_eff_frac 1.01; allowed: a number in (0, 1]; correct the value",
    ),
    (
        at_node("s", gen_profile=3),
        "node 's': found gen_profile 3; allowed: the name of a profile; correct the name",
    ),
    (
        at_node("c", load_profile=""),
        "node 'c': found load_profile ''; allowed: the name of a profile; correct the name",
    ),
    (at_node("s", x=nan), "node 's': found x nan; allowed: any finite number; correct the value"),
    (at_line(capacity_mw=0), "line 's-c': found capacity_mw 0; allowed: a number > 0; correct the value"),
    (at_line(capacity_mw=-3), "line 's-c': found capacity_mw -3; allowed: a number > 0; correct the value"),
    (at_line(tap=0), "line 's-c': found tap 0; allowed: a number > 0; correct the value"),
    (
        at_line(reactance_pu=nan),
        "line 's-c': found reactance_pu nan; allowed: any finite number; correct the value",
    ),
    (
        at_line(shift_deg=361),
        "line 's-c': found shift_deg 361; allowed: a number in [-360, 360]; correct the value",
    ),
    (at_line(repair_h=0), "line 's-c': found repair_h 0; allowed: a number > 0; correct the value"),
    # rules of a node
    (
        at_node("s", gen_min_mw=101),
        "node 's': found gen_min_mw above gen_max_mw; allowed: gen_min_mw <= gen_max_mw; correct one of them",
    ),
    (
        at_node("s", gen_min_mw=10, gen_profile="sun"),
        "node 's': found gen_min_mw together with gen_profile; allowed: one of the two; drop gen_min_mw or gen_profile",
    ),
    (
        at_node("b", store_min_mwh=41),
        "node 'b': found store_min_mwh above store_max_mwh; allowed: store_min_mwh <= store_max_mwh; "
        "correct one of them",
    ),
    (
        at_node("b", store_init_mwh=40.5),
        "node 'b': found store_init_mwh 40.5; allowed: between store_min_mwh and store_max_mwh; correct the value",
    ),
    (
        at_node("b", store_init_mwh=0, store_min_mwh=1),
        "node 'b': found store_init_mwh 0; allowed: between store_min_mwh and store_max_mwh; correct the value",
    ),
    (
        at_node("b", gen_max_mw=1),
        "node 'b': found a source and a store in one node; allowed: one controllable unit a node; "
        "make two nodes and join them by a line with reactance_pu 0",
    ),
    # rules of a line
    (
        lambda grid: grid.add_line("s", "s"),
        "line 's-s': found both ends at 's'; allowed: two different nodes; remove the line",
    ),
    (
        foreign_start,
        "line 'b-c': found line_from 'b'; allowed: one of the line's two ends; correct it",
    ),
    (
        lambda grid: grid.graph.edges["s", "c", 0].update(line_from="nobody"),
        "line 'nobody-c': found line_from 'nobody'; allowed: one of the line's two ends; correct it",
    ),
    (
        lambda grid: grid.graph.edges["s", "c", 0].update(line_from=["s"]),
        """line "['s']-c": found line_from ['s']; allowed: one of the line's two ends; correct it""",
    ),
    (
        at_line(reactance_pu=0, shift_deg=5),
        "line 's-c': found a tap or a phase shift at reactance_pu 0; allowed: neither; give the line a reactance",
    ),
    (
        at_line(reactance_pu=0.0, tap=0.98),
        "line 's-c': found a tap or a phase shift at reactance_pu 0; allowed: neither; give the line a reactance",
    ),
    # rules of the whole grid
    (
        uncontrollable,
        "grid: found nothing to control; allowed: at least one source or storage; add a source",
    ),
    (
        lambda grid: grid.graph.clear(),
        "grid: found nothing to control; allowed: at least one source or storage; add a source",
    ),
    (
        island,
        "node 'isle': found a consumer that no source can reach; allowed: a path of lines to a source; add a line",
    ),
    (
        loop_of_connectors,
        "line 'b-c': found a loop of lines with reactance_pu 0, in which the flow is undefined; "
        "allowed: no such loop; give one of them a reactance",
    ),
    (
        parallel_connectors,
        "line 'bypass': found a loop of lines with reactance_pu 0, in which the flow is undefined; "
        "allowed: no such loop; give one of them a reactance",
    ),
]


@pytest.mark.parametrize(("spoil", "wanted"), BAD, ids=[wanted.split(";")[0] for _, wanted in BAD])
def test_each_fault_has_its_message(spoil, wanted):
    grid = sound()
    grid.check()
    spoil(grid)
    assert [str(fault) for fault in grid.faults()] == [wanted]
    for call in (grid.check, grid.compile):
        with pytest.raises(GridError) as caught:
            call()
        assert str(caught.value) == wanted
        assert "\n" not in wanted


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


def test_nearest_names_the_closest_choice_or_lists_all():
    assert nearest("gen_mx_mw", COLUMNS) == "did you mean 'gen_max_mw'?"
    assert nearest("zzz", KINDS) == "use one of: consumer, junction, source, storage"


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
