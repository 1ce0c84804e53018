"""An oracle: the optimum as a linear programme in PTDF form, written as plain loops and solved by scipy."""

from __future__ import annotations

from math import inf, isfinite

import networkx as nx
import numpy as np
from scipy.optimize import linprog

from grid import GridArrays, Inputs, Prices
from grid.costs import store_value_per_mwh
from grid.sensitivities import LineModel


def remaining(g: GridArrays, on: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow per injection (E, N), flow by shifts (E,) and part of each node (N,), with only these lines (E,)."""
    nodes = len(g.node_names)
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(zip(g.line_from[on].tolist(), g.line_to[on].tolist(), strict=True))
    part = np.zeros(nodes, dtype=int)
    for number, group in enumerate(nx.connected_components(graph)):
        part[list(group)] = number
    names = ("line_from", "line_to", "reactance_pu", "tap", "shift_deg")
    matrix, offset = np.zeros((len(on), nodes)), np.zeros(len(on))
    if on.any():
        model = LineModel({name: getattr(g, name)[on] for name in names} | {"base_mva": g.base_mva}, part)
        matrix[on], offset[on] = model.matrix(), model.offset_mw
    return matrix, offset, part


def slow_optimum(  # noqa: PLR0915
    g: GridArrays, inputs: Inputs, prices: Prices, lines: np.ndarray | None = None
) -> float:
    """Cost of the best schedule, with these lines (T, E) in service or with all.

    For grids without quadratic costs and with availability 1 but for profiles.
    """
    steps, nodes, dt_h = len(inputs.load_mw), range(len(g.node_names)), inputs.dt_h
    cost: list[float] = []
    bounds: list[tuple[float, float]] = []

    def variable(price: float, low: float, high: float) -> int:
        cost.append(price)
        bounds.append((low, high))
        return len(cost) - 1

    equal: list[tuple[dict[int, float], float]] = []
    at_most: list[tuple[dict[int, float], float]] = []
    value = store_value_per_mwh(g, prices)
    energy = {n: variable(value[n], g.store_init_mwh[n], g.store_init_mwh[n]) for n in nodes}
    gen_before: dict[int, int] = {}
    for t in range(steps):
        gen, injection = {}, {}
        fixed = np.zeros(len(g.node_names))
        for n in nodes:
            marginal = g.gen_cost_per_mwh[n] + prices.co2_per_t * g.co2_t_per_mwh[n]
            gen[n] = variable(marginal * dt_h, g.gen_min_mw[n], g.gen_max_mw[n] * inputs.gen_avail_frac[t, n])
            spill = variable(prices.spill_per_mwh * dt_h, 0, inf)
            charge = variable(0, 0, g.charge_max_mw[n])
            discharge = variable(prices.wear_per_mwh * dt_h, 0, g.discharge_max_mw[n])
            shed = variable(g.shed_cost_per_mwh[n] * dt_h, 0, inputs.load_mw[t, n])
            cut = variable(g.flex_cost_per_mwh[n] * dt_h, 0, g.flex_max_frac[n] * inputs.load_mw[t, n])
            injection[n] = {gen[n]: 1.0, spill: -1.0, charge: -1.0, discharge: 1.0, shed: 1.0, cut: 1.0}
            fixed[n] = -inputs.load_mw[t, n]
            at_most.append(({spill: 1.0, gen[n]: -1.0}, 0.0))
            at_most.append(({shed: 1.0, cut: 1.0}, inputs.load_mw[t, n]))
            if t > 0 and isfinite(g.gen_ramp_mw_per_h[n]):
                at_most.append(({gen[n]: 1.0, gen_before[n]: -1.0}, g.gen_ramp_mw_per_h[n] * dt_h))
                if g.gen_profile[n] is None:
                    at_most.append(({gen[n]: -1.0, gen_before[n]: 1.0}, g.gen_ramp_mw_per_h[n] * dt_h))
            low, keep = g.store_min_mwh[n], (1 - g.store_loss_frac_per_h[n]) ** dt_h
            after = variable(0, low, g.store_max_mwh[n])
            gain = {charge: g.charge_eff_frac[n] * dt_h, discharge: -dt_h / g.discharge_eff_frac[n]}
            equal.append(({after: -1.0, energy[n]: keep, **gain}, (keep - 1) * low))
            energy[n] = after
        gen_before = gen
        flow_matrix, offset, parts = remaining(g, np.full(len(g.line_names), True) if lines is None else lines[t])
        for part in range(int(parts.max()) + 1):
            row: dict[int, float] = {}
            for n in nodes:
                if parts[n] == part:
                    row |= injection[n]
            equal.append((row, -float(fixed[parts == part].sum())))
        for e in range(len(g.line_names)):
            if isfinite(g.capacity_mw[e]):
                over = variable(prices.overload_per_mwh * dt_h, 0, inf)
                flow = {v: flow_matrix[e, n] * sign for n in nodes for v, sign in injection[n].items()}
                base = float(flow_matrix[e] @ fixed) + offset[e]
                at_most.append(({**flow, over: -1.0}, g.capacity_mw[e] - base))
                at_most.append(({**{v: -w for v, w in flow.items()}, over: -1.0}, g.capacity_mw[e] + base))
    for n in nodes:
        cost[energy[n]] -= value[n]

    def dense(rows: list[tuple[dict[int, float], float]]) -> tuple[np.ndarray, np.ndarray]:
        matrix = np.zeros((len(rows), len(cost)))
        for i, (row, _) in enumerate(rows):
            for v, weight in row.items():
                matrix[i, v] = weight
        return matrix, np.array([right for _, right in rows])

    result = linprog(cost, *dense(at_most), *dense(equal), bounds=bounds, method="highs")
    assert result.success, result.message
    return float(result.fun)
