"""GridArrays: a checked grid as frozen, read-only arrays, with everything that is derived from it once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.kinds import COLUMNS, Columns
from grid.namespace import converted
from grid.sensitivities import LineModel
from grid.state import Array

DENSE_NODES = 500  # above, flows are solved for: with more nodes that is faster for 1 to 64 envs, from 1,000 for 1,024


@dataclass(frozen=True, eq=False, kw_only=True)
class GridArrays(Columns):
    """A grid compiled for stepping: the columns of ``grid.kinds``, and what is derived from them.

    Symbols: N nodes, E lines, A controllable nodes, P connected parts, K prices of shedding.
    """

    name: str
    node_names: tuple[str, ...]  # (N,)
    node_kind: Array  # (N,) position in grid.kinds.KIND_NAMES
    line_names: tuple[str, ...]  # (E,)
    line_from: Array  # (E,) position of the node at the from end
    line_to: Array  # (E,)
    base_mva: float
    # derived
    controllable: Array  # (A,) nodes with a source, a store or flexible demand, ascending
    flexible: Array  # (F,) nodes with flexible demand, ascending
    stoppable: Array  # (K,) nodes whose plant starts and stops, ascending
    dispatched: Array  # (G,) nodes with a source or flexible demand, ascending: a cut stands for output of the node
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
    fingerprint: str  # changes with anything that changes the physics of DC

    @property
    def is_source(self) -> Array:
        """(N,) whether the node can generate."""
        return self.gen_max_mw > 0

    @property
    def is_store(self) -> Array:
        """(N,) whether the node can store."""
        return self.store_max_mwh > 0

    @property
    def most_mw(self) -> Array:
        """(N,) largest output, or cut of demand at load_max_mw."""
        return self.gen_max_mw + self.flex_max_frac * self.load_max_mw

    def offered_mw(self, gen_avail_frac: Array, load_mw: Array) -> Array:
        """(..., N) output or cut of demand that is possible with an availability and a demand (..., N)."""
        offered = self.gen_max_mw * gen_avail_frac
        return offered + self.flex_max_frac * load_mw if self.flexible.shape[0] else offered

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
        return converted(self, asarray)


def fingerprint(network: dict[str, Any], columns: dict[str, Any], absent: dict[str, Array]) -> str:
    """Hash names, lines, and all values of columns that differ from what absent ones have.

    Positions are left out, and what only AC power flow reads. So a column that is new to the table changes the
    fingerprints of those grids alone that give it.

    Args:
        network: names, kinds, ends of lines and base, by the names of their fields.
        columns: values of each column, (N,) or (E,).
        absent: what stands for absent values, (N,) or (E,), where that is not the column's default.
    """
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in network.items()}
    digest = hashlib.sha256(repr(sorted(plain.items())).encode())
    for name in sorted(name for name in columns.keys() - {"x", "y"} if not COLUMNS[name].ac):
        values = np.array(columns[name], dtype=object if COLUMNS[name].is_text else float)
        given = np.flatnonzero(values != absent.get(name, COLUMNS[name].default))
        if given.size:
            digest.update(repr((name, given.tolist(), values[given].tolist())).encode())
    return digest.hexdigest()[:16]
