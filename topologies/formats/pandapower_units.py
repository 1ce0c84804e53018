"""The units at the buses of a pandapower network: what feeds, stores and consumes."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import acos, inf, isfinite, tan
from typing import Any

from topologies.formats.pandapower_costs import COSTS, Row, pieces, read_costs, value
from topologies.formats.pandapower_json import TEXTS
from topologies.formats.segments import sources
from topologies.formats.units import UNLIMITED, Buses, Held
from topologies.formats.unread import note_unread

GENERATORS = ("ext_grid", "gen", "sgen")
ASSUMED_HOURS = 1.0
_TAPS = ("side", "neutral", "step_percent", "step_degree", "pos", "changer_type", "dependency_table")
_TRANSFORMER = (*(f"tap_{part}" for part in _TAPS), "id_characteristic_table", "pfe_kw", "i0_percent", "parallel", "df")
_WINDINGS = [f"{name}_{side}" for name in ("sn", "vn", "vk", "vkr") for side in ("hv", "mv", "lv")]
BY_PANDAPOWER = {  # columns of branches and buses that pandapower reads, or the reader of branches
    "bus": ("vn_kv", "min_vm_pu", "max_vm_pu", "geo"),
    "line": (
        *("from_bus", "to_bus", "length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "g_us_per_km"),
        *("max_i_ka", "df", "parallel", "max_loading_percent", "geo"),
    ),
    "trafo": (
        *("hv_bus", "lv_bus", "sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "shift_degree"),
        *("leakage_resistance_ratio_hv", "leakage_reactance_ratio_hv", "max_loading_percent", *_TRANSFORMER),
    ),
    "trafo3w": (
        *("hv_bus", "mv_bus", "lv_bus", "shift_mv_degree", "shift_lv_degree", "tap_at_star_point"),
        *(f"{name}_{'mva' if name[:2] == 'sn' else 'kv' if name[:3] == 'vn_' else 'percent'}" for name in _WINDINGS),
        *("max_loading_percent", *_TRANSFORMER),
    ),
    "impedance": (
        *("from_bus", "to_bus", "rft_pu", "xft_pu", "rtf_pu", "xtf_pu", "gf_pu", "bf_pu", "gt_pu", "bt_pu", "sn_mva"),
    ),
    "switch": ("bus", "element", "et", "closed", "z_ohm"),
    "tcsc": ("from_bus", "to_bus", "x_l_ohm", "x_cvar_ohm", "thyristor_firing_angle_degree"),
}
CREATED = {
    "line": "line_from_parameters",
    "trafo": "transformer_from_parameters",
    "trafo3w": "transformer3w_from_parameters",
}
"""What pandapower's create functions are called where not as the table."""

THEMES = {
    "not read, about reactive power, voltage or short circuits": re.compile(
        r"(.*_)?(q[sz]?|v[ma]|vn)_.*|cq\d_.*|cos_phi.*|const_[zi]_.*|.*reactive.*|id_q_.*|curve_style|s_sc_.*|rx.*"
        r"|[rxcg]0.*|[rx]dss_.*|k|kappa|max_ik_ka|lrc_pu|(vkr?|mag|si)0_.*|endtemp_degree|vector_group|xn_ohm"
    ),
    "not read: the tap stays where it is": re.compile(r"tap_min|tap_max|oltc|tap_phase_shifter"),
}


@dataclass
class _Reading:
    """The tables of a network on their way to nodes."""

    net: Any
    name_of: dict[int, str]  # the node of each bus in service
    buses: Buses
    read: dict[str, set[str]]  # columns of each table that were asked for
    constant_mw: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # taken from each node
    constant_mvar: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    shunt_mw: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # part of constant_mw

    def rows(self, table: str, column: str = "bus") -> Iterator[tuple[int, Row, str]]:
        """Each row in service with its key and the node that it stands at."""
        frame = self.net[table]
        for key, cells in zip(map(int, frame.index), frame.to_dict("records"), strict=True):
            fields = Row(cells, self.read[table])
            node = self.name_of.get(int(fields.get(column)))
            if not fields.get("in_service", True) or node is None:
                self.buses.note("left out as out of service", f"{table} {key}")
                continue
            yield key, fields, node


def read_units(net: Any, name_of: dict[int, str], buses: Buses, pandapower: Any, filled: dict[str, set[str]]) -> None:
    """Put the units of a network at its buses, and note what the file says of them that is not read.

    ``name_of`` has the node of each bus in service, ``filled`` the columns of each table that are not of the file.
    """
    read: dict[str, set[str]] = {table: set() for table in (*CONSTANT, *GENERATORS, "storage", "dcline", *COSTS)}
    read["xward"] |= {"r_ohm", "x_ohm", "vm_pu"}  # a branch, by pandapower, and its inner node
    read |= {table: set(columns) for table, columns in BY_PANDAPOWER.items()}
    _read_units(_Reading(net, name_of, buses, read))
    for table, asked in read.items():
        usual = inspect.signature(getattr(pandapower, f"create_{CREATED.get(table, table)}")).parameters
        frame = net[table]
        if "in_service" in frame:
            frame = frame[frame.in_service.astype(bool)]
        for column in frame.columns if len(frame) else ():
            if column not in asked | filled.get(table, set()) | {*TEXTS, "in_service"}:
                cells = {f"{table} {key}": cell for key, cell in frame[column].items()}
                default = usual[column].default if column in usual else None
                default = None if default is inspect.Parameter.empty else default
                note_unread(buses, table, column, cells, default, THEMES)


