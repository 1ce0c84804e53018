"""Which columns of PowSyBl's tables are read, which are said to be left out, and which say nothing here."""

from __future__ import annotations


def _names(*texts: str) -> set[str]:
    return set(" ".join(texts).split())


AT_BUS = "voltage_level_id bus_id connected"
HOLDS = "target_v voltage_regulator_on regulated_bus_id target_q min_q max_q min_q_at_target_p max_q_at_target_p"
ENDS = "voltage_level1_id voltage_level2_id bus1_id bus2_id connected1 connected2"
AT_TAP = "r{0}_at_current_tap x{0}_at_current_tap g{0}_at_current_tap b{0}_at_current_tap rho{0} alpha{0} "
WINDING = AT_TAP + "bus{0}_id voltage_level{0}_id connected{0}"
COMPENSATOR = "b_min b_max target_v target_q regulation_mode regulating regulated_bus_id"
HVDC = "converters_mode target_p nominal_v r converter_station1_id converter_station2_id connected1 connected2"

READ: dict[str, set[str]] = {
    "buses": {"name", "voltage_level_id"},
    "voltage_levels": {"nominal_v", "high_voltage_limit", "low_voltage_limit"},
    "loads": _names("p0 q0", AT_BUS),
    "generators": _names("energy_source min_p max_p target_p equivalent_local_target_v", HOLDS, AT_BUS),
    "batteries": _names("target_p target_q", AT_BUS),
    "shunt_compensators": _names("g b voltage_regulation_on", AT_BUS),
    "static_var_compensators": _names(COMPENSATOR, AT_BUS),
    "hvdc_lines": _names(HVDC),
    "vsc_converter_stations": _names("loss_factor", HOLDS, AT_BUS),
    "lcc_converter_stations": _names("loss_factor power_factor", AT_BUS),
    "lines": _names("r x g1 b1 g2 b2", ENDS),
    "2_windings_transformers": _names(AT_TAP.format(""), ENDS),
    "3_windings_transformers": _names("rated_u0", *(WINDING.format(end) for end in "123")),
    "boundary_lines": _names("r x g b p0 q0 pairing_key paired", AT_BUS),
}
"""By table, the columns that are read."""

LISTED: dict[str, dict[str, str]] = {
    "buses": {
        "fictitious_p0": "fictitious demand of a bus left out",
        "fictitious_q0": "fictitious demand of a bus left out",
    },
    "batteries": {"max_p": "limits of a battery left out", "min_p": "limits of a battery left out"},
    "hvdc_lines": {"max_p": "limit of a line of direct current left out, as its power is constant"},
}
"""By table, what is left out where a column is set."""

TABLES_LISTED = {
    "areas": "left out: interchanges of areas are not kept",
    "dc_lines": "left out: grids of direct current in detail are not read",
    "voltage_source_converters": "left out: grids of direct current in detail are not read",
    "boundary_lines_generation": "generation beyond a boundary line left out: only its demand is read",
    "voltage_angle_limits": "limit of an angle left out",
    "ratio_tap_changers": "tap taken as it is: what controls it is left out",
    "phase_tap_changers": "tap taken as it is: what controls it is left out",
}
"""Tables of which nothing is read, and what is said of each row."""

RESULTS = {"p", "q", "i", "v_mag", "v_angle", "min_q_at_p", "max_q_at_p", "solved_section_count"} | {
    f"{name}{end}" for name in "pqi" for end in "123"
}
"""What a power flow found."""

LABELS = _names(
    "name type fictitious node bus_breaker_bus_id regulated_bus_breaker_bus_id regulated_element_id regulating_bus_id",
    "connected_component synchronous_component substation_id topology_kind ucte_xnode_code tie_line_id hvdc_line_id",
    "condenser rated_s reactive_limits_kind model_type max_section_count section_count target_deadband target_v",
    "r x g b selected_limits_group boundary_p boundary_q boundary_i boundary_v_mag boundary_v_angle",
    "min_q max_q min_q_at_target_p max_q_at_target_p",  # of batteries, whose power is constant
    *(
        f"node{end} bus_breaker_bus{end}_id rated_s{end} rated_u{end} selected_limits_group_{end} r{end} x{end} g{end} "
        f"b{end} ratio_tap_position{end} phase_tap_position{end}"
        for end in "123"
    ),
)
"""Names, ratings, and what other columns say at the present tap or section."""
