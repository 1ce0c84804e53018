"""One training at a time, by the ordinary command in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from grid import Grid, GridError
from policies import RUN_FILES
from topologies.formats import WRITERS

LONGEST_S = 3600.0
SHORTEST_S = 5.0
KINDS = ("mlp", "graph")
STOP_S = 20.0  # that a training gets to end and keep its best when the server ends
CURVE = "progress.csv"
HOME = Path(__file__).resolve().parents[2]


class Trainer:
    """Starts ``load-balancer train``, tells how far it is, and stops it.

    Args:
        folder: the working folder; runs go into runs/ in it.
        workshop: for the file of the grid and what the process says.
    """

    def __init__(self, folder: Path, workshop: Path) -> None:
        self._folder, self._workshop = folder, workshop
        self._process: subprocess.Popen[bytes] | None = None
        self.run: Path | None = None
        self.seconds, self._is_stopped = 0.0, False

    @property
    def is_running(self) -> bool:
        """Whether a training is on."""
        return self._process is not None and self._process.poll() is None

    def start(self, grid: Grid, kind: str, seconds: float) -> None:
        """Train on a grid, into a new folder runs/NAME-live, -2, -3, ...

        Raises:
            GridError: a training is on, an unknown kind of network, or a time out of range.
        """
        if self.is_running:
            raise GridError("train", "a training that is on", "one at a time", "wait for it, or stop it")
        if kind not in KINDS:
            raise GridError("policy", repr(kind), " or ".join(KINDS), "choose one of them")
        if not SHORTEST_S <= seconds <= LONGEST_S:
            allowed = f"{SHORTEST_S:g} to {LONGEST_S:g} seconds"
            raise GridError("seconds", f"{seconds:g}", allowed, "choose another time, or use the command line")
        stem = re.sub(r"[^\w-]", "_", str(grid.name))[:40] or "grid"
        self.run = self._folder / "runs" / f"{stem}-live"
        for number in count(2):
            with suppress(FileExistsError):
                self.run.mkdir(parents=True)  # so no other server takes it
                break
            self.run = self.run.with_name(f"{stem}-live-{number}")
        path = self._workshop / f"{stem}.json"
        WRITERS[".json"](grid, path)
        self.seconds, self._is_stopped = seconds, False
        words = ["train", str(path), "--policy", kind, "--seconds", f"{seconds:g}", "--out", str(self.run), "--quiet"]
        environment = os.environ | {"PYTHONPATH": str(HOME)}
        with (self._workshop / "said").open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "scripts.cli", *words],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # Ctrl-C is for the server, which then stops it in its own way
            )

    def stop(self) -> None:
        """Let it end after the running update and keep its best."""
        if self._process is not None and self.is_running:
            self._is_stopped = True
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Stop it, and wait until it has ended; one that does not end in time is killed."""
        self.stop()
        if self._process is not None:
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def state(self) -> dict[str, Any]:
        """How far it is: rows of its learning curve, and how it ended; "untrained" is without any update."""
        if self._process is None or self.run is None:
            return {"state": "none"}
        code = self._process.poll()
        found: dict[str, Any] = {"run": self.run.relative_to(self._folder).as_posix(), "seconds": self.seconds}
        found["curve"] = self._curve()
        ended = "untrained" if self._has_weights() or self._is_stopped else "failed"
        if self._has_weights() and len(found["curve"]) > 1:
            ended = "done"
        found |= {"state": "running" if code is None else ended, "stopped": self._is_stopped}
        if found["state"] == "failed":
            said = (self._workshop / "said").read_text("utf-8", "replace").strip().splitlines()
            found["said"] = said[-1][:500] if said else f"it ended with {code}"
        return found

    def _has_weights(self) -> bool:
        names = [name for name in RUN_FILES if name.endswith(".safetensors")]
        return self.run is not None and all((self.run / name).is_file() for name in names)

    def _curve(self) -> list[list[Any]]:
        """[stage, seconds, cost as a share of the reference] of each validation."""
        path = (self.run or Path()) / CURVE
        if not path.is_file():
            return []
        from policies.learning import read_curve

        rows = [[row["stage"], row["elapsed_s"], row["validation_cost_frac"]] for row in read_curve(path.parent)]
        return [row for row in rows if row[2] == row[2]]  # NaN: not validated there
