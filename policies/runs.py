"""Where runs are found and what is in them: folders, names in ``runs/``, and the agents that come with the program.

A run is a folder with a ``config.json``. Needs no torch.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from grid import PARTIAL, GridError

CONFIG, PAGE, EVALUATION, RENDERS = "config.json", "README.md", "evaluation.json", "renders"
RUN_FILES = {
    PAGE: "this page",
    CONFIG: "settings of the environment and of the training, versions, fingerprints of the grids",
    "run.toml": "the same settings for `train --config`, which makes the run again",
    "grid.json": "the grid, if it is one",
    "grid_profiles.csv": "its own time series",
    "weights.safetensors": "the agent: the best network on validation episodes",
    "resume.pt": "the last checkpoint: network, optimizer, steps; random numbers start anew from them",
    "progress.csv": "learning curve, a row for each update",
    "stages.csv": "what each stage of the training reached",
    "tensorboard": "the same, for `tensorboard --logdir`",
    EVALUATION: "the last evaluation on the agent's own grid, lines treated as in its training",
    RENDERS: "pictures and animations of its episodes",
}
"""Every file of a run and what it holds."""

RUNS = Path("runs")
OWN_RUNS = "the folder of a run or its name in runs/"
SHIPPED = Path(__file__).parent / "agents"


def shipped() -> list[str]:
    """Names of the trained agents that come with the program."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))


def find_run(source: str | Path) -> Path | None:
    """The folder of a run, named by its path, by its name in ``runs/`` or by that of a shipped agent; None: neither."""
    run = find_own_run(source)
    return SHIPPED / source if run is None and str(source) in shipped() else run


def find_own_run(source: str | Path) -> Path | None:
    """The same without the shipped agents."""
    return next((place for place in (Path(source), RUNS / source) if (place / CONFIG).is_file()), None)


def allowed_runs() -> str:
    """What may stand for a run, for error messages."""
    if shipped():
        return f"the folder of a run, its name in runs/, or a shipped agent: {', '.join(shipped())}"
    return OWN_RUNS


def check_room(run: Path, overwrite: bool) -> None:
    """Whether a run may be written there: in a folder that is new or empty, or in place of an older run if so told.

    Raises:
        GridError: the folder holds a run and ``overwrite`` is off, or it holds anything else.
    """
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        return
    if not run.is_dir():
        raise GridError(str(run), "a file", "a folder for the run", "choose another --out")
    strangers = sorted(path.name for path in run.iterdir() if path.name not in RUN_FILES and PARTIAL not in path.name)
    if strangers or not _is_run(run):
        found = f"a folder with other files ({', '.join(strangers[:3]) or f'no {CONFIG} of a run'})"
        raise GridError(str(run), found, "a new or empty folder", "choose another --out")
    if not overwrite:
        mend = "choose another --out, go on with it by --resume, or replace it by --overwrite"
        raise GridError(str(run), "a run that exists", "a new or empty folder", mend)


def _is_run(folder: Path) -> bool:
    """Whether the config.json in it is that of a run, of whatever format."""
    try:
        content = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"format", "env", "train"} <= set(content)


def make_room(run: Path) -> None:
    """Remove an older run."""
    if (run / CONFIG).is_file():
        for path in run.iterdir():  # the folder stays: it may be a link, or the current one
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
