"""Reading text files that others wrote: bounded in size, and never half understood."""

from __future__ import annotations

from pathlib import Path

from grid.errors import GridError

LARGEST_BYTES = 50_000_000


def read_text(path: str | Path, what: str) -> str:
    """Return the whole file as text; line ends become ``\\n``.

    Raises:
        GridError: it is missing, a folder, unreadable, above 50 MB or not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise GridError(str(path), "no such file", what, "check the path") from None
    except OSError as error:
        raise GridError(str(path), error.strerror or str(error), what, "check the path and its rights") from error
    if len(raw) > LARGEST_BYTES:
        raise GridError(str(path), "more than 50 MB", "at most 50 MB", "give a smaller file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        found = f"the byte 0x{raw[error.start]:02x}"
        raise GridError(f"{path}, line {line}", found, "text in UTF-8", "save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
