"""``topologies``: the grids that come with the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts.console import Console, pairs, table
from scripts.options import CommonJson

KINDS = ("source", "storage", "consumer")


@dataclass(frozen=True, kw_only=True)
class Topologies(CommonJson):
    """List the grids that come with the program; give their names wherever a GRID is asked for."""

    def run(self, console: Console) -> None:
        """Print one row a grid."""
        from topologies import GENERATED_FORM, load, names

        rows: list[dict[str, Any]] = []
        for name in names():
            grid = load(name)
            kinds = [data["kind"] for _, data in grid.graph.nodes(data=True)]
            counts = {"nodes": len(kinds), "lines": grid.graph.number_of_edges() - len(grid.connectors())}
            counts |= {f"{kind}s": kinds.count(kind) for kind in KINDS}
            rows.append({"name": name, **counts, "origin": grid.origin, "licence": grid.licence})
        header = ("name", "nodes", "lines", "sources", "storages", "consumers")
        lines = table(header, [[str(row[column]) for column in header] for row in rows])
        lines += ["", *pairs([(row["name"], f"{row['origin']}; licence: {row['licence']}") for row in rows])]
        lines += ["", f"more of any size: {GENERATED_FORM}"]
        console.result(lines, {"topologies": rows})
