"""The decision problem: LoadBalancer for one episode, LoadBalancerVector and GridBatch for many at once.

``EnvConfig`` defines it and ``Problem`` compiles it; ``envs.rendering`` draws it. Importing this registers
``LoadBalancer-v0`` with gymnasium.
"""

import gymnasium

from envs.actions import BY_VALUE
from envs.batch import GridBatch, Transition
from envs.config import EnvConfig
from envs.contingency import contingencies
from envs.features import loading, of_parts, static_line_features, static_node_features, view_of
from envs.futures import Futures
from envs.load_balancer import LoadBalancer, configure
from envs.outages import Outage
from envs.outlook import steps_to_draw
from envs.portable import PortableProblem
from envs.problem import Problem
from envs.recording import Recorder
from envs.rewards import scale_floor
from envs.tasks import TASKS, TEST_SEED, TRAIN_SECONDS, WORLDS, Task, find_task
from envs.vector import LoadBalancerVector

__all__ = [
    "BY_VALUE",
    "TASKS",
    "TEST_SEED",
    "TRAIN_SECONDS",
    "WORLDS",
    "EnvConfig",
    "Futures",
    "GridBatch",
    "LoadBalancer",
    "LoadBalancerVector",
    "Outage",
    "PortableProblem",
    "Problem",
    "Recorder",
    "Task",
    "Transition",
    "configure",
    "contingencies",
    "find_task",
    "loading",
    "of_parts",
    "scale_floor",
    "static_line_features",
    "static_node_features",
    "steps_to_draw",
    "view_of",
]

for _task in TASKS.values():
    if f"LoadBalancer/{_task.name}" not in gymnasium.registry:
        gymnasium.register(
            f"LoadBalancer/{_task.name}",
            entry_point="envs.load_balancer:of_task",
            vector_entry_point="envs.vector:of_task",
            kwargs={"task": _task.name},
        )
if "LoadBalancer-v0" not in gymnasium.registry:
    gymnasium.register(
        "LoadBalancer-v0",
        entry_point="envs.load_balancer:LoadBalancer",
        vector_entry_point="envs.vector:LoadBalancerVector",
    )
