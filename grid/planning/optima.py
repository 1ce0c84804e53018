"""The optima of many episodes, over processes of their own where that pays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.executor import run
from grid.physics import ac_flow
from grid.planning.ac_optimum import ac_reference
from grid.planning.optimum import Optimum, finish
from grid.planning.programme import Programme
from grid.planning.starts import programme_of
from grid.state import Inputs

CHUNK = 8  # episodes that one programme solves in turn, each from the basis of the one before


def optima(
    arrays: GridArrays,
    inputs: Sequence[Inputs],
    prices: Prices | None = None,
    store_start_mwh: Sequence[np.ndarray] | np.ndarray | None = None,
    *,
    flow: str = "dc",
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Optimum]:
    """Solve many episodes of one grid; yields the optimum of each, in their order.

    ``grid.executor`` shares the work; how many processes there are changes no result. Costs are those of
    ``grid.planning.optimum``; where several schedules cost the same, it may find another one.

    Args:
        arrays: the grid.
        inputs: of each episode, (T, N).
        prices: absent: the defaults.
        store_start_mwh: (N,) for each episode; absent: ``store_init_mwh``.
        flow: "dc", or "ac" for the reference of ``ac_reference``.
        processes: how many; 1 solves here. Absent: one a core that this process may use, where it pays.
        progress: called with the number of episodes that are solved.

    Raises:
        GridError: as ``grid.planning.optimum``, no processes, or one that ended early.
    """
    prices = Prices() if prices is None else prices
    starts = [None] * len(inputs) if store_start_mwh is None else [np.asarray(start) for start in store_start_mwh]
    episodes = list(zip(inputs, starts, strict=True))
    chunks = [episodes[k : k + CHUNK] for k in range(0, len(episodes), CHUNK)]
    for done, best in enumerate(run(partial(_solve, arrays, prices, flow), chunks, processes), 1):
        if progress is not None:
            progress(done)
        yield best


def _solve(
    arrays: GridArrays, prices: Prices, flow: str, chunk: Sequence[tuple[Inputs, np.ndarray | None]]
) -> Iterator[Optimum]:
    programme: Programme | None = None
    ac = ac_flow(arrays) if flow == "ac" else None
    for inputs, start_mwh in chunk:
        if ac is not None:
            yield ac_reference(arrays, ac, inputs, prices, start_mwh)
            continue
        if programme is None or (programme.steps, programme.dt_h) != (len(inputs.load_mw), inputs.dt_h):
            programme = programme_of(arrays, len(inputs.load_mw), inputs.dt_h, prices)
        programme.set_inputs(inputs, start_mwh)
        yield finish(programme, inputs)
