"""The networks of agents: ``GraphExtractor`` for any algorithm of SB3, ``GraphActorCriticPolicy`` for any grid.

``make_policy`` builds the network of a TrainConfig. Needs the extra ``train``.
"""

from policies.networks.build import KINDS, make_policy, observed, policy_kwargs, start_from_merit, torch_threads
from policies.networks.extractor import GraphExtractor
from policies.networks.graph_policy import GraphActorCriticPolicy, turn_to

__all__ = [
    "KINDS",
    "GraphActorCriticPolicy",
    "GraphExtractor",
    "make_policy",
    "observed",
    "policy_kwargs",
    "start_from_merit",
    "torch_threads",
    "turn_to",
]
