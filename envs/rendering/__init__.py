"""Pictures and animations of episodes: ``grid_state`` shows the network at work, ``sim_results`` its course over time.

``comparison`` and ``contingency_picture`` draw tables, ``profile_sheet`` time series, ``VIEWERS`` show a running env;
``envs.rendering.page`` writes pages for the browser.
"""

from envs.rendering.comparison import comparison
from envs.rendering.contingency import contingency_picture
from envs.rendering.grid_state import GridStateRenderer, grid_state
from envs.rendering.layout import Box, positions
from envs.rendering.page import replay
from envs.rendering.playback import Playback
from envs.rendering.profile_sheet import MOST, Sheet, profile_sheet
from envs.rendering.sim_results import sim_results
from envs.rendering.style import LOADING, LOOKS, STYLE
from envs.rendering.video import PICTURES, SUFFIXES, check_suffix
from envs.rendering.viewer import VIEWERS

__all__ = [
    "LOADING",
    "LOOKS",
    "MOST",
    "PICTURES",
    "STYLE",
    "SUFFIXES",
    "VIEWERS",
    "Box",
    "GridStateRenderer",
    "Playback",
    "Sheet",
    "check_suffix",
    "comparison",
    "contingency_picture",
    "grid_state",
    "positions",
    "profile_sheet",
    "replay",
    "sim_results",
]
