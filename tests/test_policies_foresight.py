"""What the network is shown of the day ahead, against plain loops; and that it knows the limits of the coming step."""

import numpy as np
import pytest
import torch

from envs import EnvConfig, GridBatch
from envs.observations import unit_mw
from policies.clearing import clear, relieve
from policies.foresight import (
    BISECTIONS,
    MARGIN,
    MOVES,
    ROUNDS,
    _ramped,
    around,
    critical_value,
    hours_left,
    idle_day,
    planned_day,
    sides,
)
from policies.graph_network import GraphNetwork
from policies.wiring import HOURS, Wiring

LEADS_H = tuple(range(1, HOURS))


def batch_of(topology, steps=0, **fields):
    """A batch in the middle of an episode, its observation as tensors, and its wiring."""
    own = {"observation": "graph", "action": "absolute", "redispatch_moves": 0, "forecast_h": LEADS_H, **fields}
    batch = GridBatch(EnvConfig(topology=topology, **own), 6, seed=5)
    seen = batch.reset()
    for _ in range(steps):
        seen, *_ = batch.step(np.zeros((6, *batch.action_space.shape)))
    return batch, {name: torch.as_tensor(part) for name, part in seen.items()}, Wiring(batch.arrays, batch.config)


@pytest.mark.parametrize("topology", ["case14", "gen:30:4"])
def test_the_idle_day_meets_the_forecast_at_the_marginal_price(topology):
    batch, seen, wiring = batch_of(topology, 3)
    day, arrays, unit = idle_day(wiring, seen), batch.arrays, unit_mw(batch.arrays)
    expected_mw = batch.outlook.expected_load_mw(batch.t).sum(-1).T
    np.testing.assert_allclose(day.need[:, 1:].sum(-1) * unit, expected_mw, rtol=1e-4)
    served = day.output.sum(-1)
    enough = day.high.sum(-1) > day.need.sum(-1) + 1e-3
    np.testing.assert_allclose(served[enough], day.need.sum(-1)[enough], rtol=5e-3)
    hour, row = 7, 2
    cost = (wiring.cost + wiring.slope * day.output[row, hour]).numpy()
    part_way = (day.output > day.low + 1e-2) & (day.output < day.high - 1e-2)
    running = part_way[row, hour].numpy()
    assert running.any()
    np.testing.assert_allclose(cost[running], day.price[row, hour, 0], atol=2e-2)
    assert len(arrays.controllable) == day.price.shape[-1]


def test_beyond_the_end_of_the_episode_nothing_counts():
    _, seen, wiring = batch_of("case14", 40)
    day = idle_day(wiring, seen)
    assert (hours_left(wiring, seen["globals"]) == 8).all()
    assert (day.counts.sum(1) == 8).all()
    np.testing.assert_allclose(day.price[:, 8:], wiring.end_price)
    assert (day.sign[:, 8:] == 0).all()


def test_a_plan_is_what_plain_loops_find():
    _, seen, wiring = batch_of("gen:30:4", 30)  # 18 hours are left
    day = idle_day(wiring, seen)
    stores, rows = len(wiring.stores), 6
    value = day.price[:, :, len(wiring.sources) :].mean(1)
    stored = seen["nodes"][:, wiring.stores, 4]
    plan = planned_day(wiring, day, value, 0.02, 0.05, stored, day.output)
    assert plan.power.abs().max() > 0.5
    decided = 0
    for row in range(rows):
        powers = every_hour(wiring, day, value[row], 0.02, 0.05, row)
        for store in range(stores):
            level, full, empty, near = float(stored[row, store]), HOURS, HOURS, 1.0
            bounds = (float(wiring.store_max[store]), float(wiring.store_min[store]))
            for hour in range(HOURS):
                power = float(powers[hour, store]) * float(day.counts[row, hour])
                side = (1 / wiring.discharge_eff[store]) if power > 0 else wiring.charge_eff[store]
                most = wiring.discharge_max[store] if power > 0 else wiring.charge_max[store]
                level -= power * float(side)
                full = min(full, hour) if level > bounds[0] else full
                empty = min(empty, hour) if level < bounds[1] else empty
                near = min(near, abs(level - bounds[0]), abs(level - bounds[1]))
                np.testing.assert_allclose(plan.power[row, hour, store], power / float(most), atol=2e-2)
            if near > 0.03:  # else a rounding may decide
                assert (plan.full[row, store], plan.empty[row, store]) == (full, empty)
                decided += 1
    assert decided > stores * rows // 2