def _read_units(reading: _Reading) -> None:
    buses, constant_mw = reading.buses, reading.constant_mw
    for table, parts in CONSTANT.items():
        for key, row, node in reading.rows(table):
            power_mw, power_mvar = parts(row)
            drawn_mw, drawn_mvar = _shunt(reading, table, row)
            constant_mw[node] += power_mw + drawn_mw
            reading.constant_mvar[node] += power_mvar
            reading.shunt_mw[node] += drawn_mw
            if drawn_mvar:
                buses.add_to(node, shunt_mvar=-drawn_mvar)
            if table in NOTES:
                buses.note(NOTES[table], f"{table} {key}")
    for key, row, node in reading.rows("dcline", "from_bus"):
        power_mw = value(row, "p_mw")
        arrives_mw = power_mw * (1 - value(row, "loss_percent") / 100) - value(row, "loss_mw")
        other = reading.name_of.get(int(row.get("to_bus")))
        buses.note("a DC line taken as demand at its one end and infeed at the other, both constant", f"dcline {key}")
        constant_mw[node] += power_mw
        if other is not None:
            constant_mw[other] -= arrives_mw
    _generators(reading, demand_mw=sum(max(power_mw, 0.0) for power_mw in constant_mw.values()))
    for end in ("from", "to"):
        for key, row, node in reading.rows("dcline", f"{end}_bus"):
            buses.add_condenser(_held(row, node, f"dcline {key}", f"vm_{end}_pu", f"q_{end}_mvar"))
    _stores(reading)
    for node, power_mw in constant_mw.items():
        if power_mw < 0:
            buses.note("constant infeed taken as a source of that output, free of cost", f"node {node}")
        label = f"{node}:load" if power_mw > 0 else f"{node}:infeed"
        buses.add_constant(node, power_mw, label, reading.constant_mvar[node], reading.shunt_mw[node])


def _scaled(row: dict[str, Any]) -> tuple[float, float]:
    scaling = value(row, "scaling", 1.0)
    return value(row, "p_mw") * scaling, value(row, "q_mvar") * scaling


def _phases(row: dict[str, Any], sign: float = 1.0) -> tuple[float, float]:
    scaling = sign * value(row, "scaling", 1.0)
    power_mw, power_mvar = (sum(value(row, f"{kind}_{phase}_{unit}") for phase in "abc") for kind, unit in POWERS)
    return power_mw * scaling, power_mvar * scaling


def _motor(row: dict[str, Any]) -> tuple[float, float]:
    efficiency, cos_phi = value(row, "efficiency_percent", 100.0) / 100, value(row, "cos_phi", 1.0)
    drawn_mw = value(row, "pn_mech_mw") / efficiency if efficiency > 0 else 0.0
    power_mw = drawn_mw * value(row, "loading_percent", 100.0) / 100 * value(row, "scaling", 1.0)
    return power_mw, power_mw * tan(acos(cos_phi)) if 0 < cos_phi < 1 else 0.0


def _ward(row: dict[str, Any]) -> tuple[float, float]:
    return value(row, "ps_mw"), value(row, "qs_mvar")


def _shunt(reading: _Reading, table: str, row: dict[str, Any]) -> tuple[float, float]:
    """MW and Mvar that an element takes at 1 pu and that go with the square of the voltage."""
    if table in ("ward", "xward"):
        return value(row, "pz_mw"), value(row, "qz_mvar")
    if table != "shunt":
        return 0.0, 0.0
    base_kv = float(reading.net.bus.vn_kv.at[int(row["bus"])])
    rated_kv = value(row, "vn_kv", base_kv)
    share = value(row, "step", 1.0) * ((base_kv / rated_kv) ** 2 if rated_kv > 0 else 1.0)
    return value(row, "p_mw") * share, value(row, "q_mvar") * share


POWERS = (("p", "mw"), ("q", "mvar"))
CONSTANT = {  # MW and Mvar taken from the bus at any voltage
    "load": _scaled,
    "motor": _motor,
    "asymmetric_load": _phases,
    "asymmetric_sgen": lambda row: _phases(row, sign=-1.0),
    "shunt": lambda _: (0.0, 0.0),
    "ward": _ward,
    "xward": _ward,
}
NOTES = {
    "motor": "a motor taken as constant demand",
    "asymmetric_load": "the three phases summed up",
    "asymmetric_sgen": "the three phases summed up",
}


