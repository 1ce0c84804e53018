"""One episode that somebody runs by hand: what they hold is theirs, the rest is done by an assistant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from envs import GridBatch, Outage, Problem, Recorder
from grid import Episode, GridError, Setpoint
from policies import BASELINES, MOST_NODES, Merit, Mpc, Plan, Policy, as_seen, evaluate, stepwise
from scripts.live.person import YOU, Operator
from scripts.running import AGENT, OPTIMUM, Schedule, is_installed, record_all

if TYPE_CHECKING:
    from grid import Array
    from policies import Agent

FAN_SIGMAS = 1.645  # of the error of forecasts, each way: nine in ten outcomes lie between
AHEAD_H = 24.0
RUNS_MW = 1e-6  # a source that gives more than this sets the price


class Drive:
    """An episode of a problem, step by step; any earlier step can be taken anew.

    Args:
        problem: what is run; its grid is that of the page.
        agent: that may assist, if there is one.
        assistant: name of a baseline, or "agent".
        seed: of the episode: the first one that ``evaluate`` runs with it.
    """

    def __init__(self, problem: Problem, agent: Agent | None, assistant: str, seed: int) -> None:
        self.problem, self.agent, self.seed = problem, agent, seed
        self._held_mw: dict[tuple[str, int], float] = {}
        self._done: list[Setpoint] = []
        self._best: Episode | None = None
        self._outages = problem.config.outages  # those that nobody here has caused
        self.assist(assistant)

    @property
    def t(self) -> int:
        """Steps that are done."""
        return self._batch.t

    def assist(self, name: str) -> None:
        """Let another assistant decide from the coming step on.

        Raises:
            GridError: no such assistant, or an agent that does not fit the grid.
        """
        if name not in self.assistants():
            raise GridError("assistant", repr(name), ", ".join(self.assistants()), "choose one of them")
        self._assistant: Policy = self.agent if name == AGENT and self.agent is not None else BASELINES[name]()
        self._again()

    def assistants(self) -> list[str]:
        """Names of those who can assist here."""
        known = ["merit", "redispatch", *["plan"] * is_installed("numba"), "mpc"]
        return [*known, *[AGENT] * (self.agent is not None)]

    def hold(self, what: str, node: int, mw: float | None) -> None:
        """Take a unit in hand, or with None leave it to the assistant.

        Raises:
            GridError: no such unit, or no number.
        """
        if (what, node) not in self._units():
            raise GridError("unit", f"{what} of node {node}", "a source, store or flexible consumer", "choose one")
        if mw is None:
            self._held_mw.pop((what, node), None)
        else:
            self._held_mw[what, node] = mw

    def break_line(self, line: int, hours: float) -> None:
        """Take a line out from the coming step on, for so long; nobody has known of it.

        Raises:
            GridError: no such line or duration, or the episode is over.
        """
        names = self._batch.arrays.line_names
        if not 0 <= line < len(names) or self.t == self._batch.horizon:
            raise GridError("line", str(line), f"one of {len(names)} lines, before the end", "choose one")
        outage = Outage(names[line], self.t * self._batch.config.dt_h, hours, announced=False)
        self._change(outages=(*self.problem.config.outages, outage))

    def rewind(self, t: int) -> None:
        """Go back to before step ``t``; what was done and broken after it is forgotten."""
        if not 0 <= t < self.t:
            return
        now_h = t * self._batch.config.dt_h
        self._done = self._done[:t]
        outages = self.problem.config.outages
        self._change(outages=tuple(each for each in outages if each in self._outages or each.start_h <= now_h))

    def step(self) -> bool:
        """Run one step; False: the episode is over."""
        if self.t == self._batch.horizon:
            return False
        next(self._steps)
        self._recorder.add()
        return True

    def _change(self, **fields: Any) -> None:
        self.problem, self._best = self.problem.replace(**fields), None
        self._again()

    def _again(self) -> None:
        """Run what is done once more, as the assistant sees it."""
        own = getattr(self._assistant, "env_config", None)
        seen = self.problem if own is None else as_seen(self.problem, own)
        self._batch = GridBatch(seen, 1, self.seed)
        self._recorder = Recorder(self._batch, YOU)
        self._steps = stepwise(self._batch, Operator(self._assistant, self._done, self._held_mw))
        for _ in range(len(self._done) + 1):  # the first comes before the first step
            next(self._steps)
            self._recorder.add()

    # --- what the page is told ---

    def episode(self) -> Episode:
        """What has happened so far."""
        return self._recorder.episode(0)

    def described(self) -> dict[str, Any]:
        """The grid, its units and who can assist."""
        from envs.rendering.page import described

        arrays, names = self._batch.arrays, self._batch.arrays.node_names
        units = [
            {"what": what, "node": node, "name": names[node], **self._said(what, node)} for what, node in self._units()
        ]
        data = described(self.episode(), [YOU], self._batch.horizon)
        about = {"units": units, "assistants": self.assistants(), "lines": list(arrays.line_names)}
        return {"data": data, **about}

    def _units(self) -> list[tuple[str, int]]:
        arrays = self._batch.arrays
        stores = np.flatnonzero(arrays.store_max_mwh > 0).tolist()
        return [("gen", node) for node in arrays.dispatched.tolist()] + [("store", node) for node in stores]

    def _said(self, what: str, node: int) -> dict[str, Any]:
        arrays = self._batch.arrays
        is_cut = what == "gen" and arrays.flex_max_frac[node] > 0
        cost = arrays.flex_cost_per_mwh[node] if is_cut else arrays.gen_cost_per_mwh[node]
        return {"role": "cut of demand" if is_cut else "output" if what == "gen" else "power", "cost": float(cost)}

    def happened(self, first: int) -> dict[str, Any]:
        """Steps from ``first`` on, with the price of each, and what is known of those to come."""
        from envs.rendering.page import happened

        episode = self.episode()
        steps = happened([episode], first) if episode.steps > first or not first else None  # of none: the start
        prices = [round(price, 2) for price in self._prices(episode)[first:].tolist()]
        return {"steps": steps, "known": self.t, "prices": prices, "coming": self._coming()}

    def _prices(self, episode: Episode) -> Array:
        """(T,) cost of one MWh more at the dearest source that runs; of demand not met, where there is any."""
        arrays, co2 = self._batch.arrays, self._batch.prices.co2_per_t
        is_source = arrays.gen_max_mw > 0
        gen = episode.gen_mw
        cost = arrays.gen_cost_per_mwh + co2 * arrays.co2_t_per_mwh + 2.0 * arrays.gen_cost_per_mw2h * gen
        runs = np.where(is_source & (gen > RUNS_MW), cost, -np.inf).max(1, initial=-np.inf)
        short = np.where(episode.shed_mw > RUNS_MW, arrays.shed_cost_per_mwh, -np.inf).max(1, initial=-np.inf)
        dearest = np.maximum(runs, short)
        return np.where(np.isfinite(dearest), dearest, 0.0)

    def _coming(self) -> dict[str, Any]:
        """Ranges of the units in the coming step, what they did in the last one, and forecasts of the next day.

        Of each unit [lowest, highest, done, held, asked for in the last step]; powers in MW, None: not held, no step.
        """
        batch = self._batch
        now, did = batch.limits, dict.fromkeys(("gen", "store"), 0.0 * batch.arrays.each_node)
        if batch.last is not None and batch.t:
            out = batch.last.outcome
            did["gen"] = np.where(batch.arrays.flex_max_frac > 0, out.curtailed_mw, out.gen_mw)[0]
            did["store"] = (out.discharge_mw - out.charge_mw)[0]
        asked = self._done[batch.t - 1] if batch.t else None
        rows: list[list[float | None]] = []
        for what, node in self._units():
            low, high = (float(getattr(now, f"{what}_{end}_mw")[0, node]) for end in ("lo", "hi"))
            row = [round(mw, 4) for mw in (low, high, float(did[what][node]))]
            asked_mw = None if asked is None else float(getattr(asked, f"{what}_mw")[0, node])
            rows.append([*row, self._held_mw.get((what, node)), asked_mw])
        over = batch.t == batch.horizon
        return {"units": rows, "over": over, "fan": None if over else self._fan(), "outages": self._out()}

    def _out(self) -> list[int]:
        inputs = self._batch.inputs.in_service
        return [] if inputs is None else np.flatnonzero(~inputs[0]).tolist()

    def _fan(self) -> dict[str, Any]:
        """Demand and possible output of the coming day as forecast: [lower, expected, upper] of nine in ten."""
        batch, config, arrays = self._batch, self._batch.config, self._batch.arrays
        leads = np.arange(min(max(1, round(AHEAD_H / config.dt_h)), batch.horizon - batch.t))
        ahead = batch.expected(leads)
        spread = FAN_SIGMAS * np.sqrt((leads + config.gate_steps) * config.dt_h / 24.0)
        demand = ahead.load_mw[:, 0].sum(1)
        varies = np.array([name is not None for name in arrays.gen_profile])
        offered = ahead.gen_avail_frac[:, 0] * arrays.gen_max_mw
        steady, varying, most = offered[:, ~varies].sum(1), offered[:, varies].sum(1), arrays.gen_max_mw[varies].sum()
        fans = {}
        for name, base, part, frac, top in (
            ("demand", 0.0, demand, config.forecast_error_frac, np.inf),
            ("supply", steady, varying, config.weather_frac, most),
        ):
            ends = [np.clip(part * (1.0 + side * spread * frac), 0.0, top) for side in (-1.0, 0.0, 1.0)]
            fans[name] = [np.round(base + end, 3).tolist() for end in ends]
        return fans

    # --- the end ---

    def score(self, progress: Callable[..., None] = lambda *_: None) -> dict[str, Any]:
        """You beside the assistants and the optimum in the same episode, by ``evaluate``, and costs over time.

        Args:
            progress: called now and then; what it raises ends the work.

        Raises:
            GridError: the episode is not over.
        """
        self._check_over()
        rivals: list[str | Policy] = [Merit.name]
        rivals += [Plan.name] * is_installed("numba")
        rivals += [Mpc.name] * (len(self._batch.arrays.node_names) <= MOST_NODES)
        rivals += [self.agent] if self.agent is not None else []
        you, kept = Operator(Merit(), self._done, {}), list[Episode]()
        split = self.problem.config.split
        found = evaluate([*rivals, you], self.problem, 1, self.seed, progress, split, keep=kept.extend)
        kept.append(self._optimum())
        rows = [
            {"name": row.name, "cost": row.cost.mean, "gap": row.gap_frac.mean, "unserved": row.unserved_mwh}
            | {"overload": row.overload_mwh, "score": row.score.mean if row.score else None}
            for row in found.rows
        ]
        courses = {each.policy: np.cumsum(np.sum(list(each.costs.values()), axis=0)) for each in kept}
        best = courses[OPTIMUM]
        above = {name: np.round(course - best, 3).tolist() for name, course in courses.items()}
        return {"rows": rows, "above": above, "bound": found.optimum_is, "notes": list(found.notes)}

    def beside_optimum(self) -> tuple[Episode, Episode]:
        """What you did, and the optimum of the same episode, with its nodal prices.

        Raises:
            GridError: the episode is not over.
        """
        self._check_over()
        return self.episode(), self._optimum()

    def _check_over(self) -> None:
        if self.t < self._batch.horizon:
            raise GridError("score", f"{self.t} of {self._batch.horizon} steps", "a whole episode", "drive to its end")

    def _optimum(self) -> Episode:
        if self._best is None:
            (self._best,) = record_all(Schedule(), self.problem, 1, self.seed)
        return self._best
