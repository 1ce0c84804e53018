"""``benchmark``: how fast this machine steps, trains and draws, on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from scripts.console import Console, Report, amount, table
from scripts.options import CommonJson, MaybePath, Seconds, default

if TYPE_CHECKING:
    from stable_baselines3 import PPO

BATCH_SIZES = (1, 64, 1024)
PPO_GRID = "case14"
PPO_POLICIES = ("mlp", "extractor", "graph", "free_env")
LEAST_RUNS = 3
RATIOS = ("optimum_per_solver", "pypsa_per_optimum", "warm_per_cold")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Benchmark(CommonJson):
    """Measure the speed of this machine on one core; each figure is the median of several runs.

    An env-step is one step of one episode, with observation, reward and fresh series every episode.

    The free env of PPO costs nothing: what is left is the learner itself. The optimum is that of a day.

    With --scale: how time and memory grow with the grid instead, from 14 buses to 2,000 nodes.
    """

    grids: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[GRID ...]", help_behavior_hint="(default: all bundled ones)"),
    ] = ()
    """grids to step and draw"""
    seconds: Seconds = 1.0
    """time for each figure, eight of each grid and five of PPO and of starting up, in seconds; at least three runs"""
    scale: bool = False
    """measure grids of growing size in their stead, each once and in a process of its own: some minutes"""
    plot: Annotated[MaybePath, default("no file")] = None
    """with --scale, also draw it to this .png, .svg or .pdf file"""

    def run(self, console: Console) -> None:
        """Measure and print."""
        for name in THREADS:
            os.environ.setdefault(name, "1")  # read when numpy is first imported
        if self.scale or self.plot is not None:
            self._measure_scale(console)
            return
        from topologies import names

        grids = list(self.grids) or names()
        figures = len(grids) * (len(BATCH_SIZES) + 5) + len(PPO_POLICIES) + 1
        with console.progress("measuring", figures) as report:
            value = _measure(grids, self.seconds, _counted(report))
        header = ("grid", *(f"{size} env{'s' if size > 1 else ''}" for size in BATCH_SIZES), "frames", "x nx.draw")
        steps, frames, plain = (value[f"{name}_per_s"] for name in ("env_steps", "render_frames", "nx_draw_frames"))
        rows = [
            [grid, *map(amount, steps[grid].values()), amount(frames[grid]), f"{frames[grid] / plain[grid]:.1f}"]
            for grid in grids
        ]
        lines = [
            "env-steps a second with so many envs in a batch; frames of grid_state a second, and how many times",
            "as fast that is as networkx draws a plainer picture",
            "",
        ]
        lines += [*table(header, rows), ""]
        outages = [f"{grid} {_ratio(grid, value['outage_per_intact'])}" for grid in grids]
        lines += [f"time of a step of 1,024 envs with one line out in each / with none: {', '.join(outages)}"]
        lines += [
            "time of a step by the merit order in AC / in DC, with so many envs; a decision of the plan in one env",
            "",
        ]
        header = ("", *(f"AC / DC, {size}" for size in BATCH_SIZES), "plan, ms", "plan / step")
        rows = [
            [
                grid,
                *map(_figure, value["ac_per_dc"][grid].values()),
                *_of_plan(value["plan_ms"][grid], steps[grid]["1"]),
            ]
            for grid in grids
        ]
        lines += [*table(header, rows), ""]
        start = _figure(value["start_per_imports"])
        lines += [f"time of `inspect triangle` / of importing numpy, networkx and tyro: {start}"]
        lines += [
            "times of the optimum of a day, and of a step of mpc on the model of the step before / on a new one",
            "",
        ]
        header = ("optimum of 24 h", "ms", "/ solver alone", "PyPSA / optimum", "mpc kept / new")
        solves = value["optimum"]
        rows = [
            [grid, amount(1e3 * solves[grid]["optimum_s"]), *map(_ratio, RATIOS, [solves[grid]] * 3)] for grid in grids
        ]
        lines += [*table(header, rows), ""]
        if value["ppo_steps_per_s"] is None:
            lines.append("PPO: not measured; it needs: pip install load-balancer[train]")
        else:
            rates = value["ppo_steps_per_s"]
            rows = [[name, amount(rate), _figure(rate / rates["free_env"])] for name, rate in rates.items()]
            lines += table((f"PPO on {PPO_GRID}", "env-steps/s", "x free env"), rows)
        console.result(lines, value)

    def _measure_scale(self, console: Console) -> None:
        from grid import GridError
        from scripts.benchmarks.scale import GRIDS, WORKS, draw, scale
        from scripts.pictures import check_path

        if not self.scale:
            raise GridError("benchmark --plot", "no --scale", "--plot with --scale", "add --scale, or leave out --plot")
        check_path(self.plot)
        grids = self.grids or GRIDS
        with console.progress("measuring", len(grids)) as report:
            rows = scale(grids, _counted(report))
        header = ("grid", "nodes", "lines", *WORKS.values(), "MB")
        figures = [[f"{row[name]:.2g}" if row[name] < 9.95 else amount(row[name]) for name in WORKS] for row in rows]
        cells = [
            [row["grid"], amount(row["nodes"]), amount(row["lines"]), *of_row, amount(round(row["memory_mb"]))]
            for row, of_row in zip(rows, figures, strict=True)
        ]
        lines = [
            "seconds of one core, each taken once; and the most memory that the process held",
            "",
            *table(header, cells),
        ]
        console.result(lines, {"scale": rows})
        if self.plot is not None:
            console.say(f"picture: {draw(rows, self.plot)}")


def _ratio(name: str, figures: Mapping[str, float | None]) -> str:
    return _figure(figures[name])


def _of_plan(plan_ms: float | None, steps_per_s: float) -> list[str]:
    """The time of a decision of the plan in one env, and in steps."""
    return [_figure(plan_ms), _figure(None if plan_ms is None else plan_ms * steps_per_s / 1e3)]


def _figure(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}" if figure < 10 else f"{figure:.0f}"


def _counted(report: Report) -> Callable[[str], None]:
    """Tells of one figure after the other."""
    done = count()
    return lambda what: report(next(done), what)


def _measure(grids: list[str], seconds: float, tell: Callable[[str], None]) -> dict[str, Any]:
    from policies import has_train_extra
    from scripts.benchmarks.draw_speed import draw_speed
    from scripts.benchmarks.outage_speed import outage_per_intact
    from scripts.benchmarks.solve_speed import solve_speed
    from scripts.benchmarks.step_ratios import ac_per_dc, plan_ms, start_per_imports

    in_ac: dict[str, dict[str, float | None]] = {}
    plans: dict[str, float | None] = {}
    env_steps: dict[str, dict[str, float]] = {}
    frames: dict[str, float] = {}
    plain: dict[str, float] = {}
    solves: dict[str, dict[str, float | None]] = {}
    outages: dict[str, float | None] = {}
    for grid in grids:
        env_steps[grid] = {}
        for size in BATCH_SIZES:
            tell(f"{grid}, {size} envs")
            env_steps[grid][str(size)] = env_steps_per_s(grid, size, seconds)
        tell(f"{grid}, pictures")
        frames[grid], plain[grid] = draw_speed(grid, seconds, rate)
        tell(f"{grid}, outages")
        outages[grid] = outage_per_intact(grid, seconds, LEAST_RUNS)
        tell(f"{grid}, AC")
        in_ac[grid] = {str(size): ac_per_dc(grid, size, seconds, LEAST_RUNS) for size in BATCH_SIZES}
        tell(f"{grid}, plan")
        plans[grid] = plan_ms(grid, seconds, LEAST_RUNS)
        tell(f"{grid}, optimum")
        solves[grid] = solve_speed(grid, seconds, LEAST_RUNS)
    ppo: dict[str, float] = {}
    for name in PPO_POLICIES if has_train_extra() else ():
        tell(f"PPO, {name}")
        ppo[name] = ppo_steps_per_s(name, seconds)
    tell("start-up")
    return {
        "env_steps_per_s": env_steps,
        "ac_per_dc": in_ac,
        "plan_ms": plans,
        "start_per_imports": start_per_imports(LEAST_RUNS),
        "ppo_steps_per_s": ppo or None,
        "render_frames_per_s": frames,
        "outage_per_intact": outages,
        "nx_draw_frames_per_s": plain,
        "optimum": solves,
    }


def rate(work: Callable[[], int], seconds: float) -> float:
    """Units a second: the median of at least LEAST_RUNS runs of the work after one to warm up."""
    work()
    rates: list[float] = []
    start_s = time.perf_counter()
    while len(rates) < LEAST_RUNS or time.perf_counter() - start_s < seconds:
        before_s = time.perf_counter()
        units = work()
        rates.append(units / (time.perf_counter() - before_s))
    return median(rates)


def env_steps_per_s(grid: str, batch_size: int, seconds: float) -> float:
    """Whole episodes with random actions, drawn beforehand."""
    import numpy as np

    from envs import EnvConfig, GridBatch

    batch = GridBatch(EnvConfig(topology=grid), batch_size, 0)
    batch.reset()
    units = len(batch.arrays.controllable)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (batch.horizon, batch_size, units))

    def episode() -> int:
        batch.reset()
        for action in actions:
            batch.step(action)
        return batch.horizon * batch_size

    return rate(episode, seconds)


def ppo_steps_per_s(name: str, seconds: float) -> float:
    """Episodes and updates as ``train`` runs them."""
    from envs import EnvConfig
    from policies import TrainConfig
    from policies.learning import PPOLearner, build, training_grids
    from policies.networks import torch_threads

    with torch_threads(1):
        free = name == "free_env"
        config = TrainConfig.from_fields({"policy": "mlp" if free else name, "stages": ("ppo",)})
        policy, envs = build(config, training_grids(config, [EnvConfig(topology=PPO_GRID)]))
        model = PPOLearner(policy, envs, config, seed=0).model
        if free:
            model = _on_free_env(model)
        steps = model.n_steps * model.n_envs

        def update() -> int:
            model.learn(steps, reset_num_timesteps=False)
            return steps

        return rate(update, seconds)


def _on_free_env(model: PPO) -> PPO:
    """The model with an env that gives the same first observation for ever."""
    from policies import GridVecEnv

    env = model.get_env()
    if not isinstance(env, GridVecEnv):
        return model
    import numpy as np

    observation, reward = env.batch.reset(), np.zeros(env.num_envs)
    env.batch.step = lambda actions: (observation, reward, False)  # type: ignore[method-assign] # free on purpose
    return model
