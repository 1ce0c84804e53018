"""What stands at the buses of other programs' networks, on its way to nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from grid import Grid


@dataclass(frozen=True)
class Unit:
    """A source, store or consumer at a bus; ``label`` names it among the units of its bus."""

    kind: str
    label: str
    columns: dict[str, Any]


@dataclass
class Buses:
    """The buses of a network with their units, and what had to be assumed of whom."""

    units: dict[str, list[Unit]] = field(default_factory=dict)  # by bus
    places: dict[str, tuple[float, float]] = field(default_factory=dict)  # of some of the buses
    noted: dict[str, dict[str, None]] = field(default_factory=dict)  # whom, each once

    def note(self, text: str, whom: str) -> None:
        """Say what was assumed, or left out, of an element."""
        self.noted.setdefault(text, {})[whom] = None

    def notes(self) -> list[str]:
        """What was noted, a line for each text."""
        return [f"{text}: {some(list(whom))}" for text, whom in self.noted.items()]

    def add(self, bus: str, kind: str, label: str, **columns: Any) -> None:
        """Put a unit at a bus; columns that are None stay out."""
        self.units[bus].append(Unit(kind, label, {key: value for key, value in columns.items() if value is not None}))

    def add_constant(self, bus: str, demand_mw: float, label: str) -> None:
        """Put constant demand at a bus or, where it is negative, a source of that constant output, free of cost."""
        if demand_mw > 0:
            self.add(bus, "consumer", label, load_max_mw=demand_mw)
        elif demand_mw < 0:
            self.add(bus, "source", label, gen_max_mw=-demand_mw, gen_min_mw=-demand_mw)

    def place(self, grid: Grid) -> None:
        """Make the nodes: a bus with a single unit becomes that unit's node.

        With several it becomes a junction with one pendant node a unit, each on an ideal connector.
        """
        for bus in self.units:
            grid.add_junction(bus)
        for bus, units in self.units.items():
            x, y = self.places.get(bus, (None, None))
            node = grid.graph.nodes[bus]
            node.update({} if x is None else {"x": x, "y": y})
            if len(units) == 1:
                node.update({"kind": units[0].kind, **units[0].columns})
                continue
            for unit in units:
                name, number = unit.label, 1
                while name in grid.graph:
                    number += 1
                    name = f"{bus}:{unit.label}" + (f"#{number}" if number > 2 else "")
                grid.graph.add_node(name, kind=unit.kind, **unit.columns)
                grid.add_line(bus, name, reactance_pu=0.0)


def some(whom: list[str], most: int = 5) -> str:
    """The first few of a list in words."""
    return ", ".join(whom[:most]) + (f" and {len(whom) - most} more" if len(whom) > most else "")
