"""grid_state: what a picture of the grid at work shows."""

import html
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from envs.rendering import GridStateRenderer, grid_state, layout
from envs.rendering.canvas import Canvas, VectorCanvas
from envs.rendering.network import BADGE
from envs.rendering.playback import Playback
from envs.rendering.sim_results import SimResultsRenderer
from envs.rendering.style import LOADING, MUTED, VERMILION, filled, number, time_of, time_ticks
from episodes import STORAGE, first_steps, make_episode, without
from grid.episode import IN_SERVICE, OUT, TRIPPED
from grid.errors import GridError
from slow_cases import slow

SMALL = (640, 400)


@pytest.fixture(scope="module")
def episode():
    return make_episode(14, 24)


@pytest.fixture(scope="module")
def renderer(episode):
    return GridStateRenderer(episode)


@pytest.fixture
def words(monkeypatch):
    """All texts that are written on canvases."""
    seen = []
    write = Canvas.text

    def remember(self, x, y, text, *rest, **options):
        seen.append(text)
        write(self, x, y, text, *rest, **options)

    monkeypatch.setattr(Canvas, "text", remember)
    return seen


def renamed(episode, name):
    return replace(episode, node_names=(name,) * len(episode.node_names), grid_name=name, policy=name)


def idle(episode):
    nothing = np.zeros_like(episode.load_mw)
    return replace(episode, load_mw=nothing, served_mw=nothing, shed_mw=nothing)


# --- frames


def test_frames_are_pictures_of_their_own(renderer):
    first = renderer.frame(3)
    kept = first.copy()
    second = renderer.frame(9.5)
    assert first.shape == (800, 1280, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)
    assert np.array_equal(first, kept)
    assert np.array_equal(first, renderer.frame(3))


@pytest.mark.parametrize("size", [(640, 400), (800, 500), (1000, 500), (333, 777)])
def test_frames_have_the_size_asked_for(episode, size):
    assert GridStateRenderer(episode, size).frame(2).shape == (size[1], size[0], 3)


def test_moments_outside_the_episode_show_its_ends(renderer, episode):
    assert np.array_equal(renderer.frame(-1), renderer.frame(0))
    assert np.array_equal(renderer.frame(episode.steps + 5), renderer.frame(episode.steps - 1))


CASES = {
    "no storage": lambda e: without(e, "storage"),
    "no consumers": lambda e: without(e, "consumer"),
    "no sources": lambda e: without(e, "source"),
    "one step": lambda e: first_steps(e, 1),
    "no demand": idle,
    "no capacities": lambda e: replace(e, capacity_mw=np.full_like(e.capacity_mw, np.inf)),
    "no costs": lambda e: replace(e, costs={}),
    "no positions": lambda e: replace(e, x=np.full_like(e.x, np.nan)),
    "one position": lambda e: replace(e, x=np.ones_like(e.x), y=np.ones_like(e.y)),
    "half of the positions": lambda e: replace(e, x=np.where(np.arange(14) % 2, e.x, np.nan)),
    "no lines": lambda e: replace(
        e,
        line_names=(),
        line_from=e.line_from[:0],
        line_to=e.line_to[:0],
        capacity_mw=e.capacity_mw[:0],
        flow_mw=e.flow_mw[:, :0],
        line_status=e.line_status[:, :0],
    ),
    "a store at a source": lambda e: replace(
        without(e, "storage"), store_max_mwh=9.0 * (e.gen_max_mw > 0), store_mwh=np.full_like(e.store_mwh, 3.0)
    ),
    "hostile names": lambda e: renamed(e, "_$\\frac{1}$\n</script>{}%s\x00😀日本" + "long " * 50),
    "empty names": lambda e: renamed(e, ""),
}


QUICK = [*CASES][::3]


@pytest.mark.parametrize("case", [case if case in QUICK else slow(case)[0] for case in CASES])
def test_unusual_episodes_can_be_drawn(episode, case):
    unusual = CASES[case](episode)
    frame = GridStateRenderer(unusual, SMALL).frame(0.5)
    assert (frame.std((0, 1)) > 1).all()
    assert (SimResultsRenderer(unusual, SMALL).frame(0.5).std((0, 1)) > 1).all()


