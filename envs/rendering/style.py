"""Colours, shapes and words shared by all pictures; node colours: Okabe & Ito's, safe for the colour-blind."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import ceil, floor
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.font_manager import FontProperties, findfont, get_font

from envs.rendering.layout import Floats
from grid import TERMS, Episode

SIZE = (1280, 800)  # pixels of a picture; lengths in this package are pixels of a picture of this size
GIF_SIZE = (800, 500)
LEAST_MW = 1e-6  # less is a rounding of the solver
MARGIN, LEGEND_WIDTH, STRIP_HEIGHT = 36.0, 214.0, 104.0
FONT = "DejaVu Sans"  # comes with matplotlib

STYLE: dict[str, Any] = {
    "font.family": FONT,
    "hatch.linewidth": 0.7,
    "pdf.fonttype": 42,  # text stays text
    "svg.hashsalt": FONT,  # the same picture gives the same file
    "text.parse_math": False,  # names are shown as they are
}
"""What differs from matplotlib's defaults, for ``matplotlib.style.context``; the user's settings do not count."""

INK, MUTED, FAINT, RULE, PAPER = "#1B2733", "#5C6B7A", "#E4E9EE", "#B9C3CD", "#FFFFFF"
CURTAILED = TERMS["curtailment"].colour
ORANGE, GREEN, BLUE, VERMILION, GREY = "#E69F00", "#009E73", "#0072B2", "#D55E00", "#8794A1"
SERVED = "#C7DFEE"

LOADING = LinearSegmentedColormap.from_list("loading", ["#C3D1DF", "#9EB8D6", "#7F8FC4", "#6B4E9E", "#42145F"])
"""Colour of a line by loading 0..1; its luminance only falls."""
FULL = LOADING(1.0)
HALO = "#F3C9A9"  # around lines at capacity
AT_CAPACITY_FRAC = 0.95
VOLTAGE = LinearSegmentedColormap.from_list("voltage", ["#9C1458", "#D98FB4", "#DFE5EA", "#8FD3DA", "#1FA3B3"])
"""Colour of a bus by where in its band its voltage lies, 0 the lower end; low is darker than high."""
LOSS = "#A0755A"
DARK = "#1B2733"  # a bus without voltage
UNLIMITED = "#7C8894"  # lines without a capacity

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TICK_H = (1 / 60, 1 / 12, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672, 1344, 2688)
_TURN = np.linspace(0, 2 * np.pi, 32, endpoint=False)
CIRCLE: Floats = np.column_stack([np.cos(_TURN), np.sin(_TURN)])
TRIANGLE: Floats = np.array([(0.0, 1.12), (1.08, -0.78), (-1.08, -0.78)])
SQUARE: Floats = np.array([(-0.86, 0.94), (0.86, 0.94), (0.86, -0.94), (-0.86, -0.94)])
CROSS: Floats = 0.42 * np.array([[(-1.0, -1.0), (1.0, 1.0)], [(-1.0, 1.0), (1.0, -1.0)]])  # two strokes
CHEVRON: Floats = np.array([(-0.95, 1.05), (1.25, 0.0), (-0.95, -1.05), (-0.45, 0.0)])


@dataclass(frozen=True)
class Look:
    """Shape and colours of one kind of node."""

    shape: Floats
    colour: str  # of what is filled
    empty: str  # of what is not filled
    edge: str
    plural: str


LOOKS: dict[str, Look] = {
    "source": Look(TRIANGLE, ORANGE, "#FBE9C6", "#B77E00", "sources"),
    "storage": Look(SQUARE, GREEN, "#D5EFE7", "#00684C", "storages"),
    "consumer": Look(CIRCLE, BLUE, BLUE, PAPER, "consumers"),
    "junction": Look(CIRCLE, GREY, GREY, PAPER, "junctions"),
}
"""By the names in ``grid.KIND_NAMES``."""

EXACT: tuple[Any, ...] = tuple(
    dict.fromkeys(
        (
            *(PAPER, INK, MUTED, RULE, FAINT, HALO, SERVED, ORANGE, GREEN, BLUE, VERMILION, GREY),
            *(LOOKS[kind].empty for kind in ("source", "storage")),
            *(LOADING(part / 4) for part in range(5)),
            *(VOLTAGE(part / 4) for part in range(5)),
            *(term.colour for term in TERMS.values()),
        )
    )
)
"""Colours that pictures with few colours must keep."""


def tints(light: str, dark: str, count: int) -> Floats:
    """(count, 4) colours from light to dark, for parts of one whole."""
    return np.asarray(LinearSegmentedColormap.from_list("tints", [light, dark])(np.linspace(0, 1, count)))


def filled(shape: Floats, share: float) -> Floats:
    """The part of a convex shape that lies below the given share of its height, as a gauge."""
    low, high = float(shape[:, 1].min()), float(shape[:, 1].max())
    level = low + min(max(share, 0.0), 1.0) * (high - low)
    corners: list[tuple[float, float]] = []
    for (xa, ya), (xb, yb) in zip(shape.tolist(), np.roll(shape, -1, 0).tolist(), strict=True):
        if ya <= level:
            corners.append((xa, ya))
        if (ya - level) * (yb - level) < 0:
            corners.append((xa + (level - ya) / (yb - ya) * (xb - xa), level))
    return np.array(corners if len(corners) > 2 else [(0.0, low)] * 3)


def arc(share: float) -> Floats:
    """(points, 2) part of the unit circle, clockwise from the top."""
    angle = np.pi / 2 - 2 * np.pi * share * np.linspace(0, 1, max(3, int(40 * share)))
    return np.column_stack([np.cos(angle), np.sin(angle)])


@cache
def font(size: float, bold: bool = False) -> FontProperties:
    """The font of all texts; the size is in points."""
    return FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")


@cache
def _has_glyph(character: str) -> bool:
    return bool(get_font(findfont(font(10))).get_char_index(ord(character)))


def one_line(text: str) -> str:
    """The text on one line, without control characters or marks that change its direction."""
    return " ".join("".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text).split())


def literal(text: str, limit: int) -> str:
    """The text on one line, at most ``limit`` characters, with a stand-in for what the font cannot show."""
    line = "".join(c if _has_glyph(c) else "\N{REPLACEMENT CHARACTER}" for c in one_line(text))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def both_ends(text: str, limit: int) -> str:
    """The same, cut in its middle: names of lines tell them apart by both ends."""
    line = literal(text, len(text))
    half = (limit - 1) // 2
    return line if len(line) <= limit else f"{line[: limit - 1 - half].rstrip()}…{line[len(line) - half :].lstrip()}"


def loading_percent(loading_frac: float) -> str:
    """A line's loading in percent: above 100 wherever it is overloaded."""
    shown = round(100 * loading_frac)
    return f"{max(shown, 101) if loading_frac > 1 + 1e-6 else shown}%"


