"""Generated grids: names, the same grid everywhere, and grids on which there is something to be won."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import subprocess
import sys

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ac import in_dc
from envs import EnvConfig, GridBatch
from grid import GridError
from grid.planning.optimum import optimum
from strategies import CHECKED
from topologies import expand, load
from topologies.generate import SHAPES

FORMS = (
    "gen:NODES:SEED, such as gen:40:7; to train on many: gen:NODESxCOUNT or gen:LEAST..MOSTxCOUNT[:FIRST_SEED], "
    "such as gen:40..60x200"
)
FINGERPRINTS = {
    "gen:5:0": "846a1c3a89e6f07c",
    "gen:12:3": "bcfe446dfbe0d2ae",
    "gen:40:7": "edceb9470ae493c6",
    "gen:57:11": "9ea9c1fb64998ef6",
    "gen:118:4294967295": "8f454feb7db8255e",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_a_name_stands_for_the_same_grid_everywhere(name):
    """In DC, in which the base of per unit does not count, it is that of the first version."""
    assert in_dc(load(name), base_mva=100.0).compile().fingerprint == FINGERPRINTS[name]


def test_a_name_stands_for_the_same_grid_in_every_process():
    code = "from topologies import load; print(load('gen:40:7').compile().fingerprint)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == load("gen:40:7").compile().fingerprint


@CHECKED
@given(st.integers(5, 120), st.integers(0, 2**32 - 1))
def test_every_name_gives_a_connected_grid_of_its_size_that_can_serve_its_demand(size, seed):
    grid = load(f"gen:{size}:{seed}")
    arrays = grid.compile()
    assert grid.name == f"gen:{size}:{seed}"
    assert grid.origin.rsplit(": ")[-1] in SHAPES
    assert grid.licence
    assert grid.assumed() == []
    assert len(arrays.node_names) == size
    assert nx.is_connected(grid.graph)
    assert np.isfinite([arrays.x, arrays.y]).all()
    thermal = np.array([name is None for name in arrays.gen_profile])
    assert arrays.gen_max_mw[thermal].sum() > 0.99 * arrays.peak_load_mw
    assert arrays.is_store.any()
    assert (arrays.is_source & thermal).sum() >= 2
    ends = np.bincount(arrays.edge_index[0]) == 1
    for end in (arrays.line_from, arrays.line_to):  # a line to a single unit carries whatever the unit can do
        own = ends[end]
        assert (arrays.capacity_mw[own] >= arrays.gen_max_mw[end][own]).all()
        assert (arrays.capacity_mw[own] >= arrays.load_max_mw[end][own]).all()


def test_radial_grids_have_no_meshes_and_the_others_do():
    found = {}
    for seed in range(12):
        grid = load(f"gen:30:{seed}")
        found.setdefault(grid.origin.rsplit(": ")[-1], []).append(grid.graph.number_of_edges())
    assert set(found) == set(SHAPES)
    assert set(found["radial"]) == {29}
    assert min(found["meshed"] + found["small-world"]) > 29


def test_all_kinds_of_units_and_of_their_limits_occur():
    grids = [load(name).compile() for name in expand("gen:20..40x12")]
    for column in ("gen_min_mw", "gen_cost_per_mw2h", "store_loss_frac_per_h"):
        share = np.mean([(getattr(arrays, column) > 0).any() for arrays in grids])
        assert 0.3 < share <= 1, column
    assert np.mean([np.isfinite(arrays.gen_ramp_mw_per_h).any() for arrays in grids]) > 0.5
    profiles = {name for arrays in grids for name in (*arrays.gen_profile, *arrays.load_profile)}
    assert profiles == {None, "sun", "wind", "household", "commerce", "industry"}


def test_the_merit_order_loses_to_the_optimum_on_most_of_them_and_nobody_lacks_power():
    gaps, congested, unserved = [], [], 0.0
    for name in expand("gen:5..40x20:500"):
        batch = GridBatch(EnvConfig(topology=name, horizon=24, split="test"), 3, seed=0)
        batch.reset()
        inputs, hot, done = [batch.episode_inputs(i) for i in range(3)], [], False
        while not done:
            *_, done = batch.step_setpoint(batch.action_map.merit_setpoint(batch.limits, batch.inputs))
            hot.append((np.abs(batch.last.outcome.flow_mw) > batch.arrays.capacity_mw).any(axis=1))
        best = sum(optimum(batch.arrays, each).cost for each in inputs)
        gaps.append((batch.metrics["cost"].sum() - best) / batch.reference_cost.sum())
        congested.append(np.mean(hot))
        unserved += batch.metrics["unserved_mwh"].sum()
    assert unserved == 0
    assert np.median(gaps) > 0.05
    assert np.mean((np.array(gaps) > 0.03) & (np.array(gaps) < 0.4)) >= 0.8
    assert 0.05 < np.median(congested) < 0.6
    assert np.mean(np.array(congested) == 0) < 0.4


def test_many_grids_are_named_one_by_one():
    assert expand("gen:12x3") == ["gen:12:0", "gen:12:1", "gen:12:2"]
    many = expand("gen:40..60x200:1000")
    assert [int(name.split(":")[2]) for name in many] == list(range(1000, 1200))
    assert {int(name.split(":")[1]) for name in many} == set(range(40, 61))
    assert many[:50] == expand("gen:40..60x50:1000")
    assert many[7:] == expand("gen:40..60x193:1007")
    assert expand("gen:40..60x3:1000") == ["gen:55:1000", "gen:45:1001", "gen:43:1002"]


@pytest.mark.parametrize("name", ["gen:40:7", "classic", "some/file.json"])
def test_the_name_of_one_grid_stands_for_itself(name):
    assert expand(name) == [name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gen:40", f"gen:40: found another form; allowed: {FORMS}; write size and seed as whole numbers"),
        ("gen:", f"gen:: found another form; allowed: {FORMS}; write size and seed as whole numbers"),
        ("gen:40:-1", f"gen:40:-1: found another form; allowed: {FORMS}; write size and seed as whole numbers"),
        ("gen:4:7", "gen:4:7: found 4 nodes; allowed: 5 to 10,000 nodes; correct the size"),
        ("gen:10001:7", "gen:10001:7: found 10001 nodes; allowed: 5 to 10,000 nodes; correct the size"),
        ("gen:40:4294967296", "gen:40:4294967296: found the seed 4294967296; allowed: 0 to 4294967295; take a smaller seed"),
    ],
)  # fmt: skip
def test_names_that_mean_no_grid_are_explained(name, message):
    for read in (load, expand):
        with pytest.raises(GridError) as error:
            read(name)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gen:60..40x5", "gen:60..40x5: found sizes from 60 to 40; allowed: the smaller first; write gen:40..60x5"),
        ("gen:40x0", "gen:40x0: found 0 grids; allowed: 1 to 100,000; correct the number behind the x"),
        ("gen:40x100001", "gen:40x100001: found 100001 grids; allowed: 1 to 100,000; correct the number behind the x"),
        ("gen:3..9x5", "gen:3..9x5: found 3 nodes; allowed: 5 to 10,000 nodes; correct the size"),
        ("gen:9x5:4294967293", "gen:9x5:4294967293: found the seed 4294967297; allowed: 0 to 4294967295; take a smaller seed"),
        ("gen:9x5:", f"gen:9x5:: found another form; allowed: {FORMS}; name the one grid that is meant"),
    ],
)  # fmt: skip
def test_names_that_mean_no_grids_are_explained(name, message):
    with pytest.raises(GridError) as error:
        expand(name)
    assert str(error.value) == message


def test_many_grids_cannot_be_loaded_as_one():
    with pytest.raises(GridError) as error:
        load("gen:40..60x200")
    assert str(error.value) == f"gen:40..60x200: found another form; allowed: {FORMS}; name the one grid that is meant"
