"""Runs on disk: what training writes and what is needed to act again. No pickle is read.

A run is a folder::

    config.json           env and training settings, versions, name and fingerprint of the grid
    grid.json             the grid, with grid_profiles.csv beside it if it has time series of its own
    weights.safetensors   the best network so far
    resume.pt             what a resume needs, read through torch.load(weights_only=True)
    progress.csv          learning curve
    stages.csv            what each stage of training reached
    tensorboard/          the same for TensorBoard

The command line adds README.md, evaluation.json and renders/ (``scripts.run_folder``).
"""

from __future__ import annotations

import dataclasses
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from stable_baselines3.common.policies import ActorCriticPolicy

from envs import EnvConfig, GridBatch
from grid import Grid, GridError, Setpoint
from grid.files import atomic_path
from policies.config import TrainConfig
from policies.networks import make_policy, observed, torch_threads
from topologies import load
from topologies.formats import WRITERS

FORMAT = "load-balancer-run/1"
CONFIG, GRID, WEIGHTS = "config.json", "grid.json", "weights.safetensors"
RUNS = Path("runs")
PICKLES = (".pkl", ".pickle", ".zip", ".pt", ".pth", ".joblib")
ALIASED = ("pi_features_extractor.", "vf_features_extractor.")
MEND = "give a folder written by `load-balancer train`"


class Agent:
    """A trained network that decides.

    Args:
        name: for tables and pictures.
        policy: the network.
        env_config: the env that it was trained on; its topology is the run's own copy of the grid.
        fingerprint: of that grid.
    """

    def __init__(self, name: str, policy: ActorCriticPolicy, env_config: EnvConfig, fingerprint: str) -> None:
        self.name, self.env_config, self.fingerprint = name, env_config, fingerprint
        self.policy = policy
        policy.set_training_mode(False)

    def predict(self, observation: Any) -> np.ndarray:
        """Actions (B, A) in [−1, 1] for observations of B envs, or (A,) for that of one."""
        with torch_threads(1):
            return self.policy.predict(observation, deterministic=True)[0]

    def reset(self, batch: GridBatch) -> None:
        """Check that the batch is one that this agent can act in.

        Raises:
            GridError: another grid, or another encoding of observations or actions.
        """
        if batch.arrays.fingerprint != self.fingerprint:
            trained = self.env_config.topology
            own = trained.name if isinstance(trained, Grid) else str(trained)
            mend = "train an agent on this grid; the weights of this kind of policy belong to one grid"
            raise GridError(f"agent {self.name!r}", f"the grid {batch.arrays.name!r}", f"the grid {own!r}", mend)
        for name in ("observation", "action", "redispatch_moves"):
            wanted, found = getattr(self.env_config, name), getattr(batch.config, name)
            if wanted != found:
                mend = "make the batch with the agent's env_config"
                raise GridError(f"agent {self.name!r}", f"{name}={found!r}", f"{name}={wanted!r}", mend)
        if batch.observation_space != self.policy.observation_space:
            mend = "make the batch with the agent's env_config"
            raise GridError(f"agent {self.name!r}", "another observation space", "that of its env_config", mend)

    def act(self, batch: GridBatch) -> Setpoint:
        """Decide the coming step of all B episodes."""
        return batch.setpoint(self.predict(batch.observation))


def write_config(run: Path, batch: GridBatch, config: TrainConfig) -> None:
    """Write what defines a run: its grid and its settings."""
    WRITERS[".json"](batch.grid, run / GRID)
    env = {field.name: getattr(batch.config, field.name) for field in dataclasses.fields(EnvConfig)}
    env |= {name: dataclasses.asdict(env[name]) for name in ("prices", "protection")}
    env |= {"topology": GRID, "outages": [dataclasses.asdict(outage) for outage in env["outages"]]}
    content = {
        "format": FORMAT,
        "grid": {"name": batch.arrays.name, "fingerprint": batch.arrays.fingerprint},
        "env": env,
        "train": dataclasses.asdict(config),
        "versions": _versions(),
    }
    with atomic_path(run / CONFIG) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_config(run: Path) -> tuple[EnvConfig, TrainConfig, str]:
    """The settings of a run, with its own copy of the grid, and the grid's fingerprint.

    Raises:
        GridError: no run, settings of another version, or a grid that is not the one it was trained on.
    """
    path = run / CONFIG
    if not path.is_file():
        found = "no such folder" if not run.exists() else f"no {CONFIG} in it"
        raise GridError(str(run), found, "the folder of a run", MEND)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind = content["format"]
        env, train, mark = dict(content["env"]), dict(content["train"]), content["grid"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GridError(str(path), f"{type(error).__name__}: {error}", "the settings of a run", MEND) from error
    if kind != FORMAT:
        raise GridError(f"{path}: format", repr(kind), repr(FORMAT), "load it with the version that wrote it")
    grid = load(run / GRID)
    config = TrainConfig.from_fields(train)
    env_config = EnvConfig.from_fields({**env, "topology": grid})
    if grid.compile().fingerprint != mark:
        mend = "put back the grid that the run was trained on, or train again"
        raise GridError(str(run / GRID), "another grid", f"the one with fingerprint {mark}", mend)
    return env_config, config, mark


def write_weights(run: Path, state: dict[str, torch.Tensor]) -> None:
    """Write the network, whole or not at all."""
    content = save({name: value.contiguous() for name, value in _own(state).items()}, {"format": FORMAT})
    with atomic_path(run / WEIGHTS) as temporary:
        temporary.write_bytes(content)


def read_weights(run: Path, policy: ActorCriticPolicy) -> None:
    """Read the network into a policy of the same shapes.

    Raises:
        GridError: the file is missing, cut off, of another kind, or for another network.
    """
    path = run / WEIGHTS
    if not path.is_file():
        pickles = [item.name for item in sorted(run.iterdir()) if item.suffix in PICKLES and item.name != "resume.pt"]
        found = f"only {pickles[0]}, which may run code when it is read" if pickles else "no such file"
        raise GridError(str(path), found, "weights in the safetensors format", MEND)
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        found = f"a file that is cut off or of another kind ({error})"
        raise GridError(str(path), found, "weights in the safetensors format", MEND) from error
    wanted = _own(policy.state_dict())
    for name in sorted(wanted.keys() | state.keys()):
        shapes = [tuple(some[name].shape) if name in some else "nothing" for some in (state, wanted)]
        if shapes[0] != shapes[1]:
            mend = "do not mix the files of different runs"
            raise GridError(f"{path}: {name}", f"{shapes[0]}", f"{shapes[1]}, as config.json says", mend)
    policy.load_state_dict(state, strict=False)


def _own(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each tensor under one name: SB3 lists a features extractor that actor and critic share three times."""
    return {name: value for name, value in state.items() if not name.startswith(ALIASED)}


def load_agent(run_or_name: str | Path, name: str = "agent") -> Agent:
    """Load a trained agent.

    Args:
        run_or_name: the folder of a run, or the name of one in ``runs/``.
        name: what tables and pictures call it.

    Raises:
        GridError: anything that keeps the run from being loaded.
    """
    run = Path(run_or_name)
    if not run.exists() and (RUNS / run).exists():
        run = RUNS / run
    env_config, config, mark = read_config(run)
    policy = make_policy(config, GridBatch(observed(env_config, config)))
    read_weights(run, policy)
    return Agent(name, policy, env_config, mark)


def _versions() -> dict[str, str]:
    """Versions of what shapes the numbers."""
    found = {"python": platform.python_version()}
    for package in ("load-balancer", "numpy", "stable-baselines3", "torch", "torch-geometric"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
