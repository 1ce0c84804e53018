"""Libraries that turn other programs' networks into ours: optional, quiet, and never trusted with bad tables."""

from __future__ import annotations

import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import numpy as np

from grid import GridError

PANDAPOWER_PREFIX = "pandapower:"
"""Of the name of a network that comes with pandapower."""


@contextmanager
def library(module: str, name: str, where: str, extra: str = "") -> Iterator[Any]:
    """Give a library that an extra (absent: of its module's name) brings; nothing it does in the block prints or warns.

    Raises:
        GridError: the library is missing, or fails in the block with whatever it may; it names the file ``where``.
    """
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        loaded = importlib.import_module(module)
    except ImportError:
        logging.disable(level)
        mend = f"pip install load-balancer[{extra or module}]"
        raise GridError(where, f"a network of {name}", f"other formats, as {module} is not installed", mend) from None
    try:
        with (
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield loaded
    except (GridError, OSError):
        raise
    except Exception as error:  # on tables that are sound by themselves it may raise anything
        found = f"tables that {name} cannot use ({type(error).__name__}: {' '.join(str(error).split())[:150]})"
        mend = f"correct the network until {name}'s own power flow runs on it"
        raise GridError(where, found, f"a network that {name} can solve", mend) from error
    finally:
        logging.disable(level)
