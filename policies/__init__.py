"""Who decides: baselines, agents, and how they are trained and compared.

``evaluate`` compares policies with the optimum, ``train`` makes an agent, ``load_agent`` reads one, ``make_vec_env``
makes an env for stable-baselines3. ``import policies`` loads neither torch nor stable-baselines3; what needs them is
imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grid import Episode, on_demand
from policies.baselines import BASELINES, QUICK, Merit, Plan, Policy, Redispatch
from policies.config import TrainConfig, check_grids
from policies.extras import has_train_extra, train_extra
from policies.mpc import MOST_NODES, TOLERANCE, Mpc
from policies.rollout import as_seen, rollout, stepwise
from policies.runs import (
    EVALUATION,
    PAGE,
    RENDERS,
    RUN_FILES,
    allowed_runs,
    check_room,
    find_own_run,
    find_run,
    shipped,
)
from policies.settings import SETTINGS, read_settings

if TYPE_CHECKING:
    from policies.agent import Agent, load_agent
    from policies.evaluation import evaluate, evaluate_task
    from policies.learning import resume, train
    from policies.measuring import run_episodes
    from policies.networks import GraphActorCriticPolicy, GraphExtractor
    from policies.table import Evaluation
    from policies.vec_env import GridVecEnv, make_vec_env

__all__ = [
    "BASELINES",
    "EVALUATION",
    "MOST_NODES",
    "PAGE",
    "QUICK",
    "RENDERS",
    "RUN_FILES",
    "SETTINGS",
    "TOLERANCE",
    "Agent",
    "Episode",
    "Evaluation",
    "GraphActorCriticPolicy",
    "GraphExtractor",
    "GridVecEnv",
    "Merit",
    "Mpc",
    "Plan",
    "Policy",
    "Redispatch",
    "TrainConfig",
    "allowed_runs",
    "as_seen",
    "check_grids",
    "check_room",
    "evaluate",
    "evaluate_task",
    "find_own_run",
    "find_run",
    "has_train_extra",
    "load_agent",
    "make_vec_env",
    "read_settings",
    "resume",
    "rollout",
    "run_episodes",
    "shipped",
    "stepwise",
    "train",
]

_on_demand = on_demand(
    __name__,
    {
        "agent": ("Agent", "load_agent"),
        "evaluation": ("evaluate", "evaluate_task"),
        "learning": ("resume", "train"),
        "measuring": ("run_episodes",),
        "networks": ("GraphActorCriticPolicy", "GraphExtractor"),
        "table": ("Evaluation",),
        "vec_env": ("GridVecEnv", "make_vec_env"),
    },
)


def __getattr__(name: str) -> Any:
    with train_extra():
        return _on_demand(name)
