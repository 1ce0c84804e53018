"""Episodes in torch: the step, the action map and the observation are the code that runs on numpy.

What is random is drawn in numpy when the batch is reset, and sent to the device once an episode; what follows from it
stays there. So it is with actions that are absolute or residual, in DC, where every line and plant stays in service.

Elsewhere, on the CPU, the batch takes the same steps on numpy beside it. It tells which lines are out and which have
tripped, how hot relays are, and the plan; what trips cost has its slope from ``trips``. With a gate, forecasts are seen
and the truth is stepped. In AC, values are those of AC power flow, which the batch solves, and the gradient is that of
DC around them. With "residual-plan", actions decide where a line is out as well: agents trained otherwise were worse.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from envs import GridBatch, Transition, loading, view_of
from grid import Inputs, Outcome, Setpoint, State, converted, settlement, step_costs
from grid.physics import SOON_H, TINY_MW, Limits, Outages, initial_state, limits, step
from policies.learning.device import beside_torch
from policies.learning.lines_out import TensorOutages
from policies.learning.trips import TripSlopes

Act = Callable[[int, Any], Tensor]
"""Actions (B, A) in [−1, 1], from a step and the observation before it."""


class TorchEpisodes:
    """The running episodes of a batch, on a device.

    Numbers are double on the CPU, and where redispatch moves output, as it compares MW more closely than single
    precision tells them apart; else they are single.

    Args:
        batch: the envs.
        device: of the tensors.
    """

    def __init__(self, batch: GridBatch, device: torch.device) -> None:
        self.batch, self.device = batch, device
        moves = batch.config.action.startswith("residual") and batch.config.redispatch_moves > 0
        self.dtype = torch.float64 if moves or device.type == "cpu" else torch.float32
        self._action_map = batch.action_map.convert(self._tensor)
        self._value_per_mwh = self._tensor(batch.problem.store_value_per_mwh)
        self._goes_along = bool(beside_torch(batch.problem))

    def _tensor(self, array: np.ndarray) -> Tensor:
        made = torch.as_tensor(np.array(array))
        return made.to(self.device, self.dtype if made.dtype == torch.float64 else made.dtype)

    def run(self, act: Act) -> Tensor:
        """Run the batch's episodes from their first step.

        Returns:
            Rewards (T, B), with their gradient by the actions.
        """
        batch, arrays, config = self.batch, self._action_map.arrays, self.batch.config
        start = state = converted(initial_state(batch.arrays, batch.batch_size), self._tensor)
        outlook = batch.outlook.convert(self._tensor)
        encoder = batch.encoder.convert(self._tensor, outlook)
        before = self._tensor(np.zeros((batch.batch_size, len(arrays.line_names))))
        costs = []
        slopes = None if config.relays is None else TripSlopes(config.relays, config.dt_h)
        is_ac = config.flow == "ac"
        for t in range(batch.horizon):
            known = outlook.known(t)
            now = self._limits(state, known, batch.limits.outages)
            day = batch.day if config.plans else None
            relays = dataclasses.replace(state, heat=batch.state.heat, lockout_h=batch.state.lockout_h)
            out_h = batch.outlook.out_h(t)
            seen = encoder(view_of(self._action_map, relays, known, now, t, before, out_h, day, batch.voltage_pu))
            setpoint = self._action_map.setpoint(act(t, seen).to(self.dtype), now, known, day)
            done, lines_out, trips = self._go_along(setpoint) if self._goes_along else (None, None, None)
            true, actual = known, now
            if self._goes_along or outlook.gate:
                true = outlook.inputs(t)
                true = true if done is None or not is_ac else with_losses(true, done)
                actual = self._limits(state, true, lines_out)
            after, outcome = step(arrays, state, setpoint, true, actual)
            if slopes is not None and done is not None and trips is not None:
                slopes.add(loading(arrays, outcome.carried).abs(), batch.state.heat, trips, done.tripped)
                if trips.any():
                    actual = self._limits(state, true, Outages.of(batch.arrays, done.in_service))
                    after, outcome = step(arrays, state, setpoint, true, actual)
                outcome = dataclasses.replace(outcome, tripped=self._tensor(done.tripped))
            state = after
            if is_ac and done is not None:
                outcome, state = around_ac(outcome, done), _around(state, batch.state)
            before = loading(arrays, outcome.carried)
            terms: list[Tensor] = list(step_costs(arrays, batch.prices, outcome, config.dt_h).values())
            costs.append(torch.stack(terms).sum(0))
        costs[-1] = costs[-1] + settlement(self._value_per_mwh, start.store_mwh, state.store_mwh)
        cost = torch.stack(costs)
        if slopes is not None:
            cost = cost + slopes.cost(cost)
        rewards: Tensor = (self._tensor(batch.references) - cost) / batch.problem.reward_scale
        return rewards

    def _go_along(self, setpoint: Setpoint) -> tuple[Outcome, Outages | None, np.ndarray | None]:
        """Take the step on numpy: what happened, the lines out before any tripped, and (B, E) which tripped then."""
        batch, before = self.batch, self.batch.state
        on = None if setpoint.on is None else setpoint.on.numpy()
        powers = setpoint.gen_mw.detach().numpy(), setpoint.store_mw.detach().numpy()
        batch.step_setpoint(Setpoint(*powers, on=on))
        done = cast(Transition, batch.last).outcome
        in_service = done.in_service
        trips = None if done.tripped is None else done.tripped & (before.lockout_h <= SOON_H)
        if in_service is not None and trips is not None:
            in_service = in_service | trips
        return done, None if in_service is None else Outages.of(batch.arrays, in_service), trips

    def _limits(self, state: State, inputs: Inputs, outages: Outages | None) -> Limits:
        """The limits that follow from inputs, with these lines out."""
        lines: Any = TensorOutages.of(outages)  # which offers the same on tensors
        return dataclasses.replace(limits(self._action_map.arrays, state, inputs), outages=lines)


def with_losses(inputs: Inputs, done: Outcome) -> Inputs:
    """Inputs in tensors with losses as demand, so that in DC, too, what was scheduled for them finds its use."""
    lost_frac = done.loss_mw / np.maximum(done.served_mw.sum(1), TINY_MW)
    return dataclasses.replace(inputs, load_mw=inputs.load_mw * torch.as_tensor(1.0 + lost_frac[:, None]))


def around_ac(linear: Outcome, done: Outcome) -> Outcome:
    """What was done in AC, on numpy, with the gradient of the same step in DC, on tensors.

    Lines carry apparent power, with the gradient of their flow. Losses and voltages have none.
    """
    carried = dataclasses.replace(done, flow_mw=done.carried)
    constant = {name: torch.as_tensor(getattr(done, name)) for name in ("loss_mw", "voltage_off_pu")}
    return dataclasses.replace(_around(linear, carried), **constant)


def _around(linear: Any, done: Any) -> Any:
    """The record of tensors with the values of another one, on numpy; flags stay."""
    moved = {}
    for name, each in vars(linear).items():
        if isinstance(each, Tensor) and each.dtype.is_floating_point:
            moved[name] = each + (torch.as_tensor(getattr(done, name)) - each.detach())
    return dataclasses.replace(linear, **moved)
