"""AC power flow of many rows by Newton's method, in compiled code: eight rows at a time, one in each lane.

Newton-Raphson in polar coordinates (Tinney and Hart, "Power flow solution by Newton's method", IEEE Trans. Power
Apparatus and Systems 86(11), 1967), with relative changes of magnitude as in MATPOWER's. The Jacobian has a block of
2 x 2 for each pair of linked buses; it is factorised without pivoting in a fixed order, whose fill is known beforehand.
What a part is short of is one unknown more, shared out by given weights (distributed slack).
Symbols: B rows, n buses, L links with fill, m lines, K lanes.
"""

from __future__ import annotations

import numpy as np

from grid.jit import Array, compiled
from grid.physics.equations import Network, Space, admit, linearise, measure, new_space
from grid.simd import LANES, blank, every, least, most, put, take

ITERATIONS = 30  # most after a bus has last let its voltage go
TOLERANCE_PU = 1e-10  # of power at each bus
ACCEPTED_PU = 1e-8  # where rounding keeps it above
NEAR_PU = 1e-5  # of power, from which on limits are looked at
LIMIT_PU = 1e-9  # reactive power beyond its limit at which a bus stops holding its voltage
STEP = 5.0  # largest relative change of a magnitude: Newton's own steps, but for overflow
ZERO = 1e-200


@compiled
def factorise(net: Network, s: Space) -> None:
    """LU in blocks; the diagonal holds inverses, the lower factor has ones there."""
    at = 0
    for k in range(len(net.shunt)):
        a, b, c, d = (take(s.diagonal, 4 * k), take(s.diagonal, 4 * k + 1),
                      take(s.diagonal, 4 * k + 2), take(s.diagonal, 4 * k + 3))  # fmt: skip
        det = a * d - b * c
        over = det / most(det * det, every(ZERO))
        a, b, c, d = d * over, 0.0 - b * over, 0.0 - c * over, a * over
        put(s.diagonal, 4 * k, a)
        put(s.diagonal, 4 * k + 1, b)
        put(s.diagonal, 4 * k + 2, c)
        put(s.diagonal, 4 * k + 3, d)
        begin, end = net.first[k], net.first[k + 1]
        for u in range(begin, end):
            for r in (4 * u, 4 * u + 2):
                one, two = take(s.lower, r), take(s.lower, r + 1)
                put(s.lower, r, one * a + two * c)
                put(s.lower, r + 1, one * b + two * d)
        for u in range(begin, end):
            subtract(s.diagonal, net.high[u], s.lower, u, s.upper, u)
            for v in range(u + 1, end):
                subtract(s.upper, net.fill[at], s.lower, u, s.upper, v)
                subtract(s.lower, net.fill[at], s.lower, v, s.upper, u)
                at += 1


@compiled
def subtract(target: Array, t: int, left: Array, u: int, right: Array, v: int) -> None:
    """Take the product of two blocks from a third."""
    a, b, c, d = take(right, 4 * v), take(right, 4 * v + 1), take(right, 4 * v + 2), take(right, 4 * v + 3)
    for r in range(2):
        one, two = take(left, 4 * u + 2 * r), take(left, 4 * u + 2 * r + 1)
        put(target, 4 * t + 2 * r, take(target, 4 * t + 2 * r) - (one * a + two * c))
        put(target, 4 * t + 2 * r + 1, take(target, 4 * t + 2 * r + 1) - (one * b + two * d))


@compiled
def back(net: Network, s: Space) -> None:
    """Turn the right sides x and z (2n, K) into their solutions."""
    n = len(net.shunt)
    for k in range(n):
        x, y, z, w = take(s.x, 2 * k), take(s.x, 2 * k + 1), take(s.z, 2 * k), take(s.z, 2 * k + 1)
        for u in range(net.first[k], net.first[k + 1]):
            j = 2 * net.high[u]
            for r in range(2):
                a, b = take(s.lower, 4 * u + 2 * r), take(s.lower, 4 * u + 2 * r + 1)
                put(s.x, j + r, take(s.x, j + r) - (a * x + b * y))
                put(s.z, j + r, take(s.z, j + r) - (a * z + b * w))
    for k in range(n - 1, -1, -1):
        x, y, z, w = take(s.x, 2 * k), take(s.x, 2 * k + 1), take(s.z, 2 * k), take(s.z, 2 * k + 1)
        for u in range(net.first[k], net.first[k + 1]):
            j = 2 * net.high[u]
            a, b, c, d = (
                take(s.upper, 4 * u),
                take(s.upper, 4 * u + 1),
                take(s.upper, 4 * u + 2),
                take(s.upper, 4 * u + 3),
            )
            one, two, three, four = take(s.x, j), take(s.x, j + 1), take(s.z, j), take(s.z, j + 1)
            x -= a * one + b * two
            y -= c * one + d * two
            z -= a * three + b * four
            w -= c * three + d * four
        a, b = take(s.diagonal, 4 * k), take(s.diagonal, 4 * k + 1)
        c, d = take(s.diagonal, 4 * k + 2), take(s.diagonal, 4 * k + 3)
        put(s.x, 2 * k, a * x + b * y)
        put(s.x, 2 * k + 1, c * x + d * y)
        put(s.z, 2 * k, a * z + b * w)
        put(s.z, 2 * k + 1, c * z + d * w)


