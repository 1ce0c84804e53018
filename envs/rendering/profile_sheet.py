"""profile_sheet: each time series of a file as a heat map of days and hours, as weeks, and as a duration curve."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from envs.rendering.figure import axes_in, write, written_figure
from envs.rendering.layout import Box, Floats
from envs.rendering.style import BLUE, FAINT, INK, MUTED, ORANGE, literal, number
from topologies import resample

MOST = 24
"""Series in one picture."""
MOST_H = 10 * 8760
"""Hours that are drawn; the rest is left out."""

HEAD, ROW, FOOT = 104, 132, 44  # pixels
PLOT_HEIGHT = 92
TEXT_LEFT, DAYS, WEEK, DURATION = 32, (236, 350), (640, 366), (1062, 186)  # left, and width of the plots
HEAT = LinearSegmentedColormap.from_list("heat", [FAINT, "#8CC4E8", BLUE, "#123B5D"])
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEK_H, HALF_YEAR_WEEKS = 168, 26


class Sheet(NamedTuple):
    """What is drawn: C series of R rows."""

    title: str
    note: str
    names: tuple[str, ...]  # (C,)
    notes: tuple[tuple[str, ...], ...]  # (C,) lines under each name
    values: Floats  # (R, C)
    dt_h: float
    start_hour: float  # hours from Monday 00:00 to the first row
    start: datetime | None  # local time of the first row, if it is known


def profile_sheet(sheet: Sheet, path: str | Path) -> Path:
    """Draw at most the first ``MOST`` series, one a row.

    Args:
        sheet: what to draw.
        path: the file to write (.png, .svg, .pdf).

    Raises:
        GridError: another suffix, or a path that cannot be written.
    """
    count = min(len(sheet.names), MOST)
    height = HEAD + count * ROW + FOOT
    values = sheet.values[: max(2, int(MOST_H / sheet.dt_h))]
    by_hour = resample(values, sheet.dt_h, 1.0)
    with written_figure(path, height) as figure:
        write(figure, TEXT_LEFT, 30, literal(sheet.title, 150), 16, INK, "bold")
        write(figure, TEXT_LEFT, 54, literal(sheet.note, 150), 9, MUTED)
        for left, text in (
            (DAYS[0], "every hour: days across, hours of the day upwards"),
            (WEEK[0], _weeks_title(sheet, len(by_hour))),
            (DURATION[0], "hours a year above"),
        ):
            write(figure, left, 86, text, 9, MUTED)
        for row in range(count):
            top = HEAD + row * ROW
            write(figure, TEXT_LEFT, top + 10, literal(sheet.names[row], 24), 11, INK, "bold")
            for line, text in enumerate(sheet.notes[row]):
                write(figure, TEXT_LEFT, top + 32 + 17 * line, literal(text, 34), 8.5, MUTED)
            boxes = [
                Box(left, height - top - PLOT_HEIGHT, width, PLOT_HEIGHT) for left, width in (DAYS, WEEK, DURATION)
            ]
            days, week, duration = (axes_in(figure, box) for box in boxes)
            peak, last = float(values[:, row].max()) or 1.0, row == count - 1
            _days(days, by_hour[:, row], sheet, peak, last)
            _weeks(week, by_hour[:, row], values[:, row], sheet, peak, last)
            _duration(duration, values[:, row], peak, last)
    return Path(path)


def _days(axes: Axes, by_hour: Floats, sheet: Sheet, peak: float, last: bool) -> None:
    """A heat map with one cell for each hour; high values are dark."""
    before = int(sheet.start_hour) % 24
    days = max(1, -(-(before + len(by_hour)) // 24))
    cells = np.full(days * 24, np.nan)
    cells[before : before + len(by_hour)] = by_hour
    axes.imshow(
        cells.reshape(days, 24).T, origin="lower", aspect="auto", cmap=HEAT, vmin=0, vmax=peak, extent=(0, days, 0, 24)
    )
    axes.grid(visible=False)
    axes.set_yticks([0, 12, 24], ["0 h", "12", "24"])
    if sheet.start is None or days < 60:
        axes.set_xticks([0, days], ["day 1", str(days)])
    else:
        first = sheet.start.replace(hour=0, minute=0, second=0, microsecond=0)
        dates = [first + timedelta(days=day) for day in range(days)]
        every = max(1, round(days / 30 / 6))
        months = [(day, date) for day, date in enumerate(dates) if date.day == 1 and (date.month - 1) % every == 0]
        axes.set_xticks([day for day, _ in months], [f"{date:%b}" for _, date in months])
    axes.tick_params(labelbottom=last, length=2)


def _weeks_title(sheet: Sheet, hours: int) -> str:
    weeks = _first_hours(sheet, hours)
    if not weeks:
        return "hour by hour"
    if sheet.start is None:
        return "the first week" + (", and one half a year later (orange)" if len(weeks) > 1 else "")
    dates = [f"{sheet.start + timedelta(hours=hour):%d %b}" for hour in weeks]
    return f"the week from {dates[0]}" + (f", and from {dates[1]} (orange)" if len(dates) > 1 else "")


def _first_hours(sheet: Sheet, hours: int) -> list[int]:
    """Hours from the start to one or two Mondays, half a year apart, with a whole week after them."""
    monday = round(-sheet.start_hour) % WEEK_H
    return [hour for hour in (monday, monday + HALF_YEAR_WEEKS * WEEK_H) if hour + WEEK_H <= hours]


def _weeks(axes: Axes, by_hour: Floats, values: Floats, sheet: Sheet, peak: float, last: bool) -> None:
    """One or two weeks, or, where there is none, all hours."""
    weeks = _first_hours(sheet, len(by_hour))
    if weeks:
        for hour, colour in zip(weeks, (BLUE, ORANGE), strict=False):
            axes.plot(np.arange(WEEK_H) + 0.5, by_hour[hour : hour + WEEK_H], color=colour, lw=1.1)
        axes.set_xticks([24 * day for day in range(7)], DAY_NAMES, ha="left")
        axes.set_xlim(0, WEEK_H)
    else:
        axes.plot((np.arange(len(values)) + 0.5) * sheet.dt_h, values, color=BLUE, lw=1.1)
        axes.set_xlim(0, len(values) * sheet.dt_h)
    _scale(axes, peak, last)


def _duration(axes: Axes, values: Floats, peak: float, last: bool) -> None:
    share = np.linspace(0, 1, 501)
    above = np.quantile(values, 1 - share)
    axes.fill_between(8760 * share, above, color=BLUE, alpha=0.25, lw=0)
    axes.plot(8760 * share, above, color=BLUE, lw=1.1)
    axes.set_xlim(0, 8760)
    axes.set_xticks([0, 4380, 8760], ["0", "4380", "8760 h"])
    _scale(axes, peak, last)


def _scale(axes: Axes, peak: float, last: bool) -> None:
    axes.set_ylim(0, 1.05 * peak)
    axes.set_yticks([0, peak / 2, peak], ["0", number(peak / 2), number(peak)])
    axes.tick_params(labelbottom=last, length=2)
    axes.spines[["top", "right"]].set_visible(False)
