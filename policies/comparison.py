"""What policies did on the same episodes, set against the merit order and the optimum."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from policies.baselines import BASELINES
from policies.table import Bootstrap, Figures, Interval, Row, percent

OPTIMUM = "optimum"
PLANNERS = ("mpc", "smpc", "plan")
"""Baselines that know what an agent knows: what it scores above them is what was learned."""

SUMS = ("unserved_mwh", "curtailed_mwh", "overload_mwh", "loss_mwh", "voltage_pu_h", "collapsed_steps")
"""Metrics of an episode that a row gives the means of; the last three are 0 in DC."""

TAIL_FRAC = 0.1  # of the episodes, the worst, whose mean gap is the conditional value at risk
SCORE_FLOOR_FRAC = 1e-3
"""Below this share of the reference between merit and optimum, a score means nothing and is None."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What one policy did on each of E episodes."""

    name: str
    cost: np.ndarray  # (E,) settlement included
    reference: np.ndarray  # (E,) cost of the merit order on a copper plate; where their mean is too low, a floor
    unserved_mwh: np.ndarray  # (E,)
    curtailed_mwh: np.ndarray  # (E,)
    overload_mwh: np.ndarray  # (E,) in AC, MVAh
    loss_mwh: np.ndarray  # (E,)
    voltage_pu_h: np.ndarray  # (E,) outside the band of voltages
    collapsed_steps: np.ndarray  # (E,)
    spill_mwh: np.ndarray  # (E,), 0 where it is free
    decision_s: float  # time a decision of one episode took
    terms: dict[str, np.ndarray] = field(default_factory=dict)  # (E,) each, keys as grid.TERMS
    reported: dict[str, np.ndarray] = field(default_factory=dict)  # (E,) each, keys as grid.REPORTED, and "cycles"
    bound_gap_frac: float = 0.0  # of an optimum: mean distance of its cost from what is proven, relative to the cost

    def share_of(self, reference: float) -> Runs:
        """Costs as shares of a reference cost."""
        terms = {name: cost / reference for name, cost in self.terms.items()}
        return dataclasses.replace(self, cost=self.cost / reference, reference=self.reference / reference, terms=terms)

    @classmethod
    def joined(cls, runs: Sequence[Runs]) -> Runs:
        """The episodes of several grids."""
        names, first = ("cost", "reference", *SUMS, "spill_mwh"), runs[0]
        joined: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in runs]) for name in names}
        for part in ("terms", "reported"):
            several = [getattr(each, part) for each in runs]
            joined[part] = {name: np.concatenate([each[name] for each in several]) for name in several[0]}
        return cls(name=first.name, decision_s=float(np.mean([each.decision_s for each in runs])), **joined)


def compare(
    runs: Sequence[Runs],
    merit: Runs,
    best: Runs,
    bootstrap: Bootstrap,
    days: float = 1.0,
    against: Sequence[str] = (),
) -> tuple[Row, ...]:
    """Rows for the runs, measured against the merit order and the optimum of the same episodes.

    Args:
        runs: what to make rows of.
        merit: the merit order.
        best: the optimum.
        bootstrap: of the intervals.
        days: length of an episode in days.
        against: names of those runs beside the merit order that savings are measured on.
    """
    reference = merit.reference
    apart = merit.cost.sum() - best.cost.sum() >= SCORE_FLOOR_FRAC * reference.sum()
    rivals = [merit, *(row for name in dict.fromkeys(against) for row in runs if row.name == name != merit.name)]
    rows = []
    for row in runs:
        gap = row.cost - best.cost
        worst = int(np.argmax(gap))
        is_own = row.name not in (*BASELINES, OPTIMUM)
        planners = [other for other in runs if is_own and apart and other.name in PLANNERS]
        tail = np.sort(gap)[-max(1, round(TAIL_FRAC * len(gap))) :]
        savings = {rival.name: bootstrap.mean((rival.cost - row.cost) / days) for rival in rivals}
        rows.append(
            Row(
                name=row.name,
                cost=bootstrap.mean(row.cost),
                gap_frac=bootstrap.ratio(gap, reference),
                score=percent(bootstrap.ratio(merit.cost - row.cost, merit.cost - best.cost)) if apart else None,
                **{name: float(getattr(row, name).mean()) for name in SUMS},
                decision_s=row.decision_s,
                worst_episode=worst,
                worst_gap_frac=float(gap[worst] / reference.mean()),
                cvar_gap_frac=float(tail.mean() / reference.mean()),
                episode_cost=tuple(row.cost.tolist()),
                above={
                    each.name: percent(bootstrap.ratio(each.cost - row.cost, merit.cost - best.cost))
                    for each in planners
                },
                cost_terms={name: float(cost.mean()) for name, cost in row.terms.items()},
                figures=_figures(row, savings, days),
            )
        )
    return tuple(rows)


def _figures(row: Runs, savings: dict[str, Interval], days: float) -> Figures:
    """What engineers report, a day; shares and cycles are None where there is nothing to share or to cycle."""
    a_day = {name: float(values.mean() / days) for name, values in row.reported.items()}
    made_mwh, cycles = a_day.get("generation_mwh", 0.0), a_day.get("cycles", np.nan)
    settlement = float(row.terms["settlement"].mean() / days) if row.terms else 0.0
    return Figures(
        saving=savings,
        operating_cost=float(row.cost.mean() / days) - settlement,
        settlement=settlement,
        renewable_curtailed_mwh=a_day.get("renewable_curtailed_mwh", 0.0),
        renewable_frac=a_day["renewable_mwh"] / made_mwh if made_mwh > 0 else None,
        co2_t=a_day.get("co2_t", 0.0),
        store_cycles=None if np.isnan(cycles) else cycles,
        store_loss_mwh=a_day.get("store_loss_mwh", 0.0),
        line_loss_mwh=float(row.loss_mwh.mean() / days),
        tripped_h=a_day.get("tripped_h", 0.0),
    )