@compiled
def slack_of_step(net: Network, s: Space) -> None:
    """The slack (n,) with which the step meets the power of reference buses as well; elsewhere it means nothing."""
    for i in range(len(net.shunt)):
        put(s.own, i, 0.0 - take(s.share, i))
    for u in range(len(net.low)):
        if net.is_real[u]:
            for at_low in range(2):
                i, j, to = (net.low[u], net.high[u], s.to_high) if at_low else (net.high[u], net.low[u], s.to_low)
                p, q = take(to, 2 * u), take(to, 2 * u + 1)
                put(s.extra, i, take(s.extra, i) - (q * take(s.x, 2 * j) + p * take(s.x, 2 * j + 1)))
                put(s.own, i, take(s.own, i) + (q * take(s.z, 2 * j) + p * take(s.z, 2 * j + 1)))
    for i in range(len(net.shunt)):
        rise = take(s.own, i)
        put(s.extra, i, take(s.extra, i) * (rise / most(rise * rise, every(ZERO))))


@compiled
def move(net: Network, s: Space, reference: Array) -> None:
    """Take the step in the rows that are active; reference (n, K) is the reference bus of each."""
    active = take(s.active, 0)
    for i in range(len(net.shunt)):
        for k in range(LANES):
            s.own[i, k] = s.extra[reference[i, k], k]
    for i in range(len(net.shunt)):
        extra = take(s.own, i) * active
        put(s.p, i, take(s.p, i) + take(s.share, i) * extra)
        put(s.slack, i, take(s.slack, i) + extra)
        half = least(most((take(s.x, 2 * i) * active + take(s.z, 2 * i) * extra) * 0.5, every(-1.0)), every(1.0))
        grow = take(s.x, 2 * i + 1) * active + take(s.z, 2 * i + 1) * extra
        grow = 1.0 + least(most(grow, every(-STEP)), every(STEP))
        over = grow / (1.0 + half * half)  # a turn by the half angle's tangent: exact in magnitude
        c, d = (1.0 - half * half) * over, (half + half) * over
        e, f = take(s.e, i), take(s.f, i)
        put(s.e, i, c * e - d * f)
        put(s.f, i, c * f + d * e)


@compiled
def let_go(net: Network, s: Space, k: int, given: Array, reference: Array) -> bool:
    """Let the buses of lane k go that hold their voltage beyond their limits; whether there are any.

    given (n,) is the reactive power without what holds voltages. A bus that has gone does not return.
    """
    changed = False
    for i in range(len(given)):
        if s.live[i, k] == 0.0 or s.free[i, k] == 1.0 or reference[i] == i:
            continue
        needed = s.power[2 * i + 1, k] - given[i]
        if needed > net.largest[i] + LIMIT_PU:
            s.q[i, k], s.free[i, k], changed = given[i] + net.largest[i], 1.0, True
        elif needed < net.least[i] - LIMIT_PU:
            s.q[i, k], s.free[i, k], changed = given[i] + net.least[i], 1.0, True
    return changed


