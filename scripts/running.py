"""Who runs which episode: what a command line names as its source, and the policies that can decide."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from envs import TASKS, EnvConfig, GridBatch, Problem, Recorder, steps_to_draw
from grid import Episode, Grid, GridError, Setpoint, nearest
from grid.planning import Optimum, optima
from policies import BASELINES, Policy, allowed_runs, find_run, rollout, shipped
from topologies import GENERATED_PREFIX, NAME_PREFIXES, ProfileSource, load, names

if TYPE_CHECKING:
    from policies import Agent
    from scripts.console import Console

AGENT, OPTIMUM = "agent", "optimum"
POWERS = ("gen_mw", "store_mw", "shed_mw", "spill_mw")


class Schedule:
    """Follows the optimum of each episode; it knows the future, so it shows what could be done, not what can."""

    name = OPTIMUM

    def __init__(self, plans: list[Optimum] | None = None) -> None:
        self._plans = plans

    def reset(self, batch: GridBatch) -> None:
        """Solve the episodes that the batch is about to run."""
        inputs = [batch.episode_inputs(i) for i in range(batch.batch_size)]
        plans = self._plans or list(optima(batch.arrays, inputs, batch.prices, flow=batch.config.flow))
        self.nodal_prices = [plan.nodal_price_per_mwh for plan in plans]
        self._powers = {name: np.stack([getattr(plan, name) for plan in plans], axis=1) for name in POWERS}
        self._powers["gen_mw"] += np.stack([plan.curtailed_mw for plan in plans], axis=1)
        if batch.arrays.stoppable.size:
            self._powers["on"] = np.stack([cast(np.ndarray, plan.on) for plan in plans], axis=1)

    def act(self, batch: GridBatch) -> Setpoint:
        """The schedule of the coming step."""
        return Setpoint(**{name: power[batch.t] for name, power in self._powers.items()})


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    try:
        import_module(package)
    except ImportError:
        return False
    return True


def check_length(grid: Grid, config: EnvConfig) -> None:
    """Check that a grid's own series, if it has any, hold an episode to test an agent in.

    Raises:
        GridError: they are too short.
    """
    if grid.series is not None:
        ProfileSource(grid.compile(), grid.series, config.split).check_length(steps_to_draw(config), config.dt_h)


def fitting(config: EnvConfig, console: Console | None = None, may_shorten: bool = True) -> EnvConfig:
    """The config of a Grid or, where the grid's series are too short for it, one without forecasts or of all rows.

    Args:
        config: of a command that needs no agent, so that forecasts may be left out.
        console: told that it is of all rows, and how long these are.
        may_shorten: the horizon to all rows.

    Raises:
        GridError: all rows are too few.
    """
    grid, steps = cast(Grid, config.topology), config.horizon
    if grid.series is not None and may_shorten:
        steps = min(steps, max(1, int(len(grid.series.values_frac) * grid.series.dt_h / config.dt_h + 1e-9)))
    whole, why = replace(config, horizon=steps), ""
    if config.start_time is None:  # else the last row is repeated for the forecasts
        for short in (config, replace(config, forecast_h=())):
            try:
                check_length(grid, short)
                return short
            except GridError:
                pass
        whole, why = replace(whole, forecast_h=(), split="all"), f", as its {config.split} part is too short"
        check_length(grid, whole)
    shorter = f": all its {steps * config.dt_h:g} h" if steps < config.horizon else ""
    if console is not None and (why or shorter):
        console.say(f"from the whole series{why}{shorter}")
    return whole


def find_agent(source: str, policies: Collection[str] = ()) -> Agent:
    """The agent of a run, by folder or name; ``policies`` are what the caller takes in its stead, for the error.

    Raises:
        GridError: no run, one that cannot be loaded, or the packages that agents need are missing.
    """
    folder = find_run(source)
    if folder is None and not Path(source).exists():  # loading what is there says what is wrong with it
        known = [*policies, *shipped()]
        mend = nearest(source, known) if known else "make one by `load-balancer train`"
        mend = f"for the grid write --grid {shlex.quote(source)}" if policies and source in names() else mend
        mend = f"for the task write --task {source}" if policies and source in TASKS else mend
        allowed = f"{allowed_runs()}{'; or a policy: ' if policies else ''}{', '.join(policies)}"
        raise GridError(source, "no such run", allowed, mend)
    if policies and Path(source).is_file() and Path(source).suffix in (".json", ".graphml", ".m", ".nc"):
        raise GridError(source, "a file", allowed_runs(), f"for the grid write --grid {shlex.quote(source)}")
    from policies import load_agent

    return load_agent(folder or source)


def run_config(source: str, grid: str | None = None, policies: Collection[str] = ()) -> tuple[EnvConfig, Agent]:
    """The env of a run, on the test part of its series, and its agent; with ``grid`` instead of the agent's own.

    Raises:
        GridError: what ``find_agent`` raises, a grid with faults, or none where the agent is one of many.
    """
    agent = find_agent(source, policies)
    if grid is not None:
        return replace(agent.env_config, topology=load(grid), split="test", outages=()), agent  # of lines it may lack
    if len(agent.grids) > 1:
        raise GridError(source, f"an agent of {len(agent.grids)} grids", "one grid to run", "add --grid")
    return replace(agent.env_config, split="test"), agent


def source_config(source: str, grid: str | None = None) -> tuple[EnvConfig, Agent | None]:
    """The env of a run with its agent, or of a grid without one; episodes come from the test part.

    Raises:
        GridError: neither, a run or grid with faults, or a grid beside a grid.
    """
    if grid is not None and find_run(source) is None and source in (*BASELINES, OPTIMUM):
        mend = f"write {shlex.quote(grid)} --policy {source}"
        raise GridError(source, "a policy in place of a run", allowed_runs(), mend)
    is_grid = source in names() or source.startswith(NAME_PREFIXES) or Path(source).exists()
    if find_run(source) is not None or (grid is not None and not is_grid):
        return run_config(source, grid)
    if grid is not None:
        raise GridError(f"--grid {grid}", f"no agent to run it, but {source}", allowed_runs(), "name the run first")
    if not is_grid:
        known = [*names(), *shipped()]
        allowed = (
            f"a run's folder, an episode (.npz), a grid file, {GENERATED_PREFIX}NODES:SEED or one of {', '.join(known)}"
        )
        raise GridError(source, "nothing of that name", allowed, nearest(source, known))
    return EnvConfig(topology=load(source), split="test"), None


def choose(name: str | None, agent: Agent | None, option: str = "--policy") -> Policy:
    """The policy of this name; without one, the agent if there is one, else the merit order.

    Raises:
        GridError: unknown, or an agent is asked for where there is none.
    """
    name = name or (AGENT if agent is not None else "merit")
    if name == AGENT:
        if agent is None:
            raise GridError(f"{option} agent", "a grid without an agent", "a run's folder", "train first")
        return agent
    if name == OPTIMUM:
        return Schedule()
    if name not in BASELINES:
        known = (*BASELINES, OPTIMUM, AGENT)
        raise GridError(option, repr(name), ", ".join(known), nearest(name, known))
    return BASELINES[name]()


def record(policy: Policy, config: EnvConfig, seed: int, number: int = 0) -> Episode:
    """One recorded episode of the policy: that of this number of those that ``evaluate`` runs with this seed."""
    return record_all(policy, config, 1, seed, number)[0]


def record_all(policy: Policy, config: EnvConfig | Problem, episodes: int, seed: int, first: int = 0) -> list[Episode]:
    """As many recorded episodes from this number on, those of the optimum with its nodal prices."""
    from policies import run_episodes

    found = run_episodes(policy, config, episodes, seed, first)
    if not isinstance(policy, Schedule):
        return found
    return [replace(one, nodal_price_per_mwh=price) for one, price in zip(found, policy.nodal_prices, strict=True)]


def record_live(policy: Policy, config: EnvConfig, seed: int, number: int = 0) -> Episode:
    """The same, shown step by step in a window or as lines."""
    from envs.rendering import VIEWERS

    batch = GridBatch(config, 1, seed)
    batch.seed(seed, number)
    recorder, viewer = Recorder(batch, policy.name), VIEWERS["human"](batch)

    def show() -> None:
        recorder.add()
        viewer(recorder)

    try:
        rollout(batch, policy, show)
    finally:
        viewer.close()
    return recorder.episode(0)
