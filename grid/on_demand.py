"""Names of a package whose module is imported when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def on_demand(package: str, homes: dict[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package; ``homes``: names by their module, ``"own as name"`` where it has another."""
    place = {told.rpartition(" ")[2]: (module, told.partition(" ")[0]) for module in homes for told in homes[module]}

    def find(name: str) -> Any:
        if name not in place:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, own = place[name]
        return getattr(import_module(f"{package}.{module}"), own)

    return find