def _held(row: dict[str, Any], bus: str, whom: str, set_pu: str = "vm_pu", power: str = "q_mvar") -> Held:
    """The voltage that an element holds, and its reactive limits."""
    return Held(bus, value(row, set_pu, 1.0), value(row, f"min_{power}", -inf), value(row, f"max_{power}", inf), whom)


def _generators(reading: _Reading, demand_mw: float) -> None:
    buses, costs = reading.buses, read_costs(reading.net, reading.buses, reading.read)
    asked = set()
    buses.references.update(
        node
        for table in GENERATORS
        for _, row, node in reading.rows(table)
        if table == "ext_grid" or row.get("slack") is True
    )
    for table in GENERATORS:
        for key, row, node in reading.rows(table):
            whom = f"{table} {key}"
            power_mw, power_mvar = _scaled(row) if table != "ext_grid" else (0.0, 0.0)
            if table == "sgen" and row.get("controllable") is not True:
                reading.constant_mw[node] -= power_mw
                reading.constant_mvar[node] -= power_mvar
                continue
            low, high = _limits(reading, table, row, whom, power_mw, demand_mw)
            if high <= 0:
                if low < 0 or table == "sgen":
                    buses.note("left out: its largest output is 0 or below", whom)
                if table == "sgen":
                    reading.constant_mvar[node] -= power_mvar
                else:
                    buses.add_condenser(_held(row, node, whom))
                continue
            held = None if table == "sgen" else _held(row, node, whom)
            reactive = {"load_max_mvar": -power_mvar} if held is None else buses.hold(held)
            if low < 0:
                buses.note("negative min_p_mw taken as 0: it cannot take power here", whom)
            asked.add((table, key))
            if (table, key) not in costs:
                buses.note("cost of 0: the file has none", whom)
            low = min(max(low, 0.0), high)
            given = costs.get((table, key), (0.0, 0.0))
            ranges = [(high - low, *given)] if isinstance(given, tuple) else pieces(buses, given, low, high, whom)
            for number, columns in enumerate(sources(ranges, low, reactive), start=1):
                label = f"{node}:{whom}" + (f" segment {number}" if number > 1 else "")
                buses.add(node, "source", label, **columns)
    for element, cost in costs.items():
        if element not in asked and (isinstance(cost, list) or any(cost)):
            buses.note("cost left out: not of a source that is dispatched", " ".join(map(str, element)))


def _limits(
    reading: _Reading, table: str, row: dict[str, Any], whom: str, power_mw: float, demand_mw: float
) -> tuple[float, float]:
    """Least and largest output in MW of a generator, with notes of what is missing."""
    high, low = value(row, "max_p_mw", float("nan")), value(row, "min_p_mw", float("nan"))
    if table == "gen" and row.get("controllable") is False:
        high = low = power_mw
    elif (table == "ext_grid" or row.get("slack") is True) and not high > 0:
        high = UNLIMITED * demand_mw
        reading.buses.note(f"no max_p_mw above 0: taken as {UNLIMITED} times all demand, {high:g} MW", whom)
    elif not isfinite(high):
        high = max(power_mw, 0.0)
        reading.buses.note("no max_p_mw: its present output taken as its largest", whom)
    if not isfinite(low) and table == "ext_grid":
        low = 0.0
        reading.buses.note("no min_p_mw: taken as 0, so surplus is curtailed where pandapower lets it flow out", whom)
    elif not isfinite(low):
        low = 0.0
        reading.buses.note("no min_p_mw: taken as 0", whom)
    return low, high


def _stores(reading: _Reading) -> None:
    buses = reading.buses
    for key, row, node in reading.rows("storage"):
        whom = f"storage {key}"
        energy_mwh, least_mwh = value(row, "max_e_mwh"), max(value(row, "min_e_mwh"), 0.0)
        power_mw, power_mvar = _scaled(row)
        if energy_mwh <= least_mwh:
            buses.note("no max_e_mwh: taken as constant demand or infeed of its present power", whom)
            reading.constant_mw[node] += power_mw
            reading.constant_mvar[node] += power_mvar
            continue
        charge_mw, discharge_mw = value(row, "max_p_mw"), -value(row, "min_p_mw")
        if charge_mw <= 0 or discharge_mw <= 0:
            rating_mw = value(row, "sn_mva") or abs(power_mw) or energy_mwh / ASSUMED_HOURS
            buses.note("no max_p_mw and min_p_mw: its rating, its present power or its energy in an hour taken", whom)
            charge_mw, discharge_mw = (mw if mw > 0 else rating_mw for mw in (charge_mw, discharge_mw))
        buses.note("efficiency of 0.95 each way assumed: pandapower knows none", whom)
        state = value(row, "soc_percent", float("nan")) / 100
        buses.add(
            node,
            "storage",
            f"{node}:storage {key}",
            store_max_mwh=energy_mwh,
            store_min_mwh=least_mwh or None,
            store_init_mwh=min(max(state * energy_mwh, least_mwh), energy_mwh) if isfinite(state) else None,
            charge_max_mw=charge_mw,
            discharge_max_mw=discharge_mw,
            load_max_mvar=power_mvar or None,
        )