def test_the_critical_value_parts_filling_up_from_running_empty():
    """With a single store: every value above it fills the store first, every value below it empties it first."""
    _, seen, wiring = batch_of("triangle", 10)
    day, stored = idle_day(wiring, seen), seen["nodes"][:, wiring.stores, 4]
    value, output = critical_value(wiring, day, stored)
    bracket = day.price[..., -1].amax(1) - day.price[..., -1].amin(1) + 2 * MARGIN
    step, checked = (bracket / 2**BISECTIONS)[:, None], 0
    for way in (1, -1):
        plan = planned_day(wiring, day, value + 1.5 * way * step, 0.02, 0.05, stored, output)
        first, last = (plan.full, plan.empty) if way > 0 else (plan.empty, plan.full)
        hits = torch.minimum(first, last) < HOURS
        assert (first <= last).all()
        checked += int(hits.sum())
    assert checked > 0


def test_more_energy_is_worth_less():
    """The answer of the critical value to what is stored has the sign, and the size, of what finite differences say."""
    _, seen, wiring = batch_of("case14", 20)
    day, stored = idle_day(wiring, seen), seen["nodes"][:, wiring.stores, 4]
    value, output = critical_value(wiring, day, stored)
    _, answer = around(wiring, day, value, stored, output)
    more = (wiring.store_max - stored) / 4
    change = critical_value(wiring, day, stored + more)[0] - value
    assert (answer <= 0).all()
    assert (answer < 0).any()
    assert (change <= 0.05).all()
    assert change.mean() < -0.01
    assert 0.1 < (answer * more).mean() / change.mean() < 10


def every_hour(wiring, day, value, spread, slope, row):
    """(H, S) power of the stores, each hour cleared and relieved by itself."""
    sources, stores, out = len(wiring.sources), len(wiring.stores), []
    even = torch.ones_like(value)
    cost, rise, low, high = sides(wiring, value, spread * even, slope * even)
    gen_low, gen_high = _ramped(wiring, day, day.output)
    for hour in range(HOURS):
        bids = (torch.cat([wiring.cost, cost])[None], torch.cat([wiring.slope, rise])[None])
        limits = (torch.cat([gen_low[row, hour], low])[None], torch.cat([gen_high[row, hour], high])[None])
        output, _ = clear(*bids, *limits, day.need[row, hour][None], wiring.own, ROUNDS)
        flow = output @ wiring.reach + day.load_flow[row, hour]
        lines = (wiring.capacity, wiring.reach, wiring.joined, wiring.overload)
        if (flow.abs() > wiring.capacity + 2e-5).any():
            output = relieve(output, flow, *bids, *limits, *lines, MOVES)
        output = output[0]
        out.append(output[sources : sources + stores] + output[sources + stores :])
    return torch.stack(out)


@pytest.mark.parametrize("topology", ["triangle", "classic", "case14", "gen:30:4", "gen:17:8"])
@pytest.mark.parametrize("dt_h", [1.0, 0.5])
def test_the_network_knows_the_limits_of_the_coming_step(topology, dt_h):
    """What it asks for meets demand inside all limits, ramps and losses included: nothing is left to balance."""
    batch, seen, wiring = batch_of(topology, dt_h=dt_h)
    torch.manual_seed(1)
    network, moved = GraphNetwork(16, 1), 0.0
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        for _ in range(20):
            actions, _ = network(seen, wiring)
            seen, *_ = batch.step(actions.numpy())
            seen = {name: torch.as_tensor(part) for name, part in seen.items()}
            outcome = batch.last.outcome
            short = outcome.shed_mw.sum(1) + outcome.spill_mw.sum(1)
            left = np.where(short > 0, 0, outcome.balancing_mw) / batch.arrays.peak_load_mw
            np.testing.assert_allclose(left, 0, atol=2e-3)
            assert np.abs(outcome.clipped_mw).max() < 1e-3 * batch.arrays.peak_load_mw
            moved += float((outcome.charge_mw + outcome.discharge_mw).sum())
    assert moved > 0
