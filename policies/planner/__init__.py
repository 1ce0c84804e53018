"""The plan of the day ahead, and the clearing of a step, in code that numba compiles."""

from policies.planner.cache import Recall
from policies.planner.clearing import clear
from policies.planner.day import Day, has_started, hours_left
from policies.planner.grid_constants import MOST_LINE_SEEN, MOST_SEEN, MOST_SEEN_OF_PEAK, Wiring
from policies.planner.outages import OUT
from policies.planner.plan import HOURS, is_compiled

__all__ = [
    "HOURS",
    "MOST_LINE_SEEN",
    "MOST_SEEN",
    "MOST_SEEN_OF_PEAK",
    "OUT",
    "Day",
    "Recall",
    "Wiring",
    "clear",
    "has_started",
    "hours_left",
    "is_compiled",
]
