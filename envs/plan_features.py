"""What observations show of the plan of the day, where actions are bids.

Of each unit the price of power, the value of stored energy, its output and its energy over the coming hours; of each
line its price and its loading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from grid.planning.day import Day

UNITS_H = (0, 1, 2, 3, 4, 6, 9, 12, 16, 20, 24)  # hours ahead that are shown of units,
LINES_H = (0, 1, 3, 6, 12)  # and of lines
PRICE_BOUND = 10.0  # prices and values are reported up to this multiple of the typical price
LOADING_BOUND = 3.0  # planned loadings up to this multiple of capacity

UNIT_FEATURES = ("price", "output_frac", "value", "energy_frac")
"""Of each hour; value and energy are those of stores, 0 at sources. Output of a store is below 0 when it charges."""

LINE_FEATURES = ("price", "loading")
"""Of each hour; both have the sign of the flow."""

UNIT_NAMES = tuple(f"plan_{name}_in_{hour}h" for name in UNIT_FEATURES for hour in UNITS_H)
LINE_NAMES = tuple(f"plan_line_{name}_in_{hour}h" for name in LINE_FEATURES for hour in LINES_H)
UNIT_LOW = np.repeat([-PRICE_BOUND, -1.0, -PRICE_BOUND, 0.0], len(UNITS_H))
UNIT_HIGH = np.repeat([PRICE_BOUND, 1.0, PRICE_BOUND, 1.0], len(UNITS_H))
LINE_HIGH = np.repeat([PRICE_BOUND, LOADING_BOUND], len(LINES_H))


def unit_plan(day: Day) -> np.ndarray:
    """(B, A, F) features of the units in the order of the actions, as UNIT_NAMES lists them; float32."""
    c, shown = day.constants, list(UNITS_H)
    sources, stores = len(c.sources), len(c.stores)
    order = np.argsort(np.concatenate([c.sources, c.stores]))
    largest = np.concatenate([c.gen_max, c.fleet.discharge_max, c.fleet.charge_max])
    output = day.output[:, shown] / np.maximum(largest, 1e-6)
    store = output[..., sources : sources + stores] + output[..., sources + stores :]
    room = np.maximum(c.fleet.store_max - c.fleet.store_min, 1e-6)
    level = (day.energy[:, shown] - c.fleet.store_min) / room
    none = ((0, 0), (0, 0), (sources, 0))
    rows = [
        day.price[:, shown].clip(-PRICE_BOUND, PRICE_BOUND),
        np.concatenate([output[..., :sources], store], axis=-1).clip(-1, 1),
        np.pad(day.value[:, shown].clip(-PRICE_BOUND, PRICE_BOUND), none),
        np.pad(level.clip(0, 1), none),
    ]
    return np.concatenate(rows, axis=1)[..., order].swapaxes(1, 2).astype(np.float32)


def line_plan(day: Day) -> np.ndarray:
    """(B, L, F) features of the lines with a limit, as LINE_NAMES lists them; float32."""
    shown = list(LINES_H)
    price = day.line_price[:, shown].clip(-PRICE_BOUND, PRICE_BOUND)
    loading = (day.flow[:, shown] / day.constants.network.capacity).clip(-LOADING_BOUND, LOADING_BOUND)
    return np.concatenate([price, loading], axis=1).swapaxes(1, 2).astype(np.float32)
