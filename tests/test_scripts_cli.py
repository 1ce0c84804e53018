"""The entry: finding commands, and one clear line for everything that is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import ROOT, CommandLine, separate
from grid import Grid
from scripts.cli import COMMANDS, main
from slow_cases import slow
from topologies.formats import WRITERS

Graph = dict[str, Any]


def small_grid() -> Graph:
    return {
        "directed": False,
        "multigraph": True,
        "graph": {"format": "load-balancer/1", "name": "small"},
        "nodes": [
            {"id": "gas", "kind": "source", "gen_max_mw": 80.0, "gen_cost_per_mwh": 60.0},
            {"id": "battery", "kind": "storage", "store_max_mwh": 60, "charge_max_mw": 20, "discharge_max_mw": 20},
            {"id": "town", "kind": "consumer", "load_max_mw": 50.0},
        ],
        "edges": [
            {"source": "gas", "target": "town", "capacity_mw": 60.0},
            {"source": "town", "target": "battery", "capacity_mw": 30.0},
        ],
    }


def write(graph: Graph, path: Path) -> Path:
    path.write_text(json.dumps(graph), encoding="utf-8")
    return path


# --- finding commands ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_the_overview_names_every_command(run: CommandLine, words: list[str]) -> None:
    text = run.ok(*words)
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_defaults_within_100_columns(run: CommandLine, command: str) -> None:
    assert run(command, "--help") == 0
    usage, text = run.out.split("\n", 1)
    assert f"load-balancer {command}" in usage
    assert max(map(len, text.splitlines())) <= 100
    assert "--quiet" in text
    assert "--debug" in text
    assert "default:" in text
    assert "None" not in text


def test_the_version_is_printed(run: CommandLine) -> None:
    assert run.ok("--version").startswith("load-balancer ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trian", "unknown command 'trian'; did you mean 'train'?"),
        ("--halp", "unknown option '--halp'"),
        ("train triangle --polcy mlp", "unknown option '--polcy' of train; did you mean '--policy'?"),
        ("optimum triangle --grid 3", "unknown option '--grid' of optimum; "),
        ("inspect triangle classic", "inspect cannot use 'classic'; load-balancer inspect --help shows what it takes"),
        ("train triangle --steps 1.5", "--steps: found '1.5'; allowed: a whole number >= 1"),
        ("train triangle --seconds nan", "--seconds: found 'nan'; allowed: a number > 0"),
        ("train triangle --seed -1", "--seed: found '-1'; allowed: a whole number >= 0"),
        ("train triangle --policy mpl", "--policy: found 'mpl'; allowed: mlp, extractor, graph; did you mean 'mlp'?"),
        ("train triangle --steps", "--steps: found no value; allowed: N; load-balancer train --help shows what it"),
        ("train triangle --grid a --seed=0 --seed 3", "--seed: found it 2 times; allowed: once; give --seed once"),
        ("evaluate merit --grid a --grid a --grid b", "--grid: found it 3 times; allowed: once; give --grid once"),
        ("render a --outages b --outages c", "allowed: once; give --outages once, with all its values"),
        ("inspect", "inspect needs GRID; load-balancer inspect --help shows what it takes"),
        ("convert a.json", "convert needs OUT; load-balancer convert --help shows what it takes"),
        ("evaluate --episodes 0", "--episodes: found '0'; allowed: a whole number >= 1"),
    ],
)
def test_a_line_that_cannot_be_understood_says_why(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


def test_the_reason_is_found_in_plain_letters_too(tmp_path: Path) -> None:
    code = "from scripts.cli import main; main(['train', 'triangle', '--steps', 'x'])"
    assert separate(code, tmp_path, PYTHONIOENCODING="ascii").stderr == (
        "error: --steps: found 'x'; allowed: a whole number >= 1\n"
    )


# --- bad input ----------------------------------------------------------------------------------------------------


def wrong_kind(grid: Graph) -> None:
    grid["nodes"][0]["kind"] = "sourse"


def nan_capacity(grid: Graph) -> None:
    grid["edges"][0]["capacity_mw"] = float("nan")


def negative_capacity(grid: Graph) -> None:
    grid["edges"][0]["capacity_mw"] = -4


def unknown_endpoint(grid: Graph) -> None:
    grid["edges"][0]["target"] = "twon"


def duplicate_id(grid: Graph) -> None:
    grid["nodes"].append(dict(grid["nodes"][2]))


def unknown_field(grid: Graph) -> None:
    grid["nodes"][0]["gen_max"] = 3


def unreachable_consumer(grid: Graph) -> None:
    grid["nodes"].append({"id": "island", "kind": "consumer", "load_max_mw": 1})


def unknown_profile(grid: Graph) -> None:
    grid["nodes"][2]["load_profile"] = "houshold"


def two_lines_in_an_id(grid: Graph) -> None:
    grid["nodes"].append({"id": "isle\nerror: forged", "kind": "consumer", "load_max_mw": 1})


BAD_GRIDS: list[tuple[Callable[[Graph], None], list[str]]] = [
    (wrong_kind, ["'gas'", "'sourse'", "did you mean 'source'?"]),
    (nan_capacity, ["NaN"]),
    (negative_capacity, ["'gas-town'", "capacity_mw -4", "a number > 0"]),
    (unknown_endpoint, ["'twon'", "'town'"]),
    (duplicate_id, ["'town'", "twice"]),
    (unknown_field, ["'gas'", "'gen_max'", "did you mean 'gen_max_mw'?"]),
    (unreachable_consumer, ["'island'", "no source can reach"]),
    (unknown_profile, ["'houshold'", "did you mean 'household'?"]),
    (two_lines_in_an_id, ["isle\\nerror: forged"]),
]


@pytest.mark.parametrize(("spoil", "said"), BAD_GRIDS, ids=[spoil.__name__ for spoil, _ in BAD_GRIDS])
@pytest.mark.parametrize("command", ["inspect", "optimum", "train", "render"])
def test_a_bad_grid_gives_one_line(
    run: CommandLine, tmp_path: Path, spoil: Callable[[Graph], None], said: list[str], command: str
) -> None:
    grid = small_grid()
    spoil(grid)
    fault = run.fault(command, write(grid, tmp_path / "bad.json"))
    assert "bad.json" in fault
    for word in said:
        assert word in fault


def test_a_profile_with_a_gap_is_named_with_its_line(run: CommandLine, tmp_path: Path) -> None:
    grid = small_grid()
    grid["graph"]["profiles"] = "town.csv"
    grid["nodes"][2]["load_profile"] = "town"
    (tmp_path / "town.csv").write_text("time_h,town [share]\n0,0.5\n1,0.6\n3,0.7\n4,0.7\n", encoding="utf-8")
    fault = run.fault("inspect", write(grid, tmp_path / "grid.json"))
    assert "town.csv, line 4" in fault
    assert "fill the gap" in fault


@pytest.mark.parametrize("command", ["inspect", "optimum", "train", "render"])
def test_a_missing_file_is_named(run: CommandLine, command: str) -> None:
    assert "nowhere.json" in run.fault(command, "nowhere.json")


def test_every_fault_has_its_line(run: CommandLine, tmp_path: Path) -> None:
    grid = small_grid()
    wrong_kind(grid)
    negative_capacity(grid)
    assert run("inspect", write(grid, tmp_path / "bad.json")) == 2
    assert [line[:7] for line in run.err.splitlines()] == ["error: ", "error: "]
    assert "'sourse'" in run.err
    assert "capacity_mw -4" in run.err


def test_a_file_that_is_no_grid_gives_one_line(run: CommandLine, tmp_path: Path) -> None:
    for name, content in {"a.json": "{", "b.json": "[" * 100_000, "c.m": "x", "d.json": ""}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert name in run.fault("inspect", name)


# --- errors in general --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["--debug inspect nowhere", "inspect --debug nowhere", "inspect nowhere --debug"])
def test_debug_shows_where_an_error_arose(run: CommandLine, line: str) -> None:
    assert run(*line.split()) == 2
    assert "Traceback (most recent call last)" in run.err
    assert run.err.splitlines()[-1].startswith("error: nowhere: found no such grid")


def test_an_error_of_the_program_is_told_from_one_of_the_input(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[str]:
        raise RuntimeError("something\nunforeseen")

    monkeypatch.setattr("topologies.names", fail)
    assert run("topologies") == 1
    assert run.err == (
        "error: a fault of the program, not of your input: RuntimeError: something\\nunforeseen; "
        "run again with --debug to see where\n"
    )


def test_ctrl_c_ends_with_a_sentence(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("topologies.names", interrupted)
    assert run("topologies") == 130
    assert run.err == "error: interrupted before the end; nothing half-written is left behind\n"


def test_json_keeps_what_libraries_print_off_stdout(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def talkative() -> list[str]:
        print("a word of a library")
        return []

    monkeypatch.setattr("topologies.names", talkative)
    assert run("topologies", "--json") == 0
    assert json.loads(run.out) == {"topologies": []}
    assert run.err == "a word of a library\n"


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    code = "import sys; from scripts.cli import main; sys.exit(main(['topologies']))"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("line", ["", "topologies", *slow("--version", "topologies --json", "inspect --help")])
def test_a_full_stdout_is_one_clear_line(tmp_path: Path, line: str) -> None:
    code = f"import sys; from scripts.cli import main; sys.exit(main({line.split()!r}))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    found = "No space left on device; allowed: an output that can be written; send it elsewhere"
    assert (done.returncode, done.stderr) == (2, f"error: stdout: found {found}\n")


def test_a_closed_stdout_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", None)
        assert main(["topologies"]) == 2
    said = "error: stdout: found it closed; allowed: an output that can be written; send it to a file\n"
    assert capsys.readouterr().err == said


def test_a_folder_that_shadows_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").touch()
    code = "import sys; from scripts.cli import main; sys.exit(main(['topologies']))"
    done = separate(code, tmp_path)  # with -c the working directory comes first
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {tmp_path / 'envs'} shadows the program's own package 'envs' in {ROOT}; "
        "rename it or work in another folder\n"
    )


@pytest.mark.parametrize(("line", "needed"), [("topologies --quiet", []), ("inspect triangle", ["gymnasium"])])
def test_the_light_commands_start_without_the_heavy_packages(tmp_path: Path, line: str, needed: list[str]) -> None:
    code = (
        f"from scripts.cli import main; main({line.split()!r});"
        "print(sorted({'torch', 'matplotlib', 'gymnasium', 'highspy', 'stable_baselines3'} & set(sys.modules)))"
    )
    assert separate(code, tmp_path).stdout.splitlines()[-1] == str(needed)


def test_no_argument_means_the_words_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["load-balancer", "nonsense"])
    assert main() == 2
    assert "unknown command 'nonsense'" in capsys.readouterr().err


def test_sigterm_ends_it_also_where_ctrl_c_is_ignored(tmp_path: Path) -> None:
    code = (
        "import os, signal; from scripts import cli; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "cli._run = lambda words: os.kill(os.getpid(), signal.SIGTERM); raise SystemExit(cli.main(['topologies']))"
    )
    done = separate(code, tmp_path)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("error: interrupted before the end")


def test_optimum_says_where_limited_lines_carry_nothing(run: CommandLine, tmp_path: Path) -> None:
    grid = Grid("idle")
    for name in ("a", "b"):
        grid.add_source(name, gen_max_mw=5, gen_cost_per_mwh=20)
    grid.add_line("a", "b", capacity_mw=5)
    WRITERS[".json"](grid, tmp_path / "idle.json")
    assert run.ok("optimum", tmp_path / "idle.json").endswith("no line with a limit carries anything\n")
