"""Runs on disk: what is loaded acts as what was saved, and nothing foreign, cut off or executable gets in."""

import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor

from congested import congested_grid
from envs import EnvConfig, GridBatch, LoadBalancer
from grid import GridError, Prices
from policies import GridVecEnv, TrainConfig, load_agent, resume, rollout, train
from policies.agent import read_weights
from policies.evaluation import evaluate
from policies.networks.build import make_policy

CONFIG = EnvConfig(
    topology=congested_grid(), horizon=12, action="absolute", forecast_h=(1, 5), prices=Prices(spill_per_mwh=7.0)
)
SETTINGS = TrainConfig(policy="mlp", steps=240, n_envs=5, batch_size=30, width=16, graph_width=8, threads=1)
POLICIES = ("mlp", "extractor", "graph")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = {}
    for policy in POLICIES:
        run = tmp_path_factory.mktemp("runs") / policy
        runs[policy] = run, train(CONFIG, TrainConfig.from_fields({**vars(SETTINGS), "policy": policy}), run)
    return runs


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained["mlp"][0], tmp_path / "run")


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_loaded_agent_predicts_and_costs_the_same(trained, policy, tmp_path):
    source, agent = trained[policy]
    moved = shutil.copytree(source, tmp_path / "moved")
    again = load_agent(moved)
    batch = GridBatch(again.env_config, 6, seed=3)
    seen = batch.reset()
    assert np.array_equal(again.predict(seen)[0], agent.predict(seen)[0])
    costs = [evaluate([one], CONFIG, 4)["agent"].cost for one in (agent, again)]
    assert costs[0] == costs[1]


@pytest.mark.parametrize("policy", POLICIES)
def test_predictions_are_the_same_alone_and_in_a_batch(trained, policy):
    agent = trained[policy][1]
    batch = GridBatch(agent.env_config, 4, seed=0)
    seen = batch.reset()
    actions, _ = agent.predict(seen)
    assert actions.shape == (4, 6)
    assert np.abs(actions).max() <= 1
    alone, _ = agent.predict({k: v[2] for k, v in seen.items()} if isinstance(seen, dict) else seen[2])
    np.testing.assert_allclose(alone, actions[2], atol=1e-6)


@pytest.mark.parametrize("policy", ["mlp", "extractor"])
def test_sb3_evaluates_a_loaded_agent_as_a_rollout_does(trained, policy):
    agent = load_agent(trained[policy][0])
    batch = GridBatch(agent.env_config, 4, seed=3)
    rollout(batch, agent)
    gained = (batch.metrics["reference"] - batch.metrics["cost"]) / batch.problem.reward_scale
    env = VecMonitor(GridVecEnv(GridBatch(agent.env_config, 4, seed=3)))
    rewards, lengths = evaluate_policy(agent, env, n_eval_episodes=4, return_episode_rewards=True)
    assert rewards == pytest.approx(gained, rel=1e-4)
    assert lengths == [12] * 4
    mean, _ = evaluate_policy(agent, Monitor(LoadBalancer(agent.env_config)), n_eval_episodes=2)
    assert np.isfinite(mean)
    actions, state = agent.predict(batch.reset(), state="kept", episode_start=None, deterministic=False)
    assert (actions.shape, state) == ((4, 6), "kept")
    assert not np.array_equal(actions, agent.predict(batch.observation)[0])


@pytest.mark.parametrize(
    ("policy", "env", "found"),
    [
        ("mlp", {"observation": "graph"}, r"an observation of \{'globals'"),
        ("mlp", {"topology": "triangle"}, r"an observation of \(1, \d+\); allowed: \(\d+,\), of one or B envs"),
        ("extractor", {"observation": "flat"}, r"an observation of \(1, \d+\); allowed: \{'"),
        ("extractor", {"topology": "triangle"}, r"an observation of \{'"),
        ("graph", {"observation": "flat"}, r"an observation of \(1, \d+\); allowed: \{'"),
        ("graph", {"action": "absolute"}, r"an observation of \{'"),
    ],
)
def test_sb3_is_told_when_an_agent_is_shown_what_it_cannot_read(trained, policy, env, found):
    agent = trained[policy][1]
    other = Monitor(LoadBalancer(dataclasses.replace(agent.env_config, **env)))
    with pytest.raises(GridError, match=f"agent 'agent': found {found}.*; make the env with agent.env_config, which"):
        evaluate_policy(agent, other, n_eval_episodes=1)


