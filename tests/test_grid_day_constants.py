"""What the graph network knows of a grid whose lines are out of service."""

import numpy as np
import pytest
import torch
from policies.planner.day import plan_day
from policies.planner.grid_constants import MOST_KEPT, Wiring
from policies.planner.outages import statuses_ahead
from policies.planner.plan import HOURS
from test_policies_market import batch_of

from envs import EnvConfig, GridBatch
from envs.observations import unit_mw
from envs.outages import Outage
from grid import Grid
from grid.physics.flow import flows
from grid.physics.outages import Outages
from policies import load_agent
from policies.evaluation import evaluate
from policies.networks.graph_network import GraphNetwork, by_status
from topologies import load


@pytest.mark.parametrize("topology", ["triangle", "case14", "gen:30:4", "gen:17:8"])
def test_flows_without_lines_are_those_of_the_physics(topology):
    """By the outage factors of the env, a second way; with islands, each of them balanced."""
    config = EnvConfig(topology=topology, observation="graph", action="absolute")
    arrays, rng = GridBatch(config).arrays, np.random.default_rng(0)
    wiring, lines, unit = Wiring(arrays, config), len(arrays.line_names), unit_mw(arrays)
    has_split = 0
    for out in [(line,) for line in range(lines)] + [tuple(sorted(rng.permutation(lines)[:2])) for _ in range(5)]:
        left = wiring.without(out)
        injection_mw = rng.normal(size=(3, len(arrays.node_names))) * unit
        part = left.part.double().numpy()
        injection_mw -= (injection_mw @ part / part.sum(0)) @ part.T
        in_service = np.ones((3, lines), dtype=bool)
        in_service[:, out] = False
        expected = flows(arrays, injection_mw, Outages.of(arrays, in_service))[:, left.limited]
        found = injection_mw @ left.flow.double().numpy() + left.offset.double().numpy() * unit
        np.testing.assert_allclose(found, expected, atol=1e-4 * unit)
        has_split += part.shape[1] > arrays.part_matrix.shape[1]
        for name in ("unit_features", "line_features", "edge_index", "capacity", "limited"):
            assert torch.equal(getattr(left, name), getattr(wiring, name))
    assert has_split or topology == "triangle"


def test_wirings_are_kept_but_not_without_end(monkeypatch):
    config = EnvConfig(topology="case14", observation="graph", action="absolute")
    wiring = Wiring(GridBatch(config).arrays, config)
    monkeypatch.setattr("policies.planner.grid_constants.MOST_KEPT", 3)
    first = wiring.without((0,))
    assert wiring.without(()) is wiring
    assert wiring.without((0,)) is first
    for line in range(1, 4):
        wiring.without((line,))
    assert wiring.without((0,)) is not first
    assert len(wiring.line_features) < MOST_KEPT  # every single line fits
    assert not wiring.state_dict()


def test_rows_with_other_lines_out_are_decided_each_in_its_own_wiring():
    _, seen, wiring = batch_of("case14", 3, size=9)
    seen = {name: part.clone() for name, part in seen.items()}
    for row, lines in enumerate([(), (2,), (0,), (2,), (), (0, 5), (2,), (7,), ()]):
        seen["lines"][row, list(lines), 2] = 1.0
    torch.manual_seed(0)
    network = GraphNetwork(16, 1)
    with torch.no_grad():
        together = network(seen, wiring)
        values = network.judge(seen, wiring)
        for row in range(9):
            alone = network({name: part[[row]] for name, part in seen.items()}, wiring)
            for whole, one in zip(together, alone, strict=True):
                np.testing.assert_allclose(whole[[row]], one, atol=1e-5)
    np.testing.assert_allclose(values, together[1], atol=1e-5)
    sizes = []
    by_status(lambda part, own: (sizes.append((len(part["nodes"]), own)) or part["nodes"],), seen, wiring)
    assert sorted(count for count, _ in sizes) == [1, 1, 1, 3, 3]


def with_outages(topology, dt_h=1.0, steps=0):
    """A batch some steps into episodes with a planned outage and random ones, what is seen, and the wiring."""
    grid = load(topology)
    for _, _, line in grid.graph.edges(data=True):
        line.update(outage_rate_per_h=0.004, repair_h=7.0)
    planned = (Outage(line="2-3", start_h=9, duration_h=5), Outage(line="4-5", start_h=20, duration_h=90))
    config = EnvConfig(topology=grid, observation="graph", action="absolute", outages=planned, dt_h=dt_h)
    batch, rng = GridBatch(config, 12, 1), np.random.default_rng(0)
    observation = batch.reset()
    for _ in range(steps):
        observation, *_ = batch.step(rng.uniform(-1, 1, (12, len(batch.arrays.controllable))))
    seen = {name: torch.as_tensor(part) for name, part in observation.items()}
    return batch, seen, Wiring(batch.arrays, config)


