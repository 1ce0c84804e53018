"""Episode: the recorded arrays of one episode, saved and loaded without pickle."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from grid.arrays import GridArrays
from grid.costs import TERMS
from grid.errors import GridError
from grid.files import atomic_path
from grid.sensitivities import connected
from grid.state import Outcome, carried

FORMAT = "load-balancer-episode/1"
SHAPES = {
    "N": ("node_kind", "x", "y", "gen_max_mw", "load_max_mw", "store_max_mwh"),
    "E": ("line_from", "line_to", "capacity_mw"),
    "TN": (
        "gen_avail_mw",
        "load_mw",
        "gen_mw",
        "served_mw",
        "shed_mw",
        "curtailed_mw",
        "spill_mw",
        "charge_mw",
        "discharge_mw",
    ),
    "SN": ("store_mwh",),  # S = T + 1
    "TE": ("flow_mw", "line_status"),
    "T": ("balancing_mw", "reward"),
}
AC_SHAPES = {
    "N": ("voltage_min_pu", "voltage_max_pu"),
    "TN": ("voltage_pu",),
    "TE": ("line_mva",),
    "T": ("loss_mw", "collapsed"),
}
"""What an episode of AC power flow has beside them."""

OF_AC = tuple(name for names in AC_SHAPES.values() for name in names)

MAYBE_SHAPES = {"gen_profiled": "N", "nodal_price_per_mwh": "TN", "on": "TN", "stoppable": "N"}
"""What an episode may have beside them, with its axes."""


def shapes_of(is_ac: bool) -> dict[str, tuple[str, ...]]:
    """Names of the arrays of an Episode by their axes."""
    return {axes: names + AC_SHAPES.get(axes, ()) * is_ac for axes, names in SHAPES.items()}


MOST_UNPACKED_BYTES = 1_000_000_000

OUT, IN_SERVICE, TRIPPED = 0, 1, 2  # what Episode.line_status holds; a line that is locked out counts as tripped

UNREADABLE = (  # what numpy, zipfile and json raise at a file that is missing, damaged or something else
    *(OSError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(ValueError, KeyError, TypeError, AttributeError),
)


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode as it happened. Symbols: T steps, N nodes, E lines; signs as in ``grid``."""

    grid_name: str
    policy: str  # who decided
    fingerprint: str  # of the grid
    dt_h: float
    start_hour: float  # hours from Monday 00:00 to the first step
    node_names: tuple[str, ...]  # (N,)
    line_names: tuple[str, ...]  # (E,)
    node_kind: np.ndarray  # (N,) position in grid.kinds.KIND_NAMES
    x: np.ndarray  # (N,) NaN: no position
    y: np.ndarray  # (N,)
    line_from: np.ndarray  # (E,)
    line_to: np.ndarray  # (E,)
    capacity_mw: np.ndarray  # (E,)
    gen_max_mw: np.ndarray  # (N,)
    load_max_mw: np.ndarray  # (N,)
    store_max_mwh: np.ndarray  # (N,)
    gen_avail_mw: np.ndarray  # (T, N) gen_max_mw x available share
    load_mw: np.ndarray  # (T, N)
    gen_mw: np.ndarray  # (T, N) before spill
    served_mw: np.ndarray  # (T, N)
    shed_mw: np.ndarray  # (T, N) demand not met, cuts aside
    curtailed_mw: np.ndarray  # (T, N) flexible demand cut as asked
    spill_mw: np.ndarray  # (T, N)
    charge_mw: np.ndarray  # (T, N)
    discharge_mw: np.ndarray  # (T, N)
    store_mwh: np.ndarray  # (T + 1, N) at the start of each step and at the end
    flow_mw: np.ndarray  # (T, E)
    line_status: np.ndarray  # (T, E) at the end of each step: OUT, IN_SERVICE or TRIPPED
    balancing_mw: np.ndarray  # (T,)
    reward: np.ndarray  # (T,)
    costs: dict[str, np.ndarray] = field(default_factory=dict)  # each (T,), keys as grid.costs.TERMS
    # of AC power flow; None in DC
    voltage_min_pu: np.ndarray | None = None  # (N,) band of the bus of the node
    voltage_max_pu: np.ndarray | None = None  # (N,)
    voltage_pu: np.ndarray | None = None  # (T, N) 0 in parts that are dark or have collapsed
    line_mva: np.ndarray | None = None  # (T, E) apparent power at the end that carries more
    loss_mw: np.ndarray | None = None  # (T,)
    collapsed: np.ndarray | None = None  # (T,) 1 where a part of the grid has no solution, else 0
    # what not every episode has
    start: str | None = None  # local time of the first step, ISO 8601; None: its series are not dated
    gen_profiled: np.ndarray | None = None  # (N,) 1 where the output follows sun, wind or another profile, else 0
    nodal_price_per_mwh: np.ndarray | None = None  # (T, N) of an optimum: dual of the balance of each node
    on: np.ndarray | None = None  # (T, N) 0 where a plant is off, else 1; None: none of the grid stops
    stoppable: np.ndarray | None = None  # (N,) 1 where a plant starts and stops, else 0; None: none of the grid

    @property
    def is_ac(self) -> bool:
        """Whether its flows are those of AC."""
        return self.voltage_pu is not None

    @property
    def carried(self) -> np.ndarray:
        """(T, E) what the capacity of a line limits, MW or, in AC, MVA; with the sign of the flow."""
        found: np.ndarray = carried(self.flow_mw, self.line_mva)
        return found

    @property
    def is_profiled(self) -> np.ndarray:
        """(N,) whether the output follows a profile; of older files, whether it was ever less than gen_max_mw."""
        followed = (self.gen_avail_mw < self.gen_max_mw).any(0) if self.gen_profiled is None else self.gen_profiled
        return np.logical_and(followed, self.gen_max_mw > 0)

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return len(self.load_mw)

    @property
    def cost(self) -> float:
        """Cost of the whole episode, settlement included."""
        return float(sum(term.sum() for term in self.costs.values()))

    @property
    def unserved_mwh(self) -> float:
        """Demand not met."""
        return float(self.shed_mw.sum() * self.dt_h)

    @property
    def starts(self) -> int:
        """How often plants started, those of the first step aside."""
        return 0 if self.on is None else int((np.diff(self.on, axis=0) > 0).sum())

    @property
    def curtailed_mwh(self) -> float:
        """Flexible demand cut as asked."""
        return float(self.curtailed_mw.sum() * self.dt_h)

    @property
    def overload_mwh(self) -> float:
        """Energy carried above capacity; in AC, MVAh."""
        return float(np.clip(np.abs(self.carried) - self.capacity_mw, 0, None).sum() * self.dt_h)

    def to_frame(self, table: Literal["units", "lines", "costs"] = "units") -> Any:
        """A pandas.DataFrame of one of ``EPISODE_TABLES``: one row a step and unit, a step and line, or a step.

        Raises:
            GridError: another table, or pandas is missing.
        """
        from grid.episode_tables import to_frame

        return to_frame(self, table)

    def save(self, path: str | Path) -> Path:
        """Write one ``.npz`` file, whole or not at all; returns its path."""
        target = Path(path)
        texts = {"format": FORMAT, "costs": list(self.costs)}
        arrays: dict[str, np.ndarray] = {f"cost_{name}": term for name, term in self.costs.items()}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                arrays[item.name] = value
            elif item.name not in ("costs", *OF_AC, *MAYBE_SHAPES):
                texts[item.name] = value
        with atomic_path(target) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, json=np.array(json.dumps(texts, default=float)), **arrays)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Episode:
        """Read what :meth:`save` wrote.

        Raises:
            GridError: the file is missing, truncated or not an episode.
        """
        source = Path(path)
        mend = "give a file written by `load-balancer optimum --out`, `render` or Episode.save"
        try:
            with source.open("rb") as file, _archive(file) as data:
                texts = json.loads(str(data["json"]))
                if texts.pop("format") != FORMAT:
                    raise GridError(str(source), "another format", FORMAT, mend)
                costs = {name: data[f"cost_{name}"] for name in texts.pop("costs") if name in TERMS}
                names: dict[str, Any] = {key: tuple(texts.pop(key)) for key in ("node_names", "line_names")}
                arrays: dict[str, Any] = {
                    item.name: data[item.name]
                    for item in fields(cls)
                    if item.name not in {*texts, *names, "costs", "start"}
                    and (item.name in data or item.name not in ("curtailed_mw", *OF_AC, *MAYBE_SHAPES))
                }
                arrays.setdefault("curtailed_mw", np.zeros_like(arrays["load_mw"]))  # older files have none
            episode = cls(**texts, **names, **arrays, costs=costs)
            episode._check_shapes()
            return episode
        except GridError:
            raise
        except UNREADABLE as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            found = "no such file" if isinstance(error, FileNotFoundError) else reason
            raise GridError(str(source), found, "an episode file (.npz)", mend) from error

    def _check_shapes(self) -> None:
        sizes = {"T": self.steps, "S": self.steps + 1, "N": len(self.node_names), "E": len(self.line_names)}
        shapes = shapes_of(any(getattr(self, name) is not None for name in OF_AC))
        arrays = [(axes, name, np.asarray(getattr(self, name))) for axes, names in shapes.items() for name in names]
        arrays += [("T", f"cost_{name}", term) for name, term in self.costs.items()]
        given = {name: getattr(self, name) for name in MAYBE_SHAPES}
        arrays += [(MAYBE_SHAPES[name], name, np.asarray(array)) for name, array in given.items() if array is not None]
        if self.start is not None:
            datetime.fromisoformat(self.start)
        for axes, name, array in arrays:
            if array.shape != tuple(sizes[axis] for axis in axes) or array.dtype.kind not in "iuf":
                raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")


