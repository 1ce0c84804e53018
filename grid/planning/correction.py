"""What AC power flow does that linear plans leave out, corrected as it was at the last solution.

Losses are taken for more demand. A line is loaded by apparent power at its worse end: what that was above the flow of
the linear model is kept free. (Successive linear programming; O. Alsac, J. Bright, M. Prais and B. Stott, "Further
developments in LP-based optimal power flow", IEEE Trans. Power Systems 5(3), 1990.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.namespace import namespace
from grid.physics import Outages, flows
from grid.state import Inputs, Outcome

MOST_LOSS = 0.5  # of demand


@dataclass(frozen=True, eq=False)
class Correction:
    """Of B rows, or T steps."""

    loss_frac: np.ndarray  # (B,) losses as a share of what is served
    extra_mw: np.ndarray  # (B, E) loading beyond the flow of the linear model, with the sign of that flow

    @classmethod
    def of(cls, arrays: GridArrays, outcome: Outcome, before: Correction | None = None) -> Correction:
        """From what happened in AC; where a row has collapsed, what was known before, or nothing."""
        served_mw = outcome.served_mw.sum(1)
        loss_frac = np.clip(outcome.loss_mw / np.maximum(served_mw, 1e-9), 0.0, MOST_LOSS)
        injection_mw = outcome.injection_mw - outcome.served_mw * loss_frac[:, None]
        outages = None if outcome.in_service is None else Outages.of(arrays, outcome.in_service)
        flow_mw = flows(arrays, injection_mw, outages)
        extra_mw = np.sign(flow_mw) * (outcome.line_mva - np.abs(flow_mw))
        is_limited = np.isfinite(arrays.capacity_mw) & (True if outcome.in_service is None else outcome.in_service)
        extra_mw = np.where(is_limited, extra_mw, 0.0)
        old_frac, old_mw = (0.0, 0.0) if before is None else (before.loss_frac, before.extra_mw)
        collapsed = outcome.collapsed
        return cls(np.where(collapsed, old_frac, loss_frac), np.where(collapsed[:, None], old_mw, extra_mw))

    def inputs(self, ahead: Inputs) -> Inputs:
        """The same inputs (..., B, N) with losses as demand."""
        xp = namespace(ahead.load_mw)
        load_mw = ahead.load_mw * (1.0 + xp.asarray(self.loss_frac[:, None]))
        return Inputs(ahead.gen_avail_frac, load_mw, ahead.dt_h, ahead.in_service)
