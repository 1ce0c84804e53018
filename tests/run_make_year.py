"""Makes the shipped year of hourly series: ``python tests/run_make_year.py``; needs demandlib, pvlib and windpowerlib.

Demand: the standard load profiles of the German utilities (BDEW), by demandlib. Sun and wind: what pvlib and
windpowerlib make of a weather that is invented here, seeded: no place had it. One slow signal, the passing fronts,
brings both clouds and wind; faster ones belong to a region or a site. All of it is first-order autoregressive noise,
mapped to a clear-sky index and to Weibull wind speeds with means and seasons like those of Europe.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import expit, ndtr
from scipy.stats import weibull_min

from grid import atomic_path
from topologies.series import SHIPPED_START, SHIPPED_STEPS, Shipped

if TYPE_CHECKING:
    from pvlib.pvsystem import PVSystem

YEAR = Path(__file__).parents[1] / "topologies" / "data" / "year.npz"
HOURS = 8760
SEED = 2018
CLOCK = "Etc/GMT-1"  # Central European time without daylight saving

DEMAND = {
    "h0_household": "h0_dyn",
    "g0_business": "g0",
    "g1_office": "g1",
    "g2_evening": "g2",
    "g3_continuous": "g3",
    "g4_shop": "g4",
    "l0_farm": "l0",
}
"""The profiles with the names that demandlib gives them."""

HOLIDAYS = ((1, 1), (3, 30), (4, 2), (5, 1), (5, 10), (5, 21), (10, 3), (12, 25), (12, 26))  # of all Germany in 2018

MUNICH, SEVILLE = (48.1, 11.6, 520.0), (37.4, -6.0, 10.0)  # degrees north, degrees east, metres
SUN = {"pv_south": (MUNICH, 0.0), "pv_east_west": (MUNICH, 0.0), "pv_tracker": (SEVILLE, 1.6)}
"""Place of each plant, and how much clearer its sky is."""
DC_PER_AC = 1.2  # modules are larger than the inverter

WIND = {"wind_inland": (6.3, 2.0), "wind_coast": (7.6, 2.1), "wind_offshore": (9.4, 2.2)}
"""Mean wind speed at hub height in m/s, and shape of the Weibull distribution."""
WAKE_EFFICIENCY = 0.92

# The 5-MW reference turbine of J. Jonkman et al., NREL/TP-500-38060 (2009), table 1-1 and sections 4 and 7: below its
# rated power it runs at its best power coefficient.
ROTOR_M, RATED_W, CUT_IN_M_PER_S, CUT_OUT_M_PER_S = 126.0, 5e6, 3.0, 25.0
POWER_COEFFICIENT, GENERATOR_EFFICIENCY, AIR_KG_PER_M3 = 0.482, 0.944, 1.225


MEANINGS = {
    "h0_household": "households, dynamic: evening peaks, a third more in winter",
    "g0_business": "commerce in general",
    "g1_office": "commerce on workdays from 8 to 18",
    "g2_evening": "commerce mostly in the evening",
    "g3_continuous": "commerce without a pause",
    "g4_shop": "shops and hairdressers",
    "l0_farm": "farms in general",
    "pv_south": "photovoltaics at 48 N, tilted by 35 degrees to the south",
    "pv_east_west": "photovoltaics at 48 N, half to the east and half to the west",
    "pv_tracker": "photovoltaics at 37 N that follow the sun on one axis",
    "wind_inland": "a wind park at a mean of 6.3 m/s",
    "wind_coast": "a wind park at a mean of 7.6 m/s",
    "wind_offshore": "a wind park at a mean of 9.4 m/s",
}
ORIGIN = (
    "Made by tests/run_make_year.py for 2018, in Central European time without daylight saving. Demand: standard "
    "load profiles of the German utilities (VDEW 1999, BDEW) as distributed with demandlib, over their highest hour. "
    "Sun and wind: output over rating, by pvlib and windpowerlib from invented weather (seeded noise, no "
    "measurements). Turbine: the 5-MW reference turbine of NREL/TP-500-38060."
)
LICENCE = "MIT, as this project; demandlib and windpowerlib: MIT, oemof developer group; pvlib: BSD-3-Clause"


def make() -> tuple[Shipped, np.ndarray]:
    """What the profiles are, and the year of shares (8760, 13) of its peak demand and of the plants' ratings."""
    air = weather()
    tables = {"load": demand(), "gen": pd.concat([sun(air), wind(air)], axis=1)}
    names = {name: table for table, columns in tables.items() for name in columns}
    meanings = tuple(MEANINGS[name] for name in names)
    values = np.hstack([table.to_numpy() for table in tables.values()])
    return Shipped(tuple(names), tuple(names.values()), meanings, ORIGIN, LICENCE), values