def test_an_episode_without_steps_shows_the_idle_grid(episode, words):
    before = first_steps(episode, 0)
    renderer = GridStateRenderer(before, SMALL, steps=24)
    assert renderer.frame(0).shape == (400, 640, 3)
    assert "step 0 / 24" in words
    moment = Playback(before).at(0)
    stores = episode.node_kind == STORAGE
    assert np.allclose(moment.fill_frac[stores], (episode.store_mwh[0] / episode.store_max_mwh.clip(1e-9))[stores])
    assert not moment.flow_frac.any()


# --- what moves


def test_chevrons_point_and_move_where_the_power_goes(renderer, episode):
    playback, network = Playback(episode), renderer.network
    along = network.points[episode.line_to] - network.points[episode.line_from]
    for t in (0.3, 7.6, 15.0, 22.2):
        now, soon = playback.at(t), playback.at(t + 1e-3)
        flow = now.flow_frac[network.of_line]
        here, there = network.chevrons(now), network.chevrons(soon)
        seen = (np.abs(flow) > 0.1) & (np.abs(there - here).max((1, 2)) < 5)  # some start again at the other end
        assert seen.sum() > len(seen) / 2
        direction = along[network.of_line] * np.sign(flow)[:, None]
        pointing = here[:, 1] - here.mean(1)
        moving = (there - here).mean(1)
        assert ((pointing * direction).sum(1)[seen] > 0).all()
        assert ((moving * direction).sum(1)[seen] > 0).all()


def test_lines_without_flow_have_no_chevrons(renderer, episode):
    still = replace(episode, flow_mw=np.zeros_like(episode.flow_mw))
    assert np.ptp(renderer.network.chevrons(Playback(still).at(4)), axis=1).max() == 0


def test_chevrons_go_on_smoothly_from_step_to_step(episode):
    playback = Playback(episode)
    for t in range(1, episode.steps - 1):
        before, at, after = (playback.at(t + d).way for d in (-1e-6, 0, 1e-6))
        assert np.abs(after - at).max() < 1e-5
        assert np.abs(at - before).max() < 1e-5


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_gauges_are_filled_to_the_share_of_their_height(renderer, share):
    network = renderer.network
    empty = network.gauges(np.zeros(14))
    full = network.gauges(np.ones(14))
    for none, some, whole in zip(empty, network.gauges(np.full(14, share)), full, strict=True):
        assert none[:, 1].max() == pytest.approx(whole[:, 1].min())
        assert np.ptp(some[:, 1]) == pytest.approx(share * np.ptp(whole[:, 1]))


def test_gauges_show_charge_after_the_step_and_output_of_what_is_available(episode):
    spilling = replace(episode, spill_mw=episode.gen_mw / 4)
    moment = Playback(spilling).at(5)
    stores, sources = episode.store_max_mwh > 0, episode.gen_avail_mw[5] > 0
    assert np.allclose(moment.fill_frac[stores], episode.store_mwh[6][stores] / episode.store_max_mwh[stores])
    output = 0.75 * episode.gen_mw[5][sources] / episode.gen_avail_mw[5][sources]
    assert np.allclose(moment.fill_frac[sources], output)
    assert filled(np.array([(0, 0), (1, 0), (1, 1), (0, 1.0)]), 0.3)[:, 1].max() == pytest.approx(0.3)


def test_arcs_show_the_share_of_demand_that_is_not_met(renderer):
    unserved = np.zeros(14)
    assert renderer.network.arcs(unserved) == []
    unserved[[1, 4]] = 0.5, 1.0
    half, whole = renderer.network.arcs(unserved)
    radius = renderer.network.radius[1] + renderer.network.arc_gap
    length = np.hypot(*np.diff(half, axis=0).T).sum()
    assert length == pytest.approx(np.pi * radius, rel=0.01)
    assert half[:, 0].min() > renderer.network.points[1, 0] - 1e-9  # clockwise from the top
    assert np.allclose(whole[0], whole[-1])


