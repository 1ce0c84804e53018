"""Plants that start and stop: whether each is on in a step is decided before anything acts.

The rules of unit commitment (Knueven, Ostrowski, Watson 2020, "On mixed-integer programming formulations for the unit
commitment problem", section 2): minimum times on and off, and an output in the step of a start that is limited. A plant
may stop from any output. Whoever decides says which are on, or says it in MW: less than half the least output is off.
"""

from __future__ import annotations

import dataclasses

from grid.arrays import GridArrays
from grid.namespace import namespace
from grid.physics.limits import Choice, Limits
from grid.physics.protection import SOON_H
from grid.state import Array, Inputs, Setpoint, State


def choose(arrays: GridArrays, state: State, inputs: Inputs, now: Limits) -> Limits:
    """The limits of a step whose plants may start and stop, from those of plants that all stay on.

    The lower limit is 0 where a plant may be off, the upper one where it must be.
    """
    xp = namespace(state.on_h)
    was_on = state.on_h > 0
    start_mw = xp.minimum(arrays.offered_mw(inputs.gen_avail_frac, inputs.load_mw), arrays.start_ramp_mw)
    high = xp.where(was_on, now.gen_hi_mw, start_mw)
    low = xp.where(was_on, now.gen_lo_mw, xp.minimum(arrays.gen_min_mw, start_mw))
    may_be_on = was_on | (state.on_h <= SOON_H - arrays.min_down_h)
    may_be_off = (~was_on | (state.on_h >= arrays.min_up_h - SOON_H)) & (state.on_h < xp.inf)
    choice = Choice(may_be_on, may_be_off, low, state.on_h)
    low, high = xp.where(may_be_off, 0.0, low), xp.where(may_be_on, high, 0.0)
    return dataclasses.replace(now, gen_lo_mw=low, gen_hi_mw=high, choice=choice)


def is_asked(arrays: GridArrays, setpoint: Setpoint) -> Array:
    """(B, N) which plants are to be on: as the setpoint says or, where it does not, by the output that it asks for."""
    if setpoint.on is not None:
        return setpoint.on
    return (setpoint.gen_mw > 0) & (setpoint.gen_mw >= arrays.gen_min_mw / 2)


def committed(now: Limits, is_on: Array) -> Limits:
    """The limits once it is decided what is on, (B, N), as far as minimum times let it be.

    Where no plant of the grid stops, they are what they were.
    """
    if now.choice is None:
        return now
    xp = namespace(now.gen_hi_mw)
    may_be_on, may_be_off, low, on_h = now.choice
    is_on = (is_on & may_be_on) | ~may_be_off
    low, high = xp.where(is_on, low, 0.0), xp.where(is_on, now.gen_hi_mw, 0.0)
    return dataclasses.replace(now, gen_lo_mw=low, gen_hi_mw=high, choice=Choice(is_on, ~is_on, low, on_h))


def hours_on(on_h: Array, is_on: Array, dt_h: float) -> Array:
    """(B, N) hours on, or below 0 off, at the end of a step; infinite at nodes whose plant never stops."""
    xp = namespace(on_h)
    return xp.where(is_on, xp.maximum(on_h, 0.0) + dt_h, xp.minimum(on_h, 0.0) - dt_h)
