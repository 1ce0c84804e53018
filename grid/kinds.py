"""The one table of node and line columns that the loader, the checker, the docs and the features read."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One property of a node or a line; the allowed range is [low, high], open at ``low`` if ``above``."""

    name: str
    table: Literal["node", "line"]
    unit: str
    default: float | None
    low: float
    high: float
    meaning: str
    above: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the column holds the name of a profile rather than a number."""
        return self.default is None

    @property
    def allowed(self) -> str:
        """The range in words."""
        if self.is_text:
            return "the name of a profile"
        if self.low == -inf and self.high == inf:
            return "any finite number"
        if self.high == inf:
            return f"a number {'>' if self.above else '>='} {self.low:g}"
        return f"a number in {'(' if self.above else '['}{self.low:g}, {self.high:g}]"


def _node(
    name: str, unit: str, default: float | None, low: float, high: float, meaning: str, above: bool = False
) -> Column:
    return Column(name, "node", unit, default, low, high, meaning, above)


def _line(name: str, unit: str, default: float, low: float, high: float, meaning: str, above: bool = False) -> Column:
    return Column(name, "line", unit, default, low, high, meaning, above)


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        _node("gen_max_mw", "MW", 0.0, 0.0, inf, "largest output"),
        _node("gen_min_mw", "MW", 0.0, 0.0, inf, "smallest output; 0 where a gen_profile is given"),
        _node("gen_ramp_mw_per_h", "MW/h", inf, 0.0, inf, "largest change of output; absent: unlimited", above=True),
        _node("gen_cost_per_mwh", "currency/MWh", 0.0, -inf, inf, "linear cost of output"),
        _node("gen_cost_per_mw2h", "currency/MW²h", 0.0, 0.0, inf, "quadratic cost of output"),
        _node("gen_reserve_frac", "1", 1.0, 0.0, 1.0, "share of the headroom that may cover a shortage"),
        _node("co2_t_per_mwh", "t/MWh", 0.0, 0.0, inf, "CO2 emitted"),
        _node("gen_profile", "", None, nan, nan, "profile of the available share of gen_max_mw; absent: always 1"),
        _node("load_max_mw", "MW", 0.0, 0.0, inf, "demand at a profile value of 1"),
        _node("shed_cost_per_mwh", "currency/MWh", 1000.0, 0.0, inf, "price of demand not served"),
        _node("load_profile", "", None, nan, nan, "profile of demand as a share of load_max_mw; absent: always 1"),
        _node("store_max_mwh", "MWh", 0.0, 0.0, inf, "energy when full"),
        _node("store_min_mwh", "MWh", 0.0, 0.0, inf, "energy that is never taken out"),
        _node("store_init_mwh", "MWh", nan, 0.0, inf, "energy at the start; absent: midway between min and max"),
        _node("charge_max_mw", "MW", 0.0, 0.0, inf, "largest power taken from the network"),
        _node("discharge_max_mw", "MW", 0.0, 0.0, inf, "largest power given to the network"),
        _node("charge_eff_frac", "1", 0.95, 0.0, 1.0, "energy stored per energy taken", above=True),
        _node("discharge_eff_frac", "1", 0.95, 0.0, 1.0, "energy given per energy taken out of the store", above=True),
        _node("store_loss_frac_per_h", "1/h", 0.0, 0.0, 1.0, "share of the energy above the minimum lost in an hour"),
        _node("x", "", nan, -inf, inf, "position in a picture"),
        _node("y", "", nan, -inf, inf, "position in a picture"),
        _line("capacity_mw", "MW", inf, 0.0, inf, "largest flow; absent: unlimited", above=True),
        _line("reactance_pu", "pu", 0.1, -inf, inf, "series reactance; 0: an ideal connector"),
        _line("tap", "1", 1.0, 0.0, inf, "transformer ratio at the from end", above=True),
        _line("shift_deg", "degree", 0.0, -360.0, 360.0, "phase shift at the from end"),
        _line("outage_rate_per_h", "1/h", 0.0, 0.0, inf, "rate of random outages"),
        _line("repair_h", "h", 24.0, 0.0, inf, "hours out of service after a random outage", above=True),
    )
}

NODE_COLUMNS: tuple[Column, ...] = tuple(c for c in COLUMNS.values() if c.table == "node")
LINE_COLUMNS: tuple[Column, ...] = tuple(c for c in COLUMNS.values() if c.table == "line")

KINDS: dict[str, tuple[str, ...]] = {
    "source": ("gen_max_mw",),
    "storage": ("store_max_mwh", "charge_max_mw", "discharge_max_mw"),
    "consumer": ("load_max_mw",),
    "junction": (),
}
"""Each kind of node with the columns it must give; every other column has its default."""

KIND_NAMES: tuple[str, ...] = tuple(KINDS)
"""``GridArrays.node_kind`` holds positions in this tuple."""
