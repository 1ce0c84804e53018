"""Where a grid is weak: lines without which it splits, lines that the merit order overloads, the tightest hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import networkx as nx
import numpy as np

from envs import EnvConfig, GridBatch, Problem, Transition
from grid import Grid, GridArrays, GridError, Series, by_arrays
from policies import Merit, rollout
from scripts.running import fitting

EPISODES = 16
MOST_VALUES = 4_000_000  # nodes times hours, looked at together
HOURS = 24


def weak_spots(grid: Grid, arrays: GridArrays) -> dict[str, Any]:
    """What ``inspect`` adds to its facts; ``loaded`` and ``tightest`` are None where series are too short for a day."""
    facts: dict[str, Any] = {"bridges": bridges(grid, arrays), "cut_off": cut_off(arrays)}
    facts |= {"loaded": None, "tightest": None}
    config = EnvConfig(topology=grid, horizon=HOURS, split="test", forecast_h=(), action="absolute")
    try:
        config = fitting(config, may_shorten=False)
    except GridError:  # no fault of the grid
        return facts
    with by_arrays():
        return facts | stress(Problem.of(config, arrays, reward_scale=1.0))


def bridges(grid: Grid, arrays: GridArrays) -> list[dict[str, Any]]:
    """Lines without which the grid splits, with the demand in MW that sources on its side cannot meet; most first.

    That is of the worst hour of the grid's own series. Demand that follows none of them is taken at its most, sources
    that follow another profile, as of wind or sun, give nothing. Plants that stop are on; stores are left aside.
    """
    multi = grid.graph
    lines = grid.lines()
    simple: nx.Graph[str] = nx.Graph()
    simple.add_nodes_from(multi)
    simple.add_edges_from((start, end) for _, start, end, _ in lines)
    cut = [(a, b) for a, b in cast("Iterable[tuple[str, str]]", nx.bridges(simple)) if multi.number_of_edges(a, b) == 1]
    simple.remove_edges_from(cut)
    blocks = list(nx.connected_components(simple))
    block = {node: i for i, nodes in enumerate(blocks) for node in nodes}
    tree: nx.Graph[int] = nx.Graph()
    tree.add_nodes_from(range(len(blocks)))
    tree.add_edges_from((block[a], block[b]) for a, b in cut)
    above: dict[int, tuple[int, int]] = {}  # of each block but the roots: the next one towards its root, and the root
    for top in (min(nodes) for nodes in nx.connected_components(tree)):
        for upper, below in nx.bfs_edges(tree, top):
            above[below] = upper, top
    lower = np.fromiter(above, np.intp)
    root = np.array([top for _, top in above.values()], dtype=np.intp)
    unserved_mw = np.zeros(len(blocks))  # by the block below the line
    of_block = np.array([block[node] for node in arrays.node_names])
    for short_mw in _shortage_mw(grid.series, arrays):
        beyond_mw = np.zeros((len(blocks), short_mw.shape[1]))
        np.add.at(beyond_mw, of_block, short_mw)
        for below in reversed(above):
            beyond_mw[above[below][0]] += beyond_mw[below]
        here_mw = beyond_mw[lower]
        sides_mw = np.maximum(here_mw, 0.0) + np.maximum(beyond_mw[root] - here_mw, 0.0)
        unserved_mw[lower] = np.maximum(unserved_mw[lower], sides_mw.max(axis=1))
    rows, connectors = [], grid.connectors()
    for name, start, end, _ in lines:
        a, b = block[start], block[end]
        if a != b and name not in connectors and multi.number_of_edges(start, end) == 1:
            below = b if above.get(b, (-1, -1))[0] == a else a
            rows.append({"line": name, "unserved_mw": float(unserved_mw[below])})
    return sorted(rows, key=lambda row: -row["unserved_mw"])


def _shortage_mw(series: Series | None, arrays: GridArrays) -> Iterator[np.ndarray]:
    """Demand less what sources can give at each node, (N, R) for some hours at a time."""
    size = len(arrays.node_names)
    if series is None:
        series = Series((), 1.0, np.zeros((1, 0)))
    hours = len(series.values_frac)
    values_frac = np.column_stack([series.values_frac, np.zeros(hours), np.ones(hours)])
    place = {name: i for i, name in enumerate(series.columns)}
    load = [place.get(str(name), -1) for name in arrays.load_profile]
    gen = [-1 if name is None else place.get(name, -2) for name in arrays.gen_profile]
    for some_frac in np.array_split(values_frac, -(-len(values_frac) * size // MOST_VALUES)):
        yield (some_frac[:, load] * arrays.load_max_mw - some_frac[:, gen] * arrays.gen_max_mw).T


def cut_off(arrays: GridArrays) -> list[str]:
    """Nodes from which no line leads to any demand: their sources and stores serve nothing."""
    served = (arrays.part_matrix.T @ arrays.load_max_mw) > 0
    return [name for name, part in zip(arrays.node_names, arrays.part.tolist(), strict=True) if not served[part]]


def stress(problem: Problem) -> dict[str, Any]:
    """What the merit-order rule does to the grid of a problem in 16 episodes.

    Returns:
        ``loaded``: lines with a limit, by their highest loading, with the share of hours above the limit;
        ``tightest``: demand and available supply in MW in the hour in which they are closest.
    """
    batch = GridBatch(problem, EPISODES)
    arrays = batch.arrays
    loading: list[np.ndarray] = []
    hours: list[tuple[float, float]] = []

    def note() -> None:
        transition = cast(Transition, batch.last)
        loading.append(np.abs(transition.outcome.carried) / arrays.capacity_mw)
        load_mw = transition.inputs.load_mw.sum(axis=1)
        supply_mw = (transition.inputs.gen_avail_frac * arrays.gen_max_mw).sum(axis=1)
        hours.extend(zip(load_mw.tolist(), supply_mw.tolist(), strict=True))

    rollout(batch, Merit(), note)
    share = np.concatenate(loading)
    limited = np.flatnonzero(np.isfinite(arrays.capacity_mw))
    most = share.max(axis=0)
    loaded = [
        {
            "line": arrays.line_names[e],
            "loading_most_frac": float(most[e]),
            "overloaded_frac": float((share[:, e] > 1).mean()),
        }
        for e in limited[np.argsort(-most[limited], kind="stable")].tolist()
    ]
    load_mw, supply_mw = min(hours, key=lambda hour: hour[1] - hour[0])
    return {"loaded": loaded, "tightest": {"load_mw": load_mw, "supply_mw": supply_mw}}
