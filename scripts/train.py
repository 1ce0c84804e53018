"""``train``: an agent for a grid."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from scripts import console as words
from scripts.console import Console
from scripts.options import CommonJson, Count, Lines, MaybeCount, MaybePath, MaybeSeconds, Seed, default, one_of

if TYPE_CHECKING:
    from policies import TrainConfig

Network = Literal["mlp", "extractor", "graph"]


@dataclass(frozen=True, kw_only=True)
class Train(CommonJson, Lines):
    """Train an agent; untrained, a plain one is the merit order with a few redispatch moves.

    Stages: optimum imitates solved schedules, gradient follows that of the cost, ppo is PPO.

    Ctrl-C stops early and keeps the best agent so far.
    """

    grids: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(name="GRID", metavar="GRID...", help_behavior_hint="(required, but for --resume)"),
    ] = ()
    """bundled names or paths of grid files; gen:40..60x200 stands for 200 generated grids; or a task, by its name"""
    policy: Annotated[Network, one_of(Network)] = "graph"
    """network: plain, message passing over the lines of the grid, or one network for any grid"""
    stages: Annotated[
        str,
        tyro.conf.arg(metavar="STAGES"),
        default("gradient; for mlp and extractor optimum,gradient; in AC ppo for gradient"),
    ] = ""
    """ways of learning, in turn: any of optimum, gradient and ppo, joined by commas"""
    risk: Annotated[str, tyro.conf.arg(metavar="cvar:SHARE"), default("cvar:1, the mean")] = "cvar:1"
    """what the stage gradient raises: the mean return of this share of the episodes, the worst"""
    start: Annotated[str | None, tyro.conf.arg(metavar="RUN"), default("nothing learned")] = None
    """go on from the network of this agent, a graph run or a shipped one, which fits any grid"""
    steps: Annotated[MaybeCount, default("no limit")] = None
    """env-steps to train for; with --seconds too, until either is used up"""
    seconds: Annotated[MaybeSeconds, default("120, or no limit if --steps is given")] = None
    """time to train for in seconds, start-up included"""
    seed: Seed = 0
    """of everything random"""
    seeds: Count = 1
    """how many agents to train, with this seed and those after it, each in a folder of its own"""
    out: Annotated[MaybePath, default("runs/GRID-POLICY, or runs/many-POLICY")] = None
    """folder of the run"""
    resume: Annotated[MaybePath, default("start a new run")] = None
    """go on with the run in this folder or of this name in runs/; --steps or --seconds then say how much more"""
    overwrite: bool = False
    """replace the run that is in the folder"""

    def run(self, console: Console) -> int:
        """Train and say how to go on."""
        if self.seeds == 1 or self.resume is not None:  # which refuses --seeds
            found = self._train(console)
            console.result([f"run: {found['run']}"], found)
            return words.EXIT_INTERRUPTED if found["stopped"] else 0
        results: list[dict[str, Any]] = []
        for seed in range(self.seed, self.seed + self.seeds):
            one = replace(self, seed=seed, seeds=1)
            results.append(replace(one, out=Path(f"{one.folder()}-{seed}"))._train(console))
            if results[-1]["stopped"]:
                break
        console.result([f"run: {found['run']}" for found in results], {"runs": results})
        return words.EXIT_INTERRUPTED if results[-1]["stopped"] else 0

    def folder(self) -> Path:
        """Where the run goes, unless ``resume`` says it."""
        from envs import TASKS
        from topologies import expand

        name = self.grids[0] if len(self.grids) == 1 else "many"
        if name not in TASKS and (len(self.grids) > 1 or len(expand(name)) > 1):
            name = "many"
        return self.out or Path("runs") / f"{name if name in TASKS else Path(name).stem}-{self.policy}"

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
        return {"run": str(run), "stopped": stopped, "stages": reached}

    def _start(self, console: Console, started_s: float) -> tuple[Path, bool]:
        from envs import TASKS, EnvConfig, Problem
        from grid import GridError
        from scripts.running import find_agent
        from topologies import expand

        task = TASKS.get(self.grids[0]) if len(self.grids) == 1 else None
        sources = [name for each in self.grids for name in expand(each if task is None else task.train)]
        if not sources:
            raise GridError("train", "no grid", "a grid, or --resume with a run", "name the grid")
        config = self._config(tuple(filter(None, self.stages.split(","))))
        env_config = EnvConfig() if task is None else task.config(split="train")
        if self.start is not None:
            seen = replace(find_agent(self.start).env_config, split="train", outages=())
            env_config = seen if task is None else replace(env_config, action=seen.action)
        env_config = self.with_lines(env_config)
        if env_config.flow == "ac":
            config = self._config(_without_gradient(config))
        problems = [Problem.of(replace(env_config, topology=source)) for source in sources]
        for problem in problems:
            problem.replace(split="test")  # which refuses series too short to test an agent on
        from policies import make_room, train  # before an older run is removed, as torch may be missing
        from scripts.running import tell_of_compiling

        run = self.folder()
        make_room(run, self.overwrite)
        tell_of_compiling(console, config.policy == "graph", problems[0].config.flow == "ac")
        with console.progress(f"training {run}", 1.0) as report:
            agent = train(problems, config, run, report, started_s)
        return run, agent.stopped_early

    def _config(self, stages: tuple[str, ...]) -> TrainConfig:
        from policies import TrainConfig

        limits = (self.steps, self.seconds)
        return TrainConfig(self.policy, stages, *limits, self.seed, start=self.start, tail_frac=_tail_frac(self.risk))

    def _go_on(self, run: Path, console: Console, started_s: float) -> tuple[Path, bool]:
        from grid import GridError
        from policies import find_own_run, resume

        given = {each.name: getattr(self, each.name) != each.default for each in fields(self)}
        for name in (
            "grids",
            "start",
            "out",
            "flow",
            "overload",
            "outages",
            "policy",
            "stages",
            "risk",
            "seed",
            "seeds",
            "overwrite",
        ):
            if given[name]:
                option = "GRID" if name == "grids" else f"--{name}"
                mend = f"leave out {option}; what the run began with stays"
                raise GridError("train --resume", f"{option} beside it", "the run, --steps and --seconds", mend)
        run = find_own_run(run) or run
        with console.progress(f"training {run}", 1.0) as report:
            agent = resume(run, self.steps, self.seconds, report, started_s)
        return run, agent.stopped_early


def _without_gradient(config: TrainConfig) -> tuple[str, ...]:
    """The stages with ppo in place of gradient, which knows no AC flow.

    Raises:
        GridError: the stage gradient is asked for.
    """
    from grid import GridError

    if "gradient" in config.stages:
        allowed = "optimum and ppo: the stage gradient knows no AC flow"
        raise GridError("--stages", "gradient in AC", allowed, "leave out gradient, or train with --flow dc")
    return tuple("ppo" if stage == "gradient" else stage for stage in config.plan)


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
