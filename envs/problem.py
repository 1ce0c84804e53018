"""Problem: an EnvConfig with everything that follows from it and its grid, made once and shared by all who need it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from envs.actions import ActionMap
from envs.config import EnvConfig
from envs.forecasts import flow_error_mw
from envs.outages import line_of
from envs.outlook import steps_to_draw
from envs.rewards import SCALE_EPISODES, CopperPlate, reference_cost, scale_floor
from grid import Array, Grid, GridArrays, GridError, Prices, Series, by_arrays, store_value_per_mwh
from grid.physics import ac_flow
from topologies import Dated, ProfileSource, load

if TYPE_CHECKING:
    from grid.planning.day import DayPlanner

SPLIT_CODES = {"train": 0, "test": 1, "scale": 2, "all": 3}  # streams of random numbers that share nothing

SAFE_SIGMAS = 1.0  # of a flow's error at gate closure, that plans keep free on lines that trip
LEAST_CAPACITY = 0.8  # share of a line's capacity that they use in any case
TRIP_FACTOR = 1.5  # price of an overload in plans, where lines trip, as a multiple of the dearest demand

BLOCK = 2**15  # values at a time, so that what is in work stays in the processor's cache

COMPILED_FIELDS = {"topology", "horizon", "dt_h", "prices", "emergency_shedding", "outage_rate_per_h"}
"""Fields of EnvConfig that the grid, its prices or the scale of the reward depend on."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A decision problem, compiled: nothing in it changes while episodes run."""

    config: EnvConfig
    layout: EnvConfig  # whose entries observations have: ``config``, or what an agent of another world knows of
    grid: Grid
    arrays: GridArrays
    source: ProfileSource  # of demand and weather
    action_map: ActionMap  # what actions mean
    copper_plate: CopperPlate  # as if no line had a limit
    store_value_per_mwh: Array  # (N,) of energy left at the end
    reward_scale: float  # what rewards are divided by

    @classmethod
    def of(cls, config: EnvConfig, arrays: GridArrays | None = None, reward_scale: float | None = None) -> Problem:
        """Load and compile the grid of a config.

        Args:
            config: what to run.
            arrays: its grid, where that is compiled already.
            reward_scale: what rewards are divided by; absent: the mean reference cost of a step.

        Raises:
            GridError: a bad grid, or a config that does not fit it.
        """
        grid = config.topology if isinstance(config.topology, Grid) else load(config.topology)
        arrays, prices = arrays or grid.compile(config.emergency_shedding), _prices(config, grid)
        config = dataclasses.replace(config, prices=prices)
        if config.outage_rate_per_h is not None:
            rate_per_h = np.where(np.isfinite(arrays.capacity_mw), config.outage_rate_per_h, 0.0)
            arrays = dataclasses.replace(arrays, outage_rate_per_h=rate_per_h)
        source = _source(arrays, grid.series, config)
        problem = cls(
            config=config,
            layout=config,
            grid=grid,
            arrays=arrays,
            source=source,
            action_map=ActionMap.of(arrays, prices, config.action, **config.action_fields),
            copper_plate=CopperPlate.of(arrays, prices),
            store_value_per_mwh=store_value_per_mwh(arrays, prices),
            reward_scale=1.0,
        )
        return problem.with_reward_scale(reward_scale or problem._mean_reference_cost())

    def replace(self, **fields: Any) -> Problem:
        """The same problem with other fields of its config; the grid is not loaded or compiled again.

        Raises:
            GridError: a field that does not exist or does not fit, or outages of lines that the grid lacks.
        """
        config = EnvConfig.from_fields({**vars(self.config), **fields})
        if any(fields[name] != getattr(self.config, name) for name in fields.keys() & COMPILED_FIELDS):
            made = Problem.of(dataclasses.replace(config, topology=fields.get("topology", self.grid)))
            config = dataclasses.replace(config, prices=made.prices)
            return dataclasses.replace(made, config=config, layout=config)
        action_map = dataclasses.replace(self.action_map, kind=config.action, **config.action_fields)
        source = _source(self.arrays, self.grid.series, config)
        changed = dataclasses.replace(self, config=config, layout=config, source=source, action_map=action_map)
        if "planner" in vars(self) and changed._plans_as(self):
            vars(changed)["planner"] = self.planner  # made once, too
        return changed

    def _plans_as(self, other: Problem) -> bool:
        """Whether plans go by the same grid, prices and steps."""
        capacities_mw = (each.planning_arrays.capacity_mw for each in (self, other))
        given = [(each.planning_prices, each.config.dt_h) for each in (self, other)]
        return given[0] == given[1] and np.array_equal(*capacities_mw)

    def with_reward_scale(self, scale: float) -> Problem:
        """The same problem with rewards divided by another number."""
        return dataclasses.replace(self, reward_scale=scale)

    @property
    def prices(self) -> Prices:
        """What is charged, beside the prices in the columns of the grid."""
        return cast(Prices, self.config.prices)

    @property
    def planning_prices(self) -> Prices:
        """Prices that plans and mpc go by: where lines trip, an overload is dearer than any demand that it may cost.

        So lines are held within their capacity and flexible demand is cut in time, wherever that is possible.
        """
        if self.config.overload != "trip":
            return self.prices
        dearest = float(self.arrays.shed_cost_per_mwh[self.arrays.load_max_mw > 0].max(initial=0.0))
        overload = max(self.prices.overload_per_mwh, TRIP_FACTOR * dearest)
        return dataclasses.replace(self.prices, overload_per_mwh=overload)

    @cached_property
    def planning_arrays(self) -> GridArrays:
        """The grid that plans and mpc go by: where lines trip, they leave room for errors of forecasts."""
        if self.config.overload != "trip" or not self.config.gate_h:
            return self.arrays
        room_mw = SAFE_SIGMAS * flow_error_mw(self.arrays, self.config)
        capacity_mw = np.maximum(self.arrays.capacity_mw - room_mw, LEAST_CAPACITY * self.arrays.capacity_mw)
        return dataclasses.replace(self.arrays, capacity_mw=capacity_mw)

    @cached_property
    def ac(self) -> Any:
        """What solves AC power flow, ``grid.physics.ac_flow``; None: flows are those of DC.

        Raises:
            GridError: the package numba is missing.
        """
        return ac_flow(self.arrays) if self.config.flow == "ac" else None

    @cached_property
    def planner(self) -> DayPlanner:
        """What plans the day ahead.

        Raises:
            GridError: the package numba is missing.
        """
        try:
            from grid.planning.day import DayPlanner
        except ModuleNotFoundError as error:
            allowed = "an installation that can plan a day ahead"
            raise GridError.without(str(error.name), allowed, "train") from error
        return DayPlanner(self.planning_arrays, self.planning_prices, self.config.dt_h)

    @cached_property
    def load_high_mw(self) -> Array:
        """(N,) largest demand: load_max_mw, or what a user's series makes of it, if that is more."""
        return np.maximum(self.arrays.load_max_mw, load_peak_mw(self.arrays, self.grid.series))

    def reference_cost(self, load_mw: Array, gen_avail_frac: Array) -> Array:
        """(...) cost of the merit order on a copper plate for demand and availability (..., N)."""
        nodes = load_mw.shape[-1]
        load, avail = load_mw.reshape(-1, nodes), gen_avail_frac.reshape(-1, nodes)
        rows = max(BLOCK // nodes, 1)
        blocks = [slice(first, first + rows) for first in range(0, len(load), rows)]
        of_grid, dt_h = (self.copper_plate, self.prices), self.config.dt_h
        costs = [reference_cost(*of_grid, load[block], avail[block], dt_h) for block in blocks]
        return np.concatenate(costs).reshape(load_mw.shape[:-1])

    def _mean_reference_cost(self) -> float:
        """Mean reference cost of a step over episodes of the train part, or of all; the same for every seed."""
        split = "all" if self.config.split == "all" else "train"
        source = ProfileSource(self.arrays, self.grid.series, split)
        roots = np.random.SeedSequence([0, SPLIT_CODES["scale"]]).spawn(SCALE_EPISODES)
        draw = source.draw([np.random.default_rng(root) for root in roots], self.config.horizon, self.config.dt_h)
        with by_arrays():  # once for a problem
            mean = self.reference_cost(draw.load_mw, draw.gen_avail_frac).mean()
        return max(float(mean), scale_floor(self.arrays, self.config.dt_h))


def _prices(config: EnvConfig, grid: Grid) -> Prices:
    """Every price: as the config gives it, else as the grid does, else the default.

    Raises:
        GridError: a price of the grid that does not exist or is out of range.
    """
    given = config.prices
    return given if isinstance(given, Prices) else dataclasses.replace(grid.own_prices(), **given)


def _source(arrays: GridArrays, series: Series | None, config: EnvConfig) -> ProfileSource:
    """Where the episodes of a config come from; its outages and the length of the series are checked."""
    for outage in config.outages:
        line_of(arrays, outage)
    when = None if config.start_time is None else Dated(config.start_time, config.horizon * config.dt_h)
    source = ProfileSource(arrays, series, config.split, when)
    source.check_length(steps_to_draw(config), config.dt_h)
    return source


def load_peak_mw(arrays: GridArrays, series: Series | None) -> Array:
    """(N,) demand at most: load_max_mw, or the largest that a user's series makes of it."""
    peaks = dict(zip(series.columns, series.values_frac.max(axis=0), strict=True)) if series else {}
    return arrays.load_max_mw * [peaks.get(name or "", 1.0) for name in arrays.load_profile]
