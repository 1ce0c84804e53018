"""How agents learn: ``train`` runs the stages of a TrainConfig within a budget and keeps the best network.

The stages are *optimum* (imitation of optimal schedules), *gradient* (of the episode's return, through the
differentiable step) and *ppo* (stable-baselines3); ``resume`` goes on with a run that was stopped. Needs the extra
``train``.
"""

from policies.learning.loop import read_curve, what_stages_reached
from policies.learning.ppo import PPOLearner
from policies.learning.start import build, training_grids
from policies.learning.train import resume, train

__all__ = ["PPOLearner", "build", "read_curve", "resume", "train", "training_grids", "what_stages_reached"]
