"""The model of an energy grid: its graph, its columns, and the arrays that are compiled from them.

``grid.physics`` runs a step of it, ``grid.planning`` finds the optimum of an episode.

Signs, stated once: an injection into the network is positive (generating and discharging +, consuming and charging −);
a flow is positive from ``line_from`` to ``line_to``; a store's setpoint is positive when it discharges.
Symbols in docstrings: B batch, N nodes, E lines, T steps, A controllable nodes.
"""

from typing import TYPE_CHECKING

from grid.arrays import GridArrays
from grid.check import LARGEST, LARGEST_BASE_MVA, LEAST_BASE_MVA
from grid.cluster import workers
from grid.compile_time import compiling_s
from grid.costs import (
    TERMS,
    Prices,
    Term,
    linear_cost_per_mwh,
    marginal_cost_per_mwh,
    overload_mw,
    priced,
    settlement,
    step_amounts,
    step_costs,
    store_value_per_mwh,
)
from grid.episode import IN_SERVICE, OUT, SHAPES, TRIPPED, Episode, band_pu, describe, line_status, shapes_of
from grid.episode_tables import EPISODE_TABLES
from grid.errors import Fault, Faults, GridError, nearest
from grid.executor import beside, cores, is_shared, run
from grid.files import PARTIAL, atomic_path, check_writable, remove_leftovers
from grid.graph import Grid, Series
from grid.kinds import COLUMNS, KIND_NAMES, LINE_COLUMNS, NODE_COLUMNS, Column
from grid.namespace import by_arrays, converted, loops, namespace
from grid.numbers import is_finite, is_whole
from grid.on_demand import on_demand
from grid.planning import optima, optimum
from grid.report import REPORTED, reported, usable_mwh
from grid.sensitivities import connected
from grid.state import Array, Inputs, Outcome, Setpoint, State

if TYPE_CHECKING:
    from grid.jit import compiled

__getattr__ = on_demand(__name__, {"jit": ("compiled",)})  # numba takes long to load

__all__ = [
    "COLUMNS",
    "EPISODE_TABLES",
    "IN_SERVICE",
    "KIND_NAMES",
    "LARGEST",
    "LARGEST_BASE_MVA",
    "LEAST_BASE_MVA",
    "LINE_COLUMNS",
    "NODE_COLUMNS",
    "OUT",
    "PARTIAL",
    "REPORTED",
    "SHAPES",
    "TERMS",
    "TRIPPED",
    "Array",
    "Column",
    "Episode",
    "Fault",
    "Faults",
    "Grid",
    "GridArrays",
    "GridError",
    "Inputs",
    "Outcome",
    "Prices",
    "Series",
    "Setpoint",
    "State",
    "Term",
    "atomic_path",
    "band_pu",
    "beside",
    "by_arrays",
    "check_writable",
    "compiled",
    "compiling_s",
    "connected",
    "converted",
    "cores",
    "describe",
    "is_finite",
    "is_shared",
    "is_whole",
    "line_status",
    "linear_cost_per_mwh",
    "loops",
    "marginal_cost_per_mwh",
    "namespace",
    "nearest",
    "on_demand",
    "optima",
    "optimum",
    "overload_mw",
    "priced",
    "remove_leftovers",
    "reported",
    "run",
    "settlement",
    "shapes_of",
    "step_amounts",
    "step_costs",
    "store_value_per_mwh",
    "usable_mwh",
    "workers",
]
