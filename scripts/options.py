"""Options that several commands share, each with its range, unit and a one-line error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

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
MaybeCount = Annotated[int | None, number("N", int, 1)]
Seconds = Annotated[float, number("S", float, 0, above=True)]
MaybeSeconds = Annotated[float | None, number("S", float, 0, above=True)]
MaybePath = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]
GridName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="GRID")]
Overload = Literal["penalty", "trip"]
Flow = Literal["dc", "ac"]


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
class Lines:
    """What lines carry and what happens to them; for commands that run episodes."""

    flow: Annotated[Flow | None, one_of(Flow), default("that of the run, or dc")] = None
    """power flow of the lines: dc, or ac with losses, voltages and reactive power"""
    overload: Annotated[Overload | None, one_of(Overload), default("that of the run, or penalty")] = None
    """overloaded lines cost money, or they trip as well"""
    outages: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="LINE,START,HOURS"), default("those of the run, or none")
    ] = ()
    """planned outages: the name of a line, the hour of the episode at which it goes out, and for how many hours"""

    def with_lines(self, config: EnvConfig) -> EnvConfig:
        """The config with what is given here.

        Raises:
            GridError: an outage that cannot be read, or begins after the episode.
        """
        from grid import GridError

        outages = tuple(_outage(text) for text in self.outages) or config.outages
        hours = config.horizon * config.dt_h
        for outage in outages:
            if outage.start_h >= hours:
                found = f"hour {outage.start_h:g} of an episode of {hours:g} h"
                raise GridError(f"--outages: {outage.line}", found, f"a start before hour {hours:g}", "correct it")
        flow, overload = self.flow or config.flow, self.overload or config.overload
        return replace(config, flow=flow, overload=overload, outages=outages)


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
