"""Random grids, inputs and setpoints for property tests.

Hypothesis draws how large a grid may be, so that failures shrink to few nodes; the rest comes from a drawn seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from grid import Grid, GridArrays, Inputs, Outcome, Setpoint, State
from grid.physics.protection import Protection
from grid.physics.step import Limits, initial_state, limits, step
from grid.planning.optimum import Optimum
from grid.planning.programme import Solution


def examples(full: int) -> int:
    """How many examples a property is tried on, where each takes long: all by `make slow`, else a third."""
    return full if os.environ.get("EXAMPLES") == "all" else -(-full // 3)


CHECKED = settings(derandomize=True, deadline=None, max_examples=examples(60))
SEEDS = st.integers(0, 2**32 - 1)


def _maybe(rng: np.random.Generator, chance: float, columns: dict[str, Any], name: str, value: Any) -> None:
    if rng.random() < chance:
        columns[name] = value


def _source(rng: np.random.Generator) -> dict[str, Any]:
    top = float(rng.uniform(5, 100))
    columns: dict[str, Any] = {"gen_max_mw": top, "gen_cost_per_mwh": float(rng.choice([0, 5, 20, 35.5, 60]))}
    if rng.random() < 0.3:
        columns["gen_profile"] = "wind"
    else:
        _maybe(rng, 0.4, columns, "gen_min_mw", float(rng.uniform(0, 0.6)) * top)
    _maybe(rng, 0.4, columns, "gen_ramp_mw_per_h", float(rng.uniform(0.05, 0.6)) * top)
    _maybe(rng, 0.4, columns, "gen_cost_per_mw2h", float(rng.uniform(0, 0.5)))
    _maybe(rng, 0.5, columns, "gen_reserve_frac", float(rng.choice([0, 0.3, 0.8])))
    _maybe(rng, 0.3, columns, "co2_t_per_mwh", float(rng.uniform(0, 1)))
    return columns


def _store(rng: np.random.Generator) -> dict[str, Any]:
    top = float(rng.uniform(5, 150))
    low = float(rng.choice([0, 0, 0.3])) * top
    columns: dict[str, Any] = {
        "store_max_mwh": top,
        "store_min_mwh": low,
        "charge_max_mw": float(rng.uniform(0.1, 1)) * top,
        "discharge_max_mw": float(rng.uniform(0.1, 1)) * top,
    }
    _maybe(rng, 0.7, columns, "store_init_mwh", float(rng.choice([low, top, low + 0.37 * (top - low)])))
    _maybe(rng, 0.6, columns, "charge_eff_frac", float(rng.choice([1, 0.7, 0.9])))
    _maybe(rng, 0.6, columns, "discharge_eff_frac", float(rng.choice([1, 0.8, 0.92])))
    _maybe(rng, 0.4, columns, "store_loss_frac_per_h", float(rng.choice([0.01, 0.2, 1])))
    return columns


def _load(rng: np.random.Generator) -> dict[str, Any]:
    columns: dict[str, Any] = {"load_max_mw": float(rng.uniform(2, 80))}
    _maybe(rng, 0.6, columns, "shed_cost_per_mwh", float(rng.choice([300, 700, 1000, 2500])))
    _maybe(rng, 0.4, columns, "load_profile", "city")
    return columns


def _flex(rng: np.random.Generator) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if rng.random() < 0.5:
        columns["flex_max_frac"] = float(rng.choice([0.1, 0.5, 1]))
        _maybe(rng, 0.8, columns, "flex_cost_per_mwh", float(rng.choice([0, 20, 50, 300, 3000])))
    return columns


def _line(rng: np.random.Generator) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    _maybe(rng, 0.8, columns, "reactance_pu", float(rng.uniform(0.02, 0.6)))
    _maybe(rng, 0.5, columns, "capacity_mw", float(rng.uniform(3, 80)))
    _maybe(rng, 0.2, columns, "tap", float(rng.uniform(0.9, 1.1)))
    _maybe(rng, 0.2, columns, "shift_deg", float(rng.uniform(-10, 10)))
    return columns


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Valid grids of one to three parts: any kind of node and line, flexible demand and connectors."""
    grid = Grid("random")
    wires: list[tuple[str, str]] = []
    parts, most = draw(st.sampled_from([1, 2, 3])), draw(st.integers(1, 3))
    seed = draw(SEEDS)
    rng, own = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    counts = rng.integers(0, [most, most, most, most, most + 2], (parts, 5), endpoint=True)
    counts[0, 0] = max(1, counts[0, 0])
    for part, (sources, stores, consumers, junctions, chords) in enumerate(counts.tolist()):
        names = []
        for i in range(sources):
            extra = _load(rng) if rng.random() < 0.2 else {}
            grid.add_source(f"S{part}{i}", **_source(rng), **extra)
            names.append(f"S{part}{i}")
        for i in range(stores):
            grid.add_storage(f"B{part}{i}", **_store(rng))
            names.append(f"B{part}{i}")
        for i in range(consumers if sources else 0):  # a consumer needs a source it can reach
            extra = _store(rng) if rng.random() < 0.2 else {}
            grid.add_consumer(f"C{part}{i}", **_load(rng), **(extra or _flex(own)))
            names.append(f"C{part}{i}")
        for i in range(junctions):
            grid.add_junction(f"J{part}{i}")
            names.append(f"J{part}{i}")
        order = rng.permutation(len(names))
        wires += [(names[order[i]], names[order[rng.integers(i)]]) for i in range(1, len(names))]
        if len(names) > 1:
            wires += [tuple(rng.choice(names, 2, replace=False).tolist()) for _ in range(chords)]
    connectors: nx.Graph[str] = nx.Graph()
    connectors.add_nodes_from(grid.graph)
    for a, b in wires:
        start, end = (a, b) if rng.random() < 0.5 else (b, a)
        if rng.random() < 0.2 and not nx.has_path(connectors, a, b):
            connectors.add_edge(a, b)
            grid.add_line(start, end, reactance_pu=0.0)
        else:
            grid.add_line(start, end, **_line(rng))
    return grid


