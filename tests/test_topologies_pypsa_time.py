"""The time of PyPSA networks: steps, dates, and what counts for each snapshot there and for each hour here."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grid import Grid
from topologies import load
from topologies.formats.pypsa_write import write_folder, write_netcdf
from topologies.series import TimedSeries

pypsa = pytest.importorskip("pypsa")

START = datetime(2030, 1, 1, 5, 30)  # a Tuesday
SUFFIXES = pytest.mark.parametrize("suffix", ["", ".nc"])


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


@pytest.mark.filterwarnings("ignore")
@SUFFIXES
def test_a_dated_series_keeps_its_step_and_its_start(tmp_path, suffix):
    path = write(with_series(), tmp_path / f"out{suffix}")
    series = load(path).series
    assert (series.dt_h, series.start) == (0.25, START)
    assert series.start_hour == 24 + 5.5
    assert theirs(path).snapshots[1].to_pydatetime() == START + timedelta(minutes=15)


@pytest.mark.filterwarnings("ignore")
@SUFFIXES
def test_networks_of_pypsa_keep_their_step_and_their_dates(tmp_path, suffix):
    times = [START + timedelta(hours=3 * i) for i in range(20)]
    series = load(export(network_of(times), tmp_path / f"net{suffix}")).series
    assert (series.dt_h, series.start, series.start_hour) == (3.0, times[0], 24 + 5.5)
    assert series.values_frac[:, 0] == pytest.approx(np.arange(1, 21) / 20)
