"""The one error users see: where the fault is, what was found, what is allowed, how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

MOST_SHOWN = 100
"""Lines of a message; ``GridError.faults`` holds every fault."""

MOST_GATHERED = 1000
"""Faults of one file after which it is read no further."""

FEW = 3  # faults that are alike and still listed one by one
NAMES, NUMBERS = re.compile(r"'[^']*'|\"[^\"]*\"|\d+"), re.compile(r"[-+]?\d[\d.e+-]*")
LONGEST_FOUND = 300  # characters


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the input."""

    where: str
    found: str
    allowed: str
    mend: str

    def __str__(self) -> str:
        found = self.found if len(self.found) <= LONGEST_FOUND else f"{self.found[:LONGEST_FOUND]}…"
        return f"{self.where}: found {found}; allowed: {self.allowed}; {self.mend}"

    @property
    def kind(self) -> tuple[str, ...]:
        """What faults that are alike share: all but the name or number of the place, and the number found there."""
        return NAMES.sub("#", self.where), NUMBERS.sub("#", self.found), self.allowed, self.mend


class GridError(ValueError):
    """Bad input, with one or more faults; ``str`` gives one line a fault, or one for many that are alike."""

    def __init__(self, where: str, found: str, allowed: str, mend: str) -> None:
        self.faults: tuple[Fault, ...] = (Fault(where, found, allowed, mend),)
        super().__init__(str(self.faults[0]))

    @classmethod
    def of(cls, faults: Sequence[Fault]) -> GridError:
        """Gather several faults into one error."""
        first = faults[0]
        error = cls(first.where, first.found, first.allowed, first.mend)
        error.faults = tuple(faults)
        error.args = ("\n".join(_lines(faults)),)
        return error

    @classmethod
    def without(cls, package: str, allowed: str, extra: str) -> GridError:
        """A package is missing that an extra brings."""
        return cls(package, "no such package", allowed, f"pip install load-balancer[{extra}]")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self.faults,)  # as it leaves another process


def _lines(faults: Sequence[Fault]) -> list[str]:
    """The message: a line for each fault, or for all that are alike where they are more than a few."""
    alike: dict[tuple[str, ...], list[Fault]] = {}
    for fault in faults:
        alike.setdefault(fault.kind, []).append(fault)
    groups: list[list[Fault]] = []
    for fault in faults:
        group = alike[fault.kind]
        if len(group) <= FEW:
            groups.append([fault])
        elif fault is group[0]:
            groups.append(group)
    lines = []
    for first, *others in groups[:MOST_SHOWN]:
        where = f"{first.where} and {len(others):,} others" if others else first.where
        lines.append(str(replace(first, where=where)))
    more = sum(map(len, groups[MOST_SHOWN:]))
    return [*lines, f"and {more:,} more faults"] if more else lines


class Faults:
    """Faults of one file, gathered so that they come in one report."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep the faults of a GridError that is raised in the block, and go on after it."""
        try:
            yield
        except GridError as error:
            self.add(*error.faults)

    def add(self, *faults: Fault) -> None:
        """Take faults; those of a file that has too many are reported at once."""
        self.found += faults
        if len(self.found) >= MOST_GATHERED:
            mend = "correct those first; the rest of the file was not read"
            self.found.append(Fault(self.found[-1].where, f"{len(self.found):,} faults so far", "none", mend))
            self.report()

    def report(self) -> None:
        """Raise one GridError that lists all that was found, if anything was."""
        if self.found:
            raise GridError.of(self.found)


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the closest of the choices, else a list of them."""
    known = sorted(choices)
    if not known:
        return "there is none"
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"use one of: {', '.join(known)}"
