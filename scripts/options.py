"""Options that several commands share, each with its range, unit and a one-line error."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, get_args

import tyro
from tyro.constructors import PrimitiveConstructorSpec

if TYPE_CHECKING:
    from envs import EnvConfig


def number(metavar: str, kind: Callable[[str], float], low: float, *, above: bool = False) -> Any:
    """How a whole (``kind=int``) or any (``kind=float``) number of at least, or above, ``low`` is read."""

    def read(words: list[str]) -> float:
        allowed = f"a {'whole ' if kind is int else ''}number {'>' if above else '>='} {low:g}"
        try:
            value = kind(words[0])
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < low or (above and value == low):
            raise ValueError(f"found {words[0]!r}; allowed: {allowed}")
        return value

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: value is None or isinstance(value, (int, float)),
        str_from_instance=lambda value: [str(value)],
    )


def one_of(choices: Any) -> Any:
    """How one of the texts of a Literal is read."""
    names = get_args(choices)

    def read(words: list[str]) -> str:
        if words[0] not in names:
            from grid import nearest

            raise ValueError(f"found {words[0]!r}; allowed: {', '.join(names)}; {nearest(words[0], names)}")
        return words[0]

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(names) + "}",
        instance_from_str=read,
        is_instance=lambda value: value is None or value in names,
        str_from_instance=lambda value: [str(value)],
    )


def default(words: str) -> Any:
    """What the help calls the default of an option whose None stands for something else."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {words})")


Seed = Annotated[int, number("SEED", int, 0)]
Count = Annotated[int, number("N", int, 1)]
MaybeSeed = Annotated[int | None, number("SEED", int, 0)]
MaybeNumber = Annotated[int | None, number("N", int, 0)]
MaybeCount = Annotated[int | None, number("N", int, 1)]
Seconds = Annotated[float, number("S", float, 0, above=True)]
MaybeSeconds = Annotated[float | None, number("S", float, 0, above=True)]
MaybePath = Annotated[Optional[Path], tyro.conf.arg(metavar="PATH")]  # noqa: UP045 - else tyro loads asyncio
GridName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="GRID")]
MaybeHours = Annotated[float | None, number("H", float, 0, above=True)]
MaybeShare = Annotated[float | None, number("SHARE", float, 0)]
MaybeRate = Annotated[float | None, number("RATE", float, 0, above=True)]
Overload = Literal["penalty", "trip"]
Flow = Literal["dc", "ac"]
Worlds = Literal["calm", "weather", "storm", "ac", "ac-storm"]


