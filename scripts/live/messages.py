"""What a message may be: how many, how large, and of which kinds its fields."""

from __future__ import annotations

import math
import time
from typing import Any

from grid import GridError

Message = dict[str, Any]
LARGEST = 1e12  # in size, of a number


class Budget:
    """What a tab may send: so much at once, and so much a second."""

    def __init__(self, rate: float, most: float) -> None:
        self._rate, self._most, self._left, self._at = rate, most, most, time.monotonic()

    def take(self, amount: float) -> bool:
        """Whether there is so much left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate) - amount
        self._at = now
        return self._left >= 0


def text(message: Message, name: str, longest: int) -> str:
    """A text of a message.

    Raises:
        GridError: something else, or a longer one.
    """
    value = message.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise GridError(
            f"message: {name}", type(value).__name__, f"a text of at most {longest} characters", "correct it"
        )
    return value


def number(message: Message, name: str) -> float:
    """A finite number of a message.

    Raises:
        GridError: something else.
    """
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise GridError(f"message: {name}", repr(value)[:40], "a finite number", "correct it")
    return float(value)


def whole(message: Message, name: str) -> int:
    """A whole number from 0 on.

    Raises:
        GridError: something else.
    """
    value = number(message, name)
    if value != int(value) or not 0 <= value <= 2**53:
        raise GridError(f"message: {name}", f"{value:g}", "a whole number >= 0", "correct it")
    return int(value)


def finite(value: Any) -> Any:
    """The same with None for numbers that JSON cannot say."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
