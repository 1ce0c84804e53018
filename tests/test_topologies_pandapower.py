"""pandapower networks: the same flows as pandapower, units with their signs, what is assumed, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ac import IN_AC, without
from envs import EnvConfig, GridBatch
from grid import GridError
from grid.kinds import KIND_NAMES
from grid.planning import optimum
from slow_cases import slow
from topologies import load

pandapower = pytest.importorskip("pandapower")
networks = pytest.importorskip("pandapower.networks")
BUS_PD, BUS_GS, GEN_BUS, GEN_PG, GEN_STATUS, FLOW = 2, 4, 0, 1, 7, 13


def saved(net: Any, folder: Path) -> Path:
    path = folder / "net.json"
    pandapower.to_json(net, str(path))
    return path


def flows_apart_mw(net: Any, path: str | Path) -> tuple[float, int]:
    """The largest difference between pandapower's flows and ours for its injections, and the number of branches."""
    pandapower.rundcpp(net)
    bus, branch, gen = (np.real(net._ppc[name]) for name in ("bus", "branch", "gen"))
    injection_mw = -bus[:, BUS_PD] - bus[:, BUS_GS]
    for unit in gen[gen[:, GEN_STATUS] > 0]:
        injection_mw[int(unit[GEN_BUS])] += unit[GEN_PG]
    arrays = load(path).compile()
    ours = {name: i for i, name in enumerate(arrays.node_names)}
    place_of = {int(i): int(net._pd2ppc_lookups["bus"][i]) for i in net.bus.index[net.bus.in_service]}
    texts = [str(net.bus.name.at[i]) for i in place_of]
    named = "None" not in texts and len(set(texts)) == len(texts)
    node_of: dict[int, str] = {}
    for (index, place), text in zip(place_of.items(), texts, strict=True):
        node_of.setdefault(place, text if named else str(index))
    power = np.zeros(len(ours))
    for place, mw in enumerate(injection_mw):
        node = node_of.get(place, f"inner {place}")
        assert node in ours or abs(mw) < 1e-9
        power[ours.get(node, 0)] += mw
    flow_mw = arrays.flow_matrix @ power + arrays.flow_offset_mw
    worst, count = 0.0, 0
    for kind, (first, last) in net._pd2ppc_lookups["branch"].items():
        index = list(net[kind].index)
        for position in range(first, last):
            block, row = divmod(position - first, len(index))
            side = f" {('hv', 'mv', 'lv')[block]}" if kind == "trafo3w" else ""
            if f"{kind} {index[row]}{side}" in arrays.line_names:
                line = arrays.line_names.index(f"{kind} {index[row]}{side}")
                worst, count = max(worst, abs(flow_mw[line] - branch[position, FLOW])), count + 1
    return worst, count


@pytest.mark.parametrize("name", ["case14", *slow("example_multivoltage", "case39", "case118")])
def test_flows_are_those_of_pandapower(name):
    net = getattr(networks, name)()
    worst_mw, count = flows_apart_mw(net, f"pandapower:{name}")
    assert worst_mw < 1e-6
    assert count == len(net._ppc["branch"])


def made() -> Any:
    """A network with one of everything."""
    net = pandapower.create_empty_network(name="made", sn_mva=50)
    buses = [pandapower.create_bus(net, 110, name=f"bus {i}", geodata=(i, i % 2)) for i in range(6)]
    pandapower.create_ext_grid(net, buses[0], max_p_mw=90, min_p_mw=-10)
    for start, end in ((0, 1), (1, 2), (2, 3), (3, 0)):
        pandapower.create_line_from_parameters(net, start, end, 10, 0.1, 0.4, 10, 0.5, df=0.9, parallel=2)
    pandapower.create_transformer_from_parameters(
        net, 3, 4, 40, 110, 110, 0.5, 12, 0, 0, shift_degree=30, tap_side="hv", tap_neutral=0, tap_pos=2,
        tap_step_percent=1.5, tap_changer_type="Ratio", max_loading_percent=80,
    )  # fmt: skip
    pandapower.create_switch(net, 4, 5, "b", closed=True)
    pandapower.create_gen(net, 1, 20, max_p_mw=30, min_p_mw=5)
    pandapower.create_poly_cost(net, 0, "gen", cp1_eur_per_mw=12, cp2_eur_per_mw2=0.5, cp0_eur=3)
    pandapower.create_pwl_cost(net, 0, "ext_grid", [[0, 10, 1], [10, 40, 5]])
    pandapower.create_sgen(net, 2, 6, scaling=0.5)
    pandapower.create_sgen(net, 3, 6, controllable=True, max_p_mw=8, min_p_mw=0)
    pandapower.create_load(net, 2, 10, scaling=0.8)
    pandapower.create_load(net, 5, 7)
    pandapower.create_shunt(net, 5, q_mvar=0, p_mw=2)
    pandapower.create_ward(net, 4, 1, 0, 0.5, 0)
    pandapower.create_storage(
        net, 1, 2, 40, soc_percent=25, min_e_mwh=4, max_p_mw=9, min_p_mw=-11, max_q_mvar=0, min_q_mvar=0
    )
    pandapower.create_dcline(net, 0, 2, 4, loss_percent=5, loss_mw=0.2, vm_from_pu=1, vm_to_pu=1)
    return net


