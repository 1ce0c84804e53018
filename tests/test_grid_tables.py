"""The tables of columns and of cost terms are the only places that name them: one line more in each is tolerance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from grid import COLUMNS, TERMS, Grid, GridArrays, Outcome, Prices, linear_cost_per_mwh, step_costs
from grid.planning.day.constants import constants_of
from test_layers import LAYERS, ROOT
from topologies import load

NEW_LINES = {
    "grid/kinds.py": (
        '    gen_min_mw: Array = _node("',
        '    hum_db_per_mw: Array = _node("dB/MW", 0.0, 0.0, 200.0, "noise of output")\n',
    ),
    "grid/costs.py": (
        "    store_value_per_mwh: float | None = _price(",
        '    hum_per_db: float = _price(3.0, "hum", "noise", "#336699", _of("gen_mw"), "hum_db_per_mw", "gen")\n',
    ),
}
"""Where a column and a cost term of it go, and what."""

GRID = """
from grid import Grid

def two_plants(**columns):
    grid = Grid("two")
    grid.add_source("loud", gen_max_mw=100.0, gen_cost_per_mwh=20.0, **columns)
    grid.add_source("calm", gen_max_mw=100.0, gen_cost_per_mwh=25.0)
    grid.add_consumer("town", load_max_mw=50.0, load_profile="constant")
    grid.add_line("loud", "town")
    grid.add_line("calm", "town")
    return grid
"""

USE = """
import io, json
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
import numpy as np
from matplotlib.figure import Figure
from envs import EnvConfig, GridBatch, LoadBalancer, Recorder
from envs.rendering import panels, style
from grid import Episode, GridError, Prices, by_arrays
from grid.planning import optimum
from grid.planning.day.constants import constants_of
from policies import evaluate
from scripts.cli import main
from topologies import load
from topologies.formats import WRITERS

plainly = by_arrays()
plainly.__enter__()  # loops would be compiled anew for the copy
WRITERS[".json"](two_plants(hum_db_per_mw=4.0), Path("loud.json"))
loud = load("loud.json")
marks = [grid.compile().fingerprint for grid in (load("case14"), two_plants(), loud)]
found = {"array": loud.compile().hum_db_per_mw.tolist(), "marks": marks}
if find_spec("pypsa"):
    WRITERS[".nc"](loud, Path("loud.nc"))
    back = load("loud.nc").compile()
    found["through_pypsa"] = dict(zip(back.node_names, back.hum_db_per_mw.tolist()))
try:
    two_plants(hum_db_per_mw=900.0).compile()
except GridError as error:
    found["fault"] = str(error)
with redirect_stdout(io.StringIO()) as said:
    main(["columns", "--json"])
(found["listed"],) = (row for row in json.loads(said.getvalue())["columns"] if row["name"] == "hum_db_per_mw")

cheap, dear = (EnvConfig(topology=loud, horizon=2, prices=Prices(hum_per_db=price)) for price in (0.5, 3.0))
env = LoadBalancer(cheap)
env.reset(seed=0)
found["info"] = env.step(np.zeros(2))[4]["hum"]
for name, config in (("cheap", cheap), ("dear", dear)):
    batch = GridBatch(config, 1)
    batch.reset()
    best = optimum(batch.arrays, batch.episode_inputs(0), config.prices)
    rows = {row.name: row.cost.mean for row in evaluate(["merit"], config, 2).rows}
    planned = constants_of(batch.arrays, config.prices)
    offers = (planned.fleet.cost * planned.typical_price_per_mwh).tolist()
    found[name] = {"reference": batch.reference_cost[0], "terms": best.cost_terms, "optimum": best.cost, "rows": rows}
    found[name]["offers"] = offers

