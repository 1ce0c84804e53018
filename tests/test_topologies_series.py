"""Parts, windows and resampling of a series: what train and test share, and that energy is kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.graph import Series
from topologies.series import TimedSeries, Windows, part_of, resample, shipped_year


def numbered(rows: int, dt_h: float = 1.0, start: datetime | None = None) -> TimedSeries:
    """A series whose values are the numbers of their rows."""
    hour = 0.0 if start is None else start.weekday() * 24 + start.hour
    return TimedSeries(("row",), dt_h, np.arange(rows, dtype=float)[:, None], hour, start)


def rows_of(series: Series, split: str) -> np.ndarray:
    rows = np.arange(len(series.values_frac))
    return np.concatenate([rows[block] for block in part_of(series, split)])


@given(st.integers(2, 20_000), st.sampled_from([0.25, 0.5, 1.0, 3.0, 24.0, 1000.0, 5000.0]))
def test_every_row_belongs_to_one_part(rows, dt_h):
    series = numbered(rows, dt_h)
    both = np.concatenate([rows_of(series, "train"), rows_of(series, "test")])
    assert np.array_equal(np.sort(both), np.arange(rows))


def test_the_parts_of_a_year_are_whole_weeks_of_every_season():
    test = rows_of(shipped_year(), "test")
    starts = test[np.flatnonzero(np.diff(test, prepend=-9) > 1)]
    assert (starts % 168 == 0).all()
    assert len(test) == 5 * 336
    assert np.array_equal(np.diff(starts), np.full(4, 1680))


@pytest.mark.parametrize("dt_h", [0.25, 1.0, 2.0, 5.0, 24.0])
@pytest.mark.parametrize("steps", [1, 14])
def test_no_window_leaves_its_block_so_train_and_test_share_no_hour(dt_h, steps):
    series = numbered(8760)
    for split in ("train", "test"):
        blocks = part_of(series, split)
        windows = Windows.of(series, split, steps, dt_h)
        rows = windows.at(np.arange(len(windows.first)), steps)[..., 0]  # (T, W) mean number of the hours of a step
        first, last = rows.min(axis=0) - (dt_h - 1) / 2, rows.max(axis=0) + (dt_h - 1) / 2  # hours
        if dt_h >= 1:
            inside = [(first >= block.start - 1e-9) & (last <= block.stop - 1 + 1e-9) for block in blocks]
        else:
            inside = [(rows.min(axis=0) >= block.start) & (rows.max(axis=0) < block.stop) for block in blocks]
        assert np.any(inside, axis=0).all()
        assert len(windows.first) == sum(int((block.stop - block.start) / dt_h + 1e-9) - steps + 1 for block in blocks)


def test_windows_know_their_hour_and_season():
    start = datetime(2030, 2, 5, 7)  # a Tuesday
    windows = Windows.of(numbered(6000, start=start), "train", 24, 1.0)
    since_h = windows.rows[windows.first, 0]
    when = [start + timedelta(hours=hour) for hour in since_h]
    assert np.array_equal(windows.start_hour, [time.weekday() * 24 + time.hour for time in when])
    spring = datetime(2030, 3, 21)
    assert np.allclose(windows.season, [(time - spring).total_seconds() / 86400 / 365.25 % 1 for time in when])
    assert Windows.of(numbered(6000), "train", 24, 1.0).season is None


def test_a_window_like_another_has_its_hour_of_the_week_and_its_season():
    windows = Windows.of(shipped_year(), "train", 48, 1.0)
    rng = np.random.default_rng(0)
    hour, season = np.floor(rng.random(500) * 168), rng.random(500)
    chosen = windows.like(hour, season)
    assert np.array_equal(windows.start_hour[chosen], hour)
    apart = np.abs((windows.season[chosen] - season + 0.5) % 1 - 0.5)
    assert apart.max() < 0.06  # 3 weeks, where test weeks are left out
    daily = Windows.of(shipped_year(), "train", 3, 24.0)
    assert np.array_equal(daily.start_hour[daily.like(np.array([23.0, 100.0]), season[:2])], [24, 96])


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.sampled_from([1, 2, 3, 7, 0.5, 0.25, 1 / 3, 1.5, 0.7]),
)
def test_resampling_keeps_energy_and_bounds(values, ratio):
    given_rows = np.array(values)[:, None]
    out = resample(given_rows, 1.0, ratio)
    steps = int(len(values) / ratio + 1e-9)
    assert out.shape == (steps, 1)
    whole = steps * ratio  # hours that are covered by whole steps
    full = int(whole + 1e-9)
    energy = given_rows[:full].sum() + (
        whole - full > 1e-9 and (whole - full) * given_rows[min(full, len(values) - 1), 0]
    )
    assert out.sum() * ratio == pytest.approx(energy, abs=1e-9)
    assert (out >= given_rows.min()).all()
    assert (out <= given_rows.max()).all()
