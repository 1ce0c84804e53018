"""pandapower networks that are refused, and in which words."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from grid import GridError
from topologies import load

pandapower = pytest.importorskip("pandapower")


def changed(folder: Path, change: Any) -> Path:
    """The file of a small network after a change to its fields."""
    net = pandapower.create_empty_network()
    for _ in range(2):
        pandapower.create_bus(net, 20)
    pandapower.create_ext_grid(net, 0, max_p_mw=9)
    pandapower.create_load(net, 1, 8)
    pandapower.create_line_from_parameters(net, 0, 1, 1, 0.1, 0.4, 10, 1)
    data = json.loads(pandapower.to_json(net))
    change(data["_object"])
    path = folder / "net.json"
    path.write_text(json.dumps(data))
    return path


def cell(table: str, column: str, value: Any) -> Any:
    def change(fields: dict[str, Any]) -> None:
        data = json.loads(fields[table]["_object"])
        data["data"][0][data["columns"].index(column)] = value
        fields[table]["_object"] = json.dumps(data)

    return change


def field(name: str, value: Any) -> Any:
    return lambda fields: fields.update({name: value})


def table(name: str, text: str) -> Any:
    return lambda fields: fields[name].update({"_object": text})


BAD = {
    "no such bus": (cell("load", "bus", 7), ": load[0].bus: found bus 7; allowed: the index of a bus; correct it or add the bus"),
    "half a bus": (cell("load", "bus", 0.5), ": load[0].bus: found 0.5; allowed: a whole number; correct the value\nFILE: load[0].bus: found nothing; allowed: the index of a bus; correct it or add the bus"),
    "NaN": (cell("load", "p_mw", math.nan), ": load: data[0][2]: found NaN; allowed: finite numbers; leave the field out where there is no value or no limit"),
    "huge": (cell("load", "p_mw", 1e300), ": load[0].p_mw: found 1e+300; allowed: a number of at most 1e+12 in size; correct the value"),
    "decimal comma": (cell("load", "p_mw", "3,5"), ": load[0].p_mw: found '3,5'; allowed: a number of at most 1e+12 in size; write decimals with a point"),
    "no flag": (cell("load", "in_service", "yes"), ": load[0].in_service: found 'yes'; allowed: true or false; correct the value"),
    "no table": (field("load", [1]), ": load: found a list; allowed: a table as pandapower.to_json writes it; write the file anew"),
    "no columns": (table("load", "{}"), ": load: found an object; allowed: columns, index and data; write the file with pandapower 2 or later"),
    "rows missing": (table("load", '{"columns": ["bus"], "index": [0, 1], "data": [[0]]}'), ": load: found 2 keys, 1 rows and 1 columns that do not fit; allowed: one key and one cell a column for each row; write the file anew"),
    "keys twice": (table("load", '{"columns": ["bus"], "index": [0, 0], "data": [[0], [1]]}'), ": load.index: found doubled or odd keys; allowed: a whole number a row, each once; renumber"),
    "columns twice": (table("load", '{"columns": ["bus", "bus"], "index": [0], "data": [[0, 1]]}'), ": load: found columns without a name of their own; allowed: one text a column; rename them"),
    "cut off": (table("load", '{"columns": ["bus"]'), ": load, line 1, column 20: found the end of the file; allowed: one JSON object; correct the file; it may have been cut off"),
    "no buses": (lambda fields: fields.pop("bus"), ": bus: found no bus; allowed: a table of buses; give a network with buses"),
    "base": (field("sn_mva", 0), ": sn_mva: found 0; allowed: a number from 1e-06 to 1e+06; correct it"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_clear_lines(tmp_path, case):
    change, message = BAD[case]
    path = changed(tmp_path, change)
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).replace(str(path), "FILE") == f"FILE{message}"


def test_all_faults_of_a_file_come_in_one_report(tmp_path):
    def change(fields: dict[str, Any]) -> None:
        for one in (cell("load", "p_mw", "x"), cell("line", "to_bus", 9), field("f_hz", "fast")):
            one(fields)

    with pytest.raises(GridError) as error:
        load(changed(tmp_path, change))
    assert [fault.where.rpartition(": ")[2] for fault in error.value.faults] == [
        "f_hz",
        "load[0].p_mw",
        "line[0].to_bus",
    ]


def test_nothing_that_a_file_names_is_imported_made_or_opened(tmp_path):
    """pandapower's own reader makes objects of the classes that a file names, and reads paths in the place of tables."""
    mark = tmp_path / "mark"
    secret = tmp_path / "secret.json"
    secret.write_text('{"columns": ["bus"], "index": [0], "data": [[0]]}')
    module = tmp_path / "hostile.py"
    module.write_text(f"open({str(mark)!r}, 'w').write('run')\nclass Thing: pass\n")

    def change(fields: dict[str, Any]) -> None:
        fields["controller"] = {"_module": "hostile", "_class": "Thing", "_object": "{}"}
        fields["std_types"] = {"_module": "os", "_class": "function", "_object": "system"}

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        assert len(load(changed(tmp_path, change)).graph) == 2
        with pytest.raises(GridError, match="one JSON object"):
            load(changed(tmp_path, table("load", str(secret))))
    assert not mark.exists()


def test_tables_that_pandapower_cannot_use_are_refused(tmp_path):
    path = changed(tmp_path, cell("line", "x_ohm_per_km", None))
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "reactance_pu" in str(error.value)


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    path = changed(tmp_path, lambda fields: None)
    monkeypatch.setitem(__import__("sys").modules, "pandapower", None)
    for name in (path, "pandapower:case9"):
        with pytest.raises(GridError) as error:
            load(name)
        assert str(error.value) == (
            f"{name}: found a network of pandapower; allowed: other formats, as pandapower is not installed; "
            "pip install load-balancer[pandapower]"
        )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("case40", "found no such network; allowed: one of pandapower.networks; did you mean 'case30'?"),
        ("create_bus", "found no such network; allowed: one of pandapower.networks; "),
        ("__builtins__", "found no such network; allowed: one of pandapower.networks; "),
        ("os.system", "found no such network; allowed: one of pandapower.networks; "),
    ],
)
def test_names_that_are_no_network_are_refused(name, message):
    with pytest.raises(GridError) as error:
        load(f"pandapower:{name}")
    assert str(error.value).startswith(f"pandapower:{name}: {message}")
