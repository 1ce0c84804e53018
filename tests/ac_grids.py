"""Grids with every column of AC power flow, from pandapower's nets, and what pandapower says of them."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid import Grid

CASES = ("case14", "case30", "case39", "case57", "case118", "case300")


def net_of(case, share=1.0):
    """A solved net of pandapower's, with reactive limits enforced; but for case300, which then has no solution.

    Demand and generation are multiplied by share.
    """
    import pandapower
    import pandapower.networks

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = getattr(pandapower.networks, case)()
        net.load[["p_mw", "q_mvar"]] *= share
        net.gen["p_mw"] *= share
        run(net)
    return net


def run(net):
    import pandapower

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"enforce_q_lims": len(net.bus) != 300, "trafo_model": "pi", "max_iteration": 50, "numba": False}
        pandapower.runpp(net, **options)


@dataclass(frozen=True)
class Case:
    """A net and the same grid as ours: a node for each bus, a line for each branch."""

    net: Any
    grid: Grid

    @property
    def branches(self) -> np.ndarray:
        return np.real(self.net._ppc["branch"])

    def without(self, branches) -> Case | None:
        """The net solved again with branches out of service, by their numbers; None: pandapower has no solution."""
        import pandapower

        net = copy.deepcopy(self.net)
        for kind, (first, last) in net._pd2ppc_lookups["branch"].items():
            inside = [number - first for number in branches if first <= number < last]
            net[kind].loc[net[kind].index[inside], "in_service"] = False
        try:
            run(net)
        except pandapower.LoadflowNotConverged:
            return None
        return Case(net, self.grid)

    def given(self) -> tuple[np.ndarray, np.ndarray]:
        """(1, N) injection MW and reactive demand Mvar."""
        bus, gen = (np.real(self.net._ppc[name]) for name in ("bus", "gen"))
        injection_mw = -bus[:, 2] - bus[:, 4]
        for unit in gen[gen[:, 7] > 0]:
            injection_mw[int(unit[0])] += unit[1]
        return injection_mw[None], bus[None, :, 3]


def case_of(name: str, share: float = 1.0) -> Case:
    """A solved case of pandapower's, demand and generation multiplied by share."""
    net = net_of(name, share)
    bus, branch, gen = (np.real(net._ppc[part]) for part in ("bus", "branch", "gen"))
    grid = Grid(name, base_mva=float(net._ppc["baseMVA"]))
    units = {int(row[0]): gen[(gen[:, 0] == row[0]) & (gen[:, 7] > 0)] for row in gen[gen[:, 7] > 0]}
    slack = set(net._pd2ppc_lookups["bus"][net.ext_grid.bus.to_numpy()].tolist())
    for number, row in enumerate(bus):
        columns = {"load_max_mw": max(row[2] + row[4], row[4], 0.0), "load_max_mvar": row[3], "shunt_mvar": row[5]}
        columns["shunt_mw"] = max(row[4], 0.0)
        if number in units:
            own = units[number]
            columns["voltage_set_pu"] = own[0, 5]
            if len(bus) != 300:
                columns |= {"gen_min_mvar": own[:, 4].sum(), "gen_max_mvar": own[:, 3].sum()}
            columns["gen_max_mw"] = 1e5 if number in slack else max(own[:, 8].sum(), own[:, 1].sum(), 1.0)
        grid.graph.add_node(str(number), kind="source" if number in units else "consumer", **columns)
    for number, row in enumerate(branch):
        line = {"resistance_pu": row[2], "reactance_pu": row[3], "charging_pu": row[4]}
        grid.add_line(
            str(int(row[0])),
            str(int(row[1])),
            f"{number}",
            **line,
            tap=row[8] or 1.0,
            shift_deg=row[9],
            capacity_mw=1e4,
        )
    return Case(net, grid)
