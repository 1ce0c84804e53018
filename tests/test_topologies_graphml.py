"""GraphML: round trips, what networkx writes, and what is refused in which words."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import re
from pathlib import Path

import networkx as nx
import pytest

from grid import Grid, GridError
from topologies import load, names
from topologies.formats import graphml

KEYS = """<key id="k" for="node" attr.name="kind" attr.type="string"/>
<key id="g" for="node" attr.name="gen_max_mw" attr.type="double"/>
<key id="l" for="node" attr.name="load_max_mw" attr.type="double"/>
<key id="c" for="edge" attr.name="capacity_mw" attr.type="double"><default>4</default></key>"""
NODES = """<node id="a"><data key="k">source</data><data key="g">5</data></node>
<node id="b"><data key="k">consumer</data><data key="l">3</data></node>"""
EDGES = '<edge source="a" target="b"/>'


def text(head: str = "", keys: str = KEYS, nodes: str = NODES, edges: str = EDGES) -> str:
    """A small valid file, from line 3 on in pieces that may be changed."""
    start = '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    return f'{head}{start}\n{keys}\n<graph edgedefault="undirected">\n{nodes}\n{edges}\n</graph></graphml>'


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "grid.graphml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_small_file_gives_its_grid_with_the_defaults_of_its_keys(tmp_path):
    arrays = load(written(tmp_path, text())).compile()
    assert (arrays.node_names, arrays.line_names) == (("a", "b"), ("a-b",))
    assert (arrays.gen_max_mw.tolist(), arrays.capacity_mw.tolist()) == ([5, 0], [4])


@pytest.mark.parametrize("name", [*names(), "gen:30:2"])
def test_every_grid_survives_a_round_trip(tmp_path, name):
    grid = load(name)
    graphml.write(grid, tmp_path / "one.graphml")
    again = load(tmp_path / "one.graphml")
    assert again.compile().fingerprint == grid.compile().fingerprint
    assert (again.name, again.origin, again.licence) == (grid.name, grid.origin, grid.licence)


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
def test_what_plain_networkx_writes_is_read(tmp_path, kind):
    graph = kind(name="by hand", licence="CC0")
    graph.add_node(1, kind="source", gen_max_mw=5)
    graph.add_node(2, kind="consumer", load_max_mw=3.5)
    graph.add_edge(2, 1, capacity_mw=4.0)
    nx.write_graphml(graph, tmp_path / "grid.graphml")
    grid = load(tmp_path / "grid.graphml")
    assert (grid.name, grid.licence, sorted(grid.graph)) == ("by hand", "CC0", ["1", "2"])
    assert grid.compile().load_max_mw.tolist() == [0, 3.5]


def test_plain_networkx_reads_what_is_written(tmp_path):
    graphml.write(load("case14"), tmp_path / "grid.graphml")
    graph = nx.read_graphml(tmp_path / "grid.graphml", force_multigraph=True)
    assert (len(graph), graph.number_of_edges()) == (19, 25)
    assert [data["tap"] for *ends, data in graph.edges(data=True) if set(ends) == {"4", "7"}] == [0.978]


def test_every_edge_that_is_written_has_an_id_of_its_own(tmp_path):
    """yEd keeps one edge of each id, and Gephi refuses a file in which one stands twice."""
    grid = Grid("ids")
    grid.add_source("a", gen_max_mw=2)
    grid.add_consumer("b", load_max_mw=1)
    grid.add_consumer("c", load_max_mw=1)
    for start, end, key in (("a", "b", None), ("b", "a", None), ("b", "c", None), ("a", "c", "x"), ("b", "c", "x")):
        grid.add_line(start, end, key)
    graphml.write(grid, tmp_path / "grid.graphml")
    ids = re.findall(r'<edge [^>]*id="([^"]*)"', (tmp_path / "grid.graphml").read_text("utf-8"))
    assert (len(ids), len(set(ids))) == (5, 5)
    again = load(tmp_path / "grid.graphml")
    assert again.compile().line_names == grid.compile().line_names
    assert again.compile().fingerprint == grid.compile().fingerprint


def test_an_undirected_edge_keeps_the_direction_in_which_it_stands(tmp_path):
    assert load(written(tmp_path, text(edges='<edge source="b" target="a"/>'))).compile().line_names == ("b-a",)


@pytest.mark.parametrize("case", ["double id", "unknown end", "field twice", "key twice", "edge twice", "underscore"])
def test_networkx_alone_would_take_what_the_reader_looks_for_first(tmp_path, case):
    graph = nx.read_graphml(written(tmp_path, BAD[case][0]), force_multigraph=True)
    assert graph.number_of_edges() == 1


def test_odd_names_and_parallel_lines_survive_a_round_trip(tmp_path):
    grid = Grid("a <b> & c")
    grid.add_source("</script>", gen_max_mw=2)
    grid.add_consumer("é &amp; ü", load_max_mw=1)
    grid.add_line("é &amp; ü", "</script>", reactance_pu=0.1)
    grid.add_line("</script>", "é &amp; ü", key="<1>", reactance_pu=0.2)
    graphml.write(grid, tmp_path / "grid.graphml")
    again = load(tmp_path / "grid.graphml")
    assert again.name == grid.name
    assert again.compile().line_names == grid.compile().line_names
    assert again.compile().fingerprint == grid.compile().fingerprint


def test_names_of_digits_and_numbers_of_parallel_lines_survive_a_round_trip(tmp_path):
    grid = Grid("digits")
    grid.add_source("a", gen_max_mw=2)
    grid.add_consumer("b", load_max_mw=1)
    for key in ("7", "0", None, "x", "007", None):
        grid.add_line("a", "b", key)
    graphml.write(grid, tmp_path / "grid.graphml")
    again = load(tmp_path / "grid.graphml")
    assert again.compile().line_names == ("7", "0", "a-b", "x", "007", "a-b#2")
    assert again.compile().fingerprint == grid.compile().fingerprint


FINITE = "allowed: a finite number; leave it out where there is no value or no limit"
BAD = {
    "empty": ("", ", line 1, column 1: found no element found; allowed: one GraphML document; correct the file; it may have been cut off"),
    "cut off": (text()[:-20], ", line 10, column 1: found unclosed token; allowed: one GraphML document; correct the file; it may have been cut off"),
    "another document": ("<html/>", ": found the element <html> without a graph in it; allowed: <graphml> with one <graph>; write one with networkx.write_graphml"),
    "no graph": ("<graphml/>", ": found the element <graphml> without a graph in it; allowed: <graphml> with one <graph>; write one with networkx.write_graphml"),
    "document type": ('<!DOCTYPE x [<!ENTITY a "aaa">]>' + text()[39:], ", line 1: found a document type (DTD); allowed: none: entities can hide anything; remove the document type and write out what it stands for"),
    "foreign entity": ('<!DOCTYPE x SYSTEM "file:///etc/passwd">' + text()[39:], ", line 1: found a document type (DTD); allowed: none: entities can hide anything; remove the document type and write out what it stands for"),
    "unknown entity": (text(nodes=NODES.replace(">5<", ">&a;<")), ", line 8, column 55: found undefined entity; allowed: one GraphML document; correct the file; it may have been cut off"),
    "deep": ("<graphml>" + "<data>" * 500_000, ", line 1, column 3000010: found no element found; allowed: one GraphML document; correct the file; it may have been cut off"),
    "latin-1": (text(nodes=NODES.replace('"a"', '"é"')).encode("latin-1"), ", line 8: found the byte 0xe9; allowed: text in UTF-8; save the file as UTF-8"),
    "UTF-16": (text().encode("utf-16"), ": found text in UTF-16 or UTF-32; allowed: text in UTF-8; save the file as UTF-8"),
    "control character": (text(nodes=NODES.replace('"a"', '"a\x01"')), ", line 8, column 12: found not well-formed (invalid token); allowed: one GraphML document; correct the file; it may have been cut off"),
    "line end in an id": (text(nodes=NODES + '<node id="x&#10;y"/>'), ": node 'x\\ny'.id: found 'x\\ny'; allowed: a text of one line, at most 1000 characters, or a whole number; give it the id of a node"),
    "double id": (text(nodes=NODES + NODES), ": node 'a': found the id twice; allowed: an id of its own; rename it\nFILE: node 'b': found the id twice; allowed: an id of its own; rename it"),
    "unknown end": (text(edges='<edge source="a" target="bb"/>'), ": edge 'a'-'bb': found the end 'bb'; allowed: the ids of two nodes; did you mean 'b'?"),
    "no end": (text(edges='<edge source="a"/>'), ": edge 'a'-'': found an end missing; allowed: the ids of two nodes; use one of: a, b"),
    "self-loop": (text(edges='<edge source="a" target="a"/>'), ": line 'a-a': found both ends at 'a'; allowed: two different nodes; remove the line"),
    "NaN": (text(nodes=NODES.replace(">5<", ">NaN<")), f": node 'a': found gen_max_mw 'NaN'; {FINITE}"),
    "infinite": (text(nodes=NODES.replace(">5<", ">1e999<")), f": node 'a': found gen_max_mw '1e999'; {FINITE}"),
    "decimal comma": (text(nodes=NODES.replace(">5<", ">5,5<")), ": node 'a': found gen_max_mw '5,5'; allowed: a finite number; write decimals with a point"),
    "underscore": (text(nodes=NODES.replace(">5<", ">1_0<")), f": node 'a': found gen_max_mw '1_0'; {FINITE}"),
    "text for a number": (text(keys=KEYS.replace("double", "string", 1)), ": node 'a': found gen_max_mw '5'; allowed: a number >= 0; write a number, without quotes"),
    "no boolean": (text(keys=KEYS.replace("double", "boolean", 1)), ": node 'a': found gen_max_mw '5'; allowed: true or false; correct the value\nFILE: node 'a': found gen_max_mw False; allowed: a number >= 0; correct the value"),
    "unknown type": (text(keys=KEYS.replace("double", "decimal", 1)), ": key 'g': found the type 'decimal'; allowed: int, integer, long, float, double, boolean, string, yfiles; use one of: boolean, double, float, int, integer, long, string, yfiles\nFILE: node 'a': found gen_max_mw '5'; allowed: a number >= 0; write a number, without quotes"),
    "unknown key": (text(nodes=NODES.replace('key="g"', 'key="gg"')), ": node 'a': found data of the key 'gg'; allowed: a key that is declared; did you mean 'g'?\nFILE: node 'a': found no gen_max_mw; allowed: gen_max_mw for every source; add gen_max_mw"),
    "key twice": (text(keys=KEYS + KEYS.splitlines()[0]), ": key 'k': found the key twice; allowed: each key once; rename one of them"),
    "field twice": (text(nodes=NODES.replace('<data key="g">5</data>', '<data key="g">5</data><data key="g">6</data>')), ": node 'a': found the field 'gen_max_mw' twice; allowed: each field once; remove one"),
    "field twice, first its default": (text(edges='<edge source="a" target="b"><data key="c">4</data><data key="c">9</data></edge>'), ": edge 'a'-'b': found the field 'capacity_mw' twice; allowed: each field once; remove one"),
    "field beside the id": (text(keys=KEYS.replace("gen_max_mw", "id")), ": node 'a': found the field 'id' twice; allowed: each field once; remove one\nFILE: node 'a': found no gen_max_mw; allowed: gen_max_mw for every source; add gen_max_mw"),
    "edge twice": (text(edges=2 * '<edge id="x" source="a" target="b"/>'), ": edge 'a'-'b': found the id 'x' twice; allowed: an id of its own for each edge; rename it"),
    "too many tags": (text(nodes="<a/>" * 2_000_000), ": found up to 2,000,013 tags; allowed: at most 2,000,000; give a smaller file"),
    "unknown field": (text(keys=KEYS.replace("gen_max_mw", "gen_max")), ": node 'a': found no gen_max_mw; allowed: gen_max_mw for every source; add gen_max_mw\nFILE: node 'a': found the unknown field 'gen_max'; allowed: the columns of `load-balancer columns`; did you mean 'gen_max_mw'?"),
    "hyperedge": (text(edges=EDGES + "<hyperedge/>"), ": graph: found a hyperedge; allowed: edges with two ends; write it as edges"),
    "graph in a node": (text(nodes=NODES.replace("</node>", "<graph/></node>", 1)), ": graph: found a second graph; allowed: one graph; remove one; graphs in nodes have no place here"),
    "long tag": (text(nodes='<node id="a" ' + "x" * 20_000), ", line 8: found a longer tag; allowed: at most 20,000 characters; correct the file"),
    "long value": (text(nodes=NODES.replace("source", "s" * 1001)), f": node 'a': found kind '{'s' * 294}…; allowed: a kind out of source, storage, consumer, junction; use one of: consumer, junction, source, storage"),
    "many keys": (text(keys=KEYS + "".join(f'<key id="x{i}"/>' for i in range(1000))), ": found 1,004 keys; allowed: at most 1,000; give a smaller grid"),
    "many nodes": (text(nodes="<node/>" * 100_001), ": found 100,001 nodes; allowed: at most 100,000; give a smaller grid"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_clear_lines(tmp_path, case):
    content, message = BAD[case]
    path = written(tmp_path, content)
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).replace(str(path), "FILE") == f"FILE{message}"


def test_all_faults_of_a_file_come_in_one_report(tmp_path):
    nodes = NODES.replace(">5<", ">NaN<").replace(">3<", ">3,5<") + '<node id="b"/>'
    path = written(tmp_path, text(nodes=nodes, edges='<edge source="a" target="z"/>'))
    with pytest.raises(GridError) as error:
        load(path)
    places = [fault.where.removeprefix(str(path)) for fault in error.value.faults]
    assert places == [": node 'a'", ": node 'b'", ": node 'b'", ": edge 'a'-'z'"]


def test_a_grid_with_faults_is_not_written(tmp_path):
    with pytest.raises(GridError, match="nothing to control"):
        graphml.write(Grid("empty"), tmp_path / "out.graphml")
    assert not list(tmp_path.iterdir())
