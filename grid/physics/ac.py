"""AC power flow of B grids at once: voltages, flows and losses in every connected part."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from grid.arrays import GridArrays
from grid.physics.ac_model import AcModel
from grid.physics.balance import TINY_MW, in_parts
from grid.physics.newton import ACCEPTED_PU, solve
from grid.physics.outages import Islands, Outages

KEPT_MODELS = 64  # of ideal connectors out of service
TYPICAL_FRAC = 0.7  # of the largest demand, at which the start of Newton's method is worked out


class PowerFlow(NamedTuple):
    """The solution of B rows. A part that is dark, or has no solution, has zeros everywhere."""

    voltage_pu: np.ndarray  # (B, N)
    from_mw: np.ndarray  # (B, E) into the line at its from end
    from_mvar: np.ndarray  # (B, E)
    to_mw: np.ndarray  # (B, E) into the line at its to end
    to_mvar: np.ndarray  # (B, E)
    slack_mw: np.ndarray  # (B, N) what the part of the node had to add to its injections
    solved: np.ndarray  # (B, N) whether the part of the node is solved; a dark one is
    loss_mw: np.ndarray  # (B,) of lines, and of shunts what they draw beyond that at 1 pu
    voltage_off_pu: np.ndarray  # (B,) outside the band of voltages, summed over buses that are not dark
    voltage: np.ndarray  # (B, N, 2) real and imaginary part

    @property
    def line_mva(self) -> np.ndarray:
        """(B, E) apparent power at the end that carries more."""
        size: np.ndarray = np.sqrt(np.maximum(self.from_mw**2 + self.from_mvar**2, self.to_mw**2 + self.to_mvar**2))
        return size


@dataclass(frozen=True, eq=False)
class Given:
    """What is to be solved; b rows."""

    injection_mw: np.ndarray  # (b, N)
    load_mvar: np.ndarray  # (b, N)
    status: np.ndarray  # (b, E) whether a line is in service
    reference: np.ndarray  # (b, N) reference node of the part of each node
    share: np.ndarray  # (b, N) in the slack
    dark: np.ndarray  # (b, N)
    start: np.ndarray | None  # (b, N, 2) voltages
    islands: Islands | None

    def take(self, rows: np.ndarray) -> Given:
        """The same of some rows, ascending."""
        names = ("injection_mw", "load_mvar", "status", "reference", "share", "dark")
        start, islands = self.start, self.islands
        return Given(
            **{name: getattr(self, name)[rows] for name in names},
            start=None if start is None else start[rows],
            islands=None if islands is None else islands.take(rows),
        )


def _references(cell: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(b, N) the first node of each part, in an order (N,) of nodes; parts are given by their number (b, N)."""
    ordered = cell[:, order].ravel()
    found, place = np.unique(ordered, return_index=True)
    node: np.ndarray = order[place % cell.shape[1]][np.searchsorted(found, cell)]
    return node


