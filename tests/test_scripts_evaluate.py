"""Comparing an agent from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

import policies
from command_line import CommandLine


def test_evaluate_compares_an_agent(run: CommandLine, trained: Path) -> None:
    value = run.json("evaluate", trained, "--episodes", 3)
    assert (value["grid"], value["episodes"]) == ("triangle", 3)
    policies = value["policies"]
    assert list(policies) == ["random", "merit", "redispatch", "mpc", "plan", "agent", "optimum"]
    for figures in policies.values():
        assert {"unserved_mwh", "overload_mwh", "decision_s", "worst_episode", "worst_gap_frac"} < set(figures)
        for name in ("cost", "gap_frac", "score"):
            assert figures[name]["low"] <= figures[name]["mean"] <= figures[name]["high"]
    assert policies["optimum"]["gap_frac"]["mean"] == 0
    assert policies["merit"]["score"]["mean"] == 0


def test_evaluate_takes_a_grid_alone_and_a_policy_alone(run: CommandLine) -> None:
    assert "agent" not in run.json("evaluate", "--grid", "triangle", "--episodes", 2)["policies"]
    value = run.json("evaluate", "merit", "--grid", "triangle", "--episodes", 2)
    assert list(value["policies"]) == ["merit", "optimum"]
    text = run.ok("evaluate", "--grid", "triangle", "--episodes", 2, "--split", "train", "--seed", 5)
    assert "2 train episodes of 48 h, seed 5" in text


def test_evaluate_draws_what_it_says(run: CommandLine, trained: Path, tmp_path: Path) -> None:
    for words, shown in (((trained,), "agent"), (("--grid", "triangle"), "plan")):
        text = run.ok("evaluate", *words, "--episodes", 2, "--plot", "pictures/gaps.svg")
        assert text.endswith("\npicture: pictures/gaps.svg\n")
        drawn = ElementTree.parse(tmp_path / "pictures" / "gaps.svg").getroot()
        assert drawn.get("viewBox") == "0 0 921.6 576"
        comments = {part.strip() for part in (tmp_path / "pictures" / "gaps.svg").read_text("utf-8").split("<!--")}
        assert any(part.startswith(f"{shown}: generation by source") for part in comments)
    run.ok("evaluate", "merit", "--grid", "triangle", "--episodes", 1, "--plot", "gaps.png")
    with Image.open(tmp_path / "gaps.png") as picture:
        assert picture.size == (1280, 800)


def test_evaluate_leaves_mpc_out_on_large_grids_and_says_how_to_have_it(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "MOST_NODES", 2)
    words = ("--grid", "triangle", "--episodes", 1)
    assert "load-balancer evaluate mpc --grid" in run.ok("evaluate", *words).splitlines()[-1]
    assert list(run.json("evaluate", *words)["policies"]) == ["random", "merit", "redispatch", "plan", "optimum"]
    assert list(run.json("evaluate", "mpc", *words)["policies"]) == ["mpc", "optimum"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate --grid triangle --plot gaps.gif", "gaps.gif: found the suffix '.gif'; allowed: .png, .svg, .pdf"),
        (
            "evaluate",
            "evaluate: found no grid; allowed: a run, --grid or --task; name the run, or write --grid case14, say",
        ),
        (
            "evaluate merit",
            "evaluate: found no grid; allowed: a run, --grid or --task; name the run, or write --grid case14, say",
        ),
        ("evaluate triangle", "triangle: found no such run; allowed: the folder of a run"),
        (
            "evaluate merrit --grid triangle",
            "merit, redispatch, economic, mpc, mpc-n1, smpc, plan; did you mean 'merit'?",
        ),
        ("evaluate triangle", "for the grid write --grid triangle"),
        ("evaluate plan case14-storm-v1", "for the task write --task case14-storm-v1"),
        ("evaluate --grid triangel", "did you mean 'triangle'?"),
    ],
)
def test_evaluate_says_what_it_misses(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


def test_what_was_not_learned_is_said(run: CommandLine) -> None:
    assert run("train", "triangle", "--policy", "mlp", "--seconds", 0.01, "--out", "none") == 0
    assert "nothing was learned: no update fitted into the time" in run.out
    assert [line.split() for line in run.out.splitlines() if line.endswith("no update")] == [
        [stage, "-", "-", "no", "update"] for stage in ("optimum", "gradient")
    ]
    words = ("--stages", "gradient", "--steps", 200, "--set", "n_envs=4", "gradient_learning_rate=1.0")
    assert run("train", "triangle", "--policy", "mlp", *words, "--out", "worse") == 0
    assert "nothing was learned yet: no update came below the cost at the start" in run.out


def test_an_agent_takes_no_outages_to_another_grid(run: CommandLine, tmp_path: Path) -> None:
    words = ("--steps", 1, "--set", "n_envs=4", "--out", "runs/cut")
    assert run("train", "triangle", *words, "--outages", "plant-town,5,6") == 0, run.err
    assert run("evaluate", "runs/cut", "--grid", "classic", "--episodes", 1) == 0, run.err


@pytest.mark.parametrize("lines", [("--outages", "plant-town,5,6"), ("--overload", "trip")])
def test_a_plain_network_says_that_it_cannot_see_lines_it_was_not_trained_with(
    run: CommandLine, trained: Path, lines: tuple[str, str]
) -> None:
    assert run.fault("evaluate", trained, "--episodes", 1, *lines) == (
        "agent 'agent': found outages or trips other than in its training; allowed: its own: a plain network sees the "
        "states of those lines alone that it was trained with; train one with the same --outages and --overload, or "
        "take an agent of the policy 'graph'"
    )


def test_an_agent_stays_on_its_grid(run: CommandLine, trained: Path) -> None:
    fault = run.fault("evaluate", trained, "--grid", "classic", "--episodes", 2)
    assert "found the grid 'classic'; allowed: the grid 'triangle'" in fault


def test_a_plain_network_takes_the_outages_of_no_other_line(run: CommandLine) -> None:
    words = ["--policy", "mlp", "--steps", 1, "--set", "n_envs=4", "--out", "runs/cut"]
    assert run("train", "triangle", *words, "--outages", "plant-town,5,6") == 0, run.err
    assert run("evaluate", "runs/cut", "--episodes", 1, "--outages", "plant-town,9,2") == 0, run.err
    said = run.fault("evaluate", "runs/cut", "--episodes", 1, "--outages", "plant-battery,5,6")
    assert "found outages or trips other than in its training" in said


def test_several_seeds_are_trained_and_stand_in_one_table(run: CommandLine) -> None:
    words = ("--policy", "mlp", "--steps", 300, "--set", "n_envs=4", "--seed", 4, "--seeds", 2, "--out", "small")
    said = run.json("train", "triangle", *words)
    assert [Path(each["run"]).name for each in said["runs"]] == ["small-4", "small-5"]
    configs = [json.loads(Path(each["run"], "config.json").read_text()) for each in said["runs"]]
    assert [config["train"]["seed"] for config in configs] == [4, 5]
    value = run.json("evaluate", "small-4", "small-5", "merit", "--episodes", 2)
    assert list(value["policies"]) == ["merit", "small-4", "small-5", "optimum"]
    assert value["policies"]["small-4"]["episode_cost"] != value["policies"]["small-5"]["episode_cost"]
    assert not Path("small-4", "evaluation.json").exists()  # a table of several runs belongs to none of them


@pytest.mark.parametrize("risk", ["cvar", "cvar:0", "cvar:1.5", "mean", "cvar:x"])
def test_a_risk_that_cannot_be_read_is_refused(run: CommandLine, risk: str) -> None:
    said = run.fault("train", "triangle", "--risk", risk)
    assert said.startswith(f"--risk: found '{risk}'; allowed: cvar: and a share in (0, 1], such as cvar:0.1")


def test_a_run_that_is_resumed_has_one_seed(run: CommandLine, trained: Path) -> None:
    said = run.fault("train", "--resume", trained, "--seeds", 2)
    assert said.startswith("train --resume: found --seeds beside it")


def test_workers_are_of_this_machine_or_of_a_cluster(run: CommandLine) -> None:
    said = "workers: found 2 beside a cluster; allowed: one of the two; leave out one"
    for command in ("evaluate merit --grid triangle", "contingency triangle"):
        assert said in run.fault(*command.split(), "--workers", 2, "--cluster", "auto")
    costs = [
        run.json("evaluate", "merit", "--grid", "triangle", "--episodes", 21, *more)["policies"]["merit"]["cost"]
        for more in ((), ("--workers", 2))
    ]
    assert costs[0] == costs[1]
