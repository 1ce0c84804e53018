"""The MATPOWER reader: what each feature of a case file becomes, and pandapower's idea of the same case."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import numpy as np
import pytest

from ac import IN_AC, without
from grid import GridError
from topologies.formats import matpower
from topologies.formats.matpower_columns import COLUMNS, LISTED, THEME_OF

BUS_REST = "0 1 1 0 135 1 1.06 0.94"
LINES = {"bus": 5, "gen": 12, "branch": 17, "gencost": 22}  # of the first rows of the tables below


def case(bus=None, gen=None, branch=None, gencost=None, head="mpc.baseMVA = 100;", tail="") -> str:
    """A case file; rows are the first columns: bus to Gs, gen as status Pmax Pmin, branch whole, gencost whole."""
    bus = ["1 3 0 0 0", "2 1 30 0 0", "3 1 20 0 0"] if bus is None else bus
    gen = ["1 1 90 10"] if gen is None else gen
    branch = ["1 2 0 0.1 0 60 0 0 0 0 1", "2 3 0 0.2 0 0 0 0 0 0 1"] if branch is None else branch
    gencost = ["2 0 0 3 0.5 20 0"] if gencost is None else gencost

    def table(name: str, rows: list[str], size: int = 4) -> str:
        return f"mpc.{name} = [\n" + "".join(f"\t{row};\n" for row in rows) + "\n" * (size - len(rows)) + "];\n"

    mvar = {"1": "Inf -Inf"}  # at the reference bus
    whole_gen = [f"{a} 0 0 {mvar.get(a, '0 0')} 1 100 {' '.join(rest)}" for a, *rest in (row.split() for row in gen)]
    tables = (
        table("bus", [f"{row} {BUS_REST}" for row in bus], 5),
        table("gen", whole_gen, 3),
        table("branch", branch, 3),
        table("gencost", gencost, 3),
    )
    return f"function mpc = small\nmpc.version = '2';\n{head}\n" + "".join(tables) + tail


@pytest.fixture
def read(tmp_path):
    def reader(text: str):
        path = tmp_path / "small.m"
        path.write_text(text)
        return matpower.read(path)

    return reader


def node_columns(grid, name: str) -> dict:
    return without(dict(grid.graph.nodes[name]))


def test_buses_with_one_unit_become_that_unit(read):
    grid = read(case())
    assert node_columns(grid, "1") == {
        "kind": "source", "gen_max_mw": 90, "gen_min_mw": 10, "gen_cost_per_mwh": 20, "gen_cost_per_mw2h": 0.5
    }  # fmt: skip
    assert node_columns(grid, "2") == {"kind": "consumer", "load_max_mw": 30}
    assert (grid.name, grid.base_mva, grid.notes) == ("small", 100, [])
    assert grid.compile().line_names == ("1-2", "2-3")


def test_buses_with_several_units_become_a_junction_with_pendants_on_ideal_connectors(read):
    grid = read(case(gen=["2 1 90 0", "2 1 50 0", "1 1 9 0"], gencost=["2 0 0 2 20 0", "2 0 0 2 30 0", "2 0 0 2 1 0"]))
    assert [name for name in grid.graph if name.startswith("2")] == ["2", "2:load", "2:gen1", "2:gen2"]
    assert node_columns(grid, "2") == {"kind": "junction"}
    assert node_columns(grid, "2:gen2")["gen_cost_per_mwh"] == 30
    assert grid.graph.edges["2", "2:gen1", 0]["reactance_pu"] == 0
    arrays = grid.compile()
    injection = np.zeros(6)
    injection[[arrays.node_names.index("2:gen1"), arrays.node_names.index("3")]] = 20, -20
    flow = dict(zip(arrays.line_names, arrays.flow_matrix @ injection, strict=True))
    assert flow == pytest.approx({"1-2": 0, "2-3": 20, "2-2:load": 0, "2-2:gen1": -20, "2-2:gen2": 0})


def test_buses_without_unit_become_junctions_and_isolated_ones_go(read):
    branch = ["1 2 0 0.1 0 60 0 0 0 0 1", "2 3 0 0.2 0 0 0 0 0 0 1", "1 9 0 0.1 0 0 0 0 0 0 1"]
    grid = read(case(bus=["1 3 0 0 0", "2 1 0 0 0", "3 1 20 0 0", "9 4 5 0 0"], branch=branch))
    assert list(grid.graph) == ["1", "2", "3"]
    assert node_columns(grid, "2") == {"kind": "junction"}
    assert grid.notes == ["left out as isolated (type 4): bus 9", "left out as out of service: branch 1-9"]


def test_what_is_out_of_service_is_left_out_with_its_cost(read):
    branch = ["1 2 0 0.1 0 60 0 0 0 0 1", "2 3 0 0.2 0 0 0 0 0 0 1", "1 3 0 0.2 0 0 0 0 0 0 0"]
    grid = read(case(gen=["1 0 5 0", "1 1 90 0"], gencost=["2 0 0 2 1 0", "2 0 0 2 33 0"], branch=branch))
    assert node_columns(grid, "1")["gen_cost_per_mwh"] == 33
    assert grid.compile().line_names == ("1-2", "2-3")
    assert grid.notes == ["left out as out of service: generator 1, branch 1-3"]


def test_branch_columns(read):
    branch = ["1 2 0.01 0.1 0 0 0 0 0 0 1", "2 3 0 0.2 0 55.5 0 0 0.95 -3 1", "2 3 0 -0.3 0 Inf 0 0 1 0 1"]
    arrays = read(case(branch=branch)).compile()
    assert arrays.line_names == ("1-2", "2-3", "2-3#2")
    assert arrays.reactance_pu.tolist() == [0.1, 0.2, -0.3]
    assert arrays.capacity_mw.tolist() == [np.inf, 55.5, np.inf]
    assert arrays.tap.tolist() == [1, 0.95, 1]
    assert arrays.shift_deg.tolist() == [0, -3, 0]


def test_shunts_are_demand_and_negative_demand_is_a_fixed_source(read):
    grid = read(case(bus=["1 3 0 0 0", "2 1 30 0 4.5", "3 1 -20 0 0"]))
    assert node_columns(grid, "2") == {"kind": "consumer", "load_max_mw": 34.5}
    assert node_columns(grid, "3") == {"kind": "source", "gen_max_mw": 20, "gen_min_mw": 20}
    assert grid.notes == ["negative demand taken as a source of that constant output, free of cost: bus 3"]
    assert grid.assumed()[:1] == grid.notes
    assert grid.graph.nodes["2"]["shunt_mw"] == 4.5


def test_dispatchable_loads_are_shed_at_their_price(read):
    grid = read(
        case(gen=["1 1 90 0", "2 1 0 -15", "3 1 0 0"], gencost=["2 0 0 2 20 0", "1 0 0 2 -15 -900 0 0", "2 0 0 2 1 0"])
    )
    assert node_columns(grid, "2:load2") == {"kind": "consumer", "load_max_mw": 15, "shed_cost_per_mwh": 60}
    assert grid.notes == [
        "a dispatchable load (Pmax <= 0), taken as demand of -Pmin that is shed at its price: generator 2",
        "left out: Pmax and Pmin are 0: generator 3",
    ]


WHOLE = """mpc.baseMVA = 100;
mpc.bus = [
    1 3  0 0 0   0 1 1 0 220 1 1.1  0.95;
    2 2 30 9 2  -4 1 1 0 220 1 1.05 0.9;
    3 1 -5 3 0   6 1 1 0 110 1 1.05 0.9;
    4 1  0 7 0   0 1 1 0   0 1 1.05 1.2;
    5 2 10 1 0   0 1 1 0 110 1 1.05 0.9;
    6 1  4 0 -1  0 1 1 0 110 1 1.05 0.9;
];
mpc.gen = [
    1 50  0 Inf -Inf 1.02 100 1 90 0;
    2 10  0 20 -10 1.01 100 1 30 0;
    2 10  0 30 -15 1.03 100 1 40 0;
    2  0  0  5  -5 1.01 100 1  0 0;
    3 10  4 50 -50 1.05 100 1 25 0;
    3  0  2 50 -50 1.05 100 1  0 0;
    5  0  0 12   0 0.99 100 1  0 0;
    6 -8  0  0  -6 1.00 100 1  0 -8;
    5  0  0  3  -3 0    100 1 20 0;
    1  0  0  2   6 1.02 100 1 10 0;
    4  9  1  9  -9 1.2  100 0 10 0;
];
mpc.branch = [
    1 2 0.01 0.1 0.05 0 0 0 0 0 1;
    2 3 0    0.2 0    0 0 0 0 0 1;
    3 4 0.02 0.3 0.01 0 0 0 0.97 2 1;
    4 5 0.03 0   0.02 0 0 0 0 0 1;
    5 6 0.02 0.2 0    0 0 0 0 0 1;
];
"""


def test_reactive_power_and_voltages_of_every_kind_of_bus_and_unit(read):
    grid = read(WHOLE)
    in_ac = {
        node: {name: value for name, value in data.items() if name in IN_AC and name not in BANDS}
        for node, data in grid.graph.nodes(data=True)
    }
    assert {node: columns for node, columns in in_ac.items() if columns} == {
        "1:gen1": {"voltage_set_pu": 1.02},
        "1:gen2": {"voltage_set_pu": 1.02},  # its limits are upside down
        "2": {"shunt_mvar": -4, "voltage_set_pu": 1.01, "gen_min_mvar": -5, "gen_max_mvar": 5},  # the third one
        "2:load": {"load_max_mvar": 9, "shunt_mw": 2},
        "2:gen1": {"voltage_set_pu": 1.01, "gen_min_mvar": -10, "gen_max_mvar": 20},
        "2:gen2": {"voltage_set_pu": 1.01, "gen_min_mvar": -15, "gen_max_mvar": 30},
        "3": {"load_max_mvar": 3 - 2, "shunt_mvar": 6},  # no voltage is held at a PQ bus: what is given is fixed
        "3:gen2": {"load_max_mvar": -4},
        "4": {"load_max_mvar": 7},
        "5": {"voltage_set_pu": 0.99, "gen_min_mvar": 0, "gen_max_mvar": 12},
        "5:load": {"load_max_mvar": 1},
        "6:load2": {"load_max_mvar": 6},  # 8 MW at a constant power factor
    }
    bands = {node: [grid.graph.nodes[node].get(name) for name in BANDS] for node in ("1:gen1", "2", "2:load", "4")}
    assert bands == {
        "1:gen1": [220, 0.95, 1.1], "2": [220, 0.9, 1.05], "2:load": [220, 0.9, 1.05], "4": [None, None, None],
    }  # fmt: skip
    lines = {
        name: [data.get(column) for column in ("resistance_pu", "charging_pu")] for name, _, _, data in grid.lines()
    }
    assert [lines[name] for name in ("1-2", "2-3", "3-4", "4-5", "5-6")] == [
        [0.01, 0.05], [0, None], [0.02, 0.01], [None, None], [0.02, None],
    ]  # fmt: skip
    assert set(grid.notes) == {
        "negative demand taken as a source of that constant output, free of cost: bus 3",
        "shunt conductance beyond the demand of its bus taken as constant power: 6",
        "band of voltage left out: not above 0, or upside down: bus 4",
        "cost of 0: the file has no mpc.gencost: all generators",
        "voltage set-point left out: the bus has another one already: generator 3",
        "voltage set-point left out: not above 0: generator 9",
        "reactive limits left out: the lower one is above the upper one: generator 10",
        "a dispatchable load (Pmax <= 0), taken as demand of -Pmin that is shed at its price: generator 8",
        "left out as out of service: generator 11",
        "resistance and charging left out: a reactance of 0 is an ideal connector: branch 4-5",
    }


BANDS = ("base_kv", "voltage_min_pu", "voltage_max_pu")


@pytest.mark.parametrize(
    ("row", "linear", "square", "note"),
    [
        ("2 0 0 3 0.5 20 0", 20, 0.5, None),
        ("2 0 0 2 20 0", 20, 0, None),
        ("2 0 0 1 0 0", 0, 0, None),
        ("2 0 0 4 0 0.5 20 0", 20, 0.5, None),
        ("2 0 0 2 20 7", 20, 0, "constant cost left out: every generator is always on: generator 1"),
        ("1 0 0 2 10 200 90 1800", 20, 0, None),
        ("1 0 0 2 10 100 90 1700", 20, 0, "constant cost left out: every generator is always on: generator 1"),
        ("1 0 0 3 0 100 5 150 90 2700", 30, 0, None),  # from Pmin 10 on the price is one
        ("1 0 0 3 0 0 10 300 20 400", 20, 0,
         "piecewise linear cost that is not convex replaced by the line that fits its points best: generator 1"),
        ("2 0 0 3 -0.1 30 0", 20, 0,
         "cost curve that is not convex or above degree 2 replaced by the straight line that fits it: generator 1"),
    ],
)  # fmt: skip
def test_costs(read, row, linear, square, note):
    grid = read(case(gencost=[row]))
    columns = node_columns(grid, "1")
    assert columns["gen_cost_per_mwh"] == pytest.approx(linear)
    assert columns.get("gen_cost_per_mw2h", 0) == pytest.approx(square)
    assert grid.notes == ([note] if note else [])


def test_convex_segments_become_units_that_cost_the_same(read):
    grid = read(
        case(
            gen=["1 1 90 10", "2 1 0 -30", "3 1 40 0"],
            gencost=["1 0 0 4 0 0 20 200 60 1400 80 2400", "1 0 0 3 -30 -1000 -10 -600 0 0", "2 0 0 2 25 0"],
        )
    )
    columns = ("gen_max_mw", "gen_min_mw", "gen_cost_per_mwh", "load_max_mw", "shed_cost_per_mwh")
    units = {name: [data.get(column) for column in columns] for name, data in grid.graph.nodes(data=True)}
    assert units == {
        "1": [None] * 5,
        "1:gen1": [20, 10, 10, None, None],
        "1:gen2": [40, None, 30, None, None],
        "1:gen3": [30, None, 50, None, None],
        "2": [None] * 5,
        "2:load": [None, None, None, 30, None],
        "2:load2": [None, None, None, 20, 20],
        "2:load3": [None, None, None, 10, 60],
        "3": [None] * 5,
        "3:load": [None, None, None, 20, None],
        "3:gen1": [40, 0, 25, None, None],
    }
    assert "piecewise linear cost: a unit for each segment: generator 1, generator 2" in grid.notes


def test_code_that_sets_nothing_that_is_read_is_named_and_not_run(read):
    code = (
        "pf = 0.9;\nmpc.bus(:, QD) = mpc.bus(:, PD) * tan(acos(pf));\nmpc.bus(:, [7 11]) = 2;\n"
        "mpc.gen(find(mpc.gen(:, 8) == 1), QMAX) = 5;"
    )
    assert read(case(tail=code)).notes == [
        "set by code that is not run, so taken as the table has it: mpc.bus QD (line 27), mpc.bus BUS_AREA (line 28), "
        "mpc.bus ZONE (line 28), mpc.gen QMAX (line 29)"
    ]


def test_every_column_of_matpower_is_read_or_named():
    """pandapower carries PYPOWER's constants, which are MATPOWER's: name and position of each column."""
    pytest.importorskip("pandapower")
    from pandapower.pypower import idx_brch, idx_bus, idx_cost, idx_gen

    values = {"REF", "PQ", "PV", "NONE", "PW_LINEAR", "POLYNOMIAL"}  # of columns
    for table, module in (("bus", idx_bus), ("gen", idx_gen), ("branch", idx_brch), ("gencost", idx_cost)):
        theirs = {name: place for name, place in vars(module).items() if name.isupper() and name not in values}
        ours = {name: place for place, name in enumerate(COLUMNS[table])}
        assert {name: place for name, place in theirs.items() if name in ours} == ours
        own = {"CID_P", "CID_Q", "CZD_P", "CZD_Q", "SL_FAC"}  # pandapower's, in the places of results
        assert all(theirs[name] >= len(ours) for name in set(theirs) - set(ours) - own)


def test_what_is_listed_is_listed_where_it_is_set_and_only_there(read):
    for table, rows in (("gen", "1 1 90 10"), ("branch", "1 2 0 0.1 0 60 0 0 0 0 1"), ("gencost", "2 0 0 3 0.5 20 0")):
        columns = COLUMNS[table]
        width = {"gen": 7, "branch": 0, "gencost": 0}[table]  # that ``case`` puts before the status
        for place, (column, use) in enumerate(columns.items()):
            if use != LISTED:
                continue
            cells = rows.split() if table != "gen" else rows.split()[:1] + ["0"] * 4 + ["1", "100"] + rows.split()[1:]
            cells += ["0"] * (place + 1 - len(cells))
            cells[place] = "7"
            if table == "gen":
                cells = [cells[0], *cells[width:]]
            others = {"branch": ["2 3 0 0.2 0 0 0 0 0 0 1" + " 0" * (len(cells) - 11)]}.get(table, [])
            notes = read(case(**{table: [" ".join(cells), *others]})).notes
            whom = "branch 1-2" if table == "branch" else "generator 1"
            assert f"left out: {THEME_OF[column]}: {whom}" in notes, column


def test_costs_may_be_absent_or_followed_by_those_of_reactive_power(read):
    text = case()
    start = text.index("mpc.gencost")
    assert read(text[:start]).notes == ["cost of 0: the file has no mpc.gencost: all generators"]
    assert node_columns(read(case(gencost=["2 0 0 2 20 0", "2 0 0 2 5 0"])), "1")["gen_cost_per_mwh"] == 20


def test_limits_of_generators(read):
    ramp = " ".join(["0"] * 8)
    grid = read(case(gen=[f"1 1 Inf -5 {ramp} 12"]))
    columns = node_columns(grid, "1")
    assert (columns["gen_max_mw"], columns["gen_min_mw"], columns["gen_ramp_mw_per_h"]) == (75, 0, 24)
    assert grid.notes == [
        "infinite output limits replaced by 1.5 times all demand, 75 MW: generator 1",
        "negative Pmin taken as 0: generator 1",
    ]


def test_comments_commas_continuations_texts_and_one_line_rows(read):
    text = """function mpc = odd   % mpc.bus = [ 1 2 3 ];
