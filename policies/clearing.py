"""Clearing: the dispatch of one step in which stores bid, and which lines can take.

Everything is batched over B rows. Symbols: U units, which are the sources, then each store discharging, then each
store charging (its output is at most 0); L limited lines; P connected parts. Power is per unit, prices are relative.
The marginal cost of a unit is cost + slope·output. Which units move, and what stops them, is constant almost
everywhere; how far they move carries its gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE_PU = 2e-5  # single precision
LEAST_GAIN = 1e-4  # a smaller saving is rounding
LEAST_RISE = 2e-3  # of a price over a unit's range, so that equal costs share pro rata
FAR = 1e6
LINES_PRICED = 6  # lines of a row whose prices are found, at the most
PRICE_ROUNDS = 10  # of bisection for the price of a line
LINE_ROUNDS = 16  # of bisection for the price of power meanwhile
WRONG_PU = 1e-3  # by which a line may be off while prices are found


def clear(
    cost: Tensor, slope: Tensor, low: Tensor, high: Tensor, need: Tensor, own: Tensor, rounds: int
) -> tuple[Tensor, Tensor]:
    """Meet the need of every part at least cost, as if there were no lines inside a part.

    The price of each part is found by bisection; what is then still missing comes from the units that set it, and so
    does the answer of the output to a bid.

    Args:
        cost: (B, U) marginal cost at output 0.
        slope: (B, U) its rise.
        low: (B, U) limits of output.
        high: (B, U) limits of output.
        need: (B, P) demand.
        own: (P, U) 1 where the unit is in the part.
        rounds: of bisection.

    Returns:
        Output (B, U), and the price of each part (B, P).
    """
    if cost.shape[-1] == 0:
        return cost, torch.zeros_like(need)
    steep = 1.0 / torch.maximum(slope, LEAST_RISE / (high - low).detach().clamp(min=1e-3))
    outputs, prices = [], []
    for mine, wanted in zip(own, need.split(1, dim=-1), strict=True):
        with torch.no_grad():
            floor, top = low * mine, high * mine
            per_price, at_zero = steep * mine, cost * steep * mine
            a = torch.where(mine > 0, cost + low / steep, FAR).amin(-1, keepdim=True)
            b = torch.where(mine > 0, cost + high / steep, -FAR).amax(-1, keepdim=True).maximum(a)
            for _ in range(rounds):
                price = (a + b) / 2
                output = (price * per_price - at_zero).maximum(floor).minimum(top)
                short = output.sum(-1, keepdim=True) < wanted
                a, b = torch.where(short, price, a), torch.where(short, b, price)
            price = (a + b) / 2
            free = price * per_price - at_zero
            answer = torch.where((free > floor) & (free < top), per_price, 0.0)
            answer = answer / answer.sum(-1, keepdim=True).clamp(min=1e-6)
        output = ((price - cost) * steep).maximum(low).minimum(high) * mine
        gap = wanted - output.sum(-1, keepdim=True)
        outputs.append((output + gap * answer).maximum(floor).minimum(top))
        prices.append(price)
    return torch.stack(outputs).sum(0), torch.cat(prices, -1)


def price_lines(
    cost: Tensor,
    slope: Tensor,
    low: Tensor,
    high: Tensor,
    need: Tensor,
    own: Tensor,
    load_flow: Tensor,
    capacity: Tensor,
    reach: Tensor,
    overload: float,
) -> Tensor:
    """What each unit's output costs the lines that are full, (B, U): their shadow prices, one line after the other.

    Moves between two units end where every pair would overload a full line, though three together could pass it by;
    with the line's price on their cost, units are cleared past it. Rows take their own lines: the most overloaded
    first, and again where another line's price has made one price wrong. Carries no gradient.

    Args:
        cost: (B, U) and so on, as for ``clear``.
        load_flow: (B, L) flow without any output.
        capacity: (L,) of the lines.
        reach: (U, L) flow for each unit's output.
        overload: the most that a line can cost.
    """
    added, price = torch.zeros_like(cost), torch.zeros_like(load_flow)
    for _ in range(LINES_PRICED if len(capacity) else 0):
        output, _ = clear(cost + added, slope, low, high, need, own, LINE_ROUNDS)
        flow = output @ reach + load_flow
        excess = flow.abs() - capacity
        wrong = torch.where(excess > TOLERANCE_PU, excess, torch.where(price != 0, -excess, 0.0))
        worst, line = wrong.max(1)
        rows = (worst > WRONG_PU).nonzero()[:, 0]
        if not len(rows):
            break
        line = line[rows]
        old = price[rows, line]
        way = torch.where(old != 0, old, flow[rows, line]).sign()[:, None]
        push = way * reach.T[line]
        added[rows] -= old[:, None] * reach.T[line]
        limit = capacity[line][:, None] - way * load_flow[rows, line][:, None]
        slope_here, low_here, high_here, need_here = (each[rows] for each in (slope, low, high, need))
        least, most = torch.zeros_like(way), torch.full_like(way, overload)
        for _ in range(PRICE_ROUNDS):
            middle = (least + most) / 2
            asked = cost[rows] + added[rows] + middle * push
            output, _ = clear(asked, slope_here, low_here, high_here, need_here, own, LINE_ROUNDS)
            over = (output * push).sum(1, keepdim=True) > limit
            least, most = torch.where(over, middle, least), torch.where(over, most, middle)
        added[rows] += most * push
        price[rows, line] = (way * most)[:, 0]
    return added


def relieve(
    output: Tensor,
    flow: Tensor,
    cost: Tensor,
    slope: Tensor,
    low: Tensor,
    high: Tensor,
    capacity: Tensor,
    reach: Tensor,
    joined: Tensor,
    overload: float,
    moves: int,
) -> Tensor:
    """Shift output between pairs of units, the best pair first, each time as far as the next kink of the cost.

    The redispatch moves of the env, among stores that bid as well as sources.

    Args:
        output: (B, U) within the limits.
        flow: (B, L) that goes with it.
        cost: (B, U) marginal cost at output 0.
        slope: (B, U) its rise.
        low: (B, U) limits of output.
        high: (B, U) limits of output.
        capacity: (L,) of the lines.
        reach: (U, L) flow for each unit's output.
        joined: (U, U) whether two units are in one part.
        overload: price of flow above capacity.
        moves: the most to make.

    Returns:
        (B, U) output of the same sum in every part, never dearer.
    """
    units = output.shape[1]
    if not len(capacity):
        return output
    for _ in range(moves):
        with torch.no_grad():
            excess = flow.abs() - capacity
            over = excess > TOLERANCE_PU
            sign = torch.where(flow < 0, -1.0, 1.0)
            price = cost + slope * output + overload * (torch.where(over, sign, 0.0) @ reach.T)
            up = torch.where(high - output > TOLERANCE_PU, price, FAR)
            down = torch.where(output - low > TOLERANCE_PU, price, -FAR)
            loss = up[:, :, None] - down[:, None, :]
            for line, way in _kinks(excess, sign):
                push = reach.T[line] * way[:, None]
                loss = loss + overload * (push[:, :, None] - push[:, None, :]).clamp(min=0)
            best, pair = torch.where(joined, loss, FAR).flatten(1).min(1)
            goes = best < -LEAST_GAIN
            if not bool(goes.any()):
                break
            pair = torch.stack([pair // units, pair % units], -1)  # (B, 2) who goes up, who goes down
            change = reach[pair[:, 0]] - reach[pair[:, 1]]
            along = sign * change
            meets = (along.abs() > 1e-6) & ~((along > 0) & (excess >= -TOLERANCE_PU))
            per_mw = torch.where(meets, along.abs(), 1.0)
        room = torch.minimum((high - output).gather(1, pair[:, :1]), (output - low).gather(1, pair[:, 1:]))[:, 0]
        bend = slope.gather(1, pair).sum(1)
        paid = (cost + slope * output).gather(1, pair)
        saved = paid[:, 1] - paid[:, 0]
        saved = saved - saved.detach() - best
        room = torch.minimum(room, torch.where(bend > 1e-6, saved / bend.clamp(min=1e-6), FAR))
        excess = flow.abs() - capacity
        to_go = torch.where(along > 0, -excess, torch.where(over, excess, excess + 2 * capacity))
        kink = torch.where(meets, to_go / per_mw, FAR).amin(1)
        move = torch.where(goes, torch.minimum(room, kink), 0.0)[:, None]
        output = output.scatter_add(1, pair, torch.cat([move, -move], 1))
        flow = flow + move * change
    return output.maximum(low).minimum(high)


def _kinks(excess: Tensor, sign: Tensor) -> list[tuple[Tensor, Tensor]]:
    """For each line of a row that is just full, one after the other: its position (B,), and its direction or 0 (B,)."""
    full = excess.abs() <= TOLERANCE_PU
    most = int(full.sum(1).max())
    if most == 0:
        return []
    is_full, line = full.float().topk(most, 1)
    way = sign.gather(1, line) * is_full
    return list(zip(line.T, way.T, strict=True))