def test_the_settings_of_the_env_come_back(run):
    config = load_agent(run).env_config
    for name in ("horizon", "dt_h", "observation", "action", "forecast_h", "forecast_error_frac", "split", "prices"):
        assert getattr(config, name) == getattr(CONFIG, name)
    assert config.topology.compile().fingerprint == CONFIG.topology.compile().fingerprint


def test_a_run_is_found_by_its_name_in_runs(run, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    shutil.move(run, tmp_path / "runs" / "monday")
    monkeypatch.chdir(tmp_path)
    assert load_agent("monday", name="mine").name == "mine"


def test_missing_things_are_named(run, tmp_path):
    with pytest.raises(
        GridError,
        match=r"nowhere: found no such folder; allowed: the folder of a run, .*; give a",
    ):
        load_agent(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GridError, match=r"empty: found no config.json in it"):
        load_agent(tmp_path / "empty")
    (run / "weights.safetensors").unlink()
    with pytest.raises(GridError, match=r"weights.safetensors: found no such file; allowed: weights in"):
        load_agent(run)
    (run / "grid.json").unlink()
    with pytest.raises(GridError, match=r"grid.json"):
        load_agent(run)


@pytest.mark.parametrize("size", [0, 5, 3000])
def test_weights_that_are_cut_off_are_refused(run, size):
    path = run / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(GridError, match=r"weights.safetensors: found a file that is cut off or of another kind"):
        load_agent(run)


def test_a_pickle_under_the_name_of_the_weights_is_refused_and_not_run(run, tmp_path):
    (run / "weights.safetensors").write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    with pytest.raises(GridError, match=r"of another kind .*allowed: weights in the safetensors format"):
        load_agent(run)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["policy.pkl", "model.zip", "weights.pt"])
def test_a_pickle_instead_of_the_weights_is_refused_and_not_run(run, tmp_path, name):
    (run / "weights.safetensors").unlink()
    (run / name).write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    with pytest.raises(GridError, match=f"found only {name}, which may run code when it is read; allowed: weights in"):
        load_agent(run)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("model.zip", "a .zip file, which may run code when it is read"),
        ("agent.pkl", "a .pkl file, which may run code when it is read"),
        ("grid.json", "a file"),
    ],
)
def test_a_file_in_place_of_a_run_is_refused_and_not_run(tmp_path, name, found):
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    with pytest.raises(GridError, match=f"{name}: found {found}; allowed: the folder of a run"):
        load_agent(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["pickle", "torch", "cut", "missing", "other", "steps"])
def test_a_resume_file_that_could_run_code_or_is_broken_is_refused(run, tmp_path, kind):
    path = run / "resume.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    elif kind == "torch":
        torch.save({"policy": Trap(tmp_path / "ran")}, path)
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif kind == "other":
        torch.save({"policy": {}}, path)
    elif kind == "steps":
        torch.save({**torch.load(path), "steps": "many"}, path)
    else:
        path.unlink()
    found = "no such file" if kind == "missing" else "a file that is cut off or of another kind"
    with pytest.raises(GridError, match=f"resume.pt: found {found}; allowed: a checkpoint; train again"):
        resume(run, steps=60)
    assert not (tmp_path / "ran").exists()


def test_settings_nested_without_end_are_refused(run):
    (run / "config.json").write_text("[" * 100_000)
    with pytest.raises(GridError, match=r"config.json: found RecursionError.*; allowed: the settings of a run"):
        load_agent(run)


