"""The page that goes from a raw CSV to a year's saving: its commands run on such a file, and the numbers add up."""

from __future__ import annotations

import re
import shlex
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from command_line import CommandLine

PAGE = (Path(__file__).parents[1] / "docs" / "year.md").read_text(encoding="utf-8")
BERLIN = ZoneInfo("Europe/Berlin")
HOURS = 8760
GAPS = (slice(1000, 1002), slice(5000, 5003))


def measured() -> tuple[list[str], np.ndarray]:
    """The lines of a year as the page describes it, and (8760, 2) what was measured in kW."""
    hour = np.arange(HOURS)
    load = 5000 + 1500 * np.sin((hour % 24 - 8) / 24 * 2 * np.pi) + 900 * np.cos(hour / HOURS * 2 * np.pi)
    sun = 7000 * np.clip(np.sin((hour % 24 - 5) / 14 * np.pi), 0, 1) * (hour % 24 > 5) * (hour % 24 < 19)
    values = np.round(np.column_stack([load, sun]), 1)
    start = datetime(2024, 12, 31, 23, tzinfo=ZoneInfo("UTC"))
    lines = ["Zeit;load_kw;pv_kw"]
    for k, row in enumerate(values.tolist()):
        if not any(gap.start <= k < gap.stop for gap in GAPS):
            local = (start + timedelta(hours=k)).astimezone(BERLIN)
            lines.append(f"{local:%d.%m.%Y %H:%M};" + ";".join(f"{value:.1f}".replace(".", ",") for value in row))
    return lines, values


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The words of each command of the page, in a folder with its files."""
    monkeypatch.chdir(tmp_path)
    (grid,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    Path("town.json").write_text(grid, "utf-8")
    Path("raw.csv").write_text("\n".join(measured()[0]) + "\n", "utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines()]


def test_the_raw_year_becomes_an_even_table_and_every_change_is_said(
    run: CommandLine, commands: list[list[str]]
) -> None:
    assert len(commands) <= 4
    said = run.ok(*commands[0])
    for text in ("semicolons", "decimal commas", "kW converted to MW", "Europe/Berlin"):
        assert text in said, said
    rows = Path("town.csv").read_text("utf-8").splitlines()
    assert len(rows) == HOURS + 1
    found = np.array([[float(cell) for cell in row.split(",")[1:]] for row in rows[1:]])
    values = measured()[1] / 1000
    for gap in GAPS:
        values[gap] = np.nan
    known = ~np.isnan(values)
    assert (~known).sum() == 2 * 5
    np.testing.assert_allclose(found[known], values[known], atol=1e-9)
    assert np.isfinite(found).all()
    assert "own series of 8,760 h" in run.ok(*commands[1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_agent_trained_on_the_year_says_what_it_saves_in_it(run: CommandLine, commands: list[list[str]]) -> None:
    for library in ("torch", "numba"):
        pytest.importorskip(library)
    for words in commands:
        assert run(*" ".join(words).replace("--seconds 300", "--steps 20000").split()) == 0, run.err
    assert "saved in 365 days on merit" in run.out
    saved = re.search(r"saved in 365 days on merit.*agent (-?[\d,.]+).*optimum ([\d,.]+)", " ".join(run.out.split()))
    assert saved is not None, run.out
    agent, best = (float(number.replace(",", "")) for number in saved.groups())
    assert 0 < agent <= best
