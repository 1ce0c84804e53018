"""Two policies in the same episode, side by side: the grid at work, and its sums over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from envs.rendering import grid_state, sim_results
from envs.rendering.sim_results import SimResultsRenderer
from envs.rendering.style import number
from envs.rendering.versus import VersusRenderer
from episodes import first_steps, make_episode, without
from grid.errors import GridError
from test_envs_labels import written  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def episode():
    made = make_episode(14, 24)
    return replace(made, shed_mw=0.3 * made.load_mw, served_mw=0.7 * made.load_mw)


@pytest.fixture(scope="module")
def better(episode):
    halved = {name: term / 2 for name, term in episode.costs.items()}
    nothing = np.zeros_like(episode.shed_mw)
    return replace(episode, policy="better", costs=halved, served_mw=episode.load_mw, shed_mw=nothing)


def cost(episode, step):
    return sum(float(term[: step + 1].sum()) for term in episode.costs.values())


def test_each_side_says_what_its_policy_does(episode, better, written):  # noqa: F811
    renderer = VersusRenderer(episode, better)
    written.clear()
    image = renderer.frame(19)
    assert image.shape == (800, 1600, 3)
    place = {text: x for x, _, text, size, _ in written if size == 15}
    for one in (episode, better):
        assert {one.policy, number(cost(one, 19)), f"{number(float(one.shed_mw[19].sum()))} MW"} <= set(place)
    left, right = place[number(cost(episode, 19))], place[number(cost(better, 19))]
    assert place[episode.policy] < left < place["better"] < right


def test_the_sides_differ_where_the_policies_do_and_nowhere_else(episode, better):
    image = VersusRenderer(episode, better).frame(19)
    width = int(VersusRenderer(episode, better)._boxes[1].left - 36)
    network = np.s_[170:590, 30:600]
    assert (image[network] != image[170:590, 30 + width : 600 + width]).any()  # unserved demand, on the left alone
    twice = VersusRenderer(episode, replace(episode, policy="same")).frame(19)
    assert np.array_equal(twice[network], twice[170:590, 30 + width : 600 + width])


def test_what_is_saved_is_the_difference_of_the_costs(episode, better):
    *_, saved = VersusRenderer(episode, better)._plots()
    assert saved.title == "Saved by better so far"
    assert saved.lines[0][0][-1] == pytest.approx(episode.cost - better.cost)


UNUSUAL = {  # the episode, the words that only it has, and those it lacks
    "no storage": (lambda e: without(e, "storage"), {"step 1 / 24"}, {"Storage (% charge)", "storage"}),
    "one step": (lambda e: first_steps(e, 1), {"step 1 / 1", "Storage (% charge)"}, {"step 0 / 1"}),
    "no steps": (lambda e: first_steps(e, 0), {"step 0 / 1", "Storage (% charge)"}, {"step 1 / 1"}),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_pairs_have_both_networks_and_their_words(episode, case, written):  # noqa: F811
    make, there, missing = UNUSUAL[case]
    one = make(episode)
    renderer = VersusRenderer(one, replace(one, policy="other"))
    left, right = (frame_part(renderer, box) for box in renderer._boxes)
    assert np.array_equal(left, right)
    assert len(np.unique(left.reshape(-1, 3), axis=0)) > 20
    said = {text for _, _, text, _, _ in written}
    assert {"Saved by other so far", "other", episode.policy, *there} <= said
    assert not missing & said


def frame_part(renderer, box):
    """The pixels of a box, a little into the second step."""
    top, left = round(800 - box.bottom - box.height), round(box.left)
    return renderer.frame(0.5)[top : top + round(box.height), left : left + round(box.width)]


def test_results_of_two_are_revealed_from_left_to_right(episode, better):
    renderer = SimResultsRenderer(episode, versus=better)
    early, late = renderer.frame(2), renderer.frame(23)
    changed = (early != late).any(2)
    for left, right in ((86, 496), (706, 1092)):
        done = left + (right - left) * 3 // 24
        assert not changed[120:740, left + 2 : done - 2].any()
        assert changed[120:740, done + 2 : right].any()


def test_results_of_two_say_what_each_costs(episode, better, written):  # noqa: F811
    renderer = SimResultsRenderer(episode, versus=better)
    renderer.frame(9)
    said = [text for _, _, text, _, _ in written]
    assert f"policies: {episode.policy}, better" in said
    assert {number(cost(episode, 9)), number(cost(better, 9)), number(cost(better, 9) - cost(episode, 9))} <= set(said)


@pytest.mark.parametrize("suffix", [".gif", ".png"])
@pytest.mark.parametrize("draw", [grid_state, sim_results])
def test_files_of_two_can_be_opened(episode, better, tmp_path, draw, suffix):
    few = first_steps(episode, 3)
    path = draw(few, tmp_path / f"pair{suffix}", versus=replace(few, policy="other"))
    with Image.open(path) as picture:
        assert (getattr(picture, "n_frames", 1) > 1) is (suffix == ".gif")


@pytest.mark.parametrize("draw", [grid_state, sim_results])
def test_different_episodes_are_refused(episode, tmp_path, draw):
    other = replace(episode, load_mw=episode.load_mw + 1)
    with pytest.raises(GridError, match=r"versus: found another episode of .*; allowed: the same hours, demand and"):
        draw(episode, tmp_path / "pair.png", versus=other)
    assert not list(tmp_path.iterdir())
