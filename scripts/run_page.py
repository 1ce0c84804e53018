"""The page that explains a run, and the evaluation that is kept beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from policies import EVALUATION, PAGE, RUN_FILES
from scripts import console

if TYPE_CHECKING:
    from policies import Evaluation

MOST_GRIDS = 6
COST = "validation_cost_frac"


def stages_reached(run: Path) -> list[str]:
    """A table of what each stage of a run has reached, and which stages the budget left out."""
    from policies import TrainConfig
    from policies.learning import read_curve, what_stages_reached

    rows = [
        (stage["stage"], f"{stage['steps']:,.0f}", console.duration(stage["elapsed_s"]), f"{stage[COST]:.4f}")
        for stage in what_stages_reached(read_curve(run))
    ]
    plan = TrainConfig.from_fields(json.loads((run / "config.json").read_text("utf-8"))["train"]).plan
    begun = [row[0] for row in rows]
    rows += [(stage, "-", "-", "no update") for stage in plan if stage not in begun]
    return console.table(("stage", "steps", "time", "cost / reference"), rows)


def keep_evaluation(run: Path, outcome: Evaluation) -> None:
    """Keep an evaluation of the run's agent on its own grid, flow, overload and outages in its folder."""
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
        *([("power flow", "AC")] if config["env"].get("flow") == "ac" else []),
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
