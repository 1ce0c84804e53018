"""The page on file formats: its commands run, its table holds, and every format can be inspected."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import pytest

from scripts.cli import main
from topologies import load
from topologies.formats import FOLDER, READERS, WRITERS

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore")
def test_the_commands_of_the_page_run_and_every_format_is_inspected(tmp_path, monkeypatch, capsys):
    for library in ("pandapower", "pypsa"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    assert [line[0] for line in lines] == ["inspect", *["convert"] * 4, "new"]
    written = [line[2] for line in lines if line[0] == "convert"]
    lines += [["convert", "case14", "case14.graphml"], *(["inspect", name] for name in [*written, "case14.graphml"])]
    for line in lines:
        assert main(line) in (0, None), capsys.readouterr().err
        said = capsys.readouterr().out
        assert ("cost of 0" in said or "constant cost left out" in said) == (line[1] == "pandapower:case39")
        assert line[0] in ("convert", "new") or "source capacity" in said
    assert {Path(name).suffix for name in written} | {".graphml", ".xlsx"} == set(WRITERS)


def test_the_table_names_every_suffix_that_is_read_and_written():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| ")]
    table = {name: (read, written) for _, name, _, read, written in (row for row in rows if len(row) == 5)}
    names = " ".join(table)
    assert all(f"`{suffix}`" in names for suffix in READERS if suffix != FOLDER)
    assert "folder" in names
    writes = " ".join(name for name, (_, written) in table.items() if written.startswith("yes"))
    assert all(f"`{suffix}`" in writes for suffix in WRITERS if suffix != FOLDER)


def test_case118_loads_in_a_fifth_of_the_time_that_pandapower_takes():
    """Each loads its own file of the same network; the best of some tries, as the machine has other work."""
    networks = pytest.importorskip("pandapower.networks")

    def seconds(act) -> float:
        begin = time.process_time()
        act()
        return time.process_time() - begin

    ours, theirs = (min(seconds(act) for _ in range(2)) for act in (lambda: load("case118"), networks.case118))
    assert ours <= 0.2 * theirs, (ours, theirs)


def test_the_grid_with_data_for_ac_runs_in_ac(tmp_path, monkeypatch, capsys):
    pytest.importorskip("numba")
    monkeypatch.chdir(tmp_path)
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    Path("ac.json").write_text(text, encoding="utf-8")
    assert load("ac.json").compile().resistance_pu.tolist() == [0.01]
    assert main(["optimum", "ac.json", "--flow", "ac"]) in (0, None), capsys.readouterr().err
    said = capsys.readouterr().out
    assert "losses" in said
    assert "outside the band 0 pu·h" in said
