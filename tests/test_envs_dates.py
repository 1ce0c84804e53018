"""Episodes of chosen days: they are the rows of the series at those times, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dated import write_dated
from envs import EnvConfig, GridBatch
from grid import GridError
from policies import run_episodes
from topologies import ProfileSource, load


def config(grid: Path, start: str, **fields: object) -> EnvConfig:
    return EnvConfig(topology=grid, split="all", start_time=start, horizon=24, **fields)


@pytest.mark.parametrize("seed", [0, 7])
def test_episodes_follow_each_other_from_the_day_that_is_asked_for(tmp_path: Path, seed: int) -> None:
    found = run_episodes("merit", config(write_dated(tmp_path), "2025-01-13T06:00"), 3, seed)
    assert [one.start for one in found] == [f"2025-01-{day}T06:00:00" for day in (13, 14, 15)]
    assert [one.start_hour for one in found] == [6, 30, 54]  # hours of the week from Monday
    for number, one in enumerate(found):
        first = 7 * 24 + 6 + 24 * number
        np.testing.assert_allclose(one.load_mw[:, 2], 40 + np.arange(first, first + 24) / 100)


def test_the_last_day_can_be_run_and_the_forecasts_beyond_it_repeat_the_last_row(tmp_path: Path) -> None:
    batch = GridBatch(config(write_dated(tmp_path, days=5), "2025-01-10", forecast_error_frac=0), 1)
    batch.reset()
    last_mw = 40 + (5 * 24 - 1) / 100
    np.testing.assert_allclose(batch.outlook.load_mw[23:, 0, 2], last_mw)
    np.testing.assert_allclose(batch.expected(np.array([40])).load_mw[0, 0, 2], last_mw)


def test_random_episodes_of_a_dated_series_know_their_time_and_others_have_none(tmp_path: Path) -> None:
    grid = write_dated(tmp_path)
    for split in ("train", "test", "all"):
        for one in run_episodes("merit", EnvConfig(topology=grid, split=split, horizon=4), 5):
            hours = (np.datetime64(one.start) - np.datetime64("2025-01-06")) / np.timedelta64(1, "h")
            assert one.load_mw[0, 2] == pytest.approx(40 + hours / 100)
            assert one.start_hour == hours % 168
    assert run_episodes("merit", EnvConfig(topology="triangle", horizon=4))[0].start is None
    undated = write_dated(tmp_path, dated=False)
    assert run_episodes("merit", EnvConfig(topology=undated, horizon=4))[0].start is None


def test_steps_of_another_length(tmp_path: Path) -> None:
    grid = write_dated(tmp_path)
    two = EnvConfig(topology=grid, split="all", start_time="2025-01-07", horizon=12, dt_h=2.0)
    one = run_episodes("merit", two, 2)[1]
    assert one.start == "2025-01-08T00:00:00"
    np.testing.assert_allclose(one.load_mw[0, 2], 40 + (48 + 49) / 200)


def test_a_grid_of_the_shipped_year_has_dates_where_they_are_asked_for(tmp_path: Path) -> None:
    grid = load(write_dated(tmp_path))
    grid.series = None
    grid.graph.nodes["town"]["load_profile"], grid.graph.nodes["park"]["gen_profile"] = "h0_household", "wind_inland"
    one = run_episodes("merit", config(grid, "2018-07-01"))[0]  # type: ignore[arg-type]
    assert one.start == "2018-07-01T00:00:00"
    assert run_episodes("merit", EnvConfig(topology=grid, horizon=4))[0].start is None


@pytest.mark.parametrize(
    ("start", "fields", "said"),
    [
        ("monday", {}, "config.start_time: found 'monday'; allowed: a date, or a date and a time, such as 2025-01-13"),
        ("2025-01-13T00:00+01:00", {}, "allowed: a date, or a date and a time"),
        (
            "2025-01-13",
            {"split": "test"},
            "found 2025-01-13 with split 'test'; allowed: split 'all': a date may",
        ),
        (
            "2025-02-05",
            {},
            "found 2025-02-05T00:00:00; allowed: steps of 1 h from 2025-01-06T00:00:00 to 2025-02-04",
        ),
        ("2025-01-05T23:00", {}, "choose another date, or fewer or shorter episodes"),
        ("2025-01-13T00:30", {}, "allowed: steps of 1 h"),
        (
            "2025-01-13",
            {"dated": False},
            "2025-01-13, and a series without dates; allowed: a dated series",
        ),
        ("2025-01-13", {"topology": "triangle"}, "nodes that follow no dated series; allowed: a dated series"),
    ],
)
def test_days_that_there_are_not(tmp_path: Path, start: str, fields: dict[str, object], said: str) -> None:
    grid = write_dated(tmp_path, dated=bool(fields.pop("dated", True)))
    with pytest.raises(GridError) as error:
        GridBatch(EnvConfig(**{"topology": grid, "split": "all", "start_time": start, "horizon": 24, **fields}))
    assert said in str(error.value)


def test_more_episodes_than_the_series_has_days(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"found 2025-02-05T00:00:00, where episode 2 starts; allowed: steps of 1 h"):
        run_episodes("merit", config(write_dated(tmp_path), "2025-02-03"), 3)


def test_a_source_with_dates_is_of_all_the_series(tmp_path: Path) -> None:
    from topologies import Dated

    grid = load(write_dated(tmp_path))
    with pytest.raises(GridError, match=r"split: found 'test' with a date; allowed: all"):
        ProfileSource(grid.compile(), grid.series, "test", Dated("2025-01-13", 24.0))
