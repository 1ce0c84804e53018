"""The outcome of an evaluation: a row for each policy, as a table and as JSON."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from envs import Outage

TABLE_WIDTH = 100  # columns
RESAMPLES = 4000
TAILS_FRAC = (0.025, 0.975)


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Draws the same resamples of the episodes for every figure, so that comparisons between policies are paired.

    Intervals are percentiles of the resampled figures (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13).
    """

    def __init__(self, episodes: int, seed: int) -> None:
        chance = np.full(episodes, 1.0 / episodes)
        self._counts = np.random.default_rng(seed).multinomial(episodes, chance, RESAMPLES)  # (RESAMPLES, episodes)

    def ratio(self, above: np.ndarray, below: np.ndarray) -> Interval:
        """The ratio of the sums of two figures (episodes,) each; a resample whose ``below`` sums to 0 is left out."""
        totals = self._counts @ below
        kept = totals != 0
        ratios = (self._counts @ above)[kept] / totals[kept]
        low, high = np.quantile(ratios, TAILS_FRAC)
        return Interval(float(above.sum() / below.sum()), float(low), float(high))

    def mean(self, values: np.ndarray) -> Interval:
        """The mean of a figure (episodes,)."""
        return self.ratio(values, np.ones_like(values))


@dataclass(frozen=True)
class Figures:
    """What engineers report, mean a day; costs in currency or, of a task of several grids, shares of a reference."""

    saving: dict[str, Interval]  # on the merit order, and on every policy that was named for it
    operating_cost: float  # all but settlement
    settlement: float  # for energy taken out of the stores by the end of the episode; negative: more is in them
    renewable_curtailed_mwh: float  # what sources with a profile (sun, wind) could have given and did not
    renewable_frac: float | None  # of generation, what they gave; None: nothing was generated
    co2_t: float
    store_cycles: float | None  # energy taken out of the stores / what they hold between empty and full; None: no store
    store_loss_mwh: float
    line_loss_mwh: float  # 0 in DC
    tripped_h: float  # hours that lines were out after a trip, summed over lines


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    cost: Interval  # mean of the episodes
    gap_frac: Interval  # Σ(cost − optimum) / Σ reference
    score: Interval | None  # 0 is the merit order, 100 the optimum
    unserved_mwh: float  # mean of the episodes
    curtailed_mwh: float  # mean of the episodes
    overload_mwh: float  # mean of the episodes; in AC, MVAh
    loss_mwh: float  # mean of the episodes; 0 in DC, as the next two
    voltage_pu_h: float  # mean of the episodes: outside the band of voltages, summed over buses
    collapsed_steps: float  # mean of the episodes: steps in which a part of the grid had no solution
    decision_s: float
    worst_episode: int  # the one furthest from the optimum
    worst_gap_frac: float  # its gap / mean reference
    cvar_gap_frac: float  # mean gap of the worst tenth of the episodes / mean reference
    episode_cost: tuple[float, ...]  # (episodes,) so that another method can be paired with this one
    above: dict[str, Interval]  # of what was learned or brought: points of score above each planner beside it
    cost_terms: dict[str, float]  # mean of the episodes, keys as grid.TERMS; they add up to the mean cost
    figures: Figures


