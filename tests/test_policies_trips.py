"""What a trip costs is felt before it happens."""

import numpy as np
import pytest
import torch

from envs import EnvConfig, GridBatch
from grid import Grid, Prices
from policies.learning import trips
from policies.learning.torch_episode import TorchEpisodes
from policies.learning.trips import cost_of_a_trip


def corridor():
    """A town whose cheap power comes by two lines that are short of capacity."""
    grid = Grid("corridor")
    grid.add_source("plant", gen_max_mw=100, gen_cost_per_mwh=10)
    grid.add_source("engine", gen_max_mw=20, gen_cost_per_mwh=100)
    grid.add_consumer("town", load_max_mw=60, load_profile="household")
    for start, capacity_mw in (("plant", 20), ("plant", 20), ("engine", None)):
        grid.add_line(start, "town", capacity_mw=capacity_mw)
    return grid


@pytest.mark.parametrize("engine", [-0.6, -0.2])
def test_the_gradient_feels_trips_as_finite_differences_of_the_mean_do(engine, monkeypatch):
    """Overloads are cheap here and the engine is dear: without what trips cost, less of it seems better, not more."""
    config = EnvConfig(corridor(), horizon=3, overload="trip", action="absolute", prices=Prices(overload_per_mwh=1))
    batch = GridBatch(config, 1000)
    episodes = TorchEpisodes(batch, torch.device("cpu"))
    is_engine = torch.tensor([batch.arrays.node_names[node] == "engine" for node in batch.arrays.controllable])

    def mean_return(output):
        batch.reset(3)
        return episodes.run(lambda t, seen: torch.where(is_engine, output, 1.0).expand(1000, -1)).sum(0).mean()

    def slope():
        output = torch.tensor(engine, dtype=torch.float64, requires_grad=True)
        mean_return(output).backward()
        return float(output.grad)

    with torch.no_grad():
        values = [float(mean_return(torch.tensor(engine + step, dtype=torch.float64))) for step in (0.2, -0.2)]
    by_differences = (values[0] - values[1]) / 0.4
    assert by_differences > 0
    assert by_differences / 3 < slope() < 3 * by_differences
    monkeypatch.setattr(trips, "cost_of_a_trip", lambda *_: 0.0)
    assert slope() < 0


def test_what_a_trip_costs_by_hand():
    costs = np.array([[10.0, 10, 10], [10, 10, 70], [10, 10, 30], [10, 10, 50]])  # (T, B)
    lines = np.array([[0, 0, 0], [0, 0, 2], [0, 0, 0], [0, 0, 0]])
    are_out = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]], dtype=bool)
    assert cost_of_a_trip(costs, lines, are_out) == pytest.approx((60 + 20) / 2)
    assert cost_of_a_trip(costs, 0 * lines, are_out & False) == 0.0
    assert cost_of_a_trip(20.0 - costs, lines, are_out) == 0.0  # cheaper hours are no reason to trip lines
