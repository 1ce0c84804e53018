"""A million random steps by the compiled loops and by the stages with arrays: `PYTHONPATH=. python tests/run_steps.py`.

Thirty grids, each in one of the worlds of ``test_grid_loops``. A row whose steps differ by more than 1e-9 of what its
grid can carry counts as a tie where its costs are equal all the same: two moves or sources gain as much. Its episode
is compared no further.
"""

from __future__ import annotations

import sys

import numpy as np

from envs import EnvConfig, GridBatch
from test_grid_loops import WORLDS, arrays_only

GRIDS = ("triangle", "classic", "case14", "case118", *(f"gen:{10 + 3 * k}:{k}" for k in range(26)))
ENVS, HOURS, EPISODES = 128, 24, 11
CLOSE = 1e-9
OF_WORLDS = tuple(WORLDS.values())


def told(batch: GridBatch) -> np.ndarray:
    """(B, F) everything that the last step gave."""
    last = batch.last
    assert last is not None
    values = [last.next_state.store_mwh, *(each for each in vars(last.outcome).values() if each is not None)]
    return np.concatenate([np.asarray(value, float).reshape(batch.batch_size, -1) for value in values], axis=1)


def compare(name: str, number: int) -> tuple[int, int, int, float]:
    """Steps compared, ties, other differences, and the largest difference otherwise, in shares of the largest value."""
    config = EnvConfig(
        topology=name, horizon=HOURS, action=("residual", "absolute")[number % 2], **OF_WORLDS[number % 4]
    )
    fast, plain = GridBatch(config, ENVS, number), GridBatch(config, ENVS, number)
    rng = np.random.default_rng(number)
    steps = ties = wrong = 0
    most = 0.0
    for _ in range(EPISODES):
        fast.reset()
        with arrays_only():
            plain.reset()
        alike = np.ones(ENVS, bool)
        for _ in range(HOURS):
            actions = rng.uniform(-1, 1, (ENVS, *fast.action_space.shape))
            fast.step(actions)
            with arrays_only():
                plain.step(actions)
            one, other = told(fast), told(plain)
            size = max(float(np.abs(one[np.isfinite(one)]).max(initial=0.0)), 1.0)
            same = (one == other) | (np.isnan(one) & np.isnan(other))
            off = np.nan_to_num(np.where(same, 0.0, np.abs(one - other)), nan=np.inf).max(axis=1) / size
            cost = [sum(batch.last.costs.values()) for batch in (fast, plain)]  # type: ignore[union-attr]
            parted = alike & (off > CLOSE)
            equal = np.abs(cost[0] - cost[1]) <= CLOSE * np.maximum(np.abs(cost[0]), 1.0)
            steps += int(alike.sum())
            ties, wrong = ties + int((parted & equal).sum()), wrong + int((parted & ~equal).sum())
            alike &= ~parted
            most = max(most, float(off[alike].max(initial=0.0)))
    return steps, ties, wrong, most


if __name__ == "__main__":
    total = np.zeros(3, int)
    largest = 0.0
    for number, name in enumerate(GRIDS):
        *counts, most = compare(name, number)
        total, largest = total + counts, max(largest, most)
        print(f"{name}: {counts[0]:,} steps, {counts[1]} ties, {counts[2]} others, else at most {most:.1e}", flush=True)
    print(f"{total[0]:,} steps, {total[1]} ties, {total[2]} others, else at most {largest:.1e}")
    sys.exit(int(total[2] > 0))
