"""Made-up episodes for the tests of pictures: random grids with plausible numbers, shortages and overloads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grid.costs import TERMS
from grid.episode import Episode, shapes_of
from grid.kinds import KIND_NAMES

SOURCE, STORAGE, CONSUMER, JUNCTION = range(4)
_INITIAL = dict(zip(range(4), "SBCJ", strict=True))


def _wiring(rng: np.random.Generator, xy: np.ndarray) -> np.ndarray:
    """(E, 2) lines: a shortest tree through the points, then the shortest of the remaining pairs."""
    count = len(xy)
    distance = np.hypot(*(xy[:, None] - xy[None]).T)
    joined, lines = {0}, []
    while len(joined) < count:
        inside = sorted(joined)
        outside = [n for n in range(count) if n not in joined]
        a, b = np.unravel_index(distance[np.ix_(inside, outside)].argmin(), (len(inside), len(outside)))
        lines.append((inside[a], outside[b]))
        joined.add(outside[b])
    pairs = sorted((distance[a, b], a, b) for a in range(count) for b in range(a) if {(a, b), (b, a)}.isdisjoint(lines))
    lines += [(int(a), int(b)) for _, a, b in pairs[: count // 2]]
    lines = [line if rng.random() < 0.5 else line[::-1] for line in lines]
    return np.array(lines, int).reshape(-1, 2)


def flow_per_injection(lines: np.ndarray, count: int) -> np.ndarray:
    """(E, N) DC flow of each line per MW of balanced injection, all reactances equal."""
    incidence = np.zeros((len(lines), count))
    incidence[np.arange(len(lines)), lines[:, 0]] = 1
    incidence[np.arange(len(lines)), lines[:, 1]] -= 1
    return incidence @ np.linalg.pinv(incidence.T @ incidence)


def make_episode(
    nodes: int = 14, steps: int = 48, seed: int = 0, *, dt_h: float = 1.0, positions: bool = True, tight: float = 0.85
) -> Episode:
    """An episode on a random grid; ``tight`` is the share of the largest flow that most lines can carry."""
    rng = np.random.default_rng([nodes, seed])
    xy = rng.random((nodes, 2)) * [10, 6]
    lines = _wiring(rng, xy)
    kind = rng.choice(4, nodes, p=[0.22, 0.12, 0.58, 0.08])
    kind[:3] = SOURCE, CONSUMER, STORAGE
    sources, stores, consumers = (kind == k for k in (SOURCE, STORAGE, CONSUMER))

    load_max = np.where(consumers, rng.uniform(20, 90, nodes), 0)
    gen_max = np.where(sources, rng.uniform(0.6, 1.4, nodes), 0)
    gen_max *= 0.95 * load_max.sum() / gen_max.sum()
    store_max = np.where(stores, rng.uniform(80, 300, nodes), 0)

    hour = np.arange(steps)[:, None] * dt_h
    shape = 0.62 + 0.2 * np.exp(-(((hour % 24) - 8.5) ** 2) / 8) + 0.36 * np.exp(-(((hour % 24) - 19) ** 2) / 10)
    load = load_max * np.clip(shape + 0.03 * rng.standard_normal((steps, nodes)), 0, 1.05)
    sun = np.clip(np.sin((hour % 24 - 6) / 12 * np.pi), 0.25, 1)
    solar = sources & (rng.random(nodes) < 0.4)
    avail = gen_max * np.where(solar, sun, 1.0)

    gen, charge, discharge = (np.zeros((steps, nodes)) for _ in range(3))
    shed, stored = np.zeros((steps, nodes)), np.tile(store_max * 0.4, (steps + 1, 1))
    for t in range(steps):
        need, hi = load[t].sum(), avail[t].sum()
        give = np.minimum(store_max / 4, stored[t] / dt_h) * (need > hi)
        give *= min(1, max(0, need - hi) / max(give.sum(), 1e-9))
        take = np.minimum(store_max / 6, (store_max - stored[t]) / dt_h) * (need < 0.9 * hi)
        take *= min(1, max(0, 0.95 * hi - need) / max(take.sum(), 1e-9))
        made = min(hi, need + take.sum() - give.sum())
        order = np.cumsum(avail[t])
        gen[t] = np.clip(made - (order - avail[t]), 0, avail[t])
        missing = max(0.0, need - give.sum() - made)
        weight = load[t] * (0.1 + rng.random(nodes)) ** 3
        shed[t] = np.minimum(load[t], weight / max(weight.sum(), 1e-9) * missing)
        charge[t], discharge[t] = take, give
        stored[t + 1] = stored[t] + (take - give) * dt_h
    injection = gen + discharge - charge - (load - shed)
    injection -= injection.mean(1, keepdims=True)
    flow = injection @ flow_per_injection(lines, nodes).T
    capacity = np.maximum(np.abs(flow).max(0, initial=1.0) * rng.uniform(tight, 1.6, len(lines)), 5)

    costs = {name: np.zeros(steps) for name in TERMS}
    costs["generation"] = gen @ np.linspace(8, 40, nodes) * dt_h
    costs["shed"] = shed.sum(1) * 1000 * dt_h
    costs["overload"] = np.clip(np.abs(flow) - capacity, 0, None).sum(1) * 300 * dt_h
    costs["wear"] = discharge.sum(1) * dt_h
    costs["balancing"] = 2 * np.abs(rng.normal(0, 4, steps)) * dt_h
    if steps:
        costs["settlement"][-1] = 8 * (stored[0] - stored[-1]).sum()
    reference = load.sum(1) * 20 * dt_h
    total = np.sum([*costs.values()], axis=0)
    empty = np.full(nodes, np.nan)
    return Episode(
        grid_name=f"random {nodes}",
        policy="merit",
        fingerprint=f"{nodes}-{seed}",
        dt_h=dt_h,
        start_hour=0.0,
        node_names=tuple(f"{_INITIAL[k]}{n + 1}" for n, k in enumerate(kind.tolist())),
        line_names=tuple(f"{a}-{b}" for a, b in lines),
        node_kind=kind,
        x=xy[:, 0] if positions else empty,
        y=xy[:, 1] if positions else empty,
        line_from=lines[:, 0],
        line_to=lines[:, 1],
        capacity_mw=capacity,
        gen_max_mw=gen_max,
        load_max_mw=load_max,
        store_max_mwh=store_max,
        gen_avail_mw=avail,
        load_mw=load,
        gen_mw=gen,
        served_mw=load - shed,
        shed_mw=shed,
        curtailed_mw=np.zeros((steps, nodes)),
        spill_mw=np.zeros((steps, nodes)),
        charge_mw=charge,
        discharge_mw=discharge,
        store_mwh=stored,
        flow_mw=flow,
        line_status=np.ones(flow.shape),
        balancing_mw=costs["balancing"] / (2 * dt_h),
        reward=(reference - total) / max(float(reference.mean()) if steps else 1.0, 1e-9),
        costs=costs,
    )


def first_steps(episode: Episode, steps: int) -> Episode:
    """The same episode as it was recorded after the given number of steps."""
    shapes = shapes_of(episode.is_ac)
    cut = {name: getattr(episode, name)[:steps] for axes in ("TN", "TE", "T") for name in shapes[axes]}
    costs = {name: term[:steps] for name, term in episode.costs.items()}
    return replace(episode, **cut, store_mwh=episode.store_mwh[: steps + 1], costs=costs)


def without(episode: Episode, kind: str) -> Episode:
    """The same episode with the nodes of one kind turned into junctions that do nothing."""
    gone = episode.node_kind == KIND_NAMES.index(kind)
    columns = {"source": ("gen_max_mw", "gen_avail_mw", "gen_mw"), "storage": ("store_max_mwh", "store_mwh")}
    columns["consumer"] = ("load_max_mw", "load_mw", "served_mw", "shed_mw")
    idle = {name: np.where(gone, 0.0, getattr(episode, name)) for name in columns[kind]}
    return replace(episode, node_kind=np.where(gone, JUNCTION, episode.node_kind), **idle)


def in_ac(episode: Episode, fallen: slice = slice(0, 0)) -> Episode:
    """The same episode with made-up results of AC; half of the nodes has collapsed in ``fallen``."""
    steps, nodes = episode.load_mw.shape
    rng = np.random.default_rng([nodes, steps])
    load_frac = episode.load_mw.sum(1) / max(float(episode.load_mw.sum(1).max(initial=0.0)), 1.0)
    voltage = 1.04 - 0.09 * load_frac[:, None] * rng.uniform(0.2, 1.3, nodes)
    voltage[fallen, : nodes // 2] = 0.0
    collapsed = np.zeros(steps)
    collapsed[fallen] = 1.0
    return replace(
        episode,
        voltage_min_pu=np.full(nodes, 0.95),
        voltage_max_pu=np.full(nodes, 1.05),
        voltage_pu=voltage,
        line_mva=1.06 * np.abs(episode.flow_mw),
        loss_mw=0.03 * episode.load_mw.sum(1),
        collapsed=collapsed,
    )
