"""``live``: a page in the browser on which a grid is edited, run by hand beside agent and optimum, and trained on.

``server`` lets nobody in but the browser that has the address, ``session`` answers the messages of one tab.
"""

from scripts.live.command import Live

__all__ = ["Live"]
