"""The command ``live``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from scripts.console import Console
from scripts.options import Common, World, default, number


@dataclass(frozen=True, kw_only=True)
class Live(Common):
    """Edit a grid, run it yourself beside an agent and the optimum, and train on it, in the browser.

    Only this machine and the browser with the printed address get in.

    Files go into the working folder alone. Ctrl-C ends it, with the training that it began.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="GRID|RUN")] = "triangle"
    """bundled name or path of a grid file, or a run, whose agent then assists"""
    grid: Annotated[str | None, tyro.conf.arg(metavar="GRID"), default("the run's own")] = None
    """bundled name or path of another grid file, for an agent that can run it"""
    port: Annotated[int, number("N", int, 0)] = 0
    """port to listen on; 0: any that is free"""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """address to listen on; another than this machine's own lets others of the network in who know the address"""
    open: bool = True
    """whether to open the page in the browser"""
    world: Annotated[World, tyro.conf.OmitArgPrefixes] = field(default_factory=World)
    """What is run, where it differs from the run's world or the defaults."""

    def run(self, console: Console) -> None:
        """Serve until Ctrl-C."""
        from grid import GridError
        from scripts.running import is_installed, source_config

        for package in ("starlette", "uvicorn", "websockets"):
            if not is_installed(package):
                raise GridError.without(package, "an installation that can serve a page", "live")
        from scripts.live.server import serve

        config, agent = source_config(self.source, self.grid)
        serve(self.world.of(config), agent, (self.host, self.port), self.open, console, Path.cwd())