def test_nothing_in_a_healthy_grid_has_the_colour_of_trouble(episode):
    healthy = replace(
        episode, served_mw=episode.load_mw, shed_mw=0 * episode.shed_mw, capacity_mw=2 * episode.capacity_mw
    )
    colour = np.round(255 * np.array(to_rgb(VERMILION)))

    def trouble(shown):
        network = GridStateRenderer(shown).frame(20)[90:600, :1040]
        return int((np.abs(network - colour).max(2) < 8).sum())

    assert trouble(healthy) == 0
    assert trouble(replace(healthy, shed_mw=episode.load_mw / 2)) > 200
    assert trouble(replace(healthy, capacity_mw=np.abs(episode.flow_mw).min(0) + 1)) > 200


def test_overloaded_lines_differ_from_full_ones_and_say_by_how_much(episode, words):
    flow = np.zeros_like(episode.flow_mw)
    flow[:, :4] = [0.5, 0.96, -1.004, -1.31]
    limits = np.where(np.arange(len(episode.capacity_mw)) < 4, 1.0, np.inf)
    renderer = GridStateRenderer(replace(episode, flow_mw=flow, capacity_mw=limits))
    _, state = renderer.network.line_states(Playback(renderer.episode).at(0))
    assert state[:5].tolist() == [0, 1, 2, 2, 0]
    words.clear()
    renderer.frame(0)
    assert {"101%", "131%"} <= set(words)
    assert not {"50%", "96%"} & set(words)


def test_luminance_falls_with_loading():
    red, green, blue, _ = LOADING(np.linspace(0, 1, 256)).T
    assert (np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) <= 1e-6).all()


# --- words


def test_header_says_what_and_when(episode, words):
    long = make_episode(14, 48)
    GridStateRenderer(long, SMALL).frame(30)
    assert {"random 14", "day 2 · 06:00", "step 31 / 48", "merit"} <= set(words)
    served = long.served_mw[30].sum() / long.load_mw[30].sum()
    assert f"{served:.0%}" in words
    assert f"{number(long.shed_mw[30].sum())} MW" in words
    assert number(long.reward[:31].sum()) in words
    words.clear()
    GridStateRenderer(episode, SMALL).frame(6)
    assert "06:00" in words


def test_kinds_that_the_grid_lacks_are_not_explained(episode, words):
    GridStateRenderer(episode, SMALL)
    everything = set(words)
    assert {"source", "storage", "consumer", "unserved demand", "overloaded (> 100%)"} <= everything
    assert "no capacity given" not in everything
    for kind in ("source", "storage", "consumer"):
        words.clear()
        GridStateRenderer(without(episode, kind), SMALL)
        assert kind not in words
        assert ("Storage (% charge)" in words) == (kind != "storage")
        assert ("unserved demand" in words) == (kind != "consumer")
    words.clear()
    GridStateRenderer(CASES["no capacities"](episode), SMALL)
    assert "no capacity given" in words
    assert "overloaded (> 100%)" not in words


# --- live


def test_a_running_episode_is_taken_up_without_laying_out_anew(episode, monkeypatch):
    live = GridStateRenderer(first_steps(episode, 0), SMALL, steps=episode.steps)
    monkeypatch.setattr(layout, "positions", None)
    monkeypatch.setattr(layout, "place_labels", None)
    for steps in (1, 2, 9):
        live.update(first_steps(episode, steps))
        live.frame(steps - 1)
    monkeypatch.undo()
    fresh = GridStateRenderer(first_steps(episode, 9), SMALL, steps=episode.steps)
    assert np.array_equal(live.frame(8), fresh.frame(8))
    live.update(episode)
    assert np.array_equal(live.frame(8.5), GridStateRenderer(episode, SMALL).frame(8.5))


