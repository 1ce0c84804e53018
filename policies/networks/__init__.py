"""The networks of agents: ``GraphExtractor`` for any algorithm of SB3, ``GraphActorCriticPolicy`` for any grid.

``make_policy`` builds the network of a TrainConfig. Needs the extra ``train``.
"""

from policies.networks.build import make_policy, observed, start_from_merit, torch_threads
from policies.networks.extractor import GraphExtractor
from policies.networks.graph_policy import GraphActorCriticPolicy

__all__ = [
    "GraphActorCriticPolicy",
    "GraphExtractor",
    "make_policy",
    "observed",
    "start_from_merit",
    "torch_threads",
]
