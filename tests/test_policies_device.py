"""Training on a device: what runs there is what runs on the CPU, and nothing is left on the CPU or asked of it."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import torch

from congested import congested_grid
from envs import EnvConfig, Problem
from far import DEVICE, far_device
from grid import GridError
from policies.agent import load_agent
from policies.config import TrainConfig
from policies.learning.device import find_device
from policies.learning.gradient import GradientLearner
from policies.learning.imitation import ImitationLearner
from policies.learning.loop import read_curve, what_stages_reached
from policies.learning.ppo import PPOLearner
from policies.learning.start import build, training_grids
from policies.learning.train import train
from slow_cases import slow

CONFIG = EnvConfig(topology=congested_grid(), horizon=6)
ABSOLUTE = dataclasses.replace(CONFIG, action="absolute")
GATE = dataclasses.replace(CONFIG, gate_h=1.0, weather_error_frac=0.1, node_error_frac=0.1)
WORLDS = {"residual": CONFIG, "absolute": ABSOLUTE, "gate": GATE}
LEARNERS = {"gradient": GradientLearner, "optimum": ImitationLearner}


def learned(policy, env, stage, device, n_envs=8):
    """Weights after two updates, and the rewards of these."""
    stages = ("gradient", "ppo") if stage == "ppo" else (stage,)
    sizes = {"n_envs": n_envs, "batch_size": 48, "n_epochs": 2, "width": 16, "graph_width": 8}
    config = TrainConfig(policy=policy, stages=stages, steps=1, **sizes)
    network, batch = build(config, training_grids(config, [env]))
    network.to(device)
    if stage == "ppo":
        learner = PPOLearner(network, batch, config, seed=1)
    else:
        batch.reset(1)
        learner = LEARNERS[stage](network, batch, gamma=0.9)
    rewards = []
    for seed in range(2):
        torch.manual_seed(seed)  # as PPO shuffles by numpy on the CPU, and by torch elsewhere
        rewards.append(learner.update(1e-3))
    return {name: value.to("cpu") for name, value in network.state_dict().items()}, rewards


@pytest.mark.parametrize(
    ("stage", "policy", "world"),
    [
        ("gradient", "mlp", "absolute"),
        ("ppo", "mlp", "absolute"),
        ("ppo", "extractor", "residual"),
        *slow(("gradient", "extractor", "gate"), ("optimum", "mlp", "residual")),
    ],
)
def test_a_device_learns_what_the_cpu_learns(stage, policy, world):
    """PPO on the CPU goes another way, in numpy; with absolute actions the device has numbers in single precision."""
    weights, rewards = learned(policy, WORLDS[world], stage, "cpu")
    with far_device():
        far_weights, far_rewards = learned(policy, WORLDS[world], stage, DEVICE)
    assert far_rewards == pytest.approx(rewards, rel=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(far_weights[name], value, rtol=0, atol=1e-4, err_msg=name)


def test_what_is_left_on_the_cpu_is_found():
    with far_device():
        far = torch.ones(2, 3).to(DEVICE)
        assert float((far * 2.0 + torch.tensor(1.0)).sum()) == 18
        for left in (torch.ones(3), torch.ones(3, dtype=torch.float64)):
            with pytest.raises(RuntimeError, match=r"aten\.add\.Tensor of tensors on two devices"):
                far + left
        with pytest.raises(RuntimeError, match=r"aten\.index\.Tensor of tensors on two devices"):
            far[:, torch.tensor([0])]
        with pytest.raises(RuntimeError, match="numpy"):
            far.numpy()


@pytest.mark.parametrize("stage", ["gradient", "ppo"])
def test_with_absolute_actions_the_cpu_waits_for_no_step(stage):
    """As often in an update of long episodes as of short ones, but for what torch checks of normal distributions."""
    asked = []
    for horizon in (3, 6):
        with far_device() as machine, mock.patch("torch.distributions.Distribution._validate_args", False):
            learned("mlp", dataclasses.replace(ABSOLUTE, horizon=horizon), stage, DEVICE, n_envs=144 // horizon)
        asked.append(len(machine.asked))
    assert asked[0] == asked[1] > 0


@pytest.mark.slow
def test_training_on_a_device_improves_and_its_agent_runs_on_the_cpu(tmp_path):
    sizes = {"steps": 360, "n_envs": 10, "batch_size": 60, "width": 16}
    config = TrainConfig(policy="mlp", stages=("gradient", "ppo"), gradient_learning_rate=1e-2, **sizes)
    with far_device(), mock.patch("policies.learning.start.find_device", return_value=DEVICE):
        agent = train(ABSOLUTE, config, tmp_path / "run")
    reached = [row["validation_cost_frac"] for row in what_stages_reached(read_curve(tmp_path / "run"))]
    assert reached[2] <= reached[1] < reached[0]
    again = load_agent(tmp_path / "run")
    seen = again.policy.observation_space.sample()
    assert {each.policy.device.type for each in (agent, again)} == {"cpu"}
    assert np.array_equal(agent.predict(seen)[0], again.predict(seen)[0])


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"topology": "triangle", "action": "plan"}, "action='plan'"),
        (
            {"topology": "triangle", "flow": "ac", "overload": "trip", "outage_rate_per_h": 0.01},
            "flow='ac', overload='trip', lines that can be out",
        ),
    ],
)
def test_a_world_that_needs_numpy_is_refused(env, found):
    with mock.patch("torch.cuda.device_count", return_value=1), pytest.raises(GridError) as caught:
        find_device("cuda", Problem.of(EnvConfig(**env)))
    assert str(caught.value) == (
        f"train.device: found 'cuda' with {found}, for which numpy is needed; allowed: actions that are absolute or "
        "residual, DC power flow, lines that stay in service, and plants that stay on; train with --device cpu, or "
        "with --set action=residual in such a world"
    )


def test_plants_that_start_and_stop_are_refused():
    grid = congested_grid()
    grid.graph.nodes["gas"].update(gen_min_mw=20, start_cost=100)
    with mock.patch("torch.cuda.device_count", return_value=1), pytest.raises(GridError, match="plants that start"):
        find_device("cuda", Problem.of(EnvConfig(grid)))


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    config = TrainConfig(policy="mlp", device="cuda:1", steps=100)
    with mock.patch("torch.cuda.device_count", return_value=1), pytest.raises(GridError) as caught:
        train(CONFIG, config, tmp_path / "run")
    assert str(caught.value) == (
        "train.device: found 'cuda:1', while torch sees 1 GPU; allowed: cpu, or a GPU that torch sees; install a torch "
        "that is built for the GPU, or train with --device cpu"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"device": "gpu"}, "train.device: found 'gpu'; allowed: cpu, cuda or cuda:N; correct the value"),
        (
            {"device": "cuda", "policy": "graph"},
            "train.device: found 'cuda' with policy='graph' and ranks=1; allowed: cpu, or the policy mlp or extractor "
            "in one rank; write --policy mlp and leave out ranks, or --device cpu",
        ),
    ],
)
def test_bad_devices_are_refused(fields, message):
    with pytest.raises(GridError) as caught:
        TrainConfig(**{"policy": "mlp", **fields})
    assert str(caught.value) == message
