"""Who decides: baselines, agents and how they are trained and compared.

``import policies`` needs neither torch nor stable-baselines3; what does is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from policies.extras import train_extra

if TYPE_CHECKING:
    from policies.agent import load_agent
    from policies.config import TrainConfig
    from policies.evaluation import evaluate
    from policies.learning.train import resume, train
    from policies.networks.extractor import GraphExtractor
    from policies.networks.graph_policy import GraphActorCriticPolicy
    from policies.vec_env import make_vec_env

__all__ = [
    "GraphActorCriticPolicy",
    "GraphExtractor",
    "TrainConfig",
    "evaluate",
    "load_agent",
    "make_vec_env",
    "resume",
    "train",
]

_HOMES = {
    "GraphActorCriticPolicy": "policies.networks.graph_policy",
    "GraphExtractor": "policies.networks.extractor",
    "TrainConfig": "policies.config",
    "evaluate": "policies.evaluation",
    "load_agent": "policies.agent",
    "make_vec_env": "policies.vec_env",
    "resume": "policies.learning.train",
    "train": "policies.learning.train",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'policies' has no attribute {name!r}")
    with train_extra():
        return getattr(import_module(_HOMES[name]), name)
