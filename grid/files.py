"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grid.errors import GridError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PARTIAL = ".partial-"  # in the name of every temporary file


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Give a temporary path beside the target; on success sync it and rename it over the target.

    The temporary file keeps the target's suffix, so writers that go by it work. On any error it is removed.

    Raises:
        GridError: the folder cannot be written or the disk is full; the message names the target.
    """
    path = Path(target)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.stem}{PARTIAL}{secrets.token_hex(4)}{path.suffix}")
        partial.touch(exist_ok=False)  # with the usual permissions, which a file of tempfile has not
        temporary = partial
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise _unwritable(path, reason) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_writable(target: str | Path) -> None:
    """Refuse, before any work, a path that ``atomic_path`` cannot write; leaves nothing behind.

    Raises:
        GridError: the path is a folder, or the folder that holds it, or is to hold it, cannot be written.
    """
    path = Path(target)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = next(each for each in path.absolute().parents if each.exists())
        with tempfile.NamedTemporaryFile(prefix=f".{path.stem}{PARTIAL}", suffix=path.suffix, dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, reason: OSError) -> GridError:
    mend = "free some space or choose another folder"
    return GridError(str(path), reason.strerror or str(reason), "a path that can be written", mend)


def _reason(error: BaseException | None) -> OSError | None:
    """The error itself, or the full disk behind it: libraries that tidy up after one may fail over that in turn."""
    if isinstance(error, OSError):
        return error
    while error is not None:
        error = error.__context__
        if isinstance(error, OSError) and error.errno in FULL:
            return error
    return None


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed writers have left in a folder that nobody writes to now."""
    for path in folder.glob(f".*{PARTIAL}*"):
        path.unlink(missing_ok=True)
