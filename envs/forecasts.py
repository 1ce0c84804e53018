"""How forecasts differ from the truth, by how far ahead they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from envs.config import EnvConfig
from grid import Array, GridArrays, namespace
from topologies import Draw

ERROR_CUT = 3.0  # forecast errors are cut at this many standard deviations
LONGEST_H = 168.0  # of a lead that is observed
MEMORY_H = 7.0  # of a revision over the hours that it revises
PLAN_H = 24.0  # as far ahead as plans look


class Errors(Protocol):
    """Errors of B episodes: forecast / truth − 1 at steps (...,), forecast so many steps (...,) before."""

    def load(self, step: Array, lead: Array) -> Array:
        """(..., B) of demand, the same at every node."""

    def avail(self, step: Array, lead: Array) -> Array:
        """(..., B) of availability, the same at every node, before it is cut at 1."""

    def of_nodes(self, step: Array) -> tuple[Array, Array] | None:
        """(..., B, N) each: what is added to both at single nodes, at every lead but 0; None: nothing."""


@dataclass(frozen=True, eq=False)
class Common:
    """One error for each step, which grows with the root of the lead: all forecasts of a step err alike."""

    dt_h: float
    error_frac: float  # standard deviation at a lead of 24 h
    load_error: np.ndarray  # (S, B) in standard deviations
    avail_error: np.ndarray  # (S, B)

    @classmethod
    def of(cls, config: EnvConfig, draw: Draw) -> Common:
        """Cut the errors that were drawn with the series."""
        load, avail = (np.clip(error.T, -ERROR_CUT, ERROR_CUT) for error in (draw.load_error, draw.gen_error))
        return cls(config.dt_h, config.forecast_error_frac, load, avail)

    def _spread(self, lead: Array) -> Array:
        xp = namespace(lead)
        return self.error_frac * xp.sqrt(xp.astype(lead, self.load_error.dtype)[..., None] * self.dt_h / 24.0)

    def load(self, step: Array, lead: Array) -> Array:
        """(..., B)."""
        return self._spread(lead) * self.load_error[step]

    def avail(self, step: Array, lead: Array) -> Array:
        """(..., B)."""
        return self._spread(lead) * self.avail_error[step]

    def of_nodes(self, step: Array) -> None:
        """No node errs by itself."""


@dataclass(frozen=True, eq=False)
class Revisions:
    """Forecasts that are revised at every step, by amounts that the forecasts before do not tell.

    The error at a lead is the sum of the revisions yet to come, so it grows with the root of the lead, and the latest
    forecast of a step says all that is known of it. One revision concerns all steps ahead, those close together alike:
    the correlation falls to 1/e over MEMORY_H. Up to the step itself every node errs by itself, too.
    """

    load_error: np.ndarray  # (K + 1, S, B) share of demand, by lead in steps; 0 at lead 0
    avail_error: np.ndarray  # (K + 1, S, B) share of availability
    node_load: np.ndarray | None  # (S, B, N) share of demand at single nodes
    node_avail: np.ndarray | None  # (S, B, N)

    @classmethod
    def draw(cls, arrays: GridArrays, config: EnvConfig, rngs: Sequence[np.random.Generator], steps: int) -> Revisions:
        """Draw the revisions of episodes of S steps, one from each of B streams."""
        longest = most_lead(config)
        keep = np.exp(-config.dt_h / MEMORY_H)
        shape, nodes = (2, steps + longest, longest), len(arrays.node_names)
        errors = np.zeros((2, longest + 1, steps, len(rngs)), np.float32)
        own = np.zeros((2, steps, len(rngs), nodes), np.float32) if config.node_error_frac else None
        for b, rng in enumerate(rngs):
            revision = rng.standard_normal(shape, np.float32)  # by the step at which it is made, and how far ahead
            revision[..., 1:] *= np.sqrt(1.0 - keep**2)
            for lead in range(1, longest):
                revision[..., lead] += keep * revision[..., lead - 1]
            for lead in range(1, longest + 1):
                errors[:, lead, :, b] = errors[:, lead - 1, :, b] + revision[:, longest - lead :, lead - 1][:, :steps]
            if own is not None:
                by_node = rng.standard_normal((2, steps, nodes), np.float32)
                own[:, :, b] = config.node_error_frac * np.clip(by_node, -ERROR_CUT, ERROR_CUT)
        days = np.arange(longest + 1) * config.dt_h / 24.0
        most = ERROR_CUT * np.sqrt(days)[:, None, None]
        errors = np.clip(errors * np.sqrt(config.dt_h / 24.0), -most, most)
        errors *= np.array([config.forecast_error_frac, config.weather_frac])[:, None, None, None]
        return cls(*errors, *((None, None) if own is None else own))

    def load(self, step: Array, lead: Array) -> Array:
        """(..., B)."""
        return self.load_error[namespace(lead).minimum(lead, len(self.load_error) - 1), step]

    def avail(self, step: Array, lead: Array) -> Array:
        """(..., B)."""
        return self.avail_error[namespace(lead).minimum(lead, len(self.avail_error) - 1), step]

    def of_nodes(self, step: Array) -> tuple[Array, Array] | None:
        """(..., B, N) each."""
        if self.node_load is None or self.node_avail is None:
            return None
        return self.node_load[step], self.node_avail[step]


def most_lead(config: EnvConfig) -> int:
    """Steps as far ahead as anything is forecast."""
    return max(round(PLAN_H / config.dt_h), *config.lead_steps, 1) + config.gate_steps


def most_frac(config: EnvConfig) -> float:
    """Largest forecast / truth of demand."""
    days = (LONGEST_H + config.gate_h) / 24.0
    return 1.0 + ERROR_CUT * (float(days**0.5) * config.forecast_error_frac + config.node_error_frac)


def flow_error_mw(arrays: GridArrays, config: EnvConfig) -> Array:
    """(E,) standard deviation of flows about their forecast at gate closure, at full demand and output.

    Sources answer as they share out reserve: in proportion to their size.
    """
    reserve_mw = arrays.gen_max_mw * arrays.gen_reserve_frac + 1e-9
    answer = arrays.part_matrix * (reserve_mw / (reserve_mw @ arrays.part_matrix)[arrays.part])[:, None]
    flow = arrays.line_model.matrix()
    flow = flow - (flow @ answer)[:, arrays.part]  # (E, N) of 1 MW at a node that sources take up
    weather_mw = np.where([name is not None for name in arrays.gen_profile], arrays.gen_max_mw, 0.0)
    root = (config.gate_h / 24.0) ** 0.5
    kinds = (config.forecast_error_frac, arrays.load_max_mw), (config.weather_frac, weather_mw)
    variance = np.zeros(len(flow))
    for frac, size_mw in kinds:
        variance += (root * frac * (flow @ size_mw)) ** 2 + config.node_error_frac**2 * (flow**2 @ size_mw**2)
    return np.sqrt(variance)


def draw_errors(
    arrays: GridArrays, config: EnvConfig, draw: Draw, rngs: Sequence[np.random.Generator]
) -> Common | Revisions:
    """The errors of the forecasts of B episodes, of the kind that the config asks for."""
    return Revisions.draw(arrays, config, rngs, draw.load_mw.shape[1]) if config.is_revised else Common.of(config, draw)
