"""GraphNetwork: one network for every grid. It sees a grid and a plan of the day ahead, and lets the units bid.

Nodes hear their neighbours; then lines and units tell each other what they know, weighed by how much a unit's output
loads a line, and everything is pooled and handed back. The network learns what to add to the prices of the plan. The
step is then cleared: stores buy below their prices and sell above them, as far as the lines can take. Everything is
node-major, [units or lines, rows, features].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from policies.networks.layers import LineEncoder, MessageLayer
from policies.planner import (
    HOURS,
    MOST_LINE_SEEN,
    MOST_SEEN,
    MOST_SEEN_OF_PEAK,
    OUT,
    Day,
    Recall,
    Wiring,
    clear,
    has_started,
    hours_left,
)

MOST_TILT = 0.15  # of a source's cost
HOLD = 2.0  # rise of a source's price over its range, in parts of what its output now costs later by ramps
CORRECTION = 0.1  # of the value of stored energy, where 1 is asked for
SLOPE = 0.5  # rise of a store's price from nothing to full power
MOST_ANSWER = 1.0  # of a value to a unit of energy more, in its gradient
LOADED_FRAC = 0.1  # of its capacity, from which on a line's flow has a direction
SEEN_H = (0, 1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21, 24)  # hours of which the plan is shown
LINES_H = (0, 1, 3, 6, 12)  # the same of the lines
UNIT_SIZE = 6 + 21 + 4 * len(SEEN_H) + 6
LINE_SIZE = 1 + 2 * len(LINES_H) + 3 + 5
GRID_SIZE = 3 + HOURS + 8 + 2
NEAR_H = (1, 4)  # hours ahead of which a node tells its neighbours


class Round(nn.Module):
    """Lines hear the units, units the lines, and all of them the whole grid."""

    def __init__(self, width: int, line_width: int) -> None:
        super().__init__()
        self.tell_lines, self.line = nn.Linear(width, 2 * line_width), nn.Linear(line_width, line_width)
        self.tell_units, self.unit = nn.Linear(line_width, 2 * width), nn.Linear(width, width)
        self.line_of_grid, self.unit_of_grid = nn.Linear(width, line_width), nn.Linear(width, width)
        self.grid, self.pool = nn.Linear(width, width), nn.Linear(2 * width, width)
        self.scale = nn.LayerNorm(width)

    def forward(
        self, units: Tensor, lines: Tensor, grid: Tensor, shift: Tensor, way: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Units (U, B, W), lines (L, B, V) and grid (B, W), with sensitivities (U, L) and directions (L, B, 1)."""
        signed, plain = self.tell_lines(units).chunk(2, -1)
        heard = way * _weighed(shift.T, signed) + _weighed(shift.T.abs(), plain)
        lines = lines + torch.relu(self.line(lines) + heard + self.line_of_grid(grid))
        signed, plain = self.tell_units(lines).chunk(2, -1)
        heard = _weighed(shift, way * signed) + _weighed(shift.abs(), plain)
        heard = heard / max(1, len(lines)) ** 0.5
        units = units + torch.relu(self.scale(self.unit(units) + heard + self.unit_of_grid(grid)))
        pooled = torch.cat([units.mean(0), units.amax(0)], -1)
        return units, lines, grid + torch.relu(self.grid(grid) + self.pool(pooled))


