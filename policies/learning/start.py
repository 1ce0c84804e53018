"""What a training starts from: its grids, an untrained policy with the envs that it trains in, or a trained one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import set_random_seed

from envs import EnvConfig, GridBatch, Problem
from grid import GridError
from policies.agent import check_seen, read_config, read_weights
from policies.config import TrainConfig, check_grids
from policies.learning.device import find_device
from policies.learning.stages import hand_over
from policies.many_grids import Rotation, TrainingGrids
from policies.networks import make_policy, observed, start_from_merit
from policies.rollout import as_seen
from policies.runs import find_run
from policies.side_by_side import SideBySide


def stream_seed(seed: int, stream: int, steps: int = 0) -> int:
    """A seed below 2^32 for each stream of random numbers of a run, and for each point of it."""
    return int(np.random.SeedSequence([seed, stream, steps]).generate_state(1)[0])


def training_grids(config: TrainConfig, envs: Sequence[EnvConfig | Problem]) -> TrainingGrids:
    """The grids of the envs, with the observation that the policy reads.

    Raises:
        GridError: a bad grid, envs that differ in more than their grid, or several for a policy of one.
    """
    check_grids(config.policy, len(envs))
    problems = [each if isinstance(each, Problem) else Problem.of(each) for each in envs]
    seen = [as_seen(each, observed(each.config, config)) for each in problems]
    return TrainingGrids(seen, gain_scaled=config.policy == "graph")


def build(config: TrainConfig, grids: TrainingGrids, rank: int = 0) -> tuple[ActorCriticPolicy, GridBatch | SideBySide]:
    """An untrained policy, and the envs that it trains in: of its one grid, or of a few grids at a time side by side.

    Its first action is 0: the merit order, redispatched, or with bids the plan. Of several ranks, each has an equal
    share of the envs or, where there are several grids, of those side by side.

    Raises:
        GridError: one env of one step, ranks that can't have equal shares, actions without the slope that a stage
            needs, or a device that is not there or can't run the episodes.
    """
    seed, at_once = stream_seed(config.seed, 0), min(config.grids_per_update, len(grids))
    envs: GridBatch | SideBySide
    to_share = ("n_envs", config.n_envs) if len(grids) == 1 else ("grids_per_update", at_once)
    if to_share[1] % config.ranks:
        found = f"{config.ranks} for {to_share[1]} {to_share[0]}"
        raise GridError("train.ranks", found, "a number that divides them", f"change ranks or {to_share[0]}")
    if len(grids) == 1:
        envs = grids.batch(0, config.n_envs // config.ranks, seed)
    else:
        each = max(1, config.n_envs // at_once)
        envs = SideBySide(grids, Rotation(len(grids), at_once, seed, rank, config.ranks), each * at_once)
    if envs.horizon * envs.batch_size < 2:
        raise GridError("train.n_envs", "one step an update", "at least two", "take more envs or a longer horizon")
    if "search" in config.plan and envs.batch_size // (1 if len(grids) == 1 else at_once) < 2:
        mend = "take more envs, or leave out the stage search, which runs each episode twice"
        raise GridError("train.n_envs", f"{config.n_envs}", "at least two for each grid of an update", mend)
    if "gradient" in config.plan and grids.problems[0].config.action == "secure-values":
        found, mend = "gradient with the actions 'secure-values'", "write --stages search"
        raise GridError("train.stages", found, "stages that need no slope of security: search, ppo, optimum", mend)
    set_random_seed(seed)
    arrays = [problem.arrays for problem in grids.problems]
    policy = make_policy(config, envs.observation_space, envs.action_space, arrays)
    start_from_merit(policy, grids.problems[0])
    return policy.to(find_device(config.device, grids.problems[0])), envs


def start_episodes(envs: GridBatch | SideBySide, seed: int, update: int, rank: int = 0) -> None:
    """Start all random streams and the episodes of a rank anew, at this update of a run."""
    set_random_seed(seed)
    if isinstance(envs, SideBySide):
        envs.rotation.turn = update  # which is all that its episodes depend on
    else:
        envs.reset(seed, rank * envs.batch_size)


def continued(config: TrainConfig, start: str, env_config: EnvConfig) -> TrainConfig:
    """The settings of a training that starts from a trained agent: its network is that of the agent.

    Raises:
        GridError: no such agent, one whose weights belong to one grid, or an env that it would misread.
    """
    settings = read_config(find_run(start) or Path(start))
    if settings.train.policy != "graph":
        mend = "start from an agent of the policy 'graph'; the weights of the others belong to one grid"
        raise GridError(f"train.start: {start}", f"the policy {settings.train.policy!r}", "'graph'", mend)
    check_seen(f"train.start: {start}", settings.env, observed(env_config, settings.train))
    width, layers = settings.train.graph_width, settings.train.graph_layers
    return dataclasses.replace(config, graph_width=width, graph_layers=layers)


def take_start(policy: ActorCriticPolicy, config: TrainConfig) -> None:
    """Give a new policy the weights that its training starts from, if there are any.

    Raises:
        GridError: they are missing, or of another network.
    """
    if config.start is not None:
        read_weights(find_run(config.start) or Path(config.start), policy)
        hand_over(policy, config.plan[0], config)
