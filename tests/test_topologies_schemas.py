"""Every attribute of another program's schema is read, or named as left out where a file sets it."""

from __future__ import annotations

import csv
import json
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from grid import Grid
from topologies import load
from topologies.formats import pypsa_unread
from topologies.formats.pandapower_json import TABLES, read_network
from topologies.formats.pandapower_units import BY_PANDAPOWER, CONSTANT, COSTS, GENERATORS
from topologies.formats.pypsa_lines import read_lines
from topologies.formats.pypsa_reading import Reading
from topologies.formats.pypsa_tables import COMPONENTS, read_folder
from topologies.formats.pypsa_units import read_units
from topologies.formats.units import Buses
from topologies.json_text import parse

WHOLE = ("links", "processes", "global_constraints")  # left out as a whole, and so named


@pytest.fixture
def pypsa() -> Any:
    return pytest.importorskip("pypsa")


def odd(value: Any, kind: str) -> Any:
    """Another value than a default."""
    if "bool" in kind or isinstance(value, bool):
        return not value
    if "string" in kind or isinstance(value, str):
        return "odd"
    return value + 0.25 if isinstance(value, int | float) and isfinite(value) else 0.75


def pypsa_folder(pypsa: Any, folder: Path) -> dict[str, set[str]]:
    """A network with one element of each component that sets all inputs; returns those."""
    kinds = pypsa.Network().components
    given: dict[str, set[str]] = {}
    for component in COMPONENTS:
        defaults = kinds[component].defaults
        inputs = defaults[defaults.status.str.startswith("Input") & (defaults.index != "name")]
        row = {name: odd(at.default, str(at.type)) for name, at in inputs.iterrows()}
        row |= {name: "b" if name != "bus1" else "c" for name in row if name in ("bus", "bus0", "bus1")}
        row |= {name: "odd" for name in row if name in ("type", "carrier") and component in ("buses", "generators")}
        row |= {"active": True} if "active" in row else {}
        row |= {name: sign for name, sign in (("sign", 1.5 if component == "generators" else -1.5),) if name in row}
        row |= {"type": "odd_type"} if component in ("lines", "transformers") else {}
        row |= {"control": "PV"} if "control" in row else {}
        row |= {"committable": True} if "committable" in row else {}
        row |= {"p_min_pu": -0.5, "p_max_pu": 0.5} if component == "storage_units" else {}
        row |= {name: 0.3 for name in row if name.startswith(("efficiency", "standing_loss"))}
        row |= {"tap_side": 1, "model": "pi"} if component == "transformers" else {}
        row |= {"tap_side": 1} if component == "transformer_types" else {}
        names = ["b", "c"] if component == "buses" else ["odd_type" if component.endswith("_types") else "odd"]
        given[component] = set(row)
        with (folder / f"{component}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", *row])
            writer.writerows([name, *row.values()] for name in names)
        for name in inputs.index[inputs.varying]:
            values = "".join(f"{hour},0.4\n" for hour in range(3))
            (folder / f"{component}-{name}.csv").write_text(f"snapshot,{names[0]}\n{values}")
    (folder / "snapshots.csv").write_text("snapshot,objective\n0,1\n1,1\n2,1\n")
    return given


@pytest.mark.filterwarnings("ignore")
def test_every_attribute_of_pypsa_is_read_or_named(pypsa, tmp_path):
    given = pypsa_folder(pypsa, tmp_path)
    reading = Reading(network := read_folder(tmp_path), Buses({"b": [], "c": []}))
    read_units(reading)
    assert not network.faults
    grid = Grid("odd")
    reading.buses.place(grid)
    read_lines(reading, grid)
    before = set(reading.buses.noted)
    pypsa_unread.note_unread(reading)
    notes = "\n".join(reading.buses.notes()) + "\n"
    named = {whom for text in set(reading.buses.noted) - before for whom in reading.buses.noted[text]}
    for component, attributes in given.items():
        if component in WHOLE:
            assert f"{component} odd" in notes
            continue
        labels = {*pypsa_unread.LABELS, "references", "mounting", "cross_section", "i_nom", "active", "bus"}
        lost = {
            name
            for name in attributes - network.table(component).read - labels
            if f"{component}.{name} not read" not in reading.buses.noted and f"{component}.{name}" not in named
        }
        if component not in ("line_types", "transformer_types"):  # PyPSA reads them, as their lines say
            assert not lost, (component, lost)
        over_time = {key[1] for key in network.series if key[0] == component}
        for name in {each.stem.split("-", 1)[1] for each in tmp_path.glob(f"{component}-*.csv")} - over_time:
            said = f"{component}.{name} over time"
            assert f"{said} not read" in reading.buses.noted or said in named, (component, name)


@pytest.mark.filterwarnings("ignore")
def test_every_table_of_pandapower_is_read_or_named(tmp_path):
    pandapower = pytest.importorskip("pandapower")
    net = pandapower.create_empty_network()
    tables = {name: frame for name, frame in net.items() if isinstance(frame, pd.DataFrame)}
    tables = {name: frame for name, frame in tables.items() if not name.startswith(("res_", "_"))}
    known = {*CONSTANT, *GENERATORS, *COSTS, *BY_PANDAPOWER, "storage", "dcline"}
    assert known <= set(TABLES)
    assert set(TABLES) - known == {"trafo_characteristic_table"}  # which pandapower reads
    pandapower.create_bus(net, 110)
    data = json.loads(pandapower.to_json(net))
    others = sorted(set(tables) - set(TABLES))
    for name in others:
        columns = list(tables[name].columns)
        text = json.dumps({"columns": columns, "index": [0], "data": [[1] * len(columns)]})
        data["_object"][name] = {"_module": "pandas.core.frame", "_class": "DataFrame", "_object": text}
    ignored = read_network(tmp_path, *parse("net", json.dumps(data))).ignored
    assert sorted(ignored) == sorted(f"1 rows of {name}" for name in others)
    optional = {"min_vm_pu", "max_vm_pu", "max_loading_percent"}
    optional |= {"leakage_resistance_ratio_hv", "leakage_reactance_ratio_hv", "parallel", "df"}
    for name, columns in BY_PANDAPOWER.items():
        assert set(columns) - set(tables[name].columns) <= optional  # none of them is misspelt


@pytest.mark.filterwarnings("ignore")
def test_a_column_of_ones_own_in_any_table_of_pandapower_is_named(tmp_path):
    pandapower = pytest.importorskip("pandapower")
    net = pandapower.create_empty_network()
    for _ in range(2):
        pandapower.create_bus(net, 110)
    pandapower.create_ext_grid(net, 0, max_p_mw=50, min_p_mw=0)
    pandapower.create_gen(net, 0, 5, max_p_mw=9, min_p_mw=0)
    pandapower.create_line_from_parameters(net, 0, 1, 10, 0.06, 0.4, 10, 0.3)
    pandapower.create_load(net, 1, 10)
    tables = ("line", "load", "gen", "ext_grid", "bus")
    for table in tables:
        net[table]["my_limit"] = 3.5
    pandapower.to_json(net, tmp_path / "net.json")
    notes = "\n".join(load(tmp_path / "net.json").notes)
    assert [table for table in tables if f"{table}.my_limit not read" not in notes] == []