def test_every_kind_of_element_finds_its_place(tmp_path):
    grid = load(saved(made(), tmp_path))
    arrays = grid.compile()
    units = {name: without(grid.graph.nodes[name], "x", "y") for name in grid.graph}
    assert grid.base_mva == 50
    assert units["bus 0:ext_grid 0"] == {"kind": "source", "gen_max_mw": 10, "gen_min_mw": 0, "gen_cost_per_mwh": 1}
    assert units["bus 0:ext_grid 0 segment 2"] == {"kind": "source", "gen_max_mw": 80, "gen_cost_per_mwh": 5}
    assert units["bus 0:load"] == {"kind": "consumer", "load_max_mw": 4}  # the DC line's start
    assert units["bus 1:gen 0"] == {
        "kind": "source", "gen_max_mw": 30, "gen_min_mw": 5, "gen_cost_per_mwh": 12, "gen_cost_per_mw2h": 0.5,
    }  # fmt: skip
    assert units["bus 1:storage 0"] == {
        "kind": "storage", "store_max_mwh": 40, "store_min_mwh": 4, "store_init_mwh": 10, "charge_max_mw": 9,
        "discharge_max_mw": 11,
    }  # fmt: skip
    # 8 MW of demand less 3 MW of constant infeed and the 3.6 MW that the DC line delivers
    assert units["bus 2"] == {"kind": "consumer", "load_max_mw": pytest.approx(8 - 3 - 3.6)}
    assert units["bus 3"] == {"kind": "source", "gen_max_mw": 8, "gen_min_mw": 0, "gen_cost_per_mwh": 0}
    assert units["bus 4"] == {"kind": "consumer", "load_max_mw": 7 + 2 + 1.5}  # bus 5 is joined to it by the switch
    assert "bus 5" not in units
    lines = dict(zip(arrays.line_names, arrays.capacity_mw, strict=True))
    assert lines["line 0"] == pytest.approx(0.5 * 0.9 * 2 * math.sqrt(3) * 110)
    assert lines["trafo 0"] == pytest.approx(40 * 0.8)
    assert arrays.x[list(arrays.node_names).index("bus 3")] == 3
    assert KIND_NAMES[arrays.node_kind[list(arrays.node_names).index("bus 1")]] == "junction"
    assert grid.notes == [
        "joined to another bus by closed switches: bus 5",
        "a DC line taken as demand at its one end and infeed at the other, both constant: dcline 0",
        "constant cost left out: every generator is always on: gen 0",
        "negative min_p_mw taken as 0: it cannot take power here: ext_grid 0",
        "piecewise linear cost: a unit for each segment: ext_grid 0",
        "cost of 0: the file has none: sgen 1",
        "efficiency of 0.95 each way assumed: pandapower knows none: storage 0",
        "limit at 100 % loading, as the file states no other: line",
    ]