Workers = Annotated[int | None, number("N", int, 1), default("this one, and for solving one a core")]
Cluster = Annotated[str | None, tyro.conf.arg(metavar="auto|ADDRESS"), default("this machine alone")]


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every command takes."""

    quiet: bool = False
    """print the result alone: no progress, no remarks"""
    debug: bool = False
    """show where in the program an error arose"""


@dataclass(frozen=True, kw_only=True)
class CommonJson(Common):
    """What every command with a result for other programs takes."""

    json: bool = False
    """print one JSON object on stdout and nothing else"""


@dataclass(frozen=True, kw_only=True)
class World:
    """What is run; for commands that run episodes. In a command it is the field ``world``, a group of its own."""

    config: Annotated[MaybePath, default("no file")] = None
    """settings from this TOML file, such as run.toml in a run's folder; options go before it"""
    world: Annotated[Worlds | None, one_of(Worlds), default("that of the run, or calm")] = None
    """the world of the tasks of that name, see `load-balancer tasks`; other options go before it"""
    horizon: Annotated[MaybeCount, default("that of the run, or 48")] = None
    """length of an episode in steps"""
    dt: Annotated[MaybeHours, default("that of the run, or 1")] = None
    """length of a step in hours"""
    forecast_error: Annotated[MaybeShare, default("that of the run, or 0.05")] = None
    """standard deviation of the forecasts' error a day ahead, as a share"""
    price: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE"), default("those of the run or the grid")] = ()
    """prices of cost terms, such as co2_per_t=80 overload_per_mwh=500"""
    flow: Annotated[Flow | None, one_of(Flow), default("that of the run, or dc")] = None
    """power flow of the lines: dc, or ac with losses, voltages and reactive power"""
    overload: Annotated[Overload | None, one_of(Overload), default("that of the run, or penalty")] = None
    """overloaded lines cost money, or they trip as well"""
    outages: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="LINE,START,HOURS"), default("those of the run, or none")
    ] = ()
    """planned outages: the name of a line, the hour of the episode at which it goes out, and for how many hours"""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD=VALUE"), default("nothing else")] = ()
    """any other field of EnvConfig, such as gate_h=1 'forecast_h=[1, 6, 24]' protection.trip_at_frac=1.2"""

    def of(self, config: EnvConfig, extra: Sequence[str] = ()) -> EnvConfig:
        """The config with the file, and then the options, over it.

        Args:
            config: what is run otherwise.
            extra: further fields that --set may name, which the caller reads by ``settings``.

        Raises:
            GridError: a file or an option that cannot be read, or an outage that begins after the episode.
        """
        from envs import EnvConfig
        from grid import GridError

        given, _ = self.settings(extra)
        known = {name: getattr(config, name) for name in vars(config)}
        if self.world is not None:
            known["prices"] = {}  # a world replaces them; in calm they are those of the grid
        for name in ("prices", "protection"):
            if isinstance(given.get(name), dict):
                own = known[name]
                given[name] = (own if isinstance(own, dict) else vars(own)) | given[name]
        made = EnvConfig.from_fields(known | given)
        hours = made.horizon * made.dt_h
        for outage in made.outages:
            if outage.start_h >= hours:
                found = f"hour {outage.start_h:g} of an episode of {hours:g} h"
                raise GridError(f"--outages: {outage.line}", found, f"a start before hour {hours:g}", "correct it")
        return made

    def settings(self, extra: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields of EnvConfig that are given here, and the ``extra`` ones that --set names.

        Raises:
            GridError: a file or an option that cannot be read.
        """
        from grid import GridError, nearest

        known = [name for name in field_names() if name != "topology"]
        given = dict(self.file().get("env", {}))
        if self.world is not None:
            from envs import WORLDS, EnvConfig

            world = WORLDS[self.world]
            of_any = {name for each in WORLDS.values() for name in each if name != "prices"}
            given |= {name: getattr(EnvConfig, name) for name in of_any} | world
            given["prices"] = dict(vars(world["prices"])) if "prices" in world else {}
        others: dict[str, Any] = {}
        for name, value in pairs_of("--set", self.set):
            first, _, rest = name.partition(".")
            if first in extra and not rest:
                others[name] = value
            elif first in known and (not rest or first in ("prices", "protection")):
                _put(given, first, rest, value)
            else:
                nested = [f"{part}.{field}" for part in ("prices", "protection") for field in field_names(part)]
                allowed = ", ".join([*known, *extra])
                raise GridError(f"--set {name}", "an unknown field", allowed, nearest(name, [*known, *nested, *extra]))
        for name, value in pairs_of("--price", self.price):
            if name not in field_names("prices"):
                allowed = ", ".join(field_names("prices"))
                raise GridError(f"--price {name}", "an unknown price", allowed, nearest(name, field_names("prices")))
            _put(given, "prices", name, value)
        named: dict[str, Any] = {"horizon": self.horizon, "dt_h": self.dt, "forecast_error_frac": self.forecast_error}
        named |= {"flow": self.flow, "overload": self.overload}
        given |= {name: value for name, value in named.items() if value is not None}
        if self.outages:
            given["outages"] = tuple(_outage(text) for text in self.outages)
        return given, others

    @property
    def fixes_horizon(self) -> bool:
        """Whether the length of an episode is given."""
        return "horizon" in self.settings()[0]

    def file(self) -> dict[str, Any]:
        """What the file of settings holds; nothing without one."""
        from policies import read_settings

        return {} if self.config is None else read_settings(self.config)

    @property
    def options(self) -> list[str]:
        """The options that are given, for error messages."""
        return [f"--{name.replace('_', '-')}" for name, value in vars(self).items() if value not in (None, ())]


@dataclass(frozen=True, kw_only=True)
class DatedWorld(World):
    """The same, for commands that can choose the days."""

    start: Annotated[str | None, tyro.conf.arg(metavar="DATE"), default("days drawn by the seed")] = None
    """first day of a dated series, such as 2025-01-13 or 2025-01-13T06:00; any day, those trained on included"""

    def settings(self, extra: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields of EnvConfig that are given here, and the ``extra`` ones that --set names."""
        given, others = super().settings(extra)
        if self.start is not None:
            given |= {"start_time": self.start, "split": "all"}
        return given, others


def pairs_of(option: str, words: Sequence[str]) -> list[tuple[str, Any]]:
    """The names and values of words NAME=VALUE; values as in TOML, else as Python writes them, else texts.

    Raises:
        GridError: a word without a name or a value, or a name twice.
    """
    from grid import GridError

    pairs: dict[str, Any] = {}
    for word in words:
        name, is_pair, text = (part.strip() for part in word.partition("="))
        if not (name and is_pair and text):
            raise GridError(option, repr(word), "NAME=VALUE, without spaces around =", "correct it")
        if name in pairs:
            raise GridError(f"{option} {name}", "it twice", "each name once", "leave one out")
        pairs[name] = _value(text)
    return list(pairs.items())


def _value(text: str) -> Any:
    """What a text stands for."""
    for read in (lambda: tomllib.loads(f"value = {text}")["value"], lambda: float(text)):
        try:
            return read()
        except ValueError:
            pass
    return {"True": True, "False": False, "None": None, "none": None}.get(text, text)


def field_names(part: str = "") -> list[str]:
    """The fields of EnvConfig, or of its part "prices" or "protection"."""
    from envs import EnvConfig
    from grid import Prices
    from grid.physics import Protection

    cls: Any = {"": EnvConfig, "prices": Prices, "protection": Protection}[part]
    return [each.name for each in fields(cls)]


def _put(given: dict[str, Any], name: str, inner: str, value: Any) -> None:
    """Set a field, or one within its table."""
    given[name] = {**given.get(name, {}), inner: value} if inner else value


def _outage(text: str) -> Any:
    from envs import Outage
    from grid import GridError

    line, *times = text.rsplit(",", 2)
    try:
        start_h, duration_h = map(float, times)
    except ValueError:
        mend = "write the name of the line, the hour at which it starts, and its hours, joined by commas"
        raise GridError("--outages", repr(text), "LINE,START,HOURS, such as 1-2,5,6", mend) from None
    return Outage(line, start_h, duration_h)
