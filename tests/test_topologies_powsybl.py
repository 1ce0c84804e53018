"""Files that PowSyBl reads: its own power flow on the columns of the grid, and all that is left out is said.

What needs the library runs with the extra ``powsybl``; the walk over its tables runs on their columns as recorded.
"""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grid import GridError
from grid.physics import ac_flow
from topologies import load
from topologies.formats import library
from topologies.formats.powsybl_tables import LISTED, TABLES, TABLES_LISTED

VIEWS = {  # the same elements once more, what is drawn, and names
    *("aliases", "branches", "elements", "elements_ids", "elements_properties", "extension", "extensions", "terminals"),
    *("identifiables", "injections", "dangling_lines", "dangling_lines_generation", "loading_limits", "sub_network"),
    *("sub_networks", "default_nad_profile", "matrix_multi_substation_single_line_diagram", "network_area_diagram"),
    *("network_area_diagram_displayed_voltage_levels", "single_line_diagram", "validation_level", "variant_ids"),
    *("working_variant_id", "substations", "areas_boundaries", "areas_voltage_levels", "operational_limits"),
}
JOINED = {  # what makes the buses, which PowSyBl joins
    *("bus_breaker_topology", "bus_breaker_view_buses", "busbar_sections", "grounds", "node_breaker_topology"),
    *("switch_flows", "switches", "tie_lines"),
}
AT_TAP = {  # what other tables give at the present tap, section or target
    *("phase_tap_changer_steps", "ratio_tap_changer_steps", "reactive_capability_curve_points"),
    *("linear_shunt_compensator_sections", "non_linear_shunt_compensator_sections"),
}
OF_DC = {"dc_buses", "dc_grounds", "dc_nodes", "dc_switches"}  # said with dc_lines


def _names(*texts: str) -> set[str]:
    return set(" ".join(texts).split())


AT_BUS = "voltage_level_id bus_id connected"
HOLDS = "target_v voltage_regulator_on regulated_bus_id target_q min_q max_q min_q_at_target_p max_q_at_target_p"
ENDS = "voltage_level1_id voltage_level2_id bus1_id bus2_id connected1 connected2"
OF_TAP = "r{0}_at_current_tap x{0}_at_current_tap g{0}_at_current_tap b{0}_at_current_tap rho{0} alpha{0} "
WINDING = OF_TAP + "bus{0}_id voltage_level{0}_id connected{0}"
COMPENSATOR = "b_min b_max target_v target_q regulation_mode regulating regulated_bus_id"
HVDC = "converters_mode target_p nominal_v r converter_station1_id converter_station2_id connected1 connected2"

READ: dict[str, set[str]] = {
    "buses": {"name", "voltage_level_id"},
    "voltage_levels": {"nominal_v", "high_voltage_limit", "low_voltage_limit"},
    "loads": _names("p0 q0", AT_BUS),
    "generators": _names("energy_source min_p max_p target_p equivalent_local_target_v", HOLDS, AT_BUS),
    "batteries": _names("target_p target_q", AT_BUS),
    "shunt_compensators": _names("g b voltage_regulation_on", AT_BUS),
    "static_var_compensators": _names(COMPENSATOR, AT_BUS),
    "hvdc_lines": _names(HVDC),
    "vsc_converter_stations": _names("loss_factor", HOLDS, AT_BUS),
    "lcc_converter_stations": _names("loss_factor power_factor", AT_BUS),
    "lines": _names("r x g1 b1 g2 b2", ENDS),
    "2_windings_transformers": _names(OF_TAP.format(""), ENDS),
    "3_windings_transformers": _names("rated_u0", *(WINDING.format(end) for end in "123")),
    "boundary_lines": _names("r x g b p0 q0 pairing_key paired", AT_BUS),
}
"""By table, the columns that are read."""

RESULTS = {"p", "q", "i", "v_mag", "v_angle", "min_q_at_p", "max_q_at_p", "solved_section_count"} | {
    f"{name}{end}" for name in "pqi" for end in "123"
}
"""What a power flow found."""

LABELS = _names(
    "name type fictitious node bus_breaker_bus_id regulated_bus_breaker_bus_id regulated_element_id regulating_bus_id",
    "connected_component synchronous_component substation_id topology_kind ucte_xnode_code tie_line_id hvdc_line_id",
    "condenser rated_s reactive_limits_kind model_type max_section_count section_count target_deadband target_v",
    "r x g b selected_limits_group boundary_p boundary_q boundary_i boundary_v_mag boundary_v_angle",
    "min_q max_q min_q_at_target_p max_q_at_target_p",  # of batteries, whose power is constant
    *(
        f"node{end} bus_breaker_bus{end}_id rated_s{end} rated_u{end} selected_limits_group_{end} r{end} x{end} g{end} "
        f"b{end} ratio_tap_position{end} phase_tap_position{end}"
        for end in "123"
    ),
)
"""Names, ratings, and what other columns say at the present tap or section."""
RECORDED = json.loads((Path(__file__).parent / "data" / "powsybl_columns.json").read_text(encoding="utf-8"))


