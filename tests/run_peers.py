"""Env-steps of Grid2Op beside ours, on environments that it ships: ``PYTHONPATH=. python tests/run_peers.py PYTHON``.

PYTHON has grid2op and lightsim2grid. Both run the same network with demand of the same files, in processes of their
own on one core, in turn; what counts is the CPU time of each. Grid2Op runs one environment with AC flows by
LightSim2Grid, and starts a new episode where one ends. Its two kinds of action are nothing, and a random redispatch of
one generator within its ramp; no store acts. Ours dispatches all plants and stores by random actions, with observation,
reward, and a reset every four hours.

After PYTHON, names of environments may follow, for those alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ENVIRONMENTS = "l2rpn_case14_sandbox", "l2rpn_wcci_2022_dev"
ROUNDS = 5
STEPS = 48  # in an episode of ours, of five minutes each
THEIRS = "nothing", "redispatch"
OURS = tuple(f"{flow} {envs}" for flow in ("dc", "ac") for envs in (1, 64, 1024))


def theirs(name: str, kind: str) -> Callable[[], int]:
    """What runs 100 steps of Grid2Op, and says how many they were."""
    import grid2op
    import numpy as np
    from lightsim2grid import LightSimBackend

    env: Any = grid2op.make(name, test=True, backend=LightSimBackend())
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    free = np.flatnonzero(env.gen_redispatchable)
    ramp_mw = np.minimum(env.gen_max_ramp_up, env.gen_max_ramp_down)

    def work() -> int:
        for _ in range(100):
            action = env.action_space()
            if kind == "redispatch":
                unit = int(rng.choice(free))
                action.redispatch = [(unit, float(rng.uniform(-1, 1) * ramp_mw[unit]))]
            if env.step(action)[2]:
                env.reset()
        return 100

    return work


def ours(folder: str, kind: str) -> Callable[[], int]:
    """What runs one episode of a batch, and says how many env-steps that is."""
    import numpy as np

    from envs import EnvConfig, GridBatch

    flow, size = kind.split()
    config = EnvConfig(topology=folder, flow=flow, horizon=STEPS, dt_h=1 / 12, forecast_h=(1,), split="train")
    batch = GridBatch(config, int(size), 0)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (STEPS, int(size), *batch.action_space.shape))

    def work() -> int:
        batch.reset()
        for action in actions:
            batch.step(action)
        return STEPS * int(size)

    return work


def answer(work: Callable[[], int]) -> None:
    """Do the work whenever asked, and say the CPU time of an env-step in µs."""
    for _ in sys.stdin:
        before_s = time.process_time()
        steps = work()
        print("took", 1e6 * (time.process_time() - before_s) / steps, flush=True)


class Worker:
    """A process that does one kind of work."""

    def __init__(self, python: str, *args: str) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [python, __file__, "work", *args],
            env=os.environ | one,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.taken_us: list[float] = []

    def ask(self, counts: bool = True) -> None:
        """Have it done once."""
        assert self.process.stdin
        assert self.process.stdout
        print(file=self.process.stdin, flush=True)
        told = next((line.split() for line in self.process.stdout if line.startswith("took ")), None)
        if told is None:
            raise RuntimeError(f"a worker ended: {self.process.args}")
        if counts:
            self.taken_us.append(float(told[1]))


def compare(python: str, name: str) -> None:
    """Print the CPU time of an env-step by each, and how many of ours take the time of one of theirs."""
    code = "from pathlib import Path; import grid2op; print(Path(grid2op.__file__).parent / 'data')"
    told = subprocess.run([python, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True).stdout
    folder = str(Path(told.split()[-1]) / name)
    workers = {kind: Worker(python, "theirs", name, kind) for kind in THEIRS}
    workers |= {kind: Worker(sys.executable, "ours", folder, kind) for kind in OURS}
    for run in range(ROUNDS + 1):
        for worker in workers.values():
            worker.ask(counts=run > 0)
    taken = {kind: worker.taken_us for kind, worker in workers.items()}
    for kind, each in taken.items():
        ratios = [f"{median(a / b for a, b in zip(taken[t], each, strict=True)):8.2f}" for t in THEIRS]
        print(f"{name:22} {kind:12} {median(each):10.1f} us, x {' '.join(ratios)}", flush=True)
    for worker in workers.values():
        worker.process.communicate()


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # other programs' own affairs
    if sys.argv[1] == "work":
        _, _, whose, what, which = sys.argv
        answer((theirs if whose == "theirs" else ours)(what, which))
    else:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core for all of them
        for each in sys.argv[2:] or ENVIRONMENTS:
            compare(sys.argv[1], each)
