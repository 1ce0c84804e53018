"""What a training needs is made once, and only when it is needed."""

import pytest

from congested import congested_grid
from envs import EnvConfig, Problem
from grid import Grid
from policies import TrainConfig, evaluate, train
from policies.learning import ppo, stages
from scripts.cli import main
from topologies.formats import READERS, WRITERS

SMALL = TrainConfig(policy="mlp", stages=("gradient",), steps=60, n_envs=5, width=8, seed=1)


@pytest.fixture
def counted(monkeypatch):
    """How often a file was read, and a grid compiled."""
    counts = {"read": 0, "compiled": 0}
    read, compiled = READERS[".json"], Grid.compile

    def reading(path):
        counts["read"] += 1
        return read(path)

    def compiling(grid, *options):
        counts["compiled"] += 1
        return compiled(grid, *options)

    monkeypatch.setitem(READERS, ".json", reading)
    monkeypatch.setattr(Grid, "compile", compiling)
    return counts


@pytest.fixture
def file(tmp_path):
    WRITERS[".json"](congested_grid(), tmp_path / "mine.json")
    return tmp_path / "mine.json"


def test_a_training_reads_and_compiles_its_file_once(counted, file, tmp_path):
    agent = train(EnvConfig(topology=file, horizon=12), SMALL, tmp_path / "run")
    assert counted == {"read": 1, "compiled": 1}
    assert agent.env_config.topology.name == "congested"


def test_the_command_train_reads_and_compiles_its_file_once(counted, file, tmp_path):
    words = ("train", file, "--policy", "mlp", "--steps", 1, "--set", "n_envs=4", "--out", tmp_path / "run", "--quiet")
    assert main([str(word) for word in words]) == 0
    assert counted == {"read": 1, "compiled": 1}


def test_an_evaluation_of_an_agent_compiles_the_grid_once(counted, tmp_path):
    agent = train(EnvConfig(topology=congested_grid(), horizon=12), SMALL, tmp_path / "run")
    counted["compiled"] = 0
    evaluate([agent, "merit"], EnvConfig(topology=congested_grid(), horizon=12), 2)
    evaluate([agent, "merit"], Problem.of(agent.env_config), 2)
    assert counted["compiled"] == 2


@pytest.mark.parametrize("stage", ["optimum", "gradient", "ppo"])
def test_only_the_learner_of_a_stage_that_runs_is_made(stage, monkeypatch, tmp_path):
    made = set()
    kinds = {"optimum": (stages, "ImitationLearner"), "gradient": (stages, "GradientLearner"), "ppo": (ppo, "PPO")}
    for name, (module, kind) in kinds.items():
        own = getattr(module, kind)
        monkeypatch.setattr(module, kind, lambda *a, name=name, own=own, **k: made.add(name) or own(*a, **k))
    train(
        EnvConfig(topology=congested_grid(), horizon=12),
        TrainConfig(policy="mlp", stages=(stage,), steps=60, n_envs=5, batch_size=30, width=8),
        tmp_path / "run",
    )
    assert made == {stage}
