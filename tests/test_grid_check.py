"""Every message of the checker, read in full."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import pytest

from grid import Grid, GridError

SOURCE = {"kind": "source", "gen_max_mw": 100}
STORAGE = {"kind": "storage", "store_max_mwh": 40, "charge_max_mw": 10, "discharge_max_mw": 10}
CONSUMER = {"kind": "consumer", "load_max_mw": 50}
KIND_WORDS = "a kind out of source, storage, consumer, junction"


def sound() -> Grid:
    """Nodes s, b, c in a row: s-c, c-b."""
    grid = Grid("sound")
    for node, data in (("s", SOURCE), ("b", STORAGE), ("c", CONSUMER)):
        grid.graph.add_node(node, **data)
    grid.add_line("s", "c")
    grid.add_line("b", "c")
    return grid


def at_node(node: str, **columns: object) -> Callable[[Grid], None]:
    return lambda grid: grid.graph.nodes[node].update(columns)


def without(node: str, name: str) -> Callable[[Grid], None]:
    return lambda grid: grid.graph.nodes[node].pop(name)


def at_line(**columns: object) -> Callable[[Grid], None]:
    return lambda grid: grid.graph.edges["s", "c", 0].update(columns)


def base(value: object) -> Callable[[Grid], None]:
    return lambda grid: setattr(grid, "base_mva", value)


def loop_of_connectors(grid: Grid) -> None:
    grid.add_line("s", "b", reactance_pu=0)
    for edge in grid.graph.edges:
        grid.graph.edges[edge]["reactance_pu"] = 0


def parallel_connectors(grid: Grid) -> None:
    grid.graph.edges["s", "c", 0]["reactance_pu"] = 0
    grid.add_line("c", "s", "bypass", reactance_pu=0.0)


def two_voltages(grid: Grid) -> None:
    for edge in grid.graph.edges:
        grid.graph.edges[edge]["reactance_pu"] = 0
    for node, set_pu in (("s", 1.02), ("b", 1.01)):
        grid.graph.nodes[node]["voltage_set_pu"] = set_pu


def island(grid: Grid) -> None:
    grid.add_storage("far", store_max_mwh=1, charge_max_mw=1, discharge_max_mw=1)
    grid.add_consumer("isle", load_max_mw=3)
    grid.add_line("far", "isle")


def uncontrollable(grid: Grid) -> None:
    grid.graph.nodes["s"]["gen_max_mw"] = 0
    grid.graph.nodes["b"]["store_max_mwh"] = 0


def foreign_start(grid: Grid) -> None:
    grid.graph.edges["s", "c", 0]["line_from"] = "b"


BASE = "allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)"

UNSHOWN = "found a line break or another character that cannot be shown in its"

BAD = [
    # names
    (
        lambda grid: grid.add_junction("a\nb"),
        f"node 'a\\nb': {UNSHOWN} id; allowed: a text of one line; rename it",
    ),
    (lambda grid: grid.add_junction(""), "node '': found an empty id; allowed: a text of one line; rename it"),
    (
        lambda grid: grid.add_line("s", "b", "a\u202eb"),
        f"line 'a\\u202eb': {UNSHOWN} key; allowed: a text of one line; rename it",
    ),
    (lambda grid: grid.add_line("s", "b", ""), "line '': found an empty key; allowed: a text of one line; rename it"),
    # base
    (base(0), f"graph: base_mva: found 0; {BASE}"),
    (
        base(-1.5),
        "graph: base_mva: found -1.5; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    (base(nan), f"graph: base_mva: found nan; {BASE}"),
    (base(inf), f"graph: base_mva: found inf; {BASE}"),
    (
        base("100"),
        "graph: base_mva: found '100'; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    (
        base(True),
        "graph: base_mva: found True; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    (
        base(None),
        "graph: base_mva: found None; allowed: a number from 1e-06 to 1e+06; correct it or leave it out (100)",
    ),
    # kinds
    (without("s", "kind"), f"node 's': found no kind; allowed: {KIND_WORDS}; add the kind"),
    (at_node("s", kind=None), f"node 's': found no kind; allowed: {KIND_WORDS}; add the kind"),
    (at_node("s", kind="sauce"), f"node 's': found kind 'sauce'; allowed: {KIND_WORDS}; did you mean 'source'?"),
    (
        at_node("s", kind="xyz"),
        f"node 's': found kind 'xyz'; allowed: {KIND_WORDS}; use one of: consumer, junction, source, storage",
    ),
    (
        at_node("s", kind=["q"]),
        f"node 's': found kind ['q']; allowed: {KIND_WORDS}; use one of: consumer, junction, source, storage",
    ),
    # required columns
    (
        without("s", "gen_max_mw"),
        "node 's': found no gen_max_mw; allowed: gen_max_mw for every source; add gen_max_mw",
    ),
    (
        at_node("s", gen_max_mw=None),
        "node 's': found no gen_max_mw; allowed: gen_max_mw for every source; add gen_max_mw",
    ),
    (
        without("b", "store_max_mwh"),
        "node 'b': found no store_max_mwh; allowed: store_max_mwh for every storage; add store_max_mwh",
    ),
    (
        without("b", "charge_max_mw"),
        "node 'b': found no charge_max_mw; allowed: charge_max_mw for every storage; add charge_max_mw",
    ),
    (
        without("b", "discharge_max_mw"),
        "node 'b': found no discharge_max_mw; allowed: discharge_max_mw for every storage; add discharge_max_mw",
    ),
    (
        without("c", "load_max_mw"),
        "node 'c': found no load_max_mw; allowed: load_max_mw for every consumer; add load_max_mw",
    ),
    # names of columns
    (
        at_node("s", gen_max=5),
        "node 's': found the unknown field 'gen_max'; allowed: the columns of `load-balancer columns`; "
        "did you mean 'gen_max_mw'?",
    ),
    (
        at_line(capacity=5),
        "line 's-c': found the unknown field 'capacity'; allowed: the columns of `load-balancer columns`; "
        "did you mean 'capacity_mw'?",
    ),
    (
        at_line(qqq=5),
        "line 's-c': found the unknown field 'qqq'; allowed: the columns of `load-balancer columns`; "
        "use one of: "
        "capacity_mw, charging_pu, conductance_pu, outage_rate_per_h, reactance_pu, repair_h, resistance_pu, "
        "shift_deg, tap",
    ),
    # values of columns
    (
        at_node("s", gen_max_mw=-1),
        "node 's': found gen_max_mw -1; allowed: a number >= 0; correct the value",
    ),
    (at_node("s", gen_max_mw=inf), "node 's': found gen_max_mw inf; allowed: a number >= 0; correct the value"),
    (at_node("s", gen_max_mw=nan), "node 's': found gen_max_mw nan; allowed: a number >= 0; correct the value"),
    (
        at_node("s", gen_max_mw="9"),
        "node 's': found gen_max_mw '9'; allowed: a number >= 0; write a number, without quotes",
    ),
    (at_node("s", gen_max_mw=True), "node 's': found gen_max_mw True; allowed: a number >= 0; correct the value"),
    (at_node("s", gen_max_mw=[9]), "node 's': found gen_max_mw [9]; allowed: a number >= 0; correct the value"),
    (at_node("s", gen_max_mw=1 + 0j), "node 's': found gen_max_mw (1+0j); allowed: a number >= 0; correct the value"),
    (
        at_node("s", gen_ramp_mw_per_h=0),
        "node 's': found gen_ramp_mw_per_h 0; allowed: a number > 0; correct the value",
    ),
    (
        at_node("s", gen_ramp_mw_per_h=-inf),
        "node 's': found gen_ramp_mw_per_h -inf; allowed: a number > 0; correct the value",
    ),
    (
        at_node("s", gen_cost_per_mwh=inf),
        "node 's': found gen_cost_per_mwh inf; allowed: any finite number; correct the value",
    ),
    (
        at_node("s", gen_reserve_frac=1.5),
        "node 's': found gen_reserve_frac 1.5; allowed: a number in [0, 1]; correct the value",
    ),
    (
        at_node("b", charge_eff_frac=0),
        "node 'b': found charge_eff_frac 0; allowed: a number in (0, 1]; correct the value",
    ),
    (
        at_node("b", discharge_eff_frac=1.01),
        "node 'b': found discharge_eff_frac 1.01; allowed: a number in (0, 1]; correct the value",
    ),
    (
        at_node("s", gen_profile=3),
        "node 's': found gen_profile 3; allowed: the name of a profile; correct the name",
    ),
    (
        at_node("c", load_profile=""),
        "node 'c': found load_profile ''; allowed: the name of a profile; correct the name",
    ),
    (at_node("s", x=nan), "node 's': found x nan; allowed: any finite number; correct the value"),
    (at_line(capacity_mw=0), "line 's-c': found capacity_mw 0; allowed: a number > 0; correct the value"),
    (at_line(capacity_mw=-3), "line 's-c': found capacity_mw -3; allowed: a number > 0; correct the value"),
    (at_line(tap=0), "line 's-c': found tap 0; allowed: a number > 0; correct the value"),
    (
        at_line(reactance_pu=nan),
        "line 's-c': found reactance_pu nan; allowed: any finite number; correct the value",
    ),
    (
        at_line(shift_deg=361),
        "line 's-c': found shift_deg 361; allowed: a number in [-360, 360]; correct the value",
    ),
    (at_line(repair_h=0), "line 's-c': found repair_h 0; allowed: a number > 0; correct the value"),
    # rules of a node
    (
        at_node("s", gen_min_mw=101),
        "node 's': found gen_min_mw above gen_max_mw; allowed: gen_min_mw <= gen_max_mw; correct one of them",
    ),
    (
        at_node("s", gen_min_mw=10, gen_profile="sun"),
        "node 's': found gen_min_mw together with gen_profile; allowed: one of the two; drop gen_min_mw or gen_profile",
    ),
    (
        at_node("b", store_min_mwh=41),
        "node 'b': found store_min_mwh above store_max_mwh; allowed: store_min_mwh <= store_max_mwh; "
        "correct one of them",
    ),
    (
        at_node("b", store_init_mwh=40.5),
        "node 'b': found store_init_mwh 40.5; allowed: between store_min_mwh and store_max_mwh; correct the value",
    ),
    (
        at_node("b", store_init_mwh=0, store_min_mwh=1),
        "node 'b': found store_init_mwh 0; allowed: between store_min_mwh and store_max_mwh; correct the value",
    ),
    (
        at_node("b", gen_max_mw=1),
        "node 'b': found a source and a store in one node; allowed: one controllable unit a node; "
        "make two nodes and join them by a line with reactance_pu 0",
    ),
    (
        at_node("s", gen_min_mvar=3, gen_max_mvar=2),
        "node 's': found gen_min_mvar above gen_max_mvar; allowed: gen_min_mvar <= gen_max_mvar; correct one of them",
    ),
    (
        at_node("s", gen_min_mvar=inf),
        "node 's': found gen_min_mvar inf; allowed: any finite number; correct the value",
    ),
    (
        at_node("b", voltage_max_pu=0.85),  # the lower end is 0.9 where none is given
        "node 'b': found voltage_min_pu above voltage_max_pu; allowed: voltage_min_pu <= voltage_max_pu; "
        "correct one of them",
    ),
    (
        at_node("b", voltage_set_pu=0),
        "node 'b': found voltage_set_pu 0; allowed: a number in (0, 2]; correct the value",
    ),
    (
        at_node("b", voltage_set_pu=20.4),  # kV, most likely
        "node 'b': found voltage_set_pu 20.4; allowed: a number in (0, 2]; correct the value",
    ),
    (
        at_node("c", shunt_mw=50.5),
        "node 'c': found shunt_mw 50.5 above load_max_mw 50; allowed: shunt_mw <= load_max_mw; "
        "add it to load_max_mw: it is the part of that demand that a shunt draws at 1 pu",
    ),
    # rules of a line
    (
        lambda grid: grid.add_line("s", "s"),
        "line 's-s': found both ends at 's'; allowed: two different nodes; remove the line",
    ),
    (
        foreign_start,
        "line 'b-c': found line_from 'b'; allowed: one of the line's two ends; correct it",
    ),
    (
        lambda grid: grid.graph.edges["s", "c", 0].update(line_from="nobody"),
        "line 'nobody-c': found line_from 'nobody'; allowed: one of the line's two ends; correct it",
    ),
    (
        lambda grid: grid.graph.edges["s", "c", 0].update(line_from=["s"]),
        """line "['s']-c": found line_from ['s']; allowed: one of the line's two ends; correct it""",
    ),
    (
        at_line(reactance_pu=0, shift_deg=5),
        "line 's-c': found a tap or a phase shift at reactance_pu 0; allowed: neither; give the line a reactance",
    ),
    (
        at_line(reactance_pu=0.0, tap=0.98),
        "line 's-c': found a tap or a phase shift at reactance_pu 0; allowed: neither; give the line a reactance",
    ),
    (
        at_line(reactance_pu=0, charging_pu=0.01),
        "line 's-c': found a resistance or charging at reactance_pu 0; allowed: neither: it is an ideal connector; "
        "give the line a reactance, or drop them",
    ),
    # rules of the whole grid
    (
        two_voltages,
        "node 'b': found voltage_set_pu 1.01, but 1.02 at node 's' of the same bus; allowed: one voltage for a bus; "
        "give both the same one: lines with reactance_pu 0 make their nodes one bus",
    ),
    (
        uncontrollable,
        "grid: found nothing to control; allowed: a source or storage above 0 MW; add one, or give it power",
    ),
    (
        lambda grid: grid.graph.clear(),
        "grid: found nothing to control; allowed: a source or storage above 0 MW; add one, or give it power",
    ),
    (
        island,
        "node 'isle': found a consumer that no source can reach; allowed: lines to a source above 0 MW; add one",
    ),
    (
        loop_of_connectors,
        "line 'b-c': found a loop of lines with reactance_pu 0, in which the flow is undefined; "
        "allowed: no such loop; give one of them a reactance",
    ),
    (
        parallel_connectors,
        "line 'bypass': found a loop of lines with reactance_pu 0, in which the flow is undefined; "
        "allowed: no such loop; give one of them a reactance",
    ),
]


@pytest.mark.parametrize(("spoil", "wanted"), BAD, ids=[wanted.split(";")[0] for _, wanted in BAD])
def test_each_fault_has_its_message(spoil, wanted):
    grid = sound()
    grid.check()
    spoil(grid)
    assert [str(fault) for fault in grid.faults()] == [wanted]
    for call in (grid.check, grid.compile):
        with pytest.raises(GridError) as caught:
            call()
        assert str(caught.value) == wanted
        assert "\n" not in wanted


def test_reactive_limits_may_be_endless_and_buses_hold_voltages_of_their_own():
    grid = sound()
    grid.graph.nodes["s"].update(gen_min_mvar=-inf, gen_max_mvar=inf, voltage_set_pu=1.02)
    grid.graph.nodes["b"].update(voltage_set_pu=1.01)
    assert grid.faults() == []
    assert grid.compile().gen_min_mvar.tolist() == [-inf] * 3
