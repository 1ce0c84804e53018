"""An oracle: one step of one env as plain loops over nodes and lines, written from the description of the physics."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import isfinite, radians

import numpy as np

from grid.arrays import GridArrays
from grid.physics.protection import Protection

PER_NODE = ("injection_mw", "gen_mw", "served_mw", "shed_mw", "curtailed_mw", "spill_mw", "charge_mw", "discharge_mw")


@dataclass
class SlowLimits:
    """What each node may do in the coming step."""

    gen_lo_mw: list[float] = field(default_factory=list)
    gen_hi_mw: list[float] = field(default_factory=list)
    store_lo_mw: list[float] = field(default_factory=list)
    store_hi_mw: list[float] = field(default_factory=list)
    store_mwh: list[float] = field(default_factory=list)  # after loss


@dataclass
class SlowOutcome:
    """What one step did; the names of grid.state.Outcome, without the batch axis."""

    injection_mw: list[float]
    gen_mw: list[float]
    served_mw: list[float]
    shed_mw: list[float]
    curtailed_mw: list[float]
    spill_mw: list[float]
    charge_mw: list[float]
    discharge_mw: list[float]
    flow_mw: list[float]
    balancing_mw: float
    clipped_mw: list[float]


def slow_limits(
    g: GridArrays,
    store_mwh: list[float],
    gen_mw: list[float],
    t: int,
    avail: list[float],
    load_mw: list[float],
    dt_h: float,
    on_h: list[float] | None = None,
    is_on: list[bool] | None = None,
) -> SlowLimits:
    """Limits before anything acts; of plants that start and stop, once it is decided whether they are on."""
    out = SlowLimits()
    for n in range(len(g.node_names)):
        profiled = g.gen_profile[n] is not None
        hi = g.gen_max_mw[n] * avail[n]
        lo = 0.0 if profiled else g.gen_min_mw[n]
        if t > 0:
            ramp = g.gen_ramp_mw_per_h[n] * dt_h
            hi = min(hi, gen_mw[n] + ramp)
            if not profiled:
                lo = max(lo, gen_mw[n] - ramp)
        if g.flex_max_frac[n] > 0:  # a cut of demand stands for output, and has no ramp
            lo, hi = 0.0, g.flex_max_frac[n] * load_mw[n]
        if on_h is not None and is_on is not None:
            if not is_on[n]:
                lo = hi = 0.0
            elif on_h[n] < 0:  # it starts, whatever it gave before
                hi = min(g.gen_max_mw[n] * avail[n], g.start_ramp_mw[n])
                lo = g.gen_min_mw[n]
        out.gen_hi_mw.append(hi)
        out.gen_lo_mw.append(min(lo, hi))
        low = g.store_min_mwh[n]
        kept = low + (1 - g.store_loss_frac_per_h[n]) ** dt_h * (store_mwh[n] - low)
        room = (g.store_max_mwh[n] - kept) / (g.charge_eff_frac[n] * dt_h)
        stock = (kept - low) * g.discharge_eff_frac[n] / dt_h
        out.store_lo_mw.append(-min(g.charge_max_mw[n], room))
        out.store_hi_mw.append(min(g.discharge_max_mw[n], stock))
        out.store_mwh.append(kept)
    return out


def slow_on(g: GridArrays, on_h: list[float], ask_gen_mw: list[float]) -> list[bool]:
    """Whether each plant is on in the coming step: as asked, but for minimum times."""
    is_on = []
    for n in range(len(g.node_names)):
        wanted = ask_gen_mw[n] > 0 and ask_gen_mw[n] >= 0.5 * g.gen_min_mw[n]
        if n not in g.stoppable or (on_h[n] > 0 and on_h[n] < g.min_up_h[n] - 1e-9):
            wanted = True
        elif on_h[n] < 0 and -on_h[n] < g.min_down_h[n] - 1e-9:
            wanted = False
        is_on.append(wanted)
    return is_on


def parts_of(g: GridArrays, connectors_only: bool = False, out: Collection[int] = ()) -> list[list[int]]:
    """The nodes of each connected part, or of each electrical point, without the lines in ``out``."""
    label = list(range(len(g.node_names)))
    for e in range(len(g.line_names)):
        if e in out or (connectors_only and g.reactance_pu[e] != 0):
            continue
        keep, gone = label[g.line_from[e]], label[g.line_to[e]]
        label = [keep if k == gone else k for k in label]
    return [[n for n, k in enumerate(label) if k == part] for part in sorted(set(label))]


def _share(amounts: dict[int, float], need: float) -> dict[int, float]:
    """Split ``need`` in proportion to ``amounts``, each at most itself."""
    total = sum(amounts.values())
    share = min(1.0, need / total) if total > 0 else 0.0
    return {n: share * amount for n, amount in amounts.items()}


def slow_flows(g: GridArrays, injection_mw: list[float], out: Collection[int] = ()) -> list[float]:
    """DC power flow: angles of the electrical points with one of each part at 0, then connectors from the leaves."""
    points = parts_of(g, True, out)
    point = {n: p for p, nodes in enumerate(points) for n in nodes}
    fixed = {point[nodes[0]] for nodes in parts_of(g, out=out)}
    matrix = np.zeros((len(points), len(points)))
    right = np.zeros(len(points))
    for n, power in enumerate(injection_mw):
        right[point[n]] += power / g.base_mva
    lines = [e for e in range(len(g.line_names)) if e not in out]
    for e in lines:
        if g.reactance_pu[e] == 0:
            continue
        b = 1 / (g.reactance_pu[e] * g.tap[e])
        f, t = point[g.line_from[e]], point[g.line_to[e]]
        shifted = b * radians(g.shift_deg[e])
        matrix[f, f] += b
        matrix[t, t] += b
        matrix[f, t] -= b
        matrix[t, f] -= b
        right[f] += shifted
        right[t] -= shifted
    for p in fixed:
        matrix[p] = 0
        matrix[p, p] = 1
        right[p] = 0
    theta = np.linalg.solve(matrix, right)
    flow = [0.0] * len(g.line_names)
    left = list(injection_mw)
    for e in lines:
        if g.reactance_pu[e] != 0:
            b = 1 / (g.reactance_pu[e] * g.tap[e])
            angle = theta[point[g.line_from[e]]] - theta[point[g.line_to[e]]] - radians(g.shift_deg[e])
            flow[e] = float(g.base_mva * b * angle)
            left[g.line_from[e]] -= flow[e]
            left[g.line_to[e]] += flow[e]
    todo = {e for e in lines if g.reactance_pu[e] == 0}
    while todo:
        for n in range(len(g.node_names)):
            touching = [e for e in todo if n in (g.line_from[e], g.line_to[e])]
            if len(touching) == 1:
                e = touching[0]
                flow[e] = left[n] if g.line_from[e] == n else -left[n]
                left[g.line_from[e]] -= flow[e]
                left[g.line_to[e]] += flow[e]
                todo.remove(e)
    return flow


def _balance(
    g: GridArrays,
    nodes: list[int],
    lim: SlowLimits,
    load_mw: list[float],
    gen: list[float],
    charge: list[float],
    discharge: list[float],
    shed: list[float],
    spill: list[float],
) -> float:
    """Balance one connected part in place; return the MW that units and stores were moved by."""
    moved = 0.0
    surplus = sum(gen[n] - spill[n] + discharge[n] - charge[n] - load_mw[n] + shed[n] for n in nodes)
    short = -surplus
    if short > 0:
        reserve = {n: (lim.gen_hi_mw[n] - gen[n]) * g.gen_reserve_frac[n] for n in nodes if g.gen_max_mw[n] > 0}
        for amounts, sign, unit in ((reserve, 1, gen), ({n: charge[n] for n in nodes}, -1, charge)):
            for n, change in _share(amounts, short).items():
                unit[n] += sign * change
                moved += change
            short = -surplus - moved
        for price in sorted({float(g.shed_cost_per_mwh[n]) for n in nodes}):
            cut = _share({n: load_mw[n] - shed[n] for n in nodes if g.shed_cost_per_mwh[n] == price}, short)
            for n, change in cut.items():
                shed[n] += change
            short -= sum(cut.values())
    elif surplus > 0:
        # output that is planned to be spilled cannot be taken back as well
        room = {n: min(gen[n] - lim.gen_lo_mw[n], gen[n] - spill[n]) for n in nodes}
        for amounts, unit in ((room, gen), ({n: discharge[n] for n in nodes}, discharge)):
            for n, change in _share(amounts, surplus - moved).items():
                unit[n] -= change
                moved += change
        for n, change in _share({n: gen[n] - spill[n] for n in nodes}, surplus - moved).items():
            spill[n] += change
    return moved


def slow_step(
    g: GridArrays,
    store_mwh: list[float],
    gen_mw: list[float],
    t: int,
    ask_gen_mw: list[float],
    ask_store_mw: list[float],
    avail: list[float],
    load_mw: list[float],
    dt_h: float,
    plan_shed_mw: list[float] | None = None,
    plan_spill_mw: list[float] | None = None,
    out: Collection[int] = (),
    on_h: list[float] | None = None,
) -> tuple[list[float], list[float], SlowOutcome, SlowLimits]:
    """One step of one env: (store_mwh, gen_mw, outcome, limits)."""
    count = len(g.node_names)
    is_on = None if on_h is None else slow_on(g, on_h, ask_gen_mw)
    lim = slow_limits(g, store_mwh, gen_mw, t, avail, load_mw, dt_h, on_h, is_on)
    gen, charge, discharge, shed, spill, curtailed = ([0.0] * count for _ in range(6))
    clipped = []
    for n in range(count):
        gen[n] = min(max(ask_gen_mw[n], lim.gen_lo_mw[n]), lim.gen_hi_mw[n])
        if g.flex_max_frac[n] > 0:
            gen[n], curtailed[n] = 0.0, gen[n]
        power = min(max(ask_store_mw[n], lim.store_lo_mw[n]), lim.store_hi_mw[n])
        charge[n], discharge[n] = max(-power, 0.0), max(power, 0.0)
        if plan_shed_mw is not None:
            shed[n] = min(max(plan_shed_mw[n], 0.0), load_mw[n] - curtailed[n])
        if plan_spill_mw is not None:
            spill[n] = min(max(plan_spill_mw[n], 0.0), gen[n])
        if n in g.controllable:
            clipped.append(ask_gen_mw[n] - gen[n] - curtailed[n] + ask_store_mw[n] - power)

    load_mw = [load_mw[n] - curtailed[n] for n in range(count)]
    moved = sum(_balance(g, nodes, lim, load_mw, gen, charge, discharge, shed, spill) for nodes in parts_of(g, out=out))
    injection = [gen[n] - spill[n] + discharge[n] - charge[n] - load_mw[n] + shed[n] for n in range(count)]
    end = [
        lim.store_mwh[n] + g.charge_eff_frac[n] * charge[n] * dt_h - discharge[n] * dt_h / g.discharge_eff_frac[n]
        for n in range(count)
    ]
    outcome = SlowOutcome(
        injection_mw=injection,
        gen_mw=gen,
        served_mw=[load_mw[n] - shed[n] for n in range(count)],
        shed_mw=shed,
        curtailed_mw=curtailed,
        spill_mw=spill,
        charge_mw=charge,
        discharge_mw=discharge,
        flow_mw=slow_flows(g, injection, out),
        balancing_mw=moved,
        clipped_mw=clipped,
    )
    return end, gen, outcome, lim


@dataclass
class SlowRelays:
    """What the relays of the lines remember."""

    heat: list[float]
    lockout_h: list[float]


def slow_relays(
    g: GridArrays,
    rule: Protection,
    relays: SlowRelays,
    out: Collection[int],
    dt_h: float,
    flows_without: Callable[[Collection[int]], list[float]],
) -> tuple[SlowRelays, set[int], set[int]]:
    """Trip lines round by round: the relays after the step, the lines that tripped, and all that are out at its end.

    ``flows_without`` runs the step without some lines and gives its flows.
    """

    def heated(e: int, loading: float) -> float:
        if rule.heat_rule == "count":
            return relays.heat[e] + 1 if loading > 1 else 0.0
        return max(0.0, relays.heat[e] + dt_h * (loading * loading - 1))

    lines = range(len(g.line_names))
    gone = {e for e in lines if e in out or relays.lockout_h[e] > 1e-9}
    tripped: set[int] = set()
    flow = flows_without(gone)
    for _ in range(rule.rounds):
        now = set()
        for e in lines:
            loading = abs(flow[e]) / g.capacity_mw[e]
            if e not in gone and (loading > rule.trip_at_frac or heated(e, loading) > rule.heat_limit):
                now.add(e)
        if not now:
            break
        tripped |= now
        gone |= now
        flow = flows_without(gone)
    after = SlowRelays([], [])
    for e in lines:
        after.heat.append(heated(e, abs(flow[e]) / g.capacity_mw[e]))
        after.lockout_h.append(rule.lockout_h if e in tripped else max(0.0, relays.lockout_h[e] - dt_h))
    return after, tripped, gone


def slow_cost(g: GridArrays, o: SlowOutcome, dt_h: float, co2_per_t: float = 0.0) -> dict[str, float]:
    """Cost terms of one step at the default prices, the settlement aside."""
    nodes = range(len(g.node_names))
    over = 0.0
    for e, flow in enumerate(o.flow_mw):
        if isfinite(g.capacity_mw[e]):
            over += max(0.0, abs(flow) - g.capacity_mw[e])
    return {
        "generation": dt_h
        * sum(g.gen_cost_per_mwh[n] * o.gen_mw[n] + g.gen_cost_per_mw2h[n] * o.gen_mw[n] ** 2 for n in nodes),
        "shed": dt_h * sum(g.shed_cost_per_mwh[n] * o.shed_mw[n] for n in nodes),
        "curtailment": dt_h * sum(g.flex_cost_per_mwh[n] * o.curtailed_mw[n] for n in nodes),
        "overload": dt_h * 300 * over,
        "trips": 0.0,
        "spill": dt_h * 10 * sum(o.spill_mw),
        "balancing": dt_h * 2 * o.balancing_mw,
        "wear": dt_h * sum(o.discharge_mw),
        "co2": dt_h * co2_per_t * sum(g.co2_t_per_mwh[n] * o.gen_mw[n] for n in nodes),
    }


def slow_walk(arrays, w, i, **rest):
    """``slow_step`` of row i of a step of ``walk``."""
    plan = (w.setpoint.shed_mw, w.setpoint.spill_mw)
    return slow_step(
        arrays,
        w.before.store_mwh[i].tolist(),
        w.before.gen_mw[i].tolist(),
        int(w.before.t[i]),
        w.setpoint.gen_mw[i].tolist(),
        w.setpoint.store_mw[i].tolist(),
        w.inputs.gen_avail_frac[i].tolist(),
        w.inputs.load_mw[i].tolist(),
        w.inputs.dt_h,
        *(None if p is None else p[i].tolist() for p in plan),
        **rest,
    )
