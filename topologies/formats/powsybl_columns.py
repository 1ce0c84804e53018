"""Which columns of PowSyBl's tables are read, which are said to be left out, and which say nothing here."""

from __future__ import annotations

AT_BUS = "voltage_level_id bus_id connected"
HOLDS = "target_v voltage_regulator_on regulated_bus_id target_q min_q max_q min_q_at_target_p max_q_at_target_p"
ENDS = "voltage_level1_id voltage_level2_id bus1_id bus2_id connected1 connected2"

READ: dict[str, set[str]] = {
    table: set(columns.split())
    for table, columns in {
        "buses": "name voltage_level_id",
        "voltage_levels": "nominal_v high_voltage_limit low_voltage_limit",
        "loads": f"p0 q0 {AT_BUS}",
        "generators": f"energy_source min_p max_p target_p equivalent_local_target_v {HOLDS} {AT_BUS}",
        "batteries": f"target_p target_q {AT_BUS}",
        "shunt_compensators": f"g b voltage_regulation_on {AT_BUS}",
        "static_var_compensators": f"b_min b_max target_v target_q regulation_mode regulating regulated_bus_id {AT_BUS}",
        "hvdc_lines": "converters_mode target_p nominal_v r converter_station1_id converter_station2_id connected1 connected2",
        "vsc_converter_stations": f"loss_factor {HOLDS} {AT_BUS}",
        "lcc_converter_stations": f"loss_factor power_factor {AT_BUS}",
        "lines": f"r x g1 b1 g2 b2 {ENDS}",
        "2_windings_transformers": f"r_at_current_tap x_at_current_tap g_at_current_tap b_at_current_tap rho alpha {ENDS}",
        "3_windings_transformers": "rated_u0 "
        + " ".join(
            f"r{i}_at_current_tap x{i}_at_current_tap g{i}_at_current_tap b{i}_at_current_tap rho{i} alpha{i} bus{i}_id "
            f"voltage_level{i}_id connected{i}"
            for i in (1, 2, 3)
        ),
        "boundary_lines": f"r x g b p0 q0 pairing_key paired {AT_BUS}",
    }.items()
}  # fmt: skip
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

LABELS = set(
    "name type fictitious node node1 node2 node3 bus_breaker_bus_id bus_breaker_bus1_id bus_breaker_bus2_id "
    "bus_breaker_bus3_id regulated_bus_breaker_bus_id regulated_element_id regulating_bus_id connected_component "
    "synchronous_component substation_id topology_kind ucte_xnode_code tie_line_id hvdc_line_id condenser rated_s "
    "rated_s1 rated_s2 rated_s3 rated_u1 rated_u2 rated_u3 reactive_limits_kind model_type max_section_count "
    "section_count target_deadband target_v selected_limits_group selected_limits_group_1 selected_limits_group_2 "
    "selected_limits_group_3 r x g b".split()
    + [f"{name}{i}" for name in ("r", "x", "g", "b", "ratio_tap_position", "phase_tap_position") for i in (1, 2, 3)]
)
"""Names, ratings, and what other columns say at the present tap or section."""
LABELS |= {"min_q", "max_q", "min_q_at_target_p", "max_q_at_target_p"}  # of batteries, whose power is constant
LABELS |= {"boundary_p", "boundary_q", "boundary_i", "boundary_v_mag", "boundary_v_angle"}
