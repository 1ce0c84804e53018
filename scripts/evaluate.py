"""``evaluate``: policies side by side on the same episodes, up to the optimum."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import tyro

from scripts.console import Console
from scripts.options import CommonJson, Count, Lines, MaybePath, Seed, default, one_of

Split = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class Evaluate(CommonJson, Lines):
    """Run baselines and agent on the same episodes and compare them with the optimum.

    redispatch: merit order, then moves that relieve lines. mpc: optimum of the day ahead as forecast.

    plan: a faster plan of the same day, and the coming step cleared at its prices.

    gap: cost above the optimum, in percent of the merit order's cost without lines and stores.

    score: 0 for the merit order, 100 for the optimum. Brackets hold 95 % intervals.
    """

    source: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN|POLICY", help_behavior_hint="(default: all policies)"),
    ] = None
    """a run: its folder, its name in runs/ or a shipped agent; or a policy: random, merit, redispatch, mpc, plan"""
    grid: Annotated[str | None, tyro.conf.arg(metavar="GRID", help_behavior_hint="(default: the run's own)")] = None
    """bundled name or path of another grid file; required without a run"""
    task: Annotated[str | None, tyro.conf.arg(metavar="TASK"), default("the world of the run")] = None
    """the episodes of a task, see load-balancer tasks; instead of --grid, --episodes, --overload and --outages"""
    episodes: Count = 20
    """how many"""
    seed: Seed = 0
    """of the episodes"""
    split: Annotated[Split, one_of(Split)] = "test"
    """part of the time series that the episodes come from"""
    plot: Annotated[MaybePath, default("no file")] = None
    """also draw the gaps, and a day of the agent or else the last policy beside the optimum's: .png, .svg, .pdf"""

    def run(self, console: Console) -> None:
        """Print the table and draw the picture."""
        from envs import EnvConfig
        from grid import Grid, GridError
        from policies import BASELINES, MOST_NODES, Mpc, Plan, Policy, evaluate, find_own_run
        from scripts.pictures import check_path, draw_comparison
        from scripts.run_page import keep_evaluation
        from scripts.running import is_installed, run_config, tell_of_compiling
        from topologies import load

        check_path(self.plot)
        if self.task is not None:
            self._on_task(self.task, console)
            return
        policies: list[str | Policy] = list(BASELINES)
        config = EnvConfig()
        if self.source in BASELINES:
            policies = [self.source]
        elif self.source is not None:
            config, agent = run_config(self.source, self.grid, BASELINES)
            policies.append(agent)
        if self.grid is None and self.source in (None, *BASELINES):
            raise GridError("evaluate", "no grid", "a run, or --grid", "name the run or add --grid")
        grid = config.topology if self.grid is None else load(self.grid)
        grid = grid if isinstance(grid, Grid) else load(grid)
        own = config.overload, config.outages
        config = self.with_lines(replace(config, topology=grid, split=self.split))
        too_large = len(policies) > 1 and len(grid.graph) > MOST_NODES
        if too_large:
            policies.remove(Mpc.name)
        cannot_plan = len(policies) > 1 and not is_installed("numba")
        if cannot_plan:
            policies.remove(Plan.name)
        if Plan.name in policies:
            tell_of_compiling(console)
        with console.progress("evaluating", 1.0) as report:
            outcome = evaluate(policies, config, self.episodes, self.seed, report, self.split)
        console.result(outcome.table().splitlines(), outcome.to_json())
        folder = find_own_run(self.source) if self.source and self.grid is None else None
        if folder is not None and self.split == "test" and (config.overload, config.outages) == own:
            try:
                keep_evaluation(folder, outcome)
            except GridError as error:
                console.say(f"not kept in the run: {error}")
        if too_large:
            console.say(f"without mpc, which is slow above {MOST_NODES} nodes: load-balancer evaluate mpc --grid GRID")
        if cannot_plan:
            console.say("without plan, which needs numba: pip install load-balancer[train]")
        if self.plot is not None:
            console.say("", f"picture: {draw_comparison(outcome, policies[-1], config, self.plot)}")

    def _on_task(self, name: str, console: Console) -> None:
        """Print the table of a task, and keep it in the run."""
        from envs import find_task
        from grid import GridError
        from policies import BASELINES, Policy, evaluate_task, find_own_run
        from scripts.run_page import keep_evaluation
        from scripts.running import find_agent, tell_of_compiling

        task = find_task(name)
        given = {each.name for each in fields(self) if getattr(self, each.name) != each.default}
        if beside := sorted(given & {"grid", "episodes", "overload", "outages", "plot"}):
            found = f"--{beside[0]} beside it"
            raise GridError("--task", found, "the task alone, which says all of that", f"leave out --{beside[0]}")
        policies: list[str | Policy] = [self.source] if self.source in BASELINES else list(BASELINES)
        if self.source is not None and self.source not in BASELINES:
            policies.append(find_agent(self.source, BASELINES))
        tell_of_compiling(console)
        with console.progress("evaluating", 1.0) as report:
            outcome = evaluate_task(policies, task, self.seed, report, self.split)
        console.result(outcome.table().splitlines(), outcome.to_json())
        folder = find_own_run(self.source) if self.source else None
        if folder is not None and self.split == "test":
            keep_evaluation(folder, outcome)
