"""The render modes of LoadBalancer: each shows the running episode in its own way."""

from __future__ import annotations

import os
import sys
from typing import Any

from envs.batch import GridBatch
from envs.recording import Recorder
from envs.rendering.grid_state import GridStateRenderer
from envs.rendering.style import WEEKDAYS

PAUSE_S = 0.25  # between two steps in a window: the render_fps of LoadBalancer


class Picture:
    """``rgb_array``: the network as an array (H, W, 3) uint8."""

    def __init__(self, batch: GridBatch) -> None:
        self._renderer: GridStateRenderer | None = None
        self._steps = batch.horizon

    def __call__(self, recorder: Recorder) -> Any:
        """The picture of the finished step; before the first, the idle grid."""
        episode = recorder.episode(0)
        if self._renderer is None:
            self._renderer = GridStateRenderer(episode, steps=self._steps)
        else:
            self._renderer.update(episode)
        return self._renderer.frame(max(episode.steps - 1, 0))

    def close(self) -> None:
        """Release the renderer."""
        self._renderer = None


class Line:
    """``ansi``: one line of text."""

    def __init__(self, batch: GridBatch) -> None:
        self._batch = batch

    def __call__(self, recorder: Recorder) -> str:
        """Time, demand, demand served, stored energy and reward."""
        last = self._batch.last
        if last is None or not recorder.steps:
            return f"step  0/{self._batch.horizon}  before the first step"
        arrays, width = self._batch.arrays, len(str(self._batch.horizon))
        hour = float(last.start_hour[0]) + last.t * last.inputs.dt_h
        demand, served = float(last.inputs.load_mw[0].sum()), float(last.outcome.served_mw[0].sum())
        stored, room = float(last.next_state.store_mwh[0].sum()), float(arrays.store_max_mwh.sum())
        share = f" ({stored / room:4.0%})" if room else ""
        return (
            f"step {last.t + 1:>{width}}/{self._batch.horizon}  {clock(hour)}  demand {demand:8.2f} MW  "
            f"served {served:8.2f} MW  stored {stored:8.2f} MWh{share}  reward {float(last.reward[0]):+.3f}"
        )

    def close(self) -> None:
        """Nothing is open."""


class Window:
    """``human``: the picture in a window; without a display, one line of text for each step."""

    def __init__(self, batch: GridBatch) -> None:
        self._picture, self._line = Picture(batch), Line(batch)
        self._shown: Any = None
        self._pyplot, why = _interactive_pyplot()
        if self._pyplot is None:
            sys.stdout.write(f"{why}: showing one line a step instead of a window.\n")

    def __call__(self, recorder: Recorder) -> None:
        """Show the finished step; nothing after the user has closed the window."""
        if self._pyplot is None:
            sys.stdout.write(self._line(recorder) + "\n")
            return
        if self._shown is not None and not self._pyplot.fignum_exists(self._shown.figure.number):
            return
        frame = self._picture(recorder)
        if self._shown is None:
            figure = self._pyplot.figure("load_balancer", figsize=(12.8, 8.0))
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
            self._shown = axes.imshow(frame)
        self._shown.set_data(frame)
        self._pyplot.pause(PAUSE_S)

    def close(self) -> None:
        """Close the window."""
        if self._shown is not None:
            self._pyplot.close(self._shown.figure)
            self._shown = None
        self._picture.close()


def clock(hour: float) -> str:
    """Hours since Monday 00:00 as a weekday and a time of day."""
    minutes = round(hour * 60)
    return f"{WEEKDAYS[minutes // 1440 % 7]} {minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _interactive_pyplot() -> tuple[Any, str]:
    """pyplot with a backend that can open windows; else None and the reason."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None, "No display found"
    import matplotlib
    from matplotlib import pyplot

    backend = str(matplotlib.get_backend())
    if backend.lower() in ("agg", "svg", "pdf", "ps", "cairo", "template"):
        return None, f"matplotlib opens no windows here (its backend is {backend}; tkinter or PyQt6 can open them)"
    return pyplot, ""


VIEWERS: dict[str, type[Picture | Line | Window]] = {"rgb_array": Picture, "human": Window, "ansi": Line}