%{
mpc.baseMVA = 7;
%}
mpc.version = '2'; mpc.baseMVA = 50;
mpc.bus_name = {'Bus % 1 ]'; 'it''s'};
mpc.bus = [1,3,0,0,0,0,1,1,0,0,1,1.1,0.9; 2 1 30 0 ... the rest follows
    0 0 1 1 0 0 1 1.1 0.9 % no semicolon here
    3 1 2e1 0 0 0 1 1 0 0 1 1.1 0.9 ];  % done
mpc.gen = [ 1 0 0 Inf -Inf 1 100 1 +90 0.5 ];
mpc.branch = [
    1 2 0 .1 0 0 0 0 0 0 1

    1 3 0 1.e-1 0 0 0 0 0 0 1
];
mpc.dcline = [ 1 2 3 ];
"""
    grid = read(text)
    arrays = grid.compile()
    assert arrays.base_mva == 50
    assert arrays.load_max_mw.tolist() == [0, 30, 20]
    assert arrays.gen_max_mw.tolist() == [90, 0, 0]
    assert arrays.reactance_pu.tolist() == [0.1, 0.1]
    assert grid.notes == ["cost of 0: the file has no mpc.gencost: all generators", "tables ignored: mpc.dcline"]


def test_version_1_files_without_a_struct(read):
    text = (
        case()
        .replace("mpc.", "")
        .replace("function mpc = small", "function [baseMVA, bus, gen, branch, gencost] = small")
    )
    assert read(text).compile().fingerprint == read(case()).compile().fingerprint


def test_the_unit_conversions_of_distribution_cases(read):
    tail = """
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD] = idx_bus;
Vbase = mpc.bus(1, BASE_KV) * 1e3;      %% in Volts
Sbase = mpc.baseMVA * 1e6;              %% in VA
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""
    branch = ["1 2 0 0.1 0 60 0 0 0 0 1", "2 3 0.05 0.2 0.03 0 0 0 0 0 1"]
    grid = read(case(bus=["1 3 0 0 0", "2 1 30 4 0", "3 1 20 0 0"], gen=["1 1 Inf 0"], branch=branch, tail=tail))
    arrays = grid.compile()
    assert arrays.load_max_mw.tolist() == pytest.approx([0, 0.03, 0.02])
    assert arrays.gen_max_mw.tolist() == pytest.approx([0.075, 0, 0])
    assert arrays.reactance_pu.tolist() == pytest.approx([0.1 * 100 / 135**2, 0.2 * 100 / 135**2])
    assert arrays.load_max_mvar.tolist() == pytest.approx([0, 0.004, 0])
    assert arrays.resistance_pu.tolist() == pytest.approx([0, 0.05 * 100 / 135**2])
    assert arrays.charging_pu.tolist() == pytest.approx([0, 0.03])
    assert grid.notes == [
        "infinite output limits replaced by 1.5 times all demand, 0.075 MW: generator 1",
        "loads converted from kW to MW, as the file says",
        "impedances converted from ohm to per unit, as the file says",
    ]


