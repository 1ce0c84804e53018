"""grid_state of two policies in the same episode, side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.style import context

from envs.rendering import header
from envs.rendering.canvas import Canvas, Image, fit, text_width
from envs.rendering.layout import Box, Floats
from envs.rendering.legend import draw_event_legend, draw_legend
from envs.rendering.network import Network
from envs.rendering.playback import Playback, check_same_episode, cost_by_step
from envs.rendering.strip import STORAGE_TITLE, Plot, Strip, demand_plot
from envs.rendering.style import INK, LEGEND_WIDTH, MARGIN, MUTED, STRIP_HEIGHT, STYLE
from envs.rendering.video import SECONDS_PER_STEP
from grid import Episode

PAIR_SIZE = (1600, 800)  # pixels; as in all pictures, lengths are those of one 800 high
PAIR_GIF_SIZE = (1000, 500)
GAP = 40.0
COLOURS = (INK, "#B0457F")  # of the two policies, as on the page
_HEADER, _DROP = 66.0, 24.0  # above each network: the header, and from its values down to their names


class VersusRenderer:
    """Pictures of two policies: both networks, the demand, the stored energy and the difference in cost.

    Args:
        episode: what is shown on the left.
        versus: what another policy did in the same episode.
        size: width and height in pixels, in the proportions of 1600 x 800.
        seconds_per_step: of the animation; sets how far chevrons move from step to step.

    Raises:
        GridError: the episodes are of different grids, hours, demand or availability.
    """

    def __init__(
        self,
        episode: Episode,
        versus: Episode,
        size: tuple[int, int] = PAIR_SIZE,
        *,
        seconds_per_step: float = SECONDS_PER_STEP,
        canvas: Canvas | None = None,
    ) -> None:
        check_same_episode(episode, versus)
        self._episodes, self._playbacks = (episode, versus), (Playback(episode), Playback(versus))
        self._seconds_per_step = seconds_per_step
        with context(["default", STYLE]):
            self._canvas = canvas = canvas or Canvas(size)
            bottom = 46 + STRIP_HEIGHT + 50
            width = (canvas.width - 2 * MARGIN - LEGEND_WIDTH - GAP) / 2
            height = canvas.height - 94 - _HEADER - bottom
            lefts = (MARGIN, MARGIN + width + GAP)
            self._boxes = [Box(left, bottom, width - 24, height) for left in lefts]
            self._networks = [Network(canvas, one, box) for one, box in zip(self._episodes, self._boxes, strict=True)]
            x = canvas.width - LEGEND_WIDTH
            end = draw_legend(canvas, self._networks[0], x, canvas.height - 100)
            draw_event_legend(canvas, self._networks[0], self._episodes, x, end)
            header.draw_title(canvas, episode, self._networks[0].kinds)
            strip = Box(MARGIN + 34, 46, canvas.width - 2 * MARGIN - 34, STRIP_HEIGHT)
            plots = self._plots()
            self._strip = Strip(canvas, strip, episode, max(episode.steps, 1), len(plots))
            for network in self._networks:
                network.draw_background()
            self._strip.draw_background(plots)
            self._figures: list[header.Figures] = [
                [
                    *header.served_figures(play.series),
                    *[header.plain("losses MW", play.series.loss_mw)] * one.is_ac,
                    header.plain("cost so far", np.cumsum(cost_by_step(one))),
                ]
                for one, play in zip(self._episodes, self._playbacks, strict=True)
            ]
            canvas.keep()

    def frame(self, t: float) -> Image:
        """(H, W, 3) uint8 picture ``t`` steps after the first finished step."""
        t = min(max(t, 0.0), float(self._playbacks[0].last))
        canvas = self._canvas
        canvas.restore()
        for network, playback in zip(self._networks, self._playbacks, strict=True):
            network.draw(playback.at(t), self._seconds_per_step)
        self._strip.draw_cursor(t)
        header.draw_time(canvas, self._episodes[0], t, max(self._episodes[0].steps, 1))
        for side in range(2):
            self._draw_header(side, int(t))
        return canvas.image()

    def _draw_header(self, side: int, now: int) -> None:
        """Above a network: policy, served share, unserved power and cost, after the step."""
        canvas, box, figures = self._canvas, self._boxes[side], self._figures[side]
        y = canvas.height - 112
        edges = header.right_edges(box.left + box.width, [(name, values) for name, values, _ in figures])
        header.draw_figures(canvas, figures, edges, now, y, _DROP)
        widest = max(text_width(value, header.VALUE_SIZE, True) for value in figures[0][1])
        name = fit(self._episodes[side].policy, edges[0] - widest - box.left - 24, header.VALUE_SIZE, bold=True)
        canvas.text(box.left, y, name, header.VALUE_SIZE, COLOURS[side], bold=True)
        canvas.text(box.left, y - _DROP, "policy", header.NAME_SIZE, MUTED)

    def _plots(self) -> list[Plot]:
        """Demand and what the left policy serves; mean state of charge of both; what the right policy saves."""
        left, right = (fit(one.policy, 130, 9) for one in self._episodes)
        plots = [replace(demand_plot(self._playbacks[0].series), title=f"Demand (MW) under {left}")]
        if self._playbacks[0].stored_frac.shape[1]:
            stored = [100 * play.series.stored_frac for play in self._playbacks]
            key = (f"— {right}", COLOURS[1]), (f"— {left}", COLOURS[0])
            plots.append(Plot(STORAGE_TITLE, key, tuple(zip(stored, COLOURS, strict=True)), 0.0, 104.0))
        saved: Floats = np.cumsum(cost_by_step(self._episodes[0])) - np.cumsum(cost_by_step(self._episodes[1]))
        low, high = min(0.0, float(saved.min())), max(0.0, float(saved.max()))
        margin = 0.06 * (high - low) or 1.0
        plots.append(Plot(f"Saved by {right} so far", (), ((saved, INK),), low - margin, high + margin))
        return plots
