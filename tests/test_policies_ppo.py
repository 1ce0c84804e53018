"""Training: it starts at the merit order, keeps its budget, resumes exactly, and leaves a run that can be used."""

import csv
import dataclasses
import json
import signal
import time

import numpy as np
import pytest
import torch

from congested import congested_grid
from envs import EnvConfig
from grid import GridError
from grid.compile_time import compiling
from grid.graph import Series
from policies import TrainConfig, load_agent, resume, train
from policies.agent import Agent
from policies.config import PPO_SETTINGS
from policies.evaluation import evaluate
from policies.learning.budget import Budget
from policies.learning.loop import read_resume
from policies.learning.ppo import PPOLearner
from policies.learning.start import build, training_grids

CONFIG = EnvConfig(topology=congested_grid(), horizon=12)
SMALL = TrainConfig(policy="mlp", steps=600, n_envs=5, batch_size=30, width=16, graph_width=8, threads=1, seed=4)
POLICIES = ("mlp", "extractor", "graph")


def small(**changes):
    return dataclasses.replace(SMALL, **changes)


def untrained(config):
    return build(config, training_grids(config, [CONFIG]))


def weights(run):
    return read_resume(run)["policy"]


def curve(run):
    with (run / "progress.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("policy", ["mlp", "extractor"])
def test_untrained_agents_are_the_merit_order(policy, tmp_path):
    network, batch = untrained(small(policy=policy))
    assert np.abs(network.predict(batch.reset(), deterministic=True)[0]).max() == 0
    assert float(network.log_std[0].detach()) == SMALL.log_std


def test_an_untrained_graph_agent_is_the_plan_and_better_than_redispatch():
    config = small(policy="graph")
    grids = training_grids(config, [CONFIG])
    agent = Agent("agent", build(config, grids)[0], grids.problems[0].config, ())
    rows = evaluate([agent, "plan", "redispatch"], CONFIG, 8)
    assert rows["agent"].cost == rows["plan"].cost
    assert rows["agent"].cost.mean < rows["redispatch"].cost.mean


@pytest.mark.parametrize("policy", POLICIES)
def test_training_leaves_a_complete_run_and_changes_the_network(policy, tmp_path):
    run, told = tmp_path / "run", []
    agent = train(
        CONFIG,
        small(policy=policy, stages=("gradient",), steps=240),
        run,
        progress=lambda done, text: told.append((done, text)),
    )
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json",
        "grid.json",
        "weights.safetensors",
        "resume.pt",
        "progress.csv",
        "stages.csv",
        "run.toml",
        "tensorboard",
    }
    assert list((run / "tensorboard").iterdir())
    first = untrained(small(policy=policy))[0].state_dict()
    assert any(not torch.equal(first[name], value) for name, value in weights(run).items())
    rows = curve(run)
    assert [int(row["steps"]) for row in rows] == list(range(0, 241, 60))
    rate = SMALL.gradient_learning_rate
    assert float(rows[0]["learning_rate"]) == pytest.approx(rate)
    rates = [float(row["learning_rate"]) for row in rows[1:]]
    assert rates == pytest.approx(rate * np.arange(4, 0, -1) / 4)
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert agent.env_config.observation == ("flat" if policy == "mlp" else "graph")


def test_the_agent_kept_is_the_best_on_validation(tmp_path):
    agent = train(CONFIG, SMALL, tmp_path / "run")
    costs = [float(row["validation_cost_frac"]) for row in curve(tmp_path / "run") if row["validation_cost_frac"]]
    assert read_resume(tmp_path / "run")["best"] == pytest.approx(min(costs))
    assert min(costs) <= costs[0]  # the merit order
    assert agent.predict(np.zeros((2, *agent.policy.observation_space.shape), dtype=np.float32))[0].shape == (2, 6)


def test_ctrl_c_keeps_what_was_learned_since_the_last_checkpoint(tmp_path):
    said = []

    def stop(done, text):
        said.append(text)
        if text.startswith("300 steps"):
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may begin without
    agent = train(CONFIG, small(steps=6000), tmp_path / "run", progress=stop)
    assert agent.stopped_early
    assert read_resume(tmp_path / "run")["steps"] == 300
    assert "stopping after this update; Ctrl-C again stops at once" in said
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_finished_run_goes_on_when_asked_for_more(tmp_path):
    train(CONFIG, small(steps=120), tmp_path / "run")
    with pytest.raises(GridError, match=r"run: found a run that is finished \(120 steps in .*ask for more steps"):
        resume(tmp_path / "run")
    resume(tmp_path / "run", steps=180)
    assert read_resume(tmp_path / "run")["steps"] == 300
    assert [int(row["steps"]) for row in curve(tmp_path / "run")] == list(range(0, 301, 60))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["steps"] == 300


