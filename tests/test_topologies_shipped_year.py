"""The shipped year: what the libraries that made it say of it, by another way than the script."""

from __future__ import annotations

import warnings
from datetime import date

import numpy as np
import pytest

from topologies.series import SHIPPED, SHIPPED_START, shipped, shipped_year

STEP = 1e-4  # the shares are kept in whole steps of this


def column(name: str) -> np.ndarray:
    return shipped_year().values_frac[:, shipped().columns.index(name)]


def of(table: str) -> list[str]:
    return [name for name, where in zip(shipped().columns, shipped().tables, strict=True) if where == table]


@pytest.fixture(scope="module")
def make_year():
    for library in ("demandlib", "pvlib", "windpowerlib"):
        pytest.importorskip(library, reason="makes the shipped year")
    import run_make_year

    return run_make_year


def test_it_is_a_year_of_shares_that_says_where_it_comes_from():
    about, year = shipped(), shipped_year()
    assert year.values_frac.shape == (8760, len(about.columns))
    assert SHIPPED.stat().st_size <= 300_000
    assert SHIPPED_START.weekday() == 0
    assert ((year.values_frac >= 0) & (year.values_frac <= 1)).all()
    assert (year.values_frac[:, [about.columns.index(name) for name in of("load")]].max(axis=0) == 1).all()
    assert set(of("load") + of("gen")) == set(about.columns)
    assert all(about.meanings)
    assert "demandlib" in about.origin
    assert "invented weather" in about.origin
    assert "MIT" in about.licence


def test_the_script_makes_what_is_shipped(make_year, tmp_path):
    about, values = make_year.make()
    assert about == shipped()
    assert np.abs(values - shipped_year().values_frac).max() <= STEP / 2 + 1e-9
    make_year.write(about, values, tmp_path / "year.npz")
    with np.load(tmp_path / "year.npz") as made, np.load(SHIPPED) as there:
        assert np.abs(made["steps"].astype(int) - there["steps"]).max() <= 1  # another machine may round otherwise


def test_demand_has_the_energy_and_the_peak_that_demandlib_gives_it(make_year):
    from demandlib import bdew

    holidays = {date(2018, month, day): "holiday" for month, day in make_year.HOLIDAYS}
    with warnings.catch_warnings():  # demandlib changes what the process does with warnings
        power = bdew.ElecSlp(2018, holidays=holidays).get_scaled_power_profiles(
            dict.fromkeys(make_year.DEMAND.values(), 1000.0)
        )
    for name, theirs in make_year.DEMAND.items():
        hourly_mw = power[theirs].to_numpy().reshape(-1, 4).mean(axis=1)
        assert hourly_mw.sum() == pytest.approx(1000, rel=1e-3)  # households: the BDEW's polynomial
        assert (column(name) * hourly_mw.max()).sum() == pytest.approx(hourly_mw.sum(), rel=1e-4)
        assert column(name).argmax() == hourly_mw.argmax()


def test_sun_has_the_energy_that_the_steps_of_pvlib_give_it(make_year):
    """The chain of pvlib's models, one function after the other, on the tilted field."""
    import pandas as pd
    from pvlib import inverter, irradiance, pvsystem, temperature
    from pvlib.location import Location

    air, (north, east, height) = make_year.weather(), make_year.MUNICH
    middle = air.index + pd.Timedelta(minutes=30)
    place = Location(north, east, make_year.CLOCK, height)
    sun, clear = place.get_solarposition(middle), place.get_clearsky(middle)
    ghi = clear["ghi"] * air["clear_pv_south"].to_numpy()
    split = irradiance.erbs(ghi, sun["zenith"], middle)
    extra = irradiance.get_extra_radiation(middle)
    where = (35, 180, sun["apparent_zenith"], sun["azimuth"])
    on_field = irradiance.get_total_irradiance(
        *where, split["dni"], ghi, split["dhi"], dni_extra=extra, model="haydavies"
    )
    air_c = pd.Series(air["temp_c"].to_numpy(), middle)
    cell_c = temperature.pvsyst_cell(on_field["poa_global"], air_c, 1.0, u_c=29.0, u_v=0.0)
    dc = pvsystem.pvwatts_dc(on_field["poa_global"], cell_c, make_year.DC_PER_AC, -0.0037)
    ac = inverter.pvwatts(dc * (1 - pvsystem.pvwatts_losses() / 100), 1 / 0.96)
    assert column("pv_south").mean() == pytest.approx(float(ac.mean()), rel=0.03)  # less what the glass reflects
    assert np.corrcoef(column("pv_south"), ac)[0, 1] > 0.999
    night = (sun["apparent_elevation"] < -1).to_numpy()
    assert night.mean() > 0.4
    assert (column("pv_south")[night] == 0).all()


def test_wind_has_the_capacity_factor_of_its_distribution_of_speeds(make_year):
    """The power curve integrated over the speeds, and the turbine of windpowerlib in them."""
    from windpowerlib import WindTurbine, power_output

    curve, air = make_year.power_curve(), make_year.weather()
    turbine = WindTurbine(hub_height=90, nominal_power=make_year.RATED_W, power_curve=curve)
    for name, (mean, _) in make_year.WIND.items():
        speed = air[f"speed_{name}"]
        assert speed.mean() == pytest.approx(mean, rel=0.05)  # a year of weather is one sample
        watts = power_output.power_curve(
            speed, turbine.power_curve["wind_speed"], turbine.power_curve["value"], density_correction=False
        )
        assert column(name).mean() == pytest.approx(watts.mean() / turbine.nominal_power, abs=STEP)
        share, edges = np.histogram(speed, bins=np.arange(0, 40, 0.25))
        middle = (edges[1:] + edges[:-1]) / 2
        by_speed = np.interp(middle, curve["wind_speed"], curve["value"]) / make_year.RATED_W
        assert column(name).mean() == pytest.approx((share * by_speed).sum() / 8760, rel=0.01)


def test_the_turbine_reaches_its_rated_power_at_the_published_speed(make_year):
    area_m2 = np.pi * make_year.ROTOR_M**2 / 4
    reached = 0.5 * make_year.AIR_KG_PER_M3 * area_m2 * make_year.POWER_COEFFICIENT * make_year.GENERATOR_EFFICIENCY
    assert (make_year.RATED_W / reached) ** (1 / 3) == pytest.approx(11.4, abs=0.15)  # m/s, NREL/TP-500-38060


def test_the_weather_is_credible():
    wind, sun = column("wind_coast"), column("pv_south")
    assert 0.1 < sun.mean() < 0.18
    assert column("pv_tracker").mean() > 1.5 * sun.mean()
    assert column("wind_inland").mean() < wind.mean() < column("wind_offshore").mean() < 0.6
    months = np.arange(8760) // 730
    summer, winter = np.isin(months, [5, 6]), np.isin(months, [0, 11])
    assert sun[summer].mean() > 3 * sun[winter].mean()
    assert wind[winter].mean() > 1.2 * wind[summer].mean()
    assert column("h0_household")[winter].mean() > 1.2 * column("h0_household")[summer].mean()
    assert np.corrcoef(wind[:-1], wind[1:])[0, 1] > 0.9
    assert 0.4 < np.corrcoef(wind, column("wind_inland"))[0, 1] < 0.9
    daily_sun, daily_wind = (values.reshape(365, 24).mean(axis=1) for values in (sun, wind))
    assert np.corrcoef(daily_sun, daily_wind)[0, 1] < -0.2  # fronts bring both clouds and wind
