"""Energy accounts of a step and of an episode, for tests: nothing appears, nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.episode import Episode
from grid.state import Array, Outcome, State


@dataclass(frozen=True)
class Ledger:
    """Energy of one step, (B,) each, in MWh; both imbalances are rounding only (<= 1e-9)."""

    generation_mwh: Array
    discharge_mwh: Array
    served_mwh: Array
    charge_mwh: Array
    spill_mwh: Array
    store_change_mwh: Array
    loss_mwh: Array  # in conversion and standing by
    network_imbalance_mwh: Array  # generation + discharge − served − charge − spill
    store_imbalance_mwh: Array  # store change − charge + discharge + losses


def ledger(arrays: GridArrays, before: State, outcome: Outcome, after: State, dt_h: float) -> Ledger:
    """Account for one step from the state before, what happened and the state after."""

    def energy(power_mw: Array) -> Array:
        return power_mw.sum(-1) * dt_h

    standing = (before.store_mwh - arrays.store_min_mwh) * (1.0 - (1.0 - arrays.store_loss_frac_per_h) ** dt_h)
    converting = outcome.charge_mw * (1.0 - arrays.charge_eff_frac) + outcome.discharge_mw * (
        1.0 / arrays.discharge_eff_frac - 1.0
    )
    parts = (outcome.gen_mw, outcome.discharge_mw, outcome.served_mw, outcome.charge_mw, outcome.spill_mw)
    gen, discharge, served, charge, spill = map(energy, parts)
    change = (after.store_mwh - before.store_mwh).sum(-1)
    loss = standing.sum(-1) + energy(converting)
    network = gen + discharge - served - charge - spill
    return Ledger(gen, discharge, served, charge, spill, change, loss, network, change - charge + discharge + loss)


def episode_totals(episode: Episode) -> dict[str, float]:
    """Energy of a whole episode in MWh, by account."""
    powers = ("gen", "served", "shed", "curtailed", "spill", "charge", "discharge")
    totals = {f"{name}_mwh": float(getattr(episode, f"{name}_mw").sum() * episode.dt_h) for name in powers}
    totals["balancing_mwh"] = float(episode.balancing_mw.sum() * episode.dt_h)
    totals["overload_mwh"] = episode.overload_mwh
    totals["store_change_mwh"] = float(np.sum(episode.store_mwh[-1] - episode.store_mwh[0]))
    return totals