def random_inputs(arrays: GridArrays, rng: np.random.Generator, rows: int, dt_h: float) -> Inputs:
    """(rows, N) demand and availability, from nothing to everything; some rows are short, some in surplus."""
    size = (rows, len(arrays.node_names))
    profiled = np.array([name is not None for name in arrays.gen_profile])
    avail = np.where(profiled, np.clip(rng.uniform(-0.2, 1.2, size), 0, 1), 1.0)
    level = rng.choice([0.0, 0.3, 1.0], (rows, 1))
    load = arrays.load_max_mw * np.clip(level + rng.uniform(-0.3, 0.3, size), 0, 1)
    return Inputs(gen_avail_frac=avail, load_mw=load, dt_h=dt_h)


def random_setpoint(arrays: GridArrays, rng: np.random.Generator, rows: int, planned: bool = False) -> Setpoint:
    """(rows, N) anything that could be asked, inside the limits and outside; shed and spill only if planned."""
    size = (rows, len(arrays.node_names))
    gen = arrays.most_mw * rng.uniform(-0.3, 1.4, size)
    store = rng.uniform(-1.4, 1.4, size)
    store = np.where(store > 0, store * arrays.discharge_max_mw, store * arrays.charge_max_mw)
    if not planned:
        return Setpoint(gen, store)
    shed = arrays.load_max_mw * np.clip(rng.uniform(-0.5, 0.6, size), 0, None)
    spill = arrays.gen_max_mw * np.clip(rng.uniform(-0.5, 0.6, size), 0, None)
    return Setpoint(gen, store, shed, spill)


def with_starts(grid: Grid, rng: np.random.Generator) -> Grid:
    """The same grid, in place, where most plants without a profile start and stop; at least one."""
    plants = [
        data for _, data in grid.graph.nodes(data=True) if data.get("gen_max_mw", 0) > 0 and not data.get("gen_profile")
    ]
    if not plants:
        plants = [next(data for _, data in grid.graph.nodes(data=True) if data.get("gen_max_mw", 0) > 0)]
        plants[0].pop("gen_profile")
    for number, columns in enumerate(plants):
        if number and rng.random() < 0.3:
            continue
        columns["start_cost"] = float(rng.choice([0, 50, 900]))
        _maybe(rng, 0.6, columns, "gen_min_mw", float(rng.uniform(0, 0.7)) * columns["gen_max_mw"])
        _maybe(rng, 0.5, columns, "no_load_cost_per_h", float(rng.uniform(0, 200)))
        _maybe(rng, 0.6, columns, "min_up_h", float(rng.choice([1, 2, 3.5, 6])))
        _maybe(rng, 0.6, columns, "min_down_h", float(rng.choice([1, 2, 3.5, 6])))
        _maybe(rng, 0.6, columns, "initial_on_h", float(rng.choice([-5, -1, 0.5, 2, 8])))
        low, high = columns.get("gen_min_mw", 0.0), columns["gen_max_mw"]
        _maybe(rng, 0.4, columns, "start_ramp_mw", low + float(rng.uniform(0.05, 1)) * (high - low))
    return grid


