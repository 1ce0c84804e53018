"""Small files of what was met in real ones, with the value that the program of each format gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from grid import GridError
from topologies import load
from topologies.formats.units import stands_for_none

FOLDERS: dict[str, dict[str, str]] = {
    "one hour": {
        "buses": "name,v_nom\nA,110\nB,110",
        "generators": "name,bus,p_nom,marginal_cost\ncheap,A,100,10\ndear,B,100,50\nwind,B,40,0",
        "generators-p_max_pu": "snapshot,wind\n2030-01-01 12:00:00,0.1",
        "lines": "name,bus0,bus1,x,s_nom\nAB,A,B,10,60",
        "loads": "name,bus\ntown,B",
        "loads-p_set": "snapshot,town\n2030-01-01 12:00:00,62",
        "snapshots": "snapshot,objective\n2030-01-01 12:00:00,1",
    },
    "one day": {
        "buses": "name,v_nom\nA,110\nB,110",
        "generators": "name,bus,p_nom,marginal_cost\ncheap,A,100,10\ndear,B,100,50",
        "lines": "name,bus0,bus1,x,s_nom\nAB,A,B,10,60",
        "loads": "name,bus\ntown,B",
        "loads-p_set": "snapshot,town\n" + "\n".join(f"2030-01-01 {hour:02}:00:00,{50 + hour}" for hour in range(24)),
        "snapshots": "snapshot,objective\n" + "\n".join(f"2030-01-01 {hour:02}:00:00,1" for hour in range(24)),
    },
    "a ring of direct current": {
        "buses": "name,v_nom,carrier\nA,200,DC\nB,200,DC\nC,200,DC",
        "carriers": "name\nAC\nDC",
        "generators": "name,bus,p_nom,marginal_cost\ncheap,A,200,10\ndear,C,200,50",
        "lines": "name,bus0,bus1,r,s_nom,carrier\nAB,A,B,0.2,100,DC\nBC,B,C,0.2,100,DC\nAC,A,C,0.8,40,DC",
        "loads": "name,bus,p_set\ntown,C,90",
    },
    "rows that nothing refers to": {
        "buses": "name,v_nom\nA,110\nB,110",
        "carriers": 'name,co2_emissions\n"",x\ncoal,-5\ncoal,none',
        "generators": "name,bus,p_nom,marginal_cost\ng,A,100,10",
        "line_types": "name,f_nom,x_per_length\n,50,x\nold,50,x\nold,50,1",
        "lines": "name,bus0,bus1,x,s_nom\nAB,A,B,10,60",
        "loads": "name,bus,p_set\ntown,B,50",
        "meta": '{"solver": {"gap": Infinity}}',
    },
}


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / "net"
    made.mkdir()
    for table, text in FOLDERS[name].items():
        (made / (f"{table}.json" if table == "meta" else f"{table}.csv")).write_text(text + "\n", encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("name", "horizon", "cost"),
    [("one hour", 1, 580), ("one day", 24, 18_400), ("a ring of direct current", 1, 900),
     ("rows that nothing refers to", 1, 500)],
)  # fmt: skip
def test_the_optimum_is_that_of_pypsa(run: CommandLine, tmp_path: Path, name: str, horizon: int, cost: float) -> None:
    pytest.importorskip("pypsa")
    found = run.json("optimum", folder(tmp_path, name), "--horizon", horizon)
    assert found["cost"] == pytest.approx(cost, abs=1e-3)


def test_a_day_is_run_whole_and_that_is_said(run: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("pypsa")
    made = folder(tmp_path, "one day")
    assert "from the whole series, as its test part is too short" in run.ok("optimum", made)
    assert "1 single outages" in run.ok("contingency", made)
    assert run.json("inspect", made)["tightest"] == {"load_mw": 73, "supply_mw": 200}
    message = run.fault("optimum", made, "--horizon", 25)
    assert "found at most 24 h in a row in the series; allowed: at least 25 h" in message


def test_a_row_that_an_element_names_counts(tmp_path: Path) -> None:
    pytest.importorskip("pypsa")
    made = folder(tmp_path, "rows that nothing refers to")
    (made / "generators.csv").write_text("name,bus,p_nom,carrier\ng,A,100,coal\n")
    with pytest.raises(GridError) as caught:
        load(made)
    text = str(caught.value)
    assert "carriers.csv, line 4, name: found 'coal' twice; allowed: each name once" in text
    assert "carriers.csv, line 3, co2_emissions: found '-5'; allowed: a number from 0" in text
    assert "line 2" not in text


def test_reservoirs_that_cannot_be_charged_are_stores_and_their_inflow_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pypsa")
    made = folder(tmp_path, "one hour")
    (made / "storage_units.csv").write_text(
        "name,bus,p_nom,p_min_pu,max_hours,efficiency_store,inflow,state_of_charge_initial\nlake,A,10,-1,100,0,4,500\n"
    )
    grid = load(made)
    lake = grid.graph.nodes["lake"]
    assert (lake["charge_max_mw"], lake["discharge_max_mw"], lake["store_init_mwh"]) == (0, 10, 500)
    assert "cannot charge: its efficiency_store is 0: storage unit lake" in grid.notes
    assert "storage_units.inflow not read: lake" in grid.notes


def test_a_file_of_an_older_pypsa_opens() -> None:
    """Written by PyPSA 0.34, whose files hold empty tables of scenarios and periods; it is in tests/data."""
    pytest.importorskip("pypsa")
    pytest.importorskip("netCDF4")
    grid = load(Path(__file__).parent / "data" / "pypsa_written_by_0.34.nc")
    assert sorted(grid.graph) == ["A", "B"]
    assert grid.peak_demand_mw() == 50


@pytest.mark.parametrize(
    ("rating", "is_none"),
    [(99999, True), (99.999, True), (9999, True), (999.99, True), (99, False), (999, False), (9900, False), (0, False),
     (float("inf"), True), (99999.5, False)],
)  # fmt: skip
def test_ratings_of_nothing_but_nines_are_none(rating: float, is_none: bool) -> None:
    assert stands_for_none(rating) == is_none


def test_a_file_of_many_faults_gives_a_short_message(run: CommandLine, tmp_path: Path) -> None:
    fields = "".join(f'<key id="d{k}" for="node" attr.name="field{k}" attr.type="string" />' for k in range(300))
    nodes = "".join(f'<node id="n{i}"><data key="d{i % 300}">x</data></node>' for i in range(5000))
    text = f'<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{fields}<graph>{nodes}</graph></graphml>'
    (tmp_path / "foreign.graphml").write_text(text)
    with pytest.raises(GridError) as caught:
        load(tmp_path / "foreign.graphml")
    assert len(str(caught.value).splitlines()) <= 101 < len(caught.value.faults)
    assert run("inspect", "foreign.graphml") == 2
    assert len(run.err.splitlines()) <= 101


def test_commands_shorten_the_horizon_to_a_short_series_and_say_so(run: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("pypsa")
    made = folder(tmp_path, "one day")
    table = run.ok("evaluate", "merit", "mpc", "--grid", made)
    assert "from the whole series, as its test part is too short: all its 24 h" in table
    assert "1 episodes from the whole series, of 24 h" in table
    found = run.json("evaluate", "merit", "--grid", made, "--start", "2030-01-01")
    assert found["policies"]["optimum"]["cost"]["mean"] == pytest.approx(18_400)
    found = run.json("render", made, "--policy", "optimum", "--out", tmp_path / "day.npz")
    assert found["cost"] == pytest.approx(18_400)
    assert "found at most 24 h in a row in the series" in run.fault("render", made, "--horizon", 30)
