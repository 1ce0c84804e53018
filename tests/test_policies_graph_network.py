"""The bidding network on the grids that leave something out."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from envs import EnvConfig, GridBatch
from grid import Grid
from policies.networks.graph_network import GraphNetwork
from policies.planner.grid_constants import Wiring
from policies.planner.plan import HOURS


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


@pytest.mark.parametrize("name", GRIDS)
def test_every_kind_of_grid_is_decided(name):
    fields = {"observation": "graph", "action": "absolute", "redispatch_moves": 0, "horizon": 12}
    batch = GridBatch(EnvConfig(topology=GRIDS[name], forecast_h=tuple(range(1, HOURS)), **fields), 4, seed=1)
    seen, wiring = batch.reset(), Wiring(batch.arrays, batch.config)
    torch.manual_seed(1)
    network = GraphNetwork(16, 1)
    for weight in network.parameters():
        weight.data.add_(0.1 * torch.randn_like(weight))
    for _ in range(12):
        actions, value = network({key: torch.as_tensor(part) for key, part in seen.items()}, wiring)
        assert torch.isfinite(value).all()
        assert (actions.abs() <= 1 + 1e-5).all()
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        loss = actions.square().sum() + value.sum()
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        assert all(torch.isfinite(each).all() for each in gradients if each is not None)
        seen, *_ = batch.step(actions.detach().numpy())
    if "town" in str(GRIDS[name].graph.nodes) and any("plant" in node for node in GRIDS[name].graph.nodes):
        assert batch.metrics["unserved_mwh"].sum() < 1e-6


@pytest.mark.parametrize(("dt_h", "leads"), [(3.0, (3, 6, 24)), (0.25, (1, 24)), (1.0, (2,))])
def test_other_steps_and_forecasts_need_no_other_network(dt_h, leads):
    fields = {"observation": "graph", "action": "absolute", "horizon": 6, "dt_h": dt_h, "forecast_h": leads}
    batch = GridBatch(EnvConfig(topology="case14", **fields), 3, seed=1)
    seen = {key: torch.as_tensor(part) for key, part in batch.reset().items()}
    actions, _ = GraphNetwork(16, 1)(seen, Wiring(batch.arrays, batch.config))
    assert actions.shape == (3, len(batch.arrays.controllable))


def test_before_training_the_stores_buy_low_and_sell_high():
    batch = GridBatch(
        EnvConfig(topology="case14", observation="graph", action="absolute", forecast_h=tuple(range(1, HOURS))), 16, 2
    )
    seen, wiring, network = batch.reset(), Wiring(batch.arrays, batch.config), GraphNetwork()
    varying = [name is not None for name in batch.arrays.gen_profile]
    bought_mw, sold_mw, net_mw = [], [], []
    for _ in range(batch.horizon):
        with torch.no_grad():
            actions, _ = network({key: torch.as_tensor(part) for key, part in seen.items()}, wiring)
        weather_mw = (batch.limits.gen_hi_mw[:, varying]).sum(1)
        net_mw.append(batch.inputs.load_mw.sum(1) - weather_mw)
        seen, *_ = batch.step(actions.numpy())
        bought_mw.append(batch.last.outcome.charge_mw.sum(1))
        sold_mw.append(batch.last.outcome.discharge_mw.sum(1))
    net, bought, sold = (np.array(each) for each in (net_mw, bought_mw, sold_mw))
    assert bought.sum() > 0
    assert (net * sold).sum() / sold.sum() > 1.1 * (net * bought).sum() / bought.sum()