recorder = Recorder(GridBatch(cheap, 1), "merit")
recorder.batch.reset()
recorder.batch.step(np.zeros((1, 2)))
recorder.add()
episode = Episode.load(recorder.episode(0).save("episode.npz"))
found["recorded"] = episode.costs["hum"].tolist()
axes = Figure().subplots()
panels.cost(axes, episode)
key = axes.get_legend()
places = [text.get_text() for text in key.get_texts()]
found["pictured"] = key.legend_handles[places.index("hum")].get_facecolor()
found["exact"] = "#336699" in style.EXACT
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What a program finds that uses a copy of the product with one line more in each of the two tables."""
    copy = tmp_path_factory.mktemp("copy")
    for layer in LAYERS:
        shutil.copytree(ROOT / layer, copy / layer, ignore=shutil.ignore_patterns("__pycache__"))
    for path, (before, line) in NEW_LINES.items():
        text = (copy / path).read_text(encoding="utf-8")
        assert text.count(before) == 1
        (copy / path).write_text(text.replace(before, line + before), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(copy)}
    command = [sys.executable, "-c", GRID + USE]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=copy)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_new_column_is_read_checked_compiled_and_listed(found):
    assert found["array"] == [4.0, 0.0, 0.0]
    assert found["fault"] == (
        "node 'loud': found hum_db_per_mw 900.0; allowed: a number in [0, 200]; correct the value"
    )
    assert found["listed"] == {
        "name": "hum_db_per_mw", "table": "node", "unit": "dB/MW", "default": 0.0, "allowed": "a number in [0, 200]",
        "meaning": "noise of output", "required_for": [],
    }  # fmt: skip


def test_a_new_column_goes_through_a_network_of_pypsa(found):
    pytest.importorskip("pypsa")
    assert found["through_pypsa"] == {"loud": 4.0, "calm": 0.0, "town": 0.0}


def test_a_new_column_leaves_fingerprints_of_grids_that_do_not_give_it(found):
    names = {}
    exec(GRID, names)
    assert found["marks"][:2] == [grid.compile().fingerprint for grid in (load("case14"), names["two_plants"]())]
    assert found["marks"][2] != found["marks"][1]


def test_a_new_cost_term_is_in_reward_optimum_planner_and_evaluation(found):
    # 50 MW of the loud plant hum with 200 dB; by 0.5 each they add 2 to each MWh, and by 3 the calm plant is cheaper
    assert found["info"] == 100
    for name, hum, cost in (("cheap", 200, 2200), ("dear", 0, 2500)):
        assert found[name]["terms"]["hum"] == pytest.approx(hum)
        assert found[name]["optimum"] == pytest.approx(cost)
        assert sum(found[name]["terms"].values()) == pytest.approx(cost)
        assert found[name]["reference"] == pytest.approx(cost)
        assert found[name]["offers"] == pytest.approx([22 if name == "cheap" else 32, 25])
        assert found[name]["rows"] == {"merit": pytest.approx(cost), "optimum": pytest.approx(cost)}


def test_a_new_cost_term_is_recorded_and_drawn_in_its_colour(found):
    assert found["recorded"] == [100]
    assert found["pictured"] == pytest.approx([0.2, 0.4, 0.6, 1.0])
    assert found["exact"]


def grid_of_all() -> GridArrays:
    grid = Grid("all")
    grid.add_source("s", gen_max_mw=100, gen_cost_per_mwh=20, co2_t_per_mwh=0.5)
    grid.add_storage("b", store_max_mwh=40, charge_max_mw=10, discharge_max_mw=10)
    grid.add_consumer("c", load_max_mw=60, shed_cost_per_mwh=700)
    grid.add_line("s", "c", capacity_mw=40)
    grid.add_line("b", "c", capacity_mw=50)
    return grid.compile()


def test_the_planner_reads_its_prices_in_the_table_and_that_of_shedding_where_there_is_demand():
    grid = Grid("dear")
    grid.add_source("plant", gen_max_mw=10, gen_cost_per_mwh=97.9, co2_t_per_mwh=0.3, shed_cost_per_mwh=5)  # no demand
    grid.add_consumer("town", load_max_mw=4, shed_cost_per_mwh=900)
    grid.add_consumer("village", load_max_mw=1, shed_cost_per_mwh=700)
    grid.add_storage("store", store_max_mwh=4, charge_max_mw=1, discharge_max_mw=1)
    for node in ("plant", "village", "store"):
        grid.add_line(node, "town", capacity_mw=6)
    prices = Prices(overload_per_mwh=250, spill_per_mwh=30, wear_per_mwh=4, co2_per_t=7)
    made = constants_of(grid.compile(), prices)
    assert made.typical_price_per_mwh == pytest.approx(100)  # 97.9 and 2.1 for CO2
    found = (made.fleet.shed, made.fleet.spill, made.fleet.wear, made.network.overload)
    assert found == pytest.approx((7.0, 0.3, 0.04, 2.5))


@pytest.mark.parametrize("block", ["gen", "spill", "charge", "discharge", "shed", "overload"])
def test_plans_charge_for_a_mwh_what_the_step_charges(block):
    arrays, prices = grid_of_all(), Prices(co2_per_t=30)
    lines, nodes = len(arrays.line_names), len(arrays.node_names)
    size = lines if block == "overload" else nodes
    names = ("injection", "gen", "served", "shed", "curtailed", "spill", "charge", "discharge", "clipped")
    outcome = {f"{name}_mw": np.zeros((size, nodes)) for name in names}
    outcome |= {"flow_mw": np.zeros((size, lines)), "balancing_mw": np.zeros(size)}
    changed, value = (
        (f"{block}_mw", np.eye(size)) if block != "overload" else ("flow_mw", np.eye(size) + np.diag([40, 50]))
    )
    cost = sum(step_costs(arrays, prices, Outcome(**outcome | {changed: value}), 1.0).values())
    np.testing.assert_allclose(linear_cost_per_mwh(arrays, prices, block), cost)


def test_the_tables_say_everything_once():
    assert [term.price for term in TERMS.values() if term.price] == list(vars(Prices()))
    for term in TERMS.values():
        assert term.meaning
        assert not term.weight or hasattr(grid_of_all(), term.weight)
    assert all(column.meaning and column.row()["allowed"] for column in COLUMNS.values())
