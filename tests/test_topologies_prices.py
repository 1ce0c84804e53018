"""Prices in the file of a grid: read, written, checked, and set over by a config."""

from __future__ import annotations

from pathlib import Path

import pytest

from dated import write_dated
from envs import EnvConfig, Problem
from grid import Grid, GridError, Prices
from topologies import load
from topologies.formats import WRITERS

OWN = {"co2_per_t": 60, "overload_per_mwh": 500.5}


@pytest.mark.parametrize("name", ["a.json", "a.graphml", "a.nc", "folder"])
def test_prices_survive_every_format(tmp_path: Path, name: str) -> None:
    grid = load(write_dated(tmp_path, prices=OWN))
    assert grid.prices == OWN
    WRITERS[Path(name).suffix](grid, tmp_path / name)
    assert load(tmp_path / name).prices == OWN


def test_a_config_goes_before_the_grid_and_the_grid_before_the_defaults(tmp_path: Path) -> None:
    path = write_dated(tmp_path, prices=OWN)
    assert Problem.of(EnvConfig(topology=path)).prices == Prices(co2_per_t=60, overload_per_mwh=500.5)
    assert Problem.of(EnvConfig(topology=path, prices={"co2_per_t": 0})).prices == Prices(overload_per_mwh=500.5)
    assert Problem.of(EnvConfig(topology=path, prices=Prices())).prices == Prices()
    assert Problem.of(EnvConfig(topology="triangle")).prices == Prices()
    other = Problem.of(EnvConfig(topology=path)).replace(prices={"wear_per_mwh": 9})
    assert other.prices == other.config.prices == Prices(co2_per_t=60, overload_per_mwh=500.5, wear_per_mwh=9)


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ({"co2": 3}, "graph.prices.co2: found an unknown price; allowed: fields of Prices; did you mean 'co2_per_t'?"),
        ({"co2_per_t": -1}, "graph.prices.co2_per_t: found -1; allowed: a finite number >= 0"),
        ({"co2_per_t": "dear"}, "graph.prices.co2_per_t: found 'dear'; allowed: a finite number >= 0"),
        ({"balancing_per_mwh": 0}, "graph.prices.balancing_per_mwh: found 0; allowed: a number > 0"),
        ([1], "graph.prices: found a list; allowed: an object of prices by name"),
        ("dear", "graph.prices: found 'dear'; allowed: an object of prices by name"),
    ],
)
def test_prices_that_are_none(tmp_path: Path, prices: object, said: str) -> None:
    with pytest.raises(GridError) as error:
        load(write_dated(tmp_path, prices=prices))
    assert said in str(error.value)


def test_a_grid_with_a_wrong_price_is_not_run_or_written(tmp_path: Path) -> None:
    grid = load("triangle")
    grid.prices = {"hum": 1.0}
    for use in (lambda: Problem.of(EnvConfig(topology=grid)), lambda: WRITERS[".json"](grid, tmp_path / "a.json")):
        with pytest.raises(GridError, match=r"prices.hum: found an unknown price; allowed: fields of Prices"):
            use()
    assert Grid().prices == {}
