"""``optimum``: the provable best of one episode, and where the grid holds it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from scripts.console import Console, amount, table
from scripts.options import CommonJson, Count, Flow, GridName, MaybePath, Seed, default, one_of

if TYPE_CHECKING:
    import numpy as np

    from grid import Outcome

Convention = Literal["matpower", "powermodels"]
MOST_LINES = 5
FULL_FRAC = 0.999  # of the capacity: a line that carries more is called full


@dataclass(frozen=True, kw_only=True)
class OptimumCommand(CommonJson):
    """Compute the cheapest way to run one episode of the test part, with perfect foresight.

    In AC it is a reference and no bound: the programme, corrected at the AC solution of its schedule.
    """

    grid: GridName
    """bundled name or path of a grid file"""
    horizon: Count = 24
    """length of the episode in steps of one hour"""
    seed: Seed = 0
    """of the episode"""
    flow: Annotated[Flow, one_of(Flow)] = "dc"
    """power flow, dc or ac"""
    out: Annotated[MaybePath, default("no file")] = None
    """also write the episode to this .npz file, for `render`"""

    convention: Annotated[Convention, one_of(Convention)] = "matpower"
    """of the lines; `powermodels`: one hour of a .m file with hard limits, as published tables (PGLib-OPF) have it"""

    def run(self, console: Console) -> None:
        """Print cost by term, the most congested lines and the range of nodal prices."""
        if self.convention == "powermodels":
            self._run_case(console)
            return
        from envs import EnvConfig, GridBatch
        from grid import overload_mw
        from grid.planning import ac_reference, optimum
        from scripts.pictures import EPISODE_SUFFIX, check_path
        from scripts.running import Schedule, fitting, record
        from topologies import load

        check_path(self.out, (EPISODE_SUFFIX,))
        config = EnvConfig(topology=load(self.grid), horizon=self.horizon, split="test", flow=self.flow)
        config = fitting(config, console)
        batch = GridBatch(config, 1, self.seed)
        batch.reset()
        arrays, inputs = batch.arrays, batch.episode_inputs(0)
        ac, outcome = batch.problem.ac, None
        if ac is None:
            best = optimum(arrays, inputs, batch.prices)
        else:
            best = ac_reference(arrays, ac, inputs, batch.prices)
            outcome = best.outcome
        carried = best.flow_mw if outcome is None else outcome.carried
        value = {
            "grid": arrays.name,
            "status": best.status,
            "exact": best.exact,
            "cost": best.cost,
            "cost_terms": best.cost_terms,
            "horizon_h": self.horizon * inputs.dt_h,
            "seed": self.seed,
            "unserved_mwh": best.shed_mw.sum() * inputs.dt_h,
            "curtailed_mwh": best.curtailed_mw.sum() * inputs.dt_h,
            "overload_mwh": overload_mw(arrays, carried).sum() * inputs.dt_h,
            **({} if outcome is None else _of_ac(outcome, inputs.dt_h)),
            "nodal_price_per_mwh": _range(best.nodal_price_per_mwh, arrays.node_names),
            "lines": _congested(arrays.line_names, carried, arrays.capacity_mw, best.line_rent, inputs.dt_h),
        }
        path = None if self.out is None else record(Schedule([best]), config, self.seed).save(self.out)
        console.result(_text(value), value)
        if path is not None:
            console.say("", f"episode: {path}")

    def _run_case(self, console: Console) -> None:
        from pathlib import Path

        from grid import GridError
        from topologies import dc_opf

        if Path(self.grid).suffix.lower() != ".m":
            raise GridError(self.grid, "no MATPOWER case", "a .m file with --convention powermodels", "name one")
        if self.out is not None:
            mend = "leave --out away, or the convention"
            raise GridError("--out", "--convention powermodels", "an episode of the grid's own physics", mend)
        for name in ("horizon", "seed", "flow"):
            if getattr(self, name) != getattr(OptimumCommand, name):
                found, mend = "--convention powermodels", f"leave --{name} away, or the convention"
                raise GridError(f"--{name}", found, "the one hour of the file", mend)
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
    exact = "AC: a reference, not a bound" if "flow" in value else exact
    head = f"{value['grid']}: optimum of {value['horizon_h']:g} h, seed {value['seed']} ({exact})"
    rows = [[name, _amount(cost)] for name, cost in value["cost_terms"].items()]
    lines = [head, "", *table(("cost term", "currency"), [*rows, ["total", amount(value["cost"])]])]
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
    return [*lines, "", *_network_text(value)]


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
