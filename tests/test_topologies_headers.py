"""Tables as platforms and programs write them: what is understood, with which values, and what is said of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid import Grid, GridError
from strategies import CHECKED
from topologies import load, mend, read_series
from topologies.formats import WRITERS

START = datetime(2024, 1, 1)


def table(tmp_path, text: str, unit: str | None = None, **how: str):
    path = tmp_path / "series.csv"
    path.write_text(text, **{"encoding": "utf-8", **how})
    return read_series(path, unit)


SMARD = """Datum von;Datum bis;Netzlast [MWh] Berechnete Auflösungen;Residuallast [MWh] Berechnete Auflösungen
01.01.2024 00:00;01.01.2024 00:15;9.778,25;-
01.01.2024 00:15;01.01.2024 00:30;9.425,5;1
"""
ENTSOE = """"Time (UTC)","Day-ahead Total Load Forecast [MW] - Germany (DE)","Actual Total Load [MW] - Germany (DE)"
"01.01.2015 00:00 - 01.01.2015 01:00","42955","42080"
"01.01.2015 01:00 - 01.01.2015 02:00","41000","40500"
"""
OPSD = """utc_timestamp,cet_cest_timestamp,DE_load_actual_entsoe_transparency,DE_price_day_ahead,DE_solar_profile
2014-12-31T23:00:00Z,2015-01-01T00:00:00+0100,,,
2015-01-01T00:00:00Z,2015-01-01T01:00:00+0100,41151.0,20,0.25
2015-01-01T01:00:00Z,2015-01-01T02:00:00+0100,40135.0,21,0
"""
PVGIS = """Latitude (decimal degrees):\t45.000
Longitude (decimal degrees):\t8.000

time,P,G(i),H_sun,T2m,WS10m,Int
20200101:0010,0.0,0.0,0.0,0.6,1.2,0.0
20200101:0110,1500.0,0.0,0.0,0.8,1.3,0.0

