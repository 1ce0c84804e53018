"""The optimum from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import CommandLine, separate
from grid import Episode
from grid.costs import TERMS
from policies.extras import TRAIN_EXTRA


def test_a_series_as_long_as_optimum_asks_for_is_long_enough(run: CommandLine, tmp_path: Path) -> None:
    nodes = [
        {"id": "plant", "kind": "source", "gen_max_mw": 20},
        {"id": "town", "kind": "consumer", "load_max_mw": 10, "load_profile": "town"},
    ]
    edges = [{"source": "plant", "target": "town"}]
    graph = {"graph": {"profiles": "mine.csv"}, "nodes": nodes, "edges": edges}
    (tmp_path / "mine.json").write_text(json.dumps(graph), encoding="utf-8")
    for hours in (10, 23, 24, 100, 240):  # 24 are the whole series, 240 are without forecasts in the test part
        (tmp_path / "mine.csv").write_text("time_h,town [MW]\n" + "".join(f"{hour},5\n" for hour in range(hours)))
        said = run.ok("optimum", "mine.json")
        assert ("from the whole series" in said) == (hours < 125)
        assert (f"too short: all its {hours} h" in said) == (hours < 24)
        if hours < 24:
            fault = run.fault("optimum", "mine.json", "--horizon", 24)
            assert f"found at most {hours} h in a row in the series; allowed: at least 24 h" in fault
            assert "give a series of about 24 h or more" in fault


def test_optimum_adds_up(run: CommandLine) -> None:
    value = run.json("optimum", "case14", "--seed", 1)
    assert (value["grid"], value["status"], value["exact"]) == ("case14", "optimal", True)
    assert list(value["cost_terms"]) == [name for name in TERMS if name not in ("voltage", "start", "no_load")]
    assert sum(value["cost_terms"].values()) == pytest.approx(value["cost"])
    assert value["cost"] != run.json("optimum", "case14")["cost"]
    rows = value["lines"]
    assert 0 < len(rows) <= 5
    assert [row["rent"] for row in rows] == sorted((row["rent"] for row in rows), reverse=True)
    assert rows[0]["rent"] > 0 < rows[0]["full_h"]
    price = value["nodal_price_per_mwh"]
    assert price["lowest"] < price["highest"]
    assert price["lowest_at"] != price["highest_at"]
    text = run.ok("optimum", "case14", "--seed", 1)
    assert rows[0]["line"] in text
    assert "exact: the schedule costs this" in text
    assert f"at {price['highest_at']}" in text


def test_optimum_writes_an_episode_that_costs_as_much(run: CommandLine, tmp_path: Path) -> None:
    value = run.json("optimum", "triangle", "--out", "best.npz")
    episode = Episode.load(tmp_path / "best.npz")
    assert (episode.policy, episode.steps) == ("optimum", 24)
    assert episode.cost == pytest.approx(value["cost"], rel=1e-6)


@pytest.mark.parametrize("name", ["grid.json", "schedule"])
def test_optimum_writes_episodes_alone(run: CommandLine, name: str) -> None:
    assert "suffix" in run.fault("optimum", "triangle", "--out", name)
    assert "allowed: .npz" in run.err


def test_optimum_says_nothing_before_a_path_that_cannot_be_written(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file/best.npz" in run.fault("optimum", "triangle", "--out", "file/best.npz")


LOADING = ("loading_mean_frac", "loading_most_frac")
CASE = """
mpc.baseMVA = 100;
mpc.bus = [1 3 0 0 0 0 1 1 0 1 1 1 1; 2 1 80 0 0 0 1 1 0 1 1 1 1];
mpc.gen = [1 0 0 0 0 1 100 1 200 0; 2 0 0 0 0 1 100 1 200 0];
mpc.gencost = [2 0 0 2 10 0; 2 0 0 2 50 0];
mpc.branch = [1 2 0 0.1 0 60 0 0 0 0 1 0 0];
"""


def test_optimum_of_a_case_in_the_convention_of_published_tables(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "pair.m").write_text(CASE, encoding="utf-8")
    words = ("optimum", "pair.m", "--convention", "powermodels")
    value = run.json(*words)
    assert (value["grid"], value["status"], value["exact"]) == ("pair", "optimal", True)
    assert value["cost"] == pytest.approx(60 * 10 + 20 * 50)
    (line,) = value["lines"]
    assert (line.pop("line"), line) == ("1-2", pytest.approx({"rent": 2400, "full_h": 1, **dict.fromkeys(LOADING, 1)}))
    assert "pair: optimum of one hour in the convention of PowerModels: 1600" in run.ok(*words)
    assert "--out: found --convention powermodels; allowed: an episode of" in run.fault(*words, "--out", "best.npz")
    assert "--flow: found --convention powermodels; allowed: the one hour of" in run.fault(*words, "--flow", "ac")
    found = run.fault("optimum", "classic", "--convention", "powermodels")
    assert "classic: found no MATPOWER case; allowed: a .m file with --convention powermodels" in found


@pytest.mark.slow
def test_without_torch_everything_but_agents_works(tmp_path: Path) -> None:
    lines = [
        ["evaluate", "--grid", "triangle", "--episodes", "2"],
        ["optimum", "triangle", "--horizon", "3", "--out", "best.npz"],
        ["render", "best.npz", "--out", "sim_results.png"],
        ["inspect", "triangle"],
        ["convert", "triangle", "copy.json"],
    ]
    code = f"from scripts.cli import main; print([main(line) for line in {lines!r}])"
    done = separate(code, tmp_path, TRAIN_EXTRA)
    assert (done.stdout.splitlines()[-1], done.stderr) == (str([0] * len(lines)), "")


def test_what_one_programme_is_too_small_for_is_planned_by_weeks_with_a_bound(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run.json("optimum", "classic", "--horizon", 240)
    monkeypatch.setattr("scripts.optimum.MOST_PLACES", 1000)
    found = run.json("optimum", "classic", "--horizon", 240)
    assert (whole["status"], found["status"]) == ("optimal", "rolling")
    assert found["bound"] == pytest.approx(whole["cost"], rel=1e-6)
    assert found["cost"] == pytest.approx(whole["cost"], rel=1e-6)
    said = run.ok("optimum", "classic", "--horizon", 240)
    assert "by weeks: the schedule costs this" in said
    assert "the best costs at least" in said
