"""Runs on disk: what training writes and what is needed to act again. No pickle is read.

A run is a folder; ``policies.runs.RUN_FILES`` says what is in it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from stable_baselines3.common.policies import ActorCriticPolicy

from envs import EnvConfig, GridBatch, Problem
from grid import GridError, Setpoint, atomic_path
from policies.config import TrainConfig
from policies.networks import GraphActorCriticPolicy, make_policy, observed, torch_threads
from policies.rollout import SEEN, as_seen
from policies.runs import CONFIG, allowed_runs, find_run

FORMAT = "load-balancer-run/3"
GRID, PROFILES, WEIGHTS = "grid.json", "grid_profiles.csv", "weights.safetensors"
PICKLES = (".pkl", ".pickle", ".zip", ".pt", ".pth", ".joblib")
SMALLEST = "triangle"  # of the bundled grids: any will do to make a network that fits all
ALIASED = ("pi_features_extractor.", "vf_features_extractor.")
MEND = "give a folder written by `load-balancer train`"


class TrainedOn(NamedTuple):
    """A grid that an agent was trained on."""

    name: str  # where there are several: what it is loaded by
    fingerprint: str


class Settings(NamedTuple):
    """What defines a run."""

    env: EnvConfig  # its topology: the file of the run's own copy of the grid or, of several, the name of the first
    train: TrainConfig
    grids: tuple[TrainedOn, ...]

    def problems(self, run: Path) -> list[Problem]:
        """The problem of each grid, loaded and compiled.

        Raises:
            GridError: a grid that cannot be loaded, or is not the one that the run was trained on.
        """
        topologies = [self.env.topology] if len(self.grids) == 1 else [each.name for each in self.grids]
        problems = [Problem.of(dataclasses.replace(self.env, topology=topology)) for topology in topologies]
        for problem, grid in zip(problems, self.grids, strict=True):
            if problem.arrays.fingerprint != grid.fingerprint:
                where = str(run if len(problems) > 1 else run / GRID)
                mend = "put back the grid that the run was trained on, or train again"
                raise GridError(where, "another grid", f"the one with fingerprint {grid.fingerprint}", mend)
        return problems


class Agent:
    """A trained network that decides: on its own grid or, with the policy ``graph``, on any.

    It is a ``Policy``, for ``evaluate`` and its like, and has the ``predict`` of stable-baselines3.

    Args:
        name: for tables and pictures.
        policy: the network.
        env_config: the env that it was trained on; its topology is the run's own copy of the grid, or the name of the
            first of several.
        grids: that it was trained on.
        stopped_early: whether Ctrl-C ended the training that it comes from.
        run: the folder that it comes from, if there is one.
    """

    def __init__(
        self,
        name: str,
        policy: ActorCriticPolicy,
        env_config: EnvConfig,
        grids: tuple[TrainedOn, ...],
        stopped_early: bool = False,
        run: Path | None = None,
    ) -> None:
        self.run = run
        self.name, self.env_config, self.grids, self.stopped_early = name, env_config, grids, stopped_early
        self.policy = policy
        policy.set_training_mode(False)
        if len(grids) > 1 and isinstance(policy, GraphActorCriticPolicy):
            policy.rewire([])  # it knows no grid until it is reset on one

    @property
    def files(self) -> dict[str, bytes]:
        """What ``load_agent`` makes it of, by the names of a run; the weights are those of now. Empty without a run."""
        if self.run is None:
            return {}
        paths = [self.run / name for name in (CONFIG, GRID, PROFILES)]
        files = {path.name: path.read_bytes() for path in paths if path.exists()}
        return {**files, WEIGHTS: _content(self.policy.state_dict())}

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[np.ndarray, Any]:
        """Decide from observations, as the models of stable-baselines3 do, say in its ``evaluate_policy``.

        Args:
            observation: of B envs, or of one; the envs are made with the agent's ``env_config``.
            state: of a recurrent network, which this is none of; handed back.
            episode_start: likewise, not used.
            deterministic: whether to take the mean of the actions, rather than to draw them.

        Returns:
            Actions (B, A) in [−1, 1], or (A,) for the observation of one env, and the state.

        Raises:
            GridError: an observation of another encoding or, unless the policy is ``graph``, of another grid.
        """
        space = self.policy.observation_space
        found, allowed = _shapes(observation), _shapes(space)
        if isinstance(self.policy, GraphActorCriticPolicy):  # for grids of any size, whose number may be an entry
            lasts = [
                {name: shape[-1:] for name, shape in each.items() if name != "grid"} if isinstance(each, dict) else {}
                for each in (found, allowed)
            ]
            fits = lasts[0] == lasts[1]
        elif isinstance(found, dict) and isinstance(allowed, dict):
            fits = any({name: shape[own:] for name, shape in found.items()} == allowed for own in (0, 1))
        else:
            fits = allowed in (found, found[1:] if isinstance(found, tuple) else None)
        if not fits:
            mend = f"make the env with agent.env_config, which has observation={self.env_config.observation!r}"
            raise GridError(f"agent {self.name!r}", f"an observation of {found}", f"{allowed}, of one or B envs", mend)
        with torch_threads(1):
            return self.policy.predict(observation, state, episode_start, deterministic)

    def reset(self, batch: GridBatch) -> None:
        """Check that the batch is one that this agent can act in, and wire a graph network for its grid.

        Raises:
            GridError: another grid, or another encoding of observations or actions.
        """
        where, policy = f"agent {self.name!r}", self.policy
        is_graph = isinstance(policy, GraphActorCriticPolicy)
        if not is_graph and batch.arrays.fingerprint != self.grids[0].fingerprint:
            mend = "train an agent on this grid; the weights of this kind of policy belong to one grid"
            raise GridError(where, f"the grid {batch.arrays.name!r}", f"the grid {self.grids[0].name!r}", mend)
        check_seen(where, self.env_config, batch.config)
        if isinstance(policy, GraphActorCriticPolicy):
            policy.rewire([batch.arrays])
            return
        shown = [_shown_lines(config, batch) for config in (self.env_config, batch.config)]
        if self.env_config.observation == "flat" and shown[0] != shown[1]:
            found = "outages or trips other than in its training"
            allowed = "its own: a plain network sees the states of those lines alone that it was trained with"
            mend = "train one with the same --outages and --overload, or take an agent of the policy 'graph'"
            raise GridError(where, found, allowed, mend)
        if batch.observation_space != policy.observation_space:
            mend = "make the batch with the agent's env_config"
            raise GridError(where, "another observation space", "that of its env_config", mend)

    def act(self, batch: GridBatch) -> Setpoint:
        """Decide the coming step of all B episodes."""
        return batch.setpoint(self.predict(batch.observation)[0])


def _shapes(seen: Any) -> Any:
    """The shape of an observation or of its space; of one with several entries a dict of them."""
    if isinstance(seen, (Mapping, spaces.Dict)):
        return {name: _shapes(entry) for name, entry in seen.items()}
    return tuple(seen.shape or ()) if isinstance(seen, spaces.Space) else np.shape(seen)


def _shown_lines(config: EnvConfig, batch: GridBatch) -> tuple[str, set[str]]:
    """Which lines the flat observation shows, beside those that fail at random: all that trip, and planned ones."""
    fails = dict(zip(batch.arrays.line_names, batch.arrays.outage_rate_per_h > 0, strict=True))
    return config.overload, {each.line for each in config.outages if not fails[each.line]}


def check_seen(where: str, own: EnvConfig, found: EnvConfig) -> None:
    """Check that what an agent sees and does in an env means what it meant in its own.

    Raises:
        GridError: another encoding of observations or actions.
    """
    for name in SEEN:
        if getattr(own, name) != getattr(found, name):
            mend = "make the env with the env_config of the agent"
            raise GridError(where, f"{name}={getattr(found, name)!r}", f"{name}={getattr(own, name)!r}", mend)


def read_config(run: Path, allowed: str | None = None) -> Settings:
    """The settings of a run; no grid is loaded.

    Args:
        run: its folder.
        allowed: what may stand for it, for the error; by default also a shipped agent.

    Raises:
        GridError: no run, or settings of another version.
    """
    path = run / CONFIG
    if not path.is_file():
        found = "no such folder" if not run.exists() else f"no {CONFIG} in it" if run.is_dir() else "a file"
        if found == "a file" and run.suffix in PICKLES:
            found = f"a {run.suffix} file, which may run code when it is read"
        raise GridError(str(run), found, allowed or allowed_runs(), MEND)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind = content["format"]
        parts = (content["env"], content["train"], content["grids"]) if kind == FORMAT else ({}, {}, [])
        env, train = dict(parts[0]), dict(parts[1])
        grids = tuple(TrainedOn(str(each["name"]), str(each["fingerprint"])) for each in parts[2])
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise GridError(str(path), f"{type(error).__name__}: {error}", "the settings of a run", MEND) from error
    if kind != FORMAT:
        mend = "train it again, or load it with the version that wrote it"
        raise GridError(f"{path}: format", repr(kind), repr(FORMAT), mend)
    if not grids:
        raise GridError(f"{path}: grids", "none", "at least one", MEND)
    env["topology"] = run / GRID if len(grids) == 1 else grids[0].name
    try:
        return Settings(EnvConfig.from_fields(env), TrainConfig.from_fields(train), grids)
    except GridError as error:
        raise GridError.of(
            [dataclasses.replace(fault, where=f"{path}: {fault.where}") for fault in error.faults]
        ) from error


def write_weights(run: Path, state: dict[str, torch.Tensor]) -> None:
    """Write the network, whole or not at all."""
    with atomic_path(run / WEIGHTS) as temporary:
        temporary.write_bytes(_content(state))


def _content(state: dict[str, torch.Tensor]) -> bytes:
    return save({name: value.contiguous() for name, value in _own(state).items()}, {"format": FORMAT})


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
        run_or_name: the folder of a run, the name of one in ``runs/``, or that of a shipped agent.
        name: what tables and pictures call it.

    Raises:
        GridError: anything that keeps the run from being loaded.
    """
    run = find_run(run_or_name) or Path(run_or_name)
    env_config, config, grids = settings = read_config(run)
    if len(grids) == 1:
        (problem,) = settings.problems(run)
        env_config = dataclasses.replace(env_config, topology=problem.grid)
    else:
        problem = Problem.of(dataclasses.replace(env_config, topology=SMALLEST, outages=()))
    batch = GridBatch(as_seen(problem, observed(env_config, config)))
    policy = make_policy(config, batch.observation_space, batch.action_space, [batch.arrays])
    read_weights(run, policy)
    return Agent(name, policy, env_config, grids, run=run)
