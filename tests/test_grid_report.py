"""What engineers report, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from envs import WORLDS, EnvConfig
from grid import REPORTED, TRIPPED, Episode, Grid, Outcome, reported, usable_mwh
from policies import evaluate, run_episodes
from scripts.running import Schedule


def grid() -> Grid:
    grid = Grid("hand")
    grid.add_source("gas", gen_max_mw=100, co2_t_per_mwh=0.5, gen_cost_per_mwh=40)
    grid.add_source("wind", gen_max_mw=50, gen_profile="wind")
    grid.add_storage("battery", store_max_mwh=40, store_min_mwh=8, charge_max_mw=10, discharge_max_mw=10)
    grid.add_consumer("town", load_max_mw=60)
    for node in ("gas", "wind", "battery"):
        grid.add_line(node, "town")
    return grid


def test_two_hours_by_hand() -> None:
    arrays = grid().compile()
    zero = np.zeros((1, 4))
    powers = Outcome(
        injection_mw=zero,
        gen_mw=np.array([[20.0, 30, 0, 0]]),
        served_mw=zero,
        shed_mw=zero,
        curtailed_mw=zero,
        spill_mw=np.array([[0.0, 4, 0, 0]]),
        charge_mw=np.array([[0.0, 0, 0, 0]]),
        discharge_mw=np.array([[0.0, 0, 9.5, 0]]),
        flow_mw=np.zeros((1, 3)),
        balancing_mw=np.zeros(1),
        clipped_mw=np.zeros((1, 3)),
        tripped=np.array([[True, False, True]]),
    )
    change_mwh = np.array([[0.0, 0, -20, 0]])
    found = reported(arrays, powers, np.array([[1.0, 0.8, 1, 1]]), change_mwh, 2.0)
    assert tuple(found) == REPORTED
    assert {name: values.item() for name, values in found.items()} == pytest.approx(
        {
            "generation_mwh": (20 + 30 - 4) * 2,
            "renewable_mwh": (30 - 4) * 2,
            "renewable_curtailed_mwh": (0.8 * 50 - 26) * 2,  # spilled or not asked for
            "co2_t": 20 * 0.5 * 2,
            "taken_mwh": 9.5 / 0.95 * 2,
            "store_loss_mwh": 20 - 9.5 * 2,
            "tripped_h": 2 * 2,
        }
    )
    assert usable_mwh(arrays) == 32


def test_an_evaluation_reports_what_its_episodes_did() -> None:
    config = EnvConfig(topology="case14", horizon=48, split="test")
    kept = []
    outcome = evaluate(["merit", "redispatch"], config, 3, against=["redispatch"], keep=kept.extend)
    assert [one.policy for one in kept] == ["merit"] * 3 + ["redispatch"] * 3
    for name in ("merit", "redispatch"):
        mine, figures = [one for one in kept if one.policy == name], outcome[name].figures
        tables = [one.to_frame() for one in mine]
        curtailed = [table[table["kind"] == "source"]["curtailed_mw"].sum() for table in tables]
        assert figures.renewable_curtailed_mwh == pytest.approx(np.mean(curtailed) / 2)
        made = [table[table["kind"] == "source"] for table in tables]
        share = sum(t[t["node"].isin(["3:wind", "6:sun"])]["mw"].sum() for t in made) / sum(t["mw"].sum() for t in made)
        assert figures.renewable_frac == pytest.approx(share)
        costs = [one.cost for one in mine]
        assert outcome[name].episode_cost == pytest.approx(costs)
        assert figures.operating_cost + figures.settlement == pytest.approx(np.mean(costs) / 2)
        assert outcome[name].cost_terms == pytest.approx(
            {term: np.mean([one.costs[term].sum() for one in mine]) for term in mine[0].costs}
        )
    saving = outcome["redispatch"].figures.saving
    assert list(saving) == ["merit", "redispatch"]
    assert saving["merit"].mean == pytest.approx((outcome["merit"].cost.mean - outcome["redispatch"].cost.mean) / 2)
    assert saving["redispatch"].mean == saving["redispatch"].low == 0
    assert outcome["optimum"].figures.store_cycles > outcome["merit"].figures.store_cycles == 0


def test_the_optimum_reports_what_its_schedule_does_when_it_is_run() -> None:
    config = EnvConfig(topology="case14", horizon=24, split="test")
    figures = evaluate(["merit"], config, 2)["optimum"].figures
    schedule = Schedule()
    schedule.name = "replayed"
    replayed = evaluate([schedule], config, 2)["replayed"].figures
    for name in ("operating_cost", "settlement", "renewable_curtailed_mwh", "co2_t", "store_cycles", "store_loss_mwh"):
        assert getattr(figures, name) == pytest.approx(getattr(replayed, name), rel=1e-6), name
    first = run_episodes(Schedule(), config, 2)
    loss_mwh = np.mean(
        [((one.charge_mw - one.discharge_mw).sum() - np.diff(one.store_mwh.sum(1)).sum()) for one in first]
    )
    assert figures.store_loss_mwh == pytest.approx(loss_mwh)


def test_where_lines_trip_a_column_says_for_how_long() -> None:
    kept: list[Episode] = []
    outcome = evaluate(
        ["merit"], EnvConfig(topology="case14", horizon=48, split="test", **WORLDS["storm"]), 3, keep=kept.extend
    )
    tripped_h = np.mean([(one.line_status == TRIPPED).sum() for one in kept if one.policy == "merit"])
    assert tripped_h > 0
    assert outcome["merit"].figures.tripped_h == pytest.approx(tripped_h / 2)
    heads, units, *rows = outcome.table().split("\n\n")[1].splitlines()[:4]
    assert (heads.split()[-1], units.split()[-1]) == ("tripped", "line-h")
    assert [row.split()[-1] for row in rows] == [f"{tripped_h / 2:.1f}", "0.0"]
    calm = evaluate(["merit"], EnvConfig(topology="triangle", horizon=6), 1)
    assert "tripped" not in calm.table()


def test_without_stores_there_are_no_cycles() -> None:
    grid = Grid("plain")
    grid.add_source("plant", gen_max_mw=10, gen_cost_per_mwh=3)
    grid.add_consumer("town", load_max_mw=5)
    grid.add_line("plant", "town")
    outcome = evaluate(["merit"], EnvConfig(topology=grid, horizon=12), 1)
    figures = outcome["merit"].figures
    assert (figures.store_cycles, figures.renewable_frac, figures.saving["merit"].mean) == (None, 0, 0)
    assert figures.operating_cost == pytest.approx(2 * 12 * 5 * 3)  # a day of two episodes
    assert "settlement: for what stores" not in outcome.table()
