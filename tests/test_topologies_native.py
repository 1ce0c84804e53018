"""The native format: round trips, what networkx writes, and what is refused in which words."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid import Grid, GridError
from topologies import load, names
from topologies.formats import native, rows
from topologies.series import TimedSeries

NODES = [
    {"id": "a", "kind": "source", "gen_max_mw": 5, "gen_cost_per_mwh": 2.5},
    {"id": "b", "kind": "consumer", "load_max_mw": 3},
]
EDGES = [{"source": "a", "target": "b", "capacity_mw": 4.0, "reactance_pu": 0.2}]


def text(**changes) -> str:
    """A small valid file with some of its top fields changed; None leaves one out."""
    data = {"directed": False, "multigraph": True, "graph": {"format": rows.FORMAT}, "nodes": NODES, "edges": EDGES}
    return json.dumps({key: value for key, value in (data | changes).items() if value is not None})


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "grid.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def columns_of(grid: Grid) -> dict[str, object]:
    arrays = grid.compile()
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(arrays).items()
        if name not in ("x", "y", "voltage_set_pu", "base_kv", "line_model")  # not a number where absent
    }


def test_a_small_file_gives_its_grid(tmp_path):
    grid = native.read(written(tmp_path, text()))
    arrays = grid.compile()
    assert arrays.node_names == ("a", "b")
    assert arrays.line_names == ("a-b",)
    assert arrays.gen_max_mw.tolist() == [5, 0]
    assert arrays.capacity_mw.tolist() == [4]
    assert grid.name == "grid"


@pytest.mark.parametrize("changes", [{"graph": None}, {"graph": {}}, {"directed": None, "multigraph": None}])
def test_what_has_defaults_may_be_left_out(tmp_path, changes):
    assert len(native.read(written(tmp_path, text(**changes))).graph) == 2


def test_links_are_read_as_edges(tmp_path):
    assert native.read(written(tmp_path, text(edges=None, links=EDGES))).compile().line_names == ("a-b",)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbf" + text().replace("{", "{\r\n").encode())
    assert len(native.read(path).graph) == 2


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
@pytest.mark.parametrize("edges", ["edges", "links"])
def test_what_plain_networkx_writes_is_read(tmp_path, kind, edges):
    graph = kind(name="by hand", licence="CC0")
    graph.add_node(1, kind="source", gen_max_mw=5)
    graph.add_node(2, kind="consumer", load_max_mw=3)
    graph.add_edge(2, 1, capacity_mw=4.0, reactance_pu=0.1)
    path = written(tmp_path, json.dumps(nx.node_link_data(graph, edges=edges)))
    grid = native.read(path)
    assert (grid.name, grid.licence, sorted(grid.graph)) == ("by hand", "CC0", ["1", "2"])
    assert grid.compile().capacity_mw.tolist() == [4]


def test_plain_networkx_reads_what_is_written(tmp_path):
    path = tmp_path / "out.json"
    native.write(load("case14"), path)
    graph = nx.node_link_graph(json.loads(path.read_text()), edges="edges")
    assert (len(graph), graph.number_of_edges()) == (19, 25)
    assert graph.edges["4", "7", 0]["tap"] == 0.978


@pytest.mark.parametrize("name", names())
def test_bundled_files_are_what_the_writer_writes(tmp_path, name):
    native.write(load(name), tmp_path / "again.json")
    bundled = Path(native.__file__).parents[1] / "data" / f"{name}.json"
    assert (tmp_path / "again.json").read_text() == bundled.read_text()


def test_direction_and_parallel_lines_survive_a_round_trip(tmp_path):
    grid = Grid("pair", licence="CC0", base_mva=10)
    grid.add_consumer("town", load_max_mw=np.float64(3))
    grid.add_source("plant", gen_max_mw=np.int64(5), gen_profile="wind", x=1, y=-2)
    grid.add_line("plant", "town", reactance_pu=0.1)
    grid.add_line("town", "plant", reactance_pu=0.3, capacity_mw=float("inf"))
    grid.add_line("plant", "town", key="cable é", reactance_pu=-0.2, tap=0.9, shift_deg=3)
    native.write(grid, tmp_path / "one.json")
    again = native.read(tmp_path / "one.json")
    assert columns_of(again) == columns_of(grid)
    assert again.compile().line_names == ("plant-town", "town-plant", "cable é")
    native.write(again, tmp_path / "two.json")
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()


finite = st.floats(0.01, 1e6)


@given(
    loads=st.lists(finite, min_size=1, max_size=4),
    ends=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=6),
    capacity=st.none() | finite,
    sun=st.booleans(),
)
@settings(derandomize=True, max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_grid_survives_a_round_trip(tmp_path, loads, ends, capacity, sun):
    grid = Grid("random", origin="a test")
    grid.add_source("0", gen_max_mw=9, **({"gen_profile": "sun"} if sun else {"gen_min_mw": 2}))
    for i, load_mw in enumerate(loads, start=1):
        grid.add_consumer(str(i), load_max_mw=load_mw, load_profile="household")
        grid.add_line(str(i), "0", reactance_pu=0.5)
    for i, j, named in ends:
        if i != j and max(i, j) <= len(loads):
            key = f"line {grid.graph.number_of_edges()}" if named else None
            grid.add_line(
                str(i), str(j), key, reactance_pu=0.25, **({} if capacity is None else {"capacity_mw": capacity})
            )
    native.write(grid, tmp_path / "one.json")
    again = native.read(tmp_path / "one.json")
    assert (again.name, again.origin, again.licence, again.base_mva) == ("random", "a test", "", 100)
    assert again.compile().fingerprint == grid.compile().fingerprint
    native.write(again, tmp_path / "two.json")
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()


def test_the_series_travel_with_the_grid(tmp_path):
    grid = Grid("with series")
    grid.add_source("sun", gen_max_mw=2, gen_profile="roof")
    grid.add_consumer("town", load_max_mw=3, load_profile="street")
    grid.add_line("sun", "town", reactance_pu=0.1)
    values = np.array([[0.1, 1.5], [1 / 3, 0.0], [1.0, 2.0]])
    grid.series = TimedSeries(("roof", "street"), 0.5, values, 6.0)
    native.write(grid, tmp_path / "out" / "my.json")
    assert json.loads((tmp_path / "out" / "my.json").read_text())["graph"]["profiles"] == "my_profiles.csv"
    series = native.read(tmp_path / "out" / "my.json").series
    assert isinstance(series, TimedSeries)
    assert (series.columns, series.dt_h, series.start_hour) == (("roof", "street"), 0.5, 6.0)
    assert np.array_equal(series.values_frac, values)


def test_a_grid_with_faults_is_not_written(tmp_path):
    grid = Grid("empty")
    with pytest.raises(GridError, match="nothing to control"):
        native.write(grid, tmp_path / "out.json")
    assert not list(tmp_path.iterdir())


def node(**fields) -> str:
    return text(nodes=[NODES[0], {"id": "b", "kind": "consumer", "load_max_mw": 3} | fields])


def edge(**fields) -> str:
    return text(edges=[EDGES[0] | fields])


BAD = {
    "no JSON": ("nodes", ", line 1, column 1: found Expecting value; allowed: one JSON object; correct the file; it may have been cut off"),
    "cut off": (text()[:60], ", line 1, column 61: found the end of the file; allowed: one JSON object; correct the file; it may have been cut off"),
    "empty": ("", ", line 1, column 1: found the end of the file; allowed: one JSON object; correct the file; it may have been cut off"),
    "a list": ("[]", ": found a list; allowed: an object with nodes and edges; write one with networkx.node_link_data(graph, edges='edges')"),
    "deep": ("[" * 100_000, ": found brackets nested too deeply; allowed: a graph in node-link JSON; correct it"),
    "digits": (text().replace("4.0", "1" * 5000), ": edges[0].capacity_mw: found an infinite number; allowed: finite numbers; leave the field out where there is no value or no limit"),
    "not UTF-8": (b'{\n"nodes": "\xff"}', ", line 2: found the byte 0xff; allowed: text in UTF-8; save the file as UTF-8"),
    "NaN": (node(load_max_mw=float("nan")), ": nodes[1].load_max_mw: found NaN; allowed: finite numbers; leave the field out where there is no value or no limit"),
    "infinite": (edge(capacity_mw=float("inf")), ": edges[0].capacity_mw: found an infinite number; allowed: finite numbers; leave the field out where there is no value or no limit"),
    "overflow": (text().replace("4.0", "1e999"), ": edges[0].capacity_mw: found an infinite number; allowed: finite numbers; leave the field out where there is no value or no limit"),
    "double field": (text().replace('"id": "a"', '"id": "c", "id": "a"'), ": nodes[0]: found the field 'id' twice in one object; allowed: each field once; remove one"),
    "top field": (text(node=[]), ": found the unknown field 'node'; allowed: directed, multigraph, graph, nodes, edges; did you mean 'nodes'?"),
    "edges twice": (text(links=[]), ": found both edges and links; allowed: one of the two; remove one"),
    "no nodes": (text(nodes=None), ": nodes: found nothing; allowed: a list of objects; add the list of nodes"),
    "node no object": (text(nodes=["a"]), ": nodes[0]: found a text; allowed: an object; write each as an object of fields"),
    "graph no object": (text(graph=3), ": graph: found 3; allowed: an object; write the grid's name and the like as fields"),
    "word of others": (text(lines=[]), ": found the unknown field 'lines'; allowed: directed, multigraph, graph, nodes, edges; did you mean 'edges'?"),
    "graph field": (text(graph={"format": rows.FORMAT, "license": "x"}), ": graph.license: found the unknown field 'license'; allowed: format, name, origin, licence, base_mva, profiles, prices; did you mean 'licence'?"),
    "name no text": (text(graph={"name": 3}), ": graph.name: found 3; allowed: a text of one line, at most 1000 characters; correct it or leave it out"),
    "name of two lines": (text(graph={"name": "a\nb"}), ": graph.name: found 'a\\nb'; allowed: a text of one line, at most 1000 characters; correct it or leave it out"),
    "other version": (text(graph={"format": "load-balancer/2"}), ": graph.format: found 'load-balancer/2'; allowed: 'load-balancer/1' or none; convert the file with the version that wrote it"),
    "base_mva": (text(graph={"base_mva": "100"}), ": graph: base_mva: found '100'; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)"),
    "no id": (text(nodes=[{"kind": "source"}]), ": nodes[0].id: found nothing; allowed: a text of one line, at most 1000 characters, or a whole number; give it the id of a node"),
    "true as id": (text(nodes=[{"id": True}]), ": nodes[0].id: found true; allowed: a text of one line, at most 1000 characters, or a whole number; give it the id of a node"),
    "empty id": (text(nodes=[{"id": ""}]), ": nodes[0].id: found ''; allowed: a text of one line, at most 1000 characters, or a whole number; give it the id of a node"),
    "half a character": (text(nodes=[{"id": "\ud800"}]), ": nodes[0].id: found '\\ud800'; allowed: a text of one line, at most 1000 characters, or a whole number; give it the id of a node"),
    "double id": (text(nodes=[*NODES, {"id": 1, "kind": "junction"}, {"id": "1", "kind": "junction"}]), ": nodes[3].id: found '1' twice; allowed: ids that differ as text; rename one of them"),
    "unknown end": (edge(target="bb"), ": edges[0].target: found 'bb'; allowed: the id of a node; did you mean 'b'?"),
    "no end": (text(edges=[{"source": "a"}]), ": edges[0].target: found nothing; allowed: a text of one line, at most 1000 characters, or a whole number; give it the id of a node"),
    "key no text": (edge(key=1.5), ": edges[0].key: found 1.5; allowed: a text of one line or a whole number; correct it or leave it out"),
    "empty key": (edge(key=""), ": edges[0].key: found ''; allowed: a text of one line or a whole number; correct it or leave it out"),
    "double key": (text(edges=[EDGES[0] | {"key": "k"}] * 2), ": edges[1].key: found 'k' twice between 'a' and 'b'; allowed: a key once for each pair of nodes; rename one of them"),
    "node field": (node(load_max=3), ": node 'b': found the unknown field 'load_max'; allowed: the columns of `load-balancer columns`; did you mean 'load_max_mw'?"),
    "line field": (edge(capacity=3), ": line 'a-b': found the unknown field 'capacity'; allowed: the columns of `load-balancer columns`; did you mean 'capacity_mw'?"),
    "text for a number": (node(load_max_mw="3"), ": node 'b': found load_max_mw '3'; allowed: a number >= 0; write a number, without quotes"),
    "true for a number": (node(load_max_mw=True), ": node 'b': found load_max_mw True; allowed: a number >= 0; correct the value"),
    "a number for a text": (node(load_profile=3), ": node 'b': found load_profile 3; allowed: the name of a profile; correct the name"),
    "kind": (node(kind="load"), ": node 'b': found kind 'load'; allowed: a kind out of source, storage, consumer, junction; use one of: consumer, junction, source, storage"),
    "profile": (node(load_profile="houshold"), ": node 'b': found load_profile 'houshold'; allowed: household, commerce, industry, classic, h0_household, g0_business, g1_office, g2_evening, g3_continuous, g4_shop, l0_farm, constant, or a column of the grid's file of profiles; did you mean 'household'?"),
    "profile of the other table": (node(load_profile="sun"), ": node 'b': found load_profile 'sun'; allowed: household, commerce, industry, classic, h0_household, g0_business, g1_office, g2_evening, g3_continuous, g4_shop, l0_farm, constant, or a column of the grid's file of profiles; use one of: classic, commerce, constant, g0_business, g1_office, g2_evening, g3_continuous, g4_shop, h0_household, household, industry, l0_farm"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_clear_line(tmp_path, case):
    content, message = BAD[case]
    path = written(tmp_path, content)
    with pytest.raises(GridError) as error:
        native.read(path)
    assert str(error.value) == f"{path}{message}"


def test_all_faults_of_a_grid_are_listed(tmp_path):
    path = written(tmp_path, text(nodes=[NODES[0] | {"gen_max": 1}, NODES[1] | {"load_max_mw": -3}]))
    with pytest.raises(GridError) as error:
        native.read(path)
    assert [fault.where for fault in error.value.faults] == [f"{path}: node 'a'", f"{path}: node 'b'"]


def test_a_file_above_the_size_limit_is_refused_unread(tmp_path):
    path = written(tmp_path, "")
    with path.open("r+b") as file:
        file.truncate(50_000_001)
    with pytest.raises(GridError) as error:
        native.read(path)
    assert str(error.value) == f"{path}: found more than 50 MB; allowed: at most 50 MB; give a smaller file"


def test_all_faults_of_a_file_come_in_one_report(tmp_path):
    nodes = [
        NODES[0] | {"gen_max_mw": float("nan")},
        NODES[1] | {"load_max_mw": "3,5"},
        {
            "id": 1,
            "kind": "storage",
            "store_max_mwh": 4,
            "charge_max_mw": 1,
            "discharge_max_mw": 1,
            "store_init_mwh": 5,
        },
        {"id": "1", "kind": "junction"},
        {
            "id": "s",
            "kind": "storage",
            "store_max_mwh": 4,
            "charge_max_mw": 1,
            "discharge_max_mw": 1,
            "charge_eff_frac": 1.1,
        },
    ]
    edges = [{"source": "a", "target": "a"}, {"source": "a", "target": "z"}, EDGES[0] | {"capacity_mw": 10**400}]
    path = written(tmp_path, text(nodes=nodes, edges=edges).replace('"id": "b"', '"kind": "x", "id": "b"'))
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).replace(str(path), "FILE").splitlines() == [
        "FILE: nodes[0].gen_max_mw: found NaN; allowed: finite numbers; leave the field out where there is no value or no limit",
        "FILE: nodes[1]: found the field 'kind' twice in one object; allowed: each field once; remove one",
        "FILE: edges[2].capacity_mw: found an infinite number; allowed: finite numbers; leave the field out where there is no value or no limit",
        "FILE: nodes[3].id: found '1' twice; allowed: ids that differ as text; rename one of them",
        "FILE: edges[1].target: found 'z'; allowed: the id of a node; use one of: 1, a, b, s",
        "FILE: node 'b': found load_max_mw '3,5'; allowed: a number >= 0; write a number, without quotes and with a decimal point",
        "FILE: node '1': found store_init_mwh 5; allowed: between store_min_mwh and store_max_mwh; correct the value",
        "FILE: node 's': found charge_eff_frac 1.1; allowed: a number in (0, 1]; correct the value",
        "FILE: line 'a-a': found both ends at 'a'; allowed: two different nodes; remove the line",
    ]


def test_a_report_shows_the_first_hundred_faults_and_counts_the_rest(tmp_path):
    path = written(tmp_path, text(nodes=[*NODES, *({"id": i, "kind": chr(0x3B1 + i) * 1000} for i in range(150))]))
    with pytest.raises(GridError) as error:
        load(path)
    lines = str(error.value).splitlines()
    assert (len(error.value.faults), len(lines), lines[-1]) == (150, 101, "and 50 more faults")
    assert max(map(len, lines)) < 1000


@pytest.mark.parametrize("name", ["</script>", "../x", "a b", "Ω", "🔌"])
def test_odd_names_are_names(tmp_path, name):
    assert name in load(written(tmp_path, text(nodes=[*NODES, {"id": name, "kind": "junction"}]))).graph


@pytest.mark.parametrize("name", ["a\nb", "a\x00", "a\u202eb", "\u2066", "x" * 1001, "\x1b[31m", "\ufeff", "\u2028"])
def test_names_that_could_mislead_are_refused(tmp_path, name):
    path = written(tmp_path, text(nodes=[*NODES, {"id": name, "kind": "junction"}]))
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: nodes[2].id: found {name!r}"[:300])
    assert str(error.value).isprintable()


@pytest.mark.parametrize("profiles", ["../secret.csv", "/etc/passwd", "link/secret.csv"])
def test_series_outside_the_folder_of_the_grid_are_not_opened(tmp_path, profiles):
    folder = tmp_path / "grids"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (tmp_path / "secret.csv").write_text("time_h,a [MW]\n0,1\n1,2\n")
    path = written(folder, text(graph={"profiles": profiles}))
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: graph.profiles: found {profiles!r}; allowed: a path inside the folder of the grid; "
        "put the file of profiles beside the grid's, and give its name"
    )


def test_attributes_of_a_plain_networkx_file_are_ignored_and_named(tmp_path):
    grid = load(written(tmp_path, text(graph={"created": "2020", "name": "mine"})))
    assert (grid.name, grid.notes) == ("mine", ["attribute 'created' of the graph ignored"])


def test_files_of_networkx_before_2_are_read(tmp_path):
    """Their ends are positions in the list of nodes, and the graph's attributes a list of pairs."""
    nodes = [NODES[0] | {"id": "p"}, NODES[1] | {"id": "q"}, {"id": "r", "kind": "junction"}]
    links = [{"source": 0, "target": 1, "capacity_mw": 4.0}, {"source": 2, "target": 1}]
    old = {"directed": False, "multigraph": False, "graph": [["name", "old"]], "nodes": nodes, "links": links}
    grid = load(written(tmp_path, json.dumps(old)))
    assert grid.compile().line_names == ("p-q", "r-q")
    assert grid.name == "old"
    assert grid.notes == ["ends of lines read as positions in the list of nodes, as networkx before 2.0 wrote them"]


