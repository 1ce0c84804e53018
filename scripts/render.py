"""``render``: a picture or an animation of one episode."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from scripts.console import Console
from scripts.options import CommonJson, DatedWorld, MaybeNumber, MaybePath, MaybeSeed, default, one_of
from scripts.pictures import DATA_SUFFIXES, EPISODE_SUFFIX, PAGE_SUFFIX, Kind, check_file, draw, kind_of
from scripts.tables import written

if TYPE_CHECKING:
    from grid import Episode

Decider = Literal["agent", "random", "merit", "redispatch", "economic", "mpc", "mpc-n1", "smpc", "plan", "optimum"]
DEFAULT_OUT, DEFAULT_PAGE = Path("grid_state.gif"), Path("replay.html")

OUT = "grid_state.gif, or replay.html with --versus, for a run in its folder renders; no file with --live"


@dataclass(frozen=True, kw_only=True)
class Render(CommonJson):
    """Show one episode of the test part as a picture, an animation, or step by step."""

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|EPISODE|GRID")]
    """folder of a run or its name in runs/, an episode file (.npz), or a grid"""
    out: Annotated[MaybePath, default(OUT)] = None
    """file to write: .gif, .mp4, .png, .svg, .pdf, .html for a browser, .npz for the episode,
    .csv, .xlsx or .parquet for tables of it"""
    what: Annotated[Kind | None, one_of(Kind), default("sim_results if OUT begins so, else grid_state")] = None
    """which picture: the grid at work, or the course of its sums"""
    grid: Annotated[str | None, tyro.conf.arg(metavar="GRID"), default("the run's own")] = None
    """bundled name or path of another grid file, for an agent that can run it"""
    policy: Annotated[Decider | None, one_of(Decider), default("agent for a run, merit for a grid")] = None
    """who decides"""
    seed: Annotated[MaybeSeed, default("0")] = None
    """of the episodes, as in `evaluate`"""
    episode: Annotated[MaybeNumber, default("0, the first")] = None
    """number of the episode among those of the seed, as `evaluate` gives that of the worst; random acts anew in it"""
    versus: Annotated[str | None, tyro.conf.arg(metavar="POLICY|EPISODE"), default("nobody")] = None
    """beside it, in the same episode: merit, optimum or another policy, or an episode file"""
    live: bool = False
    """show each step as it happens: in a window, or without a display one line a step"""
    world: Annotated[DatedWorld, tyro.conf.OmitArgPrefixes] = field(default_factory=DatedWorld)
    """What is run, where it differs from the run's world or the defaults."""

    def run(self, console: Console) -> None:
        """Run or read the episode and draw it."""
        from grid import GridError

        out = self.out or (None if self.live else self._default_out())
        what = self.what or kind_of(out)
        check_file(out, what)
        if self.what is not None and out is not None and out.suffix.lower() in (PAGE_SUFFIX, *DATA_SUFFIXES):
            raise GridError("--what", f"{out}, which holds all", "a picture or an animation", "leave out --what")
        if self.versus is not None:
            self._check_versus(self.versus, out)
        episode = self._episode(console)
        path = None if out is None else draw(episode, out, what, console, self._versus())
        paths = [] if path is None else [str(each) for each in written(path)]
        value = {"path": paths[0] if paths else None, "policy": episode.policy, "cost": episode.cost}
        console.result(paths, value)

    def _default_out(self) -> Path:
        from policies import RENDERS, find_own_run

        run = None if _is_episode(self.source) or self.grid is not None else find_own_run(self.source)
        name = DEFAULT_PAGE if self.versus else DEFAULT_OUT
        return name if run is None else run / RENDERS / name

    def _check_versus(self, versus: str, out: Path | None) -> None:
        from grid import GridError

        if out is None or out.suffix.lower() in DATA_SUFFIXES:
            mend = "write --out replay.html or grid_state.gif, or leave out --versus"
            found = f"--out {out}, which holds one episode" if out else "no file to write"
            raise GridError("--versus", found, "a picture, an animation or a page", mend)
        if _is_episode(self.source) and not _is_episode(versus):
            mend = "give a second episode file, or a run or a grid in place of the first"
            raise GridError(f"--versus {versus}", "an episode file, which holds no grid to run", "a .npz file", mend)

    def _versus(self) -> Episode | None:
        from grid import Episode
        from scripts import running

        if self.versus is None:
            return None
        if _is_episode(self.versus):
            return Episode.load(self.versus)
        config, agent = running.source_config(self.source, self.grid)
        decider, config = running.choose(self.versus, agent, "--versus"), self.world.of(config)
        if agent is None:
            config = running.fitting(config, None, not self.world.fixes_horizon)
        return running.record(decider, config, self.seed or 0, self.episode or 0)

    def _episode(self, console: Console) -> Episode:
        from grid import Episode, GridError
        from scripts import running

        if _is_episode(self.source):
            given = {"--policy": self.policy, "--seed": self.seed, "--episode": self.episode, "--grid": self.grid}
            given["--live"] = self.live or None
            options = [name for name, value in given.items() if value is not None] + self.world.options
            if options:
                mend = f"leave out {' and '.join(options)}, or give a run or a grid"
                raise GridError(self.source, "an episode that has already happened", "a run or a grid", mend)
            return Episode.load(self.source)
        config, agent = running.source_config(self.source, self.grid)
        config = self.world.of(config)
        if agent is None:
            config = running.fitting(config, console, not self.world.fixes_horizon)
        record = running.record_live if self.live else running.record
        return record(running.choose(self.policy, agent), config, self.seed or 0, self.episode or 0)


def _is_episode(source: str) -> bool:
    return Path(source).suffix.lower() == EPISODE_SUFFIX