def _archive(file: BinaryIO) -> Any:
    """The arrays of an ``.npz`` file that does not unpack to more than it may."""
    with zipfile.ZipFile(file) as packed:
        unpacked = sum(entry.file_size for entry in packed.infolist())
    if unpacked > MOST_UNPACKED_BYTES:
        raise ValueError(f"{unpacked / 1e6:,.0f} MB when unpacked, more than {MOST_UNPACKED_BYTES / 1e6:,.0f} MB")
    file.seek(0)
    return np.load(file, allow_pickle=False)


def describe(arrays: GridArrays) -> dict[str, Any]:
    """The fields of an Episode that come from the grid alone."""
    same = ("fingerprint", "node_names", "line_names", "node_kind", "x", "y", "line_from", "line_to", "capacity_mw")
    sizes = ("gen_max_mw", "load_max_mw", "store_max_mwh")
    profiled = np.array([name is not None for name in arrays.gen_profile], dtype=np.int8)
    about = {"grid_name": arrays.name, "gen_profiled": profiled}
    if arrays.stoppable.size:
        about["stoppable"] = np.isin(np.arange(len(arrays.node_names)), arrays.stoppable).astype(np.int8)
    return about | {name: getattr(arrays, name) for name in same + sizes}


def band_pu(arrays: GridArrays) -> dict[str, np.ndarray]:
    """The fields of an Episode in AC that come from the grid alone: the tightest band of the nodes of each bus."""
    ideal = np.flatnonzero(arrays.reactance_pu == 0)
    bus = connected(arrays.line_from[ideal], arrays.line_to[ideal], len(arrays.node_names))
    lowest, highest = np.zeros(len(bus)), np.full(len(bus), np.inf)
    np.maximum.at(lowest, bus, arrays.voltage_min_pu)
    np.minimum.at(highest, bus, arrays.voltage_max_pu)
    return {"voltage_min_pu": lowest[bus], "voltage_max_pu": highest[bus]}


def line_status(outcome: Outcome) -> np.ndarray:
    """(B, E) what Episode.line_status holds, of one step."""
    status = np.full(outcome.flow_mw.shape, IN_SERVICE, dtype=np.int8)
    if outcome.in_service is not None:
        status[~outcome.in_service] = OUT
    if outcome.tripped is not None:
        status[outcome.tripped] = TRIPPED
    return status
