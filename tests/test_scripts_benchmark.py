"""The benchmark from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from command_line import CommandLine, separate
from grid import Grid
from policies.extras import TRAIN_EXTRA
from scripts.benchmarks import benchmark
from scripts.benchmarks.scale import WORKS
from topologies.formats import WRITERS


def test_benchmark_has_its_shape(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "LEAST_RUNS", 1)
    monkeypatch.setattr(benchmark, "PPO_POLICIES", ("mlp", "free_env"))
    monkeypatch.setattr(benchmark, "PPO_GRID", "triangle")
    monkeypatch.setattr("policies.config.WITH_PPO_SETTINGS", {"mlp": {"n_envs": 32}})
    value = run.json("benchmark", "triangle", "--seconds", 0.01)
    assert set(value) == {
        "env_steps_per_s",
        "ppo_steps_per_s",
        "render_frames_per_s",
        "nx_draw_frames_per_s",
        "outage_per_intact",
        "ac_per_dc",
        "plan_ms",
        "start_per_imports",
        "optimum",
    }
    # one short measurement of each, which a busy machine may hold up: figures, not their sizes
    assert all(ratio > 0 for ratio in value["ac_per_dc"]["triangle"].values())
    assert value["plan_ms"]["triangle"] > 0
    assert value["start_per_imports"] > 0
    assert list(value["env_steps_per_s"]["triangle"]) == ["1", "64", "1024"]
    assert list(value["ppo_steps_per_s"]) == ["mlp", "free_env"]
    rates = [*value["env_steps_per_s"]["triangle"].values(), *value["ppo_steps_per_s"].values()]
    assert min(rates) > 100
    assert value["render_frames_per_s"]["triangle"] > value["nx_draw_frames_per_s"]["triangle"]
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


@pytest.mark.slow
def test_benchmark_without_torch_leaves_ppo_out(tmp_path: Path) -> None:
    code = (
        "from scripts.benchmarks import benchmark; from scripts.cli import main;"
        "benchmark.LEAST_RUNS, benchmark.BATCH_SIZES = 1, (1,); main(['benchmark', 'triangle', '--seconds', '0.01'])"
    )
    done = separate(code, tmp_path, (*TRAIN_EXTRA, "pypsa"))
    assert "PPO: not measured; it needs: pip install load-balancer[train]" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_benchmark_leaves_out_what_a_grid_without_lines_has_none_of(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(benchmark, "LEAST_RUNS", 1)
    monkeypatch.setattr(benchmark, "PPO_POLICIES", ())
    monkeypatch.setattr("scripts.benchmarks.solve_speed._pypsa_s", lambda *_: None)
    monkeypatch.setattr("scripts.benchmarks.step_ratios.start_per_imports", lambda *_: 2.0)
    grid = Grid("alone")
    grid.add_source("plant", gen_max_mw=12, gen_cost_per_mwh=30)
    WRITERS[".json"](grid, tmp_path / "alone.json")
    words = ("benchmark", "alone.json", "--seconds", 0.01)
    assert "time of a step of 1,024 envs with one line out in each / with none: alone.json -\n" in run.ok(*words)


def test_a_fault_of_ppo_is_not_taken_for_a_missing_package(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "rate", lambda work, seconds: 1.0)
    monkeypatch.setattr("scripts.benchmarks.solve_speed.solve_speed", lambda *_: {})
    monkeypatch.setattr(benchmark, "PPO_GRID", "nosuch")
    assert "nosuch: found no such grid" in run.fault("benchmark", "triangle", "--seconds", 0.01)


def test_benchmark_scale_names_a_bad_grid(run: CommandLine) -> None:
    assert "nosuch: found no such grid" in run.fault("benchmark", "nosuch", "--scale")


@pytest.mark.slow
def test_benchmark_scale_prints_and_draws_each_size(run: CommandLine, tmp_path: Path) -> None:
    rows = run.json("benchmark", "case14", "gen:9:1", "--scale", "--plot", "scale.png")["scale"]
    assert [(row["grid"], row["nodes"]) for row in rows] == [("case14", 19), ("gen:9:1", 9)]
    for row in rows:
        assert set(row) == {"grid", "nodes", "lines", "memory_mb", *WORKS}
        assert all(row[name] > 0 for name in (*WORKS, "memory_mb"))
    with Image.open(tmp_path / "scale.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 50
    assert "--plot: found no --scale; allowed: --plot with --scale" in run.fault("benchmark", "--plot", "a.png")
