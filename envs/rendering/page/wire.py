"""What pages that play episodes are told: the grid and its layout once, and steps as they come.

``replay_model.js`` reads it. Powers and energies are rounded to a thousandth of the peak of their series, flows to two
thousandths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.style import context

from envs.rendering import style
from envs.rendering.canvas import Canvas
from envs.rendering.layout import Box, Floats, bend_points
from envs.rendering.network import MAX_LABELS, Network
from envs.rendering.playback import Playback, cost_by_step, rows, voltages
from envs.rendering.style import STYLE, day_name, days
from envs.rendering.video import seconds_per_step
from grid import KIND_NAMES, OUT, TRIPPED, Episode, shapes_of

VIEWS = ((980, 470), (620, 440), (540, 620))  # that the network is laid out for: wide windows, halves of them, phones
MARGIN = 30.0
NAME_CHARACTERS = 80
OUTAGES = (OUT, TRIPPED)  # 1 and 2 in the page, where 0 is a line in service


def described(one: Episode, policies: Sequence[str], steps: int) -> dict[str, Any]:
    """What does not change from step to step: the grid, its layout, the times of an episode of so many steps."""
    lasts = max(steps, 1)
    with context(["default", STYLE]):
        networks = [Network(Canvas(), one, Box(MARGIN, MARGIN, w - 2 * MARGIN, h - 2 * MARGIN)) for w, h in VIEWS]
    return {
        "grid": one_line(one.grid_name),
        "nodes": [one_line(name) for name in one.node_names],
        "lines": [one_line(name) for name in one.line_names],
        "kinds": [KIND_NAMES[kind] for kind in one.node_kind.tolist()],
        "from": one.line_from.tolist(),
        "to": one.line_to.tolist(),
        "capacity": [c if np.isfinite(c) else None for c in _numbers(one.capacity_mw, 9)],
        "gen_max": _numbers(one.gen_max_mw),
        "load_max": _numbers(one.load_max_mw),
        "store_max": _numbers(one.store_max_mwh),
        "steps": steps,
        "dt_h": one.dt_h,
        "start_hour": one.start_hour % 24,
        "dates": [day_name(one, day + 1) for day in range(days(one, lasts) + 1)] if one.start is not None else [],
        "seconds_per_step": seconds_per_step(lasts),
        "labels": len(one.node_names) <= MAX_LABELS,
        "views": [_view(one, network, size) for network, size in zip(networks, VIEWS, strict=True)],
        "look": {
            "radius": _numbers(networks[0].radius, 3),
            "line_px": networks[0].line_width * 100 / 72,
            "chevron_px": networks[0].chevron_size,
            "arc_gap_px": networks[0].arc_gap,
            "arc_px": networks[0].arc_width * 100 / 72,
            "shapes": shapes(),
        },
        "band": [_numbers(end) for end in (one.voltage_min_pu, one.voltage_max_pu) if end is not None],
        "policies": [one_line(policy) for policy in policies],
    }


def shapes() -> dict[str, list[list[float]]]:
    """Corners of the symbols, (., 2) each, y up."""
    return {name: getattr(style, name).tolist() for name in ("TRIANGLE", "SQUARE", "CHEVRON")}


def happened(runs: Sequence[Episode], first: int = 0) -> dict[str, Any]:
    """What happened from step ``first`` on in one episode or two; one without steps shows the idle grid."""
    parts = [_since(run, first) if first else run for run in runs]
    demand_mw = rows(parts[0].load_mw)
    return {
        "at": first,
        "count": len(demand_mw),
        "demand": _packed(demand_mw),
        "available": _packed(rows(parts[0].gen_avail_mw)),
        "demand_total": _numbers(demand_mw.sum(1)),
        "runs": [_run(part) for part in parts],
    }


def _since(episode: Episode, first: int) -> Episode:
    """The same episode without its first steps."""
    shapes = shapes_of(episode.is_ac)
    series = {name: getattr(episode, name)[first:] for axes in ("TN", "SN", "TE", "T") for name in shapes[axes]}
    costs = {name: values[first:] for name, values in episode.costs.items()}
    on = None if episode.on is None else episode.on[first:]
    return replace(episode, **series, costs=costs, nodal_price_per_mwh=None, on=on)


def _run(episode: Episode) -> dict[str, Any]:
    charge = Playback(episode).stored_frac
    return {
        "output": _packed(rows(episode.gen_mw - episode.spill_mw)),
        "spilled": _packed(rows(episode.spill_mw)),
        "unserved": _packed(rows(episode.shed_mw)),
        "curtailed": _packed(rows(episode.curtailed_mw)),
        "discharge": _packed(rows(episode.discharge_mw - episode.charge_mw)),
        "stored": _packed(episode.store_mwh[-max(episode.steps, 1) :]),
        "flow": _packed(rows(episode.flow_mw), episode.capacity_mw),
        **_in_ac(episode),
        **({} if episode.on is None else {"off": _packed(rows(1.0 - episode.on))}),
        "outage": _packed(rows(np.select([episode.line_status == status for status in OUTAGES], (1.0, 2.0)))),
        "unserved_total": _numbers(rows(episode.shed_mw).sum(1)),
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
    peak = np.abs(values).max(0, initial=0.0)
    columns = np.flatnonzero(peak > 1e-9)
    if not columns.size:
        return {}
    exponents = np.floor(np.log10(peak[columns] / 500)).astype(int)
    units = values[:, columns] / 10.0**exponents
    whole = np.rint(units)
    if limit is not None:
        over = np.abs(values[:, columns]) > limit[columns] * (1 + 1e-6)
        whole = np.sign(units) * np.where(over, np.ceil(np.abs(units)), np.floor(np.abs(units)))
    changes = np.diff(whole.astype(int), axis=0, prepend=0).T
    found = zip(columns.tolist(), exponents.tolist(), changes.tolist(), strict=True)
    return {str(column): [exponent, *change] for column, exponent, change in found}


def _numbers(values: Floats, digits: int = 6) -> list[float]:
    """Rounded to so many significant digits; whole numbers without a point."""
    rounded = [float(f"{value:.{digits}g}") for value in values.tolist()]
    return [int(value) if value.is_integer() else value for value in rounded]


def one_line(text: str) -> str:
    """A name as pages show it: without line breaks, and of a bounded length."""
    line = style.one_line(text)
    return line if len(line) <= NAME_CHARACTERS else line[: NAME_CHARACTERS - 1] + "…"
