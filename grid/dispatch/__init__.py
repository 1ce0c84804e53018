"""Rules that place the output of sources: the merit order, and redispatch moves that relieve lines."""

from grid.dispatch.commitment import UnitCommitment
from grid.dispatch.merit_order import MeritOrder
from grid.dispatch.redispatch import Redispatch

__all__ = ["MeritOrder", "Redispatch", "UnitCommitment"]
