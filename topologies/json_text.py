"""JSON that others wrote: bounded before it is parsed, and every fault of the whole text in one report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import inf, isfinite
from typing import Any

from grid import Fault, Faults, GridError

MOST_OBJECTS = 500_000  # objects and lists
MOST_VALUES = 3_000_000
LONGEST_INTEGER = 300  # digits; longer ones have no place in a float

TYPE_WORDS = {dict: "an object", list: "a list", str: "a text", type(None): "nothing"}


class _Doubled(dict[str, Any]):
    """An object in which a field stands twice."""

    double: str


def parse(path: str, text: str) -> tuple[Any, list[Fault]]:
    """Parse a text that may be hostile; ``path`` is its place, for the messages.

    Returns:
        The data, with NaN and infinities as floats, and the faults of the text: fields that stand twice, numbers that
        are not finite.

    Raises:
        GridError: text that is no JSON, nested too deeply or too large, or with too many faults.
    """
    for marks, most, what in ((("{", "["), MOST_OBJECTS, "objects and lists"), ((",",), MOST_VALUES, "values")):
        count = sum(map(text.count, marks))
        if count > most:
            raise GridError(path, f"up to {count:,} {what}", f"at most {most:,}", "give a smaller file")
    odd = False

    def constant(name: str) -> float:
        nonlocal odd
        odd = True
        return float(name)

    def number(digits: str) -> float:
        value = float(digits)
        return value if isfinite(value) else constant(digits)

    def whole(digits: str) -> float:
        return int(digits) if len(digits) <= LONGEST_INTEGER else constant("-inf" if digits[0] == "-" else "inf")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal odd
        fields = dict(pairs)
        if len(fields) == len(pairs):
            return fields
        odd = True
        keys, doubled = set(), _Doubled(fields)
        doubled.double = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
        return doubled

    try:
        data = json.loads(text, parse_constant=constant, parse_float=number, parse_int=whole, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        found = "the end of the file" if error.pos >= len(text.rstrip()) else error.msg
        raise GridError(where, found, "one JSON object", "correct the file; it may have been cut off") from None
    except RecursionError:
        raise GridError(path, "brackets nested too deeply", "a graph in node-link JSON", "correct it") from None
    faults = Faults()
    for fault in _faults(path, data) if odd else ():
        faults.add(fault)
    return data, faults.found


def _faults(path: str, data: Any) -> Iterator[Fault]:
    """The faults of a text in the order in which they stand."""
    keys: list[str | int] = []  # where we are
    levels: list[Iterator[tuple[str | int, Any]]] = [iter((("", data),))]
    while levels:
        key, value = next(levels[-1], (None, None))
        if key is None:
            levels.pop()
            del keys[-1:]
            continue
        if isinstance(value, _Doubled):
            found = f"the field {value.double!r} twice in one object"
            yield Fault(_place(path, [*keys, key]), found, "each field once", "remove one")
        if isinstance(value, dict | list):
            keys.append(key)
            levels.append(iter(value.items() if isinstance(value, dict) else enumerate(value)))
        elif isinstance(value, float) and not isfinite(value):
            mend = "leave the field out where there is no value or no limit"
            found = "an infinite number" if abs(value) == inf else "NaN"
            yield Fault(_place(path, [*keys, key]), found, "finite numbers", mend)


def _place(path: str, keys: list[str | int]) -> str:
    """Words like ``nodes[3].load_max_mw``."""
    words = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys[1:]]
    return f"{path}: {''.join(words).removeprefix('.')}" if words else path


def word(value: Any) -> str:
    """What a value is, in words; numbers, true and false as they are."""
    return TYPE_WORDS.get(type(value)) or json.dumps(value)
