"""Learning by the gradient through the step: an episode runs in torch, and its cost is differentiated.

The step, the action map and the observation are the same code that runs on numpy; only the arrays differ. Demand and
weather do not depend on the actions, so nothing has to be estimated: the gradient is exact wherever the cost has one.
Where lines can be out or the day is planned, the batch takes the same steps on numpy beside it. It tells which lines
are out and which have tripped, which is constant almost everywhere, how hot relays are, whose gradient is left out, and
the plan. With a gate, forecasts are seen and the truth is stepped. In AC, values are those of AC power flow, which the
batch solves, and the gradient is that of DC around them.
The critic is fitted to the same episodes' returns, so that PPO can go on from here.
"""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from envs import GridBatch, Transition, loading, of_parts, view_of
from grid import Inputs, Outcome, Setpoint, State, settlement, step_costs
from grid.physics import TINY_MW, Limits, Outages, initial_state, limits, step
from policies.learning.descent import Losses, descend
from policies.learning.lines_out import TensorOutages
from policies.networks import GraphActorCriticPolicy

OUTSIDE_WEIGHT = 0.5  # of the mean square by which raw actions leave [−1, 1], where clipping would stop all learning
CRITIC_WEIGHT = 0.1
GRAPH_JUDGED = 8  # the critic of a graph network, which takes its time, learns from every so many steps


class GradientLearner:
    """Improves the mean action of a policy on the episodes of a batch; each update runs and learns from B episodes.

    Args:
        policy: reads the batch's observations; its own optimizer is used.
        batch: the envs; reset here before each update.
        gamma: discount of the returns that the critic learns.
        tail_frac: share of the episodes of an update, the worst, whose mean return is raised.
    """

    def __init__(self, policy: ActorCriticPolicy, batch: GridBatch, gamma: float, tail_frac: float = 1.0) -> None:
        self.policy, self.batch, self.gamma, self.tail_frac = policy, batch, gamma, tail_frac
        self._action_map = batch.action_map.convert(_tensor)
        self._is_graph = isinstance(policy, GraphActorCriticPolicy)
        self._judged = range(0, batch.horizon, GRAPH_JUDGED if self._is_graph else 1)
        self._value_per_mwh = _tensor(np.asarray(batch.problem.store_value_per_mwh))

    def update(self, learning_rate: float) -> float:
        """Run B episodes, follow the gradient of their return, and give back its mean."""
        return descend(self.policy, learning_rate, [self.losses()])

    def losses(self) -> Losses:
        """One loss, of B fresh episodes."""
        self.batch.reset()
        rewards, values, outside = self.episode()
        returns = discounted(rewards.detach().float(), self.gamma)[list(self._judged)]
        total = rewards.sum(0)
        worst = torch.topk(total, max(1, round(self.tail_frac * len(total))), largest=False).values
        critic = (values - returns).square().mean()
        if self._is_graph:  # whose rewards are in parts of what there is to gain, so that returns are large
            critic = critic / returns.var().clamp(min=1.0)
        loss = OUTSIDE_WEIGHT * outside + CRITIC_WEIGHT * critic - worst.mean() / self.batch.horizon
        yield loss, float(total.detach().mean())

    def episode(self) -> tuple[Tensor, Tensor, Tensor]:
        """Run the batch's episodes from their first step.

        Returns:
            Rewards (T, B) with their gradient, the critic's values at the judged steps (J, B), and how far raw actions
            lie outside [−1, 1].
        """
        batch, arrays, config = self.batch, self._action_map.arrays, self.batch.config
        state = initial_state(batch.arrays, batch.batch_size)
        on_h = None if state.on_h is None else _tensor(state.on_h)
        state = State(_tensor(state.store_mwh), _tensor(state.gen_mw), _tensor(state.t), on_h=on_h)
        start_mwh = state.store_mwh
        before = torch.zeros((batch.batch_size, len(arrays.line_names)), dtype=torch.float64)
        costs, values, outside = [], [], []
        is_ac = config.flow == "ac"
        goes_along = config.plans or is_ac or config.relays is not None or batch.outlook.lines is not None
        for t in range(batch.horizon):
            known, now = self._as_tensors(batch.outlook.known(t), state, batch.limits.outages)
            day = batch.day if config.plans else None
            relays = dataclasses.replace(state, heat=batch.state.heat, lockout_h=batch.state.lockout_h)
            out_h = batch.outlook.out_h(t)
            seen = batch.encoder(view_of(self._action_map, relays, known, now, t, before, out_h, day, batch.voltage_pu))
            asked = mean_action(self.policy, seen).double()
            actions = asked.clamp(-1.0, 1.0)
            outside.append((asked - actions).square().mean())
            if t in self._judged:
                values.append(self.policy.predict_values(of_parts(seen, Tensor.detach)).squeeze(-1))
            setpoint = self._action_map.setpoint(actions, now, known, day)
            lines_out = tripped = None
            if goes_along:
                on = None if setpoint.on is None else setpoint.on.numpy()
                powers = setpoint.gen_mw.detach().numpy(), setpoint.store_mw.detach().numpy()
                batch.step_setpoint(Setpoint(*powers, on=on))
                done = cast(Transition, batch.last).outcome
                lines_out = None if done.in_service is None else Outages.of(batch.arrays, done.in_service)
                tripped = None if done.tripped is None else _tensor(done.tripped)
            true, actual = known, now
            if goes_along or batch.outlook.gate:
                inputs = batch.outlook.inputs(t)
                inputs = with_losses(inputs, cast(Transition, batch.last).outcome) if is_ac else inputs
                true, actual = self._as_tensors(inputs, state, lines_out)
            state, outcome = step(arrays, state, setpoint, true, actual)
            outcome = dataclasses.replace(outcome, tripped=tripped)
            if is_ac:
                outcome, state = around_ac(outcome, cast(Transition, batch.last).outcome), _around(state, batch.state)
            before = loading(arrays, outcome.carried)
            terms: list[Tensor] = list(step_costs(arrays, batch.prices, outcome, config.dt_h).values())
            costs.append(torch.stack(terms).sum(0))
        costs[-1] = costs[-1] + settlement(self._value_per_mwh, start_mwh, state.store_mwh)
        rewards = (_tensor(batch.references) - torch.stack(costs)) / batch.problem.reward_scale
        return rewards, torch.stack(values), torch.stack(outside).mean()

    def _as_tensors(self, inputs: Inputs, state: State, outages: Outages | None) -> tuple[Inputs, Limits]:
        """Inputs and the limits that follow from them, with these lines out."""
        given = Inputs(_tensor(inputs.gen_avail_frac), _tensor(inputs.load_mw), inputs.dt_h)
        now = limits(self._action_map.arrays, state, given)
        lines: Any = TensorOutages.of(outages)  # which offers the same on tensors
        return given, dataclasses.replace(now, outages=lines)


