"""Who carries the losses of AC power flow, and what is left where it has no solution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from grid.arrays import GridArrays
from grid.physics.balance import TINY_MW, Dispatch, balance, in_parts
from grid.physics.outages import Islands, Outages

if TYPE_CHECKING:
    from grid.physics.ac import AcFlow, PowerFlow

ROUNDS = 20  # most solutions of a step; one is enough where losses do not move a unit to its limit
CONSISTENT_PU = 1e-9  # of power, summed over a part, by which dispatch and flow may differ
PROBE_PU = 1e-3  # of losses, by which it is found who carries the next ones


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be balanced; b rows of the batch."""

    arrays: GridArrays
    plan: Dispatch
    load_mw: np.ndarray  # (b, N)
    gen_lo_mw: np.ndarray  # (b, N)
    gen_hi_mw: np.ndarray  # (b, N)
    outages: Outages | None
    at: np.ndarray  # (b, N) 1 at the reference node of each part

    @property
    def islands(self) -> Islands | None:
        """The rows whose grid has split."""
        return None if self.outages is None else self.outages.islands

    def take(self, rows: np.ndarray) -> Asked:
        """The same of some rows."""
        outages = self.outages
        if outages is not None:
            islands = None if outages.islands is None else outages.islands.take(rows)
            outages = Outages(outages.in_service[rows], islands, [], [])
        plan = Dispatch(**{name: value[rows] for name, value in vars(self.plan).items()})
        load_mw, low_mw, high_mw = self.load_mw[rows], self.gen_lo_mw[rows], self.gen_hi_mw[rows]
        return Asked(self.arrays, plan, load_mw, low_mw, high_mw, outages, self.at[rows])

    def dispatch(self, loss_mw: np.ndarray) -> Dispatch:
        """The balance with losses (b, N) of the part of each node."""
        limits_mw = self.gen_lo_mw, self.gen_hi_mw
        return balance(self.arrays, self.plan, self.load_mw, *limits_mw, self.islands, loss_mw * self.at)

    def injected(self, done: Dispatch) -> tuple[np.ndarray, np.ndarray]:
        """(b, N) MW into the network, and reactive demand in Mvar: in step with what is served."""
        arrays, served_mw = self.arrays, self.load_mw - done.shed_mw
        has_load = arrays.load_max_mw > 0
        per_mw = np.where(has_load, arrays.load_max_mvar / np.where(has_load, arrays.load_max_mw, 1.0), 0.0)
        return done.injection_mw(self.load_mw), per_mw * served_mw + np.where(has_load, 0.0, arrays.load_max_mvar)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """(b, N) sum over the part of each node."""
        return in_parts(self.arrays, values, self.islands)


def with_losses(
    arrays: GridArrays,
    ac: AcFlow,
    plan: Dispatch,
    load_mw: np.ndarray,
    gen_lo_mw: np.ndarray,
    gen_hi_mw: np.ndarray,
    outages: Outages | None,
) -> tuple[Dispatch, PowerFlow, np.ndarray]:
    """Balance the plan against demand and losses in every connected part.

    Losses are one more demand of the part to ``balance``: units carry them in proportion to headroom x
    gen_reserve_frac, then charging stops, then demand is shed; so far as a plan is in surplus, that covers them first.
    As losses depend on who carries them, the flow is solved with its slack shared out as the balance shares the next
    MW, and again until both agree.

    Args:
        arrays: the grid.
        ac: solves the flow.
        plan: inside all limits.
        load_mw: (B, N) demand, less what is curtailed.
        gen_lo_mw: (B, N) lower limit of output.
        gen_hi_mw: (B, N) upper limit of output.
        outages: the lines that are out of service; None: none is.

    Returns:
        The dispatch, its flow, and (B, N) whether the part of the node has collapsed: without a solution nothing runs
        there, and all demand is shed. A part that has nothing to feed it is dark and has not collapsed.
    """
    reference = ac.references(len(load_mw), None if outages is None else outages.islands)
    at = (reference == np.arange(load_mw.shape[1])).astype(float)
    whole = Asked(arrays, plan, load_mw, gen_lo_mw, gen_hi_mw, outages, at)
    done = whole.dispatch(np.zeros(load_mw.shape))
    fed = whole.sum((gen_hi_mw + done.discharge_mw > 0).astype(float)) > 0
    flow, done, collapsed = _agree(ac, whole, done, np.zeros(load_mw.shape), ~fed, None, ROUNDS)
    if collapsed.any():
        names = ("gen_mw", "charge_mw", "discharge_mw", "spill_mw")
        stopped = {name: np.where(collapsed, 0.0, getattr(done, name)) for name in names}
        done = replace(done, **stopped, shed_mw=np.where(collapsed, load_mw, done.shed_mw))
    return done, flow, collapsed


def _agree(
    ac: AcFlow,
    asked: Asked,
    done: Dispatch,
    loss_mw: np.ndarray,
    dark: np.ndarray,
    start: np.ndarray | None,
    rounds: int,
) -> tuple[PowerFlow, Dispatch, np.ndarray]:
    """Solve with losses (b, N) to begin with, and again in the rows whose dispatch differs from what has flowed.

    Returns:
        Flow, dispatch, and (b, N) whether a part that is not dark has no solution.
    """
    injection_mw, load_mvar = asked.injected(done)
    next_mw = asked.injected(asked.dispatch(loss_mw + PROBE_PU * asked.arrays.base_mva))[0] - injection_mw
    total_mw = asked.sum(next_mw)
    share = np.where(total_mw > TINY_MW, next_mw / np.maximum(total_mw, TINY_MW), asked.at)
    flow = ac.solve(injection_mw, load_mvar, asked.outages, share, dark, start)
    loss_mw = loss_mw + flow.slack_mw
    done = asked.dispatch(loss_mw)
    given_mw, given_mvar = asked.injected(done)
    off_mw = np.abs(given_mw - (injection_mw + share * flow.slack_mw)) + np.abs(given_mvar - load_mvar)
    is_off = asked.sum(off_mw) > CONSISTENT_PU * asked.arrays.base_mva
    collapsed = ~flow.solved
    is_off &= ~dark & ~collapsed
    if rounds == 0:
        collapsed |= is_off
    rows = np.flatnonzero(is_off.any(1))
    if rows.size:
        dark = dark | collapsed
        again = asked.take(rows)
        part = Dispatch(**{name: value[rows] for name, value in vars(done).items()})
        rest = _agree(ac, again, part, loss_mw[rows], dark[rows], flow.voltage[rows], max(rounds - 1, 0))
        for whole, found in (
            *zip(flow, rest[0], strict=True),
            *zip(vars(done).values(), vars(rest[1]).values(), strict=True),
        ):
            whole[rows] = found
        collapsed[rows] |= rest[2]
    return flow, done, collapsed
