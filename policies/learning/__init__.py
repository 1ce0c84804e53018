"""How agents learn: ``train`` runs the stages of a TrainConfig within a budget and keeps the best network.

The stages are *optimum* (imitation of solved schedules), *gradient* (of the cost, through the step) and *ppo*
(stable-baselines3); ``resume`` goes on with a run that was stopped. Needs the extra ``train``.
"""

from policies.learning.loop import read_curve, what_stages_reached
from policies.learning.train import build, resume, train, training_grids

__all__ = [
    "build",
    "read_curve",
    "resume",
    "train",
    "training_grids",
    "what_stages_reached",
]