@dataclass(frozen=True)
class Evaluation:
    """The outcome of ``evaluate``; intervals are paired 95 % bootstrap intervals."""

    grid: str
    episodes: int
    seed: int
    split: str
    start_time: str | None  # local time at which the first episode starts, the others after it; None: drawn
    hours: float  # length of an episode
    flow: Literal["dc", "ac"]  # power flow; in AC the optimum, which is that of DC, is no bound
    gate_h: float  # how long before a step it is decided
    trips: bool  # whether overloaded lines trip: then the optimum, which knows nothing of it, is no bound
    outages: tuple[Outage, ...]  # planned in every episode
    task: str | None  # the task, if it is one
    rows: tuple[Row, ...]
    notes: tuple[str, ...]  # on the optimum

    def __getitem__(self, name: str) -> Row:
        return {row.name: row for row in self.rows}[name]

    @property
    def optimum_is(self) -> Literal["bound", "reference"]:
        """Whether no policy can beat the optimum: where lines trip, or in AC, it is what it would cost if they did not
        and in DC.
        """
        return "reference" if self.trips or self.flow == "ac" else "bound"

    @property
    def of(self) -> str:
        """What was run, in words."""
        lines = ", AC power flow" * (self.flow == "ac") + ", overloaded lines trip" * self.trips
        out = "; ".join(f"{each.line} from hour {each.start_h:g} for {each.duration_h:g} h" for each in self.outages)
        outages = f", out of service: {out}" if out else ""
        part = f"{self.split} episodes" if self.split != "all" else "episodes from the whole series,"
        which = part if self.start_time is None else f"episodes from {self.start_time} on,"
        gate = f", decided {self.gate_h:g} h before" if self.gate_h else ""
        return f"{self.episodes} {which} of {self.hours:g} h, seed {self.seed}{gate}{lines}{outages}"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers for ``json.dumps``; score is None where merit and optimum are too close to tell."""
        names = ("task", "grid", "episodes", "seed", "split", "start_time", "hours", "flow", "gate_h", "trips")
        about = {name: getattr(self, name) for name in names}
        about |= {"outages": [dataclasses.asdict(each) for each in self.outages]}
        about |= {"optimum_is": self.optimum_is, "notes": list(self.notes)}
        policies = {row.name: dataclasses.asdict(row) for row in self.rows}
        for figures in policies.values():
            del figures["name"]
            figures["episode_cost"] = list(figures["episode_cost"])
        return {**about, "policies": policies}

    def table(self) -> str:
        """The same as text of ``TABLE_WIDTH`` columns at most, unless numbers are long."""
        head = ("policy", "cost", "gap %", "score", "unserved", "demand cut", "overload", "decision", "worst")
        over = "MWh" if self.flow == "dc" else "MVAh"
        units = ("", "mean", "of reference", "0 merit, 100 opt.", "MWh", "MWh", over, "ms", "gap %")
        cells = [head, units, *(_cells(row) for row in self.rows)]
        if max(row.curtailed_mwh for row in self.rows) < 0.05:
            cells = [line[:5] + line[6:] for line in cells]
        title = textwrap.wrap(f"{self.grid}: {self.of} [95 % interval]", TABLE_WIDTH, break_on_hyphens=False)
        remarks = [*self._above(), *self.notes]
        below = ["", *remarks] if remarks else []
        return "\n".join([*title, *_aligned(cells), *self._in_ac(), *self._figures(), *below])

    def _in_ac(self) -> list[str]:
        """What only AC has, as a table of its own below the first."""
        if self.flow == "dc":
            return []
        head, units = ("AC", "loss", "voltage", "collapsed"), ("", "MWh", "pu·h", "steps")
        cells = [(r.name, f"{r.loss_mwh:.1f}", f"{r.voltage_pu_h:.3f}", f"{r.collapsed_steps:.1f}") for r in self.rows]
        return ["", *_aligned([head, units, *cells])]

    def _figures(self) -> list[str]:
        """What engineers report, as a table of its own, and what each policy saves."""
        heads = ("a day", "operating", "settlement", "curtailed", "renewable", "CO2", "cycles", "store loss")
        units = ("", "cost", "cost", "MWh", "%", "t", "", "MWh")
        cells = [heads, units, *(_figure_cells(row) for row in self.rows)]
        if self.trips:
            tripped = [f"{row.figures.tripped_h:.1f}" for row in self.rows]
            cells = [(*line, cell) for line, cell in zip(cells, ("tripped", "line-h", *tripped), strict=True)]
        lines = ["", *_aligned(cells)]
        if any(row.figures.store_cycles is not None for row in self.rows):
            lines.append("settlement: for what stores hold less at the end than at the start; part of the cost above")
        for rival in self.rows[0].figures.saving:
            digits = None if self.rows[0].cost.mean >= 100 else 3
            parts = [
                f"{row.name} {_spread(row.figures.saving[rival], digits)}" for row in self.rows if row.name != rival
            ]
            text = f"saving a day on {rival}: {', '.join(parts)}"
            lines += textwrap.wrap(text, TABLE_WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        return lines

    def _above(self) -> list[str]:
        """What agents score above the planners beside them, a line for each agent."""
        return [
            f"{row.name} above " + ", ".join(f"{name}: {_spread(points)}" for name, points in row.above.items())
            for row in self.rows
            if row.above
        ]


def percent(share: Interval) -> Interval:
    """A share in percent."""
    return Interval(100.0 * share.mean, 100.0 * share.low, 100.0 * share.high)


def _aligned(cells: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of texts as lines: the first column to the left, the others to the right."""
    widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    rows = [
        [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))] for line in cells
    ]
    return ["  ".join(row).rstrip() for row in rows]


def _cells(row: Row) -> tuple[str, ...]:
    """The texts of a row of the table."""
    return (
        row.name,
        f"{row.cost.mean:z,.{0 if row.cost.mean >= 100 else 3}f}",
        _spread(percent(row.gap_frac)),
        "-" if row.score is None else _spread(row.score),
        f"{row.unserved_mwh:z.1f}",
        f"{row.curtailed_mwh:z.1f}",
        f"{row.overload_mwh:z.1f}",
        f"{1e3 * row.decision_s:.3f}",
        f"{100 * row.worst_gap_frac:z.0f} (#{row.worst_episode})",
    )


def _figure_cells(row: Row) -> tuple[str, ...]:
    """The texts of a row of the table of figures."""
    found = row.figures
    digits = 0 if row.cost.mean >= 100 else 3
    costs = [f"{cost:z,.{digits}f}" for cost in (found.operating_cost, found.settlement)]
    return (
        row.name,
        *costs,
        f"{found.renewable_curtailed_mwh:z.1f}",
        "-" if found.renewable_frac is None else f"{100 * found.renewable_frac:.1f}",
        f"{found.co2_t:,.1f}",
        "-" if found.store_cycles is None else f"{found.store_cycles:.2f}",
        "-" if found.store_cycles is None else f"{found.store_loss_mwh:z.1f}",
    )


def _spread(figure: Interval, digits: int | None = None) -> str:
    values = figure.mean, figure.low, figure.high
    mean, low, high = (f"{v:z,.{(0 if abs(v) >= 100 else 1) if digits is None else digits}f}" for v in values)
    return f"{mean} [{low}, {high}]"
