"""An agent on grids it was not trained on, with the gate closed an hour ahead: ``python tests/run_weather_table.py``.

Prints the table that stands beside the shipped agent ``universal-weather``, on the grids of ``run_universal_table``.
"""

from __future__ import annotations

import sys

import numpy as np

from envs import WORLDS, EnvConfig
from policies import load_agent
from policies.evaluation import evaluate
from run_universal_table import unseen

COLUMNS = ("merit gap", "plan", "agent", "agent above plan", "worst tenth: plan", "agent")


def main(name: str = "universal-weather", episodes: int = 12) -> None:
    """Print a line for each grid, and the mean: scores, and gaps in per cent of the reference."""
    agent = load_agent(name)
    print("| grid |", " | ".join(COLUMNS), "|")
    print("| --- |" + " ---: |" * len(COLUMNS))
    gains, rows = [], []
    for title, grid in unseen():
        config = EnvConfig(topology=grid, **WORLDS["weather"])
        found = {row.name: row for row in evaluate(["merit", "plan", agent], config, episodes, seed=1).rows}
        plan, own = found["plan"], found["agent"]
        above = own.above["plan"]
        rows.append((100 * found["merit"].gap_frac.mean, plan.score.mean, own.score.mean, above.mean))
        rows[-1] += (100 * plan.cvar_gap_frac, 100 * own.cvar_gap_frac)
        gains.append(above.low > 0)
        numbers = [f"{x:.1f}" for x in rows[-1]]
        numbers[3] += f" [{above.low:.1f}, {above.high:.1f}]"
        print(f"| {title} |", " | ".join(numbers), "|", flush=True)
    print("| mean |", " | ".join(f"{x:.1f}" for x in np.mean(rows, axis=0)), "|")
    print(f"\nabove the plan with the whole interval on {sum(gains)} of {len(gains)} grids")


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(each) for each in sys.argv[2:3]))
