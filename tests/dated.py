"""A small grid with a dated series of its own, as a file."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2025, 1, 6)  # a Monday


def write_dated(folder: Path, days: int = 30, dated: bool = True, **about: object) -> Path:
    """Write town.json and its series; hour h has a demand of 40 + h / 100 MW."""
    head = "time,town [MW],wind [share]" if dated else "time_h,town [MW],wind [share]"
    rows = [
        f"{(START + timedelta(hours=h)).isoformat() if dated else h},{40 + h / 100},{abs(math.sin(h / 7)):.3f}"
        for h in range(24 * days)
    ]
    (folder / "town_profiles.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    nodes = [
        {"id": "gas", "kind": "source", "gen_max_mw": 120, "gen_cost_per_mwh": 50, "co2_t_per_mwh": 0.4},
        {"id": "park", "kind": "source", "gen_max_mw": 90, "gen_profile": "wind"},
        {"id": "town", "kind": "consumer", "load_max_mw": 100, "load_profile": "town"},
        {"id": "battery", "kind": "storage", "store_max_mwh": 80, "charge_max_mw": 20, "discharge_max_mw": 20},
    ]
    edges = [{"source": name, "target": "town", "capacity_mw": 70} for name in ("gas", "park", "battery")]
    graph = {"format": "load-balancer/1", "name": "town", "profiles": "town_profiles.csv", **about}
    path = folder / "town.json"
    path.write_text(json.dumps({"graph": graph, "nodes": nodes, "edges": edges}), encoding="utf-8")
    return path
