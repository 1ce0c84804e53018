"""Pages for the browser: ``replay`` writes an episode as one file that needs nothing else."""

from envs.rendering.page.replay import replay

__all__ = ["replay"]
