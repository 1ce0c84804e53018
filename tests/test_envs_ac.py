"""Envs with flow="ac": accounts, the same trajectory for the same seed, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from congested import congested_grid
from envs import EnvConfig, GridBatch, Problem
from envs.recording import Recorder
from grid import GridError

pytest.importorskip("numba")


def lossy_grid():
    grid = congested_grid()
    for _, _, data in grid.graph.edges(data=True):
        data |= {"resistance_pu": 0.03, "charging_pu": 0.02}
    for _, data in grid.graph.nodes(data=True):
        if data.get("load_max_mw"):
            data |= {"load_max_mvar": 0.3 * data["load_max_mw"], "voltage_min_pu": 0.99}
    return grid


def config(**fields) -> EnvConfig:
    return EnvConfig(topology=lossy_grid(), **({"horizon": 6, "flow": "ac"} | fields))


def walked(batch, seed=0):
    """Rewards (T, B) of random actions, the same for each row whatever their number."""
    batch.reset()
    rewards = []
    for t in range(batch.horizon):
        action = np.random.default_rng([seed, t]).uniform(-1, 1, batch.action_space.shape)
        _, reward, _ = batch.step(np.tile(action, (batch.batch_size, 1)))
        rewards.append(reward)
    return np.array(rewards)


def test_metrics_add_up_losses_voltages_and_collapses():
    batch = GridBatch(config(outage_rate_per_h=0.02, overload="trip"), 5, seed=1)
    batch.reset()
    recorder, losses, off, cost = Recorder(batch, "idle"), 0.0, 0.0, 0.0
    for _ in range(6):
        batch.step(np.zeros((5, *batch.action_space.shape)))
        recorder.add()
        outcome = batch.last.outcome
        losses, off = losses + outcome.loss_mw, off + outcome.voltage_off_pu
        cost = cost + batch.costs["voltage"]
        expected = outcome.shed_mw.sum(1) + outcome.voltage_off_pu * 100
        over = np.maximum(outcome.line_mva - batch.arrays.capacity_mw, 0).sum(1)
        assert batch.violation_mwh == pytest.approx(expected + over)
    assert batch.metrics["loss_mwh"] == pytest.approx(losses)
    assert batch.metrics["voltage_pu_h"] == pytest.approx(off)
    assert batch.metrics["voltage"] == pytest.approx(cost)
    assert cost == pytest.approx(1e4 * off)
    assert batch.metrics["collapsed_steps"].shape == (5,)
    assert losses.min() > 0
    episode = recorder.episode(2)
    assert episode.costs["voltage"].sum() == pytest.approx(cost[2])
    assert episode.loss_mw.sum() == pytest.approx(losses[2])
    assert episode.overload_mwh == pytest.approx(batch.metrics["overload_mwh"][2])
    assert episode.collapsed.sum() == batch.metrics["collapsed_steps"][2]
    off = np.maximum(episode.voltage_min_pu - episode.voltage_pu, episode.voltage_pu - episode.voltage_max_pu)
    off = np.where(episode.voltage_pu > 0, np.maximum(off, 0.0), 0.0)
    assert off.sum() == pytest.approx(batch.metrics["voltage_pu_h"][2])  # each node is a bus of its own
    np.testing.assert_array_equal(episode.voltage_pu[-1], outcome.voltage_pu[2])
    np.testing.assert_array_equal(episode.line_mva[-1], outcome.line_mva[2])


@pytest.mark.parametrize("action", ["residual", "absolute", "bids"])
def test_the_same_seed_gives_the_same_trajectory_whatever_the_batch(action):
    fields = {"action": action, "outage_rate_per_h": 0.02, "overload": "trip", "horizon": 4}
    problem = Problem.of(config(**fields))
    many, again, one = (walked(GridBatch(problem, size, seed=3)) for size in (9, 9, 1))
    assert np.array_equal(many, again)
    assert many[:, :1] == pytest.approx(one, abs=1e-6 if action == "bids" else 1e-9)  # plans are good to that
    assert np.isfinite(many).all()


def test_in_dc_nothing_of_it_is_seen():
    batch = GridBatch(config(flow="dc"), 2, seed=0)
    walked(batch)
    outcome = batch.last.outcome
    assert [getattr(outcome, name) for name in ("voltage_pu", "line_mva", "loss_mw", "collapsed")] == [None] * 4
    assert not {"loss_mwh", "voltage_pu_h", "collapsed_steps", "voltage"} & batch.metrics.keys()


def test_losses_cost_what_the_units_that_carry_them_cost():
    dc, ac = (GridBatch(config(flow=flow), 3, seed=0) for flow in ("dc", "ac"))
    for batch in (dc, ac):
        walked(batch)
    assert (ac.metrics["generation"] > dc.metrics["generation"]).all()


def test_flow_is_one_of_two():
    with pytest.raises(GridError) as caught:
        EnvConfig(flow="AC")
    assert str(caught.value).startswith("config.flow: found 'AC'; allowed: dc or ac")


@pytest.mark.parametrize("kind", ["flat", "graph"])
def test_the_voltages_of_the_last_step_are_observed(kind):
    batch = GridBatch(EnvConfig(topology="case14", flow="ac", observation=kind), 3, 0)
    first = batch.reset(0)
    seen, _, _ = batch.step(np.zeros((3, len(batch.arrays.controllable))))
    voltage_pu = batch.last.outcome.voltage_pu
    if kind == "flat":
        names = batch.encoder.names
        at = [names.index(f"voltage_pu of the last step: {end}") for end in ("lowest", "highest")]
        np.testing.assert_allclose(seen[:, at], np.stack([voltage_pu.min(1), voltage_pu.max(1)], 1), rtol=1e-6)
        assert (first[:, at] == 1).all()
    else:
        at = batch.encoder.names["nodes"].index("voltage_pu of the last step")
        np.testing.assert_allclose(seen["nodes"][..., at], voltage_pu, rtol=1e-6)
    assert batch.observation_space.contains(
        seen[0] if kind == "flat" else {name: part[0] for name, part in seen.items()}
    )
