"""The folder of a run: room for a new one, what is kept in it beside the agent, and the page that explains it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from scripts import console

if TYPE_CHECKING:
    from policies import Evaluation

PAGE, EVALUATION, RENDERS = "README.md", "evaluation.json", "renders"
RUN_FILES = {
    PAGE: "this page",
    "config.json": "settings of the environment and of the training, versions, fingerprints of the grids",
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
MOST_GRIDS = 6
RUNS = Path("runs")
COST = "validation_cost_frac"


def make_room(run: Path, overwrite: bool) -> None:
    """Make room for a run: a folder that is new or empty passes, an older run goes only if the user says so.

    Raises:
        GridError: the folder holds a run and ``overwrite`` is off, or it holds anything else.
    """
    from grid import PARTIAL, GridError

    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        return
    if not run.is_dir():
        raise GridError(str(run), "a file", "a folder for the run", "choose another --out")
    strangers = sorted(path.name for path in run.iterdir() if path.name not in RUN_FILES and PARTIAL not in path.name)
    if strangers or not (run / "config.json").is_file():
        found = f"a folder with other files ({', '.join(strangers[:3]) or 'no config.json'})"
        raise GridError(str(run), found, "a new or empty folder", "choose another --out")
    if not overwrite:
        mend = "choose another --out, go on with it by --resume, or replace it by --overwrite"
        raise GridError(str(run), "a run that exists", "a new or empty folder", mend)
    shutil.rmtree(run)


def folder_of(source: str) -> Path | None:
    """The user's own folder of a run, named by its path or by its name in ``runs/``; None if it is neither."""
    return next((path for path in (Path(source), RUNS / source) if (path / "config.json").is_file()), None)


def stages_reached(run: Path) -> list[str]:
    """A table of what each stage of a run has reached."""
    from policies.learning import read_curve, what_stages_reached

    rows = [
        (stage["stage"], f"{stage['steps']:,.0f}", console.duration(stage["elapsed_s"]), f"{stage[COST]:.4f}")
        for stage in what_stages_reached(read_curve(run))
    ]
    return console.table(("stage", "steps", "time", "cost / reference"), rows)


def keep_evaluation(run: Path, outcome: Evaluation) -> None:
    """Keep an evaluation of the run's agent on its own grid, outages and overload in its folder."""
    value = {**console.plain(outcome.to_json()), "table": outcome.table().splitlines()}
    _write(run / EVALUATION, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    explain(run)


def explain(run: Path) -> None:
    """Write the page of a run: what it is, what it has reached, and what each file holds."""
    from policies import TrainConfig
    from policies.learning import read_curve

    config = json.loads((run / "config.json").read_text("utf-8"))
    train, versions = config["train"], config["versions"]
    curve = read_curve(run)
    done = f"{console.duration(curve[-1]['elapsed_s'])}, {curve[-1]['steps']:,.0f} env-steps"
    known = config["grids"]
    grids = [f"{grid['name']} (fingerprint {grid['fingerprint']})" for grid in known]
    more = f" and {len(grids) - MOST_GRIDS} more" if len(grids) > MOST_GRIDS else ""
    facts = [
        ("grid", ", ".join(grids[:MOST_GRIDS]) + more),
        ("network", train["policy"]),
        ("stages", ", ".join(TrainConfig.from_fields(train).plan)),
        ("trained for", done),
        ("seed", str(train["seed"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    blocks = [
        [f"# {run.resolve().name}", "", "An agent that runs an energy grid, trained by load-balancer.", ""],
        _indented(console.pairs(facts)),
        ["Least cost on validation episodes by the end of each stage:", ""],
        _indented(stages_reached(run)),
    ]
    if (run / EVALUATION).is_file():
        blocks += [["Evaluated:", ""], _indented(json.loads((run / EVALUATION).read_text("utf-8"))["table"])]
    files = [(name, meaning) for name, meaning in RUN_FILES.items() if name == PAGE or (run / name).exists()]
    blocks += [["Files:", ""], _indented(console.pairs(files))]
    _write(run / PAGE, "\n".join(line for block in blocks for line in block).rstrip() + "\n")


def _indented(lines: list[str]) -> list[str]:
    return [*(f"    {line}".rstrip() for line in lines), ""]


def _write(path: Path, text: str) -> None:
    from grid import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
