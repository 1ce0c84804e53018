"""Learning curves of the three kinds of network on one grid: ``python tests/run_learning_curves.py [grid] [steps]``.

Each learns by its default stages with as many env-steps, with three seeds, and is judged on its validation episodes;
the picture goes into docs/learning_curves.png.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from envs import EnvConfig, GridBatch
from grid.planning import optima
from policies import TrainConfig, train
from policies.baselines import Merit
from policies.learning.loop import VALIDATION_STREAM, read_curve, stream_seed
from policies.learning.validation import EPISODES
from policies.measuring import run

PICTURE = Path(__file__).parents[1] / "docs" / "learning_curves.png"
NAMES = {"mlp": "MLP", "extractor": "GraphExtractor", "graph": "graph"}
COLOURS = {"mlp": "#7a7f87", "extractor": "#3b7dd8", "graph": "#d1495b"}
SEEDS = (0, 1, 2)


def scale(grid: str, run_seed: int) -> tuple[float, float]:
    """What the merit order and the optimum cost on the validation episodes of a run, as shares of the reference."""
    seed = stream_seed(run_seed, VALIDATION_STREAM)
    batch = GridBatch(EnvConfig(topology=grid, split="train"), EPISODES, seed)
    merit = run(Merit(), batch, seed)
    batch.reset(seed)
    inputs = [batch.episode_inputs(i) for i in range(EPISODES)]
    best = sum(each.cost for each in optima(batch.arrays, inputs, batch.prices, processes=1))
    reference = float(merit.reference.sum())
    return float(merit.cost.sum()) / reference, best / reference


def curve(grid: str, policy: str, seed: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Env-steps, and the score of the best network so far."""
    merit, best = scale(grid, seed)
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "run"
        train(EnvConfig(topology=grid), TrainConfig(policy=policy, steps=steps, seed=seed), where)
        rows = [row for row in read_curve(where) if not np.isnan(row["validation_cost_frac"])]
    costs = np.minimum.accumulate([row["validation_cost_frac"] for row in rows])
    return np.array([row["steps"] for row in rows]), 100 * (merit - costs) / (merit - best)


def main(grid: str = "case14", steps: int = 200_000) -> None:
    """Train, print what was reached, and draw."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for policy, name in NAMES.items():
        for seed in SEEDS:
            x, y = curve(grid, policy, seed, steps)
            axes.plot(x / 1e3, y, color=COLOURS[policy], lw=1.8, alpha=0.85, label=name if seed == SEEDS[0] else None)
            print(f"{policy} seed {seed}: {y[0]:.1f} at first, {y[-1]:.1f} after {x[-1]:,.0f} steps", flush=True)
    axes.axhline(100, color="#333333", lw=0.8, ls="--")
    axes.annotate("optimum", (0, 100), xytext=(4, -10), textcoords="offset points", fontsize=8)
    axes.set(xlabel="env-steps, thousands", ylabel="score", title=f"Learning on {grid}, three seeds", ylim=(0, 104))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(each) for each in sys.argv[2:3]))
