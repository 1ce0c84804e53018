"""Tables from the command line: the same numbers in every kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command_line import CommandLine, separate
from dated import write_dated
from envs import EnvConfig
from grid import Episode, GridError
from policies import evaluate, run_episodes
from scripts import tables
from scripts.tables import write_tables
from slow_cases import slow

NAMES = ("units", "lines", "costs")
TEXT = {"node": str, "from": str, "to": str}


def read(path: Path) -> dict[str, pd.DataFrame]:
    if path.suffix == ".xlsx":
        return pd.read_excel(path, sheet_name=None, dtype=TEXT)
    paths = [path, path.with_name(f"{path.stem}_lines{path.suffix}"), path.with_name(f"{path.stem}_costs{path.suffix}")]
    if path.suffix == ".parquet":
        return {name: pd.read_parquet(each) for name, each in zip(NAMES, paths, strict=True)}
    whole = {
        name: pd.read_csv(each, dtype=TEXT, float_precision="round_trip")
        for name, each in zip(NAMES, paths, strict=True)
    }
    return {name: table.astype({"time": "datetime64[s]"} if "time" in table else {}) for name, table in whole.items()}


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_a_schedule_is_the_episode_to_the_last_digit(run: CommandLine, tmp_path: Path, suffix: str) -> None:
    write_dated(tmp_path)
    words = ("optimum", "town.json", "--start", "2025-01-13", "--out")
    text = run.ok(*words, f"out/schedule{suffix}")
    run.ok(*words, "out/schedule.npz")
    episode, found = Episode.load(tmp_path / "out" / "schedule.npz"), read(tmp_path / "out" / f"schedule{suffix}")
    assert f"written: out/schedule{suffix}" in text
    assert ("written: out/schedule_costs" in text) == (suffix != ".xlsx")
    assert list(found) == list(NAMES)
    for name, table in found.items():
        rtol = 1e-14 if suffix == ".xlsx" else 0.0  # it is written with 16 digits
        pd.testing.assert_frame_equal(table, episode.to_frame(name), check_dtype=False, rtol=rtol, atol=1e-300)
    assert found["units"]["time"].iloc[0] == pd.Timestamp("2025-01-13")
    assert found["units"]["nodal_price_per_mwh"].notna().all()


def test_render_writes_tables_of_any_episode(run: CommandLine, tmp_path: Path) -> None:
    assert run.ok("render", "triangle", "--out", "a.csv") == "a.csv\na_lines.csv\na_costs.csv\n"
    assert run.json("render", "triangle", "--out", "b.parquet")["path"] == "b.parquet"
    run.ok("render", "triangle", "--out", "a.npz")
    run.ok("render", "a.npz", "--out", "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    pd.testing.assert_frame_equal(read(Path("a.csv"))["units"], read(Path("b.parquet"))["units"], check_dtype=False)


def test_an_evaluation_writes_every_policy_and_episode(run: CommandLine, tmp_path: Path) -> None:
    words = ("evaluate", "merit", "redispatch", "--grid", "case14", "--episodes", 2, "--horizon", 6)
    outcome = run.json(*words, "--out", "all.csv")
    assert run.json(*words)["policies"]["merit"]["cost"] == outcome["policies"]["merit"]["cost"]
    found = read(Path("all.csv"))
    totals = found["costs"].groupby(["policy", "episode"])["total"].sum()
    for name, row in outcome["policies"].items():
        assert totals[name].tolist() == pytest.approx(row["episode_cost"], rel=1e-6)
    assert set(found["units"]["policy"]) == {"merit", "redispatch", "optimum"}
    priced = found["units"].groupby("policy")["nodal_price_per_mwh"].count()
    assert priced["optimum"] > 0 == priced["merit"]
    direct = evaluate(["merit"], EnvConfig(topology="case14", horizon=6), 2)["merit"]
    assert totals["merit"].tolist() == pytest.approx(list(direct.episode_cost))


def test_excel_takes_no_more_rows_than_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    episode = run_episodes("merit", EnvConfig(topology="triangle", horizon=3))[0]
    monkeypatch.setattr(tables, "MOST_EXCEL_ROWS", 8)
    with pytest.raises(GridError, match=r"units: found 9 rows; allowed: at most 8 in a sheet of Excel; write .csv or"):
        write_tables(tmp_path / "a.xlsx", [episode])
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_not_there_are_empty_cells(tmp_path: Path) -> None:
    episode = run_episodes("merit", EnvConfig(topology="case14", horizon=2))[0]
    write_tables(tmp_path / "a.csv", [episode])
    text = (tmp_path / "a_lines.csv").read_text("utf-8")
    assert "nan" not in text
    assert "inf" not in text
    assert np.isinf(episode.capacity_mw).any()


@pytest.mark.parametrize(("suffix", "package"), [(".xlsx", "openpyxl"), *slow((".parquet", "pyarrow"))])
def test_a_missing_package_is_said_before_any_work(tmp_path: Path, suffix: str, package: str) -> None:
    code = f"import sys; from scripts.cli import main; sys.exit(main(['optimum', 'triangle', '--out', 'a{suffix}']))"
    done = separate(code, tmp_path, (package,))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {package}: found no such package; allowed: .csv without it, or {suffix} wi")
    assert done.stderr.endswith("pip install load-balancer[tables]\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "evaluate merit --grid triangle --out a.json",
            "a.json: found the suffix '.json'; allowed: .csv, .xlsx",
        ),
        ("evaluate merit --grid triangle --out a", "a: found no suffix; allowed: .csv, .xlsx, .parquet"),
        ("optimum triangle --out a.xls", "a.xls: found the suffix '.xls'; allowed: .npz, .csv, .xlsx, .parquet"),
        ("render triangle --versus merit --out a.csv", "--versus: found --out a.csv, which holds one episode"),
        ("render triangle --what sim_results --out a.csv", "--what: found a.csv, which holds all; allowed: a picture"),
        ("evaluate --task case14-calm-v1 --out a.csv", "--task: found --out beside it; allowed: the task alone"),
        ("evaluate merit --grid triangle --against mpc", "against: found 'mpc'; allowed: merit, optimum; "),
        ("optimum triangle --against mcp", "--against: found 'mcp'; allowed: random, merit, "),
    ],
)
def test_what_cannot_be_written_is_one_clear_line(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())


def test_a_file_that_cannot_be_written_beside_the_first_is_found_before_any_work(
    run: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "a_lines.csv").mkdir()
    assert run.fault("optimum", "triangle", "--out", "a.csv").startswith("a_lines.csv: found ")
