"""The plots of sim_results: each draws one side of an episode over time on its axes; ``draw_pair`` draws two episodes.

The time axis counts steps: powers and costs hold from one whole number to the next, stored energy runs from 0 to T.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from envs.rendering.figure import time_axes
from envs.rendering.layout import Box, Floats
from envs.rendering.playback import voltages
from envs.rendering.style import (
    BLUE,
    CURTAILED,
    DARK,
    GREEN,
    INK,
    LOSS,
    MUTED,
    PAPER,
    SERVED,
    VERMILION,
    VOLTAGE,
    frac,
    literal,
    tints,
)
from grid import OUT, TERMS, TRIPPED, Episode

MOST_PARTS = 7  # of a stack that are shown by name
_EDGE = 0.025  # of the height, for steps with lines out
_NAME_CHARACTERS = 15
_POLICY_CHARACTERS = 14
_COLUMNS = ((86.0, 410.0), (706.0, 386.0))  # left and width of the two plots of a row


class Part(NamedTuple):
    """One part of a stack."""

    name: str
    values: Floats  # (T,)
    colour: Any
    hatch: str | None = None


def demand(axes: Axes, episode: Episode) -> None:
    """Demand of the grid: served, curtailed and unserved."""
    axes.set_title("Demand (MW)")
    parts = [Part("served", episode.served_mw.sum(1), SERVED)]
    for name, missing_mw, colour in (
        ("demand cut", episode.curtailed_mw, CURTAILED),
        ("unserved", episode.shed_mw, VERMILION),
    ):
        if missing_mw.max(initial=0.0) > 1e-9:
            parts.append(Part(name, missing_mw.sum(1), colour, "////"))
    _stack(axes, parts)
    line = _outline(axes, episode.load_mw.sum(1), "demand")
    _limits(axes, 0.0, float(episode.load_mw.sum(1).max()))
    _key(axes, parts, [line, *_lines_out(axes, episode)])


def generation(axes: Axes, episode: Episode, like: Episode | None = None) -> None:
    """Output by source (the largest by name), discharge of storages, and the demand as a line.

    Sources have the order and colours of the episode ``like``, if there is one.
    """
    axes.set_title("Generation by source (MW)")
    given = episode.gen_mw - episode.spill_mw
    ranked = given if like is None else like.gen_mw - like.spill_mw
    makers = np.flatnonzero((episode.gen_max_mw > 0) | (given.max(0) > 1e-9))
    makers = makers[np.argsort(-ranked[:, makers].sum(0), kind="stable")]
    named = makers if len(makers) <= MOST_PARTS + 1 else makers[:MOST_PARTS]
    colours = tints("#7A4B00", "#FCE3A6", len(named) + 1)
    parts = [
        Part(literal(episode.node_names[n], _NAME_CHARACTERS), given[:, n], colour)
        for n, colour in zip(named.tolist(), colours[:-1], strict=True)
    ]
    if len(makers) > len(named):
        parts.append(Part(f"{len(makers) - len(named)} others", given[:, makers[len(named) :]].sum(1), colours[-1]))
    discharged = episode.discharge_mw.sum(1)
    if discharged.max() > 1e-9:
        parts.append(Part("from storage", discharged, GREEN))
    spilled = episode.spill_mw.sum(1)
    if spilled.max() > 1e-9:
        parts.append(Part("spilled", spilled, TERMS["spill"].colour, "////"))
    if not parts:
        _nothing(axes, "no sources")
        return
    _stack(axes, parts)
    line = _outline(axes, episode.load_mw.sum(1), "demand")
    total = np.sum([part.values for part in parts], axis=0)
    _limits(axes, 0.0, float(max(total.max(), episode.load_mw.sum(1).max())))
    _key(axes, parts, [line])


def storage(axes: Axes, episode: Episode) -> None:
    """Stored energy by unit; for many units, mean and range of the state of charge."""
    stores = np.flatnonzero(episode.store_max_mwh > 0)
    time = np.arange(episode.steps + 1)
    if len(stores) == 0:
        axes.set_title("Storage")
        _nothing(axes, "no storage")
        return
    if len(stores) > MOST_PARTS:
        axes.set_title("Storage (% charge)")
        charge = 100 * frac(episode.store_mwh[:, stores], np.tile(episode.store_max_mwh[stores], (len(time), 1)))
        band = axes.fill_between(time, charge.min(1), charge.max(1), color="#CBE9DF", lw=0, label="lowest to highest")
        (line,) = axes.plot(time, charge.mean(1), color=GREEN, lw=1.8, label=f"mean of {len(stores)}")
        _limits(axes, 0.0, 100.0)
        _key(axes, [], [line, band])
        return
    axes.set_title("Storage by unit (MWh)")
    parts, top = [], np.zeros(len(time))
    for unit, colour in zip(stores.tolist(), tints("#00563F", "#BFE6D8", len(stores)), strict=True):
        name = literal(episode.node_names[unit], _NAME_CHARACTERS)
        stored = episode.store_mwh[:, unit]
        axes.fill_between(time, top, top + stored, facecolor=colour, edgecolor=PAPER, lw=0.5)
        parts.append(Part(name, stored, colour))
        top = top + stored
    room = float(episode.store_max_mwh.sum())
    (line,) = axes.plot([0, episode.steps], [room, room], color=MUTED, lw=1.0, ls=(0, (4, 3)), label="capacity")
    _limits(axes, 0.0, room)
    _key(axes, parts, [line])


def cost(axes: Axes, episode: Episode) -> None:
    """Cost of each step by term (negative terms below 0), and the return so far on the right axis."""
    axes.set_title("Cost by term (currency per step)")
    parts = [
        Part(name.replace("_", " "), episode.costs[name], term.colour)
        for name, term in TERMS.items()
        if name in episode.costs and np.abs(episode.costs[name]).max() > 1e-9
    ]
    terms = np.array([part.values for part in parts]).reshape(len(parts), episode.steps)
    _stack(axes, [part._replace(values=np.maximum(part.values, 0)) for part in parts])
    _stack(axes, [part._replace(values=np.minimum(part.values, 0)) for part in parts])
    _limits(axes, float(np.minimum(terms, 0).sum(0).min()), float(np.maximum(terms, 0).sum(0).max()))
    right = axes.twinx()
    so_far = np.concatenate([[0.0], np.cumsum(episode.reward)])
    (line,) = right.plot(np.arange(episode.steps + 1), so_far, color=INK, lw=1.6, label="return (right)")
    right.grid(visible=False)
    _limits(right, float(so_far.min()), float(so_far.max()))
    _lines_out(axes, episode)  # which the key of the demand names
    _key(axes, parts, [line], place=1.115)


def voltage(axes: Axes, episode: Episode) -> None:
    """In AC: the lowest and highest voltage of all buses, those without voltage aside, and the limits.

    Where buses have different limits, the widest are drawn.
    """
    axes.set_title("Voltage (pu)")
    found = voltages(episode)
    lowest = np.where(found > 0, found, np.inf).min(1)
    highest = np.where(np.isfinite(lowest), found.max(1), np.nan)
    lowest = np.where(np.isfinite(lowest), lowest, np.nan)
    time = np.repeat(np.arange(episode.steps + 1), 2)[1:-1]  # both ends of each step: also of the last before a gap
    ends = (np.repeat(lowest, 2), np.repeat(highest, 2))
    others: list[Any] = [axes.fill_between(time, *ends, color=VOLTAGE(0.75), lw=0.8)]
    others[0].set_label("lowest to highest")
    limits = float(np.asarray(episode.voltage_min_pu).min()), float(np.asarray(episode.voltage_max_pu).max())
    alike = max(np.ptp(np.asarray(end)) for end in (episode.voltage_min_pu, episode.voltage_max_pu)) < 0.005
    label = "limits" if alike else "widest limits"
    for limit in limits:
        (line,) = axes.plot([0, episode.steps], [limit, limit], color=MUTED, lw=1.0, ls=(0, (4, 3)), label=label)
    low, high = np.nanmin([*lowest, *limits]), np.nanmax([*highest, *limits])
    axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    _key(axes, [], [*others, line, *_spans(axes, found.min(1) <= 0, "a bus is dark")])


def losses(axes: Axes, episode: Episode) -> None:
    """In AC: losses as a share of what is generated and discharged, and steps in which a part has no solution."""
    axes.set_title("Losses (% of generation)")
    made_mw = (episode.gen_mw - episode.spill_mw + episode.discharge_mw).sum(1)
    parts = [Part("losses", 100 * frac(np.asarray(episode.loss_mw), made_mw), LOSS)]
    _stack(axes, parts)
    _limits(axes, 0.0, float(parts[0].values.max()))
    _key(axes, [], _spans(axes, np.asarray(episode.collapsed) > 0, "collapsed"))


def _lines_out(axes: Axes, episode: Episode) -> list[Any]:
    """Steps with lines out of service, and with lines that have tripped, marked along the upper edge."""
    out, tripped = ((episode.line_status == status).any(1) for status in (OUT, TRIPPED))
    marked = _spans(axes, out, "line out", 1 - 2 * _EDGE, 1 - _EDGE, BLUE)
    return [*marked, *_spans(axes, tripped, "line tripped", 1 - _EDGE)]


def _spans(
    axes: Axes, where: NDArray[np.bool_], name: str, bottom: float = 0.0, top: float = 1.0, colour: Any = DARK
) -> list[Any]:
    """Steps (T,) marked over the full height, or from this part of it to that; without any, nothing."""
    if not where.any():
        return []
    time, height = np.arange(len(where) + 1), np.where(np.append(where, where[-1]), top, bottom)
    given = {"transform": axes.get_xaxis_transform(), "color": colour, "alpha": 0.75, "lw": 0, "label": name}
    return [axes.fill_between(time, bottom, height, step="post", **given)]


PANELS = (demand, generation, storage, cost)
AC_PANELS = (*PANELS, voltage, losses)


def pair_boxes(bottom: float, height: float) -> list[Box]:
    """Where two plots of a row are."""
    return [Box(left, bottom, width, height) for left, width in _COLUMNS]


def draw_pair(figure: Figure, shown: Episode, other: Episode, boxes: list[Box], draw: Callable[..., None]) -> None:
    """Draw one of the panels for each of two episodes, side by side, on the same scales.

    Sources have the order and colours of the other episode on both sides.
    """
    sides = []
    for episode, box in zip((shown, other), boxes, strict=True):
        before = len(figure.axes)
        axes = time_axes(figure, box, episode)
        draw(axes, episode, **({"like": other} if draw is generation else {}))
        title = axes.get_title(loc="left").lower().replace("mw", "MW")
        axes.set_title(f"{literal(episode.policy, _POLICY_CHARACTERS)}: {title}")
        sides.append(figure.axes[before:])
    for pair in zip(*sides, strict=True):
        limits = [axes.get_ylim() for axes in pair]
        for axes in pair:
            axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _held(values: Floats) -> Floats:
    """(T + 1,) values of steps with the last repeated, for drawing until the end of the last step."""
    return np.append(values, values[-1])


def _stack(axes: Axes, parts: Sequence[Part]) -> None:
    below = np.zeros(len(parts[0].values) + 1) if parts else np.zeros(0)
    time = np.arange(len(below))
    for part in parts:
        above = below + _held(part.values)
        rim = 0.4 if len(time) <= 200 or part.hatch else 0.0
        axes.fill_between(
            time, below, above, step="post", facecolor=part.colour, edgecolor=PAPER, lw=rim, hatch=part.hatch
        )
        below = above


def _outline(axes: Axes, values: Floats, name: str) -> Line2D:
    (line,) = axes.plot(
        np.arange(len(values) + 1), _held(values), drawstyle="steps-post", color=INK, lw=1.3, label=name
    )
    return line


def _limits(axes: Axes, low: float, high: float) -> None:
    span = high - low
    if span < 1e-9:
        low, high, span = min(low, 0.0), max(high, 1.0), 1.0
    axes.set_ylim(low - (0.04 * span if low < 0 else 0), high + 0.08 * span)


def _key(axes: Axes, parts: Sequence[Part], others: Sequence[Any], *, place: float = 1.015) -> None:
    """The key beside the axes, in the order of the stack."""
    patches = [Patch(facecolor=part.colour, edgecolor=PAPER, lw=0, hatch=part.hatch) for part in reversed(parts)]
    names = [*(str(other.get_label()) for other in others), *(part.name for part in reversed(parts))]
    key = axes.legend([*others, *patches], ["-"] * len(names), loc="upper left", bbox_to_anchor=(place, 1.02))
    for text, name in zip(key.get_texts(), names, strict=True):
        text.set_text(name)  # as a label, a name that starts with _ would be left out


def _nothing(axes: Axes, words: str) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=9)
