"""Reward from costs: what the step cost less than the merit order on a copper plate would have."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from grid import Array, GridArrays, Inputs, Outcome, Prices, Setpoint, step_costs
from grid.dispatch import MeritOrder
from grid.physics import Limits, place

SCALE_FLOOR_FRAC = 0.01  # of peak demand x price of shedding
SCALE_EPISODES = 64
ROUNDING_FRAC = 1e-9  # of demand, that a balance may be off


@dataclass(frozen=True, eq=False)
class CopperPlate:
    """The grid as if all its nodes were one, with its merit order."""

    arrays: GridArrays
    merit: MeritOrder

    @classmethod
    def of(cls, arrays: GridArrays, prices: Prices) -> CopperPlate:
        """Join the connected parts of a grid."""
        part, part_matrix = np.zeros_like(arrays.part), np.ones((len(arrays.node_names), 1))
        part.flags.writeable = False  # as those of a grid: loops are compiled anew for arrays of another kind
        joined = dataclasses.replace(arrays, part=part, part_matrix=part_matrix)
        return cls(joined, MeritOrder.of(joined, prices))


def reference_cost(plate: CopperPlate, prices: Prices, load_mw: Array, gen_avail_frac: Array, dt_h: float) -> Array:
    """Cost of the merit order without lines, stores and ramps; plants that stop give any output, and start for nothing.

    It does not depend on any action, so taking it off the reward leaves the best policy as it is, and takes away
    most of the noise of demand and weather.

    Args:
        plate: the grid.
        prices: of the cost terms.
        load_mw: (B, N).
        gen_avail_frac: (B, N).
        dt_h: length of a step in hours.

    Returns:
        (B,) currency.
    """
    arrays = plate.arrays
    hi = arrays.offered_mw(gen_avail_frac, load_mw)
    lo, none = np.minimum(arrays.gen_min_mw, hi), np.zeros_like(hi)
    lo[:, arrays.stoppable] = 0.0
    gen = plate.merit.dispatch(load_mw, lo, hi)
    done = {"gen_mw": gen}
    if arrays.flexible.shape[0]:
        is_cut = arrays.flex_max_frac > 0
        done = {"gen_mw": np.where(is_cut, 0.0, gen), "curtailed_mw": np.where(is_cut, gen, 0.0)}
    total = _cost(arrays, prices, done, len(gen), dt_h)
    short_mw, demand_mw = (load_mw - gen) @ arrays.each_node, load_mw @ arrays.each_node
    rows = np.flatnonzero(np.abs(short_mw) > ROUNDING_FRAC * demand_mw)  # that the merit order does not balance
    if rows.size:
        inputs, idle = Inputs(gen_avail_frac[rows], load_mw[rows], dt_h), none[rows]
        placed = place(arrays, Setpoint(gen[rows], idle), inputs, Limits(lo[rows], hi[rows], idle, idle, idle))
        total[rows] = _cost(arrays, prices, vars(placed.done), len(rows), dt_h)
    return total


def _cost(arrays: GridArrays, prices: Prices, done: dict[str, Array], rows: int, dt_h: float) -> Array:
    """(B,) currency of what the units do, without lines; what is not given is none."""
    given: dict[str, Array] = {field.name: None for field in dataclasses.fields(Outcome)} | done
    outcome = Outcome(**given | {"flow_mw": 0.0 * arrays.each_line[None], "balancing_mw": np.zeros(rows)})
    total: Array = sum(step_costs(arrays, prices, outcome, dt_h).values())
    return total


def scale_floor(arrays: GridArrays, dt_h: float) -> float:
    """The least value that rewards are divided by; without demand, what all units can give stands for it."""
    price = float(arrays.shed_cost_per_mwh[arrays.load_max_mw > 0].max(initial=1.0))
    most_mw = arrays.peak_load_mw or float((arrays.gen_max_mw + arrays.discharge_max_mw).sum())
    return max(SCALE_FLOOR_FRAC * most_mw * price * dt_h, 1e-6)