def test_reactive_power_and_voltages_of_every_element(tmp_path):
    net = pandapower.create_empty_network(sn_mva=100)
    for kv, low, high in ((110, 0.9, 1.1), (110, 0.95, 1.05), (110, math.nan, math.nan), (20, 0.9, 1.2), (20, 1, 0.9)):
        pandapower.create_bus(net, kv, min_vm_pu=low, max_vm_pu=high)
    pandapower.create_switch(net, 0, 1, "b")  # bus 1 is bus 0
    pandapower.create_ext_grid(net, 0, vm_pu=1.03, max_p_mw=90, min_p_mw=0, min_q_mvar=-40, max_q_mvar=50)
    pandapower.create_gen(net, 1, 5, vm_pu=1.03, max_p_mw=9, min_p_mw=0)
    pandapower.create_gen(net, 2, 0, vm_pu=1.01, max_p_mw=0, min_p_mw=0, min_q_mvar=-6, max_q_mvar=8)
    pandapower.create_load(net, 2, 10, q_mvar=4, scaling=0.5)
    pandapower.create_sgen(net, 2, 1, q_mvar=0.25)
    pandapower.create_sgen(net, 3, 3, q_mvar=0.5, scaling=2, controllable=True, max_p_mw=8, min_p_mw=0)
    pandapower.create_storage(net, 3, 1, 9, q_mvar=0.75, max_p_mw=2, min_p_mw=-2)
    pandapower.create_shunt(net, 3, q_mvar=-2, p_mw=0.5, vn_kv=10, step=2)
    pandapower.create_ward(net, 3, 1, 0.5, 2, 3)
    pandapower.create_motor(net, 4, 3, cos_phi=0.6, efficiency_percent=100, loading_percent=100)
    pandapower.create_asymmetric_load(net, 4, 1, 1, 1, 0.1, 0.2, 0.3)
    pandapower.create_xward(net, 4, 0, 0.2, 0, 0.3, 0.1, 0.3, 1.02)
    pandapower.create_dcline(
        net, 0, 3, 0, 0, 0, vm_from_pu=1.04, vm_to_pu=1.0, min_q_to_mvar=-1, max_q_to_mvar=2, min_q_from_mvar=-3
    )
    for start, end in ((0, 2), (3, 4)):
        pandapower.create_line_from_parameters(net, start, end, 10, 0.1, 0.4, 10, 0.5)
    pandapower.create_transformer_from_parameters(net, 2, 3, 40, 110, 20, 0.5, 12, 30, 0.2)
    grid = load(saved(net, tmp_path))
    held = {
        node: {name: round(value, 9) for name, value in data.items() if name in IN_AC and name not in BANDS}
        for node, data in grid.graph.nodes(data=True)
    }
    assert {node: columns for node, columns in held.items() if columns} == {
        "0": {"voltage_set_pu": 1.03},  # the end of the DC line; at the reference bus no limits are enforced
        "0:ext_grid 0": {"voltage_set_pu": 1.03},
        "0:gen 0": {"voltage_set_pu": 1.03},
        "2": {"load_max_mvar": 2 - 0.25, "voltage_set_pu": 1.01, "gen_min_mvar": -6, "gen_max_mvar": 8},
        "3": {"shunt_mvar": 2 * 2 * 4 - 3, "voltage_set_pu": 1.0, "gen_min_mvar": -1, "gen_max_mvar": 2},
        "3:load": {"load_max_mvar": 0.5, "shunt_mw": 0.5 * 2 * 4 + 2},
        "3:sgen 1": {"load_max_mvar": -1},
        "3:storage 0": {"load_max_mvar": 0.75},
        "4": {"load_max_mvar": 4 + 0.6 + 0.2, "shunt_mvar": -0.3},
        "inner 4": {"voltage_set_pu": 1.02},
    }
    nodes = grid.graph.nodes
    assert [nodes["0"][name] for name in BANDS] == [110, 0.95, 1.05]  # the tightest
    assert [nodes["3:load"][name] for name in BANDS] == [20, 0.9, 1.2]
    assert [nodes["4"].get(name) for name in BANDS] == [20, None, None]
    assert {
        "voltage set-point left out: the bus has another one already: dcline 0",
        "band of voltage left out: not above 0, or upside down: bus 4",
    } < set(grid.notes)
    assert not any("not read" in note for note in grid.notes)
    lines = {name: data for name, _, _, data in grid.lines()}
    assert lines["line 0"]["resistance_pu"] == pytest.approx(1 / 121)
    assert lines["line 0"]["charging_pu"] == pytest.approx(2 * math.pi * 50 * 100e-9 * 121)
    assert lines["trafo 0"]["conductance_pu"] == pytest.approx(30e-3 / 100, rel=0.01)
    assert lines["trafo 0"]["charging_pu"] < 0


def test_a_branch_that_differs_between_its_ends_is_taken_alike(tmp_path):
    net = pandapower.create_empty_network()
    for _ in range(2):
        pandapower.create_bus(net, 20)
    pandapower.create_ext_grid(net, 0, max_p_mw=9)
    pandapower.create_load(net, 1, 8)
    pandapower.create_impedance(net, 0, 1, 0.01, 0.2, 1, rtf_pu=0.03, xtf_pu=0.2)
    grid = load(saved(net, tmp_path))
    assert "taken alike from both ends, as it is from its first one: impedance 0" in grid.notes
    assert grid.lines()[0][3]["resistance_pu"] == pytest.approx(0.01)


