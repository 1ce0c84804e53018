"""An episode as tidy tables: one row a step and unit, one a step and line, and one a step for the costs.

A unit is a source, a storage or a consumer; a node may have more than one. Powers are into the network, so that those
of demand and of charging are negative. Empty cells are NaN: what a unit does not have.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from grid.errors import GridError, nearest
from grid.kinds import KIND_NAMES

Episode = Any  # grid.episode.Episode, which imports this

Columns = dict[str, np.ndarray]
"""Columns of one length by their names, numbers or texts."""

STATUS = np.array(["out", "in service", "tripped"], dtype=object)  # as Episode.line_status counts
SOURCE, STORAGE, CONSUMER = (KIND_NAMES.index(kind) for kind in ("source", "storage", "consumer"))


def units(episode: Episode) -> Columns:
    """One row a step and unit, step by step.

    ``available_mw`` is the output at most of a source and the demand of a consumer; ``curtailed_mw`` is output of sun,
    wind and whatever else follows a profile that was not taken, or flexible demand cut as asked. ``on`` is of plants
    that start and stop, and there only where the grid has some.
    """
    delivered = episode.gen_mw - episode.spill_mw
    unused = np.where(episode.is_profiled, np.maximum(episode.gen_avail_mw - delivered, 0.0), 0.0)
    none = np.full_like(episode.load_mw, np.nan)
    kinds = {
        SOURCE: (episode.gen_max_mw, (delivered, episode.gen_avail_mw, unused, none, episode.spill_mw, none)),
        STORAGE: (
            episode.store_max_mwh,
            (episode.discharge_mw - episode.charge_mw, none, none, none, none, episode.store_mwh[1:]),
        ),
        CONSUMER: (
            episode.load_max_mw,
            (-episode.served_mw, episode.load_mw, episode.curtailed_mw, episode.shed_mw, none, none),
        ),
    }
    found = [(kind, node) for kind, (size, _) in kinds.items() for node in np.flatnonzero(size > 0).tolist()]
    found.sort(key=lambda unit: (unit[1], unit[0]))
    kind, node = np.array(found, dtype=int).reshape(-1, 2).T
    table = _times(episode, len(node))
    table["node"] = _each_step(episode, np.array(episode.node_names, dtype=object)[node])
    table["kind"] = _each_step(episode, np.array(KIND_NAMES, dtype=object)[kind])
    names = ("mw", "available_mw", "curtailed_mw", "unserved_mw", "spilled_mw", "stored_mwh")
    for position, name in enumerate(names):
        by_kind = np.stack([powers[position] for _, powers in kinds.values()])  # (3, T, N) in the order of the kinds
        table[name] = by_kind[kind, :, node].T.ravel()
        if name == "mw":
            table["mwh"] = table["mw"] * episode.dt_h
    if episode.on is not None and episode.stoppable is not None:
        told = (kind == SOURCE) & (episode.stoppable[node] > 0)
        is_on: Any = np.where(told, episode.on[:, node] > 0, None)
        table["on"] = is_on.ravel()
    for name, values in (("nodal_price_per_mwh", episode.nodal_price_per_mwh), ("voltage_pu", episode.voltage_pu)):
        if values is not None:
            table[name] = values[:, node].ravel()
    return table


def lines(episode: Episode) -> Columns:
    """One row a step and line, step by step; a flow is positive from ``from`` to ``to``, an empty capacity no limit."""
    names = np.array(episode.node_names, dtype=object)
    capacity = np.where(np.isfinite(episode.capacity_mw), episode.capacity_mw, np.nan)
    table = _times(episode, len(episode.line_names))
    table["line"] = _each_step(episode, np.array(episode.line_names, dtype=object))
    table["from"], table["to"] = (_each_step(episode, names[end]) for end in (episode.line_from, episode.line_to))
    table["flow_mw"] = episode.flow_mw.ravel()
    table["flow_mwh"] = table["flow_mw"] * episode.dt_h
    if episode.line_mva is not None:
        table["apparent_mva"] = episode.line_mva.ravel()
    table["capacity_mw"] = _each_step(episode, capacity)
    table["loading_frac"] = (np.abs(episode.carried) / capacity).ravel()
    table["status"] = STATUS[episode.line_status.astype(int).ravel()]
    return table


def costs(episode: Episode) -> Columns:
    """One row a step: each cost term, the operating cost, which is all of them but settlement, and the total."""
    total = sum(episode.costs.values(), np.zeros(episode.steps))
    operating = total - episode.costs.get("settlement", 0.0)
    losses = {} if episode.loss_mw is None else {"loss_mw": episode.loss_mw}
    return {**_times(episode, 1), **episode.costs, "operating": operating, "total": total, **losses}


EPISODE_TABLES = {"units": units, "lines": lines, "costs": costs}
"""Every table of an episode by its name, with what makes it."""


def to_frame(episode: Episode, table: str) -> Any:
    """A pandas.DataFrame of one of the tables.

    Raises:
        GridError: another table, or pandas is missing.
    """
    if table not in EPISODE_TABLES:
        raise GridError("table", repr(table), ", ".join(EPISODE_TABLES), nearest(str(table), EPISODE_TABLES))
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise GridError.without("pandas", "tables as data frames", "tables") from error
    return pd.DataFrame(EPISODE_TABLES[table](episode))


def _times(episode: Episode, size: int) -> Columns:
    """When each row is: step, hours since the start and, of dated series, local time."""
    step = np.repeat(np.arange(episode.steps), size)
    table: Columns = {"step": step, "hour": step * episode.dt_h}
    if episode.start is not None:
        start = np.datetime64(datetime.fromisoformat(episode.start), "s")
        seconds = np.round(table["hour"] * 3600).astype("timedelta64[s]")
        table = {"time": start + seconds, **table}
    return table


def _each_step(episode: Episode, values: np.ndarray) -> np.ndarray:
    """Values of units or lines, repeated for each step."""
    return np.tile(values, episode.steps)
