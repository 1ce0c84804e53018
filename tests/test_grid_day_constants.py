"""What the day planner knows of a grid whose lines are out of service, now and in the hours ahead."""

import dataclasses

import numpy as np
import pytest

from days import batch_of, hourly, plan_of
from envs import EnvConfig, GridBatch
from envs.outages import Outage
from grid import Grid, Prices
from grid.physics.flow import flows
from grid.physics.outages import Outages
from grid.planning.day import HOURS
from grid.planning.day.constants import KEPT_BYTES, KeptConstants, constants_of
from grid.planning.day.planner import Day
from grid.planning.day.statuses import groups_of
from policies import load_agent
from policies.evaluation import evaluate
from topologies import load


@pytest.mark.parametrize("topology", ["triangle", "case14", "gen:30:4", "gen:17:8"])
def test_flows_without_lines_are_those_of_the_physics(topology):
    """By the outage factors of the env, a second way; with islands, each of them balanced."""
    arrays, rng = load(topology).compile(), np.random.default_rng(0)
    whole, lines, unit = constants_of(arrays, Prices()), len(arrays.line_names), arrays.unit_mw
    has_split = 0
    for out in [(line,) for line in range(lines)] + [tuple(sorted(rng.permutation(lines)[:2])) for _ in range(5)]:
        left = constants_of(arrays, Prices(), out)
        injection_mw = rng.normal(size=(3, len(arrays.node_names))) * unit
        injection_mw -= (injection_mw @ left.part / left.part.sum(0)) @ left.part.T
        in_service = np.ones((3, lines), dtype=bool)
        in_service[:, out] = False
        expected = flows(arrays, injection_mw, Outages.of(arrays, in_service))[:, left.limited]
        np.testing.assert_allclose(injection_mw @ left.flow + left.offset * unit, expected, atol=1e-6 * unit)
        has_split += left.part.shape[1] > arrays.part_matrix.shape[1]
        for name in ("unit_mw", "typical_price_per_mwh", "sources", "stores", "limited", "gen_max"):
            np.testing.assert_array_equal(getattr(left, name), getattr(whole, name))
        np.testing.assert_array_equal(left.network.capacity, whole.network.capacity)
        for name in left.fleet._fields:
            np.testing.assert_array_equal(getattr(left.fleet, name), getattr(whole.fleet, name))
    assert has_split or topology == "triangle"


def test_constants_are_kept_but_not_without_end(monkeypatch):
    kept, lines = KeptConstants(load("case14").compile(), Prices()), len(load("case14").compile().line_names)
    first = kept.without((0,))
    assert lines * first.nbytes < KEPT_BYTES  # every single line fits
    monkeypatch.setattr("grid.planning.day.constants.KEPT_BYTES", 3 * first.nbytes)
    assert kept.without((0,)) is first
    for line in range(1, 4):
        kept.without((line,))
    assert kept.without((0,)) is not first
    monkeypatch.setattr("grid.planning.day.constants.KEPT_BYTES", 1)
    assert kept.without((5,)) is kept.without((5,))  # one is kept, however large


def test_the_price_of_load_shedding_is_the_least_of_nodes_with_demand():
    """That of a plant's node without demand has no say."""
    grid = Grid("two")
    grid.add_source("plant", gen_max_mw=10, gen_cost_per_mwh=50)
    grid.add_consumer("town", load_max_mw=5, shed_cost_per_mwh=900)
    grid.add_line("plant", "town")
    found = constants_of(dataclasses.replace(grid.compile(), shed_cost_per_mwh=np.array([1.0, 900.0])), Prices())
    assert found.fleet.shed == pytest.approx(900 / 50)


def rows_of(day, rows):
    """The numbers of some rows of a day."""
    names = [item.name for item in dataclasses.fields(Day) if item.name not in ("groups", "correction", "starts")]
    return {name: getattr(day, name)[rows] for name in names}


def test_rows_with_other_lines_out_are_planned_each_with_its_own():
    batch = batch_of("case14", 3, size=9)
    planner = batch.problem.planner
    ahead = batch.expected(planner.leads())
    in_service = np.ones((HOURS, 9, len(batch.arrays.line_names)), dtype=bool)
    for row, lines in enumerate([(), (2,), (0,), (2,), (), (0, 5), (2,), (7,), ()]):
        in_service[:, row, list(lines)] = False

    def plan(rows):
        own = dataclasses.replace(
            ahead,
            load_mw=ahead.load_mw[:, rows],
            gen_avail_frac=ahead.gen_avail_frac[:, rows],
            in_service=in_service[:, rows],
        )
        names = ("gen_lo_mw", "gen_hi_mw", "store_lo_mw", "store_hi_mw", "store_mwh")
        now = dataclasses.replace(batch.limits, **{name: getattr(batch.limits, name)[rows] for name in names})
        return planner.plan(own, now, batch.state.gen_mw[rows], False, batch.horizon - batch.t)

    together = plan(np.arange(9))
    assert sorted(len(own) for own, _ in together.groups) == [2, 7]  # two rows are split, in other parts each
    for row in range(9):
        for name, alone in rows_of(plan(np.array([row])), [0]).items():
            np.testing.assert_allclose(rows_of(together, [row])[name], alone, atol=1e-9, err_msg=name)
    assert np.abs(together.flow[1] - plan_of(batch).flow[1]).max() > 0.01  # and the lines matter


