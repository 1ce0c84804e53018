"""``contingency``: what happens when a single line fails."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from scripts import console as words
from scripts.console import Console
from scripts.options import (
    Cluster,
    CommonJson,
    Count,
    Flow,
    GridName,
    MaybePath,
    Seed,
    Workers,
    default,
    number,
    one_of,
)

MaybeHour = Annotated[float | None, number("HOUR", float, 0)]


@dataclass(frozen=True, kw_only=True)
class ContingencyCommand(CommonJson):
    """Take every line out alone, run the merit-order rule, and rank the outages by what they lead to."""

    grid: GridName
    """bundled name or path of a grid file"""
    flow: Annotated[Flow, one_of(Flow)] = "dc"
    """power flow of the lines: dc, or ac with losses, voltages and reactive power"""
    hour: Annotated[MaybeHour, default("every hour of a day, the worst counts")] = None
    """hour of the day to look at, 0 to below 24"""
    seed: Seed = 0
    """of the day's demand and weather, on the test part of the series"""
    top: Count = 15
    """how many outages to print, worst first; --json holds all"""
    picture: Annotated[MaybePath, default("no picture")] = None
    """also draw them to this .png, .svg or .pdf file"""
    workers: Workers = None
    """processes of this machine that share the outages, 256 at a time; results do not depend on it"""
    cluster: Cluster = None
    """a Ray cluster whose machines share them instead, see docs/machines.md"""

    def run(self, console: Console) -> None:
        """Print the ranked table."""
        from envs import EnvConfig, contingencies
        from envs.rendering import contingency_picture
        from grid import workers
        from scripts.pictures import check_path
        from scripts.running import fitting
        from topologies import load

        check_path(self.picture)
        grid = load(self.grid)
        with workers(self.workers, self.cluster), console.progress("running outages", 1.0) as report:
            day = EnvConfig(topology=grid, horizon=24, split="test", flow=self.flow, forecast_h=())
            config = fitting(day, may_shorten=False)
            intact, outages = contingencies(config, self.hour, self.seed, report)
        in_ac = self.flow == "ac"
        rows = [_row(one, in_ac) for one in (intact, *outages[: self.top])]
        header = ("line out", "most loaded line", "loading", "unserved MW", "parts", "at", *["lowest pu"] * in_ac)
        when = "every hour of a day" if self.hour is None else f"the hour from {_clock(intact.hour)}"
        split = sum(one.islands > intact.islands for one in outages)
        over = sum(one.worst_loading_frac > max(1.0, intact.worst_loading_frac) for one in outages)
        dark = sum(one.unserved_mw > intact.unserved_mw + 1e-6 for one in outages)
        said = [
            f"{grid.name}, merit order, {when}{', AC' * in_ac}: {len(outages)} single outages",
            f"{over} overload a line, or overload one more; {dark} leave demand unserved; {split} split the grid",
            *[f"{sum(one.collapsed for one in outages)} collapse: a part has no AC solution"] * in_ac,
            "",
            *words.table(header, rows, left=2),
        ]
        if len(outages) > self.top:
            said.append(f"and {len(outages) - self.top} more; --top {len(outages)} shows all")
        value: dict[str, Any] = {
            "grid": grid.name,
            "flow": self.flow,
            "hour": self.hour,
            "seed": self.seed,
            "intact": asdict(intact),
            "outages": [asdict(one) for one in outages],
        }
        console.result(said, value)
        if self.picture is not None:
            path = contingency_picture(grid.compile(), intact, outages, self.picture, note=when + ", AC" * in_ac)
            console.say(f"picture: {path}")


def _row(one: Any, in_ac: bool) -> tuple[str, ...]:
    lowest = (
        "collapse"
        if one.collapsed
        else "-"
        if one.lowest_voltage_pu is None
        else f"{one.lowest_voltage_pu:.3f} {one.lowest_at}"
    )
    return (
        one.line or "(none)",
        one.worst_line or "-",
        f"{one.worst_loading_frac:.0%}" if one.worst_line else "-",
        words.amount(one.unserved_mw),
        str(one.islands),
        _clock(one.hour),
        *[lowest] * in_ac,
    )


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{round(hour % 1 * 60):02d}"