def hours() -> pd.DatetimeIndex:
    """The start of each hour, (8760,)."""
    return pd.date_range(SHIPPED_START, periods=HOURS, freq="h", tz=CLOCK)


def demand() -> pd.DataFrame:
    """Each standard load profile over its own highest hour, (8760, 7)."""
    from demandlib import bdew

    with warnings.catch_warnings():  # demandlib changes what the process does with warnings
        year = SHIPPED_START.year
        slp = bdew.ElecSlp(year, holidays=[date(year, month, day) for month, day in HOLIDAYS])
    hourly = slp.get_profiles(*DEMAND.values()).resample("h").mean()
    return pd.DataFrame((hourly / hourly.max()).to_numpy(), hours(), list(DEMAND))


def weather() -> pd.DataFrame:
    """Invented weather: ``clear_PLANT`` (share of a clear sky's light), ``speed_PARK`` (m/s) and ``temp_c``."""
    rng = np.random.default_rng(SEED)
    index = hours()
    day, hour = index.dayofyear.to_numpy(), index.hour.to_numpy()
    winter = np.cos(2 * np.pi * (day - 15) / 365)
    fronts = _signal(rng, 36.0)
    air = {"temp_c": 9.5 - 9.5 * winter - 4.0 * np.cos(2 * np.pi * (hour - 3) / 24) + 3.0 * _signal(rng, 72.0)}
    clouds = {place: 0.6 * fronts + 0.8 * _signal(rng, 5.0) for place in (MUNICH, SEVILLE)}
    for name, (place, clearer) in SUN.items():
        air[f"clear_{name}"] = 0.12 + 0.9 * expit(0.85 + clearer - 2.2 * clouds[place] - 0.5 * winter)
    region = _signal(rng, 20.0)
    for name, (mean, shape) in WIND.items():
        level = 0.5 * fronts + 0.65 * region + 0.57 * _signal(rng, 6.0)
        by_season = mean * (1 + 0.14 * winter) / weibull_min(shape).mean()
        air[f"speed_{name}"] = by_season * weibull_min(shape).ppf(ndtr(level / np.sqrt(0.5**2 + 0.65**2 + 0.57**2)))
    return pd.DataFrame(air, index)


def sun(air: pd.DataFrame) -> pd.DataFrame:
    """Output of each plant over its inverter's rating, (8760, 3): pvlib's clear sky, Erbs' split, PVWatts' plant."""
    from pvlib import irradiance
    from pvlib.location import Location
    from pvlib.modelchain import ModelChain

    middle = air.index + pd.Timedelta(minutes=30)
    out = {}
    for name, ((north, east, height), _) in SUN.items():
        place = Location(north, east, CLOCK, height)
        position = place.get_solarposition(middle)
        ghi = place.get_clearsky(middle, solar_position=position)["ghi"] * air[f"clear_{name}"].to_numpy()
        light = irradiance.erbs(ghi, position["zenith"], middle)
        speed = air["speed_wind_inland"].to_numpy() * 0.6  # near the ground
        sky = {"ghi": ghi, "dni": light["dni"], "dhi": light["dhi"], "temp_air": air["temp_c"].to_numpy()}
        chain = ModelChain.with_pvwatts(plant(name), place, temperature_model="pvsyst")
        chain.run_model(pd.DataFrame({**sky, "wind_speed": speed}, middle))
        out[name] = chain.results.ac.to_numpy()
    return pd.DataFrame(out, air.index)


