"""One step of the grid: a list of named stages, batched and pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grid.arrays import GridArrays
from grid.namespace import loops, namespace
from grid.physics.balance import Dispatch, balance
from grid.physics.commitment import choose, committed, hours_on, is_asked
from grid.physics.fast import parts, units
from grid.physics.flow import flows
from grid.physics.limits import Limits
from grid.physics.losses import with_losses
from grid.physics.outages import Outages
from grid.physics.protection import Protection, in_lockout
from grid.state import Array, Inputs, Outcome, Setpoint, State, carried

if TYPE_CHECKING:
    from grid.physics.ac import AcFlow, PowerFlow


@dataclass(frozen=True)
class Placed:
    """What units do once supply meets demand in every connected part."""

    done: Dispatch
    injection_mw: Array  # (B, N)
    balancing_mw: Array  # (B,) what the balance moved, shed and spill aside
    clipped_mw: Array  # (B, A) asked minus feasible
    store_mwh: Array  # (B, N) at the end of the step

    @classmethod
    def of(
        cls,
        arrays: GridArrays,
        setpoint: Setpoint,
        plan: Dispatch,
        done: Dispatch,
        load_mw: Array,
        now: Limits,
        dt_h: float,
    ) -> Placed:
        """From what was asked, what of it is feasible, and what is done; (B, N) demand is less what is curtailed."""
        feasible, stored_mwh = clipped(arrays, setpoint, plan), settle(arrays, now.store_mwh, done, dt_h)
        return cls(done, done.injection_mw(load_mw), moved(arrays, plan, done), feasible, stored_mwh)


@dataclass(frozen=True)
class Run:
    """The balanced grid with some lines out."""

    placed: Placed
    flow_mw: Array  # (B, E)
    outages: Outages | None
    power_flow: PowerFlow | None = None  # of AC
    collapsed: np.ndarray | None = None  # (B, N) in AC, whether the part of the node has

    @property
    def loading_mw(self) -> Array:
        """(B, E) what capacities limit."""
        return carried(self.flow_mw, None if self.power_flow is None else self.power_flow.line_mva)


def initial_state(arrays: GridArrays, batch_size: int, protection: Protection | None = None) -> State:
    """State before the first of an episode's steps: stores at store_init_mwh, no previous output, cold lines."""
    zeros = np.zeros((batch_size, len(arrays.node_names)))
    cold = None if protection is None else np.zeros((batch_size, len(arrays.line_names)))
    on_h = zeros + arrays.initial_on_h if arrays.stoppable.shape[0] else None
    return State(zeros + arrays.store_init_mwh, zeros, np.zeros(batch_size, dtype=int), cold, cold, on_h)


def step(
    arrays: GridArrays,
    state: State,
    setpoint: Setpoint,
    inputs: Inputs,
    limits_now: Limits | None = None,
    protection: Protection | None = None,
    ac: AcFlow | None = None,
) -> tuple[State, Outcome]:
    """Run the grid for one step.

    Args:
        arrays: the grid.
        state: (B, ...) where it stands.
        setpoint: (B, N) what is asked; anything outside the limits is cut to them before it acts. Of plants that may
            stop, less than half the least output asks for that.
        inputs: (B, N) demand and availability, and the lines that are out.
        limits_now: ``limits(arrays, state, inputs)``, where the caller has them already.
        protection: the lines' relays, which ``initial_state`` was given, too; None: overloaded lines stay in service.
        ac: ``ac_flow(arrays)``, for AC power flow on numpy arrays; None: DC.

    Returns:
        The next state, and what happened.
    """
    now = limits(arrays, state, inputs) if limits_now is None else limits_now
    of_starts: dict[str, Array] = {}
    on_h = None
    if now.choice is not None:
        now = committed(now, is_asked(arrays, setpoint))
        on_h, of_starts = _starts(arrays, state, now.on, inputs.dt_h)
    ran = run(arrays, setpoint, inputs, now, now.outages, ac)
    heat = lockout_h = tripped = None
    if protection is not None:
        ran, trips = cascade(arrays, setpoint, inputs, now, ran, state.heat, protection, ac)
        heat, lockout_h = protection.settle(state, trips, _loading_frac(arrays, ran.loading_mw), inputs.dt_h)
        tripped = trips | in_lockout(state)
    placed = ran.placed
    done = placed.done
    outcome = Outcome(
        **vars(done),
        injection_mw=placed.injection_mw,
        served_mw=inputs.load_mw - done.curtailed_mw - done.shed_mw,
        flow_mw=ran.flow_mw,
        balancing_mw=placed.balancing_mw,
        clipped_mw=placed.clipped_mw,
        in_service=None if ran.outages is None else ran.outages.in_service,
        tripped=tripped,
        **_of_ac(ran),
        **of_starts,
    )
    return State(placed.store_mwh, done.gen_mw, state.t + 1, heat, lockout_h, on_h), outcome


