"""The choice of plants for the coming hours, many rows at once, where plants start and stop. Needs numba.

A room of its own, so that what numba has made of the plan of a day is kept where this changes.
"""

from grid.planning.commitment.decommitment import Decommitment
from grid.planning.commitment.starts import StartPlanner, Starts

__all__ = ["Decommitment", "StartPlanner", "Starts"]
