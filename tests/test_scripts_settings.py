"""Settings from the command line and from files of settings: what is set is run, and a run can be made again."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line import CommandLine
from dated import write_dated
from envs import TASKS, WORLDS, EnvConfig, Outage, Problem
from grid import GridError, Prices
from grid.physics import Protection
from policies import TrainConfig, read_settings
from policies.settings import write_settings
from scripts.options import DatedWorld, World, Worlds, pairs_of
from topologies import load


def test_every_option_reaches_the_config() -> None:
    world = DatedWorld(
        horizon=12,
        dt=0.5,
        forecast_error=0.2,
        price=("co2_per_t=80", "store_value_per_mwh=3.5"),
        flow="ac",
        overload="trip",
        outages=("a-b,1,2",),
        set=(
            "gate_h=1",
            "forecast_h=[1, 6]",
            "protection.trip_at_frac=1.5",
            "prices.wear_per_mwh=2",
            "action=bids",
        ),
        start="2025-01-13",
    )
    assert world.of(EnvConfig(topology="triangle", protection=Protection(rounds=3))) == EnvConfig(
        topology="triangle",
        horizon=12,
        dt_h=0.5,
        forecast_error_frac=0.2,
        prices={"wear_per_mwh": 2, "co2_per_t": 80, "store_value_per_mwh": 3.5},
        flow="ac",
        overload="trip",
        outages=(Outage("a-b", 1, 2),),
        gate_h=1,
        forecast_h=(1, 6),
        protection=Protection(trip_at_frac=1.5, rounds=3),
        action="bids",
        start_time="2025-01-13",
        split="all",
    )
    assert World().of(EnvConfig(prices=Prices(co2_per_t=7))) == EnvConfig(prices=Prices(co2_per_t=7))
    one = World(price=("spill_per_mwh=4",)).of(EnvConfig(prices=Prices(co2_per_t=7)))
    assert one.prices == Prices(co2_per_t=7, spill_per_mwh=4)


@pytest.mark.parametrize("name", get_args(Worlds))
def test_a_world_is_that_of_the_tasks_and_other_options_go_before_it(name: Literal["calm", "weather", "storm"]) -> None:
    task = TASKS[f"classic-{name}-v1"].config(split="train")
    of_world = World(world=name).of(EnvConfig())
    assert Problem.of(of_world).prices == Problem.of(task).prices
    assert replace(of_world, prices=task.prices) == task
    for other in TASKS.values():  # whatever world an env has, it is replaced as a whole
        again = World(world=name).of(other.config("classic", split="train"))
        assert replace(again, prices=task.prices) == task
        assert Problem.of(again).prices == Problem.of(task).prices
    assert World(world=name, set=("gate_h=2",), price=("co2_per_t=80",)).of(EnvConfig()).gate_h == 2
    assert WORLDS.keys() - {"commit"} == set(get_args(Worlds))


def test_values_are_read_as_toml_then_as_python_then_as_text() -> None:
    words = ("a=1", "b=1e-3", "c=.5", "d=true", "e=True", "f=None", "g=[1, 2.5]", "h=dc", 'i="x y"', "j=a=b")
    assert pairs_of("--set", words) == [
        ("a", 1), ("b", 1e-3), ("c", 0.5), ("d", True), ("e", True), ("f", None), ("g", [1, 2.5]), ("h", "dc"),
        ("i", "x y"), ("j", "a=b"),
    ]  # fmt: skip
    assert type(pairs_of("--set", ("a=1",))[0][1]) is int


finite = st.floats(0, 1e6)
texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(
    horizon=st.integers(1, 1000),
    prices=st.fixed_dictionaries({"co2_per_t": finite, "balancing_per_mwh": st.floats(1e-9, 1e6)}),
    outages=st.lists(st.tuples(texts, finite, st.floats(1e-3, 1e6)), max_size=3),
    forecast_h=st.lists(st.floats(1e-3, 168), max_size=3),
    shedding=st.booleans(),
    seed=st.integers(0, 2**62),
    rate=st.floats(1e-12, 1),
    grids=st.lists(texts, min_size=1, max_size=3),
)
def test_a_file_of_settings_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    horizon: int,
    prices: dict[str, float],
    outages: list[tuple[str, float, float]],
    forecast_h: list[float],
    shedding: bool,
    seed: int,
    rate: float,
    grids: list[str],
) -> None:
    env = EnvConfig(
        horizon=horizon,
        prices=Prices(**prices),
        outages=tuple(Outage(*each) for each in outages),
        forecast_h=tuple(forecast_h),
        emergency_shedding=shedding,
        protection=Protection(heat_limit=3.5),
        split="all",
    )
    train = TrainConfig(policy="mlp", stages=("ppo",), steps=7, seed=seed, learning_rate=rate)
    path = tmp_path_factory.getbasetemp() / "some.toml"
    write_settings(path, grids, env, train)
    read = read_settings(path)
    assert read["grids"] == grids
    assert EnvConfig.from_fields(read["env"] | {"prices": Prices(**read["env"]["prices"])}) == env
    assert TrainConfig.from_fields(read["train"]) == train


def test_what_is_none_is_so_by_default() -> None:
    """None is left out of files of settings."""
    for config in (EnvConfig(), TrainConfig(steps=1)):
        for name, value in vars(config).items():
            assert value is not None or type(config).__dataclass_fields__[name].default is None


def test_a_run_is_made_again_to_the_bit(run: CommandLine, tmp_path: Path) -> None:
    write_dated(tmp_path, prices={"co2_per_t": 60})
    words = ("--policy", "mlp", "--steps", 300, "--horizon", 6, "--lr", 0.004, "--price", "wear_per_mwh=3")
    assert run("train", "town.json", *words, "--set", "n_envs=8", "gate_h=1") == 0, run.err
    first = tmp_path / "runs" / "town-mlp"
    content = tomllib.loads((first / "run.toml").read_text("utf-8"))
    assert content["grids"] == ["grid.json"]
    assert (content["env"]["gate_h"], content["env"]["horizon"], content["train"]["n_envs"]) == (1, 6, 8)
    assert content["env"]["prices"].items() >= {"co2_per_t": 60, "wear_per_mwh": 3}.items()
    rates = {value for name, value in content["train"].items() if name.endswith("learning_rate")}
    assert rates == {0.004}
    (tmp_path / "town.json").unlink()  # a run holds all it needs
    assert run("train", "--config", first / "run.toml") == 0, run.err
    assert run.out.endswith("run: runs/town-mlp-again\n") or "town-mlp-again" in run.out
    again = tmp_path / "runs" / "town-mlp-again"
    for name in ("weights.safetensors", "config.json", "run.toml"):
        assert (again / name).read_bytes() == (first / name).read_bytes()
    assert "`train --config`" in (again / "README.md").read_text("utf-8")
    assert run("train", "--config", first / "run.toml", "--steps", 1, "--seed", 5, "--out", "other") == 0, run.err
    other = tomllib.loads((tmp_path / "other" / "run.toml").read_text("utf-8"))["train"]
    assert (other["steps"], other["seed"], other["n_envs"]) == (1, 5, 8)


@pytest.mark.slow
def test_a_run_on_several_grids_can_be_made_again(run: CommandLine, tmp_path: Path) -> None:
    assert run("train", "triangle", "gen:6:1", "--steps", 1, "--set", "n_envs=4", "--out", "many") == 0, run.err
    assert read_settings(tmp_path / "many" / "run.toml")["grids"] == ["triangle", "gen:6:1"]
    assert run("train", "--config", "many/run.toml") == 0, run.err
    assert (tmp_path / "many-again" / "config.json").read_bytes() == (tmp_path / "many" / "config.json").read_bytes()


def test_evaluate_and_optimum_take_a_file_of_settings_on_their_own_days(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[env]\nhorizon = 5\nforecast_h = [1]\n[env.prices]\nco2_per_t = 9\n", "utf-8")
    outcome = run.json("evaluate", "merit", "--grid", "case14", "--config", "mine.toml", "--episodes", 1)
    assert (outcome["hours"], outcome["split"]) == (5, "test")
    assert outcome["policies"]["merit"]["cost_terms"]["co2"] > 0
    best = run.json("optimum", "case14", "--config", "mine.toml", "--horizon", 3)
    assert best["horizon_h"] == 3
    assert best["cost_terms"]["co2"] == pytest.approx(9 * best["a_day"]["co2_t"] * 3 / 24)
    assert best["cost_terms"]["co2"] > 0


def test_the_optimum_says_what_it_saves(run: CommandLine) -> None:
    value = run.json("optimum", "case14", "--against", "redispatch")
    merit = run.json("evaluate", "merit", "redispatch", "--grid", "case14", "--episodes", 1, "--horizon", 24)[
        "policies"
    ]
    for name in ("merit", "redispatch"):
        assert value["a_day"]["saving"][name] == pytest.approx(merit[name]["cost"]["mean"] - value["cost"])
    figures = merit["optimum"]["figures"]
    assert figures.pop("tripped_h") == 0  # a schedule's lines hold
    assert {**value["a_day"], "saving": None} == pytest.approx({**figures, "saving": None})
    assert "saving on redispatch" in run.ok("optimum", "case14", "--against", "redispatch")


def test_an_evaluation_of_chosen_days_says_so(run: CommandLine, trained: Path, tmp_path: Path) -> None:
    write_dated(tmp_path)
    words = ("evaluate", "merit", "--grid", "town.json", "--episodes", 2, "--horizon", 24, "--start", "2025-01-13")
    assert run.json(*words)["start_time"] == "2025-01-13"
    assert "town: 2 episodes from 2025-01-13 on, of 24 h, seed 0" in run.ok(*words)
    grid = load(tmp_path / "town.json")
    assert grid.series is not None
    assert run("train", "town.json", "--steps", 1, "--set", "n_envs=4", "--out", "agent") == 0
    text = run.ok("evaluate", "agent", "merit", "--episodes", 1, "--start", "2025-01-13")
    assert "the days were chosen: an agent may have been trained on them" in text
    assert not (tmp_path / "agent" / "evaluation.json").exists()


def test_a_year_is_every_day_of_it_once(run: CommandLine, tmp_path: Path) -> None:
    write_dated(tmp_path, days=12)
    words = ("evaluate", "merit", "--grid", "town.json", "--year")
    year = run.json(*words)
    assert (year["episodes"], year["hours"], year["start_time"]) == (12, 24, "2025-01-06T00:00:00")
    one = run.json(
        "evaluate", "merit", "--grid", "town.json", "--start", "2025-01-17", "--horizon", 24, "--episodes", 1
    )
    costs = year["policies"]["merit"]["episode_cost"]
    assert costs[11] == pytest.approx(one["policies"]["merit"]["episode_cost"][0])
    saved = sum(costs) - sum(year["policies"]["optimum"]["episode_cost"])
    assert run.ok(*words).splitlines()[-1] == f"saved in 12 days on merit  optimum {saved:,.0f}"
    halves = run.json(*words, "--start", "2025-01-16", "--dt", 0.5)
    assert (halves["episodes"], halves["hours"]) == (2, 24)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("optimum triangle --set horizn=3", "--set horizn: found an unknown field; allowed: horizon, dt_h, "),
        ("optimum triangle --set horizn=3", "did you mean 'horizon'?"),
        ("optimum triangle --set n_envs=3", "--set n_envs: found an unknown field"),
        ("optimum triangle --set horizon.a=3", "--set horizon.a: found an unknown field"),
        ("optimum triangle --set topology=case14", "--set topology: found an unknown field"),
        ("optimum triangle --set protection.trip_at=2", "did you mean 'trip_at_frac'?"),
        ("optimum triangle --set horizon=x", "config.horizon: found 'x'; allowed: a whole number in 1.."),
        ("optimum triangle --set horizon", "--set: found 'horizon'; allowed: NAME=VALUE, without spaces around ="),
        ("optimum triangle --set horizon=", "--set: found 'horizon='; allowed: NAME=VALUE"),
        ("optimum triangle --set gate_h=1 gate_h=2", "--set gate_h: found it twice; allowed: each name once"),
        (
            "optimum triangle --set gate_h=1 --set dt_h=2",
            "--set: found it 2 times; allowed: once; give --set once",
        ),
        ("optimum triangle --price co2=3", "--price co2: found an unknown price; allowed: overload_per_mwh, "),
        ("optimum triangle --price co2=3", "did you mean 'co2_per_t'?"),
        ("optimum triangle --price co2_per_t=-3", "prices.co2_per_t: found -3; allowed: a finite number >= 0"),
        ("optimum triangle --dt 0", "--dt: found '0'; allowed: a number > 0"),
        ("optimum triangle --forecast-error 2", "config.forecast_error_frac: found 2.0; allowed: a share in [0, 1]"),
        ("optimum triangle --start 2025-01-13", "config.start_time: found 2025-01-13, and nodes that follow no dated"),
        ("optimum triangle --config none.toml", "none.toml: found no such file; allowed: a file of settings in TOML"),
        ("train --config none.toml", "none.toml: found no such file"),
        ("train triangle --set n_env=4", "did you mean 'n_envs'?"),
        ("train triangle --set n_envs=0", "train.n_envs: found 0; allowed: a whole number >= 1"),
        ("train triangle --lr 0", "--lr: found '0'; allowed: a number > 0"),
        ("train --resume runs/none --horizon 5", "train --resume: found --horizon beside it; allowed: the run"),
        ("train --resume runs/none --lr 0.1", "train --resume: found --lr beside it; allowed: the run"),
        ("evaluate --task case14-calm-v1 --price co2_per_t=1", "--task: found --price beside it; allowed: the task"),
        (
            "evaluate merit --grid triangle --start 2025-01-13 --split train",
            "--split: found --start beside it",
        ),
        ("evaluate merit --grid triangle --year", "nodes that follow no dated series; allowed: a dated series"),
        (
            "evaluate merit --grid triangle --year --episodes 3",
            "--year: found --episodes beside it; allowed: one of the",
        ),
        ("evaluate merit --grid triangle --year --split train", "--year: found --split beside it; allowed: one of the"),
        ("evaluate --task case14-calm-v1 --year", "--task: found --year beside it; allowed: the task alone"),
        (
            "render best.npz --horizon 3",
            "an episode that has already happened; allowed: a run or a grid; leave out",
        ),
    ],
)
def test_settings_that_cannot_be_are_one_clear_line(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "found Invalid statement (at line 1, column 1); allowed: a file of settings in TOML"),
        ("env = 3", "a.toml: env: found 3; allowed: a table, [env]"),
        ("grids = 'a'", "a.toml: grids: found 'a'; allowed: a list of names and paths"),
        ("grids = [1]", "a.toml: grids: found [1]; allowed: a list of names and paths"),
        ("[envs]", "a.toml: envs: found an unknown part; allowed: grids, env, train; did you mean 'env'?"),
        ("[env]\ntopology = 'a'", "a.toml: env.topology: found a grid; allowed: grids, above [env]"),
        ("[env]\nhorizn = 3", "config.horizn: found an unknown field; allowed: the fields of the config; did you mean"),
        ("[train]\nn_env = 3", "train.n_env: found an unknown field; allowed: the fields of the training config; did"),
        ("\0", "a file of settings in TOML"),
    ],
)
def test_files_of_settings_that_are_none(run: CommandLine, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.toml").write_text(content, encoding="utf-8")
    assert said in run.fault("train", "triangle", "--config", "a.toml", "--steps", 1)


def test_a_folder_and_bytes_are_no_files_of_settings(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path, tmp_path / "a.toml"):
        with pytest.raises(GridError, match="allowed: a file of settings in TOML"):
            read_settings(path)