def number(value: float) -> str:
    """Readable in a few characters: 1.21M or 1,206 or 68 or 5.7 or 0.04."""
    size = abs(value)
    for unit, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if size >= unit:
            return f"{value / unit:.3g}{sign}".replace("-", "−")
    digits = 0 if size >= 99.5 or value == int(value) else 1 if size >= 9.95 else 2
    text = f"{value:,.{digits}f}".replace("-", "−")
    return text if text.strip("−0.") else "0"


def percent(part: float, whole: float) -> str:
    """Share in percent: 100% only where nothing is missing, – where there is nothing to share."""
    if whole <= 1e-9:
        return "–"
    share = part / whole
    return f"{share:.0%}" if share >= 1 - 1e-6 or share < 0.99 else f"{floor(1000 * share) / 10}%"


def frac(part: Floats, whole: Floats) -> Floats:
    """Part ÷ whole within 0..1; 0 where there is nothing of the whole."""
    ratio = np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 1e-9)
    return np.clip(ratio, 0.0, 1.0)


def clock(episode: Episode, steps: float) -> tuple[str, int]:
    """Time of day ``HH:MM`` and the day of the episode, counted from 1, after so many steps."""
    minutes = round((_first_hour(episode) + steps * episode.dt_h) * 60)
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}", minutes // 1440 + 1


def days(episode: Episode, steps: int) -> int:
    """On how many days the first so many steps fall."""
    return max(1, ceil((_first_hour(episode) + steps * episode.dt_h) / 24 - 1e-9))


def day_name(episode: Episode, day: int, weekday: bool = False) -> str:
    """A day of the episode, counted from 1: its number or, of dated series, its date."""
    if episode.start is None:
        return f"day {day}"
    date = datetime.fromisoformat(episode.start).date() + timedelta(days=day - 1)
    return f"{WEEKDAYS[date.weekday()]} " * weekday + f"{date.day} {MONTHS[date.month - 1]}"


def year_of(episode: Episode) -> str:
    """The year in which a dated episode starts, to stand before a step; else nothing."""
    return "" if episode.start is None else f"{datetime.fromisoformat(episode.start).year} · "


def time_of(episode: Episode, after: float, steps: int) -> str:
    """Time of day ``after`` so many steps, with the day where an episode of ``steps`` has more than one or a date."""
    time, day = clock(episode, after)
    has_day = days(episode, steps) > 1 or episode.start is not None
    return f"{day_name(episode, day, weekday=True)} · {time}" if has_day else time


def time_ticks(episode: Episode, steps: int, most: int) -> list[tuple[float, str]]:
    """About ``most`` round times of day within so many steps: (position in steps, label)."""
    hours, first = max(steps - 1, 1) * episode.dt_h, _first_hour(episode)
    spacing = next((h for h in _TICK_H if hours / h < most), hours)
    ticks = []
    for k in range(ceil(first / spacing - 1e-9), int((first + hours) / spacing + 1e-9) + 1):
        position = (k * spacing - first) / episode.dt_h
        time, day = clock(episode, position)
        midnight = time == "00:00" and days(episode, steps) > 1
        ticks.append((position, day_name(episode, day) if midnight else time))
    return ticks


def _first_hour(episode: Episode) -> float:
    return episode.start_hour % 24
