"""Profiles and series: bounds, shapes, splits, independence of the batch, and what is refused in which words."""

# ruff: noqa: E501 -- each message stands in one piece, as its reader sees it
from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from grid import Grid, GridError
from grid.graph import Series
from topologies.profiles import ProfileSource, built_in
from topologies.series import TimedSeries, resample, shipped_year
from topologies.shapes import YEAR_NOISE

LOADS = ("household", "commerce", "industry", "constant", "classic")


def made(loads=LOADS, gens=("wind", "sun", "wind", "sun"), load_mw=20.0) -> Grid:
    grid = Grid("profiles")
    grid.add_source("plant", gen_max_mw=100)
    for i, name in enumerate(gens):
        grid.add_source(f"g{i}", gen_max_mw=10, gen_profile=name)
        grid.add_line("plant", f"g{i}")
    for i, name in enumerate(loads):
        grid.add_consumer(f"c{i}", load_max_mw=load_mw, load_profile=name)
        grid.add_line("plant", f"c{i}")
    return grid


def streams(count: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng(child) for child in np.random.SeedSequence([seed, 1]).spawn(count)]


def draw(grid: Grid, count: int = 300, steps: int = 48, dt_h: float = 1.0, split: str = "train", seed: int = 0):
    return ProfileSource(grid.compile(), grid.series, split).draw(streams(count, seed), steps, dt_h)


class Still:
    """A random stream without chance: always the middle."""

    def random(self, dtype, out):
        out[:] = 0.5


FIELDS = ("load_mw", "gen_avail_frac", "load_error", "gen_error", "start_hour")


def test_shapes_bounds_and_certain_availability():
    grid = made()
    out = draw(grid)
    names = grid.compile().node_names
    assert [getattr(out, name).shape for name in FIELDS] == [(300, 48, 10), (300, 48, 10), (300, 48), (300, 48), (300,)]
    assert out.load_mw.min() >= 0
    assert out.load_mw.max() <= 20
    assert (out.gen_avail_frac >= 0).all()
    assert (out.gen_avail_frac <= 1).all()
    plain = [i for i, name in enumerate(names) if not name.startswith("g")]
    assert (out.gen_avail_frac[..., plain] == 1).all()
    assert (out.load_mw[..., names.index("c3")] == 20).all()  # "constant"
    assert set(out.start_hour.tolist()) <= set(range(168))
    assert len(set((out.start_hour % 24).tolist())) == 24
    formulas = {name for shapes in built_in().values() for name, shape in shapes.items() if not shape.of_year}
    assert set(LOADS) | {"sun", "wind"} == formulas | {"constant"}


@pytest.mark.parametrize("count", [1, 2, 7, 255, 256, 257])
def test_an_episode_does_not_depend_on_how_many_are_drawn(count):
    source = ProfileSource(made().compile())
    many, few = source.draw(streams(300), 30, 0.5), source.draw(streams(300)[:count], 30, 0.5)
    for name in FIELDS:
        assert np.array_equal(getattr(many, name)[:count], getattr(few, name)), name


def test_the_same_streams_give_the_same_draw_and_going_on_gives_another():
    source = ProfileSource(made().compile())
    rngs = streams(5)
    first, then, again = source.draw(rngs, 24, 1.0), source.draw(rngs, 24, 1.0), source.draw(streams(5), 24, 1.0)
    assert np.array_equal(first.load_mw, again.load_mw)
    assert not np.isclose(first.load_mw, then.load_mw).all(axis=(1, 2)).any()
    assert not np.shares_memory(first.load_mw, then.load_mw)


def test_streams_of_the_two_splits_share_no_episode():
    train, test = (draw(made(), count=500, seed=seed).load_mw[..., 5] for seed in (0, 1))
    assert not {row.tobytes() for row in train} & {row.tobytes() for row in test}


@pytest.mark.parametrize("dt_h", [0.25, 1.0])
def test_the_classic_demand_without_noise_is_its_formula(dt_h):
    grid = made(loads=("classic",) * 5, load_mw=19.5 / 5)
    out = ProfileSource(grid.compile()).draw([Still()], 60, dt_h)
    t = np.arange(60) * dt_h
    expected = 10 + 3 * np.sin(0.3 * np.pi * t) + 2 * np.sin(0.1 * np.pi * t)
    assert np.allclose(out.load_mw.sum(-1)[0], expected, rtol=1e-13, atol=0)


