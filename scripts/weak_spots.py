"""Where a grid is weak: lines without which it splits, lines that the merit order overloads, the tightest hour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import networkx as nx
import numpy as np

from envs import EnvConfig, GridBatch, Transition
from grid import Grid, GridArrays, GridError
from policies import Merit, rollout
from scripts.running import check_length

EPISODES = 16
HOURS = 24


def weak_spots(grid: Grid, arrays: GridArrays) -> dict[str, Any]:
    """What ``inspect`` adds to its facts: ``bridges``, and, where series last a day, ``loaded`` and ``tightest``."""
    facts: dict[str, Any] = {"bridges": bridges(grid, arrays), "loaded": None, "tightest": None}
    config = EnvConfig(topology=grid, horizon=HOURS, split="test", forecast_h=())
    try:
        check_length(grid, config)
    except GridError:  # no fault of the grid
        return facts
    return facts | stress(config)


def bridges(grid: Grid, arrays: GridArrays) -> list[dict[str, Any]]:
    """Lines without which the grid splits, with the demand in MW that sources on its side cannot meet; most first.

    Sources and demand are taken at their most, and stores left aside.
    """
    multi = grid.graph
    simple = nx.Graph(multi)
    cut = [(a, b) for a, b in cast("Iterable[tuple[str, str]]", nx.bridges(simple)) if multi.number_of_edges(a, b) == 1]
    simple.remove_edges_from(cut)
    blocks = list(nx.connected_components(simple))
    block = {node: i for i, nodes in enumerate(blocks) for node in nodes}
    tree: nx.Graph[int] = nx.Graph()
    tree.add_nodes_from(range(len(blocks)))
    tree.add_edges_from((block[a], block[b]) for a, b in cut)
    of_node = dict(zip(arrays.node_names, np.column_stack([arrays.load_max_mw, arrays.gen_max_mw]), strict=True))
    beyond_mw = [np.sum([of_node[node] for node in nodes], axis=0) for nodes in blocks]  # demand and supply
    above: dict[int, tuple[int, int]] = {}  # of each block but the roots: the next one towards its root, and the root
    for root in (min(nodes) for nodes in nx.connected_components(tree)):
        for upper, lower in nx.bfs_edges(tree, root):
            above[lower] = upper, root
    for lower in reversed(above):
        beyond_mw[above[lower][0]] += beyond_mw[lower]
    rows = []
    for name, start, end, _ in grid.lines():
        a, b = block[start], block[end]
        if a != b and multi.number_of_edges(start, end) == 1:
            lower = b if above.get(b, (-1, -1))[0] == a else a
            sides_mw = np.stack([beyond_mw[lower], beyond_mw[above[lower][1]] - beyond_mw[lower]])
            unserved_mw = np.maximum(sides_mw[:, 0] - sides_mw[:, 1], 0.0).sum()
            rows.append({"line": name, "unserved_mw": float(unserved_mw)})
    return sorted(rows, key=lambda row: -row["unserved_mw"])


def stress(config: EnvConfig) -> dict[str, Any]:
    """What the merit-order rule does to the grid of a config in 16 episodes.

    Returns:
        ``loaded``: lines with a limit, by their highest loading, with the share of hours above the limit;
        ``tightest``: demand and available supply in MW in the hour in which they are closest.
    """
    batch = GridBatch(config, EPISODES)
    arrays = batch.arrays
    loading: list[np.ndarray] = []
    hours: list[tuple[float, float]] = []

    def note() -> None:
        transition = cast(Transition, batch.last)
        loading.append(np.abs(transition.outcome.flow_mw) / arrays.capacity_mw)
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
