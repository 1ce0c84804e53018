"""Each command on small grids: what it prints, what it writes, and the shape of its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from command_line import CommandLine, separate
from grid import Episode, Grid
from grid.costs import TERMS
from policies.extras import TRAIN_EXTRA
from scripts import benchmark
from scripts.scale import WORKS
from topologies import load, names
from topologies.formats import WRITERS


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return CommandLine(capsys)


# --- topologies, inspect, convert ---------------------------------------------------------------------------------


def test_topologies_lists_every_bundled_grid(run: CommandLine) -> None:
    header, *rows = run.ok("topologies").split("\n\n")[0].splitlines()
    assert header.split() == ["name", "nodes", "lines", "sources", "storages", "consumers"]
    assert [row.split()[0] for row in rows] == names()
    listed = run.json("topologies")["topologies"]
    assert [row["name"] for row in listed] == names()
    for row in listed:
        arrays = load(row["name"]).compile()
        assert (row["nodes"], row["lines"]) == (len(arrays.node_names), len(arrays.line_names))
        assert row["storages"] == arrays.is_store.sum()
        assert row["origin"]
        assert row["licence"]


def test_inspect_describes_a_grid(run: CommandLine) -> None:
    arrays = load("classic").compile()
    facts = run.json("inspect", "classic")
    assert (facts["nodes"], facts["lines"], facts["parts"]) == (len(arrays.node_names), len(arrays.line_names), 1)
    assert facts["gen_max_mw"] == pytest.approx(arrays.gen_max_mw.sum())
    assert facts["load_max_mw"] == pytest.approx(arrays.peak_load_mw)
    assert facts["capacity_least_mw"] == arrays.capacity_mw.min()
    assert (facts["assumed"], facts["faults"]) == ([], [])
    text = run.ok("inspect", "classic")
    ratio = arrays.gen_max_mw.sum() / arrays.peak_load_mw
    assert f"{ratio:.2f} times the peak demand" in text
    assert "faults           none" in text


def barbell(folder: Path, **line: float) -> None:
    """Two triangles joined by one line, with a town at the end of a line of its own; parallel lines in one triangle."""
    grid = Grid("barbell")
    grid.add_source("plant", gen_max_mw=60, gen_cost_per_mwh=20)
    grid.add_source("spare", gen_max_mw=60, gen_cost_per_mwh=90)
    for name, load_max_mw in (("a", 5), ("b", 7), ("c", 11), ("d", 13), ("end", 3)):
        grid.add_consumer(name, load_max_mw=load_max_mw)
    for start, end in (("plant", "a"), ("a", "b"), ("b", "plant"), ("b", "plant"), ("c", "d"), ("d", "spare")):
        grid.add_line(start, end, capacity_mw=50)
    grid.add_line("spare", "c", capacity_mw=50)
    grid.add_line("b", "c", "tie", **line)
    grid.add_line("d", "end", capacity_mw=50)
    WRITERS[".json"](grid, folder / "barbell.json")


def test_inspect_names_bridges_by_what_goes_unserved_without_them(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=50)
    facts = run.json("inspect", "barbell.json")
    assert facts["bridges"] == [{"line": "d-end", "unserved_mw": 3.0}, {"line": "tie", "unserved_mw": 0.0}]
    assert "bridges          d-end (else up to 3 MW unserved), tie" in run.ok("inspect", "barbell.json")
    lone = Grid("lone")
    lone.add_source("plant", gen_max_mw=9)
    for name in ("a", "b"):
        lone.add_consumer(name, load_max_mw=4)
    for start, end in (("plant", "a"), ("a", "b")):
        lone.add_line(start, end)
    WRITERS[".json"](lone, tmp_path / "lone.json")
    found = run.json("inspect", "lone.json")["bridges"]
    assert found == [{"line": "plant-a", "unserved_mw": 8.0}, {"line": "a-b", "unserved_mw": 4.0}]
    assert run.json("inspect", "triangle")["bridges"] == []
    assert len(run.json("inspect", "gen:30:0")["bridges"]) == load("gen:30:0").graph.number_of_edges() == 29


def test_inspect_names_lines_too_small_for_the_merit_order(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=18)
    facts = run.json("inspect", "barbell.json")
    worst = facts["loaded"][0]
    assert (worst["line"], worst["overloaded_frac"]) == ("tie", 1.0)
    assert worst["loading_most_frac"] == pytest.approx((11 + 13 + 3) / 18)
    assert [row["overloaded_frac"] for row in facts["loaded"][1:]] == [0.0] * 8
    assert facts["tightest"] == {"load_mw": 39.0, "supply_mw": 120.0}
    text = " ".join(run.ok("inspect", "barbell.json").split())
    assert "overloaded by the merit order: tie (up to 150% of capacity, 100.0% of the hours) peak" in text
    assert "tightest hour demand 39 MW, sources could give 120 MW" in text


def test_inspect_says_when_nothing_is_overloaded_or_the_series_end_too_soon(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=50)
    assert "overloaded       by the merit order: none" in run.ok("inspect", "barbell.json")
    graph = json.loads((tmp_path / "barbell.json").read_text("utf-8"))
    graph["graph"]["profiles"] = "short.csv"
    graph["nodes"][2]["load_profile"] = "street"
    (tmp_path / "barbell.json").write_text(json.dumps(graph), encoding="utf-8")
    (tmp_path / "short.csv").write_text("time_h,street [share]\n0,1\n1,0.5\n2,0.7\n", encoding="utf-8")
    assert run.json("inspect", "barbell.json")["tightest"] is None
    said = run.ok("inspect", "barbell.json")
    assert "the series are too short for a day" in said
    assert "too short" in said
    assert "give a series of about" in said


def test_inspect_takes_the_peak_from_the_series(run: CommandLine, tmp_path: Path) -> None:
    barbell(tmp_path, capacity_mw=50)
    graph = json.loads((tmp_path / "barbell.json").read_text("utf-8"))
    before = run.json("inspect", "barbell.json")["load_max_mw"]
    graph["graph"]["profiles"] = "high.csv"
    graph["nodes"][2]["load_profile"] = "street"
    (tmp_path / "barbell.json").write_text(json.dumps(graph), encoding="utf-8")
    rows = "".join(f"{hour},{1 + hour % 24 / 23}\n" for hour in range(24 * 40))
    (tmp_path / "high.csv").write_text(f"time_h,street [share]\n{rows}", encoding="utf-8")
    assert run.json("inspect", "barbell.json")["load_max_mw"] == pytest.approx(
        before + graph["nodes"][2]["load_max_mw"]
    )


def test_inspect_tells_what_it_assumes(run: CommandLine, tmp_path: Path) -> None:
    graph = json.loads((Path(load.__code__.co_filename).parent / "data" / "triangle.json").read_text("utf-8"))
    graph["edges"][0].pop("capacity_mw")
    (tmp_path / "open.json").write_text(json.dumps(graph), encoding="utf-8")
    facts = run.json("inspect", "open.json")
    assert any("unlimited capacity for 1 of 3 lines" in note for note in facts["assumed"])
    assert facts["limited_lines"] == 2


def test_inspect_lists_faults_as_json_too(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"nodes": [], "edges": []}', encoding="utf-8")
    assert run("inspect", "bad.json", "--json") == 2
    value = json.loads(run.out)
    assert value["nodes"] is None
    assert [f"error: {fault}" for fault in value["faults"]] == run.err.splitlines()


def test_inspect_draws_the_grid(run: CommandLine, tmp_path: Path) -> None:
    assert "picture: grid.png" in run.ok("inspect", "triangle", "--picture", "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert min(picture.size) > 300
    assert "grid.bmp: found the suffix '.bmp'" in run.fault("inspect", "nowhere", "--picture", "grid.bmp")


def test_convert_keeps_the_grid(run: CommandLine, tmp_path: Path) -> None:
    assert run.ok("convert", "classic", "copy.json") == "copy.json\n"
    assert load(tmp_path / "copy.json").compile().fingerprint == load("classic").compile().fingerprint


def test_convert_refuses_a_format_it_cannot_write(run: CommandLine, tmp_path: Path) -> None:
    assert "copy.jsn: found the suffix '.jsn'" in run.fault("convert", "classic", "copy.jsn")
    assert not list(tmp_path.iterdir())


# --- optimum ------------------------------------------------------------------------------------------------------


def test_convert_replaces_no_file_that_it_was_not_told_of(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine_profiles.csv").write_text("time_h,town [MW]\n" + "".join(f"{hour},5\n" for hour in range(400)))
    nodes = [
        {"id": "plant", "kind": "source", "gen_max_mw": 20},
        {"id": "town", "kind": "consumer", "load_max_mw": 10, "load_profile": "town"},
    ]
    about = {"format": "load-balancer/1", "name": "mine", "profiles": "mine_profiles.csv"}
    edges = [{"source": "plant", "target": "town"}]
    (tmp_path / "mine.json").write_text(json.dumps({"graph": about, "nodes": nodes, "edges": edges}))
    before = (tmp_path / "mine_profiles.csv").read_text()
    fault = run.fault("convert", "mine.json", "mine.graphml")
    assert "mine.graphml: found mine_profiles.csv, which the series would replace; allowed: a name whose" in fault
    assert (tmp_path / "mine_profiles.csv").read_text() == before
    assert run.ok("convert", "mine.json", "other.graphml").split()[-2:] == ["other.graphml", "other_profiles.csv"]
    run.ok("convert", "mine.json", "other.graphml")  # now both are known to be its own


def test_optimum_adds_up(run: CommandLine) -> None:
    value = run.json("optimum", "case14", "--seed", 1)
    assert (value["grid"], value["status"], value["exact"]) == ("case14", "optimal", True)
    assert tuple(value["cost_terms"]) == TERMS
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
    found = run.fault("optimum", "classic", "--convention", "powermodels")
    assert "classic: found no MATPOWER case; allowed: a .m file with --convention powermodels" in found


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


# --- benchmark ----------------------------------------------------------------------------------------------------


def test_benchmark_has_its_shape(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "LEAST_RUNS", 1)
    monkeypatch.setattr(benchmark, "PPO_POLICIES", ("mlp", "free_env"))
    monkeypatch.setattr(benchmark, "PPO_GRID", "triangle")
    value = run.json("benchmark", "triangle", "--seconds", 0.01)
    assert set(value) == {
        "env_steps_per_s",
        "ppo_steps_per_s",
        "render_frames_per_s",
        "nx_draw_frames_per_s",
        "outage_per_intact",
        "optimum",
    }
    assert list(value["env_steps_per_s"]["triangle"]) == ["1", "64", "1024"]
    assert list(value["ppo_steps_per_s"]) == ["mlp", "free_env"]
    rates = [*value["env_steps_per_s"]["triangle"].values(), *value["ppo_steps_per_s"].values()]
    assert min(rates) > 100
    assert value["render_frames_per_s"]["triangle"] > 2 * value["nx_draw_frames_per_s"]["triangle"]
    solve = value["optimum"]["triangle"]
    assert set(solve) == {"optimum_s", *benchmark.RATIOS}
    assert value["outage_per_intact"]["triangle"] > 0
    assert solve["optimum_per_solver"] > 0
    assert 0 < solve["warm_per_cold"] < 1 < solve["pypsa_per_optimum"]


def test_rates_are_medians_after_a_run_to_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s, times_s = [0.0], iter([50.0, 2.0, 1.0, 4.0])

    def work() -> int:
        clock_s[0] += next(times_s)
        return 8

    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock_s[0])
    assert benchmark.rate(work, seconds=7.0) == 4.0


def test_benchmark_counts_steps_of_every_env(monkeypatch: pytest.MonkeyPatch) -> None:
    units = []
    monkeypatch.setattr(benchmark, "rate", lambda work, seconds: units.append(work()) or 1.0)
    benchmark.env_steps_per_s("triangle", 5, 1.0)
    assert units == [5 * 48]


def test_benchmark_without_torch_leaves_ppo_out(tmp_path: Path) -> None:
    code = (
        "from scripts import benchmark; from scripts.cli import main;"
        "benchmark.LEAST_RUNS = 1; main(['benchmark', 'triangle', '--seconds', '0.01'])"
    )
    done = separate(code, tmp_path, TRAIN_EXTRA)
    assert "PPO: not measured; it needs: pip install load-balancer[train]" in done.stdout
    assert done.stderr == ""


def test_benchmark_scale_prints_and_draws_each_size(run: CommandLine, tmp_path: Path) -> None:
    rows = run.json("benchmark", "case14", "gen:9:1", "--scale", "--plot", "scale.png")["scale"]
    assert [(row["grid"], row["nodes"]) for row in rows] == [("case14", 19), ("gen:9:1", 9)]
    for row in rows:
        assert set(row) == {"grid", "nodes", "lines", "memory_mb", *WORKS}
        assert all(row[name] > 0 for name in (*WORKS, "memory_mb"))
    with Image.open(tmp_path / "scale.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 50
    assert "--plot: found no --scale; allowed: --plot with --scale" in run.fault("benchmark", "--plot", "a.png")


# --- lines that trip or are out -----------------------------------------------------------------------------------


def test_lines_trip_and_go_out_on_the_command_line(run: CommandLine, tmp_path: Path) -> None:
    line = load("case14").compile().line_names[0]
    words = ("evaluate", "merit", "--grid", "case14", "--episodes", 3)
    plain, out, trips = (run.json(*words, *more) for more in ((), ("--outages", f"{line},5,6"), ("--overload", "trip")))
    costs = [each["policies"]["merit"]["cost"]["mean"] for each in (plain, out, trips)]
    assert len({round(cost) for cost in costs}) == 3
    assert [each["optimum_is"] for each in (plain, out, trips)] == ["bound", "bound", "reference"]
    said = "overloaded lines trip: the optimum is a reference for lines that hold, not a bound"
    assert said in run.ok(*words, "--overload", "trip")
    assert said not in run.ok(*words)
    run.ok("render", "case14", "--outages", f"{line},5,6", "--out", "episode.npz")
    assert Episode.load(tmp_path / "episode.npz").line_status[:, 0].tolist() == [1] * 5 + [0] * 6 + [1] * 37


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "evaluate merit --grid case14 --outages 1-2,5",
            "--outages: found '1-2,5'; allowed: LINE,START,HOURS",
        ),
        ("evaluate merit --grid case14 --outages 1-3,5,6", "config.outages: found line '1-3'"),
        ("evaluate merit --grid case14 --overload explode", "found 'explode'; allowed: penalty, trip"),
        ("train --resume runs/none --overload trip", "train --resume: found --overload or --outages beside it"),
        (
            "train --resume runs/none --policy mlp",
            "train --resume: found --policy beside it; allowed: the run",
        ),
        ("train --resume runs/none --stages ppo", "train --resume: found --stages beside it"),
        ("train --resume runs/none --seed 5", "train --resume: found --seed beside it"),
    ],
)
def test_what_cannot_happen_to_lines_is_one_clear_line(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())