def with_losses(inputs: Inputs, done: Outcome) -> Inputs:
    """The same with losses as demand, so that in DC, too, what was scheduled for them finds its use."""
    lost_frac = done.loss_mw / np.maximum(done.served_mw.sum(1), TINY_MW)
    return dataclasses.replace(inputs, load_mw=inputs.load_mw * (1.0 + lost_frac[:, None]))


def around_ac(linear: Outcome, done: Outcome) -> Outcome:
    """What was done in AC, on numpy, with the gradient of the same step in DC, on tensors.

    Lines carry apparent power, with the gradient of their flow. Losses and voltages have none.
    """
    carried = dataclasses.replace(done, flow_mw=done.carried)
    constant = {"loss_mw": _tensor(done.loss_mw), "voltage_off_pu": _tensor(done.voltage_off_pu)}
    return dataclasses.replace(_around(linear, carried), **constant)


def _around(linear: Any, done: Any) -> Any:
    """The record of tensors with the values of another one, on numpy; flags stay."""
    moved = {}
    for name, each in vars(linear).items():
        if isinstance(each, Tensor) and each.dtype.is_floating_point:
            moved[name] = each + (_tensor(getattr(done, name)) - each.detach())
    return dataclasses.replace(linear, **moved)


def discounted(rewards: Tensor, gamma: float) -> Tensor:
    """Returns (T, B) from rewards (T, B)."""
    returns = rewards.clone()
    for t in range(len(returns) - 2, -1, -1):
        returns[t] += gamma * returns[t + 1]
    return returns


def mean_action(policy: ActorCriticPolicy, observation: Any) -> Tensor:
    """(B, A) mean of the policy's actions, before they are cut to [−1, 1]."""
    distribution: Any = policy.get_distribution(observation).distribution
    return distribution.mean


def _tensor(array: np.ndarray) -> Tensor:
    return torch.as_tensor(np.array(array))
