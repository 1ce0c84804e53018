"""Evaluation: the same episodes for all, numbers as a plain loop finds them, intervals that mean something."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from congested import congested_grid
from envs import EnvConfig, GridBatch
from envs.rewards import reference_cost
from grid import Grid, GridError, Setpoint, workers
from grid.planning.optimum import optimum
from policies.baselines import QUICK, Merit, Random
from policies.comparison import Runs, compare
from policies.evaluation import evaluate
from policies.measuring import run_episodes
from policies.table import Bootstrap
from strategies import CHECKED, SEEDS

CONFIG = EnvConfig(topology=congested_grid(), horizon=24)
EPISODES, SEED = 7, 11


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(list(QUICK), CONFIG, EPISODES, SEED)


def one_by_one(make, split="test"):
    """Cost, unserved, overload and reference of each episode, in plain loops over episodes and steps."""
    rows = []
    for i in range(EPISODES):
        batch = GridBatch(EnvConfig(topology=CONFIG.topology, horizon=24, split=split), EPISODES, SEED)
        batch.reset(SEED)
        policy = make()
        policy.reset(batch)
        arrays, cost, unserved_mwh, overload_mwh, reference = batch.arrays, 0.0, 0.0, 0.0, 0.0
        for _ in range(24):
            inputs = batch.inputs
            row = inputs.load_mw[i : i + 1], inputs.gen_avail_frac[i : i + 1]
            reference += float(reference_cost(batch.problem.copper_plate, batch.prices, *row, 1.0)[0])
            batch.step_setpoint(policy.act(batch))
            last = batch.last
            cost += sum(float(term[i]) for term in last.costs.values())
            unserved_mwh += float(last.outcome.shed_mw[i].sum())
            for flow_mw, capacity_mw in zip(last.outcome.flow_mw[i], arrays.capacity_mw, strict=True):
                overload_mwh += max(0.0, abs(float(flow_mw)) - float(capacity_mw))
        rows.append((cost, unserved_mwh, overload_mwh, reference))
    return np.array(rows).T


@pytest.mark.parametrize("make", [Random, Merit])
def test_numbers_are_those_of_a_plain_loop(evaluation, make):
    cost, unserved_mwh, overload_mwh, reference = one_by_one(make)
    batch = GridBatch(EnvConfig(topology=CONFIG.topology, horizon=24, split="test"), EPISODES, SEED)
    batch.reset(SEED)
    best = np.array([optimum(batch.arrays, batch.episode_inputs(i)).cost for i in range(EPISODES)])
    floor = 0.01 * 105 * 1000 * 24  # 1 % of peak demand x price of shedding
    denominator = max(reference.sum(), floor * EPISODES)
    row = evaluation[make.name]
    assert row.cost.mean == pytest.approx(cost.mean(), rel=1e-12)
    assert row.gap_frac.mean == pytest.approx((cost - best).sum() / denominator, rel=1e-9)
    assert row.unserved_mwh == pytest.approx(unserved_mwh.mean(), abs=1e-12)
    assert row.overload_mwh == pytest.approx(overload_mwh.mean(), rel=1e-9)
    assert overload_mwh.mean() > 1
    assert row.worst_episode == np.argmax(cost - best)
    assert evaluation["optimum"].cost.mean == pytest.approx(best.mean(), rel=1e-9)


def test_merit_scores_0_and_the_optimum_100_exactly(evaluation):
    for name, score in (("merit", 0.0), ("optimum", 100.0)):
        figure = evaluation[name].score
        assert (figure.mean, figure.low, figure.high) == (score, score, score)
    assert evaluation["optimum"].gap_frac.high == 0
    assert evaluation["random"].score.high < 0


def test_the_split_is_test_unless_told_otherwise(evaluation):
    assert evaluation.split == "test"
    cost = one_by_one(Merit, "train")[0]
    assert evaluate(["merit"], CONFIG, EPISODES, SEED, split="train")["merit"].cost.mean == pytest.approx(cost.mean())
    assert evaluation["merit"].cost.mean != pytest.approx(cost.mean(), rel=1e-3)


def test_json_has_the_promised_shape_and_survives_json(evaluation):
    content = evaluation.to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    about = {
        "task": None,
        "grid": "congested",
        "episodes": EPISODES,
        "seed": SEED,
        "split": "test",
        "start_time": None,
        "hours": 24.0,
        "flow": "dc",
        "gate_h": 0.0,
        "trips": False,
    }
    assert list(content) == [*about, "outages", "optimum_is", "notes", "policies"]
    assert {name: content[name] for name in about} == about
    assert list(content["policies"]) == ["random", "merit", "redispatch", "mpc", "plan", "optimum"]
    for row in content["policies"].values():
        figures = ["cost", "gap_frac", "score", "unserved_mwh", "curtailed_mwh", "overload_mwh"]
        figures += ["loss_mwh", "voltage_pu_h", "collapsed_steps", "decision_s"]
        assert (row["loss_mwh"], row["voltage_pu_h"], row["collapsed_steps"]) == (0, 0, 0)
        of_episodes = ["worst_episode", "worst_gap_frac", "cvar_gap_frac", "episode_cost", "above"]
        of_episodes += ["cost_terms", "figures"]
        assert list(row) == [*figures, *of_episodes]
        assert np.mean(row["episode_cost"]) == pytest.approx(row["cost"]["mean"])
        assert sum(row["cost_terms"].values()) == pytest.approx(row["cost"]["mean"])
        for name in ("cost", "gap_frac", "score"):
            assert list(row[name]) == ["mean", "low", "high"]
            assert row[name]["low"] <= row[name]["mean"] <= row[name]["high"]
        assert row["decision_s"] > 0


def test_the_table_names_every_policy_in_100_columns_with_the_optimum_last(evaluation):
    lines = evaluation.table().splitlines()
    assert max(map(len, lines)) <= 100
    names = ["random", "merit", "redispatch", "mpc", "plan", "optimum"]
    assert [line.split()[0] for line in lines[3:9]] == names
    first = next(number for number, line in enumerate(lines) if line.startswith("a day"))
    assert [line.split()[0] for line in lines[first + 2 : first + 8]] == names
    assert "congested" in lines[0]
    assert "95 %" in lines[0]
    merit = f"{evaluation['merit'].cost.mean:,.0f}"
    assert merit in lines[4]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(evaluation):
    again = evaluate(["merit"], CONFIG, EPISODES, SEED)
    assert again["merit"].cost == evaluation["merit"].cost
    assert evaluate(["merit"], CONFIG, EPISODES, SEED + 1)["merit"].cost != evaluation["merit"].cost


def test_progress_rises_to_1():
    told = []
    evaluate(["random"], CONFIG, 3, 0, progress=lambda done, what: told.append((done, what)))
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {what for _, what in told} == {"merit", "random", "optimum"}
    assert len({done for done, what in told if what == "random"}) > 10


def test_bad_requests_are_refused_with_the_mend():
    with pytest.raises(GridError, match=r"policy: found 'merrit'; .*did you mean 'merit'"):
        evaluate(["merrit"], CONFIG, 1)
    with pytest.raises(GridError, match="episodes: found 0; allowed: a whole number >= 1"):
        evaluate(["merit"], CONFIG, 0)


def test_recorded_episodes_cost_what_the_evaluation_says():
    episodes = run_episodes("merit", CONFIG, 4, seed=2)
    assert [episode.steps for episode in episodes] == [24] * 4
    assert {episode.policy for episode in episodes} == {"merit"}
    row = evaluate(["merit"], CONFIG, 4, seed=2, split="train")["merit"]
    assert np.mean([episode.cost for episode in episodes]) == pytest.approx(row.cost.mean)
    assert np.mean([episode.overload_mwh for episode in episodes]) == pytest.approx(row.overload_mwh)


class Other:
    """A policy that sees the grid another way."""

    name = "other"

    def __init__(self, env_config):
        self.env_config = env_config

    def reset(self, batch):
        self.seen = batch.config

    def act(self, batch):
        zeros = np.zeros_like(batch.inputs.load_mw)
        return Setpoint(zeros, zeros)


def test_a_policy_is_shown_the_env_through_its_own_observation_but_the_episodes_of_the_call():
    own = EnvConfig(topology=CONFIG.topology, horizon=6, observation="graph", action="absolute", forecast_h=(1, 2))
    policy = Other(own)
    found = evaluate([policy, "merit"], CONFIG, 3, SEED)
    seen = policy.seen
    assert (seen.observation, seen.action, seen.forecast_h) == ("graph", "absolute", (1, 2))
    assert (seen.horizon, seen.split) == (24, "test")
    assert found["other"].gap_frac.mean > 0


def runs(name, cost, reference=None):
    cost = np.asarray(cost, dtype=float)
    nothing = np.zeros_like(cost)
    reference = np.full_like(cost, 100.0) if reference is None else np.asarray(reference, dtype=float)
    return Runs(name, cost, reference, *[nothing] * 7, decision_s=0.0)


def test_hand_made_costs_give_hand_made_figures():
    merit, best = runs("merit", [110, 130, 160]), runs("optimum", [100, 100, 100])
    agent = runs("agent", [105, 115, 130])
    row = compare([agent], merit, best, Bootstrap(3, 0))[0]
    assert row.cost.mean == pytest.approx(350 / 3)
    assert row.gap_frac.mean == pytest.approx(50 / 300)
    assert row.score.mean == pytest.approx(100 * 50 / 100)
    assert (row.score.low, row.score.high) == pytest.approx((50, 50))  # half the way in every episode
    assert (row.worst_episode, row.worst_gap_frac) == (2, pytest.approx(0.3))


@pytest.mark.parametrize(("apart", "is_none"), [(0.29, True), (0.31, False)])
def test_without_room_between_merit_and_optimum_there_is_no_score(apart, is_none):
    merit, best = runs("merit", [100 + apart, 100, 100]), runs("optimum", [100, 100, 100])
    rows = compare([merit, best], merit, best, Bootstrap(3, 0))
    assert [row.score is None for row in rows] == [is_none, is_none]


@CHECKED
@given(SEEDS, st.integers(1, 60))
def test_intervals_hold_the_mean_and_are_the_same_for_the_same_seed(seed, episodes):
    rng = np.random.default_rng(seed)
    above, below = rng.normal(5, 3, episodes), rng.uniform(1, 3, episodes)
    figure = Bootstrap(episodes, 1).ratio(above, below)
    assert figure.low <= figure.mean <= figure.high
    assert figure == Bootstrap(episodes, 1).ratio(above, below)


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(0).normal(10, 2, 400)
    figure = Bootstrap(400, 0).mean(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert figure.high - figure.mean == pytest.approx(half, rel=0.06)
    assert figure.mean - figure.low == pytest.approx(half, rel=0.06)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(300):
        figure = Bootstrap(40, trial).mean(rng.exponential(1.0, 40))
        held += figure.low <= 1.0 <= figure.high
    assert 0.88 <= held / 300 <= 0.98


def test_pairing_makes_the_interval_of_a_steady_difference_narrow():
    rng = np.random.default_rng(0)
    merit = runs("merit", rng.uniform(50, 500, 30))
    best = runs("optimum", merit.cost - 20)
    agent = runs("agent", merit.cost - 10 + rng.normal(0, 0.5, 30))
    row = compare([agent], merit, best, Bootstrap(30, 0))[0]
    assert row.score.high - row.score.low < 5
    assert row.cost.high - row.cost.low > 50


def must_run(**plant):
    """10 MW that must run go over a line of 8 MW, unless 2 of them are spilt where they are made."""
    grid = Grid("must run")
    grid.add_source("plant", gen_max_mw=10, gen_min_mw=10, gen_cost_per_mwh=1, **plant)
    grid.add_source("peak", gen_max_mw=10, gen_cost_per_mwh=2)
    grid.add_consumer("town", load_max_mw=10, load_profile="constant")
    grid.add_line("plant", "town", capacity_mw=8)
    grid.add_line("peak", "town")
    return grid


def dear_to_serve(**plant):
    """A plant at 50 serves a town that would rather do without at 40."""
    grid = Grid("dear")
    grid.add_source("plant", gen_max_mw=10, gen_cost_per_mwh=50, **plant)
    grid.add_consumer("town", load_max_mw=5, load_profile="constant", shed_cost_per_mwh=40)
    grid.add_line("plant", "town")
    return grid


def burning():
    """5 MW too many, for which spilling costs 50 an hour; a store that gave as it takes could burn them for 5."""
    grid = Grid("burning")
    grid.add_source("plant", gen_max_mw=10, gen_min_mw=10, gen_cost_per_mwh=1)
    grid.add_consumer("town", load_max_mw=5, load_profile="constant")
    power = {"charge_max_mw": 10, "discharge_max_mw": 10}
    grid.add_storage("store", store_max_mwh=1, **power, charge_eff_frac=0.7, discharge_eff_frac=0.7)
    for name in ("plant", "store"):
        grid.add_line(name, "town")
    return grid


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (must_run(gen_ramp_mw_per_h=100), []),
        (
            must_run(gen_ramp_mw_per_h=5),
            ["the optimum spills 20.0 MWh an episode without need, which no policy can ask for"],
        ),
        (dear_to_serve(), []),
        (
            dear_to_serve(gen_reserve_frac=0.5),
            ["the optimum sheds 50.0 MWh an episode without need, which no policy can ask for"],
        ),
        (burning(), ["in 2 of 2 episodes no schedule is as cheap as the optimum"]),
        (congested_grid(), []),
    ],
)
def test_what_the_optimum_alone_can_do_is_said(grid, said):
    found = evaluate(["merit"], EnvConfig(topology=grid, horizon=10), 2, 0)
    assert list(found.notes) == said
    *_, empty, last = ["", "", *found.table().splitlines()]
    assert ([last] if not empty else []) == said


def test_a_name_alone_is_no_list_of_policies():
    with pytest.raises(GridError, match=r"policies: found .merit.; allowed: a list of names and agents; write"):
        evaluate("merit", CONFIG, 2)


def test_processes_that_share_the_episodes_find_the_same_to_the_bit():
    """Three pieces of two baselines; what is no baseline and no agent of a run stays here."""
    own = Merit()
    own.name = "own"
    alone, kept = (evaluate(["random", "redispatch", own], CONFIG, 44, SEED, keep=keep) for keep in (None, list))
    with workers(2):
        shared = evaluate(["random", "redispatch", own], CONFIG, 44, SEED)
    for one, other, third in zip(alone.rows, shared.rows, kept.rows, strict=True):
        assert one.episode_cost == other.episode_cost == third.episode_cost
        assert (one.gap_frac, one.cost_terms, one.figures) == (other.gap_frac, other.cost_terms, other.figures)
