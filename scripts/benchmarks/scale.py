"""How time and memory grow with the size of a grid; each size in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

GRIDS = ("case14", *(f"gen:{nodes}:1" for nodes in (30, 60, 118, 300, 500, 1000, 2000)))
"""From 14 buses to 2,000 nodes."""
WORKS = {
    "load_s": "load",
    "step_s": "1 env",
    "step_64_s": "64 envs",
    "outages_s": "outages",
    "optimum_s": "optimum",
    "picture_s": "picture",
}
"""Each figure in seconds: loading, checking and compiling; a step of so many envs; every single outage in one hour; the
optimum of 24 hours; and a picture of the grid."""
STEPS = 6


def scale(grids: tuple[str, ...], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The figures of each grid: nodes, lines, times in seconds, and the most memory in MB that its process held."""
    found = []
    for grid in grids:
        tell(grid)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found.append(pool.submit(measure, grid).result())
    return found


def measure(grid: str) -> dict[str, Any]:
    """The figures of one grid, taken in this process."""
    import resource

    import numpy as np

    from envs import EnvConfig, GridBatch, contingencies
    from envs.rendering import grid_state
    from grid.planning import optimum
    from scripts.running import choose, record
    from topologies import load

    def timed(work: Callable[[], Any]) -> tuple[float, Any]:
        before_s = time.process_time()
        done = work()
        return time.process_time() - before_s, done

    load(GRIDS[0]).compile()  # imports are not counted
    seconds: dict[str, float] = {}
    seconds["load_s"], arrays = timed(lambda: load(grid).compile())
    config = EnvConfig(topology=grid, horizon=24, split="test")
    for name, size in (("step_s", 1), ("step_64_s", 64)):
        batch = GridBatch(config, size, 0)
        batch.reset()
        actions = np.random.default_rng(0).uniform(-1.0, 1.0, (STEPS, size, len(arrays.controllable)))
        seconds[name] = median(timed(partial(batch.step, one))[0] for one in actions)
    seconds["outages_s"], _ = timed(lambda: contingencies(config, hour=18.0))
    batch = GridBatch(config, 1, 0)
    batch.reset()
    inputs = batch.episode_inputs(0)
    seconds["optimum_s"], _ = timed(lambda: optimum(batch.arrays, inputs, batch.prices))
    episode = record(choose("merit", None), config, 0)
    with TemporaryDirectory() as folder:
        seconds["picture_s"], _ = timed(lambda: grid_state(episode, Path(folder) / "grid_state.png"))
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sizes = {"nodes": len(arrays.node_names), "lines": len(arrays.line_names)}
    return {"grid": grid, **sizes, **seconds, "memory_mb": memory_mb}


def draw(rows: list[dict[str, Any]], path: Path) -> Path:
    """Draw the figures over the number of nodes.

    Raises:
        GridError: another suffix than .png, .svg or .pdf, or a path that cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.style import context
    from matplotlib.ticker import NullLocator

    from envs.rendering import PICTURES, STYLE, check_suffix
    from grid import atomic_path

    suffix = check_suffix(path, PICTURES)
    nodes = [row["nodes"] for row in rows]
    with context(STYLE):
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        times, memory = figure.subplots(1, 2, width_ratios=(2, 1))
        for name, text in WORKS.items():
            (line,) = times.plot(nodes, [row[name] for row in rows], marker="o", markersize=3.5)
            times.annotate(f" {text}", (nodes[-1], rows[-1][name]), color=line.get_color(), va="center", fontsize=9)
        memory.plot(nodes, [row["memory_mb"] for row in rows], marker="o", markersize=3.5)
        times.set(title="Seconds of one core", yscale="log", xlim=(0.85 * nodes[0], 3.5 * nodes[-1]))
        memory.set(title="Most memory (MB)", ylim=(0, 1.1 * max(row["memory_mb"] for row in rows)))
        for axes in (times, memory):
            axes.set(xlabel="nodes", xscale="log", xticks=(20, 100, 500, 2000))
            axes.spines[["top", "right"]].set_visible(False)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter("{x:,.0f}")
        times.yaxis.set_major_formatter("{x:g}")
        times.grid(axis="y", alpha=0.3)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=suffix[1:], dpi=130)
    return path