def test_a_renderer_keeps_to_its_grid(renderer):
    with pytest.raises(GridError, match="an episode of 'random 3'; allowed: one of 'random 14'; make a renderer"):
        renderer.update(make_episode(3))


# --- lines that are out


def with_outages(episode):
    """Line 0 is out from step 2 on, line 1 tripped from 4 to 5."""
    status = np.full(episode.flow_mw.shape, IN_SERVICE)
    status[2:, 0], status[4:6, 1] = OUT, TRIPPED
    return replace(episode, line_status=status, flow_mw=np.where(status == IN_SERVICE, episode.flow_mw, 0.0))


def test_status_holds_from_the_end_of_a_step_to_the_end_of_the_next(episode):
    playback = Playback(with_outages(episode))
    shown = [playback.at(t).line_status[:2].tolist() for t in (1.9, 2.0, 3.99, 4.0, 5.9, 6.0)]
    assert shown == [[1, 1], [0, 1], [0, 1], [0, 2], [0, 2], [0, 1]]


def test_lines_that_are_out_carry_nothing_and_are_never_full(episode):
    shown = with_outages(replace(episode, capacity_mw=np.abs(episode.flow_mw).min(0) / 2 + 1e-6))
    network, moment = GridStateRenderer(shown).network, Playback(shown).at(3.5)  # its flow falls until step 4
    assert np.abs(moment.flow_frac[2]) > 1
    assert network.line_states(moment)[1][2] == 2
    assert network.line_states(Playback(shown).at(5.5))[1][[0, 1]].tolist() == [0, 0]  # on its way back at 6
    corners = network.chevrons(Playback(shown).at(5.5))
    assert (np.ptp(corners, axis=1)[np.isin(network.of_line, [0, 1])] == 0).all()


def test_tripped_lines_and_lines_out_of_service_look_different_from_each_other_and_the_rest(episode):
    renderer = GridStateRenderer(with_outages(episode))

    def around(line, step):
        x, y = renderer.network._middles[line]
        row, column = round(800 - y), round(x)
        return renderer.frame(step)[row - 9 : row + 10, column - 9 : column + 10].astype(int)

    def like(pixels, colour):
        return int((np.abs(pixels - np.round(255 * np.array(to_rgb(colour)))).max(2) < 40).sum())

    tripped, out = around(1, 4), around(0, 4)
    assert like(tripped, VERMILION) > 60
    assert like(out, VERMILION) == 0
    assert like(out, MUTED) > 30
    assert like(around(1, 3), VERMILION) == 0


def test_outages_are_counted_and_explained_where_they_occur_alone(episode, words):
    GridStateRenderer(episode, SMALL).frame(4)
    assert not {"tripped", "out of service", "lines out"} & set(words)
    renderer = GridStateRenderer(with_outages(episode), SMALL)
    counts = {}
    for step in (0, 2, 4):
        words.clear()
        renderer.frame(step)
        counts[step] = [words[at - 1] for at, text in enumerate(words) if text in ("line out", "lines out")]
    assert counts == {0: ["0"], 2: ["1"], 4: ["2"]}
    words.clear()
    live = GridStateRenderer(first_steps(with_outages(episode), 2), SMALL, steps=24)
    assert not {"tripped", "out of service"} & set(words)
    live.update(first_steps(with_outages(episode), 3))
    assert {"out of service"} == {"tripped", "out of service"} & set(words)
    live.update(with_outages(episode))
    assert {"tripped", "out of service"} <= set(words)