def with_outages(topology, dt_h=1.0, steps=0):
    """A batch some steps into episodes with planned outages and random ones."""
    grid = load(topology)
    for _, _, line in grid.graph.edges(data=True):
        line.update(outage_rate_per_h=0.004, repair_h=7.0)
    planned = (Outage(line="2-3", start_h=9, duration_h=5), Outage(line="4-5", start_h=20, duration_h=90))
    batch, rng = GridBatch(EnvConfig(topology=grid, outages=planned, dt_h=dt_h), 12, 1), np.random.default_rng(0)
    batch.reset()
    for _ in range(steps):
        batch.step(rng.uniform(-1, 1, (12, len(batch.arrays.controllable))))
    return batch


@pytest.mark.parametrize("dt_h", [1.0, 0.5])
@pytest.mark.parametrize("steps", [0, 6, 14, 30])
def test_what_is_planned_with_are_the_lines_that_the_env_expects(steps, dt_h):
    """Where a part would fall apart later, the lines of now are taken to last."""
    batch = with_outages("case14", dt_h, steps)
    leads = batch.problem.planner.leads()
    drawn = np.minimum(leads, len(batch.outlook.load_mw) - 1 - batch.t)
    expected = batch.outlook.lines.expected(batch.t, drawn, dt_h)  # (H, B, E)
    np.testing.assert_array_equal(batch.expected(leads).in_service, expected)
    kept, split, seen = KeptConstants(batch.arrays, batch.prices), 0, []
    for own, statuses in groups_of(kept, expected, 12, HOURS):
        rows = np.arange(12)[own]
        seen += rows.tolist()
        for place, b in enumerate(rows):
            out = [tuple(np.flatnonzero(~expected[hour, b]).tolist()) for hour in range(HOURS)]
            now = statuses.constants[statuses.hour[place, 0]]
            assert now is kept.without(out[0])
            for hour in range(HOURS):
                later = kept.without(out[hour])
                pairs = set(zip(now.node_part.tolist(), later.node_part.tolist(), strict=True))
                is_apart = len(pairs) > now.part.shape[1]
                split += is_apart
                assert statuses.constants[statuses.hour[place, hour]] is (now if is_apart else later)
    assert sorted(seen) == list(range(12))
    assert split < 12 * HOURS / 2
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
    batch = batch_of(grid, 1, horizon=24, outages=(outage,), forecast_error_frac=0.0)
    day, unit = batch.day, batch.arrays.unit_mw
    given = (day.output[:, :, 1] + day.output[:, :, 2]) * unit  # of the store, charging included
    np.testing.assert_allclose(given[:, :3], 4.0, atol=0.02)
    np.testing.assert_allclose(day.output[:, :3, 0] * unit, 1.0, atol=0.02)
    both = day.output[:, :23].sum(2) * unit
    np.testing.assert_allclose(both, 5.0, atol=0.05)  # plans are worked out less the further ahead
    carried = np.abs(day.flow[:, :23, 0]) * unit
    assert carried[:, :3].max() < 0.02
    assert carried[:, 3:].max() > 3
    assert carried.max() < 6.05


def test_plans_keep_lines_within_limits_in_the_hours_of_an_outage(monkeypatch):
    """By the flows of the physics, for what the plan puts out and the forecasts ask for."""
    hourly(monkeypatch, 1e-6)
    outages = (Outage(line="1-2", start_h=6, duration_h=5),)
    batch = batch_of("case14", size=3, outages=outages, forecast_error_frac=0.0)
    arrays, unit, overload, day = batch.arrays, batch.arrays.unit_mw, [], batch.day
    c, line = day.constants, batch.arrays.line_names.index("1-2")
    sources, stores = len(c.sources), len(c.stores)
    for hour in range(24):
        injection_mw = -batch.outlook.inputs(hour).load_mw
        output_mw = day.output[:, hour] * unit
        injection_mw[:, c.sources] += output_mw[:, :sources]
        injection_mw[:, c.stores] += output_mw[:, sources : sources + stores] + output_mw[:, sources + stores :]
        in_service = np.ones((3, len(arrays.line_names)), dtype=bool)
        in_service[:, line] = not 6 <= hour < 11
        flow_mw = flows(arrays, injection_mw, Outages.of(arrays, in_service))
        np.testing.assert_allclose(day.flow[:, hour] * unit, flow_mw[:, c.limited], atol=0.05)
        overload.append((np.abs(flow_mw) - arrays.capacity_mw).max())
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
