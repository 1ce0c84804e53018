"""The bundled grids: what they are, and that there is something to be won on them."""

from __future__ import annotations

import numpy as np
import pytest

from ac import in_dc
from envs import EnvConfig, GridBatch
from grid.planning.optimum import optimum
from topologies import load, names

FINGERPRINTS = {
    "case118": "86844b8b8a3b8566",
    "case14": "3c8cee2e9acb20b6",
    "classic": "04e4f50fe03da51b",
    "triangle": "6bca798c708277c4",
}


@pytest.mark.parametrize("name", names())
def test_bundled_grids_do_not_change_by_accident(name):
    grid = load(name)
    assert grid.compile().fingerprint == in_dc(grid).compile().fingerprint == FINGERPRINTS[name]
    assert grid.origin
    assert grid.licence
    assert all(note.startswith("unlimited capacity") for note in grid.assumed())


def test_what_the_classic_grid_consists_of():
    arrays = load("classic").compile()
    assert np.bincount(arrays.node_kind).tolist() == [3, 5, 15]
    assert arrays.peak_load_mw == pytest.approx(19.5)
    assert set(arrays.load_profile) == {None, "classic"}


@pytest.mark.parametrize(("name", "lines", "peak_mw"), [("case14", 20, 259.0), ("case118", 186, 4242.0)])
def test_the_network_and_demand_of_ieee_cases_are_the_published_ones(name, lines, peak_mw):
    networks = pytest.importorskip("pandapower.networks")
    to_ppc = pytest.importorskip("pandapower.converter.pypower").to_ppc
    tables = to_ppc(getattr(networks, name)(), init="flat", calculate_voltage_angles=True)
    arrays = load(name).compile()
    bus = [name.split(":")[0] for name in arrays.node_names]
    ends = zip(arrays.line_from, arrays.line_to, strict=True)
    ours = sorted(
        (*sorted((bus[a], bus[b])), x, tap)
        for (a, b), x, tap in zip(ends, arrays.reactance_pu, arrays.tap, strict=True)
        if bus[a] != bus[b]
    )
    branch = np.real(tables["branch"][:, [0, 1, 3, 8]])
    theirs = sorted((*sorted((f"{a + 1:.0f}", f"{b + 1:.0f}")), x, tap or 1.0) for a, b, x, tap in branch)
    assert len(ours) == lines
    assert [line[:2] for line in ours] == [line[:2] for line in theirs]
    figures = np.array([line[2:] for line in ours]), np.array([line[2:] for line in theirs])
    assert figures[0] == pytest.approx(figures[1], abs=1e-5, rel=5e-3)  # its transformer model changes a few by 0.4 %
    demand = dict(zip(arrays.node_names, arrays.load_max_mw, strict=True))
    assert [demand[f"{row[0] + 1:.0f}"] for row in tables["bus"]] == pytest.approx(tables["bus"][:, 2].tolist())
    assert arrays.peak_load_mw == pytest.approx(peak_mw)


@pytest.mark.parametrize(("name", "episodes", "hours"), [("classic", 20, 48), ("case14", 20, 48), ("case118", 5, 24)])
def test_the_merit_order_loses_to_the_optimum_by_congestion_and_by_idle_stores(name, episodes, hours):
    batch = GridBatch(EnvConfig(topology=name, horizon=hours, split="test"), episodes, seed=0)
    batch.reset()
    arrays, reference = batch.arrays, batch.reference_cost.sum()
    inputs = [batch.episode_inputs(i) for i in range(episodes)]
    congested = []
    done = False
    while not done:
        *_, done = batch.step_setpoint(batch.action_map.merit_setpoint(batch.limits, batch.inputs))
        congested.append((np.abs(batch.last.outcome.flow_mw) >= 0.999 * arrays.capacity_mw).any(axis=1))
    plans = [optimum(arrays, each) for each in inputs]
    gap_frac = (batch.metrics["cost"].sum() - sum(plan.cost for plan in plans)) / reference
    assert 0.10 < gap_frac < 0.30
    assert 0.15 < np.mean(congested) < 0.70

    load_mwh = sum(each.load_mw.sum() for each in inputs)
    overload_mwh = sum(np.clip(np.abs(plan.flow_mw) - arrays.capacity_mw, 0, None).sum() for plan in plans)
    assert sum(plan.shed_mw.sum() for plan in plans) < 1e-4 * load_mwh
    assert overload_mwh < 1e-4 * load_mwh
    used = np.mean([plan.discharge_mw for plan in plans], axis=(0, 1))[arrays.is_store]
    assert (used * hours > 0.1 * arrays.store_max_mwh[arrays.is_store]).all()  # every store is of use