def test_a_run_that_is_given_more_does_not_go_back_to_an_earlier_stage(tmp_path):
    stages = ("optimum", "gradient", "ppo")
    train(CONFIG, small(steps=240, stages=stages), tmp_path / "run")
    resume(tmp_path / "run", steps=960)
    names = [row["stage"] for row in curve(tmp_path / "run")]
    assert names[1:] == sorted(names[1:], key=stages.index)
    assert set(names[1:5]) == set(stages)
    rates = [float(row["learning_rate"]) for row in curve(tmp_path / "run")]
    assert rates[-1] < rates[7] < SMALL.tuning_learning_rate


def test_more_time_that_does_not_reach_is_said_to_be_too_little(tmp_path):
    train(CONFIG, small(steps=120), tmp_path / "run")
    with pytest.raises(GridError, match=r"no time left after the start-up \(0.001 s in all\).*give it more seconds"):
        resume(tmp_path / "run", seconds=1e-3, started_s=time.perf_counter() - 1)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    for name, width in (("run", 16), ("other", 8)):
        train(CONFIG, small(steps=120, width=width), tmp_path / name)
    (tmp_path / "other" / "resume.pt").replace(tmp_path / "run" / "resume.pt")
    with pytest.raises(
        GridError, match=r"resume.pt: found a checkpoint of another network \(RuntimeError\); allowed: one"
    ):
        resume(tmp_path / "run", steps=60)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["train"]["steps"] == 120  # as it was


def test_the_same_seed_trains_the_same_agent_and_another_seed_another(tmp_path):
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        train(CONFIG, small(steps=180, seed=seed), tmp_path / name)
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_seconds_cover_everything(tmp_path):
    """What passed before counts, no update begins that would end too late, and the rate falls with the time."""
    started_s = time.perf_counter() - 1.0
    train(CONFIG, small(stages=("gradient",), steps=None, seconds=4.0), tmp_path / "run", started_s=started_s)
    rows = curve(tmp_path / "run")
    ends_s = np.array([float(row["elapsed_s"]) for row in rows])
    rates = np.array([float(row["learning_rate"]) for row in rows[1:]])
    longest_s = np.diff(ends_s).max(initial=0)  # of any update, on a busy machine too
    assert ends_s[0] > 1.0
    assert ends_s[-1] < 4.0 + longest_s
    assert (np.diff(rates) < 0).all()
    assert (rates <= SMALL.gradient_learning_rate * (1 - (ends_s[:-1] - ends_s[0]) / 4.0) + 1e-9).all()


def test_a_stage_lasts_until_its_share_of_the_time_is_over():
    config = dataclasses.replace(SMALL, stages=("optimum", "gradient"), steps=None, seconds=1000.0)
    for elapsed_s, lasts in ((240, True), (260, False)):  # a quarter is the stage's
        budget = Budget(config, started_s=time.perf_counter() - elapsed_s)
        assert budget.stage_lasts() is lasts
    endless = Budget(small(stages=("optimum",)), started_s=time.perf_counter() - 1e6)
    assert endless.stage_lasts()


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_has_settings_of_its_own_unless_told_otherwise(policy):
    own = PPO_SETTINGS[policy]
    assert own == {name: getattr(TrainConfig(policy=policy), name) for name in own}
    assert TrainConfig(policy=policy, n_envs=7).n_envs == 7


def test_with_ppo_more_episodes_run_at_once():
    without, *others = (TrainConfig(policy="mlp", stages=stages) for stages in ((), ("ppo",), ("gradient", "ppo")))
    assert [config.n_envs for config in others] == [4 * without.n_envs] * 2


def test_ppo_that_follows_another_stage_looks_less_often_at_larger_batches():
    alone, after = (TrainConfig(policy="mlp", stages=stages) for stages in (("ppo",), ("gradient", "ppo")))
    assert (after.n_epochs, after.batch_size) == (2, 3 * alone.batch_size)
    assert TrainConfig(policy="mlp", stages=("gradient", "ppo"), n_epochs=5).n_epochs == 5
    assert TrainConfig(policy="mlp", stages=("ppo",), n_envs=7).n_envs == 7


def test_compiling_takes_nothing_of_the_time():
    budget = Budget(small(seconds=1000.0), started_s=time.perf_counter() - 400)
    with compiling(), compiling():
        time.sleep(0.2)
    assert budget.elapsed_s == pytest.approx(400, abs=0.1)


