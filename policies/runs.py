"""Where runs are found: folders, names in ``runs/``, and the agents that come with the program. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from topologies import is_grid_folder

RUNS = Path("runs")
OWN_RUNS = "the folder of a run or its name in runs/"
SHIPPED = Path(__file__).parent / "agents"


def shipped() -> list[str]:
    """Names of the trained agents that come with the program."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def find_run(source: str | Path) -> Path | None:
    """The folder of a run, named by its path, by its name in ``runs/`` or by that of a shipped agent; None: neither."""
    run = find_own_run(source)
    return SHIPPED / source if run is None and str(source) in shipped() else run


def find_own_run(source: str | Path) -> Path | None:
    """The same without the shipped agents."""
    places = (Path(source), RUNS / source)
    return next((place for place in places if place.is_dir() and not is_grid_folder(place)), None)


def allowed_runs() -> str:
    """What may stand for a run, for error messages."""
    if shipped():
        return f"the folder of a run, its name in runs/, or a shipped agent: {', '.join(shipped())}"
    return OWN_RUNS
