"""What the units and lines of a grid can do in a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from grid.physics.outages import Outages
from grid.state import Array


class Choice(NamedTuple):
    """What is left to decide of a step, (B, N) each; nodes whose plant never stops must be on."""

    may_be_on: Array
    may_be_off: Array
    lo_mw: Array  # least output of what is on
    on_h: Array  # as in State


@dataclass(frozen=True)
class Limits:
    """What the units can do in this step, (B, N) each, and the lines that are out at its start."""

    gen_lo_mw: Array  # of sources, and of cuts of flexible demand
    gen_hi_mw: Array
    store_lo_mw: Array  # minus the most that can be charged
    store_hi_mw: Array  # the most that can be discharged
    store_mwh: Array  # stored energy after this step's losses
    outages: Outages | None = None  # None: every line is in service
    choice: Choice | None = None  # what is left to decide; None: every plant is always on

    @property
    def on(self) -> Array | None:
        """(B, N) what is on, once that is decided; None: every plant is."""
        return None if self.choice is None else self.choice.may_be_on
