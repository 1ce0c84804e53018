"""Training on a device: what runs there is what runs on the CPU, and nothing is left on the CPU or asked of it."""

import dataclasses

import numpy as np
import pytest
import torch

from congested import congested_grid
from envs import EnvConfig, Problem
from far import DEVICE, far_device
from grid import GridError
from policies.config import TrainConfig
from policies.learning.device import find_device
from policies.learning.gradient import GradientLearner
from policies.learning.imitation import ImitationLearner
from policies.learning.ppo import PPOLearner
from policies.learning.start import build, training_grids

CONFIG = EnvConfig(topology=congested_grid(), horizon=6)
ABSOLUTE = dataclasses.replace(CONFIG, action="absolute")
GATE = dataclasses.replace(CONFIG, gate_h=1.0, weather_error_frac=0.1, node_error_frac=0.1)
WORLDS = {"residual": CONFIG, "absolute": ABSOLUTE, "gate": GATE}
LEARNERS = {"gradient": GradientLearner, "optimum": ImitationLearner}


def learned(policy, env, stage, device, updates=2):
    """Weights after some updates, the rewards of these, and the learner."""
    stages = ("gradient", "ppo") if stage == "ppo" else (stage,)
    sizes = {"n_envs": 8, "batch_size": 48, "n_epochs": 2, "width": 16, "graph_width": 8}
    config = TrainConfig(policy=policy, stages=stages, steps=1, **sizes)
    network, batch = build(config, training_grids(config, [env]))
    network.to(device)
    torch.manual_seed(0)
    if stage == "ppo":
        learner = PPOLearner(network, batch, config, seed=1)
    else:
        batch.reset(1)
        learner = LEARNERS[stage](network, batch, gamma=0.9)
    rewards = [learner.update(1e-3) for _ in range(updates)]
    return {name: value.to("cpu") for name, value in network.state_dict().items()}, rewards, learner


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("policy", ["mlp", "extractor"])
@pytest.mark.parametrize("stage", ["gradient", "optimum", "ppo"])
def test_a_device_learns_what_the_cpu_learns(stage, policy, world):
    """Of PPO the CPU learns by another way, in numpy; with single precision numbers are close."""
    weights, rewards, _ = learned(policy, WORLDS[world], stage, "cpu")
    with far_device():
        far_weights, far_rewards, learner = learned(policy, WORLDS[world], stage, DEVICE)
    assert far_rewards == pytest.approx(rewards, rel=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(far_weights[name], value, rtol=0, atol=1e-4, err_msg=name)
