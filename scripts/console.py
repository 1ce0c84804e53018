"""What the command line prints: plain aligned text, one JSON object, progress on a terminal, errors as one line."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

RED = "31"
BAR_WIDTH = 30
LINE_WIDTH = 100
REDRAW_S = 0.1
LINE_S = 60.0  # between two lines of progress where there is no terminal
EXIT_INTERRUPTED = 130
Report = Callable[[float, str], None]
"""Told how much is done by now, in the unit of the total, and what is being done."""


def one_line(text: str) -> str:
    """The text without line breaks and control characters, which would let a file's content forge lines."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def painted(text: str, code: str, stream: TextIO) -> str:
    """The text in a colour if the stream is a terminal and NO_COLOR is not set."""
    return f"\033[{code}m{text}\033[0m" if stream.isatty() and not os.environ.get("NO_COLOR") else text


def error(text: str) -> None:
    """One line on stderr."""
    print(painted("error:", RED, sys.stderr), one_line(text), file=sys.stderr)


def drop_stdout() -> None:
    """Let what is left in the buffer of stdout go nowhere, so that it raises no further error at the end."""
    with suppress(OSError, ValueError):  # where it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def on_stdout() -> Iterator[None]:
    """Name stdout where what is printed in the block cannot be written; a reader that leaves is no fault.

    Raises:
        GridError: the disk behind it is full, say.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        from grid import GridError

        drop_stdout()
        raise GridError("stdout", str(error.strerror), "an output that can be written", "send it elsewhere") from error


def amount(value: float) -> str:
    """A number in at most about ten characters: whole above 10,000, else four digits; ``-`` where there is none."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "unlimited"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours if there are any."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Aligned lines; the first ``left`` columns to the left, the others to the right, as numbers are."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        aligned = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        return "  ".join(aligned).rstrip()

    return [line(row) for row in cells]


def pairs(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Aligned lines of a name and its value; long values go on below their beginning."""
    width = max((len(name) for name, _ in rows), default=0)
    lines = []
    for name, value in rows:
        parts = textwrap.wrap(value, LINE_WIDTH - width - 2) or [""]
        lines += [
            f"{first.ljust(width)}  {part}" for first, part in zip([name, *[""] * (len(parts) - 1)], parts, strict=True)
        ]
    return lines


class Console:
    """Where a command's words go; with ``json`` the object of :meth:`result` alone reaches stdout."""

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = json, quiet
        self.out = sys.stdout

    def say(self, *lines: str) -> None:
        """Tell what is going on; silent with --quiet and --json."""
        if not (self.quiet or self.json):
            self._write(lines)

    def result(self, lines: Sequence[str], value: Any = None) -> None:
        """Print what the command was asked for: the lines, or with --json the value as one object."""
        self._write([json.dumps(plain(value), allow_nan=False)] if self.json else lines)

    def _write(self, lines: Sequence[str]) -> None:
        with on_stdout():
            for line in lines:
                print(line, file=self.out, flush=True)

    @contextmanager
    def progress(self, label: str, total: float) -> Iterator[Report]:
        """A bar with the remaining time on stderr, unless somebody asked for silence; no terminal: a line a minute."""
        if self.quiet or self.json or total <= 0:
            yield lambda done, what: None
            return
        bar = _Bar(label, total, sys.stderr.isatty())
        bar(0.0, "")
        try:
            yield bar
        finally:
            bar.clear()


class _Bar:
    def __init__(self, label: str, total: float, redraws: bool) -> None:
        self.label, self.total, self.redraws = label, total, redraws
        self.start_s = time.monotonic()
        self.drawn_s = -math.inf if redraws else self.start_s

    def __call__(self, done: float, what: str) -> None:
        now_s = time.monotonic()
        if now_s - self.drawn_s < (REDRAW_S if self.redraws else LINE_S):
            return
        self.drawn_s = now_s
        share = min(max(done / self.total, 0.0), 1.0)
        left = f"{duration((now_s - self.start_s) * (1 / share - 1))} left" if share else "starting"
        if not self.redraws:
            with suppress(OSError):  # nobody reads on, or the disk is full: no reason to end the work
                print(f"{self.label}: {share:.0%}, {left}  {what}".rstrip(), file=sys.stderr, flush=True)
            return
        full = round(share * BAR_WIDTH)
        bar = "#" * full + "." * (BAR_WIDTH - full)
        line = f"{self.label} [{bar}] {share:4.0%}  {left}  {what}"[: shutil.get_terminal_size().columns - 1]
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.redraws:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def plain(value: Any) -> Any:
    """The value with numpy numbers as Python's own, and null for what JSON cannot say."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
