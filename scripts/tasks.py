"""``tasks``: the named decision problems on which results are compared."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from scripts.console import Console, pairs
from scripts.options import CommonJson


@dataclass(frozen=True, kw_only=True)
class Tasks(CommonJson):
    """List the tasks: grids to train and to test on, and the world that they are in.

    load-balancer train TASK trains on one; load-balancer evaluate RUN --task TASK tests on it.
    """

    def run(self, console: Console) -> None:
        """Print one entry a task, and what each world sets."""
        from envs import TASKS, WORLDS

        tasks = [(task.name, _text(task.train, task.test, task.episodes)) for task in TASKS.values()]
        worlds = [(name, _fields(fields)) for name, fields in WORLDS.items()]
        rows = [dataclasses.asdict(task) | {"episodes": task.episodes} for task in TASKS.values()]
        plain = {name: {key: _plain(value) for key, value in fields.items()} for name, fields in WORLDS.items()}
        console.result(["tasks:", *pairs(tasks), "", "worlds:", *pairs(worlds)], {"tasks": rows, "worlds": plain})


def _text(train: str, test: tuple[str, ...], episodes: int) -> str:
    if test == (train,):
        return f"{episodes} test episodes"
    return f"trained on {train}; {episodes} test episodes each of {', '.join(test)}"


def _fields(fields: dict[str, object]) -> str:
    parts = [f"{name} {_plain(value)}" for name, value in fields.items() if name != "prices"]
    prices = fields.get("prices")
    changed = _plain(prices) if prices is not None else {}
    parts += [f"{name} {value}" for name, value in (changed.items() if isinstance(changed, dict) else ())]
    return ", ".join(parts) or "all fields as they are by default"


def _plain(value: object) -> object:
    """A value for JSON; of prices, those that differ from their defaults."""
    if not dataclasses.is_dataclass(value):
        return value
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if getattr(value, f.name) != f.default}
