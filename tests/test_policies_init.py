"""``import policies`` is light, and says which extra is missing when something heavy is asked for."""

import json
import subprocess
import sys

import pytest

import policies
from grid import GridError
from policies.extras import train_extra

HEAVY = ("torch", "stable_baselines3", "safetensors", "tensorboard", "numba", "matplotlib")


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_baselines_and_evaluation_import_nothing_heavy():
    code = "import json, sys, policies.evaluation; policies.TrainConfig(); print(json.dumps(list(sys.modules)))"
    loaded = json.loads(python(code))
    assert not set(HEAVY) & set(loaded)


def test_without_torch_agents_say_what_to_install_and_evaluation_works():
    code = """
import sys
sys.modules["torch"] = None
import policies
from grid import GridError
for name in ("train", "resume", "load_agent", "GraphExtractor", "GraphActorCriticPolicy", "make_vec_env"):
    try:
        getattr(policies, name)
    except GridError as error:
        print(error)
from envs import EnvConfig
from grid import Grid
grid = Grid("pair")
grid.add_source("gas", gen_max_mw=10, gen_cost_per_mwh=5)
grid.add_consumer("town", load_max_mw=5)
grid.add_line("gas", "town")
print(policies.evaluate(["merit"], EnvConfig(topology=grid, horizon=3), 1)["merit"].gap_frac.mean)
"""
    *errors, gap_frac = python(code).splitlines()
    message = "torch: found no such package; allowed: an installation with the training extra; "
    assert errors == [message + "pip install load-balancer[train]"] * 6
    assert abs(float(gap_frac)) < 1e-9


def test_another_missing_module_is_not_blamed_on_the_extra():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), train_extra():
        import no_such_module  # noqa: F401
    with pytest.raises(GridError, match="safetensors: found no such package"), train_extra():
        raise ModuleNotFoundError("No module named 'safetensors.torch'", name="safetensors.torch")


def test_every_public_name_is_there_and_no_other():
    for name in policies.__all__:
        assert getattr(policies, name) is not None
    with pytest.raises(AttributeError, match="module 'policies' has no attribute 'no_such_thing'"):
        policies.no_such_thing  # noqa: B018
