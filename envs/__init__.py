"""The decision problem: LoadBalancer for one episode, LoadBalancerVector and GridBatch for many at once.

Importing this registers ``LoadBalancer-v0`` with gymnasium.
"""

import gymnasium

from envs.batch import GridBatch
from envs.config import EnvConfig
from envs.load_balancer import LoadBalancer
from envs.vector import LoadBalancerVector

__all__ = ["EnvConfig", "GridBatch", "LoadBalancer", "LoadBalancerVector"]

if "LoadBalancer-v0" not in gymnasium.registry:
    gymnasium.register(
        "LoadBalancer-v0",
        entry_point="envs.load_balancer:LoadBalancer",
        vector_entry_point="envs.vector:LoadBalancerVector",
    )
