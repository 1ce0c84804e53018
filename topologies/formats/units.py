"""What stands at the buses of other programs' networks, on its way to nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

from grid import Grid

UNLIMITED = 1.5  # largest output of a source without a limit, in all demand: what is more carries losses of AC


@dataclass(frozen=True)
class Unit:
    """A source, store or consumer at a bus; ``label`` names it among the units of its bus."""

    kind: str
    label: str
    columns: dict[str, Any]


@dataclass(frozen=True)
class Held:
    """The voltage that a unit holds at its bus, and its reactive limits."""

    bus: str
    set_pu: float
    low_mvar: float
    high_mvar: float
    whom: str  # the unit, for notes


@dataclass
class Buses:
    """The buses of a network with their units, and what had to be assumed of whom."""

    units: dict[str, list[Unit]] = field(default_factory=dict)  # by bus
    places: dict[str, tuple[float, float]] = field(default_factory=dict)  # of some of the buses
    noted: dict[str, dict[str, None]] = field(default_factory=dict)  # whom, each once
    own: dict[str, dict[str, float]] = field(default_factory=dict)  # columns of the node that is the bus, by bus
    shared: dict[str, dict[str, float]] = field(default_factory=dict)  # columns of every node of a bus
    set_pu: dict[str, float] = field(default_factory=dict)  # voltage that is held, by bus
    references: set[str] = field(default_factory=set)  # buses that are the slack of power flow in the file

    def note(self, text: str, whom: str) -> None:
        """Say what was assumed, or left out, of an element."""
        self.noted.setdefault(text, {})[whom] = None

    def notes(self) -> list[str]:
        """What was noted, a line for each text."""
        return [f"{text}: {some(list(whom))}" for text, whom in self.noted.items()]

    def add(self, bus: str, kind: str, label: str, **columns: Any) -> None:
        """Put a unit at a bus; columns that are None stay out."""
        self.units[bus].append(Unit(kind, label, {key: value for key, value in columns.items() if value is not None}))

    def add_constant(
        self, bus: str, demand_mw: float, label: str, demand_mvar: float = 0.0, shunt_mw: float = 0.0
    ) -> None:
        """Put constant demand at a bus or, where it is negative, a source of that constant output, free of cost.

        Reactive demand goes with the consumer, or without one to the bus; ``shunt_mw`` is part of the demand.
        """
        drawn_mw = min(max(shunt_mw, 0.0), max(demand_mw, 0.0))
        if drawn_mw != shunt_mw:
            self.note("shunt conductance beyond the demand of its bus taken as constant power", bus)
        if demand_mw > 0:
            reactive = {"load_max_mvar": demand_mvar or None, "shunt_mw": drawn_mw or None}
            self.add(bus, "consumer", label, load_max_mw=demand_mw, **reactive)
            return
        if demand_mw < 0:
            self.add(bus, "source", label, gen_max_mw=-demand_mw, gen_min_mw=-demand_mw)
        if demand_mvar:
            self.add_to(bus, load_max_mvar=demand_mvar)

    def add_to(self, bus: str, **columns: float) -> None:
        """Add to columns of the node that is the bus."""
        own = self.own.setdefault(bus, {})
        own.update({name: own.get(name, 0.0) + value for name, value in columns.items()})

    def hold(self, held: Held) -> dict[str, float]:
        """Columns of a unit that holds the voltage of its bus; of several set-points of a bus, the first counts.

        At the reference bus reactive limits are not kept, as power flow of other programs does not enforce them there.
        """
        bus, low_mvar, high_mvar, left_out = held.bus, held.low_mvar, held.high_mvar, ""
        if not 0 < held.set_pu < inf:
            self.note("voltage set-point left out: not above 0", held.whom)
            return {}
        if held.set_pu != self.set_pu.setdefault(bus, held.set_pu):
            self.note("voltage set-point left out: the bus has another one already", held.whom)
        if low_mvar > high_mvar:
            left_out = "the lower one is above the upper one"
        elif bus in self.references and (isfinite(low_mvar) or isfinite(high_mvar)):
            left_out = "at the reference bus they are not enforced"
        if left_out:
            self.note(f"reactive limits left out: {left_out}", held.whom)
            low_mvar, high_mvar = -inf, inf
        return {"voltage_set_pu": self.set_pu[bus], "gen_min_mvar": low_mvar, "gen_max_mvar": high_mvar}

    def reactive(self, held: Held | None, taken_mvar: float) -> dict[str, float]:
        """Columns of a unit that holds the voltage of its bus or, where it does not, takes constant reactive power."""
        if held is not None:
            return self.hold(held)
        return {"load_max_mvar": taken_mvar} if taken_mvar else {}

    def add_condenser(self, held: Held) -> None:
        """Let a bus hold its own voltage, within limits that add up with those of its other units."""
        columns = self.hold(held)
        if columns:
            set_pu = columns.pop("voltage_set_pu")
            self.add_to(held.bus, **columns)
            self.own[held.bus]["voltage_set_pu"] = set_pu

    def rate(self, bus: str, base_kv: float, low_pu: float | None, high_pu: float | None) -> None:
        """Nominal voltage and band of a bus; of several, the first voltage and the tightest band."""
        shared = self.shared.setdefault(bus, {})
        if 0 < base_kv < inf:
            shared.setdefault("base_kv", base_kv)
        low_pu, high_pu = (None if pu is None or not isfinite(pu) else pu for pu in (low_pu, high_pu))
        if (low_pu is not None and low_pu < 0) or (high_pu is not None and high_pu <= max(low_pu or 0.0, 0.0)):
            self.note("band of voltage left out: not above 0, or upside down", f"bus {bus}")
            return
        if low_pu is not None:
            shared["voltage_min_pu"] = max(low_pu, shared.get("voltage_min_pu", low_pu))
        if high_pu is not None:
            shared["voltage_max_pu"] = min(high_pu, shared.get("voltage_max_pu", high_pu))

    def line(
        self,
        whom: str,
        reactance_pu: float,
        resistance_pu: float,
        charging_pu: float,
        conductance_pu: float = 0.0,
        **others: float,
    ) -> dict[str, float]:
        """Columns of a line; an ideal connector has no resistance, charging and iron losses."""
        columns = {"reactance_pu": reactance_pu}
        if reactance_pu:
            columns |= {"resistance_pu": resistance_pu}
            columns |= said(charging_pu=charging_pu, conductance_pu=conductance_pu)
        elif resistance_pu or charging_pu or conductance_pu:
            self.note("resistance and charging left out: a reactance of 0 is an ideal connector", whom)
        return columns | said(**others)

    def node(self, bus: str, unit: Unit | None, is_bus: bool) -> dict[str, Any]:
        """Kind and columns of a node: a unit, the bus, or both in one."""
        columns: dict[str, Any] = {} if unit is None else dict(unit.columns)
        columns |= self.shared.get(bus, {})
        for name, value in self.own.get(bus, {}).items() if is_bus else ():
            columns[name] = value if name == "voltage_set_pu" else columns.get(name, 0.0) + value
        kind = "junction" if unit is None else unit.kind
        return {"kind": kind} | {name: value for name, value in columns.items() if value not in (inf, -inf)}

    def place(self, grid: Grid) -> None:
        """Make the nodes: a bus with a single unit becomes that unit's node.

        With several it becomes a junction with one pendant node a unit, each on an ideal connector.
        """
        for bus in self.units:
            grid.add_junction(bus)
        for bus, units in self.units.items():
            node = grid.graph.nodes[bus]
            if bus in self.places:
                node["x"], node["y"] = self.places[bus]
            node.update(self.node(bus, units[0] if len(units) == 1 else None, is_bus=True))
            for unit in units if len(units) > 1 else ():
                name, number = unit.label, 1
                while name in grid.graph:
                    number += 1
                    name = f"{bus}:{unit.label}" + (f"#{number}" if number > 2 else "")
                grid.graph.add_node(name, **self.node(bus, unit, is_bus=False))
                grid.add_line(bus, name, reactance_pu=0.0)


def said(**columns: float) -> dict[str, float]:
    """Those columns of a line that say something: no 0, no ratio of 1, no limit without end."""
    usual = {"tap": (1.0,), "capacity_mw": (0.0, inf)}
    return {name: value for name, value in columns.items() if value not in usual.get(name, (0.0,))}


def drop_unsupplied(grid: Grid, buses: Buses) -> None:
    """Leave out what no source reaches, as other programs' power flow does."""
    import networkx as nx

    nodes = grid.graph.nodes
    for part in list(nx.connected_components(grid.graph)):
        if not any(nodes[node].get("gen_max_mw") for node in part):
            for node in sorted(part):
                buses.note("left out, as no source reaches it", f"node {node}")
            grid.graph.remove_nodes_from(part)


def stands_for_none(rating: float) -> bool:
    """Whether a rating in MVA or kA is none: not finite, or nines alone, as 99999, or 99.999 of 99999 kVA."""
    digits = f"{rating:.9g}".replace(".", "")
    return not isfinite(rating) or (set(digits) == {"9"} and len(digits) >= 4)


def some(whom: list[str], most: int = 5) -> str:
    """The first few of a list in words."""
    return ", ".join(whom[:most]) + (f" and {len(whom) - most} more" if len(whom) > most else "")
