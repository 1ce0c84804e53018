"""How fast frames of ``grid_state`` are painted, and how fast networkx draws a plainer picture of the same grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FRAMES = 4  # that networkx draws at a time
Rate = Callable[[Callable[[], int], float], float]


def draw_speed(grid: str, seconds: float, rate: Rate) -> tuple[float, float]:
    """Frames a second of one episode, from its arrays to pixels, 1280 x 800: of ``grid_state`` and of ``nx.draw``.

    networkx draws nodes by kind, names, and lines with widths and colours by loading, and nothing else; each line of a
    multigraph by itself, as a line of a plain graph it would take a third of the time. Encoding a file is not counted.
    """
    import networkx as nx
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from envs import EnvConfig
    from envs.rendering import LOADING, LOOKS, GridStateRenderer, Playback
    from scripts.running import choose, record

    episode = record(choose("merit", None), EnvConfig(topology=grid, split="test"), 0)
    renderer = GridStateRenderer(episode)

    def play() -> int:
        for t in range(episode.steps):
            renderer.frame(t)
        return episode.steps

    ends = zip(episode.line_from.tolist(), episode.line_to.tolist(), strict=True)
    graph: Any = nx.MultiGraph((*pair, {"line": line}) for line, pair in enumerate(ends))  # what a grid is
    places = dict(enumerate(renderer.network.points.tolist()))
    names = dict(enumerate(episode.node_names))
    colours = [LOOKS[renderer.network.kinds[node]].colour for node in graph]
    lines = [line for _, _, line in graph.edges(data="line")]
    loading = np.clip(np.abs(Playback(episode).series.flow_frac), 0, 1)[:, lines]
    figure = Figure(figsize=(12.8, 8.0), dpi=100)
    canvas = FigureCanvasAgg(figure)

    def redraw() -> int:
        frames = loading[:: max(1, len(loading) // FRAMES)]
        for now in frames:
            figure.clear()
            axes = figure.add_axes((0, 0, 1, 1))
            how = {"edge_color": LOADING(now).tolist(), "width": (1 + 5 * now).tolist()}
            nx.draw(graph, places, axes, node_color=colours, labels=names, with_labels=True, font_size=7, **how)
            canvas.draw()
            np.asarray(canvas.buffer_rgba()).copy()
        return len(frames)

    return rate(play, seconds), rate(redraw, seconds)