@compiled
def solve(
    net: Network, p: Array, q: Array, share: Array, reference: Array, status: Array, voltage: Array, carried: Array
) -> tuple[Array, Array, Array]:
    """Power flow of B rows.

    Args:
        net: the network.
        p: (B, n) active power into the network, pu.
        q: (B, n) reactive power, without what holds voltages, pu.
        share: (B, n) of the slack, summing to 1 in each live part.
        reference: (B, n) reference bus of the part, whose angle and voltage are held; -1: the part is dark.
        status: (B, E) whether a line is in service.
        voltage: (B, n, 2) to start from, and overwritten with the solution.
        carried: (4, B, E) P and Q into lines at the from end, P and Q at the to end, pu; written where m lines are.

    Returns:
        Slack (B, n) of a part, at its reference bus; power (B, n, 2) of each bus, and mismatch (B, n); pu.
    """
    rows, n, m = len(p), len(net.shunt), len(net.line_low)
    s = new_space(n, len(net.low))
    on, place = blank(m), np.zeros((n, LANES), np.int64)
    slack, power, off = np.zeros((rows, n)), np.zeros((rows, n, 2)), np.zeros((rows, n))
    for begin in range(0, rows, LANES):
        count = min(LANES, rows - begin)
        for k in range(LANES):
            r = begin + min(k, count - 1)  # lanes to spare repeat the last row
            for line in range(m):
                on[line, k] = status[r, net.line[line]]
            for i in range(n):
                s.live[i, k] = reference[r, i] >= 0
                place[i, k] = max(reference[r, i], 0)
                s.turns[i, k] = s.live[i, k] if reference[r, i] != i else 0.0
                s.free[i, k] = s.live[i, k] if not net.holds[i] and reference[r, i] != i else 0.0
                s.p[i, k], s.share[i, k], s.slack[i, k] = p[r, i], share[r, i] * s.live[i, k], 0.0
                s.q[i, k] = q[r, i]
                s.e[i, k], s.f[i, k] = voltage[r, i]
                if s.live[i, k] > s.free[i, k]:
                    size = np.sqrt(s.e[i, k] ** 2 + s.f[i, k] ** 2)
                    s.e[i, k] *= net.set_pu[i] / size
                    s.f[i, k] *= net.set_pu[i] / size
            s.active[0, k] = 1.0 if k < count else 0.0
        admit(net, s, on)
        iterate(net, s, begin, count, q, reference, place)
        for k in range(count):
            r = begin + k
            for i in range(n):
                is_live, free = s.live[i, k], s.free[i, k]
                voltage[r, i] = s.e[i, k] * is_live, s.f[i, k] * is_live
                slack[r, i] = s.slack[i, k] * is_live
                power[r, i] = s.power[2 * i, k] * is_live, s.power[2 * i + 1, k] * is_live
                short_p, short_q = s.p[i, k] - s.power[2 * i, k], (s.q[i, k] - s.power[2 * i + 1, k]) * free
                off[r, i] = max(abs(short_p), abs(short_q)) * is_live
        carry(net, s, on, begin, count, carried)
    return slack, power, off


@compiled
def iterate(net: Network, s: Space, begin: int, count: int, q: Array, reference: Array, place: Array) -> None:
    """Newton's steps until every row of the group is solved or given up."""
    since = np.zeros(LANES, np.int64)
    while True:
        measure(net, s)
        going, changed = False, False
        for k in range(count):
            if s.active[0, k] == 0.0:
                continue
            r = begin + k
            if s.worst[0, k] <= NEAR_PU and let_go(net, s, k, q[r], reference[r]):
                since[k], changed = 0, True
            elif s.worst[0, k] <= TOLERANCE_PU or since[k] == ITERATIONS:
                s.active[0, k] = 0.0
            since[k] += 1
            going = going or s.active[0, k] > 0.0
        if not going:
            return
        if changed:
            measure(net, s)
        linearise(net, s)
        factorise(net, s)
        back(net, s)
        slack_of_step(net, s)
        move(net, s, place)


@compiled
def carry(net: Network, s: Space, on: Array, begin: int, count: int, carried: Array) -> None:
    """Power into the lines at both ends."""
    ends = blank(4)
    for line in range(len(net.line_low)):
        i, j, y = net.line_low[line], net.line_high[line], net.admittance[line]
        works = take(on, line) * take(s.live, i) * take(s.live, j)
        e, f, g, h = take(s.e, i), take(s.f, i), take(s.e, j), take(s.f, j)
        for high in range(2):
            a, b, c, d = y[4 * high], y[4 * high + 1], y[4 * high + 2], y[4 * high + 3]
            re, im = (e * a - f * b + (g * c - h * d)) * works, (f * a + e * b + (h * c + g * d)) * works
            x, z = (g, h) if high else (e, f)
            at = 2 * (high ^ net.is_turned[line])
            put(ends, at, x * re + z * im)
            put(ends, at + 1, z * re - x * im)
        for end in range(4):
            for k in range(count):
                carried[end, begin + k, net.line[line]] = ends[end, k]
