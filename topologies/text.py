"""Reading files that others wrote: regular ones only, bounded in size, and never half understood."""

from __future__ import annotations

import os
import stat
from math import nan
from pathlib import Path

from grid import GridError

LARGEST_BYTES = 50_000_000
BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16 or UTF-32", b"\xfe\xff": "UTF-16"}


def read_bytes(path: str | Path, what: str) -> bytes:
    """Return the whole file.

    Links are followed; a pipe or a device is never waited for.

    Raises:
        GridError: it is missing, no regular file, unreadable or above 50 MB.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise GridError(str(path), _kind(mode), f"a regular file: {what}", "check the path")
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise GridError(str(path), "no such file", what, "check the path") from None
    except GridError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        found = getattr(error, "strerror", None) or str(error)
        raise GridError(repr(path) if "\0" in str(path) else str(path), found, what, "check the path") from None
    if len(raw) > LARGEST_BYTES:
        raise GridError(str(path), "more than 50 MB", "at most 50 MB", "give a smaller file")
    return raw


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((word for is_kind, word in kinds if is_kind(mode)), "a device")


def read_text(path: str | Path, what: str) -> str:
    """Return the whole file as text; line ends become ``\\n``.

    Raises:
        GridError: what ``read_bytes`` refuses, or a file that is not UTF-8.
    """
    raw = read_bytes(path, what)
    mend = "save the file as UTF-8"
    if raw[:2] in BYTE_ORDER_MARKS:
        raise GridError(str(path), f"text in {BYTE_ORDER_MARKS[raw[:2]]}", "text in UTF-8", mend)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise GridError(f"{path}, line {line}", f"the byte 0x{raw[error.start]:02x}", "text in UTF-8", mend) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_number(text: str) -> float:
    """The number that a text stands for; NaN where it is none, as 1_0, which Python reads as 10."""
    try:
        return float(text) if "_" not in text else nan
    except ValueError:
        return nan
