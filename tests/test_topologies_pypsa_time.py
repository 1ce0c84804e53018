"""The time of PyPSA networks: steps, dates, and what counts for each snapshot there and for each hour here."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grid import Grid, GridError
from slow_cases import slow
from topologies import load
from topologies.formats.pypsa_write import write_folder, write_netcdf
from topologies.series import TimedSeries

pypsa = pytest.importorskip("pypsa")

pytestmark = pytest.mark.filterwarnings("ignore")  # PyPSA leaves files open when it writes a folder
START = datetime(2030, 1, 1, 5, 30, 45)  # a Tuesday
SUFFIXES = pytest.mark.parametrize("suffix", ["", *slow(".nc")])


def write(grid: Grid, path: Path) -> Path:
    (write_netcdf if path.suffix else write_folder)(grid, path)
    return path


def export(network: Any, path: Path) -> Path:
    (network.export_to_netcdf if path.suffix else network.export_to_csv_folder)(path)
    return path


def theirs(path: Path) -> Any:
    network = pypsa.Network()
    (network.import_from_netcdf if path.suffix else network.import_from_csv_folder)(path)
    return network


def with_series(dt_h: float = 0.25, start: datetime | None = START, start_hour: float = 0.0) -> Grid:
    grid = Grid("own")
    grid.add_source("plant", gen_max_mw=9.0, gen_ramp_mw_per_h=3.6)
    grid.add_consumer("town", load_max_mw=3.0, load_profile="street")
    grid.add_line("plant", "town", reactance_pu=0.1)
    values = 0.5 + np.arange(30)[:, None] % 7 / 10
    grid.series = TimedSeries(("street",), dt_h, values, start_hour, start)
    return grid


def network_of(snapshots: Any, **ramps: float) -> Any:
    """A network of their own, whose load follows the snapshots."""
    network = pypsa.Network()
    network.set_snapshots(snapshots)
    network.add("Bus", "b")
    network.add("Generator", "plant", bus="b", p_nom=10, **ramps)
    network.add("Load", "town", bus="b", p_set=1.0)
    network.loads_t.p_set = network.loads_t.p_set.reindex(columns=["town"])
    network.loads_t.p_set["town"] = np.arange(len(network.snapshots)) + 1.0
    return network


@SUFFIXES
def test_a_dated_series_keeps_its_step_and_its_start(tmp_path, suffix):
    path = write(with_series(), tmp_path / f"out{suffix}")
    series = load(path).series
    assert (series.dt_h, series.start) == (pytest.approx(0.25), START)
    assert series.start_hour == pytest.approx(24 + 5.5 + 45 / 3600)
    assert theirs(path).snapshots[1].to_pydatetime() == START + timedelta(minutes=15)


@SUFFIXES
def test_networks_of_pypsa_keep_their_step_and_their_dates(tmp_path, suffix):
    times = [START.replace(second=0) + timedelta(hours=3 * i) for i in range(20)]
    series = load(export(network_of(times), tmp_path / f"net{suffix}")).series
    assert (series.dt_h, series.start, series.start_hour) == (3.0, times[0], 24 + 5.5)
    assert series.values_frac[:, 0] == pytest.approx(np.arange(1, 21) / 20)


HOUR = timedelta(hours=1)
BAD = {
    "a hole": ([0, 1, 2, 5, 6], "3: found a step of 3 h; allowed: steps of 1 h, as in the first two rows; fill the gap (profiles --fix can) or remove the extra row"),
    "twice": ([0, 1, 1, 2], "2: found the time of the {word} before again; allowed: steps of 1 h, as in the first two rows; remove one of the two"),
    "backwards": ([3, 2, 1], "1: found a time before that of the {word} before; allowed: rising times; sort the rows by time"),
}  # fmt: skip


@SUFFIXES
@pytest.mark.parametrize("case", BAD)
def test_snapshots_without_one_step_are_refused_with_their_place(tmp_path, case, suffix):
    hours, message = BAD[case]
    path = export(network_of([START + hour * HOUR for hour in hours]), tmp_path / f"net{suffix}")
    with pytest.raises(GridError) as error:
        load(path)
    row, said = message.split(": ", 1)
    word, place = ("row", f"{path}, row {row}") if suffix else ("line", f"{path}/snapshots.csv, line {int(row) + 2}")
    first, *_ = str(error.value).splitlines()
    assert first == f"{place}: {said.format(word=word)}; where clocks change, write times in UTC"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2030-01-01 06:30:45", "noon", "/snapshots.csv, line 3, column 'snapshot': found 'noon'; allowed: a timestamp of ISO 8601; write it like 2030-01-31T14:00"),
        ("2030-01-01 06:30:45", "2030-01-01 06:30:45+01:00", "/snapshots.csv, line 3, column 'snapshot': found '2030-01-01 06:30:45+01:00', while the first row has '2030-01-01T05:30:45'; allowed: a time zone in every row or in none; write them alike"),
    ],
    ids=["no date", "a zone"],
)  # fmt: skip
def test_snapshots_that_are_not_dates_throughout_are_refused(tmp_path, old, new, message):
    path = export(network_of([START + hour * HOUR for hour in range(5)]), tmp_path / "net")
    text = (path / "snapshots.csv").read_text("utf-8")
    assert old in text
    (path / "snapshots.csv").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value) == f"{path}{message}"


@SUFFIXES
def test_undated_steps_are_as_long_as_they_weigh(tmp_path, suffix):
    network = network_of(range(5))
    network.snapshot_weightings.loc[:, :] = 0.5
    assert load(export(network, tmp_path / f"half{suffix}")).series.dt_h == 0.5
    network.snapshot_weightings.loc[:, :] = 1e-5
    path = export(network, tmp_path / f"none{suffix}")
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: snapshots: found steps of 0.036 s; allowed: steps of a second or more; correct the weightings"
    )


@SUFFIXES
def test_ramps_of_quarter_hours_become_those_of_hours(tmp_path, suffix):
    """PyPSA: "maximum active power increase from one snapshot to the next, per unit of the nominal power"."""
    quarters = [START + HOUR / 4 * i for i in range(20)]
    path = export(network_of(quarters, ramp_limit_up=0.1, ramp_limit_down=0.1), tmp_path / f"net{suffix}")
    assert load(path).graph.nodes["plant"]["gen_ramp_mw_per_h"] == pytest.approx(4)  # 1 MW in 15 minutes


@SUFFIXES
@pytest.mark.parametrize("start", [START, None])
def test_ramps_are_written_as_those_of_a_snapshot(tmp_path, start, suffix):
    path = write(with_series(start=start), tmp_path / f"out{suffix}")
    generators = theirs(path).generators
    assert generators.ramp_limit_up["plant"] == pytest.approx(0.1)  # 3.6 MW/h of 9 MW for 15 minutes
    assert generators.ramp_limit_down["plant"] == pytest.approx(0.1)
    assert load(path).graph.nodes["plant"]["gen_ramp_mw_per_h"] == pytest.approx(3.6)


def test_ramps_without_a_series_are_those_of_hours_and_of_uneven_snapshots_refused(tmp_path):
    grid = with_series()
    grid.series, grid.graph.nodes["town"]["load_profile"] = None, "household"
    path = write(grid, tmp_path / "out")
    assert theirs(path).generators.ramp_limit_up["plant"] == pytest.approx(0.4)
    assert load(path).graph.nodes["plant"]["gen_ramp_mw_per_h"] == pytest.approx(3.6)
    times = [START + hour * HOUR for hour in (0, 1, 4)]
    network = network_of(times, ramp_limit_up=0.1, ramp_limit_down=0.1)
    network.loads_t.p_set = network.loads_t.p_set[[]]
    with pytest.raises(GridError, match="line 4: found a step of 3 h; allowed: steps of 1 h"):
        load(export(network, tmp_path / "uneven"))
    network.generators[["ramp_limit_up", "ramp_limit_down"]] = np.nan
    assert load(export(network, tmp_path / "plain")).series is None


@SUFFIXES
def test_an_undated_series_keeps_its_hour_of_the_week(tmp_path, suffix):
    series = load(write(with_series(start=None, start_hour=173.5), tmp_path / f"out{suffix}")).series
    assert (series.dt_h, series.start_hour, series.start) == (0.25, 5.5, None)


@pytest.mark.parametrize(
    ("hour", "found"),
    [("true", "true"), ('"5.5"', "a text"), ("2e7", "20000000.0"), ("null", "nothing")],
)
def test_a_bad_hour_of_the_week_is_refused(tmp_path, hour, found):
    path = write(with_series(start=None, start_hour=5.5), tmp_path / "out")
    text = (path / "meta.json").read_text("utf-8")
    (path / "meta.json").write_text(text.replace("5.5", hour), encoding="utf-8")
    with pytest.raises(GridError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: meta, load_balancer.start_hour: found {found}; allowed: hours up to 1e+07; correct it or leave it out"
    )