def _starts(arrays: GridArrays, state: State, is_on: Array, dt_h: float) -> tuple[Array, dict[str, Array]]:
    """(B, N) hours on after the step, and what an outcome says of plants that start and stop."""
    xp, none = namespace(state.store_mwh), 0.0 * state.store_mwh
    is_own = state.on_h < xp.inf
    starts = xp.where(is_on & (state.on_h < 0), none + 1.0 / dt_h, none)
    on = xp.where(is_on & is_own, none + 1.0, none)
    return hours_on(state.on_h, is_on, dt_h), {"on": on, "starts_per_h": starts}


def limits(arrays: GridArrays, state: State, inputs: Inputs) -> Limits:
    """Stage 1: what the units and lines can do, computed before anything acts.

    Availability wins over minimum and ramp. A line is out while its outage or its lockout lasts. Where plants may start
    and stop, the limits are those of either choice; ``committed`` are those of one.
    """
    now = _limits_of_all_on(arrays, state, inputs)
    return choose(arrays, state, inputs, now) if arrays.stoppable.shape[0] else now


def _limits_of_all_on(arrays: GridArrays, state: State, inputs: Inputs) -> Limits:
    dt_h = inputs.dt_h
    compiled = loops(state.store_mwh, __package__)
    if compiled is not None:
        of_state, of_inputs = (state.t, state.gen_mw, state.store_mwh), (inputs.gen_avail_frac, inputs.load_mw)
        mw = compiled.limits(*of_state, *of_inputs, units(arrays, dt_h), dt_h)
        return Limits(mw[0], mw[1], mw[2], mw[3], mw[4], _outages(arrays, state, inputs))
    xp = namespace(state.store_mwh)
    free = xp.where(state.t > 0, 0.0, xp.inf)[:, None]
    rise = state.gen_mw + (arrays.gen_ramp_mw_per_h * dt_h + free)
    fall = state.gen_mw - (arrays.gen_ramp_down_mw_per_h * dt_h + free)
    hi = xp.minimum(arrays.offered_mw(inputs.gen_avail_frac, inputs.load_mw), rise)
    lo = xp.minimum(xp.maximum(arrays.gen_min_mw, fall), hi)
    keep = (1.0 - arrays.store_loss_frac_per_h) ** dt_h
    stored = arrays.store_min_mwh + keep * (state.store_mwh - arrays.store_min_mwh)
    room = xp.maximum(arrays.store_max_mwh - stored, 0.0) / (arrays.charge_eff_frac * dt_h)
    left = xp.maximum(stored - arrays.store_min_mwh, 0.0) * arrays.discharge_eff_frac / dt_h
    charge, discharge = xp.minimum(arrays.charge_max_mw, room), xp.minimum(arrays.discharge_max_mw, left)
    return Limits(lo, hi, -charge, discharge, stored, _outages(arrays, state, inputs))


def _outages(arrays: GridArrays, state: State, inputs: Inputs) -> Outages | None:
    if state.lockout_h is None:
        return None if inputs.in_service is None else Outages.of(arrays, inputs.in_service)
    back = ~in_lockout(state)
    return Outages.of(arrays, back if inputs.in_service is None else back & inputs.in_service)


def cut(arrays: GridArrays, setpoint: Setpoint, now: Limits, inputs: Inputs) -> Dispatch:
    """Bring what is asked inside the limits."""
    xp = namespace(setpoint.gen_mw)
    gen = xp.minimum(xp.maximum(setpoint.gen_mw, now.gen_lo_mw), now.gen_hi_mw)
    store = xp.minimum(xp.maximum(setpoint.store_mw, now.store_lo_mw), now.store_hi_mw)
    zero = xp.zeros_like(gen)
    curtailed = zero
    if arrays.flexible.shape[0]:
        is_flexible = arrays.flex_max_frac > 0
        gen, curtailed = xp.where(is_flexible, 0.0, gen), xp.where(is_flexible, gen, 0.0)
    left = inputs.load_mw - curtailed
    shed = zero if setpoint.shed_mw is None else xp.minimum(xp.maximum(setpoint.shed_mw, 0.0), left)
    spill = zero if setpoint.spill_mw is None else xp.minimum(xp.maximum(setpoint.spill_mw, 0.0), gen)
    return Dispatch(gen, xp.maximum(-store, 0.0), xp.maximum(store, 0.0), shed, spill, curtailed)


def run(
    arrays: GridArrays,
    setpoint: Setpoint,
    inputs: Inputs,
    now: Limits,
    outages: Outages | None,
    ac: AcFlow | None = None,
) -> Run:
    """Stages 2 to 4: cut what is asked to the limits, balance it in every connected part, and let it flow."""
    if ac is None:
        placed = place(arrays, setpoint, inputs, now, outages)
        return Run(placed, flows(arrays, placed.injection_mw, outages), outages)
    plan = cut(arrays, setpoint, now, inputs)
    load_mw = inputs.load_mw - plan.curtailed_mw
    done, flow, collapsed = with_losses(arrays, ac, plan, load_mw, *_of_sources(arrays, now), outages)
    placed = Placed.of(arrays, setpoint, plan, done, load_mw, now, inputs.dt_h)
    return Run(placed, flow.from_mw, outages, flow, collapsed)


