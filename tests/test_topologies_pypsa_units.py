"""Units of PyPSA networks whose size or direction is not what their first number says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ac import IN_AC
from grid import Grid
from topologies import load
from topologies.formats import WRITERS
from topologies.series import TimedSeries

pypsa = pytest.importorskip("pypsa")

pytestmark = pytest.mark.filterwarnings("ignore")  # PyPSA leaves files open when it writes a folder


def network() -> Any:
    """A bus with a plant and a town, over five hours."""
    made = pypsa.Network(name="units")
    made.set_snapshots(range(5))
    made.add("Bus", "b")
    made.add("Generator", "plant", bus="b", p_nom=10)
    made.add("Load", "town", bus="b", p_set=5)
    return made


def export(made: Any, folder: Path) -> Path:
    made.export_to_csv_folder(folder / "net")
    return folder / "net"


def test_extendable_stores_are_taken_at_their_optimised_energy(tmp_path):
    made = network()
    made.add("Store", ["new", "kept", "none", "gone", "endless"], bus="b", e_nom_extendable=[True] * 4 + [False])
    made.stores["e_nom"] = [0.0, 30.0, 0.0, 20.0, np.inf]
    made.stores["e_nom_opt"] = [50.0, 0.0, 0.0, -1e-12, 0.0]  # a solver's 0
    grid = load(export(made, tmp_path))
    assert {name: data["store_max_mwh"] for name, data in grid.graph.nodes(data=True) if "store_max_mwh" in data} == {
        "new": 50.0,
        "kept": 30.0,
    }
    extendable = "extendable: taken at its optimised size or, without one, its present one"
    assert f"{extendable}: store new, store kept, store none, store gone" in grid.notes
    assert "left out: its energy is 0 or infinite: store none, store gone, store endless" in grid.notes


def test_loads_that_feed_in_are_no_demand(tmp_path):
    made = network()
    course_mw = np.array([1.0, 2, 3, 4, 5])
    made.add("Load", "feed", bus="b", p_set=2, sign=1)
    made.add("Load", ["solar", "both"], bus="b", sign=1)
    made.loads_t.p_set = made.loads_t.p_set.assign(solar=course_mw, both=course_mw - 4)
    grid = load(export(made, tmp_path))
    nodes = grid.graph.nodes
    assert nodes["feed"] == {"kind": "source", "gen_max_mw": 2.0, "gen_min_mw": 2.0}
    assert nodes["both"] == {"kind": "consumer", "load_max_mw": 3.0, "load_profile": "both"}
    assert grid.series.columns == ("both",)
    assert grid.series.values_frac[:, 0] == pytest.approx(np.array([3.0, 2, 1, 0, 0]) / 3)
    assert "solar" not in nodes
    assert {"negative hours of demand taken as 0: load solar, load both", "left out: no demand: load solar"} <= set(
        grid.notes
    )


@pytest.mark.parametrize("suffix", ["", ".nc"])
def test_a_profile_that_nodes_of_unlike_size_share_stays_one(tmp_path, suffix):
    grid, rng = Grid("shared"), np.random.default_rng(1)
    grid.add_source("plant", gen_max_mw=20)
    for name, load_max_mw in (("a", 10), ("b", 3.7), ("c", 0.3)):
        grid.add_consumer(name, load_max_mw=load_max_mw, load_profile="town")
        grid.add_line("plant", name)
    grid.series = TimedSeries(("town",), 1.0, rng.random((200, 1)) * 1.1)
    WRITERS[suffix](grid, tmp_path / f"out{suffix}")
    again = load(tmp_path / f"out{suffix}")
    assert again.series.columns == ("town",)
    assert again.series.values_frac == pytest.approx(grid.series.values_frac)
    assert [again.graph.nodes[name]["load_profile"] for name in "abc"] == ["town"] * 3


@pytest.mark.parametrize("suffix", ["", ".nc"])
def test_a_network_without_a_name_has_that_of_its_file(tmp_path, monkeypatch, suffix):
    made = network()
    made.name = pypsa.Network().name
    path = tmp_path / f"valley{suffix}"
    (made.export_to_netcdf if suffix else made.export_to_csv_folder)(path)
    assert load(path).name == "valley"
    if not suffix:
        monkeypatch.chdir(path)
        assert load(".").name == "valley"
    made.name = "dale"
    (made.export_to_netcdf if suffix else made.export_to_csv_folder)(path)
    assert load(path).name == "dale"


def test_reactive_power_and_voltages_of_every_component(tmp_path):
    made = network()
    made.add("Bus", "b2", v_nom=20, v_mag_pu_set=1.04, v_mag_pu_min=0.97, v_mag_pu_max=1.06)
    made.add("Bus", "b3", v_nom=110, v_mag_pu_set=1.02)
    made.add("Generator", "held", bus="b2", p_nom=4, control="PV", q_set=9)
    made.add("Generator", "condenser", bus="b3", control="Slack")
    made.add("Generator", "fixed", bus="b2", p_nom=4, q_set=0.5)
    made.add("StorageUnit", "pump", bus="b2", p_nom=2, control="PV")
    made.add("Load", "coil", bus="b3", q_set=3)
    made.add("Load", "feed", bus="b2", p_set=-2, q_set=-0.25)
    made.add("Load", ["steady", "follows", "swings"], bus="b2", q_set=[1, 0, 0], p_set=[0, 0, 6])
    course = np.array([1.0, 2, 3, 4, 5])
    made.loads_t.p_set = made.loads_t.p_set.assign(steady=course, follows=course)
    made.loads_t.q_set = made.loads_t.q_set.assign(follows=course / 4, swings=course)
    made.add("ShuntImpedance", "bank", bus="b2", g=1e-3, b=-2e-3)
    made.add("Line", "l", bus0="b2", bus1="b2x", x=4, r=2, b=1e-3, g=1e-4)
    made.add("Bus", "b2x", v_nom=20)
    made.add("Transformer", ["t", "u"], bus0="b3", bus1="b2", model="pi", x=0.1, r=0.01, b=-0.02, s_nom=50)
    made.transformers["tap_ratio"] = [0.95, 1.0]
    made.transformers["tap_side"] = 1
    grid = load(export(made, tmp_path))
    kept = {
        name: {column: round(value, 9) for column, value in data.items() if column in IN_AC and column not in BANDS}
        for name, data in grid.graph.nodes(data=True)
    }
    assert {name: columns for name, columns in kept.items() if columns} == {
        "held": {"voltage_set_pu": 1.04},
        "pump": {"voltage_set_pu": 1.04},
        "fixed": {"load_max_mvar": -0.5},
        "b3": {"voltage_set_pu": 1.02, "load_max_mvar": 3},
        "b2": {"load_max_mvar": -0.25, "shunt_mvar": -0.8},
        "bank": {"shunt_mw": 0.4},
        "steady": {"load_max_mvar": pytest.approx(5 / 3)},
        "follows": {"load_max_mvar": 1.25},
        "swings": {"load_max_mvar": 3},
    }
    assert [grid.graph.nodes["held"][name] for name in BANDS] == [20, 0.97, 1.06]
    assert not set(grid.graph.nodes["plant"]) & set(BANDS)  # 1 kV is what PyPSA gives a bus of which nothing is said
    lines = {name: data for name, _, _, data in grid.lines()}
    ours = [lines["l"][f"{name}_pu"] for name in ("reactance", "resistance", "charging", "conductance")]
    assert ours == pytest.approx([4 / 4, 2 / 4, 1e-3 * 4, 1e-4 * 4])  # 20 kV and 100 MVA: 4 ohm
    assert lines["t"]["resistance_pu"] == pytest.approx(0.02)
    assert lines["t"]["charging_pu"] == pytest.approx(-0.01)
    assert {
        "reactive demand taken in step with demand: load steady",
        "reactive demand over time replaced by its mean: load swings",
        "ratio of the tap at bus1 taken at bus0: transformers t",
    } < set(grid.notes)
    assert not any("voltage" in note for note in grid.notes)


BANDS = ("base_kv", "voltage_min_pu", "voltage_max_pu")