@st.composite
def inputs_for(draw: st.DrawFn, arrays: GridArrays, steps: int) -> Inputs:
    """(T, N) inputs of one episode; the T axis may as well be read as a batch."""
    rng = np.random.default_rng(draw(SEEDS))
    return random_inputs(arrays, rng, steps, draw(st.sampled_from([1.0, 0.25, 2.0])))


@st.composite
def setpoints_for(draw: st.DrawFn, arrays: GridArrays, steps: int) -> Setpoint:
    """(T, N) setpoints, half of the time with planned shed and spill."""
    rng = np.random.default_rng(draw(SEEDS))
    return random_setpoint(arrays, rng, steps, planned=draw(st.booleans()))


@dataclass(frozen=True)
class Walked:
    """One step with all that led to it and came of it."""

    before: State
    setpoint: Setpoint
    inputs: Inputs
    limits: Limits
    after: State
    outcome: Outcome


def random_status(arrays: GridArrays, rng: np.random.Generator, rows: int) -> np.ndarray | None:
    """(rows, E) which lines are in service: none, one, some or all may be out; None, at times, where none is."""
    share = rng.choice([0.0, 0.1, 0.4, 1.0], (rows, 1), p=[0.2, 0.4, 0.3, 0.1])
    status = rng.random((rows, len(arrays.line_names))) >= share
    return None if status.all() and rng.random() < 0.5 else status


def walk(
    arrays: GridArrays,
    seed: int,
    batch: int = 4,
    steps: int = 3,
    outages: bool = False,
    protection: Protection | None = None,
    ac: Any = None,
) -> Iterator[Walked]:
    """Random steps from the initial state; the second one has planned shed and spill, in the third sources fail."""
    rng = np.random.default_rng(seed)
    dt_h = float(rng.choice([1.0, 0.25, 2.0]))
    state = initial_state(arrays, batch, protection)
    for t in range(steps):
        inputs = random_inputs(arrays, rng, batch, dt_h)
        if t == 2:  # any source may fail, below its minimum and faster than its ramp
            failing = inputs.gen_avail_frac * rng.choice([1, 0.4, 0], inputs.gen_avail_frac.shape)
            inputs = replace(inputs, gen_avail_frac=failing)
        if outages:
            inputs = replace(inputs, in_service=random_status(arrays, rng, batch))
        setpoint = random_setpoint(arrays, rng, batch, planned=t == 1)
        after, outcome = step(arrays, state, setpoint, inputs, protection=protection, ac=ac)
        yield Walked(state, setpoint, inputs, limits(arrays, state, inputs), after, outcome)
        state = after


def scale(best: Optimum | Solution, inputs: Inputs) -> float:
    """What deviations are measured against: the cost, or that of covering the demand at 10/MWh."""
    return max(abs(best.cost), 10.0 * float(inputs.load_mw.sum()) * inputs.dt_h, 1.0)


def failing(inputs: Inputs, rng: np.random.Generator) -> Inputs:
    """The same, with sources that fail in part although they have no profile."""
    return replace(inputs, gen_avail_frac=np.clip(rng.uniform(0.1, 1.6, inputs.load_mw.shape), 0, 1))


def with_outages(arrays: GridArrays, inputs: Inputs, rng: np.random.Generator) -> Inputs:
    """The same, half of the time with lines out of service in some steps."""
    if rng.random() < 0.5:
        return inputs
    return replace(inputs, in_service=rng.random((len(inputs.load_mw), len(arrays.line_names))) > 0.2)
