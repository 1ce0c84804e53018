"""Plots of two policies in the same episode, left and right, on the same scales."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from envs.rendering import panels
from envs.rendering.layout import Box
from envs.rendering.style import SIZE, literal, time_ticks
from grid import Episode

COLUMNS = ((86.0, 410.0), (706.0, 386.0))  # left and width
_POLICY_CHARACTERS = 14


def pair_boxes(bottom: float, height: float) -> list[Box]:
    """Where two plots of a row are."""
    return [Box(left, bottom, width, height) for left, width in COLUMNS]


def draw_pair(figure: Figure, shown: Episode, other: Episode, boxes: list[Box], draw: Callable[..., None]) -> None:
    """Draw one of the ``panels`` for each; sources have the order and colours of the other one on both sides."""
    sides = []
    for episode, box in zip((shown, other), boxes, strict=True):
        before = len(figure.axes)
        share = box.left / SIZE[0], box.bottom / SIZE[1], box.width / SIZE[0], box.height / SIZE[1]
        axes = figure.add_axes(share, xlim=(0, episode.steps))
        ticks = time_ticks(episode, episode.steps + 1, 7)
        axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])
        if draw is panels.generation:
            panels.generation(axes, episode, like=other)
        else:
            draw(axes, episode)
        title = axes.get_title(loc="left").lower().replace("mw", "MW")
        axes.set_title(f"{literal(episode.policy, _POLICY_CHARACTERS)}: {title}")
        sides.append(figure.axes[before:])
    for pair in zip(*sides, strict=True):
        _share_scale(pair)


def _share_scale(pair: tuple[Axes, ...]) -> None:
    limits = [axes.get_ylim() for axes in pair]
    for axes in pair:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