def unknown(getters: list[str], columns: dict[str, list[str]]) -> list[str]:
    """Tables and columns that are neither read nor said to be left out."""
    tables = {name.removeprefix("get_") for name in getters}
    known = {*READ, *TABLES_LISTED} | VIEWS | JOINED | AT_TAP | OF_DC
    found = sorted(tables - known)
    for table, names in columns.items():
        found += [
            f"{table}.{name}"
            for name in names
            if name not in READ[table] | set(LISTED.get(table, ())) | RESULTS | LABELS
        ]
    return found  # fmt: skip


def test_every_table_and_column_is_read_or_listed() -> None:
    assert unknown(RECORDED["getters"], RECORDED["columns"]) == []
    assert set(READ) == set(TABLES)
    for table, names in READ.items():
        assert names <= set(RECORDED["columns"][table]), table
    assert unknown(["get_moons"], {"loads": ["p0", "mood"]}) == ["moons", "loads.mood"]


def test_the_columns_of_the_installed_version_are_those_that_were_recorded() -> None:
    networks = pytest.importorskip("pypowsybl.network")
    network = networks.create_four_substations_node_breaker_network()
    assert unknown([name for name in dir(network) if name.startswith("get_")], {}) == []
    for table, names in RECORDED["columns"].items():
        assert list(getattr(network, f"get_{table}")(all_attributes=True).columns) == names


@pytest.mark.parametrize("name", ["a.zip", "a.xiidm", "a.uct", "a.raw", "a.dgs", "a.txt"])
def test_without_the_library_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def missing(module: str) -> Any:
        raise ImportError(module)

    monkeypatch.setattr(library.importlib, "import_module", missing)
    path = tmp_path / name
    path.write_bytes(b"PK")
    with pytest.raises(GridError) as caught:
        load(path)
    text = str(caught.value)
    assert "found a network of PowSyBl" in text
    assert "pip install load-balancer[powsybl]" in text