def change(run, path, value):
    content = json.loads((run / "config.json").read_text())
    at = content
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    (run / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "load-balancer-run/9", r"format: found 'load-balancer-run/9'; allowed: 'load-balancer-run/3'"),
        (
            ("format",),
            "load-balancer-run/2",
            r"format: found 'load-balancer-run/2'; .*; train it again, or load",
        ),
        (("env", "horizen"), 3, r"config.json: config.horizen: .*did you mean 'horizon'"),
        (("train", "policy"), "cnn", r"config.json: train.policy: found 'cnn'"),
        (("train", "width"), 17, r"weights.safetensors: action_net.weight: found \(6, 16\); allowed: \(6, 17\)"),
        (
            ("train", "policy"),
            "extractor",
            r"weights.safetensors: features_extractor\.\S+: found .*; allowed: .*as config.json says",
        ),
        (("env", "forecast_h"), [1, 5, 9], r"weights.safetensors: \S+: found \(.*; allowed: \(.*as config.json says"),
        (("grids", 0, "fingerprint"), "00ff", "grid.json: found another grid; allowed: the one with fingerprint 00ff"),
        (("env",), None, "config.json: found TypeError"),
    ],
)
def test_settings_that_do_not_fit_are_refused(run, path, value, message):
    change(run, path, value)
    with pytest.raises(GridError, match=message):
        load_agent(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_broken_config_is_refused(run, text):
    (run / "config.json").write_text(text)
    with pytest.raises(GridError, match=r"config.json: found .*allowed: the settings of a run"):
        load_agent(run)


def test_a_changed_copy_of_the_grid_is_refused(run):
    text = (run / "grid.json").read_text()
    (run / "grid.json").write_text(text.replace('"gen_cost_per_mwh": 60', '"gen_cost_per_mwh": 61'))
    with pytest.raises(GridError, match=r"grid.json: found another grid; .*put back the grid"):
        load_agent(run)


def test_weights_of_another_run_are_refused(trained, run):
    shutil.copy(trained["extractor"][0] / "weights.safetensors", run / "weights.safetensors")
    with pytest.raises(GridError, match=r"found .*; allowed: .*; do not mix the files of different runs"):
        load_agent(run)


@pytest.mark.parametrize("policy", ["mlp", "extractor"])
def test_another_grid_is_refused_before_a_step(trained, policy):
    grid = congested_grid("dearer")
    grid.graph.nodes["gas"]["gen_cost_per_mwh"] = 90
    with pytest.raises(GridError, match="agent 'agent': found the grid 'dearer'; allowed: the grid 'congested'; train"):
        evaluate([trained[policy][1]], EnvConfig(topology=grid, horizon=12), 2)


def test_a_batch_that_encodes_otherwise_is_refused(trained):
    agent = trained["mlp"][1]
    for changes, message in (
        ({"observation": "graph"}, "found observation='graph'; allowed: observation='flat'"),
        ({"action": "residual"}, "found action='residual'; allowed: action='absolute'"),
        ({"forecast_h": (1,)}, r"found forecast_h=\(1,\); allowed: forecast_h=\(1, 5\)"),
    ):
        batch = GridBatch(EnvConfig(**{**vars(CONFIG), **changes}), 1)
        with pytest.raises(GridError, match=message):
            agent.reset(batch)


def test_weights_replace_every_number_of_a_fresh_network(run):
    agent = load_agent(run)
    torch.manual_seed(1)
    batch = GridBatch(agent.env_config, 1)
    fresh = make_policy(SETTINGS, batch.observation_space, batch.action_space, [batch.arrays])
    assert any(not torch.equal(v, agent.policy.state_dict()[k]) for k, v in fresh.state_dict().items())
    read_weights(run, fresh)
    assert all(torch.equal(v, agent.policy.state_dict()[k]) for k, v in fresh.state_dict().items())
