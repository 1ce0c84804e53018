"""The outside world of the running episodes, and what is expected of it at each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.config import EnvConfig
from envs.outages import LineOutages
from grid import Array, GridArrays, Inputs
from topologies import Draw

ERROR_CUT = 3.0  # forecast errors are cut at this many standard deviations
ERROR_REACH = ERROR_CUT * 7.0**0.5  # largest factor on forecast_error_frac: the longest lead is 7 days


@dataclass(frozen=True, eq=False)
class Outlook:
    """The series of B episodes of T steps, and their forecasts at L leads; S = T + 1 + longest lead.

    The error of a forecast grows with the root of its lead, and forecasts of the same hour err in the same direction.
    """

    dt_h: float
    hour: np.ndarray  # (T + 1, B) since Monday 00:00
    load_mw: np.ndarray  # (S, B, N)
    avail_frac: np.ndarray  # (S, B, N)
    profiled: np.ndarray  # (N,) whether availability varies
    ahead: np.ndarray  # (T + 1, L) which of the S steps each lead of each step is
    error_frac: float  # standard deviation of the error at a lead of 24 h
    load_error: np.ndarray  # (S, B) error of demand in standard deviations, cut
    avail_error: np.ndarray  # (S, B) the same of availability
    load_factor: np.ndarray  # (T + 1, L, B) forecast / truth of demand
    avail_factor: np.ndarray  # (T + 1, L, B) the same of availability, before it is cut at 1
    lines: LineOutages | None  # None: no line can be out

    @classmethod
    def of(cls, arrays: GridArrays, config: EnvConfig, draw: Draw, lines: LineOutages | None = None) -> Outlook:
        """Arrange the series by time and scale the forecast errors."""
        leads = np.array(config.lead_steps, dtype=int)
        steps = np.arange(config.horizon + 1)
        ahead = steps[:, None] + leads
        spread = _spread_frac(config.forecast_error_frac, leads, config.dt_h)
        load_error, avail_error = (
            np.clip(error.T, -ERROR_CUT, ERROR_CUT) for error in (draw.load_error, draw.gen_error)
        )
        return cls(
            dt_h=config.dt_h,
            hour=draw.start_hour + steps[:, None] * config.dt_h,
            load_mw=np.ascontiguousarray(draw.load_mw.swapaxes(0, 1)),
            avail_frac=np.ascontiguousarray(draw.gen_avail_frac.swapaxes(0, 1)),
            profiled=np.array([name is not None for name in arrays.gen_profile]),
            ahead=ahead,
            error_frac=config.forecast_error_frac,
            load_error=load_error,
            avail_error=avail_error,
            load_factor=_factor(load_error[ahead], spread),
            avail_factor=_factor(avail_error[ahead], spread),
            lines=lines,
        )

    def inputs(self, t: int) -> Inputs:
        """What step t is run with, (B, N)."""
        in_service = None if self.lines is None else self.lines.in_service(t)
        return Inputs(self.avail_frac[t], self.load_mw[t], self.dt_h, in_service)

    def episode(self, i: int) -> Inputs:
        """What episode i is run with, first to last step, (T, N)."""
        steps = len(self.hour) - 1
        in_service = None if self.lines is None else self.lines.back_h[:steps, i] == 0
        return Inputs(self.avail_frac[:steps, i], self.load_mw[:steps, i], self.dt_h, in_service)

    def expected(self, t: int, leads: Array) -> Inputs:
        """(K, B, N) inputs as forecast at step t for so many steps ahead, (K,); at lead 0 they are the truth.

        Of the lines (K, B, E), planned outages are known, and when those that are out now come back. Beyond what was
        drawn, the last of it is repeated.
        """
        leads = np.minimum(leads, len(self.load_mw) - 1 - t)
        ahead, spread = t + leads, _spread_frac(self.error_frac, leads, self.dt_h)
        load_factor, avail_factor = (_factor(error[ahead], spread) for error in (self.load_error, self.avail_error))
        in_service = None if self.lines is None else self.lines.expected(t, leads, self.dt_h)
        truth = self.avail_frac[ahead]
        avail_frac = np.where(self.profiled, np.minimum(truth * avail_factor[:, :, None], 1.0), truth)
        return Inputs(avail_frac, self.load_mw[ahead] * load_factor[:, :, None], self.dt_h, in_service)


def _spread_frac(error_frac: float, leads: Array, dt_h: float) -> Array:
    """Standard deviation of the error of a forecast at each lead, in steps."""
    return error_frac * np.sqrt(leads * dt_h / 24.0)


def _factor(error: Array, spread_frac: Array) -> Array:
    """(..., L, B) forecast / truth from errors in standard deviations and their spread (L,)."""
    return np.maximum(1.0 + spread_frac[:, None] * error, 0.0)


def steps_to_draw(config: EnvConfig) -> int:
    """Steps S to draw, so that the last forecast of the last observation has a truth."""
    return config.horizon + 1 + max(config.lead_steps, default=0)
