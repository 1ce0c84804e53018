"""The loops of a step, compiled: what units can do and what they do, one row of the batch after the other.

``grid.physics.step`` and ``grid.physics.balance`` say the same with arrays, for torch tensors and where numba is
missing; tests hold the two equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grid.jit import Array, compiled_exactly
from grid.physics.fast import Units

TINY_MW = 1e-30  # as in grid.physics.balance


@compiled_exactly
def _units(u: Array) -> Units:
    """Of a grid, by their names."""
    return Units(u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12])


@compiled_exactly
def limits(
    t: Array, gen_mw: Array, store_mwh: Array, avail_frac: Array, load_mw: Array, table: Array, dt_h: float
) -> Array:
    """(5, B, N) limits of the units, as ``grid.physics.step.Limits`` has them.

    Args:
        t: (B,) steps done.
        gen_mw: (B, N) output of the last step.
        store_mwh: (B, N).
        avail_frac: (B, N).
        load_mw: (B, N).
        table: (U, N) the grid's units.
        dt_h: length of the step.
    """
    shape, of = gen_mw.shape, _units(table)
    out = np.empty((5, shape[0], shape[1]))
    lo, hi, store_lo, store_hi, stored = out[0], out[1], out[2], out[3], out[4]
    for row in range(shape[0]):
        free = 0.0 if t[row] > 0 else np.inf
        for n in range(shape[1]):
            rise, fall = of.gen_ramp_mw_per_h[n] * dt_h + free, of.gen_ramp_down_mw_per_h[n] * dt_h + free
            highest = of.gen_max_mw[n] * avail_frac[row, n] + of.flex_max_frac[n] * load_mw[row, n]
            highest = min(highest, gen_mw[row, n] + rise)
            lo[row, n] = min(max(of.gen_min_mw[n], gen_mw[row, n] - fall), highest)
            hi[row, n] = highest
            least = of.store_min_mwh[n]
            left = least + of.keep_frac[n] * (store_mwh[row, n] - least)
            stored[row, n] = left
            room_mw = max(of.store_max_mwh[n] - left, 0.0) / (of.charge_eff_frac[n] * dt_h)
            store_lo[row, n] = -min(of.charge_max_mw[n], room_mw)
            left_mw = max(left - least, 0.0) * of.discharge_eff_frac[n] / dt_h
            store_hi[row, n] = min(of.discharge_max_mw[n], left_mw)
    return out


@compiled_exactly
def _take(room: Array, nodes: Array, wanted_mw: float, given: Array, sign: float) -> float:
    """Take what is wanted pro rata from the room (N,) that nodes have; add it to ``given``, and return its sum."""
    total = 0.0
    for n in nodes:
        total += max(room[n], 0.0)
    taken = min(wanted_mw, total)
    part = taken / max(total, TINY_MW)
    for n in nodes:
        given[n] += sign * max(room[n], 0.0) * part
    return taken


class Part(NamedTuple):
    """What the nodes of a connected part do, (N,) each, and what they could."""

    gen: Array
    charge: Array
    discharge: Array
    shed: Array
    spill: Array
    load_mw: Array
    lo: Array
    hi: Array
    room: Array  # in work


@compiled_exactly
def _raise(nodes: Array, short_mw: float, do: Part, reserve: Array, tiers: Array) -> float:
    """Close a shortage in place; return what is moved, shed demand aside."""
    for n in nodes:
        do.room[n] = (do.hi[n] - do.gen[n]) * reserve[n]
    moved = _take(do.room, nodes, short_mw, do.gen, 1.0)
    short_mw -= moved
    if short_mw > 0:
        do.room[:] = do.charge
        uncharged = _take(do.room, nodes, short_mw, do.charge, -1.0)
        moved += uncharged
        short_mw -= uncharged
    for k in range(tiers.shape[0]):
        if short_mw > 0:
            for n in nodes:
                do.room[n] = do.load_mw[n] * tiers[k, n]
            short_mw -= _take(do.room, nodes, short_mw, do.shed, 1.0)
    return moved


@compiled_exactly
def _lower(nodes: Array, over_mw: float, do: Part) -> float:
    """Close a surplus in place; return what is moved, spill aside."""
    for n in nodes:
        do.room[n] = min(do.gen[n] - do.lo[n], do.gen[n])
    moved = _take(do.room, nodes, over_mw, do.gen, -1.0)
    over_mw -= moved
    if over_mw > 0:
        do.room[:] = do.discharge
        held = _take(do.room, nodes, over_mw, do.discharge, -1.0)
        moved += held
        over_mw -= held
    if over_mw > 0:
        _take(do.gen, nodes, over_mw, do.spill, 1.0)
    return moved


@compiled_exactly
def _by_part(part: Array, order: Array, ends: Array) -> None:
    """Sort nodes (N,) by their part, whose numbers have no gaps; write where each part ends, 0 where there is none."""
    first = part.min()
    parts = part.max() - first + 1
    ends[:] = 0
    for n in range(part.shape[0]):
        ends[part[n] - first] += 1
    for p in range(1, parts):
        ends[p] += ends[p - 1]
    for n in range(part.shape[0] - 1, -1, -1):
        ends[part[n] - first] -= 1
        order[ends[part[n] - first]] = n
    for p in range(1, parts):
        ends[p - 1] = ends[p]
    ends[parts - 1] = part.shape[0]


@compiled_exactly
def dispatch(
    gen_mw: Array, store_mw: Array, gen_lo_mw: Array, gen_hi_mw: Array, store_lo_mw: Array, store_hi_mw: Array,
    store_mwh: Array, load_mw: Array, part: Array, split: Array, cell: Array, controllable: Array, tiers: Array,
    table: Array, dt_h: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Cut what is asked to the limits and balance it, in every connected part.

    Args:
        gen_mw: (B, N) asked, and so store_mw.
        gen_lo_mw: (B, N) as ``grid.physics.step.Limits`` has it, and so gen_hi_mw, store_lo_mw, store_hi_mw, store_mwh.
        load_mw: (B, N).
        part: (N,) of the nodes.
        split: (B,) row in ``cell`` of the envs whose grid has split, -1 of the others; empty where none has.
        cell: (b, N) their parts.
        controllable: (A,) nodes.
        tiers: (K, N) demand by its price.
        table: (U, N) the grid's units.
        dt_h: length of the step.

    Returns:
        (8, B, N) output, charging, discharging, shed demand, spill, cuts, injection and stored energy; (B,) what was
        moved; (B, A) asked minus feasible.
    """
    size, count = load_mw.shape
    of = _units(table)
    out, moved, clipped = np.empty((8, size, count)), np.empty(size), np.empty((size, controllable.shape[0]))
    order, ends, own_order, own_ends = (
        np.empty(count, np.intp), np.empty(count, np.intp), np.empty(count, np.intp), np.empty(count, np.intp)
    )  # fmt: skip
    _by_part(part, order, ends)
    served, lo, hi, room = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    for row in range(size):
        do = Part(out[0, row], out[1, row], out[2, row], out[3, row], out[4, row], served, lo, hi, room)
        curtailed, injection, store = out[5, row], out[6, row], out[7, row]
        for n in range(count):
            plan = min(max(gen_mw[row, n], gen_lo_mw[row, n]), gen_hi_mw[row, n])
            give = min(max(store_mw[row, n], store_lo_mw[row, n]), store_hi_mw[row, n])
            room[n] = gen_mw[row, n] + store_mw[row, n] - (plan + give)
            is_cut = of.flex_max_frac[n] > 0
            curtailed[n], do.gen[n] = plan if is_cut else 0.0, 0.0 if is_cut else plan
            do.charge[n], do.discharge[n] = max(-give, 0.0), max(give, 0.0)
        for n in range(count):
            is_cut = of.flex_max_frac[n] > 0
            lo[n], hi[n] = 0.0 if is_cut else gen_lo_mw[row, n], 0.0 if is_cut else gen_hi_mw[row, n]
            served[n] = load_mw[row, n] - curtailed[n]
            do.shed[n], do.spill[n] = 0.0, 0.0
        for k in range(controllable.shape[0]):
            clipped[row, k] = room[controllable[k]]
        if split.shape[0] and split[row] >= 0:
            _by_part(cell[split[row]], own_order, own_ends)
            moved[row] = _balance(own_order, own_ends, do, of.gen_reserve_frac, tiers)
        else:
            moved[row] = _balance(order, ends, do, of.gen_reserve_frac, tiers)
        for n in range(count):
            injection[n] = do.gen[n] - do.spill[n] + do.discharge[n] - do.charge[n] - (served[n] - do.shed[n])
            gain_mw = of.charge_eff_frac[n] * do.charge[n] - do.discharge[n] / of.discharge_eff_frac[n]
            store[n] = store_mwh[row, n] + gain_mw * dt_h
    return out, moved, clipped


