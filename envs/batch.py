"""GridBatch: the only reset and step in the product, for B episodes at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

import gymnasium as gym
import numpy as np

from envs.actions import ActionMap
from envs.config import EnvConfig
from envs.features import loading, view_of
from envs.flat_observation import FlatEncoder
from envs.forecasts import draw_errors
from envs.graph_observation import GraphEncoder
from envs.outage_plan import planned_where_out
from envs.outages import LineOutages
from envs.outlook import Outlook, steps_to_draw
from envs.problem import SPLIT_CODES, Problem
from grid import Array, GridError, Inputs, Outcome, Setpoint, State, priced, settlement, step_amounts
from grid.physics import SOON_H, Limits, initial_state, limits, step
from grid.planning import Correction

if TYPE_CHECKING:
    from grid.planning.day import Day

ENCODERS: dict[str, type[FlatEncoder | GraphEncoder]] = {"flat": FlatEncoder, "graph": GraphEncoder}
"""What makes each kind of observation: ``names`` and ``space``, ``start`` for new episodes, a call for each step."""

Seeds = int | Sequence[int | None] | np.ndarray | None
"""One seed for all episodes, or one for each; None draws one."""


@dataclass(frozen=True, eq=False)
class Transition:
    """One finished step of all B episodes."""

    t: int
    state: State
    inputs: Inputs
    outcome: Outcome
    next_state: State  # before any reset
    costs: dict[str, Array]  # each (B,), keys as grid.costs.TERMS
    reference: Array  # (B,) cost of the merit order on a copper plate
    reward: Array  # (B,)
    done: bool
    start_hour: np.ndarray  # (B,) hours from Monday 00:00 to the start of the episodes
    start: np.ndarray | None  # (B,) local time of it, datetime64; None: the series are not dated


class GridBatch:
    """B episodes of one grid, in step: they start together and, after ``horizon`` steps, end together.

    Each episode has a random stream of its own, so episode i does not depend on B.
    """

    def __init__(self, problem: Problem | EnvConfig, batch_size: int = 1, seed: Seeds = 0) -> None:
        self.problem = problem = problem if isinstance(problem, Problem) else Problem.of(problem)
        self.config = config = problem.config
        self.grid, self.arrays, self.prices = problem.grid, problem.arrays, problem.prices
        self._ac = problem.ac
        self.horizon, self.batch_size = config.horizon, batch_size
        self.action_map: ActionMap = problem.action_map
        self.encoder = ENCODERS[config.observation](problem.arrays, problem.layout, problem.load_high_mw)
        self.observation_space = self.encoder.space
        self.action_space = gym.spaces.Box(-1.0, 1.0, (len(self.action_names),), np.float32)
        self.first: int  # number of the first episode that the seed starts
        self.seed(seed)
        self.last: Transition | None = None
        self.costs: dict[str, Array] = {}  # of the step that ended last, each (B,), keys as grid.costs.TERMS
        # (B,) demand unserved and energy above capacity in that step; in AC, with voltage outside its band x base_mva
        self.violation_mwh = np.zeros(batch_size)
        self.metrics: dict[str, Array] = {}  # of the episodes that ended last, each (B,)
        self._history: list[dict[str, Array]] = []
        self._day: Day | None = None  # of the coming step, once it has been asked for
        self._corrected, self._correction = -1, cast("Correction | None", None)  # the step that it is for
        self.limits: Limits

    @property
    def action_names(self) -> list[str]:
        """The node that each entry of an action sets: those of ``controllable``, and with bids those of ``stoppable``.

        Graph networks, which give one entry to each unit, leave it to the plan which plants are on.
        """
        bids_on = self.config.action == "bids" and self.config.observation == "flat"
        units = self.arrays.controllable, self.arrays.stoppable[: None if bids_on else 0]
        return [self.arrays.node_names[i] for part in units for i in part]

    def seed(self, seed: Seeds, first: int = 0) -> None:
        """Start the random streams of all episodes anew; ``reset`` draws from them.

        Args:
            seed: one, whose episodes number ``first`` and those after it are run; or one for each episode, whose first
                episode is run.
            first: number of the first episode, from 0.

        Raises:
            GridError: a seed that is no whole number >= 0, or not as many as episodes.
        """
        if isinstance(seed, Sequence | np.ndarray):
            if len(seed) != self.batch_size:
                found, mend = f"{len(seed)} of them", "give one seed, or one for each episode"
                raise GridError("seeds", found, f"{self.batch_size}, one for each episode", mend)
            self.first = 0
            children = [_child(self._stream(each), 0) for each in seed]
        else:
            root = self._stream(seed)
            self.first = first
            children = [_child(root, first + i) for i in range(self.batch_size)]
        self._rngs = [np.random.default_rng(child) for child in children]

    def _stream(self, seed: int | None) -> np.random.SeedSequence:
        if seed is None:
            return np.random.SeedSequence()
        if not isinstance(seed, Integral) or seed < 0:
            raise GridError("seed", repr(seed), "a whole number >= 0, or None", "correct the value")
        return np.random.SeedSequence([int(seed), SPLIT_CODES[self.config.split]])

    def reset(self, seed: Seeds = None, first: int = 0) -> Any:
        """Start B new episodes; a seed starts their random streams anew, as ``seed`` says.

        Returns:
            The first observation.
        """
        if seed is not None:
            self.seed(seed, first)
        known_steps, dt_h = steps_to_draw(self.config), self.config.dt_h
        draw = self.problem.source.draw(self._rngs, known_steps, dt_h)
        lines = LineOutages.draw(self.arrays, self.config.outages, self._rngs, self.horizon + 1, known_steps, dt_h)
        errors = draw_errors(self.arrays, self.config, draw, self._rngs)
        self.outlook = outlook = Outlook.of(self.arrays, self.config, draw, errors, lines)
        self.start_hour, self.start = draw.start_hour, draw.start
        self.encoder.start(outlook)
        steps = self.horizon
        self.references = self.problem.reference_cost(outlook.load_mw[:steps], outlook.avail_frac[:steps])
        self.t, self._corrected, self._correction = 0, -1, None
        self._history = []
        self.voltage_pu = None if self._ac is None else np.ones((self.batch_size, len(self.arrays.node_names)))
        self.state = initial_state(self.arrays, self.batch_size, self.config.relays)
        self._loading = np.zeros((self.batch_size, len(self.arrays.line_names)))
        return self._observe()

    def expected(self, leads: Array) -> Inputs:
        """(K, B, ·) inputs so many steps ahead, (K,), as far as they are known now; lead 0 is the coming step.

        Without a gate the coming step is known; with one it is forecast, too.
        """
        ahead = self.outlook.expected(self.t, leads)
        if self.state.lockout_h is None:
            return ahead
        back = self.state.lockout_h <= leads[:, None, None] * self.config.dt_h + SOON_H
        in_service = back if ahead.in_service is None else back & ahead.in_service
        return dataclasses.replace(ahead, in_service=in_service)

    @property
    def day(self) -> Day:
        """The plan of the coming day from the forecasts, made when it is first asked for in a step.

        Raises:
            GridError: the package numba is missing.
        """
        if self._day is None:
            self._day = self.plan_day()
        return self._day

    def plan_day(self, by_list: bool = False) -> Day:
        """The same, made anew; ``by_list``: with plants that start and stop by a priority list."""
        planner, left_h = self.problem.planner, (self.horizon - self.t) * self.config.dt_h
        given = self.expected(planner.leads()), self.limits, self.state.gen_mw, self.t == 0, left_h, self.correction
        return planner.plan(*given, by_list)

    @property
    def correction(self) -> Correction | None:
        """What AC power flow adds to linear plans, as it was in the last step; before the first, by the merit order.

        None: flows are those of DC.
        """
        if self._ac is not None and self._corrected != self.t:
            if self.t == 0:
                setpoint = self.action_map.merit_setpoint(self.limits, self.inputs)
                _, outcome = step(self.arrays, self.state, setpoint, self.inputs, self.limits, ac=self._ac)
            else:
                outcome = cast(Transition, self.last).outcome
            self._correction = Correction.of(self.arrays, outcome, self._correction)
            self._corrected = self.t
        return self._correction

    def _observe(self) -> Any:
        self._day = None
        self.inputs = self.outlook.known(self.t)
        self.limits = limits(self.arrays, self.state, self.inputs)
        day = self.day if self.config.plans else None
        out_h = self.outlook.out_h(self.t)
        given = self.action_map, self.state, self.inputs, self.limits, self.t, self._loading, out_h, day
        view = view_of(*given, self.voltage_pu)
        self.observation = self.encoder(view)
        return self.observation

    def setpoint(self, actions: Array) -> Setpoint:
        """Actions (B, A) in [−1, 1] as MW.

        Raises:
            GridError: the shape is wrong, or a value is no real or no finite number; or actions need a plan, and the
                package numba is missing.
        """
        wanted = (self.batch_size, *self.action_space.shape)
        found = ""
        try:
            given = np.asarray(actions).astype(float, casting="same_kind")
        except (TypeError, ValueError):  # texts, complex numbers, rows of several lengths
            found = "what is no array of real numbers"
        else:
            if given.shape != wanted:
                found = f"shape {given.shape}"
            elif not np.isfinite(given).all():
                found = "a value that is not finite"
        if found:
            mend = "give one action for each source and storage, in the order of arrays.controllable"
            raise GridError("action", found, f"finite numbers of shape {wanted}", mend)
        day = self.day if self.config.plans else None
        actions = np.minimum(np.maximum(given, -1.0), 1.0)
        setpoint = self.action_map.setpoint(actions, self.limits, self.inputs, day)
        return self._planned(setpoint) if self.config.action == "residual-plan" else setpoint

    def _planned(self, setpoint: Setpoint) -> Setpoint:
        """The setpoint, but that of the plan where a line is out."""
        planner, left_h = self.problem.planner, (self.horizon - self.t) * self.config.dt_h
        given = self.limits, self.expected(planner.leads()), self.state.gen_mw, self.t == 0, left_h, self.correction
        return planned_where_out(setpoint, planner, *given)

    def step(self, actions: Array) -> tuple[Any, Array, bool]:
        """Act with (B, A) actions; see ``step_setpoint``."""
        return self.step_setpoint(self.setpoint(actions))

    def step_setpoint(self, setpoint: Setpoint) -> tuple[Any, Array, bool]:
        """Run one step.

        Returns:
            Observation, reward (B,), and whether the episodes have ended; then ``reset`` starts new ones.

        Raises:
            GridError: the episodes have ended.
        """
        if self.t == self.horizon:
            raise GridError("step", "episodes that have ended", "running episodes", "call reset first")
        dt_h = self.config.dt_h
        before, inputs = self.state, self.outlook.inputs(self.t)
        now = limits(self.arrays, before, inputs) if self.outlook.gate else self.limits
        after, outcome = step(self.arrays, before, setpoint, inputs, now, self.config.relays, self._ac)
        amounts = step_amounts(self.arrays, outcome)
        terms = priced(amounts, self.prices, dt_h)
        done = self.t + 1 == self.horizon
        value, start = self.problem.store_value_per_mwh, self.arrays.store_init_mwh
        terms["settlement"] = settlement(value, start, after.store_mwh) if done else np.zeros(self.batch_size)
        reference = self.references[self.t]
        self.costs, cost = terms, sum(terms.values())
        reward = (reference - cost) / self.problem.reward_scale
        when = self.start_hour, self.start
        self.last = Transition(self.t, before, inputs, outcome, after, terms, reference, reward, done, *when)
        energies = {
            "unserved_mwh": outcome.shed_mw @ self.arrays.each_node * dt_h,
            "curtailed_mwh": outcome.curtailed_mw @ self.arrays.each_node * dt_h,
            "overload_mwh": amounts["overload"] * dt_h,
        }
        self.violation_mwh = energies["unserved_mwh"] + energies["overload_mwh"]
        if self._ac is not None:
            energies |= {
                "loss_mwh": outcome.loss_mw * dt_h,
                "voltage_pu_h": outcome.voltage_off_pu * dt_h,
                "collapsed_steps": outcome.collapsed.astype(float),
            }
            self.violation_mwh = self.violation_mwh + energies["voltage_pu_h"] * self.arrays.base_mva
        self._history.append({**terms, "cost": cost, "reference": reference, **energies})
        if done:
            self.metrics = {name: np.sum([row[name] for row in self._history], axis=0) for name in self._history[0]}
        self.t, self.state, self.voltage_pu = self.t + 1, after, outcome.voltage_pu
        self._loading = loading(self.arrays, outcome.carried)
        return self._observe(), reward, done

    @property
    def reference_cost(self) -> Array:
        """(B,) cost of the running episodes by the merit order on a copper plate."""
        return self.references.sum(0)

    def episode_inputs(self, i: int) -> Inputs:
        """True inputs (T, N) of the running episode i, first to last step."""
        return self.outlook.episode(i)


def _child(root: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """The child of this number, as ``root.spawn`` makes it, without those before it."""
    return np.random.SeedSequence(root.entropy, spawn_key=(number,))
