"""Measured series with gaps and changes of the clock: what is written, and that every change is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import CommandLine
from grid import GridError
from strategies import CHECKED
from topologies import mend, read_series

BERLIN = ZoneInfo("Europe/Berlin")
YEAR = 8784
GAPS = (slice(1000, 1002), slice(5000, 5001))
"""Of cells, and of rows."""


def power_kw() -> np.ndarray:
    return 900 + 0.5 * np.arange(YEAR) % 400


def measured(path: Path) -> Path:
    """The year 2024 as a meter writes it: local times, semicolons, decimal commas, kW, a gap of 2 h and one of 1."""
    first = datetime(2024, 1, 1, tzinfo=BERLIN).astimezone(UTC)
    lines = ["Zeit;Last [kW]"]
    for hour, kw in enumerate(power_kw().tolist()):
        local = (first + timedelta(hours=hour)).astimezone(BERLIN)
        cell = "" if hour in range(1000, 1002) else f"{kw:.1f}".replace(".", ",")
        lines += [] if hour == 5000 else [f"{local:%d.%m.%Y %H:%M};{cell}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_a_measured_year_becomes_an_even_series_in_one_command(run: CommandLine, tmp_path: Path) -> None:
    raw = measured(tmp_path / "raw.csv")
    said = run.json("profiles", raw, "--fix", "load.csv", "--zone", "Europe/Berlin")
    assert said["changes"] == [
        "semicolons between the cells, decimal commas",
        "the time is the column 'Zeit'",
        "dates are day.month.year",
        "local times of Europe/Berlin taken as instants",
        "1 rows that were missing added",
        "2 gaps of 'Last', 3 h, filled along a line: 2024-02-11 16:00, 2024-07-27 08:00",
        "kW converted to MW: Last",
    ]
    assert (said["rows"], said["dt_h"], said["start"]) == (YEAR, 1, "2024-01-01T00:00:00")
    found = read_series(tmp_path / "load.csv")
    assert found.units == ("MW",)
    assert found.notes == ()
    expected = power_kw() / 1000
    whole = np.delete(np.arange(YEAR), [1000, 1001, 5000])
    np.testing.assert_allclose(found.values[whole, 0], expected[whole], atol=1e-9)
    np.testing.assert_allclose(found.values[1000, 0], expected[999] + (expected[1002] - expected[999]) / 3, atol=1e-9)
    assert "changed  semicolons between the cells" in run.ok(
        "profiles", raw, "--fix", "load.csv", "--zone", "Europe/Berlin"
    )


@given(st.lists(st.booleans(), min_size=4, max_size=40), st.sampled_from([0.25, 1.0]), st.integers(0, 3))
@CHECKED
def test_no_value_that_was_measured_is_changed(tmp_path_factory, lacks, dt_h, longest):
    lacks[0] = lacks[1] = lacks[-1] = False
    runs = "".join("x" if lack else " " for lack in lacks).split()
    folder = tmp_path_factory.mktemp("mend")
    rows = [f"{k * dt_h},{'' if lack else k * k}" for k, lack in enumerate(lacks)]
    (folder / "raw.csv").write_text("time_h,a [MW]\n" + "\n".join(rows))
    if max(map(len, runs), default=0) > longest:
        with pytest.raises(GridError, match=r"raw\.csv: found a gap of .* h in 'a'; allowed: gaps of up to"):
            mend(folder / "raw.csv", folder / "out.csv", gap_h=longest * dt_h)
        return
    found = mend(folder / "raw.csv", folder / "out.csv", gap_h=longest * dt_h).series
    assert (len(found.values), found.dt_h) == (len(lacks), pytest.approx(dt_h))
    assert all(found.values[k, 0] == k * k for k, lack in enumerate(lacks) if not lack)


def mended(tmp_path: Path, text: str, **how: object) -> tuple[list[list[float]], tuple[str, ...]]:
    (tmp_path / "raw.csv").write_text(text)
    found = mend(tmp_path / "raw.csv", tmp_path / "out.csv", **how)
    return found.series.values.tolist(), found.changes


def test_rows_are_sorted_and_those_that_stand_twice_left_out(tmp_path):
    text = "time_h,a [MW]\n0,1\n2,3\n1,2\n3,4\n3,4\n"
    values, changes = mended(tmp_path, text)
    assert values == [[1], [2], [3], [4]]
    assert changes[0] == "1 times that went back: rows sorted by time"
    assert changes[1].startswith("1 rows that stood twice left out, as ")
    assert changes[1].endswith("raw.csv, line 6")


def test_gaps_at_the_ends_are_cut_off(tmp_path):
    text = "time,a [MW],b [MW]\n" + "".join(
        f"2030-01-01 0{k}:00,{a}\n" for k, a in enumerate(["-,1", "2,-", "3,4", "5,6", "7,"])
    )
    values, changes = mended(tmp_path, text)
    assert values == [[3, 4], [5, 6]]
    assert changes == ("3 rows with gaps cut off at the ends",)
    assert read_series(tmp_path / "out.csv").start == datetime(2030, 1, 1, 2)


@pytest.mark.parametrize(
    ("text", "how", "message"),
    [
        ("time,a [MW]\n2024-10-27 01:00,1\n2024-10-27 02:00,1\n2024-10-27 02:00,5\n2024-10-27 03:00,1\n", {},
         "line 4: found other values at the time of another row; allowed: one row a time; give --zone where its clock"),
        ("time,a [MW]\n2024-03-31 01:00,1\n2024-03-31 02:00,1\n", {"zone": "Europe/Berlin"},
         "found the time '2024-03-31 02:00'; allowed: times that Europe/Berlin has; its clock is put forward over it"),
        ("time,a [MW]\n2024-03-31 01:00,1\n2024-03-31 02:00,1\n", {"zone": "Europe/Bonn"},
         "--zone: found 'Europe/Bonn'; allowed: a name such as Europe/Berlin; see the IANA list of zones"),
        ("time_h,a [MW]\n0,1\n1,1\n2,1\n2.5,1\n", {},
         "found 1 times between the steps; allowed: steps of 1 h, at most 1,000,000; resample the series, or cut it"),
        ("time_h,a [MW],b [MW]\n0,1,\n1,,1\n", {}, "found no row with all values; allowed: a series; leave out the"),
        ("time_h,a [MW]\n0,1\n", {}, "found 1 rows of values; allowed: at least 2 rows; add the rows of the series"),
        ("time_h,a [MW]\n0,1\n1,-2\n", {}, "raw.csv, hour 1, 'a': found -2; allowed: a number >= 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_mended_is_said(tmp_path, text, how, message):
    with pytest.raises(GridError) as caught:
        mended(tmp_path, text, **how)
    assert message in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_the_command_wants_another_name_and_its_options_together(run: CommandLine, tmp_path: Path) -> None:
    raw = measured(tmp_path / "raw.csv")
    before = raw.read_bytes()
    assert "found the file itself; allowed: another one; choose another name" in run.fault(
        "profiles", raw, "--fix", raw
    )
    assert raw.read_bytes() == before
    assert "--zone, --gap-h: found no --fix; allowed: them with --fix OUT.csv" in run.fault(
        "profiles", raw, "--zone", "Europe/Berlin"
    )
    (tmp_path / "year.xlsx").write_bytes(b"PK")
    (tmp_path / "year.parquet").write_bytes(b"PAR1")
    assert run.fault("profiles", "year.parquet", "--fix", "o.csv").startswith(
        "year.parquet: found a .parquet file; allo"
    )
    message = "year.xlsx: found a spreadsheet; allowed: CSV or Parquet; save its sheet as CSV UTF-8, and give that file"
    assert run.fault("profiles", "year.xlsx") == message
