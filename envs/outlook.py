"""The outside world of the running episodes, and what is expected of it at each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.config import EnvConfig
from envs.forecasts import Errors
from envs.outages import LineOutages
from grid import Array, GridArrays, Inputs, converted, namespace
from topologies import Draw


@dataclass(frozen=True, eq=False)
class Outlook:
    """The series of B episodes of T steps, and their forecasts at L leads; S = T + 1 + longest lead.

    A decision is made ``gate`` steps before its step: forecasts then look so many steps further.
    """

    dt_h: float
    gate: int  # steps between a decision and its step
    hour: np.ndarray  # (T + 1, B) since Monday 00:00
    load_mw: np.ndarray  # (S, B, N)
    avail_frac: np.ndarray  # (S, B, N)
    profiled: np.ndarray  # (N,) whether availability varies
    ahead: np.ndarray  # (1 + L,) steps ahead that observations tell of: 0, and those of forecasts
    errors: Errors
    lines: LineOutages | None  # None: no line can be out

    @classmethod
    def of(
        cls, arrays: GridArrays, config: EnvConfig, draw: Draw, errors: Errors, lines: LineOutages | None = None
    ) -> Outlook:
        """Arrange the series by time."""
        return cls(
            dt_h=config.dt_h,
            gate=config.gate_steps,
            hour=draw.start_hour + np.arange(config.horizon + 1)[:, None] * config.dt_h,
            load_mw=np.ascontiguousarray(draw.load_mw.swapaxes(0, 1)),
            avail_frac=np.ascontiguousarray(draw.gen_avail_frac.swapaxes(0, 1)),
            profiled=np.array([name is not None for name in arrays.gen_profile]),
            ahead=np.array([0, *config.lead_steps]),
            errors=errors,
            lines=lines,
        )

    def convert(self, asarray: Callable[[np.ndarray], Array]) -> Outlook:
        """Demand, weather and their forecasts with every array passed through ``asarray``; lines out are left out."""
        return converted(self, asarray, errors=converted(self.errors, asarray), lines=None)

    def inputs(self, t: int) -> Inputs:
        """What step t is run with, (B, N)."""
        in_service = None if self.lines is None else self.lines.in_service(t)
        return Inputs(self.avail_frac[t], self.load_mw[t], self.dt_h, in_service)

    def episode(self, i: int) -> Inputs:
        """What episode i is run with, first to last step, (T, N)."""
        steps = len(self.hour) - 1
        in_service = None if self.lines is None else self.lines.back_h[:steps, i] == 0
        return Inputs(self.avail_frac[:steps, i], self.load_mw[:steps, i], self.dt_h, in_service)

    def known(self, t: int) -> Inputs:
        """What is known of step t when it is decided, (B, N): the truth, or where there is a gate a forecast."""
        if not self.gate:
            return self.inputs(t)
        first = self.expected(t, self.ahead[:1])
        in_service = None if first.in_service is None else first.in_service[0]
        return Inputs(first.gen_avail_frac[0], first.load_mw[0], self.dt_h, in_service)

    def expected(self, t: int, leads: Array) -> Inputs:
        """(K, B, N) inputs so many steps (K,) after step t, as forecast when step t is decided.

        Without a gate, lead 0 is the truth. Of the lines (K, B, E), planned outages are known, and when those that are
        out now come back. Beyond what was drawn, the last of it is repeated.
        """
        xp = namespace(self.load_mw)
        step = t + xp.minimum(leads, len(self.load_mw) - 1 - t)
        lead = step - t + self.gate
        load_frac, avail_frac = self.load_frac(step, lead), self.avail_factor(step, lead)
        in_service = None if self.lines is None else self.lines.expected(t - self.gate, lead, self.dt_h)
        truth = self.avail_frac[step]
        avail = xp.where(self.profiled, xp.minimum(truth * avail_frac, 1.0), truth)
        return Inputs(avail, self.load_mw[step] * load_frac, self.dt_h, in_service)

    def out_h(self, t: int) -> Array | None:
        """(B, E) hours until outages are over, as known when step t is decided; None: no line can be out."""
        return None if self.lines is None else self.lines.left_h(t - self.gate, np.array([self.gate]), self.dt_h)[0]

    def load_frac(self, step: Array, lead: Array) -> Array:
        """(..., B, N) or (..., B, 1) forecast / truth of demand at steps (...,), forecast so long before (...,)."""
        own = self.errors.of_nodes(step)
        return factor_of(self.errors.load(step, lead), None if own is None else own[0], lead)

    def avail_factor(self, step: Array, lead: Array) -> Array:
        """(..., B, N) or (..., B, 1) the same of availability, before it is cut at 1."""
        own = self.errors.of_nodes(step)
        return factor_of(self.errors.avail(step, lead), None if own is None else own[1], lead)

    def known_load_mw(self, at: np.ndarray) -> Array:
        """(S, B, N) demand of some steps (S,) as known when they are decided."""
        load_mw = self.load_mw[at]
        return load_mw * self.load_frac(at, np.full_like(at, self.gate)) if self.gate else load_mw

    def total_load_mw(self, at: np.ndarray) -> Array:
        """(S, 1 + L, B) forecast demand of all nodes when steps (S,) are decided: of the step, and at the leads."""
        step, lead = self._shown(at)
        if self.errors.of_nodes(step[:1, :1]) is None:
            return self._total_mw[step] * self.load_frac(step, lead)[..., 0]
        return (self.load_mw[step] * self.load_frac(step, lead)).sum(-1)

    @cached_property
    def _total_mw(self) -> Array:
        """(S, B) demand of all nodes."""
        return self.load_mw @ np.ones(self.load_mw.shape[2])

    def avail_at(self, at: np.ndarray) -> Array:
        """(S, 1 + L, B, n) forecast availability of the nodes that follow a profile, likewise."""
        step, lead = self._shown(at)
        factor = self.avail_factor(step, lead)
        own = factor if factor.shape[-1] == 1 else factor[..., self.profiled]
        return np.minimum(self._varying_frac[step] * own, 1.0)

    @cached_property
    def _varying_frac(self) -> Array:
        """(S, B, n) availability of the nodes that follow a profile."""
        return self.avail_frac[..., self.profiled]

    def offered_mw(self, gen_max_mw: Array) -> Array:
        """(T + 1, 1 + L, B) forecast output at most of all nodes, whose gen_max_mw is (N,), likewise."""
        step, lead = self._shown(np.arange(len(self.hour)))
        largest_mw = self.avail_frac @ gen_max_mw
        steady_mw = float(gen_max_mw[~self.profiled].sum())
        if self.errors.of_nodes(step[:1, :1]) is not None:
            return steady_mw + self.avail_at(np.arange(len(self.hour))) @ gen_max_mw[self.profiled]
        varying_mw = self.avail_factor(step, lead)[..., 0] * (largest_mw[step] - steady_mw)
        most_mw = np.where(lead[..., None] > 0, gen_max_mw[self.profiled].sum(), np.inf)
        return steady_mw + np.minimum(varying_mw, most_mw)

    def _shown(self, at: np.ndarray) -> tuple[Array, Array]:
        """(S, 1 + L) each: the steps that observations before steps (S,) tell of, and how far ahead they are."""
        steps = at[:, None] + self.ahead
        return steps, np.broadcast_to(self.ahead + self.gate, steps.shape)


def factor_of(error: Array, of_nodes: Array | None, lead: Array) -> Array:
    """(..., B, N) or (..., B, 1) forecast / truth, from the common errors (..., B) and those of nodes (..., B, N)."""
    factor = 1.0 + error[..., None]
    if of_nodes is not None:
        factor = factor + of_nodes * (lead > 0)[..., None, None]
    return namespace(factor).maximum(factor, 0.0)


def steps_to_draw(config: EnvConfig) -> int:
    """Steps S to draw, so that the last forecast of the last observation has a truth."""
    return config.horizon + 1 + max(config.lead_steps, default=0)
