"""Planning a day ahead, many rows at once: ``DayPlanner`` plans from forecasts, ``clear`` settles the coming step.

The plan is the programme of ``grid.planning`` over the coming day, solved to a few digits by an interior point method
that numba compiles at its first use. Needs numba, which the extra ``train`` brings.
"""

from grid.planning.day.clearing import clear
from grid.planning.day.inverse import shift_for
from grid.planning.day.plan import HOURS
from grid.planning.day.planner import Day, DayPlanner
from grid.planning.day.security import Security

__all__ = ["HOURS", "Day", "DayPlanner", "Security", "clear", "shift_for"]
