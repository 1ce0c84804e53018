"""The state of an episode at any moment, interpolated between steps: fill levels, loadings and sums."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from envs.rendering.layout import Floats
from envs.rendering.style import frac
from grid import IN_SERVICE, KIND_NAMES, Episode, GridError

_FASTEST = 1.25  # chevrons of overloaded lines get no faster than this


@dataclass(frozen=True)
class Moment:
    """One moment; in ``Playback.series`` each field has a first axis of T steps."""

    fill_frac: Floats  # (N,) source: output ÷ available; storage: charge after the step
    unserved_frac: Floats  # (N,) share of the demand that is not served
    short_frac: Floats  # (N,) the same, what is curtailed counted as well
    flow_frac: Floats  # (E,) flow, in AC its MVA, ÷ capacity, signed; without one: ÷ the largest node of the grid
    line_status: NDArray[np.int64]  # (E,) as of the finished step: OUT, IN_SERVICE or TRIPPED
    way: Floats  # (E,) how far the flow has moved on; 1 is one step at full loading; signed
    load_mw: Floats  # () of the grid
    served_mw: Floats  # () of the grid
    curtailed_mw: Floats  # () of the grid
    stored_frac: Floats  # () mean of all stores
    reward: Floats  # ()
    reward_sum: Floats  # () of all steps so far
    voltage_pu: Floats  # (N,) as of the finished step, 0 where there is none; in DC 1
    loss_mw: Floats  # () of the grid; in DC 0
    on: Floats  # (N,) as of the finished step, 0 where a plant is off, else 1


class Playback:
    """An episode as moments: whole numbers are finished steps; between steps, values change linearly.

    An episode without steps plays as one idle step.
    """

    def __init__(self, episode: Episode) -> None:
        steps = max(episode.steps, 1)
        is_source, is_storage = (episode.node_kind == KIND_NAMES.index(kind) for kind in ("source", "storage"))
        stores = episode.store_max_mwh > 0
        stored = episode.store_mwh[-steps:]
        output = frac(rows(episode.gen_mw - episode.spill_mw), rows(episode.gen_avail_mw))
        charge = frac(stored, np.broadcast_to(episode.store_max_mwh, stored.shape))
        flow_frac = rows(episode.carried) / reference_mw(episode)
        status = episode.line_status.astype(int) if episode.steps else np.full(flow_frac.shape, IN_SERVICE)
        pace = np.clip(flow_frac, -_FASTEST, _FASTEST)
        way = np.cumsum((pace[1:] + pace[:-1]) / 2, axis=0)

        self.last = steps - 1
        self.stored_frac: Floats = charge[:, stores]  # (T, nodes with a store)
        self._pace = pace
        self.series = Moment(
            fill_frac=np.where(is_source, output, np.where(is_storage, charge, 0.0)),
            unserved_frac=frac(rows(episode.shed_mw), rows(episode.load_mw)),
            short_frac=frac(rows(episode.shed_mw + episode.curtailed_mw), rows(episode.load_mw)),
            flow_frac=flow_frac,
            line_status=status,
            way=np.vstack([np.zeros((1, flow_frac.shape[1])), way]),
            load_mw=rows(episode.load_mw).sum(1),
            served_mw=rows(episode.served_mw).sum(1),
            curtailed_mw=rows(episode.curtailed_mw).sum(1),
            stored_frac=self.stored_frac.mean(1) if stores.any() else np.zeros(steps),
            reward=rows(episode.reward),
            reward_sum=np.cumsum(rows(episode.reward)),
            voltage_pu=voltages(episode),
            loss_mw=np.zeros(steps) if episode.loss_mw is None else rows(episode.loss_mw),
            on=np.ones((steps, len(episode.node_names))) if episode.on is None else rows(episode.on),
        )

    def at(self, t: float) -> Moment:
        """The moment ``t`` steps after the first step; ``t`` is clipped to the episode."""
        t = min(max(t, 0.0), float(self.last))
        now = int(t)
        later, part = min(now + 1, self.last), t - now
        values = {}
        for item in fields(Moment):
            series = getattr(self.series, item.name)
            values[item.name] = series[now] * (1 - part) + series[later] * part
        change = self._pace[later] - self._pace[now]
        for name in ("line_status", "voltage_pu", "on"):
            values[name] = getattr(self.series, name)[now]
        values["way"] = self.series.way[now] + part * self._pace[now] + part**2 * change / 2  # the pace is linear
        return Moment(**values)


def rows(values: Floats) -> Floats:
    """The values (T, ...); of an episode without steps one row of zeros."""
    return values if len(values) else np.zeros((1, *values.shape[1:]))


def voltages(episode: Episode) -> Floats:
    """(T, N) voltages; of an episode in DC, or without steps, 1 everywhere."""
    if episode.voltage_pu is None or not episode.steps:
        return np.ones((max(episode.steps, 1), len(episode.node_names)))
    return episode.voltage_pu


def in_band(episode: Episode, voltage_pu: Floats) -> Floats:
    """(..., N) where in its band each voltage lies, 0 its lower and 1 its upper end; NaN: there is no voltage."""
    low, high = episode.voltage_min_pu, episode.voltage_max_pu
    if low is None or high is None:
        return np.full_like(voltage_pu, 0.5)
    place = (voltage_pu - low) / np.maximum(high - low, 1e-9)
    found: Floats = np.where(voltage_pu > 0, place, np.nan)
    return found


def cost_by_step(episode: Episode) -> Floats:
    """(T,) sum of all cost terms in each step, in currency; of an episode without steps one 0."""
    terms = [np.zeros(max(episode.steps, 1)), *map(rows, episode.costs.values())]
    total: Floats = np.sum(terms, axis=0)
    return total


def reference_mw(episode: Episode) -> Floats:
    """(E,) flow that counts as full loading: the capacity, or the size of the largest node where there is none."""
    largest = float(max(episode.gen_max_mw.max(initial=0.0), episode.load_max_mw.max(initial=0.0))) or 1.0
    return np.where(np.isfinite(episode.capacity_mw), episode.capacity_mw, largest)


def check_same_episode(one: Episode, other: Episode) -> None:
    """Check that two policies ran the same episode.

    Raises:
        GridError: they are of different grids, hours, demand, availability or power flow.
    """
    if one.fingerprint != other.fingerprint:
        found, allowed = f"an episode of {other.grid_name!r}", f"one of {one.grid_name!r}, with nothing changed"
        raise GridError("versus", found, allowed, "compare policies on the same grid")
    if one.is_ac != other.is_ac:
        mend = "run both with the same --flow"
        raise GridError("versus", "an episode in AC beside one in DC", "two with the same power flow", mend)
    same = (one.dt_h, one.start_hour) == (other.dt_h, other.start_hour)
    for name in ("load_mw", "gen_avail_mw"):
        a, b = getattr(one, name), getattr(other, name)
        same = same and a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9)
    if not same:
        found = f"another episode of {other.grid_name!r}"
        raise GridError("versus", found, "the same hours, demand and availability", "record both with the same seed")
