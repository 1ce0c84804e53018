"""Learning from the optimum: episodes are solved with perfect foresight, and their schedules are imitated.

Only the start: a schedule knows the future, and a policy that imitates it drifts into states that no schedule visits.
The gradient stage mends both in less time than rounds of solving from the policy's own states would take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from envs import GridBatch, of_parts
from grid import Setpoint, cores
from grid.physics import ac_flow
from grid.planning import Solution, ac_reference, programme_of
from policies.learning.descent import Losses, descend
from policies.learning.gradient import CRITIC_WEIGHT, discounted, mean_action

TOLERANCE = 1e-4  # for quadratic costs, relative to the cost of the episode: far below what a network imitates
CHUNK = 16  # episodes that one programme solves in turn, each from the basis of the one before
PASSES = 16  # over the schedules of an update
BATCH_SIZE = 512  # steps in a batch of the regression


@dataclass(frozen=True, eq=False)
class Lessons:
    """What the schedules of K episodes teach; S = T·K steps."""

    observation: Any  # (S, ...) or a dict of them
    actions: Tensor  # (S, A)
    returns: Tensor  # (S,) discounted
    reward: float  # mean sum of an episode

    def batches(self, size: int) -> Iterator[tuple[Any, Tensor, Tensor]]:
        """All steps once, shuffled, in batches of observations, actions and returns."""
        for chosen in torch.randperm(len(self.actions)).to(self.actions.device).split(size):
            yield of_parts(self.observation, itemgetter(chosen)), self.actions[chosen], self.returns[chosen]


class ImitationLearner:
    """Fits a policy's mean to the actions of optimal schedules, and its critic to their returns.

    Each update solves B fresh episodes, in threads, as the solver lets go of the interpreter, or as many as there is
    time for, and makes several passes over them. It needs no more than a policy, a batch and the batch's action map,
    so it works on any grid.

    Args:
        policy: reads the batch's observations; its own optimizer is used.
        batch: the envs; reset here before each update.
        gamma: discount of the returns that the critic learns.
        has_time: asked before each solve but the first whether there is time for it.
    """

    def __init__(
        self, policy: ActorCriticPolicy, batch: GridBatch, gamma: float, has_time: Callable[[], bool] = lambda: True
    ) -> None:
        self.policy, self.batch, self.gamma, self._has_time = policy, batch, gamma, has_time

    def update(self, learning_rate: float) -> float:
        """Solve B episodes, imitate them, and give back the mean reward of the schedules."""
        return descend(self.policy, learning_rate, [self.losses()])

    def losses(self) -> Losses:
        """Solve episodes; several passes over their steps follow, a loss for each batch."""
        lessons = self.lessons()
        for _ in range(PASSES):
            for observation, actions, returns in lessons.batches(BATCH_SIZE):
                actor = (mean_action(self.policy, observation) - actions).square().mean()
                critic = (self.policy.predict_values(observation).squeeze(-1) - returns).square().mean()
                yield actor + CRITIC_WEIGHT * critic, lessons.reward

    def lessons(self) -> Lessons:
        """Start new episodes, solve them, and run the schedules through the env."""
        batch, device = self.batch, self.policy.device
        observation = batch.reset()
        plans = self._solve()
        solved = np.array(sorted(plans))
        on = np.ones((batch.horizon, batch.batch_size, len(batch.arrays.node_names)), bool)
        gen_mw, store_mw = np.zeros((2, batch.horizon, batch.batch_size, len(batch.arrays.node_names)))
        for i, plan in plans.items():
            gen_mw[:, i] = plan.gen_mw + plan.curtailed_mw - plan.spill_mw
            if plan.on is not None:
                on[:, i] = plan.on
            store_mw[:, i] = plan.discharge_mw - plan.charge_mw
        seen, actions, rewards = [], [], []
        for gen, store, is_on in zip(gen_mw, store_mw, on, strict=True):
            now = batch.limits  # the solver may miss them by a rounding
            setpoint = Setpoint(
                np.clip(gen, now.gen_lo_mw, now.gen_hi_mw),
                np.clip(store, now.store_lo_mw, now.store_hi_mw),
                on=is_on,
            )
            seen.append(of_parts(observation, lambda part: torch.as_tensor(part[solved], device=device)))
            day = batch.day if batch.config.plans else None
            given = batch.action_map.actions(setpoint, now, batch.inputs, day)
            actions.append(given[solved][:, : batch.action_space.shape[0]])
            observation, reward, *_ = batch.step_setpoint(setpoint)
            rewards.append(reward[solved])
        total = torch.as_tensor(np.stack(rewards), device=device).float()
        return Lessons(
            observation=joined(seen),
            actions=torch.as_tensor(np.concatenate(actions), device=device).float(),
            returns=discounted(total, self.gamma).flatten(),
            reward=float(total.sum(0).mean()),
        )

    def _solve(self) -> dict[int, Solution]:
        """The best schedules of the running episodes by their number, the same with any number of threads.

        In AC they are those of the reference.
        """
        batch = self.batch
        plans: dict[int, Solution] = {}

        def chunk(first: int) -> None:
            arrays, prices = batch.arrays, batch.prices
            programme = programme_of(arrays, batch.horizon, batch.config.dt_h, prices, tolerance=TOLERANCE)
            ac = ac_flow(arrays) if batch.config.flow == "ac" else None
            for i in range(first, min(first + CHUNK, batch.batch_size)):
                if i > 0 and not self._has_time():
                    return
                if ac is not None:
                    plans[i] = ac_reference(arrays, ac, batch.episode_inputs(i), prices)
                    continue
                programme.set_inputs(batch.episode_inputs(i))
                plans[i] = programme.solve()

        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(chunk, range(0, batch.batch_size, CHUNK)))  # which raises what a thread has raised
        return plans


def joined(observations: Sequence[Any]) -> Any:
    """The observations of T steps, tensors (B, ...), as (T·B, ...)."""
    if isinstance(observations[0], dict):
        return {name: torch.cat([each[name] for each in observations]) for name in observations[0]}
    return torch.cat(list(observations))