def place(
    arrays: GridArrays, setpoint: Setpoint, inputs: Inputs, now: Limits, outages: Outages | None = None
) -> Placed:
    """Stages 2 and 3: cut what is asked to the limits, and balance it in every connected part."""
    compiled = loops(inputs.load_mw, __package__)
    if compiled is not None and setpoint.shed_mw is None and setpoint.spill_mw is None:
        within = now.gen_lo_mw, now.gen_hi_mw, now.store_lo_mw, now.store_hi_mw, now.store_mwh
        where = arrays.part, *parts(outages, len(inputs.load_mw))
        of_grid = arrays.controllable, arrays.shed_tiers, units(arrays, inputs.dt_h), inputs.dt_h
        asked = np.ascontiguousarray(setpoint.gen_mw), np.ascontiguousarray(setpoint.store_mw)
        out, moved_mw, clipped_mw = compiled.dispatch(*asked, *within, inputs.load_mw, *where, *of_grid)
        return Placed(Dispatch(*out[:6]), out[6], moved_mw, clipped_mw, out[7])
    plan = cut(arrays, setpoint, now, inputs)
    load_mw = inputs.load_mw - plan.curtailed_mw
    islands = None if outages is None else outages.islands
    done = balance(arrays, plan, load_mw, *_of_sources(arrays, now), islands)
    return Placed.of(arrays, setpoint, plan, done, load_mw, now, inputs.dt_h)


def _of_ac(ran: Run) -> dict[str, Array]:
    """What an outcome says of AC power flow."""
    flow, collapsed = ran.power_flow, ran.collapsed
    if flow is None or collapsed is None:
        return {}
    names = ("voltage_pu", "voltage_off_pu", "line_mva", "loss_mw")
    return {name: getattr(flow, name) for name in names} | {"collapsed": collapsed.any(1)}


def _of_sources(arrays: GridArrays, now: Limits) -> tuple[Array, Array]:
    """(B, N) limits of output: the balance does not cut flexible demand, it sheds."""
    if not arrays.flexible.shape[0]:
        return now.gen_lo_mw, now.gen_hi_mw
    xp = namespace(now.gen_hi_mw)
    is_flexible = arrays.flex_max_frac > 0
    return xp.where(is_flexible, 0.0, now.gen_lo_mw), xp.where(is_flexible, 0.0, now.gen_hi_mw)


def cascade(
    arrays: GridArrays,
    setpoint: Setpoint,
    inputs: Inputs,
    now: Limits,
    ran: Run,
    heat: Array,
    protection: Protection,
    ac: AcFlow | None = None,
) -> tuple[Run, Array]:
    """Stage 5: trip lines and run the same setpoint again, until none trips or the rounds are over.

    Returns:
        The last run, and which lines tripped (B, E).
    """
    tripped = np.zeros(ran.flow_mw.shape, dtype=bool)
    for _ in range(protection.rounds):
        trips = protection.trips(heat, _loading_frac(arrays, ran.loading_mw), inputs.dt_h)
        in_service = trips | True if ran.outages is None else ran.outages.in_service
        trips = trips & in_service
        if not trips.any():
            break
        tripped |= trips
        ran = run(arrays, setpoint, inputs, now, Outages.of(arrays, in_service & ~trips), ac)
    return ran, tripped


def _loading_frac(arrays: GridArrays, loading_mw: Array) -> Array:
    return np.abs(loading_mw) / arrays.capacity_mw


def settle(arrays: GridArrays, stored_mwh: Array, done: Dispatch, dt_h: float) -> Array:
    """(B, N) stored energy after charging or discharging."""
    gain = arrays.charge_eff_frac * done.charge_mw - done.discharge_mw / arrays.discharge_eff_frac
    return stored_mwh + gain * dt_h


def moved(arrays: GridArrays, plan: Dispatch, done: Dispatch) -> Array:
    """(B,) what the balance stage moved, shed and spill aside."""
    xp = namespace(plan.gen_mw)
    stores = (plan.charge_mw - done.charge_mw) + (plan.discharge_mw - done.discharge_mw)
    return (xp.abs(done.gen_mw - plan.gen_mw) + stores) @ arrays.each_node


def clipped(arrays: GridArrays, setpoint: Setpoint, plan: Dispatch) -> Array:
    """(B, A) asked minus feasible, at the controllable nodes."""
    asked = setpoint.gen_mw + setpoint.store_mw
    feasible = plan.gen_mw + plan.curtailed_mw + plan.discharge_mw - plan.charge_mw
    return (asked - feasible)[:, arrays.controllable]
