"""Lines that trip or are out, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from grid import Episode
from topologies import load


def test_lines_trip_and_go_out_on_the_command_line(run: CommandLine, tmp_path: Path) -> None:
    line = load("case14").compile().line_names[0]
    words = ("evaluate", "merit", "--grid", "case14", "--episodes", 3)
    plain, out, trips = (run.json(*words, *more) for more in ((), ("--outages", f"{line},5,6"), ("--overload", "trip")))
    costs = [each["policies"]["merit"]["cost"]["mean"] for each in (plain, out, trips)]
    assert len({round(cost) for cost in costs}) == 3
    assert [each["optimum_is"] for each in (plain, out, trips)] == ["bound", "bound", "reference"]
    said = "overloaded lines trip: the optimum is a reference for lines that hold, not a bound"
    assert said in run.ok(*words, "--overload", "trip")
    assert said not in run.ok(*words)
    run.ok("render", "case14", "--outages", f"{line},5,6", "--out", "episode.npz")
    assert Episode.load(tmp_path / "episode.npz").line_status[:, 0].tolist() == [1] * 5 + [0] * 6 + [1] * 37


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "evaluate merit --grid case14 --outages 1-2,5",
            "--outages: found '1-2,5'; allowed: LINE,START,HOURS",
        ),
        ("evaluate merit --grid case14 --outages 1-3,5,6", "config.outages: found line '1-3'"),
        ("evaluate merit --grid case14 --overload explode", "found 'explode'; allowed: penalty, trip"),
        ("evaluate merit --grid case14 --flow AC", "found 'AC'; allowed: dc, ac; "),
        ("train --resume runs/none --flow ac", "train --resume: found --flow beside it; allowed: the run"),
        ("evaluate merit --task case14-calm-v1 --flow ac", "--task: found --flow beside it; allowed: the task alone"),
        ("train --resume runs/none --overload trip", "train --resume: found --overload beside it"),
        (
            "train --resume runs/none --policy mlp",
            "train --resume: found --policy beside it; allowed: the run",
        ),
        ("train --resume runs/none --stages ppo", "train --resume: found --stages beside it"),
        ("train --resume runs/none --seed 5", "train --resume: found --seed beside it"),
    ],
)
def test_what_cannot_happen_to_lines_is_one_clear_line(run: CommandLine, line: str, said: str) -> None:
    assert said in run.fault(*line.split())
