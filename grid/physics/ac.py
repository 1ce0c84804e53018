"""AC power flow of B grids at once: voltages, flows and losses in every connected part."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from grid.arrays import GridArrays
from grid.physics.ac_model import AcModel
from grid.physics.balance import in_parts
from grid.physics.newton import ACCEPTED_PU, solve
from grid.physics.outages import Islands, Outages

KEPT_MODELS = 64  # of ideal connectors out of service
TYPICAL_FRAC = 0.7  # of the largest demand, at which the start of Newton's method is worked out


@dataclass(frozen=True, eq=False)
class PowerFlow:
    """The solution of B rows. A part that is dark, or has no solution, has zeros everywhere."""

    voltage_pu: np.ndarray  # (B, N)
    angle_rad: np.ndarray  # (B, N) against the reference bus of the part
    from_mw: np.ndarray  # (B, E) into the line at its from end
    from_mvar: np.ndarray  # (B, E)
    to_mw: np.ndarray  # (B, E) into the line at its to end
    to_mvar: np.ndarray  # (B, E)
    slack_mw: np.ndarray  # (B, N) what the part of the node had to add to its injections
    solved: np.ndarray  # (B, N) whether the part of the node is solved; a dark one is
    loss_mw: np.ndarray  # (B,) of lines, and of shunts what they draw beyond that at 1 pu
    voltage_off_pu: np.ndarray  # (B,) outside the band of voltages, summed over buses that are not dark
    voltage: np.ndarray  # (B, N, 2) the same, real and imaginary part

    @property
    def line_mva(self) -> np.ndarray:
        """(B, E) apparent power at the end that carries more."""
        return np.sqrt(np.maximum(self.from_mw**2 + self.from_mvar**2, self.to_mw**2 + self.to_mvar**2))


class AcFlow:
    """Solves AC power flow on one grid; see ``grid.physics.newton`` for the method.

    Reactive limits are enforced: a bus beyond them gives its limit and holds its voltage no longer. The reference bus
    of a part is that with the most generation among those which hold their voltage; it does so without limits, as in
    pandapower and MATPOWER. In a part where no bus does, the one with the most generation holds 1 pu.
    """

    def __init__(self, arrays: GridArrays) -> None:
        self._arrays = arrays
        self._is_connector = arrays.reactance_pu == 0
        self._models: OrderedDict[bytes, AcModel] = OrderedDict()
        intact = self._model(self._is_connector)
        capacity = intact.gather @ (arrays.gen_max_mw + arrays.discharge_max_mw)
        strength = (capacity + 2.0 * capacity.max(initial=1.0) * (intact.net.holds & (capacity > 0)))[intact.bus]
        strength = strength + capacity.max(initial=1.0) * 0.5 * intact.net.holds[intact.bus] * (strength == 0)
        self._strongest = np.argsort(-strength, kind="stable")  # (N,) nodes, as reference buses are chosen
        self._reference = self._references(arrays.part[None])[0]  # (N,) of each node, while no line is out

    def _references(self, cell: np.ndarray) -> np.ndarray:
        """(b, N) reference node of the part of each node, from numbers of parts (b, N)."""
        node = np.empty(cell.shape, dtype=np.intp)
        ordered = cell[:, self._strongest].ravel()
        found, place = np.unique(ordered, return_index=True)
        node = self._strongest[place % cell.shape[1]][np.searchsorted(found, cell)]
        return node

    def _model(self, closed: np.ndarray) -> AcModel:
        key = closed.tobytes()
        if key not in self._models:
            self._models[key] = AcModel(self._arrays, closed)
            if len(self._models) > KEPT_MODELS:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def references(self, rows: int, islands: Islands | None) -> np.ndarray:
        """(B, N) reference node of the part of each node."""
        reference = np.tile(self._reference, (rows, 1))
        if islands is not None:
            reference[islands.rows] = self._references(islands.cell)
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
        rows, arrays = len(injection_mw), self._arrays
        islands = None if outages is None else outages.islands
        status = np.ones((rows, len(arrays.line_names)), dtype=bool) if outages is None else outages.in_service
        reference = self.references(rows, islands)
        if share is None:
            share = np.zeros(injection_mw.shape)
            np.put_along_axis(share, reference, 1.0, axis=1)
        dark = np.zeros(injection_mw.shape, dtype=bool) if dark is None else dark
        given = (injection_mw, load_mvar, status, reference, share, dark)
        closed = status & self._is_connector
        if (closed == self._is_connector).all():
            return self._solve(self._model(self._is_connector), *given, islands, start)
        kinds, which = np.unique(closed, axis=0, return_inverse=True)
        which, parts = which.ravel(), []
        for number in range(len(kinds)):
            own = np.flatnonzero(which == number)
            split = None if islands is None else islands.take(own)
            begin = None if start is None else start[own]
            parts.append(self._solve(self._model(kinds[number]), *(each[own] for each in given), split, begin))
        return _merged(parts, np.argsort(np.argsort(which, kind="stable"), kind="stable"))

    def _solve(
        self,
        model: AcModel,
        injection_mw: np.ndarray,
        load_mvar: np.ndarray,
        status: np.ndarray,
        reference: np.ndarray,
        share: np.ndarray,
        dark: np.ndarray,
        islands: Islands | None,
        start: np.ndarray | None,
    ) -> PowerFlow:
        arrays, base = self._arrays, self._arrays.base_mva
        bus, node = model.bus, model.node
        reference_bus = np.where(dark[:, node], -1, bus[reference[:, node]])
        p = (model.gather @ (injection_mw + arrays.shunt_mw).T).T / base
        voltage = np.ascontiguousarray(model.dc_voltage(p) if start is None else start[:, node])
        q, shares = -(model.gather @ load_mvar.T).T / base, (model.gather @ share.T).T
        given = (p, q, shares, reference_bus, status[:, model.lines])
        slack, power, off, carried = solve(model.net, *map(np.ascontiguousarray, given), voltage)
        solved = in_parts(arrays, (off[:, bus] > ACCEPTED_PU).astype(float), islands) == 0
        works = solved & ~dark
        if not works.all():
            voltage[~works[:, node]] = 0.0
            power[~works[:, node]] = 0.0
            carried[~(works[:, node][:, model.net.line_low])] = 0.0
        slack = np.take_along_axis(slack, np.maximum(reference_bus, 0), axis=1)[:, bus] * base * works
        return self._result(
            model, injection_mw + share * slack, load_mvar, works, solved, slack, voltage, power, carried
        )

    def _result(
        self,
        model: AcModel,
        injection_mw: np.ndarray,
        load_mvar: np.ndarray,
        works: np.ndarray,
        solved: np.ndarray,
        slack_mw: np.ndarray,
        voltage: np.ndarray,
        power: np.ndarray,
        carried: np.ndarray,
    ) -> PowerFlow:
        arrays, base, bus = self._arrays, self._arrays.base_mva, model.bus
        size = np.sqrt(voltage[..., 0] ** 2 + voltage[..., 1] ** 2)
        size_of_node = size[:, bus]
        turned = carried[:, :, [2, 3, 0, 1]]
        ends = np.where(model.is_turned[:, None], turned, carried) * base
        flow = np.zeros((4, len(voltage), len(arrays.line_names)))
        flow[:, :, model.lines] = ends.transpose(2, 0, 1)
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
            angle_rad=np.arctan2(voltage[..., 1], voltage[..., 0])[:, bus],
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


def _merged(parts: list[PowerFlow], order: np.ndarray) -> PowerFlow:
    """Solutions of groups of rows, one below the other, with the rows in another order."""
    fields = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in vars(parts[0])}
    return PowerFlow(**fields)
