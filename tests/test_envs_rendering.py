"""Pictures of episodes: words, layout, results over time, and files. The network: test_envs_grid_state.py."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from envs.rendering import GridStateRenderer, grid_state, layout, panels, sim_results
from envs.rendering.canvas import fit, text_width
from envs.rendering.layout import Box
from envs.rendering.sim_results import SimResultsRenderer
from envs.rendering.style import clock, days, literal, number, percent, time_ticks
from envs.rendering.video import Clip, seconds_per_step, write_animation
from episodes import first_steps, make_episode
from grid import OUT, TRIPPED, GridError
from slow_cases import slow

SMALL = (640, 400)


@pytest.fixture(scope="module")
def episode():
    return make_episode(14, 24)


# --- words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\x00", "two lines and"),
        ("$x_1$", "$x_1$"),
        ("a" * 30, "a" * 15 + "…"),
        ("日本", "��"),
        ("", ""),
    ],
)
def test_names_are_shown_literally_on_one_line(text, shown):
    assert literal(text, 16) == shown


def test_long_words_are_cut_to_the_room_there_is():
    cut = fit("a very long name of a grid", 100, 12)
    assert cut.endswith("…")
    assert 80 < text_width(cut, 12) <= 100
    assert fit("short", 100, 12) == "short"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.001, "0"), (0.25, "0.25"), (12.34, "12.3"), (-1234.4, "−1,234"), (2.5e6, "2.5M"), (100, "100")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_only_what_is_complete_is_called_100_percent():
    assert [percent(part, 2000.0) for part in (2000.0, 1999.9, 1985.0, 1001.0, 0.0)] == [
        *("100%", "99.9%", "99.2%", "50%", "0%")
    ]
    assert percent(0.0, 0.0) == "–"


def test_time_of_day_counts_days_from_the_first(episode):
    late = replace(episode, start_hour=7 * 24 - 2.0)
    assert clock(late, 0) == ("22:00", 1)
    assert clock(late, 3.5) == ("01:30", 2)
    assert days(late, 2) == 1
    assert days(late, 3) == 2
    assert time_ticks(late, 25, 5) == [(2, "day 2"), (8, "06:00"), (14, "12:00"), (20, "18:00")]


# --- layout

SIZES = (1, 2, 3, 14, 23, 60)


@pytest.mark.parametrize("nodes", SIZES)
@pytest.mark.parametrize("known", [True, False])
def test_layout_is_the_same_each_time_inside_and_apart(nodes, known):
    rng = np.random.default_rng(nodes)
    x, y = rng.random((2, nodes)) * [[700], [3]] if known else np.full((2, nodes), np.nan)
    ends = np.array([(n, rng.integers(n)) for n in range(1, nodes)], int).reshape(-1, 2)
    box, radius = Box(30, 200, 1000, 480), np.full(nodes, 9.0)
    points = layout.positions(x, y, *ends.T, box, radius)
    assert np.array_equal(points, layout.positions(x, y, *ends.T, box, radius))
    assert (points >= [39, 209]).all()
    assert (points <= [1021, 671]).all()
    apart = np.hypot(*(points[:, None] - points).T) + 1000 * np.eye(nodes)
    assert apart.min() > 18


@pytest.mark.slow
def test_layout_of_symmetric_grids_is_the_same_in_every_process_and_on_every_processor():
    code = (
        "import networkx as nx, numpy as np; from envs.rendering.layout import Box, positions\n"
        "for graph in (nx.cycle_graph(12), nx.star_graph(9), nx.hypercube_graph(3), nx.empty_graph(4)):\n"
        "    ends = np.array(nx.convert_node_labels_to_integers(graph).edges, int).reshape(-1, 2)\n"
        "    nowhere, radius = np.full(len(graph), np.nan), np.full(len(graph), 7.0)\n"
        "    print(*(positions(nowhere, nowhere, *ends.T, Box(0, 0, 900, 400), radius) + 0.0).round(3).ravel())"
    )
    shown = set()
    for settings in ({"OPENBLAS_CORETYPE": "Haswell"}, {"OPENBLAS_CORETYPE": "Nehalem"}):
        command = [sys.executable, "-c", code]
        shown.add(subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True).stdout)
    assert len(shown) == 1


def test_nodes_that_touch_no_line_and_separate_parts_are_laid_out():
    nowhere = np.full(7, np.nan)
    points = layout.positions(
        nowhere, nowhere, np.array([0, 1, 3]), np.array([1, 2, 4]), Box(0, 0, 400, 300), np.full(7, 8.0)
    )
    apart = np.hypot(*(points[:, None] - points).T) + 1000 * np.eye(7)
    assert np.isfinite(points).all()
    assert apart.min() > 16


def test_missing_positions_lie_between_their_neighbours():
    x, y = np.array([0.0, np.nan, 10.0]), np.array([0.0, np.nan, 0.0])
    points = layout.positions(x, y, np.array([0, 1]), np.array([1, 2]), Box(0, 0, 400, 300), np.full(3, 5.0))
    assert points[1] == pytest.approx(points[[0, 2]].mean(0), abs=1.0)


def test_parallel_lines_are_drawn_apart(episode):
    twice = replace(
        episode,
        line_names=(*episode.line_names, "second", "third"),
        line_from=np.append(episode.line_from, [episode.line_from[0], episode.line_to[0]]),
        line_to=np.append(episode.line_to, [episode.line_to[0], episode.line_from[0]]),
        capacity_mw=np.append(episode.capacity_mw, [5.0, 5.0]),
        flow_mw=np.hstack([episode.flow_mw, episode.flow_mw[:, :1], episode.flow_mw[:, :1]]),
        line_status=np.hstack([episode.line_status, np.ones((episode.steps, 2))]),
    )
    points = GridStateRenderer(twice).network.points
    bends = layout.bend_points(points, twice.line_from, twice.line_to)
    middle = layout.on_curve(points[twice.line_from], bends, points[twice.line_to], np.array([[0.5]]))[[0, -2, -1]]
    apart = np.hypot(*(middle[:, None] - middle).T) + 1000 * np.eye(3)
    assert apart.min() > 12


# --- results over time


def drawn(panel, episode):
    axes = Figure().add_subplot()
    panel(axes, episode)
    legend = axes.get_legend()
    return axes, [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_sources_beyond_the_largest_are_added_up():
    made = make_episode(60, 6)
    sources = np.flatnonzero(made.gen_max_mw > 0)
    assert len(sources) > 8
    axes, names = drawn(panels.generation, made)
    largest = sources[np.argsort(-made.gen_mw[:, sources].sum(0))][:7]
    assert f"{len(sources) - 7} others" in names
    assert {made.node_names[n] for n in largest} <= set(names)
    top = max(collection.get_paths()[0].vertices[:, 1].max() for collection in axes.collections)
    assert top == pytest.approx((made.gen_mw + made.discharge_mw - made.spill_mw).sum(1).max())


def test_few_storages_are_shown_by_unit_and_many_by_their_mean(episode):
    _, names = drawn(panels.storage, episode)
    units = np.flatnonzero(episode.store_max_mwh > 0)
    assert {episode.node_names[n] for n in units} <= set(names)
    many = replace(episode, store_max_mwh=np.full(14, 10.0), store_mwh=np.full((25, 14), 4.0))
    axes, names = drawn(panels.storage, many)
    assert "mean of 14" in names
    assert np.allclose(axes.lines[0].get_ydata(), 40)


def test_costs_are_stacked_by_term_and_rewards_added_up(episode):
    settled = replace(episode, costs={**episode.costs, "settlement": np.full(24, -9e4)})
    axes, names = drawn(panels.cost, settled)
    used = {name for name, term in settled.costs.items() if np.abs(term).max() > 0}
    assert set(names) == {*used, "return (right)"}
    heights = [collection.get_paths()[0].vertices[:, 1] for collection in axes.collections]
    assert min(h.min() for h in heights) == pytest.approx(-9e4)
    positive = sum(np.maximum(term, 0) for term in settled.costs.values())
    assert max(h.max() for h in heights) == pytest.approx(positive.max())
    (right,) = set(axes.figure.axes) - {axes}
    assert right.lines[0].get_ydata()[-1] == pytest.approx(episode.reward.sum())


def test_names_that_start_with_an_underscore_are_in_the_key(episode):
    _, names = drawn(panels.storage, replace(episode, node_names=tuple(f"_{n}" for n in range(14))))
    assert "_2" in names


def test_results_are_revealed_from_left_to_right(episode):
    renderer = SimResultsRenderer(episode)
    early, late = renderer.frame(3)[120:380, 90:490], renderer.frame(23)[120:380, 90:490]
    assert np.array_equal(early[:, :60], late[:, :60])
    assert early[:, 200:].mean() > late[:, 200:].mean() + 10


# --- files


@pytest.mark.parametrize(("draw", "steps"), [(sim_results, 8), *slow((grid_state, 48))])
def test_a_gif_has_the_frames_the_length_and_the_size_it_should(draw, steps, tmp_path):
    made, calls = make_episode(14, steps), []
    path = draw(made, tmp_path / "out.gif", progress=lambda done, total: calls.append((done, total)))
    with Image.open(path) as gif:
        lengths = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            lengths.append(gif.info["duration"] / 1000)
        assert gif.size == (800, 500)
        assert gif.info["loop"] == 0
        assert len(calls) == gif.n_frames
    assert calls[-1] == (len(calls), len(calls))
    assert 15 <= sum(lengths) <= 25 or steps < 48
    assert sum(lengths) == pytest.approx((steps - 1) * seconds_per_step(steps) + 1, abs=0.2)
    assert path.stat().st_size < 1.5e6
    assert list(tmp_path.iterdir()) == [path]


def test_a_gif_shows_what_was_painted(episode, tmp_path):
    renderer = GridStateRenderer(first_steps(episode, 4), (800, 500))
    clip = Clip(renderer.frame, 4, 10)
    with Image.open(write_animation(tmp_path / "out.gif", clip)) as gif:
        for number_of, t in enumerate(clip.times):
            gif.seek(number_of)
            seen, painted = np.asarray(gif.convert("RGB"), int), renderer.frame(t)
            assert np.abs(seen - painted).mean() < 1.0


def test_long_episodes_play_faster():
    assert seconds_per_step(2) == seconds_per_step(48)
    assert 24 <= (len(Clip(lambda t: np.zeros((1, 1, 3), np.uint8), 8760, 10).times) - 1) / 10 <= 25


def test_an_mp4_has_the_frames_and_the_length_it_should(episode, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    short, calls = first_steps(episode, 3), []
    path = grid_state(short, tmp_path / "out.mp4", progress=lambda done, total: calls.append(total))
    frames, seconds = ffmpeg.count_frames_and_secs(str(path))
    assert frames == len(calls) + 24
    assert seconds == pytest.approx(2 * seconds_per_step(3) + 1, abs=0.15)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("suffix", "start"), [(".PNG", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_still_pictures_of_results(episode, tmp_path, suffix, start):
    assert sim_results(episode, tmp_path / f"out{suffix}").read_bytes().startswith(start)


def test_the_same_episode_gives_the_same_file(episode, tmp_path):
    first, second = (sim_results(episode, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second


@pytest.mark.parametrize(("unserved_at", "step", "shown"), [(None, None, "peak"), (2, None, 2), (2, 3, 3)])
def test_a_still_picture_shows_the_most_unserved_demand_else_the_highest_or_the_step_asked_for(
    episode, tmp_path, unserved_at, step, shown
):
    shed = np.zeros_like(episode.shed_mw)
    shed[[] if unserved_at is None else [unserved_at]] = 1.0
    made = replace(episode, shed_mw=shed, served_mw=episode.load_mw - shed)
    peak = int(made.load_mw.sum(1).argmax())
    assert peak not in (2, 3)
    path = grid_state(made, tmp_path / "out.png", step=step)
    frame = GridStateRenderer(made).frame(peak if shown == "peak" else shown)
    assert np.array_equal(np.asarray(Image.open(path)), frame)


def test_a_still_picture_before_the_first_step_shows_the_idle_grid(episode, tmp_path):
    before = first_steps(episode, 0)
    shown = np.asarray(Image.open(grid_state(before, tmp_path / "out.png")))
    assert np.array_equal(shown, GridStateRenderer(before).frame(0))


@pytest.mark.parametrize(
    ("draw", "name", "message"),
    [
        (
            grid_state,
            "a.avi",
            r"a.avi: found the suffix '.avi'; allowed: .gif, .mp4, .png, .svg, .pdf; end the file name",
        ),
        (grid_state, "a", r"a: found no suffix; allowed: .gif, .mp4, .png, .svg, .pdf; end the file name"),
        (sim_results, "a.html", r"found the suffix '.html'; allowed: .gif, .mp4, .png, .svg, .pdf; end the file name"),
    ],
)
def test_other_suffixes_are_refused(episode, tmp_path, draw, name, message):
    with pytest.raises(GridError, match=message):
        draw(episode, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_steps_that_are_not_there_are_refused(episode, tmp_path):
    with pytest.raises(GridError, match="step: found 24; allowed: 0 to 23; choose a step of the episode"):
        grid_state(episode, tmp_path / "a.png", step=24)
    with pytest.raises(GridError, match="episode: found no steps; allowed: at least one step; run the episode first"):
        sim_results(first_steps(episode, 0), tmp_path / "a.png")


def test_without_ffmpeg_gifs_are_written_and_mp4_says_what_to_install(episode, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    short = first_steps(episode, 2)
    with pytest.raises(
        GridError, match=r"a.mp4: found no ffmpeg.*; allowed: .gif.*pip install load-balancer\[render\]"
    ):
        grid_state(short, tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())
    assert grid_state(short, tmp_path / "a.gif").exists()


@pytest.mark.parametrize("script", ["exit 3", "cat > /dev/null; echo 'No space left on device' >&2", "cat > /dev/null"])
def test_when_ffmpeg_fails_the_old_file_stays(episode, tmp_path, monkeypatch, script):
    if sys.platform == "win32":
        pytest.skip("the stand-in for ffmpeg is a shell script")
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    broken, out = tmp_path / "ffmpeg", tmp_path / "out" / "a.mp4"
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "get_ffmpeg_exe", lambda: str(broken))
    out.parent.mkdir()
    out.write_text("old")
    with pytest.raises(GridError, match=r"a\.mp4: found ffmpeg ended with code [03]: (No space|no message).*free some"):
        grid_state(first_steps(episode, 2), out)
    assert out.read_text() == "old"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_an_interrupted_animation_leaves_nothing_behind(episode, tmp_path, suffix):
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grid_state(episode, tmp_path / f"a{suffix}", progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_file(episode, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GridError, match=r"a\.png"):
        grid_state(episode, tmp_path / "file" / "a.png")


# --- manners


def test_pictures_do_not_depend_on_the_users_settings_and_leave_them_alone(episode, tmp_path):
    plain = GridStateRenderer(episode, SMALL).frame(4)
    results = sim_results(episode, tmp_path / "a.png").read_bytes()
    mine = {
        "font.size": 30,
        "axes.facecolor": "red",
        "text.usetex": True,
        "savefig.bbox": "tight",
        "hatch.linewidth": 9,
    }
    with matplotlib.rc_context(mine):
        before = dict(matplotlib.rcParams)
        assert np.array_equal(GridStateRenderer(episode, SMALL).frame(4), plain)
        assert sim_results(episode, tmp_path / "b.png").read_bytes() == results
        assert dict(matplotlib.rcParams) == before


def test_pictures_need_no_pyplot():
    code = "import envs.rendering, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0


@pytest.mark.parametrize("panel", [panels.demand, panels.cost])
def test_steps_with_lines_out_and_tripped_are_marked_along_the_upper_edge(episode, panel):
    status = episode.line_status.copy()
    status[5:8, 2], status[7:11, 4] = OUT, TRIPPED
    names = []
    for shown in (episode, replace(episode, line_status=status)):
        axes = Figure().add_subplot()
        panel(axes, shown)
        names.append([text.get_text() for text in axes.get_legend().get_texts()])
    assert set(names[1]) - set(names[0]) == ({"line out", "line tripped"} if panel is panels.demand else set())
    marks = {mark.get_label(): mark.get_paths() for mark in axes.collections}
    for name, first, last, bottom, top in (("line out", 5, 8, 0.95, 0.975), ("line tripped", 7, 11, 0.975, 1.0)):
        (path,) = marks[name]
        high = path.vertices[path.vertices[:, 1] > bottom + 1e-9]
        assert (high[:, 0].min(), high[:, 0].max()) == (first, last)
        assert high[:, 1] == pytest.approx(top)
