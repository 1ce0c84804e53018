"""``evaluate``: policies side by side on the same episodes, up to the optimum."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import tyro

from scripts.console import Console, pairs
from scripts.options import Cluster, CommonJson, DatedWorld, MaybeCount, MaybePath, Seed, Workers, default, one_of

if TYPE_CHECKING:
    from envs import EnvConfig
    from grid import Episode
    from policies import Evaluation, Policy

Split = Literal["train", "test"]
YEAR_H = 8760.0


@dataclass(frozen=True, kw_only=True)
class Evaluate(CommonJson):
    """Run baselines and agent on the same episodes and compare them with the optimum.

    redispatch: merit order, then moves that relieve lines. mpc: optimum of the day ahead as forecast.

    smpc: the same for ten futures with one first step; slow, so only if it is named, or on a task.

    mpc-n1: mpc that keeps lines within capacity after any single outage; only if it is named.

    plan: a faster plan of the same day, and the coming step cleared at its prices.

    gap: cost above the optimum, in percent of the merit order's cost without lines and stores.

    score: 0 for the merit order, 100 for the optimum. Brackets hold 95 % intervals.
    """

    sources: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(name="RUN|POLICY", metavar="RUN|POLICY...", help_behavior_hint="(default: all but smpc, mpc-n1)"),
    ] = ()
    """runs, by folder, name in runs/ or that of a shipped agent, beside the policies; or the policies that are named:
    random, merit, redispatch, economic, mpc, mpc-n1, smpc, plan"""
    grid: Annotated[str | None, tyro.conf.arg(metavar="GRID", help_behavior_hint="(default: the run's own)")] = None
    """bundled name or path of another grid file; required without a run"""
    task: Annotated[str | None, tyro.conf.arg(metavar="TASK"), default("the world of the run")] = None
    """the episodes of a task, see load-balancer tasks; instead of a grid and its world"""
    episodes: Annotated[MaybeCount, default("20, or those of the task")] = None
    """how many; of a task with several grids, on each"""
    seed: Seed = 0
    """of the episodes"""
    year: bool = False
    """a year of the dated series, day by day, from --start or its first day; in place of --episodes"""
    split: Annotated[Split, one_of(Split)] = "test"
    """part of the time series that the episodes come from"""
    against: Annotated[tuple[str, ...], tyro.conf.arg(metavar="POLICY"), default("merit alone")] = ()
    """policies of the table, beside merit, on which savings a day are measured: say mpc, agent or optimum"""
    out: Annotated[MaybePath, default("no file")] = None
    """also write what every policy did: .csv (units, and _lines and _costs beside it), .xlsx or .parquet"""
    plot: Annotated[MaybePath, default("no file")] = None
    """also draw the gaps, and a day of the agent or else the last policy beside the optimum's: .png, .svg, .pdf"""
    workers: Workers = None
    """processes of this machine that share the episodes; results do not depend on it"""
    cluster: Cluster = None
    """a Ray cluster whose machines share them instead, see docs/machines.md"""
    world: Annotated[DatedWorld, tyro.conf.OmitArgPrefixes] = field(default_factory=DatedWorld)
    """What is run, where it differs from the run's world or the defaults. With --start, episodes follow each other."""

    def run(self, console: Console) -> None:
        """Print the table and draw the picture."""
        from grid import workers

        with workers(self.workers, self.cluster):
            self._run(console)

    def _run(self, console: Console) -> None:
        from grid import Grid
        from policies import BASELINES, MOST_NODES, Mpc, Plan, evaluate
        from scripts.pictures import check_path, draw_comparison
        from scripts.running import Schedule, fitting, is_installed, record_all
        from scripts.tables import check_tables, write_tables, written

        check_path(self.plot)
        if self.out is not None:
            check_tables(self.out)
        if self.task is not None:
            self._on_task(self.task, console)
            return
        config, is_own = self._config()
        wanted = config.horizon
        if all(source in BASELINES for source in self.sources):
            config = fitting(config, console, not self.world.fixes_horizon)
        config, episodes = self._days(config, 20 if config.horizon == wanted else 1)
        policies = self._policies()
        takes_all = all(source not in BASELINES for source in self.sources)
        too_large = takes_all and len(cast(Grid, config.topology).graph) > MOST_NODES
        if too_large:
            policies.remove(Mpc.name)
        cannot_plan = takes_all and not is_installed("numba")
        if cannot_plan:
            policies.remove(Plan.name)
        with console.progress("evaluating", 1.0) as report:
            kept: list[Episode] = []
            keep = None if self.out is None else kept.extend
            about = episodes, self.seed, report, config.split, self.against, keep
            outcome = evaluate(policies, config, *about)
        if self.out is not None:
            kept += record_all(Schedule(), config, outcome.episodes, self.seed)
            write_tables(self.out, kept)
        text = outcome.table().splitlines()
        if self.year:
            text += ["", *_year_text(outcome)]
        console.result(text, outcome.to_json())
        if is_own and not self.year:
            self._keep(outcome, console)
        if self.out is not None:
            console.say("", *[f"written: {path}" for path in written(self.out)])
        if too_large:
            console.say(f"without mpc, which is slow above {MOST_NODES} nodes: load-balancer evaluate mpc --grid GRID")
        if cannot_plan:
            console.say("without plan, which needs numba: pip install load-balancer[train]")
        if self.plot is not None:
            console.say("", f"picture: {draw_comparison(outcome, policies[-1], config, self.plot)}")

    def _config(self) -> tuple[EnvConfig, bool]:
        """The world to evaluate in, with its grid, and whether it is that of the run."""
        from envs import EnvConfig
        from grid import Grid, GridError
        from policies import BASELINES
        from scripts.running import run_config
        from topologies import load

        runs = [source for source in self.sources if source not in BASELINES]
        own = run_config(runs[0], self.grid, BASELINES)[0] if runs else EnvConfig()
        if self.grid is None and not runs:
            allowed, mend = "a run, --grid or --task", "name the run, or write --grid case14, say"
            raise GridError("evaluate", "no grid", allowed, mend)
        grid = own.topology if self.grid is None else load(self.grid)
        grid = grid if isinstance(grid, Grid) else load(grid)
        config = self.world.of(replace(own, topology=grid, split=self.split))
        if config.start_time is not None and self.split != Evaluate.split:
            mend = "leave --split away: a date may be any day"
            raise GridError("--split", "--start beside it", "one of the two", mend)
        return config, self.grid is None and _world_of(config) == _world_of(own)

    def _days(self, config: EnvConfig, default: int) -> tuple[EnvConfig, int]:
        """The config and how many episodes: with --year, the days of a year of the series that sets the clock."""
        from grid import Grid, GridError, Series
        from topologies import shipped_series

        if not self.year:
            return config, self.episodes or default
        if self.episodes is not None:
            raise GridError("--year", "--episodes beside it", "one of the two", "leave out --episodes")
        if self.split != Evaluate.split:
            raise GridError("--year", "--split beside it", "one of the two", "leave --split away: a year has all days")
        series = cast(Grid, config.topology).series or shipped_series()
        first = getattr(series, "start", None) or datetime(1, 1, 1)  # refused later: a series without dates
        start = datetime.fromisoformat(config.start_time) if config.start_time else first
        steps = self.world.horizon or max(1, round(24 / config.dt_h))
        config = replace(config, start_time=start.isoformat(), split="all", horizon=steps)
        length = len(series.values_frac if isinstance(series, Series) else series.values)
        left_h = length * series.dt_h - (start - first) / timedelta(hours=1)
        return config, max(1, int(min(left_h, YEAR_H) / (steps * config.dt_h) + 1e-9))

    def _on_task(self, name: str, console: Console) -> None:
        """Print the table of a task, and keep it in the run."""
        from envs import find_task
        from grid import GridError
        from policies import evaluate_task

        task = find_task(name)
        given = [
            f"--{name}" for name in ("grid", "plot", "against", "out", "year") if getattr(self, name)
        ] + self.world.options
        if given:
            found = f"{given[0]} beside it"
            raise GridError("--task", found, "the task alone, which says all of that", f"leave out {given[0]}")
        policies = self._policies()
        with console.progress("evaluating", 1.0) as report:
            outcome = evaluate_task(policies, task, self.seed, report, self.split, self.episodes)
        console.result(outcome.table().splitlines(), outcome.to_json())
        self._keep(outcome, console)

    def _policies(self) -> list[str | Policy]:
        """The policies that are named, or all of them, and the agents of the runs."""
        from policies import BASELINES, QUICK
        from scripts.running import AGENT, find_agent

        runs = [source for source in self.sources if source not in BASELINES]
        named = [source for source in self.sources if source in BASELINES]
        agents = [find_agent(source, BASELINES) for source in runs]
        for agent, source in zip(agents, runs, strict=True):
            agent.name = AGENT if len(agents) == 1 else Path(source).name
        beside = None if self.task is None else "economic" if "-commit-" in self.task else "smpc"
        listed = [name for name in BASELINES if name in QUICK or name == beside]
        return [*(named or listed), *agents]

    def _keep(self, outcome: Evaluation, console: Console) -> None:
        """Keep the outcome in the run, if it is one run on the test part."""
        from grid import GridError
        from policies import BASELINES, find_own_run
        from scripts.run_page import keep_evaluation

        folders = [find_own_run(source) for source in self.sources if source not in BASELINES]
        if len(folders) == 1 and folders[0] is not None and self.split == "test":
            try:
                keep_evaluation(folders[0], outcome)
            except GridError as error:
                console.say(f"not kept in the run: {error}")


def _year_text(outcome: Evaluation) -> list[str]:
    """What each policy saves in all the days."""
    days = outcome.episodes * outcome.hours / 24
    rows = []
    for rival in outcome.rows[0].figures.saving:
        saved = [(row.name, row.figures.saving[rival].mean * days) for row in outcome.rows if row.name != rival]
        rows.append((f"saved in {days:g} days on {rival}", ", ".join(f"{name} {mean:,.0f}" for name, mean in saved)))
    return pairs(rows)


def _world_of(config: EnvConfig) -> dict[str, object]:
    """What ``World`` can change: an evaluation in another world than the run's own is not kept in it."""
    return {name: value for name, value in vars(config).items() if name not in ("topology", "split")}
