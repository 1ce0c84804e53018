"""Problems as plain data, for those who work elsewhere."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from uuid import uuid4

from envs.config import EnvConfig
from envs.problem import Problem
from grid import GridError

KEPT = 2  # problems, those that were used last

_MADE: dict[str, Problem] = {}


@dataclass(frozen=True, eq=False)
class PortableProblem:
    """What a problem is compiled from. Whoever asks for it compiles it once; whoever packed it has it already."""

    config: EnvConfig  # its topology is the Grid
    fingerprint: str
    key: str

    @classmethod
    def of(cls, problem: Problem) -> PortableProblem:
        """Pack a problem."""
        config = dataclasses.replace(problem.config, topology=problem.grid)
        packed = cls(config, problem.arrays.fingerprint, uuid4().hex)
        packed._keep(problem)
        return packed

    def problem(self) -> Problem:
        """The problem.

        Raises:
            GridError: what is compiled here is another grid, as by another version of the program.
        """
        if self.key not in _MADE:
            made = Problem.of(self.config)
            if made.arrays.fingerprint != self.fingerprint:
                mend = "install the same version of load-balancer on all machines"
                raise GridError(f"grid {made.arrays.name!r}", "another grid here", "the one that was sent", mend)
            self._keep(made)
        return _MADE[self.key]

    def _keep(self, problem: Problem) -> None:
        _MADE[self.key] = problem
        while len(_MADE) > KEPT:
            del _MADE[next(iter(_MADE))]