def test_whole_numbers_that_are_ids_are_not_read_as_positions(tmp_path):
    nodes = [NODES[0] | {"id": 1}, NODES[1] | {"id": 0}]
    grid = load(written(tmp_path, text(nodes=nodes, edges=None, links=[{"source": 1, "target": 0}])))
    assert grid.compile().line_names == ("1-0",)


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
@pytest.mark.parametrize("suffix", ["json", "graphml"])
def test_lines_both_ways_are_read_as_from_networkx_itself(tmp_path, kind, suffix):
    graph = kind()
    graph.add_node("a", kind="source", gen_max_mw=5)
    graph.add_node("b", kind="consumer", load_max_mw=3)
    graph.add_edge("a", "b", capacity_mw=2)
    graph.add_edge("b", "a", capacity_mw=4)
    path = tmp_path / f"grid.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
    else:
        nx.write_graphml(graph, path)
    ours, theirs = load(path).compile(), Grid.from_networkx(graph).compile()
    assert (ours.line_names, ours.capacity_mw.tolist()) == (theirs.line_names, theirs.capacity_mw.tolist())


def test_too_many_objects_are_refused_before_they_are_made(tmp_path):
    path = written(tmp_path, '{"nodes": [' + "{}," * 500_000 + "{}]}")
    with pytest.raises(GridError) as error:
        load(path)
    found = "up to 500,003 objects and lists; allowed: at most 500,000"
    assert str(error.value) == f"{path}: found {found}; give a smaller file"
