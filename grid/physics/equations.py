"""The equations of AC power flow and their Jacobian, in compiled code: one row in each of eight lanes.

Polar coordinates; the Jacobian has a block of 2 x 2 for each pair of linked buses: how active and reactive power change
with the angle and with the relative magnitude, as in MATPOWER (MATPOWER User's Manual, "AC Power Flow").
Symbols: n buses, L links with fill, m lines, E lines and ideal connectors, K lanes.
"""

from __future__ import annotations

from typing import NamedTuple

from grid.jit import Array, compiled
from grid.simd import blank, every, most, put, take


class Network(NamedTuple):
    """Buses, numbered in the order in which they are eliminated, and what links them."""

    first: Array  # (n + 1,) where the links of each bus to later ones begin
    low: Array  # (L,) earlier bus of each link
    high: Array  # (L,) later one, ascending within the earlier
    is_real: Array  # (L,) whether lines run there; else it is fill
    fill: Array  # (·,) of each bus and each pair of its links: the link between their later ends
    line: Array  # (m,) place among all E lines
    is_turned: Array  # (m,) 1 where the from end is the later bus
    line_low: Array  # (m,)
    line_high: Array  # (m,)
    line_link: Array  # (m,) -1 where both ends are one bus
    admittance: Array  # (m, 8) low-low, low-high, high-low and high-high, real and imaginary parts
    shunt: Array  # (n, 2) admittance
    set_pu: Array  # (n,) voltage where it is held
    holds: Array  # (n,) whether it is held
    least: Array  # (n,) reactive limits of holding it
    largest: Array  # (n,)


class Space(NamedTuple):
    """Where a group of rows stands; each is (·, K)."""

    y: Array  # (2n,) own admittance of each bus
    y_low: Array  # (2L,) of links, from low to high
    y_high: Array  # (2L,) from high to low
    e: Array  # (n,) voltage, real and imaginary part
    f: Array
    p: Array  # (n,) given
    q: Array
    share: Array  # (n,) of the slack
    slack: Array  # (n,) at the reference bus of each part
    live: Array  # (n,) 1 or 0
    turns: Array  # (n,) 1 where the angle is free
    free: Array  # (n,) 1 where the magnitude is
    power: Array  # (2n,) that the voltages give
    own: Array  # (2n,) of it by the bus's own admittance
    to_high: Array  # (2L,) by the link at its low end
    to_low: Array  # (2L,) and at its high end
    diagonal: Array  # (4n,) of the factor; inverted
    upper: Array  # (4L,)
    lower: Array  # (4L,)
    x: Array  # (2n,) change of angle and of magnitude
    z: Array  # (2n,) the same per unit of slack
    extra: Array  # (n,) slack that the step takes, at the reference bus
    worst: Array  # (1,) largest mismatch
    active: Array  # (1,) 1 while the row goes on


@compiled
def new_space(n: int, links: int) -> Space:
    """Zeros."""
    return Space(
        blank(2 * n), blank(2 * links), blank(2 * links), blank(n), blank(n), blank(n), blank(n), blank(n), blank(n),
        blank(n), blank(n), blank(n), blank(2 * n), blank(2 * n), blank(2 * links), blank(2 * links), blank(4 * n),
        blank(4 * links), blank(4 * links), blank(2 * n), blank(2 * n), blank(n), blank(1), blank(1),
    )  # fmt: skip


@compiled
def admit(net: Network, s: Space, status: Array) -> None:
    """Admittances with lines of a status (m, K), 1 or 0."""
    for i in range(len(net.shunt)):
        put(s.y, 2 * i, every(net.shunt[i, 0]))
        put(s.y, 2 * i + 1, every(net.shunt[i, 1]))
    s.y_low[:] = 0.0
    s.y_high[:] = 0.0
    for line in range(len(net.line_low)):
        i, j, u, on = net.line_low[line], net.line_high[line], net.line_link[line], take(status, line)
        for c in range(2):
            y = net.admittance[line]
            if u < 0:
                put(s.y, 2 * i + c, take(s.y, 2 * i + c) + on * (y[c] + y[2 + c] + y[4 + c] + y[6 + c]))
                continue
            put(s.y, 2 * i + c, take(s.y, 2 * i + c) + on * y[c])
            put(s.y, 2 * j + c, take(s.y, 2 * j + c) + on * y[6 + c])
            put(s.y_low, 2 * u + c, take(s.y_low, 2 * u + c) + on * y[2 + c])
            put(s.y_high, 2 * u + c, take(s.y_high, 2 * u + c) + on * y[4 + c])


