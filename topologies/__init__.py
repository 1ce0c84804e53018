"""Where grids and their time series come from: bundled, generated, or a file in one of the formats.

``load`` returns a checked grid by name or path, ``names`` lists the bundled ones, ``expand`` those of a generated
family; ``ProfileSource`` draws the demand and weather of episodes, ``read_series`` and ``shipped_series`` give series
as tables. ``topologies.formats`` reads and writes files.
"""

from typing import TYPE_CHECKING

from grid import on_demand
from topologies.dc_opf import dc_opf
from topologies.generate import FORM as GENERATED_FORM
from topologies.generate import PREFIX as GENERATED_PREFIX
from topologies.generate import expand
from topologies.load import PREFIXES as NAME_PREFIXES
from topologies.load import load, names
from topologies.profiles import Dated, Draw, ProfileSource
from topologies.profiles import built_in as built_in_profiles
from topologies.series import resample
from topologies.series import shipped as shipped_profiles
from topologies.series_files import SeriesTable, read_series, shipped_series

if TYPE_CHECKING:
    from topologies.mending import mend

__getattr__ = on_demand(__name__, {"mending": ("mend",)})

__all__ = [
    "GENERATED_FORM",
    "GENERATED_PREFIX",
    "NAME_PREFIXES",
    "Dated",
    "Draw",
    "ProfileSource",
    "SeriesTable",
    "built_in_profiles",
    "dc_opf",
    "expand",
    "load",
    "mend",
    "names",
    "read_series",
    "resample",
    "shipped_profiles",
    "shipped_series",
]
