"""With the actions "residual-plan", the plan decides in the episodes in which a line is out.

Trained agents have been dearer than the plan there, and cheaper where every line is in service (docs/storms.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grid import Inputs, Setpoint, converted
from grid.physics import Limits
from grid.planning import Correction

if TYPE_CHECKING:
    from grid.planning.day import DayPlanner


def planned_where_out(
    setpoint: Setpoint,
    planner: DayPlanner,
    now: Limits,
    ahead: Inputs,
    gen_before_mw: np.ndarray,
    is_first: bool,
    left_h: float,
    correction: Correction | None,
) -> Setpoint:
    """The setpoint, but that of the plan in the rows in which a line is known to be out.

    Args:
        setpoint: (B, N) what is asked elsewhere.
        planner: of the grid; the other arguments are those of its ``plan``.
        now: (B, N) limits of the coming step.
        ahead: (H, B, ·) at the planner's leads.
        gen_before_mw: (B, N) output of the last step.
        is_first: whether there was none.
        left_h: hours until the episodes end.
        correction: of B rows, for AC power flow; None: flows are those of DC.

    Returns:
        (B, N) what is asked of the units.
    """
    from grid.planning.day import clear  # needs numba, of the extra train

    if now.outages is None:
        return setpoint
    rows = np.flatnonzero((~now.outages.in_service).any(1))
    choice = None if now.choice is None else type(now.choice)(*(each[rows] for each in now.choice))
    own = converted(now, lambda each: each[rows], outages=None, choice=choice)
    ahead = converted(ahead, lambda each: each[:, rows])
    correction = None if correction is None else converted(correction, lambda each: each[rows])
    day = planner.plan(ahead, own, gen_before_mw[rows], is_first, left_h, correction)
    unshifted = np.zeros((len(rows), len(planner.arrays.controllable)))
    plan = clear(day, unshifted, own, converted(ahead, lambda each: each[0]))
    merged = {}
    for name in ("gen_mw", "store_mw", "on"):
        elsewhere = getattr(setpoint, name)
        if elsewhere is not None:
            merged[name] = elsewhere.copy()
            merged[name][rows] = getattr(plan, name)
    return Setpoint(**merged)