BANDS = ("base_kv", "voltage_min_pu", "voltage_max_pu")


def test_whatever_is_set_and_not_read_is_said(tmp_path):
    net = made()
    pandapower.create_poly_cost(net, 0, "storage", cp1_eur_per_mw=45)
    net.load["max_p_mw"] = [math.nan, 12.0]
    net.load.loc[0, "const_z_p_percent"] = 30.0
    net.gen["my_own"] = "word"
    net.gen["sn_mva"] = 35.0
    net.storage["controllable"] = True
    net.ext_grid["s_sc_max_mva"] = 1000.0
    pandapower.create_measurement(net, "p", "load", 1.0, 0.1, 0)
    data = json.loads(pandapower.to_json(net))
    data["_object"]["profiles"] = {"load": data["_object"]["load"], "notes": "x"}
    before = load(saved(made(), tmp_path)).notes
    (tmp_path / "net.json").write_text(json.dumps(data))
    assert sorted(set(load(tmp_path / "net.json").notes) - set(before)) == [
        "cost left out: not of a source that is dispatched: storage 0",
        "gen.my_own not read: gen 0",
        "gen.sn_mva not read: gen 0",
        "left out, as the model has no place for it: 1 rows of measurement",
        "load.max_p_mw not read: load 1",
        "not read, about reactive power, voltage or short circuits: load.const_z_p_percent, ext_grid.s_sc_max_mva",
        "not read, so what it varies over time is constant; give it as profiles: 2 rows of profiles.load",
        "storage.controllable not read: storage 0",
    ]


def test_a_generator_that_is_not_controllable_is_held_and_a_slack_one_may_give_all(tmp_path):
    net = made()
    pandapower.create_gen(net, 3, 20, max_p_mw=30, min_p_mw=5, controllable=False)
    pandapower.create_gen(net, 3, 0, slack=True)
    grid = load(saved(net, tmp_path))
    held, slack = (grid.graph.nodes[f"bus 3:gen {i}"] for i in (1, 2))
    assert (held["gen_min_mw"], held["gen_max_mw"]) == (20, 20)
    assert slack["gen_max_mw"] == pytest.approx(
        1.5 * (4 + 8 - 3.6 + 7 + 2 + 1.5)
    )  # as an external grid: more than all demand


def test_costs_that_do_not_rise_are_taken_at_their_mean_slope(tmp_path):
    net = made()
    net.pwl_cost.at[0, "points"] = [[0, 10, 5], [10, 40, 1]]
    grid = load(saved(net, tmp_path))
    assert grid.graph.nodes["bus 0:ext_grid 0"]["gen_cost_per_mwh"] == 2
    assert "piecewise linear cost that is not convex replaced by its mean slope: ext_grid 0" in grid.notes


def test_generators_that_are_slack_stand_for_the_outside_and_fixed_ones_stay_fixed(tmp_path):
    """Against pandapower: its DC optimal power flow costs 800, where the fixed generator gives 40 of 60 MW."""
    net = pandapower.create_empty_network()
    for _ in range(2):
        pandapower.create_bus(net, 110)
    pandapower.create_load(net, 1, 60)
    pandapower.create_gen(net, 0, 0, slack=True)
    pandapower.create_gen(net, 1, 40, controllable=False, min_p_mw=0, max_p_mw=100)
    pandapower.create_line_from_parameters(net, 0, 1, 10, 0.06, 0.4, 0, 0.3)
    pandapower.create_poly_cost(net, 0, "gen", cp1_eur_per_mw=30)
    pandapower.create_poly_cost(net, 1, "gen", cp1_eur_per_mw=5)
    path = saved(net, tmp_path)
    batch = GridBatch(EnvConfig(topology=load(path), horizon=1), 1, seed=0)
    batch.reset()
    best = optimum(batch.arrays, batch.episode_inputs(0), batch.prices)
    assert best.cost == pytest.approx(40 * 5 + 20 * 30)
    pandapower.rundcpp(net)
    assert best.gen_mw[0, :].max() == pytest.approx(40)
    assert best.gen_mw[0, 0] == pytest.approx(net.res_gen.p_mw.at[0]) == pytest.approx(20)


