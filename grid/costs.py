"""Prices, and the cost terms of an outcome: shared by reward and optimum, so that both mean the same."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from grid.arrays import GridArrays
from grid.errors import GridError
from grid.namespace import namespace
from grid.numbers import is_finite
from grid.state import Array, Outcome


@dataclass(frozen=True)
class Prices:
    """Prices in currency per unit; generation and shed prices are columns of the grid.

    ===================== ======= =====================================================
    field                 default charged for
    ===================== ======= =====================================================
    overload_per_mwh      300     energy carried above a line's capacity
    spill_per_mwh         10      energy generated and thrown away
    balancing_per_mwh     2       energy that the balance stage had to move (always > 0)
    wear_per_mwh          1       energy discharged from a store
    co2_per_t             0       CO2 emitted
    store_value_per_mwh   None    worth of stored energy at the end; None: the cheapest
                                  positive marginal cost x discharge efficiency
    ===================== ======= =====================================================

    Raises:
        GridError: a price is not a finite number, is negative, or balancing is free.
    """

    overload_per_mwh: float = 300.0
    spill_per_mwh: float = 10.0
    balancing_per_mwh: float = 2.0
    wear_per_mwh: float = 1.0
    co2_per_t: float = 0.0
    store_value_per_mwh: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "store_value_per_mwh":
                continue
            free = field.name == "balancing_per_mwh" and value == 0
            if not is_finite(value) or value < 0 or free:
                allowed = "a number > 0" if field.name == "balancing_per_mwh" else "a finite number >= 0"
                raise GridError(f"prices.{field.name}", f"{value!r}", allowed, "correct the price")


TERMS = ("generation", "shed", "overload", "spill", "balancing", "wear", "co2", "settlement")
"""Names of the cost terms, in the order in which they are reported."""


def marginal_cost_per_mwh(arrays: GridArrays, prices: Prices) -> Array:
    """(N,) cost of the first MWh of each source, CO2 included."""
    return arrays.gen_cost_per_mwh + prices.co2_per_t * arrays.co2_t_per_mwh


def store_value_per_mwh(arrays: GridArrays, prices: Prices) -> Array:
    """(N,) worth of a stored MWh at the end; 0 at nodes without a store.

    Raises:
        GridError: the price asked for exceeds what the stored energy can save.
    """
    cost = np.asarray(marginal_cost_per_mwh(arrays, prices))
    useful = cost[np.asarray(arrays.is_source) & (cost > 0)]
    highest = float(useful.min()) if useful.size else 0.0
    asked = prices.store_value_per_mwh
    value = np.where(arrays.is_store, highest * np.asarray(arrays.discharge_eff_frac), 0.0)
    if asked is None:
        return value
    limit = float(value[np.asarray(arrays.is_store)].min(initial=np.inf))
    if asked > limit:
        raise GridError(
            "prices.store_value_per_mwh",
            f"{asked:g}",
            f"at most {limit:g}: the cheapest positive marginal cost x discharge efficiency",
            "lower it, or leave it out to get that value",
        )
    return np.where(arrays.is_store, asked, 0.0)


def generation(arrays: GridArrays, gen_mw: Array, dt_h: float) -> Array:
    """(B,) cost of output, linear and quadratic."""
    return (gen_mw @ arrays.gen_cost_per_mwh + (gen_mw * gen_mw) @ arrays.gen_cost_per_mw2h) * dt_h


def shed(arrays: GridArrays, shed_mw: Array, dt_h: float) -> Array:
    """(B,) price of demand not served."""
    return shed_mw @ arrays.shed_cost_per_mwh * dt_h


def overload_mw(arrays: GridArrays, flow_mw: Array) -> Array:
    """(B, E) flow above capacity."""
    xp = namespace(flow_mw)
    return xp.maximum(xp.abs(flow_mw) - arrays.capacity_mw, 0.0)


def step_costs(arrays: GridArrays, prices: Prices, outcome: Outcome, dt_h: float) -> dict[str, Array]:
    """Cost terms of one step in currency, (B,) each; settlement is charged at the end of the episode alone."""
    return {
        "generation": generation(arrays, outcome.gen_mw, dt_h),
        "shed": shed(arrays, outcome.shed_mw, dt_h),
        "overload": overload_mw(arrays, outcome.flow_mw) @ arrays.each_line * (prices.overload_per_mwh * dt_h),
        "spill": outcome.spill_mw @ arrays.each_node * (prices.spill_per_mwh * dt_h),
        "balancing": outcome.balancing_mw * (prices.balancing_per_mwh * dt_h),
        "wear": outcome.discharge_mw @ arrays.each_node * (prices.wear_per_mwh * dt_h),
        "co2": outcome.gen_mw @ arrays.co2_t_per_mwh * (prices.co2_per_t * dt_h),
    }


def settlement(value_per_mwh: Array, start_mwh: Array, end_mwh: Array) -> Array:
    """(B,) what an episode owes for the energy it took out of the stores, negative where it left more."""
    return (start_mwh - end_mwh) @ value_per_mwh