@pytest.mark.parametrize("dt_h", [1.0, 0.5])
@pytest.mark.parametrize("steps", [0, 6, 14, 30])
def test_what_is_known_of_lines_is_what_the_env_expects(steps, dt_h):
    batch, seen, wiring = with_outages("case14", dt_h, steps)
    left = min(HOURS, int((batch.horizon - batch.t) * dt_h))
    expected = batch.outlook.lines.expected(batch.t, (np.arange(left) / dt_h).astype(int), dt_h)  # (H, B, E)
    split = 0
    for b in range(12):
        row = {name: part[[b]] for name, part in seen.items()}
        now = wiring.without(tuple(np.flatnonzero(~expected[0, b]).tolist()))
        statuses = statuses_ahead(now, row, torch.tensor([batch.horizon - batch.t]))
        for hour in range(left):
            out = tuple(np.flatnonzero(~expected[hour, b]).tolist())
            later = wiring.without(out).part.argmax(1)
            if len({(int(a), int(b)) for a, b in zip(now.part.argmax(1), later, strict=True)}) == now.part.shape[1]:
                assert statuses.wirings[statuses.hour[0, hour]].out == out
            else:
                split += 1
                assert statuses.wirings[statuses.hour[0, hour]] is now
    assert split < 12 * left / 2
    assert not expected.all()


def test_a_plan_knows_when_what_is_apart_comes_together():
    """The town lives on its store until the line to the plant is back, and on the plant from then on."""
    grid = Grid("apart")
    grid.add_source("plant", gen_max_mw=10, gen_cost_per_mwh=20)
    grid.add_consumer("village", load_max_mw=1, load_profile="constant")
    grid.add_storage("store", store_max_mwh=40, charge_max_mw=5, discharge_max_mw=5, store_init_mwh=40)
    grid.add_consumer("town", load_max_mw=4, load_profile="constant")
    grid.add_line("plant", "village", key="near")
    grid.add_line("village", "town", key="long", capacity_mw=6)
    grid.add_line("store", "town", key="own")
    outage = Outage(line="long", start_h=0, duration_h=4)
    batch, seen, wiring = batch_of(grid, 1, horizon=24, outages=(outage,), forecast_error_frac=0.0)
    day = plan_day(wiring.without((batch.arrays.line_names.index("long"),)), seen)
    unit = unit_mw(batch.arrays)
    given = (day.output[:, :, 1] + day.output[:, :, 2]) * unit  # of the store, charging included
    np.testing.assert_allclose(given[:, :3], 4.0, atol=0.02)
    np.testing.assert_allclose(day.output[:, :3, 0] * unit, 1.0, atol=0.02)
    both = (day.output[:, :23].sum(2) * unit).numpy()
    np.testing.assert_allclose(both, 5.0, atol=0.05)  # plans are worked out less the further ahead
    carried = day.flow[:, :23, 0].abs() * unit
    assert carried[:, :3].max() < 0.02
    assert carried[:, 3:].max() > 3
    assert carried.max() < 6.05


def test_plans_keep_lines_within_limits_in_the_hours_of_an_outage(monkeypatch):
    """By the flows of the physics, for what the plan puts out and the forecasts ask for."""
    monkeypatch.setattr("policies.planner.day.SPANS_H", np.ones(HOURS, np.int64))
    monkeypatch.setattr("policies.planner.day.ENOUGH", np.full(HOURS, 1e-6))
    planned = EnvConfig(
        topology="case14",
        observation="graph",
        action="absolute",
        outages=(Outage(line="1-2", start_h=6, duration_h=5),),
        forecast_error_frac=0.0,
        forecast_h=tuple(range(1, 25)),
    )
    batch = GridBatch(planned, 3, 1)
    seen = {name: torch.as_tensor(part) for name, part in batch.reset().items()}
    wiring, unit, overload = Wiring(batch.arrays, planned), unit_mw(batch.arrays), []
    day = plan_day(wiring, seen)
    sources, stores, line = len(wiring.sources), len(wiring.stores), batch.arrays.line_names.index("1-2")
    for hour in range(24):
        inputs = batch.outlook.inputs(hour)
        injection_mw = -inputs.load_mw
        output_mw = day.output[:, hour].double().numpy() * unit
        injection_mw[:, wiring.sources] += output_mw[:, :sources]
        injection_mw[:, wiring.stores] += output_mw[:, sources : sources + stores] + output_mw[:, sources + stores :]
        in_service = np.ones((3, len(batch.arrays.line_names)), dtype=bool)
        in_service[:, line] = not 6 <= hour < 11
        flow_mw = flows(batch.arrays, injection_mw, Outages.of(batch.arrays, in_service))
        np.testing.assert_allclose(day.flow[:, hour].numpy() * unit, flow_mw[:, wiring.limited], atol=0.05)
        overload.append((np.abs(flow_mw) - batch.arrays.capacity_mw).max())
    assert max(overload) < 1.0


def test_the_shipped_agent_keeps_its_head_when_lines_go_out():
    """With a planned outage and with random ones."""
    random = load("case14")
    for _, _, line in random.graph.edges(data=True):
        line.update(outage_rate_per_h=0.002, repair_h=6.0)
    planned = EnvConfig(topology="case14", outages=(Outage(line="1-2", start_h=12, duration_h=24),))
    for config, least in ((planned, 98.0), (EnvConfig(topology=random), 75.0)):
        rows = {row.name: row for row in evaluate(["merit", "redispatch", load_agent("universal")], config, 4, 1).rows}
        assert rows["agent"].score.mean > least
        assert rows["agent"].score.mean > rows["redispatch"].score.mean + 5
        assert rows["agent"].overload_mwh < rows["redispatch"].overload_mwh
