"""Names of nodes and lines, and edges of every networkx graph."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid import Grid
from strategies import CHECKED
from test_grid_graph import message, small


def test_ids_become_text_and_a_clash_is_an_error():
    graph = nx.Graph()
    graph.add_node(1, kind="source", gen_max_mw=5)
    graph.add_node(2, kind="consumer", load_max_mw=5)
    graph.add_edge(1, 2, capacity_mw=3)
    arrays = Grid.from_networkx(graph).compile()
    assert arrays.node_names == ("1", "2")
    assert arrays.line_names == ("1-2",)
    graph.add_node("2", kind="junction")
    assert message(Grid.from_networkx, graph, "case") == (
        "case: node '2': found the id twice; allowed: ids that differ as text; rename one"
    )
    grid = small()
    assert message(grid.add_junction, "s") == (
        "node 's': found the id twice; allowed: ids that differ as text; rename one of them"
    )
    grid.add_junction(7)
    assert message(grid.add_source, "7", gen_max_mw=1).startswith("node '7': found the id twice;")


def test_an_undirected_edge_runs_from_the_node_that_networkx_names_first():
    graph = nx.Graph()
    graph.add_node("b", kind="consumer", load_max_mw=5)
    graph.add_node("a", kind="source", gen_max_mw=5)
    graph.add_edge("a", "b")
    assert list(graph.edges) == [("b", "a")]
    assert Grid.from_networkx(graph).compile().line_names == ("b-a",)
    graph.edges["a", "b"]["line_from"] = "a"
    arrays = Grid.from_networkx(graph).compile()
    assert arrays.line_names == ("a-b",)
    assert (arrays.line_from.tolist(), arrays.line_to.tolist()) == ([1], [0])


def test_line_from_is_an_id_and_becomes_text_like_one():
    graph = nx.Graph()
    graph.add_node(1, kind="source", gen_max_mw=5)
    graph.add_node(2, kind="consumer", load_max_mw=5)
    graph.add_edge(1, 2, line_from=2)
    assert Grid.from_networkx(graph).compile().line_names == ("2-1",)


@pytest.mark.parametrize("make", [nx.DiGraph, nx.MultiDiGraph])
def test_directed_edges_keep_their_direction_and_both_directions_are_two_lines(make):
    graph = make(name="directed", origin="o", licence="l", base_mva=50.0)
    graph.add_node("a", kind="source", gen_max_mw=5)
    graph.add_node("b", kind="consumer", load_max_mw=5)
    graph.add_edge("b", "a", capacity_mw=1)
    graph.add_edge("a", "b", capacity_mw=2)
    grid = Grid.from_networkx(graph)
    assert (grid.name, grid.origin, grid.licence, grid.base_mva) == ("directed", "o", "l", 50.0)
    arrays = grid.compile()
    assert dict(zip(arrays.line_names, arrays.capacity_mw, strict=True)) == {"b-a": 1, "a-b": 2}
    ends = zip(arrays.line_names, arrays.line_from, arrays.line_to, strict=True)
    assert {(name, int(a), int(b)) for name, a, b in ends} == {("b-a", 1, 0), ("a-b", 0, 1)}


def test_parallel_lines_stay_apart():
    graph = nx.MultiGraph()
    graph.add_node("a", kind="source", gen_max_mw=5)
    graph.add_node("b", kind="consumer", load_max_mw=5)
    for capacity, key in ((1, None), (2, None), (3, "cable"), (4, 17), (5, ("a", 1))):
        graph.add_edge("a", "b", key=key, capacity_mw=capacity)
    arrays = Grid.from_networkx(graph).compile()
    assert dict(zip(arrays.line_names, arrays.capacity_mw, strict=True)) == {
        "a-b": 1, "a-b#2": 2, "cable": 3, "a-b#3": 4, "a-b#4": 5,
    }  # fmt: skip


def test_the_same_text_key_in_both_directions_is_an_error():
    graph = nx.MultiDiGraph()
    graph.add_node("a", kind="source", gen_max_mw=5)
    graph.add_node("b", kind="consumer", load_max_mw=5)
    graph.add_edge("a", "b", key="cable")
    graph.add_edge("b", "a", key="cable")
    wanted = "line 'cable': found the key twice; allowed: a key once for each pair of nodes; rename one of them"
    assert message(Grid.from_networkx, graph) == wanted
    grid = small()
    grid.add_line("s", "b", "cable")
    assert message(grid.add_line, "b", "s", "cable") == wanted


def test_the_copied_graph_is_left_alone():
    graph = nx.path_graph(2, create_using=nx.DiGraph)
    nx.set_node_attributes(graph, {0: {"kind": "source", "gen_max_mw": 1}, 1: {"kind": "junction"}})
    grid = Grid.from_networkx(graph)
    grid.graph.nodes["0"]["gen_max_mw"] = 2
    grid.graph.edges["0", "1", 0]["capacity_mw"] = 3
    assert graph.nodes[0]["gen_max_mw"] == 1
    assert list(graph.edges(data=True)) == [(0, 1, {})]


@pytest.mark.parametrize("attribute", ["key", "source", "target", "self", "u_for_edge", "kind"])
def test_an_edge_attribute_of_any_name_becomes_a_fault_and_not_a_crash(attribute):
    graph = nx.path_graph(2)
    nx.set_node_attributes(graph, {0: {"kind": "source", "gen_max_mw": 1}, 1: {"kind": "junction"}})
    graph.edges[0, 1][attribute] = 5
    assert message(Grid.from_networkx(graph).check).startswith(f"line '0-1': found the unknown field {attribute!r};")


@pytest.mark.parametrize("attribute", ["node_for_adding", "self", "node", 3])
def test_a_node_attribute_of_any_name_becomes_a_fault_and_not_a_crash(attribute):
    graph = nx.Graph()
    graph.add_node(0, kind="source", gen_max_mw=1)
    graph.nodes[0][attribute] = 5
    assert message(Grid.from_networkx(graph).check).startswith(f"node '0': found the unknown field {attribute!r};")


def test_a_line_needs_ends_that_exist():
    wanted = "line s-x: found end 'x'; allowed: the id of a node that exists; add the node first"
    grid = small()
    assert message(grid.add_line, "s", "x") == wanted
    assert "x" not in grid.graph
    assert message(grid.add_line, "y", "s") == (
        "line y-s: found end 'y'; allowed: the id of a node that exists; add the node first"
    )


def test_lines_are_named_by_a_text_key_or_by_their_ends():
    grid = small()
    grid.add_line("s", "j")
    grid.add_line("j", "s")
    grid.add_line("s", "b", "cable", capacity_mw=5)
    grid.add_line("s", "b")
    names = dict.fromkeys(grid.compile().line_names)
    assert set(names) == {"s-j", "s-j#2", "j-s", "cable", "s-b", "b-j", "c-j"}


@CHECKED
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "a-b", "a-b#2", "b-a", "a-b#2#2", "k"]))))
def test_no_two_lines_have_the_same_name(lines):
    grid = Grid()
    for node in "abc":
        grid.add_source(node, gen_max_mw=1)
    for i, (start, key) in enumerate(lines):
        end = "b" if start == "a" else "a"
        end = "c" if i % 3 == 2 and key else end
        if key is None or not grid.graph.has_edge(start, end, key):
            grid.add_line(start, end, key)
    names = grid.compile().line_names
    assert len(set(names)) == len(names) == grid.graph.number_of_edges()
