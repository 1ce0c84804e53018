"""The example page: its file is the published network. ``test_docs_pages`` runs its commands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from topologies import load

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "new_england.md").read_text(encoding="utf-8")


def test_the_network_is_that_of_another_program():
    networks = pytest.importorskip("pandapower.networks")
    theirs = networks.case39()
    ours = load(DOCS / "new_england.m").compile()
    assert ours.load_max_mw.sum() == pytest.approx(theirs.load.p_mw.sum())
    assert sorted(ours.gen_max_mw[ours.gen_max_mw > 0]) == sorted([*theirs.gen.max_p_mw, *theirs.ext_grid.max_p_mw])
    kv = theirs.bus.vn_kv[theirs.line.from_bus].to_numpy()
    number = theirs.bus.name.astype(int)
    rows = {
        frozenset((str(number[start]), str(number[end]))): (limit_ka * 3**0.5 * volt, x * length / (volt**2 / 100))
        for start, end, limit_ka, x, length, volt in zip(
            theirs.line.from_bus,
            theirs.line.to_bus,
            theirs.line.max_i_ka,
            theirs.line.x_ohm_per_km,
            theirs.line.length_km,
            kv,
            strict=True,
        )
    }
    names = np.array(ours.node_names)
    ends = [frozenset(pair) for pair in zip(names[ours.line_from], names[ours.line_to], strict=True)]
    found = {pair: line for line, pair in enumerate(ends) if pair in rows}
    assert len(found) == len(rows) == 35
    for pair, line in found.items():
        assert (ours.capacity_mw[line], ours.reactance_pu[line]) == pytest.approx(rows[pair], rel=1e-6)


def test_the_pictures_are_there():
    for picture in re.findall(r"\]\(([^)]*\.png)\)", PAGE + (DOCS / "series.md").read_text(encoding="utf-8")):
        assert (DOCS / picture).is_file(), picture
