"""Training an agent from the command line, and comparing and showing it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from command_line import CommandLine, separate
from grid import Episode
from policies import mpc, runs
from scripts import demo, running
from scripts.cli import main
from scripts.run_folder import make_room


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return CommandLine(capsys)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few hundred steps on the triangle."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert main(["train", "triangle", "--policy", "mlp", "--steps", "300", "--out", str(folder)]) == 0
    return folder


# --- train --------------------------------------------------------------------------------------------------------


def test_train_refuses_to_overwrite(run: CommandLine, trained: Path) -> None:
    before = (trained / "weights.safetensors").stat().st_mtime_ns
    fault = run.fault("train", "triangle", "--steps", 300, "--out", trained)
    assert "found a run that exists" in fault
    assert "--overwrite" in fault
    assert (trained / "weights.safetensors").stat().st_mtime_ns == before


def test_overwrite_takes_runs_alone(tmp_path: Path, run: CommandLine) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.tex").touch()
    (tmp_path / "thesis" / "config.json").touch()
    fault = run.fault("train", "triangle", "--out", "thesis", "--overwrite")
    assert "found a folder with other files (text.tex)" in fault
    assert (tmp_path / "thesis" / "text.tex").exists()
    (tmp_path / "notes").touch()
    assert "found a file" in run.fault("train", "triangle", "--out", "notes", "--overwrite")


def test_overwrite_clears_an_older_run(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "tensorboard").mkdir(parents=True)
    (old / "config.json").touch()
    (old / ".weights.partial-abcd1234.safetensors").touch()  # of a process that was killed
    make_room(old, overwrite=True)
    assert not old.exists()


def test_a_run_explains_itself(run: CommandLine, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, "mine")
    run.ok("evaluate", "mine", "--episodes", 2, "--seed", 3)
    assert run.ok("render", "mine", "--versus", "optimum") == "mine/renders/replay.html\n"
    assert run.ok("train", "--resume", "mine", "--steps", 10).endswith("run: mine\n")
    page = (tmp_path / "mine" / "README.md").read_text("utf-8")
    assert "triangle: 2 test episodes of 48 h, seed 3" in page
    assert "gradient" in page
    listed = set(re.findall(r"^    (\S+)", page.partition("Files:")[2], re.MULTILINE))
    assert listed == {path.name for path in (tmp_path / "mine").iterdir()}
    kept = json.loads((tmp_path / "mine" / "evaluation.json").read_text("utf-8"))
    del kept["table"]
    again = run.json("evaluate", "mine", "--episodes", 2, "--seed", 3)
    assert {name: figures["cost"] for name, figures in kept["policies"].items() if name != "agent"} == {
        name: figures["cost"] for name, figures in again["policies"].items() if name != "agent"
    }


def test_an_evaluation_on_other_terms_is_not_kept(run: CommandLine, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, "mine")
    run.ok("evaluate", "mine", "--episodes", 1, "--split", "train")
    run.ok("evaluate", "mine", "--episodes", 1, "--grid", "triangle")
    assert not (tmp_path / "mine" / "evaluation.json").exists()


def test_a_run_goes_on_and_says_what_to_do_with_it(run: CommandLine, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, "copy")
    text = run.ok("train", "--resume", "copy", "--steps", 300)
    curves = [(folder / "progress.csv").read_text("utf-8").splitlines() for folder in (trained, tmp_path / "copy")]
    assert len(curves[1]) > len(curves[0])
    for line in ("load-balancer evaluate copy", "load-balancer render copy --out grid_state.gif"):
        assert line in text
    assert text.endswith("\nrun: copy\n")


def test_train_and_render_answer_in_json(run: CommandLine, trained: Path) -> None:
    shutil.copytree(trained, "copy")
    value = run.json("train", "--resume", "copy", "--steps", 10)
    assert (value["run"], value["stopped"]) == ("copy", False)
    assert value["stages"][0]["stage"] == "untrained"
    value = run.json("render", "copy", "--out", "a.png")
    assert (value["path"], value["policy"]) == ("a.png", "agent")
    assert run("render", "triangle", "--live", "--json") == 0  # the steps go to stderr
    assert json.loads(run.out)["path"] is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train", "train: found no grid; allowed: a grid, or --resume with a run"),
        ("train triangle --resume a", "train --resume: found a grid, --start or --out beside it"),
        ("train --resume nowhere", "nowhere: found no such folder"),
        ("train triangle --policy mlp --start universal", "--policy: found mlp beside --start; allowed: graph"),
        ("train triangle --outages plant-town,48,2", "found hour 48 of an episode of 48 h; allowed: a start before"),
    ],
)
def test_train_says_what_it_misses(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


def test_without_torch_train_names_the_extra_and_spares_the_old_run(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.json").touch()
    code = "from scripts.cli import main;sys.exit(main(['train', 'triangle', '--out', 'old', '--overwrite']))"
    done = separate(code, tmp_path, ("torch",))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "pip install load-balancer[train]" in done.stderr
    assert (tmp_path / "old" / "config.json").exists()


def test_train_takes_many_grids_and_the_agent_runs_any_other(run: CommandLine, tmp_path: Path) -> None:
    text = run.ok("train", "triangle", "gen:6..7x2", "--steps", 4000, "--stages", "gradient")
    assert "compare  load-balancer evaluate runs/many-graph --grid GRID" in text
    value = run.json("evaluate", "many-graph", "--grid", "gen:8:3", "--episodes", 2)
    assert value["grid"] == "gen:8:3"
    assert "agent" in value["policies"]
    run.ok("render", "many-graph", "--grid", "gen:8:3", "--out", "episode.npz")
    episode = Episode.load(tmp_path / "episode.npz")
    assert (episode.policy, episode.grid_name) == ("agent", "gen:8:3")
    run.ok("train", "gen:8:3", "--start", "many-graph", "--steps", 3072)
    assert (tmp_path / "runs" / "gen:8:3-graph" / "grid.json").exists()
    for line, said in (
        ("evaluate many-graph", "many-graph: found an agent of 3 grids; allowed: one grid to run; add --grid"),
        ("render many-graph", "many-graph: found an agent of 3 grids; allowed: one grid to run; add --grid"),
        (
            "render triangle --grid classic",
            "--grid classic: found no agent to run it, but triangle; allowed: the fold",
        ),
        ("train triangle classic --policy mlp", "train.policy: found 'mlp' for 2 grids; allowed: 'graph'"),
        ("train triangle --start nowhere", "nowhere: found no such run; allowed: the folder of a run"),
        ("train gen:6..5x2", "gen:6..5x2: found sizes from 6 to 5"),
    ):
        assert said in run.fault(*line.split())


def test_a_shipped_agent_goes_by_its_name(
    run: CommandLine, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "agents")
    run.ok(
        "train", "triangle", "--policy", "graph", "--steps", 1500, "--stages", "gradient", "--out", "agents/everywhere"
    )
    value = run.json("evaluate", "everywhere", "--grid", "gen:6:1", "--episodes", 1)
    assert list(value["policies"])[-2:] == ["agent", "optimum"]
    run.ok("render", "everywhere", "--grid", "gen:6:1", "--out", "grid_state.png")
    for line in ("evaluate everywere --grid gen:6:1", "render everywere --grid gen:6:1", "render everywere"):
        fault = run.fault(*line.split())
        assert "everywere: found no" in fault
        assert fault.rstrip().endswith("did you mean 'everywhere'?")


# --- evaluate -----------------------------------------------------------------------------------------------------


def test_evaluate_compares_an_agent(run: CommandLine, trained: Path) -> None:
    value = run.json("evaluate", trained, "--episodes", 3)
    assert (value["grid"], value["episodes"]) == ("triangle", 3)
    policies = value["policies"]
    assert list(policies) == ["random", "merit", "redispatch", "mpc", "agent", "optimum"]
    for figures in policies.values():
        assert set(figures) == {"cost", "gap_frac", "score", "unserved_mwh", "overload_mwh", "decision_s"}
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
    for words, shown in (((trained,), "agent"), (("--grid", "triangle"), "mpc")):
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
    monkeypatch.setattr(mpc, "MOST_NODES", 2)
    words = ("--grid", "triangle", "--episodes", 1)
    assert "load-balancer evaluate mpc --grid" in run.ok("evaluate", *words).splitlines()[-1]
    assert list(run.json("evaluate", *words)["policies"]) == ["random", "merit", "redispatch", "optimum"]
    assert list(run.json("evaluate", "mpc", *words)["policies"]) == ["mpc", "optimum"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate --grid triangle --plot gaps.gif", "gaps.gif: found the suffix '.gif'; allowed: .png, .svg, .pdf"),
        ("evaluate", "evaluate: found no grid; allowed: a run, or --grid"),
        ("evaluate merit", "evaluate: found no grid; allowed: a run, or --grid"),
        ("evaluate triangle", "triangle: found no such run; allowed: the folder of a run"),
        ("evaluate merrit --grid triangle", "or a policy: random, merit, redispatch, mpc; did you mean 'merit'?"),
        ("evaluate triangle", "for the grid write --grid triangle"),
        ("evaluate --grid triangel", "did you mean 'triangle'?"),
    ],
)
def test_evaluate_says_what_it_misses(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


def test_what_was_not_learned_is_said(run: CommandLine) -> None:
    assert run("train", "triangle", "--policy", "mlp", "--seconds", 0.01, "--out", "none") == 0
    assert "nothing was learned: no update fitted into the time" in run.out


def test_an_agent_takes_no_outages_to_another_grid(run: CommandLine, tmp_path: Path) -> None:
    assert run("train", "triangle", "--steps", 1, "--outages", "plant-town,5,6", "--out", "runs/cut") == 0, run.err
    assert run("evaluate", "runs/cut", "--grid", "classic", "--episodes", 1) == 0, run.err


def test_an_agent_stays_on_its_grid(run: CommandLine, trained: Path) -> None:
    fault = run.fault("evaluate", trained, "--grid", "classic", "--episodes", 2)
    assert "found the grid 'classic'; allowed: the grid 'triangle'" in fault


# --- render -------------------------------------------------------------------------------------------------------


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
    for policy in ("merit", "mpc", "optimum"):
        run.ok("render", "triangle", "--policy", policy, "--seed", 7, "--out", "episode.npz")
        costs[policy] = Episode.load(tmp_path / "episode.npz").cost
    value["policies"] |= run.json("evaluate", "mpc", "--grid", "triangle", "--episodes", 1, "--seed", 7)["policies"]
    expected = {name: figures["cost"]["mean"] for name, figures in value["policies"].items()}
    assert costs == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["grid_state.png", "sim_results.png", "grid_state.gif"])
def test_render_writes_what_the_name_says(run: CommandLine, tmp_path: Path, name: str) -> None:
    run.ok("optimum", "triangle", "--horizon", 3, "--out", "best.npz")
    assert run.ok("render", "best.npz", "--out", f"pictures/{name}") == f"pictures/{name}\n"
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
        ("render triangle --policy best", "found 'best'; allowed: agent, random, merit, redispatch, mpc, optimum"),
        ("render triangle --out grid_state.bmp", "grid_state.bmp: found the suffix '.bmp'"),
        ("render nowhere --out grid_state.bmp", "grid_state.bmp: found the suffix '.bmp'"),  # before any work
        ("render triangle --out grid_state.bmp", "allowed: .gif, .mp4, .png, .html, .npz"),
        ("render triangle --what sim_results --out a.html", "--what: found a.html, which holds all"),
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


# --- demo ------------------------------------------------------------------------------------------------------------


def test_demo_trains_evaluates_and_renders(run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "GRID", "triangle")
    monkeypatch.setattr(demo, "EPISODES", 2)
    monkeypatch.setattr(demo, "PICTURES", {"the grid": "grid_state.png", "its course": "sim_results.png"})
    text = run.ok("demo", "--out", "shown", "--seconds", 2)
    assert [line[:3] for line in text.splitlines() if line[1:2] == "/"] == ["1/3", "2/3", "3/3"]
    assert [line.split()[0] for line in text.splitlines() if line[:5] in ("agent", "optim")] == ["agent", "optimum"]
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
