"""``optimum``: the provable best of one episode, and where the grid holds it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from scripts.console import Console, amount, table
from scripts.options import CommonJson, Count, GridName, MaybePath, Seed, default

if TYPE_CHECKING:
    import numpy as np

MOST_LINES = 5
FULL_FRAC = 0.999  # of the capacity: a line that carries more is called full


@dataclass(frozen=True, kw_only=True)
class OptimumCommand(CommonJson):
    """Compute the cheapest way to run one episode of the test part, with perfect foresight."""

    grid: GridName
    """bundled name or path of a grid file"""
    horizon: Count = 24
    """length of the episode in steps of one hour"""
    seed: Seed = 0
    """of the episode"""
    out: Annotated[MaybePath, default("no file")] = None
    """also write the episode to this .npz file, for `render`"""

    def run(self, console: Console) -> None:
        """Print cost by term and the most congested lines."""
        import numpy as np

        from envs import EnvConfig, GridBatch
        from grid.costs import overload_mw
        from grid.optimum import optimum
        from scripts.running import Schedule, record
        from topologies import load

        config = EnvConfig(topology=load(self.grid), horizon=self.horizon, split="test")
        batch = GridBatch(config, 1, self.seed)
        batch.reset()
        arrays, inputs = batch.arrays, batch.episode_inputs(0)
        best = optimum(arrays, inputs, batch.prices)
        loading = np.abs(best.flow_mw) / arrays.capacity_mw
        lines = [
            {
                "line": arrays.line_names[e],
                "loading_most_frac": loading[:, e].max(),
                "loading_mean_frac": loading[:, e].mean(),
                "full_h": (loading[:, e] >= FULL_FRAC).sum() * inputs.dt_h,
            }
            for e in _most_loaded(loading)
        ]
        value = {
            "grid": arrays.name,
            "status": best.status,
            "exact": best.exact,
            "cost": best.cost,
            "cost_terms": best.cost_terms,
            "horizon_h": self.horizon * inputs.dt_h,
            "seed": self.seed,
            "unserved_mwh": best.shed_mw.sum() * inputs.dt_h,
            "overload_mwh": overload_mw(arrays, best.flow_mw).sum() * inputs.dt_h,
            "lines": lines,
        }
        path = None if self.out is None else record(Schedule([best]), config, self.seed).save(self.out)
        console.result(_text(value), value)
        if path is not None:
            console.say("", f"episode: {path}")


def _most_loaded(loading: np.ndarray) -> list[int]:
    """Positions of lines with a limit: by hours at the limit, then by mean loading, most first."""
    used = [e for e in range(loading.shape[1]) if loading[:, e].max() > 0]
    used.sort(key=lambda e: ((loading[:, e] >= FULL_FRAC).sum(), loading[:, e].mean()), reverse=True)
    return used[:MOST_LINES]


def _text(value: dict[str, Any]) -> list[str]:
    exact = "exact: the schedule costs this" if value["exact"] else "only a bound: no schedule may be this cheap"
    head = f"{value['grid']}: optimum of {value['horizon_h']:g} h, seed {value['seed']} ({exact})"
    rows = [[name, amount(cost)] for name, cost in value["cost_terms"].items()]
    lines = [head, "", *table(("cost term", "currency"), [*rows, ["total", amount(value["cost"])]])]
    lines += ["", f"not served  {amount(value['unserved_mwh'])} MWh"]
    lines += [f"overload    {amount(value['overload_mwh'])} MWh", ""]
    if not value["lines"]:
        return [*lines, "no line has a limit"]
    header = ("most congested lines", "highest", "mean loading", "hours at the limit")
    return lines + table(
        header,
        [
            [row["line"], f"{row['loading_most_frac']:.3f}", f"{row['loading_mean_frac']:.3f}", f"{row['full_h']:g}"]
            for row in value["lines"]
        ],
    )
