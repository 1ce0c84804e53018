"""Training on many grids, what its runs hold, agents that act anywhere, and going on from a trained network."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from congested import congested_grid
from envs import EnvConfig, GridBatch
from grid import GridError
from policies import TrainConfig, load_agent, make_vec_env, resume, runs, train
from policies.evaluation import evaluate
from policies.learning import validation
from policies.learning.loop import read_resume
from policies.learning.start import build, training_grids
from policies.learning.validation import MOST_GRIDS, Validation
from slow_cases import slow
from topologies import load
from topologies.formats import WRITERS

TOPOLOGIES = ("triangle", "gen:9:1", "gen:7:2")
SMALL = TrainConfig(
    policy="graph", steps=48, n_envs=4, batch_size=6, graph_width=8, graph_layers=1, grids_per_update=2, seed=4
)
HORIZON = 3


def configs(topologies=TOPOLOGIES, **fields):
    return [EnvConfig(topology=topology, horizon=HORIZON, **fields) for topology in topologies]


def small(**changes):
    return dataclasses.replace(SMALL, **changes)


def weights(run):
    return read_resume(run)["policy"]


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on several grids, and one on a grid alone."""
    folder = tmp_path_factory.mktemp("runs")
    train(configs(), SMALL, folder / "many")
    train(configs(["case14"])[0], small(steps=24), folder / "one")
    return folder


@pytest.fixture
def many(trained, tmp_path):
    return shutil.copytree(trained / "many", tmp_path / "many")


@pytest.mark.parametrize("stage", ["gradient", *slow("optimum", "search", "ppo")])
def test_an_interrupted_run_on_many_grids_resumes_to_the_bit(stage, tmp_path):
    config, whole, parts = small(stages=(stage,)), tmp_path / "whole", tmp_path / "parts"

    def stop(done, text):
        if text.startswith("36 steps"):
            raise KeyboardInterrupt

    train(configs(), config, whole)
    train(configs(), config, parts, progress=stop)
    assert 0 < read_resume(parts)["steps"] < 48
    resume(parts)
    first = build(config, training_grids(config, configs()))[0].state_dict()
    assert not same(first, weights(whole))
    assert same(weights(whole), weights(parts))


