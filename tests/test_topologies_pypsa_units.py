"""Units of PyPSA networks whose size or direction is not what their first number says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
    made.add("Store", ["new", "kept", "none", "endless"], bus="b", e_nom_extendable=[True, True, True, False])
    made.stores["e_nom"] = [0.0, 30.0, 0.0, np.inf]
    made.stores["e_nom_opt"] = [50.0, 0.0, 0.0, 0.0]
    grid = load(export(made, tmp_path))
    assert {name: data["store_max_mwh"] for name, data in grid.graph.nodes(data=True) if "store_max_mwh" in data} == {
        "new": 50.0,
        "kept": 30.0,
    }
    extendable = "extendable: taken at its optimised size or, without one, its present one"
    assert f"{extendable}: store new, store kept, store none" in grid.notes
    assert "left out: its energy is 0 or infinite: store none, store endless" in grid.notes


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
