"""Pages for the browser: ``replay`` writes an episode as one file that needs nothing else.

The rest is for pages that play episodes in other ways: scripts, style and page of the player, and what they are told.
"""

from envs.rendering.page.replay import PLAYER, as_script, asset, filled, replay, style_sheet
from envs.rendering.page.wire import described, happened, shapes

__all__ = ["PLAYER", "as_script", "asset", "described", "filled", "happened", "replay", "shapes", "style_sheet"]
