"""Words in a picture of a grid: labels of nodes, figures of the header, the fullest lines."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from envs import EnvConfig, GridBatch
from envs.recording import Recorder
from envs.rendering import GridStateRenderer
from envs.rendering.canvas import Canvas, text_width
from envs.rendering.style import VERMILION, both_ends, loading_percent
from episodes import make_episode
from slow_cases import slow
from topologies import names


def boxes_overlap(centre, size):
    """Whether any two of the boxes overlap."""
    gap = np.abs(centre[:, None] - centre) - (size[:, None] + size) / 2
    over = (gap < 0).all(2)
    np.fill_diagonal(over, False)
    return over.any()


@pytest.fixture(scope="module")
def episode():
    return make_episode(14, 24)


@pytest.fixture
def written(monkeypatch):
    """All texts that are written on canvases: x, y, text, size, colour."""
    seen = []
    write = Canvas.text

    def remember(self, *rest, **options):
        seen.append(rest)
        write(self, *rest, **options)

    monkeypatch.setattr(Canvas, "text", remember)
    return seen


@pytest.mark.parametrize("positions", [True, False])
@pytest.mark.parametrize("seed", [0, *slow(1)])
@pytest.mark.parametrize("nodes", [14, 23, 40])
def test_labels_cover_neither_each_other_nor_nodes(nodes, seed, positions):
    made = make_episode(nodes, 2, seed, positions=positions)
    network = GridStateRenderer(replace(made, node_names=tuple(f"bus {n + 100}" for n in range(nodes)))).network
    shown = np.isfinite(network.label_points[:, 0])
    centre, size = network.label_points[shown], network.label_boxes[shown]
    assert shown.mean() >= 0.85
    assert not boxes_overlap(centre, size)
    gap = np.abs(centre[:, None] - network.points) - size[:, None] / 2
    assert not (gap < network.radius[:, None]).all(2).any()


@pytest.mark.parametrize("topology", [*names(), "gen:60:1", "gen:120:2", "gen:300:1"])
def test_words_cover_neither_each_other_nor_nodes_on_any_grid(topology):
    batch = GridBatch(EnvConfig(topology=topology, horizon=1), 1, 0)
    batch.reset()
    network = GridStateRenderer(Recorder(batch, "none").episode(0)).network
    shown = np.isfinite(network.label_points[:, 0])
    centre, size = network.label_points[shown], network.label_boxes[shown]
    assert shown.sum() >= min(0.9 * len(shown), 60)
    assert not boxes_overlap(centre, size)
    gap = np.abs(centre[:, None] - network.points) - size[:, None] / 2
    assert not (gap < network.radius[:, None]).all(2).any()
    right, top = centre.max(0) + size.max(0) / 2
    assert right < 1280 - 214
    assert top < 800 - 63 - 9


def test_on_large_grids_sources_and_storages_are_named_first_and_no_label_covers_a_line():
    network = GridStateRenderer(make_episode(300, 2)).network
    shown = np.isfinite(network.label_points[:, 0])
    assert 30 < shown.sum() <= 100
    unit = np.isin(network.kinds, ("source", "storage"))
    assert shown[unit].mean() > 2 * shown[~unit].mean()
    centre, size = network.label_points[shown], network.label_boxes[shown]
    gap = np.abs(centre[:, None] - network._dots(4.0)) - size[:, None] / 2
    assert not (gap < 0).all(2).any()


def test_small_pictures_of_large_grids_have_no_labels():
    assert GridStateRenderer(make_episode(60, 2), (800, 500)).network.labels == []


def test_figures_of_the_header_keep_apart(episode, written):
    wide = replace(episode, load_mw=2e5 * episode.load_mw, shed_mw=2e5 * episode.shed_mw, policy="a long name " * 9)
    GridStateRenderer(wide).frame(3)
    row = sorted((x, text) for x, _, text, size, _ in written if size == 15)
    assert len(row) == 4
    for (left, _), (right, text) in pairwise(row):
        assert right - text_width(text, 15, True) > left + 10
    assert row[0][0] - text_width(row[0][1], 15, True) > 700


def test_the_fullest_lines_are_named_with_their_loading(written):
    episode = make_episode(23, 12)
    flow = np.zeros_like(episode.flow_mw)
    capacity = np.full_like(episode.capacity_mw, 10.0)
    flow[5, [3, 1, 4]] = 12.34, -9.0, 5.0
    capacity[4] = np.inf
    GridStateRenderer(replace(episode, flow_mw=flow, capacity_mw=capacity)).frame(5)
    said = {text: (y, colour) for _, y, text, _, colour in written}
    first, second = episode.line_names[3], episode.line_names[1]
    assert "FULLEST LINES" in said
    assert said["123%"][1] == VERMILION != said["90%"][1]
    assert said[first][0] == said["123%"][0] > said[second][0] == said["90%"][0]
    assert episode.line_names[4] not in said


def test_few_lines_are_not_listed(written):
    GridStateRenderer(make_episode(4, 3)).frame(1)
    assert "FULLEST LINES" not in [text for _, _, text, _, _ in written]


def test_the_names_of_lines_keep_both_ends():
    assert both_ends("Kraftwerk S\u00fcd-Umspannwerk#2", 14) == "Kraftwe\u2026werk#2"
    assert both_ends("1-2", 14) == "1-2"
    assert len(both_ends("x" * 99, 14)) == 14


@pytest.mark.parametrize(
    ("loading_frac", "said"), [(0.0, "0%"), (0.994, "99%"), (1.0, "100%"), (1.001, "101%"), (4 / 3, "133%")]
)
def test_an_overload_is_never_said_to_be_a_full_line(loading_frac, said):
    assert loading_percent(loading_frac) == said