def test_badges_do_not_cover_each_other(episode, monkeypatch):
    places = []
    write = Canvas.text

    def remember(self, x, y, text, *rest, **options):
        if text.endswith("%") and options.get("halo"):
            places.append((x, y))
        write(self, x, y, text, *rest, **options)

    monkeypatch.setattr(Canvas, "text", remember)
    crowded = make_episode(60, 3, tight=0.2)
    GridStateRenderer(replace(crowded, capacity_mw=np.full_like(crowded.capacity_mw, 0.5))).frame(1)
    gap = np.abs(np.subtract.outer(np.array(places), np.array(places))[:, [0, 1], :, [0, 1]])
    assert len(places) > 4
    assert not ((gap < BADGE[:, None, None]).all(0) & ~np.eye(len(places), dtype=bool)).any()


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), *slow((".pdf", b"%PDF"))])
def test_a_still_as_shapes_holds_every_text_of_the_picture_and_is_the_same_each_time(
    episode, tmp_path, words, suffix, start
):
    GridStateRenderer(episode).frame(3)
    expected = {text for text in words if text}
    first, second = (grid_state(episode, tmp_path / f"{name}{suffix}", step=3).read_bytes() for name in "ab")
    assert first == second
    assert first.startswith(start)
    if suffix == ".svg":
        said = {html.unescape(text) for text in re.findall(r"<!-- (.*?) -->", first.decode("utf-8"))}
        assert expected <= said
        assert first.count(b"<path") > len(episode.line_from)


def test_shapes_lie_over_each_other_in_the_order_in_which_they_were_drawn(episode):
    canvas = VectorCanvas()
    GridStateRenderer(episode, canvas=canvas).frame(0)
    (axes,) = canvas.figure.axes
    orders = [artist.zorder for artist in (*axes.collections, *axes.texts)]
    assert len(set(orders)) == len(orders) > 20
    under = next(artist for artist in axes.collections if len(artist.get_paths()) == len(episode.node_names))
    lines = [artist for artist in axes.collections if len(artist.get_paths()) == len(episode.line_from)]
    assert all(artist.zorder < under.zorder for artist in lines)


def test_two_policies_side_by_side_as_shapes(episode, tmp_path):
    other = replace(episode, policy="other")
    assert grid_state(episode, tmp_path / "a.svg", versus=other).read_text("utf-8").count("<!-- other -->") == 1


def test_pictures_of_dated_series_show_dates(episode, words):
    dated = replace(episode, start="2025-12-31T00:00:00")
    GridStateRenderer(dated).frame(2)
    assert {"Wed 31 Dec · 02:00", "2025 · step 3 / 24"} <= set(words)
    words.clear()
    GridStateRenderer(episode).frame(2)
    assert "02:00" in words
    assert not [text for text in words if "Dec" in text]
    later = replace(dated, start="2025-12-31T12:00:00", start_hour=12.0)
    assert time_of(later, 13, 24) == "Thu 1 Jan · 01:00"
    assert "1 Jan" in [label for _, label in time_ticks(later, 24, 7)]


def with_a_plant_off(episode):
    """The first source is off in steps 2 and 3, and may stop as no other may."""
    plant = np.flatnonzero(episode.gen_max_mw > 0)[0]
    on, gen_mw, stoppable = np.ones_like(episode.gen_mw), episode.gen_mw.copy(), np.zeros(len(episode.node_names))
    on[2:4, plant], gen_mw[2:4, plant], stoppable[plant] = 0, 0, 1
    return replace(episode, on=on, gen_mw=gen_mw, stoppable=stoppable)


def test_a_plant_that_is_off_carries_the_word_and_the_legend_explains_it(episode, words):
    renderer = GridStateRenderer(with_a_plant_off(episode))
    assert words.count("plant that is off") == words.count("off") == 1  # in the legend
    counts = []
    for step in (1, 2, 3, 4):
        words.clear()
        renderer.frame(step)
        counts.append(words.count("off"))
    assert counts == [0, 1, 1, 0]
    GridStateRenderer(episode).frame(2)
    assert not {"off", "plant that is off"} & set(words)


@pytest.mark.parametrize("cut_mw", [0.0, 1.0])
def test_results_count_starts_beside_what_was_curtailed(episode, words, cut_mw):
    cut = replace(with_a_plant_off(episode), curtailed_mw=np.full_like(episode.load_mw, cut_mw))
    SimResultsRenderer(cut).frame(23)
    assert words[words.index("starts") - 1] == "1"
    assert ("cut MWh" in words) == (cut_mw > 0)
