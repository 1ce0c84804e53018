"""replay: one policy or two in the same episode, as a self-contained page for the browser."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.style import context

from envs.rendering import style
from envs.rendering.canvas import Canvas
from envs.rendering.layout import Box, Floats, bend_points
from envs.rendering.network import MAX_LABELS, Network
from envs.rendering.playback import Playback, check_same_episode, cost_by_step, rows, voltages
from envs.rendering.style import LOADING, LOOKS, STYLE, VOLTAGE, day_name, days
from envs.rendering.video import check_suffix, seconds_per_step
from grid import KIND_NAMES, OUT, TRIPPED, Episode, GridError, atomic_path, shapes_of

VIEWS = ((980, 470), (620, 440), (540, 620))  # that the network is laid out for: wide windows, halves of them, phones
MARGIN = 30.0
NAME_CHARACTERS = 80
OUTAGES = (OUT, TRIPPED)  # 1 and 2 in the page, where 0 is a line in service
SCRIPTS = [f"replay{part}.js" for part in ("_model", "_layout", "_network", "_chart", "_legend", "")]
AC_SCRIPTS = [*SCRIPTS[:-1], "replay_voltage.js", SCRIPTS[-1]]

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

    Powers and energies are rounded to a thousandth of the peak of their series, flows to two thousandths.

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
    page = _page(_data(runs), f"{_line(episode.grid_name)}: {' and '.join(_line(run.policy) for run in runs)}")
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


# --- what is shown ----------------------------------------------------------------------------------------------------


def _data(runs: list[Episode]) -> dict[str, Any]:
    """Everything the page shows; see ``replay_model.js``, which reads it."""
    one = runs[0]
    steps = max(one.steps, 1)  # an episode without steps shows the idle grid
    demand_mw = rows(one.load_mw)
    with context(["default", STYLE]):
        networks = [Network(Canvas(), one, Box(MARGIN, MARGIN, w - 2 * MARGIN, h - 2 * MARGIN)) for w, h in VIEWS]
    return {
        "grid": _line(one.grid_name),
        "nodes": [_line(name) for name in one.node_names],
        "lines": [_line(name) for name in one.line_names],
        "kinds": [KIND_NAMES[kind] for kind in one.node_kind.tolist()],
        "from": one.line_from.tolist(),
        "to": one.line_to.tolist(),
        "capacity": [c if np.isfinite(c) else None for c in _numbers(one.capacity_mw, 9)],
        "gen_max": _numbers(one.gen_max_mw),
        "load_max": _numbers(one.load_max_mw),
        "store_max": _numbers(one.store_max_mwh),
        "steps": one.steps,
        "dt_h": one.dt_h,
        "start_hour": one.start_hour % 24,
        "dates": [day_name(one, day + 1) for day in range(days(one, steps) + 1)] if one.start is not None else [],
        "seconds_per_step": seconds_per_step(steps),
        "labels": len(one.node_names) <= MAX_LABELS,
        "views": [_view(one, network, size) for network, size in zip(networks, VIEWS, strict=True)],
        "look": {
            "radius": _numbers(networks[0].radius, 3),
            "line_px": networks[0].line_width * 100 / 72,
            "chevron_px": networks[0].chevron_size,
            "arc_gap_px": networks[0].arc_gap,
            "arc_px": networks[0].arc_width * 100 / 72,
            "shapes": {name: getattr(style, name).tolist() for name in ("TRIANGLE", "SQUARE", "CHEVRON")},
        },
        "demand": _packed(demand_mw),
        "available": _packed(rows(one.gen_avail_mw)),
        "demand_total": _numbers(demand_mw.sum(1)),
        "band": [_numbers(end) for end in (one.voltage_min_pu, one.voltage_max_pu) if end is not None],
        "runs": [_run(run) for run in runs],
    }


def _run(episode: Episode) -> dict[str, Any]:
    charge = Playback(episode).stored_frac
    return {
        "policy": _line(episode.policy),
        "output": _packed(rows(episode.gen_mw - episode.spill_mw)),
        "spilled": _packed(rows(episode.spill_mw)),
        "unmet": _packed(rows(episode.shed_mw)),
        "curtailed": _packed(rows(episode.curtailed_mw)),
        "discharge": _packed(rows(episode.discharge_mw - episode.charge_mw)),
        "stored": _packed(episode.store_mwh[-max(episode.steps, 1) :]),
        "flow": _packed(rows(episode.flow_mw), episode.capacity_mw),
        **_in_ac(episode),
        "outage": _packed(rows(np.select([episode.line_status == status for status in OUTAGES], (1.0, 2.0)))),
        "unmet_total": _numbers(rows(episode.shed_mw).sum(1)),
        "curtailed_total": _numbers(rows(episode.curtailed_mw).sum(1)),
        "charge_frac": [_numbers(part, 3) for part in (charge.mean(1), charge.min(1), charge.max(1))]
        if charge.size
        else [],
        "reward": _numbers(rows(episode.reward)),
        "cost": _numbers(cost_by_step(episode)),
    }


def _in_ac(episode: Episode) -> dict[str, Any]:
    """What runs have in AC alone."""
    if episode.voltage_pu is None or episode.loss_mw is None:
        return {}
    return {
        "carried": _packed(rows(episode.carried), episode.capacity_mw),
        "voltage": _packed(voltages(episode)),
        "loss": _numbers(rows(episode.loss_mw)),
    }


def _view(episode: Episode, network: Network, size: tuple[int, int]) -> dict[str, Any]:
    """The network laid out for one size; y points down. Labels name the side of their node: 4 is none."""
    points, height = network.points, size[1]
    bend = bend_points(points, episode.line_from, episode.line_to)
    straight = (points[episode.line_from] + points[episode.line_to]) / 2
    bent = np.flatnonzero(np.abs(bend - straight).max(1, initial=0.0) > 1e-6)
    side = np.full(len(points), 4)
    if len(network.label_points):
        offset = np.nan_to_num(network.label_points - points)
        across, up = np.where(np.abs(offset) > 1, np.sign(offset), 0).T.astype(int)
        side = 3 * (1 - up) + across + 1
    return {
        "width": size[0],
        "height": height,
        "x": np.round(points[:, 0], 1).tolist(),
        "y": np.round(height - points[:, 1], 1).tolist(),
        "side": side.tolist(),
        "bend": {str(e): np.round([bend[e, 0], height - bend[e, 1]], 1).tolist() for e in bent.tolist()},
    }


def _packed(values: Floats, limit: Floats | None = None) -> dict[str, list[int]]:
    """Columns of (T, M) values that are not all zero: {column: [e, first, change, change, ...]}, in units of 10^e.

    Values are rounded to the nearest, but those with a limit never across it.
    """
    packed = {}
    peak = np.abs(values).max(0, initial=0.0)
    for column in np.flatnonzero(peak > 1e-9).tolist():
        exponent = floor(log10(peak[column] / 500))
        units = values[:, column] / 10.0**exponent
        whole = np.rint(units)
        if limit is not None:
            over = np.abs(values[:, column]) > limit[column] * (1 + 1e-6)
            whole = np.sign(units) * np.where(over, np.ceil(np.abs(units)), np.floor(np.abs(units)))
        packed[str(column)] = [exponent, *np.diff(whole.astype(int), prepend=0).tolist()]
    return packed


def _numbers(values: Floats, digits: int = 6) -> list[float]:
    """Rounded to so many significant digits; whole numbers without a point."""
    rounded = [float(f"{value:.{digits}g}") for value in values.tolist()]
    return [int(value) if value.is_integer() else value for value in rounded]


def _line(text: str) -> str:
    line = style.one_line(text)
    return line if len(line) <= NAME_CHARACTERS else line[: NAME_CHARACTERS - 1] + "…"


# --- the page ---------------------------------------------------------------------------------------------------------


def _page(data: dict[str, Any], title: str) -> str:
    css, script = _style(), _script(AC_SCRIPTS if data["band"] else SCRIPTS)
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
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _asset("replay.html"))


def _style() -> str:
    light, dark = ("".join(f"--{name}:{colour};" for name, colour in each.items()) for each in (LIGHT, DARK))
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{_asset('replay.css')}"


def _script(names: list[str]) -> str:
    return '(() => {\n"use strict";\n' + "\n".join(map(_asset, names)) + "})();\n"


def _asset(name: str) -> str:
    return files("envs.rendering.page").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _json(data: dict[str, Any]) -> str:
    """JSON that is safe inside a script element, whatever the names in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)
