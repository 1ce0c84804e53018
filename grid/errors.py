"""The one error users see: where the fault is, what was found, what is allowed, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

MOST_SHOWN = 100
"""Faults that a message lists; ``GridError.faults`` holds them all."""

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


class GridError(ValueError):
    """Bad input, with one or more faults; ``str`` gives one line a fault."""

    def __init__(self, where: str, found: str, allowed: str, mend: str) -> None:
        self.faults: tuple[Fault, ...] = (Fault(where, found, allowed, mend),)
        super().__init__(str(self.faults[0]))

    @classmethod
    def of(cls, faults: Sequence[Fault]) -> GridError:
        """Gather several faults into one error, one line each."""
        first = faults[0]
        error = cls(first.where, first.found, first.allowed, first.mend)
        error.faults = tuple(faults)
        lines = [str(fault) for fault in faults[:MOST_SHOWN]]
        lines += [f"and {len(faults) - MOST_SHOWN:,} more faults"] if len(faults) > MOST_SHOWN else []
        error.args = ("\n".join(lines),)
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self.faults,)  # as it leaves another process


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
            self.found += error.faults

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
