"""The one table of node and line columns, from which the loader, the checker, the arrays and the docs are made."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import inf, isfinite, nan
from typing import Any, Literal

from grid.state import Array

KIND_NAMES = ("source", "storage", "consumer", "junction")
"""``GridArrays.node_kind`` holds positions in this tuple."""


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
    required_for: tuple[str, ...] = ()  # kinds of nodes that must give it
    ac: bool = False  # whether AC power flow alone reads it

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

    def row(self) -> dict[str, Any]:
        """The column as tables show it; the default is a number, "unlimited", or None where the meaning says it."""
        finite = self.default is not None and isfinite(self.default)
        says_it = self.default not in (inf, -inf) or "absent:" in self.meaning
        default = self.default if finite else None if says_it else "unlimited"
        shown = {"name": self.name, "table": self.table, "unit": self.unit, "default": default}
        return shown | {"allowed": self.allowed, "meaning": self.meaning, "required_for": list(self.required_for)}


def _node(unit: str, default: float | None, low: float, high: float, meaning: str, **rest: Any) -> Any:
    return field(metadata={"column": Column("", "node", unit, default, low, high, meaning, **rest)})


def _line(unit: str, default: float, low: float, high: float, meaning: str, **rest: Any) -> Any:
    return field(metadata={"column": Column("", "line", unit, default, low, high, meaning, **rest)})


def _profile(meaning: str) -> Any:
    return _node("", None, nan, nan, f"{meaning}; absent: always 1")


@dataclass(frozen=True, eq=False, kw_only=True)
class Columns:
    """The table: each field is a column, and of a compiled grid its values, (N,) of nodes or (E,) of lines."""

    gen_max_mw: Array = _node("MW", 0.0, 0.0, inf, "largest output", required_for=("source",))
    gen_min_mw: Array = _node("MW", 0.0, 0.0, inf, "smallest output; 0 where a gen_profile is given")
    gen_ramp_mw_per_h: Array = _node("MW/h", inf, 0.0, inf, "largest change of output", above=True)
    gen_cost_per_mwh: Array = _node("currency/MWh", 0.0, -inf, inf, "linear cost of output")
    gen_cost_per_mw2h: Array = _node("currency/MW²h", 0.0, 0.0, inf, "quadratic cost of output")
    gen_reserve_frac: Array = _node("1", 1.0, 0.0, 1.0, "share of the headroom that may cover a shortage")
    co2_t_per_mwh: Array = _node("t/MWh", 0.0, 0.0, inf, "CO2 emitted")
    gen_profile: tuple[str | None, ...] = _profile("profile of the available share of gen_max_mw")
    start_cost: Array = _node("currency", inf, 0.0, inf, "cost of a start; absent: the plant is always on")
    no_load_cost_per_h: Array = _node("currency/h", 0.0, 0.0, inf, "cost of being on; needs start_cost")
    min_up_h: Array = _node("h", 0.0, 0.0, inf, "hours on before the plant may stop; needs start_cost")
    min_down_h: Array = _node("h", 0.0, 0.0, inf, "hours off before it may start; needs start_cost")
    initial_on_h: Array = _node(
        "h", inf, -inf, inf, "hours on at the start, negative: off; absent: on for long; needs start_cost"
    )
    start_ramp_mw: Array = _node(
        "MW", inf, 0.0, inf, "largest output in the step of a start; needs start_cost", above=True
    )
    load_max_mw: Array = _node("MW", 0.0, 0.0, inf, "demand at a profile value of 1", required_for=("consumer",))
    shed_cost_per_mwh: Array = _node("currency/MWh", 1000.0, 0.0, inf, "price of demand not served")
    load_profile: tuple[str | None, ...] = _profile("profile of demand as a share of load_max_mw")
    flex_max_frac: Array = _node("1", 0.0, 0.0, 1.0, "share of demand that may be cut on request; a consumer alone")
    flex_cost_per_mwh: Array = _node("currency/MWh", nan, 0.0, inf, "price of a cut; absent: shed_cost_per_mwh")
    store_max_mwh: Array = _node("MWh", 0.0, 0.0, inf, "energy when full", required_for=("storage",))
    store_min_mwh: Array = _node("MWh", 0.0, 0.0, inf, "energy that is never taken out")
    store_init_mwh: Array = _node("MWh", nan, 0.0, inf, "energy at the start; absent: midway between min and max")
    charge_max_mw: Array = _node("MW", 0.0, 0.0, inf, "largest power taken from the network", required_for=("storage",))
    discharge_max_mw: Array = _node(
        "MW", 0.0, 0.0, inf, "largest power given to the network", required_for=("storage",)
    )
    charge_eff_frac: Array = _node("1", 0.95, 0.0, 1.0, "energy stored per energy taken", above=True)
    discharge_eff_frac: Array = _node("1", 0.95, 0.0, 1.0, "energy given per energy taken out of the store", above=True)
    store_loss_frac_per_h: Array = _node("1/h", 0.0, 0.0, 1.0, "share of the energy above the minimum lost in an hour")
    load_max_mvar: Array = _node("Mvar", 0.0, -inf, inf, "reactive demand at load_max_mw, in step with demand", ac=True)
    gen_min_mvar: Array = _node(
        "Mvar", -inf, -inf, inf, "least reactive output of a node that holds its voltage", ac=True
    )
    gen_max_mvar: Array = _node(
        "Mvar", inf, -inf, inf, "largest reactive output of a node that holds its voltage", ac=True
    )
    voltage_set_pu: Array = _node(
        "pu", nan, 0.0, 2.0, "voltage that is held; absent everywhere: 1 at sources", above=True, ac=True
    )
    voltage_min_pu: Array = _node("pu", 0.9, 0.0, inf, "lowest voltage that costs nothing", ac=True)
    voltage_max_pu: Array = _node("pu", 1.1, 0.0, inf, "highest voltage that costs nothing", above=True, ac=True)
    shunt_mw: Array = _node(
        "MW", 0.0, 0.0, inf, "part of load_max_mw that a shunt draws: with the voltage squared", ac=True
    )
    shunt_mvar: Array = _node("Mvar", 0.0, -inf, inf, "reactive power that a shunt gives at 1 pu", ac=True)
    base_kv: Array = _node("kV", nan, 0.0, inf, "nominal voltage; absent: not known", above=True, ac=True)
    x: Array = _node("", nan, -inf, inf, "position in a picture; absent: laid out")
    y: Array = _node("", nan, -inf, inf, "position in a picture; absent: laid out")
    capacity_mw: Array = _line("MW", inf, 0.0, inf, "largest flow", above=True)
    reactance_pu: Array = _line("pu", 0.1, -inf, inf, "series reactance; 0: an ideal connector")
    resistance_pu: Array = _line("pu", 0.0, -inf, inf, "series resistance", ac=True)
    charging_pu: Array = _line("pu", 0.0, -inf, inf, "shunt susceptance, of both ends together", ac=True)
    conductance_pu: Array = _line(
        "pu", 0.0, -inf, inf, "shunt conductance, of both ends together: iron losses", ac=True
    )
    tap: Array = _line("1", 1.0, 0.0, inf, "transformer ratio at the from end", above=True)
    shift_deg: Array = _line("degree", 0.0, -360.0, 360.0, "phase shift at the from end")
    outage_rate_per_h: Array = _line("1/h", 0.0, 0.0, inf, "rate of random outages")
    repair_h: Array = _line("h", 24.0, 0.0, inf, "hours out of service after a random outage", above=True)


COLUMNS: dict[str, Column] = {each.name: replace(each.metadata["column"], name=each.name) for each in fields(Columns)}
NODE_COLUMNS: tuple[Column, ...] = tuple(column for column in COLUMNS.values() if column.table == "node")
LINE_COLUMNS: tuple[Column, ...] = tuple(column for column in COLUMNS.values() if column.table == "line")
