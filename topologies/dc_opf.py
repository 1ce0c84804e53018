"""DC optimal power flow of a MATPOWER case in PowerModels' convention, which published tables (PGLib-OPF) use.

It differs from the physics of ``grid``: a branch has the susceptance x / (r² + x²), whatever its tap and shift; limits
of lines and angles are hard; shunt conductances are demand; nothing is shed or spilled, so there may be no solution.
Source: PowerModels.jl, ``DCPPowerModel``, and what its parser corrects (``correct_voltage_angle_differences!``).

Not followed: of parallel branches in opposite directions, PowerModels turns some around, and then multiplies their
impedance by tap². Which ones depends on the order of a hash table. Of PGLib-OPF v23.07 this concerns ``case1803_snem``
alone, by 0.01 %, and by 0.6 % where its load is raised (``__api``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from grid import GridError, connected
from grid.planning import COST_TOLERANCE, CurvedModel, Model, StepBlock, Tangents, add_segments

if TYPE_CHECKING:
    from topologies.formats import Case, Row

# columns of the manual's tables, counted from 0
BUS, BUS_TYPE, PD, GS = 0, 1, 2, 4
GEN_BUS, GEN_STATUS, PMAX, PMIN = 0, 7, 8, 9
FROM, TO, R, X, RATE_A, BR_STATUS, ANGLE_MIN, ANGLE_MAX = 0, 1, 2, 3, 5, 10, 11, 12
MODEL, NCOST, COST = 0, 3, 4
REFERENCE, ISOLATED = 3, 4
WIDEST_DEG = 60.0  # of an angle limit that says nothing: 0 on both sides, or 90° and more


@dataclass(frozen=True, eq=False)
class DcOpf:
    """The cheapest dispatch of one step. Symbols: N buses, G generators, E branches, in the order of the file."""

    cost: float  # per hour, constant costs of generators in service included
    buses: tuple[str, ...]  # (N,)
    branches: tuple[str, ...]  # (E,) "from-to"
    gen_mw: np.ndarray  # (G,) 0 where out of service
    flow_mw: np.ndarray  # (E,) positive from the from end; 0 where out of service
    rate_mw: np.ndarray  # (E,) inf: unlimited
    angle_deg: np.ndarray  # (N,)
    nodal_price_per_mwh: np.ndarray  # (N,)
    line_rent: np.ndarray  # (E,) flow times what one more MW of rate would save


def dc_opf(path: str | Path) -> DcOpf:
    """Solve one case file (``.m``).

    Raises:
        GridError: a table that cannot be read or solved, with its line, or no dispatch that keeps all limits.
    """
    from topologies.formats import parse_matpower

    return _Problem(parse_matpower(Path(path))).solve()


class _Problem:
    def __init__(self, case: Case) -> None:
        self.path, self.case, self.step = case.path, case, StepBlock()
        self.number, self.fail = case.number, case.fail
        beyond = [name for name in ("dcline", "storage") if name in case.ignored]
        if beyond:
            mend = "remove the table, or solve the case with PowerModels itself"
            raise GridError(str(self.path), f"the table mpc.{beyond[0]}", "buses, generators and AC branches", mend)
        for table, column, line in case.not_run:
            if column in ("BR_R", "ANGMIN", "ANGMAX"):  # which this convention reads
                mend = "write the case with MATPOWER's savecase and give that file"
                found = f"code that sets mpc.{table} {column}"
                raise GridError(f"{self.path}, line {line}", found, "tables of numbers; code is not run", mend)
        self.constant = 0.0
        self._add_buses()
        self._add_branches()
        self._add_generators()

    def bus(self, row: Row, table: str, column: int) -> int:
        value = row.cells[column]
        if value not in self.bus_of:
            raise self.fail(row, table, f"bus {value:g}", "a bus of mpc.bus")
        return self.bus_of[value]

    def _add_buses(self) -> None:
        rows = self.case.tables["bus"]
        self.bus_of = {row.cells[BUS]: i for i, row in enumerate(rows)}
        if len(self.bus_of) < len(rows):
            twice = next(row for i, row in enumerate(rows) if self.bus_of[row.cells[BUS]] != i)
            raise self.fail(twice, "bus", f"bus {twice.cells[BUS]:g} twice", "each bus once")
        self.live = np.array([row.cells[BUS_TYPE] != ISOLATED for row in rows])
        unit_mw = self.case.load_unit_mw
        demand = [self.number(row, "bus", PD, "Pd") * unit_mw + self.number(row, "bus", GS, "Gs") for row in rows]
        self.demand_mw = np.where(self.live, demand, 0.0)
        free = np.where([row.cells[BUS_TYPE] == REFERENCE for row in rows], 0.0, inf)
        self.angles = self.step.add_columns("angle", len(rows), low=-free, high=free)  # in radians, times base_mva
        self.step.add_rows("balance", len(rows), self.demand_mw, self.demand_mw)

    def _add_branches(self) -> None:
        rows = self.case.tables["branch"]
        ends = np.array([[self.bus(row, "branch", column) for column in (FROM, TO)] for row in rows])
        status = np.array([row.cells[BR_STATUS] > 0 for row in rows])
        self.on = on = np.flatnonzero(status & self.live[ends].all(axis=1))
        self.suscept = suscept = np.array([self._susceptance(rows[i]) for i in on])
        self.ends = ends = ends[on].T
        limits = np.array([self._angle_limits(rows[i]) for i in on]).reshape(-1, 2).T * self.case.base_mva
        rate = np.array([self._rate(row) for row in rows])
        self.rate_mw = np.where(rate == 0, inf, rate)
        for end, sign in zip(ends, (1.0, -1.0), strict=True):
            self.step.put(end, self.angles[ends[0]], -sign * suscept)
            self.step.put(end, self.angles[ends[1]], sign * suscept)
        rated = np.flatnonzero(np.isfinite(self.rate_mw[on]))
        most = self.rate_mw[on][rated]
        for name, who, low, high, weight in (
            ("rate", rated, -most, most, suscept[rated]),
            ("angle", np.arange(len(on)), *limits, np.ones(len(on))),
        ):
            row = self.step.add_rows(name, len(who), low, high)
            self.step.put(row, self.angles[ends[0][who]], weight)
            self.step.put(row, self.angles[ends[1][who]], -weight)

    def _rate(self, row: Row) -> float:
        rate = self.number(row, "branch", RATE_A, "rateA")
        if rate < 0:
            raise self.fail(row, "branch", f"rateA {rate:g}", "a number >= 0, of which 0 is no limit")
        return rate

    def _susceptance(self, row: Row) -> float:
        r, x = self.number(row, "branch", R, "r"), self.number(row, "branch", X, "x")
        if not r and not x:
            raise self.fail(row, "branch", "r and x of 0", "an impedance")
        return x / (r * r + x * x) / self.case.pu_per_ohm

    def _angle_limits(self, row: Row) -> tuple[float, float]:
        """Least and largest angle across a branch, in radians."""
        given = row.cells[ANGLE_MIN : ANGLE_MAX + 1]
        low, high = given if len(given) == 2 else (0.0, 0.0)
        if low == 0 and high == 0:
            low, high = -WIDEST_DEG, WIDEST_DEG
        low = -WIDEST_DEG if low <= -90 else low
        high = WIDEST_DEG if high >= 90 else high
        if not low <= high:
            raise self.fail(row, "branch", f"angmin {low:g} and angmax {high:g}", "angmin <= angmax")
        return float(np.deg2rad(low)), float(np.deg2rad(high))

    def _add_generators(self) -> None:
        gens, costs = self.case.tables["gen"], self.case.tables["gencost"]
        if len(costs) not in (len(gens), 2 * len(gens)):
            found = f"{len(costs)} rows of mpc.gencost"
            raise GridError(
                str(self.path), found, f"{len(gens)}, one a generator (or twice that)", "add or remove rows"
            )
        bus = np.array([self.bus(row, "gen", GEN_BUS) for row in gens], dtype=int)
        running = np.array([row.cells[GEN_STATUS] > 0 for row in gens], dtype=bool)
        self.running = on = np.flatnonzero(running & self.live[bus])
        ample_mw = float(np.abs(self.demand_mw).sum())
        limits = np.array([[gens[i].cells[PMIN], gens[i].cells[PMAX]] for i in on]).reshape(-1, 2)
        for i, (low, high) in zip(on, limits, strict=True):
            if not low <= high:
                raise self.fail(gens[i], "gen", f"Pmin {low:g} and Pmax {high:g}", "Pmin <= Pmax")
        ample_mw += float(np.abs(limits[np.isfinite(limits)]).sum())
        self.gen_bus = bus[on]
        self.low_mw, self.high_mw = np.clip(limits, -ample_mw, ample_mw).T
        # output above its minimum: the tangents start there
        polynomials = [self._polynomial(costs[i]) for i in on]
        square, linear, constant = np.array(polynomials, dtype=float).reshape(-1, 3).T
        self.constant = float((square * self.low_mw**2 + linear * self.low_mw + constant).sum())
        width_mw = self.high_mw - self.low_mw
        slope = linear + 2.0 * square * self.low_mw
        self.outputs = self.step.add_columns("gen", len(on), slope, high=width_mw)
        self.step.put(bus[on], self.outputs, 1.0)
        self._pushed = np.bincount(bus[on], self.low_mw, len(self.live))  # demand that the minima meet
        curved = (square > 0) & (width_mw > 0)
        self.curved, self.tangents = self.outputs[curved], Tangents(square[curved], width_mw[curved], 1)
        add_segments(self.step, self.curved)
        self._add_pieces([(k, costs[i]) for k, i in enumerate(on) if costs[i].cells[MODEL] == 1])

    def _values(self, row: Row, each: int) -> list[float]:
        count = row.cells[NCOST]
        values = row.cells[COST : COST + each * int(count)] if 1 <= count < 1000 else []
        if not values or len(values) != each * count or not np.isfinite(values).all():
            found = f"NCOST {count:g} and {len(row.cells) - COST} values"
            raise self.fail(row, "gencost", found, "NCOST coefficients or points, all finite")
        return values

    def _polynomial(self, row: Row) -> tuple[float, float, float]:
        """Quadratic, linear and constant cost; 0 where the cost is piecewise linear."""
        if row.cells[MODEL] == 1:
            return 0.0, 0.0, 0.0
        if row.cells[MODEL] != 2:
            raise self.fail(row, "gencost", f"model {row.cells[MODEL]:g}", "1 (piecewise linear) or 2 (polynomial)")
        *high_order, square, linear, constant = [0.0, 0.0, 0.0, *self._values(row, 1)]
        if any(high_order) or square < 0:
            raise self.fail(row, "gencost", "a polynomial that is not convex or above degree 2", "a convex quadratic")
        return square, linear, constant

    def _add_pieces(self, rows: list[tuple[int, Row]]) -> None:
        """Costs that are at least each straight line through two neighbouring points."""
        pieces = self.step.add_columns("pieces", len(rows), 1.0, low=-inf)
        for piece, (k, row) in zip(pieces, rows, strict=True):
            mw, cost = np.array(self._values(row, 2)).reshape(-1, 2).T
            slope = np.diff(cost) / np.where(np.diff(mw) > 0, np.diff(mw), np.nan)
            if not slope.size or np.isnan(slope).any() or (np.diff(slope) < -1e-9 * np.abs(slope).max()).any():
                raise self.fail(row, "gencost", "points that do not rise convexly", "two or more, in convex order")
            least = cost[:-1] + slope * (self.low_mw[k] - mw[:-1])
            lines = self.step.add_rows(f"pieces of {k}", len(slope), least, inf)
            self.step.put(lines, piece, 1.0)
            self.step.put(lines, self.outputs[k], -slope)

    def _infeasible(self) -> GridError:
        """What is short where sums say it: in a connected part, or at a bus with all lines to it; else the limits."""
        buses, lines = len(self.live), self.rate_mw[self.on]
        part = connected(self.ends[0], self.ends[1], buses)
        names = [f"{row.cells[BUS]:g}" for row in self.case.tables["bus"]]
        reach_mw = sum((np.bincount(end, lines, buses) for end in self.ends), np.zeros(buses))
        whole = [("" if part.max() == 0 else f" in the part of bus {names[at]}", part == part[at], 0.0)
                 for at in np.unique(part, return_index=True)[1].tolist()]  # fmt: skip
        each = [(f" at bus {name}", np.arange(buses) == at, reach_mw[at]) for at, name in enumerate(names)]
        allowed = "a dispatch within all limits"
        for place, here, more_mw in (*whole, *each):
            most, least = (float(limit_mw[here[self.gen_bus]].sum()) for limit_mw in (self.high_mw, self.low_mw))
            demand_mw, lines_of = float(self.demand_mw[here].sum()), f" and lines of {more_mw:g} MW" if more_mw else ""
            if most + more_mw < demand_mw * (1 - 1e-9):
                found = f"{most:g} MW of plants{lines_of} for {demand_mw:g} MW of demand{place}"
                return GridError(str(self.path), found, allowed, "raise Pmax, or lower the demand")
            if least > (demand_mw + more_mw) * (1 + 1e-9):
                found = f"least outputs of {least:g} MW for {demand_mw:g} MW of demand{lines_of}{place}"
                return GridError(str(self.path), found, allowed, "lower Pmin, or raise the demand")
        mend = "look for narrow limits of lines or angles; without --convention the hour runs, and shows what is short"
        return GridError(str(self.path), "none, though the plants could meet the demand", allowed, mend)

    def solve(self) -> DcOpf:
        step, balance = self.step, self.step.rows["balance"]
        names = ("cost", "low", "high", "row_low", "row_high")
        cost_of, low, high, row_low, row_high = (step.repeat(name, 1) for name in names)
        for bound in (row_low, row_high):
            bound[0, balance] -= self._pushed
        model = Model(cost_of, (low, high), (row_low, row_high), step.matrix(1))
        curved = CurvedModel(model, step, self.curved, self.tangents, COST_TOLERANCE)
        try:
            cost, x, duals = curved.solve(np.arange(1), self.constant)
        except GridError as error:
            if "Infeasible" not in str(error):
                raise
            raise self._infeasible() from error
        tables = self.case.tables
        gen_mw, flow_mw = np.zeros(len(tables["gen"])), np.zeros(len(tables["branch"]))
        gen_mw[self.running] = self.low_mw + x[self.outputs]
        flow_mw[self.on] = self.suscept * (x[self.angles[self.ends[0]]] - x[self.angles[self.ends[1]]])
        rent = np.zeros(len(flow_mw))
        rated = self.on[np.isfinite(self.rate_mw[self.on])]
        rent[rated] = -duals[step.rows["rate"]] * flow_mw[rated]
        return DcOpf(
            cost=cost,
            buses=tuple(f"{row.cells[BUS]:g}" for row in tables["bus"]),
            branches=tuple(f"{row.cells[FROM]:g}-{row.cells[TO]:g}" for row in tables["branch"]),
            gen_mw=gen_mw,
            flow_mw=flow_mw,
            rate_mw=self.rate_mw,
            angle_deg=np.rad2deg(x[self.angles] / self.case.base_mva),
            nodal_price_per_mwh=duals[balance],
            line_rent=rent,
        )