def test_the_noise_of_the_classic_total_is_normal_white_and_cut():
    total = draw(made(loads=("classic",) * 5, load_mw=3.9), count=4000, steps=40).load_mw.sum(-1)
    t = np.arange(40)
    noise = total - (10 + 3 * np.sin(0.3 * np.pi * t) + 2 * np.sin(0.1 * np.pi * t))
    assert np.abs(noise).max() == pytest.approx(4.5, abs=1e-9)  # 160,000 normal numbers reach 3 sigma
    assert noise.std() == pytest.approx(1.5, rel=0.02)
    assert (np.abs(noise) < 1.5).mean() == pytest.approx(0.683, abs=0.01)
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.01
    assert 0.5 <= total.min() < total.max() <= 19.5


def by_hour(out, column: int, days=range(7)) -> np.ndarray:
    """(24,) mean demand at each hour of the given days of the week."""
    values = out.load_mw[..., column]
    hour = (out.start_hour[:, None] + np.arange(values.shape[1])) % 168
    return np.array([values[np.isin(hour, [24 * day + h for day in days])].mean() for h in range(24)]) / 20


def test_demand_has_the_shape_of_its_profile():
    out = draw(made(), count=2000)
    household, commerce, industry = (by_hour(out, column, range(5)) for column in (5, 6, 7))
    assert household.argmax() in (18, 19, 20)
    assert household[7] > 1.3 * household[[4, 10]].max()
    assert commerce[9:17].min() > 2 * commerce[[0, 3, 22]].max()
    assert commerce[9:17].min() > 1.2 * by_hour(out, 6, [5, 6])[9:17].max()
    assert industry[8:14].min() > 1.15 * industry[17:21].max()
    assert industry[17:21].min() > 1.15 * industry[[0, 3]].max()
    assert 0.3 < household.mean() < 0.7


def test_the_sun_shines_by_day_and_all_fields_share_the_clouds():
    out = draw(made(), count=2000)
    sun = out.gen_avail_frac[..., [2, 4]]
    hour = (out.start_hour[:, None] + np.arange(48)) % 24
    assert (sun[(hour >= 21) | (hour < 3)] == 0).all()
    assert sun[hour == 12].min() > 0.03
    assert 0.1 < sun.mean() < 0.25
    noon = sun[hour == 12]
    assert 0.6 < np.corrcoef(noon.T)[0, 1] < 0.99


def test_wind_lasts_for_hours_and_blows_alike_but_not_the_same():
    wind = draw(made(), count=2000).gen_avail_frac[..., [1, 3]]
    assert 0.25 < wind.mean() < 0.5
    assert (wind < 0.1).mean() > 0.05
    assert (wind > 0.8).mean() > 0.03
    assert 0.4 < np.corrcoef(wind.reshape(-1, 2).T)[0, 1] < 0.9
    assert np.corrcoef(wind[:, 0, 0], wind[:, 6, 0])[0, 1] > 0.5
    assert abs(np.corrcoef(wind[::2, 0, 0], wind[1::2, 0, 0])[0, 1]) < 0.1  # episodes are independent


@pytest.mark.parametrize("dt_h", [0.25, 1.0, 3.0])
def test_forecast_errors_have_variance_1_and_a_memory_of_hours(dt_h):
    out = draw(made(), count=3000, steps=50, dt_h=dt_h)
    for error in (out.load_error, out.gen_error):
        assert error.mean() == pytest.approx(0, abs=0.05)
        assert error.std(axis=0) == pytest.approx(1, abs=0.06)
        assert np.corrcoef(error[:, 9], error[:, 10])[0, 1] == pytest.approx(np.exp(-dt_h / 6), abs=0.05)
    assert abs(np.corrcoef(out.load_error.ravel(), out.gen_error.ravel())[0, 1]) < 0.05


# --- the shipped year ---------------------------------------------------------------------------------------------

OF_YEAR = {table: [name for name, shape in shapes.items() if shape.of_year] for table, shapes in built_in().items()}


def test_every_shipped_profile_stays_within_its_bounds():
    out = draw(made(loads=OF_YEAR["load"], gens=OF_YEAR["gen"], load_mw=1.0))
    loads, gens = out.load_mw[..., 1 + len(OF_YEAR["gen"]) :], out.gen_avail_frac[..., 1 : 1 + len(OF_YEAR["gen"])]
    for values in (loads, gens):
        assert values.min() >= 0
        assert values.max() <= 1
        assert (values.std(axis=(0, 1)) > 0.05).all()


NOISE = dict(YEAR_NOISE)


@pytest.fixture
def still(monkeypatch):
    """The shipped year without noise."""
    monkeypatch.setattr("topologies.shapes.YEAR_NOISE", {"load": (0.0, 0.0, 1.0, 1.0), "gen": (0.0, 0.0, 1.0, 1.0)})
    built_in.cache_clear()
    yield
    built_in.cache_clear()