class AcFlow:
    """Solves AC power flow on one grid; see ``grid.physics.newton`` for the method.

    Reactive limits are enforced: a bus beyond them gives its limit and holds its voltage no longer. The reference bus
    of a part does so without limits, as in pandapower and MATPOWER. Of the buses that hold their voltage it is one
    without limits, else the one with the most generation. In a part where no bus does, the one with the most generation
    holds 1 pu. Where nothing is found so, the holder with the most generation is tried as the reference.
    """

    def __init__(self, arrays: GridArrays) -> None:
        self._arrays = arrays
        self._is_connector = arrays.reactance_pu == 0
        self._models: OrderedDict[bytes, AcModel] = OrderedDict()
        intact = AcModel(arrays, self._is_connector)
        capacity = (intact.gather @ (arrays.gen_max_mw + arrays.discharge_max_mw))[intact.bus]
        net = intact.net
        has_limits = np.isfinite(net.least) | np.isfinite(net.largest)
        # (N,) nodes in the order in which one is chosen
        self._strongest = np.lexsort((-capacity, has_limits[intact.bus], ~net.holds[intact.bus]))
        self._largest = np.lexsort((-capacity, ~net.holds[intact.bus]))  # (N,) the same, limits or not
        self._reference = _references(arrays.part[None], self._strongest)[0]  # (N,) of each node, while no line is out

    def _model(self, closed: np.ndarray) -> AcModel:
        key = closed.tobytes()
        if key not in self._models:
            model = self._models[key] = AcModel(self._arrays, closed)
            model.start = self._typical(model)
            if len(self._models) > KEPT_MODELS:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def _typical(self, model: AcModel) -> np.ndarray:
        """(n, 2) voltages of the intact grid at typical demand, or as near as DC power flow comes."""
        arrays, part = self._arrays, self._arrays.part
        load_mw = TYPICAL_FRAC * arrays.load_max_mw
        wanted_mw, most_mw = (np.bincount(part, each)[part] for each in (load_mw, arrays.gen_max_mw))
        gen_mw = arrays.gen_max_mw * np.minimum(wanted_mw / np.maximum(most_mw, TINY_MW), 1.0)
        has_load = arrays.load_max_mw > 0
        load_mvar = arrays.load_max_mvar * np.where(has_load, TYPICAL_FRAC, 1.0)
        at_reference = (self._reference == np.arange(len(part))).astype(float)
        status = np.ones(len(arrays.line_names), bool)
        rows = (gen_mw - load_mw, load_mvar, status, self._reference, at_reference, np.zeros(len(part), bool))
        injection, mvar, status, reference, share, dark = (row[None] for row in rows)
        given = Given(injection, mvar, status, reference, share, dark, None, None)
        start = model.dc_voltage(self._power_pu(model, given)[0])
        found, solved = self._newton(model, given, start.copy())
        typical: np.ndarray = (found[0] if solved.all() else start)[0]
        return typical

    def references(self, rows: int, islands: Islands | None) -> np.ndarray:
        """(B, N) reference node of the part of each node."""
        reference = np.tile(self._reference, (rows, 1))
        if islands is not None:
            reference[islands.rows] = _references(islands.cell, self._strongest)
        return reference

    def solve(
        self,
        injection_mw: np.ndarray,
        load_mvar: np.ndarray,
        outages: Outages | None = None,
        share: np.ndarray | None = None,
        dark: np.ndarray | None = None,
        start: np.ndarray | None = None,
    ) -> PowerFlow:
        """Solve.

        Args:
            injection_mw: (B, N) generation and discharge, less charge and served demand.
            load_mvar: (B, N) reactive demand.
            outages: the lines that are out of service; None: none is.
            share: (B, N) of each node in the slack, summing to 1 in each part; None: the reference buses take it.
            dark: (B, N) True in parts that are not to be solved; None: nowhere.
            start: (B, N, 2) voltages to start from; None: those of DC power flow.
        """
        rows, nodes = injection_mw.shape
        islands = None if outages is None else outages.islands
        status = np.ones((rows, len(self._arrays.line_names)), bool) if outages is None else outages.in_service
        reference = self.references(rows, islands)
        if share is None:
            share = (reference == np.arange(nodes)).astype(float)
        dark = np.zeros((rows, nodes), bool) if dark is None else dark
        given = Given(injection_mw, load_mvar, status, reference, share, dark, start, islands)
        closed = status & self._is_connector
        if (closed == self._is_connector).all():
            return self._solve(self._model(self._is_connector), given)
        kinds, which = np.unique(closed, axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        groups = [np.flatnonzero(which.ravel() == number) for number in range(len(kinds))]
        parts = [self._solve(self._model(kind), given.take(own)) for kind, own in zip(kinds, groups, strict=True)]
        place = np.argsort(order, kind="stable")
        return PowerFlow(*(np.concatenate(fields)[place] for fields in zip(*parts, strict=True)))

    def _solve(self, model: AcModel, given: Given) -> PowerFlow:
        voltage = np.tile(model.start, (len(given.dark), 1, 1)) if given.start is None else given.start[:, model.node]
        found, solved = self._newton(model, given, voltage)
        for at_load, from_largest in ((False, False), (True, False), (True, True)):
            again = np.flatnonzero(~solved.all(1))
            if again.size:
                rest = self._at_largest(given.take(again)) if from_largest else given.take(again)
                better, is_better = self._newton(model, rest, self._dc_voltage(model, rest, at_load))
                for one, other in zip(found, better, strict=True):
                    one[again] = other
                solved[again] = is_better
        return self._result(model, given, solved, *found)

    def _at_largest(self, given: Given) -> Given:
        """The same with the reference at the holders with the most generation."""
        cell = np.tile(self._arrays.part, (len(given.dark), 1))
        if given.islands is not None:
            cell[given.islands.rows] = given.islands.cell + len(self._arrays.part)
        return dataclasses.replace(given, reference=_references(cell, self._largest))

    def _dc_voltage(self, model: AcModel, given: Given, at_load: bool) -> np.ndarray:
        """(b, n, 2) voltages with the angles of DC power flow, with what is injected or without."""
        power_pu = self._power_pu(model, given)[0] - model.net.shunt[:, 0]
        return model.dc_voltage(power_pu if at_load else np.zeros(power_pu.shape))

    def _power_pu(self, model: AcModel, given: Given) -> tuple[np.ndarray, np.ndarray]:
        """(b, n) active and reactive power into the network, without what holds voltages and shunts."""
        injection_mw = given.injection_mw + self._arrays.shunt_mw
        base = self._arrays.base_mva
        return (model.gather @ injection_mw.T).T / base, (model.gather @ -given.load_mvar.T).T / base

    def _newton(self, model: AcModel, given: Given, voltage: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Voltage, slack, power and what lines carry, as ``newton.solve`` says, and (b, N) whether a part is solved."""
        bus, node = model.bus, model.node
        reference = np.where(given.dark[:, node], -1, bus[given.reference[:, node]])
        share = (model.gather @ given.share.T).T
        inputs = (*self._power_pu(model, given), share, reference, given.status, voltage)
        whole = [np.ascontiguousarray(each) for each in inputs]
        voltage, carried = whole[-1], np.zeros((4, *given.status.shape))
        slack, power, off = solve(model.net, *whole, carried)
        slack = np.take_along_axis(slack, np.maximum(reference, 0), axis=1)
        is_off = (~(off <= ACCEPTED_PU)).astype(float)[:, bus]
        return (voltage, slack, power, carried.transpose(1, 0, 2)), in_parts(self._arrays, is_off, given.islands) == 0

    def _result(
        self,
        model: AcModel,
        given: Given,
        solved: np.ndarray,
        voltage: np.ndarray,
        slack: np.ndarray,
        power: np.ndarray,
        carried: np.ndarray,
    ) -> PowerFlow:
        arrays, base, bus = self._arrays, self._arrays.base_mva, model.bus
        works = solved & ~given.dark
        if not works.all():
            stopped = ~works[:, model.node]
            voltage[stopped], power[stopped] = 0.0, 0.0
            carried *= works[:, None, arrays.line_from]
        slack_mw = slack[:, bus] * base * works
        injection_mw, load_mvar = given.injection_mw + given.share * slack_mw, given.load_mvar
        size = np.sqrt(voltage[..., 0] ** 2 + voltage[..., 1] ** 2)
        size_of_node = size[:, bus]
        flow = carried.transpose(1, 0, 2)
        flow *= base
        shunt_mw = np.where(works, arrays.shunt_mw * (size_of_node**2 - 1.0), 0.0)
        if model.connectors.size:
            given_mvar = power[:, :, 1] * base + (model.gather @ load_mvar.T).T  # (B, n) by what holds voltages
            net_mw = np.where(works, injection_mw, 0.0) - shunt_mw
            shunt_mvar = arrays.shunt_mvar * size_of_node**2
            net_mvar = np.where(works, given_mvar[:, bus] * model.part_of_reactive - load_mvar + shunt_mvar, 0.0)
            for at, net in ((0, net_mw), (1, net_mvar)):
                real = (flow[at][:, model.lines] @ model.leaving[0].T) + (
                    flow[2 + at][:, model.lines] @ model.leaving[1].T
                )
                through = net @ model.side.T - real
                flow[at][:, model.connectors], flow[2 + at][:, model.connectors] = through, -through
        off = np.maximum(model.lowest_pu - size, size - model.highest_pu)
        off = np.where(works[:, model.node], np.maximum(off, 0.0), 0.0)
        return PowerFlow(
            voltage_pu=size_of_node,
            from_mw=flow[0],
            from_mvar=flow[1],
            to_mw=flow[2],
            to_mvar=flow[3],
            slack_mw=slack_mw,
            solved=solved,
            loss_mw=(flow[0] + flow[2]).sum(1) + shunt_mw.sum(1),
            voltage_off_pu=off.sum(1),
            voltage=voltage[:, bus],
        )
