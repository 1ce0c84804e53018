"""Every transmission network of 4 to 300 buses that comes with pandapower: loads, steps two days, and is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from envs import EnvConfig
from envs.rendering import grid_state
from policies.measuring import run_episodes
from topologies import load

CASES = (
    *("case4gs", "case5", "case6ww", "case9", "case11_iwamoto", "case14", "case24_ieee_rts", "GBreducednetwork"),
    *("case30", "case_ieee30", "case39", "case57", "case89pegase", "case118", "iceland", "case145"),
    *("case_illinois200", "case300"),
)


def two_days(name: str, picture) -> dict[str, object]:
    """What a case holds, and how two days of it went under the merit-order rule."""
    grid = load(f"pandapower:{name}")
    arrays = grid.compile()
    (episode,) = run_episodes("merit", EnvConfig(topology=grid, horizon=48, split="test"), 1, 0)
    grid_state(episode, picture)
    balance_mw = (episode.gen_mw - episode.spill_mw + episode.discharge_mw - episode.served_mw - episode.charge_mw).sum(
        1
    )
    assert np.abs(balance_mw).max() < 1e-6
    assert np.isfinite(episode.flow_mw).all()
    assert picture.stat().st_size > 10_000
    return {
        "case": name,
        "nodes": len(arrays.node_names),
        "lines": len(arrays.line_names),
        "limited": int(np.isfinite(arrays.capacity_mw).sum()),
        "unserved_mwh": episode.unserved_mwh,
        "overload_mwh": episode.overload_mwh,
        "assumed": grid.assumed(),
    }


@pytest.mark.parametrize(
    "name", [name if name == "case6ww" else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_every_case_loads_steps_two_days_and_is_drawn(tmp_path, name):
    pytest.importorskip("pandapower")
    facts = two_days(name, tmp_path / "grid_state.png")
    assert facts["limited"] == facts["lines"] or any("capacity" in note for note in facts["assumed"])
