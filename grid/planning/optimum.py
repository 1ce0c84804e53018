"""The optimum of an episode under perfect foresight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices, settlement, step_costs, store_value_per_mwh
from grid.physics import committed, hours_on, limits
from grid.planning.programme import Programme, Solution
from grid.planning.starts import GAP_FRAC, TIME_S, programme_of
from grid.state import Inputs, Outcome, State

EXACT_MW = 1e-6  # by which a schedule may miss what the step can do


@dataclass(frozen=True, eq=False)
class Optimum(Solution):
    """The ``Solution`` of an episode with perfect foresight, and what follows from it.

    Symbols: T steps, N nodes, E lines.

    ``cost`` is a lower bound: no policy stays below it. Where plants start and stop, it is that of the best schedule
    found, and ``bound`` is the lower bound. ``cost_terms`` are those of the schedule; they add up to
    ``cost``, but for at most 1e-6 of it, which the tangents below quadratic costs leave out. (Where wear is free, the
    plan still charges 1e-6 a MW discharged and step, so that no energy is lost without need; the bound is as loose.)
    ``exact`` tells whether the step can follow the schedule, so that the bound is reached. It cannot where a store
    charges and discharges at once to lose surplus energy, or where low availability forces a source off its ramp.
    The nodal price is the dual of a node's balance; where all its demand is shed, more of it costs its shed price.
    Only full lines earn a rent; all rents together are what consumers pay less what sources and stores are paid, where
    no phase is shifted.
    """

    status: str  # "optimal", or "reference" in AC
    exact: bool
    cost_terms: dict[str, float]  # keys as grid.costs.TERMS
    store_mw: np.ndarray  # (T, N) discharging +, charging −
    outcome: Outcome | None = None  # of T rows: what happens in AC; None: in DC

    @property
    def gap_frac(self) -> float:
        """How far the bound lies below the cost, relative to it; 0 where all plants are always on."""
        return 0.0 if self.bound is None else (self.cost - self.bound) / max(abs(self.cost), 1e-9)


def optimum(
    arrays: GridArrays,
    inputs: Inputs,
    prices: Prices | None = None,
    store_start_mwh: np.ndarray | None = None,
    gap: float = GAP_FRAC,
    time_s: float = TIME_S,
) -> Optimum:
    """Plan all T steps at once, knowing all inputs: a linear programme that no policy can beat.

    Where plants start and stop it is a mixed-integer one: ``bound`` is what no policy can beat, ``cost`` that of the
    best schedule found.

    It has the costs, limits and inputs of ``physics.step`` with overloads priced. It sheds and spills no more than the
    step may have to (``planning.forced``), but where it likes, and is not bound to reserves; it needs no balancing.

    Args:
        arrays: the grid.
        inputs: demand and available share, (T, N), and lines in service, (T, E).
        prices: absent: the defaults.
        store_start_mwh: (N,) stored energy before the first step; absent: ``store_init_mwh``.
        gap: between cost and bound, relative to the cost, at which the search for whole numbers ends.
        time_s: after which it ends in any case.

    Raises:
        GridError: inputs of the wrong shape or range, or the solver finds no optimum.
    """
    prices = Prices() if prices is None else prices
    programme = programme_of(arrays, len(inputs.load_mw), inputs.dt_h, prices, gap=gap, time_s=time_s)
    programme.set_inputs(inputs, store_start_mwh)
    return finish(programme, inputs)


def finish(programme: Programme, inputs: Inputs) -> Optimum:
    """Solve a programme for the inputs that were set last, and work out what follows from its solution."""
    arrays, prices, plan = programme.whole, programme.prices, programme.solve()
    return Optimum(
        **vars(plan),
        status="optimal",
        exact=can_follow(arrays, plan, inputs),
        cost_terms=terms_of(arrays, prices, plan, inputs),
        store_mw=plan.discharge_mw - plan.charge_mw,
    )


def can_follow(arrays: GridArrays, plan: Solution, inputs: Inputs) -> bool:
    """Whether the step would neither cut the schedule to its limits nor net charge and discharge."""
    on_h = None if plan.on is None else hours_before(arrays, plan.on, inputs.dt_h)
    steps = np.arange(len(plan.gen_mw))
    before = State(plan.store_mwh[:-1], np.roll(plan.gen_mw, 1, axis=0), steps, on_h=on_h)
    now = limits(arrays, before, inputs)
    asked_mw = plan.gen_mw + plan.curtailed_mw
    if plan.on is not None:
        now = committed(now, plan.on)
    store_mw = plan.discharge_mw - plan.charge_mw
    excess = (
        np.minimum(plan.charge_mw, plan.discharge_mw),
        now.gen_lo_mw - asked_mw,
        asked_mw - now.gen_hi_mw,
        now.store_lo_mw - store_mw,
        store_mw - now.store_hi_mw,
    )
    return all(bool((mw <= EXACT_MW).all()) for mw in excess)


def hours_before(arrays: GridArrays, on: np.ndarray, dt_h: float) -> np.ndarray:
    """(T, N) hours on before each step, below 0 off, of a schedule (T, N)."""
    before = [np.asarray(arrays.initial_on_h)]
    for now in on[:-1]:
        before.append(hours_on(before[-1], now, dt_h))
    return np.array(before)


def terms_of(arrays: GridArrays, prices: Prices, plan: Solution, inputs: Inputs) -> dict[str, float]:
    """Cost terms of the schedule, summed over the steps."""
    served_mw = inputs.load_mw - plan.curtailed_mw - plan.shed_mw
    steps = len(served_mw)
    of_starts = {}
    if plan.on is not None:
        is_own, before_h = np.isfinite(arrays.initial_on_h), hours_before(arrays, plan.on, inputs.dt_h)
        starts = plan.on & (before_h < 0)
        of_starts = {"on": (plan.on & is_own).astype(float), "starts_per_h": starts / inputs.dt_h}
    same = ("gen_mw", "shed_mw", "curtailed_mw", "spill_mw", "charge_mw", "discharge_mw", "flow_mw")
    outcome = Outcome(
        **{name: getattr(plan, name) for name in same},
        injection_mw=plan.gen_mw - plan.spill_mw + plan.discharge_mw - plan.charge_mw - served_mw,
        served_mw=served_mw,
        balancing_mw=np.zeros(steps),
        clipped_mw=np.zeros((steps, len(arrays.controllable))),
        **of_starts,
    )
    terms = {name: float(cost.sum()) for name, cost in step_costs(arrays, prices, outcome, inputs.dt_h).items()}
    value = store_value_per_mwh(arrays, prices)
    return {**terms, "settlement": float(settlement(value, plan.store_mwh[0], plan.store_mwh[-1]))}
