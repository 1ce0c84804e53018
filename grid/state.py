"""What comes in, what is asked, what persists, and what one step did. Each array may be numpy or torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # the array API standard has no common static type for numpy and torch


@dataclass(frozen=True)
class Inputs:
    """The outside world during one step (or, with T in place of B, during the T steps of one episode)."""

    gen_avail_frac: Array  # (B, N) available share of gen_max_mw; 1 at nodes without gen_profile
    load_mw: Array  # (B, N) demand
    dt_h: float  # length of a step in hours
    in_service: Array = None  # (B, E) False: the line is out, whatever its relay says; None: no line is


@dataclass(frozen=True)
class Setpoint:
    """What is asked of the units in one step."""

    gen_mw: Array  # (B, N) output of the sources and, at consumers whose demand is flexible, the cut of it
    store_mw: Array  # (B, N) discharging +, charging −
    shed_mw: Array | None = None  # (B, N) planned; only a replayed schedule has it
    spill_mw: Array | None = None  # (B, N) planned; only a replayed schedule has it
    on: Array | None = None  # (B, N) plants that are to be on; None: those asked for half their least output or more


@dataclass(frozen=True)
class State:
    """What persists from step to step."""

    store_mwh: Array  # (B, N) stored energy
    gen_mw: Array  # (B, N) output of the previous step, before spill
    t: Array  # (B,) steps done; at 0 there is no previous output, so no ramp
    heat: Array = None  # (B, E) of each line's relay; None: lines have none
    lockout_h: Array = None  # (B, E) time until a tripped line may come back; 0: it has not tripped
    on_h: Array = None  # (B, N) hours on, below 0 off, infinite where a plant never stops; None: none of the grid does


@dataclass(frozen=True)
class Outcome:
    """What one step did."""

    injection_mw: Array  # (B, N) into the network: gen − spill + discharge − charge − served
    gen_mw: Array  # (B, N) output before spill
    served_mw: Array  # (B, N) demand met
    shed_mw: Array  # (B, N) demand not met, cuts aside
    curtailed_mw: Array  # (B, N) flexible demand cut as asked
    spill_mw: Array  # (B, N) output thrown away
    charge_mw: Array  # (B, N) taken from the network into the store
    discharge_mw: Array  # (B, N) given to the network from the store
    flow_mw: Array  # (B, E) positive from line_from to line_to
    balancing_mw: Array  # (B,) what the balance stage moved, shed and spill aside
    clipped_mw: Array  # (B, A) asked minus feasible, at the controllable nodes
    in_service: Array = None  # (B, E) at the end of the step; None: every line is
    tripped: Array = None  # (B, E) whether the line tripped in this step or is still locked out; None: none is
    # of AC power flow; None in DC
    voltage_pu: Array = None  # (B, N) magnitude; 0 in parts that are dark or have collapsed
    voltage_off_pu: Array = None  # (B,) outside the band, summed over buses, those of dark and collapsed parts aside
    line_mva: Array = None  # (B, E) apparent power at the end that carries more
    loss_mw: Array = None  # (B,) of lines, and of shunts what they draw beyond that at 1 pu
    collapsed: Array = None  # (B,) whether a part has no solution: nothing runs there, and its demand is shed

    # of plants that start and stop; None: the grid has none
    on: Array = None  # (B, N) 1 where such a plant is on
    starts_per_h: Array = None  # (B, N) 1 / dt_h where it starts

    @property
    def carried(self) -> Array:
        """(B, E) what the capacity of a line limits, MW or, in AC, MVA; with the sign of the flow."""
        return carried(self.flow_mw, self.line_mva)


def carried(flow_mw: Array, line_mva: Array | None) -> Array:
    """(B, E) what the capacity of a line limits: the flow or, in AC, the apparent power; with the sign of the flow."""
    return flow_mw if line_mva is None else np.copysign(line_mva, flow_mw)
