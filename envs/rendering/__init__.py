"""Pictures of episodes: the grid at work, and its results over time."""

from envs.rendering.grid_state import GridStateRenderer, grid_state
from envs.rendering.page.replay import replay
from envs.rendering.sim_results import sim_results

__all__ = ["GridStateRenderer", "grid_state", "replay", "sim_results"]
