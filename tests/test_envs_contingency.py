"""Single outages: every one against the slow oracle, the ranking, the picture and the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import CommandLine
from envs import EnvConfig, GridBatch
from envs.contingency import contingencies
from grid import Grid, GridError, workers
from grid.physics.step import limits
from slow_step import parts_of, slow_step
from topologies import load

CONFIG_GRID = load("case14")
CONFIG = EnvConfig(topology="case14", split="test")


def test_every_outage_equals_the_slow_oracle():
    intact, found = contingencies(CONFIG, hour=18)
    batch = GridBatch(replace(CONFIG, horizon=24, forecast_h=()), 1, 0)
    batch.reset()
    t = int(np.flatnonzero(batch.outlook.hour[:24, 0] % 24 == 18)[0])
    arrays, inputs = batch.arrays, batch.outlook.inputs(t)
    merit = batch.action_map.merit_setpoint(limits(arrays, batch.state, inputs), inputs)
    assert {one.line for one in found} == set(arrays.line_names) - CONFIG_GRID.connectors()
    assert len(found) == 20  # branches of IEEE 14; what joins units to their buses is none
    for one in (intact, *found):
        out = set() if one is intact else {arrays.line_names.index(one.line)}
        outcome = slow_step(
            arrays,
            arrays.store_init_mwh.tolist(),
            [0.0] * len(arrays.node_names),
            0,
            merit.gen_mw[0].tolist(),
            merit.store_mw[0].tolist(),
            inputs.gen_avail_frac[0].tolist(),
            inputs.load_mw[0].tolist(),
            inputs.dt_h,
            out=out,
        )[2]
        loading = np.abs(outcome.flow_mw) / arrays.capacity_mw
        assert one.worst_loading_frac == pytest.approx(loading.max(), abs=1e-6)
        assert one.worst_line == arrays.line_names[loading.argmax()]
        assert one.unserved_mw == pytest.approx(sum(outcome.shed_mw), abs=1e-6)
        assert one.islands == len(parts_of(arrays, out=out))
        assert one.hour == 18


def test_a_day_is_the_worst_of_its_hours_and_the_worst_come_first():
    _, day = contingencies(CONFIG)
    hours = [{one.line: one for one in contingencies(CONFIG, hour)[1]} for hour in range(24)]
    for one in day:
        same = [found[one.line] for found in hours]
        assert one.worst_loading_frac == pytest.approx(max(each.worst_loading_frac for each in same))
        assert one.unserved_mw == pytest.approx(max(each.unserved_mw for each in same))
    ranks = [(round(one.unserved_mw, 6), one.worst_loading_frac) for one in day]
    assert ranks == sorted(ranks, reverse=True)


def test_hours_that_are_alike_are_looked_at_once():
    grid = Grid("constant")
    grid.add_source("s", gen_max_mw=10)
    grid.add_consumer("c", load_max_mw=5)
    grid.add_line("s", "c", capacity_mw=4)
    shares: list[float] = []
    intact, found = contingencies(EnvConfig(topology=grid), progress=lambda share, _: shares.append(share))
    assert shares == [1.0]  # one block of outages, one hour of 24
    assert (intact.worst_loading_frac, found[0].unserved_mw) == (1.25, 5)


def test_a_grid_without_lines_or_another_hour_is_refused():
    grid = Grid("lone")
    grid.add_source("s", gen_max_mw=10, load_max_mw=5)
    with pytest.raises(GridError, match="grid 'lone': found no lines; allowed: a grid with lines; add lines"):
        contingencies(EnvConfig(topology=grid))
    with pytest.raises(GridError, match="hour: found 24; allowed: an hour of the day, from 0 to below 24; correct the"):
        contingencies(CONFIG, 24)


def test_the_command_prints_the_worst_first_and_draws_them(run: CommandLine, tmp_path: Path):
    text = run.ok("contingency", "case14", "--hour", 18, "--top", 3, "--picture", "outages.png")
    assert text.startswith("case14, merit order, the hour from 18:00: 20 single outages\n")
    assert "and 17 more; --top 20 shows all" in text
    with Image.open(tmp_path / "outages.png") as picture:
        assert picture.size == (1280, 800)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 100


def test_the_command_gives_every_outage_as_json(run: CommandLine):
    value = run.json("contingency", "classic")
    of_ac = {"lowest_voltage_pu": None, "lowest_at": "", "collapsed": False}
    names = {"line", "worst_loading_frac", "worst_line", "unserved_mw", "islands", "hour", *of_ac}
    assert set(value["outages"][0]) == names
    assert {name: value["outages"][0][name] for name in of_ac} == of_ac
    assert len(value["outages"]) == 31
    assert value["grid"] == "classic"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("contingency case14 --hour 24.5", "hour: found 24.5; allowed: an hour of the day"),
        ("contingency case14 --picture a.txt", "a.txt: found the suffix '.txt'"),
        ("contingency case15", "case15"),
    ],
)
def test_the_command_says_what_is_wrong(run: CommandLine, line: str, said: str):
    assert said in run.fault(*line.split())


@pytest.mark.slow
def test_processes_that_share_the_outages_find_the_same_to_the_bit(monkeypatch):
    alone = contingencies(CONFIG)
    monkeypatch.setattr("envs.contingency.BLOCK", 8)
    shares = []
    with workers(2):
        assert contingencies(CONFIG, progress=lambda done, _: shares.append(done)) == alone
    assert shares == sorted(shares)
    assert shares[-1] == 1
