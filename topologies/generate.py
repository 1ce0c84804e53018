"""Synthetic grids by size and seed: ``gen:40:7`` is the grid of 40 nodes with seed 7, the same everywhere.

Towns, plants, wind, sun and stores lie on a map; lines follow a spanning tree of its triangulation, closed into meshes
or bridged by long lines. ``topologies.sizing`` gives them capacities that let demand be served, but not by the merit
order alone. Names depend on nothing but the uniform numbers of PCG64; every figure is rounded to three digits.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from grid import Grid, GridError
from topologies.sizing import size_lines
from topologies.thermal import PREFIX as THERMAL_PREFIX

PREFIX = "gen:"
LEAST_NODES, MOST_NODES = 5, 10_000
MOST_GRIDS = 100_000
MOST_SEED = 2**32 - 1
FORM = "gen:NODES:SEED, such as gen:40:7"
FORM_OF_MANY = "gen:NODESxCOUNT or gen:LEAST..MOSTxCOUNT[:FIRST_SEED], such as gen:40..60x200"

SHAPES = ("radial", "meshed", "small-world")

ROLES = {
    "base": "plant",
    "peak": "peaker",
    "wind": "wind",
    "sun": "sun",
    "store": "store",
    "hub": "hub",
    "load": "town",
}
"""What stands at a node, and what its id begins with."""
PROFILES = ("household", "household", "commerce", "industry")

CONGESTED_FRAC = 0.9  # share of the grids whose lines the merit order overloads
OVERLOAD_COST_FRAC = 0.02, 0.09  # price of the merit order's overloads in the sample, as a share of what it burns
REACTANCE_PU = 0.08  # of a line of length 1, the distance between neighbours: 10 ohm at any voltage level
MVAR_PER_MW = 0.329  # a power factor of 0.95
PLANT_PU = 1.02
PLANT_MVAR_PER_MW = -0.329, 0.484  # of the largest output: power factors of 0.95 underexcited and 0.9 overexcited
COILS_LEAVE = 0.2  # of the charging of lines above 110 kV


@dataclass(frozen=True)
class _Level:
    """A voltage level and its overhead lines, at 50 Hz."""

    base_kv: float
    base_mva: float  # of which REACTANCE_PU is 10 ohm
    rated_mw: float  # of a line of one circuit
    r_per_x: float
    b_us_per_ohm: float  # of reactance; what coils at the ends of the line leave of it


LEVELS = (
    _Level(110.0, 100.0, 123.0, 0.1188 / 0.39, 2.83 / 0.39),  # 243-AL1/39-ST1A
    _Level(220.0, 400.0, 366.0, 0.059 / 0.285, COILS_LEAVE * 3.14 / 0.285),  # 490-AL1/64-ST1A
    _Level(380.0, 1200.0, math.inf, 0.03 / 0.246, COILS_LEAVE * 4.34 / 0.246),  # Al/St 240/40, bundles of four
)
"""Standard types of pandapower and PyPSA; Heuck, Dettmann, Schulz and Oeding, Oswald have the same figures."""


def expand(name: str) -> list[str]:
    """Names of the single grids that a name of one or many generated grids stands for.

    ``gen:40..60x200:1000`` stands for 200 grids with the seeds 1000 to 1199, each of a size from 40 to 60 that depends
    on its seed alone; the first seed is 0 if it is not given. Any other name is returned as it is.

    Raises:
        GridError: a name that starts with ``gen:`` but is of neither form, or out of range.
    """
    if name.startswith(THERMAL_PREFIX):
        return [THERMAL_PREFIX + each for each in expand(name.removeprefix(THERMAL_PREFIX))]
    if not name.startswith(PREFIX):
        return [name]
    many = re.fullmatch(r"gen:(\d{1,9})(?:\.\.(\d{1,9}))?x(\d{1,9})(?::(\d{1,12}))?", name, re.ASCII)
    if many is None:
        _parse(name)
        return [name]
    low, amount, first = int(many[1]), int(many[3]), int(many[4] or 0)
    high = int(many[2] or low)
    _check_size(name, low)
    _check_size(name, high)
    if high < low:
        raise GridError(name, f"sizes from {low} to {high}", "the smaller first", f"write gen:{high}..{low}x{amount}")
    if not 1 <= amount <= MOST_GRIDS:
        raise GridError(name, f"{amount} grids", f"1 to {MOST_GRIDS:,}", "correct the number behind the x")
    _check_seed(name, first + amount - 1)
    return [f"gen:{_size_of(seed, low, high)}:{seed}" for seed in range(first, first + amount)]


def generate(name: str) -> Grid:
    """The grid of a name such as ``gen:40:7``.

    Raises:
        GridError: a name of another form, or out of range.
    """
    size, seed = _parse(name)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([size, seed])))
    shape = SHAPES[_whole(rng, 0, len(SHAPES) - 1)]
    tight = rng.random() < CONGESTED_FRAC
    origin = f"generated from its name by topologies.generate: {shape}"
    grid = Grid(name, origin=origin, licence="MIT")
    place = _places(rng, size)
    start, end, length = _wire(rng, place, shape)
    units = _add_units(grid, rng, place, np.bincount(np.concatenate([start, end]), minlength=size))
    for a, b, long in zip(start.tolist(), end.tolist(), length.tolist(), strict=True):
        grid.add_line(units[a], units[b], reactance_pu=_rounded(REACTANCE_PU * long * _between(rng, 0.8, 1.2)))
    size_lines(grid, rng, _between(rng, *OVERLOAD_COST_FRAC) if tight else 0.0)
    _add_reactive(grid)
    return grid


def _add_reactive(grid: Grid) -> None:
    """Give lines the resistance and charging of their voltage level, towns reactive demand, and plants a voltage.

    The level is that whose lines carry the largest capacity. Sun, wind and stores run at unity power factor.
    """
    most_mw = max(line["capacity_mw"] for *_, line in grid.lines())
    level = next(each for each in LEVELS if most_mw <= each.rated_mw)
    base_ohm = level.base_kv**2 / level.base_mva
    grid.base_mva = level.base_mva
    for *_, line in grid.lines():
        line["resistance_pu"] = _rounded(line["reactance_pu"] * level.r_per_x)
        line["charging_pu"] = _rounded(line["reactance_pu"] * level.b_us_per_ohm * 1e-6 * base_ohm**2)
    for _, node in grid.graph.nodes(data=True):
        node["base_kv"] = level.base_kv
        if "load_max_mw" in node:
            node["load_max_mvar"] = _rounded(node["load_max_mw"] * MVAR_PER_MW)
        elif "gen_max_mw" in node and "gen_profile" not in node:
            low, high = (_rounded(node["gen_max_mw"] * frac) for frac in PLANT_MVAR_PER_MW)
            node.update(voltage_set_pu=PLANT_PU, gen_min_mvar=low, gen_max_mvar=high)


def _parse(name: str) -> tuple[int, int]:
    one = re.fullmatch(r"gen:(\d{1,9}):(\d{1,12})", name, re.ASCII)
    if one is None:
        mend = "name the one grid that is meant" if "x" in name else "write size and seed as whole numbers"
        raise GridError(name, "another form", f"{FORM}; to train on many: {FORM_OF_MANY}", mend)
    size, seed = int(one[1]), int(one[2])
    _check_size(name, size)
    _check_seed(name, seed)
    return size, seed


def _check_size(name: str, size: int) -> None:
    if not LEAST_NODES <= size <= MOST_NODES:
        raise GridError(name, f"{size} nodes", f"{LEAST_NODES} to {MOST_NODES:,} nodes", "correct the size")


def _check_seed(name: str, seed: int) -> None:
    if seed > MOST_SEED:
        raise GridError(name, f"the seed {seed}", f"0 to {MOST_SEED}", "take a smaller seed")


def _size_of(seed: int, low: int, high: int) -> int:
    return low + int(np.random.SeedSequence([seed, low, high]).generate_state(1)[0]) % (high - low + 1)


def _rounded(value: float, digits: int = 3) -> float:
    """To significant digits, so that the last bits, which differ between processors, do not matter."""
    return float(f"{value:.{digits}g}")


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _whole(rng: np.random.Generator, low: int, high: int) -> int:
    return low + int(rng.random() * (high - low + 1))


def _shuffled(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.argsort(rng.random(size), kind="stable")


def _places(rng: np.random.Generator, size: int) -> np.ndarray:
    """(N, 2) places on a map, about 1 apart: one in each of N cells of a chessboard."""
    side = int(np.ceil(np.sqrt(size)))
    cells = np.sort(_shuffled(rng, side * side)[:size])
    corner = np.column_stack([cells % side, cells // side])
    return np.round(corner + 0.1 + 0.8 * rng.random((size, 2)), 2)


def _wire(rng: np.random.Generator, place: np.ndarray, shape: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(E,) ends and lengths of lines that join all places."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import Delaunay

    size = len(place)
    corners = Delaunay(place).simplices
    pairs = np.unique(np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]])), axis=0)
    length = _length(place, pairs)
    wish = length * (0.7 + 0.6 * rng.random(len(pairs)))
    tree = minimum_spanning_tree(coo_array((wish, pairs.T), shape=(size, size)).tocsr()).tocoo()
    in_tree = np.isin(pairs[:, 0] * size + pairs[:, 1], tree.coords[0].astype(int) * size + tree.coords[1])
    rest = pairs[~in_tree][np.argsort(wish[~in_tree], kind="stable")]
    extra = {"radial": 0.0, "meshed": _between(rng, 0.25, 0.6), "small-world": _between(rng, 0.1, 0.3)}[shape]
    chosen = [pairs[in_tree], rest[: round(extra * size)]]
    if shape == "small-world":
        ends = np.column_stack([_shuffled(rng, size), _shuffled(rng, size)])
        far = _length(place, ends) > 0.3 * np.sqrt(size)
        chosen.append(np.sort(ends[far][: max(1, size // 12)]))
    lines = np.unique(np.concatenate(chosen), axis=0)
    return lines[:, 0], lines[:, 1], _length(place, lines)


def _length(place: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    gap = place[pairs[:, 0]] - place[pairs[:, 1]]
    return np.sqrt((gap * gap).sum(axis=1))


def _add_units(grid: Grid, rng: np.random.Generator, place: np.ndarray, degree: np.ndarray) -> list[str]:
    """Put a unit on every place, hubs where many lines meet, cheap plants and wind at one side. Returns (N,) ids."""
    size = len(place)
    plants, weather = max(2, round(0.13 * size)), round(0.12 * size - 0.2)
    stores, hubs = max(1, round(_between(rng, 0.08, 0.14) * size)), round(0.04 * size)
    cheap, sunny = (plants + 1) // 2, _whole(rng, 0, weather)
    roles = ["base"] * cheap + ["wind"] * (weather - sunny)
    remote = len(roles)
    roles += ["peak"] * (plants - cheap) + ["sun"] * sunny + ["store"] * stores
    roles += ["load"] * (size - hubs - len(roles)) + ["hub"] * hubs

    direction, mixing = rng.random(2) - 0.5, _between(rng, 0.2, 1.5)
    along = place @ direction
    along = (along - along.min()) / np.ptp(along)
    is_hub = np.argsort(np.argsort(-degree, kind="stable"), kind="stable") < hubs
    order = np.argsort(along + mixing * rng.random(size) + 9 * is_hub, kind="stable")
    middle = order[remote : size - hubs]
    order[remote : size - hubs] = middle[_shuffled(rng, len(middle))]
    role = dict(zip(order.tolist(), roles, strict=True))

    demand_mw = {node: _rounded(5.0 * 8.0 ** rng.random()) for node in role if role[node] == "load"}
    total_mw = sum(demand_mw.values())
    share = (0.7 + 0.6 * rng.random(plants)) * np.where(np.arange(plants) < cheap, 0.75, 1.0)
    share *= total_mw * _between(rng, 1.0, 1.2) / share.sum()
    plant_mw = dict(zip([node for node in role if role[node] in ("base", "peak")], share.tolist(), strict=True))
    weather_mw = total_mw * _between(rng, 0.3, 0.9) / max(weather, 1)
    store_mw = total_mw * _between(rng, 0.12, 0.25) / stores
    ids, numbers = [""] * size, dict.fromkeys(ROLES, 0)
    for node in range(size):
        numbers[role[node]] += 1
        ids[node] = f"{ROLES[role[node]]}{numbers[role[node]]}"
        where = {"x": float(place[node, 0]), "y": float(place[node, 1])}
        if role[node] == "load":
            profile = PROFILES[_whole(rng, 0, 3)]
            grid.add_consumer(ids[node], load_max_mw=demand_mw[node], load_profile=profile, **where)
        elif role[node] == "store":
            grid.add_storage(ids[node], **_store(rng, store_mw), **where)
        elif role[node] == "hub":
            grid.add_junction(ids[node], **where)
        elif role[node] in ("sun", "wind"):
            most_mw = _rounded(weather_mw * _between(rng, 0.7, 1.3))
            grid.add_source(ids[node], gen_max_mw=most_mw, gen_profile=role[node], **where)
        else:
            grid.add_source(ids[node], **_plant(rng, role[node], plant_mw[node]), **where)
    return ids


def _plant(rng: np.random.Generator, role: str, size_mw: float) -> dict[str, float]:
    """Columns of a thermal source: cheap and slow, or dear and quick."""
    most_mw = _rounded(size_mw)
    cost = _between(rng, 12.0, 40.0) if role == "base" else _between(rng, 45.0, 110.0)
    columns = {"gen_max_mw": most_mw, "gen_cost_per_mwh": _rounded(cost), "co2_t_per_mwh": 0.9}
    if rng.random() < 0.5:  # the last MWh is dearer than the first by up to two fifths
        columns["gen_cost_per_mw2h"] = _rounded(cost * _between(rng, 0.05, 0.2) / most_mw)
    if role == "peak":
        return columns | {"co2_t_per_mwh": 0.5}
    if rng.random() < 0.5:
        columns["gen_ramp_mw_per_h"] = _rounded(most_mw * _between(rng, 0.15, 0.4))
    if rng.random() < 0.4:
        columns["gen_min_mw"] = _rounded(most_mw * _between(rng, 0.1, 0.3))
    return columns


def _store(rng: np.random.Generator, mean_mw: float) -> dict[str, float]:
    """Columns of a storage of three to eight hours."""
    power_mw = _rounded(mean_mw * _between(rng, 0.6, 1.4))
    eff_frac = _rounded(_between(rng, 0.86, 0.97))
    columns = {
        "store_max_mwh": _rounded(power_mw * _between(rng, 3.0, 8.0)),
        "charge_max_mw": power_mw,
        "discharge_max_mw": power_mw,
        "charge_eff_frac": eff_frac,
        "discharge_eff_frac": eff_frac,
    }
    if rng.random() < 0.3:
        columns["store_loss_frac_per_h"] = _rounded(_between(rng, 0.001, 0.005))
    return columns
