"""The page that plays episodes: what is in the file. What it does in a browser: test_envs_replay_browser.py."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.rendering.page import replay
from envs.rendering.page.replay import DARK, LIGHT
from envs.rendering.page.wire import _packed, happened
from episodes import first_steps, make_episode
from grid.episode import IN_SERVICE, OUT, TRIPPED
from grid.errors import GridError

HOSTILE = "</script><script>hacked=1</script>\n\"'`<!--<img src=x onerror=hacked=2>&lt;\u2028\u202e${hacked=3}]]>"


def page(tmp_path, *episodes):
    return replay(episodes[0], tmp_path / "replay.html", *episodes[1:]).read_text("utf-8")


def parts(html):
    """What the first style, the data and the script of a page hold."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1]
    return (
        re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1],
        json.loads(data),
        re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1],
    )


def unpacked(packed, shape):
    values = np.zeros(shape)
    for column, (exponent, *changes) in packed.items():
        values[:, int(column)] = np.cumsum(changes) * 10.0**exponent
    return values


@pytest.mark.parametrize(("nodes", "most_kb"), [(3, 70), (14, 80), (118, 160), (190, 206)])
def test_pages_are_small(tmp_path, nodes, most_kb):
    assert len(page(tmp_path, make_episode(nodes, 48)).encode()) < 1000 * most_kb


def test_a_page_needs_nothing_but_itself(tmp_path):
    html = page(tmp_path, make_episode(14, 4))
    assert not re.search(r"https?:|\bsrc=|\bhref=|@import|url\(|\bon\w+=", html)


def test_the_content_policy_allows_what_is_in_the_page_and_nothing_else(tmp_path):
    html = page(tmp_path, make_episode(14, 4))
    style, _, script = parts(html)
    meta = re.search(r'<meta http-equiv="Content-Security-Policy" content="(.*?)">', html)
    policy = dict(rule.split(" ", 1) for rule in unescape(meta[1]).split("; "))

    def digest(text):
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert (policy["script-src"], policy["style-src"]) == (digest(script), digest(style))
    assert html.index(meta[0]) < html.index("<style>")


def test_hostile_names_stay_data(tmp_path):
    episode = make_episode(4, 3)
    names = (HOSTILE,) * 4
    html = page(tmp_path, replace(episode, node_names=names, grid_name=HOSTILE, policy=HOSTILE))
    assert html.count("<script") == html.count("</script") == 2
    assert "<img" not in html
    assert "\u2028" not in html
    _, data, _ = parts(html)
    shown = "</script><script>hacked=1</script> \"'`<!--<img src=x onerror=hacked=2>&lt; ${hacked=3}]]>"
    assert data["nodes"][0] == data["grid"] == data["policies"][0] == shown[:79] + "…"


def test_braces_in_names_are_not_filled_in(tmp_path):
    _, data, _ = parts(page(tmp_path, replace(make_episode(3, 2), grid_name="{{script}}")))
    assert data["grid"] == "{{script}}"


def test_the_same_episode_gives_the_same_page(tmp_path):
    assert page(tmp_path, make_episode(14, 6)) == page(tmp_path, make_episode(14, 6))


def test_numbers_are_right_to_a_thousandth_of_their_peak_and_flows_to_two(tmp_path):
    episode = make_episode(30, 24)
    _, data, _ = parts(page(tmp_path, episode))
    (run,) = data["runs"]
    true = {
        "output": episode.gen_mw - episode.spill_mw,
        "unserved": episode.shed_mw,
        "curtailed": episode.curtailed_mw,
        "discharge": episode.discharge_mw - episode.charge_mw,
        "stored": episode.store_mwh[1:],
        "flow": episode.flow_mw,
    }
    for name, values in true.items():
        shown = unpacked(run[name], values.shape)
        assert (np.abs(shown - values) <= (2e-3 if name == "flow" else 1e-3) * np.abs(values).max(0)).all(), name
    assert (np.abs(unpacked(data["demand"], episode.load_mw.shape) - episode.load_mw) <= 0.1).all()
    assert sum(run["cost"]) == pytest.approx(episode.cost, rel=1e-5)
    assert np.allclose(run["unserved_total"], episode.shed_mw.sum(1), rtol=1e-5)


@given(
    st.lists(st.floats(-2, 2), min_size=1, max_size=20),
    st.floats(0.01, 1e6),
    st.sampled_from([0.0, 1e-7, -1e-7, 1e-4, -1e-4]),
)
def test_rounding_makes_no_line_overloaded_and_none_relieved(shares, capacity, offset):
    flow = np.array([*shares, 1 + offset, -1 - offset])[:, None] * capacity
    limit = np.array([capacity])
    shown = unpacked(_packed(flow, limit), flow.shape)
    over = capacity * (1 + 1e-6)
    assert ((np.abs(flow) > over) == (np.abs(shown) > over)).all()


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_short_episodes_have_a_page(tmp_path, steps):
    _, data, _ = parts(page(tmp_path, first_steps(make_episode(14, 6), steps)))
    assert data["steps"] == steps
    assert len(data["runs"][0]["reward"]) == len(data["demand_total"]) == max(steps, 1)