@compiled_exactly
def _balance(order: Array, ends: Array, do: Part, reserve: Array, tiers: Array) -> float:
    """Balance every part in place; return what is moved, shed and spill aside."""
    moved = 0.0
    first = 0
    for last in ends:
        nodes = order[first:last]
        gap_mw = 0.0
        for n in nodes:
            gap_mw += do.load_mw[n] - do.gen[n] - do.discharge[n] + do.charge[n]
        if gap_mw > 0:
            moved += _raise(nodes, gap_mw, do, reserve, tiers)
        elif gap_mw < 0:
            moved += _lower(nodes, -gap_mw, do)
        if last == order.shape[0]:
            break
        first = last
    return moved


@compiled_exactly
def overload(carried: Array, capacity_mw: Array) -> Array:
    """(B, E) what lines carry above their capacity (E,)."""
    out = np.empty(carried.shape)
    for row in range(carried.shape[0]):
        for e in range(carried.shape[1]):
            out[row, e] = max(abs(carried[row, e]) - capacity_mw[e], 0.0)
    return out


@compiled_exactly
def loading(carried: Array, capacity_mw: Array, bound: float) -> Array:
    """(B, E) signed share of capacity (E,), within a bound."""
    out, per_mw = np.empty(carried.shape), 1.0 / capacity_mw
    for row in range(carried.shape[0]):
        for e in range(carried.shape[1]):
            out[row, e] = min(max(carried[row, e] * per_mw[e], -bound), bound)
    return out
