"""Energy is conserved in every step, and the accounts of an episode add up."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given

from episodes import make_episode
from grid import Grid, Inputs, Setpoint, State
from grid.physics.step import step
from ledger import episode_totals, ledger
from strategies import CHECKED, SEEDS, grids, walk


@CHECKED
@given(grids(), SEEDS)
def test_energy_is_conserved_in_every_step(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed):
        dt_h, o = w.inputs.dt_h, w.outcome
        account = ledger(arrays, w.before, o, w.after, dt_h)
        assert abs(account.network_imbalance_mwh).max() <= 1e-9
        assert abs(account.store_imbalance_mwh).max() <= 1e-9
        assert (account.loss_mwh >= -1e-9).all()
        # the same sums without the ledger
        network = o.gen_mw + o.discharge_mw - o.served_mw - o.charge_mw - o.spill_mw
        assert abs(network.sum(1)).max() * dt_h <= 1e-9
        kept = (w.before.store_mwh - arrays.store_min_mwh) * (1 - arrays.store_loss_frac_per_h) ** dt_h
        inside = o.charge_mw * arrays.charge_eff_frac * dt_h - o.discharge_mw / arrays.discharge_eff_frac * dt_h
        wanted = arrays.store_min_mwh + kept + inside
        np.testing.assert_allclose(w.after.store_mwh, wanted, rtol=0, atol=1e-9)


def test_each_account_by_hand():
    grid = Grid("accounts")
    grid.add_source("s", gen_max_mw=100, gen_min_mw=60)
    grid.add_storage(
        "b", store_max_mwh=100, store_min_mwh=20, store_init_mwh=70, charge_max_mw=10, discharge_max_mw=10,
        charge_eff_frac=0.8, discharge_eff_frac=0.5, store_loss_frac_per_h=0.1,
    )  # fmt: skip
    grid.add_consumer("c", load_max_mw=200)
    grid.add_line("s", "b")
    grid.add_line("b", "c")
    arrays = grid.compile()

    def account(store_mw: float, load_mw: float) -> dict[str, float]:
        before = State(np.array([[0.0, 70, 0]]), np.zeros((1, 3)), np.zeros(1))
        setpoint = Setpoint(np.array([[60.0, 0, 0]]), np.array([[0.0, store_mw, 0]]))
        inputs = Inputs(np.ones((1, 3)), np.array([[0.0, 0, load_mw]]), 2.0)
        after, outcome = step(arrays, before, setpoint, inputs)
        result = ledger(arrays, before, outcome, after, 2.0)
        return {field.name: float(getattr(result, field.name)[0]) for field in fields(result)}

    standing = 50 * (1 - 0.9**2)
    charged = {
        "generation_mwh": 120, "discharge_mwh": 0, "served_mwh": 80, "charge_mwh": 20, "spill_mwh": 20,
        "store_change_mwh": 16 - standing, "loss_mwh": standing + 4,
        "network_imbalance_mwh": 0, "store_imbalance_mwh": 0,
    }  # fmt: skip
    assert account(-10, 40) == pytest.approx(charged, abs=1e-9)
    discharged = {
        "generation_mwh": 200, "discharge_mwh": 20, "served_mwh": 220, "charge_mwh": 0, "spill_mwh": 0,
        "store_change_mwh": -40 - standing, "loss_mwh": standing + 20,
        "network_imbalance_mwh": 0, "store_imbalance_mwh": 0,
    }  # fmt: skip
    assert account(10, 150) == pytest.approx(discharged, abs=1e-9)


def test_the_ledger_sees_what_is_wrong():
    grid = Grid("wrong")
    grid.add_source("s", gen_max_mw=100)
    grid.add_storage("b", store_max_mwh=10, charge_max_mw=5, discharge_max_mw=5)
    grid.add_line("s", "b")
    arrays = grid.compile()
    w = next(iter(walk(arrays, 0, batch=2)))
    more = replace(w.outcome, gen_mw=w.outcome.gen_mw + np.array([[3.0, 0], [0, 0]]))
    dt_h = w.inputs.dt_h
    np.testing.assert_allclose(
        ledger(arrays, w.before, more, w.after, dt_h).network_imbalance_mwh, [3 * dt_h, 0], atol=1e-9
    )
    leaked = replace(w.after, store_mwh=w.after.store_mwh - np.array([[0, 0], [0, 2.0]]))
    np.testing.assert_allclose(
        ledger(arrays, w.before, w.outcome, leaked, dt_h).store_imbalance_mwh, [0, -2], atol=1e-9
    )


def test_the_totals_of_an_episode():
    episode = make_episode(nodes=8, steps=6, dt_h=0.5)
    totals = episode_totals(episode)
    for name in ("gen", "served", "shed", "curtailed", "spill", "charge", "discharge", "balancing"):
        assert totals[f"{name}_mwh"] == pytest.approx(0.5 * getattr(episode, f"{name}_mw").sum())
    assert totals["overload_mwh"] == pytest.approx(
        0.5 * sum(max(0, abs(f) - c) for row in episode.flow_mw for f, c in zip(row, episode.capacity_mw, strict=True))
    )
    assert totals["store_change_mwh"] == pytest.approx(episode.store_mwh[6].sum() - episode.store_mwh[0].sum())
    assert len(totals) == 10
    assert {type(value) for value in totals.values()} == {float}
