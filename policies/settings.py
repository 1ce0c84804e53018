"""Files of settings in TOML: what a training run writes, so that it can be made again, and commands read.

``grids`` lists the grids by name or path, ``[env]`` holds fields of EnvConfig and ``[train]`` of TrainConfig. What is
absent keeps its default, or what is run otherwise.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envs import EnvConfig
from grid import GridError, atomic_path, nearest
from policies.config import TrainConfig

SETTINGS = "run.toml"
PARTS: dict[str, type] = {"grids": list, "env": dict, "train": dict}
MEND = "correct the file, or see run.toml in the folder of a run"


def write_settings(path: Path, grids: Sequence[str], env: EnvConfig, train: TrainConfig) -> None:
    """Write a file of settings; paths of grids are looked for beside it first."""
    fields = {name: value for name, value in dataclasses.asdict(env).items() if name != "topology"}
    if env.split == EnvConfig.split:
        del fields["split"]  # of a training; what reads the file to evaluate has its own
    content = {"grids": list(grids), "env": fields, "train": dataclasses.asdict(train)}
    head = f"# load-balancer train --config {path.name} makes this run again; any option goes before what stands here\n"
    with atomic_path(path) as temporary:
        temporary.write_text(head + "\n".join(_lines(content)) + "\n", encoding="utf-8")


def read_settings(path: Path) -> dict[str, Any]:
    """The parts of a file of settings; paths of grids that lie beside it are made whole.

    Raises:
        GridError: no such file, no TOML, or a part that is not one of PARTS.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GridError(str(path), "no such file", "a file of settings in TOML", MEND) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise GridError(str(path), reason, "a file of settings in TOML", MEND) from error
    for name, value in content.items():
        if name not in PARTS:
            raise GridError(f"{path}: {name}", "an unknown part", ", ".join(PARTS), nearest(name, PARTS))
        if not isinstance(value, PARTS[name]):
            allowed = "a list of names and paths" if name == "grids" else f"a table, [{name}]"
            raise GridError(f"{path}: {name}", repr(value), allowed, MEND)
    if "topology" in content.get("env", {}):
        raise GridError(f"{path}: env.topology", "a grid", "grids, above [env]", "write it into grids")
    if not all(isinstance(name, str) for name in content.get("grids", [])):
        raise GridError(f"{path}: grids", repr(content["grids"]), "a list of names and paths", MEND)
    beside = [(name, path.parent / name) for name in content.get("grids", [])]
    content["grids"] = [str(place) if place.is_file() else name for name, place in beside]
    return content


def _lines(table: dict[str, Any], name: str = "") -> list[str]:
    """A table as lines of TOML, the tables in it after its own values; what is None is left out."""
    own, tables = [], []
    for key, value in table.items():
        whole = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            tables += ["", f"[{whole}]", *_lines(value, whole)]
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            tables += [line for each in value for line in ("", f"[[{whole}]]", *_lines(each, whole))]
        elif value is not None:
            own.append(f"{key} = {_text(value)}")
    return own + tables


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value).lower() if isinstance(value, bool) else repr(value)