@compiled
def measure(net: Network, s: Space) -> None:
    """Power of the present voltages, and the largest mismatch of each row."""
    n = len(net.shunt)
    for i in range(n):
        e, f = take(s.e, i), take(s.f, i)
        square = e * e + f * f
        p, q = square * take(s.y, 2 * i), 0.0 - square * take(s.y, 2 * i + 1)
        put(s.own, 2 * i, p)
        put(s.own, 2 * i + 1, q)
        put(s.power, 2 * i, p)
        put(s.power, 2 * i + 1, q)
    for u in range(len(net.low)):
        if net.is_real[u]:
            send(s, s.y_low, s.to_high, u, net.low[u], net.high[u])
            send(s, s.y_high, s.to_low, u, net.high[u], net.low[u])
    worst = every(0.0)
    for i in range(n):
        p = (take(s.p, i) - take(s.power, 2 * i)) * take(s.live, i)
        q = (take(s.q, i) - take(s.power, 2 * i + 1)) * take(s.free, i)
        worst = most(most(worst, most(p, 0.0 - p)), most(q, 0.0 - q))
        put(s.x, 2 * i, p * take(s.turns, i))
        put(s.x, 2 * i + 1, q)
        put(s.extra, i, p)
        put(s.z, 2 * i, take(s.share, i) * take(s.turns, i))
        put(s.z, 2 * i + 1, every(0.0))
    put(s.worst, 0, worst)


@compiled
def send(s: Space, y: Array, to: Array, u: int, i: int, j: int) -> None:
    """Power into link u at bus i on the way to j."""
    g, b, e, f = take(y, 2 * u), take(y, 2 * u + 1), take(s.e, j), take(s.f, j)
    re, im = g * e - b * f, g * f + b * e
    e, f = take(s.e, i), take(s.f, i)
    p, q = e * re + f * im, f * re - e * im
    put(to, 2 * u, p)
    put(to, 2 * u + 1, q)
    put(s.power, 2 * i, take(s.power, 2 * i) + p)
    put(s.power, 2 * i + 1, take(s.power, 2 * i + 1) + q)


@compiled
def linearise(net: Network, s: Space) -> None:
    """The Jacobian; what is not free has a row and a column of the identity."""
    for i in range(len(net.shunt)):
        turns, free = take(s.turns, i), take(s.free, i)
        p, q, own_p, own_q = take(s.power, 2 * i), take(s.power, 2 * i + 1), take(s.own, 2 * i), take(s.own, 2 * i + 1)
        both = turns * free
        put(s.diagonal, 4 * i, (own_q - q) * turns + (1.0 - turns))
        put(s.diagonal, 4 * i + 1, (p + own_p) * both)
        put(s.diagonal, 4 * i + 2, (p - own_p) * both)
        put(s.diagonal, 4 * i + 3, (q + own_q) * free + (1.0 - free))
    for u in range(len(net.low)):
        if net.is_real[u]:
            spread(s, s.to_high, s.upper, u, net.low[u], net.high[u])
            spread(s, s.to_low, s.lower, u, net.high[u], net.low[u])
        else:
            for c in range(4):
                put(s.upper, 4 * u + c, every(0.0))
                put(s.lower, 4 * u + c, every(0.0))


@compiled
def spread(s: Space, to: Array, block: Array, u: int, i: int, j: int) -> None:
    """How the power into link u at bus i changes with the voltage at j."""
    p, q = take(to, 2 * u), take(to, 2 * u + 1)
    put(block, 4 * u, q * (take(s.turns, i) * take(s.turns, j)))
    put(block, 4 * u + 1, p * (take(s.turns, i) * take(s.free, j)))
    put(block, 4 * u + 2, 0.0 - p * (take(s.free, i) * take(s.turns, j)))
    put(block, 4 * u + 3, q * (take(s.free, i) * take(s.free, j)))
