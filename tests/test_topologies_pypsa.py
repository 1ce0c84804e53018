"""PyPSA networks: the same flows and the same optimum as PyPSA, round trips, what is assumed, and what is refused."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ac import without
from grid import Grid, GridError
from slow_cases import slow
from topologies import load
from topologies.formats import pypsa_netcdf, pypsa_write
from topologies.series import TimedSeries

pypsa = pytest.importorskip("pypsa")


def write(grid: Grid, path: Path) -> Path:
    (pypsa_write.write_netcdf if path.suffix else pypsa_write.write_folder)(grid, path)
    return path


def theirs(path: Path) -> Any:
    network = pypsa.Network()
    (network.import_from_netcdf if path.suffix else network.import_from_csv_folder)(path)
    return network


def flows_mw(grid: Grid, power_mw: dict[str, float]) -> dict[str, float]:
    arrays = grid.compile()
    power = np.array([power_mw.get(name, 0.0) for name in arrays.node_names])
    return dict(zip(arrays.line_names, arrays.flow_matrix @ power + arrays.flow_offset_mw, strict=True))


def balanced(grid: Grid) -> dict[str, float]:
    """Random power at each node, balanced in each part."""
    arrays = grid.compile()
    power = np.random.default_rng(1).normal(size=len(arrays.node_names)) * 20
    for part in range(arrays.part.max() + 1):
        power[arrays.part == part] -= power[arrays.part == part].mean()
    return dict(zip(arrays.node_names, power, strict=True))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("case14", ""),
        ("gen:40:7", ".nc"),
        *slow(("case14", ".nc"), ("case118", ""), ("case118", ".nc"), ("gen:40:7", "")),
    ],
)
def test_a_round_trip_keeps_every_flow_and_pypsa_finds_the_same(tmp_path, name, suffix):
    grid = load(name)
    path = write(grid, tmp_path / f"out{suffix}")
    power_mw = balanced(grid)
    before, after = flows_mw(grid, power_mw), flows_mw(load(path), power_mw)
    assert max(abs(before[line] - after[line]) for line in before) < 1e-6
    network = theirs(path)
    on_bus = dict.fromkeys(network.buses.index, 0.0)
    for component in (network.generators, network.loads, network.storage_units):
        for unit, bus in component.bus.items():
            on_bus[bus] += power_mw[unit] if unit != bus else 0.0
    for node in grid.graph:
        if node in on_bus:
            on_bus[node] += power_mw[node]
    network.remove("Generator", network.generators.index)
    network.remove("StorageUnit", network.storage_units.index)
    network.remove("Load", network.loads.index)
    network.add("Load", list(on_bus), bus=list(on_bus), p_set=[-mw for mw in on_bus.values()])
    network.lpf()
    for component in (network.lines_t.p0, network.transformers_t.p0):
        for line, flow_mw in component.iloc[0].items():
            assert flow_mw == pytest.approx(before[line], abs=1e-6)


def rich() -> Grid:
    """A grid with every column that a PyPSA network can carry, and series."""
    grid = Grid("rich", origin="a test", licence="CC0", base_mva=50)
    grid.add_source(
        "plant", gen_max_mw=9, gen_min_mw=1, gen_ramp_mw_per_h=3, gen_cost_per_mwh=7, gen_cost_per_mw2h=0.5,
        co2_t_per_mwh=0.4, gen_reserve_frac=0.5, x=1, y=2,
    )  # fmt: skip
    grid.add_source("sun", gen_max_mw=4, gen_profile="roof")
    grid.add_source("wind", gen_max_mw=4, gen_profile="wind")
    grid.add_storage(
        "store", store_max_mwh=20, store_min_mwh=2, store_init_mwh=5, charge_max_mw=3, discharge_max_mw=4,
        charge_eff_frac=0.9, discharge_eff_frac=0.8, store_loss_frac_per_h=0.01,
    )  # fmt: skip
    grid.add_consumer("town", load_max_mw=6, load_profile="street", shed_cost_per_mwh=500)
    grid.add_consumer("mill", load_max_mw=2)
    grid.add_junction("hub")
    grid.add_source("field", gen_max_mw=1)
    grid.add_line("plant", "town", capacity_mw=8, reactance_pu=0.2, outage_rate_per_h=0.001, repair_h=5)
    grid.add_line("town", "plant", key="second", reactance_pu=0.3)
    grid.add_line("plant", "mill", capacity_mw=8, reactance_pu=0.2, tap=0.95, shift_deg=2)
    grid.add_line("mill", "hub", reactance_pu=0.1, tap=1.05)
    grid.add_line("hub", "town", reactance_pu=0.0, capacity_mw=5)
    grid.add_line("hub", "sun", reactance_pu=0.0)
    grid.add_line("hub", "field", reactance_pu=0.0, repair_h=7)
    grid.add_line("hub", "store", reactance_pu=0.0)
    grid.add_line("wind", "hub", reactance_pu=0.1)
    hours = np.arange(30)
    grid.series = TimedSeries(("roof", "street"), 0.5, np.stack([hours % 10 / 10, 0.5 + hours % 7 / 10], axis=1), 0.0)
    return grid


@pytest.mark.parametrize("suffix", ["", ".nc"])
def test_every_column_survives_a_round_trip(tmp_path, suffix):
    grid = rich()
    again = load(write(grid, tmp_path / f"out{suffix}"))
    assert (again.name, again.origin, again.licence, again.base_mva) == ("rich", "a test", "CC0", 50)
    before, after = grid.compile(), again.compile()
    assert set(after.node_names) == set(before.node_names)
    order = [after.node_names.index(name) for name in before.node_names]
    lines = [after.line_names.index(name) for name in before.line_names if name in after.line_names]
    assert len(lines) == len(before.line_names)
    for column, values in vars(before).items():
        if column.startswith(("gen_", "load_", "store_", "charge_", "discharge_", "shed_cost", "co2")):
            theirs = np.array(getattr(after, column), dtype=object)[order]
            assert (
                list(theirs) == pytest.approx(list(values)) if "profile" not in column else list(theirs) == list(values)
            )
        if column in ("capacity_mw", "reactance_pu", "tap", "shift_deg", "outage_rate_per_h", "repair_h"):
            assert getattr(after, column)[lines] == pytest.approx(values)
    assert again.series.dt_h == 0.5
    for name in ("roof", "street"):
        ours = grid.series.values_frac[:, grid.series.columns.index(name)]
        assert again.series.values_frac[:, again.series.columns.index(name)] == pytest.approx(ours)


@pytest.mark.filterwarnings("ignore")
def test_pypsa_finds_the_optimum_of_what_is_written(tmp_path):
    """The same day, solved by PyPSA from the file and by us from the grid: no line, no store is lost on the way."""
    from grid import Inputs, Prices, optimum

    grid = load("case14")
    for node in grid.graph.nodes.values():  # PyPSA knows no profiles by name, and no value of energy at the end
        node.pop("gen_profile", None)
        node.pop("load_profile", None)
        if node["kind"] == "storage":
            node["store_init_mwh"] = node.get("store_min_mwh", 0.0)
    network = theirs(write(grid, tmp_path / "out.nc"))
    network.set_snapshots(range(3))
    network.optimize(solver_name="highs", include_objective_constant=False)
    arrays = grid.compile()
    inputs = Inputs(
        gen_avail_frac=np.ones((3, len(arrays.node_names))), load_mw=np.tile(arrays.load_max_mw, (3, 1)), dt_h=1.0
    )
    prices = Prices(overload_per_mwh=1e5, wear_per_mwh=0.0)  # PyPSA has hard limits and no wear
    assert optimum(arrays, inputs, prices).cost_terms["generation"] == pytest.approx(network.objective, rel=1e-6)


def network_with_everything() -> Any:
    network = pypsa.Network(name="all")
    network.add("Carrier", "gas", co2_emissions=0.2)
    network.add("Bus", ["n1", "n2", "n3"], v_nom=380.0, x=[1.0, 2, 3], y=[1.0, 1, 2])
    network.add(
        "Generator", "gas", bus="n1", p_nom=100, carrier="gas", efficiency=0.5, marginal_cost=30, ramp_limit_up=0.2
    )
    network.add("Generator", "coal", bus="n1", p_nom=50, p_min_pu=0.4, committable=True, marginal_cost=20)
    network.add("Generator", "extra", bus="n2", p_nom_extendable=True, p_nom_opt=7, p_nom=1)
    network.add("Generator", "shed", bus="n2", p_nom=np.inf, marginal_cost=1000)
    network.add("Load", "city", bus="n2", p_set=60)
    network.add("Load", "none", bus="n3")
    network.add("Load", "feed", bus="n3", p_set=-5)
    network.add("StorageUnit", "pumped", bus="n3", p_nom=10, max_hours=6, cyclic_state_of_charge=True, inflow=1)
    network.add("Store", "tank", bus="n3", e_nom=20, e_min_pu=0.1, e_initial=5)
    network.add("Link", "cable", bus0="n1", bus1="n3", p_nom=10)
    network.add("ShuntImpedance", "coil", bus="n2", g=1e-5)
    network.add(
        "Line", "l12", bus0="n1", bus1="n2", type="Al/St 240/40 4-bundle 380.0", length=50, s_nom=500, s_max_pu=0.7
    )
    network.add("Line", "off", bus0="n1", bus1="n3", x=10, active=False)
    network.add("Line", "l23", bus0="n2", bus1="n3", x=10)
    return network


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_place_is_left_out_and_said(tmp_path):
    network = network_with_everything()
    network.export_to_csv_folder(tmp_path / "all")
    grid = load(tmp_path / "all")
    units = {name: without(grid.graph.nodes[name]) for name in grid.graph}
    assert grid.graph.nodes["coil"]["shunt_mw"] == pytest.approx(1e-5 * 380**2)
    assert units["gas"] == {
        "kind": "source", "gen_max_mw": 100, "gen_cost_per_mwh": 30, "gen_ramp_mw_per_h": 20, "co2_t_per_mwh": 0.4,
    }  # fmt: skip
    assert units["shed"]["gen_max_mw"] == 90
    assert units["extra"]["gen_max_mw"] == 7
    assert units["coil"] == {"kind": "consumer", "load_max_mw": pytest.approx(1e-5 * 380**2)}
    assert units["tank"]["store_min_mwh"] == 2
    network.calculate_dependent_values()
    lines = {name: data for name, _, _, data in grid.lines()}
    assert lines["l12"]["reactance_pu"] == pytest.approx(network.lines.x_pu_eff["l12"] * 100)
    assert lines["l12"]["capacity_mw"] == 350
    assert grid.notes == [
        "left out: no demand: load none",
        "negative demand taken as a source of that constant output, free of cost: feed",
        "the smaller of both ramp limits taken both ways: generator gas",
        "extendable: taken at its optimised size or, without one, its present one: generator extra",
        "infinite p_nom taken as 1.5 times all demand, 90 MW: generator shed",
        "starts half full: it is cyclic, and says no other: storage unit pumped",
        "power of a store has no limit in PyPSA: taken as its whole energy in an hour: store tank",
        "left out: its flow is set by a controller, which the model has no place for: links cable",
        "left out as not active: lines off",
        "no limit: its s_nom is 0, missing or all nines: lines l23",
        "storage_units.inflow not read: pumped",
    ]


@pytest.mark.parametrize("suffix", ["", ".nc"])
@pytest.mark.filterwarnings("ignore")
def test_whatever_is_set_and_not_read_is_said(tmp_path, suffix):
    network = pypsa.Network(name="set")
    network.set_snapshots(range(3))
    network.add("Bus", "b", unit="MW", v_mag_pu_set=1.1)
    network.add("Generator", "plant", bus="b", p_nom=10, e_sum_max=99, capital_cost=5, marginal_cost=3)
    network.add("Load", "town", bus="b", p_set=5, q_set=1)
    network.add("StorageUnit", "pump", bus="b", p_nom=4, marginal_cost=30, p_min_pu=-1.0)
    network.add("StorageUnit", "off", bus="b", p_nom=4, marginal_cost=30, active=False)
    network.add("Store", "tank", bus="b", e_nom=9, marginal_cost=25.0, my_own="word")
    network.add("Line", "l", bus0="b", bus1="b2", x=1, s_nom=5, v_ang_max=30.0)
    network.add("Bus", "b2")
    network.stores_t.e_max_pu["tank"] = [1.0, 0.5, 1.0]
    network.generators_t.ramp_limit_up["plant"] = [0.1, 0.2, 0.3]
    network.generators_t.p["plant"] = [1.0, 2.0, 3.0]  # a result
    path = tmp_path / f"net{suffix}"
    (network.export_to_netcdf if suffix else network.export_to_csv_folder)(path)
    notes = [note for note in load(path).notes if "not read" in note]
    assert sorted(notes) == [
        "generators.e_sum_max not read: plant",
        "generators.ramp_limit_up over time not read: plant",
        "lines.v_ang_max not read: l",
        "not read, about reactive power or voltage: buses.v_mag_pu_set",
        "not read, as it is about investment: generators.capital_cost",
        "storage_units.marginal_cost not read: pump",
        "stores.e_max_pu over time not read: tank",
        "stores.marginal_cost not read: tank",
        "stores.my_own not read: tank",
    ]


@pytest.mark.parametrize("suffix", ["", ".nc"])
@pytest.mark.filterwarnings("ignore")
def test_a_series_of_a_single_hour_is_a_constant(tmp_path, suffix):
    network = pypsa.Network(name="hour")
    network.add("Bus", "b")
    network.add("Generator", "wind", bus="b", p_nom=10)
    network.add("Load", "town", bus="b")
    network.generators_t.p_max_pu["wind"] = [0.3]
    network.loads_t.p_set["town"] = [5.0]
    path = tmp_path / f"net{suffix}"
    (network.export_to_netcdf if suffix else network.export_to_csv_folder)(path)
    nodes = load(path).graph.nodes
    assert nodes["town"]["load_max_mw"] == 5
    assert nodes["wind"]["gen_max_mw"] == pytest.approx(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(rich(), tmp_path_factory.mktemp("pypsa") / "rich")


def edited(folder: Path, tmp_path: Path, file: str, old: str, new: str) -> Path:
    path = tmp_path / "net"
    shutil.copytree(folder, path)
    text = (path / file).read_text()
    assert old in text
    (path / file).write_text(text.replace(old, new, 1))
    return path


BAD = {
    "unknown bus": ("loads.csv", "town,town", "town,twn", "/loads.csv, line 2, bus: found 'twn'; allowed: the name of a bus; did you mean 'town'?"),
    "unknown end": ("lines.csv", "plant-town,plant", "plant-town,plan", "/lines.csv, line 2, bus0: found 'plan'; allowed: the name of a bus; correct it or add the bus"),
    "decimal comma": ("generators.csv", "9.0", '"9,0"', "/generators.csv, line 2, p_nom: found '9,0'; allowed: a number from 0 to 1e+12 or inf; write decimals with a point"),
    "unquoted comma": ("generators.csv", "9.0", "9,0", "/generators.csv, line 2: found 12 cells; allowed: 11, as in the header; give every column one value; write decimals with a point"),
    "negative": ("generators.csv", "9.0", "-9", "/generators.csv, line 2, p_nom: found '-9'; allowed: a number from 0 to 1e+12 or inf; correct the value"),
    "huge": ("generators.csv", "9.0", "1e300", "/generators.csv, line 2, p_nom: found '1e300'; allowed: a number from 0 to 1e+12 or inf; correct the value"),
    "efficiency": ("storage_units.csv", "0.9", "1.9", ": node 'store': found charge_eff_frac 1.9; allowed: a number in (0, 1]; correct the value"),
    "double name": ("loads.csv", "mill,mill", "town,mill", "/loads.csv, line 3, name: found 'town' twice; allowed: each name once; rename one of them"),
    "no name": ("loads.csv", "mill,mill", ",mill", "/loads.csv, line 3, name: found ''; allowed: a text of one line, at most 1000 characters; rename it"),
    "hostile name": ("buses.csv", "hub,", '"h\x1bub",', "/buses.csv, line 6, name: found 'h\\x1bub'; allowed: a text of one line, at most 1000 characters; rename it\nFILE/"),
    "column twice": ("loads.csv", "name,bus", "name,name", "/loads.csv, line 1: found a column twice; allowed: each column once; remove one of them"),
    "open quote": ("loads.csv", "town,town", '"town,town', "/loads.csv: found no CSV (unexpected end of data); allowed: a CSV file of PyPSA; correct the file"),
    "gap": ("loads-p_set.csv", "\n0,3.0", "\n0,", "/loads-p_set.csv, snapshot 0, 'town': found a gap; allowed: a finite number; fill the gap or correct the value"),
    "unknown column": ("loads-p_set.csv", ",town", ",tun", "/loads-p_set.csv: found the column 'tun'; allowed: the names of loads; correct it"),
    "rows missing": ("loads-p_set.csv", "\n0,3.0", "", "/loads-p_set.csv: found 29 rows; allowed: 30, one a snapshot; add or remove rows"),
    "weights": ("snapshots.csv", "\n2,1.0,0.5,0.5,0.5", "\n2,1.0,0.5,0.5,0.7", ": snapshots: found uneven weightings or a snapshot twice; allowed: steps of one length; resample the network to even steps"),
    "meta": ("meta.json", "{", "[", "/meta.json, line 1, column 17: found Expecting ',' delimiter; allowed: one JSON object; correct the file; it may have been cut off"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_folders_are_refused_in_clear_lines(tmp_path, folder, case):
    file, old, new, message = BAD[case]
    path = edited(folder, tmp_path, file, old, new)
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).replace(str(path), "FILE").startswith(f"FILE{message}")


def test_all_faults_of_a_folder_come_in_one_report(tmp_path, folder):
    path = edited(folder, tmp_path, "generators.csv", "9.0", "nine")
    for file, old, new in (("loads.csv", "mill,mill", "mill,mil"), ("storage_units.csv", "4.0", "four")):
        (path / file).write_text((path / file).read_text().replace(old, new, 1))
    with pytest.raises(GridError) as error:
        load(path)
    assert [Path(fault.where.split(",")[0]).name for fault in error.value.faults] == [
        "loads.csv", "generators.csv", "storage_units.csv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found no netCDF file ("),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "found no netCDF file ("),
        (b"CDF\x01" + b"\xff" * 200, "found no netCDF file ("),
        (b"PK\x03\x04", "found no netCDF file ("),
    ],
)
def test_files_that_are_no_netcdf_are_refused(tmp_path, content, message):
    path = tmp_path / "net.nc"
    path.write_bytes(content)
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert str(error.value).endswith(
        "; allowed: a PyPSA network in netCDF; write it with pypsa.Network.export_to_netcdf"
    )


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_unread(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    path = tmp_path / "bomb.nc"
    with netcdf.Dataset(path, "w") as data:
        data.createDimension("n", 10**9)
        data.createVariable("buses_v_nom", "f8", ("n",), compression="zlib", chunksizes=(10**6,))[:1000] = 0.0
    assert path.stat().st_size < 100_000
    with pytest.raises(GridError) as error:
        load(path)
    assert "more than 200 MB when unpacked" in str(error.value)


def test_a_crash_of_the_netcdf_library_is_a_clear_line(tmp_path, monkeypatch):
    (tmp_path / "net.nc").write_bytes(b"x")
    crashed = subprocess.CompletedProcess([], -11, b"", b"")
    monkeypatch.setattr(pypsa_netcdf.subprocess, "run", lambda *_, **__: crashed)
    with pytest.raises(GridError, match="found no netCDF file \\(the netCDF library crashes on it\\)"):
        load(tmp_path / "net.nc")


def test_a_missing_library_is_named(tmp_path, folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pypsa", None)
    for act, name in ((lambda: load(folder), folder), (lambda: write(rich(), tmp_path / "new"), tmp_path / "new")):
        with pytest.raises(GridError) as error:
            act()
        assert str(error.value) == (
            f"{name}: found a network of PyPSA; allowed: other formats, as pypsa is not installed; "
            "pip install load-balancer[pypsa]"
        )
    assert not (tmp_path / "new").exists()
