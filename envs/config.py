"""EnvConfig: everything that defines the decision problem."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from envs.actions import BY_VALUE
from envs.outages import Outage
from grid import Grid, GridError, Prices, is_finite, is_whole, nearest
from grid.physics import Protection

Record = TypeVar("Record")

MOST_STEPS = 1_000_000  # of an episode: a century of hours; the series of more would fill the memory

Action = Literal["residual", "residual-plan", "absolute", "bids", "plan", "store-values", "secure-values"]

CHOICES = {
    "observation": ("flat", "graph"),
    "action": get_args(Action),
    "overload": ("penalty", "trip"),
    "split": ("train", "test", "all"),
    "flow": ("dc", "ac"),
}


@dataclass(frozen=True)
class EnvConfig:
    """The decision problem; the page "Worlds and prices" of the documentation has a table of the fields.

    Raises:
        GridError: a value is outside its range.
    """

    topology: str | Path | Grid = "classic"  # bundled name, file, or a Grid
    horizon: int = 48  # steps in an episode
    dt_h: float = 1.0  # hours in a step
    observation: Literal["flat", "graph"] = "flat"  # one vector, or features of nodes, lines and the whole grid
    action: Action = "residual"  # see ActionMap.setpoint
    redispatch_moves: int = 4  # of output between sources, in the dispatch that a residual action of 0 keeps
    forecast_h: tuple[float, ...] = (1, 2, 3, 4, 6, 8, 12, 18, 24)  # leads at which forecasts are observed
    forecast_error_frac: float = 0.05  # standard deviation of the error at a lead of 24 h; grows with its root
    weather_error_frac: float | None = None  # the same of sun and wind; None: as that of demand
    node_error_frac: float = 0.0  # standard deviation of what single nodes err beside, at every lead
    gate_h: float = 0.0  # between a decision and its step: what happens in the step is forecast; 0: it is known
    split: Literal["train", "test", "all"] = "train"  # part of the series that episodes are drawn from
    start_time: str | None = None  # local time of the dated series at which episode 0 starts, each other after it
    flow: Literal["dc", "ac"] = "dc"  # power flow of the lines: linear, or with losses, voltages and reactive power
    prices: Prices | dict[str, Any] = field(default_factory=dict)  # of the cost terms; absent: as the grid has them
    emergency_shedding: bool = False  # every consumer can be cut on request, at its price of shedding
    overload: Literal["penalty", "trip"] = "penalty"  # of a line: it costs money, or the line trips as well
    protection: Protection = field(default_factory=Protection)  # how they trip
    outages: tuple[Outage, ...] = ()  # planned; random ones follow the lines' outage_rate_per_h and repair_h
    outage_rate_per_h: float | None = None  # of every line that has a capacity; None: that of its column

    def __post_init__(self) -> None:
        self._require("topology", isinstance(self.topology, str | Path | Grid), "a name, a path or a Grid")
        for name in ("forecast_h", "outages"):
            self._require(name, isinstance(getattr(self, name), list | tuple), "a list")
        object.__setattr__(self, "forecast_h", tuple(self.forecast_h))
        if isinstance(self.prices, dict):
            prices = _from_fields(Prices, self.prices, "prices.")  # which checks them
            if self.prices.keys() == vars(prices).keys():
                object.__setattr__(self, "prices", prices)
        if isinstance(self.protection, dict):
            object.__setattr__(self, "protection", _from_fields(Protection, self.protection, "protection."))
        for name, kinds in (("prices", Prices | dict), ("protection", Protection)):
            self._require(name, isinstance(getattr(self, name), kinds), f"{name.capitalize()}, or its fields by name")
        if self.start_time is not None:
            self._check_start_time()
        object.__setattr__(self, "outages", tuple(_outage(entry) for entry in self.outages))
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise GridError(f"config.{name}", repr(value), " or ".join(allowed), nearest(str(value), allowed))
        rate = self.outage_rate_per_h
        self._require("outage_rate_per_h", rate is None or (is_finite(rate) and rate >= 0), "a number >= 0, or None")
        self._require("emergency_shedding", isinstance(self.emergency_shedding, bool), "True or False")
        steps = self.horizon
        self._require("horizon", is_whole(steps) and 1 <= steps <= MOST_STEPS, f"a whole number in 1..{MOST_STEPS:,}")
        self._require("dt_h", is_finite(self.dt_h) and self.dt_h > 0, "a number of hours > 0")
        moves = self.redispatch_moves
        self._require("redispatch_moves", is_whole(moves) and moves >= 0, "a whole number >= 0")
        leads = self.forecast_h
        self._require("forecast_h", all(is_finite(lead) and 0 < lead <= 168 for lead in leads), "hours in (0, 168]")
        for name in ("forecast_error_frac", "weather_error_frac", "node_error_frac"):
            error = getattr(self, name)
            may_lack = name == "weather_error_frac" and error is None
            self._require(name, may_lack or (is_finite(error) and 0 <= error <= 1), "a share in [0, 1]")
        self._require("gate_h", is_finite(self.gate_h) and 0 <= self.gate_h <= 24, "a number of hours in [0, 24]")

    def _check_start_time(self) -> None:
        try:
            start = datetime.fromisoformat(str(self.start_time))
        except ValueError:
            start = None
        is_local = isinstance(self.start_time, str) and start is not None and start.tzinfo is None
        self._require("start_time", is_local, "a date, or a date and a time, such as 2025-01-13 or 2025-01-13T06:00")
        if self.split != "all":
            found, mend = f"{self.start_time} with split {self.split!r}", "set split='all'"
            raise GridError("config.start_time", found, "split 'all': a date may lie in the train part", mend)

    def _require(self, name: str, ok: bool, allowed: str) -> None:
        if not ok:
            raise GridError(f"config.{name}", repr(getattr(self, name)), allowed, "correct the value")

    @classmethod
    def from_fields(cls, values: dict[str, Any]) -> EnvConfig:
        """Build from a mapping; an unknown name raises a GridError that names the nearest."""
        return _from_fields(cls, values, "config.")

    @property
    def relays(self) -> Protection | None:
        """The lines' protection, where overloaded lines trip."""
        return self.protection if self.overload == "trip" else None

    @property
    def action_fields(self) -> dict[str, Any]:
        """Fields of an ActionMap beside its kind."""
        relays = self.relays
        return {
            "redispatch_moves": self.redispatch_moves,
            "trip_frac": math.inf if relays is None else relays.tripping_frac(self.dt_h),
            "unknown_h": self.gate_steps * self.dt_h,
        }

    @property
    def plans(self) -> bool:
        """Whether the day is planned before each step, for actions and observations."""
        return self.action in ("bids", "plan", *BY_VALUE)

    @property
    def gate_steps(self) -> int:
        """Steps between a decision and the one that it is for; at least one, where there is a gate."""
        return max(1, round(self.gate_h / self.dt_h)) if self.gate_h else 0

    @property
    def weather_frac(self) -> float:
        """Standard deviation of the error of sun and wind at a lead of 24 h."""
        return self.forecast_error_frac if self.weather_error_frac is None else self.weather_error_frac

    @property
    def is_revised(self) -> bool:
        """Whether forecasts are revised step by step; else all forecasts of a step err alike, as in earlier versions.

        So it is with any of gate_h, weather_error_frac and node_error_frac.
        """
        return self.gate_h > 0 or self.weather_error_frac is not None or self.node_error_frac > 0

    @property
    def leads_h(self) -> tuple[float, ...]:
        """Forecast leads in hours, ascending and each once."""
        return tuple(sorted(set(self.forecast_h)))

    @property
    def lead_steps(self) -> tuple[int, ...]:
        """The same in whole steps, at least one; so that an agent sees as many with steps of another length."""
        return tuple(max(1, round(lead / self.dt_h)) for lead in self.leads_h)


def _outage(entry: Any) -> Outage:
    if isinstance(entry, Outage):
        return entry
    if not isinstance(entry, dict):
        raise GridError("config.outages", repr(entry), "an Outage, or its fields by name", "give line and times")
    absent = [name for name in ("line", "start_h", "duration_h") if name not in entry]
    if absent:
        raise GridError("config.outages", f"no {absent[0]}", "line, start_h and duration_h", "add it")
    return _from_fields(Outage, entry, "config.outages: ")


def _from_fields(cls: type[Record], values: dict[str, Any], where: str) -> Record:
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type] # both are dataclasses
    for name in values:
        if name not in known:
            raise GridError(f"{where}{name}", "an unknown field", "the fields of the config", nearest(name, known))
    return cls(**values)
