"""A picture in memory: a background, artists drawn over it, and texts from a cache of rasterised texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import Collection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import Stroke
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from envs.rendering.style import PAPER, SIZE, font, literal

Image: TypeAlias = NDArray[np.uint8]  # (height, width, 3 or 4)
Align: TypeAlias = Literal["left", "center", "right"]

_DPI = 100
_MAX_SPRITES = 3000
_HALO_PX = 2
_renderer: Any = RendererAgg  # matplotlib has no types for it


@cache
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width, in pixels of a 1280 x 800 picture, of a text whose size is in points."""
    width, _, _ = _renderer(1, 1, _DPI).get_text_width_height_descent(text, font(size, bold), ismath=False)
    return float(width)


def fit(text: str, width: float, size: float, bold: bool = False) -> str:
    """The text as it can be shown on one line, cut to a width in pixels of a 1280 x 800 picture."""
    line = shown = literal(text, 200)
    while line and text_width(shown, size, bold) > width:
        line = line[:-1].rstrip()
        shown = line + "…"
    return shown


@dataclass(frozen=True)
class _Sprite:
    """A rasterised text, ready to be blended: picture = (picture · keep + paint) ÷ 255."""

    keep: NDArray[np.uint16]  # (h, w, 1)
    paint: NDArray[np.uint16]  # (h, w, 3)
    margin: int  # pixels left of the text
    rise: int  # pixels from the top edge down to the baseline


class Canvas:
    """Draws in lengths of a 1280 x 800 picture, y upwards, whatever the true size in pixels.

    ``width`` and ``height`` are the size in those lengths: one of them is that of 1280 x 800, the other at least that.
    """

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        self.scale = min(size[0] / SIZE[0], size[1] / SIZE[1])
        self.width, self.height = size[0] / self.scale, size[1] / self.scale
        dpi = _DPI * self.scale
        self.figure = figure = Figure(figsize=(size[0] / dpi, size[1] / dpi), dpi=dpi)
        self._axes = figure.add_axes((0, 0, 1, 1), frameon=False, xlim=(0, self.width), ylim=(0, self.height))
        self._renderer = _renderer(*size, dpi)
        self._pixels: Image = np.asarray(self._renderer.buffer_rgba())
        self._sprites: dict[tuple[str, float, str, bool, bool], _Sprite] = {}
        self._pixels[...] = [round(255 * part) for part in (*to_rgb(PAPER), 1.0)]
        self._kept = self._pixels.copy()

    def add(self, collection: Collection) -> None:
        """Make a collection of shapes part of the picture; it is drawn by :meth:`draw`."""
        self._axes.add_collection(collection, autolim=False)

    def draw(self, *artists: Artist) -> None:
        """Draw artists over what is there."""
        for artist in artists:
            artist.draw(self._renderer)

    def stamp(self, *collections: Collection) -> None:
        """Draw collections once; the canvas does not hold on to them."""
        for collection in collections:
            self.add(collection)
            self.draw(collection)
            collection.remove()

    def keep(self) -> Image:
        """Make what is drawn now the background; returns it for :meth:`restore`."""
        self._kept = self._pixels.copy()
        return self._kept

    def restore(self, background: Image | None = None) -> None:
        """Go back to the background kept last, or to the given one."""
        np.copyto(self._pixels, self._kept if background is None else background)

    def image(self) -> Image:
        """(H, W, 3) copy of the picture."""
        copy = np.empty((*self._pixels.shape[:2], 3), np.uint8)
        for channel in range(3):  # six times faster than a copy of the slice
            copy[..., channel] = self._pixels[..., channel]
        return copy

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        bold: bool = False,
        align: Align = "left",
        halo: bool = False,
    ) -> None:
        """Write a text; ``y`` is the middle of its capitals, ``halo`` sets it off from what is behind."""
        if not text:
            return
        key = (text, size, colour, bold, halo)
        if key not in self._sprites:
            if len(self._sprites) >= _MAX_SPRITES:
                self._sprites.clear()
            self._sprites[key] = self._sprite(*key)
        sprite = self._sprites[key]
        rows, columns = sprite.keep.shape[:2]
        back = {"left": 0.0, "center": 0.5, "right": 1.0}[align] * (columns - 2 * sprite.margin)
        left = round(x * self.scale - back) - sprite.margin
        baseline = (self.height - y) * self.scale + 0.365 * size * _DPI * self.scale / 72
        top, (height, width) = round(baseline) - sprite.rise, self._pixels.shape[:2]
        y0, y1, x0, x1 = max(top, 0), min(top + rows, height), max(left, 0), min(left + columns, width)
        if y0 < y1 and x0 < x1:
            part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
            under = self._pixels[y0:y1, x0:x1, :3]
            under[...] = (under * sprite.keep[part] + sprite.paint[part]) // 255

    def _sprite(self, text: str, size: float, colour: str, bold: bool, halo: bool) -> _Sprite:
        properties = font(size, bold)
        width, height, descent = self._renderer.get_text_width_height_descent(text, properties, ismath=False)
        margin = ceil((_HALO_PX + 1) * self.scale)
        rise = margin + ceil(height - descent)
        scratch = _renderer(ceil(width) + 2 * margin, rise + ceil(descent) + margin, _DPI * self.scale)
        pen = scratch.new_gc()
        pen.set_foreground("black")
        scratch.draw_text(pen, margin, rise, text, properties, 0, ismath=False)
        ink = np.asarray(scratch.buffer_rgba())[..., 3:].astype(np.uint16)
        around = maximum_filter(ink, size=(*[2 * round(_HALO_PX * self.scale) + 1] * 2, 1)) if halo else ink
        rgb, paper = (np.round(255 * np.array(to_rgb(c))).astype(np.uint16) for c in (colour, PAPER))
        paint = (rgb * ink + paper * (around - ink)).astype(np.uint16)
        return _Sprite(keep=255 - around, paint=paint, margin=margin, rise=rise)


class VectorCanvas(Canvas):
    """A canvas for one picture that stays shapes and texts: each is kept over what was drawn before it."""

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        super().__init__(size)
        self._order = count()

    def draw(self, *artists: Artist) -> None:
        """Put artists over what is there."""
        for artist in artists:
            artist.set_zorder(next(self._order))

    def stamp(self, *collections: Collection) -> None:
        """Put collections over what is there."""
        for collection in collections:
            self.add(collection)
            self.draw(collection)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        bold: bool = False,
        align: Align = "left",
        halo: bool = False,
    ) -> None:
        """Write a text; ``y`` is the middle of its capitals, ``halo`` sets it off from what is behind."""
        options: dict[str, Any] = {"color": colour, "ha": align, "va": "baseline", "fontproperties": font(size, bold)}
        layers = [[Stroke(linewidth=2 * _HALO_PX * 72 / _DPI, foreground=PAPER)], []] if halo else [[]]
        for effects in layers:  # what has an effect is no text any more
            place = x, y - 0.365 * size * _DPI / 72
            order = next(self._order)
            self._axes.text(*place, text, parse_math=False, path_effects=effects, zorder=order, **options)

    def save(self, path: Path, metadata: dict[str, Any]) -> None:
        """Write the file; its suffix says what."""
        self.figure.savefig(path, dpi=_DPI, metadata=metadata)
