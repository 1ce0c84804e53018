"""Where grids and their time series come from: bundled, generated, or a file in one of the formats.

``load`` returns a checked grid by name or path, ``names`` lists the bundled ones, ``expand`` those of a generated
family; ``ProfileSource`` draws the demand and weather of episodes. ``topologies.formats`` reads and writes files.
"""

from topologies.dc_opf import dc_opf
from topologies.generate import FORM, PREFIX, expand
from topologies.load import PREFIXES, is_grid_folder, load, names
from topologies.profiles import Draw, ProfileSource
from topologies.series import SHIPPED, check_range, resample, shipped, shipped_year
from topologies.series_files import Table, read_table
from topologies.tables import place

__all__ = [
    "FORM",
    "PREFIX",
    "PREFIXES",
    "SHIPPED",
    "Draw",
    "ProfileSource",
    "Table",
    "check_range",
    "dc_opf",
    "expand",
    "is_grid_folder",
    "load",
    "names",
    "place",
    "read_table",
    "resample",
    "shipped",
    "shipped_year",
]
