"""Which bids ask for a schedule: the inverse of clearing, at the prices of the plan."""

from __future__ import annotations

import numpy as np

from grid.physics import Limits
from grid.planning.day.clearing import AT_LIMIT_PU, offers
from grid.planning.day.planner import Day
from grid.state import Setpoint


def shift_for(day: Day, wanted: Setpoint, now: Limits) -> np.ndarray:
    """Shifts of prices with which each unit gives what is wanted, if power then costs what the plan says.

    Clearing moves the prices with the bids, so what comes out is near what is wanted and not the same. Where a unit is
    at a limit, or a store idle, many shifts ask for it; the one nearest to 0 is taken.

    Args:
        day: the plan of the rows.
        wanted: (B, N) within the limits.
        now: (B, N) limits of the step.

    Returns:
        (B, A) as ``clear`` takes them.
    """
    c, fleet = day.constants, day.constants.fleet
    sources, stores = len(c.sources), len(c.stores)
    stored = now.store_mwh[:, c.stores] / c.unit_mw
    none = np.zeros((len(stored), sources + stores))
    cost, rise = offers(day, c, slice(None), none, stored)
    gen, power = wanted.gen_mw[:, c.sources] / c.unit_mw, wanted.store_mw[:, c.stores] / c.unit_mw
    output = np.concatenate([gen, np.maximum(power, 0.0), np.minimum(power, 0.0)], axis=1)
    price = day.price[:, 0]
    asked = np.concatenate([price, price[:, sources:]], axis=1) - cost - rise * output  # (B, U) added to each offer
    low, high = (mw[:, c.sources] / c.unit_mw for mw in (now.gen_lo_mw, now.gen_hi_mw))
    of_gen = np.where(gen >= high - AT_LIMIT_PU, np.minimum(asked[:, :sources], 0.0), asked[:, :sources])
    of_gen = np.where(gen <= low + AT_LIMIT_PU, np.maximum(asked[:, :sources], 0.0), of_gen)
    to_give = asked[:, sources : sources + stores] * fleet.discharge_eff  # value at which a store gives just that
    to_take = asked[:, sources + stores :] / fleet.charge_eff
    idle = np.clip(0.0, np.minimum(to_give, to_take), np.maximum(to_give, to_take))
    of_store = np.where(power > AT_LIMIT_PU, to_give, np.where(power < -AT_LIMIT_PU, to_take, idle))
    order = np.argsort(np.concatenate([c.sources, c.stores]))
    shift: np.ndarray = np.concatenate([of_gen, of_store], axis=1)[:, order]
    return shift