SAVECASE = "allowed: tables of numbers; code is not run; write the case with MATPOWER's savecase and give that file"
NUMBERS = "allowed: numbers only; write the number out; a table may be missing its closing bracket"
BAD = {
    "empty": ("", ": found no table mpc.bus; allowed: mpc.bus, mpc.gen and mpc.branch; give a whole case file"),
    "no base": (case(head=""), ": found no mpc.baseMVA; allowed: mpc.baseMVA = 100; or the like; add it"),
    "base": (case(head="mpc.baseMVA = x;"), f", line 3, mpc.baseMVA: found 'x'; {NUMBERS}"),
    "word": (case(bus=["1 3 zero 0 0"]), f", line 5, mpc.bus: found 'zero'; {NUMBERS}"),
    "formula": (case(branch=["1 2 0 1/3 0 0 0 0 0 0 1"]), f", line 17, mpc.branch: found '1/3'; {NUMBERS}"),
    "not closed": (case().replace("];", "", 1), ", line 4: found the table bus without end; allowed: a closing bracket; add it; the file may have been cut off"),
    "cut off": (case()[:150], ", line 4: found the table bus without end; allowed: a closing bracket; add it; the file may have been cut off"),
    "cut off late": (case()[:-5], ", line 21: found the table gencost without end; allowed: a closing bracket; add it; the file may have been cut off"),
    "too many lines": ("\n" * 1_000_001, ": found more than 1,000,000 lines; allowed: at most 1,000,000; give a smaller case"),
    "too many quotation marks": ("'" * 1_000_001, ": found more than 1,000,000 quotation marks; allowed: at most 1,000,000; give a smaller case"),
    "a table twice": (case() + case(), ", line 29: found the table mpc.bus twice; allowed: each table once; remove one of them"),
    "no branches": (case(branch=[]), ": found no table mpc.branch; allowed: mpc.bus, mpc.gen and mpc.branch; give a whole case file"),
    "ragged": (case(bus=["1 3 0 0 0", "2 1 30 0 0 0"]), ", line 6, mpc.bus: found 14 columns; allowed: 13, as in the row above; end each row with a semicolon and give every row all columns"),
    "narrow": (case(branch=["1 2 0 0.1"]), ", line 17, mpc.branch: found 4 columns; allowed: 11 or more; add the columns of the MATPOWER manual"),
    "double bus": (case(bus=["1 3 0 0 0", "1 1 30 0 0"]), ", line 6, mpc.bus: found bus 1 twice; allowed: each bus once; remove one of the rows"),
    "half a bus": (case(bus=["1.5 3 0 0 0"]), ", line 5, mpc.bus: found bus_i 1.5; allowed: a whole number; correct it"),
    "NaN": (case(bus=["1 3 NaN 0 0"]), ", line 5, mpc.bus: found Pd nan; allowed: a finite number; correct the value"),
    "infinite": (case(branch=["1 2 0 Inf 0 0 0 0 0 0 1"]), ", line 17, mpc.branch: found x inf; allowed: a finite number; correct the value"),
    "unknown end": (case(branch=["1 7 0 0.1 0 0 0 0 0 0 1"]), ", line 17, mpc.branch: found bus 7; allowed: a bus of mpc.bus; correct it or add the bus"),
    "unknown bus": (case(gen=["7 1 90 0"]), ", line 12, mpc.gen: found bus 7; allowed: a bus of mpc.bus; correct it or add the bus"),
    "limits": (case(gen=["1 1 9 10"]), ", line 12, mpc.gen: found Pmin 10 above Pmax 9; allowed: Pmin <= Pmax; correct one of them"),
    "cost rows": (case(gencost=["2 0 0 2 1 0"] * 3), ", line 22, mpc.gencost: found 3 rows; allowed: 1, one a generator (or twice that); add or remove rows"),
    "cost model": (case(gencost=["3 0 0 2 1 0"]), ", line 22, mpc.gencost: found model 3 with NCOST 2 and 2 values; allowed: model 2 with NCOST coefficients or model 1 with NCOST points, all finite; correct the row"),
    "cost points": (case(gencost=["1 0 0 2 1 0"]), ", line 22, mpc.gencost: found model 1 with NCOST 2 and 2 values; allowed: model 2 with NCOST coefficients or model 1 with NCOST points, all finite; correct the row"),
    "code": (case(tail="mpc.gen(:, 9) = mpc.gen(:, 9) * 2;"), f", line 26: found the code 'mpc.gen(:, 9) = mpc.gen(:, 9) * 2'; {SAVECASE}"),
    "code behind a comparison": (case(tail="mpc.gen(mpc.gen(:, 8) == 0, 9) = 5;"), f", line 26: found the code 'mpc.gen(mpc.gen(:, 8) == 0, 9) = 5'; {SAVECASE}"),
    "code that sets two columns": (case(tail="mpc.bus(:, [PD, QD]) = 0;"), f", line 26: found the code 'mpc.bus(:, [PD, QD]) = 0'; {SAVECASE}"),
    "code that removes rows": (case(tail="mpc.gen(2, :) = [];"), f", line 26: found the code 'mpc.gen(2, :) = []'; {SAVECASE}"),
    "code in place of a table": (case(tail="mpc.bus = zeros(3, 13);"), f", line 26: found the code 'mpc.bus = zeros(3, 13)'; {SAVECASE}"),
    "another case": ("mpc = loadcase('case9');", f", line 1: found the code \"mpc = loadcase('')\"; {SAVECASE}"),
    "transposed": (case().replace("];", "]';", 1), f", line 10: found the code \"]'\"; {SAVECASE}"),
    "no source": (case(gen=["1 0 90 0"]), ": grid: found nothing to control; allowed: a source or storage above 0 MW; add one, or give it power"),
    "negative limit": (case(branch=["1 2 0 0.1 0 -6 0 0 0 0 1", "2 3 0 0.2 0 0 0 0 0 0 1"]), ": line '1-2': found capacity_mw -6.0; allowed: a number > 0; correct the value"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_clear_line(tmp_path, read, name):
    text, message = BAD[name]
    with pytest.raises(GridError) as error:
        read(text)
    assert str(error.value) == f"{tmp_path / 'small.m'}{message}"


def matpower_text(tables: dict) -> str:
    """A case file with the tables of pandapower's export, buses counted from 1."""

    def rows(name: str, columns: int, buses: tuple[int, ...]) -> str:
        table = np.nan_to_num(np.real(tables[name][:, :columns]))
        table[:, list(buses)] += 1
        return "\n".join(" ".join(f"{value:.17g}" for value in row) + ";" for row in table)

    shapes = {"bus": (13, (0,)), "gen": (10, (0,)), "branch": (11, (0, 1)), "gencost": (7, ())}
    parts = [f"mpc.{name} = [\n{rows(name, *shape)}\n];" for name, shape in shapes.items()]
    return "\n".join([f"mpc.baseMVA = {tables['baseMVA']};", *parts])


@pytest.mark.parametrize("name", ["case14", "case57"])
def test_flows_are_those_that_pandapower_has_for_the_same_case(read, name):
    pandapower = pytest.importorskip("pandapower")
    networks = pytest.importorskip("pandapower.networks")
    to_ppc = pytest.importorskip("pandapower.converter.pypower").to_ppc
    net = getattr(networks, name)()
    pandapower.rundcpp(net, calculate_voltage_angles=True)
    tables = to_ppc(net, init="flat", calculate_voltage_angles=True)
    arrays = read(matpower_text(tables)).compile()

    buses = tables["bus"][:, 0].astype(int) + 1
    demand = dict(zip((str(bus) for bus in buses), net.res_bus.p_mw, strict=True))  # net demand of each bus
    injection = np.zeros(len(arrays.node_names))
    for bus, mw in demand.items():
        injection[arrays.node_names.index(bus)] = -mw
    flow = dict(zip(arrays.line_names, arrays.flow_matrix @ injection + arrays.flow_offset_mw, strict=True))
    theirs = np.concatenate([net.res_line.p_from_mw, net.res_trafo.p_hv_mw])
    start = np.concatenate([net.line.from_bus, net.trafo.hv_bus]) + 1
    end = np.concatenate([net.line.to_bus, net.trafo.lv_bus]) + 1
    pairs = [f"{a}-{b}" for a, b in zip(start, end, strict=True)]
    assert len(pairs) == len(tables["branch"])
    ours = [flow[pair] for pair in pairs if pairs.count(pair) == 1]
    assert ours == pytest.approx(
        [mw for pair, mw in zip(pairs, theirs, strict=True) if pairs.count(pair) == 1], abs=1e-6
    )
    assert sum(arrays.load_max_mw) == pytest.approx(net.load.p_mw.sum())
    assert arrays.gen_max_mw.max() == pytest.approx(np.nanmax([*net.gen.max_p_mw, *net.ext_grid.max_p_mw]))


def test_all_faults_of_a_case_come_in_one_report(tmp_path, read):
    cells = case(bus=["1 3 x 0 0", "2 1 3,5 0 y", "3 1 20 0 0"])
    rows = case(gen=["1 1 5 9", "7 1 90 0"], gencost=["2 0 0 2 1 0"] * 2, branch=["1 8 0 0.1 0 0 0 0 0 0 1"])
    for text, places in (
        (cells, [", line 5, mpc.bus", ", line 6, mpc.bus"]),
        (rows, [", line 12, mpc.gen", ", line 13, mpc.gen", ", line 17, mpc.branch"]),
    ):
        with pytest.raises(GridError) as error:
            read(text)
        assert [fault.where.removeprefix(str(tmp_path / "small.m")) for fault in error.value.faults] == places