def test_lines_without_a_capacity_are_told_apart(tmp_path):
    episode = make_episode(14, 3)
    episode.capacity_mw[0] = np.inf
    _, data, _ = parts(page(tmp_path, episode))
    assert data["capacity"][0] is None
    assert all(mw > 0 for mw in data["capacity"][1:])


def test_outages_are_in_the_page_where_they_occur(tmp_path):
    made = make_episode(14, 6)
    status = np.full(made.flow_mw.shape, IN_SERVICE)
    status[2:4, 0], status[3:, 5] = OUT, TRIPPED
    _, data, _ = parts(page(tmp_path, replace(made, line_status=status)))
    outage = unpacked(data["runs"][0]["outage"], status.shape)
    assert np.array_equal(outage, np.select([status == OUT, status == TRIPPED], [1, 2]))
    assert parts(page(tmp_path, made))[1]["runs"][0]["outage"] == {}


def test_parallel_lines_are_bent_apart(tmp_path):
    episode = make_episode(6, 3)
    episode.line_from[1], episode.line_to[1] = episode.line_to[0], episode.line_from[0]
    _, data, _ = parts(page(tmp_path, episode))
    for view in data["views"]:
        one, other = view["bend"]["0"], view["bend"]["1"]
        assert np.hypot(one[0] - other[0], one[1] - other[1]) > 15


def test_nodes_keep_to_the_room_there_is(tmp_path):
    _, data, _ = parts(page(tmp_path, make_episode(60, 2)))
    for view in data["views"]:
        radius = np.array(data["look"]["radius"])
        for place, room in ((view["x"], view["width"]), (view["y"], view["height"])):
            assert (np.array(place) > radius).all()
            assert (np.array(place) < room - radius).all()


def test_dark_and_light_name_the_same_colours():
    assert DARK.keys() == LIGHT.keys()
    assert all(re.fullmatch(r"#[0-9A-Fa-f]{6}", colour) for colour in (*DARK.values(), *LIGHT.values()))


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("name", ["ink", "muted", "vermilion", "blue", "other"])
def test_words_can_be_read(colours, name):
    """A contrast of at least 4.5 to 1 (WCAG 2 AA); 3.6 for the orange-red and 4.5 elsewhere."""

    def luminance(hex_colour):
        parts = np.array([int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(colours[name]), luminance(colours["paper"])))
    assert (high + 0.05) / (low + 0.05) >= (3.6 if name == "vermilion" else 4.5)


# --- errors -------------------------------------------------------------------------------------------------------


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(GridError, match=r"replay\.htm: found the suffix '\.htm'; allowed: \.html; end the file name"):
        replay(make_episode(4, 2), tmp_path / "replay.htm")


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GridError, match=r"replay\.html: found .*; allowed: a path that can be written"):
        replay(make_episode(4, 2), tmp_path / "file" / "replay.html")


def test_values_that_are_not_finite_are_refused_and_the_old_page_stays(tmp_path):
    episode = make_episode(4, 2)
    before = page(tmp_path, episode)
    episode.flow_mw[1, 0] = np.nan
    with pytest.raises(GridError, match="episode of 'merit': found values that are not finite in flow_mw; allowed"):
        replay(episode, tmp_path / "replay.html")
    assert (tmp_path / "replay.html").read_text("utf-8") == before


def test_policies_are_compared_on_the_same_grid_only(tmp_path):
    with pytest.raises(GridError, match="versus: found an episode of 'random 5'; allowed: one of 'random 4'"):
        replay(make_episode(4, 2), tmp_path / "replay.html", versus=make_episode(5, 2))


@pytest.mark.parametrize("change", ["demand", "hours", "length"])
def test_policies_are_compared_in_the_same_episode_only(tmp_path, change):
    episode = make_episode(4, 3)
    other = {
        "demand": replace(episode, load_mw=episode.load_mw * 1.01),
        "hours": replace(episode, start_hour=5.0),
        "length": first_steps(episode, 2),
    }[change]
    with pytest.raises(GridError, match="found another episode of 'random 4'; allowed: the same hours, demand and"):
        replay(episode, tmp_path / "replay.html", versus=other)


def test_plants_that_are_off_are_in_the_page_where_there_are_such_plants(tmp_path):
    made = make_episode(14, 6)
    on = np.ones_like(made.gen_mw)
    on[2:4, 0] = 0
    _, data, _ = parts(page(tmp_path, replace(made, on=on)))
    assert np.array_equal(unpacked(data["runs"][0]["off"], on.shape), 1 - on)
    assert "off" not in parts(page(tmp_path, made))[1]["runs"][0]
    since = happened([replace(made, on=on)], 3)["runs"][0]["off"]
    assert np.array_equal(unpacked(since, on[3:].shape), 1 - on[3:])
