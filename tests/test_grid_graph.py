"""Building a grid by hand and from networkx, and what compiling derives from it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from functools import partial

import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from grid import Grid, GridError, Series
from grid.check import OF_STARTS
from grid.kinds import COLUMNS, KIND_NAMES, LINE_COLUMNS, NODE_COLUMNS
from strategies import CHECKED, grids


def small() -> Grid:
    """One node of each kind in a row."""
    grid = Grid("small", origin="made up", licence="MIT")
    grid.add_source("s", gen_max_mw=100, gen_cost_per_mwh=20)
    grid.add_storage("b", store_max_mwh=40, charge_max_mw=10, discharge_max_mw=12)
    grid.add_consumer("c", load_max_mw=60)
    grid.add_junction("j")
    grid.add_line("s", "j", capacity_mw=80)
    grid.add_line("b", "j", reactance_pu=0.2)
    grid.add_line("c", "j")
    return grid


def message(call, *args, **kwargs) -> str:
    with pytest.raises(GridError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_a_grid_is_a_networkx_multigraph_with_the_columns_as_attributes():
    grid = small()
    assert type(grid.graph) is nx.MultiGraph
    assert grid.graph.nodes["s"] == {"kind": "source", "gen_max_mw": 100, "gen_cost_per_mwh": 20}
    assert [data["kind"] for _, data in grid.graph.nodes(data=True)] == ["source", "storage", "consumer", "junction"]
    assert grid.graph.edges["s", "j", 0]["capacity_mw"] == 80
    assert (grid.name, grid.origin, grid.licence, grid.base_mva) == ("small", "made up", "MIT", 100.0)
    assert grid.series is None


def test_columns_land_in_the_arrays_and_absent_ones_take_the_default():
    arrays = small().compile()
    assert arrays.name == "small"
    assert arrays.node_names == ("s", "b", "c", "j")
    assert [KIND_NAMES[k] for k in arrays.node_kind] == ["source", "storage", "consumer", "junction"]
    assert arrays.gen_max_mw.tolist() == [100, 0, 0, 0]
    assert arrays.load_max_mw.tolist() == [0, 0, 60, 0]
    assert arrays.store_max_mwh.tolist() == [0, 40, 0, 0]
    assert arrays.store_init_mwh.tolist() == [0, 20, 0, 0]
    assert arrays.line_names == ("s-j", "b-j", "c-j")
    assert arrays.line_from.tolist() == [0, 1, 2]
    assert arrays.line_to.tolist() == [3, 3, 3]
    assert arrays.capacity_mw.tolist() == [80, np.inf, np.inf]
    assert arrays.reactance_pu.tolist() == [0.1, 0.2, 0.1]
    for column in (*NODE_COLUMNS, *LINE_COLUMNS):
        values = getattr(arrays, column.name)
        if column.is_text:
            assert values == (None,) * 4
        else:
            assert values.shape == ((4,) if column.table == "node" else (3,)), column.name
            assert values.dtype == float
    assert np.isinf(arrays.gen_ramp_mw_per_h).all()
    assert arrays.shed_cost_per_mwh.tolist() == [1000] * 4
    assert arrays.charge_eff_frac.tolist() == [0.95] * 4


def test_every_column_can_be_given_and_comes_back():
    given_columns = {
        "gen_max_mw": 5, "gen_min_mw": 1, "gen_ramp_mw_per_h": 2, "gen_cost_per_mwh": -3, "gen_cost_per_mw2h": 4,
        "gen_reserve_frac": 0.5, "co2_t_per_mwh": 0.25, "load_max_mw": 6, "shed_cost_per_mwh": 7, "load_profile": "l",
        "load_max_mvar": -2, "gen_min_mvar": -3, "gen_max_mvar": 4, "voltage_set_pu": 1.02, "voltage_min_pu": 0.95,
        "voltage_max_pu": 1.05, "shunt_mw": 0.5, "shunt_mvar": -0.25, "base_kv": 110, "x": 8, "y": 9,
        "start_cost": 11, "no_load_cost_per_h": 12, "min_up_h": 13, "min_down_h": 14, "initial_on_h": -15,
        "start_ramp_mw": 3,
    }  # fmt: skip
    store = {
        "store_max_mwh": 10, "store_min_mwh": 1, "store_init_mwh": 2, "charge_max_mw": 3, "discharge_max_mw": 4,
        "charge_eff_frac": 0.5, "discharge_eff_frac": 0.75, "store_loss_frac_per_h": 0.125,
    }  # fmt: skip
    line = {
        "capacity_mw": 1, "reactance_pu": 2, "tap": 3, "shift_deg": 4, "outage_rate_per_h": 5, "repair_h": 6,
        "resistance_pu": 0.5, "charging_pu": 0.25, "conductance_pu": 0.125,
    }  # fmt: skip
    flexible = {"load_max_mw": 4, "flex_max_frac": 0.5, "flex_cost_per_mwh": 30}
    assert {*given_columns, *store, *line, *flexible, "gen_profile"} == set(COLUMNS)
    grid = Grid()
    grid.add_source("s", **given_columns)
    grid.add_storage("b", **store)
    grid.add_source("wind", gen_max_mw=1, gen_profile="w")
    grid.add_consumer("f", **flexible)
    grid.add_line("s", "b", **line)
    grid.add_line("s", "f")
    arrays = grid.compile()
    for columns, row in ((given_columns, 0), (store, 1), (line, 0), (flexible, 3)):
        assert {name: getattr(arrays, name)[row] for name in columns} == columns
    assert arrays.gen_profile == (None, None, "w", None)
    assert arrays.gen_ramp_down_mw_per_h.tolist() == [2, np.inf, np.inf, np.inf]


def test_what_is_derived_from_the_columns():
    grid = small()
    grid.add_source("s2", gen_max_mw=5, gen_profile="sun", gen_ramp_mw_per_h=1)
    grid.add_consumer("c2", load_max_mw=10, shed_cost_per_mwh=200)
    grid.add_line("s2", "c2")
    arrays = grid.compile()
    assert arrays.controllable.tolist() == [0, 1, 4]
    assert arrays.is_source.tolist() == [True, False, False, False, True, False]
    assert arrays.is_store.tolist() == [False, True, False, False, False, False]
    assert arrays.peak_load_mw == 70
    assert arrays.part.tolist() == [0, 0, 0, 0, 1, 1]
    assert arrays.part_matrix.tolist() == [[1, 0]] * 4 + [[0, 1]] * 2
    assert arrays.gen_ramp_down_mw_per_h[4] == np.inf  # output with a profile may fall at once
    tiers = [np.flatnonzero(tier * arrays.load_max_mw).tolist() for tier in arrays.shed_tiers]
    assert tiers == [[5], [2]]  # cheapest first
    assert arrays.edge_index.tolist() == [[0, 1, 2, 4, 3, 3, 3, 5], [3, 3, 3, 5, 0, 1, 2, 4]]
    assert arrays.flow_matrix.shape == (4, 6)
    assert arrays.flow_offset_mw.shape == (4,)


def test_a_single_node_is_a_grid():
    grid = Grid("one")
    grid.add_source("s", gen_max_mw=1)
    arrays = grid.compile()
    assert arrays.line_names == ()
    assert arrays.flow_matrix.shape == (0, 1)
    assert arrays.edge_index.shape == (2, 0)


def test_a_grid_says_what_it_is():
    grid = Grid("valley")
    grid.add_source("plant", gen_max_mw=1500)
    grid.add_storage("lake", store_max_mwh=40, charge_max_mw=5, discharge_max_mw=5)
    for name in ("a", "b", "c"):
        grid.add_consumer(name, load_max_mw=10, load_profile=name)
        grid.add_line("plant", name)
    assert str(grid).splitlines() == [
        "Grid 'valley': 1 source, 1 storage, 3 consumers, 3 lines",
        "sources of 1,500 MW, peak demand 30 MW, stores of 40 MWh",
    ]
    grid.series = Series(("a", "b"), 1.0, np.array([[1.5, 0.0], [0.5, 0.5], [0.0, 1.2]]))
    assert grid.peak_demand_mw() == 25  # a at its most while b takes nothing, c follows no series
    assert "peak demand 25 MW" in repr(grid)
    grid.graph.nodes["a"]["load_max_mw"] = "many"
    assert repr(Grid()) == "<Grid 'grid': 0 lines, sources of 0 MW, peak demand 0 MW>"
    assert "peak demand 22 MW" in str(grid)  # also of a grid with faults


@pytest.mark.parametrize("kind", ["source", "storage", "consumer", "junction", "line"])
def test_a_wrong_keyword_is_an_error_at_once(kind):
    grid = Grid()
    grid.add_junction("a")
    grid.add_junction("b")
    where, act, wrong, right = f"node {kind!r}", partial(getattr(grid, f"add_{kind}"), kind), "gen_max", "gen_max_mw"
    if kind == "line":
        where, act, wrong, right = "line a-b", partial(grid.add_line, "a", "b"), "capacity", "capacity_mw"
    with pytest.raises(GridError) as error:
        act(**{wrong: 1})
    assert str(error.value) == (
        f"{where}: found the unknown keyword {wrong!r}; allowed: columns of {'line' if kind == 'line' else 'node'}s; "
        f"did you mean {right!r}?"
    )
    assert (len(grid.graph), grid.graph.number_of_edges()) == (2, 0)


def test_compiled_arrays_are_frozen_and_read_only():
    arrays = small().compile()
    held = [f.name for f in fields(arrays) if isinstance(getattr(arrays, f.name), np.ndarray)]
    assert len(held) > 25
    for name in held:
        with pytest.raises(ValueError, match="read-only"):
            getattr(arrays, name)[...] = 0
    with pytest.raises(FrozenInstanceError):
        arrays.name = "other"


def test_compiling_does_not_depend_on_later_changes_of_the_graph():
    grid = small()
    arrays = grid.compile()
    grid.graph.nodes["s"]["gen_max_mw"] = 1
    assert arrays.gen_max_mw[0] == 100
    assert grid.compile().gen_max_mw[0] == 1


def test_the_graph_is_open_to_networkx():
    grid = small()
    grid.graph.remove_node("b")
    nx.set_edge_attributes(grid.graph, 33.0, "capacity_mw")
    assert grid.compile().capacity_mw.tolist() == [33, 33]


def test_convert_passes_every_array_through_and_leaves_the_rest():
    arrays = small().compile()
    doubled = arrays.convert(lambda a: a * 2)
    assert doubled.gen_max_mw[0] == 200
    assert doubled.flow_matrix.tolist() == (arrays.flow_matrix * 2).tolist()
    assert (doubled.name, doubled.fingerprint, doubled.line_names) == (
        arrays.name,
        arrays.fingerprint,
        arrays.line_names,
    )
    assert arrays.gen_max_mw[0] == 100


PHYSICS = [c.name for c in COLUMNS.values() if c.name not in ("x", "y") and not c.ac]


@pytest.mark.parametrize("name", PHYSICS)
def test_the_fingerprint_changes_with_every_column_of_the_physics(name):
    before, grid, starting = small().compile(), small(), small()
    starting.graph.nodes["s"]["start_cost"] = 5.0
    table = COLUMNS[name].table
    if table == "line":
        grid.graph.edges["s", "j", 0][name] = 0.5
    else:
        node = (
            "b"
            if name.startswith(("store", "charge", "discharge"))
            else "c"
            if name.startswith(("load", "shed", "flex", "shunt"))
            else "s"
        )
        grid.graph.nodes[node][name] = "profile" if COLUMNS[name].is_text else 0.94
        if name in OF_STARTS:  # which say nothing of a plant that never stops
            grid.graph.nodes[node]["start_cost"], before = 5.0, starting.compile()
        if name == "flex_cost_per_mwh":  # which says nothing where no demand is flexible
            grid.graph.nodes[node]["flex_max_frac"] = before.flex_max_frac[2] or 0.5
        if name == "store_min_mwh":  # leave the derived start where it was
            grid.graph.nodes[node]["store_init_mwh"] = 20
    assert grid.compile().fingerprint != before.fingerprint


def test_the_fingerprint_changes_with_wiring_names_and_base_mva():
    marks = {small().compile().fingerprint}
    for change in (
        lambda g: setattr(g, "base_mva", 50.0),
        lambda g: g.add_line("s", "b"),
        lambda g: g.add_junction("k"),
        lambda g: g.graph.edges["b", "j", 0].update(line_from="j"),
    ):
        grid = small()
        change(grid)
        marks.add(grid.compile().fingerprint)
    renamed = Grid()
    renamed.graph = nx.relabel_nodes(small().graph, {"c": "city"})
    for *_, data in renamed.graph.edges(data=True):
        data.pop("line_from")
    marks.add(renamed.compile().fingerprint)
    assert len(marks) == 6


def test_the_fingerprint_does_not_change_with_titles_and_pictures():
    grid = small()
    grid.name, grid.origin, grid.licence = "another name", "elsewhere", "CC0"
    grid.graph.nodes["s"].update(x=3.0, y=4.0)
    assert grid.compile().fingerprint == small().compile().fingerprint


def test_the_fingerprint_does_not_change_where_a_default_is_spelled_out():
    grid = small()
    grid.graph.nodes["s"].update(gen_reserve_frac=1, gen_ramp_mw_per_h=np.inf, gen_profile=None)
    grid.graph.nodes["b"].update(store_init_mwh=20)  # midway between 0 and 40
    grid.graph.edges["s", "j", 0].update(reactance_pu=0.1)
    assert grid.compile().fingerprint == small().compile().fingerprint


def test_the_fingerprint_tells_where_a_value_stands():
    marks = set()
    for node in ("s", "b", "c", "j"):
        grid = small()
        grid.graph.nodes[node]["co2_t_per_mwh"] = 0.5
        marks.add(grid.compile().fingerprint)
    assert len(marks) == 4


@CHECKED
@given(grids())
def test_a_copy_through_networkx_compiles_to_the_same_arrays(grid):
    copy = Grid.from_networkx(grid.graph, "copy")
    ours, theirs = grid.compile(), copy.compile()
    assert ours.fingerprint == theirs.fingerprint
    assert copy.name == "copy"
    np.testing.assert_array_equal(ours.flow_matrix, theirs.flow_matrix)


NOTHING_FOR_AC = "no data for AC power flow: no reactive demand, no resistance, and every source holds 1 pu"


def test_what_was_assumed_is_said():
    grid = small()
    assert grid.assumed() == [
        "reactance 0.1 pu for 2 of 3 lines: s-j, c-j",
        "unlimited capacity for 2 of 3 lines: b-j, c-j",
        NOTHING_FOR_AC,
    ]
    grid.notes.append("a reader's own note")
    nx.set_edge_attributes(grid.graph, 1.0, "reactance_pu")
    nx.set_edge_attributes(grid.graph, 1.0, "capacity_mw")
    assert grid.assumed() == ["a reader's own note", NOTHING_FOR_AC]
    assert grid.notes == ["a reader's own note"]
    many = Grid()
    many.add_source("s", gen_max_mw=1)
    for i in range(7):
        many.add_junction(f"j{i}")
        many.add_line("s", f"j{i}", capacity_mw=1)
    assert many.assumed() == [
        "reactance 0.1 pu for 7 of 7 lines: s-j0, s-j1, s-j2, s-j3, s-j4 and 2 more",
        NOTHING_FOR_AC,
    ]


def test_what_ac_has_to_assume_is_said_a_line_each_and_only_where_it_is_true():
    grid = small()
    nx.set_edge_attributes(grid.graph, 1.0, "reactance_pu")
    nx.set_edge_attributes(grid.graph, 1.0, "capacity_mw")
    ideal = "ideal voltages in AC: every source holds 1 pu without limits"
    lines = [name for name, *_ in grid.lines()]
    grid.lines()[0][3]["resistance_pu"] = 0.0  # given, if only as nothing
    less = f"no resistance, so no losses, for 2 of 3 lines: {lines[1]}, {lines[2]}"
    assert grid.assumed() == [ideal, "no reactive demand", less]
    grid.graph.nodes["c"]["load_max_mvar"] = 3.0
    assert grid.assumed() == [ideal, less]
    grid.graph.nodes["j"]["voltage_set_pu"] = 1.01
    assert grid.assumed() == [less]
    grid.lines()[1][3].update(reactance_pu=0.0)  # an ideal connector has none
    grid.lines()[2][3].update(resistance_pu=0.02)
    assert grid.assumed() == []


def test_the_table_of_columns_is_sound():
    required = [(kind, column.name) for kind in KIND_NAMES for column in NODE_COLUMNS if kind in column.required_for]
    assert required == [
        ("source", "gen_max_mw"),
        *(("storage", name) for name in ("store_max_mwh", "charge_max_mw", "discharge_max_mw")),
        ("consumer", "load_max_mw"),
    ]
    for column in COLUMNS.values():
        assert column.meaning
        if column.is_text or column.default is None:
            continue
        assert np.isnan(column.default) or np.isinf(column.default) or column.low <= column.default <= column.high
        if column.name.endswith("_frac"):
            assert (column.low, column.high) == (0, 1)
