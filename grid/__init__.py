"""The physical model of an energy grid.

Signs, stated once: an injection into the network is positive (generating and discharging +, consuming and charging −);
a flow is positive from ``line_from`` to ``line_to``; a store's setpoint is positive when it discharges.

Symbols in docstrings: B batch, N nodes, E lines, T steps, A controllable nodes.
"""

from grid.arrays import GridArrays
from grid.costs import Prices
from grid.episode import Episode
from grid.errors import GridError
from grid.graph import Grid
from grid.planning.optima import optima
from grid.planning.optimum import optimum
from grid.state import Inputs, Outcome, Setpoint, State

__all__ = [
    "Episode",
    "Grid",
    "GridArrays",
    "GridError",
    "Inputs",
    "Outcome",
    "Prices",
    "Setpoint",
    "State",
    "optima",
    "optimum",
]
