"""Files of series: what is read, in which units, and what is refused in which words."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid import GridError
from topologies import tables
from topologies.series import TimedSeries
from topologies.series_files import Use, read_table, shares, write_series

USES = [Use("c", "load", name, 20.0) for name in ("street", "a", "b, c")] + [Use("g", "gen", "roof", 10.0)]


def read(path, uses=USES) -> TimedSeries:
    return shares(read_table(path), uses)


GOOD_CSV = "time_h,roof [share],street [share]\n0,0.5,1\n1,1,1.5\n2,0,0\n"


def csv_file(folder, content: str | bytes):
    path = folder / "profiles.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "dt_h", "start_hour"),
    [
        (GOOD_CSV, 1.0, 0.0),
        (GOOD_CSV.replace("\n", "\r\n") + "\r\n", 1.0, 0.0),
        ("\ufeff" + GOOD_CSV, 1.0, 0.0),
        (GOOD_CSV + "\n  \n \t\n", 1.0, 0.0),
        ("time_h,roof [share],street [share]\n5,0.5,1\n5.25,1,1.5\n5.5,0,0\n", 0.25, 5.0),
        ("time_h,roof [share],street [share]\n0,0.5,1\n0.333,1,1.5\n0.667,0,0\n", 0.3335, 0.0),
        ("time,roof [share],street [share]\n2030-01-01T06:00,0.5,1\n2030-01-01T06:30,1,1.5\n2030-01-01 07:00:00,0,0\n", 0.5, 30.0),
        ("time,roof [share],street [share]\n2030-03-31T01:00+01:00,.5,1\n2030-03-31T03:00+02:00,1,1.5\n2030-03-31T04:00+02:00,0,0\n",
         1.0, 145.0),
    ],
)  # fmt: skip
def test_series_files_that_are_read(tmp_path, content, dt_h, start_hour):
    series = read(csv_file(tmp_path, content))
    assert series.columns == ("roof", "street")
    assert series.dt_h == pytest.approx(dt_h)
    assert series.start_hour == pytest.approx(start_hour)
    assert series.values_frac.tolist() == [[0.5, 1], [1, 1.5], [0, 0]]


def test_a_written_series_is_read_back_the_same(tmp_path):
    series = TimedSeries(("a", "b, c"), 0.5, np.random.default_rng(0).random((30, 2)), 12.0)
    write_series(series, tmp_path / "out.csv")
    again = read(tmp_path / "out.csv")
    assert (again.columns, again.dt_h, again.start_hour) == (series.columns, 0.5, 12.0)
    assert np.array_equal(again.values_frac, series.values_frac)


STEP = "steps of 1 h, as in the first two rows"
BAD_CSV = {
    "empty": ("", ": found an empty file; allowed: a header and one row a step; write the header first"),
    "no rows": ("time_h,a [share]\n0,1\n", ": found 1 rows of values; allowed: at least 2 rows; add the rows of the series"),
    "no time": ("hour,a\n0,1\n1,1", ", line 1: found the first column 'hour'; allowed: time_h or time; put the time first: hours as time_h, or ISO timestamps as time"),
    "no profile": ("time_h\n0\n1", ", line 1: found no profile; allowed: one or more columns beside the time; add a column a profile"),
    "double column": ("time_h,a [share],a [MW]\n0,1,1\n1,1,1", ", line 1: found the column 'a' twice; allowed: a name of its own for each column, in one line; rename it"),
    "no column name": ("time_h,a [share],\n0,1,1\n1,1,1", ", line 1: found no name for column 3; allowed: a name of its own for each column, in one line; rename it"),
    "decimal commas": ("time_h,a [share]\n0,0,5\n1,5", ", line 2: found 3 cells; allowed: 2, as in the header; give every column one value; write decimals with a point"),
    "quoted comma": ('time_h,a [share]\n0,1\n1,"0,5"', ", line 3, column 'a': found '0,5'; allowed: a finite number; write decimals with a point"),
    "blank line": ("time_h,a [share]\n0,1\n\n1,1", ", line 3: found a blank line; allowed: one row a step; remove the line"),
    "empty cell": ("time_h,a [share]\n0,1\n1,", ", line 3, column 'a': found an empty cell; allowed: a finite number; fill the gap; profiles --fix can"),
    "NaN": ("time_h,a [share]\n0,1\n1,nan", ", line 3, column 'a': found 'nan'; allowed: a finite number; fill the gap; profiles --fix can"),
    "word": ("time_h,a [share]\n0,1\n1,x", ", line 3, column 'a': found 'x'; allowed: a finite number; correct the value"),
    "negative": ("time_h,a [share]\n0,1\n1,-0.5", ", line 3, column 'a': found -0.5; allowed: a number >= 0; correct the value"),
    "huge": ("time_h,a [share]\n0,1\n1,2e12", ", line 3, column 'a': found 2e+12; allowed: a number >= 0, at most 1e+12; correct the value"),
    "above 1": ("time_h,roof [share]\n0,1\n1,1.01", ", line 3, column 'roof': found 1.01; allowed: a share in [0, 1] of gen_max_mw; correct the value"),
    "gap": ("time_h,a [share]\n0,1\n1,1\n3,1", f", line 4: found a step of 2 h; allowed: {STEP}; fill the gap (profiles --fix can) or remove the extra row"),
    "double time": ("time_h,a [share]\n0,1\n1,1\n1,1", f", line 4: found the time of the line before again; allowed: {STEP}; remove one of the two"),
    "unsorted": ("time_h,a [share]\n0,1\n1,1\n0.5,1", f", line 4: found a time before that of the line before; allowed: {STEP}; sort the rows by time"),
    "backwards": ("time_h,a [share]\n1,1\n0,1", ", line 3: found a time before that of the line before; allowed: rising times; sort the rows by time"),
    "twice at once": ("time_h,a [share]\n1,1\n1,1\n2,1", ", line 3: found the time of the line before again; allowed: rising times; remove one of the two"),
    "time no number": ("time_h,a [share]\n0,1\n1 h,1", ", line 3, column 'time_h': found '1 h'; allowed: a finite number; correct the value"),
    "no timestamp": ("time,a [share]\n2030-01-01,1\n1.1.2030,1", ", line 3, column 'time': found '1.1.2030'; allowed: a timestamp of ISO 8601; write it like 2030-01-31T14:00"),
    "mixed zones": ("time,a [share]\n2030-01-01T00:00,1\n2030-01-01T01:00Z,1", ", line 3, column 'time': found '2030-01-01T01:00Z', while the first row has '2030-01-01T00:00:00'; allowed: a time zone in every row or in none; write them alike"),
    "local clock change": ("time,a [share]\n2030-03-30T00:00,1\n2030-03-30T01:00,1\n2030-03-30T03:00,1", f", line 4: found a step of 2 h; allowed: {STEP}; fill the gap (profiles --fix can) or remove the extra row; where clocks change, write times in UTC"),
    "encoding": ("time_h,Stra\u00dfe [share]\n0,1\n1,1".encode("latin-1"), ", line 1: found the byte 0xdf; allowed: text in UTF-8; save the file as UTF-8"),
    "open quote": ('time_h,a [share]\n0,"1\n1,1', ": found no CSV (unexpected end of data); allowed: a CSV file of profiles; correct the file"),
    "no unit": ("time_h,a\n0,1\n1,1", ", line 1: found no unit for the column 'a'; allowed: a [share], of load_max_mw or gen_max_mw, or a [MW] (kW, GW, MWh and the like, too); write the unit behind the name, or give --unit"),
    "unknown unit": ("time_h,a [GJ]\n0,1\n1,1", ", line 1: found the column 'a' in 'GJ'; allowed: a [share], of load_max_mw or gen_max_mw, or a [MW] (kW, GW, MWh and the like, too); convert it"),
    "dates of two readings": ("time,a [MW]\n1/2/2030 0:00,1\n1/2/2030 1:00,1", ", line 2: found the date '1/2/2030 0:00'; allowed: one that can be read in one way; write it as 2030-01-31"),
    "thousands or decimals": ("time,a [MW]\n2030-01-01,\"1.000,5\"\n2030-01-02,1", ", line 2, column 'a': found '1.000,5'; allowed: a finite number; write decimals with a point"),
    "name of two lines": ('time_h,"a\nb [MW]"\n0,1\n1,1', ", line 1: found the column 'a\\nb'; allowed: a name of its own for each column, in one line; rename it"),
    "underscore": ("time_h,a [MW]\n0,1\n1,1_0", ", line 3, column 'a': found '1_0'; allowed: a finite number; correct the value"),
    "negative MW": ("time_h,a [MW]\n0,1\n1,-3", ", line 3, column 'a': found -3; allowed: a number >= 0; correct the value"),
    "infinity": ("time_h,a [MW]\n0,1\n1,1e999", ", line 3, column 'a': found '1e999'; allowed: a finite number; correct the value"),
    "too many MW": ("time_h,roof [MW]\n0,10\n1,10.5", ", line 3, column 'roof': found 10.5 MW; allowed: at most gen_max_mw of node 'g', 10 MW; correct the value or raise gen_max_mw"),
    "far away": ("time_h,a [MW]\n0,1\n1e300,1", ", line 3: found 1e+300 h; allowed: at most 1e+07 h; correct the time"),
    "close together": ("time_h,a [MW]\n0,1\n0.0001,1", ": found steps of 0.36 s; allowed: steps of a second or more; thin out the rows"),
    "clocks put back": ("time,a [MW]\n2030-10-26T01:00,1\n2030-10-26T02:00,1\n2030-10-26T02:00,1", f", line 4: found the time of the line before again; allowed: {STEP}; remove one of the two; where clocks change, write times in UTC"),
    "huge line": ("time_h" + 50_000 * ",a", ", line 1: found 100006 characters; allowed: at most 100000 in a line; give one row of the table a line"),
    "UTF-16": ("time_h,a [MW]\n0,1\n1,1".encode("utf-16"), ": found text in UTF-16 or UTF-32; allowed: text in UTF-8; save the file as UTF-8"),
    "a Parquet file by another name": (b"PAR1\x15\x04", ", line 1: found the first column 'PAR1\\x15\\x04'; allowed: time_h or time; put the time first: hours as time_h, or ISO timestamps as time"),
}  # fmt: skip


def test_each_bad_timestamp_is_reported_in_its_own_line(tmp_path):
    path = csv_file(tmp_path, "time,a [share]\n2030-01-01,1\n1.1.2030,1\n2030-01-02,1\n2.1.2030,1")
    with pytest.raises(GridError) as error:
        read(path)
    places = [fault.where for fault in error.value.faults]
    assert places == [f"{path}, line {line}, column 'time'" for line in (3, 5)]


@pytest.mark.parametrize("name", BAD_CSV)
def test_bad_series_are_refused_in_one_clear_line(tmp_path, name):
    content, message = BAD_CSV[name]
    path = csv_file(tmp_path, content)
    with pytest.raises(GridError) as error:
        read(path)
    assert str(error.value) == f"{path}{message}"


def test_megawatts_become_shares_of_the_node_that_follows_them(tmp_path):
    path = csv_file(tmp_path, "time_h,roof [MW],street [MW]\n0,5,30\n1,10,10\n")
    assert read(path).values_frac.tolist() == [[0.5, 1.5], [1.0, 0.5]]
    table = read_table(path)
    assert (table.units, table.values.tolist()) == (("MW", "MW"), [[5, 30], [10, 10]])


def test_megawatts_for_nodes_of_unlike_size_are_refused(tmp_path):
    path = csv_file(tmp_path, "time_h,street [MW]\n0,5\n1,10\n")
    uses = [Use("c1", "load", "street", 20.0), Use("c2", "load", "street", 30.0)]
    with pytest.raises(GridError) as error:
        read(path, uses)
    assert str(error.value) == (
        f"{path}, column 'street': found MW for nodes of unlike size: 'c1' with 20 MW and 'c2' with 30 MW; "
        "allowed: nodes of one size; give shares, or one column a node"
    )
    assert read(path, [uses[0], Use("c3", "load", "street", 20.0)]).values_frac.tolist() == [[0.25], [0.5]]


def test_a_unit_may_be_given_for_columns_that_name_none(tmp_path):
    path = csv_file(tmp_path, "time_h,a,b [share]\n0,5,1\n1,10,1\n")
    assert read_table(path, "MW").units == ("MW", "share")
    with pytest.raises(GridError) as error:
        read_table(path, "GW")
    assert str(error.value) == "unit: found 'GW'; allowed: share or MW; did you mean 'MW'?"


def test_only_columns_that_nodes_follow_are_kept(tmp_path):
    path = csv_file(tmp_path, "time_h,unused [MW],street [share]\n0,5,1\n1,10,1\n")
    assert read(path).columns == ("street",)


def test_a_dated_series_keeps_its_date(tmp_path):
    series = TimedSeries(("a",), 0.25, np.linspace(0, 1, 9)[:, None], 30.5, datetime(2030, 1, 1, 6, 30))
    write_series(series, tmp_path / "out.csv")
    again = read(tmp_path / "out.csv")
    assert (again.start, again.start_hour, again.dt_h) == (series.start, 30.5, 0.25)


# --- Parquet ------------------------------------------------------------------------------------------------------

ZONE = "Europe/Berlin"


def parquet_file(folder, **columns):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = folder / "profiles.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_parquet_through_the_change_of_clocks_is_the_same_as_csv(tmp_path):
    pd = pytest.importorskip("pandas")
    times = pd.date_range("2030-10-26", periods=72, freq="h", tz=ZONE)
    values = np.random.default_rng(0).random(72)
    frame = pd.DataFrame({"roof [share]": values, "street [MW]": 20 * values}, index=times.rename("time"))
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "year.parquet")
    rows = [f"{time.isoformat()},{a!r},{20 * a!r}" for time, a in zip(times, values.tolist(), strict=True)]
    csv = csv_file(tmp_path, "\n".join(["time,roof [share],street [MW]", *rows]))
    ours, same = read(tmp_path / "year.parquet"), read(csv)
    assert np.array_equal(ours.values_frac, same.values_frac)
    assert (ours.columns, ours.dt_h, ours.start, ours.start_hour) == (same.columns, 1.0, same.start, 120.0)


def test_parquet_by_hours(tmp_path):
    series = read(parquet_file(tmp_path, **{"a [share]": [1, 2], "time_h": [24.0, 24.5]}))
    assert (series.dt_h, series.start_hour, series.values_frac.tolist()) == (0.5, 24.0, [[1], [2]])


NUMBERS = ": found {}; allowed: one column of numbers; convert the column"
BAD_PARQUET = {
    "no time": ({"a [MW]": [1, 2]}, ": found 0 columns of time; allowed: one: time_h or time; name the column of hours time_h, of timestamps time"),
    "texts": ({"time_h": [0, 1], "a [MW]": ["0,5", "0,5"]}, ", column 'a [MW]'" + NUMBERS.format("string")),
    "lists": ({"time_h": [0, 1], "a [MW]": [[1], [2]]}, ", column 'a [MW]'" + NUMBERS.format("list<element: int64>")),
    "times as text": ({"time": ["2030-01-01", "2030-01-02"], "a [MW]": [1, 2]}, ", column 'time': found string; allowed: timestamps; convert the column"),
    "no unit": ({"time_h": [0, 1], "a": [1, 2]}, ", columns: found no unit for the column 'a'; allowed: a [share], of load_max_mw or gen_max_mw, or a [MW] (kW, GW, MWh and the like, too); write the unit behind the name, or give --unit"),
    "no profile": ({"time_h": [0, 1]}, ", columns: found no profile; allowed: one or more columns beside the time; add a column a profile"),
    "a gap": ({"time_h": [0, 1], "a [MW]": [1, None]}, ", row 1, column 'a': found an empty cell; allowed: a finite number; fill the gap; profiles --fix can"),
    "infinite": ({"time_h": [0, 1], "a [MW]": [1, float("inf")]}, ", row 1, column 'a': found 'inf'; allowed: a finite number; correct the value"),
    "no hour": ({"time_h": [0, None], "a [MW]": [1, 1]}, ", row 1, column 'time_h': found an empty cell; allowed: a finite number; fill the gap; profiles --fix can"),
    "no moment": ({"time": [datetime(2030, 1, 1), None], "a [MW]": [1, 1]}, ", row 1, column 'time': found an empty cell; allowed: a timestamp of ISO 8601; write it like 2030-01-31T14:00"),
    "unsorted": ({"time_h": [0, 1, 0.5], "a [MW]": [1, 1, 1]}, f", row 2: found a time before that of the row before; allowed: {STEP}; sort the rows by time"),
    "one row": ({"time_h": [0], "a [MW]": [1]}, ": found 1 rows of values; allowed: at least 2 rows; add the rows of the series"),
    "above 1": ({"time_h": [0, 1], "roof [share]": [1, 2]}, ", row 1, column 'roof': found 2; allowed: a share in [0, 1] of gen_max_mw; correct the value"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PARQUET)
def test_bad_parquet_is_refused_in_one_clear_line(tmp_path, name):
    columns, message = BAD_PARQUET[name]
    path = parquet_file(tmp_path, **columns)
    with pytest.raises(GridError) as error:
        read(path)
    assert str(error.value) == f"{path}{message}"


def test_what_is_no_parquet_is_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    path = parquet_file(tmp_path, **{"time": pa.array([0, 2**50], pa.timestamp("ms")), "a [MW]": [1, 2]})
    with pytest.raises(GridError, match="found date value out of range"):
        read_table(path)
    for content in (b"", b"time_h,a\n", b"PAR1" + bytes(20) + b"PAR1"):
        (tmp_path / "a.parquet").write_bytes(content)
        with pytest.raises(GridError, match="allowed: a Parquet file of profiles; check the path, or write it again"):
            read_table(tmp_path / "a.parquet")
    with pytest.raises(GridError, match="allowed: a Parquet file of profiles"):
        read_table(tmp_path / "nowhere.parquet")


# --- anything at all ----------------------------------------------------------------------------------------------


def spoilt(good: bytes):
    """The file with some bytes replaced, put in or left out."""
    piece = st.tuples(st.integers(0, len(good)), st.integers(0, 9), st.binary(max_size=9))

    def spoil(pieces):
        content = good
        for place, gone, new in pieces:
            content = content[:place] + new + content[place + gone :]
        return content

    return st.lists(piece, min_size=1, max_size=4).map(spoil)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_no_file_gives_anything_but_numbers_or_a_grid_error(tmp_path_factory, suffix):
    folder = tmp_path_factory.mktemp("fuzz")
    if suffix == ".csv":
        good = GOOD_CSV.encode()
    else:
        good = parquet_file(
            folder, **{"time": [datetime(2030, 1, 1, h) for h in range(4)], "a [MW]": [1, 2, 3, 4]}
        ).read_bytes()

    @settings(max_examples=100, deadline=None)
    @given(spoilt(good))
    def check(content):
        path = folder / f"spoilt{suffix}"
        path.write_bytes(content)
        with suppress(GridError):
            series = read(path)
            assert np.isfinite(series.values_frac).all()
            assert series.dt_h > 0

    check()


def test_parquet_that_unpacks_to_gigabytes_is_refused_unread(tmp_path, monkeypatch):
    path = parquet_file(tmp_path, **{"a [share]": [0.0] * 1000, "time_h": [float(i) for i in range(1000)]})
    monkeypatch.setattr(tables, "MOST_UNPACKED_BYTES", 100)
    with pytest.raises(GridError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: found ")
    assert str(error.value).endswith(" MB when unpacked; allowed: at most 0 MB; give a smaller file")


def test_csv_of_too_many_cells_is_refused_before_it_is_read(tmp_path):
    path = csv_file(tmp_path, "time_h,a [share]\n" + "0,1\n" * 2_500_001)
    with pytest.raises(GridError) as error:
        read(path)
    found = "5,000,003 cells; allowed: at most 5,000,000; give a smaller file, or Parquet"
    assert str(error.value) == f"{path}: found {found}"


def test_all_faults_of_a_series_come_in_one_report(tmp_path):
    path = csv_file(tmp_path, "time_h,a [share],b [MW]\n0,1,2\n1,NaN,x\n2,3\n3,,5\n")
    with pytest.raises(GridError) as error:
        read(path)
    assert [fault.where.removeprefix(f"{path}, ") for fault in error.value.faults] == [
        "line 3, column 'a'", "line 3, column 'b'", "line 4", "line 5, column 'a'",
    ]  # fmt: skip
    path = csv_file(tmp_path, "time_h,a [share]\n0,1\n1,1\n1,1\n3,1\n2,1\n")
    with pytest.raises(GridError) as error:
        read(path)
    assert [(fault.where.removeprefix(f"{path}, "), fault.found) for fault in error.value.faults] == [
        ("line 4", "the time of the line before again"),
        ("line 5", "a step of 2 h"),
        ("line 6", "a time before that of the line before"),
    ]


def test_a_pipe_is_not_waited_for(tmp_path):
    for name in ("pipe.csv", "pipe.parquet"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(GridError, match="found a pipe; allowed: a regular file"):
            read_table(tmp_path / name)
