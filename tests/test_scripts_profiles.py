"""``profiles``: what it says of the shipped year and of files, and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import CommandLine
from topologies.series import shipped, shipped_year

ROWS = "\n".join(f"{hour},{hour % 24},{0.5 if hour % 2 else 1}" for hour in range(400))
FILE = f"time_h,town [MW],roof [share]\n{ROWS}\n"


@pytest.fixture(autouse=True)
def file(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(FILE, encoding="utf-8")


def test_the_shipped_year_is_listed_with_its_capacity_factors(run: CommandLine) -> None:
    facts = run.json("profiles")
    assert (facts["rows"], facts["hours"], facts["start"]) == (8760, 8760, "2018-01-01T00:00:00")
    assert [row["name"] for row in facts["columns"]] == list(shipped().columns)
    means = shipped_year().values_frac.mean(axis=0)
    assert [row["capacity_factor"] for row in facts["columns"]] == pytest.approx(means.tolist())
    assert [row["energy"] for row in facts["columns"]] == pytest.approx((8760 * means).tolist())
    text = run.ok("profiles")
    for row in facts["columns"]:
        assert f"{row['table']}_profile: {row['meaning']}" in text
    assert "invented weather" in text


def test_a_file_is_described_in_its_units(run: CommandLine) -> None:
    town, roof = run.json("profiles", "my.csv")["columns"]
    assert (town["unit"], town["max"], town["energy_unit"]) == ("MW", 23, "MWh")
    assert town["energy"] == sum(hour % 24 for hour in range(400))
    assert town["capacity_factor"] is None
    assert (roof["unit"], roof["capacity_factor"], roof["energy"]) == ("share", 0.75, 300)
    text = run.ok("profiles", "my.csv")
    assert "400 rows of 1 h: 16.67 days" in text
    assert "4,536 MWh" in text


def test_a_file_without_units_needs_to_be_told(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("time_h,town\n0,5\n1,6\n", encoding="utf-8")
    assert "no unit for the column 'town'" in run.fault("profiles", "bare.csv")
    assert run.json("profiles", "bare.csv", "--unit", "MW")["columns"][0]["energy"] == 11
    assert "allowed: share, MW" in run.fault("profiles", "bare.csv", "--unit", "kW")


def test_a_bad_file_gives_one_line(run: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "gap.csv").write_text("time_h,town [MW]\n0,5\n1,6\n3,7\n", encoding="utf-8")
    assert "gap.csv, line 4: found a step of 2 h" in run.fault("profiles", "gap.csv")
    for value, allowed in (("-1", "a number >= 0"), ("1e300", "a number >= 0, at most 1e+12")):
        (tmp_path / "odd.csv").write_text(f"time_h,town [MW]\n0,5\n1,{value}\n", encoding="utf-8")
        fault = run.fault("profiles", "odd.csv")
        assert f"odd.csv, line 3, column 'town': found {float(value):g}; allowed: {allowed}; correct" in fault
    assert "nowhere.csv: found no such file" in run.fault("profiles", "nowhere.csv")


def coloured(path: Path) -> tuple[tuple[int, int], float]:
    """The size of a picture and the share of it that is not white."""
    with Image.open(path) as picture:
        return picture.size, float((np.asarray(picture.convert("L")) < 250).mean())


def test_the_picture_has_a_row_a_series(run: CommandLine, tmp_path: Path) -> None:
    assert "picture: year.png" in run.ok("profiles", "--picture", "year.png")
    (width, height), ink = coloured(tmp_path / "year.png")
    assert width == 1280
    assert height > 13 * 120
    assert ink > 0.15
    run.ok("profiles", "my.csv", "--picture", "my.png")
    assert coloured(tmp_path / "my.png")[0][1] < 450
    assert ".png, .svg, .pdf" in run.fault("profiles", "my.csv", "--picture", "my.jpg")


@pytest.mark.parametrize("step_h", [0.001, 0.25, 30.0, 8760.0])
def test_series_of_any_length_are_drawn(run: CommandLine, tmp_path: Path, step_h: float) -> None:
    rows = "\n".join(f"{hour * step_h},{hour}" for hour in range(40))
    (tmp_path / "odd.csv").write_text(f"time_h,town [MW]\n{rows}\n", encoding="utf-8")
    run.ok("profiles", "odd.csv", "--picture", "odd.png")
    assert coloured(tmp_path / "odd.png")[1] > 0.01


def test_hostile_names_stay_in_their_line(run: CommandLine, tmp_path: Path) -> None:
    name = "</script>" + "x" * 90 + "$\\frac{"
    (tmp_path / "odd.csv").write_text(f"time_h,{name} [MW]\n0,1\n1,2\n", encoding="utf-8")
    assert run.json("profiles", "odd.csv", "--picture", "odd.png")["columns"][0]["name"] == name
    assert coloured(tmp_path / "odd.png")[0][0] == 1280