def test_a_budget_of_both_ends_with_the_first():
    budget = Budget(small(steps=100, seconds=1000.0), started_s=time.perf_counter() - 400)
    assert budget.done_frac(0) == pytest.approx(0.4, abs=1e-3)
    assert budget.done_frac(80) == pytest.approx(0.8, abs=1e-3)
    assert budget.is_spent(100)
    assert not budget.is_spent(99)
    assert budget.is_spent(0, next_s=601)


def test_an_agent_acts_in_the_evaluation_and_training_pays(tmp_path):
    config = TrainConfig(policy="mlp", steps=24 * 32 * 12, n_envs=32, threads=1)
    env_config = EnvConfig(topology=congested_grid(), horizon=24)
    agent = train(env_config, config, tmp_path / "run")
    rows = evaluate([agent, "redispatch"], agent.env_config, episodes=20)
    assert rows["agent"].score.low > rows["redispatch"].score.high + 5


def test_time_series_of_the_user_travel_with_the_run(tmp_path):
    grid = congested_grid()
    grid.graph.nodes["mill"]["load_profile"] = "shifts"
    values = np.abs(np.sin(np.arange(2000) / 5))[:, None]
    grid.series = Series(("shifts",), 1.0, values)
    train(EnvConfig(topology=grid, horizon=12), small(steps=60), tmp_path / "run")
    agent = load_agent(tmp_path / "run")
    assert np.array_equal(agent.env_config.topology.series.values_frac, values)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_nothing_that_is_there_is_written_over(what, tmp_path):
    run = tmp_path / "run"
    if what == "file":
        run.write_text("mine")
    else:
        run.mkdir()
        (run / "notes.txt").write_text("mine")
    with pytest.raises(GridError, match=r"allowed: a (new or empty )?folder.*; choose another --out"):
        train(CONFIG, SMALL, run)


def test_training_leaves_the_threads_of_torch_as_they_were(tmp_path):
    before = torch.get_num_threads()
    train(CONFIG, small(steps=60, threads=before + 1), tmp_path / "run")
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"policy": [1]}, r"train.policy: found \[1\]; allowed: mlp or extractor or graph"),
        ({"policy": "mpl"}, "train.policy: found 'mpl'; .*did you mean 'mlp'"),
        ({"stepps": 1}, "train.stepps: .*did you mean 'steps'"),
        ({"steps": 0}, "train.steps: found 0; allowed: a whole number >= 1"),
        ({"steps": 1.5}, "train.steps: found 1.5"),
        ({"seconds": -1}, "train.seconds: found -1; allowed: a number of seconds > 0"),
        ({"n_envs": True}, "train.n_envs: found True"),
        ({"seed": -1}, "train.seed: found -1; allowed: a whole number >= 0"),
        ({"learning_rate": float("nan")}, "train.learning_rate: found nan; allowed: a number > 0"),
        ({"gamma": None}, "train.gamma: found None"),
        ({"seconds": "x"}, "train.seconds: found 'x'; allowed: a number of seconds > 0"),
        ({"stages": 3}, "train.stages: found 3; allowed: a list of stages"),
        (
            {"policy": "mlp", "start": "universal"},
            "train.policy: found 'mlp' beside start; allowed: 'graph'; leave out",
        ),
        ({"gamma": 1.1}, r"train.gamma: found 1.1; allowed: a number in \[0, 1\]"),
    ],
)
def test_bad_settings_are_refused_by_name(fields, message):
    with pytest.raises(GridError, match=message):
        TrainConfig.from_fields(fields)


def test_the_reward_of_an_update_is_the_mean_of_its_episodes():
    config = small(n_envs=150, batch_size=900, n_epochs=1)  # more episodes than SB3 keeps for its own mean
    policy, batch = build(config, training_grids(config, [CONFIG]))
    learner, sums = PPOLearner(policy, batch, config, seed=0), []
    step = batch.step

    def stepped(actions):
        result = step(actions)
        sums.append(result[1].mean())
        return result

    batch.step = stepped
    for _ in range(2):
        sums.clear()
        assert learner.update(1e-3) == pytest.approx(sum(sums), rel=1e-5)


def test_an_update_of_one_step_is_refused():
    with pytest.raises(GridError, match=r"train\.n_envs: found one step an update; allowed: at least two"):
        build(small(n_envs=1), training_grids(SMALL, [dataclasses.replace(CONFIG, horizon=1)]))


def test_the_network_read_back_is_the_one_trained(tmp_path):
    agent = train(CONFIG, small(steps=120), tmp_path / "run")
    again = load_agent(tmp_path / "run")
    seen = np.random.default_rng(0).uniform(-1, 1, (50, *agent.policy.observation_space.shape)).astype(np.float32)
    assert np.array_equal(agent.predict(seen)[0], again.predict(seen)[0])