def test_train_and_test_share_no_hour_of_the_shipped_year(still):
    """The hour of the year is found again from all its columns, in every step that an episode or its forecasts reach."""
    grid = made(loads=OF_YEAR["load"], gens=OF_YEAR["gen"], load_mw=1.0)
    columns = [shipped_year().columns.index(name) for name in (*OF_YEAR["gen"], *OF_YEAR["load"])]
    known = {row.tobytes(): hour for hour, row in enumerate(shipped_year().values_frac[:, columns].astype(np.float32))}
    assert len(known) > 8700  # nights without wind may be alike
    seen = {}
    for split in ("train", "test"):
        out = draw(grid, count=1500, steps=73, split=split, seed=split == "test")
        rows = np.concatenate([out.gen_avail_frac[..., 1:7], out.load_mw[..., 7:]], axis=-1).astype(np.float32)
        hours = np.array([[known[row.tobytes()] for row in episode] for episode in rows])
        assert (np.median(np.diff(hours, axis=1), axis=1) == 1).all()
        assert np.array_equal(out.start_hour, hours[:, 0] % 168)
        seen[split] = set(hours.ravel().tolist())
    assert not seen["train"] & seen["test"]
    assert len(seen["train"]) > 6000
    assert len(seen["test"]) > 1500


def test_noise_on_the_shipped_year_is_shared_between_sites_and_lasts(still):
    calm = draw(made(gens=("pv_south",) * 3, loads=("g1_office",) * 3)).gen_avail_frac[..., 1:4]
    built_in.cache_clear()
    shared, own, shared_h, own_h = NOISE["gen"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topologies.shapes.YEAR_NOISE", NOISE)
        noisy = draw(made(gens=("pv_south",) * 3, loads=("g1_office",) * 3)).gen_avail_frac[..., 1:4]
    day = (calm > 0.02).all(axis=-1) & (noisy > 0).all(axis=-1)
    assert (noisy[calm == 0] == 0).all()  # nights stay nights
    log_odds = [np.log(values[day] / (1 - values[day])) for values in (noisy, calm)]
    noise = log_odds[0] - log_odds[1]
    assert noise.std() == pytest.approx(np.hypot(shared, own), rel=0.05)
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(shared**2 / (shared**2 + own**2), abs=0.04)
    next_hour = day[:, :-1] & day[:, 1:]
    all_odds = np.log(noisy / (1 - noisy), where=noisy > 0, out=np.zeros_like(noisy))
    all_odds -= np.log(calm / (1 - calm), where=calm > 0, out=np.zeros_like(calm))
    lag = np.corrcoef(all_odds[:, :-1][next_hour][:, 0], all_odds[:, 1:][next_hour][:, 0])[0, 1]
    keep = (shared**2 * np.exp(-1 / shared_h) + own**2 * np.exp(-1 / own_h)) / (shared**2 + own**2)
    assert lag == pytest.approx(keep, abs=0.03)


def test_noise_keeps_the_energy_of_the_shipped_year(still):
    grid = made(loads=OF_YEAR["load"], gens=OF_YEAR["gen"], load_mw=1.0)
    calm = draw(grid, count=1000)
    built_in.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topologies.shapes.YEAR_NOISE", NOISE)
        noisy = draw(grid, count=1000)
    for table in ("load_mw", "gen_avail_frac"):
        means = [getattr(out, table).mean(axis=(0, 1)) for out in (noisy, calm)]
        assert np.allclose(*means, rtol=0.02, atol=1e-12), means[0] / means[1]


def test_the_shipped_year_and_formulas_follow_the_clock_of_a_dated_series(still):
    grid = made(loads=("street", "h0_household"), gens=("pv_south", "sun"))
    rows = np.arange(8760.0)
    grid.series = TimedSeries(("street",), 1.0, rows[:, None], 24.0, datetime(2030, 1, 1))
    out = draw(grid, count=600, steps=24)
    hour = out.load_mw[..., 3] / 20  # of the year
    assert np.array_equal(out.start_hour, (24 + hour[:, 0]) % 168)
    pv, sun = out.gen_avail_frac[..., 1], out.gen_avail_frac[..., 2]
    assert (pv[np.isin(hour % 24, [22, 23, 0, 1, 2])] == 0).all()
    summer, winter = (np.isin(hour[:, 0] // 730, months) for months in ([5, 6], [0, 11]))
    for values in (pv, sun):
        assert values[summer].mean() > 2 * values[winter].mean()


def test_the_shipped_year_keeps_its_mean_at_every_step(still):
    grid = made(loads=("g0_business",), gens=("wind_coast",))
    means = [draw(grid, count=1500, steps=int(48 / dt_h), dt_h=dt_h).load_mw[..., 2].mean() for dt_h in (0.5, 1.0, 4.0)]
    assert means == pytest.approx([means[1]] * 3, rel=0.01)


def with_series(hours: int = 100, dt_h: float = 1.0, start_hour: float = 30.0) -> Grid:
    """A grid whose series tell their own row: the load is the row's number, the availability that over 1000."""
    grid = made(loads=("street", "household"), gens=("roof", "sun"))
    rows = np.arange(hours / dt_h)
    grid.series = TimedSeries(("roof", "street", "unused"), dt_h, np.stack([rows / 1000, rows, rows], 1), start_hour)
    return grid


def test_windows_of_a_series_lie_inside_their_part_and_the_parts_share_no_hour():
    seen = {}
    for split in ("train", "test"):
        out = draw(with_series(), count=400, steps=10, split=split)
        rows = out.load_mw[..., 3] / 20
        assert np.array_equal(np.diff(rows, axis=1), np.ones((400, 9)))
        assert np.allclose(out.gen_avail_frac[..., 1], rows / 1000)
        assert np.array_equal(out.start_hour, (30 + rows[:, 0]) % 168)
        seen[split] = set(rows.ravel().tolist())
    assert seen == {"train": set(range(80)), "test": set(range(80, 100))}


def test_built_in_profiles_beside_a_series_keep_its_clock():
    out = draw(with_series(hours=1000, start_hour=0.0), count=400, steps=24)
    hour = (out.start_hour[:, None] + np.arange(24)) % 24
    sun = out.gen_avail_frac[..., 2]
    assert (sun[(hour >= 21) | (hour < 3)] == 0).all()
    assert sun[hour == 12].min() > 0


def test_a_column_of_the_series_goes_before_a_built_in_of_the_same_name():
    grid = made(loads=("household", "constant"), gens=())
    grid.series = Series(("household", "constant"), 1.0, np.full((50, 2), 0.25))
    assert (draw(grid, count=3, steps=10).load_mw[..., 1:] == 5).all()


@pytest.mark.parametrize(
    ("from_h", "to_h", "expected"),
    [
        (1.0, 1.0, [1, 3, 5, 7, 9]),
        (1.0, 2.0, [2, 6]),
        (1.0, 0.5, [1, 1, 3, 3, 5, 5, 7, 7, 9, 9]),
        (1.0, 1.5, [5 / 3, 13 / 3, 23 / 3]),
        (0.5, 1.0, [2, 6]),
    ],
)
def test_resampling_keeps_the_mean_of_each_step(from_h, to_h, expected):
    values = np.array([[1.0, 0], [3, 0], [5, 0], [7, 0], [9, 0]])
    assert np.allclose(resample(values, from_h, to_h), np.stack([expected, np.zeros(len(expected))], 1), atol=1e-12)


def test_a_series_is_drawn_at_the_step_of_the_env():
    out = draw(with_series(), count=200, steps=6, dt_h=2.0, split="test")
    rows = out.load_mw[..., 3] / 20
    assert np.array_equal(np.unique(rows), 80.5 + 2 * np.arange(10))
    assert np.array_equal(out.start_hour, (30 + rows[:, 0] - 0.5) % 168)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ProfileSource(made().compile(), None, "tset"), "split: found 'tset'; allowed: train, test or all; did you mean 'test'?"),
        (lambda: draw(with_series(), steps=21, split="test"), "series: found at most 20 h in a row in the test part; allowed: at least 21 h: an episode and what its forecasts reach for; give a series of about 106 h or more, or take a shorter horizon"),
        (lambda: draw(made(loads=("hosehold",))), "node 'c0': found load_profile 'hosehold'; allowed: household, commerce, industry, classic, h0_household, g0_business, g1_office, g2_evening, g3_continuous, g4_shop, l0_farm, constant, or a column of the grid's file of profiles; did you mean 'household'?"),
        (lambda: draw(made(gens=("commerce",))), "node 'g0': found gen_profile 'commerce'; allowed: sun, wind, pv_south, pv_east_west, pv_tracker, wind_inland, wind_coast, wind_offshore, constant, or a column of the grid's file of profiles; use one of: constant, pv_east_west, pv_south, pv_tracker, sun, wind, wind_coast, wind_inland, wind_offshore"),
        (lambda: ProfileSource(made(gens=("roof",)).compile(), Series(("roof",), 1.0, np.array([[0.5], [1.5]]))), "series, row 1, column 'roof': found 1.5; allowed: a share in [0, 1] of gen_max_mw; correct the value"),
        (lambda: ProfileSource(made().compile(), Series(("roof",), 1.0, np.array([[np.nan], [1]]))), "series, row 0, column 'roof': found nan; allowed: a number >= 0; correct the value"),
    ],
    ids=range(6),
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(GridError) as error:
        make()
    assert str(error.value) == message
