"""``optimum``: the provable best of one episode, and where the grid holds it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro

from scripts.console import Console, amount, pairs, table
from scripts.options import CommonJson, DatedWorld, GridName, MaybeCount, MaybePath, Seed, default, one_of
from scripts.tables import check_tables, is_table, written

if TYPE_CHECKING:
    import numpy as np

    from envs import EnvConfig, GridBatch
    from grid import Outcome
    from grid.planning import Optimum

Convention = Literal["matpower", "powermodels"]
MOST_LINES = 5
MOST_PLACES = 400_000  # steps times nodes and lines, that one programme takes in some minutes and 2 GB
FULL_FRAC = 0.999  # of the capacity: a line that carries more is called full


@dataclass(frozen=True, kw_only=True)
class OptimumWorld(DatedWorld):
    """What is run, with days of 24 hours."""

    horizon: Annotated[MaybeCount, default("24")] = None
    """length of the episode in steps"""


@dataclass(frozen=True, kw_only=True)
class OptimumCommand(CommonJson):
    """Compute the cheapest way to run one episode of the test part, with perfect foresight.

    In AC it is a reference and no bound: the programme, corrected at the AC solution of its schedule.

    A year of a large grid is planned week by week; then it says what the best costs at least.
    """

    grid: GridName
    """bundled name or path of a grid file"""
    seed: Seed = 0
    """of the episode"""
    out: Annotated[MaybePath, default("no file")] = None
    """also write the schedule: .csv (units, and _lines and _costs beside it), .xlsx, .parquet, or .npz for `render`"""
    against: Annotated[tuple[str, ...], tyro.conf.arg(metavar="POLICY"), default("merit alone")] = ()
    """policies beside merit on which the saving a day is measured, such as mpc"""
    convention: Annotated[Convention, one_of(Convention)] = "matpower"
    """of the lines; `powermodels`: one hour of a .m file with hard limits, as published tables (PGLib-OPF) have it"""
    world: Annotated[OptimumWorld, tyro.conf.OmitArgPrefixes] = field(default_factory=OptimumWorld)
    """What is run, where it differs from the defaults."""

    def run(self, console: Console) -> None:
        """Print cost by term, the most congested lines and the range of nodal prices."""
        if self.convention == "powermodels":
            self._run_case(console)
            return
        from envs import EnvConfig, GridBatch
        from grid import overload_mw
        from grid.planning import TIME_S, ac_reference, optimum, rolling
        from scripts.pictures import DATA_SUFFIXES, check_path, draw
        from scripts.running import Schedule, fitting, record
        from topologies import load

        check_path(self.out, DATA_SUFFIXES)
        if is_table(self.out):
            check_tables(cast(Path, self.out))
        config = self.world.of(EnvConfig(topology=load(self.grid), horizon=24, split="test"))
        config = fitting(config, console, not self.world.fixes_horizon)
        batch = GridBatch(config, 1, self.seed)
        batch.reset()
        arrays, inputs = batch.arrays, batch.episode_inputs(0)
        ac, outcome = batch.problem.ac, None
        places = config.horizon * (len(arrays.node_names) + len(arrays.line_names))
        if ac is not None:
            best = ac_reference(arrays, ac, inputs, batch.prices)
            outcome = best.outcome
        elif places <= MOST_PLACES or arrays.stoppable.size:
            best = optimum(arrays, inputs, batch.prices)
        else:
            with console.progress("planning", 1.0) as report:
                best = rolling(arrays, inputs, batch.prices, lambda done: report(done, "week by week"))
        carried = best.flow_mw if outcome is None else outcome.carried
        value = {
            "grid": arrays.name,
            "status": best.status,
            "exact": best.exact,
            "cost": best.cost,
            **({} if best.bound is None else {"bound": best.bound, "gap_frac": best.gap_frac}),
            **({"time_limit_s": TIME_S} if arrays.stoppable.size else {}),
            "cost_terms": best.cost_terms,
            "horizon_h": config.horizon * inputs.dt_h,
            "start": None if batch.start is None else str(batch.start[0]),
            "seed": self.seed,
            "trips": config.overload == "trip",
            "unserved_mwh": best.shed_mw.sum() * inputs.dt_h,
            "curtailed_mwh": best.curtailed_mw.sum() * inputs.dt_h,
            "overload_mwh": overload_mw(arrays, carried).sum() * inputs.dt_h,
            **({} if outcome is None else _of_ac(outcome, inputs.dt_h)),
            "a_day": self._a_day(best, batch, config),
            "nodal_price_per_mwh": _range(best.nodal_price_per_mwh, arrays.node_names),
            "lines": _congested(arrays.line_names, carried, arrays.capacity_mw, best.line_rent, inputs.dt_h),
        }
        if self.out is not None:
            draw(record(Schedule([best]), config, self.seed), self.out, "grid_state", console)
        console.result(_text(value), value)
        if self.out is not None:
            console.say("", *[f"written: {path}" for path in written(self.out)])

    def _a_day(self, best: Optimum, batch: GridBatch, config: EnvConfig) -> dict[str, Any]:
        """What engineers report, mean a day; savings are on the merit order and on the policies that are named."""
        import numpy as np

        from grid import reported, usable_mwh
        from scripts.running import choose, record

        inputs, powers, days = batch.episode_inputs(0), best.outcome or best, config.horizon * config.dt_h / 24
        change_mwh = np.diff(best.store_mwh, axis=0)
        sums = reported(batch.arrays, powers, inputs.gen_avail_frac, change_mwh, config.dt_h)
        found = {name: float(values.sum() / days) for name, values in sums.items()}
        usable, made_mwh = usable_mwh(batch.arrays), found["generation_mwh"]
        rivals = [choose(name, None, "--against") for name in dict.fromkeys(("merit", *self.against))]
        costs = {rival.name: record(rival, config, self.seed).cost for rival in rivals}
        return {
            "saving": {name: (cost - best.cost) / days for name, cost in costs.items()},
            "operating_cost": (best.cost - best.cost_terms["settlement"]) / days,
            "settlement": best.cost_terms["settlement"] / days,
            "renewable_curtailed_mwh": found["renewable_curtailed_mwh"],
            "renewable_frac": found["renewable_mwh"] / made_mwh if made_mwh > 0 else None,
            "co2_t": found["co2_t"],
            "store_cycles": found["taken_mwh"] / usable if usable else None,
            "store_loss_mwh": found["store_loss_mwh"],
            "line_loss_mwh": 0.0 if best.outcome is None else float(best.outcome.loss_mw.sum() * config.dt_h / days),
        }

    def _run_case(self, console: Console) -> None:
        from grid import GridError
        from topologies import dc_opf

        if Path(self.grid).suffix.lower() != ".m":
            raise GridError(self.grid, "no MATPOWER case", "a .m file with --convention powermodels", "name one")
        if self.out is not None:
            mend = "leave --out away, or the convention"
            raise GridError("--out", "--convention powermodels", "an episode of the grid's own physics", mend)
        given = [*self.world.options, *["--seed"] * (self.seed != 0), *["--against"] * bool(self.against)]
        for option in given:
            found, mend = "--convention powermodels", f"leave {option} away, or the convention"
            raise GridError(option, found, "the one hour of the file", mend)
        best = dc_opf(self.grid)
        value = {
            "grid": Path(self.grid).stem,
            "status": "optimal",
            "exact": True,
            "cost": best.cost,
            "cost_terms": {"generation": best.cost},
            "nodal_price_per_mwh": _range(best.nodal_price_per_mwh[None], best.buses),
            "lines": _congested(best.branches, best.flow_mw[None], best.rate_mw, best.line_rent[None], 1.0),
        }
        head = f"{value['grid']}: optimum of one hour in the convention of PowerModels: {best.cost:.7g}"
        console.result([head, "", *_network_text(value)], value)


def _of_ac(outcome: Outcome, dt_h: float) -> dict[str, Any]:
    return {
        "flow": "ac",
        "loss_mwh": outcome.loss_mw.sum() * dt_h,
        "voltage_pu_h": outcome.voltage_off_pu.sum() * dt_h,
        "voltage_least_pu": outcome.voltage_pu[outcome.voltage_pu > 0].min(initial=2.0),
        "voltage_most_pu": outcome.voltage_pu.max(),
        "collapsed_steps": int(outcome.collapsed.sum()),
    }


def _range(price: np.ndarray, nodes: tuple[str, ...]) -> dict[str, Any]:
    """The lowest and the highest of the prices (T, N), and where they are."""
    low, high = int(price.min(axis=0).argmin()), int(price.max(axis=0).argmax())
    return {"lowest": price.min(), "lowest_at": nodes[low], "highest": price.max(), "highest_at": nodes[high]}


def _congested(
    names: tuple[str, ...], flow_mw: np.ndarray, capacity_mw: np.ndarray, rent: np.ndarray, dt_h: float
) -> list[dict[str, Any]]:
    """The most congested lines: by rent, then by hours at the limit, then by mean loading."""
    import numpy as np

    loading = np.abs(flow_mw) / capacity_mw
    rows = [
        {
            "line": names[e],
            "rent": round(rent[:, e].sum(), 6) + 0.0,  # without what the solver leaves of a zero
            "full_h": (loading[:, e] >= FULL_FRAC).sum() * dt_h,
            "loading_mean_frac": loading[:, e].mean(),
            "loading_most_frac": loading[:, e].max(),
        }
        for e in np.flatnonzero(loading.max(axis=0) > 0)
    ]
    rows.sort(key=lambda row: (row["rent"], row["full_h"], row["loading_mean_frac"]), reverse=True)
    return rows[:MOST_LINES]


def _text(value: dict[str, Any]) -> list[str]:
    exact = "exact: the schedule costs this" if value["exact"] else "only a bound: no schedule may be this cheap"
    if "bound" in value:
        way = f"the best found in at most {value['time_limit_s']:g} s" if "time_limit_s" in value else "by weeks"
        exact = f"{way}: the schedule costs this" if value["exact"] else f"{way}: no schedule may be this cheap"
    exact = "lines that trip: a reference for lines that hold, not a bound" if value["trips"] else exact
    exact = "AC: a reference, not a bound" if "flow" in value else exact
    when = f"from {value['start']}, " if value["start"] else ""
    head = f"{value['grid']}: optimum of {value['horizon_h']:g} h, {when}seed {value['seed']} ({exact})"
    rows = [[name, _amount(cost)] for name, cost in value["cost_terms"].items()]
    lines = [
        head,
        *_bound_text(value),
        "",
        *table(("cost term", "currency"), [*rows, ["total", amount(value["cost"])]]),
    ]
    lines += ["", f"not served  {_amount(value['unserved_mwh'])} MWh"]
    if round(value["curtailed_mwh"], 6):
        lines.append(f"curtailed   {_amount(value['curtailed_mwh'])} MWh")
    unit = "MVAh" if "flow" in value else "MWh"
    lines.append(f"overload    {_amount(value['overload_mwh'])} {unit}")
    if "flow" in value:
        lines.append(f"losses      {_amount(value['loss_mwh'])} MWh")
        low, high = value["voltage_least_pu"], value["voltage_most_pu"]
        lines.append(f"voltages    {low:.3f} to {high:.3f} pu, outside the band {value['voltage_pu_h']:.3g} pu·h")
        if value["collapsed_steps"]:
            lines.append(f"collapsed   {value['collapsed_steps']} steps")
    return [*lines, "", *_a_day_text(value["a_day"]), "", *_network_text(value)]


def _bound_text(value: dict[str, Any]) -> list[str]:
    """How far a schedule of weeks, or of plants that start and stop, may be from the best."""
    if "bound" not in value:
        return []
    return [f"the best costs at least {amount(value['bound'])}: at most {100 * max(value['gap_frac'], 0.0):.2g} % less"]


def _a_day_text(found: dict[str, Any]) -> list[str]:
    """What engineers report, a line each."""
    rows = [(f"saving on {name}", _amount(saving)) for name, saving in found["saving"].items()]
    rows.append(("operating cost", _amount(found["operating_cost"])))
    rows.append(
        ("settlement", f"{_amount(found['settlement'])}, for what stores hold less at the end; part of the total")
    )
    rows.append(("sun, wind curtailed", f"{_amount(found['renewable_curtailed_mwh'])} MWh"))
    if found["renewable_frac"] is not None:
        rows.append(("renewable", f"{100 * found['renewable_frac']:.1f} % of generation"))
    rows.append(("CO2", f"{_amount(found['co2_t'])} t"))
    if found["store_cycles"] is not None:
        loss = f"{_amount(found['store_loss_mwh'])} MWh lost"
        rows.append(("stores", f"{found['store_cycles']:.2f} full cycles, {loss}"))
    if found["line_loss_mwh"]:
        rows.append(("lines", f"{_amount(found['line_loss_mwh'])} MWh lost"))
    return ["a day:", *(f"  {line}" for line in pairs(rows))]


def _amount(value: float) -> str:
    """An amount of money or energy, without what the solver's rounding leaves of a zero."""
    return amount(round(value, 6) + 0.0)


def _network_text(value: dict[str, Any]) -> list[str]:
    """Nodal prices and the most congested lines."""
    price = value["nodal_price_per_mwh"]
    low, high = (f"{_amount(price[end])} at {price[f'{end}_at']}" for end in ("lowest", "highest"))
    lines = [f"nodal prices per MWh  from {low} to {high}", ""]
    if not value["lines"]:
        return [*lines, "no line with a limit carries anything"]
    header = ("most congested lines", "rent", "hours at the limit", "mean loading", "highest")
    rows = [
        [
            row["line"],
            _amount(row["rent"]),
            f"{row['full_h']:g}",
            f"{row['loading_mean_frac']:.3f}",
            f"{row['loading_most_frac']:.3f}",
        ]
        for row in value["lines"]
    ]
    return lines + table(header, rows)