def test_what_is_no_network_is_refused_in_a_line(tmp_path: Path) -> None:
    pytest.importorskip("pypowsybl")
    for name, content in (("a.zip", b"PK"), ("a.xiidm", b"<iidm"), ("a.raw", b"\x00" * 99), ("a.txt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(GridError) as caught:
            load(tmp_path / name)
        assert "tables that PowSyBl cannot use" in str(caught.value)
        assert "\n" not in str(caught.value)


UCTE = """##C 2007.05.01
Two nodes
##N
##ZFR
FAAAAA11 North        0 2 400.00 0.00000 0.00000 -150.00 0.00000 0.00000 -300.00 200.000 -200.00
FBBBBB11 South        0 0        150.000 30.0000 0.00000 0.00000
##L
FAAAAA11 FBBBBB11 1 0 0.5500 16.000 13.25000   1000 Line A-B
"""
DGS = """$$General;ID(a:40);Descr(a:40);Val(a:40)
1;Version;5.0
$$ElmNet;ID(a:40);loc_name(a:40);fold_id(p);frnom(r)
10;Net;;50
$$ElmTerm;ID(a:40);loc_name(a:40);fold_id(p);uknom(r);iUsage(i);outserv(i)
101;Bus1;10;110;0;0
102;Bus2;10;110;0;0
$$ElmLne;ID(a:40);loc_name(a:40);fold_id(p);typ_id(p);dline(r);outserv(i)
201;Line12;10;301;10;0
$$TypLne;ID(a:40);loc_name(a:40);rline(r);xline(r);cline(r);bline(r)
301;TypeA;0.1;0.4;0.01;3
$$ElmSym;ID(a:40);loc_name(a:40);fold_id(p);pgini(r);qgini(r);usetp(r);typ_id(p);outserv(i);av_mode(a:10);ip_ctrl(i)
401;Gen1;10;50;10;1.02;320;0;constv;1
$$TypSym;ID(a:40);loc_name(a:40);sgn(r);cosn(r);Pmax_uc(r)
320;GenType;100;0.9;90
$$ElmLod;ID(a:40);loc_name(a:40);fold_id(p);plini(r);qlini(r);outserv(i)
501;Load2;10;50;20;0
$$StaCubic;ID(a:40);loc_name(a:40);fold_id(p);obj_bus(i);obj_id(p)
601;c1;101;0;201
602;c2;102;1;201
605;c5;101;0;401
606;c6;102;0;501
"""


@pytest.mark.parametrize(
    ("file", "text", "load_mw", "reactance_pu", "capacity_mw"),
    [("a.uct", UCTE, 150, 16 / (380**2 / 100), sqrt(3) * 380), ("a.dgs", DGS, 50, 10 * 0.4 / (110**2 / 100), None)],
)
def test_small_files_of_ucte_and_powerfactory(
    tmp_path: Path, file: str, text: str, load_mw: float, reactance_pu: float, capacity_mw: float | None
) -> None:
    """UCTE gives ohm, A and negative generation, and 400 kV nodes a nominal voltage of 380; PowerFactory ohm a km."""
    pytest.importorskip("pypowsybl")
    (tmp_path / file).write_text(text)
    grid = load(tmp_path / file)
    assert sum(node.get("load_max_mw", 0) for _, node in grid.graph.nodes(data=True)) == load_mw
    ((*_, line),) = grid.lines()
    assert line["reactance_pu"] == pytest.approx(reactance_pu)
    assert line.get("capacity_mw") == (None if capacity_mw is None else pytest.approx(capacity_mw))


def solved(name: str, tmp_path: Path) -> tuple[Any, Path]:
    """A network of PowSyBl with its power flow, and the file that it came from."""
    networks, flows = pytest.importorskip("pypowsybl.network"), pytest.importorskip("pypowsybl.loadflow")
    network, path = getattr(networks, f"create_{name}")(), tmp_path / f"{name}.xiidm"
    network.save(path)
    details = {"newtonRaphsonConvEpsPerEq": "1e-9", "slackBusSelectionMode": "LARGEST_GENERATOR"}
    details |= {"voltageRemoteControl": "false"}
    asked = flows.Parameters(
        distributed_slack=False, transformer_voltage_control_on=False, phase_shifter_regulation_on=False,
        shunt_compensator_voltage_control_on=False, provider_parameters=details,
    )  # fmt: skip
    result, *_ = flows.run_ac(network, asked)
    assert result.status.name == "CONVERGED"
    return network, path


@pytest.mark.parametrize(("kind", "suffix"), [("CGMES", ".zip"), ("PSS/E", ".raw"), ("JIIDM", ".jiidm")])
def test_a_network_is_the_same_in_every_format(tmp_path: Path, kind: str, suffix: str) -> None:
    network = pytest.importorskip("pypowsybl.network").create_ieee14()
    grids = []
    for format_, path in (("XIIDM", tmp_path / "a.xiidm"), (kind, tmp_path / f"b{suffix}")):
        network.save(path, format=format_)
        grids.append(load(path).compile())
    one, other = grids
    assert len(one.line_names) == len(other.line_names)
    same = ["load_max_mw", "load_max_mvar", "gen_max_mw", "reactance_pu", "resistance_pu"]
    if kind != "CGMES":  # which has one charging for both ends of a line between two nominal voltages
        same.append("charging_pu")
    for column in same:
        np.testing.assert_allclose(np.sort(getattr(one, column)), np.sort(getattr(other, column)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["ieee9", "ieee14", "ieee30", "ieee57", "ieee118", "ieee300", "eurostag_tutorial_example1_network"]
)
def test_voltages_and_totals_are_those_of_powsybl(tmp_path: Path, name: str) -> None:
    pytest.importorskip("numba")
    network, path = solved(name, tmp_path)
    grid = load(path)
    arrays = grid.compile()
    buses, loads = network.get_buses(all_attributes=True), network.get_loads()
    place = {node: i for i, node in enumerate(arrays.node_names)}
    fixed_mw = np.where(arrays.gen_min_mw == arrays.gen_max_mw, arrays.gen_max_mw, 0.0)
    assert (arrays.load_max_mw - fixed_mw).sum() == pytest.approx(loads.p0.sum(), rel=1e-9)
    assert grid.graph.number_of_edges() - len(grid.connectors()) == len(network.get_branches())
    named = buses.name if buses.name.is_unique and buses.name.all() else buses.index.to_series()
    injection_mw = fixed_mw - arrays.load_max_mw
    for bus, taken_mw in network.get_generators()[["bus_id", "p"]].itertuples(index=False):
        injection_mw[place[named[bus]]] -= taken_mw
    flow = ac_flow(arrays).solve(injection_mw[None], arrays.load_max_mvar[None].copy(), None)
    nominal_kv = network.get_voltage_levels().nominal_v.loc[buses.voltage_level_id].to_numpy()
    ours = flow.voltage_pu[0][[place[node] for node in named]]
    np.testing.assert_allclose(ours, buses.v_mag.to_numpy() / nominal_kv, rtol=0, atol=1e-8)


def test_what_is_assumed_and_left_out_of_a_network_is_said(tmp_path: Path) -> None:
    _, path = solved("four_substations_node_breaker_network", tmp_path)
    said = "\n".join(load(path).notes)
    for text in (
        "cost of 0/MWh assumed by its source, HYDRO: the file has none: generator GH1",
        "taken as constant demand at one end and constant infeed at the other: hvdc line HVDC1, hvdc line HVDC2",
        "tap taken as it is: what controls it is left out: ratio_tap_changers TWT",
        "limits for some minutes left out: the permanent ones hold: branch LINE_S3S4",
    ):
        assert text in said