P: PV system power (W)
PVGIS (c) European Union, 2001-2024
"""
NINJA = """# Renewables.ninja PV (Point API) - 50.0, 10.0
# Units: time in UTC, local_time in UTC, electricity in kW
time,local_time,electricity,temperature
2019-01-01 00:00,2019-01-01 01:00,0.0,3
2019-01-01 01:00,2019-01-01 02:00,0.5,3
"""


@pytest.mark.parametrize(
    ("text", "columns", "units", "first", "second", "start", "dt_h", "said"),
    [
        (ENTSOE, 2, "MW MW", [42955, 42080], [41000, 40500], datetime(2015, 1, 1), 1, "dates are day.month.year"),
        (OPSD, 2, "MW share", [41151, 0.25], [40135, 0], datetime(2015, 1, 1), 1,
         "1 rows without a value passed over before the first one"),
        (PVGIS, 1, "MW", [0], [0.0015], datetime(2020, 1, 1, 0, 10), 1,
         "left out as weather: 'G(i)', 'H_sun', 'T2m', 'WS10m', 'Int'"),
        (NINJA, 1, "share", [0], [0.5], datetime(2019, 1, 1), 1,
         "left out as another column of times: 'local_time'"),
        ("time,P [kW]\n2019-01-01 00:00,500\n2019-01-01 01:00,600\n", 1, "MW", [0.5], [0.6],
         datetime(2019, 1, 1), 1, "kW converted to MW: P"),
        ("time,p_kw\n2019-01-01 00:00,500\n2019-01-01 01:00,600\n", 1, "MW", [0.5], [0.6],
         datetime(2019, 1, 1), 1, "kW converted to MW: p_kw"),
        ("time;a [MW]\n2019-01-01 00:00;0,5\n2019-01-01 01:00;1.234,5\n", 1, "MW", [0.5], [1234.5],
         datetime(2019, 1, 1), 1, "semicolons between the cells, decimal commas"),
        ("time;a [%]\n2019-01-01 00:00;12.5\n2019-01-01 01:00;50\n", 1, "share", [0.125], [0.5],
         datetime(2019, 1, 1), 1, "% converted to share: a"),
        ("Date,a (MW)\n12/31/2024 11:00 PM,1\n1/1/2025 12:00 AM,2\n", 1, "MW", [1], [2],
         datetime(2024, 12, 31, 23), 1, "dates are month/day/year"),
        (",a [MW]\n31/12/2024 23:00,1\n01/01/2025 00:00,2\n", 1, "MW", [1], [2],
         datetime(2024, 12, 31, 23), 1, "dates are day/month/year"),
        ("time\ta [GW]\n2019-01-01 00:00\t1\n2019-01-01 00:30\t2\n", 1, "MW", [1000], [2000],
         datetime(2019, 1, 1), 0.5, "GW converted to MW: a"),
    ],
)  # fmt: skip
def test_tables_are_read_as_they_come(tmp_path, text, columns, units, first, second, start, dt_h, said):
    found = table(tmp_path, text)
    assert len(found.columns) == columns
    assert " ".join(found.units) == units
    np.testing.assert_allclose(found.values, [first, second])
    assert (found.start, found.dt_h) == (start, dt_h)
    assert said in found.notes


def test_energies_of_quarter_hours_are_powers_four_times_as_large(tmp_path):
    found = table(tmp_path, SMARD.replace(";-", ";2"))
    np.testing.assert_allclose(found.values, [[39113, 8], [37702, 4]])
    assert found.columns[0] == "Netzlast Berechnete Auflösungen"
    assert "MWh, divided by the step of 0.25 h, converted to MW: " + ", ".join(found.columns) in found.notes


def test_a_byte_order_mark_and_an_unnamed_index_are_passed_over(tmp_path):
    text = ",load,pv\n2011-01-01 00:00:00,5,0\n2011-01-01 01:00:00,6,0\n"
    found = table(tmp_path, text, "MW", encoding="utf-8-sig")
    assert found.columns == ("load", "pv")
    assert "the time is the column ''" in found.notes
    with pytest.raises(GridError, match=r"no unit for the column 'load'; .*; write the unit behind the name, or give"):
        table(tmp_path, text)


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(minutes=15)])
def test_a_year_of_local_times_is_even_in_spite_of_its_clock_changes(tmp_path, step):
    zone, utc = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
    count = timedelta(days=366) // step
    first = START.replace(tzinfo=zone).astimezone(utc)
    times = [(first + k * step).astimezone(zone).replace(tzinfo=None) for k in range(count)]
    found = table(tmp_path, "time,a [MW]\n" + "".join(f"{time},{k}\n" for k, time in enumerate(times)))
    assert found.dt_h == step / timedelta(hours=1)
    assert found.values[:, 0].tolist() == list(range(count))
    assert "local times, even but for changes of the clock: 2024-03-31, 2024-10-27" in found.notes
    torn = times[:2000] + times[2004:]  # a gap as well
    with pytest.raises(
        GridError,
        match="or remove the extra row; where clocks change, write times in",
    ):
        table(tmp_path, "time,a [MW]\n" + "".join(f"{time},{k}\n" for k, time in enumerate(torn)))


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("time,p_kw\n2019-01-01,5\n2019-01-02,5\n", "share", "line 1: found the column 'p_kw' in kW; allowed: share"),
        (OPSD.replace("41151.0", ""), None, "line 3, column 'DE_load_actual_entsoe_transp"),
        (
            SMARD,
            None,
            ": found '-'; allowed: a finite number; fill the gap; profiles --fix can",
        ),
        (PVGIS.replace("1500.0", "x"), None, "line 6, column 'P': found 'x'; allowed: a finite number"),
        (PVGIS.replace("20200101:0110", "20200101:0010"), None, "line 6: found the time of the line before again"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path, text, unit, message):
    with pytest.raises(GridError) as caught:
        table(tmp_path, text, unit)
    assert message in str(caught.value).splitlines()[0]


def test_what_was_understood_goes_with_the_grid(tmp_path):
    (tmp_path / "load.csv").write_text("time;town [kW]\n2019-01-01 00:00;500,5\n2019-01-01 01:00;600\n")
    grid = Grid("small")
    grid.add_source("s", gen_max_mw=2)
    grid.add_consumer("c", load_max_mw=1)
    grid.add_line("s", "c", capacity_mw=2)
    WRITERS[".graphml"](grid, tmp_path / "small.graphml")
    text = (tmp_path / "small.graphml").read_text("utf-8")
    about = '<key id="p" for="graph" attr.name="profiles" attr.type="string" />'
    own = '<key id="l" for="node" attr.name="load_profile" attr.type="string" />'
    text = text.replace("<graph ", f"{about}{own}<graph ", 1).replace(
        "</graph>", '<data key="p">load.csv</data></graph>'
    )
    text = text.replace('<node id="c">', '<node id="c"><data key="l">town</data>')
    (tmp_path / "small.graphml").write_text(text, encoding="utf-8")
    found = load(tmp_path / "small.graphml")
    np.testing.assert_allclose(found.series.values_frac, [[0.5005], [0.6]])
    assert "load.csv: semicolons between the cells, decimal commas" in found.notes
    assert "load.csv: kW converted to MW: town" in found.notes


@given(
    st.sampled_from([SMARD, ENTSOE, OPSD, PVGIS, NINJA]),
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([*';,\t"\n[](). -/:0a#', "\n\n", "1e999", "[kWh]"])),
        max_size=6,
    ),
)
@CHECKED
def test_damaged_tables_raise_nothing_but_the_one_error(tmp_path_factory, text, edits):
    for share, piece in edits:
        at = int(share * len(text))
        text = text[:at] + piece + text[at + 1 :]
    folder = tmp_path_factory.mktemp("damaged")
    for act in (read_series, lambda path: mend(path, folder / "out.csv", zone="Europe/Berlin")):
        (folder / "series.csv").write_text(text, encoding="utf-8")
        with suppress(GridError):
            act(folder / "series.csv")
