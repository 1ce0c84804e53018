"""comparison: all policies and figures are in the picture, both days have the same colours and scales."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from envs.rendering.comparison import comparison
from episodes import make_episode
from grid import GridError

GAPS = {
    "random": (5.0, 4.0, 6.0),
    "merit": (0.30, 0.20, 0.45),
    "agent": (0.02, -0.01, 0.05),
    "optimum": (0.0, 0.0, 0.0),
}


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """The figure as it is saved."""
    kept = []
    save = Figure.savefig

    def keep(self, *words, **options):
        kept.append(self)
        return save(self, *words, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    shown = replace(make_episode(), policy="agent")
    sources = np.flatnonzero(shown.gen_max_mw)
    gen_mw = shown.gen_mw.copy()
    gen_mw[:, sources] = gen_mw[:, sources[np.argsort(gen_mw[:, sources].sum(0))[::-1]]]  # another order
    best = replace(shown, policy="optimum", gen_mw=gen_mw)
    comparison(GAPS, shown, best, tmp_path / "a.png", note="20 test episodes", highlight="agent")
    return kept[0]


def test_every_policy_has_a_bar_with_its_figures_and_the_agent_stands_out(figure):
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(GAPS)
    words = [text.get_text() for text in axes.texts]
    assert words == ["500   [400, 600]  ▸", "30   [20, 45]", "2   [−1, 5]", "0"]
    end = axes.get_xlim()[1]
    assert 45 < end < 100  # the bar that runs off the scale does not flatten the others
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [round(end, 6), 30, 2, 0]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[2] not in (colours[0], colours[1], colours[3])


def test_an_interval_below_0_is_on_the_scale(figure):
    assert figure.axes[0].get_xlim()[0] == -1


def test_both_days_show_24_h_on_the_same_scales_with_the_same_colours(figure):
    titles = [axes.get_title(loc="left") for axes in figure.axes[1:]]
    assert titles == [
        "agent: generation by source (MW)",
        "optimum: generation by source (MW)",
        "agent: storage by unit (MWh)",
        "optimum: storage by unit (MWh)",
    ]
    for left, right in (figure.axes[1:3], figure.axes[3:5]):
        assert left.get_xlim() == right.get_xlim() == (0, 24)
        assert left.get_ylim() == right.get_ylim()
        keys = []
        for axes in (left, right):
            key = axes.get_legend()
            patches = key.get_patches()
            names = [text.get_text() for text in key.get_texts()][-len(patches) :]
            keys.append({name: patch.get_facecolor() for name, patch in zip(names, patches, strict=True)})
        assert keys[0] == keys[1]
        assert len(keys[0]) > 1


@pytest.mark.parametrize("gaps", [{"optimum": (0, 0, 0)}, {"merit": (0.1, 0.1, 0.1), "optimum": (0, 0, 0)}])
def test_few_rows_and_short_episodes_can_be_drawn_in_the_promised_size(tmp_path, gaps):
    episode = make_episode(steps=3)
    path = comparison(gaps, episode, episode, tmp_path / "a.png")
    with Image.open(path) as picture:
        assert picture.size == (1280, 800)
        assert np.ptp(np.asarray(picture.convert("L"))) > 200


def test_what_cannot_be_compared_is_refused(tmp_path):
    episode = make_episode()
    with pytest.raises(GridError, match=r"the suffix '.gif'; allowed: .png, .svg, .pdf"):
        comparison(GAPS, episode, episode, tmp_path / "a.gif")
    with pytest.raises(GridError, match=r"comparison: found 48 steps of .* and 12 of .*; allowed: the same episode"):
        comparison(GAPS, episode, make_episode(steps=12), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