class GraphNetwork(nn.Module):
    """Mean actions, ``action="absolute"``, and a value, from the observation ``graph`` of any grid.

    Args:
        width: W, features of a unit and of the whole grid.
        layers: rounds of message passing between units and lines.
    """

    def __init__(self, width: int = 64, layers: int = 2) -> None:
        super().__init__()
        line_width, local = width // 2, width // 4
        self.node, self.node_line, self.near = nn.Linear(7 + 14, local), LineEncoder(5, 3, local), MessageLayer(local)
        unit_size = UNIT_SIZE + local
        self.of_units, self.of_lines = nn.Linear(unit_size, width), nn.Linear(LINE_SIZE, line_width)
        self.of_grid, self.grid_to_units = nn.Linear(GRID_SIZE, width), nn.Linear(width, width)
        self.rounds = nn.ModuleList([Round(width, line_width) for _ in range(layers)])
        self.unit = nn.Sequential(nn.Linear(2 * width + unit_size, width), nn.ReLU(), nn.Linear(width, 3))
        self.value = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.recall = Recall()
        for weight in self.unit[-1].parameters():
            nn.init.zeros_(weight)

    def forward(self, observation: dict[str, Tensor], wiring: Wiring, is_noted: bool = False) -> tuple[Tensor, Tensor]:
        """Nodes (B, N, F), lines (B, E, 5) and globals (B, K) to mean actions (B, A) and values (B,).

        What is noted is not planned again, until ``recall`` forgets it.
        """
        actions, values = by_status(partial(self._decide, is_noted=is_noted), observation, wiring)
        return actions, values

    def judge(self, observation: dict[str, Tensor], wiring: Wiring) -> Tensor:
        """The values (B,) alone."""
        return by_status(lambda seen, w: (self._worth(*self._understood(w, seen)[2:]),), observation, wiring)[0]

    def _decide(self, observation: dict[str, Tensor], w: Wiring, is_noted: bool) -> tuple[Tensor, Tensor]:
        day, units, unit, grid = self._understood(w, observation, is_noted)
        asked = self.unit(torch.cat([unit, grid.expand_as(unit), units], -1))
        return self._cleared(w, observation, day, *asked.transpose(0, 1).unbind(-1)), self._worth(unit, grid)

    def _worth(self, unit: Tensor, grid: Tensor) -> Tensor:
        """(B,) values: the critic reads what the actor makes of the grid, and does not shape it."""
        return self.value(torch.cat([unit.mean(0), grid], -1).detach()).squeeze(-1)

    def _understood(
        self, w: Wiring, observation: dict[str, Tensor], is_noted: bool = False
    ) -> tuple[Day, Tensor, Tensor, Tensor]:
        """The day ahead, features of the units (U, B, ·), what is made of them (U, B, W), and of the grid (B, W)."""
        plan = self.recall.note if is_noted else self.recall.day
        day = plan(w, {name: part.detach() for name, part in observation.items()})
        with torch.no_grad():
            way, line = self._of_lines(w, observation, day)
        units = torch.cat([self._of_units(w, observation, day), self._near(w, observation)], -1)
        grid = torch.relu(self.of_grid(self._of_grid(w, observation, day)))
        unit, line = torch.relu(self.of_units(units) + self.grid_to_units(grid)), torch.relu(self.of_lines(line))
        for each in self.rounds:
            unit, line, grid = each(unit, line, grid, w.shift, way)
        return day, units, unit, grid

    def _of_units(self, w: Wiring, observation: dict[str, Tensor], day: Day) -> Tensor:
        """(U, B, ·)."""
        nodes, sources, stores, shown = observation["nodes"], len(w.sources), len(w.stores), list(SEEN_H)
        with torch.no_grad():
            price, value = day.price.clamp(-1, 3), day.value.clamp(-1, 3)
            power = torch.where(w.discharge_max > 0, w.discharge_max, w.charge_max)
            mean, most = price.mean(1, keepdim=True), torch.cat([w.gen_max, power]).clamp(min=1e-6)
            both = day.output[..., sources : sources + stores] + day.output[..., sources + stores :]
            output = (torch.cat([day.output[..., :sources], both], -1) / most).clamp(-3, 3)
            level = (day.energy - w.store_min) / (w.store_max - w.store_min).clamp(min=1e-3)
            reach = torch.cat([day.offer / most[:sources], level], -1)
            worth = functional.pad(value - price[..., sources:], (sources, 0))
            series = [each[:, shown] for each in (price - mean, output, reach, worth)]
            answer = day.value_answer.diagonal(dim1=1, dim2=2) * w.store_max
            now = torch.cat([day.tilt, answer], 1).clamp(-3, 3)
            start = torch.cat([price[:, 0, :sources], value[:, 0]], 1)
            worth_mean = value.flatten(1).sum(1, keepdim=True) / max(1, value[0].numel())
            spans = [mean[:, 0], price.amax(1), price.amin(1), now, start, start - worth_mean]
            known = torch.cat([*series, torch.stack(spans, 1)], 1).permute(2, 0, 1)
            about = w.unit_features[:, None].expand(-1, len(nodes), -1)
        own = nodes[:, w.units, :5].transpose(0, 1).clamp(max=MOST_SEEN)
        room = functional.pad((w.store_max - nodes[:, w.stores, 4]).clamp(max=MOST_SEEN), (sources, 0)).T[..., None]
        return torch.cat([own, room, about, known], -1)

    def _of_lines(self, w: Wiring, observation: dict[str, Tensor], day: Day) -> tuple[Tensor, Tensor]:
        """Which way lines flow (L, B, 1), and (L, B, ·)."""
        loading = (day.flow / w.capacity)[:, list(LINES_H)].clamp(-3, 3).permute(2, 0, 1)
        way = (loading[..., :1] / LOADED_FRAC).clamp(-1, 1)
        toll = day.toll[:, list(LINES_H)].clamp(-3, 3).permute(2, 0, 1)
        seen = observation["lines"][:, w.limited].transpose(0, 1).clamp(-3, 3)
        capacity = w.capacity[:, None].clamp(max=MOST_LINE_SEEN)
        about = torch.cat([capacity, w.line_features[w.limited]], 1)[:, None].expand(-1, seen.shape[1], -1)
        return way, torch.cat([loading * way, toll * way, about, seen[..., :2] * way, seen[..., 2:]], -1)

    def _of_grid(self, w: Wiring, observation: dict[str, Tensor], day: Day) -> Tensor:
        """(B, ·)."""
        left = hours_left(w, observation["globals"])[:, None]
        full = observation["nodes"][:, w.stores, 4].sum(1, keepdim=True) / w.store_max.sum().clamp(min=1e-3)
        ahead = [(left / 48).clamp(max=1), (left / 24).clamp(max=1)]
        whole = [observation["globals"][:, :2], *ahead, day.net.clamp(-MOST_SEEN_OF_PEAK, MOST_SEEN_OF_PEAK), full]
        return torch.cat([*whole, w.globals.expand(len(left), -1)], -1)

    def _near(self, w: Wiring, observation: dict[str, Tensor]) -> Tensor:
        """(U, B, ·) what each unit hears from the nodes around it."""
        soon, later = (5 + int(w.lead[hour - 1]) for hour in NEAR_H)
        nodes = observation["nodes"].transpose(0, 1)[..., [0, 1, 2, 3, 4, soon, later]].clamp(max=MOST_SEEN)
        nodes = torch.cat([nodes, w.node_features[:, None].expand(-1, nodes.shape[1], -1)], -1)
        nodes = torch.relu(self.node(nodes))
        lines = self.node_line(observation["lines"].transpose(0, 1).clamp(-3, 3), w.line_features)
        return self.near(nodes, w.edge_index, lines)[w.units]

    def _cleared(
        self, w: Wiring, observation: dict[str, Tensor], day: Day, tilt: Tensor, more: Tensor, slope: Tensor
    ) -> Tensor:
        """(B, A) the actions of the cleared step, with what is asked for: (B, G + S) each."""
        nodes, sources, stores = observation["nodes"], len(w.sources), len(w.stores)
        high, before, stored = nodes[:, w.sources, 1], nodes[:, w.sources, 2], nodes[:, w.stores, 4]
        started = has_started(w, observation["globals"])
        low = torch.where(started, torch.maximum(w.gen_min, before - w.fall), w.gen_min).minimum(high)
        left, room = (stored - w.store_min).clamp(min=0), (w.store_max - stored).clamp(min=0)
        most = w.discharge_max.minimum(left * w.discharge_eff / w.dt_h)
        least = -w.charge_max.minimum(room / (w.charge_eff * w.dt_h))
        change = (stored - stored.detach())[..., None]
        value = (
            day.value[:, 0]
            + (day.value_answer.clamp(-MOST_ANSWER, MOST_ANSWER) @ change)[..., 0]
            + CORRECTION * more[:, sources:]
        )
        planned = day.output[:, 0, sources:] + (day.power_answer @ change)[..., 0]
        rise = (SLOPE * torch.exp(slope[:, sources:].clamp(-3, 3))).repeat(1, 2)
        rise = rise / torch.cat([w.discharge_max, w.charge_max]).clamp(min=1e-6)
        price = torch.cat([value / w.discharge_eff + w.fleet.wear, value * w.charge_eff], 1)
        hold = HOLD * day.tilt.abs() / w.gen_max.clamp(min=1e-6)
        own = w.cost + day.tilt - hold * day.output[:, 0, :sources] + MOST_TILT * torch.tanh(tilt[:, :sources])
        cost = torch.cat([own, price - rise * planned], 1)
        rise = torch.cat([w.slope + hold, rise], 1)
        none = torch.zeros_like(most)
        bottom, top = torch.cat([low, none, least], 1), torch.cat([high, most, none], 1)
        output = clear(w, cost, rise, bottom, top, day)
        gen = output[:, :sources]
        store = output[:, sources : sources + stores] + output[:, sources + stores :]
        span = high - low
        gen_action = torch.where(span > 1e-6, 2 * (gen - low) / span.clamp(min=1e-6) - 1, 0.0)
        store_action = store / torch.where(store >= 0, w.discharge_max, w.charge_max).clamp(min=1e-6)
        return torch.cat([gen_action, store_action], 1)[:, w.action]


def by_status(
    work: Callable[[dict[str, Tensor], Wiring], tuple[Tensor, ...]], observation: dict[str, Tensor], wiring: Wiring
) -> tuple[Tensor, ...]:
    """What the work makes of the rows, those that have the same lines out of service in the wiring of what is left."""
    is_out = observation["lines"][..., OUT] > 0
    if not is_out.any():
        return work(observation, wiring)
    statuses, status = torch.unique(is_out, dim=0, return_inverse=True)
    rows, found = [], []
    for number, lines in enumerate(statuses):
        own = torch.nonzero(status == number)[:, 0]
        left = wiring.without(tuple(torch.nonzero(lines)[:, 0].tolist()))
        rows.append(own)
        found.append(work({name: part[own] for name, part in observation.items()}, left))
    back = torch.argsort(torch.cat(rows))
    return tuple(torch.cat(parts)[back] for parts in zip(*found, strict=True))


def _weighed(weights: Tensor, told: Tensor) -> Tensor:
    """Sums of (K, B, W) by weights (J, K): (J, B, W)."""
    return (weights @ told.flatten(1)).view(len(weights), *told.shape[1:])
