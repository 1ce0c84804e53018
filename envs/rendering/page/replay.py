"""replay: one policy or two in the same episode, as a self-contained page for the browser."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from envs.rendering import style
from envs.rendering.page.wire import described, happened, one_line
from envs.rendering.playback import check_same_episode
from envs.rendering.style import LOADING, LOOKS, VOLTAGE
from envs.rendering.video import check_suffix
from grid import Episode, GridError, atomic_path, shapes_of

PLAYER = tuple(f"replay_{part}.js" for part in ("model", "layout", "network", "voltage", "chart", "legend", "player"))
"""Scripts that play episodes: ``openEpisode`` of the last one shows one."""

LIGHT: dict[str, str] = {
    **{name: getattr(style, name.upper()) for name in ("ink", "muted", "faint", "rule", "paper", "halo", "served")},
    **{name: getattr(style, name.upper()) for name in ("vermilion", "curtailed", "unlimited", "green", "blue")},
    **{f"{kind}-full": look.colour for kind, look in LOOKS.items()},
    **{f"{kind}-empty": look.empty for kind, look in LOOKS.items()},
    **{f"{kind}-edge": look.edge for kind, look in LOOKS.items()},
    **{f"loading-{part}": to_hex(LOADING(part / 4)) for part in range(5)},
    **{f"voltage-{part}": to_hex(VOLTAGE(part / 4)) for part in range(5)},
    "dark": style.DARK,
    "other": "#A8467F",  # the second of two policies
    "band": "#CBE9DF",
}
DARK: dict[str, str] = LIGHT | {
    **{"ink": "#E8EDF2", "muted": "#9DABB9", "faint": "#222B35", "rule": "#43505D", "paper": "#11161C"},
    **{"halo": "#7D4A26", "served": "#24506E", "vermilion": "#FF7A33", "curtailed": "#D9A93A", "unlimited": "#74818D"},
    **{"green": "#2BC49A", "blue": "#56AEE8", "other": "#EE8CC6", "band": "#1B4A3E"},
    **{"source-empty": "#4A3A14", "source-edge": "#F0C050"},
    **{"storage-full": "#19A981", "storage-empty": "#123D33", "storage-edge": "#63D6B6"},
    **{"consumer-full": "#3D97D6", "consumer-empty": "#3D97D6", "consumer-edge": "#11161C", "junction-edge": "#11161C"},
    **{"loading-0": "#3B4A59", "loading-1": "#496186", "loading-2": "#6E77C4", "loading-3": "#A57FDD"},
    **{"voltage-0": "#F0549B", "voltage-1": "#A2537D", "voltage-2": "#4A5561", "voltage-3": "#3C818B"},
    **{"voltage-4": "#57D5E4", "dark": "#000000"},
    "loading-4": "#E9D2FF",  # on dark paper, luminance only rises with loading
}


def replay(episode: Episode, path: str | Path, versus: Episode | None = None) -> Path:
    """Write an episode as one .html file that plays in a browser, offline; returns the path.

    Args:
        episode: what to show.
        path: the file to write.
        versus: what another policy did in the same episode, to be shown beside it.

    Raises:
        GridError: another suffix, a path that cannot be written, an episode with values that are not finite, or two
            episodes of different grids, demand or availability.
    """
    check_suffix(path, (".html",))
    runs = [episode] if versus is None else [episode, versus]
    for run in runs:
        _check_finite(run)
    if versus is not None:
        check_same_episode(episode, versus)
    data = described(episode, [run.policy for run in runs], episode.steps) | happened(runs)
    page = _page(data, f"{one_line(episode.grid_name)}: {' and '.join(one_line(run.policy) for run in runs)}")
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return Path(path)


def _check_finite(episode: Episode) -> None:
    shapes = shapes_of(episode.is_ac)
    names = [name for axes in ("TN", "SN", "TE", "T") for name in shapes[axes]]
    broken = [name for name in names if not np.isfinite(getattr(episode, name)).all()]
    if broken:
        found = f"values that are not finite in {', '.join(broken)}"
        raise GridError(f"episode of {episode.policy!r}", found, "finite numbers", "record the episode again")


# --- the page --------------------------------------------------------------------------------------------------------


def _page(data: dict[str, Any], title: str) -> str:
    css, script = style_sheet(), as_script([asset(name) for name in (*PLAYER, "replay.js")])
    allowed = (
        "default-src 'none'",
        f"script-src '{_digest(script)}'",
        f"style-src '{_digest(css)}'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    parts = {"title": escape(title), "policy": "; ".join(allowed), "style": css, "script": script, "data": _json(data)}
    return filled(asset("replay.html"), parts)


def filled(text: str, parts: dict[str, str]) -> str:
    """A page with its parts in the places {{name}}; {{player}} is that of the player."""
    parts = {"player": asset("player.html"), **parts}
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], text)


def style_sheet() -> str:
    """The colours, light and dark, and the style of the player."""
    light, dark = ("".join(f"--{name}:{colour};" for name, colour in each.items()) for each in (LIGHT, DARK))
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{asset('replay.css')}"


def as_script(parts: Sequence[str]) -> str:
    """Scripts as one, whose names nothing else of the page sees; lines that are comments stay behind."""
    lines = "\n".join(parts).split("\n")
    kept = [line for line in lines if not line.lstrip().startswith(("//", "/** "))]
    return '(() => {\n"use strict";\n' + "\n".join(kept) + "})();\n"


def asset(name: str) -> str:
    """A file of the player: one of PLAYER, say."""
    return files("envs.rendering.page").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _json(data: dict[str, Any]) -> str:
    """JSON that is safe inside a script element, whatever the names in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)
