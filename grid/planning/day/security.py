"""Security in the clearing: what it counts that no line trips when another one fails in the coming step (N-1).

What a line carries after an outage follows from what both carried before, by line outage distribution factors (Wood,
Wollenberg and Sheble, "Power Generation, Operation, and Control", 3rd ed., 2013, ch. 7). A limit after an outage is one
row more, added when the step as cleared breaks it, as in ``grid.planning.security``; here it counts by the odds that
the line fails, and by how much each source asks for. Symbols as in ``grid.planning.day.market``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.planning.day.constants import Constants
from grid.planning.day.market import dispatch

ROUNDS = 2  # of clearing anew with the rows that were broken
MOST_ROWS = 16  # that a round adds
SPLIT = 1e-6  # share of a line's flow that has another way: with less, its outage splits the grid
BROKEN_PU = 1e-4
TINY = 1e-9  # changes of flow less than this are rounding


@dataclass(frozen=True, eq=False)
class Security:
    """What it counts that a line would trip after the outage of another.

    Of what sources ask for, the mean in the connected part counts, weighted by how far each changes the flow beside the
    others; where it is not above 0, nothing counts.
    """

    asked: np.ndarray  # (B, G) by each source, times the price of an overload
    odds: np.ndarray  # (E,) that each line fails unforeseen; of lines without a limit none counts
    limit_frac: float  # loading in parts of capacity, above which a line trips within a step


def outage_factors(c: Constants) -> tuple[np.ndarray, np.ndarray]:
    """(L, L) what an outage of each line adds to every line, in parts of what it carried.

    And (L,) which lines it is not for: those that are out, those without which the grid is split, and ideal connectors.
    """
    moved = c.flow[c.ends[0]] - c.flow[c.ends[1]]
    left = 1.0 - moved.diagonal()
    stay = (np.abs(left) < SPLIT) | ~c.flow.any(0)
    factors = moved / np.where(stay, 1.0, left)[:, None]
    np.fill_diagonal(factors, -1.0)
    return factors, stay


def secure(
    security: Security,
    own: np.ndarray | slice,
    coming: list[Constants],
    state: np.ndarray,
    market: tuple[np.ndarray, ...],
    line_price: np.ndarray,
    moves: int,
    output: np.ndarray,
) -> None:
    """Clear b rows of the B anew where the outage of one line would make another one trip.

    Args:
        security: what it counts.
        own: which of the B rows they are.
        coming: constants of the states of their lines.
        state: (b,) which of them.
        market: cost, rise, low and high (b, U), need (b, P) and flow by demand (b, L), as ``dispatch`` takes them.
        line_price: (b, L) near the right ones.
        moves: of output between units, at the most.
        output: (b, U) as cleared without; changed here.
    """
    asked = security.asked[own]
    for m, c in enumerate(coming):
        rows = np.flatnonzero((state == m) & (asked > 0).any(1))
        if rows.size:
            factors, stay = outage_factors(c)
            odds = np.where(stay, 0.0, security.odds[c.limited])
            for i in rows:
                given = tuple(each[i] for each in (*market, line_price, output))
                output[i] = _secured(c, factors, odds, security.limit_frac, asked[i], given, moves)


def _secured(
    c: Constants,
    factors: np.ndarray,
    odds: np.ndarray,
    limit_frac: float,
    asked: np.ndarray,
    market: tuple[np.ndarray, ...],
    moves: int,
) -> np.ndarray:
    """(U,) output of one row."""
    *bids, need, load_flow, line_price, output = market
    reach, limit = c.market.reach, limit_frac * c.market.capacity
    fails, source_part, line_part = odds > 0, c.market.part[: len(asked)], c.node_part[c.ends[0]]
    more_reach, more_load, more_limit = np.zeros((len(reach), 0)), np.zeros(0), np.zeros(0)
    known = np.zeros(factors.shape, bool)
    for _ in range(ROUNDS):
        flow = load_flow + output @ reach
        above = np.abs(flow + factors * flow[:, None]) - limit
        out, line = np.nonzero((above > BROKEN_PU) & fails[:, None] & ~known)
        rows = reach[:, line] + factors[out, line] * reach[:, out]
        price = odds[out] * _mean(asked, rows[: len(asked)], source_part[:, None] == line_part[line])
        worst = np.argsort(-price * above[out, line])[:MOST_ROWS]
        worst = worst[price[worst] > 0]
        out, line, rows, price = out[worst], line[worst], rows[:, worst], price[worst]
        if not line.size:
            break
        known[out, line] = True
        # scaled, as overloads of all rows have one price
        more_reach = np.concatenate([more_reach, price * rows], axis=1)
        more_load = np.concatenate([more_load, price * (load_flow[line] + factors[out, line] * load_flow[out])])
        more_limit = np.concatenate([more_limit, price * limit[line]])
        network = c.market._replace(capacity=np.concatenate([c.market.capacity, more_limit]))
        found, full = np.zeros((1, len(output))), np.zeros((1, len(network.capacity)))
        dispatch(
            *(each[None] for each in bids),
            need[None],
            np.concatenate([load_flow, more_load])[None],
            network,
            c.market.part[None],
            np.concatenate([reach, more_reach], axis=1)[None],
            np.zeros(1, np.intp),
            np.concatenate([line_price, np.zeros(len(more_load))])[None],
            output[None].copy(),
            moves,
            found,
            full,
        )
        output = found[0]
    return output


def _mean(asked: np.ndarray, rows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(R,) mean of what sources (G,) ask for, weighted by how far each changes a flow (G, R) beside the others inside.

    Where all change it alike, as one source alone, each counts the same.
    """
    count = np.maximum(inside.sum(0), 1)
    weight = np.abs(rows - (rows * inside).sum(0) / count) * inside
    weight = np.where(weight.sum(0) > TINY, weight, inside)
    mean: np.ndarray = asked @ weight / np.maximum(weight.sum(0), TINY)
    return mean