def test_what_is_never_read_may_hold_anything(tmp_path):
    text = pandapower.to_json(made())
    (tmp_path / "net.json").write_text(text.replace('"std_types": {', '"std_types": {"odd": NaN, ', 1))
    assert load(tmp_path / "net.json").notes == load(saved(made(), tmp_path)).notes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"baseMVA": 100, "bus": [], "gen": [], "branch": []},
            "found a case of PYPOWER, MATPOWER or PowerModels in JSON; allowed: node-link JSON, or a network that "
            "pandapower 2 or later has written; write it as a MATPOWER case (.m), by PowerModels.export_matpower or",
        ),
        (
            {"bus": {}, "line": {}, "load": {}, "version": 1.4},
            "found tables like those of pandapower before version 2; allowed: node-link JSON, or a network that "
            "pandapower 2 or later has written; open it with pandapower, and write it anew with pandapower.to_json",
        ),
    ],
)
def test_json_of_other_programs_is_said_what_it_is(tmp_path, data, message):
    (tmp_path / "other.json").write_text(json.dumps(data))
    with pytest.raises(GridError) as caught:
        load(tmp_path / "other.json")
    assert message in str(caught.value)
    assert len(caught.value.faults) == 1


def test_costs_of_reactive_power_leave_those_of_active_power_alone(tmp_path):
    net = made()
    pandapower.create_pwl_cost(net, 0, "ext_grid", [[-20, 20, 99]], power_type="q", check=False)
    pandapower.create_pwl_cost(net, 0, "gen", [[-20, 20, 99]], power_type="q", check=False)
    net.poly_cost.loc[:, ["cq1_eur_per_mvar", "cq2_eur_per_mvar2"]] = 99
    nodes = load(saved(net, tmp_path)).graph.nodes
    assert nodes["bus 0:ext_grid 0"]["gen_cost_per_mwh"] == 1
    columns = nodes["bus 1:gen 0"]
    assert (columns["gen_cost_per_mwh"], columns["gen_cost_per_mw2h"]) == (12, 0.5)


def test_flows_of_a_network_with_everything_are_those_of_pandapower(tmp_path):
    net = made()
    pandapower.create_bus(net, 20, name="mv")
    pandapower.create_bus(net, 10, name="lv")
    pandapower.create_transformer3w_from_parameters(
        net, 0, 6, 7, 110, 20, 10, 40, 25, 15, 10, 9, 8, 0.3, 0.3, 0.3, 0, 0, shift_mv_degree=30
    )
    pandapower.create_impedance(net, 1, 3, 0.01, 0.2, 100)
    pandapower.create_load(net, 6, 3)
    pandapower.create_xward(net, 7, 1, 0, 0.5, 0, 0.1, 0.3, 1.0)
    pandapower.create_switch(net, 2, 2, "l", closed=False)  # line 2 ends open
    net.line.loc[3, "in_service"] = False
    worst_mw, count = flows_apart_mw(net, saved(net, tmp_path))
    assert worst_mw < 1e-6
    assert count >= 8


def test_what_is_missing_is_assumed_and_said(tmp_path):
    net = pandapower.create_empty_network()
    for _ in range(3):
        pandapower.create_bus(net, 20)
    pandapower.create_ext_grid(net, 0)
    pandapower.create_gen(net, 1, 5)
    pandapower.create_load(net, 1, 8)
    pandapower.create_load(net, 2, 1)  # no source reaches it
    pandapower.create_storage(net, 0, 1, math.nan)
    pandapower.create_line_from_parameters(net, 0, 1, 1, 0.1, 0.4, 10, 99999)
    assert load(saved(net, tmp_path)).assumed() == [
        "no max_p_mw above 0: taken as 1.5 times all demand, 13.5 MW: ext_grid 0",
        "no min_p_mw: taken as 0, so surplus is curtailed where pandapower lets it flow out: ext_grid 0",
        "cost of 0: the file has none: ext_grid 0, gen 0",
        "no max_p_mw: its present output taken as its largest: gen 0",
        "no min_p_mw: taken as 0: gen 0",
        "no max_e_mwh: taken as constant demand or infeed of its present power: storage 0",
        "no limit: its rating is missing, 0, all nines or huge: line 0",
        "left out, as no source reaches it: node 2",
        "unlimited capacity for 1 of 1 lines: line 0",
        "no reactive demand",
    ]
