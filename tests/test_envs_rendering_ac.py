"""Pictures of episodes in AC: voltages, losses, and parts that are dark or have collapsed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure

from browser import MISSING, browser
from envs.rendering import GridStateRenderer, grid_state, panels, sim_results
from envs.rendering.canvas import text_width
from envs.rendering.header import TITLE
from envs.rendering.page import replay
from envs.rendering.playback import Playback, in_band
from envs.rendering.sim_results import SimResultsRenderer, _Header
from envs.rendering.style import DARK, LOSS, SIZE, VOLTAGE
from episodes import first_steps, in_ac, make_episode
from grid.errors import GridError
from test_envs_grid_state import words  # noqa: F401 - a fixture

FALLEN = slice(6, 8)


@pytest.fixture(scope="module")
def episode():
    return in_ac(make_episode(14, 24), FALLEN)


def count(picture, colour):
    """Pixels of exactly this colour."""
    return int((picture == np.round(255 * np.array(to_rgb(colour)))).all(-1).sum())


def key(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_where_a_voltage_lies_in_its_band(episode):
    at = np.array([[0.95, 1.0, 1.05, 1.1, 0.0]])
    five = replace(episode, voltage_min_pu=np.full(5, 0.95), voltage_max_pu=np.full(5, 1.05))
    assert in_band(five, at)[0] == pytest.approx([0, 0.5, 1, 1.5, np.nan], nan_ok=True)


def test_rings_have_the_colour_of_the_voltage_and_dark_nodes_another(episode):
    renderer, moment = GridStateRenderer(episode), Playback(episode).at(6)
    colours = renderer.network.ring_colours(moment)
    is_dark = episode.voltage_pu[6] == 0
    assert is_dark.sum() == 7
    assert (colours[is_dark] == to_rgba(DARK)).all()
    place = np.clip((episode.voltage_pu[6, ~is_dark] - 0.95) / 0.1, 0, 1)
    assert colours[~is_dark] == pytest.approx(VOLTAGE(place))


def test_low_voltages_are_darker_than_high_ones():
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b, _ in (VOLTAGE(0.0), VOLTAGE(1.0))]
    assert luminance[0] < luminance[1] / 2


def test_dark_nodes_are_unmistakable_and_the_others_are_not(episode):
    renderer = GridStateRenderer(episode)
    area = float((np.pi * renderer.network.radius[:7] ** 2).sum())
    fallen, well = (count(renderer.frame(t), DARK) for t in (6, 8))
    assert fallen - well > 0.5 * area  # but for crosses, and corners of triangles


def test_grid_state_explains_what_it_shows_of_ac(episode, words):  # noqa: F811
    GridStateRenderer(episode).frame(3)
    assert {"VOLTAGE (RING)", "0.95 pu", "1.05 pu", "dark or collapsed", "losses MW"} <= set(words)
    words.clear()
    GridStateRenderer(in_ac(make_episode(14, 24))).frame(3)
    assert "dark or collapsed" not in words
    words.clear()
    GridStateRenderer(make_episode(14, 24)).frame(3)
    assert not {"VOLTAGE (RING)", "losses MW"} & set(words)
    words.clear()
    several = replace(episode, voltage_min_pu=np.linspace(0.9, 0.95, 14))
    GridStateRenderer(several).frame(3)
    assert {"lower limit", "1.05 pu"} <= set(words)


@pytest.mark.parametrize("steps", [0, 1])
def test_short_episodes_of_ac_can_be_drawn(episode, tmp_path, steps):
    short = first_steps(episode, steps)
    grid_state(short, tmp_path / "grid_state.png")
    voltage_pu = short.voltage_pu[0] if steps else np.ones(14)  # an episode without steps shows the idle grid
    assert Playback(short).at(0).voltage_pu == pytest.approx(voltage_pu)
    told = data_of(replay(short, tmp_path / "replay.html"))["runs"][0]["voltage"]
    assert [row[1] * 10.0 ** row[0] for row in told.values()] == pytest.approx(voltage_pu, abs=0.0006)
    if steps:
        sim_results(short, tmp_path / "sim_results.png")


def test_results_have_the_voltages_with_limits_and_losses_as_a_share(episode):
    axes = Figure().add_subplot()
    panels.voltage(axes, episode)
    assert sorted({line.get_ydata()[0] for line in axes.lines}) == [0.95, 1.05]
    low, high = axes.collections[0].get_paths()[0].vertices[:, 1].min(), axes.get_ylim()[1]
    assert low == pytest.approx(np.where(episode.voltage_pu > 0, episode.voltage_pu, 9).min())
    assert 1.05 < high < 1.1
    assert key(axes) == ["lowest to highest", "limits", "a bus is dark"]
    axes = Figure().add_subplot()
    panels.losses(axes, episode)
    made_mw = (episode.gen_mw + episode.discharge_mw).sum(1)
    top = axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(100 * (episode.loss_mw / made_mw).max())
    assert key(axes) == ["collapsed"]


def test_the_last_step_before_a_gap_is_drawn_and_different_limits_are_called_the_widest(episode):
    voltage_pu = np.ones_like(episode.voltage_pu)
    voltage_pu[:, 0], voltage_pu[5] = 0.97, 0.0
    least_pu = np.linspace(0.95, 0.98, voltage_pu.shape[1])
    axes = Figure().add_subplot()
    panels.voltage(axes, replace(episode, voltage_pu=voltage_pu, voltage_min_pu=least_pu))
    spans = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in axes.collections[0].get_paths()]
    assert spans == [(0, 5), (6, episode.steps)]
    assert key(axes) == ["lowest to highest", "widest limits", "a bus is dark"]


def test_a_grid_that_is_dark_everywhere_has_no_voltages_to_draw(episode):
    axes = Figure().add_subplot()
    panels.voltage(axes, replace(episode, voltage_pu=np.zeros_like(episode.voltage_pu)))
    assert axes.get_ylim() == pytest.approx((0.944, 1.056))


def test_results_in_ac_have_six_plots_and_sums_that_fit(episode, words):  # noqa: F811
    last = SimResultsRenderer(episode).frame(23)
    assert count(last, LOSS) > 1000
    assert {"losses MWh", "unserved MWh", "overload MVAh"} <= set(words)
    assert count(SimResultsRenderer(make_episode(14, 24)).frame(23), LOSS) == 0


class Row:
    """Stands for a canvas, and notes from where to where each text of the upper row goes."""

    width, height = SIZE

    def __init__(self):
        self.spans = []

    def text(self, x, y, value, size, colour, bold=False, align="left"):
        if y == self.height - TITLE:
            width = text_width(value, size, bold)
            left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[align] * width
            self.spans.append((left, left + width))


@pytest.mark.parametrize("step", [None, 23])
def test_no_sum_touches_another_where_lines_have_losses_plants_start_and_demand_is_cut(episode, step):
    on = np.arange(24 * 14).reshape(24, 14) % 2 > 0
    cut_mw = np.full_like(episode.curtailed_mw, 12345.678)
    longest = replace(episode, on=on, curtailed_mw=cut_mw, grid_name="a name that is so long that it leaves no room")
    row = Row()
    _Header(longest, None).draw(row, step)
    spans = sorted(row.spans)
    assert len(spans) == 9
    assert spans[0][0] >= 0
    assert spans[-1][1] <= SIZE[0]
    assert all(one[1] + 5 < other[0] for one, other in pairwise(spans))


@pytest.mark.parametrize("draw", [grid_state, sim_results, replay])
def test_ac_and_dc_are_not_shown_side_by_side(episode, tmp_path, draw):
    with pytest.raises(GridError) as caught:
        draw(episode, tmp_path / ("both.html" if draw is replay else "both.png"), versus=make_episode(14, 24))
    assert str(caught.value) == (
        "versus: found an episode in AC beside one in DC; allowed: two with the same power flow; "
        "run both with the same --flow"
    )


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.S)
    return json.loads(found[1])


def test_the_page_holds_voltages_to_a_thousandth_and_losses(episode, tmp_path):
    data = data_of(replay(episode, tmp_path / "replay.html"))
    run = data["runs"][0]
    assert data["band"] == [[0.95] * 14, [1.05] * 14]
    assert run["loss"] == pytest.approx(episode.loss_mw, rel=1e-5)
    for node, (exponent, *changes) in run["voltage"].items():
        wanted = episode.voltage_pu[:, int(node)]
        assert np.cumsum(changes) * 10.0**exponent == pytest.approx(wanted, abs=0.0006)
    plain = data_of(replay(make_episode(14, 24), tmp_path / "dc.html"))
    assert plain["band"] == []
    assert not {"voltage", "loss", "carried"} & plain["runs"][0].keys()


@pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}, to be found on the PATH")
def test_the_page_says_voltage_loading_and_losses(episode, tmp_path):
    page = replay(episode, tmp_path / "replay.html")
    choose = """const list = document.getElementById("choose"), time = document.getElementById("time");
        list.value = arguments[0]; list.dispatchEvent(new Event("change"));
        time.value = arguments[1]; time.dispatchEvent(new Event("input"));
        return document.body.innerText"""
    with browser(tmp_path) as window:
        window.open(page)
        said = window.run(choose, "node 9", 3)
        assert re.search(rf"voltage\s+{episode.voltage_pu[3, 9]:.3f} pu", said)
        assert "Voltage (pu)" in said
        assert re.search(r"MW\s+losses", said)
        assert "ring: voltage, 0.95 to 1.05 pu" in said
        assert re.search(r"voltage\s+none: dark or collapsed", window.run(choose, "node 2", 6))
        assert re.search(r"apparent power\s+[\d.,]+ MVA\s+capacity\s+[\d.,]+ MVA", window.run(choose, "line 1", 3))
        assert window.log() == []
