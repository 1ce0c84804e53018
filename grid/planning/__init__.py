"""Planning an episode with perfect foresight: the linear programme of ``grid.physics`` over all its steps.

``optimum`` solves one episode, ``optima`` many; ``Programme`` is the model whose inputs change in place, for
model predictive control.
"""

from grid.planning.ac_optimum import ac_reference
from grid.planning.correction import Correction
from grid.planning.curves import COST_TOLERANCE, CurvedModel, Tangents, add_segments
from grid.planning.futures import FirstStep, FuturesProgramme
from grid.planning.optima import optima
from grid.planning.optimum import Optimum, optimum
from grid.planning.programme import Programme, Solution
from grid.planning.rolling import rolling
from grid.planning.solver import OPTIONS, Model, StepBlock
from grid.planning.starts import GAP_FRAC, TIME_S, programme_of

__all__ = [
    "COST_TOLERANCE",
    "GAP_FRAC",
    "OPTIONS",
    "TIME_S",
    "Correction",
    "CurvedModel",
    "FirstStep",
    "FuturesProgramme",
    "Model",
    "Optimum",
    "Programme",
    "Solution",
    "StepBlock",
    "Tangents",
    "ac_reference",
    "add_segments",
    "optima",
    "optimum",
    "programme_of",
    "rolling",
]