def plant(name: str) -> PVSystem:
    """A plant of pvlib with an inverter of 1 W."""
    from pvlib.pvsystem import Array, FixedMount, PVSystem, SingleAxisTrackerMount

    mounts = {
        "pv_south": [FixedMount(surface_tilt=35, surface_azimuth=180)],
        "pv_east_west": [FixedMount(surface_tilt=12, surface_azimuth=side) for side in (90, 270)],
        "pv_tracker": [SingleAxisTrackerMount(axis_azimuth=180, gcr=0.35)],
    }[name]
    modules = {"pdc0": DC_PER_AC / len(mounts), "gamma_pdc": -0.0037}
    arrays = [
        Array(
            mount,
            module_parameters=modules,
            temperature_model_parameters={"u_c": 29.0, "u_v": 0.0},  # PVsyst, free-standing
        )
        for mount in mounts
    ]
    return PVSystem(arrays, inverter_parameters={"pdc0": 1 / 0.96, "eta_inv_nom": 0.96})


def wind(air: pd.DataFrame) -> pd.DataFrame:
    """Output of each park over its rating, (8760, 3): windpowerlib's power curve of a park at the speeds."""
    from windpowerlib import power_output

    curve = power_curve()
    out = {
        name: power_output.power_curve(
            air[f"speed_{name}"], curve["wind_speed"].to_numpy(), curve["value"].to_numpy(), density_correction=False
        )
        / RATED_W
        for name in WIND
    }
    return pd.DataFrame(out, air.index)


def power_curve() -> pd.DataFrame:
    """Power (``value``, W) of a turbine in a park by ``wind_speed`` (m/s): smoothed over the park, less the wakes."""
    from windpowerlib import power_curves

    speed = np.arange(0.0, 30.5, 0.5)
    area_m2 = np.pi * ROTOR_M**2 / 4
    power = 0.5 * AIR_KG_PER_M3 * area_m2 * POWER_COEFFICIENT * GENERATOR_EFFICIENCY * speed**3
    power = np.where((speed >= CUT_IN_M_PER_S) & (speed <= CUT_OUT_M_PER_S), np.minimum(power, RATED_W), 0.0)
    smooth = power_curves.smooth_power_curve(
        pd.Series(speed), pd.Series(power), standard_deviation_method="turbulence_intensity", turbulence_intensity=0.12
    )
    return power_curves.wake_losses_to_power_curve(
        smooth["wind_speed"], smooth["value"], wind_farm_efficiency=WAKE_EFFICIENCY
    )


def _signal(rng: np.random.Generator, memory_h: float) -> np.ndarray:
    """First-order autoregressive noise (8760,) that decays to 1/e in ``memory_h``.

    Its mean is 0 and its variance 1 in this year, so that the year is neither calm nor stormy.
    """
    noise = lfilter([1.0], [1.0, -np.exp(-1 / memory_h)], rng.standard_normal(HOURS + 24 * 14))[-HOURS:]
    return (noise - noise.mean()) / noise.std()


def write(about: Shipped, values_frac: np.ndarray, path: Path) -> None:
    """Write the year (8760, C) of shares in [0, 1] to an .npz file, as ``topologies.series`` reads it."""
    steps = np.round(values_frac * SHIPPED_STEPS).astype(np.uint16)
    texts = {key: np.array(value) for key, value in asdict(about).items()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, steps=np.asfortranarray(steps), **texts)


if __name__ == "__main__":
    write(*make(), Path(sys.argv[1]) if len(sys.argv) > 1 else YEAR)
