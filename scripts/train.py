"""``train``: an agent for a grid."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from scripts import console as words
from scripts.console import Console
from scripts.options import (
    Cluster,
    CommonJson,
    Count,
    MaybeCount,
    MaybePath,
    MaybeRate,
    MaybeSeconds,
    MaybeSeed,
    World,
    default,
    one_of,
)

Network = Literal["mlp", "extractor", "graph"]


@dataclass(frozen=True, kw_only=True)
class Train(CommonJson):
    """Train an agent; untrained, a plain one is the merit order with a few redispatch moves.

    Stages: optimum imitates schedules, gradient follows the cost's, search tries noise, ppo is PPO.

    Ctrl-C stops early and keeps the best agent so far.
    """

    grids: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(name="GRID", metavar="GRID...", help_behavior_hint="(required, but for --resume and --config)"),
    ] = ()
    """bundled names or paths of grid files; gen:40..60x200 stands for 200 generated grids; or a task, by its name"""
    policy: Annotated[Network | None, one_of(Network), default("graph")] = None
    """network: plain, message passing over the lines of the grid, or one network for any grid"""
    stages: Annotated[
        str,
        tyro.conf.arg(metavar="STAGES"),
        default("gradient; for mlp and extractor optimum,gradient; for graph in storms search"),
    ] = ""
    """ways of learning, in turn: any of optimum, gradient, search and ppo, joined by commas"""
    lr: Annotated[MaybeRate, default("that of the stage and network")] = None
    """learning rate that every stage starts with"""
    risk: Annotated[str, tyro.conf.arg(metavar="cvar:SHARE"), default("cvar:1, the mean")] = ""
    """what the stage gradient raises: the mean return of this share of the episodes, the worst"""
    start: Annotated[str | None, tyro.conf.arg(metavar="RUN"), default("nothing learned")] = None
    """go on from the network of this agent, a graph run or a shipped one, which fits any grid"""
    steps: Annotated[MaybeCount, default("no limit")] = None
    """env-steps to train for; with --seconds too, until either is used up"""
    seconds: Annotated[MaybeSeconds, default("120, or no limit if --steps is given")] = None
    """time to train for in seconds, start-up included"""
    seed: Annotated[MaybeSeed, default("0")] = None
    """of everything random"""
    seeds: Count = 1
    """how many agents to train, with this seed and those after it, each in a folder of its own"""
    ranks: Annotated[MaybeCount, default("1")] = None
    """processes that share the episodes of an update, with the stage gradient alone; results depend on how many"""
    cluster: Cluster = None
    """a Ray cluster on whose machines all ranks but the first run, see docs/machines.md"""
    device: Annotated[str | None, tyro.conf.arg(metavar="cpu|cuda"), default("cpu")] = None
    """what trains: the CPU or, of mlp and extractor, a GPU (cuda, cuda:1), see docs/machines.md"""
    out: Annotated[MaybePath, default("runs/GRID-POLICY, runs/many-POLICY, or RUN-again")] = None
    """folder of the run"""
    resume: Annotated[MaybePath, default("start a new run")] = None
    """go on with the run in this folder or of this name in runs/; --steps or --seconds then say how much more"""
    overwrite: bool = False
    """replace the run that is in the folder"""
    world: Annotated[World, tyro.conf.OmitArgPrefixes] = field(default_factory=World)
    """What the agent is trained in; --set takes the fields of TrainConfig, too, such as n_envs=64."""

    def run(self, console: Console) -> int:
        """Train and say how to go on."""
        from grid import workers

        with workers(cluster=self.cluster):
            return self._run(console)

    def _run(self, console: Console) -> int:
        if self.seeds == 1 or self.resume is not None:  # which refuses --seeds
            found = self._train(console)
            console.result([f"run: {found['run']}"], found)
            return words.EXIT_INTERRUPTED if found["stopped"] else 0
        results: list[dict[str, Any]] = []
        from policies import check_room

        first, folder = self._fields()["seed"], self.folder()
        runs = {seed: Path(f"{folder}-{seed}") for seed in range(first, first + self.seeds)}
        for run in runs.values():
            check_room(run, self.overwrite)
        for seed, run in runs.items():
            results.append(replace(self, seed=seed, seeds=1, out=run)._train(console))
            if results[-1]["stopped"]:
                break
        console.result([f"run: {found['run']}" for found in results], {"runs": results})
        return words.EXIT_INTERRUPTED if results[-1]["stopped"] else 0

    def folder(self) -> Path:
        """Where the run goes, unless ``resume`` says it."""
        from envs import TASKS
        from policies import find_own_run
        from topologies import expand

        grids = self._grids()
        if self.out is not None or not grids:
            return self.out or Path("runs")
        config = self.world.config
        if not self.grids and config is not None and find_own_run(config.parent) is not None:
            return config.parent.with_name(f"{config.absolute().parent.name}-again")
        name = grids[0] if len(grids) == 1 else "many"
        if name not in TASKS and (len(grids) > 1 or len(expand(name)) > 1):
            name = "many"
        return Path("runs") / f"{name if name in TASKS else Path(name).stem}-{self._fields()['policy']}"

    def _grids(self) -> tuple[str, ...]:
        """The grids that are named here or else in the file of settings."""
        return self.grids or tuple(self.world.file().get("grids", ()))

    def _fields(self) -> dict[str, Any]:
        """The fields of TrainConfig: of the file of settings, then of --set, then of the options."""
        from policies import TrainConfig

        known = [each.name for each in fields(TrainConfig)]
        given = {"policy": "graph", "seed": 0, **self.world.file().get("train", {})}
        given |= self.world.settings(known)[1]
        if self.steps is not None or self.seconds is not None:
            given |= {"steps": self.steps, "seconds": self.seconds}
        if self.lr is not None:
            given |= {name: self.lr for name in known if name.endswith("learning_rate")}
        if self.stages:
            given["stages"] = tuple(filter(None, self.stages.split(",")))
        if self.risk:
            given["tail_frac"] = _tail_frac(self.risk)
        named = {name: getattr(self, name) for name in ("policy", "seed", "start", "ranks", "device")}
        return given | {name: value for name, value in named.items() if value is not None}

    def _train(self, console: Console) -> dict[str, Any]:
        """Train one agent; its folder, whether Ctrl-C ended it, and what its stages reached."""
        started_s = time.perf_counter()
        if self.resume is not None:
            run, stopped = self._go_on(self.resume, console, started_s)
        else:
            run, stopped = self._start(console, started_s)
        from policies.learning import read_curve, what_stages_reached
        from scripts.run_page import explain, stages_reached

        explain(run)
        title = "least cost on validation episodes by the end of each stage"
        console.say(title, "", *stages_reached(run), "")
        name = shlex.quote(str(run))
        where = " --grid GRID" if not (run / "grid.json").exists() else ""
        console.say(
            f"{'stopped early' if stopped else 'finished'} after {words.duration(time.perf_counter() - started_s)}",
            f"compare  load-balancer evaluate {name}{where}",
            f"watch    load-balancer render {name}{where} --out grid_state.gif",
            f"go on    load-balancer train --resume {name} --seconds 60",
        )
        reached = what_stages_reached(read_curve(run))
        if len(reached) == 1 and not stopped:
            console.say("nothing was learned: no update fitted into the time; give it more by --seconds")
        elif len(reached) > 1 and reached[-1]["validation_cost_frac"] == reached[0]["validation_cost_frac"]:
            console.say("nothing was learned yet: no update came below the cost at the start, whose network is kept")
        return {"run": str(run), "stopped": stopped, "stages": reached}

    def _start(self, console: Console, started_s: float) -> tuple[Path, bool]:
        from envs import BY_VALUE, EnvConfig, Problem, find_task
        from grid import GridError
        from policies import TrainConfig, check_grids, check_room
        from scripts.running import find_agent
        from topologies import expand

        grids, given = self._grids(), self._fields()
        is_task = len(grids) == 1 and re.fullmatch(r"[\w-]+-v\d+", grids[0]) and not Path(grids[0]).exists()
        task = find_task(grids[0]) if is_task else None
        sources = [name for each in grids for name in expand(each if task is None else task.train)]
        if not sources:
            raise GridError("train", "no grid", "a grid, or --resume with a run", "name the grid")
        check_grids(given["policy"], len(sources))  # before so many are loaded
        check_room(self.folder(), self.overwrite)
        known = [each.name for each in fields(TrainConfig)]
        if task is not None and self.world.world is not None:
            found = f"--world {self.world.world} beside the task {task.name}, which has one"
            raise GridError("train", found, "a task, or a grid in a world", f"leave it out, or name {task.train}")
        env_config = EnvConfig() if task is None else task.config(split="train")
        has_start, says_action = given.get("start") is not None, "action" in self.world.settings(known)[0]
        if has_start:
            seen = replace(find_agent(given["start"]).env_config, split="train", outages=())
            env_config = seen if task is None else replace(env_config, action=seen.action)
        env_config = self.world.of(env_config, known)
        problems = [Problem.of(replace(env_config, topology=source)) for source in sources]
        is_planned = bool(env_config.gate_h) or any(each.arrays.stoppable.size for each in problems)
        if is_planned and not (has_start or says_action):  # as the published agents were trained
            in_storm = env_config.relays is not None and given.get("policy", TrainConfig.policy) == "graph"
            action, stage = ("store-values", "search") if in_storm else ("plan", "gradient")
            problems = [each.replace(action=action) for each in problems]
            given = {"stages": (stage,), **given}
        elif env_config.action in BY_VALUE:
            given = {"stages": ("search",), **given}
        config = TrainConfig.from_fields(given)
        if config.policy == "graph" and says_action and not env_config.plans:
            allowed, mend = (
                "bids, plan, store-values or secure-values, with the policy graph",
                "leave it out, or take --policy mlp",
            )
            raise GridError("env.action", repr(env_config.action), allowed, mend)
        for problem in problems:
            problem.replace(split="test")  # which refuses series too short to test an agent on
        from policies import train

        run = self.folder()
        with console.progress(f"training {run}", 1.0) as report:
            agent = train(problems, config, run, report, started_s, self.overwrite)
        return run, agent.stopped_early

    def _go_on(self, run: Path, console: Console, started_s: float) -> tuple[Path, bool]:
        from grid import GridError
        from policies import find_own_run, resume

        kept = ("resume", "steps", "seconds", "cluster", "quiet", "debug", "json", "world")
        given = [
            each.name for each in fields(self) if each.name not in kept and getattr(self, each.name) != each.default
        ]
        options = ["GRID" if name == "grids" else f"--{name}" for name in given] + self.world.options
        if options:
            mend = f"leave out {options[0]}; what the run began with stays"
            raise GridError("train --resume", f"{options[0]} beside it", "the run, --steps and --seconds", mend)
        run = find_own_run(run) or run
        with console.progress(f"training {run}", 1.0) as report:
            agent = resume(run, self.steps, self.seconds, report, started_s)
        return run, agent.stopped_early


def _tail_frac(text: str) -> float:
    """The share in ``cvar:SHARE``.

    Raises:
        GridError: another text.
    """
    from grid import GridError

    kind, _, share = text.partition(":")
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    if kind != "cvar" or not 0 < value <= 1:
        raise GridError("--risk", repr(text), "cvar: and a share in (0, 1], such as cvar:0.1", "correct it")
    return value
