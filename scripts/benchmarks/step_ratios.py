"""What a step costs in AC beside one in DC, a decision of the plan beside a step, and a start beside its imports."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

IMPORTS = "import networkx, numpy, tyro"  # which every command needs
HOME = str(Path(__file__).parents[2])  # of the running program, wherever it is installed
START = f"import sys; sys.path.insert(0, {HOME!r}); from scripts.cli import main; main(['inspect', 'triangle'])"


def ac_per_dc(grid: str, envs: int, seconds: float, runs: int) -> float | None:
    """Ratio of the median times of an env-step by the merit order, in turn; None without numba."""
    from envs import EnvConfig, GridBatch
    from scripts.running import is_installed

    if not is_installed("numba"):
        return None
    batches = {flow: GridBatch(EnvConfig(topology=grid, flow=flow, forecast_h=()), envs, 0) for flow in ("dc", "ac")}
    for batch in batches.values():
        batch.reset()
    taken_s: dict[str, list[float]] = {flow: [] for flow in batches}
    started_s = time.perf_counter()
    while len(taken_s["ac"]) <= runs or time.perf_counter() - started_s < seconds:
        for flow, batch in batches.items():
            if batch.t == batch.horizon:
                batch.reset()
            setpoint = batch.action_map.merit_setpoint(batch.limits, batch.inputs)
            before_s = time.perf_counter()
            batch.step_setpoint(setpoint)
            taken_s[flow].append(time.perf_counter() - before_s)
    return median(taken_s["ac"][1:]) / median(taken_s["dc"][1:])  # the first ones warm up


def plan_ms(grid: str, seconds: float, runs: int) -> float | None:
    """Median time of a decision of the plan in a single env; None without numba."""
    from envs import EnvConfig, GridBatch
    from policies import Plan, rollout
    from scripts.running import is_installed

    if not is_installed("numba"):
        return None
    batch, plan = GridBatch(EnvConfig(topology=grid), 1, 0), Plan()
    taken_ms: list[float] = []
    started_s = time.perf_counter()
    while len(taken_ms) < runs or time.perf_counter() - started_s < seconds:
        taken_ms.append(1e3 * rollout(batch, plan) / batch.horizon)
    return median(taken_ms)


def start_per_imports(runs: int) -> float:
    """Ratio of the least times of `inspect triangle` and of importing what every command needs, in turn."""
    taken_s: dict[str, list[float]] = {code: [] for code in (IMPORTS, START)}
    for _ in range(runs):
        for code, times_s in taken_s.items():
            before_s = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
            times_s.append(time.perf_counter() - before_s)
    return min(taken_s[START]) / min(taken_s[IMPORTS])
