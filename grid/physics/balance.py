"""What happens when supply and demand differ: closed form, inside the limits, in each connected part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.namespace import namespace
from grid.physics.outages import Islands
from grid.state import Array


@dataclass(frozen=True)
class Dispatch:
    """What the units do; each field is (B, N) in MW."""

    gen_mw: Array
    charge_mw: Array
    discharge_mw: Array
    shed_mw: Array
    spill_mw: Array
    curtailed_mw: Array  # of flexible demand

    def injection_mw(self, load_mw: Array) -> Array:
        """(B, N) into the network, with the demand (B, N) that is left after cuts."""
        served_mw = load_mw - self.shed_mw
        return self.gen_mw - self.spill_mw + self.discharge_mw - self.charge_mw - served_mw


TINY_MW = 1e-30  # keeps 0/0 at 0, in single precision too; any real amount is far above it


def part_sum(parts: Array | Islands, values: Array) -> Array:
    """(B, N) sum over the node's connected part of values (B, N), at every node; (B, 1) where there is one part.

    The parts are those of all envs, (N, P) 1 where the node is in the part, or each env has its own.
    """
    xp = namespace(values)
    if isinstance(parts, Islands):
        if xp is np:
            return np.bincount(parts.cell.ravel(), values.ravel(), parts.cells)[parts.cell]
        together = xp.asarray((parts.cell[:, :, None] == parts.cell[:, None, :]).astype(float))
        return xp.matmul(together, values[..., None])[..., 0]
    total = xp.matmul(values, parts)
    return total if parts.shape[1] == 1 else xp.matmul(total, parts.T)


def in_parts(arrays: GridArrays, values: np.ndarray, islands: Islands | None) -> np.ndarray:
    """(B, N) sum over the node's connected part of values (B, N), with the grids of some envs split."""
    total = np.broadcast_to(part_sum(arrays.part_matrix, values), values.shape)
    if islands is None:
        return total
    total = total.copy()
    total[islands.rows] = part_sum(islands, values[islands.rows])
    return total


def balance(
    arrays: GridArrays,
    plan: Dispatch,
    load_mw: Array,
    gen_lo_mw: Array,
    gen_hi_mw: Array,
    islands: Islands | None = None,
    loss_mw: Array | None = None,
) -> Dispatch:
    """Move the plan until supply meets demand in every connected part.

    Shortage: units rise in proportion to headroom x gen_reserve_frac, then charging stops pro rata, then demand is
    shed, cheapest first and pro rata within a price. Surplus: sources fall in proportion to footroom, then
    discharging stops pro rata, then output is spilled pro rata.

    Args:
        arrays: the grid.
        plan: inside all limits.
        load_mw: (B, N) demand, less what is curtailed.
        gen_lo_mw: (B, N) lower limit of output.
        gen_hi_mw: (B, N) upper limit of output.
        islands: the envs whose grid has split, and their parts.
        loss_mw: (B, N) to be supplied as well, and never shed; None: nothing.

    Returns:
        A dispatch inside the same limits with supply equal to demand in every part.
    """
    wanted_mw = load_mw if loss_mw is None else load_mw + loss_mw
    done = _balance(arrays, plan, load_mw, wanted_mw, gen_lo_mw, gen_hi_mw, arrays.part_matrix)
    if islands is not None:
        own = islands.rows
        part = Dispatch(**{name: value[own] for name, value in vars(plan).items()})
        apart = _balance(arrays, part, load_mw[own], wanted_mw[own], gen_lo_mw[own], gen_hi_mw[own], islands)
        place = np.arange(len(load_mw))
        place[own] = len(load_mw) + np.arange(len(own))
        xp = namespace(load_mw)
        merged = {name: xp.concat([getattr(done, name), value])[place] for name, value in vars(apart).items()}
        done = Dispatch(**merged)
    return done


def _balance(
    arrays: GridArrays,
    plan: Dispatch,
    load_mw: Array,
    wanted_mw: Array,
    gen_lo_mw: Array,
    gen_hi_mw: Array,
    parts: Array | Islands,
) -> Dispatch:
    xp = namespace(load_mw)
    supply = plan.gen_mw + plan.discharge_mw - plan.charge_mw + plan.shed_mw - plan.spill_mw
    gap = part_sum(parts, wanted_mw - supply)
    short, over = xp.maximum(gap, 0.0), xp.maximum(-gap, 0.0)

    headroom = (gen_hi_mw - plan.gen_mw) * arrays.gen_reserve_frac
    footroom = xp.minimum(plan.gen_mw - gen_lo_mw, plan.gen_mw - plan.spill_mw)
    up, short = _share(parts, headroom, short)
    down, over = _share(parts, footroom, over)
    gen = plan.gen_mw + up - down
    uncharged, short = _share(parts, plan.charge_mw, short)
    held, over = _share(parts, plan.discharge_mw, over)
    shed = plan.shed_mw
    for tier in arrays.shed_tiers:
        more, short = _share(parts, (load_mw - plan.shed_mw) * tier, short)
        shed = shed + more
    spilled, _ = _share(parts, gen - plan.spill_mw, over)
    spill = plan.spill_mw + spilled
    return Dispatch(gen, plan.charge_mw - uncharged, plan.discharge_mw - held, shed, spill, plan.curtailed_mw)


def _share(parts: Array | Islands, available: Array, wanted: Array) -> tuple[Array, Array]:
    """Take what is wanted pro rata from what is available; return what each gives and what is still wanted."""
    xp = namespace(available)
    available = xp.clip(available, 0.0, None)  # rounding leaves differences of equal amounts just below 0
    total = part_sum(parts, available)
    taken = xp.minimum(wanted, total)
    return available * (taken / xp.maximum(total, TINY_MW)), wanted - taken
