"""Showing an episode from the command line, and the demo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import CommandLine
from grid import Episode
from scripts import demo, running


@pytest.mark.parametrize(("policy", "named"), [(None, "agent"), ("optimum", "optimum")])
def test_render_lets_the_policy_run_a_test_episode(
    run: CommandLine, trained: Path, tmp_path: Path, policy: str | None, named: str
) -> None:
    words = [] if policy is None else ["--policy", policy]
    run.ok("render", trained, "--out", "episode.npz", *words)
    episode = Episode.load(tmp_path / "episode.npz")
    assert (episode.policy, episode.steps, episode.grid_name) == (named, 48, "triangle")


def test_render_shows_the_first_episode_that_evaluate_runs(run: CommandLine, tmp_path: Path) -> None:
    value = run.json("evaluate", "merit", "--grid", "triangle", "--episodes", 1, "--seed", 7)
    costs = {}
    for policy in ("merit", "mpc", "plan", "optimum"):
        run.ok("render", "triangle", "--policy", policy, "--seed", 7, "--out", "episode.npz")
        costs[policy] = Episode.load(tmp_path / "episode.npz").cost
    for policy in ("mpc", "plan"):
        words = ("evaluate", policy, "--grid", "triangle", "--episodes", 1, "--seed", 7)
        value["policies"] |= run.json(*words)["policies"]
    expected = {name: figures["cost"]["mean"] for name, figures in value["policies"].items()}
    assert costs == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("policy", ["merit", "mpc", "optimum"])
def test_render_shows_the_episode_whose_number_evaluate_gives(run: CommandLine, tmp_path: Path, policy: str) -> None:
    words = ["merit", "mpc", "--grid", "triangle", "--episodes", 5, "--seed", 7]
    row = run.json("evaluate", *words)["policies"][policy]
    costs = row["episode_cost"]
    assert len(set(costs)) == 5
    run.ok("render", "triangle", "--seed", 7, "--episode", 3, "--policy", policy, "--out", "episode.npz")
    assert Episode.load(tmp_path / "episode.npz").cost == pytest.approx(costs[3], rel=1e-6)
    run.ok("render", "triangle", "--seed", 7, "--episode", 1, "--versus", "optimum", "--out", "replay.html")
    fault = run.fault("render", "episode.npz", "--episode", 2, "--out", "grid_state.png")
    assert "found an episode that has already happened; allowed: a run or a grid; leave out --episode" in fault


@pytest.mark.parametrize("name", ["grid_state.png", "sim_results.png", "grid_state.gif"])
def test_render_writes_what_the_name_says(run: CommandLine, tmp_path: Path, name: str) -> None:
    run.ok("optimum", "triangle", "--horizon", 3, "--out", "best.NPZ")
    assert run.ok("render", "best.NPZ", "--out", f"pictures/{name}") == f"pictures/{name}\n"
    with Image.open(tmp_path / "pictures" / name) as picture:
        assert getattr(picture, "n_frames", 1) > 1 if name.endswith("gif") else picture.size[0] > 600


def test_what_overrides_the_name(run: CommandLine, tmp_path: Path) -> None:
    run.ok("optimum", "triangle", "--horizon", 3, "--out", "best.npz")
    pixels = {}
    for what, name in (("sim_results", "a.png"), ("grid_state", "b.png"), (None, "sim_results.png"), (None, "c.png")):
        run.ok("render", "best.npz", "--out", name, *([] if what is None else ["--what", what]))
        with Image.open(tmp_path / name) as picture:
            pixels[name] = np.asarray(picture.convert("RGB"))
    assert np.array_equal(pixels["a.png"], pixels["sim_results.png"])
    assert np.array_equal(pixels["b.png"], pixels["c.png"])
    assert (
        not np.array_equal(pixels["a.png"].shape, pixels["b.png"].shape) or (pixels["a.png"] != pixels["b.png"]).any()
    )


@pytest.mark.parametrize("versus", ["optimum", "other.npz"])
def test_render_writes_a_page_of_one_episode_or_two(run: CommandLine, tmp_path: Path, versus: str) -> None:
    assert run.ok("render", "triangle", "--seed", 3, "--out", "replay.html") == "replay.html\n"
    alone = (tmp_path / "replay.html").read_text("utf-8")
    run.ok("render", "triangle", "--seed", 3, "--policy", "optimum", "--out", "other.npz")
    assert run.ok("render", "triangle", "--seed", 3, "--versus", versus) == "replay.html\n"
    pair = (tmp_path / "replay.html").read_text("utf-8")
    assert "<title>triangle: merit</title>" in alone
    assert "<title>triangle: merit and optimum</title>" in pair


@pytest.mark.parametrize("name", ["grid_state.png", "sim_results.svg"])
def test_render_shows_two_policies_side_by_side(run: CommandLine, tmp_path: Path, name: str) -> None:
    run.ok("render", "triangle", "--out", name)
    alone = (tmp_path / name).read_bytes()
    run.ok("render", "triangle", "--versus", "optimum", "--out", name)
    assert (tmp_path / name).read_bytes() != alone


@pytest.mark.parametrize("out", ["replay.html", "grid_state.png", "sim_results.png"])
def test_render_compares_no_episodes_that_differ(run: CommandLine, out: str) -> None:
    run.ok("render", "triangle", "--seed", 1, "--out", "other.npz")
    fault = run.fault("render", "triangle", "--seed", 2, "--versus", "other.npz", "--out", out)
    assert "versus: found another episode of 'triangle'; allowed: the same hours, demand and availability" in fault


def test_live_prints_one_line_a_step(run: CommandLine, tmp_path: Path) -> None:
    assert run("render", "triangle", "--live") == 0
    steps = [line for line in run.out.splitlines() if line.startswith("step ")]
    assert len(steps) == 48
    assert "MW" in steps[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("render nowhere", "nowhere: found nothing of that name"),
        ("render nowhere.npz", "nowhere.npz: found no such file"),
        ("render triangle --policy agent", "found a grid without an agent"),
        (
            "render triangle --policy best",
            "allowed: agent, random, merit, redispatch, economic, mpc, mpc-n1, smpc, plan, optimum",
        ),
        ("render triangle --out grid_state.bmp", "grid_state.bmp: found the suffix '.bmp'"),
        ("render nowhere --out grid_state.bmp", "grid_state.bmp: found the suffix '.bmp'"),  # before any work
        ("render triangle --out grid_state.bmp", "allowed: .gif, .mp4, .png, .svg, .pdf, .html, .npz, .csv, .xlsx, .p"),
        ("render triangle --what sim_results --out a.html", "--what: found a.html, which holds all"),
        ("render plan --grid triangle", "plan: found a policy in place of a run"),
        ("render mpc --grid triangle", "; write triangle --policy mpc"),
        ("render best.npz --policy merit", "an episode that has already happened"),
        ("render triangle --out replay.html --versus marit", "--versus: found 'marit'; allowed: "),
        ("render triangle --out replay.html --versus agent", "--versus agent: found a grid without an agent"),
        ("render triangle --out replay.html --versus nowhere.npz", "nowhere.npz: found no such file"),
        (
            "render triangle --out episode.npz --versus merit",
            "--versus: found --out episode.npz, which holds one episode; allowed: a picture",
        ),
        (
            "render triangle --live --versus merit",
            "--versus: found no file to write; allowed: a picture, an",
        ),
        ("render best.npz --versus merit", "--versus merit: found an episode file, which holds no grid to run"),
    ],
)
def test_render_says_what_is_wrong(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


def test_an_unknown_policy_is_refused_by_the_function_too() -> None:
    with pytest.raises(ValueError, match="did you mean 'merit'"):
        running.choose("merrit", None)


def test_demo_trains_evaluates_and_renders(run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EPISODES", 2)
    monkeypatch.setattr(demo, "PICTURES", {"the grid": "grid_state.png", "its course": "sim_results.png"})
    text = run.ok("demo", "--out", "shown", "--seconds", 2)
    assert [line[:3] for line in text.splitlines() if line[1:2] == "/"] == ["1/3", "2/3", "3/3"]
    named = [line.split()[0] for line in text.splitlines() if line[:5] in ("agent", "optim")]
    assert named == ["agent", "optimum", "agent", "optimum", "agent"]  # both tables, what it scores above the planners
    for path in ("shown/grid_state.png", "shown/sim_results.png", "shown/run"):
        assert f"  {path}\n" in text
        assert (tmp_path / path).exists()


@pytest.mark.slow
def test_demo_takes_less_than_three_minutes(run: CommandLine, tmp_path: Path) -> None:
    text = run.ok("demo")
    took = text.splitlines()[-1].split()[-1]
    minutes, seconds = map(int, took.split(":"))
    assert 60 * minutes + seconds <= 180
    for name in ("grid_state.gif", "sim_results.gif"):
        with Image.open(tmp_path / "demo" / name) as picture:
            assert getattr(picture, "n_frames", 1) > 20
