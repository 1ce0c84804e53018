"""GraphNetwork: one network for every grid. It sees a grid and its day ahead, and lets the stores bid.

Nodes hear their neighbours; then lines and units tell each other what they know, weighed by how much a unit's output
loads a line, and everything is pooled and handed back. For each store the value of a stored MWh is worked out from the
day ahead, and the network learns what to add to it. The step is then cleared: each store buys below its value and sells
above it, as far as the lines can take. Everything is node-major, [units or lines, rows, features].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from policies.clearing import clear, price_lines, relieve
from policies.foresight import (
    LINES_H,
    SEEN_H,
    STORED_H,
    Day,
    around,
    critical_value,
    has_started,
    hours_left,
    idle_day,
    sides,
)
from policies.layers import LineEncoder, MessageLayer
from policies.wiring import HOURS, Wiring

ROUNDS = 24  # of bisection when the step is cleared
MOVES = 12  # of redispatch after that
MOST_TILT = 0.3  # of a source's cost
CORRECTION = 0.2  # of the value of stored energy, where 1 is asked for
LOADED_FRAC = 0.1  # of its capacity, from which on a line's flow has a direction
UNIT_SIZE = 6 + 21 + HOURS + 6 + 4 * len(SEEN_H)
LINE_SIZE = 4 + len(LINES_H) + 3 + 5
GRID_SIZE = 3 + HOURS + 8 + 2
NEAR_H = (1, 4)  # hours ahead of which a node tells its neighbours
PLAN_SIZE = 2 * (5 + len(STORED_H) + len(SEEN_H)) + 2 * len(SEEN_H) + 3


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
        self.unit = nn.Sequential(nn.Linear(2 * width + unit_size, width), nn.ReLU(), nn.Linear(width, 4))
        self.value = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.look = nn.Linear(PLAN_SIZE + width + 3, width)
        self.compare, self.compared = nn.Linear(2 * width, width), nn.LayerNorm(width)
        self.correct = nn.Linear(width, 3)
        for weight in (*self.unit[-1].parameters(), *self.correct.parameters()):
            nn.init.zeros_(weight)

    def forward(self, observation: dict[str, Tensor], wiring: Wiring) -> tuple[Tensor, Tensor]:
        """Nodes (B, N, F), lines (B, E, 5) and globals (B, K) to mean actions (B, A) and values (B,)."""
        w, sources = wiring, len(wiring.sources)
        day, units, unit, grid = self._understood(w, observation)
        asked = self.unit(torch.cat([unit, grid.expand_as(unit), units], -1))
        bids = self._bids(w, day, observation["nodes"][:, w.stores, 4], unit[sources:], asked[sources:, :, 1:])
        tilt = MOST_TILT * torch.tanh(asked[:sources, :, 0].T)
        return self._cleared(w, observation, tilt, *bids), self._worth(unit, grid)

    def judge(self, observation: dict[str, Tensor], wiring: Wiring) -> Tensor:
        """The values (B,) alone."""
        return self._worth(*self._understood(wiring, observation)[2:])

    def _worth(self, unit: Tensor, grid: Tensor) -> Tensor:
        """(B,) values: the critic reads what the actor makes of the grid, and does not shape it."""
        return self.value(torch.cat([unit.mean(0), grid], -1).detach()).squeeze(-1)

    def _understood(self, w: Wiring, observation: dict[str, Tensor]) -> tuple[Day, Tensor, Tensor, Tensor]:
        """The day ahead, features of the units (U, B, ·), what is made of them (U, B, W), and of the grid (B, W)."""
        with torch.no_grad():
            day = idle_day(w, {name: part.detach() for name, part in observation.items()})
        units, lines, grid, way = self._features(w, observation, day)
        units = torch.cat([units, self._near(w, observation)], -1)
        grid = torch.relu(self.of_grid(grid))
        unit, line = torch.relu(self.of_units(units) + self.grid_to_units(grid)), torch.relu(self.of_lines(lines))
        for each in self.rounds:
            unit, line, grid = each(unit, line, grid, w.shift, way)
        return day, units, unit, grid

    def _features(self, w: Wiring, observation: dict[str, Tensor], day: Day) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Units (U, B, ·), lines (L, B, ·), grid (B, ·), and which way lines flow with idle stores (L, B, 1)."""
        nodes, sources, shown = observation["nodes"], len(w.sources), list(SEEN_H)
        with torch.no_grad():
            local = (day.price + 0.5 * w.overload * day.sign).clamp(-1, 3)
            spans = [each for price in (day.price, local) for each in (price.mean(1), price.amax(1), price.amin(1))]
            per_max = day.counts[..., None] / w.gen_max.clamp(min=1e-6)
            shares = [functional.pad(each * per_max, (0, len(w.stores)))[:, shown] for each in (day.output, day.high)]
            congested = [day.sign.clamp(-2, 2)[:, shown], day.push.clamp(-3, 3)[:, shown]]
            parts = [day.price - day.price.mean(1, keepdim=True), torch.stack(spans, 1), *shares, *congested]
            known = torch.cat(parts, 1).permute(2, 0, 1)
            flow, limit = day.flow[:, 0].T, w.capacity[:, None]
            way = (flow / (LOADED_FRAC * limit)).clamp(-1, 1)[..., None]
            load = flow.abs()
            here = [load / limit, (load - limit).clamp(0, 3), (limit - load).clamp(-3, 3), limit.expand_as(load)]
            ahead = (day.flow / w.capacity)[:, list(LINES_H)].clamp(-3, 3).permute(2, 0, 1) * way
            about = w.line_features[w.limited][:, None].expand(-1, len(nodes), -1)
            line = torch.cat([torch.stack(here, -1).clamp(-5, 5), ahead, about], -1)
        seen = observation["lines"][:, w.limited].transpose(0, 1).clamp(-3, 3)
        line = torch.cat([line, seen[..., :2] * way, seen[..., 2:]], -1)
        own = nodes[:, w.units, :5].transpose(0, 1)
        room = functional.pad(w.store_max - nodes[:, w.stores, 4], (sources, 0)).T[..., None]
        about = w.unit_features[:, None].expand(-1, len(nodes), -1)
        left = hours_left(w, observation["globals"])[:, None]
        full = nodes[:, w.stores, 4].sum(1, keepdim=True) / w.store_max.sum().clamp(min=1e-3)
        whole = [observation["globals"][:, :2], left / 48, (left / 24).clamp(max=1), day.net, full]
        grid = torch.cat([*whole, w.globals.expand(len(nodes), -1)], -1)
        return torch.cat([own, room, about, known], -1), line, grid, way

    def _near(self, w: Wiring, observation: dict[str, Tensor]) -> Tensor:
        """(U, B, ·) what each unit hears from the nodes around it."""
        soon, later = (5 + int(w.lead[hour - 1]) for hour in NEAR_H)
        nodes = observation["nodes"].transpose(0, 1)[..., [0, 1, 2, 3, 4, soon, later]]
        nodes = torch.cat([nodes, w.node_features[:, None].expand(-1, nodes.shape[1], -1)], -1)
        nodes = torch.relu(self.node(nodes))
        lines = self.node_line(observation["lines"].transpose(0, 1).clamp(-3, 3), w.line_features)
        return self.near(nodes, w.edge_index, lines)[w.units]

    def _bids(self, w: Wiring, day: Day, stored: Tensor, store: Tensor, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Value, spread and slope (B, S) of the bids, from what is made of the stores (S, B, W) and asked (S, B, 3)."""
        with torch.no_grad():
            value, output = critical_value(w, day, stored)
            plans, answer = around(w, day, value, stored, output)
        look = torch.relu(self.look(torch.cat([plans, store, asked], -1)))
        pooled = look.mean(0).expand_as(look)
        look = torch.relu(self.compared(self.compare(torch.cat([look, pooled], -1))))
        more, spread, slope = (asked + self.correct(look)).unbind(-1)
        value = value + answer * (stored - stored.detach()) + CORRECTION * more.T
        spread = 0.3 * functional.softplus(spread.T - 2.65)
        return value, spread, 0.02 + 0.5 * torch.sigmoid(slope.T - 2.75)

    def _cleared(
        self, w: Wiring, observation: dict[str, Tensor], tilt: Tensor, value: Tensor, spread: Tensor, slope: Tensor
    ) -> Tensor:
        """(B, A) the actions of the cleared step."""
        nodes, sources, stores = observation["nodes"], len(w.sources), len(w.stores)
        load, high, before = nodes[..., 0], nodes[:, w.sources, 1], nodes[:, w.sources, 2]
        stored = nodes[:, w.stores, 4]
        started = has_started(w, observation["globals"])
        low = torch.where(started, torch.maximum(w.gen_min, before - w.fall), w.gen_min).minimum(high)
        cost, rise, least, most = sides(w, value, spread, slope)
        left, room = (stored - w.store_min).clamp(min=0), (w.store_max - stored).clamp(min=0)
        most = most.minimum(functional.pad(left * w.discharge_eff / w.dt_h, (0, stores)))
        least = least.maximum(functional.pad(-room / (w.charge_eff * w.dt_h), (stores, 0)))
        cost = torch.cat([w.cost + tilt, cost], 1)
        rise = torch.cat([w.slope.expand_as(low), rise], 1)
        bottom, top = torch.cat([low, least], 1), torch.cat([high, most], 1)
        need, load_flow = load @ w.part, w.offset - load @ w.flow
        with torch.no_grad():
            added = price_lines(cost, rise, bottom, top, need, w.own, load_flow, w.capacity, w.reach, w.overload)
        output, _ = clear(cost + added, rise, bottom, top, need, w.own, ROUNDS)
        flow = output @ w.reach + load_flow
        limits = (w.capacity, w.reach, w.joined, w.overload)
        output = relieve(output, flow, cost, rise, bottom, top, *limits, MOVES)
        gen = output[:, :sources]
        store = output[:, sources : sources + stores] + output[:, sources + stores :]
        span = high - low
        gen_action = torch.where(span > 1e-6, 2 * (gen - low) / span.clamp(min=1e-6) - 1, 0.0)
        store_action = store / torch.where(store >= 0, w.discharge_max, w.charge_max).clamp(min=1e-6)
        return torch.cat([gen_action, store_action], 1)[:, w.action]


def _weighed(weights: Tensor, told: Tensor) -> Tensor:
    """Sums of (K, B, W) by weights (J, K): (J, B, W)."""
    return (weights @ told.flatten(1)).view(len(weights), *told.shape[1:])
