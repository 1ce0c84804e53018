"""Training an agent from the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from command_line import CommandLine, separate
from grid import Episode, GridError
from policies import find_own_run, find_run, runs


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
    (old / "config.json").write_text('{"format": "load-balancer-run/1", "env": {}, "train": {}}')
    (old / ".weights.partial-abcd1234.safetensors").touch()  # of a process that was killed
    runs.check_room(old, overwrite=True)
    runs.make_room(old)
    assert not list(old.iterdir())


def test_a_folder_whose_config_is_of_something_else_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": 1}')
    with pytest.raises(GridError, match=r"found a folder with other files \(no config.json of a run\)"):
        runs.check_room(tmp_path, overwrite=True)


def test_what_is_refused_leaves_the_older_run(run: CommandLine, trained: Path) -> None:
    words = ("train", "triangle", "--policy", "mlp", "--steps", 1, "--out", trained, "--overwrite")
    assert "found 'cuda:7', while torch sees" in run.fault(*words, "--device", "cuda:7")
    words = ("train", "triangle", "--start", trained, "--steps", 1, "--out", trained, "--overwrite")
    assert "allowed: another run than the one that is replaced; choose another --out" in run.fault(*words)
    assert (trained / "weights.safetensors").exists()


def test_a_graph_network_moves_away_from_a_plan(run: CommandLine) -> None:
    fault = run.fault("train", "triangle", "--steps", 1, "--set", "action=residual")
    allowed = "bids, plan, store-values or secure-values, with the policy graph"
    assert f"found 'residual'; allowed: {allowed}; leave it out, or take --policy" in fault


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


@pytest.mark.slow
def test_an_evaluation_with_other_outages_or_overload_is_not_kept(run: CommandLine, tmp_path: Path) -> None:
    lines = ("--outages", "plant-town,5,6", "--overload", "trip")
    assert run("train", "triangle", "--steps", 1, "--set", "n_envs=4", *lines, "--out", "own") == 0, run.err
    words = ("evaluate", "own", "--episodes", 1)
    run.ok(*words, "--outages", "plant-town,8,2")
    run.ok(*words, "--overload", "penalty")
    assert not (tmp_path / "own" / "evaluation.json").exists()
    title = " ".join(run.ok(*words, *lines).split())
    assert "seed 0, overloaded lines trip, out of service: plant-town from hour 5 for 6 h [95 % interval]" in title
    kept = json.loads((tmp_path / "own" / "evaluation.json").read_text("utf-8"))
    assert (kept["trips"], kept["outages"]) == (
        True,
        [{"line": "plant-town", "start_h": 5, "duration_h": 6, "announced": True}],
    )


def test_a_run_goes_on_and_says_what_to_do_with_it(run: CommandLine, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, "copy")
    text = run.ok("train", "--resume", "copy", "--steps", 300)
    curves = [(folder / "progress.csv").read_text("utf-8").splitlines() for folder in (trained, tmp_path / "copy")]
    assert len(curves[1]) > len(curves[0])
    for line in ("load-balancer evaluate copy", "load-balancer render copy --out grid_state.gif"):
        assert line in text
    assert text.endswith("\nrun: copy\n")


def test_a_run_goes_on_by_its_name_and_advice_can_be_pasted(run: CommandLine, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs" / "my run")
    text = run.ok("train", "--resume", "my run", "--steps", 10)
    assert text.endswith("\nrun: runs/my run\n")
    for line in ("evaluate 'runs/my run'", "render 'runs/my run' --out", "train --resume 'runs/my run' --seconds"):
        assert f"load-balancer {line}" in text


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
        ("train triangle --resume a", "train --resume: found GRID beside it"),
        (
            "train --resume nowhere",
            "nowhere: found no such run; allowed: the folder of a run or its name in runs/",
        ),
        (
            "train --resume universal",
            "allowed: the folder of a run or its name in runs/; name a run",
        ),
        ("train --resume .", ".: found no config.json in it; allowed: the folder of a run or its name in runs/; give"),
        (
            "train triangle --start classic",
            "classic: found no such run; allowed: the folder of a run",
        ),
        (
            "train triangle --start classic",
            "or a shipped agent: universal, universal-storm, universal-weather; use one of: universal",
        ),
        ("train triangle --policy mlp --start universal", "train.policy: found 'mlp' beside start; allowed: 'graph'"),
        ("train triangle --outages plant-town,48,2", "found hour 48 of an episode of 48 h; allowed: a start before"),
    ],
)
def test_train_says_what_it_misses(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


def test_without_torch_train_names_the_extra_and_spares_the_old_run(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.json").write_text(json.dumps({"format": 1, "env": {}, "train": {}}))
    code = "from scripts.cli import main;sys.exit(main(['train', 'triangle', '--out', 'old', '--overwrite']))"
    done = separate(code, tmp_path, ("torch",))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "pip install load-balancer[train]" in done.stderr
    assert (tmp_path / "old" / "config.json").exists()


def test_stages_are_judged_as_the_world_sets_them(run: CommandLine) -> None:
    """Where plants stop, an mlp trains by the gradient alone, which knows ranks."""
    run.ok("train", "thermal:gen:8:3", "--policy", "mlp", "--ranks", 2, "--steps", 8, "--set", "n_envs=4")


def test_no_seed_is_trained_where_the_folder_of_another_is_taken(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x-1").mkdir()
    (tmp_path / "x-1" / "letter.txt").touch()
    fault = run.fault("train", "triangle", "--seeds", 2, "--out", "x", "--steps", 96)
    assert "x-1: found a folder with other files (letter.txt" in fault
    assert not (tmp_path / "x-0").exists()


def test_train_takes_many_grids_and_the_agent_runs_any_other(run: CommandLine, tmp_path: Path) -> None:
    text = run.ok("train", "triangle", "gen:6..7x2", "--steps", 1, "--set", "n_envs=4")
    assert "compare  load-balancer evaluate runs/many-graph --grid GRID" in text
    value = run.json("evaluate", "many-graph", "--grid", "gen:8:3", "--episodes", 2)
    assert value["grid"] == "gen:8:3"
    assert "agent" in value["policies"]
    run.ok("render", "many-graph", "--grid", "gen:8:3", "--out", "episode.npz")
    episode = Episode.load(tmp_path / "episode.npz")
    assert (episode.policy, episode.grid_name) == ("agent", "gen:8:3")
    run.ok("train", "gen:8:3", "--start", "many-graph", "--steps", 1, "--set", "n_envs=4")
    assert (tmp_path / "runs" / "gen:8:3-graph" / "grid.json").exists()
    for line, said in (
        ("evaluate many-graph", "many-graph: found an agent of 3 grids; allowed: one grid to run; add --grid"),
        ("render many-graph", "many-graph: found an agent of 3 grids; allowed: one grid to run; add --grid"),
        (
            "render triangle --grid classic",
            "--grid classic: found no agent to run it, but triangle; allowed: the fold",
        ),
        ("train triangle classic --policy mlp", "train.policy: found 'mlp' for 2 grids; allowed: 'graph'"),
        (
            "train classic-storm-v1 --world weather",
            "train: found --world weather beside the task classic-storm-v1, which has one; allowed: a task, or a grid "
            "in a world; leave it out, or name classic",
        ),
        ("train triangle --start nowhere", "nowhere: found no such run; allowed: the folder of a run"),
        ("train gen:6..5x2", "gen:6..5x2: found sizes from 6 to 5"),
    ):
        assert said in run.fault(*line.split())


def test_a_shipped_agent_goes_by_its_name(run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "agents")
    run.ok("train", "triangle", "--steps", 1, "--set", "n_envs=4", "--out", "agents/everywhere")
    value = run.json("evaluate", "everywhere", "--grid", "gen:6:1", "--episodes", 1)
    assert list(value["policies"])[-2:] == ["agent", "optimum"]
    run.ok("render", "everywhere", "--grid", "gen:6:1", "--out", "grid_state.png")
    for line in ("evaluate everywere --grid gen:6:1", "render everywere --grid gen:6:1", "render everywere"):
        fault = run.fault(*line.split())
        assert "everywere: found no" in fault
        assert fault.rstrip().endswith("did you mean 'everywhere'?")


@pytest.mark.parametrize("stranger", ["old-mlp", "universal"])
def test_a_folder_that_is_no_run_hides_none(run: CommandLine, tmp_path: Path, stranger: str) -> None:
    """A run is a folder with config.json, also where the working directory holds another one of the same name."""
    (tmp_path / stranger / "notes").mkdir(parents=True)
    kept = tmp_path / "runs" / "old-mlp"
    kept.mkdir(parents=True)
    (kept / "config.json").touch()
    found = find_run(stranger)
    assert found is not None
    assert found.resolve() == (kept if stranger == "old-mlp" else runs.SHIPPED / stranger).resolve()
    assert find_own_run("universal") is None
    (tmp_path / stranger / "config.json").touch()
    assert find_run(stranger) == find_own_run(stranger) == Path(stranger)


def test_a_folder_without_a_run_says_so(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words in (["evaluate", "empty"], ["train", "--resume", "empty"], ["train", "triangle", "--start", "empty"]):
        assert run.fault(*words).startswith("empty: found no config.json in it; allowed: the folder of a run")


def test_with_a_gate_or_starts_agents_start_at_the_plan_unless_told_otherwise(run: CommandLine, tmp_path: Path) -> None:
    short = "--policy", "mlp", "--steps", 1, "--set", "n_envs=1"
    run.ok("train", "triangle", "--world", "weather", *short, "--out", "by-plan")
    run.ok("train", "thermal:triangle", *short, "--out", "thermal")
    run.ok("train", "classic-weather-v1", *short, "action=residual", "--stages", "optimum", "--out", "told")
    storm = "train", "triangle", "--world", "storm", "--steps", 96, "--set", "n_envs=2"
    run.ok(*storm, "--out", "storm")
    run.ok(*storm, "action=secure-values", "--out", "secure")
    runs = "by-plan", "thermal", "told", "storm", "secure"
    found = [json.loads((tmp_path / name / "config.json").read_text("utf-8")) for name in runs]
    assert [(each["env"]["action"], each["train"]["stages"]) for each in found] == [
        *[("plan", ["gradient"])] * 2,
        ("residual", ["optimum"]),
        ("store-values", ["search"]),
        ("secure-values", ["search"]),
    ]
