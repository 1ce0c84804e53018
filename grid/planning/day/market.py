"""Market: the dispatch of one hour in which sources and stores bid, and which lines can take.

Compiled by numba, one row after the other. Symbols: U units, which are the sources, then each store discharging, then
each store charging (its output is at most 0); L limited lines; P connected parts. Power is per unit, prices are
relative. The marginal cost of a unit is cost + rise·output.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from grid.jit import Array, compiled

TOLERANCE_PU = 1e-7
LEAST_GAIN = 1e-6  # of a move: a smaller saving is rounding
LEAST_SAVED = 1e-6  # by another start: less is rounding
LEAST_RISE = 2e-3  # of a price over a unit's range, so that equal costs share pro rata
ROUNDS = 60  # of Newton's method for a price, at the most
TINY = 1e-12  # of a price


class Network(NamedTuple):
    """What the dispatch knows of a grid."""

    part: Array  # (U,) of each unit
    reach: Array  # (U, L) flow for each unit's output
    capacity: Array  # (L,)
    overload: float  # price of flow above capacity


@compiled
def share(
    cost: Array, rise: Array, low: Array, high: Array, part: Array, need: Array, output: Array, price: Array
) -> None:
    """Meet the need (P,) of every part at least cost, as if there were no lines inside a part.

    Fills output (U,) and the price of each part (P,). The price is found by Newton's method, kept in a bracket.
    """
    for p in range(len(need)):
        least, most = np.inf, -np.inf
        for u in range(len(cost)):
            if part[u] == p:
                least = min(least, cost[u] + rise[u] * low[u])
                most = max(most, cost[u] + rise[u] * high[u])
        at = (least + most) / 2 if least <= most else 0.0
        for _ in range(ROUNDS):
            total, answer = _given(cost, rise, low, high, part, p, at)
            gap = need[p] - total
            if abs(gap) < TOLERANCE_PU / 10 or most - least < TINY:
                break
            least, most = (at, most) if gap > 0 else (least, at)
            step = at + gap / answer if answer > 0 else np.inf
            at = step if least < step < most else (least + most) / 2
        price[p] = at
        for u in range(len(cost)):
            if part[u] == p:
                output[u] = min(max((at - cost[u]) / rise[u], low[u]), high[u])


@compiled
def _given(cost: Array, rise: Array, low: Array, high: Array, part: Array, p: int, at: float) -> tuple[float, float]:
    """What the units of part p give at a price, and how it rises with the price."""
    total, answer = 0.0, 0.0
    for u in range(len(cost)):
        if part[u] == p:
            x = (at - cost[u]) / rise[u]
            if low[u] < x < high[u]:
                answer += 1 / rise[u]
            total += min(max(x, low[u]), high[u])
    return total, answer


@compiled
def flows(output: Array, load_flow: Array, reach: Array, flow: Array) -> None:
    """Fill the flow (L,) of an output (U,), beside that of demand."""
    for line in range(len(flow)):
        flow[line] = load_flow[line]
    for u in range(len(output)):
        if output[u] != 0.0:
            for line in range(len(flow)):
                flow[line] += output[u] * reach[u, line]


@compiled
def relieve(
    cost: Array, rise: Array, low: Array, high: Array, network: Network, moves: int, output: Array, flow: Array
) -> None:
    """Shift output between pairs of units, the best pair first, each time as far as the next kink of the cost.

    The redispatch moves of the env, among stores that bid as well as sources. Changes output (U,) and flow (L,).
    """
    up, down, full = np.empty(len(cost)), np.empty(len(cost)), np.empty(len(flow), np.int64)
    for _ in range(moves):
        count = _prices(cost, rise, low, high, network, output, flow, up, down, full)
        gain, riser, faller = _best_pair(network, up, down, full[:count], flow)
        if riser < 0:
            return
        room = min(high[riser] - output[riser], output[faller] - low[faller], gain / (rise[riser] + rise[faller]))
        room = min(room, _next_kink(network, riser, faller, flow))
        output[riser] += room
        output[faller] -= room
        flow += room * (network.reach[riser] - network.reach[faller])


@compiled
def _prices(
    cost: Array,
    rise: Array,
    low: Array,
    high: Array,
    network: Network,
    output: Array,
    flow: Array,
    up: Array,
    down: Array,
    full: Array,
) -> int:
    """Fill in what a little more of each unit costs, and what a little less saves; and count the lines just full.

    Their positions come first in full (L,).
    """
    count = 0
    for u in range(len(up)):
        up[u] = cost[u] + rise[u] * output[u]
    for line in range(len(flow)):
        excess = abs(flow[line]) - network.capacity[line]
        if excess > TOLERANCE_PU:
            line_price = network.overload if flow[line] > 0 else -network.overload
            for u in range(len(up)):
                up[u] += line_price * network.reach[u, line]
        elif excess >= -TOLERANCE_PU:
            full[count] = line
            count += 1
    for u in range(len(up)):
        down[u] = up[u] if output[u] - low[u] > TOLERANCE_PU else -np.inf
        up[u] = up[u] if high[u] - output[u] > TOLERANCE_PU else np.inf
    return count


@compiled
def _best_pair(network: Network, up: Array, down: Array, full: Array, flow: Array) -> tuple[float, int, int]:
    """What the best shift saves, who goes up and who goes down; −1 if none saves anything."""
    line_price = np.empty(
        (len(up), len(full))
    )  # of the lines that are just full, where a unit's output adds to their flow
    for k in range(len(full)):
        each = np.sign(flow[full[k]]) * network.overload
        for u in range(len(up)):
            line_price[u, k] = each * network.reach[u, full[k]]
    least, most = int(np.argmin(up)), int(np.argmax(down))
    best, riser, faller = -LEAST_GAIN, -1, -1
    loss = _loss(network, up, down, line_price, least, most)
    if loss < best:
        best, riser, faller = loss, least, most
    for u in range(len(up)):
        if up[u] - down[most] >= best:
            continue
        for v in range(len(up)):
            if up[u] - down[v] < best:
                loss = _loss(network, up, down, line_price, u, v)
                if loss < best:
                    best, riser, faller = loss, u, v
    return -best, riser, faller


@compiled
def _loss(network: Network, up: Array, down: Array, line_price: Array, u: int, v: int) -> float:
    """What the first of a shift from v to u costs, the lines that are just full included."""
    loss = up[u] - down[v]
    if network.part[u] != network.part[v]:
        return np.inf
    for k in range(line_price.shape[1]):
        loss += max(line_price[u, k] - line_price[v, k], 0.0)
    return loss


@compiled
def _next_kink(network: Network, riser: int, faller: int, flow: Array) -> float:
    """How far a pair can shift until a line becomes full, or is no longer overloaded."""
    room = np.inf
    for line in range(len(flow)):
        along = (network.reach[riser, line] - network.reach[faller, line]) * (1.0 if flow[line] >= 0 else -1.0)
        excess = abs(flow[line]) - network.capacity[line]
        if along > 1e-9 and excess < -TOLERANCE_PU:
            room = min(room, -excess / along)
        elif along < -1e-9:
            to_go = excess if excess > TOLERANCE_PU else excess + 2 * network.capacity[line]
            room = min(room, to_go / -along)
    return room


@compiled
def dispatch(
    cost: Array,
    rise: Array,
    low: Array,
    high: Array,
    need: Array,
    load_flow: Array,
    network: Network,
    parts: Array,
    reaches: Array,
    state: Array,
    line_price: Array,
    near: Array,
    moves: int,
    output: Array,
    full: Array,
) -> None:
    """The cleared step of B rows.

    It starts from what the bids and given prices of lines make of it, and once more from an output that is near, and
    shifts output to where the bids cost least; the cheaper of the two stands.

    Args:
        cost: (B, U) of the bids at output 0.
        rise: (B, U) of their price with output.
        low: (B, U) least output.
        high: (B, U) most output.
        need: (B, P) demand.
        load_flow: (B, L) by demand alone.
        network: of the grid, whose parts and reach are those of the row:
        parts: (M, U) of each unit.
        reaches: (M, U, L) flow for each unit's output.
        state: (B,) which of them.
        line_price: (B, L) prices of lines near the right ones.
        near: (B, U) an output near the right one.
        moves: of redispatch, at the most.
        output: (B, U), filled here.
        full: (B, L), filled here: 1 or −1 where a line is just full, else 0.
    """
    _, units, lines = reaches.shape
    price, asked, flow = np.empty(need.shape[1]), np.empty(units), np.empty(lines)
    other, other_flow, alike = np.empty(units), np.empty(lines), np.ones(units)
    for b in range(len(cost)):
        bids = (cost[b], rise[b], low[b], high[b])
        own = Network(parts[state[b]], reaches[state[b]], network.capacity, network.overload)
        asked[:] = cost[b]
        for line in range(lines):
            if line_price[b, line] != 0.0:
                asked += line_price[b, line] * own.reach[:, line]
        share(asked, rise[b], low[b], high[b], own.part, need[b], output[b], price)
        flows(output[b], load_flow[b], own.reach, flow)
        relieve(*bids, own, moves, output[b], flow)
        share(-near[b], alike, low[b], high[b], own.part, need[b], other, price)
        flows(other, load_flow[b], own.reach, other_flow)
        relieve(*bids, own, moves, other, other_flow)
        saved = _paid(cost[b], rise[b], own, output[b], flow) - _paid(cost[b], rise[b], own, other, other_flow)
        if saved > LEAST_SAVED:
            output[b], flow[:] = other, other_flow
        for line in range(lines):
            is_full = abs(abs(flow[line]) - own.capacity[line]) <= 10 * TOLERANCE_PU
            full[b, line] = np.sign(flow[line]) if is_full else 0.0


@compiled
def _paid(cost: Array, rise: Array, network: Network, output: Array, flow: Array) -> float:
    """What an output costs by its bids and overloads."""
    over = np.sum(np.maximum(np.abs(flow) - network.capacity, 0.0))
    return np.sum(cost * output + rise * output**2 / 2) + network.overload * over
