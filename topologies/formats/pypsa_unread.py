"""What a PyPSA network says that is not read: all that differs from PyPSA's default, in a column or over time."""

from __future__ import annotations

import re
from functools import partial

from topologies.formats.library import library
from topologies.formats.pypsa_reading import Reading
from topologies.formats.unread import note_unread as note_column

COMPONENTS = (
    *("buses", "carriers", "generators", "loads", "storage_units", "stores", "lines", "transformers"),
    "shunt_impedances",
)
LABELS = ("carrier", "color", "location", "nice_name", "type", "unit")
THEMES = {  # attributes that say nothing about the dispatch of active power
    "not read, about reactive power or voltage": re.compile(r"((q|v_mag)_\w*|control|b|g)( over time)?"),
    "not read, as it is about investment": re.compile(
        r"(capital|overnight|fom)_cost|discount_rate|build_year|lifetime|terrain_factor|\w+_nom_(min|max|mod|set)|\w*growth"
    ),
}


def note_unread(reading: Reading) -> None:
    """Note each attribute of an active element that no reader has asked for and that differs from its default.

    Raises:
        GridError: PyPSA, which knows the defaults, is not installed.
    """
    network = reading.network
    with library("pypsa", "PyPSA", str(network.path)) as pypsa:
        kinds = pypsa.Network().components
        about = {component: kinds[component].defaults for component in COMPONENTS}
    for component in COMPONENTS:
        table, defaults = network.table(component), about[component]
        inputs = defaults.default[defaults.status.str.startswith("Input")].to_dict()
        skip = {name for name in defaults.index if name not in inputs} | {*LABELS}  # results and labels
        note = partial(note_column, reading.buses, component, themes=THEMES)
        active = [row for row in table.rows() if row.flag("active", True)]
        for attribute in sorted(set(table.columns) - table.read - skip):
            cells = {row.name: table.columns[attribute][row.at] for row in active}
            note(attribute, cells, inputs.get(attribute))
        for (of, attribute), names in network.unread_series.items():
            if of == component and attribute not in skip:
                note(f"{attribute} over time", dict.fromkeys(names, True), None)
