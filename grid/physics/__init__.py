"""One step of the grid, batched and pure: ``limits`` says what units can do, ``step`` does it.

Supply and demand are balanced in closed form, lines follow DC power flow (``flows``) or AC power flow (``ac_flow``),
with lines out of service (``Outages``) and relays that trip (``Protection``).
"""

from grid.physics.balance import TINY_MW
from grid.physics.commitment import committed, hours_on, is_asked
from grid.physics.flow import ac_flow, flows, ptdf
from grid.physics.limits import Choice, Limits
from grid.physics.outages import Outages
from grid.physics.protection import SOON_H, Protection
from grid.physics.step import initial_state, limits, place, step

__all__ = [
    "SOON_H",
    "TINY_MW",
    "Choice",
    "Limits",
    "Outages",
    "Protection",
    "ac_flow",
    "committed",
    "flows",
    "hours_on",
    "initial_state",
    "is_asked",
    "limits",
    "place",
    "ptdf",
    "step",
]
