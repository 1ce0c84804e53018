"""The graph network, and the plan beneath it, on the grids that leave something out."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from envs import EnvConfig, GridBatch
from grid import Grid
from policies.networks.graph_network import GraphNetwork, GridConstants


def grid_of(*kinds, capacity_mw=6.0, parts=1):
    """A line of nodes of these kinds, as often as there are to be parts."""
    grid = Grid("some")
    for part in range(parts):
        names = []
        for place, kind in enumerate(kinds):
            name = f"{kind}{part}{place}"
            names.append(name)
            if kind == "plant":
                grid.add_source(name, gen_max_mw=8, gen_cost_per_mwh=30 + place)
            elif kind == "sun":
                grid.add_source(name, gen_max_mw=8, gen_profile="sun")
            elif kind == "store":
                grid.add_storage(name, store_max_mwh=16, charge_max_mw=4, discharge_max_mw=4)
            else:
                grid.add_consumer(name, load_max_mw=6, load_profile="household")
        for a, b in pairwise(names):
            grid.add_line(a, b, **({} if capacity_mw is None else {"capacity_mw": capacity_mw}))
    return grid


GRIDS = {
    "no stores": grid_of("plant", "town", "plant"),
    "no consumers": grid_of("plant", "store"),
    "no lines with a limit": grid_of("plant", "store", "town", capacity_mw=None),
    "nothing that costs anything": grid_of("sun", "store", "town"),
    "two parts": grid_of("plant", "store", "town", parts=2),
    "one source alone": grid_of("plant"),
    "one store alone": grid_of("store"),
}


def network_of(batch, seed=1):
    """A network whose weights are all drawn at random, so that no output is 0 by its start."""
    torch.manual_seed(seed)
    sizes = [batch.observation_space[name].shape[-1] for name in ("nodes", "lines", "globals")]
    network = GraphNetwork(*sizes, 16, 1)
    for weight in network.parameters():
        weight.data.add_(0.1 * torch.randn_like(weight))
    return network


def tensors(observation):
    return {key: torch.as_tensor(part) for key, part in observation.items()}


@pytest.mark.parametrize("name", GRIDS)
def test_every_kind_of_grid_is_planned_observed_and_decided(name):
    config = EnvConfig(topology=GRIDS[name], observation="graph", action="bids", horizon=12)
    batch = GridBatch(config, 4, seed=1)
    seen, grid, network = batch.reset(), GridConstants(batch.arrays), network_of(batch)
    for _ in range(12):
        for i in range(4):
            assert batch.observation_space.contains({key: part[i] for key, part in seen.items()})
        actions, value = network(tensors(seen), grid)
        assert actions.shape == (4, len(batch.arrays.controllable))
        assert torch.isfinite(value).all()
        gradients = torch.autograd.grad(actions.square().sum() + value.sum(), list(network.parameters()))
        assert all(torch.isfinite(each).all() for each in gradients)
        seen, *_ = batch.step(actions.detach().clamp(-1, 1).numpy())
    if "town" in str(GRIDS[name].graph.nodes) and any("plant" in node for node in GRIDS[name].graph.nodes):
        assert batch.metrics["unserved_mwh"].sum() < 1e-6


@pytest.mark.parametrize(("dt_h", "leads"), [(3.0, (3, 6, 24)), (0.25, (1, 24)), (1.0, (2,))])
def test_other_steps_and_forecasts_are_planned_with_alike(dt_h, leads):
    fields = {"observation": "graph", "action": "bids", "horizon": 6, "dt_h": dt_h, "forecast_h": leads}
    batch = GridBatch(EnvConfig(topology="case14", **fields), 3, seed=1)
    seen = batch.reset()
    actions, _ = network_of(batch)(tensors(seen), GridConstants(batch.arrays))
    assert actions.shape == (3, len(batch.arrays.controllable))
    for _ in range(6):
        batch.step(actions.detach().clamp(-1, 1).numpy())
    assert batch.metrics["unserved_mwh"].sum() < 1e-6


def test_actions_of_0_let_the_stores_buy_low_and_sell_high():
    batch = GridBatch(EnvConfig(topology="case14", action="bids"), 16, 2)
    batch.reset()
    varying = [name is not None for name in batch.arrays.gen_profile]
    bought_mw, sold_mw, net_mw = [], [], []
    for _ in range(batch.horizon):
        weather_mw = (batch.limits.gen_hi_mw[:, varying]).sum(1)
        net_mw.append(batch.inputs.load_mw.sum(1) - weather_mw)
        batch.step(np.zeros((16, *batch.action_space.shape)))
        bought_mw.append(batch.last.outcome.charge_mw.sum(1))
        sold_mw.append(batch.last.outcome.discharge_mw.sum(1))
    net, bought, sold = (np.array(each) for each in (net_mw, bought_mw, sold_mw))
    assert bought.sum() > 0
    assert (net * sold).sum() / sold.sum() > 1.1 * (net * bought).sum() / bought.sum()


def test_the_critic_does_not_shape_the_embeddings():
    batch = GridBatch(EnvConfig(topology="triangle", observation="graph", action="bids", horizon=6), 2)
    network, grid = network_of(batch), GridConstants(batch.arrays)
    network(tensors(batch.reset()), grid)[1].sum().backward()
    assert all(weight.grad is None for weight in network.body.parameters())
    assert all(weight.grad is not None for weight in network.value.parameters())


def test_what_is_far_outside_of_what_networks_meet_counts_as_its_bound():
    batch = GridBatch(EnvConfig(topology="triangle", observation="graph", action="bids", horizon=6), 2)
    network, grid, seen = network_of(batch), GridConstants(batch.arrays), tensors(batch.reset())
    actions = [network({name: part + size for name, part in seen.items()}, grid)[0] for size in (1e3, 1e6)]
    assert torch.equal(*actions)
    assert not torch.equal(actions[0], network(seen, grid)[0])
