"""What training may use, and which stage's turn it is."""

from __future__ import annotations

import time
from itertools import accumulate
from math import inf

from grid import compiling_s
from policies.config import STAGE_SHARES, TrainConfig

ROUNDING = 1e-9


class Budget:
    """What training may use: steps, time, or whichever is used up first."""

    def __init__(self, config: TrainConfig, started_s: float | None = None, spent_s: float = 0.0) -> None:
        self.steps, self.seconds = config.steps or inf, config.seconds or inf
        self.started_s = (time.perf_counter() if started_s is None else started_s) - spent_s
        self._compiled_s = compiling_s()
        self.reserve_s = 0.0  # time to keep for what comes after the last update
        self.begun_frac = 0.0  # share used before the first update, which no stage has to bear
        ends = list(accumulate(STAGE_SHARES[stage] for stage in config.plan))
        begins = [0.0, *ends[:-1]]
        self._stages = [
            (stage, config.rate(stage), begin / ends[-1], end / ends[-1])
            for stage, begin, end in zip(config.plan, begins, ends, strict=True)
        ]  # each with its first rate, and the shares of the budget at which it begins and ends
        self.rate, self._end = self._stages[0][1], self._stages[0][3]  # of the running update

    @property
    def elapsed_s(self) -> float:
        """Time used, with that of earlier parts of a resumed run and without that of compiling."""
        return time.perf_counter() - self.started_s - (compiling_s() - self._compiled_s)

    def done_frac(self, steps: int) -> float:
        """Share used after so many steps, in [0, 1]."""
        time_frac = self.elapsed_s / max(self.seconds - self.reserve_s, 1e-9)
        return min(1.0, max(steps / self.steps, time_frac))

    def is_spent(self, steps: int, next_s: float = 0.0) -> bool:
        """Whether an update of ``next_s`` seconds no longer fits."""
        return steps >= self.steps or self.elapsed_s + next_s + self.reserve_s >= self.seconds

    def begin(self) -> None:
        """Share out what is left from here on."""
        self.begun_frac = self.done_frac(0)

    def go_on_with(self, stage: str, steps: int) -> None:
        """Leave out the stages before one that has begun, also where there is more to use than there was then."""
        first = [name for name, *_ in self._stages].index(stage)
        name, rate, begin, end = self._stages[first]
        has_begun = begin <= self._share_done(steps) + ROUNDING
        self._stages = [(name, rate, begin if has_begun else 0.0, end), *self._stages[first + 1 :]]

    def start_update(self, steps: int) -> str:
        """Fix the stage and the learning rate of the coming update; the rate falls to 0 over each stage's share."""
        done = self._share_done(steps)
        running = [stage for stage in self._stages if stage[2] <= max(done, 0.0) + ROUNDING]
        name, rate, begin, end = running[-1]
        self.rate, self._end = rate * (1.0 - (done - begin) / (end - begin)), end
        return name

    def stage_lasts(self) -> bool:
        """Whether the time of the running stage is not yet used up; without a limit on time it lasts."""
        return self._share_done(0) < self._end

    def _share_done(self, steps: int) -> float:
        """Share used of what there was when the first update began."""
        return (self.done_frac(steps) - self.begun_frac) / max(1.0 - self.begun_frac, ROUNDING)