def test_all_stages_follow_each_other_on_many_grids_and_none_ends_worse(tmp_path):
    stages = ("optimum", "gradient", "ppo")
    config = small(stages=stages, steps=12 * 7)
    train(configs(), config, tmp_path / "run")
    with (tmp_path / "run" / "stages.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == ["untrained", "optimum", "gradient", "ppo"]
    costs = [float(row["validation_cost_frac"]) for row in rows]
    assert costs == sorted(costs, reverse=True)
    assert not same(build(config, training_grids(config, configs()))[0].state_dict(), weights(tmp_path / "run"))


def test_validation_covers_all_grids_or_sixteen_of_many_and_takes_their_mean():
    grids = training_grids(SMALL, configs())
    policy = build(SMALL, grids)[0]
    judge = Validation(grids, seed=1)
    assert judge.positions == [0, 1, 2]
    assert len(Validation(training_grids(SMALL, configs([f"gen:6:{k}" for k in range(20)])), 1).positions) == MOST_GRIDS
    found, shares = judge.cost_frac(policy), []
    for problem in grids.problems:
        policy.rewire([problem.arrays])
        batch = GridBatch(problem, validation.EPISODES // 3, 1)
        observation, reference = batch.reset(1), batch.reference_cost.sum()
        for _ in range(HORIZON):
            observation, *_ = batch.step(policy.predict(observation, deterministic=True)[0])
        shares.append(batch.metrics["cost"].sum() / reference)
    assert found == pytest.approx(np.mean(shares), rel=1e-6)


def test_a_run_names_all_its_grids_and_holds_none(trained):
    content = json.loads((trained / "many" / "config.json").read_text())
    assert content["format"] == "load-balancer-run/3"
    assert content["grids"] == [{"name": name, "fingerprint": load(name).compile().fingerprint} for name in TOPOLOGIES]
    assert not (trained / "many" / "grid.json").exists()
    assert (trained / "one" / "grid.json").exists()


def test_grids_from_files_are_found_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    WRITERS[".json"](congested_grid(), tmp_path / "here" / "mine.json")
    monkeypatch.chdir(tmp_path / "here")
    train(configs(["triangle", "mine.json"]), small(steps=12), tmp_path / "run")
    monkeypatch.chdir(tmp_path / "there")
    resume(tmp_path / "run", steps=12)
    assert read_resume(tmp_path / "run")["steps"] == 24


def test_a_resumed_run_refuses_a_grid_that_has_changed(many, tmp_path):
    content = json.loads((many / "config.json").read_text())
    content["grids"][1]["fingerprint"] = "00ff"
    (many / "config.json").write_text(json.dumps(content))
    with pytest.raises(GridError, match="many: found another grid; allowed: the one with fingerprint 00ff; put back"):
        resume(many, steps=12)
    assert load_agent(many).grids[1].fingerprint == "00ff"  # to act, it needs none of them


def test_a_bundle_of_one_grid_acts_on_another_that_is_far_larger(trained):
    agent = load_agent(trained / "one")
    on_own = evaluate([agent], agent.env_config, 2)["agent"]
    larger = dataclasses.replace(agent.env_config, topology="case118")
    assert np.isfinite(evaluate([agent], larger, 2)["agent"].cost.mean)
    assert evaluate([agent], agent.env_config, 2)["agent"].cost == on_own.cost  # and back again


def test_an_agent_of_many_grids_acts_on_one_it_has_not_seen(trained):
    agent = load_agent(trained / "many")
    outcome = evaluate([agent, "merit"], EnvConfig(topology=congested_grid(), horizon=8, forecast_h=(2, 5)), 3)
    assert np.isfinite(outcome["agent"].gap_frac.mean)
    fresh = load_agent(trained / "many")
    batch = GridBatch(dataclasses.replace(fresh.env_config, topology=congested_grid()), 2)
    with pytest.raises(GridError, match="allowed: a policy that knows a grid"):
        fresh.predict(batch.reset())
    fresh.reset(batch)
    assert fresh.predict(batch.observation)[0].shape == (2, 6)


def test_a_graph_agent_refuses_what_it_would_misread(trained):
    agent = load_agent(trained / "many")
    for change, message in (
        ({"forecast_h": (2, 5)}, r"agent 'agent': found forecast_h=\(2, 5\); allowed: forecast_h=\(1, 2, 3,"),
        ({"action": "residual"}, "agent 'agent': found action='residual'; allowed: action='bids'"),
        ({"observation": "flat"}, "agent 'agent': found observation='flat'; allowed: observation='graph'"),
        ({"redispatch_moves": 0}, "agent 'agent': found redispatch_moves=0; allowed: redispatch_moves=4"),
    ):
        with pytest.raises(GridError, match=message):
            agent.reset(GridBatch(dataclasses.replace(agent.env_config, topology="triangle", **change), 1))


def test_a_shipped_agent_is_loaded_by_its_name_and_its_name_is_known(trained, tmp_path, monkeypatch):
    with pytest.raises(GridError, match=r"everywhere: found no such folder; allowed: the folder of a run"):
        load_agent("everywhere")
    (tmp_path / "agents" / "everywhere").mkdir(parents=True)
    for name in ("config.json", "weights.safetensors"):
        shutil.copy(trained / "many" / name, tmp_path / "agents" / "everywhere" / name)
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "agents")
    monkeypatch.chdir(tmp_path)
    assert runs.shipped() == ["everywhere"]
    agent, own = load_agent("everywhere"), load_agent(trained / "many")
    assert same(agent.policy.state_dict(), own.policy.state_dict())
    with pytest.raises(
        GridError, match=r"nowhere: found no such folder; allowed: .* or a shipped agent: everywhere; give a folder"
    ):
        load_agent("nowhere")


def test_fine_tuning_begins_with_the_start_and_never_ends_worse(trained, tmp_path):
    config = TrainConfig(start=str(trained / "many"), steps=24, n_envs=4, seed=1, gradient_learning_rate=100.0)
    agent = train(configs(["case14"])[0], config, tmp_path / "run")
    begun = load_agent(trained / "many").policy.state_dict()
    assert not same(weights(tmp_path / "run"), begun)
    with (tmp_path / "run" / "stages.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == ["start", "gradient"]
    costs = [float(row["validation_cost_frac"]) for row in rows]
    assert costs[1] == costs[0]
    assert same(begun, agent.policy.state_dict())  # only what is better takes its place
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["train"]
    assert settings["batch_size"] == TrainConfig(policy="graph").batch_size
    assert (settings["policy"], settings["graph_width"], settings["graph_layers"]) == ("graph", 8, 1)
    resume(tmp_path / "run", steps=12)


def test_a_fine_tuning_that_was_killed_at_once_begins_with_the_start_again(trained, tmp_path):
    config = TrainConfig(start=str(trained / "many"), steps=12, n_envs=4, seed=1, gradient_learning_rate=100.0)
    train(configs(["gen:8:5"])[0], config, tmp_path / "run")
    for name in ("resume.pt", "progress.csv", "stages.csv", "weights.safetensors"):
        (tmp_path / "run" / name).unlink()
    agent = resume(tmp_path / "run")
    assert same(load_agent(trained / "many").policy.state_dict(), agent.policy.state_dict())


def test_a_start_that_does_not_fit_is_refused_before_anything_is_written(trained, tmp_path):
    train(configs(["triangle"])[0], TrainConfig(policy="mlp", steps=12, n_envs=4, width=8, seed=1), tmp_path / "mlp")
    shutil.copytree(trained / "many", tmp_path / "old")
    content = json.loads((tmp_path / "old" / "config.json").read_text())
    content["env"]["forecast_h"] = [1, 2]
    (tmp_path / "old" / "config.json").write_text(json.dumps(content))
    for start, message in (
        ("mlp", "train.start: .*mlp: found the policy 'mlp'; allowed: 'graph'; start from an agent of the policy"),
        ("nowhere", "nowhere: found no such folder; allowed: the folder of a run"),
        ("old", r"train.start: .*old: found forecast_h=\(1, 2, 3, .*allowed: forecast_h=\(1, 2\)"),
    ):
        with pytest.raises(GridError, match=message):
            train(configs(["triangle"])[0], TrainConfig(start=str(tmp_path / start), steps=12), tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_several_grids_need_the_policy_that_fits_them_and_names_to_load_them_by(tmp_path):
    with pytest.raises(GridError, match=r"train.policy: found 'mlp' for 3 grids; allowed: 'graph'; train with the"):
        train(configs(), TrainConfig(policy="mlp", steps=12), tmp_path / "run")
    with pytest.raises(GridError, match="grid 'congested': found a Grid among several; allowed: the name or path of"):
        train(configs(["triangle", congested_grid()]), SMALL, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_envs_of_an_update_are_shared_out_and_rounded(tmp_path):
    for settings, count in ((small(n_envs=5), 4), (small(n_envs=1, grids_per_update=9), 3)):
        assert build(settings, training_grids(SMALL, configs()))[1].batch_size == count
    assert make_vec_env(configs(observation="graph"), 3).num_envs == 3
