"""GridArrays: a checked grid as frozen, read-only arrays, with everything that is derived from it once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grid.sensitivities import LineModel
from grid.state import Array

DENSE_NODES = 500  # above, flows are solved for: with more nodes that is faster for 1 to 64 envs, from 1,000 for 1,024


@dataclass(frozen=True, eq=False)
class GridArrays:
    """A grid compiled for stepping; see ``grid.kinds.COLUMNS`` for units and meaning of the columns.

    Symbols: N nodes, E lines, A controllable nodes, P connected parts, K prices of shedding.
    """

    name: str
    node_names: tuple[str, ...]  # (N,)
    node_kind: Array  # (N,) position in grid.kinds.KIND_NAMES
    gen_profile: tuple[str | None, ...]  # (N,)
    load_profile: tuple[str | None, ...]  # (N,)
    gen_max_mw: Array  # (N,)
    gen_min_mw: Array  # (N,)
    gen_ramp_mw_per_h: Array  # (N,)
    gen_cost_per_mwh: Array  # (N,)
    gen_cost_per_mw2h: Array  # (N,)
    gen_reserve_frac: Array  # (N,)
    co2_t_per_mwh: Array  # (N,)
    load_max_mw: Array  # (N,)
    shed_cost_per_mwh: Array  # (N,)
    store_max_mwh: Array  # (N,)
    store_min_mwh: Array  # (N,)
    store_init_mwh: Array  # (N,)
    charge_max_mw: Array  # (N,)
    discharge_max_mw: Array  # (N,)
    charge_eff_frac: Array  # (N,)
    discharge_eff_frac: Array  # (N,)
    store_loss_frac_per_h: Array  # (N,)
    x: Array  # (N,) NaN: no position
    y: Array  # (N,)
    line_names: tuple[str, ...]  # (E,)
    line_from: Array  # (E,) position of the node at the from end
    line_to: Array  # (E,)
    capacity_mw: Array  # (E,) inf: unlimited
    reactance_pu: Array  # (E,)
    tap: Array  # (E,)
    shift_deg: Array  # (E,)
    outage_rate_per_h: Array  # (E,)
    repair_h: Array  # (E,)
    base_mva: float
    # derived
    controllable: Array  # (A,) nodes with a source or a store, ascending
    gen_ramp_down_mw_per_h: Array  # (N,) inf where a gen_profile is given
    part: Array  # (N,) connected part of each node, 0..P-1
    part_matrix: Array  # (N, P) 1 where the node is in the part
    each_node: Array  # (N,) ones: x @ each_node sums over the nodes, several times faster than a reduction
    each_line: Array  # (E,) ones
    shed_tiers: Array  # (K, N) 1 where the node has the k-th lowest price of shedding
    line_model: LineModel  # flows of the lines from injections
    flow_matrix: Array | None  # (E, N) flow per injection, for balanced injections; None above DENSE_NODES
    flow_offset_mw: Array  # (E,) flow caused by phase shifts alone
    edge_index: Array  # (2, 2E) every line in both directions
    fingerprint: str  # changes with anything that changes the physics

    @property
    def is_source(self) -> Array:
        """(N,) whether the node can generate."""
        return self.gen_max_mw > 0

    @property
    def is_store(self) -> Array:
        """(N,) whether the node can store."""
        return self.store_max_mwh > 0

    @property
    def peak_load_mw(self) -> float:
        """Sum of all consumers' largest demand."""
        return float(self.load_max_mw.sum())

    @property
    def unit_mw(self) -> float:
        """The power that features and plans are measured in: peak demand per controllable unit."""
        total = self.peak_load_mw or float(self.gen_max_mw.sum() + self.discharge_max_mw.sum())
        return total / len(self.controllable)

    def with_flow_matrix(self) -> GridArrays:
        """The same grid with its flow_matrix, however large: other namespaces than numpy's need it."""
        return self if self.flow_matrix is not None else dataclasses.replace(self, flow_matrix=self.line_model.matrix())

    def convert(self, asarray: Callable[[np.ndarray], Array]) -> GridArrays:
        """The same grid with every array passed through ``asarray`` (say, to torch tensors)."""
        changed = {
            field.name: asarray(value)
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }
        return dataclasses.replace(self, **changed)


def fingerprint(columns: dict[str, object]) -> str:
    """Hash names, wiring and every column that the physics reads; pictures and titles are left out."""
    digest = hashlib.sha256()
    for key in sorted(columns):
        if key in ("x", "y", "name"):
            continue
        value = columns[key]
        raw = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        digest.update(key.encode() + b"\0" + raw + b"\0")
    return digest.hexdigest()[:16]
